//! The user's work tree: bringing it up to the branch, and what in it is not on the branch.
//!
//! Owns `follow`, the look at paths that we would touch, and the reading of uncommitted requests.
//! Work of the user's is never overwritten: where a path that would change is dirty, staged or
//! untracked, nothing is done and the reason is given. A follow that was cut off is repaired by the
//! next one.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use super::checkout::Origin;
use super::git::Call;
use super::objects::{is_below, trimmed};
use super::porcelain::{self, ChangedState};
use super::{Oid, Repo, RepoError, store};

/// What became of the user's work tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// It stands at the new tip.
    Followed,
    /// It was left alone; the reason is for people.
    Skipped(String),
}

/// A file in the work tree's inbox that is not, or is otherwise, on the branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loose {
    /// Its path from the top of the work tree.
    pub path: Vec<u8>,
    /// The blob that now holds its bytes and its size; the reason where it was not read.
    pub content: Result<(Oid, u64), String>,
    /// True where the owner may execute it.
    pub executable: bool,
}

impl Repo {
    /// Brings the user's work tree (and, with a remote, its branch and its remote-tracking branch)
    /// to `new`, from wherever it stands: that is noted in the state folder (without a remote) or read from the clone (with
    /// one). Only where HEAD names the branch.
    pub fn follow(&self, new: Oid) -> Result<Followed, RepoError> {
        let _writing = self.writing()?;
        match &self.origin {
            Origin::Local => self.follow_abreast(),
            Origin::Remote { name, .. } => self.follow_remote(name, new),
        }
    }

    fn follow_remote(&self, remote: &str, new: Oid) -> Result<Followed, RepoError> {
        let skipped = |reason: String| Ok(Followed::Skipped(reason));
        if let Some(words) = self.bring_objects(remote, new)? {
            return skipped(format!("the clone could not take the new commits: {words}"));
        }
        if let Some(reason) = self.why_not_on_branch()? {
            return skipped(reason);
        }
        let stands = self.users_branch()?;
        if let Some(stands) = stands
            && stands != new
            && !self.is_behind_of(stands, new)?
        {
            return skipped(format!(
                "branch `{}` of the clone has commits that the remote has not",
                self.settings.branch
            ));
        }
        if let Some(words) = self.move_files(None, stands, new)? {
            return skipped(words);
        }
        self.sync_files()?;
        if stands != Some(new) {
            let before = stands.map_or_else(|| "0".repeat(40), |oid| oid.to_string());
            let (done, words) = self.users(self.bare_call("update-ref").args([
                "-m",
                "dispatch: follow",
                &self.branch_ref(),
                &new.to_string(),
                &before,
            ]))?;
            if !done {
                return skipped(format!("the clone's branch moved meanwhile: {words}"));
            }
        }
        Ok(Followed::Followed)
    }

    /// Whether a commit of the clone is in the history of a tip of ours.
    fn is_behind_of(&self, stands: Oid, new: Oid) -> Result<bool, RepoError> {
        if self.made(new)?.is_some_and(|made| made.parent == Some(stands)) {
            return Ok(true);
        }
        let call = self.bare_call("merge-base").args(["--is-ancestor", &stands.to_string(), &new.to_string()]);
        Ok(self.users(call)?.0)
    }

    /// Why the work tree is none that follows.
    pub(super) fn why_not_on_branch(&self) -> Result<Option<String>, RepoError> {
        if self.checkout.work_tree.is_none() {
            return Ok(Some("the repository has no work tree".to_owned()));
        }
        Ok(match self.checkout.head_branch()? {
            Some(head) if head == self.settings.branch => None,
            Some(head) => Some(format!("the work tree is on branch `{head}`, not on `{}`", self.settings.branch)),
            None => Some("HEAD is detached".to_owned()),
        })
    }

    /// Lets the user's clone know of a tip that was fetched: its remote-tracking branch, and nothing else. Without a remote
    /// there is nothing to tell.
    pub fn show(&self, tip: Oid) -> Result<(), RepoError> {
        let Origin::Remote { name, .. } = &self.origin else { return Ok(()) };
        if self.users_ref(&self.tracking_ref(name))? == Some(tip) {
            return Ok(());
        }
        let _writing = self.writing()?;
        if let Some(words) = self.bring_objects(name, tip)? {
            tracing::warn!("the clone could not take the new commits: {words}");
        }
        Ok(())
    }

    /// Those of these paths (or what lies below them) that differ from HEAD in the index or the
    /// work tree, untracked and ignored files included. Empty where no work tree would follow.
    pub fn dirty_paths(&self, paths: &[&str]) -> Result<Vec<String>, RepoError> {
        if self.why_not_on_branch()?.is_some() {
            return Ok(Vec::new());
        }
        let mut dirty: Vec<String> = self
            .changed(paths, &["--ignored=matching"])?
            .into_iter()
            .map(|entry| String::from_utf8_lossy(&entry.path).into_owned())
            .collect();
        dirty.sort();
        dirty.dedup();
        Ok(dirty)
    }

    /// Removes a file of the work tree that was taken as it was, unless it has been changed since: then it stays and the
    /// answer is false.
    pub fn remove_loose(&self, path: &[u8], oid: Oid) -> Result<bool, RepoError> {
        use std::os::unix::ffi::OsStrExt;
        let Some(top) = &self.checkout.work_tree else { return Ok(true) };
        let file = top.join(std::ffi::OsStr::from_bytes(path));
        match git2::Oid::hash_file(git2::ObjectType::Blob, &file) {
            Ok(now) if now == oid.0 => {
                let _writing = self.writing()?;
                // Staged perhaps: what is archived must not come back with the next commit. The file goes last: while it is
                // there, a restart finds it and does the same again.
                let forget = self.users(
                    self.bare_call("rm")
                        .work_tree(top)
                        .args(["-q", "--cached", "--ignore-unmatch", "--"])
                        .arg(std::ffi::OsStr::from_bytes(path)),
                );
                if let Ok((false, words)) = forget {
                    tracing::warn!("unstaging `{}`: {words}", file.display());
                }
                std::fs::remove_file(&file).map_err(RepoError::file("removing", &file))?;
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(_) => Ok(!file.exists()),
        }
    }

    /// Files in the work tree's inbox that git calls changed or untracked and that do not stand so
    /// at `tip`, written as blobs. Files over `bytes_max`, links and the like carry the reason why
    /// they were not read. Call it when the work tree has followed the branch: what a cut-off
    /// follow left would look uncommitted.
    pub fn untracked_inbox(&self, tip: Option<Oid>, inbox: &str, bytes_max: u64) -> Result<Vec<Loose>, RepoError> {
        let inbox_path = trimmed(inbox.as_bytes());
        let mut found = Vec::new();
        for entry in self.changed(&[inbox], &[])? {
            if !is_below(&entry.path, inbox_path) || entry.state == ChangedState::Unmerged {
                continue;
            }
            let Some(read) = self.read_safely(&entry.path, bytes_max) else { continue };
            let loose = match read {
                Ok((bytes, executable)) => {
                    let oid = self.write_blob(&bytes)?;
                    if let Some(tip) = tip
                        && self.entry_at(tip, &entry.path)?.is_some_and(|known| known.oid == oid)
                    {
                        continue;
                    }
                    Loose { path: entry.path, content: Ok((oid, bytes.len() as u64)), executable }
                }
                Err(reason) => Loose { path: entry.path, content: Err(reason), executable: false },
            };
            found.push(loose);
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found.dedup();
        Ok(found)
    }

    fn tracking_ref(&self, remote: &str) -> String {
        format!("refs/remotes/{remote}/{}", self.settings.branch)
    }

    /// Fetches what we have into the user's clone, and sets its remote-tracking branch. The words
    /// where that did not work.
    fn bring_objects(&self, remote: &str, new: Oid) -> Result<Option<String>, RepoError> {
        let ours = self.store.path().display().to_string();
        let kept = store::fetched_ref(&self.settings.branch);
        let tracking = self.tracking_ref(remote);
        let stands = self.users_ref(&tracking)?;
        if stands == Some(new) || self.hand_over(&tracking, stands, new)? {
            return Ok(None);
        }
        let call = self
            .bare_call("fetch")
            .env("GIT_ALLOW_PROTOCOL", "file")
            // Checked on the way in already; a checked fetch would leave a pack each time.
            .setting("transfer.fsckObjects=false")
            .setting("fetch.fsckObjects=false")
            .timeout(Duration::from_mins(5))
            .args(["--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--quiet", "--", &ours])
            .arg(format!("+{kept}:{tracking}"));
        let (done, words) = self.users(call)?;
        if !done {
            self.has_torn();
        }
        Ok((!done).then_some(words))
    }

    fn changed(&self, paths: &[&str], how: &[&str]) -> Result<Vec<porcelain::Changed>, RepoError> {
        const PATHS_A_CALL: usize = 500;
        let Some(tree) = &self.checkout.work_tree else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for some in paths.chunks(PATHS_A_CALL) {
            let output = self
                .bare_call("status")
                .work_tree(tree)
                .option("--literal-pathspecs")
                .args(["--porcelain=v2", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=all"])
                .args(how)
                .arg("--")
                .args(some.iter().map(|path| std::ffi::OsStr::from_bytes(trimmed(path.as_bytes()))))
                .run()?;
            if !output.succeeded() || output.cut {
                return Err(RepoError::Program { verb: "status", words: output.stderr });
            }
            found.extend(porcelain::status(&output.stdout));
        }
        Ok(found)
    }

    /// Bytes of a file in the work tree, no link being followed on the way; `None` where it is gone.
    pub(super) fn read_safely(&self, path: &[u8], bytes_max: u64) -> Option<Result<(Vec<u8>, bool), String>> {
        use std::io::Read as _;
        use std::os::unix::fs::PermissionsExt as _;
        let tree = self.checkout.work_tree.as_ref()?;
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let (last, folders) = names.split_last()?;
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let mut at: OwnedFd = rustix::fs::open(tree, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        for name in folders {
            at = match rustix::fs::openat(&at, *name, flags | OFlags::DIRECTORY, Mode::empty()) {
                Ok(next) => next,
                Err(rustix::io::Errno::NOENT) => return None,
                Err(errno) => return Some(Err(format!("a folder on the way is none: {errno}"))),
            };
        }
        let file = match rustix::fs::openat(&at, *last, flags | OFlags::NONBLOCK, Mode::empty()) {
            Ok(file) => std::fs::File::from(file),
            Err(rustix::io::Errno::NOENT) => return None,
            Err(rustix::io::Errno::LOOP) => return Some(Err("it is a symbolic link".to_owned())),
            Err(errno) => return Some(Err(errno.to_string())),
        };
        let data = match file.metadata() {
            Ok(data) if data.is_file() => data,
            Ok(_) => return Some(Err("it is no regular file".to_owned())),
            Err(error) => return Some(Err(error.to_string())),
        };
        let mut bytes = Vec::new();
        Some(match file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes) {
            Err(error) => Err(error.to_string()),
            Ok(_) if bytes.len() as u64 > bytes_max => Err(format!("it is over {bytes_max} bytes")),
            Ok(_) => Ok((bytes, data.permissions().mode() & 0o100 != 0)),
        })
    }

    fn users_branch(&self) -> Result<Option<Oid>, RepoError> {
        self.users_ref(&self.branch_ref())
    }

    fn users_ref(&self, name: &str) -> Result<Option<Oid>, RepoError> {
        if let Ok(clone) = git2::Repository::open(&self.checkout.git_dir) {
            match clone.refname_to_id(name) {
                Ok(found) => return Ok(Some(Oid(found))),
                Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
                Err(_) => {}
            }
        }
        // A clone that libgit2 cannot read, as with another store of refs.
        let found = self.bare_call("rev-parse").args(["--verify", "--quiet", name]).run()?;
        Ok(found.text().parse().ok().filter(|_| found.succeeded()))
    }

    pub(super) fn bare_call(&self, verb: &str) -> Call<'_> {
        self.git
            .call(verb)
            .git_dir(&self.checkout.git_dir)
            // A power cut must not leave the user with objects, refs or an index of ours that are empty files.
            .setting("core.fsync=all")
            .setting("core.fsyncMethod=batch")
            .env("GIT_COMMITTER_NAME", "dispatch")
            .env("GIT_COMMITTER_EMAIL", "dispatch@localhost")
    }

    /// Runs a call on the user's repository: whether it succeeded, and its words.
    pub(super) fn users(&self, call: Call<'_>) -> Result<(bool, String), RepoError> {
        let output = call.run().inspect_err(|_| self.has_torn())?;
        // A program that git started may have been ended too: git dies of that with 128.
        if output.code >= 128 {
            self.has_torn();
        }
        Ok((output.succeeded(), output.stderr))
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench_tests::{Bench, tester};
    use super::super::{Changeset, Content, Removal, Write};
    use super::*;

    /// The record of `requests/a.yml`, pushed; (old tip, new tip).
    fn publish(bench: &Bench, repo: &mut Repo) -> (Oid, Oid) {
        let old = repo.fetch().unwrap().commit;
        let oid = repo.entry_at(old, "requests/a.yml").unwrap().unwrap().oid;
        let changeset = Changeset {
            removals: vec![Removal { path: b"requests/a.yml".into(), oid }],
            writes: vec![
                Write::file("processed/a.yml", Content::Object(oid)),
                Write::file("logs/a/status.yml", Content::Bytes(b"status: success\n".to_vec())),
            ],
        };
        let new = repo.commit_on(Some(old), &changeset, "executor: a rc=0", &tester(), &tester(), 0).unwrap().commit;
        repo.push(Some(old), new).unwrap();
        let _ = bench;
        (old, new)
    }

    fn bench(remote: bool) -> Bench {
        let bench = if remote { Bench::with_remote() } else { Bench::local() };
        bench.write("requests/a.yml", "kind: x\n");
        bench.write("other", "1");
        bench.commit("request");
        if remote {
            bench.git(&bench.clone_dir(), &["push", "-q", "origin", "main"]);
        }
        bench
    }

    #[test]
    fn follows_with_and_without_a_remote_and_keeps_what_is_dirty_elsewhere() {
        for remote in [false, true] {
            let bench = bench(remote);
            let dir = bench.clone_dir();
            let mut repo = bench.repo();
            bench.write("other", "dirty");
            bench.write("staged", "s");
            bench.git(&dir, &["add", "staged"]);
            bench.write("requests/new.yml", "untracked");
            let (_, new) = publish(&bench, &mut repo);
            assert_eq!(repo.follow(new).unwrap(), Followed::Followed, "remote: {remote}");
            assert_eq!(repo.follow(new).unwrap(), Followed::Followed, "again");
            assert_eq!(bench.head(), new);
            assert!(!dir.join("requests/a.yml").exists() && dir.join("logs/a/status.yml").exists());
            assert_eq!(std::fs::read_to_string(dir.join("other")).unwrap(), "dirty");
            let status = bench.git(&dir, &["status", "--porcelain"]);
            assert_eq!(status, " M other\nA  staged\n?? requests/");
            if remote {
                assert_eq!(bench.git(&dir, &["rev-parse", "origin/main"]), new.to_string());
            }
        }
    }

    #[test]
    fn a_follow_cut_off_before_the_branch_moved_is_repaired() {
        let bench = bench(true);
        let mut repo = bench.repo();
        let (old, new) = publish(&bench, &mut repo);
        repo.bring_objects("origin", new).unwrap();
        assert_eq!(repo.move_files(None, Some(old), new).unwrap(), None);
        assert_eq!(repo.follow(new).unwrap(), Followed::Followed);
        assert_eq!(bench.git(&bench.clone_dir(), &["status", "--porcelain"]), "");
    }

    #[test]
    fn a_linked_worktree_without_a_remote_catches_up_over_several_records() {
        let bench = bench(false);
        bench.git(&bench.clone_dir(), &["checkout", "-q", "--detach"]);
        bench.git(&bench.clone_dir(), &["worktree", "add", "-q", "../linked", "main"]);
        let dir = bench.path("linked");
        let mut repo = bench.repo_at("linked");
        std::fs::write(dir.join("requests/a.yml"), "edited").unwrap();
        let (_, middle) = publish(&bench, &mut repo);
        assert_eq!(repo.follow(middle).unwrap(), Followed::Followed);
        assert_eq!(bench.git(&dir, &["status", "--porcelain"]), "?? requests/", "the edit stays");
        std::fs::remove_dir_all(dir.join("requests")).unwrap();
        let more = Changeset { removals: vec![], writes: vec![Write::file("logs/b", Content::Bytes(b"b".to_vec()))] };
        let new = repo.commit_on(Some(middle), &more, "b", &tester(), &tester(), 0).unwrap().commit;
        repo.push(Some(middle), new).unwrap();
        assert_eq!(repo.follow(new).unwrap(), Followed::Followed);
        assert_eq!(bench.git(&dir, &["status", "--porcelain"]), "");
        assert!(dir.join("logs/b").exists());
    }

    #[test]
    fn a_first_record_keeps_what_is_staged_on_an_unborn_branch() {
        let bench = Bench::local();
        bench.git(&bench.path(""), &["init", "-q", "-b", "main", "unborn"]);
        let dir = bench.path("unborn");
        std::fs::write(dir.join("mine"), "staged").unwrap();
        bench.git(&dir, &["add", "mine"]);
        let repo = bench.repo_at("unborn");
        let more = Changeset { removals: vec![], writes: vec![Write::file("logs/b", Content::Bytes(b"b".to_vec()))] };
        let new = repo.commit_on(None, &more, "b", &tester(), &tester(), 0).unwrap().commit;
        repo.push(None, new).unwrap();
        assert_eq!(repo.follow(new).unwrap(), Followed::Followed);
        assert_eq!(bench.git(&dir, &["status", "--porcelain"]), "A  mine");
        assert!(dir.join("logs/b").exists());
    }

    #[test]
    fn leaves_alone_what_it_would_overwrite_and_other_branches() {
        let bench = bench(true);
        let dir = bench.clone_dir();
        let mut repo = bench.repo();
        let (old, new) = publish(&bench, &mut repo);
        let skipped = |repo: &Repo| match repo.follow(new).unwrap() {
            Followed::Skipped(reason) => reason,
            Followed::Followed => "followed".to_owned(),
        };
        bench.write("logs/a/status.yml", "mine");
        assert!(skipped(&repo).contains("logs/a/status.yml"), "{}", skipped(&repo));
        assert_eq!(std::fs::read_to_string(dir.join("logs/a/status.yml")).unwrap(), "mine");
        assert_eq!(bench.head(), old);
        std::fs::remove_dir_all(dir.join("logs")).unwrap();
        bench.write("requests/a.yml", "edited");
        assert!(skipped(&repo).contains("requests/a.yml"), "{}", skipped(&repo));
        bench.git(&dir, &["checkout", "-q", "requests/a.yml"]);
        bench.git(&dir, &["checkout", "-q", "--detach"]);
        assert_eq!(skipped(&repo), "HEAD is detached");
        bench.git(&dir, &["checkout", "-q", "-b", "side"]);
        assert!(skipped(&repo).contains("`side`"));
        bench.git(&dir, &["checkout", "-q", "main"]);
        bench.write("x", "1");
        let mine = bench.commit("local");
        assert!(skipped(&repo).contains("has commits that the remote has not"));
        assert_eq!(bench.head(), mine);
        let bare = bench.repo_at("origin.git");
        assert_eq!(bare.follow(new).unwrap(), Followed::Skipped("the repository has no work tree".to_owned()));
    }

    #[test]
    fn a_linked_worktree_of_a_shallow_clone_follows() {
        let bench = bench(true);
        let url = format!("file://{}", bench.origin_dir().display());
        bench.git(&bench.path(""), &["clone", "-q", "--depth", "1", &url, "shallow"]);
        bench.git(&bench.path("shallow"), &["checkout", "-q", "--detach"]);
        bench.git(&bench.path("shallow"), &["worktree", "add", "-q", "../linked", "main"]);
        let mut repo = bench.repo_at("linked");
        let (_, new) = publish(&bench, &mut repo);
        assert_eq!(repo.follow(new).unwrap(), Followed::Followed);
        assert!(bench.path("linked/processed/a.yml").exists());
        assert_eq!(bench.git(&bench.path("linked"), &["status", "--porcelain"]), "");
    }

    #[test]
    fn names_the_dirty_among_the_paths_asked() {
        let bench = bench(false);
        let repo = bench.repo();
        assert_eq!(repo.dirty_paths(&["requests/a.yml", "logs/a"]).unwrap(), Vec::<String>::new());
        bench.write("requests/a.yml", "edited");
        bench.write("logs/a/x", "untracked");
        bench.write("other", "dirty, but not asked for");
        bench.write("processed/[a].yml", "untracked");
        bench.write(".gitignore", "*.ign\n");
        bench.write("processed/b.ign", "ignored");
        let asked = ["requests/a.yml", "logs/a", "processed/[a].yml", "processed/b.ign", "none"];
        assert_eq!(
            repo.dirty_paths(&asked).unwrap(),
            ["logs/a/x", "processed/[a].yml", "processed/b.ign", "requests/a.yml"]
        );
    }

    #[test]
    fn takes_uncommitted_requests_and_follows_no_link() {
        let bench = bench(false);
        let dir = bench.clone_dir();
        let repo = bench.repo();
        bench.write("requests/a.yml", "edited");
        bench.write("requests/team/new.yml", "kind: y\n");
        bench.write("requests/large.yml", "0123456789abcdef");
        std::os::unix::fs::symlink("/etc/passwd", dir.join("requests/link.yml")).unwrap();
        bench.write("elsewhere", "x");
        let loose = repo.untracked_inbox(Some(bench.head()), "requests/", 12).unwrap();
        let seen: Vec<(String, Result<u64, String>)> = loose
            .iter()
            .map(|file| (String::from_utf8(file.path.clone()).unwrap(), file.content.clone().map(|(_, size)| size)))
            .collect();
        assert_eq!(
            seen,
            [
                ("requests/a.yml".to_owned(), Ok(6)),
                ("requests/large.yml".to_owned(), Err("it is over 12 bytes".to_owned())),
                ("requests/link.yml".to_owned(), Err("it is a symbolic link".to_owned())),
                ("requests/team/new.yml".to_owned(), Ok(8)),
            ]
        );
        let (oid, _) = loose[3].content.clone().unwrap();
        assert_eq!(repo.blob(oid, 99).unwrap().1.unwrap(), b"kind: y\n");
    }
}
