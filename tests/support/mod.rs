//! The one place that builds the world of a test: a temporary folder, a pinned environment, a clone and its origin.
//!
//! Nothing of the caller's environment reaches a test but `PATH`; identity, dates and the host file are fixed. The
//! folder holds `origin.git` (bare), `clone` (where commands start), `home`, `tmp`, `bin/dispatch` and `host.yaml`.
//! It never touches anything outside that folder, and [`World::close`] fails where a process was left behind.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Author and committer date of every commit that a test makes itself; the dated layout shows it.
pub const COMMIT_DATE: &str = "2026-01-02T03:04:05Z";

/// How long one command may take before it is ended with everything that it started.
const COMMAND_TIMEOUT_S: &str = "120";

/// A temporary folder in which one test lives.
pub struct World {
    // Before the folder: what still runs there is ended first.
    leash: Leash,
    folder: tempfile::TempDir,
}

/// Ends whatever knows a folder, also where a test fails before its end.
struct Leash(PathBuf);

impl Drop for Leash {
    fn drop(&mut self) {
        end(&processes_that_know(&self.0));
    }
}

/// What a command printed and how it ended; `exit` is `None` where a signal ended it.
pub struct Ended {
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    /// Makes the folder and links the program under test as `dispatch`.
    pub fn new() -> io::Result<Self> {
        Self::below(&std::env::temp_dir())
    }

    /// The same below a folder of the caller's choice.
    pub fn below(place: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("dispatch-story-").tempdir_in(place)?;
        for name in ["home", "tmp", "bin", "clone"] {
            fs::create_dir(folder.path().join(name))?;
        }
        // Handlers without a view of their own write there, as root's slot users.
        fs::set_permissions(folder.path().join("tmp"), fs::Permissions::from_mode(0o1777))?;
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_dispatch"), folder.path().join("bin/dispatch"))?;
        let world = Self { leash: Leash(folder.path().to_owned()), folder };
        world.write_host("")?;
        Ok(world)
    }

    /// The folder itself, without a trailing slash.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A path inside the folder.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    /// Writes the host file; the node is called `story` unless the text names another.
    pub fn write_host(&self, text: &str) -> io::Result<()> {
        let node = if text.lines().any(|line| line.starts_with("node:")) { "" } else { "node: story\n" };
        fs::write(self.path("host.yaml"), format!("{node}{text}"))
    }

    /// Writes a file of the clone's work tree, with the folders above it.
    pub fn write(&self, path: &str, text: &str) -> io::Result<()> {
        let path = self.path("clone").join(path);
        fs::create_dir_all(path.parent().expect("a path below the clone has a parent"))?;
        fs::write(path, text)
    }

    /// Runs shell lines in the clone with `sh -eu`; output goes through files, so a process left behind cannot stall the test.
    pub fn shell(&self, script: &str) -> io::Result<Ended> {
        let (out, err) = (self.path("tmp/.stdout"), self.path("tmp/.stderr"));
        let status = Command::new("timeout")
            .args(["-k", "5", COMMAND_TIMEOUT_S, "sh", "-eu", "-c", script])
            .current_dir(self.path("clone"))
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null())
            .stdout(fs::File::create(&out)?)
            .stderr(fs::File::create(&err)?)
            .status()?;
        let ended = Ended {
            exit: status.code(),
            stdout: String::from_utf8_lossy(&fs::read(&out)?).into_owned(),
            stderr: String::from_utf8_lossy(&fs::read(&err)?).into_owned(),
        };
        fs::remove_file(out)?;
        fs::remove_file(err)?;
        Ok(ended)
    }

    /// Runs shell lines that have to succeed; the error carries what they printed.
    pub fn must(&self, script: &str) -> io::Result<String> {
        let ended = self.shell(script)?;
        if ended.exit == Some(0) {
            return Ok(ended.stdout);
        }
        Err(io::Error::other(format!("`{script}` ended with {:?}\n{}{}", ended.exit, ended.stdout, ended.stderr)))
    }

    /// Asks git about a repository in this folder (`origin.git` or `clone`) and gives the bytes that it printed.
    pub fn git(&self, repository: &str, arguments: &[&str]) -> io::Result<Output> {
        Command::new("git")
            .current_dir(self.path(repository))
            .args(arguments)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null())
            .output()
    }

    /// Waits until no process knows the folder any more; gives those that still do after some seconds.
    pub fn wait_until_quiet(&self) -> Vec<(u32, String)> {
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut left = processes_that_know(self.root());
        while !left.is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
            left = processes_that_know(self.root());
        }
        left
    }

    /// Ends the world: no process may be left that knows the folder, and the folder has to go.
    pub fn close(self) -> io::Result<()> {
        let left = self.wait_until_quiet();
        end(&left);
        std::mem::forget(self.leash);
        self.folder.close()?;
        if left.is_empty() { Ok(()) } else { Err(io::Error::other(format!("processes left behind: {left:?}"))) }
    }

    /// What a command of this world has in its environment, and nothing else.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let inside = |name: &str| self.path(name).display().to_string();
        let inherited = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
        let fixed = [
            ("PATH", format!("{}:{inherited}", inside("bin"))),
            ("HOME", inside("home")),
            ("TMPDIR", inside("tmp")),
            ("LANG", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
            ("STORY", self.root().display().to_string()),
            ("DISPATCH_HOST", inside("host.yaml")),
            ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
            ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
            ("GIT_TERMINAL_PROMPT", "0".to_owned()),
            ("GIT_AUTHOR_NAME", "Ann Author".to_owned()),
            ("GIT_AUTHOR_EMAIL", "ann@example.com".to_owned()),
            ("GIT_AUTHOR_DATE", COMMIT_DATE.to_owned()),
            ("GIT_COMMITTER_NAME", "Carl Committer".to_owned()),
            ("GIT_COMMITTER_EMAIL", "carl@example.com".to_owned()),
            ("GIT_COMMITTER_DATE", COMMIT_DATE.to_owned()),
        ];
        Vec::from(fixed)
    }
}

/// Only by the id of processes that this very test started.
fn end(processes: &[(u32, String)]) {
    for (process, _) in processes {
        let _ = Command::new("sh").args(["-c", &format!("kill -9 {process}")]).status();
    }
}

/// Processes whose working folder, environment, command line or mounts point into `folder`: id and command line.
///
/// Mounts are looked at because a sandboxed handler has neither our environment nor a working folder that shows outside.
pub fn processes_that_know(folder: &Path) -> Vec<(u32, String)> {
    let needle = folder.as_os_str().as_encoded_bytes();
    let name = folder.file_name().expect("the folder has a name").as_encoded_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if process == std::process::id() {
            continue;
        }
        let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        let command = read("cmdline");
        let inside = fs::read_link(entry.path().join("cwd")).is_ok_and(|path| path.starts_with(folder));
        if inside
            || contains(&read("environ"), needle)
            || contains(&command, needle)
            || contains(&read("mountinfo"), name)
        {
            found.push((process, String::from_utf8_lossy(&command).replace('\0', " ")));
        }
    }
    found
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
