//! Servers that decline and writers who never rest: hooks that reject at random, everything, or for what is in a record; a
//! second writer whose commits arrive faster than ours; requests that are edited, renamed and taken back after their start,
//! places that somebody else has written, records that are forged. Nothing starves, nothing is lost, and nobody's commits
//! are touched.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use codex_dispatch::id::RequestId;
use git2::{Repository, Signature};

use crate::checker;
use crate::report::{Report, budget, is_long, seed};
use crate::rig::{PASS_TIMEOUT, Plan, Random, Rig, Submission, git, until, wait};
use crate::witness::{Sort, Word};

type Tested = io::Result<()>;

/// What the origin's hook declines of our pushes. Everybody else's go through.
#[derive(Clone, Copy, Debug)]
enum Rule {
    Nothing,
    Everything,
    /// One push in so many goes through, by chance.
    OneIn(u32),
    /// Records whose handler printed this line.
    Line(&'static str),
}

/// Sets the rule; with `update` it is that hook that declines, else `pre-receive`.
fn set_rule(rig: &Rig, rule: Rule, update: bool) -> Tested {
    let hooks = rig.origin().join("hooks");
    for name in ["pre-receive", "update"] {
        let _ = fs::remove_file(hooks.join(name));
    }
    let condition = match rule {
        Rule::Nothing => return Ok(()),
        Rule::Everything => "true".to_owned(),
        Rule::OneIn(times) => format!("[ $(($(od -An -N2 -tu2 /dev/urandom) % {times})) -ne 0 ]"),
        Rule::Line(line) => format!("git diff \"$old\" \"$new\" -- logs | grep -qx '+{line}'"),
    };
    let check = format!(
        "git log --format=%s \"$old..$new\" | grep -q '^executor: ' || exit 0\n\
         if {condition}; then echo 'not today' >&2; exit 1; fi\n"
    );
    let (name, read) =
        if update { ("update", "name=$1 old=$2 new=$3\n") } else { ("pre-receive", "read -r old new name\n") };
    // Written beside and moved there: a push that begins in between must not find half of it.
    let draft = hooks.join("draft");
    fs::create_dir_all(&hooks)?;
    fs::write(&draft, format!("#!/bin/sh\n{read}{check}"))?;
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755))?;
    fs::rename(draft, hooks.join(name))
}

/// A second writer who commits to main again and again, as fast as it is told.
struct Storm {
    over: Arc<AtomicBool>,
    blown: Arc<AtomicU64>,
    thread: JoinHandle<Result<Vec<String>, git2::Error>>,
}

impl Storm {
    fn begin(origin: &Path, pause: Duration) -> Self {
        let (over, blown) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = {
            let (over, blown, origin) = (Arc::clone(&over), Arc::clone(&blown), origin.to_owned());
            std::thread::spawn(move || blow(&origin, pause, &over, &blown))
        };
        Self { over, blown, thread }
    }

    fn blown(&self) -> u64 {
        self.blown.load(Ordering::SeqCst)
    }

    /// Ends it; its commits are somebody else's.
    fn end(self, rig: &mut Rig) -> io::Result<u64> {
        self.over.store(true, Ordering::SeqCst);
        let commits = self.thread.join().expect("the storm does not panic").map_err(io::Error::other)?;
        let count = commits.len() as u64;
        rig.commits.extend(commits);
        Ok(count)
    }
}

/// A storm is over after so many: the checker reads each of them.
const COMMITS_MAX: usize = 1000;

fn blow(origin: &Path, pause: Duration, over: &AtomicBool, blown: &AtomicU64) -> Result<Vec<String>, git2::Error> {
    let repository = Repository::open_bare(origin)?;
    // Whose word the log of the branch has.
    let mut config = repository.config()?.open_level(git2::ConfigLevel::Local)?;
    config.set_str("user.name", "Storm")?;
    config.set_str("user.email", "storm@example.com")?;
    let mut commits = Vec::new();
    while !over.load(Ordering::SeqCst) && commits.len() < COMMITS_MAX {
        let tip = repository.refname_to_id("refs/heads/main")?;
        let parent = repository.find_commit(tip)?;
        let tree = parent.tree()?;
        let mut builder = repository.treebuilder(Some(&tree))?;
        let blob = repository.blob(format!("{}\n", commits.len()).as_bytes())?;
        builder.insert("storm.txt", blob, 0o100_644)?;
        let tree = repository.find_tree(builder.write()?)?;
        let who = Signature::now("Storm", "storm@example.com")?;
        let commit = repository.commit(None, &who, &who, "storm", &tree, &[&parent])?;
        // Ours is a compare-and-swap too: a record that came in between stays.
        if repository.reference_matching("refs/heads/main", commit, true, tip, "storm").is_ok() {
            commits.push(commit.to_string());
            blown.fetch_add(1, Ordering::SeqCst);
        }
        std::thread::sleep(pause);
    }
    Ok(commits)
}

impl Rig {
    /// Does something to a request that may be anywhere by now; false where it is not in the inbox any more.
    fn trick(&mut self, index: usize) -> io::Result<bool> {
        let old = self.submissions[index].clone();
        let there = git(&self.world, &self.origin(), &["show", &format!("main:{}", old.path)]);
        let Ok(text) = there else { return Ok(false) };
        let place = old.path.trim_start_matches("requests/").rsplit_once('.').map_or("", |(stem, _)| stem).to_owned();
        match self.random.below(5) {
            0 => self.edit(index),
            1 => {
                // Taken back.
                let gone = self.commit("taken back", &[(old.path.clone(), None)]).is_ok();
                self.submissions[index].superseded |= gone;
                Ok(gone)
            }
            2 => self.rename(index, &old, &text),
            3 => {
                let path = format!("logs/{place}/mine.txt");
                self.commit("our folder", &[(path, Some("somebody else was here\n".to_owned()))]).map(|_| true)
            }
            _ => {
                let forged = "status: success\noutcome: succeeded\n".to_owned();
                self.commit("a forged record", &[(format!("logs/{place}/status.yml"), Some(forged))]).map(|_| true)
            }
        }
    }

    /// Another name is another request.
    fn rename(&mut self, index: usize, old: &Submission, text: &str) -> io::Result<bool> {
        self.number += 1;
        let path = old.path.replacen(".y", &format!("-moved-{}.y", self.number), 1);
        // Without an id of its own: one that two requests share is another matter.
        let lines = text.lines().filter(|line| !line.starts_with("id:"));
        let text: String = lines.flat_map(|line| [line, "\n"]).collect::<String>() + &format!("# {}\n", self.number);
        let files = [(old.path.clone(), None), (path.clone(), Some(text))];
        let Ok(commit) = self.commit("another name", &files) else { return Ok(false) };
        self.submissions[index].superseded = true;
        let blob = git(&self.world, &self.origin(), &["rev-parse", &format!("{commit}:{path}")])?.trim().to_owned();
        let id = RequestId::derived(&commit, &path, &blob).to_string();
        self.submissions.push(Submission { id, blob, commit, path, superseded: false, ..old.clone() });
        Ok(true)
    }
}

/// Hooks, storms and writers at random, during passes and during `watch`.
#[test]
fn campaign_storm() -> Tested {
    let (seed, end) = (seed(), Instant::now() + budget(Duration::from_secs(14)));
    let mut report = Report::new("hooks that decline, and other writers");
    let mut random = Random::new(seed);
    while report.is_clean() && (report.requests == 0 || Instant::now() < end) {
        let mut rig = Rig::new(Plan { seed: random.next(), ..Plan::default() })?;
        let round_end = end.min(Instant::now() + Duration::from_mins(2));
        let mut faults = 0;
        loop {
            faults += stormy_round(&mut rig, &mut random)?;
            if Instant::now() >= round_end {
                break;
            }
        }
        set_rule(&rig, Rule::Nothing, false)?;
        let mut found = rig.settle()?;
        found.extend(checker::check(&rig)?);
        let requests = rig.submissions.len() as u64;
        found.extend(rig.close());
        report.add(faults, requests, found);
        if !is_long() {
            break;
        }
    }
    report.end(seed);
    Ok(())
}

/// One pass, or a while of `watch`, with whatever weather there is. Gives the number of faults.
fn stormy_round(rig: &mut Rig, random: &mut Random) -> io::Result<u64> {
    let rule = match random.below(5) {
        0 => Rule::Nothing,
        1 => Rule::Everything,
        2 => Rule::Line("done"),
        _ => Rule::OneIn(2 + u32::try_from(random.below(3)).expect("small")),
    };
    set_rule(rig, rule, random.once_in(2))?;
    let first = rig.submissions.len();
    rig.submit(5)?;
    let storm = match random.below(3) {
        0 => None,
        1 => Some(Storm::begin(&rig.origin(), Duration::from_millis(40))),
        _ => Some(Storm::begin(&rig.origin(), Duration::from_millis(1))),
    };
    let watching = random.once_in(3);
    let words: &[&str] =
        if watching { &["watch", "--interval", "200ms", "--push-tries", "2"] } else { &["run", "--push-tries", "2"] };
    let mut command = rig.verb(1, words);
    let mut child = rig.start_command(1, &mut command)?;
    let mut faults = 1;
    if storm.is_none() {
        for index in first..rig.submissions.len() {
            if random.once_in(2) && rig.trick(index)? {
                faults += 1;
            }
        }
    }
    if watching {
        let before = rig.tip()?;
        let _ = until("main moves", Duration::from_secs(2), || rig.tip().is_ok_and(|tip| tip != before));
        Command::new("kill").args(["-TERM", "--", &child.id().to_string()]).status()?;
    }
    if let Some(storm) = storm {
        // Calm comes while the pass may still be trying.
        let _ = until("it has blown", Duration::from_secs(2), || storm.blown() > 60);
        faults += storm.end(rig)?;
    }
    wait(&mut child, PASS_TIMEOUT)?;
    Ok(faults)
}

/// A writer who pushes as fast as git goes does not keep a record from main; one that is faster than any push only delays it.
#[test]
fn a_storm_starves_nobody() -> Tested {
    let mut rig = Rig::new(Plan::default())?;
    rig.submit_these(&[Sort::Quick, Sort::Sure, Sort::Invalid])?;
    // Another git, which looks around a while before it commits: as slow as ours where the machine is slow.
    let script = "git clone -q origin.git rival && cd rival && git config user.name S && git config user.email s@x
        until [ -e ../calm ]; do
            for look in 1 2 3 4 5; do git fetch -q; done
            git fetch -q && git reset -q --hard origin/main && git commit -q --allow-empty -m storm && git push -q || :
        done 2>/dev/null";
    let mut rival = Command::new("sh")
        .args(["-c", script])
        .current_dir(rig.world.root())
        .env_clear()
        .envs(rig.world.environment())
        .spawn()?;
    let commits = |rig: &Rig| git(&rig.world, &rig.origin(), &["log", "--format=%H", "--grep=^storm$", "main"]);
    until("it blows", PASS_TIMEOUT, || commits(&rig).is_ok_and(|commits| commits.lines().count() > 3))?;
    let ended = rig.run(1)?;
    fs::write(rig.world.path("calm"), "")?;
    rival.wait()?;
    let blown = commits(&rig)?;
    rig.commits.extend(blown.lines().map(str::to_owned));
    assert_eq!(ended.exit, Some(0), "after {} commits of others: {}", blown.lines().count(), ended.stderr);

    rig.submit_these(&[Sort::Quick, Sort::Fails])?;
    let storm = Storm::begin(&rig.origin(), Duration::ZERO);
    until("it blows", PASS_TIMEOUT, || storm.blown() > 3)?;
    let mut command = rig.verb(1, &["run", "--push-tries", "1"]);
    let ended = rig.run_command(1, &mut command)?;
    storm.end(&mut rig)?;
    if ended.exit != Some(0) {
        assert_eq!(ended.exit, Some(75), "{}", ended.stderr);
        assert!(ended.stderr.contains("another writer was faster 20 times in a row"), "{}", ended.stderr);
    }
    let mut found = rig.settle()?;
    found.extend(checker::check(&rig)?);
    found.extend(rig.close());
    assert_eq!(found, []);
    Ok(())
}

/// Where main moves during every push that is declined, a record that is declined for its content is recognised all the same.
#[test]
fn a_record_is_declined_in_the_middle_of_a_storm() -> Tested {
    let mut rig = Rig::new(Plan::default())?;
    rig.submit_these(&[Sort::Sure])?;
    assert_eq!(rig.run(1)?.exit, Some(0));
    let hook = rig.origin().join("hooks/update");
    let script = "#!/bin/sh\n\
        git diff \"$2\" \"$3\" -- logs | grep -qx '+done' || exit 0\n\
        export GIT_AUTHOR_NAME=S GIT_AUTHOR_EMAIL=s@example.com GIT_COMMITTER_NAME=S GIT_COMMITTER_EMAIL=s@example.com\n\
        git update-ref refs/heads/main \"$(git commit-tree -p \"$2\" -m storm \"$2^{tree}\")\"\n\
        echo 'no such words' >&2\n\
        exit 1\n";
    fs::create_dir_all(hook.parent().expect("it has a folder"))?;
    fs::write(&hook, script)?;
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755))?;
    rig.submit_these(&[Sort::Quick, Sort::Leaves])?;
    let ended = rig.run(1)?;
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("takes its status alone"), "{}", ended.stderr);
    let storm = git(&rig.world, &rig.origin(), &["log", "--format=%H", "--grep=^storm$", "main"])?;
    assert!(storm.lines().count() > 2, "main did not move");
    rig.commits.extend(storm.lines().map(str::to_owned));
    let mut found = rig.settle()?;
    found.extend(checker::check(&rig)?);
    found.extend(rig.close());
    assert_eq!(found, []);
    Ok(())
}

/// Main goes back to where it was before our records, as after a server's power cut: 75 and nothing starts until a person has
/// said `adopt`; then the records are published again from the spool, and nothing is run again.
#[test]
fn a_main_that_went_back_gets_its_records_again() -> Tested {
    let mut rig = Rig::new(Plan::default())?;
    rig.submit_these(&[Sort::Quick, Sort::Leaves, Sort::Invalid])?;
    let before = rig.tip()?;
    assert_eq!(rig.run(1)?.exit, Some(0));
    git(&rig.world, &rig.origin(), &["update-ref", "refs/heads/main", &before])?;
    rig.submit_these(&[Sort::Sure])?;
    for _ in 0..2 {
        let ended = rig.run(1)?;
        assert_eq!(ended.exit, Some(75), "{}", ended.stderr);
        assert!(ended.stderr.contains("dispatch adopt"), "{}", ended.stderr);
    }
    assert_eq!(rig.witness.events()?.iter().filter(|event| event.word == Word::Begin).count(), 2);
    let mut adopt = rig.verb(1, &["adopt"]);
    assert_eq!(rig.run_command(1, &mut adopt)?.exit, Some(0));
    assert_eq!(rig.settle()?, []);
    let begun = rig.witness.events()?.into_iter().filter(|event| event.word == Word::Begin);
    assert_eq!(begun.map(|event| event.attempt).collect::<Vec<_>>(), [1, 1, 1]);
    let inbox = git(&rig.world, &rig.origin(), &["ls-tree", "-r", "--name-only", "main", "requests"])?;
    assert_eq!(inbox, "");
    let listed = git(&rig.world, &rig.origin(), &["ls-tree", "-r", "--name-only", "main", "logs"])?;
    for (submission, file) in rig.submissions.iter().zip(["handler.log", "report.txt", "error.log", "handler.log"]) {
        let place = submission.path.trim_start_matches("requests/").rsplit_once('.').map_or("", |(stem, _)| stem);
        let wanted = format!("logs/{place}/{file}");
        assert!(listed.lines().any(|line| line == wanted), "{wanted} is not in\n{listed}");
    }
    assert_eq!(rig.close(), []);
    Ok(())
}
