//! The lies that the checker is told (`forged.rs`).

use std::fs;

use git2::Oid;

use crate::checker::Fault;
use crate::forged::{Forge, remove, replace};
use crate::witness::{Event, Sort, Word};

/// One lie, what the checker has to call it, and the sort of request that it is about.
pub struct Lie {
    pub tells: &'static str,
    pub fault: Fault,
    pub about: Option<Sort>,
    pub forge: fn(&mut Forge) -> Result<(), git2::Error>,
}

/// At least one of each sort that a history or a witness can show.
pub const LIES: &[Lie] = &[
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
        tells: "other words than it printed",
        fault: Fault::Torn,
        about: Some(Sort::Quick),
        forge: |forge| {
            forge.tamper(Sort::Quick, &|files, place| {
                replace(files, &format!("logs/{place}/handler.log"), "done", "fine");
            })
        },
    },
    Lie {
        tells: "without what its first attempt printed",
        fault: Fault::Torn,
        about: Some(Sort::Again),
        forge: |forge| forge.tamper(Sort::Again, &|files, place| remove(files, &format!("logs/{place}/handler-1.log"))),
    },
    Lie {
        tells: "another result",
        fault: Fault::Torn,
        about: Some(Sort::Sure),
        forge: |forge| {
            forge.tamper(Sort::Sure, &|files, place| {
                replace(files, &format!("logs/{place}/status.yml"), "\"n\": 1", "\"n\": 2");
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
        tells: "a claim that nobody gave back",
        fault: Fault::Leftover,
        about: None,
        forge: |forge| {
            let repository = forge.open()?;
            let tip = repository.refname_to_id("refs/heads/main")?;
            let name = format!("refs/dispatch/claims/{}", forge.id(Sort::Quick));
            repository.reference(&name, tip, true, "forged").map(drop)
        },
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
