//! Telling the service manager how we are: `sd_notify(3)`, one datagram a word.
//!
//! Owns what was told and when: ready, reloading, stopping, one line of status, the watchdog's sign of life, and more time
//! for a start or a stop that takes longer. Without `NOTIFY_SOCKET` nobody is told; the same sign of life is then only the
//! time of a file in the state folder, for `dispatch health`. A manager that does not read never holds us up: what is only of the moment is dropped, and what it must know is sent with the next word. Never
//! decides how things stand, and never makes a sign of life by itself: only a call of the thread that must live does.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// More time that is asked for at once while we start or stop, and how often.
const MORE_TIME: Duration = Duration::from_secs(30);
const MORE_TIME_EVERY: Duration = Duration::from_secs(10);
/// The file of the state folder is not given a new time more often than this.
const TOUCH_EVERY: Duration = Duration::from_secs(1);
/// The longest line of status that anybody reads.
const STATUS_CHARS_MAX: usize = 400;

/// The way to the service manager, if there is one.
#[derive(Debug)]
pub struct Notifier {
    way: Option<(UnixDatagram, SocketAddr)>,
    /// A sign of life is due this often.
    sign_every: Option<Duration>,
    told: Mutex<Told>,
    /// The file whose time says that we live, and when it was given its last one.
    sign: Mutex<Option<(File, Option<Instant>)>>,
}

#[derive(Debug)]
struct Told {
    phase: Phase,
    status: String,
    /// When the last sign of life went out, and when more time was last asked for.
    signed: Option<Instant>,
    asked: Option<Instant>,
    /// Words that it must hear and has not taken yet.
    unsent: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Starting,
    Running,
    Stopping { until: Option<Instant> },
}

impl Phase {
    /// Whether more time may be asked for.
    fn may_ask(self, now: Instant) -> bool {
        match self {
            Self::Starting => true,
            Self::Running => false,
            Self::Stopping { until } => until.is_none_or(|until| now < until),
        }
    }
}

/// A variable that the service manager set and that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// `NOTIFY_SOCKET`.
    #[error("the service manager's NOTIFY_SOCKET `{name}`: {source}")]
    Socket {
        /// What it is set to.
        name: String,
        /// The system's words.
        source: io::Error,
    },
    /// `WATCHDOG_USEC`.
    #[error("the service manager's WATCHDOG_USEC `{0}` is no number of microseconds")]
    Watchdog(String),
}

impl Notifier {
    /// To nobody.
    pub fn none() -> Self {
        Self::new(None, None)
    }

    /// What the variables of this process say.
    ///
    /// # Errors
    /// [`NotifyError`] where one of them cannot be used.
    pub fn from_environment() -> Result<Self, NotifyError> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let Some(name) = variable("NOTIFY_SOCKET") else { return Ok(Self::none()) };
        let way =
            way(&name).map_err(|source| NotifyError::Socket { name: name.to_string_lossy().into_owned(), source })?;
        // Where it is meant for another process, such as a shell around us, it is none of ours.
        let ours = variable("WATCHDOG_PID").is_none_or(|pid| *pid == *std::process::id().to_string());
        let watchdog = match variable("WATCHDOG_USEC").filter(|_| ours) {
            None => None,
            Some(text) => match text.to_str().and_then(|text| text.parse::<u64>().ok()) {
                Some(usec) => Some(Duration::from_micros(usec)).filter(|span| !span.is_zero()),
                None => return Err(NotifyError::Watchdog(text.to_string_lossy().into_owned())),
            },
        };
        Ok(Self::new(Some(way), watchdog))
    }

    fn new(way: Option<(UnixDatagram, SocketAddr)>, watchdog: Option<Duration>) -> Self {
        let told =
            Told { phase: Phase::Starting, status: String::new(), signed: None, asked: None, unsent: Vec::new() };
        Self { way, sign_every: watchdog.map(|span| span / 2), told: Mutex::new(told), sign: Mutex::new(None) }
    }

    /// From now on signs of life are the time of this file too. It is made where it is not there; nothing is written into it,
    /// and nothing synced.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn sign_by(&self, file: &Path) -> io::Result<()> {
        let file = File::options().create(true).append(true).open(file)?;
        *self.sign.lock().unwrap_or_else(PoisonError::into_inner) = Some((file, None));
        self.touch();
        Ok(())
    }

    fn touch(&self) {
        let mut sign = self.sign.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((file, last)) = sign.as_mut() else { return };
        if last.is_none_or(|last| last.elapsed() >= TOUCH_EVERY) {
            // Where it does not take a time, it looks as if we were dead, which is for whoever looks to find out.
            let _ = file.set_modified(SystemTime::now());
            *last = Some(Instant::now());
        }
    }

    /// Whether anybody listens.
    pub fn is_heard(&self) -> bool {
        self.way.is_some()
    }

    /// The calling thread lives. To be called at least as often as [`Notifier::due_in`] says.
    pub fn alive(&self) {
        self.touch();
        let Some(mut told) = self.told() else { return };
        let now = Instant::now();
        let is_due =
            |last: Option<Instant>, every| last.is_none_or(|last| now.saturating_duration_since(last) >= every);
        let mut words = Vec::new();
        if self.sign_every.is_some_and(|every| is_due(told.signed, every)) {
            words.push("WATCHDOG=1".to_owned());
            told.signed = Some(now);
        }
        if told.phase.may_ask(now) && is_due(told.asked, MORE_TIME_EVERY) {
            words.push(format!("EXTEND_TIMEOUT_USEC={}", MORE_TIME.as_micros()));
            told.asked = Some(now);
        }
        if !words.is_empty() || !told.unsent.is_empty() {
            self.send(&mut told, &words);
        }
    }

    /// How soon [`Notifier::alive`] has to be called again; `None` where nobody waits for it.
    pub fn due_in(&self) -> Option<Duration> {
        let told = self.told()?;
        let left =
            |last: Option<Instant>, every: Duration| every.saturating_sub(last.map_or(every, |last| last.elapsed()));
        let sign = self.sign_every.map(|every| left(told.signed, every));
        let more_time = told.phase.may_ask(Instant::now()).then(|| left(told.asked, MORE_TIME_EVERY));
        // A word that was not taken is tried again soon.
        let again = (!told.unsent.is_empty()).then_some(Duration::from_secs(1));
        [sign, more_time, again].into_iter().flatten().min()
    }

    /// The first look is over, or what was to be done again is done.
    pub fn ready(&self) {
        self.must_hear(Phase::Running, "READY=1");
    }

    /// What a reload asks for has begun; [`Notifier::ready`] ends it.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let usec = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
        self.must_hear(Phase::Running, &format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
    }

    /// The end has begun, and takes at most so long: no more time is asked for after that.
    pub fn stopping(&self, longest: Duration) {
        self.must_hear(Phase::Stopping { until: Instant::now().checked_add(longest) }, "STOPPING=1");
        self.alive();
    }

    /// One line for who asks how it goes; told only where it is another one than before.
    pub fn status(&self, line: &str) {
        let Some(mut told) = self.told() else { return };
        let line: String = line.chars().filter(|c| !c.is_control()).take(STATUS_CHARS_MAX).collect();
        if told.status == line {
            return;
        }
        if self.send(&mut told, &[format!("STATUS={line}")]) {
            told.status = line;
        }
    }

    fn must_hear(&self, phase: Phase, words: &str) {
        let Some(mut told) = self.told() else { return };
        told.phase = phase;
        told.unsent.push(words.to_owned());
        self.send(&mut told, &[]);
    }

    fn told(&self) -> Option<std::sync::MutexGuard<'_, Told>> {
        self.way.as_ref().map(|_| self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends what is still unsent and these words; whether they were taken.
    fn send(&self, told: &mut Told, words: &[String]) -> bool {
        let Some((socket, address)) = &self.way else { return false };
        let give = |text: &str| match socket.send_to_addr(text.as_bytes(), address) {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!("telling the service manager: {error}");
                false
            }
        };
        // One datagram each: the last of several equal keys would hide the others.
        while let Some(first) = told.unsent.first() {
            if !give(first) {
                return false;
            }
            told.unsent.remove(0);
        }
        words.is_empty() || give(&words.join("\n"))
    }
}

/// A socket of our own and the manager's address: a path, or behind `@` a name in the abstract namespace.
fn way(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither an absolute path nor `@` and a name")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What has come so far, one datagram a line with `;` for its line ends.
    fn heard(manager: &UnixDatagram) -> Vec<String> {
        manager.set_nonblocking(true).unwrap();
        let mut buffer = [0; 4096];
        std::iter::from_fn(|| manager.recv(&mut buffer).ok().map(|size| buffer[..size].to_vec()))
            .map(|bytes| String::from_utf8(bytes).unwrap().replace('\n', ";"))
            .collect()
    }

    fn managed(watchdog: Option<Duration>) -> (tempfile::TempDir, UnixDatagram, Notifier) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(Some(way(path.as_os_str()).unwrap()), watchdog);
        (folder, manager, notifier)
    }

    #[test]
    fn each_word_comes_once_and_in_order() {
        let (_folder, manager, notifier) = managed(None);
        notifier.alive();
        notifier.ready();
        notifier.status("idle");
        notifier.status("idle");
        notifier.status("two\nlines\u{1b}[1m");
        notifier.alive();
        notifier.reloading();
        notifier.ready();
        notifier.stopping(Duration::from_mins(1));
        let words = heard(&manager);
        let (reloading, rest): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.starts_with("RELOADING=1"));
        let expected =
            ["EXTEND_TIMEOUT_USEC=30000000", "READY=1", "STATUS=idle", "STATUS=twolines[1m", "READY=1", "STOPPING=1"];
        assert_eq!(rest, expected, "the second plea for time comes ten seconds after the first");
        assert!(reloading[0].starts_with("RELOADING=1;MONOTONIC_USEC="), "{words:?}");
    }

    #[test]
    fn a_sign_of_life_is_given_at_half_the_time() {
        let (_folder, manager, notifier) = managed(Some(Duration::from_hours(2)));
        notifier.ready();
        assert_eq!(notifier.due_in(), Some(Duration::ZERO));
        notifier.alive();
        notifier.alive();
        assert_eq!(heard(&manager), ["READY=1", "WATCHDOG=1"]);
        let due = notifier.due_in().unwrap();
        assert!(due > Duration::from_mins(59) && due <= Duration::from_hours(1), "{due:?}");
    }

    #[test]
    fn a_file_shows_it_too_where_nobody_listens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alive");
        let notifier = Notifier::none();
        notifier.sign_by(&path).unwrap();
        let old = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        let time = || std::fs::metadata(&path).unwrap().modified().unwrap();
        let age = |file: &File| file.set_modified(old).unwrap();
        age(&File::options().write(true).open(&path).unwrap());
        notifier.alive();
        assert_eq!(time(), old, "not more often than once a second");
        notifier.sign.lock().unwrap().as_mut().unwrap().1 = None;
        notifier.alive();
        assert!(time() > old);
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up_and_hears_what_it_must() {
        let (_folder, manager, notifier) = managed(None);
        for number in 0..5000 {
            notifier.status(&format!("line {number}"));
        }
        notifier.ready();
        assert_eq!(notifier.due_in(), Some(Duration::from_secs(1)));
        assert!(!heard(&manager).contains(&"READY=1".to_owned()));
        notifier.alive();
        assert_eq!(heard(&manager)[0], "READY=1");
    }

    #[test]
    fn names_are_paths_or_abstract() {
        let name = format!("dispatch-notify-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notifier = Notifier::new(Some(way(OsStr::new(&format!("@{name}"))).unwrap()), None);
        notifier.ready();
        assert_eq!(heard(&manager), ["READY=1"]);
        assert!(way(OsStr::new("vsock:2:1")).is_err());
        assert_eq!(Notifier::none().due_in(), None);
        Notifier::none().ready();
    }
}
