//! Carries out what the documentation promises: the console blocks of README.md, and every request of `examples/`
//! with this repository's own handlers and schemas.
//!
//! The first block of README.md builds the program and runs all tests, this one included; it is left to people.

mod support;

use std::fs;
use std::path::Path;

use support::World;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// A command of a console block and the lines that the page shows below it; none = not said.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    command: String,
    output: String,
}

#[test]
fn the_readme_does_what_it_shows() -> Tested {
    let readme = fs::read_to_string(root().join("README.md"))?;
    let shown = console_blocks(&readme, 1);
    assert!(shown.iter().any(|shown| !shown.output.is_empty()), "no output is shown: nothing is tested");
    let world = World::new()?;
    let printed = run_in_one_shell(&world, &shown)?;
    for (shown, printed) in shown.iter().zip(printed) {
        if !shown.output.is_empty() {
            assert_eq!(printed, shown.output, "README.md shows something else for `{}`", shown.command);
        }
    }
    Ok(world.close()?)
}

#[test]
fn every_example_succeeds() -> Tested {
    let world = World::new()?;
    let here = world.root().display().to_string();
    let moved = |text: &str| {
        text.replace("/srv/www", &format!("{here}/www")).replace("/var/backups/dispatch", &format!("{here}/backups"))
    };
    for folder in ["handlers", "schemas", "schemas/dispatch", "docs", "examples"] {
        for entry in fs::read_dir(root().join(folder))? {
            let path = entry?.path();
            if path.is_file() {
                let inside = path.strip_prefix(root())?.to_string_lossy().into_owned();
                world.write(&inside, &moved(&fs::read_to_string(path)?))?;
            }
        }
    }
    world.write("codex.repo.yaml", &fs::read_to_string(root().join("codex.repo.yaml"))?)?;
    world.write_host(&moved(
        "read: {backup: [/srv/www]}\nwrite: {deploy: [/srv/www], backup: [/var/backups/dispatch]}\n",
    ))?;
    world.must(
        "chmod 711 \"$STORY\"; mkdir \"$STORY/www\" \"$STORY/backups\"; chmod 777 \"$STORY/www\" \"$STORY/backups\"
        git init -q -b main; git config user.name T; git config user.email t@example.com; git add -A; git commit -qm start
        dispatch check examples/*.yml
        mkdir requests; cp examples/*.yml requests/; git add -A; git commit -qm examples
        dispatch run --strict",
    )?;
    let unread = world.git("clone", &["ls-tree", "-r", "--name-only", "HEAD", "requests"])?.stdout;
    assert_eq!(String::from_utf8(unread)?, "", "every request has left the inbox");
    let deployed = fs::read_dir(world.path("www/docs/current"))?.count();
    assert_eq!(deployed, fs::read_dir(root().join("docs"))?.count(), "deploy-docs.yml publishes docs/");
    assert!(fs::read_dir(world.path("backups"))?.count() >= 2, "backup-www.yml leaves an archive and its manifest");
    Ok(world.close()?)
}

#[test]
fn console_blocks_are_found() {
    let page = "a\n```console\n$ skipped\n```\nb\n```console\n$ one\nout\n$ two\n```\n```sh\n$ not this\n```\n";
    let shown = |command: &str, output: &str| Shown { command: command.to_owned(), output: output.to_owned() };
    assert_eq!(console_blocks(page, 1), [shown("one", "out\n"), shown("two", "")]);
}

fn console_blocks(page: &str, skip: usize) -> Vec<Shown> {
    let blocks = page.split("```console\n").skip(1 + skip).filter_map(|rest| rest.split("```").next());
    let mut found: Vec<Shown> = Vec::new();
    for line in blocks.flat_map(|block| block.split_inclusive('\n')) {
        if let Some(command) = line.strip_prefix("$ ") {
            found.push(Shown { command: command.trim_end().to_owned(), output: String::new() });
        } else if let Some(last) = found.last_mut() {
            last.output.push_str(line);
        }
    }
    found
}

/// Runs the commands in one shell, so that `cd` lasts; gives what each printed on its standard output.
fn run_in_one_shell(world: &World, shown: &[Shown]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    const MARK: &str = "=== the next command ===\n";
    let steps = shown.iter().flat_map(|shown| [shown.command.as_str(), "\necho '", MARK.trim_end(), "'\n"]);
    let printed = world.must(&steps.collect::<String>())?;
    Ok(printed.split(MARK).map(str::to_owned).collect())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
