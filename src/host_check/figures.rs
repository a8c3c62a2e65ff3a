//! Figures and words whose rules the file cannot know: ceilings against the machine, spans, the branch, protocols of the remote.

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::diagnostic::did_you_mean;
use crate::host::Host;
use crate::job::Limits;
use crate::probe::Probe;
use crate::units::{format_duration, format_size};

/// What git can speak without a helper of somebody else's.
const PROTOCOLS: [&str; 5] = ["file", "ssh", "https", "http", "git"];
/// More slots than this for a core mostly wait for each other.
const JOBS_PER_CORE: u32 = 8;

/// What the machine has; none where that is not known or without end.
struct Machine {
    memory: Option<u64>,
    processes: Option<u64>,
    cores: u32,
}

impl Machine {
    fn read() -> Self {
        let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kernel = [number("/proc/sys/kernel/pid_max"), number("/proc/sys/kernel/threads-max")];
        let ulimit = getrlimit(Resource::Nproc).maximum;
        Self {
            memory: total_memory(&meminfo),
            processes: kernel.into_iter().chain([ulimit]).flatten().min(),
            cores: std::thread::available_parallelism()
                .ok()
                .and_then(|cores| u32::try_from(cores.get()).ok())
                .unwrap_or(1),
        }
    }
}

fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

pub(super) fn rows(host: &Host, has_branch: Option<&dyn Fn(&str) -> bool>) -> Vec<Probe> {
    let machine = Machine::read();
    let mut probes = vec![jobs(host, &machine), limits(host, &machine), spans(host)];
    probes.extend(repository(host, has_branch));
    probes.push(protocols(host));
    probes
}

fn jobs(host: &Host, machine: &Machine) -> Probe {
    const NAME: &str = "jobs";
    let (jobs, usual) = (host.jobs, Limits::default().memory.min(host.file.limits.memory));
    let together = u64::from(jobs).saturating_mul(usual);
    if jobs > machine.cores.saturating_mul(JOBS_PER_CORE) {
        let words = format!("{jobs} at once on {} cores: they will wait for each other", machine.cores);
        return Probe::warning(NAME, words).help("lower `jobs`");
    }
    match machine.memory {
        Some(memory) if together > memory => {
            let words = format!(
                "{jobs} at once may use {} by default, and the machine has {}",
                format_size(together),
                rounded(memory)
            );
            Probe::warning(NAME, words).help("lower `jobs`, or `limits.memory`")
        }
        _ => Probe::ok(NAME, format!("{jobs} at once")),
    }
}

/// Ceilings that the machine cannot keep. Where nobody wrote them there is nobody to tell.
fn limits(host: &Host, machine: &Machine) -> Probe {
    const NAME: &str = "limits";
    let (limits, given) = (&host.file.limits, host.file.given.contains("limits"));
    let shown = format!(
        "memory {}, pids {}, timeout {}",
        format_size(limits.memory),
        limits.pids,
        format_duration(limits.timeout)
    );
    let mut above = Vec::new();
    if let Some(memory) = machine.memory.filter(|memory| limits.memory > *memory) {
        above.push(format!("`memory: {}`, and the machine has {}", format_size(limits.memory), rounded(memory)));
    }
    if let Some(processes) = machine.processes.filter(|processes| u64::from(limits.pids) > *processes) {
        above.push(format!("`pids: {}`, and a user may have {processes} (ulimit -u, pid_max)", limits.pids));
    }
    if above.is_empty() || !given {
        return Probe::ok(NAME, shown);
    }
    Probe::warning(NAME, format!("more than there is: {}", above.join("; ")))
        .help("lower the ceiling: a job that uses it all would take the machine down with it")
}

fn spans(host: &Host) -> Probe {
    const NAME: &str = "spans";
    let (interval, drain) = (host.file.interval, host.file.drain);
    let shown = format!("interval {}, drain {}", format_duration(interval), format_duration(drain));
    let mut odd = Vec::new();
    if interval < Duration::from_secs(1) {
        odd.push(format!("`interval: {}` asks the remote without a pause", format_duration(interval)));
    }
    if interval > Duration::from_hours(1) {
        odd.push(format!("`interval: {}` lets a merged request wait that long", format_duration(interval)));
    }
    if drain.is_zero() {
        odd.push("`drain: 0s` ends running jobs at once, in the middle of their work".to_owned());
    }
    if drain > Duration::from_hours(1) {
        odd.push(format!("`drain: {}` may keep a machine that long from going down", format_duration(drain)));
    }
    if odd.is_empty() {
        Probe::ok(NAME, shown)
    } else {
        Probe::warning(NAME, odd.join("; ")).help("15s and 10m are the defaults")
    }
}

fn repository(host: &Host, has_branch: Option<&dyn Fn(&str) -> bool>) -> Vec<Probe> {
    const NAME: &str = "repository";
    let said = &host.file.repository;
    let mut probes = Vec::new();
    if let Some(branch) = &said.branch {
        probes.push(match has_branch {
            None => Probe::ok(NAME, format!("the branch `{branch}` is obeyed, whatever codex.repo.yaml says")),
            Some(has) if has(branch) => Probe::ok(NAME, format!("the branch `{branch}` is obeyed, and it is there")),
            Some(_) => {
                Probe::warning(NAME, format!("the branch `{branch}` is obeyed, and this clone has none of that name"))
                    .help("mend `repository.branch`, or fetch")
            }
        });
    }
    if said.merged_only == Some(false) {
        probes.push(
            Probe::warning(NAME, "`merged_only: false`: a request runs before anybody has merged it")
                .help("leave it out unless only you can write in this clone"),
        );
    }
    probes
}

fn protocols(host: &Host) -> Probe {
    const NAME: &str = "protocols";
    let said = &host.file.protocols;
    if said.is_empty() {
        return Probe::warning(NAME, "none is allowed, so that no remote can be reached")
            .help("name some: [file, ssh, https]");
    }
    if let Some(unknown) = said.iter().find(|name| !PROTOCOLS.contains(&name.as_str())) {
        let near = did_you_mean(unknown, PROTOCOLS);
        return Probe::warning(NAME, format!("`{unknown}` is none that git speaks by itself"))
            .help(near.unwrap_or_else(|| format!("git itself has {}", PROTOCOLS.join(", "))));
    }
    if let Some(open) = said.iter().find(|name| ["http", "git"].contains(&name.as_str())) {
        return Probe::warning(
            NAME,
            format!("`{open}` is not encrypted: whoever is on the way can send requests of their own"),
        )
        .help("use https or ssh");
    }
    Probe::ok(NAME, said.join(", "))
}

/// In whole GiB or MiB, rounded down.
fn rounded(bytes: u64) -> String {
    let unit = if bytes >= 1 << 30 { 1 << 30 } else { 1 << 20 };
    format_size(bytes / unit * unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::State;

    fn host(text: &str) -> Host {
        let file = crate::host_file::parse("host.yaml", text.as_bytes()).expect("sound");
        Host { jobs: file.jobs.unwrap_or(1), file, sha256: None, node: "n".into() }
    }

    const SMALL: Machine = Machine { memory: Some(1 << 30), processes: Some(500), cores: 2 };

    #[test]
    fn ceilings_above_the_machine_are_told_where_somebody_wrote_them() {
        assert_eq!(limits(&host(""), &SMALL).state, State::Ok);
        assert_eq!(limits(&host("limits: {memory: 1GiB, pids: 500}"), &SMALL).state, State::Ok);
        let above = limits(&host("limits: {memory: 3GiB, pids: 501}"), &SMALL);
        assert_eq!(above.state, State::Warning);
        assert!(above.detail.contains("`memory: 3GiB`") && above.detail.contains("`pids: 501`"), "{above:?}");
    }

    #[test]
    fn more_jobs_than_the_machine_can_carry_are_told() {
        assert_eq!(jobs(&host("jobs: 2"), &SMALL).state, State::Ok);
        assert!(jobs(&host("jobs: 3"), &SMALL).detail.contains("1536MiB"));
        assert!(jobs(&host("jobs: 17"), &SMALL).detail.contains("2 cores"));
    }

    #[test]
    fn odd_spans_protocols_and_branches_are_told() {
        for (text, state) in [
            ("", State::Ok),
            ("interval: 500ms", State::Warning),
            ("interval: 2h", State::Warning),
            ("drain: 0s", State::Warning),
            ("drain: 2h", State::Warning),
        ] {
            assert_eq!(spans(&host(text)).state, state, "{text}");
        }
        for (text, state) in [
            ("", State::Ok),
            ("protocols: []", State::Warning),
            ("protocols: [htps]", State::Warning),
            ("protocols: [http]", State::Warning),
        ] {
            assert_eq!(protocols(&host(text)).state, state, "{text}");
        }
        assert_eq!(protocols(&host("protocols: [htps]")).help.as_deref(), Some("did you mean `https`?"));
        let branch = host("repository: {branch: trunk, merged_only: false}");
        let states = |has: Option<&dyn Fn(&str) -> bool>| {
            repository(&branch, has).iter().map(|probe| probe.state).collect::<Vec<_>>()
        };
        assert_eq!(states(None), [State::Ok, State::Warning]);
        assert_eq!(states(Some(&|name| name == "trunk")), [State::Ok, State::Warning]);
        assert_eq!(states(Some(&|_| false)), [State::Warning, State::Warning]);
        assert!(repository(&host(""), None).is_empty());
    }

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        assert_eq!(total_memory("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 << 20));
        assert_eq!(total_memory(""), None);
    }
}
