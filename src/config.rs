//! `codex.repo.yaml`: the repository's contract, that is where requests, records and the archive lie and what is obeyed.
//!
//! Owns the keys below `codex`, in both nestings that are in the wild. Keys that it does not know are warnings, because
//! real repositories carry more than these; a known key of the wrong type is a fault. It reads no file and no branch.
//!
//! | code | fault |
//! |---|---|
//! | E0701 | a value of the wrong type |
//! | E0702 | an unknown key (a warning) |
//! | E0703 | a value breaks a rule of its key |
//! | E0704 | `codex` stands at top level and below `repo` |
//! | E0705 | folders are the same, or one lies in another |

use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::fields::{self, Codes, Fault, Fields};
use crate::paths::{in_repository, is_within};
use crate::yaml::{self, Document, Limits};

/// The file's path in the repository.
pub const PATH: &str = "codex.repo.yaml";

const CODES: Codes = Codes { shape: "E0701", unknown: "E0702", value: "E0703" };

const KEYS: [&str; 9] = [
    "deploy_trigger_path",
    "deploy_output_path",
    "mainline_branch",
    "enforce_merge_before_execution",
    "cleanup_after_success",
    "archive_path",
    "layout",
    "retention",
    "commit_suffix",
];

/// What a repository says of itself. Folders are in normal form: relative, no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoConfig {
    /// Where requests lie (`deploy_trigger_path`).
    pub inbox: String,
    /// Where records go (`deploy_output_path`).
    pub output: String,
    /// Where requests go when they are done (`archive_path`).
    pub archive: String,
    /// The branch that is obeyed (`mainline_branch`); none means the one that the repository itself calls its main one.
    pub branch: Option<String>,
    /// Whether only what is on the mainline runs (`enforce_merge_before_execution`).
    pub merged_only: bool,
    /// Whether scratch folders of succeeded runs are removed (`cleanup_after_success`).
    pub cleanup: bool,
    /// How records and the archive are laid out.
    pub layout: Layout,
    /// How long things are kept.
    pub retention: Retention,
    /// What the subject of each commit ends with, such as `[skip ci]`; may be empty.
    pub commit_suffix: String,
}

/// How records and the archive are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `logs/<name>`: the original contract.
    Flat,
    /// `logs/YYYY/MM/DD/<name>-<id8>`.
    Dated,
}

/// How long things are kept; none means for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// The handlers' output.
    pub output: Option<Duration>,
}

impl Default for RepoConfig {
    /// The original contract, which holds where the file or a key is missing.
    fn default() -> Self {
        Self {
            inbox: "requests".into(),
            output: "logs".into(),
            archive: "processed".into(),
            branch: None,
            merged_only: true,
            cleanup: true,
            layout: Layout::Flat,
            retention: Retention::default(),
            commit_suffix: String::new(),
        }
    }
}

impl RepoConfig {
    /// The three folders that requests and records live in: no handler and no schema lies there.
    pub fn folders(&self) -> [&str; 3] {
        [&self.inbox, &self.output, &self.archive]
    }
}

/// A contract that was read, and what a person should be warned of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// The contract.
    pub config: RepoConfig,
    /// Keys that are not obeyed.
    pub warnings: Vec<Diagnostic>,
}

/// Reads `codex.repo.yaml`. A file without `codex` gives the defaults, as a missing file does.
///
/// # Errors
/// Every fault with its place; the first alone where the text is no YAML that is accepted.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Read, Vec<Diagnostic>> {
    let document = match yaml::read(file, bytes, Limits::REPOSITORY) {
        Ok(document) => document,
        Err(fault) if fields::is_no_document(&fault) => return Ok(Read::default()),
        Err(fault) => return Err(vec![fault]),
    };
    let Some(pointer) = codex_pointer(&document).map_err(|fault| vec![fault])? else {
        return Ok(Read::default());
    };
    let mut fields = Fields::of(&document, pointer, "`codex`", CODES).map_err(|fault| vec![fault])?;
    let warnings = fields.unknown(&KEYS);
    let (config, retention_warnings) = read_config(&mut fields);
    if fields.is_sound() {
        for fault in overlaps(&config, &document, pointer) {
            fields.push(fault);
        }
    }
    if fields.is_sound() {
        Ok(Read { config, warnings: [warnings, retention_warnings].concat() })
    } else {
        Err(fields.into_faults())
    }
}

/// Where `codex` stands, if anywhere.
fn codex_pointer(document: &Document) -> Result<Option<&'static str>, Diagnostic> {
    Fields::of(document, "", "the file", CODES)?;
    let has = |pointer| document.value().pointer(pointer).is_some();
    match (has("/codex"), has("/repo/codex")) {
        (true, true) => {
            let message = "`codex` stands at top level and below `repo`: which one holds?";
            Err(document.fault_at_key("E0704", "/repo/codex", message).expected("one of the two"))
        }
        (true, false) => Ok(Some("/codex")),
        (false, true) => Ok(Some("/repo/codex")),
        (false, false) => Ok(None),
    }
}

fn read_config(fields: &mut Fields<'_>) -> (RepoConfig, Vec<Diagnostic>) {
    let default = RepoConfig::default();
    let folder_expected = "a folder in the repository, such as requests/";
    let mut warnings = Vec::new();
    let retention = fields.nested("retention", |retention| {
        warnings = retention.unknown(&["output"]);
        Retention { output: retention.read("output", "a duration such as 90d", fields::positive_duration) }
    });
    let config = RepoConfig {
        inbox: fields.read("deploy_trigger_path", folder_expected, folder).unwrap_or(default.inbox),
        output: fields.read("deploy_output_path", folder_expected, folder).unwrap_or(default.output),
        archive: fields.read("archive_path", folder_expected, folder).unwrap_or(default.archive),
        branch: fields.read("mainline_branch", "a branch such as main", branch),
        merged_only: fields
            .read("enforce_merge_before_execution", "true or false", fields::flag)
            .unwrap_or(default.merged_only),
        cleanup: fields.read("cleanup_after_success", "true or false", fields::flag).unwrap_or(default.cleanup),
        layout: fields
            .read("layout", "flat or dated", fields::word(&[("flat", Layout::Flat), ("dated", Layout::Dated)]))
            .unwrap_or(default.layout),
        retention: retention.unwrap_or_default(),
        commit_suffix: fields
            .read("commit_suffix", "text on one line, such as \"[skip ci]\"", suffix)
            .unwrap_or_default(),
    };
    (config, warnings)
}

/// Folders that are the same, or one of them inside another: the archive would be read as an inbox.
fn overlaps(config: &RepoConfig, document: &Document, pointer: &str) -> Vec<Diagnostic> {
    let folders = [
        ("deploy_trigger_path", &config.inbox),
        ("deploy_output_path", &config.output),
        ("archive_path", &config.archive),
    ];
    let pairs = [(0, 1), (0, 2), (1, 2)].map(|(one, other)| (folders[one], folders[other]));
    pairs
        .into_iter()
        .filter(|((_, one), (_, other))| is_within(one, other) || is_within(other, one))
        .map(|((one_key, one), (key, folder))| {
            let message = format!("`{key}` ({folder}) and `{one_key}` ({one}) must be separate folders");
            document.fault_at_value("E0705", &fields::pointer(pointer, key), message)
        })
        .collect()
}

fn folder(value: &serde_json::Value) -> Result<String, Fault> {
    in_repository(fields::text(value)?).map_err(Fault::rule)
}

fn suffix(value: &serde_json::Value) -> Result<String, Fault> {
    if value.as_str() == Some("") { Ok(String::new()) } else { fields::line(100)(value) }
}

/// Reads a branch's short name.
///
/// # Errors
/// The name breaks git's rules for references, or is one in full (`refs/heads/main`).
pub fn branch(value: &serde_json::Value) -> Result<String, Fault> {
    let name = fields::line(200)(value)?;
    if name.starts_with("refs/") {
        return Err(Fault::rule("must be the short name: `main`, not `refs/heads/main`"));
    }
    let bad_step = |step: &str| step.is_empty() || step.starts_with('.') || step.strip_suffix(".lock").is_some();
    let bad = name.split('/').any(bad_step)
        || name.contains([' ', '~', '^', ':', '?', '*', '[', '\\'])
        || name.contains("..")
        || name.contains("@{")
        || name.starts_with('-')
        || name.ends_with('.')
        || matches!(name.as_str(), "@" | "HEAD");
    if bad { Err(Fault::Rule(format!("`{name}` is no branch name that git accepts"))) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(text: &str) -> RepoConfig {
        parse(PATH, text.as_bytes()).unwrap().config
    }

    #[test]
    fn missing_means_the_original_contract() {
        for text in ["", "# later\n", "{}", "repo: {purpose: x}", "repo: x", "other: 1", "codex: {}"] {
            assert_eq!(config(text), RepoConfig::default(), "{text:?}");
        }
        assert_eq!(RepoConfig::default().layout, Layout::Flat);
    }

    #[test]
    fn both_nestings_and_every_key() {
        let keys = "{deploy_trigger_path: ./in/, deploy_output_path: out//, mainline_branch: release/1, enforce_merge_before_execution: false, \
                    cleanup_after_success: false, archive_path: done, layout: dated, retention: {output: 90d}, commit_suffix: \"[skip ci]\"}";
        let expected = RepoConfig {
            inbox: "in".into(),
            output: "out".into(),
            archive: "done".into(),
            branch: Some("release/1".into()),
            merged_only: false,
            cleanup: false,
            layout: Layout::Dated,
            retention: Retention { output: Some(Duration::from_hours(24 * 90)) },
            commit_suffix: "[skip ci]".into(),
        };
        assert_eq!(config(&format!("codex: {keys}")), expected);
        assert_eq!(config(&format!("repo:\n  purpose: x\n  codex: {keys}")), expected);
    }

    #[test]
    fn unknown_keys_warn() {
        let read =
            parse(PATH, b"codex: {deploy_trigger_paht: x/, agents: [a], retention: {logs: 1d}, commit_suffix: ''}")
                .unwrap();
        let messages: Vec<_> = read.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(messages, ["unknown key `deploy_trigger_paht`", "unknown key `agents`", "unknown key `logs`"]);
        assert_eq!(read.warnings[0].help.as_deref(), Some("did you mean `deploy_trigger_path`?"));
        assert_eq!(read.config, RepoConfig::default());
    }

    #[test]
    fn faults() {
        for (text, code, part) in [
            ("[]", "E0701", "the file cannot be a list"),
            ("codex: requests/", "E0701", "`codex` cannot be text"),
            ("codex: {layout: nested}", "E0703", "there is no `nested`"),
            ("codex: {deploy_trigger_path: /requests}", "E0703", "is absolute"),
            ("codex: {deploy_trigger_path: ../r}", "E0703", "must not hold `..`"),
            ("codex: {deploy_trigger_path: ''}", "E0703", "is empty"),
            ("codex: {deploy_output_path: .}", "E0703", "is empty"),
            ("codex: {archive_path: .git/x}", "E0703", "git's own folder"),
            ("codex: {archive_path: 7}", "E0701", "`archive_path` cannot be a number"),
            ("codex: {cleanup_after_success: yes}", "E0703", "write true or false"),
            ("codex: {mainline_branch: refs/heads/main}", "E0703", "short name"),
            ("codex: {retention: {output: 90}}", "E0703", "has no unit"),
            ("codex: {commit_suffix: \"a\\nb\"}", "E0703", "does not print"),
            ("codex: {}\nrepo: {codex: {}}", "E0704", "which one holds"),
            (
                "codex: {archive_path: requests/}",
                "E0705",
                "`archive_path` (requests) and `deploy_trigger_path` (requests)",
            ),
            ("codex: {archive_path: requests/done}", "E0705", "must be separate folders"),
            ("codex: {deploy_trigger_path: logs/in}", "E0705", "must be separate folders"),
        ] {
            let faults = parse(PATH, text.as_bytes()).unwrap_err();
            assert!(
                faults.len() == 1 && faults[0].code == code && faults[0].message.contains(part),
                "{text}: {faults:?}"
            );
        }
        assert!(parse(PATH, b"codex: {archive_path: requests-done}").is_ok());
    }

    #[test]
    fn branches_that_git_refuses() {
        for good in ["main", "release/1.0", "a-b_c"] {
            assert_eq!(branch(&json!(good)), Ok(good.into()));
        }
        for bad in [
            "", "-x", "a b", "a..b", "a/", "/a", "a//b", ".a", "a.lock", "a.lock/b", "x@{1}", "@", "HEAD", "a:b", "a*",
            "a.", "a\\b",
        ] {
            assert!(branch(&json!(bad)).is_err(), "{bad:?}");
        }
    }
}
