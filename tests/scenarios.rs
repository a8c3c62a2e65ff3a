//! Runs the stories of `tests/scenarios/`: one file a story, each against a real bare origin and a clone of its own.
//!
//! The format stands in `support/story.rs`. Each story lives in a temporary folder, goes through the program as a user
//! would, and leaves neither folder nor process behind. `UPDATE=1` rewrites the exact expectations in place:
//! read the difference before you commit it.
//!
//! Steps may use `merge MESSAGE` (everything in the clone's work tree is committed and pushed to the origin) and
//! `origin …` (git in the bare origin).

#[path = "support/normalise.rs"]
mod normalise;
#[path = "support/stage.rs"]
mod stage;
#[path = "support/story.rs"]
mod story;
mod support;

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use stage::{PRELUDE, mainline, set_up, story_files};
use story::{Kind, Match, Section, Story, chosen_keys};
use support::{Ended, World};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut trials = checks_of_the_runner();
    for path in story_files(&folder) {
        let name = path.file_stem().expect("a story has a name").to_string_lossy().into_owned();
        trials.push(Trial::test(name, move || Ok(run_file(&path)?)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn run_file(path: &Path) -> Result<(), String> {
    let told = |error: io::Error| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(told)?;
    let mut story = Story::parse(&text).map_err(|why| format!("{}: {why}", path.display()))?;
    let update = std::env::var("UPDATE").is_ok_and(|value| value == "1");
    let faults = run_story(&mut story, update).map_err(told)?;
    if update && story.render() != text {
        fs::write(path, story.render()).map_err(told)?;
    }
    if faults.is_empty() {
        return Ok(());
    }
    let intent = story.intent.trim();
    Err(faults.iter().fold(intent.to_owned(), |all, fault| format!("{all}\n\n{}:{fault}", path.display())))
}

/// Carries a story out; gives what was not as expected, each with its line. With `update` exact expectations are
/// rewritten in `story` instead.
fn run_story(story: &mut Story, update: bool) -> io::Result<Vec<String>> {
    let world = World::new()?;
    let set_up = set_up(&world, story)?;
    let mut faults = Vec::new();
    let mut last = set_up;
    let mut again = Some(0);
    for section in &mut story.sections {
        let found = match &section.kind {
            Kind::Run { exits } => {
                last = world.shell(&format!("{PRELUDE}{}", section.body))?;
                if !last.exit.is_some_and(|exit| exits.contains(&exit)) {
                    faults.push(exit_fault(section.line, &format!("{exits:?}"), &last));
                }
                continue;
            }
            Kind::Again { exit } => {
                again = *exit;
                continue;
            }
            Kind::Remote(_) | Kind::Host | Kind::File { .. } | Kind::Link { .. } => continue,
            Kind::Stdout(_) => last.stdout.clone(),
            Kind::Stderr(_) => last.stderr.clone(),
            Kind::Tree { folders } => tree(&world, folders)?,
            Kind::Content { path, keys, .. } => content(&world, path, keys)?,
            Kind::History { full } => history(&world, *full)?,
        };
        compare(section, &normal(&world, &found), update, &mut faults);
    }
    faults.extend(run_once_more(&world, again)?);
    if let Err(error) = world.close() {
        faults.push(format!("0: {error}"));
    }
    Ok(faults)
}

fn compare(section: &mut Section, found: &str, update: bool, faults: &mut Vec<String>) {
    let how = match section.kind {
        Kind::Stdout(how) | Kind::Stderr(how) | Kind::Content { how, .. } => how,
        _ => Match::Exact,
    };
    let Some(fault) = how.fault(&section.text(), found) else { return };
    if update && how == Match::Exact {
        section.replace(found);
    } else {
        faults.push(format!("{}: {}: {fault}", section.line, section.heading));
    }
}

fn exit_fault(line: usize, expected: &str, ended: &Ended) -> String {
    let Ended { exit, stdout, stderr } = ended;
    format!("{line}: exit {exit:?}, expected {expected}\nstdout:\n{stdout}stderr:\n{stderr}")
}

fn tree(world: &World, folders: &[String]) -> io::Result<String> {
    let output = world.git(mainline(world), &["ls-tree", "-r", "-z", "--full-tree", "HEAD"])?;
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = Vec::new();
    for entry in listing.split('\0') {
        let Some((fields, path)) = entry.split_once('\t') else { continue };
        if !folders.iter().any(|folder| path.starts_with(&format!("{}/", folder.trim_end_matches('/')))) {
            continue;
        }
        let mode = fields.split(' ').next().unwrap_or_default();
        let shown = path.escape_debug().to_string();
        lines.push(if mode == "100644" { format!("{shown}\n") } else { format!("{shown} {mode}\n") });
    }
    Ok(lines.concat())
}

fn content(world: &World, path: &str, keys: &[String]) -> io::Result<String> {
    let output = world.git(mainline(world), &["show", &format!("HEAD:{path}")])?;
    if !output.status.success() {
        return Ok(format!("(there is no {path} on the mainline)\n"));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(if keys.is_empty() { text } else { chosen_keys(&text, keys) })
}

fn history(world: &World, full: bool) -> io::Result<String> {
    let format = if full { "--format=%an <%ae>%n%B" } else { "--format=%s" };
    let output = world.git(mainline(world), &["log", "--first-parent", format, "HEAD"])?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// One more pass must find nothing to do: the same tip, and the exit code that the story says.
fn run_once_more(world: &World, expected: Option<i32>) -> io::Result<Vec<String>> {
    let Some(expected) = expected else { return Ok(Vec::new()) };
    let before = history(world, true)?;
    let ended = world.shell("dispatch run")?;
    let mut faults = Vec::new();
    if history(world, true)? != before {
        faults.push("0: one more `dispatch run` made a commit".to_owned());
    }
    if ended.exit != Some(expected) {
        faults.push(exit_fault(0, &format!("{expected} of one more `dispatch run`"), &ended));
    }
    Ok(faults)
}

fn normal(world: &World, text: &str) -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    normalise::normalise(text, &world.root().display().to_string(), host.trim())
}

/// The runner is tested like anything else: what is wrong has to be found, what is volatile to be hidden.
fn checks_of_the_runner() -> Vec<Trial> {
    fn faults(sections: &str) -> Result<Vec<String>, String> {
        let text = format!("A check.\n{sections}--- again off\n");
        let mut story = Story::parse(&text)?;
        run_story(&mut story, false).map_err(|error| error.to_string())
    }
    fn expect(what: &str, met: bool, seen: &impl std::fmt::Debug) -> Result<(), String> {
        if met { Ok(()) } else { Err(format!("{what}: {seen:?}")) }
    }
    vec![
        Trial::test("runner::finds_what_is_wrong", || {
            let wrong = [
                "--- run 3\nexit 4\n",
                "--- run\necho a\n--- stdout\nb\n",
                "--- run\necho a\n--- stdout has\nb\n",
                "--- run\necho a; echo b\n--- stdout has\nb\na\n",
                "--- run\necho a\n--- stdout lacks\na\n",
                "--- file x/a 755\nhi\n--- tree x\nx/a\n",
                "--- file x/a\nhi\n--- content x/a\nho\n",
                "--- run\ngit commit -q --allow-empty -m two\n--- history\ntwo\nstart\n",
            ];
            for sections in wrong {
                let faults = faults(sections)?;
                expect(sections, faults.len() == 1, &faults)?;
            }
            Ok(())
        }),
        Trial::test("runner::accepts_what_is_right", || {
            let faults = faults(
                "--- file x/a 755\nhi [STORY]\n--- link x/b a\n--- file s.yml\na: 1\nb:\n  - 2\nc: 3\n\
                 --- tree x\nx/a 100755\nx/b 120000\n--- content x/a\nhi [STORY]\n--- content s.yml b\nb:\n  - 2\n\
                 --- run 3|4\necho one; echo two; exit 4\n--- stdout has\no\ntwo\n\
                 --- run\necho x > x/c; merge two\n--- history\ntwo\nstart\n",
            )?;
            Ok(expect("no fault", faults.is_empty(), &faults)?)
        }),
        Trial::test("runner::finds_a_process_left_behind", || {
            let faults = faults("--- run\nsleep 1000 &\n")?;
            Ok(expect("one fault", faults.len() == 1 && faults[0].contains("sleep"), &faults)?)
        }),
        Trial::test("runner::rewrites_exact_expectations_only", || {
            let text = "A check.\n--- run\necho a\n--- stdout\nb\n\n--- stderr has\nno\n--- again off\n";
            let mut story = Story::parse(text)?;
            let faults = run_story(&mut story, true)?;
            let rewritten = text.replace("\nb\n", "\na\n");
            Ok(expect("rewritten", faults.len() == 1 && story.render() == rewritten, &(faults, story.render()))?)
        }),
        Trial::test("runner::normalises", || {
            let cases = [
                ("at 2026-11-20T20:13:52.123Z,", "at [TIME],"),
                ("at 2026-01-02T03:04:05Z or 2999-01-01T00:00:00Z", "at 2026-01-02T03:04:05Z or 2999-01-01T00:00:00Z"),
                ("0198c0de-0000-7000-8000-0123456789ab.", "[UUID]."),
                ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000001"),
                ("1234567890123456789012345678901234567890 a1b2c3d decades", "[OID] [SHORT] decades"),
                ("took 1.2s, 5m30s; 64KiB x2s", "took [DURATION], [DURATION]; 64KiB x2s"),
                ("duration_ms: 17 rc=3 {\"t\":4}", "duration_ms: [DURATION] rc=3 {\"t\":[DURATION]}"),
                ("/tmp/s/a on box-7", "[STORY]/a on [HOST]"),
            ];
            for (text, expected) in cases {
                let found = normalise::normalise(text, "/tmp/s", "box-7");
                expect(text, found == expected, &found)?;
            }
            Ok(())
        }),
    ]
}
