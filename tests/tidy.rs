//! Holds the shape of the tree: the floors of the source, its headers and sizes, and what tracked files may not say.
//!
//! Each rule gathers every fault with its file and line, and each is tried on a wrong text first, so that it can fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The floors, highest first. A module may use those of its own floor and of lower ones, and never in a circle.
/// A new module gets a place here; ARCHITECTURE.md says what each floor is for.
const FLOORS: [(&str, &[&str]); 6] = [
    ("faces", &["main", "cli"]),
    (
        "orchestration",
        &[
            "dispatch",
            "watch",
            "recover",
            "submit",
            "plan",
            "rehearsal",
            "health",
            "retention",
            "selftest",
            "host_check",
            "trial",
            "view",
            "report",
        ],
    ),
    (
        "shell",
        &[
            "archive", "contract", "env_file", "hand_in", "host", "inbox", "journal", "lock", "metrics", "notify",
            "publish", "repo", "run", "spool", "statedir",
        ],
    ),
    (
        "core",
        &[
            "admit",
            "bundle",
            "claim",
            "command",
            "config",
            "form",
            "guide",
            "fixture",
            "handler",
            "host_file",
            "pause",
            "host_status",
            "policy",
            "queue",
            "rate",
            "record",
            "redact",
            "rerun",
            "route",
            "row",
            "scaffold",
            "schema",
            "state",
            "template",
        ],
    ),
    ("nouns", &["event", "id", "job", "outcome", "probe", "request"]),
    (
        "ground",
        &[
            "backoff",
            "clock",
            "diagnostic",
            "durable",
            "explain",
            "fields",
            "paths",
            "patience",
            "planted",
            "removal",
            "resource",
            "room",
            "units",
            "yaml",
        ],
    ),
];

/// Floors that touch no file, process, clock or random source.
const PURE_FLOORS: [&str; 2] = ["core", "nouns"];

/// What a pure module may not name.
const IMPURE: [&str; 11] = [
    "std::fs",
    "std::process",
    "std::env",
    "std::net",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "now_v7",
    "new_v4",
    "git2::",
];

/// Files that may be longer than [`LINES_MAX`], each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];

const LINES_MAX: usize = 700;

/// Names that say nothing about what a module owns.
const NAMELESS: [&str; 6] = ["utils", "util", "helpers", "common", "manager", "types"];

/// Parts of texts that would tie the tree to one machine or one registry. Put together here, so that this file has none.
const FOREIGN: [&str; 9] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/."),
    concat!("/wo", "rk/main"),
    concat!("/wo", "rk/shared"),
    concat!("/wo", "rk/h/"),
    concat!("crates", ".io"),
    concat!("py", "pi.org"),
    concat!("npm", "js."),
    concat!("proxy.go", "lang"),
];

/// A source file of `src/`: its path from there, the module it belongs to, and its text.
struct Source {
    path: String,
    module: String,
    text: String,
}

/// One use of another module.
struct Import {
    line: usize,
    module: String,
}

#[test]
fn imports_go_down() {
    let upward = ["//! x\nuse crate::cli::render;\n", "//! x\nfn f() { crate::{journal::{a, b}, cli}; }\n"];
    for text in upward {
        assert_eq!(faults_of_floors(&[source("yaml.rs", text)]).len(), if text.contains("journal") { 2 } else { 1 });
    }
    assert_eq!(faults_of_floors(&[source("unheard_of.rs", "//! x\n")]).len(), 1);
    assert_none(&faults_of_floors(&sources()));
}

#[test]
fn imports_form_no_circle() {
    let circle = [source("config.rs", "use crate::schema::A;"), source("schema.rs", "use crate::{config};")];
    assert_eq!(circles(&circle).len(), 1);
    assert_none(&circles(&sources()));
}

#[test]
fn core_and_nouns_are_pure() {
    assert_eq!(impurities(&[source("state.rs", "fn f() { std::fs::read(\"x\"); }\n")]).len(), 1);
    assert_none(&impurities(&sources()));
}

#[test]
fn sources_are_headed_short_and_named() {
    let long = format!("//! x\n{}", "\n".repeat(LINES_MAX));
    for (path, text) in [("a.rs", "fn f() {}\n"), ("a.rs", long.as_str()), ("run/utils.rs", "//! x\n")] {
        assert_eq!(faults_of_form(&[source(path, text)]).len(), 1, "{path}: {text:.40}");
    }
    assert_none(&faults_of_form(&sources()));
    for (path, reason) in LONG_FILES {
        let lines = fs::read_to_string(root().join("src").join(path)).map_or(0, |text| text.lines().count());
        assert!(lines > LINES_MAX && !reason.is_empty(), "{path} needs no exception any more");
    }
}

#[test]
fn unwrap_belongs_to_tests() {
    let text = "//! .unwrap() in words\nfn f() { x.unwrap(); }\n#[cfg(test)]\nmod tests { fn g() { y.unwrap(); } }\n";
    assert_eq!(unwraps(&[source("a.rs", text)]).len(), 1);
    assert_none(&unwraps(&sources()));
}

#[test]
fn tracked_files_name_no_machine_and_no_registry() {
    assert_eq!(foreign("a.md", &format!("fine\nsee {}me/x\n", FOREIGN[0])).len(), 1);
    let mut faults = Vec::new();
    for path in tracked_files() {
        // Lock files are cargo's own, and inputs of fuzzers are not to be read; binary files have no words.
        if path.ends_with("Cargo.lock") || path.starts_with("fuzz/corpus/") {
            continue;
        }
        if let Ok(text) = fs::read_to_string(root().join(&path)) {
            faults.extend(foreign(&path, &text));
        }
    }
    assert_none(&faults);
}

#[test]
fn each_schema_is_json_and_has_its_page() {
    let pages: String = ["docs", "handlers", "."].iter().flat_map(|folder| markdown(&root().join(folder))).collect();
    let mut faults = Vec::new();
    for folder in ["schemas", "schemas/dispatch", "schemas/dispatch/output"] {
        for path in entries(&root().join(folder)) {
            let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
            let Some(stem) = name.strip_suffix(".schema.json") else { continue };
            let text = fs::read_to_string(&path).expect("a readable schema");
            let schema: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            if schema.get("$schema").is_none() {
                faults.push(format!("{folder}/{name}: no JSON Schema that names its draft"));
            }
            // A file format's page links the schema; a kind's page has the kind in code.
            let kind = if folder == "schemas" { format!("`{stem}`") } else { format!("`dispatch.{stem}`") };
            if !pages.contains(&name) && !pages.contains(&kind) {
                faults.push(format!("{folder}/{name}: no page names it or {kind}"));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn the_readme_begins_with_the_two_commands() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let block = readme.split("```").nth(1).unwrap_or_default();
    for command in ["scripts/dispatch.sh demo", "scripts/test.sh"] {
        assert!(block.contains(command), "the first block of README.md lacks `{command}`: {block}");
    }
}

#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    for script in ["scripts/bench.sh", "scripts/dispatch.sh", "scripts/soak.sh", "scripts/test.sh", ".ci/run"] {
        let path = root().join(script);
        let mode = fs::metadata(&path).unwrap_or_else(|error| panic!("{script}: {error}")).permissions().mode();
        assert!(mode & 0o111 != 0, "{script} is not executable");
        let parsed = Command::new("sh").arg("-n").arg(&path).status().expect("sh");
        assert!(parsed.success(), "{script} does not parse");
    }
}

fn faults_of_floors(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources {
        let Some(floor) = floor_of(&source.module) else {
            if source.module != "lib" {
                faults.push(format!("src/{}: `{}` has no floor in tests/tidy.rs", source.path, source.module));
            }
            continue;
        };
        for Import { line, module } in imports(source) {
            if floor_of(&module).is_some_and(|other| other < floor) {
                let (from, to) = (FLOORS[floor].0, FLOORS[floor_of(&module).expect("just found")].0);
                faults.push(format!("src/{}:{line}: {from} must not use `{module}` of {to}", source.path));
            }
        }
    }
    faults
}

fn circles(sources: &[Source]) -> Vec<String> {
    let mut edges: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    for source in sources {
        for Import { line, module } in imports(source) {
            if module != source.module && floor_of(&module).is_some() {
                let place = format!("src/{}:{line}", source.path);
                edges.entry(&source.module).or_default().entry(module).or_insert(place);
            }
        }
    }
    // What nothing uses, or uses nothing that is left, is in no circle; what remains at the end is.
    loop {
        let all: BTreeSet<String> = edges.keys().map(|&module| module.to_owned()).collect();
        let used: BTreeSet<String> = edges.values().flat_map(BTreeMap::keys).cloned().collect();
        let before = edges.values().map(BTreeMap::len).sum::<usize>();
        edges.retain(|module, _| used.contains(*module));
        for targets in edges.values_mut() {
            targets.retain(|target, _| all.contains(target));
        }
        edges.retain(|_, targets| !targets.is_empty());
        if edges.values().map(BTreeMap::len).sum::<usize>() == before {
            break;
        }
    }
    if edges.is_empty() {
        return Vec::new();
    }
    let steps = edges.iter().flat_map(|(module, targets)| {
        targets.iter().map(move |(target, place)| format!("  {module} uses {target} at {place}\n"))
    });
    vec![format!("modules in a circle:\n{}", steps.collect::<String>())]
}

fn impurities(sources: &[Source]) -> Vec<String> {
    let pure = |source: &&Source| floor_of(&source.module).is_some_and(|floor| PURE_FLOORS.contains(&FLOORS[floor].0));
    let mut faults = Vec::new();
    for source in sources.iter().filter(pure) {
        for (line, text) in code(source) {
            for name in IMPURE.iter().filter(|name| text.contains(**name)) {
                faults.push(format!("src/{}:{line}: `{name}` in a pure module", source.path));
            }
        }
    }
    faults
}

fn faults_of_form(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for Source { path, text, .. } in sources {
        if !text.starts_with("//! ") {
            faults.push(format!("src/{path}:1: no `//!` header: what does the file own, what does it never do?"));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX && !LONG_FILES.iter().any(|(long, _)| long == path) {
            faults.push(format!("src/{path}: {lines} lines, at most {LINES_MAX}"));
        }
        let nameless = |part: &str| NAMELESS.contains(&part.trim_end_matches(".rs"));
        if path.split('/').any(nameless) {
            faults.push(format!("src/{path}: a name that says nothing about what it owns"));
        }
    }
    faults
}

fn unwraps(sources: &[Source]) -> Vec<String> {
    let hits = sources.iter().flat_map(|source| code(source).into_iter().map(move |(line, text)| (source, line, text)));
    hits.filter(|(_, _, text)| text.contains(".unwrap()"))
        .map(|(source, line, _)| format!("src/{}:{line}: unwrap outside tests", source.path))
        .collect()
}

fn foreign(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    let hits = lines.flat_map(|(index, line)| FOREIGN.iter().map(move |part| (index + 1, line, part)));
    // In the middle of a path it is another folder.
    let inside = |line: &str, at: usize| line[..at].ends_with(|c: char| c.is_alphanumeric() || "}_*.".contains(c));
    let hit =
        |line: &str, part: &str| line.match_indices(part).any(|(at, _)| !part.starts_with('/') || !inside(line, at));
    hits.filter(|(_, line, part)| hit(line, part))
        .map(|(line, _, part)| format!("{path}:{line}: `{part}` ties the tree to one machine or registry"))
        .collect()
}

/// The lines of a file with their numbers, without comments and without its tests.
fn code(source: &Source) -> Vec<(usize, &str)> {
    if source.path.ends_with("tests.rs") || source.path.contains("/tests/") {
        return Vec::new();
    }
    let lines = source.text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let production = lines.take_while(|(_, line)| line.trim_end() != "#[cfg(test)]");
    production.filter(|(_, line)| !line.trim_start().starts_with("//")).collect()
}

/// Every module of the crate that a file names, in `use` or in a path, grouped or not.
fn imports(source: &Source) -> Vec<Import> {
    let mut found = Vec::new();
    let lines = code(source);
    // A group may go over several lines: paths are read in the joined text, and lines counted back.
    let joined: String = lines.iter().flat_map(|&(_, text)| [text, "\n"]).collect();
    for start in ["crate::", "codex_dispatch::"] {
        for (at, _) in joined.match_indices(start) {
            let before = joined[..at].chars().next_back();
            if before.is_some_and(|before| before.is_alphanumeric() || before == '_') {
                continue;
            }
            let line = lines[joined[..at].matches('\n').count()].0;
            let modules = first_names(&joined[at + start.len()..]);
            found.extend(modules.into_iter().map(|module| Import { line, module }));
        }
    }
    found
}

/// The first names of `a::b` or of `{a::b, c::{d, e}}`.
fn first_names(path: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|next| next.is_alphanumeric() || *next == '_').collect::<String>();
    if !path.starts_with('{') {
        return vec![word(path)];
    }
    let (mut depth, mut names) = (0_usize, Vec::new());
    for (at, next) in path.char_indices() {
        let opens_name = depth == usize::from(next != '{') && matches!(next, '{' | ',');
        match next {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            _ => {}
        }
        if opens_name {
            names.push(word(path[at + 1..].trim_start()));
        }
    }
    names
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|(_, modules)| modules.contains(&module))
}

fn sources() -> Vec<Source> {
    let folder = root().join("src");
    let mut found = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for path in entries(&next) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inside = path.strip_prefix(&folder).expect("below src").to_string_lossy().into_owned();
                found.push(source(&inside, &fs::read_to_string(&path).expect("a readable source")));
            }
        }
    }
    assert!(found.len() > 20, "the sources are not where they are looked for");
    found
}

fn source(path: &str, text: &str) -> Source {
    let module = path.split('/').next().expect("a path has a first part").trim_end_matches(".rs").to_owned();
    Source { path: path.to_owned(), module, text: text.to_owned() }
}

/// What git tracks or would track; without a repository (a source archive) every file but the build's.
fn tracked_files() -> Vec<String> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").current_dir(root()).args(arguments).output().expect("git");
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let files: Vec<String> = listing.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    assert!(files.iter().any(|path| path == "Cargo.toml"), "the tracked files are not where they are looked for");
    files
}

fn markdown(folder: &Path) -> Vec<String> {
    let pages = entries(folder).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|path| fs::read_to_string(path).expect("a readable page")).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.sort();
    paths
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
