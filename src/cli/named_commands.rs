//! Tests: every command that a shipped file names can be typed. Files for continuous integration, hooks and the guide for agents are
//! copied into other repositories, where nobody notices that a verb has changed its options.

use std::fs;
use std::path::Path;

use clap::Parser as _;
use serde_json::Value;

use super::Line;
use crate::yaml::{self, Limits};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What is wrong with a command, if anything; words in capitals stand for words of the reader's own.
fn fault(command: &str) -> Option<String> {
    let words: Vec<String> = command
        .split_whitespace()
        .map(|word| match word {
            "ID" => "0198c0de".to_owned(),
            word => word.replace("KIND", "hello").replace("NAME", "name"),
        })
        .collect();
    Line::try_parse_from(&words).err().map(|error| format!("`{command}`: {error}"))
}

/// The commands in lines of shell.
fn commands(script: &str) -> Vec<String> {
    let script = script.replace("\\\n", " ");
    let parts = script.lines().flat_map(|line| line.split("||").flat_map(|part| part.split("&&")));
    let bare = parts.map(|part| part.split(" > ").next().unwrap_or_default().trim().trim_start_matches("- "));
    let named = bare.filter(|part| part.starts_with("dispatch "));
    named.map(str::to_owned).collect()
}

/// Commands in running text: `dispatch …`.
fn commands_in_code(text: &str) -> Vec<String> {
    let spans = text.split('`').skip(1).step_by(2);
    spans.filter(|span| span.starts_with("dispatch ") && !span.contains('\n')).map(str::to_owned).collect()
}

fn document(path: &str) -> Value {
    let text = text(path);
    let read = yaml::read(path, text.as_bytes(), Limits::REPOSITORY);
    read.unwrap_or_else(|fault| panic!("{fault}")).value().clone()
}

#[test]
fn files_for_integration_are_yaml_and_their_commands_exist() {
    assert!(fault("dispatch check --fromat json").is_some() && fault("dispatch chekc").is_some(), "it can fail");
    let mut count = 0;
    for path in ["deploy/ci/github.yml", "deploy/ci/gitlab.yml"] {
        document(path);
        for command in commands(&text(path).replace("run: ", "\n")) {
            assert_eq!(fault(&command), None, "{path}");
            count += 1;
        }
    }
    for hook in document(".pre-commit-hooks.yaml").as_array().expect("a list of hooks") {
        let entry = hook["entry"].as_str().expect("a command");
        assert_eq!(fault(entry), None, "{hook}");
        assert_eq!(hook["language"], "system");
        assert!(hook["id"].is_string() && hook["name"].is_string(), "{hook}");
        count += 1;
    }
    let hook = text("deploy/hooks/pre-commit").replace("\"$dispatch\" check", "\ndispatch check");
    for command in commands(&hook) {
        assert_eq!(fault(&command), None, "the hook");
        count += 1;
    }
    assert!(count >= 8, "{count} commands were found");
}

#[test]
fn integration_asks_for_the_least_that_it_needs() {
    let github = document("deploy/ci/github.yml");
    assert_eq!(github["permissions"], serde_json::json!({ "contents": "read" }));
    let job = &github["jobs"]["check"];
    assert_eq!(job["permissions"], serde_json::json!({ "contents": "read", "security-events": "write" }));
    let steps = job["steps"].as_array().expect("steps");
    assert_eq!(steps[0]["with"]["persist-credentials"], false);
    assert!(!text("deploy/ci/github.yml").contains("secrets."), "no secret is needed");
    let gitlab = document("deploy/ci/gitlab.yml");
    let job = &gitlab["dispatch-check"];
    let report = job["artifacts"]["reports"]["codequality"].as_str().expect("a report");
    let script = job["script"].as_array().expect("a script");
    assert!(script.iter().any(|line| line.as_str().is_some_and(|line| line.contains(report))), "it is written");
}

#[test]
fn commands_of_the_guide_exist() {
    let tree = crate::contract::source::Folder::open(root()).expect("this repository");
    let guide = super::agent_guide::of(&tree).expect("a guide").to_markdown();
    let named = commands_in_code(&guide);
    for verb in ["submit", "new", "check", "wait", "status", "logs", "why", "kinds", "explain", "rerun"] {
        let start = format!("dispatch {verb}");
        assert!(
            named.iter().any(|command| command.starts_with(&start)) || verb == "kinds",
            "the guide names no `{verb}`"
        );
    }
    for command in named {
        assert_eq!(fault(&command), None, "the guide");
    }
}

/// The guides of this repository are those that `agent-guide --write` writes.
#[test]
fn the_guides_of_this_repository_are_fresh() {
    let tree = crate::contract::source::Folder::open(root()).expect("this repository");
    let guide = super::agent_guide::of(&tree).expect("a guide");
    for file in [super::agent_guide::AGENTS, super::agent_guide::README] {
        let now = text(file);
        let fresh = super::agent_guide::refreshed(Path::new(file), &now, &guide.to_markdown()).expect("its marks pair");
        assert_eq!(now, fresh, "{file}: `dispatch agent-guide --write` refreshes it");
    }
}
