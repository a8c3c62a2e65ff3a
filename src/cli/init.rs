//! `dispatch init DIR`: a repository that works, with one handler and one request to run. Writes only files
//! that are not there; makes the first commit only in a repository that it made itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use super::exit::{Exit, Failure};
use super::{agent_guide, render};
use crate::contract::source::Folder;

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch init my-inbox\n  dispatch init .           add an inbox to the repository here"
)]
pub struct InitArgs {
    /// The folder; made where it does not exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

const CONFIG: &str = "\
# The repository's contract with its dispatcher; `dispatch check` reads it.
repo: {purpose: infrastructure-orchestration, strategy: git-merge-execution}
codex:
  deploy_trigger_path: requests/
  deploy_output_path: logs/
  archive_path: processed/
  mainline_branch: main
  enforce_merge_before_execution: true
  cleanup_after_success: true
  layout: dated
";

const INDEX: &str = "\
# The router table: which handler carries out which kind.
hello: handlers/hello.sh
";

const REQUEST: &str = "\
# What a request looks like. Merged to main, it is carried out once; its record comes back under logs/.
kind: hello
spec: {name: world}
";

/// What agents read first; the guide comes behind it.
const AGENTS: &str = "\
# For agents

This repository is an inbox: what is merged here is carried out on a machine. [README.codex.md](README.codex.md) says more.
";

const FIXTURE: &str = "\
# A fixture: what this request comes to stands beside it. `dispatch handler test --all` holds handlers to that.
kind: hello
spec: {name: Ada}
";

const EXPECTED: &str = "\
outcome: succeeded
exit_code: 0
result: {greeted: Ada}
output:
- hello, Ada
- request …, attempt 1, from commit …
";

/// Every file of a new repository: path, text, whether it is executable.
pub const FILES: [(&str, &str, bool); 12] = [
    ("codex.repo.yaml", CONFIG, false),
    ("handlers/index.yml", INDEX, false),
    ("handlers/hello.sh", include_str!("../../handlers/hello.sh"), true),
    ("tests/handlers/hello/name.yml", FIXTURE, false),
    ("tests/handlers/hello/name.expect.yml", EXPECTED, false),
    ("schemas/hello.schema.json", include_str!("../../schemas/hello.schema.json"), false),
    (agent_guide::README, include_str!("../../README.codex.md"), false),
    (agent_guide::AGENTS, AGENTS, false),
    ("requests/.gitkeep", "", false),
    ("processed/.gitkeep", "", false),
    ("logs/.gitkeep", "", false),
    ("requests/hello-world.yml", REQUEST, false),
];

/// Answers `init`.
pub fn answer(args: &InitArgs) -> Result<Exit, Failure> {
    let folder = &args.folder;
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
    let fresh = !inside_repository(folder);
    if fresh {
        git(folder, &["init", "-q", "-b", "main"])?;
    }
    let written = write(folder)?;
    if fresh {
        git(folder, &["add", "--all", "."])?;
        commit(folder, "inbox: first request")?;
    }
    for path in &written {
        render::print(format!("wrote {}", folder.join(path).display()));
    }
    if !fresh && !written.contains(&agent_guide::AGENTS) {
        render::print(format!("AGENTS.md is yours: `{} agent-guide --write` adds the guide to it", render::program()));
    }
    if written.is_empty() {
        render::print("everything is there already");
    }
    let (shown, program) = (folder.display(), render::program());
    render::print(if fresh {
        "committed as `inbox: first request` on main"
    } else {
        "nothing committed: look, then commit and merge it"
    });
    render::print(format!(
        "\nnext:\n  {program} -C {shown} run\n  {program} -C {shown} list\n  {program} -C {shown} kinds"
    ));
    Ok(Exit::Done)
}

/// Writes the files that are not there and says which.
pub fn write(folder: &Path) -> Result<Vec<&'static str>, Failure> {
    let mut written = Vec::new();
    for (path, text, executable) in FILES {
        let whole = folder.join(path);
        // The example request belongs to a new inbox only; in an inbox that has been used it would run again.
        let used = path.starts_with("requests/hello")
            && folder.join("codex.repo.yaml").exists()
            && !written.contains(&"codex.repo.yaml");
        if whole.symlink_metadata().is_ok() || used {
            continue;
        }
        put(&whole, text, executable)?;
        written.push(path);
    }
    write_guide(folder, &written)?;
    Ok(written)
}

/// Puts the guide for this very repository into the files that were written. Where its own rules cannot be read there is none to
/// write yet, and the files say how to get it.
fn write_guide(folder: &Path, written: &[&str]) -> Result<(), Failure> {
    let later = "`dispatch agent-guide --write` writes the guide here once `dispatch check` is content.";
    let guide = Folder::open(folder).map_err(Failure::from).and_then(|tree| agent_guide::of(&tree));
    let guide = guide.map_or_else(|_| later.to_owned(), |guide| guide.to_markdown());
    for (path, text, _) in FILES.iter().filter(|(path, ..)| [agent_guide::README, agent_guide::AGENTS].contains(path)) {
        if written.contains(path) {
            put(&folder.join(path), &agent_guide::refreshed(Path::new(path), text, &guide)?, false)?;
        }
    }
    Ok(())
}

/// Writes one file and the folders above it.
pub fn put(path: &Path, text: &str, executable: bool) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;
    let write = || {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
        fs::set_permissions(path, fs::Permissions::from_mode(if executable { 0o755 } else { 0o644 }))
    };
    write().map_err(|error| unwritable(path, &error))
}

/// Commits what is staged, under a neutral identity where the user has none.
pub fn commit(folder: &Path, message: &str) -> Result<(), Failure> {
    let named = git(folder, &["var", "GIT_COMMITTER_IDENT"]).is_ok();
    let identity: &[&str] =
        if named { &[] } else { &["-c", "user.name=dispatch init", "-c", "user.email=dispatch@localhost"] };
    let words: Vec<&str> = identity.iter().copied().chain(["commit", "-q", "-m", message]).collect();
    git(folder, &words)
}

/// Runs the git program on a folder that is the user's own; the dispatcher's own calls are made in `repo`.
pub fn git(folder: &Path, words: &[&str]) -> Result<(), Failure> {
    let run = Command::new("git").arg("-C").arg(folder).args(words).env("GIT_TERMINAL_PROMPT", "0").output();
    match run {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Failure::new(
            Exit::Unwritable,
            format!("git {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()),
        )),
        Err(error) => Err(Failure::new(Exit::Missing, format!("starting git: {error}")).hint("install git")),
    }
}

fn inside_repository(folder: &Path) -> bool {
    git(folder, &["rev-parse", "--git-dir"]).is_ok()
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Unwritable, format!("writing `{}`: {error}", path.display()))
}
