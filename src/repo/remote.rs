//! The branch at its origin: fetching its tip, with the refs of claims, and moving it by compare-and-swap.
//!
//! Owns network calls and what they mean: fetch, push, dry-run push, reachability. A push names the
//! tip that it was built on; where the branch stands elsewhere nothing happens. Objects of a
//! repository without a remote are brought to the disk by a call of their own, which comes before its branch
//! moves. It never forces, never retries, and never decides what a failure leads to.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use super::abreast::IndexLock;
use super::checkout::{Origin, authority, protocol};
use super::git::{Call, GitError, Token};
use super::porcelain::{self, FetchClass, PushClass};
use super::{Mark, Oid, RefChange, Repo, RepoError, store};
use crate::claim;
use crate::planted::{self, Bug};

/// How often a fetch that met our own push in our own repository is made again.
const LOCAL_RACES_MAX: u32 = 3;
/// How often it is seen whether our other handle has done with its fetch.
const FETCHING_PAUSE: Duration = Duration::from_millis(20);

/// Prints the credential that the environment of this one call holds; git runs it with `sh`.
const HELPER: &str = r#"!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$DISPATCH_GIT_USER" "$DISPATCH_GIT_PASSWORD"; }; f"#;

/// The branch as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its commit.
    pub commit: Oid,
    /// The refs below `refs/dispatch/` that came with it, in the same call: never older than what the branch shows.
    pub marks: Vec<Mark>,
}

/// Why there is no tip.
#[derive(Clone, Debug, thiserror::Error)]
#[error("fetching branch `{branch}`: {words}")]
pub struct FetchError {
    /// What kind of trouble it is; `Empty` where the origin has no such branch yet.
    pub class: FetchClass,
    /// The branch.
    pub branch: String,
    /// What git or the server said, secrets masked.
    pub words: String,
}

/// Why the branch was not moved, as far as we know: in doubt, fetch and look.
#[derive(Clone, Debug, thiserror::Error)]
#[error("pushing branch `{branch}`: {words}")]
pub struct PushError {
    /// What kind of trouble it is; never `Done`.
    pub class: PushClass,
    /// The branch.
    pub branch: String,
    /// What git or the server said, secrets masked.
    pub words: String,
}

impl Repo {
    /// Fetches the branch and gives its tip. Where our own object cache turns out broken the lock's
    /// holder makes it anew, once: nobody may be using another handle then. Without a remote it only reads the branch.
    pub fn fetch(&mut self) -> Result<Tip, FetchError> {
        match self.fetch_into_cache() {
            // Twice: what only looked broken, because the connection was, is whole the second time.
            Err(error) if error.class == FetchClass::Corrupt => {}
            result => return result,
        }
        match self.fetch_into_cache() {
            Err(error) if error.class == FetchClass::Corrupt && self.settings.holds_lock => {
                tracing::warn!(words = error.words, "the object cache is broken: it is fetched anew");
                self.renew().map_err(|error| self.fetch_error(FetchClass::Other, error.to_string()))?;
                self.fetch_into_cache()
            }
            result => result,
        }
    }

    /// The same, and never makes anything anew: for as long as another handle may be in use.
    pub fn fetch_into_cache(&self) -> Result<Tip, FetchError> {
        let Origin::Remote { fetch_url, .. } = &self.origin else { return self.local_tip() };
        let _alone = self.alone(&self.fetching)?;
        let mut fetched = self.fetch_once(fetch_url);
        for _ in 0..LOCAL_RACES_MAX {
            // Our other handle has just noted a push of its own, or another process of ours fetches: nothing is wrong with
            // the remote.
            let lost = |error: &FetchError| error.words.contains(store::FETCHED_ALL);
            if !fetched.as_ref().is_err_and(lost) {
                break;
            }
            fetched = self.fetch_once(fetch_url);
        }
        fetched
    }

    /// One fetch at a time; whoever waits for the other's shows that it lives, and may lose patience.
    fn alone<'lock>(&self, fetching: &'lock Mutex<()>) -> Result<MutexGuard<'lock, ()>, FetchError> {
        let patience = &self.settings.patience;
        loop {
            match fetching.try_lock() {
                Ok(alone) => return Ok(alone),
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if patience.is_over() => {
                    return Err(self.fetch_failed(&GitError::Abandoned { verb: "fetch".to_owned() }));
                }
                Err(TryLockError::WouldBlock) => {
                    patience.pulse();
                    std::thread::sleep(FETCHING_PAUSE);
                }
            }
        }
    }

    /// Moves the branch from `base` (none: it must not exist) to `commit`.
    pub fn push(&self, base: Option<Oid>, commit: Oid) -> Result<(), PushError> {
        match &self.origin {
            Origin::Local => self.move_abreast(base, commit),
            Origin::Remote { push_url, .. } => self.push_to(push_url, &[self.branch_change(base, commit)], &[]),
        }
    }

    /// Makes another branch at `commit`; it must not exist. Index and work tree stay as they are.
    pub fn push_new_branch(&self, branch: &str, commit: Oid) -> Result<(), PushError> {
        let name = format!("refs/heads/{branch}");
        match &self.origin {
            Origin::Remote { push_url, .. } => self.push_to(push_url, &[RefChange::create(name, commit)], &[]),
            Origin::Local => {
                self.sync_objects().map_err(|error| self.push_error(PushClass::Other, error.to_string()))?;
                let made = self.store.reference(&name, commit.0, false, "dispatch submit");
                made.map(drop).map_err(|error| {
                    let taken = error.code() == git2::ErrorCode::Exists;
                    let class = if taken { PushClass::LostRace } else { PushClass::Other };
                    self.push_error(class, error.message().to_owned())
                })
            }
        }
    }

    /// Offers `commit` (usually the tip itself) without sending it. Proves that the credentials
    /// reach the server's receiving side, and nothing about hooks and protections.
    pub fn push_dry_run(&self, commit: Oid) -> Result<(), PushError> {
        match &self.origin {
            Origin::Local => Ok(()),
            Origin::Remote { push_url, .. } => {
                self.push_to(push_url, &[self.branch_change(Some(commit), commit)], &["--dry-run"])
            }
        }
    }

    /// Asks the remote where the branch stands and fetches nothing; `None` where it has no such
    /// branch. Without a remote it reads the branch.
    pub fn remote_reachable(&self) -> Result<Option<Oid>, FetchError> {
        let Origin::Remote { fetch_url, .. } = &self.origin else {
            return match self.local_tip() {
                Ok(tip) => Ok(Some(tip.commit)),
                Err(error) if error.class == FetchClass::Empty => Ok(None),
                Err(error) => Err(error),
            };
        };
        let call =
            self.network("ls-remote", fetch_url).map_err(|words| self.fetch_error(FetchClass::Protocol, words))?;
        let listed =
            call.args(["--", fetch_url, &self.branch_ref()]).run().map_err(|error| self.fetch_failed(&error))?;
        if !listed.succeeded() {
            return Err(self.fetch_error(porcelain::fetch_class(&listed.stderr), listed.stderr));
        }
        let name = self.branch_ref();
        let text = listed.text();
        let line = text.lines().filter_map(|line| line.split_once('\t')).find(|(_, found)| *found == name);
        Ok(line.and_then(|(oid, _)| oid.parse().ok()))
    }

    fn branch_change(&self, base: Option<Oid>, commit: Oid) -> RefChange {
        RefChange { name: self.branch_ref(), from: base, to: Some(commit) }
    }

    fn local_tip(&self) -> Result<Tip, FetchError> {
        match self.store.refname_to_id(&self.branch_ref()) {
            Ok(commit) => Ok(Tip { commit: Oid(commit), marks: Vec::new() }),
            Err(error) if error.code() == git2::ErrorCode::NotFound => {
                Err(self.fetch_error(FetchClass::Empty, "the branch has no commit yet".to_owned()))
            }
            Err(error) => Err(self.fetch_error(FetchClass::Other, error.message().to_owned())),
        }
    }

    fn fetch_once(&self, url: &str) -> Result<Tip, FetchError> {
        let kept = store::fetched_ref(&self.settings.branch);
        let mut wanted = vec![format!("+{}:{kept}", self.branch_ref())];
        // What hosts say of themselves is of no use to a pass, and changes every minute.
        wanted.extend(claim::OF_CLAIMS.iter().map(|refs| {
            let below = refs.strip_prefix(claim::ALL).unwrap_or(refs);
            format!("+{refs}*:{}{below}*", store::FETCHED_CLAIMS)
        }));
        self.fetch_from(url, &wanted)?;
        let corrupt = |words: String| self.fetch_error(FetchClass::Corrupt, words);
        let commit = Oid(self.store.refname_to_id(&kept).map_err(|error| corrupt(error.message().to_owned()))?);
        self.root(commit).map_err(|error| corrupt(error.to_string()))?;
        let marks = self.marks().map_err(|error| corrupt(error.to_string()))?;
        Ok(Tip { commit, marks })
    }

    fn fetch_from(&self, url: &str, wanted: &[String]) -> Result<(), FetchError> {
        let call = self.network("fetch", url).map_err(|words| self.fetch_error(FetchClass::Protocol, words))?;
        let fetched = call
            .args([
                "--no-tags",
                "--no-write-fetch-head",
                "--no-recurse-submodules",
                "--update-shallow",
                "--prune",
                "--quiet",
                "--",
            ])
            .arg(url)
            .args(wanted)
            .run()
            .map_err(|error| self.fetch_failed(&error))?;
        if fetched.succeeded() {
            return Ok(());
        }
        Err(self.fetch_error(porcelain::fetch_class(&fetched.stderr), fetched.stderr))
    }

    /// Fetches refs of ours alone; without a remote they are here.
    pub(super) fn fetch_refs(&self, wanted: &[String]) -> Result<(), FetchError> {
        let Origin::Remote { fetch_url, .. } = &self.origin else { return Ok(()) };
        let _alone = self.alone(&self.fetching)?;
        self.fetch_from(fetch_url, wanted)
    }

    pub(super) fn push_to(&self, url: &str, changes: &[RefChange], how: &[&str]) -> Result<(), PushError> {
        let call = self.network("push", url).map_err(|words| self.push_error(PushClass::Configuration, words))?;
        let pushed = call
            .args(["--porcelain", "--no-verify", "--no-follow-tags", "--no-signed", "--recurse-submodules=no"])
            .args(how)
            .args(changes.iter().map(
                |change| {
                    if planted::is(Bug::PlainPush) { "--force".to_owned() } else { change.lease() }
                },
            ))
            .args(["--", url])
            .args(changes.iter().map(RefChange::refspec))
            .run()
            .map_err(|error| {
                let cut = error.is_cut();
                let class = if cut { PushClass::Network } else { PushClass::Other };
                self.push_error(class, error.to_string())
            })?;
        let stdout = String::from_utf8_lossy(&pushed.stdout);
        match porcelain::push_class(pushed.succeeded(), &stdout, &pushed.stderr) {
            PushClass::Done => {
                let branch = self.branch_ref();
                let moved = changes.iter().find(|change| change.name == branch && how != ["--dry-run"]);
                if let Some(commit) = moved.and_then(|change| change.to) {
                    // So that `follow` finds it there; the next fetch sets it anyway.
                    let kept = store::fetched_ref(&self.settings.branch);
                    let _ = self.store.reference(&kept, commit.0, true, "pushed");
                }
                Ok(())
            }
            class => {
                let summary = porcelain::push_line(&stdout).map_or("", |(_, summary)| summary);
                let words = match class {
                    PushClass::Declined => porcelain::servers_words(summary, &pushed.stderr),
                    _ => format!("{summary}\n{}", pushed.stderr).trim().to_owned(),
                };
                Err(self.push_error(class, words))
            }
        }
    }

    pub(super) fn no_remote(&self) -> PushError {
        self.push_error(PushClass::Configuration, "this repository has no remote to claim requests on".to_owned())
    }

    /// Brings what was added to a repository without a remote to the disk, before its branch may move; with a remote
    /// nothing waits for our own copy of the objects.
    ///
    /// # Errors
    /// [`RepoError::File`]: what the disk holds is unknown then, and nothing may be built on it.
    pub fn sync_objects(&self) -> Result<(), RepoError> {
        if self.origin != Origin::Local || planted::is(Bug::UnsyncedObjects) {
            return Ok(());
        }
        let objects = self.store.commondir().join("objects");
        if planted::is(Bug::RetriedSync) && sync_file_system(&objects).is_ok() {
            return Ok(());
        }
        sync_file_system(&objects)
    }

    /// Without a remote: the branch, in one transaction of git's.
    pub(super) fn move_branch(
        &self,
        base: Option<Oid>,
        commit: Oid,
        held: Option<&IndexLock>,
    ) -> Result<(), PushError> {
        let before = base.map_or_else(|| "0".repeat(40), |base| base.to_string());
        let moved = self
            .git
            .call("update-ref")
            .git_dir(&self.checkout.git_dir)
            .setting("core.fsync=all")
            .setting("core.fsyncMethod=fsync")
            .env("GIT_COMMITTER_NAME", "dispatch")
            .env("GIT_COMMITTER_EMAIL", "dispatch@localhost")
            .args(["-m", "dispatch: record", &self.branch_ref(), &commit.to_string(), &before])
            .holding(held.map(IndexLock::file))
            .run();
        if moved.is_err() {
            self.has_torn();
        }
        // One that was killed may have moved it all the same.
        let is_moved = match &moved {
            Ok(output) => output.succeeded(),
            Err(_) => self.store.refname_to_id(&self.branch_ref()).is_ok_and(|stands| stands == commit.0),
        };
        if is_moved {
            return Ok(());
        }
        let moved = moved.map_err(|error| self.push_error(PushClass::Other, error.to_string()))?;
        let lost = ["but expected", "cannot lock ref", "unable to resolve reference", "already exists"];
        let class =
            if lost.iter().any(|word| moved.stderr.contains(word)) { PushClass::LostRace } else { PushClass::Other };
        Err(self.push_error(class, moved.stderr))
    }

    /// A ref of ours in a repository without a remote, whatever stands there.
    pub(super) fn move_own_ref(&self, name: &str, commit: Oid) -> Result<(), PushError> {
        let failed = |words: String| self.push_error(PushClass::Other, words);
        let _writing = self.writing().map_err(|error| failed(error.to_string()))?;
        let moved = self
            .git
            .call("update-ref")
            .git_dir(&self.checkout.git_dir)
            .setting("core.fsync=all")
            .setting("core.fsyncMethod=fsync")
            .args([name, &commit.to_string()])
            .run();
        if moved.is_err() {
            self.has_torn();
        }
        let moved = moved.map_err(|error| failed(error.to_string()))?;
        if moved.succeeded() { Ok(()) } else { Err(failed(moved.stderr)) }
    }

    /// A call on our own repository that may reach `url`; refused where its protocol is not allowed.
    fn network(&self, verb: &str, url: &str) -> Result<Call<'_>, String> {
        let wanted = protocol(url);
        let allowed = &self.settings.protocols;
        if !allowed.iter().any(|name| name == wanted) {
            return Err(format!(
                "the remote's protocol `{wanted}` is not allowed: add it to `protocols: [{}]` in the host file",
                self.settings.protocols.join(", ")
            ));
        }
        let mut call = self
            .git
            .call(verb)
            .git_dir(self.store.path())
            .timeout(self.settings.network_timeout)
            .abandonable()
            .env("GIT_ALLOW_PROTOCOL", allowed.join(":"));
        // By environment and not by `-c`, since headers and passwords may be among them.
        for (index, (key, value)) in self.transport.iter().enumerate() {
            call = call.env(&format!("GIT_CONFIG_KEY_{index}"), key).env(&format!("GIT_CONFIG_VALUE_{index}"), value);
            if key.to_ascii_lowercase().ends_with("extraheader") {
                for secret in value.split_whitespace().filter(|word| word.len() > 7).filter_map(Token::new) {
                    call = call.secret(&secret);
                }
            }
        }
        call = call.env("GIT_CONFIG_COUNT", self.transport.len().to_string());
        if let Some((scope, user, password)) = self.credential_for(url) {
            call = call
                .setting("credential.helper=")
                .setting(&format!("credential.{scope}.helper={HELPER}"))
                .env("DISPATCH_GIT_USER", user)
                .env("DISPATCH_GIT_PASSWORD", password.reveal())
                .secret(&password);
        }
        Ok(call)
    }

    /// The credential for a URL and the scope it is good for: the token for https only, and what
    /// stood in the fetch URL for that very host.
    fn credential_for(&self, url: &str) -> Option<(String, String, Token)> {
        let Origin::Remote { fetch_url, credential, .. } = &self.origin else { return None };
        let host = authority(url)?;
        // The host becomes part of a setting's name, where `=` or a line break would end it.
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte)) {
            return None;
        }
        let scheme = protocol(url);
        let scope = format!("{scheme}://{host}");
        if let Some(token) = self.settings.token.as_ref().filter(|_| scheme == "https") {
            return Some((scope, "x-access-token".to_owned(), token.clone()));
        }
        let (user, password) = credential.as_ref()?;
        let same = authority(fetch_url) == Some(host) && protocol(fetch_url) == scheme;
        same.then(|| (scope, user.clone(), password.clone()))
    }

    fn fetch_failed(&self, error: &GitError) -> FetchError {
        let cut = error.is_cut();
        let class = if cut { FetchClass::Network } else { FetchClass::Other };
        self.fetch_error(class, error.to_string())
    }

    fn fetch_error(&self, class: FetchClass, words: String) -> FetchError {
        FetchError { class, branch: self.settings.branch.clone(), words }
    }

    pub(super) fn push_error(&self, class: PushClass, words: String) -> PushError {
        PushError { class, branch: self.settings.branch.clone(), words }
    }
}

/// One `syncfs` on the file system that holds the folder: cheaper than each new object and folder.
pub(super) fn sync_file_system(dir: &Path) -> Result<(), RepoError> {
    let failed = || RepoError::file("syncing", dir);
    let folder = std::fs::File::open(dir).map_err(failed())?;
    rustix::fs::syncfs(&folder).map_err(|errno| failed()(errno.into()))
}

#[cfg(test)]
mod tests {
    use super::super::bench_tests::{Bench, tester};
    use super::super::{Changeset, Checkout, Content, Settings, Write};
    use super::*;

    fn record(repo: &Repo, base: Option<Oid>, name: &str) -> Oid {
        let writes = vec![Write::file(format!("logs/{name}"), Content::Bytes(b"x".to_vec()))];
        let changeset = Changeset { removals: vec![], writes };
        repo.commit_on(base, &changeset, name, &tester(), &tester(), 1_700_000_000).unwrap().commit
    }

    #[test]
    fn a_remote_is_fetched_and_moved_and_a_second_writer_loses() {
        let bench = Bench::with_remote();
        let mut one = bench.repo();
        let tip = one.fetch().unwrap().commit;
        assert_eq!(tip, bench.head());
        assert_eq!(one.remote_reachable().unwrap(), Some(tip));
        one.push_dry_run(tip).unwrap();
        let (mine, theirs) = (record(&one, Some(tip), "mine"), record(&one, Some(tip), "theirs"));
        one.push(Some(tip), theirs).unwrap();
        let lost = one.push(Some(tip), mine).unwrap_err();
        assert_eq!(lost.class, PushClass::LostRace, "{lost}");
        one.push(Some(tip), theirs).expect("pushing the same again is no error");
        assert_eq!(one.fetch().unwrap().commit, theirs);
        assert_eq!(bench.git(&bench.origin_dir(), &["rev-parse", "main"]), theirs.to_string());
    }

    #[test]
    fn an_empty_remote_takes_a_first_commit_once() {
        let bench = Bench::with_remote();
        bench.git(&bench.path(""), &["init", "-q", "--bare", "-b", "main", "empty.git"]);
        bench.git(&bench.clone_dir(), &["remote", "set-url", "origin", "../empty.git"]);
        let mut repo = bench.repo();
        assert_eq!(repo.fetch().unwrap_err().class, FetchClass::Empty);
        assert_eq!(repo.remote_reachable().unwrap(), None);
        let first = record(&repo, None, "a");
        repo.push(None, first).unwrap();
        assert_eq!(repo.fetch().unwrap().commit, first);
        let other = record(&repo, None, "b");
        assert_eq!(repo.push(None, other).unwrap_err().class, PushClass::LostRace);
    }

    #[test]
    fn repositories_of_other_users_are_named_with_the_line_to_add() {
        if !rustix::process::getuid().is_root() {
            return;
        }
        let bench = Bench::with_remote();
        let give_away = |path: &Path| std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).unwrap();
        give_away(&bench.origin_dir());
        let error = bench.repo().fetch().unwrap_err();
        assert_eq!(error.class, FetchClass::Configuration, "{error}");
        assert!(error.words.contains("safe.directory"), "{error}");
        give_away(&bench.clone_dir());
        give_away(&bench.clone_dir().join(".git"));
        let error = Checkout::discover(&bench.clone_dir()).unwrap_err();
        assert!(error.is_configuration() && error.to_string().contains("safe.directory"), "{error}");
    }

    #[test]
    fn a_hook_that_declines_is_quoted() {
        let bench = Bench::with_remote();
        bench.hook("pre-receive", "echo no records today >&2; exit 1");
        let mut repo = bench.repo();
        let tip = repo.fetch().unwrap().commit;
        let error = repo.push(Some(tip), record(&repo, Some(tip), "a")).unwrap_err();
        assert_eq!(error.class, PushClass::Declined, "{error}");
        assert!(error.words.contains("no records today"), "{error}");
    }

    #[test]
    fn remotes_that_cannot_be_used_are_told_apart() {
        let bench = Bench::with_remote();
        let class = |url: &str| {
            bench.git(&bench.clone_dir(), &["remote", "set-url", "origin", url]);
            bench.repo().fetch().unwrap_err().class
        };
        assert_eq!(class("/nowhere/x.git"), FetchClass::Network);
        assert_eq!(class("http://127.0.0.1:1/x.git"), FetchClass::Network);
        assert_eq!(class("http://example.invalid/x.git"), FetchClass::Network);
        assert_eq!(class("ftp://example.invalid/x.git"), FetchClass::Protocol);
        assert_eq!(class("ext::sh -c true"), FetchClass::Protocol);
        bench.git(&bench.clone_dir(), &["remote", "set-url", "origin", "../other"]);
        bench.git(&bench.path(""), &["clone", "-q", "origin.git", "other"]);
        let mut repo = bench.repo();
        let tip = repo.fetch().unwrap().commit;
        let error = repo.push(Some(tip), record(&repo, Some(tip), "a")).unwrap_err();
        assert_eq!(error.class, PushClass::Configuration, "{error}");
    }

    #[test]
    fn a_broken_or_deleted_cache_is_fetched_anew() {
        let bench = Bench::with_remote();
        let mut repo = bench.repo();
        let tip = repo.fetch().unwrap().commit;
        let objects = repo.store.path().join("objects");
        std::fs::remove_dir_all(&objects).unwrap();
        std::fs::create_dir(&objects).unwrap();
        let mut again = bench.repo();
        assert_eq!(again.fetch().unwrap().commit, tip);
        again.root(tip).unwrap();
        std::fs::remove_dir_all(again.store.path()).unwrap();
        let mut third = bench.repo();
        assert_eq!(third.fetch().unwrap().commit, tip);
        // A power cut: another boot, and an object gone that nothing reads at once.
        let new = record(&third, Some(tip), "a");
        third.push(Some(tip), new).unwrap();
        let oid = third.entry_at(new, "logs/a").unwrap().unwrap().oid.to_string();
        let loose = third.store.path().join("objects").join(&oid[..2]).join(&oid[2..]);
        std::fs::remove_file(&loose).unwrap();
        std::fs::write(third.store.path().join("dispatch-boot"), "earlier").unwrap();
        std::fs::write(third.store.path().join("HEAD.lock"), "").unwrap();
        let mut fourth = bench.repo();
        assert_eq!(fourth.fetch().unwrap().commit, new);
        assert!(fourth.blob_at(new, "logs/a", 99).unwrap().is_some());
        assert!(!fourth.store.path().join("HEAD.lock").exists());
    }

    #[test]
    fn a_local_branch_moves_only_from_where_it_was() {
        let bench = Bench::local();
        let mut repo = bench.repo();
        let tip = repo.fetch().unwrap().commit;
        let (mine, theirs) = (record(&repo, Some(tip), "mine"), record(&repo, Some(tip), "theirs"));
        repo.push(Some(tip), theirs).unwrap();
        assert_eq!(repo.push(Some(tip), mine).unwrap_err().class, PushClass::LostRace);
        assert_eq!(repo.fetch().unwrap().commit, theirs);
        bench.git(&bench.path(""), &["init", "-q", "-b", "main", "unborn"]);
        let mut unborn = bench.repo_at("unborn");
        assert_eq!(unborn.fetch().unwrap_err().class, FetchClass::Empty);
        let first = record(&unborn, None, "first");
        unborn.push(None, first).unwrap();
        assert_eq!(unborn.push(None, first).unwrap_err().class, PushClass::LostRace);
    }

    #[test]
    fn the_token_goes_to_the_https_host_only_and_into_no_argument() {
        let bench = Bench::with_remote();
        let open = |url: &str| {
            bench.git(&bench.clone_dir(), &["remote", "set-url", "origin", url]);
            let mut settings = Settings::new("main");
            settings.token = Token::new("ghp_secret");
            Repo::open(Checkout::discover(&bench.clone_dir()).unwrap(), &bench.path("state"), settings).unwrap()
        };
        let repo = open("https://me:pw@git.example.invalid:8443/x.git");
        let (scope, user, password) = repo.credential_for("https://git.example.invalid:8443/x.git").unwrap();
        assert_eq!(
            (scope.as_str(), user.as_str(), password.reveal()),
            ("https://git.example.invalid:8443", "x-access-token", "ghp_secret")
        );
        assert!(repo.credential_for("http://git.example.invalid:8443/x.git").is_none());
        assert!(repo.credential_for("/srv/x.git").is_none());
        assert!(repo.credential_for("https://a=b/x.git").is_none());
        let shown = format!("{:?} {}", repo.origin(), repo.origin());
        assert!(!shown.contains("pw") && !shown.contains("secret"), "{shown}");
        let filled = repo
            .network("credential", "https://git.example.invalid:8443/x.git")
            .unwrap()
            .arg("capability")
            .run()
            .unwrap();
        assert!(!filled.stderr.contains("ghp_secret"));
    }
}
