//! What is old enough, by a real repository; the walk in slices of any size; two that do the same.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::clock::Fixed;
use crate::repo::{Checkout, Settings};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn paths_lie_below_folders_by_steps() {
    assert!(is_below("a/b", "a") && is_below("a", "") && is_below("a/b/c", "a"));
    assert!(!is_below("ab", "a") && !is_below("a", "a") && !is_below("a", "a/b"));
}

#[test]
fn days_are_those_of_utc() {
    assert_eq!(day_of(at("2026-01-02T23:59:59Z")), [2026, 1, 2]);
    assert_eq!(day_of(at("2026-01-02T23:59:59-01:00")), [2026, 1, 3]);
}

#[test]
fn a_sweep_goes_on_where_it_stopped_and_the_next_one_a_day_later() {
    let (day, month) = (Duration::from_hours(24), Duration::from_hours(24 * 30));
    let mut progress = Progress::parse(Some("no such thing"));
    let now = at("2026-06-01T00:00:00Z");
    assert!(progress.is_due(now));
    let age = progress.age(month, now, month).expect("an age");
    assert_eq!((age.before, age.since), (at("2026-05-02T00:00:00Z"), None));
    progress.advance(&age, Some("2026/01/01".to_owned()), now, Duration::from_mins(1), day);
    let text = progress.to_text();
    let mut progress = Progress::parse(Some(&text));
    let soon = at("2026-06-01T00:01:00Z");
    assert!(!progress.is_due(now) && progress.is_due(soon));
    let age = progress.age(month, soon, month).expect("an age");
    assert_eq!(age.before, at("2026-05-02T00:00:00Z"), "the same sweep");
    progress.advance(&age, None, soon, Duration::from_mins(1), day);
    assert!(!progress.is_due(at("2026-06-01T23:59:59Z")));
    let next = at("2026-06-02T00:01:00Z");
    assert!(progress.is_due(next));
    // Only what is new, and after a month everything once more.
    let age = progress.age(month, next, month).expect("an age");
    assert_eq!(age.since, Some(at("2026-05-02T00:00:00Z")));
    let late = at("2026-07-02T00:00:00Z");
    assert_eq!(Progress { begun: None, ..progress }.age(month, late, month).expect("an age").since, None);
}

const NOW: &str = "2026-06-01T00:00:00Z";

fn git(folder: &Path, arguments: &[&str]) -> String {
    let out = Command::new("git")
        .args(["-c", "user.name=T", "-c", "user.email=t@example.invalid"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git");
    assert!(out.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text")
}

fn write(top: &Path, path: &str, text: &str) {
    let path = top.join(path);
    fs::create_dir_all(path.parent().expect("a folder above")).expect("made");
    fs::write(path, text).expect("written");
}

/// A record with what handlers leave, and its archived request.
fn record(top: &Path, place: &str, finished_at: &str) {
    write(top, &format!("processed/{place}.yml"), "kind: x\n");
    for (name, text) in [
        ("status.yml", format!("status: success\nfinished_at: {finished_at}\n")),
        ("dispatch.log", "succeeded\n".to_owned()),
        ("handler.log", "hello\n".to_owned()),
        ("log.jsonl", "{}\n".to_owned()),
    ] {
        write(top, &format!("logs/{place}/{name}"), &text);
    }
}

fn repository(fill: impl FnOnce(&Path)) -> (tempfile::TempDir, Repo) {
    let folder = tempfile::tempdir().expect("a folder");
    let top = folder.path().join("clone");
    fs::create_dir(&top).expect("made");
    git(&top, &["init", "-q", "-b", "main"]);
    fill(&top);
    git(&top, &["add", "-A"]);
    git(&top, &["commit", "-qm", "all"]);
    let repo = open(folder.path(), "state");
    (folder, repo)
}

fn open(folder: &Path, state: &str) -> Repo {
    let settings = Settings { holds_lock: true, ..Settings::new("main") };
    fs::create_dir_all(folder.join(state)).expect("made");
    Repo::open(Checkout::discover(&folder.join("clone")).expect("a clone"), &folder.join(state), settings)
        .expect("opens")
}

fn config(layout: Layout) -> RepoConfig {
    RepoConfig { layout, ..RepoConfig::default() }
}

fn age(since: Option<&str>) -> Age {
    let span = Duration::from_hours(24 * 90);
    Age { span, before: at(NOW) - span, since: since.map(at) }
}

const WIDE: Bounds = Bounds { folders_max: 10_000, records_max: 10_000 };

fn folders(repo: &Repo, layout: Layout, age: &Age, bounds: Bounds) -> Vec<String> {
    let tip = repo.resolve("main").expect("a tip");
    let (mut found, mut from, mut slices) = (Vec::new(), None, 0);
    loop {
        let reach = Reach { age, from: from.as_deref(), bounds };
        let slice = slice(repo, tip, &config(layout), reach).expect("readable");
        assert!(slice.aged.len() <= bounds.records_max);
        found.extend(slice.aged.into_iter().map(|aged| aged.folder));
        slices += 1;
        assert!(slices < 1000, "it comes to no end: {from:?}");
        from = slice.next;
        if from.is_none() {
            return found;
        }
    }
}

#[test]
fn only_records_that_ended_long_ago_lose_only_their_output() {
    let (folder, repo) = repository(|top| {
        record(top, "old", "2026-01-01T00:00:00Z");
        record(top, "young", "2026-05-01T00:00:00Z");
        record(top, "old/below", "2026-01-01T00:00:00Z");
        record(top, "old/young", "2026-05-01T00:00:00Z");
        write(top, "logs/old/left/deep/file", "x");
        write(top, "logs/old/error.log", "x");
        record(top, "forged", "2026-01-01T00:00:00Z");
        fs::remove_file(top.join("processed/forged.yml")).expect("there");
        record(top, "endless", "some day");
        write(top, "logs/notes/handler.log", "x");
        write(top, "logs/handler.log", "x");
    });
    let tip = repo.resolve("main").expect("a tip");
    let reach = Reach { age: &age(None), from: None, bounds: WIDE };
    let slice = slice(&repo, tip, &config(Layout::Flat), reach).expect("readable");
    let goes: Vec<String> = slice
        .aged
        .iter()
        .flat_map(|aged| aged.removals.iter().map(|gone| String::from_utf8_lossy(&gone.path).into_owned()))
        .collect();
    assert_eq!(
        goes,
        [
            "logs/old/handler.log",
            "logs/old/left",
            "logs/old/log.jsonl",
            "logs/old/below/handler.log",
            "logs/old/below/log.jsonl"
        ]
    );
    drop(folder);
}

#[test]
fn slices_of_any_size_find_what_one_does_and_each_record_once() {
    let places = ["a", "a/b", "a-b", "b", "team/a", "team/b", "z/y", "zz"];
    let (folder, repo) = repository(|top| places.iter().for_each(|place| record(top, place, "2026-01-01T00:00:00Z")));
    let whole = folders(&repo, Layout::Flat, &age(None), WIDE);
    let mut sorted = whole.clone();
    sorted.sort();
    let mut expected: Vec<String> = places.iter().map(|place| format!("logs/{place}")).collect();
    expected.sort();
    assert_eq!(sorted, expected);
    for folders_max in [4, 5, 7, 9] {
        for records_max in [1, 2, 3, 8] {
            let found = folders(&repo, Layout::Flat, &age(None), Bounds { folders_max, records_max });
            assert_eq!(found, whole, "{folders_max} {records_max}");
        }
    }
    drop(folder);
}

#[test]
fn in_a_dated_layout_only_days_that_became_old_are_looked_at() {
    let (folder, repo) = repository(|top| {
        for day in ["2025/12/31", "2026/01/02", "2026/02/20", "2026/03/02", "2026/05/30"] {
            record(top, &format!("{day}/a-00000000"), &format!("{}T10:00:00Z", day.replace('/', "-")));
            record(top, &format!("team/{day}/a-00000000"), &format!("{}T10:00:00Z", day.replace('/', "-")));
        }
    });
    let days = |since: Option<&str>| -> Vec<String> {
        let found = folders(&repo, Layout::Dated, &age(since), WIDE);
        found.into_iter().filter(|folder| !folder.contains("team")).collect()
    };
    let of = |day: &str| format!("logs/{day}/a-00000000");
    assert_eq!(days(None), ["2025/12/31", "2026/01/02", "2026/02/20", "2026/03/02"].map(of));
    // Two weeks behind the last sweep are looked at again.
    assert_eq!(days(Some("2026-03-01T00:00:00Z")), ["2026/02/20", "2026/03/02"].map(of));
    assert_eq!(days(Some("2026-01-20T00:00:00Z")), ["2026/02/20", "2026/03/02"].map(of));
    assert_eq!(folders(&repo, Layout::Dated, &age(None), Bounds { folders_max: 9, records_max: 1 }).len(), 8);
    // Most of the work of a slice is not done for what is too young.
    let tip = repo.resolve("main").expect("a tip");
    let reach = Reach {
        age: &age(Some("2026-03-01T00:00:00Z")),
        from: None,
        bounds: Bounds { folders_max: 18, records_max: 9 },
    };
    assert_eq!(slice(&repo, tip, &config(Layout::Dated), reach).expect("readable").next, None);
    drop(folder);
}

#[test]
fn the_commit_names_no_request_and_whoever_comes_second_finds_it_done() {
    let (folder, mut repo) = repository(|top| record(top, "a", "2026-01-01T00:00:00Z"));
    let identity = Identity { name: "T".to_owned(), email: "t@example.invalid".to_owned() };
    let clock = Fixed::new(at(NOW));
    let state = Uuid::from_u128(7);
    let author = Author { identity: &identity, state: Some(state) };
    let mut other = open(folder.path(), "other");
    let behind = other.resolve("main").expect("a tip");
    let age = age(None);
    let reach = Reach { age: &age, from: None, bounds: WIDE };
    let config = RepoConfig { commit_suffix: "[skip ci]".to_owned(), ..config(Layout::Flat) };
    let tip = repo.resolve("main").expect("a tip");
    let pruned = prune(&mut repo, tip, &config, reach, author, &clock).expect("pushed");
    let commit = pruned.commit.expect("something went");
    let made = repo.made(commit).expect("readable").expect("there");
    assert!(made.message.starts_with("executor: retention of 1 record [skip ci]\n\n"), "{}", made.message);
    assert_eq!(commit::state_of(&made.message), Some(state));
    assert_eq!(commit::records_of(&made.message), []);
    assert_eq!(archive::brought_by(&repo, commit, &config).expect("readable"), []);
    let left = git(&folder.path().join("clone"), &["ls-files"]);
    assert_eq!(left, "logs/a/dispatch.log\nlogs/a/status.yml\nprocessed/a.yml\n");
    // One that has not seen it builds the same, loses, looks and is done.
    let late = prune(&mut other, behind, &config, reach, author, &clock).expect("nothing is wrong");
    assert!(late.commit.is_none_or(|same| same == commit), "{late:?}");
    assert_eq!(git(&folder.path().join("clone"), &["log", "--format=%s"]).lines().count(), 2);
    drop(folder);
}
