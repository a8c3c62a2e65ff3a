//! `dispatch demo`: a bare origin, a clone and one request of every outcome in a folder of its own, run for
//! real. The folder stays, so that the commands shown at the end can be typed.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::exit::{Exit, Failure};
use super::init::{commit, git, put};
use super::{PlaceArgs, init, list, logs, render, run, status};

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch demo\n  dispatch demo --dir /tmp/my-demo\n  dispatch demo --level confined    on a machine that has no namespaces to give"
)]
pub struct DemoArgs {
    /// Where to build it; must not exist [default: a new folder in the folder for temporary files]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// How far handlers are kept from the machine
    #[arg(long, value_enum, default_value = "isolated")]
    level: DemoLevel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DemoLevel {
    /// Own namespaces, nothing of the host but its programs
    Isolated,
    /// Landlock and seccomp, where there are no namespaces to be had
    Confined,
    /// As a plain process
    None,
}

impl DemoLevel {
    fn word(self) -> &'static str {
        match self {
            Self::Isolated => "isolated",
            Self::Confined => "confined",
            Self::None => "none",
        }
    }
}

/// Handlers and requests of the demo, besides what `init` writes.
const FILES: [(&str, &str, bool); 14] = [
    ("handlers/total.py", include_str!("demo/total.py"), true),
    ("data/prices.json", include_str!("demo/prices.json"), false),
    (
        "handlers/fails.sh",
        "#!/bin/sh\necho 'looking for the volume…'\necho 'volume data-7 is not there' >&2\nexit 3\n",
        true,
    ),
    ("handlers/hangs.sh", "#!/bin/sh\necho 'waiting for a lock that nobody gives back'\nsleep 600\n", true),
    (
        "handlers/flaky.sh",
        "#!/bin/sh\necho \"attempt $DISPATCH_ATTEMPT\"\n[ \"$DISPATCH_ATTEMPT\" -ge 2 ] || exit 75   # 75: try again\necho 'the mirror answers again'\n",
        true,
    ),
    ("handlers/nosy.sh", include_str!("demo/nosy.sh"), true),
    ("schemas/total.schema.json", include_str!("demo/total.schema.json"), false),
    ("requests/1-hello.yml", "kind: hello\nspec: {name: Ada}\n", false),
    ("requests/2-total.yml", "kind: total\nspec: {basket: [tea, bread, tea]}\n", false),
    ("requests/3-fails.yml", "kind: fails\n", false),
    ("requests/4-hangs.yml", "kind: hangs\ntimeout: 1s\n", false),
    ("requests/5-typo.yml", "kind: total\nspec:\n  baskett: [tea]\n", false),
    ("requests/6-unknown.yml", "kind: helo\n", false),
    ("requests/7-flaky.yml", "kind: flaky\n", false),
];

const INDEX: &str = "\
hello: handlers/hello.sh
total: handlers/total.py
fails: handlers/fails.sh
hangs: {run: handlers/hangs.sh, grace: 1s}
flaky: {run: handlers/flaky.sh, delivery: at-least-once, retry: {attempts: 3, backoff: 200ms}}
nosy: handlers/nosy.sh
";

/// Answers `demo`.
pub fn answer(args: &DemoArgs) -> Result<Exit, Failure> {
    let root = folder(args.dir.as_deref())?;
    let inbox = root.join("inbox");
    render::print(format!("the demo lives in {}\n", root.display()));
    build(&root, &inbox, args.level)?;

    let place = PlaceArgs::demo(&inbox, &root.join("host.yaml"));
    title("$ dispatch run");
    let exit = run::answer(&place, &run::RunArgs::default())?;
    if exit == Exit::Missing {
        return Err(Failure::new(Exit::Missing, "this machine cannot isolate handlers, as said above").hint(
            "`dispatch demo --level confined` needs no namespaces, `--level none` runs them as plain processes",
        ));
    }
    if exit != Exit::Done {
        return Ok(exit);
    }
    title("$ dispatch list");
    list::answer(&place, &list::ListArgs::default())?;
    title("$ dispatch status 5-typo");
    status::answer(&place, &status::StatusArgs::of("5-typo"))?;
    title("$ git log origin/main");
    show_log(&inbox)?;
    title(&format!("$ dispatch logs 8-nosy    (at level {})", args.level.word()));
    logs::answer(&place, &logs::LogsArgs::of("8-nosy"))?;
    let shown = inbox.display();
    title("next, try:");
    let program = render::program();
    render::print(format!("  {program} -C {shown} logs 3-fails"));
    render::print(format!("  {program} -C {shown} why 4-hangs"));
    render::print(format!("  ls {shown}/logs {shown}/processed"));
    Ok(Exit::Done)
}

fn folder(asked: Option<&Path>) -> Result<PathBuf, Failure> {
    let wrap = |error: std::io::Error| Failure::new(Exit::Unwritable, format!("making the demo's folder: {error}"));
    match asked {
        Some(path) => {
            fs::create_dir(path).map_err(wrap)?;
            path.canonicalize().map_err(wrap)
        }
        None => tempfile::Builder::new().prefix("dispatch-demo-").tempdir().map(tempfile::TempDir::keep).map_err(wrap),
    }
}

fn build(root: &Path, inbox: &Path, level: DemoLevel) -> Result<(), Failure> {
    let origin = root.join("origin.git");
    let name = |path: &Path| path.display().to_string();
    put(
        &root.join("host.yaml"),
        match level {
            DemoLevel::Isolated => "node: demo\n",
            DemoLevel::Confined | DemoLevel::None => "node: demo\nlevels: {minimum: confined, none: [\"*\"]}\n",
        },
        false,
    )?;
    git(root, &["init", "-q", "--bare", "-b", "main", &name(&origin)])?;
    git(root, &["init", "-q", "-b", "main", &name(inbox)])?;
    git(inbox, &["remote", "add", "origin", &name(&origin)])?;
    git(inbox, &["config", "user.name", "Demo"])?;
    git(inbox, &["config", "user.email", "demo@localhost"])?;
    init::write(inbox)?;
    fs::remove_file(inbox.join("requests/hello-world.yml"))
        .map_err(|error| Failure::new(Exit::Unwritable, format!("demo: {error}")))?;
    for (path, text, executable) in FILES {
        put(&inbox.join(path), text, executable)?;
    }
    let keys = root.join("keys.txt");
    put(&keys, "not for handlers\n", false)?;
    put(&inbox.join("requests/8-nosy.yml"), &format!("kind: nosy\nspec:\n  keys: {}\n", keys.display()), false)?;
    put(&inbox.join("handlers/index.yml"), &index(level), false)?;
    // The demo is about outcomes; where a record lies is easier to see without dates.
    let config =
        fs::read_to_string(inbox.join("codex.repo.yaml")).unwrap_or_default().replace("layout: dated", "layout: flat");
    put(&inbox.join("codex.repo.yaml"), &config, false)?;
    git(inbox, &["add", "--all", "."])?;
    commit(inbox, "demo: eight requests")?;
    git(inbox, &["push", "-q", "-u", "origin", "main"])
}

fn index(level: DemoLevel) -> String {
    if level == DemoLevel::Isolated {
        return INDEX.to_owned();
    }
    let rows = INDEX.lines().map(|line| {
        if let Some(row) = line.strip_suffix('}') {
            return format!("{row}, sandbox: {{level: {}}}}}", level.word());
        }
        let (kind, run) = line.split_once(": ").unwrap_or((line, ""));
        format!("{kind}: {{run: {run}, sandbox: {{level: {}}}}}", level.word())
    });
    rows.collect::<Vec<_>>().join("\n") + "\n"
}

fn show_log(inbox: &Path) -> Result<(), Failure> {
    let output = std::process::Command::new("git")
        .arg("-C")
        .arg(inbox)
        .args(["--no-pager", "log", "--format=%h %an: %s", "-4", "origin/main"])
        .output()
        .map_err(|error| Failure::new(Exit::Missing, format!("starting git: {error}")))?;
    render::print_bytes(&output.stdout);
    Ok(())
}

fn title(text: &str) {
    render::print(format!("\n{}", render::paint(text, "1")));
}
