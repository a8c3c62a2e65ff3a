//! How it is seen that an attack has reached something: from outside wherever that can be, else by what it could not know or print otherwise.
//!
//! Each function gives what was reached, a line each; nothing where the attack was contained.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use serde_json::Value;

use crate::stage::{MEMORY_MIB, OUTPUT_BYTES, PIDS, PRISTINE, Stage, TMP_MIB, Try};

pub type Evidence = fn(&Stage, &Try) -> Vec<String>;

/// It printed what it could only have read where it must not, or says that a call succeeded.
pub fn told(stage: &Stage, one: &Try) -> Vec<String> {
    let telling = |line: &&str| line.contains(&stage.secret) || line.starts_with("REACHED");
    one.output.lines().filter(telling).map(str::to_owned).collect()
}

/// The folder outside is not what it was.
pub fn written(stage: &Stage, one: &Try) -> Vec<String> {
    let folder = stage.path("outside").join(&one.kind);
    let mut reached = Vec::new();
    let kept = |name: &str| PRISTINE.iter().any(|(have, _)| *have == name) || ["metadata", "linkable"].contains(&name);
    for entry in fs::read_dir(&folder).expect("the folder outside").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !kept(&name) {
            reached.push(format!("made {name}"));
        }
    }
    for (name, text) in PRISTINE {
        if fs::read_to_string(folder.join(name)).unwrap_or_default() != text {
            reached.push(format!("changed {name}"));
        }
    }
    reached
}

pub fn metadata(stage: &Stage, one: &Try) -> Vec<String> {
    let path = stage.path("outside").join(&one.kind).join("metadata");
    let (mode, modified) = crate::stage::attributes(&path).expect("the file outside");
    let mut reached = Vec::new();
    if mode != 0o644 {
        reached.push(format!("mode {mode:o}"));
    }
    if modified == 1 {
        reached.push("its times".to_owned());
    }
    reached
}

/// Somebody who listens on the host heard it.
pub fn received(stage: &Stage, one: &Try) -> Vec<String> {
    let (heard, token) = (stage.received(), stage.token(&one.kind));
    let reached = heard.windows(token.len()).any(|part| part == token.as_bytes());
    if reached { vec!["a listener of the host".to_owned()] } else { Vec::new() }
}

pub fn victim_ended(stage: &Stage, one: &Try) -> Vec<String> {
    let status = fs::read_to_string(format!("/proc/{}/status", stage.victim(&one.kind))).unwrap_or_default();
    let lives = status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'));
    if lives { Vec::new() } else { vec!["the process has ended".to_owned()] }
}

pub fn victim_limited(stage: &Stage, one: &Try) -> Vec<String> {
    let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", stage.victim(&one.kind))).unwrap_or_default();
    let mut reached = Vec::new();
    let files = read("limits").lines().find(|line| line.starts_with("Max open files")).unwrap_or_default().to_owned();
    if files.split_whitespace().nth(3) == Some("7") {
        reached.push("its limits".to_owned());
    }
    let stat = read("stat");
    if stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(16)) == Some("19") {
        reached.push("its priority".to_owned());
    }
    if stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(38)) == Some("5") {
        reached.push("its place in line".to_owned());
    }
    reached
}

/// The dispatcher died, or did not know any more how the handler ended.
pub fn dispatcher_ended(_: &Stage, one: &Try) -> Vec<String> {
    let known = one.by_hand || one.status.contains("outcome: succeeded");
    if one.exit == Some(0) && known { Vec::new() } else { vec![format!("the dispatcher ended with {:?}", one.exit)] }
}

/// Processes of the supervisor, which may be counted with a job's.
const SUPERVISORS: u64 = 3;

pub fn forked(_: &Stage, one: &Try) -> Vec<String> {
    // Where no control group counts, room is left for the supervisor's own.
    more_than(PIDS + SUPERVISORS, &numbers(one, "FORKED "), "processes")
}

pub fn allocated(_: &Stage, one: &Try) -> Vec<String> {
    let mut reached = more_than(MEMORY_MIB, &numbers(one, "ALLOCATED "), "MiB");
    if one.status.contains("cgroup.memory") && !one.status.contains("reason: oom") {
        reached.push(format!("the record does not say `oom`: {}", one.status));
    }
    reached
}

pub fn filled(_: &Stage, one: &Try) -> Vec<String> {
    let mut reached = Vec::new();
    // On a disk it is found out afterwards, and ends the job.
    if one.status.contains("reason: disk_quota") || one.status.contains("reason: \"disk_quota") {
        return reached;
    }
    for line in one.output.lines().filter_map(|line| line.strip_prefix("FILLED ")) {
        let amount = line.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or(u64::MAX);
        // The log folder has some more room than the work folder.
        let allowed = if line.starts_with("/tmp ") || line.starts_with("/dev/shm ") { TMP_MIB } else { 5 * TMP_MIB };
        if amount > allowed {
            reached.push(format!("{line} MiB"));
        }
    }
    reached
}

fn numbers(one: &Try, word: &str) -> Vec<u64> {
    one.output.lines().filter_map(|line| line.strip_prefix(word)?.parse().ok()).collect()
}

fn more_than(limit: u64, numbers: &[u64], what: &str) -> Vec<String> {
    let most = numbers.iter().max().copied().unwrap_or_default();
    if most > limit { vec![format!("{most} {what} where {limit} are allowed")] } else { Vec::new() }
}

/// What is kept of the output, in any file of the record.
pub fn flooded(_: &Stage, one: &Try) -> Vec<String> {
    if one.by_hand {
        return more_than(2 * OUTPUT_BYTES, &[one.output.len() as u64], "bytes");
    }
    let sizes: Vec<u64> = files(&one.folder).iter().map(|path| fs::metadata(path).expect("a file").len()).collect();
    more_than(8 * OUTPUT_BYTES, &[sizes.iter().sum()], "bytes")
}

pub fn many_artifacts(_: &Stage, one: &Try) -> Vec<String> {
    let left = files(&one.folder);
    let mut reached = more_than(1000, &[left.iter().filter(|path| is_left(path)).count() as u64], "files");
    reached.extend(more_than(
        2 << 20,
        &[left.iter().map(|path| fs::metadata(path).map_or(0, |file| file.len())).sum()],
        "bytes",
    ));
    reached
}

fn is_left(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("left"))
}

/// A process of it still runs.
pub fn alive(stage: &Stage, one: &Try) -> Vec<String> {
    stage.alive(Some(&one.kind)).iter().map(|pid| format!("process {pid} lives on")).collect()
}

/// The same, and the record says that time was up.
pub fn outlived(stage: &Stage, one: &Try) -> Vec<String> {
    let mut reached = alive(stage, one);
    if !one.by_hand && !one.status.contains("outcome: timed_out") {
        reached.push(format!("the record does not say so: {}", one.status));
    }
    reached
}

pub fn typed(stage: &Stage, one: &Try) -> Vec<String> {
    let line = format!("GOT:typed-{}", stage.token(&one.kind));
    if one.shown.contains(&line) { vec![line] } else { Vec::new() }
}

pub fn painted(stage: &Stage, one: &Try) -> Vec<String> {
    let line = format!("painted-{}", stage.token(&one.kind));
    if one.shown.contains(&line) { vec![line] } else { Vec::new() }
}

/// Something in the record that is no file of the handler's own. By hand: what a collector without care would take, or wait for.
pub fn left_behind(stage: &Stage, one: &Try) -> Vec<String> {
    let mut reached = Vec::new();
    for path in files(&one.folder) {
        let name = path.display();
        let kind = fs::symlink_metadata(&path).expect("it is there").file_type();
        if !kind.is_file() && !kind.is_symlink() {
            let what = if kind.is_fifo() {
                "FIFO"
            } else if kind.is_socket() {
                "socket"
            } else {
                "device"
            };
            reached.push(format!("{name} is a {what}"));
        } else if fs::read(&path).is_ok_and(|bytes| contains(&bytes, &stage.secret)) {
            reached.push(format!("{name} is a file of the host"));
        } else if !one.by_hand && is_left(&path) {
            reached.push(format!("{name} was taken"));
        }
    }
    reached
}

/// A setuid program where a stranger could start it.
pub fn setuid_left(stage: &Stage, one: &Try) -> Vec<String> {
    let root = stage.path("");
    let set =
        |path: &Path, bits: u32| fs::symlink_metadata(path).is_ok_and(|file| file.permissions().mode() & bits == bits);
    let mut reached = Vec::new();
    for path in files(&root) {
        let lent = set(&path, 0o4000) || set(&path, 0o2000);
        let open =
            path.ancestors().skip(1).take_while(|folder| folder.starts_with(&root)).all(|folder| set(folder, 0o001));
        if lent && open && !path.starts_with(stage.path("granted")) {
            reached.push(path.display().to_string());
        }
    }
    if files(&one.folder).iter().any(|path| !one.by_hand && set(path, 0o4000)) {
        reached.push("in the record".to_owned());
    }
    reached
}

/// A line or an order that poses as another's: in the record, or on the terminal of who reads it.
pub fn injected(stage: &Stage, one: &Try) -> Vec<String> {
    if one.by_hand {
        let forged = one.output.lines().any(|line| line.starts_with("{\"v\":1"));
        return if forged && one.output.contains('\u{1b}') { vec!["raw output".to_owned()] } else { Vec::new() };
    }
    let mut reached = Vec::new();
    for name in ["log.jsonl", "dispatch.log", "status.yml"] {
        let bytes = fs::read(one.folder.join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        if let Some(control) = text.chars().find(|next| next.is_control() && !matches!(next, '\n' | '\t')) {
            reached.push(format!("{name} holds {control:?}"));
        }
    }
    let log = fs::read_to_string(one.folder.join("log.jsonl")).unwrap_or_default();
    let mut exits = 0;
    for (number, line) in log.split_terminator('\n').enumerate() {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        if event["seq"].as_u64() != Some(number as u64 + 1) && event["seq"].as_u64() != Some(number as u64) {
            reached.push(format!("line {} of log.jsonl is out of order: {line:.80}", number + 1));
            break;
        }
        exits += u32::from(event["ev"] == "exited");
    }
    if exits != 1 {
        reached.push(format!("{exits} events of log.jsonl say `exited`"));
    }
    for verb in ["logs", "status", "why"] {
        let terminal = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks/figures/terminal.py");
        let command = format!("NO_COLOR=1 python3 '{}' 'dispatch {verb} bb-{}'", terminal.display(), one.kind);
        let ended = stage.shell(&command).expect("a terminal");
        if !ended.stdout.contains("GOT:nothing") || !ended.stdout.contains(&one.kind) && verb != "logs" {
            reached.push(format!("`dispatch {verb}` was not shown: {}{}", ended.stdout, ended.stderr));
        }
        if let Some(raw) = ended.stdout.chars().find(|next| next.is_control() && !matches!(next, '\n' | '\r' | '\t')) {
            reached.push(format!("`dispatch {verb}` puts {raw:?} on the terminal"));
        }
    }
    reached
}

/// Whoever ran git next, ran what it had planted.
pub fn planted(stage: &Stage, one: &Try) -> Vec<String> {
    let next = "git status > /dev/null 2>&1 || :\ngit commit -q --allow-empty -m next || :\n\
                printf 'kind: after\\n' > requests/next.yml\ngit add requests/next.yml && git commit -q -m next && git push -q origin HEAD || :\n\
                dispatch run || :\n";
    if one.by_hand {
        let _ = stage.shell("git status > /dev/null 2>&1 || :");
    } else {
        let ended = stage
            .shell(&format!("git pull -q\n{next}git -C ../origin.git show main:logs/next/status.yml"))
            .expect("git");
        if !ended.stdout.contains("outcome: succeeded") {
            return vec![format!("the next pass did not go well: {}{}", ended.stdout, ended.stderr)];
        }
    }
    let store = stage.path("clone/.git/dispatch/snapshots");
    let tables = files(&store).into_iter().filter(|path| path.ends_with("handlers/index.yml"));
    if tables.into_iter().any(|path| fs::read(path).is_ok_and(|bytes| contains(&bytes, "# planted"))) {
        return vec!["the store of snapshots".to_owned()];
    }
    let mark = stage.path("outside").join(&one.kind).join("planted");
    if mark.exists() { vec!["a hook of it ran".to_owned()] } else { Vec::new() }
}

/// Every file, link and special file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|part| part == needle.as_bytes())
}
