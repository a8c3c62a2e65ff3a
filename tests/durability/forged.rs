//! The checker with forged evidence: one honest run, and then one lie at a time in a copy of its history or in the words of
//! its witness. A checker that cannot fail is worth nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use git2::{Index, IndexEntry, IndexTime, Oid, Repository, Signature};

use crate::checker::{self, Evidence, Fault, Violation};
use crate::rig::{Plan, Rig, git};
use crate::witness::{Event, Sort, Word};

/// The files of a commit: content by path.
type Files = BTreeMap<String, Vec<u8>>;

/// A copy of an honest history that may be tampered with.
struct Forge {
    evidence: Evidence,
    /// Where the record of each sort stands: `processed/…` without its ending.
    places: BTreeMap<Sort, String>,
}

/// One lie, what the checker has to call it, and the sort of request that it is about.
struct Lie {
    tells: &'static str,
    fault: Fault,
    about: Option<Sort>,
    forge: fn(&mut Forge) -> Result<(), git2::Error>,
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
    for fault in Fault::ALL.iter().filter(|fault| !matches!(fault, Fault::Restless | Fault::Leftover | Fault::Unsynced))
    {
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

const LIES: &[Lie] = &[
    Lie {
        tells: "a request that is in no place any more",
        fault: Fault::Lost,
        about: Some(Sort::Quick),
        forge: |forge| forge.tamper(Sort::Quick, &|files, place| remove(files, &format!("processed/{place}.y"))),
    },
    Lie {
        tells: "main without its last record",
        fault: Fault::Lost,
        about: None,
        forge: |forge| {
            let repository = forge.open()?;
            let tip = repository.refname_to_id("refs/heads/main")?;
            let parent = repository.find_commit(tip)?.parent_id(0)?;
            forge.move_main(parent)
        },
    },
    Lie {
        tells: "archived, and in the inbox still",
        fault: Fault::Duplicated,
        about: Some(Sort::Quick),
        forge: |forge| {
            let (path, blob) = forge.request(Sort::Quick)?;
            forge.tamper(Sort::Quick, &|files, _| drop(files.insert(path.clone(), blob.clone())))
        },
    },
    Lie {
        tells: "recorded twice",
        fault: Fault::Duplicated,
        about: Some(Sort::Sure),
        forge: |forge| {
            let place = forge.places[&Sort::Sure].clone();
            let message = forge.message_of(Sort::Sure)?;
            forge.on_top(&message, &|files| {
                for (path, bytes) in files.clone() {
                    for head in ["logs", "processed"] {
                        if let Some(rest) = path.strip_prefix(&format!("{head}/{place}")) {
                            files.insert(format!("{head}/{place}-2{rest}"), bytes.clone());
                        }
                    }
                }
            })
        },
    },
    Lie {
        tells: "at most once, begun twice",
        fault: Fault::Duplicated,
        about: Some(Sort::Quick),
        forge: |forge| {
            let event = forge.event(Sort::Quick, Word::Begin);
            forge.evidence.events.push(Event { attempt: 2, ..event });
            Ok(())
        },
    },
    Lie {
        tells: "one attempt, begun twice",
        fault: Fault::Duplicated,
        about: Some(Sort::Sure),
        forge: |forge| {
            let event = forge.event(Sort::Sure, Word::Begin);
            forge.evidence.events.push(event);
            Ok(())
        },
    },
    Lie {
        tells: "archived without any record",
        fault: Fault::Torn,
        about: Some(Sort::Quick),
        forge: |forge| forge.tamper(Sort::Quick, &|files, place| remove(files, &format!("logs/{place}/"))),
    },
    Lie {
        tells: "a record without its log",
        fault: Fault::Torn,
        about: Some(Sort::Quick),
        forge: |forge| forge.tamper(Sort::Quick, &|files, place| remove(files, &format!("logs/{place}/log.jsonl"))),
    },
    Lie {
        tells: "a log that is cut off",
        fault: Fault::Torn,
        about: Some(Sort::Sure),
        forge: |forge| {
            forge.tamper(Sort::Sure, &|files, place| {
                let log = files.get_mut(&format!("logs/{place}/log.jsonl")).expect("a log");
                log.truncate(log.len() / 2);
            })
        },
    },
    Lie {
        tells: "a log with a gap, and the digest to it",
        fault: Fault::Torn,
        about: Some(Sort::Sure),
        forge: |forge| {
            forge.tamper(Sort::Sure, &|files, place| {
                let name = format!("logs/{place}/log.jsonl");
                let log = String::from_utf8(files[&name].clone()).expect("a log is text");
                let lines: Vec<&str> = log.split_inclusive('\n').collect();
                let cut = [&lines[..1], &lines[2..]].concat().concat();
                let digest = |text: &str| {
                    use sha2::{Digest, Sha256};
                    data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
                };
                replace(files, &format!("logs/{place}/status.yml"), &digest(&log), &digest(&cut));
                files.insert(name, cut.into_bytes());
            })
        },
    },
    Lie {
        tells: "a status that is none",
        fault: Fault::Torn,
        about: Some(Sort::Quick),
        forge: |forge| {
            forge.tamper(Sort::Quick, &|files, place| {
                files.insert(format!("logs/{place}/status.yml"), b"status: succ".to_vec());
            })
        },
    },
    Lie {
        tells: "without the reason of its refusal",
        fault: Fault::Torn,
        about: Some(Sort::Invalid),
        forge: |forge| forge.tamper(Sort::Invalid, &|files, place| remove(files, &format!("logs/{place}/error.log"))),
    },
    Lie {
        tells: "another artifact",
        fault: Fault::Torn,
        about: Some(Sort::Leaves),
        forge: |forge| {
            forge.tamper(Sort::Leaves, &|files, place| {
                drop(files.insert(format!("logs/{place}/report.txt"), Vec::new()));
            })
        },
    },
    Lie {
        tells: "an attempt left out, the numbers with a gap",
        fault: Fault::Torn,
        about: Some(Sort::Again),
        forge: |forge| {
            forge.tamper(Sort::Again, &|files, place| {
                replace(files, &format!("logs/{place}/status.yml"), "- number: 1", "- number: 7");
            })
        },
    },
    Lie {
        tells: "archive first and the record in a commit of its own",
        fault: Fault::Torn,
        about: Some(Sort::Quick),
        forge: |forge| {
            let place = forge.places[&Sort::Quick].clone();
            let before = forge.files_at_tip()?;
            let message = forge.message_of(Sort::Quick)?;
            forge.tamper(Sort::Quick, &|files, place| remove(files, &format!("logs/{place}/")))?;
            forge.on_top(&message, &|files| {
                let own = before.iter().filter(|(path, _)| path.starts_with(&format!("logs/{place}/")));
                files.extend(own.map(|(path, bytes)| (path.clone(), bytes.clone())));
            })
        },
    },
    Lie {
        tells: "a file beside all records",
        fault: Fault::Torn,
        about: None,
        forge: |forge| {
            forge.tamper(Sort::Quick, &|files, _| drop(files.insert("logs/stray/x".to_owned(), b"x".to_vec())))
        },
    },
    Lie {
        tells: "an earlier record was rewritten",
        fault: Fault::Changed,
        about: None,
        forge: |forge| {
            let (place, message) = (forge.places[&Sort::Quick].clone(), forge.message_of(Sort::Quick)?);
            forge.on_top(&message, &|files| {
                replace(files, &format!("logs/{place}/status.yml"), "duration_ms", "duration__ms");
            })
        },
    },
    Lie {
        tells: "somebody else rewrote a record",
        fault: Fault::Changed,
        about: None,
        forge: |forge| {
            let place = forge.places[&Sort::Quick].clone();
            forge.on_top("notes", &|files| remove(files, &format!("logs/{place}/")))?;
            let tip = forge.open()?.refname_to_id("refs/heads/main")?;
            forge.evidence.commits.insert(tip.to_string());
            Ok(())
        },
    },
    Lie {
        tells: "other bytes archived than were submitted",
        fault: Fault::Changed,
        about: None,
        forge: |forge| {
            forge.tamper(Sort::Quick, &|files, place| {
                let path = files.keys().find(|path| path.starts_with(&format!("processed/{place}.y"))).cloned();
                files.get_mut(&path.expect("archived")).expect("there").extend(b"# edited\n");
            })
        },
    },
    Lie {
        tells: "a success whose handler nobody saw end",
        fault: Fault::Untrue,
        about: Some(Sort::Quick),
        forge: |forge| {
            let id = forge.id(Sort::Quick);
            forge.evidence.events.retain(|event| event.id != id || event.word != Word::End);
            Ok(())
        },
    },
    Lie {
        tells: "a handler ran for what was refused",
        fault: Fault::Untrue,
        about: Some(Sort::Invalid),
        forge: |forge| {
            let event = forge.event(Sort::Quick, Word::Begin);
            forge.evidence.events.push(Event { id: forge.id(Sort::Invalid), ..event });
            Ok(())
        },
    },
    Lie {
        tells: "another outcome than it had",
        fault: Fault::Untrue,
        about: Some(Sort::Quick),
        forge: |forge| {
            forge.tamper(Sort::Quick, &|files, place| {
                replace(files, &format!("logs/{place}/status.yml"), "outcome: succeeded", "outcome: indeterminate");
            })
        },
    },
    Lie {
        tells: "without one of its locks",
        fault: Fault::Untrue,
        about: Some(Sort::Quick),
        forge: |forge| {
            let id = forge.id(Sort::Quick);
            for event in forge.evidence.events.iter_mut().filter(|event| event.id == id) {
                event.resources = vec!["another".to_owned()];
            }
            Ok(())
        },
    },
    Lie {
        tells: "a start that the record does not have",
        fault: Fault::Unrecorded,
        about: Some(Sort::Sure),
        forge: |forge| {
            let event = forge.event(Sort::Sure, Word::Begin);
            forge.evidence.events.push(Event { attempt: 2, ..event });
            Ok(())
        },
    },
    Lie {
        tells: "begun while another on the resource went on",
        fault: Fault::Overlap,
        about: Some(Sort::Sure),
        forge: |forge| {
            let event = forge.event(Sort::Sure, Word::Begin);
            let first = forge.id(Sort::Quick);
            let at = forge.evidence.events.iter().position(|one| one.id == first && one.word == Word::End);
            forge.evidence.events.retain(|one| *one != event);
            forge.evidence.events.insert(at.expect("it ended"), event);
            Ok(())
        },
    },
    Lie {
        tells: "begun while something killed still lived",
        fault: Fault::Overlap,
        about: Some(Sort::Sure),
        forge: |forge| {
            let event = forge.event(Sort::Sure, Word::Begin);
            forge.evidence.events.push(Event { word: Word::Clash, ..event });
            Ok(())
        },
    },
    Lie {
        tells: "the last first",
        fault: Fault::Order,
        about: Some(Sort::Quick),
        forge: |forge| {
            let last = forge.id(Sort::Sure);
            let (mut first, rest): (Vec<Event>, Vec<Event>) =
                forge.evidence.events.drain(..).partition(|event| event.id == last);
            first.extend(rest);
            forge.evidence.events = first;
            Ok(())
        },
    },
    Lie {
        tells: "somebody's commit is lost, as after a forced push",
        fault: Fault::Foreign,
        about: None,
        forge: |forge| {
            let repository = forge.open()?;
            let tip = repository.refname_to_id("refs/heads/main")?;
            forge.on_top("notes", &|files| drop(files.insert("notes/9.txt".to_owned(), b"x".to_vec())))?;
            let lost = repository.refname_to_id("refs/heads/main")?;
            forge.evidence.commits.insert(lost.to_string());
            forge.move_main(tip)
        },
    },
    Lie {
        tells: "main was moved back and forth again",
        fault: Fault::Foreign,
        about: None,
        forge: |forge| {
            let repository = forge.open()?;
            repository.config()?.set_str("core.logAllRefUpdates", "always")?;
            let tip = repository.refname_to_id("refs/heads/main")?;
            let parent = repository.find_commit(tip)?.parent_id(0)?;
            forge.move_main(parent)?;
            forge.move_main(tip)
        },
    },
    Lie {
        tells: "a file of somebody else in a record commit",
        fault: Fault::Foreign,
        about: None,
        forge: |forge| {
            forge.tamper(Sort::Quick, &|files, _| drop(files.insert("notes/0.txt".to_owned(), b"mine\n".to_vec())))
        },
    },
    Lie {
        tells: "a commit of nobody",
        fault: Fault::Foreign,
        about: None,
        forge: |forge| forge.on_top("who was it", &|files| drop(files.insert("x".to_owned(), Vec::new()))),
    },
    Lie {
        tells: "an object is gone",
        fault: Fault::Unsound,
        about: None,
        forge: |forge| {
            let repository = forge.open()?;
            // Written loose just now, so that there is one file to remove.
            forge.on_top("notes", &|files| drop(files.insert("notes/9.txt".to_owned(), b"lost\n".to_vec())))?;
            let blob = Oid::hash_object(git2::ObjectType::Blob, b"lost\n")?.to_string();
            let file = repository.path().join("objects").join(&blob[..2]).join(&blob[2..]);
            fs::remove_file(file).map_err(|error| git2::Error::from_str(&error.to_string()))
        },
    },
];

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

    fn open(&self) -> Result<Repository, git2::Error> {
        Repository::open(&self.evidence.repository)
    }

    fn id(&self, sort: Sort) -> String {
        let same = self.evidence.submissions.iter().find(|one| one.sort == sort);
        same.expect("each sort was submitted").id.clone()
    }

    fn event(&self, sort: Sort, word: Word) -> Event {
        let id = self.id(sort);
        self.evidence.events.iter().find(|event| event.id == id && event.word == word).expect("it was seen").clone()
    }

    fn request(&self, sort: Sort) -> Result<(String, Vec<u8>), git2::Error> {
        let submission = self.evidence.submissions.iter().find(|one| one.sort == sort).expect("submitted");
        let bytes = self.open()?.find_blob(Oid::from_str(&submission.blob)?)?.content().to_vec();
        Ok((submission.path.clone(), bytes))
    }

    fn files_at_tip(&self) -> Result<Files, git2::Error> {
        let repository = self.open()?;
        let tip = repository.refname_to_id("refs/heads/main")?;
        files(&repository, tip)
    }

    /// The message of a record commit that names this request alone.
    fn message_of(&self, sort: Sort) -> Result<String, git2::Error> {
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
    fn tamper(&mut self, sort: Sort, change: &dyn Fn(&mut Files, &str)) -> Result<(), git2::Error> {
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

    fn on_top(&mut self, message: &str, change: &dyn Fn(&mut Files)) -> Result<(), git2::Error> {
        let repository = self.open()?;
        let tip = repository.refname_to_id("refs/heads/main")?;
        let mut files = files(&repository, tip)?;
        change(&mut files);
        let commit = write(&repository, tip, message, &files)?;
        self.move_main(commit)
    }

    fn move_main(&self, to: Oid) -> Result<(), git2::Error> {
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

fn remove(files: &mut Files, head: &str) {
    let before = files.len();
    files.retain(|path, _| !path.starts_with(head));
    assert!(files.len() < before, "nothing begins with {head}");
}

fn replace(files: &mut Files, path: &str, from: &str, to: &str) {
    let bytes = files.get_mut(path).expect("there is such a file");
    let text = String::from_utf8_lossy(bytes).into_owned();
    assert!(text.contains(from), "{path} has no `{from}`: {text}");
    *bytes = text.replace(from, to).into_bytes();
}
