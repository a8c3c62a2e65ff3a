//! The index beside what it stands for: however main moves and wherever it is left, it says what one made anew says, and
//! that is what a walk through every record finds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;

use super::*;
use crate::command::{Done, Effect, Resolve, Word};
use crate::repo::{Checkout, Settings};

/// A small deterministic source of choices.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

/// A repository whose main is written by `git fast-import`, and a folder for states beside it.
struct Bench {
    dir: tempfile::TempDir,
    repo: Repo,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp folder");
        let made = Command::new("git").args(["init", "-q", "-b", "main"]).arg(dir.path().join("r")).status();
        assert!(made.expect("git runs").success());
        let checkout = Checkout::discover(&dir.path().join("r")).expect("a repository");
        let repo = Repo::open_to_read(checkout, None, Settings::new("main")).expect("opens");
        Self { dir, repo }
    }

    fn state(&self, name: &str) -> PathBuf {
        let state = self.dir.path().join(name);
        std::fs::create_dir_all(&state).expect("made");
        state
    }

    /// A commit with these lines of changes.
    fn commit(&self, changes: &str) -> Oid {
        let mut import = Command::new("git")
            .arg("-C")
            .arg(self.dir.path().join("r"))
            .args(["fast-import", "--quiet", "--force"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("git runs");
        let from = if self.repo.known_tip().is_some() { "from refs/heads/main^0\n" } else { "" };
        let text =
            format!("commit refs/heads/main\ncommitter t <t@example.com> 1 +0000\ndata 0\n{from}{changes}\ndone\n");
        import.stdin.take().expect("piped").write_all(text.as_bytes()).expect("written");
        assert!(import.wait().expect("ended").success(), "{text}");
        self.repo.known_tip().expect("a commit")
    }
}

fn file(path: &str, text: &str) -> String {
    format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len())
}

fn id(number: usize) -> RequestId {
    RequestId::explicit(uuid::Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0000 + number as u128))
}

fn record(number: usize, name: &str) -> Record {
    let mut record = Record::new(Outcome::Succeeded, id(number), name);
    record.finished_at = jiff::Timestamp::from_second(i64::try_from(number).expect("small")).ok();
    record.kind = Some("noop".to_owned());
    if number.is_multiple_of(3) {
        record.idempotency_key = Some(format!("key-{number}"));
    }
    if number.is_multiple_of(5) {
        record.kind = Some(RESOLVE.to_owned());
        let asked = Resolve { id: id(number + 1), word: Word::Succeeded, note: None };
        record.result = serde_json::to_value(Effect { asked, done: Done::Settled, rerun: None }).ok();
    }
    record
}

/// Something that may happen to a tree with records, by everybody who may write it.
fn change(dice: &mut Dice) -> String {
    const PLACES: [&str; 9] = [
        "a",
        "b",
        "a/b",
        "2020/01/01/x",
        "2020/01/02/y",
        "2020/01/01/y",
        "team/2020/01/01/z",
        "1/2/3/4/5/6",
        "1/2/3/4/5/6/7",
    ];
    let (place, end) = (dice.of(&PLACES), dice.of(&["yml", "yaml"]));
    let number = dice.below(12);
    let text = match dice.below(8) {
        0 => "status: success\nkind: old\n".to_owned(),
        1 => "no record: [".to_owned(),
        _ => record(number, dice.of(&["a", "b", "team/c"])).to_status_yaml().expect("text"),
    };
    let (status, request) = (format!("logs/{place}/status.yml"), format!("processed/{place}.{end}"));
    match dice.below(12) {
        0..4 => file(&status, &text) + &file(&request, "kind: noop\n"),
        4 => file(&status, &text),
        5 => file(&request, "kind: noop\n"),
        6 => format!("D {status}\n"),
        7 => format!("D {request}\n"),
        8 => format!("D logs/{place}\n"),
        9 => format!("M 120000 inline {status}\ndata 1\nx\n"),
        10 => format!("D processed/{}\n", place.split('/').next().unwrap_or(place)),
        _ => file(&format!("logs/{place}/log.jsonl"), &text),
    }
}

/// Everything that an index says, in one text.
fn said_by(state: &std::path::Path) -> String {
    let db = Connection::open(state.join("archive.db")).expect("opens");
    let mut rows = db
        .prepare(
            "SELECT place || '/' || leaf || ' ' || tree || ' ' || hex(id) || tail || name || coalesce(kind, '') || outcome
             || coalesce(finished_at, '') || coalesce(idempotency_key, '') || coalesce(hex(resolves), '')
             FROM record JOIN folder ON n = folder ORDER BY 1",
        )
        .expect("a query");
    let lines = rows.query_map([], |row| row.get::<_, String>(0)).expect("rows");
    lines.fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{}", line.expect("a row"));
        text
    })
}

/// As far as it goes: until it is whole, or left somewhere.
fn brought_to(state: &std::path::Path, repo: &Repo, tip: Oid, config: &RepoConfig, dice: &mut Dice) -> bool {
    let mut index = Index::open(state).expect("opens");
    let turn = Turn::wait(state, Duration::ZERO).expect("a lock").expect("nobody else");
    let mut walk = Index::walk_to(turn, tip);
    let leaves_after = dice.below(8);
    for step in 0.. {
        if walk.go_on(&mut index, repo, config, 1 + dice.below(9)).expect("readable") {
            assert!(index.is_whole(repo, tip, config).expect("readable"));
            return true;
        }
        if step == leaves_after {
            break;
        }
    }
    false
}

fn bring_up(state: &std::path::Path, repo: &Repo, tip: Oid, config: &RepoConfig) {
    let mut index = Index::open(state).expect("opens");
    let turn = Turn::wait(state, Duration::ZERO).expect("a lock").expect("nobody else");
    assert!(Index::walk_to(turn, tip).go_on(&mut index, repo, config, usize::MAX).expect("readable"));
}

#[test]
fn whatever_happens_it_says_what_a_new_one_says_and_what_main_has() {
    let (bench, mut dice, config) = (Bench::new(), Dice(4_711), RepoConfig::default());
    let kept = bench.state("kept");
    let (mut tips, mut left_half, mut compared) = (vec![bench.commit("")], 0, 0);
    let mut whole_at = tips[0];
    for round in 0..150 {
        let mut changes = String::new();
        for _ in 0..=dice.below(5) {
            changes += &change(&mut dice);
        }
        tips.push(bench.commit(&changes));
        // Main may be what it was when all was known, or an earlier one, or one that was never gone to.
        let tip = match dice.below(6) {
            0 => tips[dice.below(tips.len())],
            1 | 2 => whole_at,
            _ => tips[tips.len() - 1],
        };
        if !brought_to(&kept, &bench.repo, tip, &config, &mut dice) {
            left_half += 1;
            continue;
        }
        whole_at = tip;
        let new = bench.state(&format!("new-{round}"));
        bring_up(&new, &bench.repo, tip, &config);
        assert_eq!(said_by(&kept), said_by(&new), "round {round}");
        let walked = all(&bench.repo, tip, &config, |_| true).expect("readable");
        let index = Index::open_to_read(&kept).expect("there");
        let mut found = BTreeMap::new();
        let ids: BTreeSet<RequestId> = walked.iter().map(|(_, record)| record.id).chain((0..14).map(id)).collect();
        for id in ids {
            for place in index.by_id(id).expect("readable") {
                found.insert(format!("logs/{place}"), id);
            }
        }
        assert_eq!(found, walked.iter().map(|(folder, record)| (folder.clone(), record.id)).collect(), "round {round}");
        assert_eq!(index.len().expect("readable"), walked.len());
        let words: Vec<String> = index.words_on(None).expect("readable");
        let words = resolutions_of(read(&bench.repo, tip, &config, words).expect("readable"));
        assert_eq!(words, resolutions_of(walked), "round {round}");
        compared += 1;
    }
    assert!(left_half > 30 && compared > 30, "{left_half} left, {compared} compared");
}

#[test]
fn requests_are_found_by_name_key_and_part_of_the_id() {
    let (bench, config) = (Bench::new(), RepoConfig::default());
    let mut changes = String::new();
    for number in 0..30 {
        let text = record(number, &format!("name-{}", number % 10)).to_status_yaml().expect("text");
        let _ = write!(changes, "{}", file(&format!("logs/d/{number}/status.yml"), &text));
        changes += &file(&format!("processed/d/{number}.yml"), "kind: noop\n");
    }
    let (tip, state) = (bench.commit(&changes), bench.state("s"));
    bring_up(&state, &bench.repo, tip, &config);
    let index = Index::open_to_read(&state).expect("there");
    assert_eq!(index.by_word("name-3", "name-3").expect("readable"), ["d/23", "d/13", "d/3"], "the youngest first");
    assert_eq!(index.by_word("0000001d", "0000001d").expect("readable"), ["d/29"], "the end");
    assert_eq!(index.by_word("001D", "001D").expect("readable"), ["d/29"]);
    assert_eq!(
        index.by_word("0198c0de-0000-7000-8000-000000000011", "x").expect("readable").first().expect("one"),
        "d/17"
    );
    assert_eq!(index.by_word("0198c0", "x").expect("readable").len(), 30, "the beginning");
    assert_eq!(index.by_key("noop", "key-3").expect("readable"), ["d/3"]);
    assert_eq!(index.words_on(Some(id(11))).expect("readable"), ["d/10"]);
    assert_eq!(index.tip().expect("readable"), Some(tip));
    let folders = RepoConfig { output: "elsewhere".to_owned(), ..RepoConfig::default() };
    assert!(!index.is_whole(&bench.repo, tip, &folders).expect("readable"));
    drop(index);
    bring_up(&state, &bench.repo, tip, &folders);
    assert!(Index::open(&state).expect("opens").is_empty().expect("readable"), "no records lie there");
}

#[test]
fn what_is_no_index_of_this_format_is_made_anew_and_never_read() {
    let (bench, config) = (Bench::new(), RepoConfig::default());
    let text = record(1, "a").to_status_yaml().expect("text");
    let tip = bench.commit(&(file("logs/a/status.yml", &text) + &file("processed/a.yml", "x")));
    let state = bench.state("s");
    let again = || bring_up(&state, &bench.repo, tip, &config);
    again();
    let known = said_by(&state);
    std::fs::write(state.join("archive.db"), "no database, and longer than its header would be".repeat(90))
        .expect("written");
    assert!(Index::open_to_read(&state).is_none());
    again();
    assert_eq!(said_by(&state), known);
    let db = Connection::open(state.join("archive.db")).expect("opens");
    db.pragma_update(None, "user_version", 99).expect("set");
    drop(db);
    assert!(Index::open_to_read(&state).is_none());
    again();
    // The file alone is deleted, and what it had not been given yet lies beside it still.
    let open = Index::open(&state).expect("opens");
    std::fs::remove_file(state.join("archive.db")).expect("there");
    again();
    drop(open);
    assert_eq!(said_by(&state), known);
    // While one brings it up, another neither waits nor breaks in.
    let held = Turn::wait(&state, Duration::ZERO).expect("a lock");
    assert!(held.is_some() && Turn::wait(&state, Duration::ZERO).expect("a lock").is_none());
    assert_eq!(Index::open_to_read(&state).expect("there").by_id(id(1)).expect("readable"), ["a"]);
}

#[test]
fn an_index_that_lies_makes_no_record() {
    let (bench, config) = (Bench::new(), RepoConfig::default());
    let text = record(1, "a").to_status_yaml().expect("text");
    let one = bench.commit(&(file("logs/a/status.yml", &text) + &file("processed/a.yml", "x")));
    // A record beside its unread request: somebody's forgery.
    let two = bench.commit(&("D processed/a.yml\n".to_owned() + &file("logs/b/status.yml", &text)));
    let state = bench.state("s");
    bring_up(&state, &bench.repo, one, &config);
    let index = Index::open_to_read(&state).expect("there");
    assert!(indexed(&index, &bench.repo, one, &config, id(1)).expect("readable").is_some());
    assert!(indexed(&index, &bench.repo, two, &config, id(1)).expect("readable").is_none());
}
