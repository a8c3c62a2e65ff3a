//! The refs below `refs/dispatch/` on the remote: reading them as they were last fetched, writing the commits that they
//! point at, and changing them by compare-and-swap.
//!
//! A change names what the ref must point at before it; nothing here overwrites blindly. What an answer of the server
//! means for a claim is not decided here: whoever asked fetches again and looks. `claim.rs` owns names and words.

use super::checkout::Origin;
use super::remote::PushError;
use super::{Changeset, Identity, Oid, Repo, RepoError, store};
use crate::claim::{self, Note};

/// A ref below `refs/dispatch/`, as it was last fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its name on the remote.
    pub name: String,
    /// What it points at.
    pub commit: Oid,
    /// When that was made, in seconds since 1970.
    pub time: i64,
    /// What that says; `None` where it is none of our words.
    pub note: Option<Note>,
}

/// A change of one ref on the remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefChange {
    /// Its name there.
    pub name: String,
    /// What it must point at before; `None`: it must not exist.
    pub from: Option<Oid>,
    /// What it points at afterwards; `None`: it is deleted.
    pub to: Option<Oid>,
}

impl RefChange {
    /// A ref that must not exist before.
    pub fn create(name: impl Into<String>, to: Oid) -> Self {
        Self { name: name.into(), from: None, to: Some(to) }
    }

    /// A ref that is deleted if it still points there.
    pub fn delete(name: impl Into<String>, from: Oid) -> Self {
        Self { name: name.into(), from: Some(from), to: None }
    }

    /// As `--force-with-lease` wants it.
    pub(super) fn lease(&self) -> String {
        let from = self.from.map(|from| from.to_string()).unwrap_or_default();
        format!("--force-with-lease={}:{from}", self.name)
    }

    /// As a refspec.
    pub(super) fn refspec(&self) -> String {
        let to = self.to.map(|to| to.to_string()).unwrap_or_default();
        format!("{to}:{}", self.name)
    }
}

impl Repo {
    /// The refs below `refs/dispatch/` as the last fetch left them; none without a remote.
    pub fn marks(&self) -> Result<Vec<Mark>, RepoError> {
        let failed = || RepoError::object("reading the refs of claims");
        if matches!(self.origin, Origin::Local) {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for reference in self.store.references_glob(&format!("{}*", store::FETCHED_CLAIMS)).map_err(failed())? {
            let reference = reference.map_err(failed())?;
            let (Ok(name), Some(commit)) = (reference.name(), reference.target()) else { continue };
            let Some(below) = name.strip_prefix(store::FETCHED_CLAIMS) else { continue };
            if format!("{}{below}", claim::ALL).starts_with(claim::HOSTS) {
                continue;
            }
            // Somebody may have put a tag or a blob there: it is in the way all the same.
            let made = self.store.find_commit(commit).ok();
            let message = made.as_ref().map(|commit| String::from_utf8_lossy(commit.message_bytes()).into_owned());
            found.push(Mark {
                name: format!("{}{below}", claim::ALL),
                commit: Oid(commit),
                time: made.map_or(0, |commit| commit.time().seconds()),
                note: message.and_then(|message| Note::parse(&message)),
            });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Writes the commit of a note: without parent and files, and like no other, because of its nonce.
    pub fn write_note(&self, note: &Note, identity: &Identity, time: i64) -> Result<Oid, RepoError> {
        let built = self.commit_on(None, &Changeset::default(), &note.message(), identity, identity, time)?;
        Ok(built.commit)
    }

    /// Changes refs on the remote: with `whole` all of them or none, else each for itself. Not even `Ok` is proof of
    /// anything but that there is something to look at.
    pub fn push_marks(&self, changes: &[RefChange], whole: bool) -> Result<(), PushError> {
        match &self.origin {
            Origin::Local => Err(self.no_remote()),
            Origin::Remote { push_url, .. } => {
                let how: &[&str] = if whole { &["--atomic"] } else { &[] };
                self.push_to(push_url, changes, how)?;
                self.forget_deleted(changes);
                Ok(())
            }
        }
    }

    /// Moves the branch from `base` to `commit` and deletes these refs of ours, all in one: neither happens without the
    /// other.
    pub fn push_record(&self, base: Oid, commit: Oid, ends: &[RefChange]) -> Result<(), PushError> {
        let Origin::Remote { push_url, .. } = &self.origin else { return self.push(Some(base), commit) };
        if ends.is_empty() {
            return self.push(Some(base), commit);
        }
        let branch = RefChange { name: self.branch_ref(), from: Some(base), to: Some(commit) };
        let changes: Vec<RefChange> = std::iter::once(branch).chain(ends.iter().cloned()).collect();
        self.push_to(push_url, &changes, &["--atomic"])?;
        self.forget_deleted(&changes);
        Ok(())
    }

    /// So that nobody takes for held what we have just given back; the next fetch does the same.
    fn forget_deleted(&self, changes: &[RefChange]) {
        for change in changes.iter().filter(|change| change.to.is_none()) {
            let Some(below) = change.name.strip_prefix(claim::ALL) else { continue };
            let _ = self
                .store
                .find_reference(&format!("{}{below}", store::FETCHED_CLAIMS))
                .and_then(|mut reference| reference.delete());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bench_tests::{Bench, tester};
    use super::super::{Content, PushClass, Write};
    use super::*;
    use crate::claim::Purpose;
    use crate::id::RequestId;
    use uuid::Uuid;

    fn note(node: &str, purpose: Purpose) -> Note {
        Note { purpose, node: node.into(), state: Uuid::from_u128(7), nonce: Uuid::new_v4() }
    }
    fn id(n: u8) -> RequestId {
        RequestId::derived("c", "p", &n.to_string())
    }
    fn claim_of(repo: &Repo, node: &str, n: u8, key: &str) -> Vec<RefChange> {
        let path = format!("requests/{n}.yml");
        [Purpose::Claim { id: id(n), path: path.clone() }, Purpose::Lock { key: key.into(), id: id(n), path }]
            .map(|purpose| note(node, purpose))
            .map(|note| RefChange::create(note.name(), repo.write_note(&note, &tester(), 1_700_000_000).unwrap()))
            .into()
    }
    /// The request and its node at each ref.
    fn holders(repo: &mut Repo) -> Vec<String> {
        repo.fetch().unwrap();
        let shown = |mark: Mark| {
            let note = mark.note.expect("a note of ours");
            format!("{} {}", &mark.name["refs/dispatch/".len()..][..5], note.node)
        };
        repo.marks().unwrap().into_iter().map(shown).collect()
    }

    #[test]
    fn of_two_claims_one_is_won_whole_and_pushing_it_again_changes_nothing() {
        let bench = Bench::with_remote();
        let mut repo = bench.repo();
        let (mine, theirs) = (claim_of(&repo, "web-1", 1, "a"), claim_of(&repo, "web-2", 1, "b"));
        repo.push_marks(&theirs, true).unwrap();
        assert_eq!(repo.push_marks(&mine, true).unwrap_err().class, PushClass::LostRace);
        // Not even the resource that was free is taken.
        assert_eq!(holders(&mut repo), ["claim web-2", "locks web-2"]);
        repo.push_marks(&theirs, true).expect("up to date is no error, and no win: the refs say whose they are");
        let other = claim_of(&repo, "web-1", 2, "b");
        assert_eq!(repo.push_marks(&other, true).unwrap_err().class, PushClass::LostRace, "the resource is taken");
        assert_eq!(holders(&mut repo), ["claim web-2", "locks web-2"]);
    }

    #[test]
    fn a_record_moves_the_branch_and_ends_its_claims_in_one() {
        let bench = Bench::with_remote();
        let mut repo = bench.repo();
        let tip = repo.fetch().unwrap().commit;
        let changeset =
            Changeset { removals: vec![], writes: vec![Write::file("logs/a", Content::Bytes(b"x".to_vec()))] };
        let on = |base, message| {
            repo.commit_on(Some(base), &changeset, message, &tester(), &tester(), 1_700_000_000).unwrap().commit
        };
        let (record, elsewhere) = (on(tip, "a"), on(tip, "b"));
        let claim = claim_of(&repo, "web-1", 1, "a");
        let ends: Vec<RefChange> =
            claim.iter().map(|made| RefChange::delete(made.name.clone(), made.to.unwrap())).collect();
        // A claim that is not there, or not ours any more, keeps the branch where it is.
        let lost = repo.push_record(tip, record, &ends).unwrap_err();
        assert_eq!(lost.class, PushClass::LostRace, "{lost}");
        assert_eq!(repo.fetch().unwrap().commit, tip);
        repo.push_marks(&claim, true).unwrap();
        repo.fetch().unwrap();
        // And a branch that has moved keeps the claim.
        let stale = RefChange::delete(ends[0].name.clone(), record);
        assert_eq!(repo.push_record(tip, record, &[stale]).unwrap_err().class, PushClass::LostRace);
        assert_eq!(repo.push_record(elsewhere, record, &ends).unwrap_err().class, PushClass::LostRace);
        assert_eq!(holders(&mut repo).len(), 2);
        repo.push_record(tip, record, &ends).unwrap();
        assert!(repo.marks().unwrap().is_empty(), "known without another fetch");
        assert!(holders(&mut repo).is_empty());
        assert_eq!(repo.fetch().unwrap().commit, record);
    }

    #[test]
    fn refs_come_and_go_with_every_fetch_and_what_is_not_ours_is_seen() {
        let bench = Bench::with_remote();
        let mut repo = bench.repo();
        let claim = claim_of(&repo, "web-1", 1, "a");
        repo.push_marks(&claim, true).unwrap();
        bench.git(&bench.origin_dir(), &["update-ref", "refs/dispatch/claims/odd", "main"]);
        repo.fetch().unwrap();
        let marks = repo.marks().unwrap();
        assert_eq!(marks.iter().filter(|mark| mark.note.is_none()).count(), 1);
        assert_eq!(marks.len(), 3);
        for name in [&claim[0].name, &claim[1].name, "refs/dispatch/claims/odd"] {
            bench.git(&bench.origin_dir(), &["update-ref", "-d", name]);
        }
        repo.fetch().unwrap();
        assert!(repo.marks().unwrap().is_empty());
    }

    #[test]
    fn a_server_that_refuses_says_so() {
        let bench = Bench::with_remote();
        let repo = bench.repo();
        let refused = |repo: &Repo| repo.push_marks(&claim_of(repo, "web-1", 1, "a"), true).unwrap_err();
        let set = |key: &str, value: &str| bench.git(&bench.origin_dir(), &["config", key, value]);
        set("receive.advertiseAtomic", "false");
        let error = refused(&repo);
        assert_eq!(error.class, PushClass::Configuration, "{error}");
        assert!(error.words.contains("--atomic"), "{error}");
        set("receive.advertiseAtomic", "true");
        set("receive.hideRefs", "refs/dispatch");
        let error = refused(&repo);
        assert_eq!(error.class, PushClass::Declined, "{error}");
        assert!(error.words.contains("hidden"), "{error}");
        set("receive.hideRefs", "refs/nothing");
        bench.hook("update", "case $1 in refs/dispatch/locks/*) echo no locks here >&2; exit 1;; esac");
        let error = refused(&repo);
        assert_eq!(error.class, PushClass::Declined, "{error}");
        assert!(error.words.contains("no locks here") && error.words.contains("hook declined"), "{error}");
        let local = Bench::local();
        assert_eq!(refused(&local.repo()).class, PushClass::Configuration);
    }

    #[test]
    fn a_server_that_is_beaten_while_it_works_counts_as_a_lost_race() {
        let bench = Bench::with_remote();
        let repo = bench.repo();
        let claim = claim_of(&repo, "web-1", 1, "a");
        bench.hook("pre-receive", &format!("env -u GIT_QUARANTINE_PATH git update-ref {} main", claim[0].name));
        let error = repo.push_marks(&claim, true).unwrap_err();
        assert_eq!(error.class, PushClass::LostRace, "{error}");
    }
}
