//! A TCP proxy on the loopback interface that breaks what goes through it, in front of a server that speaks HTTP.
//!
//! Owns connections and the faults in them: cut after so many bytes in either direction, reset, stalled until it is healed,
//! dripping, a page of the server's instead of an answer, and an answer that is swallowed once the origin's branch has
//! moved. What a connection meets is chosen when it is accepted. It never changes a byte that it lets through.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};

/// How often a waiting thread looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(20);
/// How long a swallowed answer may be waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a connection meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing.
    None,
    /// The client's side is closed after so many of its bytes.
    CutUp(usize),
    /// The connection is closed after so many bytes of the server's.
    CutDown(usize),
    /// It is reset after so many bytes of the server's.
    Reset(usize),
    /// After so many bytes of the server's nothing more is said, until the proxy is healed.
    Stall(usize),
    /// The answer comes a few bytes at a time.
    Drip,
    /// A push goes through whole; when the origin's branch has moved, the connection is closed without the answer.
    SwallowAnswer,
    /// Every request is answered with this status and a page.
    Page(u16),
    /// The same for the request that pushes, and for no other.
    PageOnPush(u16),
}

type Choice = Box<dyn FnMut(u64) -> Fault + Send>;

struct Shared {
    upstream: u16,
    branch: PathBuf,
    choose: Mutex<Choice>,
    /// Counts how often it was healed: a stall ends with the next time.
    healed: (Mutex<u64>, Condvar),
    ended: AtomicBool,
    accepted: AtomicU64,
    faults: AtomicU64,
    swallowed: AtomicU64,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

/// The proxy; it ends with this value.
pub struct Proxy {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
    listener: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens in front of `upstream`, letting everything through. `origin` is the bare repository behind the server.
    pub fn start(upstream: u16, origin: &Path) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream,
            branch: origin.join("refs/heads/main"),
            choose: Mutex::new(Box::new(|_| Fault::None)),
            healed: (Mutex::new(0), Condvar::new()),
            ended: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            swallowed: AtomicU64::new(0),
            workers: Mutex::new(Vec::new()),
        });
        let accepting = Arc::clone(&shared);
        let listener = std::thread::spawn(move || accepting.accept(&listener));
        Ok(Self { port, shared, listener: Some(listener) })
    }

    /// From now on each connection meets what `choose` says of its number.
    pub fn choose(&self, choose: impl FnMut(u64) -> Fault + Send + 'static) {
        *locked(&self.shared.choose) = Box::new(choose);
    }

    /// The network is well again: new connections meet nothing, stalled ones are closed.
    pub fn heal(&self) {
        self.choose(|_| Fault::None);
        *locked(&self.shared.healed.0) += 1;
        self.shared.healed.1.notify_all();
    }

    /// How many connections have met a fault.
    pub fn faults(&self) -> u64 {
        self.shared.faults.load(Ordering::SeqCst)
    }

    /// How many connections there were.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many answers were swallowed behind a push that had moved the branch.
    pub fn swallowed(&self) -> u64 {
        self.shared.swallowed.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.heal();
        // Wakes the listener; whether it gets through makes no difference.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        for worker in std::mem::take(&mut *locked(&self.shared.workers)) {
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            let number = self.accepted.fetch_add(1, Ordering::SeqCst);
            let fault = (locked(&self.choose))(number);
            if fault != Fault::None {
                self.faults.fetch_add(1, Ordering::SeqCst);
            }
            let shared = Arc::clone(self);
            let worker = std::thread::spawn(move || {
                // A connection that breaks by itself is what this is about.
                let _ = shared.serve(client, fault);
            });
            let mut workers = locked(&self.workers);
            workers.retain(|worker| !worker.is_finished());
            workers.push(worker);
        }
    }

    fn serve(self: &Arc<Self>, client: TcpStream, fault: Fault) -> io::Result<()> {
        let server = TcpStream::connect(("127.0.0.1", self.upstream))?;
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(LOOK))?;
            stream.set_nodelay(true)?;
        }
        let pushes = Arc::new(Mutex::new(None));
        let up = {
            let (shared, pushes) = (Arc::clone(self), Arc::clone(&pushes));
            let (client, server) = (client.try_clone()?, server.try_clone()?);
            std::thread::spawn(move || {
                let end = shared.pump_up(&client, &server, fault, &pushes);
                if end.is_err() || fault != Fault::None {
                    let _ = client.shutdown(Shutdown::Both);
                }
                let _ = server.shutdown(Shutdown::Write);
            })
        };
        let end = self.pump_down(&server, &client, fault, &pushes);
        if matches!(end, Ok(End::Reset)) {
            let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            let _ = setsockopt(&client, sockopt::Linger, &linger);
        } else {
            let _ = client.shutdown(Shutdown::Both);
        }
        let _ = server.shutdown(Shutdown::Both);
        drop((client, server));
        let _ = up.join();
        end.map(drop)
    }

    /// From the client to the server; notes where the branch stood when a push began.
    fn pump_up(
        &self,
        client: &TcpStream,
        mut server: &TcpStream,
        fault: Fault,
        pushes: &Mutex<Option<Vec<u8>>>,
    ) -> io::Result<()> {
        let mut passed = 0;
        let mut buffer = [0; 16 * 1024];
        while let Some(count) = self.read(client, &mut buffer)? {
            let bytes = &buffer[..count];
            // git's client sends the head of a request in one piece.
            let head = bytes.starts_with(b"POST ") || bytes.starts_with(b"GET ");
            let push = bytes.starts_with(b"POST ") && find(bytes, b"git-receive-pack HTTP").is_some();
            match fault {
                Fault::Page(status) if head => return page(client, status),
                Fault::PageOnPush(status) if push => return page(client, status),
                Fault::SwallowAnswer if push => *locked(pushes) = Some(std::fs::read(&self.branch).unwrap_or_default()),
                Fault::CutUp(most) if passed + count > most => {
                    server.write_all(&bytes[..most.saturating_sub(passed)])?;
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                _ => {}
            }
            server.write_all(bytes)?;
            passed += count;
        }
        Ok(())
    }

    /// From the server to the client.
    fn pump_down(
        &self,
        server: &TcpStream,
        mut client: &TcpStream,
        fault: Fault,
        pushes: &Mutex<Option<Vec<u8>>>,
    ) -> io::Result<End> {
        let healed = *locked(&self.healed.0);
        let mut passed = 0;
        let mut buffer = [0; 16 * 1024];
        while let Some(count) = self.read(server, &mut buffer)? {
            let bytes = &buffer[..count];
            if let Some(before) = &*locked(pushes) {
                self.wait_for_move(before);
                return Ok(End::Cut);
            }
            let left = match fault {
                Fault::CutDown(most) | Fault::Reset(most) | Fault::Stall(most) => most.saturating_sub(passed),
                _ => count,
            };
            if fault == Fault::Drip {
                for few in bytes.chunks(7) {
                    client.write_all(few)?;
                    client.flush()?;
                    std::thread::yield_now();
                }
            } else {
                client.write_all(&bytes[..left.min(count)])?;
            }
            passed += count;
            if left < count {
                return Ok(match fault {
                    Fault::Reset(_) => End::Reset,
                    Fault::Stall(_) => {
                        self.wait_for_heal(healed);
                        End::Cut
                    }
                    _ => End::Cut,
                });
            }
        }
        Ok(End::Cut)
    }

    /// The next bytes; `None` at the end of the stream or of the proxy.
    fn read(&self, mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match stream.read(buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => return Ok(Some(count)),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    if self.ended.load(Ordering::SeqCst) {
                        return Ok(None);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn wait_for_heal(&self, before: u64) {
        let mut healed = locked(&self.healed.0);
        while *healed == before && !self.ended.load(Ordering::SeqCst) {
            let (next, _) = self.healed.1.wait_timeout(healed, LOOK).unwrap_or_else(PoisonError::into_inner);
            healed = next;
        }
    }

    /// Until the branch is another than `before`, or for so long that the push cannot have been for it.
    fn wait_for_move(&self, before: &[u8]) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && !self.ended.load(Ordering::SeqCst) {
            if std::fs::read(&self.branch).unwrap_or_default() != before {
                self.swallowed.fetch_add(1, Ordering::SeqCst);
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

enum End {
    Cut,
    Reset,
}

fn page(mut client: &TcpStream, status: u16) -> io::Result<()> {
    let text = format!("<html><body>{status}: the proxy says so</body></html>\n");
    let extra = if status == 401 { "WWW-Authenticate: Basic realm=\"nobody\"\r\n" } else { "" };
    write!(
        client,
        "HTTP/1.1 {status} Page\r\nContent-Type: text/html\r\n{extra}Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )?;
    client.flush()?;
    // What is left of the request is read: closing on it would reset the connection and take the page away.
    client.shutdown(Shutdown::Write)?;
    let deadline = Instant::now() + Duration::from_secs(2);
    let mut rest = [0; 4096];
    while Instant::now() < deadline {
        match client.read(&mut rest) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
