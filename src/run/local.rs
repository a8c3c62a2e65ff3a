//! The executor of this machine: one worker slot, its scratch folders, and what is taken from them afterwards.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

use super::output::{self, Captured};
use super::sandbox::{self, Control, Ending, Launch, Mount, Slot, SlotSetup};
use super::scratch::Scratch;
use super::{Executor, RunError, Work, artifacts, judge};
use crate::clock::Clock;
use crate::job::{Level, Network};
use crate::outcome::Attempt;
use crate::record::from_handler::{self, HandlerStatus};
use crate::record::log::{LogEvent, LogWriter, Stream};
use crate::record::report::Report;
use crate::redact::Secrets;
use crate::repo::is_usable_path;
use crate::spool;
use crate::statedir::StateDir;

/// Where a handler finds things at `isolated`.
const REPO: &str = "/repo";
const WORK: &str = "/work";
const SECRETS: &str = "/run/secrets";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const RESULT: &str = "result.json";
/// The longest file that a handler may write, beside the room that its artifacts need.
const FILE_BYTES_MAX: u64 = 1 << 30;
const DESCRIPTORS_MAX: u64 = 1024;

/// One worker's executor.
pub struct Local {
    index: u32,
    state: StateDir,
    keeper: PathBuf,
    /// The uid of this slot, where the dispatcher is root.
    uid: Option<u32>,
    clock: Arc<dyn Clock>,
    control: Control,
    slot: Option<(Level, bool, Slot)>,
}

impl Local {
    /// For worker `index`. `control` ends what runs when the dispatcher is told to stop.
    pub fn new(
        index: u32,
        state: StateDir,
        keeper: PathBuf,
        uid: Option<u32>,
        clock: Arc<dyn Clock>,
        control: Control,
    ) -> Self {
        Self { index, state, keeper, uid, clock, control, slot: None }
    }

    /// What a slot of this executor is set up with.
    pub fn setup(index: u32, level: Level, network: bool, keeper: &Path) -> SlotSetup {
        let cgroup_name = Some(format!("{}{}-{index}", cgroup_prefix(), std::process::id()));
        SlotSetup { index, level, network, keeper: keeper.to_owned(), cgroup_name }
    }

    fn slot(&mut self, level: Level, network: bool) -> Result<&mut Slot, RunError> {
        let fits = self.slot.as_ref().is_some_and(|(have, net, _)| *have == level && *net == network);
        if !fits {
            // First the old one: both would want the same control group.
            self.slot = None;
            let started = Slot::start(&Self::setup(self.index, level, network, &self.keeper))?;
            self.slot = Some((level, network, started));
        }
        let (.., slot) = self.slot.as_mut().expect("set just now");
        Ok(slot)
    }
}

/// What the names of our control groups begin with, for the sweep at start.
pub fn cgroup_prefix() -> &'static str {
    "codex-dispatch-"
}

impl Executor for Local {
    fn execute(&mut self, mut work: Work) -> Result<Report, RunError> {
        let secrets = Secrets::new(&work.secrets).map_err(|error| RunError::Secrets(error.to_string()))?;
        let grant = &work.job.grant;
        let (level, network) = (grant.level, grant.network == Network::Host);
        let uid = if rustix::process::geteuid().is_root() {
            work.uid.or(self.uid.filter(|_| level != Level::None))
        } else {
            None
        };
        let scratch = Scratch::make(&self.state, &work, uid)?;
        let spool = spool::attempt_folder(&self.state, work.id, work.attempt)?;
        // The object store may lose a request that was never committed; what was started keeps its bytes.
        let kept = self.state.spool(work.id).join("request");
        fs::write(&kept, &work.request).map_err(|source| RunError::Prepare { path: kept, source })?;
        let mut output = output::Output::create(&spool, grant.limits.output, &secrets)
            .map_err(|error| RunError::Prepare { path: spool.join(output::FILE), source: io::Error::other(error) })?;

        let launch = launch(&mut work, &scratch, uid);
        let argv = launch.argv.clone();
        let clock = Arc::clone(&self.clock);
        let control = self.control.clone();
        let slot = self.slot(level, network)?;
        let started_at = clock.now();
        let began = clock.monotonic();
        let elapsed = || u64::try_from(clock.monotonic().saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
        let mut sink = |stream, bytes: &[u8]| output.push(stream_of(stream), bytes, elapsed());
        let ending = slot.run(launch, &mut sink, &control)?;
        let captured = output.finish(elapsed());

        let mut report = take(&work, &scratch, &spool, uid, &secrets, &ending, &captured)?;
        report.attempt.started_at = started_at;
        report.attempt.finished_at = Some(clock.now());
        write_events(&spool, &report, &argv, &captured, started_at, elapsed())
            .map_err(|source| RunError::Collect { path: spool.join("events.jsonl"), source })?;
        scratch.clear(work.cleanup && report.attempt.exit_code == Some(0));
        Ok(report)
    }
}

fn launch(work: &mut Work, scratch: &Scratch, uid: Option<u32>) -> Launch {
    let grant = &work.job.grant;
    let isolated = grant.level != Level::None;
    let (repo, place, secrets_dir) = if isolated {
        (PathBuf::from(REPO), PathBuf::from(WORK), PathBuf::from(SECRETS))
    } else {
        (scratch.repo(), scratch.work(), scratch.root.join("secrets"))
    };
    let log = format!("{}/{}", work.output, work.place);
    let mut mounts = Vec::new();
    let mut empty_dirs = Vec::new();
    if isolated {
        let mount = |source: PathBuf, target: PathBuf, writable| Mount { source, target, writable };
        mounts.push(mount(work.snapshot.path.clone(), repo.clone(), false));
        mounts.push(mount(scratch.root.join("requests"), repo.join(&work.inbox), false));
        empty_dirs.push(repo.join(&work.output));
        mounts.push(mount(scratch.log(work), repo.join(&log), true));
        mounts.push(mount(scratch.work(), place.clone(), true));
        mounts.extend(grant.read.iter().map(|path| mount(path.clone(), path.clone(), false)));
        mounts.extend(grant.write.iter().map(|path| mount(path.clone(), path.clone(), true)));
    }
    let mut argv = work.command.clone();
    // A plain word would be looked up in PATH, not in the repository.
    if argv.first().is_some_and(|word| !word.starts_with('/')) {
        argv[0] = repo.join(&argv[0]).display().to_string();
    }
    argv.extend([work.request_path.clone(), log.clone()]);
    let limits = &grant.limits;
    Launch {
        env: environment(work, &place, &secrets_dir, &log),
        argv,
        cwd: repo,
        stdin: stdin(work),
        mounts,
        empty_dirs,
        uid,
        secrets: std::mem::take(&mut work.secrets),
        secrets_dir,
        limits: sandbox::Limits {
            timeout: limits.timeout,
            grace: limits.grace,
            memory: limits.memory,
            pids: u64::from(limits.pids),
            cpu_time: Some(limits.cpu_time),
            tmp: limits.tmp,
            file_size: limits.artifacts.max(FILE_BYTES_MAX),
            nofile: DESCRIPTORS_MAX,
        },
        locks: work.locks.drain(..).map(|lock| lock.file).collect::<Vec<File>>(),
    }
}

fn environment(work: &Work, place: &Path, secrets_dir: &Path, log: &str) -> Vec<(String, String)> {
    let job = &work.job;
    let text = |path: &Path| path.display().to_string();
    let mut env: Vec<(String, String)> = job.row.env.clone().into_iter().collect();
    let locks: Vec<&str> = job.locks.iter().map(String::as_str).collect();
    let own = [
        ("PATH", PATH.to_owned()),
        ("HOME", text(&place.join("home"))),
        ("LANG", "C.UTF-8".to_owned()),
        ("TZ", "UTC".to_owned()),
    ];
    let contract = [
        ("DISPATCH_ID", work.id.to_string()),
        ("DISPATCH_KIND", job.kind.clone()),
        ("DISPATCH_REQUEST", work.request_path.clone()),
        ("DISPATCH_LOG_DIR", log.to_owned()),
        ("DISPATCH_RESULT", text(&place.join(RESULT))),
        ("DISPATCH_ATTEMPT", work.attempt.to_string()),
        ("DISPATCH_RESOURCE", locks.join("\n")),
        ("DISPATCH_COMMIT", job.objects.commit.clone()),
        ("DISPATCH_SECRETS", text(secrets_dir)),
        ("DISPATCH_WORK", text(place)),
    ];
    // The row may choose PATH or LANG, never what the contract says.
    for (name, value) in own {
        if !job.row.env.contains_key(name) {
            env.push((name.to_owned(), value));
        }
    }
    for (name, value) in contract {
        env.retain(|(have, _)| have != name);
        env.push((name.to_owned(), value));
    }
    if job.row.secrets_env {
        for (name, value) in &work.secrets {
            if let Ok(text) = std::str::from_utf8(value) {
                env.push((name.clone(), text.to_owned()));
            }
        }
    }
    env
}

/// The request as one line of JSON, as the handler contract says.
fn stdin(work: &Work) -> Vec<u8> {
    let request = &work.job.request;
    let mut document = serde_json::json!({
        "kind": request.kind,
        "spec": request.spec,
        "id": work.id,
        "path": work.request_path,
        "resource": work.job.locks,
    });
    if let Some(key) = &request.idempotency_key {
        document["idempotency_key"] = key.clone().into();
    }
    let mut text = document.to_string().into_bytes();
    text.push(b'\n');
    text
}

/// Takes what the handler left, judges how it ended, and masks what goes into the record.
fn take(
    work: &Work,
    scratch: &Scratch,
    spool: &Path,
    uid: Option<u32>,
    secrets: &Secrets,
    ending: &Ending,
    captured: &Captured,
) -> Result<Report, RunError> {
    let log = scratch.log(work);
    let collection = artifacts::Collection {
        root: &scratch.root,
        folder: log.strip_prefix(&scratch.root).unwrap_or(&log),
        into: &spool.join("files"),
        bytes_max: work.job.grant.limits.artifacts,
        owner: uid,
    };
    let mut collected = artifacts::collect(&collection, secrets)
        .map_err(|error| RunError::Collect { path: log.clone(), source: io::Error::other(error) })?;
    // One name that git does not take would keep the whole record from being committed.
    for artifact in &collected.artifacts {
        if !is_usable_path(artifact.path.as_bytes()) {
            let file = spool.join("files").join(&artifact.path);
            fs::remove_file(&file).map_err(|source| RunError::Collect { path: file, source })?;
            collected.skipped.push(format!("{}: git takes no such name", artifact.path));
        }
    }
    let mut warnings: Vec<String> = captured.cut.iter().map(|words| format!("the output was cut: {words}")).collect();
    let mut said = collected.handler_status.as_deref().map(from_handler::read_handler_status).unwrap_or_default();
    warnings.append(&mut said.warnings);
    let result = match read_result(&scratch.work()).map(|bytes| from_handler::read_result(&bytes)) {
        None => None,
        Some(Ok(mut value)) => {
            secrets.mask_value(&mut value);
            Some(value)
        }
        Some(Err(warning)) => {
            warnings.push(warning);
            None
        }
    };
    let (outcome, reason) = judge(ending, &said);
    let (exit_code, signal) = match ending.cause {
        sandbox::Cause::Exited(code) => (Some(code), None),
        sandbox::Cause::Signaled(signal) => (None, Some(signal)),
        sandbox::Cause::NotStarted(_) => (None, None),
    };
    Ok(Report {
        attempt: Attempt {
            number: work.attempt,
            started_at: Timestamp::UNIX_EPOCH,
            finished_at: None,
            exit_code,
            signal,
            reason: reason.map(|reason| secrets.mask_text(&reason)),
        },
        outcome,
        layers: ending.layers.clone(),
        run_as: uid.map(|uid| uid.to_string()),
        output: captured.count,
        limits: limits_met(work, ending, captured),
        tail: captured.tail(crate::record::summary::TAIL_LINES_MAX),
        skipped: collected.skipped,
        warnings: warnings.iter().map(|warning| secrets.mask_text(warning)).collect(),
        handler: masked(said, secrets),
        result,
    })
}

fn masked(said: HandlerStatus, secrets: &Secrets) -> serde_json::Map<String, serde_json::Value> {
    let mut rest = serde_json::Value::Object(said.rest);
    secrets.mask_value(&mut rest);
    match rest {
        serde_json::Value::Object(map) => map,
        _ => serde_json::Map::new(),
    }
}

fn limits_met(work: &Work, ending: &Ending, captured: &Captured) -> Vec<String> {
    use crate::units::{format_duration, format_size};
    let limits = &work.job.grant.limits;
    let mut met = Vec::new();
    if ending.timed_out {
        met.push(format!("timeout {}", format_duration(limits.timeout)));
    }
    if ending.oom {
        met.push(format!("memory {}", format_size(limits.memory)));
    }
    if captured.count.dropped > 0 {
        met.push(format!("output {}", format_size(limits.output)));
    }
    met
}

/// The result file, opened without trusting the folder that the handler could change.
fn read_result(work: &Path) -> Option<Vec<u8>> {
    let folder =
        openat2(CWD, work, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::empty())
            .ok()?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(&folder, RESULT, flags, Mode::empty(), within).ok()?;
    let stat = fstat(&file).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
        return None;
    }
    let mut bytes = Vec::new();
    File::from(file).take(from_handler::BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

fn write_events(
    spool: &Path,
    report: &Report,
    argv: &[String],
    captured: &Captured,
    started: Timestamp,
    end_ms: u64,
) -> io::Result<()> {
    let file = io::BufWriter::new(File::create(spool.join("events.jsonl"))?);
    let mut log = LogWriter::new(file);
    let at = |ms: u64| started.checked_add(std::time::Duration::from_millis(ms)).unwrap_or(started);
    let attempt = &report.attempt;
    log.push(started, 0, LogEvent::Started { attempt: attempt.number, argv: argv.to_vec() })?;
    for (ms, event) in captured.events() {
        log.push(at(ms), ms, event)?;
    }
    let exited = LogEvent::Exited {
        attempt: attempt.number,
        exit_code: attempt.exit_code,
        signal: attempt.signal,
        reason: attempt.reason.clone(),
    };
    log.push(at(end_ms), end_ms, exited)?;
    log.into_inner().into_inner()?.sync_data()
}

fn stream_of(stream: sandbox::Stream) -> Stream {
    match stream {
        sandbox::Stream::Stdout => Stream::Stdout,
        sandbox::Stream::Stderr => Stream::Stderr,
    }
}
