//! Hosts on one origin, a second writer, and the requests that it submits.
//!
//! ```text
//! origin.git           bare, with a log of every move of its branches (none where there is no remote)
//! clone/               the second writer's; without a remote the only host's
//! hostN/clone, hostN/state, hostN/host.yaml
//! witness/             outside of every sandbox's control, but that handlers may append there
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use codex_dispatch::journal::{Contradiction, Journal};

use crate::checker::{Evidence, Fault, Violation};
use crate::leftovers;
use crate::memory;
use crate::support::{Ended, World};
use crate::witness::{Sort, Witness};
pub use crate::writer::{Random, Submission};

/// How long one pass may take.
pub const PASS_TIMEOUT: Duration = Duration::from_mins(2);
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
    /// In memory where there is room: for faults that end processes and not machines, many times a second.
    pub in_memory: bool,
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
            in_memory: false,
        }
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
    /// Control groups of others, from before.
    groups: BTreeSet<PathBuf>,
    /// Of what was written last.
    pub number: u32,
}

impl Rig {
    /// Makes origin, hosts and handlers; nothing is submitted and nothing runs.
    pub fn new(plan: Plan) -> io::Result<Self> {
        let world = if plan.in_memory { World::below(&memory::place())? } else { World::new()? };
        let witness = Witness::new(world.path("witness"))?;
        let random = Random::new(plan.seed);
        let (submissions, commits) = (Vec::new(), BTreeSet::new());
        let (variables, started, groups) = (Vec::new(), Vec::new(), leftovers::all_cgroups());
        let mut rig =
            Self { world, plan, witness, random, submissions, commits, variables, started, groups, number: 0 };
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

    /// Whether no request lies in the inbox of main any more.
    pub fn is_inbox_empty(&self) -> io::Result<bool> {
        let listed = git(&self.world, &self.origin(), &["ls-tree", "-r", "--name-only", "main", "requests"])?;
        let is_request =
            |path: &str| Path::new(path).extension().is_some_and(|ending| ending == "yml" || ending == "yaml");
        Ok(!listed.lines().any(is_request))
    }

    /// Every ref of the origin with its object.
    pub fn refs(&self) -> io::Result<String> {
        git(&self.world, &self.origin(), &["for-each-ref", "--format=%(refname) %(objectname)"])
    }

    /// `dispatch run` on a host, in its own process group; output goes where the caller says.
    pub fn dispatcher(&self, host: usize) -> Command {
        self.verb(host, &["run"])
    }

    /// The same with another verb.
    pub fn verb(&self, host: usize, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dispatch"));
        command
            .arg("--state")
            .arg(self.state_of(host))
            .args(arguments)
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
            let before = self.refs()?;
            for host in 1..=self.plan.hosts {
                let ended = self.run(host)?;
                if ended.exit != Some(0) {
                    last.insert(host, ended);
                }
            }
            // What one host has ended may be what another one's request waited for; alone it has done all by itself.
            if last.is_empty() && (self.plan.hosts == 1 || self.refs()? == before) {
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
        for host in 1..=self.plan.hosts {
            found.extend(self.contradictions(host)?);
        }
        Ok(found)
    }

    /// Where a host's journal contradicts itself.
    fn contradictions(&self, host: usize) -> io::Result<Vec<Violation>> {
        let journal = Journal::open_to_read(&self.state_of(host)).map_err(io::Error::other)?;
        let found = journal.map(|journal| journal.contradictions()).transpose().map_err(io::Error::other)?;
        let said = |found: Contradiction| {
            Violation::of(Fault::Untrue, &found.id, format!("the journal of host{host}: {}", found.words))
        };
        Ok(found.into_iter().flatten().map(said).collect())
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
        found
            .extend(leftovers::cgroups(&self.started, &self.groups).into_iter().map(|path| path.display().to_string()));
        found.into_iter().map(|words| Violation::new(Fault::Leftover, words)).collect()
    }

    /// What a server's own git has left, where faults of the whole machine met it too: that is the server's to clear.
    pub fn of_server(&self) -> impl Fn(&Violation) -> bool + use<> {
        let origin = (self.plan.remote == Remote::Path).then(|| self.origin().display().to_string());
        move |found| found.fault == Fault::Leftover && origin.as_ref().is_some_and(|path| found.words.starts_with(path))
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
