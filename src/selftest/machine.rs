//! Probes of this machine: state folder, lock, journal, disk, clock, pause.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{Access, access};

use super::Subject;
use super::rules::Granted;
use crate::dispatch::Standing;
use crate::durable;
use crate::job::Limits;
use crate::journal::Journal;
use crate::lock::Instance;
use crate::probe::Probe;
use crate::repo::{Git, Oid};
use crate::statedir::StateDir;
use crate::units::{format_duration, format_size};

/// What a run leaves free beside its own needs.
const SPARE_BYTES: u64 = 16 << 20;
/// Fewer free inodes than this and runs will soon fail.
const INODES_MIN: u64 = 1000;
/// This program is not older: 2025-01-01.
const YEAR_MIN: i16 = 2025;
const YEAR_MAX: i16 = 2200;
/// A commit may be this far ahead of our clock.
const AHEAD_SECONDS: i64 = 24 * 3600;

pub(super) fn state_folder(state: &StateDir) -> Probe {
    const NAME: &str = "state folder";
    let root = state.root();
    let help = "make it writable for this user, or name another with --state";
    let there = existing(root);
    let writable = access(&there, Access::WRITE_OK | Access::EXEC_OK);
    if let Err(error) = writable {
        return Probe::failed(NAME, format!("`{}`: {error}", there.display())).help(help);
    }
    if there != root {
        return Probe::ok(NAME, format!("`{}` will be made by the first run", root.display()));
    }
    match root.metadata() {
        Ok(meta) if !meta.is_dir() => Probe::failed(NAME, format!("`{}` is no folder", root.display())).help(help),
        Ok(meta) if meta.mode() & 0o077 != 0 => {
            Probe::warning(NAME, format!("`{}` is open to others (mode {:04o})", root.display(), meta.mode() & 0o7777))
                .help(format!("chmod 700 {}", root.display()))
        }
        Ok(_) => Probe::ok(NAME, format!("`{}` is writable", root.display())),
        Err(error) => Probe::failed(NAME, format!("`{}`: {error}", root.display())).help(help),
    }
}

/// The folder, or the nearest one above it that exists.
fn existing(folder: &Path) -> PathBuf {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    whole.ancestors().find(|folder| folder.exists()).map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

pub(super) fn lock(state: &StateDir) -> Probe {
    // Looking makes the lock file, so look only where there is one.
    if !state.root().join("instance.lock").exists() {
        return Probe::skipped("lock", "nothing has run here yet");
    }
    if !Instance::is_held(state.root()) {
        return Probe::ok("lock", "free: no dispatcher runs on this state folder");
    }
    let who =
        Standing::read(state).map(|standing| format!(" (process {}, last heard of at {})", standing.pid, standing.at));
    Probe::ok("lock", format!("held by a running dispatcher{}", who.unwrap_or_default()))
}

pub(super) fn journal(state: &StateDir) -> Probe {
    const NAME: &str = "journal";
    let read = Journal::open_to_read(state.root());
    let both = |journal: Journal| Ok((journal.open_requests()?, journal.contradictions()?));
    match read.and_then(|journal| journal.map(both).transpose()) {
        Ok(Some((open, found))) => match &found[..] {
            [] => Probe::ok(NAME, format!("readable, {} unfinished", open.len())),
            [first, rest @ ..] => {
                let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
                Probe::failed(NAME, format!("it contradicts itself about {}: {}{more}", first.id, first.words))
                    .help("something else than this program wrote to it, or its disk has lost a part of it: bring back a copy, or ask main what has run")
            }
        },
        Ok(None) => Probe::skipped(NAME, "nothing has run here yet"),
        Err(error) => Probe::failed(NAME, error.to_string())
            .help("put it aside with its -wal and -shm files; without it the records on main alone say what has run"),
    }
}

pub(super) fn disk(state: &StateDir, grants: &[Granted<'_>]) -> Probe {
    const NAME: &str = "disk";
    let there = existing(state.root());
    let usual = Limits::default();
    let asked = grants.iter().map(|granted| &granted.grant.limits).map(|limits| limits.output * 2 + limits.artifacts);
    let needed = asked.max().unwrap_or(usual.output * 2 + usual.artifacts) + SPARE_BYTES;
    let (free, inodes) = match durable::free_room(&there) {
        Err(error) => return Probe::failed(NAME, error.to_string()),
        Ok(room) => (room.bytes, room.files),
    };
    let words = format!("{} free at `{}`, a run may need {}", rounded(free), there.display(), format_size(needed));
    let help = "make room, or name a state folder elsewhere with --state";
    match inodes {
        _ if free < needed => Probe::failed(NAME, words).help(help),
        Some(inodes) if inodes < INODES_MIN => {
            Probe::failed(NAME, format!("{words}; only {inodes} inodes are free")).help(help)
        }
        _ if free < needed.saturating_mul(4) => Probe::warning(NAME, words).help(help),
        _ => Probe::ok(NAME, words),
    }
}

/// A size in whole units of the largest kind that it has.
fn rounded(bytes: u64) -> String {
    let unit = [1_u64 << 30, 1 << 20, 1 << 10].into_iter().find(|unit| bytes >= *unit).unwrap_or(1);
    format_size(bytes / unit * unit)
}

pub(super) fn clock(subject: &Subject<'_>, tip: Option<Oid>) -> Probe {
    let (now, before) = (subject.clock.now(), subject.clock.monotonic());
    let monotonic = subject.clock.monotonic() >= before;
    let committed = tip.and_then(|tip| committed_at(subject, tip));
    judge_clock(now, committed, monotonic)
}

fn judge_clock(now: Timestamp, committed: Option<Timestamp>, monotonic: bool) -> Probe {
    const NAME: &str = "clock";
    let year = now.to_zoned(jiff::tz::TimeZone::UTC).year();
    let help = "set the clock: start a time service such as systemd-timesyncd or chrony";
    if !monotonic {
        return Probe::failed(NAME, "the monotonic clock runs backwards")
            .help("this is a fault of the kernel or its host");
    }
    if !(YEAR_MIN..=YEAR_MAX).contains(&year) {
        return Probe::failed(NAME, format!("it says {now}")).help(help);
    }
    let ahead = committed.map_or(0, |committed| committed.duration_since(now).as_secs());
    if ahead > AHEAD_SECONDS {
        let ahead = format_duration(std::time::Duration::from_secs(ahead.unsigned_abs()));
        return Probe::failed(NAME, format!("it says {now}, and the last commit is {ahead} ahead of that")).help(help);
    }
    Probe::ok(NAME, format!("{now:.0}"))
}

/// When a commit was made, by the committer's clock.
fn committed_at(subject: &Subject<'_>, commit: Oid) -> Option<Timestamp> {
    let git = Git::find().ok()?;
    let shown = git
        .call("show")
        .git_dir(&subject.repo.checkout().git_dir)
        .args(["-s", "--format=%ct", &commit.to_string()])
        .run()
        .ok()?;
    Timestamp::from_second(shown.text().trim().parse().ok()?).ok()
}

pub(super) fn paused(subject: &Subject<'_>) -> Probe {
    let files = [subject.state.paused(), subject.machine_paused.clone()];
    match files.iter().find(|file| file.exists()) {
        Some(file) => Probe::warning("pause", format!("`{}` exists: nothing is started", file.display()))
            .help(format!("remove it to go on: rm {}", file.display())),
        None => Probe::ok("pause", "not paused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::State;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_clock_is_judged_by_the_last_commit() {
        let now: Timestamp = "2026-05-01T00:00:00Z".parse().expect("time");
        let hours = |count: i64| Some(Timestamp::from_second(now.as_second() + count * 3600).expect("time"));
        assert_eq!(judge_clock(now, None, true).state, State::Ok);
        assert_eq!(judge_clock(now, hours(-9999), true).state, State::Ok);
        assert_eq!(judge_clock(now, hours(23), true).state, State::Ok);
        assert_eq!(judge_clock(now, hours(25), true).state, State::Failed);
        assert_eq!(judge_clock(now, None, false).state, State::Failed);
        assert_eq!(judge_clock("1970-01-02T00:00:00Z".parse().expect("time"), None, true).state, State::Failed);
    }

    #[test]
    fn a_journal_that_contradicts_itself_is_named() {
        use crate::event::Event;
        use crate::id::RequestId;
        use crate::journal::Entry;
        let temp = tempfile::tempdir().expect("temp folder");
        let state = StateDir::locate(temp.path(), Some(temp.path())).expect("free choice");
        let word = || "c".to_owned();
        let event = Event::Seen { path: word(), blob: word(), introduced: word(), base: word() };
        let entry = Entry { id: RequestId::derived("c", "p", "b"), event };
        Journal::open(temp.path())
            .and_then(|mut open| open.append("2026-01-02T03:04:05Z", &[entry], &[]))
            .expect("one");
        assert_eq!(journal(&state).state, State::Ok);
        let db = rusqlite::Connection::open(temp.path().join("journal.db")).expect("opens");
        db.execute("UPDATE request SET phase = 'published'", []).expect("changed by somebody else");
        let found = journal(&state);
        assert_eq!(found.state, State::Failed, "{found:?}");
    }

    #[test]
    fn a_state_folder_that_is_not_there_is_not_made() {
        let temp = tempfile::tempdir().expect("temp folder");
        let state = StateDir::locate(&temp.path().join("deep/.git"), None).expect("free choice");
        assert_eq!(state_folder(&state).state, State::Ok);
        assert_eq!(lock(&state).state, State::Skipped);
        assert_eq!(journal(&state).state, State::Skipped);
        assert!(disk(&state, &[]).detail.contains(&*temp.path().display().to_string()));
        assert!(fs::read_dir(temp.path()).expect("folder").next().is_none());
    }

    #[test]
    fn an_open_or_misplaced_state_folder_is_told() {
        let temp = tempfile::tempdir().expect("temp folder");
        let root = temp.path().join("state");
        let state = StateDir::locate(temp.path(), Some(&root)).expect("free choice");
        fs::create_dir(&root).expect("folder");
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("mode");
        assert_eq!(state_folder(&state).state, State::Warning);
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).expect("mode");
        assert_eq!(state_folder(&state).state, State::Ok);
        fs::remove_dir(&root).expect("removed");
        fs::write(&root, "").expect("file");
        assert_eq!(state_folder(&state).state, State::Failed);
    }

    #[test]
    fn sizes_are_rounded_down() {
        for (bytes, shown) in [((5 << 30) + 7, "5GiB"), ((3 << 20) + 1, "3MiB"), (2049, "2KiB"), (7, "7")] {
            assert_eq!(rounded(bytes), shown);
        }
    }

    #[test]
    fn a_held_lock_is_no_fault() {
        let temp = tempfile::tempdir().expect("temp folder");
        let state = StateDir::locate(temp.path(), Some(temp.path())).expect("free choice");
        let held = Instance::take(state.root()).expect("free");
        assert!(lock(&state).detail.contains("running dispatcher"));
        drop(held);
        assert!(lock(&state).detail.contains("free"));
    }
}
