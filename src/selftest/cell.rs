//! The probe of the sandbox: real handlers that try to get out of it, for each level and network that kinds use.
//!
//! Owns what stands outside to be reached (a file, a folder, sockets, a process) and the order of the runs; what is tried is `escape.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use uuid::Uuid;

use super::escape::{self, Escape, Finding, Heard};
use super::rules::Granted;
use crate::job::{Level, Network};
use crate::probe::{Probe, State};
use crate::run::sandbox::{Cause, Ending, Limits, Mount, Unavailable};
use crate::trial::{self, Attempt, Outcome, Trial};

/// Slot number of this probe; workers count from 0.
const SLOT: u32 = 9998;
/// What the bombs are granted.
const BOMB_MEMORY: u64 = 32 << 20;
const BOMB_PIDS: u64 = 8;
/// A bomb that has not ended by itself by then was held.
const BOMB_TIMEOUT: Duration = Duration::from_secs(1);
const DEAF_TIMEOUT: Duration = Duration::from_millis(100);

/// What is tried with.
pub(super) struct Set<'a> {
    /// The program that is executed as keeper.
    pub keeper: &'a Path,
    /// Layers that the host file requires.
    pub required: &'a [String],
    /// As root: a uid that is nobody's.
    pub uid: Option<u32>,
}

/// Tries `isolated` and whatever else kinds use: a row for each of them, and the table of what was tried.
pub(super) fn sandboxes(set: &Set<'_>, grants: &[Granted<'_>]) -> (Vec<Probe>, Vec<Escape>) {
    // Interpreters by level and network, each with the kinds that need it.
    let mut cells: BTreeMap<(Level, bool), BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for granted in grants {
        let key = (granted.grant.level, granted.grant.network != Network::None);
        let tools = cells.entry(key).or_default();
        if let Some(tool) = interpreter(&granted.kind.command) {
            tools.entry(tool.to_owned()).or_default().insert(granted.kind.row.kind.clone());
        }
    }
    let used: BTreeSet<(Level, bool)> = cells.keys().copied().collect();
    cells.entry((Level::Isolated, false)).or_default();
    let (mut probes, mut escapes) = (Vec::new(), Vec::new());
    let mut cells: Vec<_> = cells.into_iter().collect();
    // The strongest first.
    cells.sort_by_key(|((level, network), _)| (std::cmp::Reverse(*level), *network));
    for ((level, network), tools) in cells {
        // What no kind uses is worth knowing and keeps nothing from running.
        let needed = used.is_empty() || used.contains(&(level, network));
        let cell = Cell { level, network, needed, set };
        let (rows, tried) = cell.probe(&tools);
        probes.extend(rows);
        escapes.extend(tried);
    }
    (probes, escapes)
}

/// The program that has to be found for a handler: what its command begins with, behind `env` the next word.
fn interpreter(command: &[String]) -> Option<&str> {
    let first = command.first()?;
    if !first.starts_with('/') {
        return None;
    }
    if !first.ends_with("/env") {
        return Some(first);
    }
    let words = command.iter().skip(1).flat_map(|word| word.split_whitespace());
    words.into_iter().find(|word| !word.starts_with('-') && !word.contains('='))
}

struct Cell<'a> {
    level: Level,
    network: bool,
    needed: bool,
    set: &'a Set<'a>,
}

impl Cell<'_> {
    fn probe(&self, tools: &BTreeMap<String, BTreeSet<String>>) -> (Vec<Probe>, Vec<Escape>) {
        let name = self.name();
        // Held open on purpose, and not close-on-exec: the keeper inherits it and must not hand it on.
        let leak = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty());
        let mut trial = match Trial::start(SLOT, self.level, self.network, self.set.keeper) {
            Ok(trial) => trial,
            Err(fault) => return (vec![self.unavailable(&fault)], vec![self.unavailable_row(&fault)]),
        };
        drop(leak);
        let layers = trial.layers().to_vec();
        if let Err(fault) = trial.require(self.set.required) {
            return (vec![self.unavailable(&fault)], vec![self.unavailable_row(&fault)]);
        }
        let names: Vec<String> = tools.keys().cloned().collect();
        let (ending, heard) = match self.try_to_get_out(&mut trial, &names) {
            Ok(ended) => ended,
            Err(words) => {
                let help = "`dispatch -v run` shows more; the machine's log may too";
                return (vec![self.short_of(words).help(help)], Vec::new());
            }
        };
        tracing::debug!(?heard, "{name}");
        let rows = escape::rows(self.level, self.network, &layers, &heard);
        let mut probes = vec![self.verdict(&ending, &heard, &rows)];
        for tool in &heard.missing {
            let kinds: Vec<&str> = tools.get(tool).into_iter().flatten().map(String::as_str).collect();
            let words = format!("`{tool}` is not there for handlers; kinds: {}", kinds.join(", "));
            probes.push(
                Probe::warning(&name, words)
                    .help("install it below /usr: a handler sees the system's folders and no more"),
            );
        }
        (probes, rows)
    }

    fn name(&self) -> String {
        let network = if self.network { " + network" } else { "" };
        format!("sandbox {}{network}", self.level.as_str())
    }

    fn short_of(&self, words: String) -> Probe {
        if self.needed { Probe::failed(self.name(), words) } else { Probe::warning(self.name(), words) }
    }

    fn unavailable(&self, fault: &Unavailable) -> Probe {
        self.short_of(format!("{}: {}", fault.layer, fault.kernel)).help(fault.hint.clone())
    }

    fn unavailable_row(&self, fault: &Unavailable) -> Escape {
        Escape {
            level: self.name().trim_start_matches("sandbox ").to_owned(),
            layer: fault.layer.clone(),
            tried: "start a handler".to_owned(),
            found: format!("unavailable: {} → {}", fault.kernel, fault.hint),
            state: if self.needed { State::Failed } else { State::Warning },
        }
    }

    fn verdict(&self, ending: &Ending, heard: &Heard, rows: &[Escape]) -> Probe {
        let name = self.name();
        let layers = &ending.layers;
        if ending.cause != Cause::Exited(0) || !heard.done {
            let words = if ending.timed_out {
                "did not end".to_owned()
            } else {
                format!("ended otherwise: {:?}", ending.cause)
            };
            return self
                .short_of(format!("a handler that should end well {words}"))
                .help("the machine's log may say why");
        }
        let out: Vec<&str> =
            rows.iter().filter(|row| row.state == State::Failed).map(|row| row.tried.as_str()).collect();
        if !out.is_empty() {
            let help = "do not run handlers that you do not trust here, and report this";
            return Probe::failed(name, format!("a handler could: {}", out.join("; "))).help(help);
        }
        let active = if layers.is_empty() { "no layers".to_owned() } else { layers.join(", ") };
        if self.level == Level::None {
            let words = format!("a handler runs with this user's rights, as the host file allows ({active})");
            return Probe::ok(name, words);
        }
        let untried = rows.iter().filter(|row| row.state == State::Skipped).count();
        let tried = rows.len() - untried;
        let untried = if untried > 0 { format!(", {untried} not tried") } else { String::new() };
        let words = format!("a handler could not get out, {tried} attempts{untried} ({active})");
        if layers.iter().any(|layer| layer.ends_with(": rlimit")) {
            return Probe::warning(name, words)
                .help("no control group was to be had: memory and processes are limited for each process alone");
        }
        Probe::ok(name, words)
    }

    /// Runs the handlers in a folder of their own, which is removed.
    fn try_to_get_out(&self, trial: &mut Trial, tools: &[String]) -> Result<(Ending, Heard), String> {
        let failed = |doing: &'static str| move |error: io::Error| format!("{doing}: {error}");
        let uid = self.set.uid;
        let mark = Mark::new();
        let scratch = Scratch::make(uid).map_err(|error| {
            let place = std::env::temp_dir();
            format!("making a folder to try it in, below `{}` (TMPDIR says where): {error}", place.display())
        })?;
        // Somebody has to answer, or a closed door and a wall would look the same.
        let doors = Doors::open(&scratch, &mark).map_err(failed("opening sockets to be reached"))?;
        let mut witness = Witness::start(&mark, uid).map_err(failed("starting a process to be seen"))?;
        let words = [
            scratch.path("outside").display().to_string(),
            doors.port().to_string(),
            private_home(),
            witness.0.id().to_string(),
            mark.pattern(),
            escape::PYTHON.to_owned(),
            self.inside(&scratch, "work").display().to_string(),
            mark.daemon(),
        ];
        let script = words.into_iter().chain(tools.iter().cloned());
        let ended = trial.run(self.attempt(&scratch, uid, escape::SHELL, script, trial::limits()))?;
        let mut heard = Heard::read(&ended.stdout);
        for (name, reached) in [
            ("outside", scratch.path("outside").join("written").exists()),
            ("loopback", doors.loopback.accept().is_ok()),
            ("abstract", doors.hidden.accept().is_ok()),
            ("socket", doors.file.accept().is_ok()),
            ("signal", witness.has_ended()),
        ] {
            if reached {
                heard.note(name, Finding::Reached(String::new()));
            }
        }
        heard.note("daemon", mark.left_behind());
        for (name, script, limits) in [
            ("memory", escape::MEMORY, Limits { memory: BOMB_MEMORY, timeout: BOMB_TIMEOUT * 5, ..trial::limits() }),
            ("pids", escape::PIDS, Limits { pids: BOMB_PIDS, timeout: BOMB_TIMEOUT, ..trial::limits() }),
            ("timeout", escape::DEAF, Limits { timeout: DEAF_TIMEOUT, ..trial::limits() }),
        ] {
            let limits = Limits { grace: DEAF_TIMEOUT, ..limits };
            let ended = trial.run(self.attempt(&scratch, uid, script, [], limits))?;
            heard.note(name, held(name, &ended));
        }
        Ok((ended.ending, heard))
    }

    fn inside(&self, scratch: &Scratch, name: &str) -> PathBuf {
        if self.level == Level::Isolated { PathBuf::from("/").join(name) } else { scratch.path(name) }
    }

    fn attempt(
        &self,
        scratch: &Scratch,
        uid: Option<u32>,
        script: &str,
        words: impl IntoIterator<Item = String>,
        limits: Limits,
    ) -> Attempt {
        let mount =
            |name: &str, writable| Mount { source: scratch.path(name), target: self.inside(scratch, name), writable };
        let mounts =
            if self.level == Level::None { Vec::new() } else { vec![mount("repo", false), mount("work", true)] };
        let argv = ["/bin/sh", "-c", script, "selftest"].map(str::to_owned);
        Attempt {
            argv: argv.into_iter().chain(words).collect(),
            mounts,
            cwd: self.inside(scratch, "repo"),
            uid,
            limits,
        }
    }
}

/// How a bomb or a deaf handler ended, seen from outside.
fn held(name: &str, ended: &Outcome) -> Finding {
    let said = String::from_utf8_lossy(&ended.stderr);
    let words = said.lines().last().and_then(|line| line.rsplit(": ").next()).unwrap_or_default().trim().to_owned();
    if String::from_utf8_lossy(&ended.stdout).contains("reached") {
        return Finding::Reached(String::new());
    }
    match (name, &ended.ending) {
        ("timeout", Ending { timed_out: true, cause: Cause::Signaled(9), .. }) => {
            Finding::Refused("it was killed when its grace had passed".into())
        }
        ("timeout", ending) => Finding::Untried(format!("it ended otherwise: {:?}", ending.cause)),
        (_, Ending { oom: true, .. }) => Finding::Refused("it ended by `oom`".into()),
        // A shell that tries and tries again, and came no further.
        (_, ending) if ending.timed_out && words.is_empty() => Finding::Refused("it came no further".into()),
        (_, ending) if words.is_empty() => Finding::Refused(format!("it ended with {:?}", ending.cause)),
        _ => Finding::Refused(words),
    }
}

/// A word by which our own processes and sockets are known from outside.
struct Mark(String);

impl Mark {
    fn new() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    fn witness(&self) -> String {
        format!("dispatch-selftest-{}", self.0)
    }

    /// Finds the witness, and not whoever looks for it.
    fn pattern(&self) -> String {
        format!("dispatch-selftest[-]{}", self.0)
    }

    fn daemon(&self) -> String {
        format!("dispatch-selftest-daemon-{}", self.0)
    }

    /// Whether the daemon is still there.
    fn left_behind(&self) -> Finding {
        let daemon = self.daemon();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if command.windows(daemon.len()).any(|part| part == daemon.as_bytes()) {
                return Finding::Reached(format!("process {}", entry.file_name().to_string_lossy()));
            }
        }
        Finding::Refused("it was ended with its handler".into())
    }
}

/// What answers outside.
struct Doors {
    loopback: TcpListener,
    hidden: UnixListener,
    file: UnixListener,
}

impl Doors {
    fn open(scratch: &Scratch, mark: &Mark) -> io::Result<Self> {
        let socket = scratch.path("outside").join("socket");
        let doors = Self {
            loopback: TcpListener::bind(("127.0.0.1", 0))?,
            hidden: UnixListener::bind_addr(&SocketAddr::from_abstract_name(mark.witness())?)?,
            file: UnixListener::bind(&socket)?,
        };
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o777))?;
        doors.loopback.set_nonblocking(true)?;
        doors.hidden.set_nonblocking(true)?;
        doors.file.set_nonblocking(true)?;
        Ok(doors)
    }

    fn port(&self) -> u16 {
        self.loopback.local_addr().map(|address| address.port()).unwrap_or_default()
    }
}

/// A process outside, of the handler's own user, so that no difference of users keeps the handler from it.
struct Witness(Child);

impl Witness {
    fn start(mark: &Mark, uid: Option<u32>) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read -r word", &mark.witness()]).env_clear().current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        command.spawn().map(Self)
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // It may have been ended already, which is told elsewhere.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The dispatcher's home folder; empty where that is a folder of the system, which a handler may see.
fn private_home() -> String {
    let home = std::env::var("HOME").unwrap_or_default();
    let top = home.trim_start_matches('/').split('/').next().unwrap_or_default();
    if ["home", "root", "var", "srv", "opt", "tmp"].contains(&top) { home } else { String::new() }
}

/// What the handler sees (`repo`, `work`) and what it must not (`outside`).
struct Scratch(TempDir);

impl Scratch {
    fn make(uid: Option<u32>) -> io::Result<Self> {
        let scratch = Self(tempfile::Builder::new().prefix("dispatch-selftest-").tempdir()?);
        for name in ["repo", "work", "outside"] {
            fs::create_dir(scratch.path(name))?;
            fs::set_permissions(scratch.path(name), fs::Permissions::from_mode(0o755))?;
        }
        fs::write(scratch.path("outside").join("canary"), "seen\n")?;
        // Open to everybody: only the walls keep the handler from them.
        fs::set_permissions(scratch.path("outside"), fs::Permissions::from_mode(0o777))?;
        fs::set_permissions(scratch.0.path(), fs::Permissions::from_mode(0o755))?;
        if let Some(uid) = uid {
            chown(scratch.path("work"), Some(uid), Some(uid))?;
        }
        Ok(scratch)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_interpreter_is_what_has_to_be_found() {
        let command = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
        for (words, expected) in [
            ("/bin/sh|handlers/a.sh", Some("/bin/sh")),
            ("/usr/bin/env|python3|handlers/a.py", Some("python3")),
            ("/usr/bin/env|-S FOO=1 node --x|handlers/a", Some("node")),
            ("handlers/binary", None),
            ("", None),
        ] {
            assert_eq!(interpreter(&command(words)), expected, "{words}");
        }
        assert_eq!(interpreter(&[]), None);
    }

    #[test]
    fn ends_of_bombs_are_judged_from_outside() {
        let outcome = |cause, timed_out, oom, stdout: &[u8], stderr: &[u8]| Outcome {
            ending: Ending { cause, timed_out, stopped: None, oom, over: None, layers: Vec::new() },
            stdout: stdout.to_vec(),
            stderr: stderr.to_vec(),
        };
        let refused = |words: &str| Finding::Refused(words.into());
        let killed = || Cause::Signaled(9);
        for (name, ended, finding) in [
            ("memory", outcome(Cause::Exited(0), false, true, b"", b"Killed\n"), refused("it ended by `oom`")),
            (
                "memory",
                outcome(Cause::Exited(1), false, false, b"", b"dd: memory exhausted\n"),
                refused("memory exhausted"),
            ),
            ("memory", outcome(Cause::Exited(0), false, false, b"reached\n", b""), Finding::Reached(String::new())),
            ("pids", outcome(Cause::Exited(2), false, false, b"", b"sh: 1: Cannot fork\n"), refused("Cannot fork")),
            ("pids", outcome(killed(), true, false, b"", b""), refused("it came no further")),
            ("timeout", outcome(killed(), true, false, b"", b""), refused("it was killed when its grace had passed")),
        ] {
            assert_eq!(held(name, &ended), finding);
        }
        let ended = outcome(Cause::Exited(0), false, false, b"", b"");
        assert!(matches!(held("timeout", &ended), Finding::Untried(_)));
    }

    /// The attempts are worth something only if they succeed where nothing is in their way.
    #[test]
    fn without_a_sandbox_the_attempts_succeed() {
        let uid = rustix::process::geteuid().is_root().then_some(60_799);
        let mark = Mark::new();
        let scratch = Scratch::make(uid).expect("scratch");
        let doors = Doors::open(&scratch, &mark).expect("doors");
        let mut witness = Witness::start(&mark, uid).expect("witness");
        let _leak = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).expect("null");
        let path = |name: &str| scratch.path(name).display().to_string();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", escape::SHELL, "selftest", &path("outside"), &doors.port().to_string(), "/"]);
        command.args([&witness.0.id().to_string(), &mark.pattern(), escape::PYTHON, &path("work"), &mark.daemon()]);
        command.current_dir(scratch.path("work")).env_clear().envs(trial::ENVIRONMENT).env("SECRET", "seen");
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        let output = command.output().expect("sh");
        let heard = Heard::read(&output.stdout);
        // Amid its execution a process shows no arguments: a later look finds it.
        let patience = std::time::Instant::now() + Duration::from_secs(10);
        let stayed = loop {
            let found = mark.left_behind();
            if matches!(found, Finding::Reached(_)) || std::time::Instant::now() > patience {
                break found;
            }
        };
        if let Finding::Reached(words) = &stayed {
            let process: i32 = words.rsplit(' ').next().and_then(|id| id.parse().ok()).expect("a process");
            let process = rustix::process::Pid::from_raw(process).expect("above 0");
            rustix::process::kill_process(process, rustix::process::Signal::KILL).expect("killed");
        }
        let reached = |name: &str| matches!(heard.findings.get(name), Some(Finding::Reached(_)));
        let mut held: Vec<&str> = Vec::new();
        for name in [
            "canary",
            "home",
            "outside",
            "snapshot",
            "tmp",
            "see",
            "signal",
            "setuid-program",
            "unfiltered",
            "device",
            "file-size",
            "environment",
            "descriptors",
            "space.mnt",
            "space.pid",
            "space.net",
            "space.ipc",
            "space.uts",
            "space.cgroup",
            "space.user",
        ] {
            held.extend((!reached(name)).then_some(name));
        }
        for name in ["loopback", "abstract", "socket"] {
            let untried = matches!(heard.findings.get(name), Some(Finding::Untried(_)));
            held.extend((!reached(name) && !untried).then_some(name));
        }
        assert!(heard.done && held.is_empty(), "{held:?} of {heard:?}");
        assert!(witness.has_ended() && scratch.path("outside").join("written").exists());
        assert!(matches!(stayed, Finding::Reached(_)), "{stayed:?}");
    }

    #[test]
    fn a_process_that_stayed_is_found_and_one_that_looks_is_not() {
        let mark = Mark::new();
        assert!(matches!(mark.left_behind(), Finding::Refused(_)));
        let mut stayed = Command::new("/bin/sh")
            .args(["-c", "echo up; read -r word", &mark.daemon()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        // Until it speaks the kernel may still show it without its arguments.
        let mut up = [0; 3];
        stayed.stdout.as_mut().expect("piped").read_exact(&mut up).expect("it speaks");
        let found = mark.left_behind();
        stayed.kill().expect("killed");
        stayed.wait().expect("waited");
        assert!(matches!(found, Finding::Reached(_)), "{found:?}");
        assert!(!mark.witness().contains(&mark.pattern()));
    }
}
