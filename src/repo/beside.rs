//! Two folders read side by side, that of the records and that of their requests: what each name has in both, or only what has
//! changed since two older states of them. Reads these folders alone, and nothing below them.

use std::collections::BTreeMap;

use super::objects::{plain, trimmed};
use super::{MODE_FOLDER, Oid, Repo, RepoError};

/// The trees of two folders; `None` where there is no such folder.
pub type Pair = (Option<Oid>, Option<Oid>);

/// What stands under one name in two folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// The name.
    pub name: String,
    /// The folder of that name in the first one.
    pub left: Option<Oid>,
    /// The folder of that name in the second one.
    pub right: Option<Oid>,
    /// Whether the second one has something of that name with one of the extensions.
    pub is_filed: bool,
}

impl Repo {
    /// The folders at two paths of a commit's tree.
    pub fn pair_at(&self, commit: Oid, paths: (&str, &str)) -> Result<Pair, RepoError> {
        let root = self.root(commit)?;
        let folder = |path: &str| -> Result<Option<Oid>, RepoError> {
            let entry = self.entry_in(&root, trimmed(path.as_bytes()))?;
            Ok(entry.filter(|entry| entry.mode == MODE_FOLDER).map(|entry| entry.oid))
        };
        Ok((folder(paths.0)?, folder(paths.1)?))
    }

    /// The names of two folders, in rising order. Where an older state of both is given and still there, only those under
    /// which something has changed since, or is gone; the second value is true where it was all names instead.
    pub fn side_by_side(
        &self,
        now: Pair,
        was: Option<Pair>,
        extensions: &[&str],
    ) -> Result<(Vec<Beside>, bool), RepoError> {
        let read = |tree: Option<Oid>| tree.map(|tree| self.tree(tree)).transpose();
        let (left, right) = (read(now.0)?, read(now.1)?);
        let is_there = |tree: Option<Oid>| tree.is_none_or(|tree| self.has(tree));
        let was = was.filter(|was| is_there(was.0) && is_there(was.1));
        let (old_left, old_right) = match was {
            Some(was) => (read(was.0)?, read(was.1)?),
            None => (None, None),
        };
        let mut found: BTreeMap<String, Beside> = BTreeMap::new();
        let mut meet = |name: &[u8]| {
            let Ok(name) = std::str::from_utf8(name) else { return };
            if found.contains_key(name) {
                return;
            }
            let folder = |tree: Option<&git2::Tree<'_>>| {
                let entry = tree.and_then(|tree| tree.get_name_bytes(name.as_bytes()).map(|entry| plain(&entry)));
                entry.filter(|entry| entry.mode == MODE_FOLDER).map(|entry| entry.oid)
            };
            let has = |file: String| right.as_ref().is_some_and(|tree| tree.get_name_bytes(file.as_bytes()).is_some());
            let is_filed = extensions.iter().any(|extension| has(format!("{name}{extension}")));
            let beside =
                Beside { name: name.to_owned(), left: folder(left.as_ref()), right: folder(right.as_ref()), is_filed };
            found.insert(name.to_owned(), beside);
        };
        changed(old_left.as_ref(), left.as_ref(), &mut meet);
        changed(old_right.as_ref(), right.as_ref(), |name| {
            for extension in extensions {
                if let Some(stem) = name.strip_suffix(extension.as_bytes()) {
                    meet(stem);
                }
            }
            meet(name);
        });
        Ok((found.into_values().collect(), was.is_none()))
    }
}

/// Shows each name under which two trees differ.
fn changed(was: Option<&git2::Tree<'_>>, now: Option<&git2::Tree<'_>>, mut show: impl FnMut(&[u8])) {
    for (these, those, only_gone) in [(now, was, false), (was, now, true)] {
        for entry in these.into_iter().flatten() {
            let other = those.and_then(|tree| tree.get_name_bytes(entry.name_bytes()));
            let differs = match other {
                None => true,
                Some(other) => !only_gone && (other.id() != entry.id() || other.filemode_raw() != entry.filemode_raw()),
            };
            if differs {
                show(entry.name_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench_tests::Bench;
    use super::*;

    #[test]
    fn only_changed_names_are_shown_and_all_where_the_old_state_is_gone() {
        let bench = Bench::local();
        for (path, text) in [("l/a/s", "1"), ("r/a.yml", "1"), ("l/b/s", "1"), ("r/b.yaml", "1"), ("r/d/x.yml", "1")] {
            bench.write(path, text);
        }
        let (repo, one) = (bench.repo(), bench.commit("one"));
        let was = repo.pair_at(one, ("l", "r/")).unwrap();
        let names = |found: Vec<Beside>| -> Vec<(String, bool, bool, bool)> {
            let plain = found.into_iter().map(|it| (it.name, it.left.is_some(), it.right.is_some(), it.is_filed));
            plain.collect()
        };
        let ends = [".yml", ".yaml"];
        let (all, whole) = repo.side_by_side(was, None, &ends).unwrap();
        let filed: Vec<_> = names(all).into_iter().filter(|it| it.1 || it.2).collect();
        let it = |name: &str, left, right, filed| (name.to_owned(), left, right, filed);
        assert_eq!(filed, [it("a", true, false, true), it("b", true, false, true), it("d", false, true, false)]);
        assert!(whole);
        bench.write("l/c/s", "2");
        bench.git(&bench.clone_dir(), &["rm", "-q", "r/b.yaml"]);
        let now = repo.pair_at(bench.commit("two"), ("l", "r")).unwrap();
        let (some, whole) = repo.side_by_side(now, Some(was), &ends).unwrap();
        let some = names(some);
        assert!(!whole && some.contains(&it("c", true, false, false)) && some.contains(&it("b", true, false, false)));
        assert!(some.iter().all(|name| name.0 != "a" && name.0 != "d"), "{some:?}");
        let gone: Oid = "0123456789012345678901234567890123456789".parse().unwrap();
        let (all, whole) = repo.side_by_side(now, Some((Some(gone), was.1)), &ends).unwrap();
        assert!(whole && names(all).iter().any(|name| name.0 == "a"));
        assert_eq!(repo.side_by_side((None, None), Some(was), &ends).unwrap().0.len(), 5, "a, a.yml, b, b.yaml, d");
    }
}
