//! Hosts on one origin, a second writer, and the requests that it submits.
//!
//! ```text
//! origin.git           bare, with a log of every move of its branches (none where there is no remote)
//! clone/               the second writer's; without a remote the only host's
//! hostN/clone, hostN/state, hostN/host.yaml
//! witness/             outside of every sandbox's control, but that handlers may append there
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use codex_dispatch::id::RequestId;
use uuid::Uuid;

use crate::checker::{Evidence, Fault, Violation};
use crate::leftovers;
use crate::support::{Ended, World};
use crate::witness::{Sort, Witness};

/// How long one pass may take.
const PASS_TIMEOUT: Duration = Duration::from_mins(2);
/// Passes of every host before it is taken for stuck.
const PASSES_MAX: usize = 40;

/// Where the hosts fetch from and push to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Remote {
    /// The bare origin by its path.
    #[default]
    Path,
    /// Nowhere: the only host's clone is the origin.
    None,
}

/// What a rig is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many hosts.
    pub hosts: usize,
    /// `claims` of the host files: `local` or `remote`.
    pub claims: &'static str,
    pub remote: Remote,
    pub seed: u64,
    /// How many requests run at once on a host.
    pub jobs: u32,
    pub level: &'static str,
    /// Over how many places (and so resources) the requests spread.
    pub places: u32,
    /// What is submitted.
    pub sorts: Vec<Sort>,
    /// More lines for the host files.
    pub host_file: String,
    /// Where the state folders lie instead of in the hosts' folders; each gets one of its own below it.
    pub states: Option<PathBuf>,
    /// Where the origin lies instead of in the rig's folder: a folder that is there and empty, or is not there.
    pub origin: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            hosts: 1,
            claims: "local",
            remote: Remote::Path,
            seed: 1,
            jobs: 2,
            level: "isolated",
            places: 3,
            sorts: Sort::MIXED.to_vec(),
            host_file: String::new(),
            states: None,
            origin: None,
        }
    }
}

/// A request that was submitted.
#[derive(Clone, Debug)]
pub struct Submission {
    pub sort: Sort,
    pub id: String,
    /// In the inbox.
    pub path: String,
    pub blob: String,
    /// The commit of main that brought it.
    pub commit: String,
    /// Its lock keys, sorted.
    pub resources: Vec<String>,
    /// Edited or taken back by its author before anybody was sure that it had not started: it may end unseen.
    pub superseded: bool,
}

/// A small generator: the same seed, the same choices.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // Near seeds would begin alike, and zero would stay zero.
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| _ = random.next());
        random
    }

    /// The next number (xorshift64).
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let index = self.below(from.len() as u64);
        &from[usize::try_from(index).expect("below the length")]
    }
}

/// Everything that one campaign works on.
pub struct Rig {
    pub world: World,
    pub plan: Plan,
    pub witness: Witness,
    pub random: Random,
    pub submissions: Vec<Submission>,
    /// Commits that we put on main ourselves.
    pub commits: BTreeSet<String>,
    /// More variables for every dispatcher.
    pub variables: Vec<(String, String)>,
    /// Every dispatcher that was started, for what it may have left behind.
    started: Vec<u32>,
    number: u32,
}

impl Rig {
    /// Makes origin, hosts and handlers; nothing is submitted and nothing runs.
    pub fn new(plan: Plan) -> io::Result<Self> {
        let world = World::new()?;
        let witness = Witness::new(world.path("witness"))?;
        let random = Random::new(plan.seed);
        let (submissions, commits) = (Vec::new(), BTreeSet::new());
        let (variables, started) = (Vec::new(), Vec::new());
        let mut rig = Self { world, plan, witness, random, submissions, commits, variables, started, number: 0 };
        rig.make_origin()?;
        (1..=rig.plan.hosts).try_for_each(|host| rig.make_host(host))?;
        Ok(rig)
    }

    fn make_origin(&mut self) -> io::Result<()> {
        let witness = self.witness.clone();
        for (path, text) in witness.handlers(self.plan.level) {
            self.world.write(&path, &text)?;
        }
        self.world.write("notes/0.txt", "nobody's but ours\n")?;
        let clone = self.world.path("clone");
        git(&self.world, &clone, &["init", "-q", "-b", "main"])?;
        for (key, value) in [
            ("user.name", "Second Writer"),
            ("user.email", "writer@example.com"),
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
        ] {
            git(&self.world, &clone, &["config", key, value])?;
        }
        git(&self.world, &clone, &["add", "-A"])?;
        git(&self.world, &clone, &["commit", "-qm", "start"])?;
        if self.plan.remote != Remote::None {
            let origin = self.origin();
            fs::create_dir_all(&origin)?;
            git(&self.world, &origin, &["init", "-q", "--bare", "-b", "main"])?;
            for (key, value) in [("core.logAllRefUpdates", "always"), ("gc.auto", "0"), ("receive.autogc", "false")] {
                git(&self.world, &origin, &["config", key, value])?;
            }
            git(&self.world, &clone, &["remote", "add", "origin", &origin.display().to_string()])?;
            git(&self.world, &clone, &["push", "-q", "-u", "origin", "main"])?;
        }
        let tip = self.tip()?;
        self.commits.insert(tip);
        Ok(())
    }

    fn make_host(&mut self, host: usize) -> io::Result<()> {
        fs::create_dir_all(self.world.path(&format!("host{host}")))?;
        self.write_host_file(host, "")?;
        if self.plan.remote == Remote::None {
            assert!(host == 1, "without a remote there is one host");
            return Ok(());
        }
        let (origin, clone) = (self.origin().display().to_string(), self.clone_of(host));
        git(&self.world, self.world.root(), &["clone", "-q", &origin, &clone.display().to_string()])?;
        for (key, value) in [("user.name", "Host"), ("user.email", "host@example.com"), ("gc.auto", "0")] {
            git(&self.world, &clone, &["config", key, value])?;
        }
        Ok(())
    }

    /// Writes a host's file anew, with lines beside those of the plan.
    pub fn write_host_file(&self, host: usize, more: &str) -> io::Result<()> {
        let Plan { claims, jobs, host_file, .. } = &self.plan;
        let text =
            format!("node: host{host}\njobs: {jobs}\nclaims: {claims}\n{}{host_file}{more}", self.witness.grants());
        fs::write(self.world.path(&format!("host{host}/host.yaml")), text)
    }

    /// Points a host's clone at another address of the origin.
    pub fn set_remote(&self, host: usize, url: &str) -> io::Result<()> {
        git(&self.world, &self.clone_of(host), &["remote", "set-url", "origin", url]).map(drop)
    }

    /// The repository whose main is the truth.
    pub fn origin(&self) -> PathBuf {
        match &self.plan.origin {
            _ if self.plan.remote == Remote::None => self.world.path("clone"),
            Some(folder) => folder.clone(),
            None => self.world.path("origin.git"),
        }
    }

    /// Its git folder.
    pub fn origin_git_dir(&self) -> PathBuf {
        if self.plan.remote == Remote::None { self.origin().join(".git") } else { self.origin() }
    }

    /// Where a host's dispatcher is started.
    pub fn clone_of(&self, host: usize) -> PathBuf {
        if self.plan.remote == Remote::None {
            self.world.path("clone")
        } else {
            self.world.path(&format!("host{host}/clone"))
        }
    }

    /// A host's state folder.
    pub fn state_of(&self, host: usize) -> PathBuf {
        match &self.plan.states {
            Some(folder) => folder.join(format!("state{host}")),
            None => self.world.path(&format!("host{host}/state")),
        }
    }

    /// The tip of main at the origin.
    pub fn tip(&self) -> io::Result<String> {
        Ok(git(&self.world, &self.origin(), &["rev-parse", "refs/heads/main"])?.trim().to_owned())
    }

    /// Every ref of the origin with its object.
    pub fn refs(&self) -> io::Result<String> {
        git(&self.world, &self.origin(), &["for-each-ref", "--format=%(refname) %(objectname)"])
    }

    // ---- submissions ----

    /// Submits `count` requests of the plan's sorts, several in a commit, some one folder down, with commits of others between.
    pub fn submit(&mut self, count: usize) -> io::Result<()> {
        let mut left = count;
        while left > 0 {
            let most = self.random.below(5) + 1;
            let together = left.min(usize::try_from(most).expect("small"));
            let sorts: Vec<Sort> = (0..together).map(|_| *self.random.choose(&self.plan.sorts)).collect();
            self.submit_these(&sorts)?;
            left -= together;
            if self.random.once_in(3) {
                self.foreign()?;
            }
        }
        Ok(())
    }

    /// Submits these in one commit.
    pub fn submit_these(&mut self, sorts: &[Sort]) -> io::Result<()> {
        let drafts: Vec<(Submission, String)> = sorts.iter().map(|&sort| self.draft(sort)).collect();
        for (draft, _) in &drafts {
            self.witness.know(&draft.resources)?;
        }
        let files: Vec<(String, Option<String>)> =
            drafts.iter().map(|(draft, text)| (draft.path.clone(), Some(text.clone()))).collect();
        let commit = self.commit("requests", &files)?;
        for (draft, _) in drafts {
            let blob = git(&self.world, &self.origin(), &["rev-parse", &format!("{commit}:{}", draft.path)])?;
            let blob = blob.trim().to_owned();
            let id = if draft.id.is_empty() {
                RequestId::derived(&commit, &draft.path, &blob).to_string()
            } else {
                draft.id.clone()
            };
            self.submissions.push(Submission { id, blob, commit: commit.clone(), ..draft });
        }
        Ok(())
    }

    fn draft(&mut self, sort: Sort) -> (Submission, String) {
        self.number += 1;
        let number = self.number;
        let on = u32::try_from(self.random.below(u64::from(self.plan.places))).expect("small");
        let mut resources: BTreeSet<String> = sort.resources(on).into_iter().collect();
        let mut text = format!("kind: {}\nspec: {{on: {on}, number: {number}}}\n", sort.kind());
        let mut id = String::new();
        if self.random.once_in(2) {
            id = Uuid::from_u64_pair(self.random.next(), self.random.next()).to_string();
            let _ = writeln!(text, "id: {id}");
        }
        if self.random.once_in(4) {
            let key = format!("extra/{}", self.random.below(2));
            let _ = writeln!(text, "resource: {key}");
            resources.insert(key);
        }
        if sort == Sort::Invalid {
            text.push_str("no_such_key: true\n");
        }
        if resources.is_empty() {
            resources.insert(sort.kind().to_owned());
        }
        let folder = *self.random.choose(&["", "", "team/", "ops/"]);
        let ending = *self.random.choose(&["yml", "yml", "yaml"]);
        // Names in no order, so that order by name within a commit is seen.
        let name = format!("{:02x}-{number}", self.random.below(256));
        let path = format!("requests/{folder}{name}.{ending}");
        let resources = resources.into_iter().collect();
        let draft =
            Submission { sort, id, path, blob: String::new(), commit: String::new(), resources, superseded: false };
        (draft, text)
    }

    /// Changes a request that lies in the inbox: another one then, under the same path. False where it is not there any more.
    pub fn edit(&mut self, index: usize) -> io::Result<bool> {
        let old = self.submissions[index].clone();
        let text = git(&self.world, &self.origin(), &["show", &format!("main:{}", old.path)]);
        let Ok(text) = text else { return Ok(false) };
        self.number += 1;
        // Without an id of its own: one that two requests share is another matter.
        let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("id:")).collect();
        let edit = format!("# edit {}\n", self.number);
        lines.push(&edit);
        let text = lines.join("\n");
        let Ok(commit) = self.commit("edit", &[(old.path.clone(), Some(text))]) else { return Ok(false) };
        let blob = git(&self.world, &self.origin(), &["rev-parse", &format!("{commit}:{}", old.path)])?;
        let blob = blob.trim().to_owned();
        self.submissions[index].superseded = true;
        let id = RequestId::derived(&commit, &old.path, &blob).to_string();
        self.submissions.push(Submission { id, blob, commit, superseded: false, ..old });
        Ok(true)
    }

    /// A commit of somebody else: files that are none of the dispatcher's business, in folders of theirs.
    pub fn foreign(&mut self) -> io::Result<()> {
        self.number += 1;
        let path = format!("notes/{}.txt", self.random.below(6));
        let files = [
            (path, Some(format!("note {}\n", self.number))),
            // Beside requests and records there may be what is none.
            ("requests/README".to_owned(), Some(format!("{}\n", self.number))),
        ];
        self.commit("notes", &files).map(drop)
    }

    /// Commits files (none: removed) and brings the commit to main, on whatever tip it has by then; gives the commit.
    pub fn commit(&mut self, message: &str, files: &[(String, Option<String>)]) -> io::Result<String> {
        let clone = self.world.path("clone");
        let is_local = self.plan.remote == Remote::None;
        let deadline = Instant::now() + PASS_TIMEOUT;
        loop {
            if !is_local {
                git(&self.world, &clone, &["fetch", "-q", "origin"])?;
                git(&self.world, &clone, &["reset", "-q", "--hard", "origin/main"])?;
            }
            for (path, text) in files {
                match text {
                    Some(text) => self.world.write(path, text)?,
                    None => fs::remove_file(clone.join(path))?,
                }
            }
            let mut add = vec!["add", "-A", "--"];
            add.extend(files.iter().map(|(path, _)| path.as_str()));
            // Without a remote a dispatcher may hold git's locks or move the branch meanwhile.
            let made = git(&self.world, &clone, &add)
                .and_then(|_| git(&self.world, &clone, &["commit", "-q", "-m", message]))
                .and_then(|_| git(&self.world, &clone, &["rev-parse", "HEAD"]));
            let pushed = made.and_then(|commit| {
                if !is_local {
                    git(&self.world, &clone, &["push", "-q", "origin", "HEAD:refs/heads/main"])?;
                }
                Ok(commit.trim().to_owned())
            });
            match pushed {
                Ok(commit) => {
                    self.commits.insert(commit.clone());
                    return Ok(commit);
                }
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => {}
            }
        }
    }

    // ---- dispatchers ----

    /// `dispatch run` on a host, in its own process group; output goes where the caller says.
    pub fn dispatcher(&self, host: usize) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dispatch"));
        command
            .arg("--state")
            .arg(self.state_of(host))
            .arg("run")
            .current_dir(self.clone_of(host))
            .env_clear()
            .envs(self.world.environment())
            .env("DISPATCH_HOST", self.world.path(&format!("host{host}/host.yaml")))
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .process_group(0);
        command
    }

    /// Starts a command and remembers its process, to look for what it leaves.
    pub fn spawn(&mut self, command: &mut Command) -> io::Result<Child> {
        let child = command.spawn()?;
        self.started.push(child.id());
        Ok(child)
    }

    /// Starts a host's dispatcher with what it prints in `hostN/out` and `hostN/err`.
    pub fn start(&mut self, host: usize) -> io::Result<Child> {
        let mut command = self.dispatcher(host);
        self.start_command(host, &mut command)
    }

    /// The same with a command that was changed.
    pub fn start_command(&mut self, host: usize, command: &mut Command) -> io::Result<Child> {
        command
            .stdout(fs::File::create(self.world.path(&format!("host{host}/out")))?)
            .stderr(fs::File::create(self.world.path(&format!("host{host}/err")))?);
        self.spawn(command)
    }

    /// What a host's dispatcher printed last.
    pub fn printed(&self, host: usize) -> String {
        let read = |name: &str| fs::read(self.world.path(&format!("host{host}/{name}"))).unwrap_or_default();
        format!("{}{}", String::from_utf8_lossy(&read("out")), String::from_utf8_lossy(&read("err")))
    }

    /// One pass of a host.
    pub fn run(&mut self, host: usize) -> io::Result<Ended> {
        let mut command = self.dispatcher(host);
        self.run_command(host, &mut command)
    }

    /// One pass with a command that was changed.
    pub fn run_command(&mut self, host: usize, command: &mut Command) -> io::Result<Ended> {
        let mut child = self.start_command(host, command)?;
        let status = wait(&mut child, PASS_TIMEOUT)?;
        let read = |name: &str| fs::read(self.world.path(&format!("host{host}/{name}")));
        Ok(Ended {
            exit: status.code(),
            stdout: String::from_utf8_lossy(&read("out")?).into_owned(),
            stderr: String::from_utf8_lossy(&read("err")?).into_owned(),
        })
    }

    /// Runs every host until there is nothing left to do, and once more: then nothing may move any more.
    pub fn settle(&mut self) -> io::Result<Vec<Violation>> {
        let mut last = BTreeMap::new();
        for _ in 0..PASSES_MAX {
            last.clear();
            for host in 1..=self.plan.hosts {
                let ended = self.run(host)?;
                if ended.exit != Some(0) {
                    last.insert(host, ended);
                }
            }
            if last.is_empty() {
                break;
            }
        }
        let mut found = Vec::new();
        for (host, ended) in last {
            let words = format!("host{host} still ends with {:?}: {}", ended.exit, ended.stderr);
            found.push(Violation::new(Fault::Restless, words));
        }
        let before = self.refs()?;
        for host in 1..=self.plan.hosts {
            let ended = self.run(host)?;
            if ended.exit != Some(0) {
                let words = format!("one more pass of host{host} ends with {:?}: {}", ended.exit, ended.stderr);
                found.push(Violation::new(Fault::Restless, words));
            }
        }
        let after = self.refs()?;
        if after != before {
            let words = format!("one more pass of each host moved\n{before}to\n{after}");
            found.push(Violation::new(Fault::Restless, words));
        }
        Ok(found)
    }

    /// What the checker judges by. Call it with every host settled.
    pub fn evidence(&self) -> io::Result<Evidence> {
        Ok(Evidence {
            repository: self.origin(),
            submissions: self.submissions.clone(),
            commits: self.commits.clone(),
            events: self.witness.events()?,
            settled: true,
            disturbed: true,
            ordered: true,
        })
    }

    /// Locks, temporary objects, mounts and control groups that are still there.
    pub fn leftovers(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut folders = vec![self.origin_git_dir()];
        for host in 1..=self.plan.hosts {
            folders.extend([self.clone_of(host).join(".git"), self.state_of(host).join("repo.git")]);
        }
        for folder in folders.into_iter().collect::<BTreeSet<_>>() {
            found.extend(leftovers::in_repository(&folder).into_iter().map(|path| path.display().to_string()));
        }
        found.extend(leftovers::mounts(self.world.root()));
        found.extend(leftovers::cgroups(&self.started).into_iter().map(|path| path.display().to_string()));
        found.into_iter().map(|words| Violation::new(Fault::Leftover, words)).collect()
    }

    /// Ends it: nothing may be left, no process either.
    pub fn close(self) -> Vec<Violation> {
        let mut found = self.leftovers();
        if let Err(error) = self.world.close() {
            found.push(Violation::new(Fault::Leftover, error.to_string()));
        }
        found
    }
}

/// Ends a dispatcher's process group as nothing else can, and waits for it.
pub fn kill(child: &mut Child) -> io::Result<ExitStatus> {
    let group = format!("-{}", child.id());
    Command::new("kill").args(["-KILL", "--", &group]).status()?;
    child.wait()
}

/// Waits for a child; where it takes too long, it is ended with its group.
pub fn wait(child: &mut Child, most: Duration) -> io::Result<ExitStatus> {
    let deadline = Instant::now() + most;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            kill(child)?;
            return Err(io::Error::other(format!("a dispatcher took more than {most:?}")));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until something is so.
pub fn until(what: &str, most: Duration, mut is_so: impl FnMut() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + most;
    while !is_so() {
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("waited {most:?} until {what}")));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Asks git; what it printed, or its words where it failed.
pub fn git(world: &World, folder: &Path, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new("git")
        .current_dir(folder)
        .args(arguments)
        .env_clear()
        .envs(world.environment())
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("git {}: {words}", arguments.join(" "))))
}
