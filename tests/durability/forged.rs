//! The checker with forged evidence: one honest run, and then one lie at a time in a copy of its history or in the words of
//! its witness. A checker that cannot fail is worth nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git2::{Index, IndexEntry, IndexTime, Oid, Repository, Signature};

use crate::checker::{self, Evidence, Fault, Violation};
use crate::lies::LIES;
use crate::rig::{Plan, Rig, git};
use crate::witness::{Event, Sort, Word};

/// The files of a commit: content by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A copy of an honest history that may be tampered with.
pub struct Forge {
    pub evidence: Evidence,
    /// Where the record of each sort stands: `processed/…` without its ending.
    pub places: BTreeMap<Sort, String>,
}

#[test]
fn each_lie_is_seen() -> io::Result<()> {
    let plan = Plan { places: 1, ..Plan::default() };
    let mut rig = Rig::new(plan)?;
    let sorts = [Sort::Quick, Sort::Again, Sort::Leaves, Sort::Invalid, Sort::Sure];
    for sort in sorts {
        // One a commit, with notes between: the order is that of this list, and there is something to overwrite.
        rig.submit_these(&[sort])?;
        rig.foreign()?;
    }
    let mut found = rig.settle()?;
    let mut evidence = rig.evidence()?;
    evidence.disturbed = false;
    found.extend(checker::judge(&evidence)?);
    assert!(found.is_empty(), "an honest run: {found:?}");

    let forge_in = |name: &str| {
        let copy = rig.world.path(name);
        git(&rig.world, rig.world.root(), &["clone", "-q", "--mirror", "origin.git", &copy.display().to_string()])?;
        Forge::new(&evidence, &copy)
    };
    let mut retold = forge_in("retold")?;
    retold.tamper(Sort::Quick, &|_, _| {}).map_err(io::Error::other)?;
    let found = checker::judge(&retold.evidence)?;
    assert!(found.is_empty(), "the truth, told again by the forger: {found:?}");

    let mut wrong = Vec::new();
    for (number, lie) in LIES.iter().enumerate() {
        let mut forge = forge_in(&format!("forged{number}"))?;
        (lie.forge)(&mut forge).map_err(io::Error::other)?;
        let found = checker::judge(&forge.evidence)?;
        let id = lie.about.map(|sort| forge.id(sort));
        let seen = |one: &Violation| one.fault == lie.fault && (id.is_none() || one.id == id);
        if !found.iter().any(seen) {
            wrong.push(format!("{} ({} {id:?}): {found:?}", lie.tells, lie.fault.word()));
        }
    }
    for fault in Fault::ALL.iter().filter(|fault| !matches!(fault, Fault::Restless | Fault::Unsynced)) {
        if !LIES.iter().any(|lie| lie.fault == *fault) {
            wrong.push(format!("no lie is {}", fault.word()));
        }
    }
    wrong.extend(rig.close().iter().map(Violation::to_string));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn what_does_not_come_to_rest_is_seen() -> io::Result<()> {
    let mut rig = Rig::new(Plan::default())?;
    rig.write_host_file(1, "no_such_key: 1\n")?;
    let found = rig.settle()?;
    assert!(found.iter().any(|one| one.fault == Fault::Restless && one.words.contains("host1")), "{found:?}");
    let found = rig.close();
    assert!(found.is_empty(), "{found:?}");
    Ok(())
}

#[test]
fn what_is_left_behind_is_seen() -> io::Result<()> {
    let mut rig = Rig::new(Plan::default())?;
    let (origin, clone) = (rig.origin_git_dir(), rig.clone_of(1).join(".git"));
    for path in [origin.join("refs/heads/main.lock"), origin.join("objects/tmp_obj_x"), clone.join("index.lock")] {
        fs::write(path, "")?;
    }
    // What a test of ours leaves is found like a dispatcher's: by a folder of the rig that it works in.
    let mut sleeper = std::process::Command::new("sleep");
    let mut sleeper = rig.spawn(sleeper.arg("1000").current_dir(rig.world.root()))?;
    let found = rig.close();
    let _ = sleeper.wait();
    for word in ["main.lock", "tmp_obj_x", "index.lock", "sleep"] {
        assert!(found.iter().any(|one| one.fault == Fault::Leftover && one.words.contains(word)), "{word}: {found:?}");
    }
    Ok(())
}

impl Forge {
    fn new(honest: &Evidence, copy: &Path) -> io::Result<Self> {
        let evidence = Evidence { repository: PathBuf::from(copy), ..honest.clone() };
        let mut forge = Self { evidence, places: BTreeMap::new() };
        let files = forge.files_at_tip().map_err(io::Error::other)?;
        for submission in &honest.submissions {
            let (blob, sort) = (&submission.blob, submission.sort);
            let is_it = |bytes: &[u8]| {
                Oid::hash_object(git2::ObjectType::Blob, bytes).is_ok_and(|oid| oid.to_string() == *blob)
            };
            let path = files.iter().find(|(path, bytes)| path.starts_with("processed/") && is_it(bytes));
            let path = path.expect("each is archived").0.trim_start_matches("processed/");
            let place = path.trim_end_matches(".yaml").trim_end_matches(".yml").to_owned();
            forge.places.insert(sort, place);
        }
        Ok(forge)
    }

    pub fn open(&self) -> Result<Repository, git2::Error> {
        Repository::open(&self.evidence.repository)
    }

    pub fn id(&self, sort: Sort) -> String {
        let same = self.evidence.submissions.iter().find(|one| one.sort == sort);
        same.expect("each sort was submitted").id.clone()
    }

    pub fn event(&self, sort: Sort, word: Word) -> Event {
        let id = self.id(sort);
        self.evidence.events.iter().find(|event| event.id == id && event.word == word).expect("it was seen").clone()
    }

    pub fn request(&self, sort: Sort) -> Result<(String, Vec<u8>), git2::Error> {
        let submission = self.evidence.submissions.iter().find(|one| one.sort == sort).expect("submitted");
        let bytes = self.open()?.find_blob(Oid::from_str(&submission.blob)?)?.content().to_vec();
        Ok((submission.path.clone(), bytes))
    }

    pub fn files_at_tip(&self) -> Result<Files, git2::Error> {
        let repository = self.open()?;
        let tip = repository.refname_to_id("refs/heads/main")?;
        files(&repository, tip)
    }

    /// The message of a record commit that names this request alone.
    pub fn message_of(&self, sort: Sort) -> Result<String, git2::Error> {
        let repository = self.open()?;
        let commit = repository.find_commit(self.record_commit(sort)?)?;
        let message = commit.message().unwrap_or_default();
        let state = message.lines().find(|line| line.starts_with("Dispatch-State:")).unwrap_or_default();
        let id = self.id(sort);
        Ok(format!("executor: {id} rc=0\n\nDispatch-Id: {id}\nDispatch-Outcome: succeeded\n{state}\n"))
    }

    fn record_commit(&self, sort: Sort) -> Result<Oid, git2::Error> {
        let repository = self.open()?;
        let archived = format!("processed/{}.y", self.places[&sort]);
        let mut walk = repository.revwalk()?;
        walk.push_ref("refs/heads/main")?;
        walk.set_sorting(git2::Sort::REVERSE | git2::Sort::TOPOLOGICAL)?;
        for commit in walk {
            let commit = commit?;
            if files(&repository, commit)?.keys().any(|path| path.starts_with(&archived)) {
                return Ok(commit);
            }
        }
        Err(git2::Error::from_str("it was never archived"))
    }

    /// Rewrites the commit that records a request, and carries the difference through what follows.
    pub fn tamper(&mut self, sort: Sort, change: &dyn Fn(&mut Files, &str)) -> Result<(), git2::Error> {
        let repository = self.open()?;
        let place = self.places[&sort].clone();
        let first = self.record_commit(sort)?;
        let mut walk = repository.revwalk()?;
        walk.push_ref("refs/heads/main")?;
        walk.hide(repository.find_commit(first)?.parent_id(0)?)?;
        walk.set_sorting(git2::Sort::REVERSE | git2::Sort::TOPOLOGICAL)?;
        let mut parent = repository.find_commit(first)?.parent_id(0)?;
        for commit in walk {
            let commit = repository.find_commit(commit?)?;
            let mut files = files(&repository, commit.id())?;
            change(&mut files, &place);
            parent = write(&repository, parent, commit.message().unwrap_or_default(), &files)?;
        }
        self.move_main(parent)
    }

    pub fn on_top(&mut self, message: &str, change: &dyn Fn(&mut Files)) -> Result<(), git2::Error> {
        let repository = self.open()?;
        let tip = repository.refname_to_id("refs/heads/main")?;
        let mut files = files(&repository, tip)?;
        change(&mut files);
        let commit = write(&repository, tip, message, &files)?;
        self.move_main(commit)
    }

    pub fn move_main(&self, to: Oid) -> Result<(), git2::Error> {
        self.open()?.reference("refs/heads/main", to, true, "forged").map(drop)
    }
}

fn files(repository: &Repository, commit: Oid) -> Result<Files, git2::Error> {
    let mut index = Index::new()?;
    index.read_tree(&repository.find_commit(commit)?.tree()?)?;
    index
        .iter()
        .map(|entry| {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            Ok((path, repository.find_blob(entry.id)?.content().to_vec()))
        })
        .collect()
}

fn write(repository: &Repository, parent: Oid, message: &str, files: &Files) -> Result<Oid, git2::Error> {
    let mut index = Index::new()?;
    for (path, bytes) in files {
        let time = IndexTime::new(0, 0);
        index.add(&IndexEntry {
            ctime: time,
            mtime: time,
            dev: 0,
            ino: 0,
            mode: 0o100_644,
            uid: 0,
            gid: 0,
            file_size: 0,
            id: repository.blob(bytes)?,
            flags: 0,
            flags_extended: 0,
            path: path.clone().into_bytes(),
        })?;
    }
    let tree = repository.find_tree(index.write_tree_to(repository)?)?;
    let who = Signature::now("Forger", "forger@example.com")?;
    repository.commit(None, &who, &who, message, &tree, &[&repository.find_commit(parent)?])
}

pub fn remove(files: &mut Files, head: &str) {
    let before = files.len();
    files.retain(|path, _| !path.starts_with(head));
    assert!(files.len() < before, "nothing begins with {head}");
}

pub fn replace(files: &mut Files, path: &str, from: &str, to: &str) {
    let bytes = files.get_mut(path).expect("there is such a file");
    let text = String::from_utf8_lossy(bytes).into_owned();
    assert!(text.contains(from), "{path} has no `{from}`: {text}");
    *bytes = text.replace(from, to).into_bytes();
}
