//! Fixtures of handlers: what a request of `tests/handlers/<kind>/` has to come to, read, compared and written. Pure.
//!
//! ```text
//! tests/handlers/deploy/first.yml          a request, as one in the inbox
//! tests/handlers/deploy/first.expect.yml   what it has to come to: this format (docs/fixtures.md)
//! ```
//! Only what an expectation names is compared. In text `…` stands for anything within its line, and in a list of lines a line
//! that is `…` alone for any number of lines: whatever differs from run to run is written so.

mod diff;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

pub use diff::matches_text;
pub use write::written;

use crate::diagnostic::Diagnostic;
use crate::fields::{self, Codes, Fault, Fields};
use crate::job::Level;
use crate::outcome::Outcome;
use crate::paths::on_host;
use crate::yaml::{self, Limits};

/// The folder of all fixtures, one folder a kind.
pub const FOLDER: &str = "tests/handlers";
/// What the names of expectations end with.
pub const ENDING: &str = ".expect.yml";
/// Stands for anything.
pub const ANYTHING: &str = "…";

const CODES: Codes = Codes { shape: "E0951", unknown: "E0952", value: "E0953" };
const KEYS: [&str; 8] = ["outcome", "exit_code", "reason", "result", "output", "artifacts", "files", "given"];
const GIVEN_KEYS: [&str; 4] = ["files", "secrets", "level", "attempt"];
/// The most entries of any list or mapping here.
const LIST_MAX: usize = 10_000;

/// What a request has to come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectation {
    /// How it ends.
    pub outcome: Option<Outcome>,
    /// The record's exit code.
    pub exit_code: Option<i64>,
    /// The record's reason; [`ANYTHING`] may stand in it.
    pub reason: Option<String>,
    /// The record's result.
    pub result: Option<Value>,
    /// What it prints.
    pub output: Option<Text>,
    /// Files that it leaves in its log folder, in any order.
    pub artifacts: Option<Vec<String>>,
    /// What then stands at places of the host.
    pub files: BTreeMap<PathBuf, File>,
    /// What it finds.
    pub given: Given,
}

/// What a handler finds in a test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// Files that stand at places of the host.
    pub files: BTreeMap<PathBuf, String>,
    /// Values of secrets; one that is not named has one made up.
    pub secrets: BTreeMap<String, String>,
    /// Another level than the row's.
    pub level: Option<Level>,
    /// The number of the attempt.
    pub attempt: Option<u32>,
}

/// What text has to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// These lines, and no others.
    Lines(Vec<String>),
    /// Each of these is part of a line, in this order; none of those is part of any.
    Parts {
        /// What is there.
        has: Vec<String>,
        /// What is not.
        lacks: Vec<String>,
    },
}

/// What has to stand at a place of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// Nothing.
    Absent,
    /// A folder with these names in it, in any order.
    Folder(Vec<String>),
    /// A file of such text.
    Text(Text),
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// How it ended.
    pub outcome: Outcome,
    /// As in the record.
    pub exit_code: Option<i32>,
    /// As in the record.
    pub reason: Option<String>,
    /// As in the record.
    pub result: Option<Value>,
    /// What was printed, as `handler.log` shows it.
    pub output: String,
    /// Paths below the log folder.
    pub artifacts: Vec<String>,
    /// What stands at the places that were asked about.
    pub files: BTreeMap<PathBuf, Standing>,
}

/// What stands at a place of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Nothing,
    /// A folder, with the names in it.
    Folder(Vec<String>),
    /// A file's text.
    Text(String),
}

/// One thing that is not as it has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What of the expectation.
    pub what: String,
    /// What is expected and what was found, line by line: `-` and `+` before what differs, as in a patch.
    pub lines: Vec<String>,
}

/// Reads an expectation.
///
/// # Errors
/// Every fault of the file.
pub fn read(file: &str, bytes: &[u8]) -> Result<Expectation, Vec<Diagnostic>> {
    let document = yaml::read(file, bytes, Limits::REPOSITORY).map_err(|fault| vec![fault])?;
    let mut top = Fields::of(&document, "", "an expectation", CODES).map_err(|fault| vec![fault])?;
    top.refuse_unknown(&KEYS);
    if !top.has("outcome") {
        top.fault_here("`outcome` is missing: how does the request end?");
    }
    let outcomes = Outcome::ALL.map(|outcome| (outcome.as_str(), outcome));
    let expected = "text, `absent`, a list of lines, {has: […], lacks: […]} or {folder: […]}";
    let expectation = Expectation {
        outcome: top.read("outcome", "an outcome such as succeeded", fields::word(&outcomes)),
        exit_code: top.read("exit_code", "a whole number", |value| value.as_i64().ok_or(Fault::Shape)),
        reason: top.read("reason", "text", |value| Ok(fields::text(value)?.to_owned())),
        result: top.raw("result").cloned(),
        output: top.read("output", "a list of lines, or {has: […], lacks: […]}", text_of),
        artifacts: top.list("artifacts", LIST_MAX, "a path below the log folder", owned),
        files: top.nested("files", |files| by_path(files, expected, file_of)).unwrap_or_default(),
        given: top.nested("given", read_given).unwrap_or_default(),
    };
    if top.is_sound() { Ok(expectation) } else { Err(top.into_faults()) }
}

fn read_given(given: &mut Fields<'_>) -> Given {
    const LEVELS: [(&str, Level); 3] =
        [("isolated", Level::Isolated), ("confined", Level::Confined), ("none", Level::None)];
    given.refuse_unknown(&GIVEN_KEYS);
    let secrets = given.nested("secrets", |secrets| {
        let names: Vec<&str> = secrets.keys().take(LIST_MAX).collect();
        let read = names.into_iter().filter_map(|name| Some((name.to_owned(), secrets.read(name, "text", owned)?)));
        read.collect()
    });
    Given {
        files: given.nested("files", |files| by_path(files, "text", owned)).unwrap_or_default(),
        secrets: secrets.unwrap_or_default(),
        level: given.read("level", "isolated, confined or none", fields::word(&LEVELS)),
        attempt: given.read("attempt", "a whole number from 1 to 100", fields::count(100)),
    }
}

fn by_path<T>(
    files: &mut Fields<'_>,
    expected: &str,
    read: impl Fn(&Value) -> Result<T, Fault>,
) -> BTreeMap<PathBuf, T> {
    let mut found = BTreeMap::new();
    for key in files.keys().take(LIST_MAX) {
        match on_host(key) {
            Ok(path) => found.extend(files.read(key, expected, &read).map(|value| (path, value))),
            Err(rule) => files.fault(key, format!("`{}` {rule}", fields::shortened(key).escape_debug())),
        }
    }
    found
}

fn owned(value: &Value) -> Result<String, Fault> {
    Ok(fields::text(value)?.to_owned())
}

fn lines_of(value: &Value) -> Result<Vec<String>, Fault> {
    let lines = value.as_array().ok_or(Fault::Shape)?;
    lines
        .iter()
        .map(|line| line.as_str().map(str::to_owned).ok_or(Fault::rule("each line is text: quote it")))
        .collect()
}

fn text_of(value: &Value) -> Result<Text, Fault> {
    let Value::Object(parts) = value else { return Ok(Text::Lines(lines_of(value)?)) };
    if let Some(key) = parts.keys().find(|key| !["has", "lacks"].contains(&key.as_str())) {
        return Err(Fault::Rule(format!("has no key `{}`: `has` and `lacks` are lists", fields::shortened(key))));
    }
    let list = |key| parts.get(key).map(lines_of).transpose().map(Option::unwrap_or_default);
    Ok(Text::Parts { has: list("has")?, lacks: list("lacks")? })
}

fn file_of(value: &Value) -> Result<File, Fault> {
    match value {
        Value::String(word) if word == "absent" => Ok(File::Absent),
        Value::String(text) => Ok(File::Text(Text::Lines(text.lines().map(str::to_owned).collect()))),
        Value::Object(map) if map.len() == 1 && map.contains_key("folder") => {
            Ok(File::Folder(lines_of(&map["folder"])?))
        }
        value => Ok(File::Text(text_of(value)?)),
    }
}

impl Expectation {
    /// What is not as it has to be.
    pub fn differences(&self, found: &Found) -> Vec<Difference> {
        let mut all = Vec::new();
        let mut compare = |what: &str, expected: Option<String>, is: String| {
            if let Some(expected) = expected.filter(|expected| !matches_text(expected, &is)) {
                all.push(Difference { what: what.to_owned(), lines: vec![format!("- {expected}"), format!("+ {is}")] });
            }
        };
        let none = || "(none)".to_owned();
        let outcome = self.outcome.map(|outcome| outcome.as_str().to_owned());
        compare("outcome", outcome, found.outcome.as_str().to_owned());
        let code = |code: Option<i64>| code.map_or_else(none, |code| code.to_string());
        compare("exit_code", self.exit_code.map(|expected| code(Some(expected))), code(found.exit_code.map(i64::from)));
        compare("reason", self.reason.clone(), found.reason.clone().unwrap_or_else(none));
        if let Some(result) = &self.result
            && !diff::matches_value(result, found.result.as_ref().unwrap_or(&Value::Null))
        {
            let lines = diff::values(result, found.result.as_ref());
            all.push(Difference { what: "result".to_owned(), lines });
        }
        all.extend(self.output.as_ref().and_then(|text| text.difference("output", &found.output)));
        all.extend(self.artifacts.as_ref().and_then(|names| diff::sets("artifacts", names, &found.artifacts)));
        for (path, expected) in &self.files {
            let found = found.files.get(path).unwrap_or(&Standing::Nothing);
            all.extend(expected.difference(&format!("files: {}", path.display()), found));
        }
        all
    }
}

impl Text {
    fn difference(&self, what: &str, found: &str) -> Option<Difference> {
        let lines = match self {
            Self::Lines(expected) => diff::lines(expected, found),
            Self::Parts { has, lacks } => diff::parts(has, lacks, found),
        };
        (!lines.is_empty()).then(|| Difference { what: what.to_owned(), lines })
    }
}

impl File {
    fn difference(&self, what: &str, found: &Standing) -> Option<Difference> {
        let shown = match found {
            Standing::Nothing => "nothing stands there",
            Standing::Folder(_) => "a folder stands there",
            Standing::Text(_) => "a file stands there",
        };
        let expected = match (self, found) {
            (Self::Absent, Standing::Nothing) => return None,
            (Self::Text(text), Standing::Text(found)) => return text.difference(what, found),
            (Self::Folder(names), Standing::Folder(found)) => return diff::sets(what, names, found),
            (Self::Absent, _) => "absent",
            (Self::Text(_), _) => "a file",
            (Self::Folder(_), _) => "a folder",
        };
        Some(Difference { what: what.to_owned(), lines: vec![format!("- {expected}"), format!("+ {shown}")] })
    }
}

#[cfg(test)]
mod tests;
