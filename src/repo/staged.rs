//! What is staged in the user's repository: the tree that `git commit` would make now, read from the index without writing a tree.
//!
//! Owns the reading of the index file and how its flat list is seen as folders. It never takes the index's lock and writes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use super::{MODE_FOLDER, Oid, Repo, RepoError, TreeEntry};

/// The flag of an entry that `git add -N` made: it is in the index, and no commit has it.
const INTENT_TO_ADD: u16 = 1 << 13;

/// The files of an index, by path.
#[derive(Debug, Default)]
pub struct Staged {
    files: BTreeMap<Vec<u8>, (u32, Oid)>,
}

impl Repo {
    /// What is staged in the index of the checkout, or in another one: git gives its hooks the index of the commit that is being
    /// made in `GIT_INDEX_FILE`.
    ///
    /// # Errors
    /// [`RepoError`] where the index cannot be read, or holds conflicts that nobody has settled.
    pub fn staged(&self, index: Option<&Path>) -> Result<Staged, RepoError> {
        let own = self.checkout.git_dir.join("index");
        let path = index.unwrap_or(&own);
        let failed = || RepoError::object(format!("reading the index `{}`", path.display()));
        let index = git2::Index::open(path).map_err(failed())?;
        let mut files = BTreeMap::new();
        for entry in index.iter() {
            if (entry.flags >> 12) & 3 != 0 {
                let name = String::from_utf8_lossy(&entry.path).into_owned();
                let what = format!("the index has a conflict in `{name}`: settle it and stage what came of it");
                return Err(RepoError::Unusable { what });
            }
            if entry.flags_extended & INTENT_TO_ADD == 0 {
                files.insert(entry.path, (entry.mode, Oid(entry.id)));
            }
        }
        Ok(Staged { files })
    }
}

impl Staged {
    /// What stands at a path; the empty path is the root.
    pub fn entry(&self, path: &[u8]) -> Option<TreeEntry> {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_vec();
        if let Some((mode, oid)) = self.files.get(path) {
            return Some(TreeEntry { name, mode: *mode, oid: *oid });
        }
        (path.is_empty() || self.below(path).next().is_some()).then(|| folder(name))
    }

    /// What stands in a folder, in git's order.
    pub fn entries(&self, path: &[u8]) -> Vec<TreeEntry> {
        let mut found: Vec<TreeEntry> = Vec::new();
        for (rest, (mode, oid)) in self.below(path) {
            match rest.iter().position(|byte| *byte == b'/') {
                None => found.push(TreeEntry { name: rest.to_vec(), mode: *mode, oid: *oid }),
                Some(end) if found.last().is_some_and(|last| last.name == rest[..end]) => {}
                Some(end) => found.push(folder(rest[..end].to_vec())),
            }
        }
        found
    }

    /// Files below a folder, by what their path has behind it.
    fn below(&self, path: &[u8]) -> impl Iterator<Item = (&[u8], &(u32, Oid))> {
        let prefix = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
        let length = prefix.len();
        let from = self.files.range(prefix.clone()..);
        from.take_while(move |(path, _)| path.starts_with(&prefix)).map(move |(path, file)| (&path[length..], file))
    }
}

/// A folder of the index has no object yet.
fn folder(name: Vec<u8>) -> TreeEntry {
    TreeEntry { name, mode: MODE_FOLDER, oid: Oid(git2::Oid::ZERO_SHA1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::MODE_FILE;

    #[test]
    fn a_flat_index_is_seen_as_folders() {
        let oid = Oid(git2::Oid::ZERO_SHA1);
        let paths = ["a.yml", "in/a.yml", "in/team.yml", "in/team/b.yml", "in/team/c.yml", "index.yml"];
        let files = paths.iter().map(|path| (path.as_bytes().to_vec(), (MODE_FILE, oid))).collect();
        let staged = Staged { files };
        let names = |path: &str| -> Vec<(String, u32)> {
            let entries = staged.entries(path.as_bytes()).into_iter();
            entries.map(|entry| (String::from_utf8(entry.name).expect("text"), entry.mode)).collect()
        };
        let expected = |names: &[(&str, u32)]| -> Vec<(String, u32)> {
            names.iter().map(|(name, mode)| ((*name).to_owned(), *mode)).collect()
        };
        assert_eq!(names(""), expected(&[("a.yml", MODE_FILE), ("in", MODE_FOLDER), ("index.yml", MODE_FILE)]));
        let inside = [("a.yml", MODE_FILE), ("team.yml", MODE_FILE), ("team", MODE_FOLDER)];
        assert_eq!(names("in"), expected(&inside));
        assert_eq!(names("nowhere"), []);
        let mode = |path: &str| staged.entry(path.as_bytes()).map(|entry| entry.mode);
        assert_eq!((mode("in/team"), mode("in/team/b.yml"), mode("in/te")), (Some(MODE_FOLDER), Some(MODE_FILE), None));
        assert_eq!(mode(""), Some(MODE_FOLDER));
    }
}
