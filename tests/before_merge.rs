//! What is said before the merge is what the dispatcher says behind it: `check` and `run` on the same requests, of which there are
//! hundreds, right and wrong; and the files that bring `check` to where people merge (hooks, examples for CI).

#[path = "before_merge/corpus.rs"]
mod corpus;
mod support;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use codex_dispatch::outcome::Outcome;
use codex_dispatch::record::Record;
use corpus::{Case, Content};
use serde_json::Value;
use support::World;

/// How one request ended up, by what is on main.
#[derive(Debug)]
enum End {
    /// It still lies in the inbox.
    Waits,
    /// It has a record; the text is that of its `error.log`.
    Recorded(Box<Record>, String),
}

#[test]
fn check_says_what_run_does() -> io::Result<()> {
    let world = World::new()?;
    set_up(&world)?;
    commit(&world, &corpus::first(), "first")?;
    world.must("git push -q origin main; dispatch run -q || test $? = 78; git pull -q")?;
    let cases = corpus::all();
    assert!(cases.len() >= 300, "{} cases", cases.len());
    for (number, part) in cases.chunks(cases.len() / 3 + 1).enumerate() {
        commit(&world, part, &format!("part {number}"))?;
    }
    world.must("git push -q origin main")?;
    let checked = world.shell("dispatch check --rev main --json")?;
    assert_eq!(checked.exit, Some(78), "{}", checked.stderr);
    let said: Value = serde_json::from_str(&checked.stdout).expect("a document");
    let blobs = blobs_of_inbox(&world)?;
    // More than once: what waits for another's end is taken up then.
    for _ in 0..3 {
        let ended = world.shell("dispatch run -q")?;
        assert_eq!(ended.exit, Some(78), "kinds are held: {}{}", ended.stdout, ended.stderr);
    }
    let ends = ends(&world, &blobs)?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut differ = Vec::new();
    for request in said["requests"].as_array().expect("requests") {
        let path = request["path"].as_str().expect("a path");
        let end = ends.get(path).unwrap_or_else(|| panic!("{path} was checked and is not on main"));
        match compare(request, end) {
            Ok(class) => *counts.entry(class).or_default() += 1,
            Err(why) => differ.push(format!("{path}: {why}\n  check: {request}\n  run: {end:?}")),
        }
    }
    assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
    let total: usize = counts.values().sum();
    assert_eq!(total, ends.len(), "each entry of the inbox is judged");
    for (word, least) in
        [("ran", 60), ("rejected", 180), ("held", 14), ("expired", 5), ("waits", 4), ("waited", 3), ("elsewhere", 20)]
    {
        assert!(counts.get(word).is_some_and(|count| *count >= least), "too few `{word}`: {counts:?}");
    }
    assert!(total >= 300, "{counts:?}");
    println!("{total} requests: {counts:?}");
    world.close()
}

/// Whether the verdict and the end are the same thing: the word for it, or what differs.
fn compare(request: &Value, end: &End) -> Result<&'static str, String> {
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    let (verdict, reason, waits) = (text("verdict"), text("reason"), text("waits"));
    if waits.starts_with("for ") {
        return match end {
            End::Waits => Ok("elsewhere"),
            End::Recorded(..) => Err("it is for another host, and was taken here".to_owned()),
        };
    }
    match (verdict, end) {
        ("held", End::Waits) => Ok("held"),
        ("ready", End::Waits) if waits.starts_with("not before") => Ok("waits"),
        ("ready", End::Recorded(record, _)) if waits.starts_with("waits for") => {
            let after = [Outcome::Succeeded, Outcome::Failed, Outcome::Rejected].contains(&record.outcome);
            if after { Ok("waited") } else { Err("another end than the one before allows".to_owned()) }
        }
        ("ready", End::Recorded(record, _)) => match record.outcome {
            Outcome::Rejected | Outcome::Expired => Err("it was to run".to_owned()),
            _ => Ok("ran"),
        },
        ("rejected", End::Recorded(record, _)) if record.outcome == Outcome::Expired => {
            if reason == "expired" {
                Ok("expired")
            } else {
                Err("expired for another reason".to_owned())
            }
        }
        ("rejected", End::Recorded(record, log)) if record.outcome == Outcome::Rejected => {
            let class = record.reason.as_deref().unwrap_or_default();
            if class.split(':').next() != Some(reason) {
                return Err(format!("`{reason}` is `{class}`"));
            }
            let faults = request["diagnostics"].as_array().expect("diagnostics");
            let heads: Vec<&str> = log.lines().filter(|line| line.contains(": error[")).collect();
            if heads.len() != faults.len() {
                return Err(format!("{} faults, and {} in error.log", faults.len(), heads.len()));
            }
            for (fault, head) in faults.iter().zip(heads) {
                let (code, message) =
                    (fault["code"].as_str().expect("code"), fault["message"].as_str().expect("message"));
                let place =
                    fault["line"].as_u64().map(|line| format!(":{line}:{}", fault["column"])).unwrap_or_default();
                let wanted = format!("{place}: error[{code}]: {}", codex_dispatch::diagnostic::escape(message));
                if !head.ends_with(&wanted) {
                    return Err(format!("`{wanted}` is not the end of `{head}`"));
                }
            }
            Ok("rejected")
        }
        _ => Err("another verdict".to_owned()),
    }
}

fn set_up(world: &World) -> io::Result<()> {
    world.write_host(corpus::HOST)?;
    world.write("handlers/index.yml", corpus::INDEX)?;
    for (path, text) in [
        ("handlers/ok.sh", "#!/bin/sh\nexit 0\n"),
        ("handlers/fail.sh", "#!/bin/sh\nexit 3\n"),
        ("handlers/windows.sh", "#!/bin/sh\r\nexit 0\r\n"),
        ("handlers/nameless", "exit 0\n"),
        ("schemas/deploy.schema.json", corpus::SCHEMA),
        ("schemas/broken.schema.json", "{\"type\": \"objekt\"}"),
    ] {
        world.write(path, text)?;
    }
    world.must(
        "git init -q -b main; git config user.name Ann; git config user.email ann@example.com; git init -q --bare -b main $STORY/origin.git
         git remote add origin $STORY/origin.git; git add -A; git commit -qm start; git push -qu origin main",
    )?;
    Ok(())
}

/// Commits entries as git stores them, whatever their names: no file system is between.
fn commit(world: &World, cases: &[Case], message: &str) -> io::Result<()> {
    let head = String::from_utf8_lossy(&world.git("clone", &["rev-parse", "HEAD"])?.stdout).trim().to_owned();
    let mut index = Vec::new();
    for Case { name, content } in cases {
        let (mode, oid) = match content {
            Content::File(bytes) => ("100644", write_blob(world, bytes)?),
            Content::Link(target) => ("120000", write_blob(world, target.as_bytes())?),
            Content::Submodule => ("160000", head.clone()),
        };
        index.extend_from_slice(format!("{mode} {oid}\trequests/").as_bytes());
        index.extend_from_slice(name);
        index.push(0);
    }
    feed(world, &["update-index", "-z", "--index-info"], &index)?;
    world.must(&format!("git commit -qm '{message}'"))?;
    Ok(())
}

fn write_blob(world: &World, bytes: &[u8]) -> io::Result<String> {
    let id = feed(world, &["hash-object", "-w", "--stdin"], bytes)?;
    Ok(String::from_utf8_lossy(&id).trim().to_owned())
}

fn feed(world: &World, arguments: &[&str], bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut command = Command::new("git");
    command.current_dir(world.path("clone")).args(arguments).env_clear().envs(world.environment());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().expect("piped").write_all(bytes)?;
    let output = child.wait_with_output()?;
    assert!(output.status.success(), "git {arguments:?}");
    Ok(output.stdout)
}

/// Each entry of the inbox that is named like a request, as the program shows its path, with its object.
fn blobs_of_inbox(world: &World) -> io::Result<BTreeMap<String, String>> {
    let listing = world.git("clone", &["ls-tree", "-r", "-t", "-z", "--full-tree", "HEAD", "requests/"])?.stdout;
    let mut found = BTreeMap::new();
    for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let tab = line.iter().position(|byte| *byte == b'\t').expect("a listing");
        let (fields, path) = (String::from_utf8_lossy(&line[..tab]).into_owned(), &line[tab + 1..]);
        let steps: Vec<&[u8]> = path.split(|byte| *byte == b'/').skip(1).collect();
        let named = |name: &[u8]| !name.starts_with(b".") && (name.ends_with(b".yml") || name.ends_with(b".yaml"));
        let is_request = match steps[..] {
            [name] => named(name),
            [folder, name] => named(name) && !named(folder),
            _ => false,
        };
        if is_request {
            let odd = |text: &String| text.contains(|c: char| c.is_control() || c == '\\');
            let shown = String::from_utf8(path.to_vec()).ok().filter(|text| !odd(text));
            let shown = shown.unwrap_or_else(|| path.escape_ascii().to_string());
            found.insert(shown, fields.rsplit(' ').next().expect("an id").to_owned());
        }
    }
    Ok(found)
}

fn ends(world: &World, blobs: &BTreeMap<String, String>) -> io::Result<HashMap<String, End>> {
    world.must("git fetch -q; git reset -q --hard origin/main")?;
    let left = blobs_of_inbox(world)?;
    let mut records = HashMap::new();
    for status in files_named(&world.path("clone/logs"), "status.yml")? {
        let record = Record::from_yaml("status.yml", &fs::read(&status)?).expect("a record");
        let log = fs::read_to_string(status.with_file_name("error.log")).unwrap_or_default();
        assert!(records.insert(record.request_blob.clone(), (record, log)).is_none(), "two records of one request");
    }
    let mut ends = HashMap::new();
    for (path, blob) in blobs {
        let end = match (left.contains_key(path), records.remove(blob)) {
            (true, None) => End::Waits,
            (false, Some((record, log))) => End::Recorded(Box::new(record), log),
            (left, record) => panic!("{path}: in the inbox {left}, record {record:?}"),
        };
        ends.insert(path.clone(), end);
    }
    Ok(ends)
}

fn files_named(folder: &Path, name: &str) -> io::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|last| last.as_bytes() == name.as_bytes()) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// The plain hook in a real repository, as a person commits: it judges the index that git is about to commit, and nothing else.
#[test]
fn the_hook_refuses_what_is_staged_and_wrong() -> io::Result<()> {
    let world = World::new()?;
    set_up(&world)?;
    // A table whose rows are all right.
    world.write(
        "handlers/index.yml",
        "deploy: {run: handlers/ok.sh, schema: schemas/deploy.schema.json}\nhello: handlers/ok.sh\n",
    )?;
    world.must("git commit -qam 'a table without faults'")?;
    let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/hooks/pre-commit");
    fs::copy(hook, world.path("clone/.git/hooks/pre-commit"))?;
    let right = "printf 'kind: deploy\\nspec: {target: web-1}\\n'";
    let wrong = "printf 'kind: deploy\\nspec: {tarqet: web-1}\\n'";
    let commits = |script: &str, passes: bool| -> io::Result<String> {
        let ended = world.shell(&format!("mkdir -p requests sub\n{script}"))?;
        assert_eq!(ended.exit == Some(0), passes, "{script}\n{}{}", ended.stdout, ended.stderr);
        Ok(ended.stderr)
    };
    commits(&format!("{right} > requests/a.yml; git add .; git commit -qm right"), true)?;
    let said = commits(&format!("{wrong} > requests/b.yml; git add .; git commit -qm wrong"), false)?;
    assert!(said.contains("would be rejected"), "{said}");
    commits(&format!("{right} > requests/b.yml; git commit -qm 'mended in the work tree alone'"), false)?;
    commits("git add .; git commit -qm mended", true)?;
    commits(
        &format!(
            "{right} > requests/c.yml; git add .; {wrong} > requests/c.yml; git commit -qm 'wrong in the work tree'"
        ),
        true,
    )?;
    commits("git commit -qam 'all of it'", false)?;
    commits("git checkout -q requests/c.yml", true)?;
    commits(
        &format!(
            "{wrong} > requests/d.yml; git add .; {right} > requests/e.yml; git add requests/e.yml; git commit -qm one requests/e.yml"
        ),
        true,
    )?;
    commits("git commit -qm 'what is left' requests/d.yml", false)?;
    commits("cd sub; git commit -qm 'from below'", false)?;
    commits(
        "git rm -qf --cached requests/d.yml; git add -N requests/d.yml; echo > sub/x; git add sub; git commit -qm 'meant to be added'",
        true,
    )?;
    let said = commits(
        "rm requests/d.yml; git add -A; echo 'deploy: {rnu: x}' > handlers/index.yml; git add .; git commit -qm index",
        false,
    )?;
    assert!(said.contains("own files have faults"), "{said}");
    commits("git commit -q --no-verify -m 'past it'", true)?;
    commits("git checkout -q HEAD~1 -- handlers/index.yml; git commit -qm back", true)?;
    commits("DISPATCH=no-such-program git commit -q --allow-empty -m 'nobody to ask'", true)?;
    let log = world.must("git log --format=%s")?;
    for (subject, is_there) in
        [("right", true), ("wrong", false), ("mended", true), ("one", true), ("from below", false), ("index", false)]
    {
        assert_eq!(log.lines().any(|line| line == subject), is_there, "{subject}\n{log}");
    }
    world.close()
}
