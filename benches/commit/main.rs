//! What it costs to bring a batch of records to main, part by part: building the commit, pushing it, and bringing the clone up. Times are of this
//! process and the git programs that it starts; only figures of one run compare. docs/performance.md says how to read them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Parser;
use codex_dispatch::repo::{Changeset, Checkout, Content, Identity, Repo, Settings, Write};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

#[derive(Parser)]
struct Options {
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// Records a batch.
    #[arg(long, default_value_t = 100)]
    records: usize,
    /// Batches.
    #[arg(long, default_value_t = 20)]
    batches: usize,
    /// A bare repository whose main the batches go behind, such as one of `scripts/bench.sh archive`; it is not changed.
    #[arg(long)]
    archive: Option<PathBuf>,
    /// Commit into a repository without a remote.
    #[arg(long)]
    local: bool,
    /// In this folder, which has to be on a real disk.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
}

fn main() {
    let options = Options::parse();
    let folder = tempfile::tempdir_in(&options.dir).expect("a folder");
    let mut repo = opened(folder.path(), &options);
    let mut tip = repo.fetch().expect("main can be read").commit;
    let mut parts: Vec<(&str, Vec<(f64, f64)>)> = ["commit", "push", "follow"].map(|name| (name, Vec::new())).into();
    let who = Identity { name: "bench".to_owned(), email: "bench@example.com".to_owned() };
    for batch in 0..options.batches {
        let changeset = Changeset { removals: Vec::new(), writes: records(batch, options.records) };
        let before = tip;
        parts[0].1.push(measured(|| {
            tip =
                repo.commit_on(Some(tip), &changeset, "records\n", &who, &who, 1_700_000_000).expect("a commit").commit;
        }));
        parts[1].1.push(measured(|| repo.push(Some(before), tip).expect("a push")));
        parts[2].1.push(measured(|| drop(repo.follow(tip).expect("followed"))));
    }
    println!("{} records a batch, {} batches; milliseconds a batch\n", options.records, options.batches);
    println!("{:<8} {:>8} {:>8} {:>8} {:>8}", "", "first", "median", "last", "CPU");
    for (name, figures) in &parts {
        let (first, last) = (figures[0].0, figures[figures.len() - 1].0);
        println!(
            "{name:<8} {first:>8.1} {:>8.1} {last:>8.1} {:>8.1}",
            median(figures, |one| one.0),
            median(figures, |one| one.1)
        );
    }
}

/// The repository of a fresh clone of a fresh origin.
fn opened(folder: &Path, options: &Options) -> Repo {
    let git = |args: &[&str]| {
        let mut call = Command::new("git");
        call.current_dir(folder).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(args);
        assert!(call.status().expect("git").success(), "git {args:?}");
    };
    let archive = options.archive.as_ref().map(|archive| archive.canonicalize().expect("the archive"));
    if let Some(archive) = &archive {
        git(&["clone", "-q", "--bare", "--shared", &archive.display().to_string(), "origin.git"]);
        git(&["clone", "-q", "--bare", "origin.git", "work"]);
        git(&["-C", "work", "config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]);
    } else {
        git(&["init", "-q", "-b", "main", "seed"]);
        git(&["-C", "seed", "commit", "-q", "--allow-empty", "-m", "seed"]);
        git(&["clone", "-q", "--bare", "seed", "origin.git"]);
        git(&["clone", "-q", "origin.git", "work"]);
    }
    for repository in ["origin.git", "work"] {
        git(&["-C", repository, "config", "gc.auto", "0"]);
    }
    if options.local {
        git(&["-C", "work", "remote", "remove", "origin"]);
    }
    let mut settings = Settings::new("main");
    settings.holds_lock = true;
    let checkout = Checkout::discover(&folder.join("work")).expect("the clone");
    Repo::open(checkout, &folder.join("state"), settings).expect("the repository")
}

/// The files of records as those of handlers that print nothing.
fn records(batch: usize, count: usize) -> Vec<Write> {
    let mut writes = Vec::new();
    for number in 0..count {
        let id = format!(
            "{batch:08x}-{number:04x}-4f2a-9c00-5a17{:08x}",
            (batch * count + number).wrapping_mul(2_654_435_761)
        );
        let name = format!("2026/11/21/noop-{batch:04}{number:04}-{}", &id[28..]);
        let commit = "c547c0694e3dd19f2b15b99b0c07fdc904acc36c";
        let mut file = |path: String, text: String| writes.push(Write::file(path, Content::Bytes(text.into_bytes())));
        file(
            format!("processed/{name}.yml"),
            format!("kind: noop\nresource: service/{id}\nspec:\n  service: frontend\n  replicas: 3\n"),
        );
        file(
            format!("logs/{name}/status.yml"),
            format!(
                "v: 1\nstatus: success\noutcome: succeeded\nid: {id}\nkind: noop\nname: noop-{number}\nresource: service/{number}\nexit_code: 0\nattempts:\n\
                 - number: 1\n  started_at: \"2026-11-21T22:14:{number}.353Z\"\n  exit_code: 0\nqueued_at: \"2026-11-21T22:14:44.000Z\"\nduration_ms: {number}\n\
                 host: bench\ndispatcher: codex-dispatch\ncommit: {commit}\nrequested_by:\n  author: bench <bench@example.com>\n  commit: {commit}\n\
                 sandbox:\n  level: isolated\n  layers:\n  - cgroup.memory\n  - cgroup.pids\nlog_sha256: {id}{id}\noutput:\n  bytes: 0\n  kept: 0\n  dropped: 0\n"
            ),
        );
        file(
            format!("logs/{name}/log.jsonl"),
            format!(
                "{{\"v\":1,\"seq\":0,\"ts\":\"2026-11-21T22:14:48.353Z\",\"t\":{number},\"ev\":\"admitted\",\"path\":\"requests/noop-{number}.yml\",\"blob\":\"{id}\"}}\n\
                 {{\"v\":1,\"seq\":1,\"ts\":\"2026-11-21T22:14:48.353Z\",\"t\":0,\"ev\":\"started\",\"attempt\":1,\"argv\":[\"/bin/sh\",\"handlers/noop.sh\"]}}\n\
                 {{\"v\":1,\"seq\":2,\"ts\":\"2026-11-21T22:14:48.401Z\",\"t\":48,\"ev\":\"exited\",\"attempt\":1,\"exit_code\":0}}\n"
            ),
        );
        file(
            format!("logs/{name}/dispatch.log"),
            format!(
                "succeeded: noop `noop-{number}`\n\n  id         {id}\n  asked by   bench, commit {commit}\n  took       0.0{number} s\n"
            ),
        );
        file(format!("logs/{name}/handler.log"), String::new());
    }
    writes
}

/// Milliseconds by the clock, and of processors.
fn measured(work: impl FnOnce()) -> (f64, f64) {
    let cpu = || {
        let of = |who| getrusage(who).map_or(0, |usage| (usage.user_time() + usage.system_time()).num_microseconds());
        let both = of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN);
        Duration::from_micros(both.try_into().unwrap_or(0)).as_secs_f64() * 1e3
    };
    let (start, before) = (Instant::now(), cpu());
    work();
    (start.elapsed().as_secs_f64() * 1e3, cpu() - before)
}

fn median(figures: &[(f64, f64)], which: impl Fn(&(f64, f64)) -> f64) -> f64 {
    let mut sorted: Vec<f64> = figures.iter().map(which).collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
