//! What the mainline's first-parent line says: who introduced an entry, who else records here.
//!
//! Owns walks over commits. Positions grow along the first-parent line by one a commit and stay what they were as it
//! goes on; where they begin means nothing, so that nobody has to count a long history. What was found out
//! at the last tip is remembered, so a pass walks only what is new, and a first one no further back than the oldest
//! entry that is asked for. It judges nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::objects::{joined, plain, trimmed};
use super::{Oid, Repo, RepoError};

/// The position of the first tip that is ever met: far from both ends.
const FIRST_POSITION: u64 = 1 << 32;

/// So many commits back an ancestor is looked for on the line itself.
const NEAR_MAX: usize = 100;

/// An entry whose introduction is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Open {
    /// Its path from the root.
    pub path: Vec<u8>,
    /// The object that stands there at the tip.
    pub oid: Oid,
}

/// Where an entry came onto the mainline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Introduced {
    /// The youngest commit of the first-parent line that gave this path this object.
    pub commit: Oid,
    /// Its place on that line: older is smaller, and it does not change as the line grows.
    pub position: u64,
    /// Committer time in seconds since 1970 (UTC).
    pub time: i64,
    /// `Name <address>`; one copy for all that a commit brought.
    pub author: Arc<str>,
    /// `Name <address>`.
    pub committer: Arc<str>,
    /// True where the same commit took the same object out of the archive folder.
    pub returned: bool,
}

/// What a commit says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its first parent.
    pub parent: Option<Oid>,
    /// Committer time in seconds since 1970 (UTC).
    pub time: i64,
    /// Its whole message.
    pub message: String,
}

/// What a handle knows from its last walk; always safe to forget.
#[derive(Default)]
pub(super) struct Remembered {
    tip: Option<(Oid, Vec<u8>, Vec<u8>)>,
    entries: HashMap<Open, Introduced>,
    position: Option<(Oid, u64)>,
}

impl Remembered {
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Repo {
    /// Finds the introducing commits of entries in the inbox, in one walk; in the order asked.
    /// `None` for an entry that does not stand at the tip. Where history is shallow, its boundary
    /// counts as introducing.
    pub fn introduced(
        &self,
        tip: Oid,
        inbox: &str,
        archive: &str,
        entries: &[Open],
    ) -> Result<Vec<Option<Introduced>>, RepoError> {
        let inbox = trimmed(inbox.as_bytes());
        let archive = trimmed(archive.as_bytes());
        let mut open = Vec::new();
        let root = self.root(tip)?;
        let folders = self.folders(&root, folders_of(entries))?;
        open.extend(entries.iter().filter(|entry| stands_in(&folders, entry)));
        let mut found: HashMap<Open, Introduced> = HashMap::new();
        if !open.is_empty() {
            self.walk_back(tip, inbox, archive, open, &mut found)?;
        }
        let answer = entries.iter().map(|entry| found.get(entry).cloned()).collect();
        let mut remembered = self.remembered.borrow_mut();
        remembered.tip = Some((tip, inbox.to_vec(), archive.to_vec()));
        remembered.entries = found;
        Ok(answer)
    }

    /// True where `ancestor` is `commit` or in its history; false where we do not even have it.
    pub fn is_ancestor(&self, ancestor: Oid, commit: Oid) -> Result<bool, RepoError> {
        if ancestor == commit {
            return Ok(true);
        }
        if !self.has(ancestor) {
            return Ok(false);
        }
        // Most often it is the tip of a moment ago: nothing behind it has to be read for that.
        let mut next = self.first_parent(&self.commit(commit)?)?;
        for _ in 0..NEAR_MAX {
            let Some(parent) = next else { break };
            if parent.id() == ancestor.0 {
                return Ok(true);
            }
            next = self.first_parent(&parent)?;
        }
        self.store
            .graph_descendant_of(commit.0, ancestor.0)
            .map_err(RepoError::object(format!("looking for {ancestor} in the history of {commit}")))
    }

    /// How a commit was made; `None` where we do not have it.
    pub fn made(&self, commit: Oid) -> Result<Option<Made>, RepoError> {
        if !self.has(commit) {
            return Ok(None);
        }
        let commit = self.commit(commit)?;
        let parent = self.first_parent(&commit)?.map(|parent| Oid(parent.id()));
        let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
        Ok(Some(Made { parent, time: commit.time().seconds(), message }))
    }

    /// Shows the commits of the first-parent line with their messages, youngest first, at most `commits_max` of them,
    /// until `visit` gives false.
    pub fn walk_messages(
        &self,
        tip: Oid,
        commits_max: usize,
        mut visit: impl FnMut(Oid, &str) -> bool,
    ) -> Result<(), RepoError> {
        let mut next = Some(self.commit(tip)?);
        for _ in 0..commits_max {
            let Some(commit) = next.take() else { break };
            if !visit(Oid(commit.id()), &String::from_utf8_lossy(commit.message_bytes())) {
                break;
            }
            next = self.first_parent(&commit)?;
        }
        Ok(())
    }

    /// Shows the commits that `tip` has and `since` has not, on whatever line, children first, at most `commits_max` of them.
    pub fn walk_all_messages(
        &self,
        tip: Oid,
        since: Option<Oid>,
        commits_max: usize,
        mut visit: impl FnMut(Oid, &str),
    ) -> Result<(), RepoError> {
        let failed = || RepoError::object("walking the history of main");
        let mut walk = self.store.revwalk().map_err(failed())?;
        walk.set_sorting(git2::Sort::TOPOLOGICAL).map_err(failed())?;
        walk.push(tip.0).map_err(failed())?;
        if let Some(since) = since {
            walk.hide(since.0).map_err(failed())?;
        }
        for commit in walk.take(commits_max) {
            let commit = Oid(commit.map_err(failed())?);
            visit(commit, &String::from_utf8_lossy(self.commit(commit)?.message_bytes()));
        }
        Ok(())
    }

    /// The plain files of this name that a commit put below a folder, each with its path from the root and its object.
    pub fn added_below(&self, commit: Oid, dir: &str, name: &str) -> Result<Vec<(String, Oid)>, RepoError> {
        let dir = trimmed(dir.as_bytes());
        let commit = self.commit(commit)?;
        let after = self.root(Oid(commit.id()))?;
        let Some(after) = self.subtree(&after, dir)? else { return Ok(Vec::new()) };
        let before = match self.first_parent(&commit)? {
            Some(parent) => self.subtree(&self.root(Oid(parent.id()))?, dir)?,
            None => None,
        };
        let diff = self
            .store
            .diff_tree_to_tree(before.as_ref(), Some(&after), None)
            .map_err(RepoError::object("comparing a folder of two commits"))?;
        let is_file = |mode| matches!(mode, git2::FileMode::Blob | git2::FileMode::BlobExecutable);
        let added = diff.deltas().filter(|delta| delta.status() == git2::Delta::Added).filter_map(|delta| {
            // A submodule has no object here, and a link is no file.
            if !is_file(delta.new_file().mode()) {
                return None;
            }
            let path = joined(dir, delta.new_file().path_bytes()?);
            let path = String::from_utf8(path).ok().filter(|path| path.rsplit('/').next() == Some(name))?;
            Some((path, Oid(delta.new_file().id())))
        });
        Ok(added.collect())
    }

    /// The plain files of this name that the youngest commits of the first-parent line put below a folder, youngest commit
    /// first and of one commit the last by name: at most `most`, from at most `commits_max` commits. Reads what it gives
    /// and the way there, however much lies beside it.
    pub fn youngest_added_below(
        &self,
        tip: Oid,
        dir: &str,
        name: &str,
        most: usize,
        commits_max: usize,
    ) -> Result<Vec<(String, Oid)>, RepoError> {
        let dir = trimmed(dir.as_bytes());
        let mut found = Vec::new();
        let mut commit = self.commit(tip)?;
        let mut after = self.root(tip)?;
        for _ in 0..commits_max {
            let parent = self.first_parent(&commit)?;
            let before = parent.as_ref().map(|parent| self.root(Oid(parent.id()))).transpose()?;
            let (now, was) = (self.subtree(&after, dir)?, before.as_ref().map(|root| self.subtree(root, dir)));
            let was = was.transpose()?.flatten();
            if let Some(now) = now.filter(|now| was.as_ref().is_none_or(|was| was.id() != now.id())) {
                self.last_added(&now, was.as_ref(), dir, name.as_bytes(), most, &mut found)?;
            }
            let (Some(parent), Some(before)) = (parent, before) else { break };
            if found.len() >= most {
                break;
            }
            (commit, after) = (parent, before);
        }
        Ok(found)
    }

    fn last_added(
        &self,
        now: &git2::Tree<'_>,
        was: Option<&git2::Tree<'_>>,
        at: &[u8],
        name: &[u8],
        most: usize,
        found: &mut Vec<(String, Oid)>,
    ) -> Result<(), RepoError> {
        for index in (0..now.len()).rev() {
            if found.len() >= most {
                break;
            }
            let Some(entry) = now.get(index).map(|entry| plain(&entry)) else { continue };
            let old = was.and_then(|was| was.get_name_bytes(&entry.name).map(|old| plain(&old)));
            if old.as_ref().is_some_and(|old| old.oid == entry.oid) {
                continue;
            }
            let path = joined(at, &entry.name);
            if entry.mode == super::MODE_FOLDER {
                let old = old.filter(|old| old.mode == super::MODE_FOLDER).map(|old| self.tree(old.oid)).transpose()?;
                self.last_added(&self.tree(entry.oid)?, old.as_ref(), &path, name, most, found)?;
            } else if entry.name == name
                && old.is_none()
                && matches!(entry.mode, super::MODE_FILE | super::MODE_EXECUTABLE)
                && let Ok(path) = String::from_utf8(path)
            {
                found.push((path, entry.oid));
            }
        }
        Ok(())
    }

    fn walk_back(
        &self,
        tip: Oid,
        inbox: &[u8],
        archive: &[u8],
        mut open: Vec<&Open>,
        found: &mut HashMap<Open, Introduced>,
    ) -> Result<(), RepoError> {
        let remembered = self.remembered.borrow();
        let known_at =
            remembered.tip.as_ref().filter(|known| known.1 == inbox && known.2 == archive).map(|known| known.0);
        let mut position = self.position_with(&remembered, tip)?;
        let reached = position;
        let mut commit = self.commit(tip)?;
        let mut tree = self.root(tip)?;
        let folders: BTreeSet<&[u8]> = open.iter().map(|entry| folder_of(&entry.path)).collect();
        while !open.is_empty() {
            if known_at == Some(Oid(commit.id())) {
                // Still the same object here, so what was found from here on back holds.
                open.retain(|entry| match remembered.entries.get(entry) {
                    Some(known) => found.insert((*entry).clone(), known.clone()).is_some_and(|_| false),
                    None => true,
                });
            }
            let parent = self.first_parent(&commit)?;
            let Some(parent) = parent else {
                let first = introduction(&commit, position.1);
                found.extend(open.drain(..).map(|entry| (entry.clone(), first.clone())));
                break;
            };
            let before = self.root(Oid(parent.id()))?;
            let here = self.brought(&mut open, &folders, &before, &tree)?;
            if !here.is_empty() {
                let left = self.left_archive(&before, &tree, archive)?;
                let made = introduction(&commit, position.1);
                for entry in here {
                    found.insert(entry.clone(), Introduced { returned: left.contains(&entry.oid), ..made.clone() });
                }
            }
            position = (Oid(parent.id()), position.1.saturating_sub(1));
            commit = parent;
            tree = before;
        }
        drop(remembered);
        self.remembered.borrow_mut().position = Some(reached);
        Ok(())
    }

    /// Takes out of `open` what stands in the tree after a commit and did not before it. A folder that the commit left
    /// alone costs nothing, however many entries it has.
    fn brought<'e>(
        &self,
        open: &mut Vec<&'e Open>,
        folders: &BTreeSet<&[u8]>,
        before: &git2::Tree<'_>,
        after: &git2::Tree<'_>,
    ) -> Result<Vec<&'e Open>, RepoError> {
        let mut changed = BTreeSet::new();
        for folder in folders {
            if self.subtree_id(before, folder)? != self.subtree_id(after, folder)? {
                changed.insert(*folder);
            }
        }
        let mut here = Vec::new();
        if changed.is_empty() {
            return Ok(here);
        }
        let there = self.folders(before, changed.clone())?;
        open.retain(|entry| {
            let older = !changed.contains(folder_of(&entry.path)) || stands_in(&there, entry);
            if !older {
                here.push(*entry);
            }
            older
        });
        Ok(here)
    }

    /// These folders of a tree, as far as they are there.
    fn folders<'a, 'f>(
        &'a self,
        root: &git2::Tree<'a>,
        folders: BTreeSet<&'f [u8]>,
    ) -> Result<BTreeMap<&'f [u8], git2::Tree<'a>>, RepoError> {
        let found = folders.into_iter().map(|folder| Ok(self.subtree(root, folder)?.map(|tree| (folder, tree))));
        found.filter_map(Result::transpose).collect()
    }

    /// Objects that a commit took out of the archive folder.
    fn left_archive(
        &self,
        before: &git2::Tree<'_>,
        after: &git2::Tree<'_>,
        archive: &[u8],
    ) -> Result<HashSet<Oid>, RepoError> {
        if self.subtree_id(before, archive)? == self.subtree_id(after, archive)? {
            return Ok(HashSet::new());
        }
        let failed = || RepoError::object("comparing the archive of two commits");
        let before = self.entry_in(before, archive)?.filter(|entry| entry.mode == super::MODE_FOLDER);
        let Some(before) = before else { return Ok(HashSet::new()) };
        let before = self.tree(before.oid)?;
        let after = match self.entry_in(after, archive)? {
            Some(entry) if entry.mode == super::MODE_FOLDER => Some(self.tree(entry.oid)?),
            _ => None,
        };
        let diff = self.store.diff_tree_to_tree(Some(&before), after.as_ref(), None).map_err(failed())?;
        Ok(diff
            .deltas()
            .filter(|delta| delta.old_file().id() != delta.new_file().id())
            .map(|delta| Oid(delta.old_file().id()))
            .collect())
    }

    fn subtree_id(&self, root: &git2::Tree<'_>, path: &[u8]) -> Result<Option<Oid>, RepoError> {
        Ok(self.entry_in(root, path)?.map(|entry| entry.oid))
    }

    /// The position of a commit on its first-parent line, by the last one that is known. That is remembered in the state
    /// folder, where losing it only makes the numbers begin elsewhere.
    fn position_with(&self, remembered: &Remembered, commit: Oid) -> Result<(Oid, u64), RepoError> {
        let file = self.position_file();
        let kept = remembered.position.or_else(|| read_position(&std::fs::read_to_string(&file).ok()?));
        let apart = match kept {
            Some((known, _)) if self.has(known) => self.apart(known, commit)?,
            _ => None,
        };
        let position = match (kept, apart) {
            (None, _) => FIRST_POSITION,
            (Some((_, position)), Some(Apart::Ahead(steps))) => position.saturating_add(steps),
            (Some((_, position)), Some(Apart::Behind(steps))) => return Ok((commit, position.saturating_sub(steps))),
            // Another line, or one whose past is not here any more: behind all that was met.
            (Some((_, position)), None) => position.saturating_add(1),
        };
        let position = (commit, position);
        if kept != Some(position) {
            let draft = file.with_extension("new");
            let written = std::fs::write(&draft, format!("{} {}\n", position.0, position.1));
            if let Err(error) = written.and_then(|()| std::fs::rename(&draft, &file)) {
                tracing::debug!(%error, "the position of the tip is not remembered");
            }
        }
        Ok(position)
    }

    /// Where a commit stands on the first-parent line of another. Walks back from both at once, so that what it costs goes
    /// by how far they are apart and not by what lies behind them.
    fn apart(&self, known: Oid, commit: Oid) -> Result<Option<Apart>, RepoError> {
        let (mut back, mut ahead) = (Some(self.commit(known)?), Some(self.commit(commit)?));
        let mut steps = 0;
        while back.is_some() || ahead.is_some() {
            if ahead.as_ref().is_some_and(|at| at.id() == known.0) {
                return Ok(Some(Apart::Ahead(steps)));
            }
            if back.as_ref().is_some_and(|at| at.id() == commit.0) {
                return Ok(Some(Apart::Behind(steps)));
            }
            ahead = ahead.map_or(Ok(None), |at| self.first_parent(&at))?;
            // Nothing depends on what lies behind the known one.
            back = back.and_then(|at| self.first_parent(&at).ok().flatten());
            steps += 1;
        }
        Ok(None)
    }

    fn position_file(&self) -> PathBuf {
        self.state.join("tip-position")
    }

    /// The first parent; `None` at a root and at a shallow boundary.
    fn first_parent<'a>(&self, commit: &git2::Commit<'a>) -> Result<Option<git2::Commit<'a>>, RepoError> {
        if commit.parent_count() == 0 {
            return Ok(None);
        }
        match commit.parent(0) {
            Ok(parent) => Ok(Some(parent)),
            Err(error) if error.code() == git2::ErrorCode::NotFound && self.store.is_shallow() => Ok(None),
            Err(error) => Err(RepoError::object(format!("reading the parent of commit {}", commit.id()))(error)),
        }
    }
}

/// How many first-parent steps lie between a commit and one that is known.
enum Apart {
    Ahead(u64),
    Behind(u64),
}

/// Whether the entry stands in its folder as it is asked for.
fn stands_in(folders: &BTreeMap<&[u8], git2::Tree<'_>>, entry: &Open) -> bool {
    let folder = folder_of(&entry.path);
    let name = &entry.path[folder.len()..];
    let name = name.strip_prefix(b"/").unwrap_or(name);
    let found = folders.get(folder).and_then(|tree| tree.get_name_bytes(name).map(|found| found.id()));
    found == Some(entry.oid.0)
}

fn folders_of(entries: &[Open]) -> BTreeSet<&[u8]> {
    entries.iter().map(|entry| folder_of(&entry.path)).collect()
}

fn folder_of(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(&[], |end| &path[..end])
}

fn introduction(commit: &git2::Commit<'_>, position: u64) -> Introduced {
    let person = |signature: &git2::Signature<'_>| {
        let (name, email) = (signature.name_bytes(), signature.email_bytes());
        Arc::from(format!("{} <{}>", String::from_utf8_lossy(name), String::from_utf8_lossy(email)))
    };
    Introduced {
        commit: Oid(commit.id()),
        position,
        time: commit.time().seconds(),
        author: person(&commit.author()),
        committer: person(&commit.committer()),
        returned: false,
    }
}

fn read_position(text: &str) -> Option<(Oid, u64)> {
    let (commit, position) = text.strip_suffix('\n')?.split_once(' ')?;
    Some((commit.parse().ok()?, position.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::bench_tests::Bench;
    use super::*;

    fn ask(repo: &Repo, tip: Oid, path: &str) -> Introduced {
        let oid = repo.entry_at(tip, path).unwrap().unwrap().oid;
        let entry = Open { path: path.into(), oid };
        let fresh = repo.reopen(crate::patience::Patience::default()).unwrap();
        let answer = repo.introduced(tip, "requests/", "processed/", std::slice::from_ref(&entry)).unwrap();
        let again = fresh.introduced(tip, "requests/", "processed/", &[entry]).unwrap();
        assert_eq!(answer, again, "what is remembered changes no answer");
        answer[0].clone().unwrap()
    }

    #[test]
    fn edits_reverts_and_the_same_blob_twice() {
        let bench = Bench::local();
        let repo = bench.repo();
        bench.write("requests/a.yml", "one");
        let one = bench.commit("one");
        bench.write("other", "x");
        let two = bench.commit("two");
        let first = ask(&repo, two, "requests/a.yml");
        assert_eq!((first.commit, first.returned), (one, false));
        assert_eq!(&*first.author, "Tester <tester@example.invalid>");
        bench.write("requests/a.yml", "two");
        bench.write("requests/b.yml", "one");
        let three = bench.commit("three");
        assert_eq!(ask(&repo, three, "requests/a.yml").commit, three);
        bench.write("requests/a.yml", "one");
        let four = bench.commit("back to one");
        let edited = ask(&repo, four, "requests/a.yml");
        assert_eq!((edited.commit, edited.position), (four, first.position + 3));
        assert_eq!(ask(&repo, four, "requests/b.yml").commit, three);
        let gone = Open { path: b"requests/none.yml".into(), oid: four };
        assert_eq!(repo.introduced(four, "requests", "processed", &[gone]).unwrap(), [None]);
    }

    #[test]
    fn positions_hold_whichever_commit_is_asked_for_first() {
        let bench = Bench::local();
        let repo = bench.repo();
        bench.write("requests/a.yml", "one");
        let one = bench.commit("one");
        bench.write("requests/b.yml", "two");
        let two = bench.commit("two");
        bench.write("requests/c.yml", "three");
        let three = bench.commit("three");
        let b = ask(&repo, two, "requests/b.yml");
        // Of a commit behind the one that is known, and of one ahead of it.
        assert_eq!(ask(&repo, one, "requests/a.yml").position + 1, b.position);
        assert_eq!(ask(&repo, three, "requests/c.yml").position, b.position + 1);
        // A restart goes on from what was written down.
        let again = bench.repo();
        assert_eq!(ask(&again, three, "requests/a.yml").position + 1, b.position);
    }

    #[test]
    fn the_youngest_files_are_those_of_the_youngest_commits() {
        let bench = Bench::local();
        let repo = bench.repo();
        let commit = |paths: &[&str]| {
            for path in paths {
                bench.write(path, path);
            }
            bench.commit("more")
        };
        commit(&["logs/z/status.yml", "logs/2020/a/status.yml"]);
        commit(&["logs/2019/b/status.yml", "logs/2019/b/log"]);
        commit(&["elsewhere/status.yml", "logs/2020/a/log"]);
        let tip = commit(&["logs/2018/c/status.yml", "logs/2018/d/status.yml"]);
        let youngest = |most, commits_max| -> Vec<String> {
            let found = repo.youngest_added_below(tip, "logs/", "status.yml", most, commits_max).unwrap();
            found
                .into_iter()
                .map(|(path, _)| path["logs/".len()..path.len() - "/status.yml".len()].to_owned())
                .collect()
        };
        assert_eq!(youngest(9, 9), ["2018/d", "2018/c", "2019/b", "z", "2020/a"]);
        assert_eq!(youngest(1, 9), ["2018/d"]);
        assert_eq!(youngest(9, 3), ["2018/d", "2018/c", "2019/b"]);
    }

    #[test]
    fn a_reverted_record_is_returned_and_a_copy_is_not() {
        let bench = Bench::local();
        let repo = bench.repo();
        let dir = bench.clone_dir();
        bench.write("requests/a.yml", "one");
        bench.commit("one");
        std::fs::create_dir_all(dir.join("processed")).unwrap();
        bench.git(&dir, &["mv", "requests/a.yml", "processed/a.yml"]);
        bench.commit("record");
        bench.git(&dir, &["revert", "--no-edit", "HEAD"]);
        assert!(ask(&repo, bench.head(), "requests/a.yml").returned);
        bench.git(&dir, &["reset", "-q", "--hard", "HEAD~1"]);
        bench.write("requests/a.yml", "one");
        assert!(!ask(&repo, bench.commit("same again"), "requests/a.yml").returned);
    }

    #[test]
    fn a_merge_introduces_what_its_branch_brought() {
        let bench = Bench::local();
        let repo = bench.repo();
        let dir = bench.clone_dir();
        bench.git(&dir, &["checkout", "-q", "-b", "side"]);
        bench.write("requests/a.yml", "one");
        let aside = bench.commit("aside");
        bench.git(&dir, &["checkout", "-q", "main"]);
        bench.write("requests/b.yml", "b");
        let before = bench.commit("main goes on");
        bench.git(&dir, &["merge", "-q", "--no-ff", "-m", "merge", "side"]);
        let merge = bench.head();
        let found = ask(&repo, merge, "requests/a.yml");
        assert_eq!(found.commit, merge);
        assert_eq!(found.position, ask(&repo, merge, "requests/b.yml").position + 1);
        assert!(repo.is_ancestor(aside, merge).unwrap() && repo.is_ancestor(merge, merge).unwrap());
        assert!(!repo.is_ancestor(aside, before).unwrap());
        assert!(!repo.is_ancestor("1".repeat(40).parse().unwrap(), merge).unwrap());
    }

    #[test]
    fn a_shallow_boundary_introduces() {
        let bench = Bench::with_remote();
        bench.write("requests/a.yml", "one");
        bench.commit("one");
        bench.write("x", "1");
        let two = bench.commit("two");
        bench.git(&bench.clone_dir(), &["push", "-q", "origin", "main"]);
        let url = format!("file://{}", bench.origin_dir().display());
        bench.git(&bench.path(""), &["clone", "-q", "--depth", "1", &url, "shallow"]);
        bench.git(&bench.path("shallow"), &["remote", "remove", "origin"]);
        let repo = bench.repo_at("shallow");
        assert_eq!(ask(&repo, two, "requests/a.yml").commit, two);
    }

    #[test]
    fn messages_are_shown_from_the_youngest_back() {
        let bench = Bench::local();
        let repo = bench.repo();
        let old = bench.commit("old");
        let new = bench.commit("executor: 3\n\nDispatch-Id: x\n");
        let mut seen = Vec::new();
        repo.walk_messages(new, 2, |commit, message| {
            seen.push((commit, message.to_owned()));
            true
        })
        .unwrap();
        assert_eq!(seen, [(new, "executor: 3\n\nDispatch-Id: x\n".to_owned()), (old, "old\n".to_owned())]);
        let mut count = 0;
        repo.walk_messages(new, 1000, |_, _| {
            count += 1;
            false
        })
        .unwrap();
        assert_eq!(count, 1);
    }

    #[test]
    fn what_a_commit_adds_below_a_folder_is_told_by_its_name() {
        let bench = Bench::local();
        let repo = bench.repo();
        bench.write("logs/old/status.yml", "old");
        bench.commit("old");
        bench.write("logs/old/status.yml", "changed");
        bench.write("logs/2026/a/status.yml", "a");
        bench.write("logs/2026/a/handler.log", "a");
        bench.write("else/b/status.yml", "b");
        let commit = bench.commit("new");
        let added = repo.added_below(commit, "logs/", "status.yml").unwrap();
        let paths: Vec<&str> = added.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["logs/2026/a/status.yml"]);
        assert_eq!(repo.blob(added[0].1, 99).unwrap().1.as_deref(), Some(&b"a"[..]));
        assert!(repo.added_below(commit, "nothing", "status.yml").unwrap().is_empty());
    }
}
