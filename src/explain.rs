//! What each code and word that the program gives out means: why the rule is there, a wrong and a right example, what to do.
//!
//! Owns the form of docs/errors.md, which is compiled in: the page that people read and the answer of `dispatch explain` are one
//! text. Pure, and never decides what is at fault.
//!
//! A section of the page begins with `### WORD: title`. Its first paragraph says what is meant; lines that begin with `Why: ` and
//! `Do: ` say that. A fenced block whose info string is `LANGUAGE wrong WHAT` or `LANGUAGE right WHAT` is an example; WHAT is the file
//! that it stands for (`request`, `index`, `schema`, `config`, `host`, `handler`), or `note` where no file alone can show it.

use serde::Serialize;

use crate::diagnostic::did_you_mean;

/// The page.
const PAGE: &str = include_str!("../docs/errors.md");

/// What one code or word means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The code or word.
    pub word: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// What it is about: the heading above it.
    pub group: &'static str,
    /// What is meant.
    pub means: String,
    /// Why the rule is there.
    pub why: Option<&'static str>,
    /// What to do.
    #[serde(rename = "do")]
    pub todo: Option<&'static str>,
    /// What shows it, wrong and right.
    pub examples: Vec<Example>,
}

/// An example of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Whether it is as it should be.
    pub right: bool,
    /// The file that it stands for, or `note`.
    pub of: &'static str,
    /// The language of its text.
    pub language: &'static str,
    /// The text, whole lines.
    pub text: String,
}

/// Everything that is explained, in the order of the page.
pub fn all() -> Vec<Explanation> {
    read(PAGE)
}

/// What a code or word means; it may be written small, and a number alone is an exit code.
///
/// # Errors
/// The nearest word that there is, as a question, where one is near.
pub fn find(word: &str) -> Result<Explanation, Option<String>> {
    let all = all();
    // A reason in a record carries its details behind it: `exit 3`, `crash: the dispatcher was ended while it ran`.
    let first = word.split([' ', ':']).next().unwrap_or(word);
    let asked = |known: &Explanation| [word, first].iter().any(|word| known.word.eq_ignore_ascii_case(word));
    let Some(found) = all.iter().find(|known| asked(known)) else {
        return Err(did_you_mean(
            &word.to_uppercase(),
            all.iter().map(|known| known.word).filter(|word| is_code(word)),
        )
        .or_else(|| did_you_mean(word, all.iter().map(|known| known.word))));
    };
    Ok(found.clone())
}

/// Whether a text is written like a code: `E0103`.
pub fn is_code(word: &str) -> bool {
    word.len() == 5 && word.starts_with('E') && word[1..].bytes().all(|byte| byte.is_ascii_digit())
}

fn read(page: &'static str) -> Vec<Explanation> {
    let mut found: Vec<Explanation> = Vec::new();
    let mut group = "";
    let mut block: Option<Example> = None;
    for line in page.lines() {
        if let Some(example) = &mut block {
            if line == "```" {
                let ended = block.take();
                if let Some(last) = found.last_mut() {
                    last.examples.extend(ended);
                }
            } else {
                example.text.push_str(line);
                example.text.push('\n');
            }
            continue;
        }
        if let Some(heading) = line.strip_prefix("## ") {
            group = heading;
        } else if let Some((word, title)) = line.strip_prefix("### ").and_then(|heading| heading.split_once(": ")) {
            let (means, examples) = (String::new(), Vec::new());
            found.push(Explanation { word, title, group, means, why: None, todo: None, examples });
        } else if let Some(last) = found.last_mut() {
            if let Some(why) = line.strip_prefix("Why: ") {
                last.why = Some(why);
            } else if let Some(todo) = line.strip_prefix("Do: ") {
                last.todo = Some(todo);
            } else if let Some(info) = line.strip_prefix("```") {
                let mut words = info.split(' ');
                let mut next = || words.next().unwrap_or_default();
                let (language, side, of) = (next(), next(), next());
                block = Some(Example { right: side == "right", of, language, text: String::new() });
            } else if !line.is_empty() && !line.starts_with('#') {
                last.means.push_str(if last.means.is_empty() { "" } else { " " });
                last.means.push_str(line);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use crate::admit::{self, Verdict};
    use crate::contract::source::Folder;
    use crate::contract::{self, Compiled, ContractError};
    use crate::diagnostic::Diagnostic;
    use crate::{host_file, outcome::Outcome};

    /// What examples stand in: a kind whose schema has every sort of rule.
    const SCHEMA: &str = r#"{"type": "object", "required": ["target"], "additionalProperties": false, "properties": {
        "target": {"type": "string", "minLength": 1, "pattern": "^[a-z0-9-]*$"},
        "replicas": {"type": "integer", "minimum": 1, "maximum": 9}, "mode": {"enum": ["fast", "safe"]},
        "day": {"type": "string", "format": "date"}, "hosts": {"type": "array", "uniqueItems": true},
        "labels": {"type": "object", "maxProperties": 2}, "user": {"not": {"const": "root"}},
        "source": {"oneOf": [{"required": ["branch"]}, {"required": ["tag"]}]}}}"#;

    /// The codes that `check` gives for a repository with these files in place of its own.
    fn codes(files: &BTreeMap<&str, &str>) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let text = |of: &str, usual: &'static str| files.get(of).copied().unwrap_or(usual).to_owned();
        for (path, text) in [
            ("handlers/index.yml", text("index", "deploy: handlers/deploy.sh\n")),
            ("handlers/deploy.sh", text("handler", "#!/bin/sh\n")),
            ("schemas/deploy.schema.json", text("schema", SCHEMA)),
            ("codex.repo.yaml", text("config", "codex: {}\n")),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        let code = |faults: &[Diagnostic]| faults.iter().map(|fault| fault.code.to_owned()).collect::<Vec<_>>();
        let host = match host_file::parse("/etc/dispatch/host.yaml", text("host", "").as_bytes()) {
            Ok(host) => host,
            Err(faults) => return code(&faults),
        };
        let tree = Folder::open(folder.path()).unwrap();
        let contract = match contract::load_from(&tree, &mut Compiled::default()) {
            Ok(contract) => contract,
            Err(ContractError::Faults(faults)) => return code(&faults),
            Err(error) => panic!("{error}"),
        };
        let mut found = code(&contract.warnings);
        found.extend(code(&contract.faults()));
        let request = text("request", "kind: deploy\nspec: {target: web-1}\n");
        let id = || uuid::Uuid::nil();
        match admit::admit(&contract.rules, &host, "requests/a.yml", request.as_bytes(), id) {
            Verdict::Rejected(rejection) => found.extend(code(&rejection.faults)),
            Verdict::Ready(admitted) => {
                let now: jiff::Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
                found.extend(admitted.request.expires.filter(|end| *end <= now).map(|_| "E0209".to_owned()));
            }
            Verdict::Command(_) | Verdict::Held { .. } => {}
        }
        found
    }

    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned());
            }
        }
    }

    /// Every code that production code can give out.
    fn codes_in_the_source() -> BTreeSet<String> {
        let mut texts = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
        let mut found = BTreeSet::new();
        for text in &texts {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<String>();
            found.extend(code.split('"').filter(|word| is_code(word)).map(str::to_owned));
        }
        assert!(found.len() > 60, "the codes are not where they are looked for");
        found
    }

    #[test]
    fn every_code_is_explained_and_every_explained_code_is_given_out() {
        let explained: BTreeSet<String> =
            all().iter().map(|known| known.word.to_owned()).filter(|word| is_code(word)).collect();
        let given = codes_in_the_source();
        let missing: Vec<_> = given.difference(&explained).collect();
        let unknown: Vec<_> = explained.difference(&given).collect();
        assert!(missing.is_empty(), "docs/errors.md does not explain {missing:?}");
        assert!(unknown.is_empty(), "docs/errors.md explains what nothing gives out: {unknown:?}");
    }

    #[test]
    fn every_section_is_whole_and_stands_once() {
        let mut seen = BTreeSet::new();
        for Explanation { word, title, group, means, why, todo, examples } in all() {
            assert!(seen.insert(word), "{word} stands twice");
            assert!(!title.is_empty() && !group.is_empty(), "{word}");
            assert!(!means.is_empty() || todo.is_some(), "{word} says nothing");
            if is_code(word) {
                assert!(why.is_some() && todo.is_some(), "{word} lacks why or what to do");
                assert!(group.starts_with(&word[..3]), "{word} stands below {group}");
                for side in [false, true] {
                    assert!(examples.iter().any(|example| example.right == side), "{word} lacks an example");
                }
            }
        }
        for outcome in Outcome::ALL {
            assert!(seen.contains(outcome.as_str()), "{outcome} is not explained");
        }
    }

    /// What is called wrong gives the code, and what is called right, put in its place or beside it, gives nothing.
    #[test]
    fn examples_are_what_they_are_called() {
        for Explanation { word, examples, .. } in all() {
            let of_files =
                |side: bool| examples.iter().filter(move |example| example.right == side && example.of != "note");
            let mut files: BTreeMap<&str, &str> = of_files(false).map(|one| (one.of, one.text.as_str())).collect();
            if !files.is_empty() {
                let found = codes(&files);
                assert!(found.contains(&word.to_owned()), "{word}: the wrong example gives {found:?}");
            }
            files.extend(of_files(true).map(|one| (one.of, one.text.as_str())));
            let found = codes(&files);
            assert!(found.is_empty(), "{word}: the right example gives {found:?}");
        }
    }

    #[test]
    fn words_are_found_as_people_and_records_write_them() {
        for (word, expected) in [
            ("E0103", "E0103"),
            ("e0103", "E0103"),
            ("64", "64"),
            ("exit 3", "exit"),
            ("crash: the dispatcher was ended while it ran", "crash"),
            ("status.yml: failure", "status.yml"),
        ] {
            assert_eq!(find(word).map(|found| found.word), Ok(expected), "{word}");
        }
        assert_eq!(find("E01O3").unwrap_err().as_deref(), Some("did you mean `E0103`?"));
        assert_eq!(find("indetermined").unwrap_err().as_deref(), Some("did you mean `indeterminate`?"));
        assert_eq!(find("something else entirely"), Err(None));
    }
}
