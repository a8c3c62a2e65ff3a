//! The dispatcher's side of a running job: one thread, one poll loop.
//!
//! Owns the clock of a job (timeout, SIGTERM, grace, SIGKILL) and the way of its output to the caller. Never: keeps output, decides what an
//! ending means.

use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::wire::{self, Report};
use super::{Control, Limits, Stopped, Stream, Watched};

/// How long the kernel may take to end what was killed. Longer means that a process hangs inside it.
const KILL_WAIT: Duration = Duration::from_mins(1);
/// What is read at a time.
const CHUNK_BYTES: usize = 64 << 10;
/// How often watched folders are measured, where measuring takes next to nothing.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Of a worker's time this share at most goes into measuring, as long as looks are not further apart than the longest pause.
const LOOK_SHARE: u32 = 20;
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(2);
/// The most that a pipe may hold (its size is the handler's to choose) when the job has gone.
const REST_BYTES_MAX: usize = 4 << 20;

/// The dispatcher's ends of a job.
pub(super) struct Ends {
    /// To pid 1 of the job.
    pub control: UnixStream,
    pub stdout: PipeReader,
    pub stderr: PipeReader,
}

/// What was seen.
pub(super) struct Seen {
    /// `None`: pid 1 of the job has gone without a word.
    pub report: Option<Report>,
    pub timed_out: bool,
    pub stopped: Option<Stopped>,
    /// The limit of a watched folder that was exceeded.
    pub over: Option<&'static str>,
    /// The job's file systems in memory, which last as long as this.
    pub scratch: Vec<OwnedFd>,
}

/// How far the ending of a job has gone, and when the next step is due.
enum Phase {
    Running,
    Terminated,
    Killed,
}

/// Follows a job to its end. An error means that it may still run.
pub(super) fn attend(
    ends: Ends,
    limits: &Limits,
    watched: &[Watched],
    sink: &mut dyn FnMut(Stream, &[u8]),
    wanted: &Control,
) -> io::Result<Seen> {
    let mut job = Attended {
        control: ends.control,
        outputs: [Some((Stream::Stdout, ends.stdout)), Some((Stream::Stderr, ends.stderr))],
        phase: Phase::Running,
        // A timeout beyond what the clock can count is none.
        due: Instant::now().checked_add(limits.timeout),
        grace: limits.grace,
        sink,
        buffer: vec![0; CHUNK_BYTES],
        watched,
        look: (!watched.is_empty()).then(|| Instant::now() + LOOK_EVERY),
    };
    let (mut timed_out, mut stopped, mut over) = (false, None, None);
    loop {
        if over.is_none()
            && let Some(limit) = job.look()
        {
            over = Some(limit);
            job.kill();
        }
        if job.due.is_some_and(|due| due <= Instant::now()) {
            match job.phase {
                Phase::Running => {
                    timed_out = true;
                    job.terminate();
                }
                Phase::Terminated => job.kill(),
                Phase::Killed => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "a process does not end even when killed"));
                }
            }
        }
        let happened = job.wait(wanted)?;
        if happened.kill && !matches!(job.phase, Phase::Killed) {
            stopped = stopped.or((!timed_out).then_some(Stopped::WithAll));
            job.kill();
        } else if happened.stop.is_some() && matches!(job.phase, Phase::Running) {
            stopped = happened.stop;
            job.terminate();
        }
        for (index, ready) in happened.outputs.into_iter().enumerate() {
            if ready {
                job.read(index);
            }
        }
        if happened.report {
            // An error is the same as silence: pid 1 was ended in the middle of a word.
            let report = wire::receive(&job.control).ok().flatten();
            job.read_rest();
            let (report, scratch) = report.unzip();
            // What is kept is looked at by who keeps it.
            let last =
                || watched.iter().find(|watched| !watched.kept && watched.is_over()).map(|watched| watched.limit);
            let over = over.or_else(last);
            return Ok(Seen { report, timed_out, stopped, over, scratch: scratch.unwrap_or_default() });
        }
    }
}

struct Attended<'a> {
    control: UnixStream,
    outputs: [Option<(Stream, PipeReader)>; 2],
    phase: Phase,
    due: Option<Instant>,
    grace: Duration,
    sink: &'a mut dyn FnMut(Stream, &[u8]),
    buffer: Vec<u8>,
    watched: &'a [Watched],
    /// When the watched folders are measured next.
    look: Option<Instant>,
}

#[derive(Default)]
struct Happened {
    report: bool,
    stop: Option<Stopped>,
    kill: bool,
    outputs: [bool; 2],
}

impl Attended<'_> {
    fn terminate(&mut self) {
        self.say(wire::TERMINATE);
        self.phase = Phase::Terminated;
        self.due = Instant::now().checked_add(self.grace);
    }

    fn kill(&mut self) {
        self.say(wire::KILL);
        self.phase = Phase::Killed;
        self.due = Instant::now().checked_add(KILL_WAIT);
    }

    /// The limit of a folder that has grown too large.
    fn look(&mut self) -> Option<&'static str> {
        let began = Instant::now();
        if self.look.is_none_or(|due| due > began) {
            return None;
        }
        let over = self.watched.iter().find(|watched| watched.is_over());
        self.look = Some(Instant::now() + LOOK_EVERY.max((began.elapsed() * LOOK_SHARE).min(LOOK_PAUSE_MAX)));
        over.map(|watched| watched.limit)
    }

    fn say(&self, word: u8) {
        // Nobody there means that it has ended by itself: the report is on its way, or the silence is.
        let _ = (&self.control).write_all(&[word]);
    }

    fn wait(&self, wanted: &Control) -> io::Result<Happened> {
        #[derive(Clone, Copy)]
        enum What {
            Report,
            Stop(Stopped),
            Kill,
            Output(usize),
        }
        let mut whats = vec![What::Report];
        let mut watched = vec![readable(self.control.as_fd())];
        if matches!(self.phase, Phase::Running) {
            whats.push(What::Stop(Stopped::WithAll));
            watched.push(readable(wanted.stop.as_fd()));
            if let Some(cancel) = &wanted.cancel {
                whats.push(What::Stop(Stopped::Alone));
                watched.push(readable(cancel.as_fd()));
            }
        }
        if !matches!(self.phase, Phase::Killed) {
            whats.push(What::Kill);
            watched.push(readable(wanted.kill.as_fd()));
        }
        for (index, output) in self.outputs.iter().enumerate() {
            if let Some((_, pipe)) = output {
                whats.push(What::Output(index));
                watched.push(readable(pipe.as_fd()));
            }
        }
        let due = match (self.due, self.look) {
            (Some(due), Some(look)) => Some(due.min(look)),
            (due, look) => due.or(look),
        };
        match poll(&mut watched, until(due)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut happened = Happened::default();
        for (what, descriptor) in whats.into_iter().zip(&watched) {
            if descriptor.any() == Some(true) {
                match what {
                    What::Report => happened.report = true,
                    What::Stop(whom) => happened.stop = happened.stop.or(Some(whom)),
                    What::Kill => happened.kill = true,
                    What::Output(index) => happened.outputs[index] = true,
                }
            }
        }
        Ok(happened)
    }

    /// Hands on what is there; the number of bytes, 0 at the end.
    fn read(&mut self, index: usize) -> usize {
        let Some((stream, pipe)) = &mut self.outputs[index] else {
            return 0;
        };
        match pipe.read(&mut self.buffer) {
            Ok(read) if read > 0 => {
                (self.sink)(*stream, &self.buffer[..read]);
                read
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            _ => {
                self.outputs[index] = None;
                0
            }
        }
    }

    /// What lies in the pipes when the job has gone. They need not come to an end: at `none` a process may have handed its end to a stranger.
    fn read_rest(&mut self) {
        for index in 0..self.outputs.len() {
            let mut rest = REST_BYTES_MAX;
            while let Some((_, pipe)) = &self.outputs[index] {
                let mut watched = [readable(pipe.as_fd())];
                let ready = poll(&mut watched, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
                if !ready || rest == 0 {
                    break;
                }
                rest = rest.saturating_sub(self.read(index));
            }
        }
    }
}

/// Whether nothing has come, not even the end.
pub(super) fn is_silent(control: &UnixStream) -> bool {
    poll(&mut [readable(control.as_fd())], PollTimeout::ZERO) == Ok(0)
}

fn readable(descriptor: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(descriptor, PollFlags::POLLIN)
}

/// Rounded up, so that what is due is due when we wake.
fn until(due: Option<Instant>) -> PollTimeout {
    let Some(due) = due else {
        return PollTimeout::NONE;
    };
    let left = due.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return PollTimeout::ZERO;
    }
    PollTimeout::try_from(left.saturating_add(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX)
}
