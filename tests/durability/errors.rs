//! System calls that fail: a disk that cannot write or sync, no descriptors, no processes, no memory, no room, put in place of
//! the n-th call of a pass by `strace --inject`, in the dispatcher and in whatever it starts.
//!
//! Held against docs/durability.md: it ends with a code that it knows or goes on, never with a panic; the next passes, left
//! alone, bring everything to its record; nothing that may start once starts twice. Where there is no strace that may trace, it
//! is said aloud and nothing runs.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::checker::{self, Fault, Violation};
use crate::report::{Report, budget, is_long, seed};
use crate::rig::{self, Plan, Remote, Rig};
use crate::support::Ended;
use crate::witness::Sort;
use crate::writer::Random;

type Tested = io::Result<()>;

const SLICE: Duration = Duration::from_secs(15);
/// How many errors are tried on one rig before it is judged.
const TOGETHER: usize = 4;

/// A call, what it fails with, and how often it is made in a pass, about: the n-th of each process or thread is counted.
const FAULTS: [(&str, &[&str], u64); 21] = [
    ("fsync", &["EIO", "ENOSPC", "EDQUOT"], 12),
    ("fdatasync", &["EIO", "ENOSPC"], 40),
    ("syncfs", &["EIO", "ENOSPC"], 8),
    ("pwrite64", &["EIO", "ENOSPC", "EDQUOT"], 120),
    ("write", &["EIO", "ENOSPC"], 60),
    ("openat", &["EMFILE", "ENFILE", "EIO", "EROFS", "ENOSPC", "EDQUOT"], 300),
    ("openat2", &["EMFILE", "ENOMEM"], 40),
    ("mkdir", &["ENOSPC", "EDQUOT", "EROFS", "EIO"], 60),
    ("rename", &["EIO", "ENOSPC", "EROFS"], 12),
    ("unlink", &["EIO", "EROFS"], 30),
    ("ftruncate", &["EIO", "ENOSPC"], 6),
    ("clone3", &["EAGAIN", "ENOMEM"], 20),
    ("clone", &["EAGAIN", "ENOMEM"], 8),
    ("execve", &["EAGAIN", "ENOMEM", "EMFILE"], 3),
    ("pipe2", &["EMFILE", "ENFILE"], 30),
    ("socketpair", &["EMFILE", "ENFILE"], 12),
    ("memfd_create", &["EMFILE", "ENOMEM"], 4),
    ("signalfd4", &["EMFILE", "ENOMEM"], 2),
    ("recvmsg", &["ENOMEM", "EMFILE"], 10),
    ("unshare", &["ENOSPC", "ENOMEM"], 6),
    ("mount", &["ENOMEM", "ENOSPC"], 60),
];

/// How a pass may end while the machine is like this.
const KNOWN_ENDS: [i32; 5] = [0, 69, 73, 75, 78];

fn tracer() -> Option<Vec<&'static str>> {
    let words = vec!["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null"];
    let tried = Command::new(words[0]).args(&words[1..]).args(["-e", "trace=fsync", "true"]).output();
    match tried {
        Ok(output) if output.status.success() => Some(words),
        Ok(output) => {
            eprintln!("SKIPPED: strace may not trace here: {}", String::from_utf8_lossy(&output.stderr).trim());
            None
        }
        Err(error) => {
            eprintln!("SKIPPED: no strace: {error}");
            None
        }
    }
}

/// A pass through another program: its words, then those of the pass.
fn pass_through(rig: &mut Rig, words: &[String]) -> io::Result<Ended> {
    let pass = rig.dispatcher(1);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(pass.get_program()).args(pass.get_args()).stdin(Stdio::null()).process_group(0);
    if let Some(folder) = pass.get_current_dir() {
        command.current_dir(folder);
    }
    command.env_clear().envs(pass.get_envs().filter_map(|(name, value)| Some((name, value?))));
    rig.run_command(1, &mut command)
}

/// A pass in which calls fail; what is wrong with how it ended.
fn pass(rig: &mut Rig, tracer: &[&str], call: &str, fault: &str, when: &str) -> io::Result<Option<Violation>> {
    let mut words: Vec<String> = tracer.iter().map(ToString::to_string).collect();
    let inject = format!("inject={call}:error={fault}:when={when}");
    words.extend(["-e".to_owned(), format!("trace={call}"), "-e".to_owned(), inject]);
    let ended = pass_through(rig, &words)?;
    let words = format!("{fault} of {call}, call {when}");
    Ok(bad_end(&ended).then(|| {
        let words = format!("{words}: ended with {:?}: {}", ended.exit, ended.stderr);
        Violation::new(checker::Fault::Restless, words)
    }))
}

/// Neither a code that is known nor somebody else's end.
fn bad_end(ended: &Ended) -> bool {
    // Where the loader of the program itself fails, nothing of ours has run.
    let is_ours = !ended.stderr.contains("error while loading shared libraries") && ended.exit != Some(1);
    let is_known = ended.exit.is_some_and(|code| KNOWN_ENDS.contains(&code));
    let panicked = ended.stderr.contains("panicked at") || ended.stderr.contains("broke down");
    is_ours && (!is_known || panicked)
}

/// Settles and judges; what is held for want of means gives its place up.
fn judge(mut rig: Rig) -> io::Result<Vec<Violation>> {
    let mut found = rig.settle()?;
    let mut evidence = rig.evidence()?;
    evidence.ordered = false;
    found.extend(checker::judge(&evidence)?);
    let of_server = rig.of_server();
    found.extend(rig.close());
    // Handlers lack the same means: what they print, which locks they still can name, and that their shell cannot start
    // what it should (126, 127) before anything was said to the witness, is theirs then.
    let is_handlers = |one: &Violation| {
        one.words.starts_with("handler.log is not what attempt")
            || one.words.starts_with("ran with other locks than")
            || ["Some(126)", "Some(127)", "(exit 126)", "(exit 127)"].iter().any(|code| one.words.contains(code))
    };
    found.retain(|one| !is_handlers(one) && !of_server(one));
    Ok(found)
}

#[test]
fn campaign_errors() -> Tested {
    let Some(tracer) = tracer() else { return Ok(()) };
    let (seed, began) = (seed(), Instant::now());
    let mut random = Random::new(seed ^ 0xe1);
    let mut report = Report::new("failed system call");
    let mut all: Vec<(&str, &str, u64)> = FAULTS
        .iter()
        .flat_map(|(call, faults, often)| faults.iter().map(move |fault| (*call, *fault, *often)))
        .collect();
    for round in 0_u64.. {
        // In another order each time, and each at another place of the pass.
        for index in (1..all.len()).rev() {
            let other = usize::try_from(random.below(index as u64 + 1)).expect("below the length");
            all.swap(index, other);
        }
        for some in all.chunks(TOGETHER) {
            let remote = if random.once_in(3) { Remote::None } else { Remote::Path };
            let mut rig = Rig::new(Plan { seed: seed.wrapping_add(random.below(1 << 30)), remote, ..Plan::default() })?;
            let mut found = Vec::new();
            for (call, fault, often) in some {
                rig.submit(2)?;
                let first = random.below(*often) + 1;
                let when = *random.choose(&["", "..+1", "+"]);
                let when = match when {
                    "..+1" => format!("{first}..{}", first + 1),
                    more => format!("{first}{more}"),
                };
                found.extend(pass(&mut rig, &tracer, call, fault, &when)?);
            }
            let requests = rig.submissions.len() as u64;
            found.extend(judge(rig)?);
            report.add(some.len() as u64, requests, found);
            let over = began.elapsed() > budget(SLICE);
            if !report.is_clean() || over {
                report.end(seed);
                return Ok(());
            }
        }
        if !is_long() && round > 0 {
            break;
        }
    }
    report.end(seed);
    Ok(())
}

/// Once the handler runs nothing proves any more that it had no effect.
#[test]
fn a_supervisor_that_fails_behind_the_start_is_not_taken_for_no_start() -> Tested {
    let Some(tracer) = tracer() else { return Ok(()) };
    for (level, host_file) in [("isolated", ""), ("none", "levels: {none: [slow]}\n")] {
        let mut rig = Rig::new(Plan { seed: seed(), level, host_file: host_file.to_owned(), ..Plan::default() })?;
        rig.submit_these(&[Sort::Slow])?;
        assert_eq!(pass(&mut rig, &tracer, "signalfd4", "EMFILE", "1+")?, None);
        let status = status_of(&rig, 0)?;
        assert!(status.contains("outcome: indeterminate"), "{level}: {status}");
        assert_eq!(judge(rig)?, []);
    }
    Ok(())
}

/// No process to be had: that proves that nothing ran. It is no fault of the request's, which is held, and even an at-most-once
/// one is tried again.
#[test]
fn what_could_not_be_forked_is_held_and_tried_again() -> Tested {
    let Some(tracer) = tracer() else { return Ok(()) };
    let mut rig = Rig::new(Plan { seed: seed(), jobs: 1, remote: Remote::None, ..Plan::default() })?;
    rig.submit_these(&[Sort::Quick])?;
    // A keeper forks for its probe, and then for jobs: it cannot any more.
    assert_eq!(pass(&mut rig, &tracer, "clone", "EAGAIN", "2+")?, None);
    let printed = rig.printed(1);
    assert!(printed.contains("is held: sandbox_unavailable: process: forking pid 1 of the job"), "{printed}");
    assert!(!rig.is_inbox_empty()?, "{printed}");
    assert_eq!(rig.witness.events()?, []);
    assert_eq!(rig.settle()?, []);
    let status = status_of(&rig, 0)?;
    assert!(status.contains("outcome: succeeded") && status.contains("not_started: "), "{status}");
    assert_eq!(judge(rig)?, []);
    Ok(())
}

/// A sync that failed is not tried again by whoever saw it fail.
#[test]
fn a_sync_that_fails_ends_the_pass() -> Tested {
    let Some(tracer) = tracer() else { return Ok(()) };
    for what in ["the spool", "the journal"] {
        let mut rig = Rig::new(Plan { seed: seed(), jobs: 1, ..Plan::default() })?;
        // A first pass, so that the journal is there to be named.
        assert_eq!(rig.run(1)?.exit, Some(0));
        rig.submit_these(&[Sort::Quick])?;
        let calls = rig.world.path("trace");
        let log = rig.state_of(1).join("journal.db-wal");
        let call = if what == "the spool" { "syncfs" } else { "fsync,fdatasync" };
        let mut words: Vec<String> = tracer.iter().map(ToString::to_string).collect();
        words[5] = calls.display().to_string();
        words.extend(["-e".to_owned(), format!("trace={call}")]);
        if what == "the journal" {
            words.retain(|word| word != "--seccomp-bpf");
            words.extend(["-P".to_owned(), log.display().to_string()]);
            words[4] = calls.display().to_string();
        }
        words.extend(["-e".to_owned(), format!("inject={call}:error=EIO:when=1+")]);
        let ended = pass_through(&mut rig, &words)?;
        let made = std::fs::read_to_string(&calls)?;
        let failed = made.lines().filter(|line| line.contains("INJECTED")).count();
        assert_eq!(ended.exit, Some(73), "{what}: {}\n{made}", ended.stderr);
        assert!(ended.stderr.contains("error: "), "{what}: {}", ended.stderr);
        assert_eq!(failed, 1, "{what} was synced again: {made}");
        assert_eq!(judge(rig)?, [], "{what}");
    }
    Ok(())
}

/// A real shortage: few descriptors.
#[test]
fn few_descriptors_end_in_words_and_not_in_a_loss() -> Tested {
    let mut rig = Rig::new(Plan { seed: seed(), ..Plan::default() })?;
    rig.submit_these(&[Sort::Quick, Sort::Sure, Sort::Leaves])?;
    for descriptors in [6, 9, 12, 15, 18, 22, 26, 32] {
        let limit = format!("--nofile={descriptors}");
        let ended = pass_through(&mut rig, &["prlimit".to_owned(), limit])?;
        assert!(!bad_end(&ended), "{descriptors} descriptors: {:?}: {}", ended.exit, ended.stderr);
    }
    assert_eq!(judge(rig)?, []);
    Ok(())
}

/// Another one: few processes, in a control group that lets no more be made.
#[test]
fn few_processes_end_in_words_and_not_in_a_loss() -> Tested {
    let Some(group) = Group::new() else { return Ok(()) };
    let mut rig = Rig::new(Plan { seed: seed(), ..Plan::default() })?;
    rig.submit_these(&[Sort::Quick, Sort::Sure, Sort::Leaves])?;
    for processes in [1, 2, 3, 4, 6, 8, 12] {
        std::fs::write(group.folder.join("pids.max"), processes.to_string())?;
        let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.folder.display());
        let words = ["sh", "-c", &enter, "sh"].map(str::to_owned);
        let ended = pass_through(&mut rig, &words)?;
        assert!(!bad_end(&ended), "{processes} processes: {:?}: {}", ended.exit, ended.stderr);
    }
    let mut found = judge(rig)?;
    // A handler that cannot fork does not what the rig made it for: that its own output says so is the truth.
    let poor: BTreeSet<_> =
        found.iter().filter(|found| found.words.contains("Cannot fork")).map(|found| found.id.clone()).collect();
    found.retain(|found| !matches!(found.fault, Fault::Torn | Fault::Untrue) || !poor.contains(&found.id));
    assert_eq!(found, []);
    Ok(())
}

/// A control group for processes, gone with this value.
struct Group {
    folder: PathBuf,
}

impl Group {
    fn new() -> Option<Self> {
        let name = format!("dispatch-test-{}", std::process::id());
        for place in ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"] {
            let folder = Path::new(place).join(&name);
            if std::fs::create_dir(&folder).is_ok() {
                let group = Self { folder };
                if group.folder.join("pids.max").exists() {
                    return Some(group);
                }
            }
        }
        eprintln!("SKIPPED: no control group for processes can be made here");
        None
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let gone = || std::fs::remove_dir(&self.folder).is_ok();
        let _ = rig::until("the control group is empty", Duration::from_secs(10), gone);
    }
}

/// What was recorded of a request.
fn status_of(rig: &Rig, number: usize) -> io::Result<String> {
    let path = &rig.submissions[number].path;
    let place = path.strip_prefix("requests/").and_then(|path| path.rsplit_once('.')).expect("a request").0;
    rig::git(&rig.world, &rig.origin(), &["show", &format!("main:logs/{place}/status.yml")])
}
