//! Types what the pages show: README.md and every page of docs/ that says at its top that it is executed, one test a page.
//!
//! What a page may say stands in `support/page.rs`. Each page lives in a fresh world and is typed into one shell; it leaves
//! neither folder nor process behind. `UPDATE=1` rewrites outputs in place: read the difference before you commit it.

#[path = "support/normalise.rs"]
mod normalise;
#[path = "support/page.rs"]
mod page;
#[path = "support/stage.rs"]
#[expect(dead_code, reason = "a page has no steps of a story")]
mod stage;
#[path = "support/story.rs"]
#[expect(dead_code, reason = "a page has no expectations of a story")]
mod story;
#[expect(dead_code, reason = "a page asks git by typing")]
mod support;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use page::{Act, Page, Printed};
use story::{Kind, Story};
use support::World;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = checks_of_the_typist();
    for path in pages() {
        let text = fs::read_to_string(&path).expect("a readable page");
        let name = path.file_stem().expect("a page has a name").to_string_lossy().into_owned();
        match Page::parse(&text) {
            Ok(None) => {}
            Ok(Some(page)) => trials.push(Trial::test(name, move || Ok(try_page(&path, &page, &text)?))),
            Err(fault) => trials.push(Trial::test(name, move || Err(format!("{}: {fault}", path.display()).into()))),
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(root.join("docs")).expect("docs/");
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    pages.push(root.join("README.md"));
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

fn try_page(path: &Path, page: &Page, text: &str) -> Result<(), String> {
    let told = |error: io::Error| format!("{}: {error}", path.display());
    if page.steps.is_empty() {
        return Err(format!("{}: nothing on it is executed", path.display()));
    }
    let (printed, left) = carry_out(page).map_err(told)?;
    let mut faults = page.faults(&printed);
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        let rewritten = page.rewritten(&printed);
        if rewritten != text {
            fs::write(path, &rewritten).map_err(told)?;
        }
        // What a rewriting does not mend: an exit code that nothing shows.
        let again = Page::parse(&rewritten)?.expect("it was executed");
        faults = again.faults(&printed);
    }
    faults.extend(left);
    if faults.is_empty() {
        return Ok(());
    }
    Err(faults.iter().fold(String::new(), |all, fault| format!("{all}\n\n{}:{fault}", path.display())))
}

/// What the steps of a page printed, and what was wrong with the world's end.
fn carry_out(page: &Page) -> io::Result<(Vec<Printed>, Option<String>)> {
    let world = World::new()?;
    world.write_host("node: build-1\n")?;
    let mut story = Story::parse(&page.set_up).map_err(io::Error::other)?;
    for section in &mut story.sections {
        if !matches!(section.kind, Kind::Remote(_) | Kind::Host | Kind::File { .. } | Kind::Link { .. }) {
            return Err(io::Error::other(format!("`--- {}` is nothing that stands before a page", section.heading)));
        }
        if section.kind == Kind::Host && !section.body.contains("node:") {
            section.body.insert_str(0, "node: build-1\n");
        }
    }
    stage::set_up(&world, &story)?;
    let printed = page.type_into(&world)?;
    Ok((printed, world.close().err().map(|error| format!("0: {error}"))))
}

/// Whoever types is tested like anything else: what is wrong has to be found, what is volatile to be passed over.
fn checks_of_the_typist() -> Vec<Trial> {
    vec![
        Trial::test("typist::finds_what_is_wrong", || Ok(finds_what_is_wrong()?)),
        Trial::test("typist::accepts_what_is_right", || Ok(accepts_what_is_right()?)),
        Trial::test("typist::rewrites_what_differs", || Ok(rewrites_what_differs()?)),
        Trial::test("typist::shows_only_where_it_matters", || Ok(shows_only_where_it_matters()?)),
        Trial::test("typist::refuses_what_it_cannot_read", || Ok(refuses_what_it_cannot_read()?)),
    ]
}

fn finds_what_is_wrong() -> Result<(), String> {
    for wrong in [
        "$ echo a\nb\n",
        "$ echo a\n",
        "$ true\na\n",
        "$ echo abc\na…d\n",
        "$ echo a; echo b\na\n",
        "$ echo a; echo b\n…\na\n",
        "$ echo a; echo b; echo c\na\n…\nd\n…\n",
        "$ false\n$ true\n",
        "$ false\n",
        "$ (exit 3)\n$ echo $?\n4\n",
        "$ sleep 1000 &\n",
    ] {
        let faults = faults(&format!("```console\n{wrong}```\n"))?;
        expect(wrong, faults.len() == 1, &faults)?;
    }
    Ok(())
}

fn accepts_what_is_right() -> Result<(), String> {
    let body = "\
Words.
<!-- file new/x.sh 755 -->
```sh
echo 'it is' $1
```
- in a list
  ```console
  $ new/x.sh right | tee said
  it is right
  $ cd new; grep -n $(cat ../said | \\
  > wc -w) x.sh
  $ echo $?
  1
  ```
<!-- not executed: it would take root -->
```console
$ no-such-command
```
```console
$ ls; printf 'no line end'
x.sh
no line end
$ no-such-command > /dev/null 2>&1
$ echo $? at 2026-11-20T20:13:52Z, took '17ms  [x]'
127 at 2031-01-01T00:00:00Z, took 4s          [x]
$ echo logs/2026/01/02/hello-1a2b3c4d; seq 9
logs/2031/11/30/hello-99999999
…
4
5
…
9
$ echo both >&2
b…h
```
";
    let faults = faults(body)?;
    expect("no fault", faults.is_empty(), &faults)
}

fn rewrites_what_differs() -> Result<(), String> {
    let body = "```console\n$ echo 1.5s\n2s\n$ echo a\nb\nc\n$ echo d\n```\n  ```console\n  $ echo e\n  ```\n";
    let page = page(body)?;
    let (printed, _) = carry_out(&page).map_err(|error| error.to_string())?;
    let rewritten = page.rewritten(&printed);
    let expected = "```console\n$ echo 1.5s\n2s\n$ echo a\na\n$ echo d\nd\n```\n  ```console\n  $ echo e\n  e\n  ```\n";
    expect("rewritten", rewritten.ends_with(&format!("-->\n{expected}")), &rewritten)
}

fn shows_only_where_it_matters() -> Result<(), String> {
    let marker = "<!-- executed, with output where it matters\nA check.\n--- repository none\n-->\n";
    let page = Page::parse(&format!("{marker}```console\n$ echo a\n$ echo b\nc\n```\n"))?.ok_or("not executed")?;
    let (printed, _) = carry_out(&page).map_err(|error| error.to_string())?;
    let faults = page.faults(&printed);
    expect("one fault", faults.len() == 1 && faults[0].contains("echo b"), &faults)
}

fn refuses_what_it_cannot_read() -> Result<(), String> {
    let marker = "<!-- executed\nA check.\n-->\n";
    for (text, words) in [
        ("<!-- executed by hand\n-->\n".to_owned(), "the marker is"),
        ("<!-- executed\nA check.\n".to_owned(), "not closed"),
        (format!("{marker}```console\n$ true\n"), "no end"),
        (format!("{marker}```console\nout\n```\n"), "line 5: no command"),
        (format!("{marker}<!-- not executed: -->\n```console\n$ true\n```\n"), "without a reason"),
        (format!("{marker}<!-- file a b -->\n```sh\n```\n"), "file PATH"),
    ] {
        let found = Page::parse(&text).err();
        expect(words, found.as_ref().is_some_and(|fault| fault.contains(words)), &found)?;
    }
    expect("no page of ours", Page::parse("# Page\n```console\n$ true\n```\n")?.is_none(), &"")?;
    let steps = page("```console\n$ a \\\n> b\nc\n```\n")?.steps;
    expect("one command", matches!(&steps[..], [step] if step.act == Act::Command("a \\\nb".into())), &steps)
}

fn page(body: &str) -> Result<Page, String> {
    let text = format!("<!-- executed\nA check.\n--- repository none\n-->\n{body}");
    Page::parse(&text)?.ok_or_else(|| "not executed".to_owned())
}

fn faults(body: &str) -> Result<Vec<String>, String> {
    let page = page(body)?;
    let (printed, left) = carry_out(&page).map_err(|error| error.to_string())?;
    Ok(page.faults(&printed).into_iter().chain(left).collect())
}

fn expect(what: &str, met: bool, seen: &impl std::fmt::Debug) -> Result<(), String> {
    if met { Ok(()) } else { Err(format!("{what}: {seen:?}")) }
}
