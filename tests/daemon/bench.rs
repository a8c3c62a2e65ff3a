//! A repository with a few handlers, and dispatchers that watch it.
//!
//! Handlers run at level `none` and may read and write the folder `meet`: there they say `began-NAME` and wait for
//! `go-NAME`, where NAME is the spec's.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::manager::Manager;
use crate::support::World;

/// How long a test waits for what must come: long enough for a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_mins(1);

const HOST: &str = "jobs: 2\nlevels: {none: [\"*\"]}\n";

const INDEX: &str = "
quick: {run: handlers/quick.sh, sandbox: {level: none}}
slow: {run: handlers/slow.sh, resource: \"{spec.name}\", timeout: 10m, sandbox: {level: none}}
again: {run: handlers/slow.sh, resource: \"{spec.name}\", timeout: 10m, sandbox: {level: none},
  delivery: at-least-once, retry: {attempts: 5, backoff: 10ms}}
walled: {run: handlers/quick.sh}
";

const QUICK: &str = "#!/bin/sh\necho done\nenv\n";

/// A handler at `none` has no view of its own: the folder stands as it is.
const SLOW: &str = "#!/bin/sh
# Another attempt may have another user.
umask 0
name=$(sed -n 's/^ *name: *//p' \"$1\")
echo \"begin $DISPATCH_ATTEMPT\" >> \"[MEET]/witness-$name\"
touch \"[MEET]/began-$name\"
while [ ! -e \"[MEET]/go-$name\" ]; do sleep 0.05; done
";

pub type Tested = Result<(), Box<dyn std::error::Error>>;

pub struct Bench {
    pub world: World,
}

/// A dispatcher that watches. One that is dropped is killed.
pub struct Watch {
    process: Child,
    log: PathBuf,
    pub manager: Manager,
}

impl Bench {
    /// With `remote` there is a bare origin beside the clone.
    pub fn new(remote: bool) -> io::Result<Self> {
        let world = World::new()?;
        // Handlers run as other users than root.
        fs::set_permissions(world.root(), fs::Permissions::from_mode(0o711))?;
        let meet = world.path("meet");
        fs::create_dir(&meet)?;
        fs::set_permissions(&meet, fs::Permissions::from_mode(0o777))?;
        let bench = Self { world };
        bench.world.write_host(HOST)?;
        bench.world.write("handlers/index.yml", INDEX)?;
        bench.world.write("handlers/quick.sh", QUICK)?;
        bench.world.write("handlers/slow.sh", &SLOW.replace("[MEET]", &meet.display().to_string()))?;
        bench.world.must(
            "git init -q -b main; git config user.name T; git config user.email t@example.com; git add -A; git commit -qm start",
        )?;
        if remote {
            bench.world.must(
                "git init -q --bare -b main ../origin.git; git remote add origin ../origin.git; git push -q -u origin main",
            )?;
        }
        Ok(bench)
    }

    /// Adds lines to the host file.
    pub fn host(&self, lines: &str) -> io::Result<()> {
        self.world.write_host(&format!("{HOST}{lines}"))
    }

    /// Merges a request of this kind under this name, as somebody with a clone of their own does.
    pub fn request(&self, kind: &str, name: &str) -> io::Result<()> {
        let text = format!("kind: {kind}\nspec:\n  name: {name}\n");
        self.merge(&[(&format!("requests/{name}.yml"), &text)])
    }

    /// Merges files.
    pub fn merge(&self, files: &[(&str, &str)]) -> io::Result<()> {
        let remote = self.mainline() == "origin.git";
        let clone = if remote { "writer" } else { "clone" };
        if remote && !self.world.path(clone).exists() {
            self.world.must("git clone -q ../origin.git ../writer")?;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            if remote {
                self.world.must("cd ../writer; git fetch -q; git reset -q --hard origin/main")?;
            }
            for (path, text) in files {
                let path = self.world.path(clone).join(path);
                fs::create_dir_all(path.parent().expect("a folder above"))?;
                fs::write(path, text)?;
            }
            let paths: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
            let push = if remote { "git push -q" } else { ":" };
            let script = format!("cd ../{clone}; git add -A -- {}; git commit -qm files; {push}", paths.join(" "));
            // The dispatcher may have published meanwhile, or hold one of git's locks.
            let ended = self.world.shell(&script)?;
            if ended.exit == Some(0) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("merging {paths:?}: {}", ended.stderr)));
            }
        }
    }

    /// A file of the folder where handlers meet.
    pub fn meet(&self, name: &str) -> PathBuf {
        self.world.path("meet").join(name)
    }

    /// Lets the handler of this name go on to its end.
    pub fn go(&self, name: &str) -> io::Result<()> {
        fs::write(self.meet(&format!("go-{name}")), "")
    }

    /// Waits until the handler of this name has begun.
    pub fn began(&self, name: &str) -> io::Result<()> {
        let file = self.meet(&format!("began-{name}"));
        until(&format!("{}", file.display()), || file.exists())
    }

    /// How often the handler of this name began.
    pub fn begins(&self, name: &str) -> usize {
        fs::read_to_string(self.meet(&format!("witness-{name}"))).map_or(0, |text| text.lines().count())
    }

    pub fn state(&self) -> PathBuf {
        self.world.path("clone/.git/dispatch")
    }

    /// `status.json`, as the reading verbs see it.
    pub fn standing(&self) -> serde_json::Value {
        fs::read(self.state().join("status.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// A value from the textfile of the metrics.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let text = fs::read_to_string(self.state().join("metrics/dispatch.prom")).ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// The mainline's repository.
    pub fn mainline(&self) -> &'static str {
        if self.world.path("origin.git").exists() { "origin.git" } else { "clone" }
    }

    pub fn tip(&self) -> io::Result<String> {
        let out = self.world.git(self.mainline(), &["rev-parse", "refs/heads/main"])?;
        Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    /// The record of a request on main, empty where there is none.
    pub fn record(&self, name: &str) -> io::Result<String> {
        let out = self.world.git(self.mainline(), &["show", &format!("main:logs/{name}/status.yml")])?;
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Waits for the record of a request.
    pub fn recorded(&self, name: &str) -> io::Result<String> {
        until(&format!("the record of {name}"), || self.record(name).is_ok_and(|text| !text.is_empty()))?;
        self.record(name)
    }

    /// A program of this world, with its environment and nothing else, in the clone.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.world.path("clone")).env_clear().envs(self.world.environment()).stdin(Stdio::null());
        command
    }

    /// Starts `dispatch watch`; what it says goes to `watch.log`.
    pub fn watch(&self, arguments: &[&str]) -> io::Result<Watch> {
        self.watch_as(self.command(env!("CARGO_BIN_EXE_dispatch")), arguments)
    }

    /// The same with a command that was prepared: its program is dispatch, or leads to it.
    pub fn watch_as(&self, mut command: Command, arguments: &[&str]) -> io::Result<Watch> {
        let manager = Manager::new()?;
        let path = self.world.path("watch.log");
        let log = fs::File::options().create(true).append(true).open(&path)?;
        let process = command
            .args(["watch", "-v"])
            .args(arguments)
            .env("NOTIFY_SOCKET", &manager.name)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Watch { process, log: path, manager })
    }

    /// What dispatchers have said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.world.path("watch.log")).unwrap_or_default()
    }

    /// Ends the world: nothing may be left behind.
    pub fn close(self) -> io::Result<()> {
        self.world.close()
    }
}

impl Watch {
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill(Pid::from_raw(self.process.id().cast_signed()), signal)?)
    }

    /// Whether it still runs.
    pub fn lives(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("the dispatcher does not end"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Tells it to stop once and waits for its end, which has to be a good one.
    pub fn stop(&mut self) -> io::Result<()> {
        self.signal(Signal::SIGTERM)?;
        let status = self.ended()?;
        if status.code() == Some(0) { Ok(()) } else { Err(io::Error::other(format!("it ended with {status}"))) }
    }

    /// Asks for a look and waits until it is over.
    pub fn look(&self) -> io::Result<()> {
        let before = self.manager.count("READY=1");
        self.signal(Signal::SIGHUP)?;
        self.manager.until_said("READY=1", before + 1)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Shown where the test fails.
        println!("{}", fs::read_to_string(&self.log).unwrap_or_default());
    }
}

/// Whether a process whose number stands in a file has ended; one that nobody has waited for yet counts.
pub fn is_gone(file: &std::path::Path) -> io::Result<bool> {
    let pid = fs::read_to_string(file)?;
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    Ok(stat.map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))))
}

/// Waits until it is so.
pub fn until(what: &str, so: impl Fn() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("waited in vain for {what}")));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
