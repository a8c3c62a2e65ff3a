//! SIGKILL at each system call of a pass, by `strace --inject`: of the conductor from its first call on, of the publisher and of a
//! worker while they do their part, of a restart after a crash, and of each git that is called. Every point starts from
//! the same copy.
//!
//! Only calls that change something are points: a kill before one that only reads is a kill before the next one that changes.
//! Counts are of one thread (`strace` counts so), and threads have no say in each other's: a point that is not come to in
//! a pass is no fault. Where strace may not trace, this is skipped aloud.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::checker;
use crate::copies::{copy_of, put_back};
use crate::kill::mend_other_side;
use crate::report::{Report, budget, is_long, seed};
use crate::rig::{Plan, Random, Rig, kill, until, wait};
use crate::witness::Sort;

/// Points of the slice that the tests have time for.
const POINTS_OF_THE_SLICE: usize = 15;
/// Nothing that a dispatcher does takes longer, traced or not.
const PASS_MAX: Duration = Duration::from_mins(2);

/// Calls that change something, or after which something has changed.
const CALLS: &str = "openat,creat,write,pwrite64,writev,ftruncate,fallocate,copy_file_range,fsync,fdatasync,syncfs,\
                     rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat,mkdir,mkdirat,\
                     chmod,fchmod,fchmodat,chown,fchown,fchownat,utimensat,clone,clone3,vfork,fork,execve,execveat,\
                     sendmsg,recvmsg,sendto,connect,socketpair,pipe2,flock,fcntl,kill,tgkill,pidfd_send_signal,\
                     wait4,waitid,mount,umount2,unshare,setns";

/// Whose calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// The main thread, in a pass that has everything before it.
    Conductor,
    /// The main thread, in a pass after one that was ended while a handler ran.
    Restart,
    /// The thread that publishes.
    Publisher,
    /// The thread that makes attempts.
    Worker,
    /// Git, when it is called for this time, with what it starts.
    Git(usize),
}

/// The call before which a process is ended.
#[derive(Clone, Debug)]
struct Point {
    part: Part,
    call: String,
    number: usize,
}

#[test]
fn campaign_syscalls() -> io::Result<()> {
    if !may_trace() {
        return Ok(());
    }
    let seed = seed();
    let deadline = Instant::now() + budget(Duration::from_mins(2));
    let mut random = Random::new(seed);
    let mut report = Report::new("SIGKILL at a system call");
    let mut stages = Stages::new(seed)?;
    let points = stages.points(&mut random)?;
    let (mut done, mut tally) = (0, BTreeMap::new());
    for point in &points {
        if Instant::now() > deadline || !is_long() && done == POINTS_OF_THE_SLICE || !report.is_clean() {
            break;
        }
        let (reached, requests, found) = stages.try_point(point)?;
        if reached {
            done += 1;
            *tally
                .entry(match point.part {
                    Part::Git(_) => "git".to_owned(),
                    part => format!("{part:?}").to_lowercase(),
                })
                .or_insert(0) += 1;
        }
        if !found.is_empty() {
            eprintln!("at {point:?}:");
        }
        report.add(u64::from(reached), requests, found);
    }
    eprintln!("  {done} of {} points: {tally:?}", points.len());
    stages.close(&mut report);
    report.end(seed);
    Ok(())
}

/// Whether strace may be used here, and attach to what runs already.
fn may_trace() -> bool {
    let sleeper = Command::new("sleep").arg("60").spawn();
    let Ok(mut sleeper) = sleeper else { return false };
    let attached = attach(sleeper.id(), &["-e".to_owned(), "trace=none".to_owned()]);
    let may = match attached {
        Ok(mut strace) => {
            let _ = strace.kill();
            strace.wait().is_ok()
        }
        Err(error) => {
            eprintln!("SKIPPED: strace may not trace here: {error}");
            false
        }
    };
    let _ = sleeper.kill();
    let _ = sleeper.wait();
    may
}

/// A rig, and the copy that every point starts from.
struct Stage {
    rig: Rig,
    start: TempDir,
}

/// What the parts need to begin with.
struct Stages {
    /// Some requests lie there.
    fresh: Stage,
    /// One runs and nobody watches it any more.
    crashed: Stage,
    /// The first runs until it is told to end: time to attach to a thread.
    gated: Stage,
}

impl Stages {
    fn new(seed: u64) -> io::Result<Self> {
        let stage = |sorts: &[Sort]| -> io::Result<Rig> {
            let mut rig = Rig::new(Plan { seed, jobs: 1, places: 1, in_memory: true, ..Plan::default() })?;
            rig.submit_these(sorts)?;
            Ok(rig)
        };
        let frozen = |rig: Rig| -> io::Result<Stage> {
            let left = rig.world.wait_until_quiet();
            assert!(left.is_empty(), "still there: {left:?}");
            let start = copy_of(rig.world.root())?;
            Ok(Stage { rig, start })
        };
        let fresh = frozen(stage(&[Sort::Sure, Sort::Quick, Sort::Invalid])?)?;
        let mut rig = stage(&[Sort::Gated, Sort::Again])?;
        let mut child = rig.start(1)?;
        rig.witness.begun(&rig.submissions[0].id)?;
        kill(&mut child)?;
        let crashed = frozen(rig)?;
        let mut rig = stage(&[Sort::Gated])?;
        rig.submit_these(&[Sort::Leaves, Sort::Sure])?;
        Ok(Self { fresh, crashed, gated: frozen(rig)? })
    }

    fn of(&mut self, part: Part) -> &mut Stage {
        match part {
            Part::Conductor | Part::Git(_) => &mut self.fresh,
            Part::Restart => &mut self.crashed,
            Part::Publisher | Part::Worker => &mut self.gated,
        }
    }

    /// Every point, in no order, but that each part has its turn early.
    fn points(&mut self, random: &mut Random) -> io::Result<Vec<Point>> {
        let mut by_part: Vec<Vec<Point>> = Vec::new();
        for part in [Part::Conductor, Part::Restart, Part::Publisher, Part::Worker] {
            by_part.push(self.listed(part)?);
        }
        let calls = self.of(Part::Git(0)).count_of_git()?;
        let mut of_git = Vec::new();
        for number in 1..=calls {
            of_git.extend(self.listed(Part::Git(number))?);
        }
        by_part.push(of_git);
        for points in &mut by_part {
            for end in (1..points.len()).rev() {
                let other = usize::try_from(random.below(end as u64 + 1)).expect("below a length");
                points.swap(end, other);
            }
        }
        let longest = by_part.iter().map(Vec::len).max().unwrap_or_default();
        let turns = (0..longest).flat_map(|turn| by_part.iter().filter_map(move |points| points.get(turn)));
        Ok(turns.cloned().collect())
    }

    /// The points of a part, from a pass that is only listened to.
    fn listed(&mut self, part: Part) -> io::Result<Vec<Point>> {
        let stage = self.of(part);
        let list = stage.rig.world.path("calls");
        let options = ["-o".to_owned(), list.display().to_string(), "-e".to_owned(), format!("trace={CALLS}")];
        stage.pass(part, &options)?;
        let text = fs::read_to_string(&list).unwrap_or_default();
        Ok(points_of(part, &text))
    }

    /// Ends a process at a point; whether it was come to, how many requests there were, and what is wrong afterwards.
    fn try_point(&mut self, point: &Point) -> io::Result<(bool, u64, Vec<checker::Violation>)> {
        let stage = self.of(point.part);
        let Point { call, number, .. } = point;
        let options = [
            "-e".to_owned(),
            format!("trace={call}"),
            "-e".to_owned(),
            format!("inject={call}:signal=SIGKILL:when={number}"),
            "-o".to_owned(),
            stage.rig.world.path("calls").display().to_string(),
        ];
        stage.pass(point.part, &options)?;
        let reached =
            fs::read_to_string(stage.rig.world.path("calls")).is_ok_and(|text| text.contains("killed by SIGKILL"));
        mend_other_side(&stage.rig)?;
        stage.rig.witness.open_gate()?;
        let mut found = stage.rig.settle()?;
        found.extend(checker::check(&stage.rig)?);
        found.extend(stage.rig.leftovers());
        Ok((reached, stage.rig.submissions.len() as u64, found))
    }

    fn close(self, report: &mut Report) {
        for Stage { rig, .. } in [self.fresh, self.crashed, self.gated] {
            report.add(0, 0, rig.close());
        }
    }
}

impl Stage {
    /// A pass from the beginning with a part of it under strace.
    fn pass(&mut self, part: Part, options: &[String]) -> io::Result<()> {
        let left = self.rig.world.wait_until_quiet();
        if !left.is_empty() {
            return Err(io::Error::other(format!("still there from the pass before: {left:?}")));
        }
        put_back(&self.start, self.rig.world.root())?;
        match part {
            Part::Conductor | Part::Restart => {
                self.rig.witness.open_gate()?;
                let mut strace = under_strace(&self.rig.dispatcher(1), options);
                let mut child = self.rig.start_command(1, &mut strace)?;
                wait(&mut child, PASS_MAX).map(drop)
            }
            Part::Git(number) => {
                self.stand_in_for_git(&format!(
                    "[ \"$(wc -l < \"$counter\")\" != {number} ] || exec strace -f -qq {} $program \"$@\"",
                    options.join(" ")
                ))?;
                let mut child = self.rig.start(1)?;
                wait(&mut child, PASS_MAX)?;
                fs::remove_file(self.rig.world.path("bin/git"))
            }
            Part::Publisher | Part::Worker => {
                let mut child = self.rig.start(1)?;
                self.rig.witness.begun(&self.rig.submissions[0].id)?;
                let name = if part == Part::Publisher { "publisher" } else { "worker 0" };
                let mut strace = attach(thread_of(child.id(), name)?, options)?;
                self.rig.witness.open_gate()?;
                wait(&mut child, PASS_MAX)?;
                strace.wait().map(drop)
            }
        }
    }

    /// How often a pass calls git.
    fn count_of_git(&mut self) -> io::Result<usize> {
        put_back(&self.start, self.rig.world.root())?;
        self.stand_in_for_git("")?;
        let mut child = self.rig.start(1)?;
        wait(&mut child, PASS_MAX)?;
        Ok(fs::read_to_string(self.rig.world.path("calls-of-git"))?.lines().count())
    }

    /// Puts a script before git in the search path. The calls that git makes of itself do not come by there.
    fn stand_in_for_git(&self, what: &str) -> io::Result<()> {
        let program = self.rig.world.must("command -v git")?;
        let script = self.rig.world.path("bin/git");
        let counter = self.rig.world.path("calls-of-git");
        let text = format!(
            "#!/bin/sh\ncounter={}\nprogram={}\necho >> \"$counter\"\n{what}\nexec $program \"$@\"\n",
            counter.display(),
            program.trim()
        );
        fs::write(&script, text)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
    }
}

/// A command as a child of strace, which follows neither threads nor children.
fn under_strace(command: &Command, options: &[String]) -> Command {
    let mut strace = Command::new("strace");
    strace.arg("-qq").args(options).arg("--").arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        strace.current_dir(folder);
    }
    strace.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    strace.stdin(Stdio::null()).process_group(0);
    strace
}

/// Attaches strace to one thread, and comes back when it has its hand on it.
fn attach(thread: u32, options: &[String]) -> io::Result<Child> {
    let mut strace = Command::new("strace")
        .args(["-p", &thread.to_string()])
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut told = BufReader::new(strace.stderr.take().expect("it is piped"));
    let mut line = String::new();
    told.read_line(&mut line)?;
    if !line.contains("attached") {
        strace.wait()?;
        return Err(io::Error::other(line));
    }
    // What it says when it ends may not fit into a pipe that nobody reads.
    std::thread::spawn(move || io::copy(&mut told, &mut io::sink()));
    Ok(strace)
}

/// The number of a thread by its name.
fn thread_of(process: u32, name: &str) -> io::Result<u32> {
    let tasks = Path::new("/proc").join(process.to_string()).join("task");
    let mut found = None;
    until(&format!("there is a thread `{name}`"), PASS_MAX, || {
        found = fs::read_dir(&tasks).into_iter().flatten().flatten().find_map(|task| {
            let said = fs::read_to_string(task.path().join("comm")).ok()?;
            (said.trim() == name).then(|| task.file_name().to_str()?.parse().ok()).flatten()
        });
        found.is_some()
    })?;
    found.ok_or_else(|| io::Error::other("waited for"))
}

/// The points of a list of calls. Where it is of several processes, each line begins with the number of one.
fn points_of(part: Part, list: &str) -> Vec<Point> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut points: BTreeMap<(&str, usize), Point> = BTreeMap::new();
    for line in list.lines() {
        let (process, rest) = match line.split_once(' ') {
            Some((head, rest)) if !head.is_empty() && head.bytes().all(|byte| byte.is_ascii_digit()) => {
                (head, rest.trim_start())
            }
            _ => ("", line),
        };
        let Some((call, arguments)) = rest.split_once('(') else { continue };
        if !call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        let count = counts.entry((process, call)).or_default();
        *count += 1;
        let only_reads = call == "openat" && arguments.contains("O_RDONLY") && !arguments.contains("O_CREAT")
            || call == "fcntl" && !arguments.contains("LK");
        if !only_reads {
            let number = *count;
            points.entry((call, number)).or_insert_with(|| Point { part, call: call.to_owned(), number });
        }
    }
    points.into_values().collect()
}
