//! Noticing that a dispatcher has written something down: a step in its journal, or where it stands.
//!
//! Owns which files of the state folder say so and the watch on them (inotify). It only ever says "look": who reads the
//! journal finds out what it was. A watch that cannot be had costs nothing but time: whoever waits looks at intervals too.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use super::StateDir;

/// Written at each durable step. Not the journal itself: readers that come and go may change that file and its index.
const STEPS: &[u8] = b"journal.db-wal";
/// Put in place whenever the dispatcher says where it stands.
const SEEN: &[u8] = b"status.json";

/// A watch on a state folder. Ends with this value.
pub struct StateWatch {
    end: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl StateDir {
    /// Calls `changed` whenever a dispatcher writes something down here.
    ///
    /// # Errors
    /// The folder is not there, is closed to us, or the machine has no watch left.
    pub fn watch(&self, mut changed: impl FnMut() + Send + 'static) -> io::Result<StateWatch> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        inotify::add_watch(&inotify, self.root(), WatchFlags::MODIFY | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR)?;
        let end = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let theirs = Arc::clone(&end);
        let attend = move || {
            while wait(&theirs, &inotify) {
                if read(&inotify) {
                    changed();
                }
            }
        };
        let thread = std::thread::Builder::new().name("state watch".to_owned()).spawn(attend)?;
        Ok(StateWatch { end, thread: Some(thread) })
    }
}

impl Drop for StateWatch {
    fn drop(&mut self) {
        // Fails only when the counter is full, and then it is readable already.
        let _ = self.end.write(1);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Until something has happened; false where it is to end.
fn wait(end: &EventFd, inotify: &OwnedFd) -> bool {
    loop {
        let mut ready = [PollFd::new(end.as_fd(), PollFlags::POLLIN), PollFd::new(inotify.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return false,
            Ok(_) => return ready[0].any() == Some(false),
        }
    }
}

/// Reads what has happened so far; whether any of it counts.
fn read(inotify: &OwnedFd) -> bool {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(inotify, &mut buffer);
    let mut counts = false;
    while let Ok(event) = events.next() {
        let name = event.file_name().map(std::ffi::CStr::to_bytes);
        counts |= event.events().contains(ReadFlags::QUEUE_OVERFLOW) || name == Some(STEPS) || name == Some(SEEN);
    }
    counts
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;
    use crate::journal::Journal;

    #[test]
    fn steps_and_standing_are_told_and_readers_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::locate(&folder.path().join("git"), Some(&folder.path().join("state"))).unwrap();
        assert!(state.watch(|| ()).is_err(), "there is nothing to watch yet");
        std::fs::create_dir(state.root()).unwrap();
        let mut journal = Journal::open(state.root()).unwrap();
        let (tell, told) = channel();
        let heard = move || {
            let _ = tell.send(());
        };
        let watch = state.watch(heard).unwrap();
        journal.set_meta("a", "b").unwrap();
        told.recv_timeout(Duration::from_secs(20)).expect("a step");
        while told.recv_timeout(Duration::from_millis(100)).is_ok() {}
        drop(journal);
        // The last one out puts the log into the journal and takes it away; those who only read do too.
        for _ in 0..3 {
            Journal::open_to_read(state.root()).unwrap().unwrap().meta("a").unwrap();
        }
        std::fs::write(state.root().join("dispatch.prom"), "").unwrap();
        assert!(told.recv_timeout(Duration::from_millis(200)).is_err());
        std::fs::write(state.root().join("new"), "{}").unwrap();
        std::fs::rename(state.root().join("new"), state.seen()).unwrap();
        told.recv_timeout(Duration::from_secs(20)).expect("where it stands");
        drop(watch);
        assert!(told.recv().is_err(), "nobody is left to tell");
    }
}
