//! The probe of the sandbox: a real handler that tries to get out of it, one for each level and network that kinds use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::Probe;
use super::rules::Granted;
use crate::host::Host;
use crate::job::{Level, Network};
use crate::run::Local;
use crate::run::sandbox::{Cause, Control, Ending, Launch, Limits, Mount, Slot, Unavailable};

/// Slot number of this probe; workers count from 0.
const SLOT: u32 = 9998;
const TIMEOUT: Duration = Duration::from_secs(30);
const OUTPUT_MAX: usize = 64 << 10;

/// What the handler tries, a line for each thing that it reaches. Everything that it is told comes as an argument.
const SCRIPT: &str = r#"
outside=$1 port=$2 home=$3; shift 3
reached() { echo "reached $1"; }
cat "$outside/canary" >/dev/null 2>&1 && reached "a file of the host"
(: > "$outside/written") 2>/dev/null && reached "a folder of the host, writing"
[ -r /etc/shadow ] && reached "/etc/shadow"
[ -n "$home" ] && [ -n "$(ls -A "$home" 2>/dev/null)" ] && reached "the home folder"
for place in / /etc /usr /bin .; do [ -w "$place" ] && reached "$place, writing"; done
for space in pid net mnt; do echo "space $space $(readlink /proc/self/ns/$space 2>/dev/null)"; done
if command -v bash >/dev/null 2>&1; then
    bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0"' "$port" 2>/dev/null && reached "the host's loopback"
else
    echo "untried loopback"
fi
[ "$(id -u)" = 0 ] && reached "root's uid"
for tool in "$@"; do command -v "$tool" >/dev/null 2>&1 || echo "missing $tool"; done
echo done
"#;

/// Tries `isolated` and whatever else kinds use.
pub(super) fn sandboxes(host: &Host, keeper: &Path, grants: &[Granted<'_>]) -> Vec<Probe> {
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
    let mut probes = Vec::new();
    for ((level, network), tools) in cells {
        let name = if network {
            format!("sandbox {} + network", level.as_str())
        } else {
            format!("sandbox {}", level.as_str())
        };
        let cell = Cell { level, network, host, keeper };
        // What no kind uses is worth knowing and keeps nothing from running.
        let needed = used.is_empty() || used.contains(&(level, network));
        probes.extend(cell.probe(&name, needed, &tools));
    }
    probes
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
    host: &'a Host,
    keeper: &'a Path,
}

/// What the handler printed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    reached: Vec<String>,
    spaces: Vec<(String, String)>,
    missing: Vec<String>,
    loopback_untried: bool,
    done: bool,
}

impl Heard {
    fn read(output: &[u8]) -> Self {
        let mut heard = Self::default();
        for line in String::from_utf8_lossy(output).lines() {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("reached", what) => heard.reached.push(what.to_owned()),
                ("missing", tool) => heard.missing.push(tool.to_owned()),
                ("untried", _) => heard.loopback_untried = true,
                ("done", "") => heard.done = true,
                ("space", rest) => {
                    let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
                    heard.spaces.push((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        heard
    }
}

impl Cell<'_> {
    fn probe(&self, name: &str, needed: bool, tools: &BTreeMap<String, BTreeSet<String>>) -> Vec<Probe> {
        let short_of = |words: String| if needed { Probe::failed(name, words) } else { Probe::warning(name, words) };
        let mut slot = match Slot::start(&Local::setup(SLOT, self.level, self.network, self.keeper)) {
            Ok(slot) => slot,
            Err(Unavailable { layer, kernel, hint }) => return vec![short_of(format!("{layer}: {kernel}")).help(hint)],
        };
        if let Err(Unavailable { layer, kernel, hint }) = slot.require(&self.host.file.levels.require) {
            return vec![short_of(format!("{layer}: {kernel}")).help(hint)];
        }
        let names: Vec<String> = tools.keys().cloned().collect();
        let (ending, output) = match self.try_to_get_out(&mut slot, &names) {
            Ok(ended) => ended,
            Err(words) => return vec![short_of(words).help("`dispatch -v run` shows more; the machine's log may too")],
        };
        let heard = Heard::read(&output);
        tracing::debug!(?heard, "{name}");
        let mut probes = vec![self.verdict(name, &ending, &heard, &short_of)];
        for tool in &heard.missing {
            let kinds: Vec<&str> = tools.get(tool).into_iter().flatten().map(String::as_str).collect();
            let words = format!("`{tool}` is not there for handlers; kinds: {}", kinds.join(", "));
            probes.push(
                Probe::warning(name, words)
                    .help("install it below /usr: a handler sees the system's folders and no more"),
            );
        }
        probes
    }

    fn verdict(&self, name: &str, ending: &Ending, heard: &Heard, short_of: &dyn Fn(String) -> Probe) -> Probe {
        let layers = &ending.layers;
        if ending.cause != Cause::Exited(0) || !heard.done {
            let words = if ending.timed_out {
                "did not end".to_owned()
            } else {
                format!("ended otherwise: {:?}", ending.cause)
            };
            return short_of(format!("a handler that should end well {words}")).help("the machine's log may say why");
        }
        let active = if layers.is_empty() { "no layers".to_owned() } else { layers.join(", ") };
        if self.level != Level::Isolated {
            let words = format!("a handler runs with this user's rights, as the host file allows ({active})");
            return Probe::ok(name, words);
        }
        let mut out: Vec<String> = heard.reached.clone();
        let own =
            |space: &str| fs::read_link(format!("/proc/self/ns/{space}")).unwrap_or_default().display().to_string();
        for (space, seen) in &heard.spaces {
            if *seen == own(space) && !(self.network && space == "net") {
                out.push(format!("the host's {space} namespace"));
            }
        }
        out.retain(|what| !(self.network && what == "the host's loopback"));
        if !out.is_empty() {
            let help = "do not run handlers that you do not trust here, and report this";
            return Probe::failed(name, format!("a handler got out: it reached {}", out.join(", "))).help(help);
        }
        let untried = if heard.loopback_untried { "; loopback was not tried, as there is no bash" } else { "" };
        let words = format!("a handler could not get out{untried} ({active})");
        if layers.iter().any(|layer| layer.ends_with(": rlimit")) {
            return Probe::warning(name, words)
                .help("no control group was to be had: memory and processes are limited for each process alone");
        }
        Probe::ok(name, words)
    }

    /// Runs the handler in a folder of its own, which is removed.
    fn try_to_get_out(&self, slot: &mut Slot, tools: &[String]) -> Result<(Ending, Vec<u8>), String> {
        let failed = |doing: &'static str| move |error: io::Error| format!("{doing}: {error}");
        let uid = self.uid();
        let scratch = Scratch::make(uid).map_err(failed("making a folder to try it in"))?;
        // Somebody has to answer, or a closed door and a wall would look the same.
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed("listening on loopback"))?;
        let port = listener.local_addr().map_err(failed("listening on loopback"))?.port();
        let launch = self.launch(&scratch, uid, port, tools);
        let control = Control::new().map_err(failed("making a control"))?;
        let mut output = Vec::new();
        let mut sink = |_, bytes: &[u8]| output.extend(bytes.iter().take(OUTPUT_MAX - output.len().min(OUTPUT_MAX)));
        let ending = slot.run(launch, &mut sink, &control).map_err(|error| error.to_string())?;
        Ok((ending, output))
    }

    /// A uid of the slots' range that neither slots (from its bottom up) nor kinds (from its top down) have.
    fn uid(&self) -> Option<u32> {
        let uids = self.host.file.uids;
        let middle = uids.first + (uids.last - uids.first) / 2;
        (self.level == Level::Isolated && rustix::process::geteuid().is_root()).then_some(middle)
    }

    fn launch(&self, scratch: &Scratch, uid: Option<u32>, port: u16, tools: &[String]) -> Launch {
        let isolated = self.level == Level::Isolated;
        let inside = |name: &str| if isolated { PathBuf::from("/").join(name) } else { scratch.path(name) };
        let mount = |name: &str, writable| Mount { source: scratch.path(name), target: inside(name), writable };
        let own = [scratch.path("outside").display().to_string(), port.to_string(), private_home()];
        let words = ["/bin/sh", "-c", SCRIPT, "selftest"].map(str::to_owned);
        let env = [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8")];
        Launch {
            argv: words.into_iter().chain(own).chain(tools.iter().cloned()).collect(),
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            cwd: inside("repo"),
            stdin: Vec::new(),
            mounts: if isolated { vec![mount("repo", false), mount("work", true)] } else { Vec::new() },
            empty_dirs: Vec::new(),
            scratch: Vec::new(),
            refresh: None,
            watched: Vec::new(),
            uid,
            tcp_ports: None,
            secrets: Vec::new(),
            secrets_dir: if isolated { PathBuf::from("/run/secrets") } else { scratch.path("secrets") },
            limits: Limits {
                timeout: TIMEOUT,
                grace: Duration::from_secs(1),
                memory: 256 << 20,
                pids: 64,
                cpu_time: Some(Duration::from_secs(20)),
                tmp: 1 << 20,
                file_size: 1 << 20,
                nofile: 256,
            },
            locks: Vec::new(),
        }
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
    use super::*;
    use crate::selftest::State;

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
    fn what_the_handler_says_is_read_line_by_line() {
        let heard =
            Heard::read(b"reached /etc, writing\nspace pid pid:[1]\nspace net \nmissing python3\nnoise\ndone\n");
        assert_eq!(heard.reached, ["/etc, writing"]);
        assert_eq!(heard.spaces, [("pid".to_owned(), "pid:[1]".to_owned()), ("net".to_owned(), String::new())]);
        assert_eq!(heard.missing, ["python3"]);
        assert!(heard.done && !heard.loopback_untried);
        assert!(!Heard::read(b"reached x\n").done);
    }

    #[test]
    fn getting_out_is_a_failure_and_network_is_no_way_out_where_it_is_granted() {
        let host = Host { file: crate::policy::HostFile::default(), sha256: None, node: "n".into(), jobs: 1 };
        let ending = Ending {
            cause: Cause::Exited(0),
            timed_out: false,
            stopped: false,
            oom: false,
            over: None,
            layers: vec!["x".into()],
        };
        let state = |network, output: &[u8]| {
            let cell = Cell { level: Level::Isolated, network, host: &host, keeper: Path::new("/x") };
            cell.verdict("sandbox", &ending, &Heard::read(output), &|words| Probe::failed("sandbox", words)).state
        };
        assert_eq!(state(false, b"done\n"), State::Ok);
        assert_eq!(state(false, b""), State::Failed);
        assert_eq!(state(false, b"reached the host's loopback\ndone\n"), State::Failed);
        assert_eq!(state(true, b"reached the host's loopback\ndone\n"), State::Ok);
        assert_eq!(state(true, b"reached /etc/shadow\ndone\n"), State::Failed);
        let own = fs::read_link("/proc/self/ns/pid").expect("proc").display().to_string();
        assert_eq!(state(false, format!("space pid {own}\ndone\n").as_bytes()), State::Failed);
    }
}
