//! The executor of this machine: one worker slot, its scratch folders, and what is taken from them afterwards.

use std::convert::identity;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

use super::output::{self, Captured};
use super::proxy::Proxies;
use super::sandbox::{self, Control, Ending, Given, Launch, Mount, Slot, SlotSetup, User};
use super::scratch::{Left, Scratch};
use super::stage::Stage;
use super::{Executor, RunError, Work, artifacts, judge, kept};
use crate::clock::Clock;
use crate::job::{Level, Network};
use crate::outcome::Attempt;
use crate::record::from_handler::{self, HandlerStatus};
use crate::record::log::{LogEvent, Stream};
use crate::record::report::Report;
use crate::redact::{self, SECRET_CHARS_MIN, Secrets};
use crate::removal::remove_tree;
use crate::repo::is_usable_path;
use crate::room::Wait;
use crate::spool;
use crate::statedir::StateDir;

/// Where a handler finds things at `isolated`.
const REPO: &str = "/repo";
const WORK: &str = "/work";
const SECRETS: &str = "/run/secrets";
const CACHE: &str = "/cache";
/// The snapshot, for bringing a kept checkout up.
const SNAPSHOT: &str = "/run/snapshot";
/// Where programs are looked up by name, for handlers and for actions.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const RESULT: &str = "result.json";
const DESCRIPTORS_MAX: u64 = 1024;
const NULL: &str = "/dev/null";
/// As many as it takes to walk what a handler has left and to copy it.
const SET_ASIDE: usize = 8;

/// One worker's executor.
pub struct Local {
    index: u32,
    state: StateDir,
    keeper: PathBuf,
    /// The uid of this slot, where the dispatcher is root.
    uid: Option<u32>,
    clock: Arc<dyn Clock>,
    control: Control,
    room: Wait,
    slot: Option<(Level, bool, Slot)>,
    stage: Option<Stage>,
    /// What is still to be cleared.
    behind: Option<Behind>,
}

/// The folders of an attempt that is over.
struct Behind {
    scratch: Scratch,
    work: Work,
    left: Left,
    /// It succeeded and is to leave nothing.
    wholly: bool,
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
        let room = Wait::none();
        Self { index, state, keeper, uid, clock, control, room, slot: None, stage: None, behind: None }
    }

    /// Waits for room on a full disk before what came out of a run is given up.
    #[must_use]
    pub fn waiting(mut self, room: Wait) -> Self {
        self.room = room;
        self
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

impl Drop for Local {
    fn drop(&mut self) {
        self.clear();
        if let Some(stage) = self.stage.take() {
            stage.remove();
        }
    }
}

/// What the names of our control groups begin with, for the sweep at start.
pub fn cgroup_prefix() -> &'static str {
    "codex-dispatch-"
}

impl Executor for Local {
    fn execute(&mut self, mut work: Work) -> Result<Report, RunError> {
        self.clear();
        let proxies = match work.job.grant.network {
            Network::None => Proxies::default(),
            _ => Proxies::of(std::env::vars_os()),
        };
        let hidden: Vec<(String, Vec<u8>)> = work.secrets.iter().cloned().chain(proxies.passwords()).collect();
        let secrets = Secrets::new(&hidden).map_err(|error| RunError::Secrets(error.to_string()))?;
        let short = work.secrets.iter().filter(|(_, value)| !redact::is_masked(value)).map(|(name, _)| name.clone());
        let short: Vec<String> = short.collect();
        let grant = &work.job.grant;
        let (level, network) = (grant.level, grant.network != Network::None);
        let slots = self.uid.map(User::unnamed);
        let user = if rustix::process::geteuid().is_root() { work.user.or(slots) } else { None };
        let scratch = Scratch::make(&self.state, &work, user, self.index, self.stage.take())?;
        let spool = spool::attempt_folder(&self.state, work.id, work.attempt)?;
        // The object store may lose a request that was never committed; what was started keeps its bytes.
        let kept = self.state.spool(work.id).join("request");
        fs::write(&kept, &work.request).map_err(|source| RunError::Prepare { path: kept, source })?;
        let mut output = output::Output::create(&spool, grant.limits.output, &secrets)
            .map_err(|error| RunError::Prepare { path: spool.join(output::FILE), source: io::Error::other(error) })?;

        let mut launch = launch(&mut work, &scratch, user);
        proxies.add_to(&mut launch.env);
        let argv = launch.argv.clone();
        let clock = Arc::clone(&self.clock);
        let control = self.control.with(&work.cancel);
        // What it leaves can be taken whatever else is open by then.
        let aside = set_aside().map_err(|source| RunError::Prepare { path: NULL.into(), source })?;
        let slot = self.slot(level, network)?;
        if work.leave.as_ref().is_some_and(|leave| !leave.is_given()) {
            return Err(RunError::CalledOff);
        }
        let started_at = clock.now();
        let began = clock.monotonic();
        let elapsed = || u64::try_from(clock.monotonic().saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
        let mut sink = |stream, bytes: &[u8]| output.push(stream_of(stream), bytes, elapsed());
        let ending = slot.run(launch, &mut sink, &control)?;
        let captured = output.finish(elapsed());

        drop(aside);
        let memory = slot.take_scratch();
        let left =
            scratch.left(&work, memory).map_err(|source| RunError::Collect { path: scratch.log(&work), source })?;
        let mut report = self.room.wait(|| take(&work, &left, &spool, user, &secrets, &ending, &captured))?;
        report.warnings.extend(settle_kept(&work, &scratch, &ending));
        report.warnings.extend(short.iter().map(|name| {
            format!(
                "the secret {name} has fewer than {SECRET_CHARS_MIN} characters and was not masked in what was printed"
            )
        }));
        report.warnings.extend(work.snapshot.note());
        report.attempt.started_at = started_at;
        // By the span and not by the wall clock, which may have been set meanwhile.
        let ended_at = started_at.checked_add(Duration::from_millis(elapsed())).unwrap_or(started_at);
        report.attempt.finished_at = Some(ended_at);
        let first = LogEvent::Started { attempt: work.attempt, argv };
        let events = captured.story(started_at, first, identity, (elapsed(), exited(&report.attempt)));
        // Should nobody seal this record before the dispatcher is killed, another process tells what happened.
        // Not to be told of an attempt that did not begin.
        let saved = self.room.wait(|| spool::save_events(&spool, &events));
        saved.map_err(|source| RunError::Collect { path: spool.clone(), source })?;
        report.events = Some(events.into());
        let wholly = work.cleanup && report.attempt.exit_code == Some(0);
        self.behind = Some(Behind { scratch, work, left, wholly });
        Ok(report)
    }

    fn clear(&mut self) {
        if let Some(Behind { scratch, work, left, wholly }) = self.behind.take() {
            self.stage = scratch.clear(&work, wholly, &left);
        }
    }
}

/// Descriptors that nobody else gets while a handler runs.
fn set_aside() -> io::Result<Vec<File>> {
    let first = File::open(NULL)?;
    let mut aside = (1..SET_ASIDE).map(|_| first.try_clone()).collect::<io::Result<Vec<File>>>()?;
    aside.push(first);
    Ok(aside)
}

fn launch(work: &mut Work, scratch: &Scratch, user: Option<User>) -> Launch {
    let grant = &work.job.grant;
    let isolated = grant.level == Level::Isolated;
    let places = if isolated {
        Places { repo: REPO.into(), work: WORK.into(), secrets: SECRETS.into(), cache: CACHE.into() }
    } else {
        let cache = scratch.cache.clone().unwrap_or_default();
        Places { repo: scratch.repo(), work: scratch.work(), secrets: scratch.secrets_dir(), cache }
    };
    let Places { repo, work: place, .. } = &places;
    let log = format!("{}/{}", work.output, work.place);
    let mut mounts = Vec::new();
    let (mut empty_dirs, mut files) = (Vec::new(), Vec::new());
    let mount = |source: &Path, target: &Path, writable| Mount {
        source: source.to_owned(),
        target: target.to_owned(),
        writable,
    };
    let in_memory = scratch.in_memory(work, place, &repo.join(&log));
    if isolated {
        match &scratch.checkout {
            Some(checkout) => {
                mounts.push(mount(&checkout.tree, repo, true));
                mounts.push(mount(&work.snapshot.path, Path::new(SNAPSHOT), false));
            }
            None => mounts.push(mount(&work.snapshot.path, repo, false)),
        }
        files.push(Given { place: repo.join(&work.request_path), bytes: work.request.to_vec() });
        empty_dirs.extend([&work.inbox, &work.output].map(|folder| repo.join(folder)));
        if in_memory.is_empty() {
            mounts.push(mount(&scratch.log(work), &repo.join(&log), true));
            mounts.push(mount(&scratch.work(), place, true));
        }
    } else if grant.level == Level::Confined {
        mounts.push(mount(repo, repo, scratch.checkout.is_some()));
        mounts.extend([scratch.log(work), scratch.work()].iter().map(|path| mount(path, path, true)));
        mounts.extend(scratch.checkout.iter().map(|_| mount(&scratch.source, &scratch.source, false)));
    }
    if grant.level != Level::None {
        mounts.extend(scratch.cache.iter().map(|cache| mount(cache, &places.cache, true)));
        mounts.extend(grant.read.iter().map(|path| mount(&work.on_host(path), path, false)));
        mounts.extend(grant.write.iter().map(|path| mount(&work.on_host(path), path, true)));
    }
    let refresh = scratch.checkout.as_ref().map(|checkout| sandbox::Refresh {
        from: if isolated { SNAPSHOT.into() } else { scratch.source.clone() },
        to: repo.clone(),
        except: [&work.inbox, &work.output, &work.archive].map(PathBuf::from).to_vec(),
        gone: checkout.gone.clone(),
    });
    let mut argv = work.command.clone();
    // A plain word would be looked up in PATH, not in the repository.
    if argv.first().is_some_and(|word| !word.starts_with('/')) {
        argv[0] = repo.join(&argv[0]).display().to_string();
    }
    argv.extend([work.request_path.clone(), log.clone()]);
    let limits = &grant.limits;
    Launch {
        env: environment(work, &places, &log),
        argv,
        cwd: repo.clone(),
        stdin: stdin(work),
        mounts,
        empty_dirs,
        files,
        scratch: in_memory,
        refresh,
        watched: scratch.watched(work),
        user,
        tcp_ports: match &grant.network {
            Network::Tcp(ports) => Some(ports.clone()),
            Network::None | Network::Host => None,
        },
        secrets: std::mem::take(&mut work.secrets),
        secrets_dir: places.secrets,
        limits: sandbox::Limits {
            timeout: limits.timeout,
            grace: limits.grace,
            memory: limits.memory,
            pids: u64::from(limits.pids),
            cpu_time: Some(limits.cpu_time),
            tmp: limits.tmp,
            file_size: limits.file_size,
            nofile: DESCRIPTORS_MAX,
        },
        locks: work.locks.drain(..).map(|lock| lock.file).collect::<Vec<File>>(),
    }
}

/// Where a handler finds things.
struct Places {
    repo: PathBuf,
    work: PathBuf,
    secrets: PathBuf,
    cache: PathBuf,
}

fn environment(work: &Work, places: &Places, log: &str) -> Vec<(String, String)> {
    let (job, place) = (&work.job, &places.work);
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
        ("DISPATCH_SECRETS", text(&places.secrets)),
        ("DISPATCH_WORK", text(place)),
    ];
    if job.grant.level != Level::Isolated {
        // The host's /tmp is everybody's.
        env.push(("TMPDIR".to_owned(), text(&place.join("tmp"))));
    }
    if job.grant.limits.cache > 0 {
        env.push(("DISPATCH_CACHE".to_owned(), text(&places.cache)));
    }
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
    left: &Left,
    spool: &Path,
    user: Option<User>,
    secrets: &Secrets,
    ending: &Ending,
    captured: &Captured,
) -> Result<Report, RunError> {
    // Left by a try that met a full disk.
    let files = spool.join("files");
    remove_tree(&files).map_err(|source| RunError::Collect { path: files.clone(), source })?;
    let collection = artifacts::Collection {
        root: left.log.root.as_fd(),
        folder: &left.log.below,
        into: &files,
        bytes_max: work.job.grant.limits.artifacts,
        owner: user.map(|user| user.uid),
    };
    let mut collected = artifacts::collect(&collection, secrets)
        .map_err(|error| RunError::Collect { path: left.log.below.clone(), source: io::Error::other(error) })?;
    // One name that git does not take would keep the whole record from being committed.
    for artifact in &collected.artifacts {
        if !is_usable_path(artifact.path.as_bytes()) {
            let file = files.join(&artifact.path);
            fs::remove_file(&file).map_err(|source| RunError::Collect { path: file, source })?;
            collected.skipped.push(format!("{}: git takes no such name", artifact.path));
        }
    }
    collected.artifacts.retain(|artifact| is_usable_path(artifact.path.as_bytes()));
    let mut warnings: Vec<String> = captured.cut.iter().map(|words| format!("the output was cut: {words}")).collect();
    let mut said = collected.handler_status.as_deref().map(from_handler::read_handler_status).unwrap_or_default();
    warnings.append(&mut said.warnings);
    let result = match read_result(left).map(|bytes| from_handler::read_result(&bytes)) {
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
        run_as: user.map(|user| user.uid.to_string()),
        output: captured.count,
        limits: limits_met(work, ending, captured),
        tail: captured.tail(crate::record::summary::TAIL_LINES_MAX),
        skipped: collected.skipped,
        artifacts: collected.artifacts,
        warnings: warnings.iter().map(|warning| secrets.mask_text(warning)).collect(),
        handler: masked(said, secrets),
        result,
        events: None,
    })
}

/// Notes how far a kept checkout has come, and throws away what has become too large to keep. Returns warnings for the record.
fn settle_kept(work: &Work, scratch: &Scratch, ending: &Ending) -> Vec<String> {
    let limits = &work.job.grant.limits;
    if let Some(checkout) = &scratch.checkout
        && !matches!(ending.cause, sandbox::Cause::NotStarted(_))
        && let Err(error) = checkout.brought_up()
    {
        tracing::warn!("noting the state of the checkout `{}`: {error}", checkout.tree.display());
    }
    let cache = scratch.cache.as_ref().map(|cache| ("cache", cache, limits.cache));
    let checkout = scratch.checkout.as_ref().map(|checkout| ("checkout", &checkout.tree, limits.checkout));
    let mut warnings = Vec::new();
    for (limit, tree, bytes) in cache.into_iter().chain(checkout) {
        if sandbox::bytes_below(tree, bytes) > bytes {
            kept::discard(tree);
            let size = crate::units::format_size(bytes);
            warnings.push(format!("the {limit} held more than {size} and was emptied"));
        }
    }
    warnings
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
    match ending.cause {
        sandbox::Cause::Signaled(nix::libc::SIGXCPU) => {
            met.push(format!("cpu_time {}", format_duration(limits.cpu_time)));
        }
        sandbox::Cause::Signaled(nix::libc::SIGXFSZ) => {
            met.push(format!("file_size {}", format_size(limits.file_size)));
        }
        _ => {}
    }
    if let Some(limit) = ending.over {
        let bytes = match limit {
            "work" => limits.work,
            "cache" => limits.cache,
            "checkout" => limits.checkout,
            _ => limits.artifacts,
        };
        met.push(format!("{limit} {}", format_size(bytes)));
    }
    if captured.count.dropped > 0 {
        met.push(format!("output {}", format_size(limits.output)));
    }
    met
}

/// The result file, opened without trusting the folder that the handler could change.
fn read_result(left: &Left) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file: OwnedFd = openat2(&left.work.root, left.work.below.join(RESULT), flags, Mode::empty(), within).ok()?;
    let stat = fstat(&file).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
        return None;
    }
    let mut bytes = Vec::new();
    File::from(file).take(from_handler::BYTES_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

fn exited(attempt: &Attempt) -> LogEvent {
    LogEvent::Exited {
        attempt: attempt.number,
        exit_code: attempt.exit_code,
        signal: attempt.signal,
        reason: attempt.reason.clone(),
    }
}

pub(super) fn stream_of(stream: sandbox::Stream) -> Stream {
    match stream {
        sandbox::Stream::Stdout => Stream::Stdout,
        sandbox::Stream::Stderr => Stream::Stderr,
    }
}
