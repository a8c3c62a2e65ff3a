//! The one place that builds and runs `git` invocations.
//!
//! Owns the environment, the `-c` settings, the deadline and the caps of every call. A call gets an
//! environment built from nothing but what transports need, its own process group, no standard
//! input, and is killed whole at its deadline. Secrets travel in the environment of the one call
//! that needs them and are masked in every word that is kept.
//! It never interprets what git says (`porcelain` does) and never decides what to call.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::patience::Patience;

/// What is kept of each of git's two streams, in bytes; the rest is read and dropped.
const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The most that is kept as "git's words" in an error, in bytes.
const WORDS_BYTES_MAX: usize = 4096;

/// Variables that transports, credentials and git's own configuration lookup need.
const PASSED: &[&str] = &[
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "SSH_AUTH_SOCK",
    "GIT_SSH_COMMAND",
    "GIT_SSH",
    "GIT_SSH_VARIANT",
    "KRB5CCNAME",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// Settings that hold for every call. They go by `-c`: git withholds those from the programs that
/// it starts on a path origin, where a changed `core.hooksPath` would switch the origin's hooks off.
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.askPass=",
    "gc.auto=0",
    "maintenance.auto=false",
    "transfer.fsckObjects=true",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.writeCommitGraph=false",
    "push.followTags=false",
    "push.gpgSign=false",
    "push.recurseSubmodules=no",
    "http.followRedirects=false",
    "advice.detachedHead=false",
];

/// A secret for the remote. Its text is never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes the secret's text; an empty one counts as none.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(***)")
    }
}

/// Why a call gave no exit status.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// No `git` on PATH.
    #[error("finding `git` in PATH: no such program")]
    NotFound,
    /// The program could not be started or watched.
    #[error("running `git {verb}`: {source}")]
    Run {
        /// The subcommand.
        verb: String,
        /// The system's word.
        source: std::io::Error,
    },
    /// It had not ended at the deadline and was killed with its whole group.
    #[error("`git {verb}` gave no answer within {} s and was ended", timeout.as_secs())]
    TimedOut {
        /// The subcommand.
        verb: String,
        /// How long it had.
        timeout: Duration,
    },
    /// A signal of somebody else ended it: what it was to say or do is not known.
    #[error("`git {verb}` was killed by {}", signal.map_or_else(|| "a signal".to_owned(), |number| format!("signal {number}")))]
    Killed {
        /// The subcommand.
        verb: String,
        /// Which signal.
        signal: Option<i32>,
    },
    /// It was ended because nobody waits for it any more.
    #[error("`git {verb}` was ended because the dispatcher is coming to its end")]
    Abandoned {
        /// The subcommand.
        verb: String,
    },
}

impl GitError {
    /// True where it did not come to its own end.
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Killed { .. } | Self::Abandoned { .. })
    }
}

/// How a call ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit code.
    pub code: i32,
    /// Standard output, capped at 8 MiB.
    pub stdout: Vec<u8>,
    /// Standard error as text, secrets masked, capped.
    pub stderr: String,
    /// True where standard output was longer than the cap.
    pub cut: bool,
}

impl Output {
    /// True on exit code 0.
    pub fn succeeded(&self) -> bool {
        self.code == 0
    }

    /// Standard output as text without the trailing newline.
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.stdout);
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }
}

/// The `git` program and the environment that each of its calls gets.
#[derive(Clone, Debug)]
pub struct Git {
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    patience: Patience,
}

impl Git {
    /// Resolves `git` through PATH and takes the variables that transports need from this process.
    pub fn find() -> Result<Self, GitError> {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let program = std::env::split_paths(&path)
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join("git"))
            .find(|file| is_program(file))
            .ok_or(GitError::NotFound)?;
        let mut environment: Vec<(OsString, OsString)> =
            PASSED.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?))).collect();
        for (name, value) in
            [("LC_ALL", "C"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_ASKPASS", ""), ("GIT_OPTIONAL_LOCKS", "0")]
        {
            environment.push((name.into(), value.into()));
        }
        Ok(Self { program, environment, patience: Patience::default() })
    }

    /// True where the caller's environment names an ssh program of its own.
    pub fn names_ssh(&self) -> bool {
        self.environment
            .iter()
            .any(|(name, value)| (name == "GIT_SSH_COMMAND" || name == "GIT_SSH") && !value.is_empty())
    }

    /// Adds a variable to every call of this value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.into(), value.into()));
    }

    /// Says whose patience its calls have.
    pub fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// Starts a call of `git <verb>`.
    pub fn call(&self, verb: &str) -> Call<'_> {
        Call {
            git: self,
            verb: verb.to_owned(),
            before: Vec::new(),
            after: Vec::new(),
            environment: Vec::new(),
            directory: None,
            secrets: Vec::new(),
            timeout: Duration::from_mins(1),
            abandonable: false,
            held: None,
        }
    }

    /// The version that `git version` prints, as (major, minor).
    pub fn version(&self) -> Result<(u32, u32), GitError> {
        let text = self.call("version").run()?.text();
        Ok(super::porcelain::version(&text).unwrap_or((0, 0)))
    }
}

/// One invocation under construction.
#[must_use]
pub struct Call<'a> {
    git: &'a Git,
    verb: String,
    before: Vec<OsString>,
    after: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    secrets: Vec<Token>,
    timeout: Duration,
    abandonable: bool,
    held: Option<&'a File>,
}

impl<'a> Call<'a> {
    /// Names the git directory; without it git discovers one from the working directory.
    pub fn git_dir(mut self, dir: &Path) -> Self {
        let mut word = OsString::from("--git-dir=");
        word.push(dir);
        self.before.push(word);
        self
    }

    /// Names the work tree and runs in it.
    pub fn work_tree(mut self, dir: &Path) -> Self {
        let mut word = OsString::from("--work-tree=");
        word.push(dir);
        self.before.push(word);
        self.directory(dir)
    }

    /// Runs in this directory (default: `/`).
    pub fn directory(mut self, dir: &Path) -> Self {
        self.directory = Some(dir.to_owned());
        self
    }

    /// Adds a word before the subcommand.
    pub fn option(mut self, word: &str) -> Self {
        self.before.push(word.into());
        self
    }

    /// Adds one `-c` setting, after those that every call has.
    pub fn setting(mut self, setting: &str) -> Self {
        self.before.push("-c".into());
        self.before.push(setting.into());
        self
    }

    /// Adds a word behind the subcommand.
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.after.push(word.as_ref().to_owned());
        self
    }

    /// Adds words behind the subcommand.
    pub fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.after.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Sets a variable of this call only.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Masks this secret in whatever is kept of the call's words.
    pub fn secret(mut self, secret: &Token) -> Self {
        self.secrets.push(secret.clone());
        self
    }

    /// How long the call may take (default: a minute).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// It may be ended as soon as patience is over; others are waited for up to their own deadline.
    pub fn abandonable(mut self) -> Self {
        self.abandonable = true;
        self
    }

    /// Shares a file under `flock` with it (as its standard input, which nothing here reads), so that the lock is held for as
    /// long as it lives, also where we are killed.
    pub fn holding(mut self, file: Option<&'a File>) -> Self {
        self.held = file;
        self
    }

    /// Runs it to its end or to the deadline.
    pub fn run(self) -> Result<Output, GitError> {
        let verb = self.verb.clone();
        let patience = &self.git.patience;
        if self.abandonable && patience.is_over() {
            return Err(GitError::Abandoned { verb });
        }
        let failed = |source| GitError::Run { verb: verb.clone(), source };
        let held = self.held.map(File::try_clone).transpose().map_err(failed)?;
        let mut child = Group(self.command(held).spawn().map_err(failed)?);
        let latest = Instant::now() + self.timeout;
        let deadline = || match patience.until() {
            Some(end) if self.abandonable => end.min(latest),
            _ => latest,
        };
        let drained = drain(&mut child.0, deadline, || patience.pulse()).map_err(failed)?;
        let Some((out, err)) = drained else {
            if deadline() < latest {
                return Err(GitError::Abandoned { verb });
            }
            return Err(GitError::TimedOut { verb, timeout: self.timeout });
        };
        let status = child.0.wait().map_err(failed)?;
        let Some(code) = status.code() else {
            return Err(GitError::Killed { verb, signal: status.signal() });
        };
        let output = Output { code, cut: out.dropped, stdout: out.bytes, stderr: words(&err.bytes, &self.secrets) };
        tracing::debug!(verb, code = output.code, "git ended");
        Ok(output)
    }

    fn command(&self, held: Option<File>) -> Command {
        let mut command = Command::new(&self.git.program);
        command.env_clear();
        command.envs(self.git.environment.iter().map(|(name, value)| (name, value)));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        for setting in SETTINGS {
            command.arg("-c").arg(setting);
        }
        command.args(&self.before).arg(&self.verb).args(&self.after);
        command.current_dir(self.directory.as_deref().unwrap_or(Path::new("/")));
        command.stdin(held.map_or_else(Stdio::null, Stdio::from)).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        command
    }
}

/// A child that leads its own process group; whatever of the group is left at the end is killed.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // While the leader is not waited for, its id cannot belong to anybody else.
        if matches!(self.0.try_wait(), Ok(None)) {
            if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
                // A group that is gone already is what we want.
                let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
            }
            let _ = self.0.wait();
        }
    }
}

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    dropped: bool,
    ended: bool,
}

impl Kept {
    fn take(&mut self, source: &mut impl Read) -> std::io::Result<()> {
        let mut buffer = [0_u8; 16 * 1024];
        let count = match source.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        };
        let room = KEPT_BYTES_MAX - self.bytes.len();
        self.bytes.extend_from_slice(&buffer[..count.min(room)]);
        self.dropped |= count > room;
        self.ended = count == 0;
        Ok(())
    }
}

/// Reads both streams until the child has ended; `None` where the deadline came first, which may be brought nearer
/// meanwhile. `pulse` is called again and again for as long as it waits.
///
/// The end of the child counts, not the end of the streams: an ssh connection that is shared may
/// live on behind it and hold them open.
fn drain(child: &mut Child, deadline: impl Fn() -> Instant, pulse: impl Fn()) -> std::io::Result<Option<(Kept, Kept)>> {
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .expect("a child's id is a positive number");
    let ended = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    let mut out = child.stdout.take().expect("standard output is piped");
    let mut err = child.stderr.take().expect("standard error is piped");
    let (mut kept_out, mut kept_err) = (Kept::default(), Kept::default());
    let mut over = false;
    loop {
        pulse();
        let left = deadline().saturating_duration_since(Instant::now());
        if !over && left.is_zero() {
            return Ok(None);
        }
        let pause = if over {
            PollTimeout::ZERO
        } else {
            PollTimeout::try_from(left.min(Patience::LOOK_EVERY)).unwrap_or(PollTimeout::MAX)
        };
        let (ready_out, ready_err, ready_end) = {
            // A stream that is at its end would be ready for ever: it is not asked again.
            let wanted = |kept: &Kept| if kept.ended { PollFlags::empty() } else { PollFlags::POLLIN };
            let mut fds = [
                PollFd::new(ended.as_fd(), PollFlags::POLLIN),
                PollFd::new(out.as_fd(), wanted(&kept_out)),
                PollFd::new(err.as_fd(), wanted(&kept_err)),
            ];
            match nix::poll::poll(&mut fds, pause) {
                Err(nix::errno::Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
                Ok(_) => {}
            }
            let ready = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
            (ready(&fds[1]) && !kept_out.ended, ready(&fds[2]) && !kept_err.ended, ready(&fds[0]))
        };
        if ready_out {
            kept_out.take(&mut out)?;
        }
        if ready_err {
            kept_err.take(&mut err)?;
        }
        // Ended, and nothing more in the pipes: done.
        if ready_end && !ready_out && !ready_err && (over || (kept_out.ended && kept_err.ended)) {
            return Ok(Some((kept_out, kept_err)));
        }
        over = ready_end;
    }
}

/// Text of a stream: secrets masked, control characters (but newline and tab) dropped, bounded.
fn words(bytes: &[u8], secrets: &[Token]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    for secret in secrets {
        text = text.replace(secret.reveal(), "***");
    }
    text.retain(|c| c == '\n' || c == '\t' || !c.is_control());
    if text.len() > WORDS_BYTES_MAX {
        // The end matters most: that is where git says what was fatal.
        let mut start = text.len() - WORDS_BYTES_MAX;
        while !text.is_char_boundary(start) {
            start += 1;
        }
        text = format!("…{}", &text[start..]);
    }
    text.trim_end().to_owned()
}

fn is_program(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_hangs_is_ended_with_its_children_at_the_deadline() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("pid");
        let git = Git::find().unwrap();
        let alias = format!("alias.hang=!sh -c 'echo $$ > {}; sleep 1000'", mark.display());
        let error = git.call("hang").setting(&alias).timeout(Duration::from_millis(700)).run().unwrap_err();
        assert!(matches!(error, GitError::TimedOut { .. }), "{error}");
        let pid: i32 = std::fs::read_to_string(&mark).unwrap().trim().parse().unwrap();
        let gone = |pid| {
            std::fs::read_to_string(format!("/proc/{pid}/stat"))
                .map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
        };
        let patience = Instant::now() + Duration::from_secs(20);
        while !gone(pid) && Instant::now() < patience {
            std::thread::yield_now();
        }
        assert!(gone(pid), "process {pid} outlived the call");
    }

    #[test]
    fn a_call_is_abandoned_when_patience_ends_and_others_are_not() {
        let (begun, mark) = std::sync::mpsc::channel();
        let mut git = Git::find().unwrap();
        let pulses = std::sync::Mutex::new(begun);
        let patience = Patience::with_pulse(move || {
            let _ = pulses.lock().unwrap().send(());
        });
        git.set_patience(patience.clone());
        let (slow, quick) = ("alias.slow=!sleep 1000", "alias.quick=!true");
        std::thread::scope(|scope| {
            let ended = scope.spawn(|| git.call("slow").setting(slow).abandonable().run().unwrap_err());
            // Who waits shows that it lives: it is in the middle of its call.
            mark.recv_timeout(Duration::from_secs(20)).unwrap();
            mark.recv_timeout(Duration::from_secs(20)).unwrap();
            patience.end();
            let error = ended.join().unwrap();
            assert!(matches!(error, GitError::Abandoned { .. }), "{error}");
        });
        assert!(git.call("quick").setting(quick).run().unwrap().succeeded(), "what is not abandonable is waited for");
        let error = git.call("quick").setting(quick).abandonable().run().unwrap_err();
        assert!(matches!(error, GitError::Abandoned { .. }), "it is over for good: {error}");
    }

    #[test]
    fn both_streams_are_read_whole_and_secrets_masked() {
        let git = Git::find().unwrap();
        let secret = Token::new("hunter2").unwrap();
        let output = git
            .call("talk")
            .setting("alias.talk=!head -c 9000000 /dev/zero; echo the word is $WORD >&2; exit 3")
            .env("WORD", "hunter2")
            .secret(&secret)
            .run()
            .unwrap();
        assert_eq!(output.code, 3);
        assert!(output.cut);
        assert_eq!(output.stdout.len(), KEPT_BYTES_MAX);
        assert_eq!(output.stderr, "the word is ***");
        assert_eq!(format!("{secret:?}"), "Token(***)");
    }

    #[test]
    fn the_environment_is_built_from_nothing() {
        let output = Git::find().unwrap().call("show2").setting("alias.show2=!env").run().unwrap().text();
        let names: Vec<&str> = output.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
        assert!(names.contains(&"LC_ALL") && names.contains(&"GIT_TERMINAL_PROMPT"), "{names:?}");
        assert!(!names.contains(&"CARGO_MANIFEST_DIR"), "{names:?}");
    }

    #[test]
    fn a_background_process_that_holds_the_streams_does_not_hold_the_call() {
        let git = Git::find().unwrap();
        let output = git
            .call("leave")
            .setting("alias.leave=!sleep 30 & echo done")
            .timeout(Duration::from_secs(20))
            .run()
            .unwrap();
        assert_eq!(output.text(), "done");
    }
}
