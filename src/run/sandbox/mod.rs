//! How a handler is started, kept in and ended.
//!
//! Owns the promise of a level: `isolated` (namespaces, a view of its own, a user without rights), `confined` (Landlock and seccomp, for machines
//! that give no namespaces) and `none` (supervision alone). At each, when [`Slot::run`] returns, every process that the handler has started
//! is gone, however it detached itself, and if the dispatcher dies the kernel ends the rest.
//! Never: reads configuration, decides what a handler may do, writes records.
//!
//! ```text
//! dispatcher   slot.rs, attend.rs, cgroup.rs     one Slot per worker
//!   └ keeper   keeper.rs, root.rs                this program again, single-threaded; started once per slot
//!      └ pid 1 of a job   init.rs, tree.rs, rights.rs, ruleset.rs, filter.rs    forked; one job, then it exits
//!         └ handler        confine.rs (at `confined`)    the only execution per job
//! ```
//!
//! Each job's pid 1 reads the job from its own socket, whose end of file is the lifeline: the kernel closes it when the dispatcher dies. At `isolated`
//! it is forked ahead of its job, and has by then put up what does not depend on it.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, umask};
use serde::{Deserialize, Serialize};

mod attend;
mod cgroup;
mod confine;
mod etc;
mod filter;
mod init;
mod keeper;
mod mounts;
mod refresh;
mod refusal;
mod rights;
mod root;
mod ruleset;
mod secrets;
mod slot;
mod tree;
mod unavailable;
mod usage;
mod wire;

pub use cgroup::sweep;
pub use keeper::keeper_main;
pub use slot::{RunError, Slot, TCP_LAYER};
pub use unavailable::Unavailable;
pub use usage::bytes_below;

use crate::job::Level;

/// What is fixed for the life of a slot.
#[derive(Clone, Debug)]
pub struct SlotSetup {
    /// The slot's number, for messages.
    pub index: u32,
    /// The level of every job of this slot.
    pub level: Level,
    /// The host's network, or (`false`) at `isolated` one without any interface that is up, at `confined` no sockets.
    pub network: bool,
    /// The absolute path of a program whose first argument `keeper` leads to [`keeper_main`]; usually [`SlotSetup::SELF`].
    pub keeper: PathBuf,
    /// A name for the slot's control groups, unique on the machine; `None` to use none. Where the machine has none to give, rlimits stand in,
    /// which shows in [`Slot::layers`].
    pub cgroup_name: Option<String>,
}

impl SlotSetup {
    /// This program, even where its file has been replaced.
    pub const SELF: &'static str = "/proc/self/exe";
}

/// One job. Paths are absolute. It cannot be printed, because it holds secrets.
pub struct Launch {
    /// The command; a name without a slash is looked up in the `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// The working folder, as the handler sees it.
    pub cwd: PathBuf,
    /// What it reads from its standard input.
    pub stdin: Vec<u8>,
    /// What of the host it sees, applied in this order. At `confined` nothing can be shown at another place: source and target are the same.
    /// Not at `none`.
    pub mounts: Vec<Mount>,
    /// Places that are an empty read-only folder but for the mounts below them. Each is made before the first of those. Only at `isolated`.
    pub empty_dirs: Vec<PathBuf>,
    /// Files in `empty_dirs`, in memory. Only at `isolated`.
    pub files: Vec<Given>,
    /// Folders of its own in memory, of a size that cannot be exceeded, made after `mounts`. Only at `isolated`.
    pub scratch: Vec<Scratch>,
    /// Brought up as the job's user, within the finished walls, before the handler starts.
    pub refresh: Option<Refresh>,
    /// Folders on a disk that it can write, each with the size at which the job is ended.
    pub watched: Vec<Watched>,
    /// The user to run as; never root. As root `isolated` and `confined` need one, and at `none` `None` means the dispatcher's
    /// user. An ordinary user can only run as itself.
    pub user: Option<User>,
    /// Name and bytes of each file in `secrets_dir`, mode 0400.
    pub secrets: Vec<(String, Vec<u8>)>,
    /// Where TCP may connect to, in a slot with network; `None`: anywhere. UDP is not narrowed. Not at `none`.
    pub tcp_ports: Option<Vec<u16>>,
    /// Where secrets lie: at `isolated` a private tmpfs at this place inside; else a private folder of the host, made if it is missing, and
    /// best on a tmpfs.
    pub secrets_dir: PathBuf,
    /// How much it may use.
    pub limits: Limits,
    /// Files that hold a `flock`. They stay open until every process of the job is gone, even when the dispatcher is killed.
    pub locks: Vec<File>,
}

/// Whom a job runs as, in no group but this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl User {
    /// A user that no file knows, with a group of the same number.
    pub fn unnamed(uid: u32) -> Self {
        Self { uid, gid: uid }
    }

    /// Both numbers, for a change of owner; without a user it stays as it is.
    pub(in crate::run) fn ids(user: Option<Self>) -> (Option<u32>, Option<u32>) {
        user.map(|user| (user.uid, user.gid)).unzip()
    }
}

/// A part of the host's file tree that a job sees.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mount {
    /// On the host; symbolic links are followed.
    pub source: PathBuf,
    /// Inside; symbolic links are refused, missing folders are made.
    pub target: PathBuf,
    /// Whether the job may write, as far as file modes let its user.
    pub writable: bool,
}

/// A file that everybody inside may read and nobody change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Given {
    /// Where it is, inside.
    pub place: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A file system in memory that the job's user owns. It lasts as long as the job, and as long as somebody holds [`Slot::take_scratch`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scratch {
    /// Where it is, inside.
    pub place: PathBuf,
    /// All that fits in.
    pub bytes: u64,
    /// Folders that it has from the beginning.
    pub folders: Vec<PathBuf>,
}

/// A checkout to bring to the state of another folder. Both as the handler sees them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refresh {
    /// What it is to be like.
    pub from: PathBuf,
    /// The checkout.
    pub to: PathBuf,
    /// Relative paths that are left alone: something is mounted there.
    pub except: Vec<PathBuf>,
    /// Relative paths of files that an earlier state had and this one has not.
    pub gone: Vec<PathBuf>,
}

/// A folder that is measured while a job runs.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The limit's name, for [`Ending::over`].
    pub limit: &'static str,
    /// Where it is, on the host.
    pub folder: PathBuf,
    /// The most that it may hold, on the disk.
    pub bytes: u64,
    /// It outlives the job: one that has grown too large is thrown away behind it, which is no failure of the job.
    pub kept: bool,
}

impl Watched {
    fn is_over(&self) -> bool {
        bytes_below(&self.folder, self.bytes) > self.bytes
    }
}

/// What a job may use. For the numbers 0 means: not limited here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// From launch to SIGTERM, on the monotonic clock.
    pub timeout: Duration,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
    /// Bytes of memory, all processes together (control group) or each (`memory: rlimit`).
    pub memory: u64,
    /// Processes and threads at the same time.
    pub pids: u64,
    /// Processor time of each process.
    pub cpu_time: Option<Duration>,
    /// Bytes in `/tmp`, and as many in `/dev/shm`; at least one page. Only at `isolated`.
    pub tmp: u64,
    /// Bytes of the longest file.
    pub file_size: u64,
    /// Open descriptors of each process.
    pub nofile: u64,
}

/// One of the handler's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a job ended. Nothing of it runs any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What became of the handler itself.
    pub cause: Cause,
    /// The timeout passed before it ended.
    pub timed_out: bool,
    /// Somebody said that it shall end, before it did.
    pub stopped: Option<Stopped>,
    /// The kernel ended one of its processes for want of memory.
    pub oom: bool,
    /// It was ended because a [`Watched`] folder had grown beyond this limit.
    pub over: Option<&'static str>,
    /// The layers that were active, as in [`Slot::layers`].
    pub layers: Vec<String>,
}

/// Who said first that a job shall end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// [`Control::stop`] or [`Control::kill`]: whatever runs.
    WithAll,
    /// [`Cancel::cancel`]: this job.
    Alone,
}

/// What became of the handler's first process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
    /// It could not be started: no such file, no such working folder, not executable.
    NotStarted(String),
}

/// Ends running jobs from another thread. Clones share one state, and one may serve many runs.
#[derive(Clone, Debug)]
pub struct Control {
    // Never read, so that every poll loop that looks at them is woken.
    stop: Arc<EventFd>,
    kill: Arc<EventFd>,
    /// Asks for the end of one run alone.
    cancel: Option<Arc<EventFd>>,
}

/// Ends one run, and no other, from another thread.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<EventFd>);

impl Cancel {
    /// One that has asked for nothing yet. Fails where no descriptor is left.
    pub fn new() -> io::Result<Self> {
        event().map(Self)
    }

    /// SIGTERM now, and SIGKILL when the grace has passed.
    pub fn cancel(&self) {
        // Fails only when the counter is full, and then it is readable already.
        let _ = self.0.write(1);
    }
}

fn event() -> io::Result<Arc<EventFd>> {
    Ok(Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?))
}

impl Control {
    /// One that has asked for nothing yet. Fails where no descriptor is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { stop: event()?, kill: event()?, cancel: None })
    }

    /// The same for one run, which may be ended alone.
    #[must_use]
    pub fn with(&self, cancel: &Cancel) -> Self {
        Self { cancel: Some(Arc::clone(&cancel.0)), ..self.clone() }
    }

    /// SIGTERM now, and SIGKILL when the grace has passed. For good: it holds for later runs too.
    pub fn stop(&self) {
        // Fails only when the counter is full, and then it is readable already.
        let _ = self.stop.write(1);
    }

    /// SIGKILL now. For good.
    pub fn kill(&self) {
        let _ = self.kill.write(1);
    }
}

/// Descriptors that we may have open where the machine gives them; some fifteen belong to a running job.
const DESCRIPTORS_MAX: u64 = 4096;
/// What a program expects to be given, and no more: some wait for descriptors in a set of this size.
const DESCRIPTORS_USUAL: u64 = 1024;

/// Puts right what the dispatcher may have inherited; to be called before anything is opened or spawned.
///
/// Descriptors become close-on-exec, so that no handler gets what whoever started us left open. SIGCHLD is no longer
/// ignored, which would make every child unwaitable, and no signal is held back, which would make us deaf to a stop. The
/// umask takes no right from the owner: a folder that we make must be ours to enter.
pub fn prepare_process() -> io::Result<()> {
    close_fds::set_fds_cloexec(3, &[]);
    signal_hook::flag::register(signal_hook::consts::SIGCHLD, Arc::new(AtomicBool::new(false)))?;
    SigSet::empty().thread_set_mask()?;
    let inherited = umask(Mode::empty());
    umask(inherited & (Mode::S_IRWXG | Mode::S_IRWXO));
    limit_descriptors(DESCRIPTORS_MAX)
}

/// As many descriptors as `wanted`, or as the machine lets us have.
fn limit_descriptors(wanted: u64) -> io::Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, wanted.min(most), most)?)
}
