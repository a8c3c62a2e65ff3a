//! The ways to start one handler and wait for its end.
//!
//! Owns the place that all of them show to the handler, and that they show the same. Never: measures.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use codex_dispatch::clock::System;
use codex_dispatch::id::RequestId;
use codex_dispatch::job::{Grant, Introduced, Job, Level, Limits, Network, Objects, Row};
use codex_dispatch::outcome::Outcome;
use codex_dispatch::repo::{Checkout, Repo, Settings, Snapshot, Snapshots};
use codex_dispatch::request::Request;
use codex_dispatch::run::sandbox::{self, Cancel, Cause, Control, Given, Launch, Mount, Scratch, Slot, User};
use codex_dispatch::run::{Executor, Local, Work};
use codex_dispatch::statedir::StateDir;
use tempfile::TempDir;
use uuid::Uuid;

const UID: u32 = 60720;
const HANDLER: &str = "handlers/nothing.sh";
const REQUEST: &str = "requests/nothing.yml";
const REQUEST_TEXT: &str = "kind: nothing\nspec: {}\n";
const RECORD: &str = "2000/01/01/nothing-00000000";

/// A way to run the handler once.
pub trait Way {
    /// Starts it and returns when it has ended well.
    fn run(&mut self) -> Result<(), String>;
}

/// The ways, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Isolated,
    Secret,
    Bubblewrap,
    Confined,
    None,
    Attempt,
}

impl Kind {
    pub const ALL: [Self; 7] =
        [Self::Plain, Self::Isolated, Self::Secret, Self::Bubblewrap, Self::Confined, Self::None, Self::Attempt];

    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Isolated => "isolated",
            Self::Secret => "isolated, a secret",
            Self::Bubblewrap => "bubblewrap",
            Self::Confined => "confined",
            Self::None => "none",
            Self::Attempt => "isolated, an attempt",
        }
    }

    /// The error says why this machine has no such way.
    pub fn open(self, place: &Place) -> Result<Box<dyn Way + '_>, String> {
        let slot = |level, secrets| InSlot::start(place, level, secrets).map(|way| Box::new(way) as Box<dyn Way + '_>);
        match self {
            Self::Plain => Ok(Box::new(Spawned::plain(place))),
            Self::Bubblewrap => Ok(Box::new(Spawned::bubblewrap(place))),
            Self::Isolated => slot(Level::Isolated, Vec::new()),
            Self::Secret => slot(Level::Isolated, vec![("TOKEN".into(), b"not much of a secret".to_vec())]),
            Self::Confined => slot(Level::Confined, Vec::new()),
            Self::None => slot(Level::None, Vec::new()),
            Self::Attempt => Ok(Box::new(InAttempt::new(place)?)),
        }
    }
}

/// A repository with one handler that does nothing, its snapshot, and the folders of an attempt.
pub struct Place {
    folder: TempDir,
    snapshot: Arc<Snapshot>,
}

impl Place {
    /// Makes it below a folder.
    pub fn make(parent: &Path) -> Result<Self, String> {
        let folder = tempfile::tempdir_in(parent).map_err(text)?;
        // Each way's user has to come as far as its own folders.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).map_err(text)?;
        let snapshot = commit(&folder.path().join("clone"), &folder.path().join("state"))?;
        let place = Self { folder, snapshot: Arc::new(snapshot) };
        for own in [place.log(), place.work(), place.work().join("home")] {
            fs::create_dir_all(&own).map_err(text)?;
            if let Some(uid) = uid() {
                chown(&own, Some(uid), Some(uid)).map_err(text)?;
            }
        }
        fs::create_dir_all(place.requests()).map_err(text)?;
        fs::create_dir_all(place.copy().join("handlers")).map_err(text)?;
        fs::copy(place.snapshot.path.join(HANDLER), place.copy().join(HANDLER)).map_err(text)?;
        fs::write(place.requests().join("nothing.yml"), REQUEST_TEXT).map_err(text)?;
        Ok(place)
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What levels without a view of their own see.
    fn copy(&self) -> PathBuf {
        self.folder.path().join("attempt/repo")
    }

    fn requests(&self) -> PathBuf {
        self.folder.path().join("attempt/requests")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("attempt/log")
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("attempt/work")
    }

    /// What a handler is started with where it sees the repository at `repo`.
    fn argv(repo: &Path) -> Vec<String> {
        ["/bin/sh", &text(repo.join(HANDLER).display()), REQUEST, &format!("logs/{RECORD}")].map(String::from).into()
    }
}

/// As many variables as a handler gets, some as long.
fn environment() -> Vec<(String, String)> {
    [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/work/home"),
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("DISPATCH_ID", "00000000-0000-7000-8000-000000000000"),
        ("DISPATCH_KIND", "nothing"),
        ("DISPATCH_REQUEST", REQUEST),
        ("DISPATCH_LOG_DIR", "logs/2000/01/01/nothing-00000000"),
        ("DISPATCH_RESULT", "/work/result.json"),
        ("DISPATCH_ATTEMPT", "1"),
        ("DISPATCH_RESOURCE", "nothing"),
        ("DISPATCH_COMMIT", "0000000000000000000000000000000000000000"),
        ("DISPATCH_SECRETS", "/run/secrets"),
        ("DISPATCH_WORK", "/work"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// A process of its own for each run: the bare handler, or bubblewrap around it.
struct Spawned {
    command: Command,
}

impl Spawned {
    fn plain(place: &Place) -> Self {
        Self::of(&Place::argv(&place.snapshot.path), &place.snapshot.path)
    }

    /// The view of `isolated`, mount by mount; without its seccomp program, user and limits, which bubblewrap does not set.
    fn bubblewrap(place: &Place) -> Self {
        let mut argv: Vec<String> =
            ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
                .map(String::from)
                .into();
        let mut add = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
        for name in ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] {
            match fs::read_link(name) {
                Ok(target) => add(&["--symlink", &text(target.display()), name]),
                Err(_) => add(&["--ro-bind-try", name, name]),
            }
        }
        for name in ["alternatives", "hosts", "ld.so.cache", "localtime", "nsswitch.conf", "ssl", "passwd", "group"] {
            add(&["--ro-bind-try", &format!("/etc/{name}"), &format!("/etc/{name}")]);
        }
        add(&["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/dev/shm", "--tmpfs", "/tmp"]);
        let shown = |path: PathBuf| text(path.display());
        add(&["--ro-bind", &shown(place.snapshot.path.clone()), "/repo"]);
        add(&["--ro-bind", &shown(place.requests()), "/repo/requests", "--tmpfs", "/repo/logs"]);
        add(&["--bind", &shown(place.log()), &format!("/repo/logs/{RECORD}"), "--remount-ro", "/repo/logs"]);
        add(&["--bind", &shown(place.work()), "/work", "--remount-ro", "/", "--chdir", "/repo", "--"]);
        argv.extend(Place::argv(Path::new("/repo")));
        Self::of(&argv, Path::new("/"))
    }

    fn of(argv: &[String], cwd: &Path) -> Self {
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).env_clear().envs(environment()).current_dir(cwd);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command }
    }
}

impl Way for Spawned {
    fn run(&mut self) -> Result<(), String> {
        let program = self.command.get_program().display().to_string();
        let output = match self.command.spawn().and_then(std::process::Child::wait_with_output) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(format!("{program} is not installed")),
            output => output.map_err(|error| format!("{program}: {error}"))?,
        };
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{program}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim_end()))
    }
}

/// The sandbox by itself, with folders that are there already.
struct InSlot<'a> {
    place: &'a Place,
    slot: Slot,
    level: Level,
    secrets: Vec<(String, Vec<u8>)>,
    control: Control,
}

impl<'a> InSlot<'a> {
    fn start(place: &'a Place, level: Level, secrets: Vec<(String, Vec<u8>)>) -> Result<Self, String> {
        // Each slot of this process needs control groups of its own: the level and the secrets tell them apart.
        let index = level as u32 + 4 * u32::from(!secrets.is_empty());
        let slot = Slot::start(&Local::setup(index, level, false, keeper())).map_err(text)?;
        Ok(Self { place, slot, level, secrets, control: Control::new().map_err(text)? })
    }

    /// What an executor asks for.
    fn launch(&self) -> Launch {
        let isolated = self.level == Level::Isolated;
        let copy = self.place.copy();
        let mount = |source: &Path, target: &Path, writable| Mount {
            source: source.to_owned(),
            target: target.to_owned(),
            writable,
        };
        let (log, work) = (self.place.log(), self.place.work());
        let (repo, mounts) = match self.level {
            Level::Isolated => ("/repo".into(), vec![mount(&self.place.snapshot.path, Path::new("/repo"), false)]),
            Level::Confined => {
                let mounts = vec![mount(&copy, &copy, false), mount(&log, &log, true), mount(&work, &work, true)];
                (copy, mounts)
            }
            Level::None => (copy, Vec::new()),
        };
        let limits = limits();
        let request = Given { place: Path::new("/repo").join(REQUEST), bytes: REQUEST_TEXT.into() };
        let scratch = vec![
            Scratch { place: "/work".into(), bytes: limits.work, folders: vec!["home".into()] },
            Scratch { place: format!("/repo/logs/{RECORD}").into(), bytes: limits.artifacts, folders: Vec::new() },
        ];
        Launch {
            argv: Place::argv(&repo),
            env: environment(),
            cwd: repo,
            stdin: b"{\"kind\":\"nothing\",\"spec\":{}}\n".to_vec(),
            mounts,
            empty_dirs: if isolated { ["/repo/requests", "/repo/logs"].map(PathBuf::from).into() } else { Vec::new() },
            files: if isolated { vec![request] } else { Vec::new() },
            scratch: if isolated { scratch } else { Vec::new() },
            refresh: None,
            watched: Vec::new(),
            user: uid().filter(|_| self.level != Level::None).map(User::unnamed),
            tcp_ports: None,
            secrets: self.secrets.clone(),
            secrets_dir: if isolated { "/run/secrets".into() } else { self.place.folder.path().join("secrets") },
            limits: sandbox::Limits {
                timeout: limits.timeout,
                grace: limits.grace,
                memory: limits.memory,
                pids: limits.pids.into(),
                cpu_time: Some(limits.cpu_time),
                tmp: limits.tmp,
                file_size: limits.file_size,
                nofile: 1024,
            },
            locks: Vec::new(),
        }
    }
}

impl Way for InSlot<'_> {
    fn run(&mut self) -> Result<(), String> {
        let launch = self.launch();
        let mut said = Vec::new();
        let ending = self.slot.run(launch, &mut |_, bytes| said.extend_from_slice(bytes), &self.control);
        drop(self.slot.take_scratch());
        match ending.map_err(text)?.cause {
            Cause::Exited(0) => Ok(()),
            other => Err(format!("{other:?}: {}", String::from_utf8_lossy(&said).trim_end())),
        }
    }
}

/// All that belongs to an attempt: scratch folders, output, spool with its sync.
struct InAttempt {
    executor: Local,
    job: Arc<Job>,
    snapshot: Arc<Snapshot>,
}

impl InAttempt {
    fn new(place: &Place) -> Result<Self, String> {
        let state = StateDir::locate(&place.folder.path().join("clone/.git"), Some(&place.state())).map_err(text)?;
        let control = Control::new().map_err(text)?;
        let clock = Arc::new(System::new());
        let executor = Local::new(9, state, keeper().to_owned(), uid(), clock, control);
        Ok(Self { executor, job: Arc::new(job()), snapshot: Arc::clone(&place.snapshot) })
    }
}

impl Way for InAttempt {
    fn run(&mut self) -> Result<(), String> {
        let report = self.executor.execute(Work {
            id: RequestId::explicit(Uuid::now_v7()),
            attempt: 1,
            job: Arc::clone(&self.job),
            command: vec!["/bin/sh".into(), HANDLER.into()],
            request_path: REQUEST.into(),
            request: REQUEST_TEXT.as_bytes().into(),
            inbox: "requests".into(),
            output: "logs".into(),
            archive: "processed".into(),
            place: RECORD.into(),
            snapshot: Arc::clone(&self.snapshot),
            secrets: Vec::new(),
            user: None,
            locks: Vec::new(),
            cancel: Cancel::new().map_err(text)?,
            cleanup: true,
            leave: None,
            stand_in: None,
        });
        match report.map_err(text)? {
            report if report.outcome == Outcome::Succeeded => Ok(()),
            report => Err(format!("{:?}: {}", report.outcome, report.tail.join("\n"))),
        }
    }
}

/// The program under test keeps the slots, as it does for itself.
fn keeper() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_dispatch"))
}

fn uid() -> Option<u32> {
    nix::unistd::geteuid().is_root().then_some(UID)
}

/// The documented defaults of a row.
fn limits() -> Limits {
    Limits {
        timeout: Duration::from_mins(15),
        grace: Duration::from_secs(10),
        memory: 512 << 20,
        pids: 256,
        cpu_time: Duration::from_mins(10),
        tmp: 64 << 20,
        file_size: 1 << 30,
        work: 256 << 20,
        output: 1 << 20,
        artifacts: 16 << 20,
        cache: 0,
        checkout: 0,
    }
}

fn job() -> Job {
    let hash = "0".repeat(40);
    let object = || hash.clone();
    Job {
        id: Uuid::nil(),
        kind: "nothing".into(),
        name: "nothing".into(),
        folder: None,
        request: Request::new("nothing", serde_json::json!({})),
        row: Row::flat("nothing", HANDLER),
        grant: Grant {
            level: Level::Isolated,
            network: Network::None,
            read: Vec::new(),
            write: Vec::new(),
            secrets: Vec::new(),
            limits: limits(),
            run_as: None,
            actions: Vec::new(),
        },
        locks: ["nothing".to_owned()].into(),
        objects: Objects {
            commit: object(),
            request_blob: object(),
            handler_blob: Some(object()),
            schema_blob: None,
            index_blob: object(),
        },
        introduced: Introduced {
            commit: object(),
            position: 0,
            time: jiff::Timestamp::UNIX_EPOCH,
            author: "A <a@b.example>".into(),
            committer: "A <a@b.example>".into(),
        },
    }
}

/// A repository with the handler in it, and the snapshot of its only commit.
fn commit(clone: &Path, state: &Path) -> Result<Snapshot, String> {
    let handler = clone.join(HANDLER);
    for folder in [clone.join("handlers"), clone.join("requests"), clone.join("logs")] {
        fs::create_dir_all(folder).map_err(text)?;
    }
    fs::write(&handler, "#!/bin/sh\nexit 0\n").map_err(text)?;
    fs::set_permissions(&handler, fs::Permissions::from_mode(0o755)).map_err(text)?;
    let identity = ["-c", "user.name=A", "-c", "user.email=a@b.example"];
    for words in [&["init", "--quiet", "--initial-branch=main"][..], &["add", "."], &["commit", "--quiet", "-m", "one"]]
    {
        let git = Command::new("git").current_dir(clone).args(identity).args(words).status().map_err(text)?;
        if !git.success() {
            return Err(format!("git {}: {git}", words[0]));
        }
    }
    let checkout = Checkout::discover(clone).map_err(text)?;
    let repo = Repo::open(checkout, state, Settings::new("main")).map_err(text)?;
    let tip = repo.known_tip().ok_or("the commit is not there")?;
    let snapshots = Snapshots::open(state).map_err(text)?;
    snapshots.materialise(&repo, tip, &["requests", "processed", "logs"]).map_err(text)
}

fn text(value: impl std::fmt::Display) -> String {
    value.to_string()
}
