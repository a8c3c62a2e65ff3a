//! Noticing that the branch moves at an origin on this machine: the user's own repository, or a remote that is a path.
//!
//! Owns which files of a git folder say so and the watch on them (inotify), and asking such an origin whether anything did
//! move. The watch only ever says "look": what moved, and whether anything did, the next look finds out. A move that it misses (another host on a network file system, no watch
//! left on this machine) is found at the next interval.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use super::checkout::{Origin, percent_decoded, protocol};
use super::{Oid, Repo, RepoError, Tip, store};
use crate::claim;

/// What counts as a move of a file: git writes beside it and renames.
const MOVES: WatchFlags = WatchFlags::MOVED_TO
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::CLOSE_WRITE);

/// A watch on a branch. Ends with this value.
pub struct BranchWatch {
    place: Place,
    branch: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the watching thread and whoever arms it share.
struct Shared {
    inotify: OwnedFd,
    /// The names that count in each watched folder.
    names: Mutex<HashMap<i32, Vec<OsString>>>,
    end: EventFd,
}

/// Where the origin's git folder is.
enum Place {
    Known(PathBuf),
    /// As git would look for it: it may appear, or change its kind, while we watch.
    Below(PathBuf),
}

impl Repo {
    /// Calls `moved` whenever the branch may have moved at its origin; `None` where the origin is not on this machine.
    /// Nothing is seen before the first [`BranchWatch::arm`].
    pub fn watch_branch(&self, moved: impl FnMut() + Send + 'static) -> Result<Option<BranchWatch>, RepoError> {
        let place = match &self.origin {
            Origin::Local => Place::Known(self.checkout.common_dir.clone()),
            Origin::Remote { fetch_url, .. } => match local_path(fetch_url) {
                Some(path) => Place::Below(path),
                None => return Ok(None),
            },
        };
        BranchWatch::new(place, self.branch(), moved)
            .map(Some)
            .map_err(RepoError::file("watching for changes", &self.checkout.common_dir))
    }
}

impl Repo {
    /// The tip and the claims as they were last fetched, where an origin on this machine still has just these: read there
    /// without any program. `None` where something moved, and where it cannot be told like this: fetch then.
    pub fn unmoved(&self) -> Option<Tip> {
        let Origin::Remote { fetch_url, .. } = &self.origin else { return None };
        let origin = git2::Repository::open(git_dir_of(&local_path(fetch_url)?)?).ok()?;
        let commit = origin.refname_to_id(&self.branch_ref()).ok()?;
        let kept = self.store.refname_to_id(&store::fetched_ref(self.branch())).ok()?;
        let same =
            kept == commit && refs_below(&origin, claim::ALL)? == refs_below(&self.store, store::FETCHED_CLAIMS)?;
        if same { Some(Tip { commit: Oid(commit), marks: self.marks().ok()? }) } else { None }
    }
}

/// The refs of claims, by what their names have behind `prefix`; those in which hosts speak of themselves are none.
fn refs_below(repository: &git2::Repository, prefix: &str) -> Option<BTreeSet<(String, git2::Oid)>> {
    let hosts = claim::HOSTS.strip_prefix(claim::ALL).unwrap_or(claim::HOSTS);
    let mut found = BTreeSet::new();
    for reference in repository.references_glob(&format!("{prefix}*")).ok()? {
        let reference = reference.ok()?;
        let name = reference.name().ok()?.strip_prefix(prefix)?.to_owned();
        if !name.starts_with(hosts) {
            found.insert((name, reference.target()?));
        }
    }
    Some(found)
}

impl BranchWatch {
    fn new(place: Place, branch: &str, moved: impl FnMut() + Send + 'static) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let end = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let shared = Arc::new(Shared { inotify, names: Mutex::default(), end });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("branch watch".to_owned()).spawn(move || theirs.attend(moved))?;
        Ok(Self { place, branch: branch.to_owned(), shared, thread: Some(thread) })
    }

    /// Watches the files that say where the branch stands now: folders come and go with the refs in them. To be called
    /// before each look, so that no move falls between the look and the watch.
    pub fn arm(&self) {
        let found;
        let git_dir = match &self.place {
            Place::Known(dir) => dir,
            Place::Below(path) => match git_dir_of(path) {
                Some(dir) => {
                    found = dir;
                    &found
                }
                None => return,
            },
        };
        for (folder, name) in telling_files(git_dir, &self.branch) {
            // Before the watch itself, so that its first event finds its name. One more watch on the same folder is the same watch.
            let mut names = self.shared.names.lock().unwrap_or_else(PoisonError::into_inner);
            match inotify::add_watch(&self.shared.inotify, &folder, MOVES | WatchFlags::ONLYDIR) {
                Ok(watch) => {
                    let known = names.entry(watch).or_default();
                    if !known.contains(&name) {
                        known.push(name);
                    }
                }
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {}
                Err(errno) => tracing::debug!("watching `{}`: {errno}", folder.display()),
            }
        }
    }
}

impl Drop for BranchWatch {
    fn drop(&mut self) {
        // Fails only when the counter is full, and then it is readable already.
        let _ = self.shared.end.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn attend(&self, mut moved: impl FnMut()) {
        loop {
            let mut ready = [
                PollFd::new(self.end.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Err(nix::errno::Errno::EINTR) => continue,
                Err(_) => return,
                Ok(_) if ready[0].any() != Some(false) => return,
                Ok(_) => {}
            }
            if self.read() {
                moved();
            }
        }
    }

    /// Reads what has happened so far; whether any of it may be a move of the branch.
    fn read(&self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut counts = false;
        while let Ok(event) = events.next() {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            if event.events().contains(ReadFlags::IGNORED) {
                names.remove(&event.wd());
            }
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            let known = names.get(&event.wd());
            counts |= event.events().contains(ReadFlags::QUEUE_OVERFLOW)
                || name.is_some_and(|name| known.is_some_and(|known| known.iter().any(|other| other == name)));
        }
        counts
    }
}

/// The files of a git folder that change with a branch, each as a folder and a name in it: the ref and the folders on the
/// way to it, the packed refs, and the table list of the newer format.
fn telling_files(git_dir: &Path, branch: &str) -> Vec<(PathBuf, OsString)> {
    let mut found = vec![
        (git_dir.to_owned(), OsString::from("packed-refs")),
        (git_dir.join("reftable"), OsString::from("tables.list")),
    ];
    let mut folder = git_dir.join("refs/heads");
    for step in branch.split('/') {
        found.push((folder.clone(), OsString::from(step)));
        folder.push(step);
    }
    found
}

/// The path that a URL names on this machine.
fn local_path(url: &str) -> Option<PathBuf> {
    if protocol(url) != "file" {
        return None;
    }
    let path = match url.strip_prefix("file://") {
        // What may stand between is a host, which git passes over.
        Some(rest) => percent_decoded(&rest[rest.find('/')?..]),
        None => url.to_owned(),
    };
    Some(PathBuf::from(path))
}

/// The git folder that git would find at a path, of all work trees the common one.
fn git_dir_of(path: &Path) -> Option<PathBuf> {
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let is_git_dir =
        |dir: &Path| dir.join("HEAD").exists() && (dir.join("objects").is_dir() || dir.join("commondir").exists());
    let named_in = |file: &Path, base: &Path, key: &str| {
        let text = fs::read_to_string(file).ok()?;
        Some(base.join(text.strip_prefix(key)?.trim_end_matches('\n')))
    };
    let found = ["/.git", "", ".git/.git", ".git"].into_iter().find_map(|end| {
        let candidate = with(end);
        let dir = if candidate.is_file() { named_in(&candidate, candidate.parent()?, "gitdir: ")? } else { candidate };
        is_git_dir(&dir).then_some(dir)
    })?;
    Some(named_in(&found.join("commondir"), &found, "").unwrap_or(found))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use super::super::Settings;
    use super::super::bench_tests::Bench;
    use super::super::{Checkout, Repo};
    use super::*;

    /// Long enough for a machine that has much else to do.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn watched(repo: &Repo) -> (BranchWatch, Receiver<()>) {
        let (told, moves) = channel();
        let tell = move || {
            let _ = told.send(());
        };
        let watch = repo.watch_branch(tell).unwrap().expect("an origin on this machine");
        watch.arm();
        (watch, moves)
    }

    /// What has been told is one or several moves, and then nothing more.
    fn settle(moves: &Receiver<()>) {
        while moves.recv_timeout(Duration::from_millis(100)).is_ok() {}
    }

    #[test]
    fn an_origin_on_this_machine_says_that_nothing_moved() {
        let bench = Bench::with_remote();
        let mut repo = bench.repo();
        assert_eq!(repo.unmoved(), None, "never fetched");
        let tip = repo.fetch().unwrap();
        assert_eq!(repo.unmoved(), Some(tip.clone()));
        let origin = bench.origin_dir();
        bench.git(&origin, &["update-ref", "refs/dispatch/claims/x", &tip.commit.to_string()]);
        assert_eq!(repo.unmoved(), None, "a claim");
        let tip = repo.fetch().unwrap();
        assert_eq!((repo.unmoved(), tip.marks.len()), (Some(tip.clone()), 1));
        bench.git(&origin, &["pack-refs", "--all"]);
        assert_eq!(repo.unmoved(), Some(tip), "the same refs in another place");
        bench.git(&origin, &["update-ref", "-d", "refs/dispatch/claims/x"]);
        assert_eq!(repo.unmoved(), None, "no claim any more");
        repo.fetch().unwrap();
        bench.write("a", "1");
        bench.commit("a");
        bench.git(&bench.clone_dir(), &["push", "-q", "origin", "main"]);
        assert_eq!(repo.unmoved(), None, "the branch");
        assert_eq!(repo.fetch().unwrap().commit, bench.head());
    }

    #[test]
    fn a_push_to_a_path_is_seen_and_a_fetch_is_not() {
        let bench = Bench::with_remote();
        let mut repo = bench.repo();
        let (watch, moves) = watched(&repo);
        repo.fetch().unwrap();
        bench.write("more", "x");
        bench.commit("more");
        assert!(moves.recv_timeout(Duration::from_millis(200)).is_err(), "nothing has moved at the origin");
        bench.git(&bench.clone_dir(), &["push", "-q", "origin", "HEAD:refs/heads/other"]);
        assert!(moves.recv_timeout(Duration::from_millis(200)).is_err(), "that is another branch");
        bench.git(&bench.clone_dir(), &["push", "-q", "origin", "main"]);
        moves.recv_timeout(PATIENCE).unwrap();
        settle(&moves);
        // Packed, the branch has no file of its own any more, and then one again.
        bench.git(&bench.origin_dir(), &["pack-refs", "--all"]);
        moves.recv_timeout(PATIENCE).unwrap();
        settle(&moves);
        watch.arm();
        bench.write("more", "y");
        bench.commit("more");
        bench.git(&bench.clone_dir(), &["push", "-q", "origin", "main"]);
        moves.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn a_branch_in_a_folder_is_seen_when_the_folder_appears() {
        let bench = Bench::local();
        let settings = Settings::new("release/1");
        let checkout = Checkout::discover(&bench.clone_dir()).unwrap();
        let repo = Repo::open(checkout, &bench.path("state"), settings).unwrap();
        let (watch, moves) = watched(&repo);
        bench.git(&bench.clone_dir(), &["branch", "release/1"]);
        moves.recv_timeout(PATIENCE).unwrap();
        settle(&moves);
        watch.arm();
        bench.write("more", "x");
        bench.commit("more");
        bench.git(&bench.clone_dir(), &["branch", "-f", "release/1", "HEAD"]);
        moves.recv_timeout(PATIENCE).unwrap();
    }

    #[test]
    fn paths_are_found_as_git_finds_them() {
        let bench = Bench::with_remote();
        bench.git(&bench.clone_dir(), &["worktree", "add", "-q", "--detach", "../linked"]);
        let clone = bench.clone_dir().join(".git");
        for (url, found) in [
            (bench.origin_dir().display().to_string(), Some(bench.origin_dir())),
            (format!("file://{}", bench.path("origin%2egit").display()), Some(bench.origin_dir())),
            (bench.path("origin").display().to_string(), Some(bench.origin_dir())),
            (bench.clone_dir().display().to_string(), Some(clone.clone())),
            (bench.path("linked").display().to_string(), Some(clone)),
            (bench.path("nothing").display().to_string(), None),
        ] {
            let real = |dir: PathBuf| dir.canonicalize().unwrap();
            assert_eq!(git_dir_of(&local_path(&url).unwrap()).map(real), found.map(real), "{url}");
        }
        assert_eq!(local_path("https://host/x.git"), None);
        assert_eq!(local_path("git@host:x.git"), None);
    }

    #[test]
    fn an_origin_elsewhere_is_not_watched() {
        let bench = Bench::with_remote();
        bench.git(&bench.clone_dir(), &["remote", "set-url", "origin", "https://example.invalid/x.git"]);
        assert!(bench.repo().watch_branch(|| ()).unwrap().is_none());
    }
}
