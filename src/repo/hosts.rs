//! What hosts say of themselves: the refs below `refs/dispatch/hosts/`, each a commit without a parent that holds one file.
//!
//! A host writes its own ref and no other, by compare-and-swap like every ref of ours. Where the server has another commit
//! there than we know of (a state folder that was lost) it is looked up once. Reading never fetches; fetching goes into our
//! own copy of the repository. What the file says is `host_status.rs`'s.

use std::path::Path;

use super::checkout::Origin;
use super::porcelain::PushClass;
use super::remote::{FetchError, PushError};
use super::{Changeset, Content, Identity, Oid, RefChange, Repo, RepoError, Write, store};
use crate::claim::{self, HOSTS};

/// A longer one is none of ours.
const FILE_BYTES_MAX: usize = 1 << 20;

/// The file of one host, as it was read last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostNote {
    /// The name of the node, by its ref.
    pub node: String,
    /// The commit.
    pub commit: Oid,
    /// When that was made, in seconds since 1970.
    pub time: i64,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Repo {
    /// What hosts said when their refs were fetched last, by name; what is none of ours is passed over.
    pub fn host_notes(&self, file: &str) -> Vec<HostNote> {
        let mut found = notes_in(&self.store, HOSTS, file);
        let prefix = below_fetched();
        match &self.origin {
            Origin::Local => {}
            Origin::Remote { .. } => match store::open_to_look(&self.state) {
                Some(own) => found.extend(notes_in(&own, &prefix, file)),
                None => found.extend(notes_in(&self.store, &prefix, file)),
            },
        }
        // The younger of two.
        found.sort_by(|a, b| a.node.cmp(&b.node).then_with(|| b.time.cmp(&a.time)));
        found.dedup_by(|b, a| a.node == b.node);
        found
    }

    /// Fetches what hosts say of themselves, and nothing else.
    pub fn fetch_hosts(&self) -> Result<(), FetchError> {
        self.fetch_refs(&[format!("+{HOSTS}*:{}*", below_fetched())])
    }

    /// Puts a file in place of what this node said before.
    ///
    /// # Errors
    /// [`PushError`]: nothing was changed, as far as is known.
    pub fn tell_of_host(
        &self,
        node: &str,
        file: (&str, Vec<u8>),
        message: &str,
        identity: &Identity,
        time: i64,
    ) -> Result<(), PushError> {
        let name = claim::host_ref(node);
        let failed = |error: RepoError| self.push_error(PushClass::Other, error.to_string());
        let writes = vec![Write::file(file.0, Content::Bytes(file.1))];
        let changeset = Changeset { removals: Vec::new(), writes };
        let commit = self.commit_on(None, &changeset, message, identity, identity, time).map_err(failed)?.commit;
        let Origin::Remote { push_url, .. } = &self.origin else {
            return self.move_own_ref(&name, commit);
        };
        let kept = format!("{}{node}", below_fetched());
        let known = || self.store.refname_to_id(&kept).ok().map(Oid);
        let before = known();
        let push = |from| self.push_to(push_url, &[RefChange { name: name.clone(), from, to: Some(commit) }], &[]);
        match push(before) {
            Err(error) if error.class == PushClass::LostRace => {
                self.fetch_refs(&[format!("+{name}*:{kept}*")])
                    .map_err(|error| self.push_error(PushClass::Network, error.words))?;
                push(known())?;
            }
            pushed => pushed?,
        }
        let _ = self.store.reference(&kept, commit.0, true, "told");
        if let Some(before) = before.or_else(known).filter(|before| *before != commit) {
            self.forget_said(before);
        }
        Ok(())
    }

    /// Removes the objects of an earlier file from our own copy: nobody asks for them again, and they would gather.
    fn forget_said(&self, commit: Oid) {
        let objects = self.store.path().join("objects");
        let Ok(made) = self.store.find_commit(commit.0) else { return };
        let mut gone = vec![commit, Oid(made.tree_id())];
        if let Ok(tree) = made.tree() {
            gone.extend(tree.iter().map(|entry| Oid(entry.id())));
        }
        for oid in gone {
            let _ = std::fs::remove_file(store::loose_file(&objects, oid));
        }
    }
}

/// Where the refs of hosts are kept in our own copy.
fn below_fetched() -> String {
    let below = HOSTS.strip_prefix(claim::ALL).unwrap_or(HOSTS);
    format!("{}{below}", store::FETCHED_CLAIMS)
}

fn notes_in(store: &git2::Repository, prefix: &str, file: &str) -> Vec<HostNote> {
    let Ok(references) = store.references_glob(&format!("{prefix}*")) else { return Vec::new() };
    let note = |reference: git2::Reference<'_>| {
        let node = reference.name().ok()?.strip_prefix(prefix)?.to_owned();
        let commit = store.find_commit(reference.target()?).ok()?;
        let entry = commit.tree().ok()?.get_path(Path::new(file)).ok()?;
        let blob = store.find_blob(entry.id()).ok().filter(|blob| blob.size() <= FILE_BYTES_MAX)?;
        Some(HostNote { node, commit: Oid(commit.id()), time: commit.time().seconds(), bytes: blob.content().to_vec() })
    };
    references.flatten().filter_map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::super::bench_tests::{Bench, tester};
    use super::*;

    fn tell(repo: &Repo, node: &str, text: &str, time: i64) -> Result<(), PushError> {
        repo.tell_of_host(node, ("status.json", text.into()), "host\n", &tester(), time)
    }
    fn told(repo: &Repo) -> Vec<(String, String)> {
        let notes = repo.host_notes("status.json");
        notes.into_iter().map(|note| (note.node, String::from_utf8(note.bytes).unwrap())).collect()
    }
    fn said(node: &str, text: &str) -> (String, String) {
        (node.to_owned(), text.to_owned())
    }

    #[test]
    fn each_host_has_one_commit_without_a_parent_and_others_read_it() {
        let bench = Bench::with_remote();
        let mut repo = bench.repo();
        repo.fetch().unwrap();
        let loose = || walk(&repo.store.path().join("objects"));
        tell(&repo, "web-1", "one", 1_700_000_000).unwrap();
        let before = loose();
        tell(&repo, "web-1", "two", 1_700_000_060).unwrap();
        assert_eq!(loose(), before, "what was said before does not gather");
        assert_eq!(told(&repo), [said("web-1", "two")], "known without a fetch");
        let at = |args: &[&str]| bench.git(&bench.origin_dir(), args);
        assert_eq!(at(&["rev-list", "--count", "refs/dispatch/hosts/web-1"]), "1");
        assert_eq!(at(&["cat-file", "blob", "refs/dispatch/hosts/web-1:status.json"]), "two");
        // Passes do not fetch them: another host's words are no business of a pass, and no claim.
        at(&["update-ref", "refs/dispatch/hosts/web-2", "refs/dispatch/hosts/web-1"]);
        repo.fetch().unwrap();
        assert_eq!(told(&repo).len(), 1);
        assert!(repo.marks().unwrap().is_empty());
        assert!(repo.unmoved().is_some(), "nor does what they say call for a look");
        repo.fetch_hosts().unwrap();
        assert_eq!(told(&repo), [said("web-1", "two"), said("web-2", "two")]);
        at(&["update-ref", "-d", "refs/dispatch/hosts/web-2"]);
        repo.fetch_hosts().unwrap();
        assert_eq!(told(&repo), [said("web-1", "two")]);
    }

    #[test]
    fn a_host_whose_state_was_lost_finds_its_ref_again() {
        let bench = Bench::with_remote();
        let repo = bench.repo();
        tell(&repo, "web-1", "one", 1_700_000_000).unwrap();
        repo.store.find_reference(&format!("{}web-1", below_fetched())).unwrap().delete().unwrap();
        tell(&repo, "web-1", "two", 1_700_000_060).unwrap();
        let shown = bench.git(&bench.origin_dir(), &["cat-file", "blob", "refs/dispatch/hosts/web-1:status.json"]);
        assert_eq!(shown, "two");
    }

    #[test]
    fn a_server_that_refuses_says_so_and_nothing_changes() {
        let bench = Bench::with_remote();
        let repo = bench.repo();
        bench.hook("update", "case $1 in refs/dispatch/hosts/*) echo branches only >&2; exit 1;; esac");
        let error = tell(&repo, "web-1", "one", 1_700_000_000).unwrap_err();
        assert_eq!(error.class, PushClass::Declined, "{error}");
        assert!(error.words.contains("branches only"), "{error}");
        assert!(told(&repo).is_empty());
    }

    #[test]
    fn without_a_remote_the_ref_is_in_the_repository_itself() {
        let bench = Bench::local();
        let repo = bench.repo();
        tell(&repo, "web-1", "one", 1_700_000_000).unwrap();
        tell(&repo, "web-1", "two", 1_700_000_060).unwrap();
        assert_eq!(told(&repo), [said("web-1", "two")]);
        assert_eq!(bench.git(&bench.clone_dir(), &["rev-list", "--count", "refs/dispatch/hosts/web-1"]), "1");
        bench.git(&bench.clone_dir(), &["fsck", "--strict"]);
    }

    fn walk(dir: &Path) -> usize {
        let entries = std::fs::read_dir(dir).unwrap().flatten();
        entries.map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { 1 }).sum()
    }
}
