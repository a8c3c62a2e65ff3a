//! The escape table: what a handler tries against each layer, at which level that layer has to hold, and what its words mean.
//!
//! The attempts themselves are `escape/attempts.sh` (always) and `escape/attempts.py` (where handlers have python3). This file starts
//! nothing: `cell.rs` runs them.

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

use crate::job::Level;
use crate::probe::State;

/// The shell's part, for `sh -c`.
pub(super) const SHELL: &str = include_str!("escape/attempts.sh");
/// The part that takes Python.
pub(super) const PYTHON: &str = include_str!("escape/attempts.py");
/// More memory than is granted, by a program that needs no other.
pub(super) const MEMORY: &str = "dd if=/dev/zero of=/dev/null bs=128M count=1 && echo reached";
/// More processes than are granted.
pub(super) const PIDS: &str = "i=0; while [ $i -lt 40 ]; do sleep 5 & i=$((i + 1)); done; echo reached";
/// Deaf to everything that can be ignored.
pub(super) const DEAF: &str = "trap '' TERM INT HUP; while :; do sleep 1; done";

/// What came of one attempt at one level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Escape {
    /// The level, with its network where that is granted.
    pub level: String,
    /// The layer that holds it, or would.
    pub layer: String,
    /// What the handler did.
    pub tried: String,
    /// What came of it.
    pub found: String,
    /// `ok` held, `failed` got out, `warning` something weaker holds, `skipped` not tried.
    pub state: State,
}

/// What a level owes to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owes {
    /// The attempt has to fail, by this layer.
    Held(&'static str),
    /// This layer stops it where the kernel is young enough; no promise.
    Maybe(&'static str),
    /// Not tried there: the level has nothing against it.
    Nothing,
}

use Owes::{Held, Maybe, Nothing};

struct Attempt {
    name: &'static str,
    tried: &'static str,
    isolated: Owes,
    confined: Owes,
    none: Owes,
}

const fn attempt(name: &'static str, tried: &'static str, isolated: Owes, confined: Owes, none: Owes) -> Attempt {
    Attempt { name, tried, isolated, confined, none }
}

const LANDLOCK: Owes = Held("landlock");
const SECCOMP: Owes = Held("seccomp");
const MOUNT: Owes = Held("namespace.mount");
const PID: Owes = Held("namespace.pid");
const NET: Owes = Held("namespace.net");
const CAPABILITIES: Owes = Held("capabilities");
const RLIMITS: Owes = Held("rlimits");
const SUPERVISION: Owes = Held("supervision");

/// In the order in which they are shown.
const ATTEMPTS: &[Attempt] = &[
    attempt("canary", "read a file of the host that everybody may read", MOUNT, LANDLOCK, Nothing),
    attempt("home", "list the home folder of the dispatcher's user", MOUNT, LANDLOCK, Nothing),
    attempt("shadow", "read /etc/shadow", MOUNT, LANDLOCK, Nothing),
    attempt("outside", "write into a folder of the host that everybody may write", MOUNT, LANDLOCK, Nothing),
    attempt("socket", "connect to a socket file of the host", MOUNT, SECCOMP, Nothing),
    attempt("space.mnt", "be in the host's mount namespace", MOUNT, Nothing, Nothing),
    attempt("system", "write into /usr and /etc", Held("root"), LANDLOCK, Nothing),
    attempt("snapshot", "write into the repository's snapshot", Held("root"), LANDLOCK, Nothing),
    attempt("tmp", "fill /tmp past its size", Held("root"), Nothing, Nothing),
    attempt("see", "see a process of the dispatcher", PID, Maybe("landlock"), Nothing),
    attempt("signal", "signal a process of its own user outside", PID, Held("landlock.scope"), Nothing),
    attempt("space.pid", "be in the host's pid namespace", PID, Nothing, Nothing),
    attempt("loopback", "connect to a port on the host's loopback", NET, SECCOMP, Nothing),
    attempt("abstract", "connect to an abstract socket of the host", NET, SECCOMP, Nothing),
    attempt("space.net", "be in the host's network namespace", NET, Nothing, Nothing),
    attempt("space.ipc", "be in the host's ipc namespace", Held("namespace.ipc"), Nothing, Nothing),
    attempt("hostname", "name the host", Held("namespace.uts"), LANDLOCK, Nothing),
    attempt("space.uts", "be in the host's uts namespace", Held("namespace.uts"), Nothing, Nothing),
    attempt("cgroupfs", "make a control group of its own", Held("namespace.cgroup"), LANDLOCK, Nothing),
    attempt("space.cgroup", "be in the host's cgroup namespace", Held("namespace.cgroup"), Nothing, Nothing),
    attempt("space.user", "be in the host's user namespace", Held("namespace.user"), Nothing, Nothing),
    attempt("uid", "be root", Held("user"), Held("user"), Nothing),
    attempt("setuid", "become root by setuid(0)", CAPABILITIES, CAPABILITIES, Nothing),
    attempt("capabilities", "hold a capability", CAPABILITIES, CAPABILITIES, Nothing),
    attempt("bounding", "have capabilities to gain", CAPABILITIES, Nothing, Nothing),
    attempt("setuid-program", "gain rights from a setuid program", Held("no_new_privs"), Held("no_new_privs"), Nothing),
    attempt("unfiltered", "make system calls without a filter", SECCOMP, SECCOMP, Nothing),
    attempt("unshare", "make namespaces of its own", SECCOMP, SECCOMP, Nothing),
    attempt("mount", "mount a tmpfs", SECCOMP, SECCOMP, Nothing),
    attempt("keyctl", "ask for the session keyring", SECCOMP, SECCOMP, Nothing),
    attempt("io_uring", "set an io_uring up", SECCOMP, SECCOMP, Nothing),
    attempt("bpf", "make a bpf map", SECCOMP, SECCOMP, Nothing),
    attempt("device", "write to a device that is not among the few", LANDLOCK, Nothing, Nothing),
    attempt("core", "dump core", RLIMITS, RLIMITS, Nothing),
    attempt("descriptors-more", "raise its limit of open files", RLIMITS, RLIMITS, Nothing),
    attempt("file-size", "write a file past the limit", RLIMITS, RLIMITS, RLIMITS),
    attempt(
        "memory",
        "use 128 MiB where 32 are granted",
        Held("cgroup.memory"),
        Held("cgroup.memory"),
        Held("cgroup.memory"),
    ),
    attempt(
        "pids",
        "start 40 processes where 8 are granted",
        Held("cgroup.pids"),
        Held("cgroup.pids"),
        Maybe("cgroup.pids"),
    ),
    attempt("environment", "find a variable of the dispatcher", SUPERVISION, SUPERVISION, SUPERVISION),
    attempt("descriptors", "find an open file of the dispatcher", SUPERVISION, SUPERVISION, SUPERVISION),
    attempt("timeout", "go on after its timeout, deaf to SIGTERM", SUPERVISION, SUPERVISION, SUPERVISION),
    attempt("daemon", "stay behind as a daemon (setsid, double fork)", SUPERVISION, SUPERVISION, SUPERVISION),
];

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It failed, in the kernel's or the program's words.
    Refused(String),
    /// It succeeded.
    Reached(String),
    /// Nobody knows, for this reason.
    Untried(String),
}

/// What the handler said of each attempt, and what else.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// By the name of the attempt.
    pub findings: BTreeMap<String, Finding>,
    /// Programs that handlers do not have.
    pub missing: Vec<String>,
    /// It came to its end.
    pub done: bool,
}

impl Heard {
    /// Reads what the attempts printed; a namespace counts as reached where it is the one of this process.
    pub(super) fn read(output: &[u8]) -> Self {
        let mut heard = Self::default();
        for line in String::from_utf8_lossy(output).lines() {
            let line: String = line.chars().filter(|c| !c.is_control()).collect();
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let (name, words) = rest.split_once(' ').unwrap_or((rest, ""));
            let (name, words) = (name.to_owned(), words.trim().to_owned());
            let (name, finding) = match verb {
                "refused" => (name, Finding::Refused(words)),
                "reached" => (name, Finding::Reached(words)),
                "untried" => (name, Finding::Untried(words)),
                "space" => (format!("space.{name}"), space(&name, &words)),
                "missing" => {
                    heard.missing.push(name);
                    continue;
                }
                "done" => {
                    heard.done = true;
                    continue;
                }
                _ => continue,
            };
            heard.findings.insert(name, finding);
        }
        heard
    }

    /// Notes what was seen from outside, which counts more than what the handler says.
    pub(super) fn note(&mut self, name: &str, finding: Finding) {
        self.findings.insert(name.to_owned(), finding);
    }
}

fn space(name: &str, seen: &str) -> Finding {
    let own = fs::read_link(format!("/proc/self/ns/{name}")).unwrap_or_default().display().to_string();
    match seen {
        "" => Finding::Untried("it cannot be read".into()),
        seen if seen == own => Finding::Reached(String::new()),
        _ => Finding::Refused("it is one of its own".into()),
    }
}

/// The rows of one level. `layers` are those that the slot found active.
pub(super) fn rows(level: Level, network: bool, layers: &[String], heard: &Heard) -> Vec<Escape> {
    let named = if network { format!("{} + network", level.as_str()) } else { level.as_str().to_owned() };
    let rows = ATTEMPTS.iter().filter_map(|attempt| {
        let owes = match level {
            Level::Isolated => attempt.isolated,
            Level::Confined => attempt.confined,
            Level::None => attempt.none,
        };
        let (layer, promised) = match owes {
            Held(layer) => (layer, true),
            Maybe(layer) => (layer, false),
            Nothing => return None,
        };
        // An ordinary user's alone.
        if layer == "namespace.user" && !is_active(layers, layer) {
            return None;
        }
        let (state, found) = if network && opens(level).contains(&attempt.name) {
            granted(heard.findings.get(attempt.name))
        } else {
            judge(layer, promised, layers, heard.findings.get(attempt.name))
        };
        let (layer, tried) = (layer.to_owned(), attempt.tried.to_owned());
        Some(Escape { level: named.clone(), layer, tried, found, state })
    });
    rows.collect()
}

/// What the host's network opens. Unix sockets stay closed where a filter closes them.
const fn opens(level: Level) -> &'static [&'static str] {
    match level {
        Level::Isolated => &["loopback", "abstract", "space.net"],
        Level::Confined | Level::None => &["loopback"],
    }
}

fn is_active(layers: &[String], layer: &str) -> bool {
    layers.iter().any(|active| active == layer)
}

fn judge(layer: &str, promised: bool, layers: &[String], finding: Option<&Finding>) -> (State, String) {
    let with = |word: &str, words: &str| if words.is_empty() { word.to_owned() } else { format!("{word}: {words}") };
    let stand_in = match layer {
        "cgroup.memory" => Some("memory: rlimit"),
        "cgroup.pids" => Some("pids: rlimit"),
        _ => None,
    };
    let stand_in = stand_in.filter(|stand_in| is_active(layers, stand_in));
    match finding {
        None => (State::Skipped, "not tried: the handler broke off before".to_owned()),
        Some(Finding::Untried(why)) => (State::Skipped, with("not tried", why)),
        Some(Finding::Refused(words)) => match stand_in {
            Some(stand_in) => (State::Warning, format!("{} (`{stand_in}` stands in)", with("refused", words))),
            None => (State::Ok, with("refused", words)),
        },
        // Where the kernel has none the others hold alone, and the record says so.
        Some(Finding::Reached(_)) if layer.starts_with("landlock") && !is_active(layers, layer) => {
            (State::Skipped, format!("reached: {layer} is not active on this kernel"))
        }
        Some(Finding::Reached(words)) if promised => (State::Failed, with("REACHED", words)),
        Some(Finding::Reached(words)) => {
            (State::Warning, format!("{}; this level does not promise it", with("REACHED", words)))
        }
    }
}

fn granted(finding: Option<&Finding>) -> (State, String) {
    match finding {
        Some(Finding::Reached(_)) => (State::Ok, "reached, as `network` grants".to_owned()),
        other => judge("namespace.net", false, &[], other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(level: Level, network: bool, layers: &[&str], output: &str) -> BTreeMap<String, State> {
        let layers: Vec<String> = layers.iter().map(|layer| (*layer).to_owned()).collect();
        let rows = rows(level, network, &layers, &Heard::read(output.as_bytes()));
        rows.into_iter().map(|row| (row.tried, row.state)).collect()
    }

    #[test]
    fn what_the_handler_says_is_read_line_by_line() {
        let heard = Heard::read(
            b"refused canary No such file\x1b[1m or directory\nreached see\nmissing node\nuntried abstract no python3\nnoise\nspace net \ndone\n",
        );
        let found = |name: &str| heard.findings[name].clone();
        assert_eq!(found("canary"), Finding::Refused("No such file[1m or directory".into()));
        assert_eq!(found("see"), Finding::Reached(String::new()));
        assert_eq!(found("abstract"), Finding::Untried("no python3".into()));
        assert!(matches!(found("space.net"), Finding::Untried(_)));
        assert_eq!((heard.missing.as_slice(), heard.done), (&["node".to_owned()][..], true));
        assert!(!Heard::read(b"reached see\n").done);
    }

    #[test]
    fn getting_out_is_a_failure_where_the_level_promises_to_hold() {
        let own = fs::read_link("/proc/self/ns/pid").expect("proc").display().to_string();
        let output = format!("reached abstract\nreached see\nreached shadow\nspace pid {own}\nspace mnt mnt:[1]\n");
        let isolated = states(Level::Isolated, false, &["namespace.mount", "landlock"], &output);
        assert_eq!(isolated["read /etc/shadow"], State::Failed);
        assert_eq!(isolated["connect to an abstract socket of the host"], State::Failed);
        assert_eq!(isolated["see a process of the dispatcher"], State::Failed);
        assert_eq!(isolated["be in the host's pid namespace"], State::Failed);
        assert_eq!(isolated["be in the host's mount namespace"], State::Ok);
        assert_eq!(isolated["be root"], State::Skipped);
        assert!(!isolated.contains_key("be in the host's user namespace"));
        let confined = states(Level::Confined, false, &["landlock"], &output);
        assert_eq!(confined["read /etc/shadow"], State::Failed);
        assert_eq!(confined["connect to an abstract socket of the host"], State::Failed);
        assert_eq!(confined["see a process of the dispatcher"], State::Warning);
        assert!(!confined.contains_key("be in the host's pid namespace"));
        assert!(!states(Level::None, false, &[], &output).contains_key("read /etc/shadow"));
    }

    #[test]
    fn network_is_no_way_out_where_it_is_granted() {
        let states = states(Level::Isolated, true, &[], "reached loopback\nreached abstract\nreached canary\n");
        assert_eq!(states["connect to a port on the host's loopback"], State::Ok);
        assert_eq!(states["connect to an abstract socket of the host"], State::Ok);
        assert_eq!(states["read a file of the host that everybody may read"], State::Failed);
    }

    #[test]
    fn what_stands_in_for_a_layer_is_said() {
        let rows = |layers: &[&str], output: &str| {
            let layers: Vec<String> = layers.iter().map(|layer| (*layer).to_owned()).collect();
            rows(Level::Isolated, false, &layers, &Heard::read(output.as_bytes()))
        };
        let memory = |rows: &[Escape]| rows.iter().find(|row| row.layer == "cgroup.memory").cloned().expect("a row");
        let row = memory(&rows(&["memory: rlimit"], "refused memory exhausted\n"));
        assert_eq!(
            (row.state, row.found.as_str()),
            (State::Warning, "refused: exhausted (`memory: rlimit` stands in)")
        );
        assert_eq!(memory(&rows(&["cgroup.memory"], "refused memory oom\n")).state, State::Ok);
        assert_eq!(memory(&rows(&["memory: rlimit"], "reached memory\n")).state, State::Failed);
        let landlock = |layers: &[&str]| {
            rows(layers, "reached device\n").into_iter().find(|row| row.layer == "landlock").expect("a row").state
        };
        assert_eq!((landlock(&["landlock"]), landlock(&[])), (State::Failed, State::Skipped));
    }

    #[test]
    fn every_attempt_of_the_scripts_is_in_the_table() {
        let code = SHELL.lines().chain(PYTHON.lines()).filter(|line| !line.starts_with('#'));
        let said = code.flat_map(|line| {
            let names = ["try ", "reached ", "refused ", "attempt(\""].iter().filter_map(|verb| {
                let line = line.trim_start();
                let (_, rest) = line.strip_prefix("is ").map(|rest| ("", rest)).or_else(|| line.split_once(verb))?;
                let end =
                    rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
                Some(rest[..end].to_owned())
            });
            names.collect::<Vec<_>>()
        });
        let known: Vec<&str> = ATTEMPTS.iter().map(|attempt| attempt.name).collect();
        let unknown: Vec<String> = said.filter(|name| !name.is_empty() && !known.contains(&name.as_str())).collect();
        assert!(unknown.iter().all(|name| ["NAME", "name"].contains(&name.as_str())), "{unknown:?}");
    }
}
