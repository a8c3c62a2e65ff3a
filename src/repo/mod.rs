//! The repository: what is on the branch, what is put there, and what the user's clone sees of it.
//!
//! ```text
//! Checkout::discover(dir) -> Checkout             the user's repository (facts only)
//! Repo::open(checkout, state, settings) -> Repo   + reopen() for another thread, renew(), tidy()
//! fetch() -> Tip                                  then everything is read by object id:
//!   entry_at blob_at blob tree_entries walk exists digest_without    (objects.rs)
//!   introduced is_ancestor walk_messages added_below                 (history.rs)
//!   pair_at side_by_side                                             (beside.rs)
//! commit_on(base, changeset, message, …) -> Built (changeset.rs)     sync_objects() push(base, commit)  (remote.rs)
//! host_notes() fetch_hosts() tell_of_host(…)       what hosts say of themselves (hosts.rs)
//! marks() write_note(…) push_marks(changes) push_record(base, commit, ends)      refs of claims (claims.rs)
//! Snapshots::open(state) / materialise(repo, …)   (snapshot.rs)
//! follow dirty_paths untracked_inbox              (worktree.rs)
//! watch_branch                                    (branch_watch.rs)
//! ```
//!
//! With a remote, objects live in `<state>/repo.git`, a cache that may be deleted at any time; the
//! user's repository only gives the remote's URL and is brought up afterwards (`follow`). Without
//! one the user's repository is the origin: objects are added and the branch is moved by
//! compare-and-swap. It never executes from a work tree, never rewrites anybody's history, and
//! never clears, repacks or locks anything of the user's.

mod abreast;
mod beside;
mod blobs;
mod branch_watch;
mod changeset;
mod checkout;
mod claims;
mod folders;
mod fresh;
mod git;
mod hand_over;
mod history;
mod hosts;
mod move_files;
mod objects;
mod porcelain;
mod remote;
mod snapshot;
mod splice;
mod staged;
mod store;
mod traces;
mod unwritten;
mod worktree;

#[cfg(test)]
mod bench_tests;

use std::cell::RefCell;
use std::fmt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::patience::Patience;

pub use beside::{Beside, Pair};
pub use branch_watch::BranchWatch;
pub use changeset::{Built, Changeset, Content, Identity, Removal, Write, is_usable_path};
pub use checkout::{Checkout, Origin, is_kept_in_lfs};
pub use claims::{Mark, RefChange};
pub use git::{Git, GitError, Token};
pub use history::{Introduced, Made, Open};
pub use hosts::HostNote;
pub use objects::{BlobAt, Looking, TreeEntry, blob_id};
pub use porcelain::{FetchClass, PushClass};
pub use remote::{FetchError, PushError, Tip};
pub use snapshot::{LFS_POINTER, Refused, RefusedWhy, Snapshot, SnapshotError, Snapshots};
pub use staged::Staged;
pub use store::cached_file;
pub use worktree::{Followed, Loose};

/// Mode of a plain file in a tree.
pub const MODE_FILE: u32 = 0o100_644;
/// Mode of an executable file in a tree.
pub const MODE_EXECUTABLE: u32 = 0o100_755;
/// Mode of a symbolic link in a tree.
pub const MODE_LINK: u32 = 0o120_000;
/// Mode of a folder in a tree.
pub const MODE_FOLDER: u32 = 0o040_000;
/// Mode of a submodule in a tree.
pub const MODE_GITLINK: u32 = 0o160_000;

/// The id of an object, as git writes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(pub(crate) git2::Oid);

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Oid {
    type Err = RepoError;

    /// Takes all forty hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, RepoError> {
        let whole = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        whole
            .then(|| git2::Oid::from_str(text).ok())
            .flatten()
            .map(Oid)
            .ok_or_else(|| RepoError::BadId { text: text.chars().take(80).collect() })
    }
}

impl serde::Serialize for Oid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What the caller decides about the repository.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The mainline branch, without `refs/heads/`.
    pub branch: String,
    /// Protocols that the remote may use.
    pub protocols: Vec<String>,
    /// `GITHUB_TOKEN`: given only to the remote's own https host.
    pub token: Option<Token>,
    /// True for the holder of the state folder's instance lock: only it may clear leftovers from our
    /// own repository, check it, and make it anew where it is broken.
    pub holds_lock: bool,
    /// What one network call may take.
    pub network_timeout: Duration,
    /// Ends network calls and packing before that, where whoever waits for them is coming to its end.
    pub patience: Patience,
}

impl Settings {
    /// The documented defaults for a branch, for a reader: without the instance lock.
    pub fn new(branch: impl Into<String>) -> Self {
        Self {
            branch: branch.into(),
            protocols: ["file", "ssh", "https"].map(str::to_owned).into(),
            token: None,
            holds_lock: false,
            network_timeout: Duration::from_mins(5),
            patience: Patience::default(),
        }
    }
}

/// Why the repository could not be opened, read or added to.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// No repository at or above the folder.
    #[error("looking for a git repository from `{dir}`: none found ({words})")]
    NotFound {
        /// Where the search began.
        dir: PathBuf,
        /// What git said.
        words: String,
    },
    /// The repository belongs to another user.
    #[error(
        "`{dir}` is owned by another user: `git config --global --add safe.directory {dir}` (as the user that runs this) allows it"
    )]
    OtherOwner {
        /// The repository.
        dir: String,
    },
    /// Several remotes, and nothing says which one is meant.
    #[error(
        "choosing the remote of branch `{branch}`: none is named `origin` and there are several ({names}); set `branch.{branch}.remote`"
    )]
    ManyRemotes {
        /// The mainline branch.
        branch: String,
        /// The remotes there are.
        names: String,
    },
    /// A repository, branch or URL that cannot be used as it is.
    #[error("{what}")]
    Unusable {
        /// What it is and why.
        what: String,
    },
    /// Not an object id.
    #[error("`{text}` is not an object id of forty hexadecimal digits")]
    BadId {
        /// What was given.
        text: String,
    },
    /// The git program failed.
    #[error("running `git {verb}`: {words}")]
    Program {
        /// The subcommand.
        verb: &'static str,
        /// What it said.
        words: String,
    },
    /// The git program did not run to its end.
    #[error(transparent)]
    Git(#[from] GitError),
    /// An object cannot be read or written. In our own cache: `renew` and fetch again.
    #[error("{operation}: {source}")]
    Object {
        /// What was being done, with the object or path.
        operation: String,
        /// libgit2's word.
        source: git2::Error,
    },
    /// A file of ours cannot be read or written.
    #[error("{operation} `{path}`: {source}")]
    File {
        /// What was being done.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A write meets something that is there already; nothing is overwritten.
    #[error("writing into the tree: taken already: {}", paths.join(", "))]
    Taken {
        /// The paths, lossily as text.
        paths: Vec<String>,
    },
    /// A path that cannot stand in a tree.
    #[error("writing into the tree: `{path}` is no usable path")]
    BadPath {
        /// The path, lossily as text.
        path: String,
    },
}

impl RepoError {
    /// True where only a person can settle it (exit code 78).
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. }
                | Self::OtherOwner { .. }
                | Self::ManyRemotes { .. }
                | Self::Unusable { .. }
                | Self::Git(GitError::NotFound)
        )
    }

    pub(super) fn object(operation: impl Into<String>) -> impl FnOnce(git2::Error) -> Self {
        let operation = operation.into();
        move |source| Self::Object { operation, source }
    }

    pub(super) fn file(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { operation, path, source }
    }
}

/// The repository that is dispatched from. One a thread: `reopen` gives another.
pub struct Repo {
    git: Git,
    checkout: Checkout,
    origin: Origin,
    settings: Settings,
    state: PathBuf,
    store: git2::Repository,
    /// Settings of the user's repository that calls to the remote need too.
    transport: Vec<(String, String)>,
    remembered: RefCell<history::Remembered>,
    folders: folders::Folders,
    /// Held for a fetch: two at once would contend for the same refs of our own repository.
    fetching: Arc<Mutex<()>>,
    /// A git that wrote in the user's repository was ended by a signal.
    torn: Arc<AtomicBool>,
    /// Held by the thread that writes in the user's repository.
    writes: Arc<Mutex<()>>,
    /// What the clone may be given without a fetch.
    handed: Arc<Mutex<Option<hand_over::Handed>>>,
}

impl Repo {
    /// Opens the object store: the bare repository in `state` where the user's repository has a
    /// remote (made on demand; for the lock's holder checked after a reboot and made anew where it is
    /// broken), the user's
    /// own where it has none.
    pub fn open(checkout: Checkout, state: &Path, settings: Settings) -> Result<Self, RepoError> {
        let mut git = Git::find()?;
        git.set_patience(settings.patience.clone());
        checkout::check_branch(&settings.branch)?;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state)
            .map_err(RepoError::file("making", state))?;
        let config = checkout.configuration(&git)?;
        let origin = checkout.origin(&git, &config, &settings.branch)?;
        Checkout::carry_ssh_command(&mut git, &config);
        let transport = checkout.transport_settings(&git)?;
        let store = match &origin {
            Origin::Local => store::open_users(&checkout)?,
            Origin::Remote { .. } => store::open_own(&git, state, &settings.branch, settings.holds_lock)?,
        };
        let repo = Self {
            git,
            checkout,
            origin,
            settings,
            state: state.to_owned(),
            store,
            transport,
            remembered: RefCell::default(),
            folders: folders::Folders::default(),
            fetching: Arc::default(),
            torn: Arc::default(),
            writes: Arc::default(),
            handed: Arc::default(),
        };
        if repo.settings.holds_lock {
            repo.clear_traces();
            repo.give_back_index();
        }
        Ok(repo)
    }

    /// Opens the user's repository, for those who only read: nothing is made, nothing fetched, and no state folder
    /// is needed. Where there is a remote, [`Repo::known_tip`] is the branch as the clone or our own copy in `state` last saw
    /// it there; what the clone lacks is read from that copy, where there is one.
    pub fn open_to_read(checkout: Checkout, state: Option<&Path>, settings: Settings) -> Result<Self, RepoError> {
        let mut git = Git::find()?;
        checkout::check_branch(&settings.branch)?;
        let config = checkout.configuration(&git)?;
        let origin = checkout.origin(&git, &config, &settings.branch)?;
        Checkout::carry_ssh_command(&mut git, &config);
        let store = store::open_users(&checkout)?;
        if let Some(own) = state.filter(|_| origin != Origin::Local) {
            store::read_also(&store, own);
        }
        let state = state.map_or_else(|| checkout.common_dir.join("dispatch"), Path::to_owned);
        let transport = Vec::new();
        let (remembered, fetching, torn, handed) = (RefCell::default(), Arc::default(), Arc::default(), Arc::default());
        let writes = Arc::default();
        Ok(Self {
            git,
            checkout,
            origin,
            settings,
            state,
            store,
            transport,
            remembered,
            folders: folders::Folders::default(),
            fetching,
            torn,
            writes,
            handed,
        })
    }

    /// The branch as it is known here: its remote-tracking branch in the user's repository where there is a remote, else the
    /// branch itself; or what our own copy has fetched since. `None` where none of them exists. Reads no network.
    pub fn known_tip(&self) -> Option<Oid> {
        let own = self.branch_ref();
        let tracking = match &self.origin {
            Origin::Local => None,
            Origin::Remote { name, .. } => Some(format!("refs/remotes/{name}/{}", self.settings.branch)),
        };
        // A bare clone tracks nothing: its branches are the remote's.
        let found = tracking.iter().chain([&own]).find_map(|name| self.store.refname_to_id(name).ok());
        let fetched = tracking.as_ref().and_then(|_| store::fetched_tip(&self.state, &self.settings.branch));
        match (found.map(Oid), fetched.filter(|tip| self.has(*tip))) {
            (Some(users), Some(fetched)) if self.is_ancestor(users, fetched).unwrap_or(false) => Some(fetched),
            (users, fetched) => users.or(fetched),
        }
    }

    /// What a name of a commit in the user's repository means (`main`, `HEAD~1`, an id).
    pub fn resolve(&self, revision: &str) -> Result<Oid, RepoError> {
        let found = self.store.revparse_single(revision).and_then(|object| object.peel_to_commit());
        found.map(|commit| Oid(commit.id())).map_err(RepoError::object(format!("looking for the commit `{revision}`")))
    }

    /// Whether git tracks this path of the user's work tree.
    pub fn is_tracked(checkout: &Checkout, path: &str) -> Result<bool, RepoError> {
        let git = Git::find()?;
        let listed = git.call("ls-files").git_dir(&checkout.git_dir).args(["--error-unmatch", "--", path]).run()?;
        Ok(listed.succeeded())
    }

    /// A second handle on the same repository, for another thread, which has its own patience. It never makes our own copy
    /// anew: that is left to the first one, which knows when nobody else reads it. Starts no program.
    pub fn reopen(&self, patience: Patience) -> Result<Self, RepoError> {
        let store = git2::Repository::open(self.store.path())
            .map_err(RepoError::object(format!("opening `{}`", self.store.path().display())))?;
        let mut git = self.git.clone();
        git.set_patience(patience.clone());
        Ok(Self {
            git,
            checkout: self.checkout.clone(),
            origin: self.origin.clone(),
            settings: Settings { patience, holds_lock: false, ..self.settings.clone() },
            state: self.state.clone(),
            store,
            transport: self.transport.clone(),
            remembered: RefCell::default(),
            folders: folders::Folders::default(),
            fetching: Arc::clone(&self.fetching),
            torn: Arc::clone(&self.torn),
            writes: Arc::clone(&self.writes),
            handed: Arc::clone(&self.handed),
        })
    }

    /// Throws our own object cache away and makes an empty one; the next `fetch` fills it.
    /// Without a remote it does nothing. Other handles must be reopened.
    pub fn renew(&mut self) -> Result<(), RepoError> {
        if let Origin::Remote { .. } = self.origin {
            self.store = store::recreate_own(&self.state)?;
            self.remembered.borrow_mut().forget();
        }
        Ok(())
    }

    /// An object of our own cache could not be read: whoever opens it next looks through all of it first, as after a reboot.
    pub fn doubt(&self) {
        if let Origin::Remote { .. } = self.origin {
            store::doubt(self.store.path());
        }
    }

    /// Packs our own repository where many loose objects or packs have gathered; for idle time. Never touches the user's. Returns whether it packed.
    pub fn tidy(&self) -> Result<bool, RepoError> {
        match self.origin {
            Origin::Local => Ok(false),
            Origin::Remote { .. } => store::tidy(&self.git, self.store.path()),
        }
    }

    /// The same between two batches of a pass, for packs alone.
    pub fn tidy_between(&self) -> Result<bool, RepoError> {
        match self.origin {
            Origin::Local => Ok(false),
            Origin::Remote { .. } => store::roll_up(&self.git, self.store.path(), store::PACKS_BETWEEN),
        }
    }

    /// Where the branch's truth is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The user's repository.
    pub fn checkout(&self) -> &Checkout {
        &self.checkout
    }

    /// How long its network calls are waited for.
    pub fn patience(&self) -> &Patience {
        &self.settings.patience
    }

    /// The mainline branch, without `refs/heads/`.
    pub fn branch(&self) -> &str {
        &self.settings.branch
    }

    /// Goes on with another branch (the tip's `codex.repo.yaml` may name one).
    pub fn set_branch(&mut self, branch: &str) -> Result<(), RepoError> {
        checkout::check_branch(branch)?;
        self.origin = self.checkout.origin(&self.git, &self.checkout.configuration(&self.git)?, branch)?;
        branch.clone_into(&mut self.settings.branch);
        Ok(())
    }

    /// Version of the git program as (major, minor).
    pub fn git_version(&self) -> Result<(u32, u32), RepoError> {
        Ok(self.git.version()?)
    }

    /// The identity of the git configuration, where both of its halves are set.
    pub fn configured_identity(&self) -> Result<Option<Identity>, RepoError> {
        let config = self.checkout.configuration(&self.git)?;
        let (name, email) = (config.value("user.name"), config.value("user.email"));
        Ok(name.zip(email).map(|(name, email)| Identity { name: name.to_owned(), email: email.to_owned() }))
    }

    /// Tells one remote and credential from another without holding either: a digest of both with `salt`, as far as we hand
    /// the credential out ourselves. Keys of ssh and what a credential helper knows are out of sight.
    pub fn way_in(&self, salt: &str) -> String {
        let Origin::Remote { push_url, credential, .. } = &self.origin else { return String::new() };
        let (user, password) = match (&self.settings.token, credential) {
            (Some(token), _) => ("x-access-token", token.reveal()),
            (None, Some((user, password))) => (user.as_str(), password.reveal()),
            (None, None) => ("", ""),
        };
        let mut digest = Sha256::new();
        for part in [salt, push_url, user, password] {
            digest.update(part);
            digest.update([0]);
        }
        HEXLOWER.encode(&digest.finalize()[..16])
    }

    pub(super) fn branch_ref(&self) -> String {
        format!("refs/heads/{}", self.settings.branch)
    }
}
