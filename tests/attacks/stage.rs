//! The surroundings of an attack: who dispatches, what lies about on the host to be reached, and one pass of the real program.
//!
//! Everything that an attack could leave is found by its token, which is in its environment and in no other, and goes with the stage: processes
//! by their id, files, shared memory.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::World;
use crate::table::Attack;

/// What every kind of an attack may use. The bombs are larger, and bounded themselves.
pub const PIDS: u64 = 32;
pub const MEMORY_MIB: u64 = 96;
pub const TMP_MIB: u64 = 1;
pub const OUTPUT_BYTES: u64 = 64 << 10;
/// Longer than anything takes on a machine that is merely busy.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Who runs the dispatcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    Root,
    Ordinary,
}

impl User {
    pub const ALL: [Self; 2] = [Self::Root, Self::Ordinary];

    pub fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Ordinary => "user",
        }
    }
}

/// What one script of an attack did.
#[derive(Debug)]
pub struct Try {
    /// The attack's name.
    pub attack: &'static str,
    /// The kind, which is also the request's name and that of its record.
    pub kind: String,
    /// What it printed, as the record has it; by hand, all of it.
    pub output: String,
    /// `status.yml`; empty by hand.
    pub status: String,
    /// The folder of its record; by hand, its log folder.
    pub folder: PathBuf,
    /// Run without the dispatcher.
    pub by_hand: bool,
    /// What the terminal showed, where there was one; else what the dispatcher said.
    pub shown: String,
    /// How the dispatcher ended.
    pub exit: Option<i32>,
}

impl Try {
    /// Everything about it that helps to find out why.
    pub fn told(&self) -> String {
        let start = |text: &str| text.chars().take(3000).collect::<String>();
        let wanted = ["outcome:", "reason:", "  level:", "  - ", "run_as:"];
        let status: Vec<&str> =
            self.status.lines().filter(|line| wanted.iter().any(|want| line.starts_with(want))).collect();
        let how = if self.by_hand { "by hand" } else { "by the dispatcher" };
        let (output, shown) = (start(&self.output), start(&self.shown));
        format!("{how}, exit {:?}\noutput:\n{output}\nstatus:\n{}\nshown:\n{shown}\n", self.exit, status.join("\n"))
    }
}

pub struct Stage {
    world: Option<World>,
    pub user: User,
    /// The ordinary user; the test's own where that is not root.
    pub uid: u32,
    /// The first slot's, where the dispatcher is root.
    pub slot_uid: u32,
    pub token: String,
    /// Stands in every file and process that must not be reached, and nowhere else.
    pub secret: String,
    /// Of each kind, for its row of the index.
    pub env: BTreeMap<String, BTreeMap<&'static str, String>>,
    tcp: Vec<TcpListener>,
    udp: UdpSocket,
    unix: Vec<UnixListener>,
    datagrams: Vec<UnixDatagram>,
    received: Mutex<Vec<u8>>,
    victims: Vec<std::process::Child>,
    shared_memory: Option<String>,
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The kind that a script is the handler of.
pub fn kind_of(script: &str) -> String {
    script.replace(['_', '.'], "-")
}

pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks")
}

impl Stage {
    pub fn new(user: User, attacks: &[&Attack]) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let world = World::new()?;
        // Users of its own, so that neither limits nor signals meet another test's.
        let number = std::process::id().wrapping_mul(16).wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed) * 16);
        let slot_uid = 20_000 + number % 35_000;
        let uid = if is_root() { slot_uid + 15 } else { nix::unistd::geteuid().as_raw() };
        let unique = uuid::Uuid::new_v4();
        let udp = UdpSocket::bind("127.0.0.1:0")?;
        udp.set_nonblocking(true)?;
        let mut stage = Self {
            user,
            uid,
            slot_uid,
            token: format!("attack-{unique}"),
            secret: format!("canary-{}", uuid::Uuid::new_v4()),
            env: BTreeMap::new(),
            tcp: vec![TcpListener::bind("127.0.0.1:0")?],
            udp,
            unix: Vec::new(),
            datagrams: Vec::new(),
            received: Mutex::default(),
            victims: Vec::new(),
            shared_memory: None,
            world: Some(world),
        };
        stage.tcp.extend(TcpListener::bind("[::1]:0"));
        stage.furnish(attacks)?;
        Ok(stage)
    }

    pub fn world(&self) -> &World {
        self.world.as_ref().expect("there until it is closed")
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.world().path(inside)
    }

    pub fn token(&self, kind: &str) -> String {
        format!("{}-{kind}", self.token)
    }

    pub fn victim(&self, kind: &str) -> u32 {
        self.env[kind]["VICTIM"].parse().expect("a pid")
    }

    /// The user that handlers run as, where it is known beforehand.
    fn handler_uid(&self) -> u32 {
        if self.user == User::Root { self.slot_uid } else { self.uid }
    }

    /// Lays out what an attack could reach: open to everybody, so that only the walls keep a handler from it.
    fn furnish(&mut self, attacks: &[&Attack]) -> io::Result<()> {
        let root = self.world().root().to_owned();
        set_mode(&root, 0o755)?;
        for (folder, mode) in
            [("home", 0o755), ("outside", 0o755), ("granted", 0o755), ("meet", 0o777), ("private", 0o700)]
        {
            fs::create_dir_all(root.join(folder))?;
            set_mode(&root.join(folder), mode)?;
        }
        let secret = self.secret.clone();
        self.put("home/canary", &secret, 0o644)?;
        // An interpreter line that prints the file, for the attack that executes it.
        self.put("outside/canary", &format!("#!/bin/cat\n{secret}\n"), 0o755)?;
        std::os::unix::fs::symlink(&secret, root.join("outside/link"))?;
        self.put("private/canary", &secret, 0o600)?;
        fs::copy("/usr/bin/id", root.join("granted/id"))?;
        set_mode(&root.join("granted/id"), 0o4755)?;
        for (name, listeners) in [("socket", true), ("socket-datagram", false)] {
            let (path, address) = (root.join(name), SocketAddr::from_abstract_name(format!("{}-{name}", self.token))?);
            if listeners {
                self.unix.extend([UnixListener::bind(&path)?, UnixListener::bind_addr(&address)?]);
            } else {
                self.datagrams.extend([UnixDatagram::bind(&path)?, UnixDatagram::bind_addr(&address)?]);
            }
            set_mode(&path, 0o777)?;
        }
        if self.user == User::Ordinary {
            self.take_along()?;
        }
        for script in attacks.iter().flat_map(|attack| attack.scripts) {
            let text = fs::read_to_string(scripts().join(script))?;
            let kind = kind_of(script);
            let env = self.environment(&kind, &text)?;
            self.env.insert(kind, env);
        }
        Ok(())
    }

    /// Gives all of it to the ordinary user, with a program that it can reach.
    fn take_along(&self) -> io::Result<()> {
        let program = self.path("bin/dispatch");
        let original = fs::canonicalize(&program)?;
        fs::remove_file(&program)?;
        fs::hard_link(&original, &program).or_else(|_| fs::copy(&original, &program).map(|_| ()))?;
        if is_root() {
            for name in ["", "home", "home/canary", "clone", "tmp", "meet", "outside", "private", "private/canary"] {
                chown(self.path(name), Some(self.uid), Some(self.uid))?;
            }
        }
        Ok(())
    }

    pub fn put(&self, path: &str, text: &str, mode: u32) -> io::Result<()> {
        fs::write(self.path(path), text)?;
        set_mode(&self.path(path), mode)
    }

    /// What a script is told of what lies about; what it does not ask for is not made.
    fn environment(&mut self, kind: &str, text: &str) -> io::Result<BTreeMap<&'static str, String>> {
        let inside = |name: &str| self.path(name).display().to_string();
        let outside = format!("outside/{kind}");
        let port = |index: usize| self.tcp.get(index).and_then(|one| one.local_addr().ok()).map_or(9, |at| at.port());
        let mut env = BTreeMap::from([
            ("TOKEN", self.token(kind)),
            ("STAGE", inside("")),
            ("HOME_CANARY", inside("home/canary")),
            ("CANARY", inside("outside/canary")),
            ("PRIVATE", inside("private/canary")),
            ("CLONE", inside("clone")),
            ("STATE", inside("clone/.git/dispatch")),
            ("OUTSIDE", inside(&outside)),
            ("METADATA", inside(&format!("{outside}/metadata"))),
            ("LINKABLE", inside(&format!("{outside}/linkable"))),
            ("SETUID_PROGRAM", inside("granted/id")),
            ("SOCKET", inside("socket")),
            ("ABSTRACT", format!("{}-socket", self.token)),
            ("TCP_PORT", port(0).to_string()),
            ("TCP6_PORT", port(1).to_string()),
            ("UDP_PORT", self.udp.local_addr()?.port().to_string()),
            ("MEET", inside("meet")),
            ("TERMINAL", "@TERMINAL@".to_owned()),
        ]);
        env.retain(|name, _| text.contains(*name) || *name == "TOKEN");
        if env.contains_key("OUTSIDE") || env.contains_key("METADATA") || env.contains_key("LINKABLE") {
            self.furnish_outside(&outside)?;
        }
        if text.contains("VICTIM") {
            env.insert("VICTIM", self.start_victim()?);
        }
        if text.contains("HANDLE") {
            env.insert("HANDLE", Self::python("import ctypes,sys\nbuffer=ctypes.create_string_buffer((128).to_bytes(4,'little'),136)\nif ctypes.CDLL(None).name_to_handle_at(-100,sys.argv[1].encode(),buffer,ctypes.byref(ctypes.c_int()),0): sys.exit('this file system has no handles')\nsize=int.from_bytes(buffer.raw[:4],'little')\nprint(int.from_bytes(buffer.raw[4:8],'little'),buffer.raw[8:8+size].hex(),sep=':')", &[&self.path("outside/canary")])?);
        }
        if text.contains("SHMID") {
            let made = Self::python(
                "import ctypes,sys\nlibc=ctypes.CDLL(None)\nlibc.shmat.restype=ctypes.c_void_p\nnumber=libc.shmget(0,4096,0o1644)\nctypes.memmove(libc.shmat(number,None,0),sys.argv[1].encode(),len(sys.argv[1]))\nprint(number)",
                &[Path::new(&self.secret)],
            )?;
            self.shared_memory = Some(made.clone());
            env.insert("SHMID", made);
        }
        if text.contains("SHARED") {
            let path = format!("/dev/shm/{}", self.token);
            fs::write(&path, &self.secret)?;
            set_mode(Path::new(&path), 0o644)?;
            env.insert("SHARED", path);
        }
        if text.contains("PLACES") {
            env.insert("PLACES", String::new());
        }
        Ok(env)
    }

    fn furnish_outside(&self, folder: &str) -> io::Result<()> {
        fs::create_dir(self.path(folder))?;
        set_mode(&self.path(folder), 0o777)?;
        for (name, _) in PRISTINE {
            self.put(&format!("{folder}/{name}"), "old", 0o666)?;
        }
        for name in ["metadata", "linkable"] {
            self.put(&format!("{folder}/{name}"), &self.secret, 0o644)?;
            // The one belongs to the dispatcher, the other to the handler as far as users go.
            let owner = if name == "linkable" || self.user == User::Ordinary { self.handler_uid() } else { 0 };
            if is_root() {
                chown(self.path(folder).join(name), Some(owner), Some(owner))?;
            }
        }
        Ok(())
    }

    /// A process of the handler's user.
    pub fn start_victim(&mut self) -> io::Result<String> {
        let mut command = as_user("/usr/bin/python3", is_root().then_some(self.handler_uid()));
        let mut victim = command
            .arg(scripts().join("figures/victim.py"))
            .arg(&self.secret)
            .env("VICTIM_SECRET", &self.secret)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group_of_its_own()
            .spawn()?;
        let mut up = [0; 3];
        let heard = victim.stdout.take().expect("piped").read_exact(&mut up);
        let pid = victim.id().to_string();
        self.victims.push(victim);
        heard.map(|()| pid)
    }

    fn python(program: &str, arguments: &[&Path]) -> io::Result<String> {
        let output = Command::new("python3").arg("-c").arg(program).args(arguments).output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Shell lines as the dispatcher's user, in the clone.
    pub fn shell(&self, script: &str) -> io::Result<crate::support::Ended> {
        if !is_root() || self.user == User::Root {
            return self.world().shell(script);
        }
        let uid = self.uid;
        let drop = format!("exec setpriv --reuid {uid} --regid {uid} --clear-groups sh -eu -c {}", quoted(script));
        self.world().shell(&drop)
    }

    /// Everything that anybody has sent to what listens on the host.
    pub fn received(&self) -> Vec<u8> {
        let mut received = self.received.lock().expect("nobody panics while holding it");
        for listener in &self.tcp {
            let _ = listener.set_nonblocking(true);
            while let Ok((mut stream, _)) = listener.accept() {
                let _ =
                    stream.set_read_timeout(Some(Duration::from_secs(1))).and_then(|()| stream.set_nonblocking(false));
                let _ = stream.read_to_end(&mut received);
            }
        }
        for listener in &self.unix {
            let _ = listener.set_nonblocking(true);
            while let Ok((mut stream, _)) = listener.accept() {
                let _ =
                    stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(Duration::from_secs(1))));
                let _ = stream.read_to_end(&mut received);
            }
        }
        let mut packet = [0; 1024];
        while let Ok((length, _)) = self.udp.recv_from(&mut packet) {
            received.extend_from_slice(&packet[..length]);
        }
        for socket in &self.datagrams {
            let _ = socket.set_nonblocking(true);
            while let Ok((length, _)) = socket.recv_from(&mut packet) {
                received.extend_from_slice(&packet[..length]);
            }
        }
        received.clone()
    }

    /// Processes that have the token in their environment: a kind's, or those of all.
    pub fn alive(&self, kind: Option<&str>) -> Vec<i32> {
        let token = kind.map_or_else(|| self.token.clone(), |kind| self.token(kind));
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let found = processes.filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let environ = fs::read(entry.path().join("environ")).ok()?;
            let of_attack = environ.split(|byte| *byte == 0).any(|variable| {
                variable.strip_prefix(b"TOKEN=").is_some_and(|value| value.starts_with(token.as_bytes()))
            });
            of_attack.then_some(pid)
        });
        found.collect()
    }

    /// Ends the stage; an error names what was left behind.
    pub fn close(mut self) -> io::Result<()> {
        self.clear();
        self.world.take().map_or(Ok(()), World::close)
    }

    fn clear(&mut self) {
        for mut victim in self.victims.drain(..) {
            let _ = victim.kill();
            let _ = victim.wait();
        }
        let until = Instant::now() + DEADLINE;
        loop {
            let left = self.alive(None);
            for pid in &left {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            if left.is_empty() || Instant::now() > until {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(number) = self.shared_memory.take() {
            let _ = Command::new("ipcrm").args(["-m", &number]).status();
        }
        for folder in ["/tmp", "/dev/shm"] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let ours = name.as_bytes().windows(self.token.len()).any(|part| part == self.token.as_bytes());
                if ours && entry.metadata().is_ok_and(|file| !file.is_dir()) {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.clear();
    }
}

/// What lies in the folder outside, and what is in it.
pub const PRISTINE: [(&str, &str); 4] =
    [("grown", "old"), ("to-rename", "old"), ("to-remove", "old"), ("to-truncate", "old")];

/// A command as another user.
fn as_user(program: &str, uid: Option<u32>) -> Command {
    let Some(uid) = uid else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &uid.to_string(), "--regid", &uid.to_string(), "--clear-groups", program]);
    command
}

trait OwnGroup {
    fn process_group_of_its_own(&mut self) -> &mut Self;
}

impl OwnGroup for Command {
    /// An attack that signals the victim's group must not meet the test.
    fn process_group_of_its_own(&mut self) -> &mut Self {
        std::os::unix::process::CommandExt::process_group(self, 0)
    }
}

pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The mode, owner and times of a file.
pub fn attributes(path: &Path) -> io::Result<(u32, i64)> {
    let file = fs::metadata(path)?;
    Ok((file.mode() & 0o7777, file.mtime()))
}
