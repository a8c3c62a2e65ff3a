//! A service manager that only listens: a datagram socket as `NOTIFY_SOCKET`, read at once into memory.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::bench::PATIENCE;

/// Everything that was said so far, and a bell for whoever waits.
type Heard = Arc<(Mutex<Vec<String>>, Condvar)>;

/// Listens until it is dropped.
pub struct Manager {
    /// For `NOTIFY_SOCKET`.
    pub name: String,
    heard: Heard,
}

impl Manager {
    pub fn new() -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // In no folder: the path of a temporary one may be longer than a socket's may be.
        let name = format!("dispatch-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        let heard = Heard::default();
        let theirs = Arc::downgrade(&heard);
        // Wakes now and then to see whether anybody is interested any more.
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Some(heard) = theirs.upgrade() {
                if let Ok(size) = socket.recv(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..size]).into_owned();
                    heard.0.lock().expect("no panic").extend(text.lines().map(str::to_owned));
                    heard.1.notify_all();
                }
            }
        });
        Ok(Self { name: format!("@{name}"), heard })
    }

    /// Everything that was said so far, a word a line.
    pub fn words(&self) -> Vec<String> {
        self.heard.0.lock().expect("no panic").clone()
    }

    /// How often a word that begins so was said.
    pub fn count(&self, start: &str) -> usize {
        self.words().iter().filter(|word| word.starts_with(start)).count()
    }

    /// Waits until all that was said fits.
    pub fn until(&self, what: &str, fits: impl Fn(&[String]) -> bool) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let (words, bell) = &*self.heard;
        let mut words = words.lock().expect("no panic");
        while !fits(&words) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::other(format!("waited in vain for {what}; said was: {words:#?}")));
            }
            words = bell.wait_timeout(words, left).expect("no panic").0;
        }
        Ok(())
    }

    /// Waits until a word that begins so has been said so many times.
    pub fn until_said(&self, start: &str, times: usize) -> io::Result<()> {
        self.until(start, |words| words.iter().filter(|word| word.starts_with(start)).count() >= times)
    }

    /// Waits until the last line of status holds these words.
    pub fn until_status(&self, has: &str) -> io::Result<()> {
        self.until(has, |words| {
            words.iter().rev().find_map(|word| word.strip_prefix("STATUS=")).is_some_and(|status| status.contains(has))
        })
    }
}
