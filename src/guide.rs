//! What an agent has to know of a repository: what may be asked for, how to ask, wait and read, and what to leave alone. Made from the
//! router table and the schemas, so that it says what they say; and kept between two marks in files that people write.
//!
//! Pure: it is given the rules, and examples as they stand in the repository. It knows no host: what a machine grants is not the
//! repository's to say.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::admit::{Kind, Rules};
use crate::config::{Layout, RepoConfig};
use crate::outcome::Outcome;
use crate::policy::scalar;
use crate::record::visible;
use crate::request;
use crate::yaml::{self, Limits};

/// Kinds that are told in full; of more the names stand there.
const KINDS_MAX: usize = 20;
/// Keys of a kind that are told.
const KEYS_MAX: usize = 12;
/// Characters of a description.
const WORDS_MAX: usize = 140;
/// Characters of an example; a longer one is no help.
const EXAMPLE_MAX: usize = 600;

/// What stands before the guide in a file.
pub const BEGIN: &str =
    "<!-- dispatch agent-guide: begin (`dispatch agent-guide --write` writes what is between the marks) -->";
/// What stands behind it.
pub const END: &str = "<!-- dispatch agent-guide: end -->";
/// By which the first mark is found, whatever stands behind.
const BEGINS: &str = "<!-- dispatch agent-guide: begin";

/// All of it, for programs.
#[derive(Clone, Debug, Serialize)]
pub struct Guide {
    /// The folder that requests are put into.
    pub inbox: String,
    /// Where they go when they are done.
    pub archive: String,
    /// Where their records appear.
    pub output: String,
    /// The branch that is obeyed.
    pub branch: String,
    /// What may be asked for.
    pub kinds: Vec<KindGuide>,
    /// Kinds that are not told in full.
    pub more_kinds: Vec<String>,
    /// Kinds that the repository's own faults hold.
    pub held_kinds: Vec<String>,
    /// What to do on each outcome.
    pub outcomes: Vec<(Outcome, &'static str)>,
    #[serde(skip)]
    layout: Layout,
}

/// One kind.
#[derive(Clone, Debug, Serialize)]
pub struct KindGuide {
    /// Its name.
    pub kind: String,
    /// What it does.
    pub description: Option<String>,
    /// Its schema file; without one any mapping is taken.
    pub schema: Option<String>,
    /// What its spec holds, required keys first.
    pub keys: Vec<KeyGuide>,
    /// Whether other keys are taken.
    pub open: bool,
    /// A request that is right.
    pub example: Option<String>,
}

/// One key of a spec.
#[derive(Clone, Debug, Serialize)]
pub struct KeyGuide {
    /// Its name.
    pub name: String,
    /// Whether it has to be there.
    pub required: bool,
    /// What it holds, in a few words.
    pub holds: String,
    /// What it is for.
    pub description: Option<String>,
}

/// What to do when a request has ended so.
const TODO: [(Outcome, &str); 8] = [
    (Outcome::Succeeded, "nothing; `result` in the record holds what the handler returned"),
    (
        Outcome::Failed,
        "read the log, mend the cause, ask again with a new request (`dispatch rerun ID` where nothing was to mend)",
    ),
    (Outcome::TimedOut, "as failed; it was ended when its time was up"),
    (Outcome::Killed, "as failed; reason `shutdown` means that the dispatcher was stopped: ask again"),
    (
        Outcome::Rejected,
        "read `error.log`, write a mended request under another name; what is `not_granted` only the machine's owner can allow",
    ),
    (Outcome::Expired, "it never ran; ask again if it is still wanted"),
    (Outcome::Cancelled, "somebody withdrew it; do not ask again by yourself"),
    (Outcome::Indeterminate, "STOP: nobody knows whether it happened. Tell a person; never ask again by yourself"),
];

/// Makes the guide. `examples` are files of the repository that may be requests; the first that is right stands for its kind.
pub fn guide(rules: &Rules, config: &RepoConfig, examples: &[(String, Vec<u8>)]) -> Guide {
    let (mut kinds, mut more_kinds, mut held_kinds) = (Vec::new(), Vec::new(), Vec::new());
    for (name, _) in rules.index.rows() {
        match rules.kinds.get(name) {
            Some(Ok(kind)) if kinds.len() < KINDS_MAX => kinds.push(kind_guide(name, kind, examples)),
            Some(Ok(_)) => more_kinds.push(name.to_owned()),
            _ => held_kinds.push(name.to_owned()),
        }
    }
    Guide {
        inbox: config.inbox.clone(),
        archive: config.archive.clone(),
        output: config.output.clone(),
        branch: config.branch.clone().unwrap_or_else(|| "main".to_owned()),
        kinds,
        more_kinds,
        held_kinds,
        outcomes: TODO.to_vec(),
        layout: config.layout,
    }
}

fn kind_guide(name: &str, kind: &Kind, examples: &[(String, Vec<u8>)]) -> KindGuide {
    let schema = kind.schema.as_ref().map(|schema| schema.value());
    KindGuide {
        kind: name.to_owned(),
        description: kind.row.description.as_deref().or_else(|| schema?.get("description")?.as_str()).map(short),
        schema: kind.schema.as_ref().map(|schema| schema.file().to_owned()),
        keys: schema.map(keys_of).unwrap_or_default(),
        open: schema.is_none_or(|schema| schema.get("additionalProperties") != Some(&Value::Bool(false))),
        example: example_of(name, kind, examples),
    }
}

fn keys_of(schema: &Value) -> Vec<KeyGuide> {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let optional = properties.keys().map(String::as_str).filter(|name| !required.contains(name));
    let key = |name: &str| {
        let of = properties.get(name);
        KeyGuide {
            name: name.to_owned(),
            required: required.contains(&name),
            holds: of.map_or_else(|| "anything".to_owned(), holds),
            description: of.and_then(|of| of.get("description")?.as_str()).map(short),
        }
    };
    required.iter().copied().chain(optional).take(KEYS_MAX).map(key).collect()
}

/// What a value is, in a few words: `integer 1..9, default 5`, `fast | safe`, `list of text`.
fn holds(schema: &Value) -> String {
    let shown = |value: &Value| short(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        let more = if options.len() > 8 { " | …" } else { "" };
        return options.iter().take(8).map(shown).collect::<Vec<_>>().join(" | ") + more;
    }
    if let Some(only) = schema.get("const") {
        return shown(only);
    }
    let mut words = match schema.get("type") {
        Some(Value::String(name)) => match name.as_str() {
            "string" => "text".to_owned(),
            "object" => "mapping".to_owned(),
            "array" => match schema.get("items").map(holds) {
                Some(items) if items != "anything" => format!("list of {items}"),
                _ => "list".to_owned(),
            },
            "boolean" => "true | false".to_owned(),
            other => other.to_owned(),
        },
        Some(Value::Array(names)) => names.iter().map(shown).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    };
    if let Some(format) = schema.get("format").and_then(Value::as_str) {
        let _ = write!(words, " ({})", short(format));
    }
    let bound = |key: &str| schema.get(key).filter(|value| value.is_number()).map(ToString::to_string);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => words = format!("{words} {least}..{most}"),
        (Some(least), None) => words = format!("{words} from {least}"),
        (None, Some(most)) => words = format!("{words} up to {most}"),
        (None, None) => {}
    }
    if let Some(usual) = schema.get("default") {
        let _ = write!(words, ", default {}", shown(usual));
    }
    words
}

/// A request of the kind that its schema takes: one of the repository's own, else the least that can be made.
fn example_of(name: &str, kind: &Kind, examples: &[(String, Vec<u8>)]) -> Option<String> {
    let takes = |text: &str| {
        let document = yaml::read("example.yml", text.as_bytes(), Limits::REQUEST).ok()?;
        kind.schema.as_ref().is_none_or(|schema| schema.validate(&document, "/spec").is_empty()).then_some(())
    };
    let of_spec = |spec: &Value| {
        let empty = spec.as_object().is_none_or(Map::is_empty);
        let spec = if empty { String::new() } else { format!("spec: {}\n", flow(spec)) };
        let text = format!("kind: {}\n{spec}", scalar(name));
        (text.chars().count() <= EXAMPLE_MAX && takes(&text).is_some()).then_some(text)
    };
    let own = examples.iter().filter_map(|(file, bytes)| request::parse(file, bytes).ok());
    let mut specs: Vec<Value> = own.filter(|own| own.request.kind == name).map(|own| own.request.spec).collect();
    // One that shows something stands before one that shows that nothing is needed.
    specs.sort_by_key(|spec| spec.as_object().is_none_or(Map::is_empty));
    specs.extend(kind.schema.as_ref().map_or_else(|| Some(Value::Object(Map::new())), |schema| schema.example()));
    specs.iter().find_map(of_spec)
}

/// A value in one line of YAML.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let items: Vec<String> =
                map.iter().map(|(key, value)| format!("{}: {}", scalar(key), flow(value))).collect();
            format!("{{{}}}", items.join(", "))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A text of the repository, in one line that cannot end the block that it stands in.
fn short(text: &str) -> String {
    let line =
        text.split_whitespace().collect::<Vec<_>>().join(" ").replace("<!--", "").replace("-->", "").replace("```", "");
    let line = visible::line(&line).into_owned();
    match line.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

impl Guide {
    /// The guide as people and agents read it.
    pub fn to_markdown(&self) -> String {
        let Self { inbox, archive, output, branch, .. } = self;
        let record = match self.layout {
            Layout::Flat => format!("{output}/NAME/"),
            Layout::Dated => format!("{output}/YYYY/MM/DD/NAME-ID8/"),
        };
        let mut text = format!(
            "## Asking for something here

A YAML file that is merged to `{branch}` below `{inbox}/` is carried out once by a machine, inside limits, and its record comes back to `{branch}`.
You need Git and nothing else; where the program `dispatch` is at hand, it does the steps for you.

1. Ask: `dispatch submit KIND -s key=value --wait` checks, commits and pushes (`--branch NAME` for a pull request). By hand: write
   `{inbox}/NAME.yml` (`dispatch new KIND` writes a commented one), `dispatch check {inbox}/NAME.yml` (exit 0, or 64 with line and
   reason), commit, and get it to `{branch}`. NAME: letters, digits, `.`, `_`, `-`. One request, one file; never edit one to ask again.
2. Wait: `dispatch wait ID` (exit 0 succeeded, 1 failed, 64 rejected or expired, 124 still waiting). By hand: `git fetch` until the file
   is gone from `{inbox}/`; the same commit brings its record.
3. Read: `dispatch status ID --json`, `dispatch logs ID`, `dispatch why ID`. By hand: `{record}`: `status.yml` (`outcome`, `reason`,
   `result`), `handler.log`, on a rejection `error.log`. `dispatch explain E0403` tells more of a code.

Of the envelope only `kind` is required; `spec`, `id` (a fresh UUID), `timeout: 5m`, `not_before`, `expires`, `resource`,
`idempotency_key` (the same thing once) and `target` may be added. YAML is read strictly: one document, no tags, no merge keys, no key twice;
unknown keys are rejected; quote text that could be read as a number, a time or a boolean (`\"010\"`, `\"42\"`).

### On each outcome

"
        );
        for (outcome, todo) in &self.outcomes {
            let _ = writeln!(text, "- `{outcome}`: {todo}.");
        }
        text.push_str("\n### Kinds\n");
        for kind in &self.kinds {
            kind.write(&mut text);
        }
        let named = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        if !self.more_kinds.is_empty() {
            let _ = write!(text, "\nAlso: {} (`dispatch kinds --json` has their schemas).\n", named(&self.more_kinds));
        }
        if !self.held_kinds.is_empty() {
            let _ = write!(
                text,
                "\nHeld by faults of this repository, which `dispatch check` names: {}.\n",
                named(&self.held_kinds)
            );
        }
        if self.kinds.is_empty() && self.held_kinds.is_empty() {
            text.push_str("\nNone yet: `handlers/index.yml` has no rows.\n");
        }
        let _ = write!(
            text,
            "
### Leave alone

- `{archive}/` and `{output}/`: records are evidence; a request moved back from there is rejected.
- `handlers/`, `schemas/` and `codex.repo.yaml`: only in a change of its own that a person reviews.
- The history of `{branch}` (no force-push), `refs/dispatch/*`, and secrets, which are never in a request or a file here.
- `dispatch run`, `watch`, `adopt` and `resolve` are for the machine's people.
"
        );
        text
    }
}

impl KindGuide {
    fn write(&self, text: &mut String) {
        let about = self.description.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
        let _ = write!(text, "\n`{}`{about}\n", self.kind);
        let key = |key: &KeyGuide| {
            let about = key.description.as_ref().map(|words| format!(", {words}")).unwrap_or_default();
            format!("`{}` {}{about}", key.name, key.holds)
        };
        for (label, required) in [("Required", true), ("Optional", false)] {
            let keys: Vec<String> = self.keys.iter().filter(|known| known.required == required).map(key).collect();
            if !keys.is_empty() {
                let keys = keys.join("; ");
                let _ = writeln!(text, "{label}: {}.", keys.trim_end_matches(['.', '…']));
            }
        }
        if self.schema.is_none() {
            text.push_str("Takes any `spec`: it has no schema.\n");
        }
        if let Some(example) = &self.example {
            let _ = write!(text, "\n```yaml\n{example}```\n");
        } else {
            let schema = self.schema.as_deref().unwrap_or_default();
            let _ = writeln!(text, "No example could be made: read `{schema}`.");
        }
    }
}

/// Why a file cannot take the guide.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkError {
    /// One mark without the other, or in the wrong order.
    #[error("the marks of the guide do not pair: there must be one `{BEGINS} …` and, behind it, one `{END}`")]
    Unpaired,
}

/// The guide between its marks.
pub fn block(guide: &str) -> String {
    format!("{BEGIN}\n{}\n{END}\n", guide.trim())
}

/// The text of a file with the guide in it: between its marks, or at the end where there are none. Everything else stays.
///
/// # Errors
/// The marks do not pair.
pub fn refresh(text: &str, guide: &str) -> Result<String, MarkError> {
    let ends = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let block = block(guide).replace('\n', ends);
    let lines =
        |mark: &str| text.match_indices(mark).map(|(at, _)| at).filter(|at| is_at_start(text, *at)).collect::<Vec<_>>();
    match (&lines(BEGINS)[..], &lines(END)[..]) {
        ([], []) if text.trim().is_empty() => Ok(block),
        ([], []) => Ok(format!("{}{ends}{ends}{block}", text.trim_end())),
        ([begin], [end]) if begin < end => {
            let behind = text[end + END.len()..].trim_start_matches('\r');
            let behind = behind.strip_prefix('\n').unwrap_or(behind);
            Ok(format!("{}{block}{behind}", &text[..*begin]))
        }
        _ => Err(MarkError::Unpaired),
    }
}

fn is_at_start(text: &str, at: usize) -> bool {
    text[..at].is_empty() || text[..at].ends_with('\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use crate::admit::{self, Verdict};
    use crate::policy;
    use crate::route::Index;
    use crate::schema::Schema;

    fn rules(index: &str, schemas: &[(&str, &str)]) -> Rules {
        let index = Index::parse("handlers/index.yml", index.as_bytes(), &RepoConfig::default()).unwrap();
        let mut kinds = BTreeMap::new();
        for (name, row) in index.rows() {
            let Ok(row) = row else { continue };
            let schema = schemas.iter().find(|(kind, _)| *kind == name);
            let schema = schema.map(|(_, text)| Arc::new(Schema::compile("schemas/x.json", text.as_bytes()).unwrap()));
            let (command, blob) = (row.run.clone(), None);
            let kind = Kind { row: row.clone(), command, handler_blob: blob.clone(), schema, schema_blob: blob };
            kinds.insert(name.to_owned(), Ok(Arc::new(kind)));
        }
        Rules { index, kinds }
    }

    const SCHEMA: &str = r#"{"type": "object", "required": ["target"], "additionalProperties": false, "properties": {
        "target": {"type": "string", "pattern": "^[a-z0-9-]+$", "description": "which host --> to\n take"},
        "keep": {"type": "integer", "minimum": 1, "maximum": 9, "default": 5}, "mode": {"enum": ["fast", "safe"]}}}"#;

    #[test]
    fn ten_kinds_are_told_in_less_than_150_lines_and_every_example_is_right() {
        let names: Vec<String> = (0..10).map(|number| format!("kind-{number}")).collect();
        let rows: Vec<String> =
            names.iter().map(|name| format!("{name}: {{run: h.sh, description: Does it}}\n")).collect();
        let index = rows.concat();
        let schemas: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), SCHEMA)).collect();
        let rules = rules(&index, &schemas);
        let guide = guide(&rules, &RepoConfig::default(), &[]);
        let text = guide.to_markdown();
        assert!(text.lines().count() < 150, "{} lines\n{text}", text.lines().count());
        assert!(text.contains("`keep` integer 1..9, default 5; `mode` fast | safe."), "{text}");
        assert_eq!(guide.kinds.len(), 10);
        let host = policy::parse("host.yaml", b"").unwrap();
        for kind in &guide.kinds {
            let example = kind.example.as_deref().unwrap();
            let verdict = admit::admit(&rules, &host, "requests/a.yml", example.as_bytes(), uuid::Uuid::nil);
            assert!(matches!(verdict, Verdict::Ready(_)), "{example}: {verdict:?}");
        }
        assert!(!text.contains("host -->"), "nothing of a schema can end the block");
    }

    #[test]
    fn an_example_of_the_repository_stands_before_one_that_is_made() {
        let rules = rules("a: h.sh\n", &[("a", SCHEMA)]);
        let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
        let files = [
            file("examples/1.yml", "kind: b\nspec: {target: other}"),
            file("examples/2.yml", "kind: a\nspec: {tarqet: wrong}"),
            file("examples/3.yml", "kind: a\nspec: {target: right, keep: 3} # why\nexpires: 2020-01-01T00:00:00Z"),
        ];
        let guide = guide(&rules, &RepoConfig::default(), &files);
        assert_eq!(guide.kinds[0].example.as_deref(), Some("kind: a\nspec: {target: right, keep: 3}\n"));
    }

    #[test]
    fn a_large_repository_stays_within_bounds() {
        let rows: Vec<String> = (0..60).map(|number| format!("k{number:02}: h.sh\n")).collect();
        let guide = guide(&rules(&rows.concat(), &[]), &RepoConfig::default(), &[]);
        assert_eq!((guide.kinds.len(), guide.more_kinds.len()), (20, 40));
        assert!(guide.to_markdown().contains("Also: `k20`, "));
    }

    #[test]
    fn other_text_of_a_file_stays() {
        let old = format!("# Mine\n\nabove\n\n{BEGIN}\nold\n{END}\n\nbelow\n");
        let new = refresh(&old, "new\n").unwrap();
        assert_eq!(new, format!("# Mine\n\nabove\n\n{BEGIN}\nnew\n{END}\n\nbelow\n"));
        assert_eq!(refresh(&new, "new").as_deref(), Ok(new.as_str()), "a second time changes nothing");
        assert_eq!(refresh("", "x").unwrap(), block("x"));
        assert_eq!(refresh("mine", "x").unwrap(), format!("mine\n\n{}", block("x")));
        let windows = "mine\r\n";
        let made = refresh(windows, "a\nb").unwrap();
        assert!(made.starts_with("mine\r\n\r\n") && !made.replace("\r\n", "").contains('\n'), "{made:?}");
        assert_eq!(refresh(&made, "a\nb").as_deref(), Ok(made.as_str()));
        for broken in [format!("{BEGIN}\n"), format!("{END}\n"), format!("{END}\n{BEGIN}\n"), format!("{old}{old}")] {
            assert_eq!(refresh(&broken, "x"), Err(MarkError::Unpaired), "{broken}");
        }
        let quoted = format!("see `{END}` in the middle of a line\n");
        assert!(refresh(&quoted, "x").is_ok());
    }
}
