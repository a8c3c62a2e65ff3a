//! The commit that `git add --all` and `git commit` would make of the work tree now, in memory alone: for trying out what is not
//! committed yet, with the eyes that look at commits.
//!
//! Never writes: not to the index, not to the object store, to no ref. What of the work tree is unchanged is read from the user's
//! objects; the rest lies in memory as long as the [`Repo`] that it was made with.

use git2::{IndexAddOption, Signature, Time};

use super::snapshot::LFS_POINTER;
use super::{Oid, Repo, RepoError};
use crate::repo::is_kept_in_lfs;

/// Above every other backend of an object database: what is written comes here.
const FIRST: i32 = 1000;

impl Repo {
    /// Makes it. What `.gitignore` leaves out is not in it; a large file stands there as its pointer, as git would commit it.
    ///
    /// # Errors
    /// [`RepoError`] where there is no work tree, or a file of it cannot be read.
    pub fn unwritten_commit(&self) -> Result<Oid, RepoError> {
        let failed = || RepoError::object("reading the work tree");
        let top = self.store.workdir().map(std::borrow::ToOwned::to_owned).ok_or_else(|| RepoError::Unusable {
            what: format!("`{}` has no work tree", self.checkout.git_dir.display()),
        })?;
        let odb = self.store.odb().map_err(failed())?;
        odb.add_new_mempack_backend(FIRST).map_err(failed())?;
        // Its entries say which files are unchanged, so that those are not read. It is never written.
        let mut index = self.store.index().map_err(failed())?;
        index.add_all(["*"], IndexAddOption::DEFAULT, None).map_err(failed())?;
        let paths: Vec<Vec<u8>> = index.iter().map(|entry| entry.path).collect();
        for path in paths.iter().filter(|path| is_kept_in_lfs(&top, path)) {
            let name = String::from_utf8_lossy(path).into_owned();
            if let Some(mut entry) = index.get_path(std::path::Path::new(&name), 0) {
                entry.id = self.store.blob(LFS_POINTER).map_err(failed())?;
                index.add(&entry).map_err(failed())?;
            }
        }
        let tree = index.write_tree_to(&self.store).map_err(failed())?;
        let tree = self.store.find_tree(tree).map_err(failed())?;
        let nobody = Signature::new("nobody", "nobody@localhost", &Time::new(0, 0)).map_err(failed())?;
        let commit = self.store.commit(None, &nobody, &nobody, "not committed\n", &tree, &[]).map_err(failed())?;
        Ok(Oid(commit))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use crate::repo::{Checkout, MODE_EXECUTABLE, MODE_FILE, Repo, Settings};

    fn files_below(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("folder").flatten() {
            let path = entry.path();
            if path.is_dir() { files_below(&path, found) } else { found.push(path.display().to_string()) }
        }
        found.sort();
    }

    #[test]
    fn it_holds_what_a_commit_would_and_leaves_no_trace() {
        use std::os::unix::fs::PermissionsExt as _;
        let temp = tempfile::tempdir().expect("temp folder");
        let top = temp.path();
        let git = git2::Repository::init(top).expect("init");
        fs::create_dir(top.join("handlers")).expect("folder");
        for (name, text) in [("kept", "same\n"), ("changed", "before\n"), ("gone", "x\n"), (".gitignore", "ignored\n")]
        {
            fs::write(top.join(name), text).expect("file");
        }
        let mut index = git.index().expect("index");
        index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).expect("added");
        index.write().expect("written");
        fs::write(top.join("changed"), "after\n").expect("file");
        fs::remove_file(top.join("gone")).expect("removed");
        fs::write(top.join("ignored"), "x\n").expect("file");
        fs::write(top.join("handlers/new.sh"), "#!/bin/sh\n").expect("file");
        fs::set_permissions(top.join("handlers/new.sh"), fs::Permissions::from_mode(0o755)).expect("mode");
        let (mut before, mut after) = (Vec::new(), Vec::new());
        files_below(&top.join(".git"), &mut before);
        let index_before = fs::read(top.join(".git/index")).expect("index");

        let checkout = Checkout::discover(top).expect("a repository");
        let repo = Repo::open_to_read(checkout, None, Settings::new("main")).expect("open");
        let commit = repo.unwritten_commit().expect("made");
        let modes = |path: &str| repo.entry_at(commit, path).expect("looked").map(|entry| entry.mode);
        assert_eq!(modes("kept"), Some(MODE_FILE));
        assert_eq!(modes("handlers/new.sh"), Some(MODE_EXECUTABLE));
        assert_eq!((modes("gone"), modes("ignored")), (None, None));
        let changed = repo.blob_at(commit, "changed", 100).expect("read").expect("there");
        assert_eq!(changed.bytes.as_deref(), Some(&b"after\n"[..]));

        files_below(&top.join(".git"), &mut after);
        assert_eq!(before, after, "nothing is written");
        assert_eq!(fs::read(top.join(".git/index")).expect("index"), index_before);
        assert!(git.find_commit(commit.0).is_err(), "nobody else sees it");
    }
}
