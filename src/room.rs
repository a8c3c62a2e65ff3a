//! A disk that is full: telling it from other faults, and waiting until there is room again.
//!
//! Owns the waiting: `watch` waits as long as it takes, a single pass for a short while, and whoever is told
//! to stop not at all. Only what wrote nothing, or may be written again from its beginning, may be tried again; a failed sync
//! is neither, and never comes here ([`crate::durable`]).

use std::error::Error;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::patience::Patience;

/// Between two tries. Room comes back when a person makes some, or a log is rotated.
const PAUSE: Duration = Duration::from_millis(250);

/// Whether the disk is full, a quota is used up, or no more files can be made.
pub fn is_lacking(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(link) = next {
        // One that wraps another is of no kind itself.
        if let Some(error) = link.downcast_ref::<io::Error>()
            && matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        {
            return true;
        }
        if let Some(error) = link.downcast_ref::<rusqlite::Error>() {
            // The index beside the write-ahead log could not grow: the same, before anything was written.
            const SHARED_INDEX: i32 = rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
            return error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
                || error.sqlite_error().is_some_and(|error| error.extended_code == SHARED_INDEX);
        }
        if let Some(error) = link.downcast_ref::<git2::Error>() {
            return is_said(error.message());
        }
        next = link.source();
    }
    false
}

/// Whether libgit2 failed without a word, as it does where a file cannot be written to its end.
pub fn is_unsaid(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(link) = next {
        if let Some(error) = link.downcast_ref::<git2::Error>() {
            return error.class() == git2::ErrorClass::None;
        }
        next = link.source();
    }
    false
}

/// Whether the system had no means just then: room, processes, memory, descriptors, a disk that can be written.
pub fn lacks_means(error: &(dyn Error + 'static)) -> bool {
    use rustix::io::Errno;
    const MEANS: [Errno; 7] =
        [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN, Errno::IO, Errno::ROFS, Errno::NOBUFS];
    let mut next = Some(error);
    while let Some(link) = next {
        if let Some(errno) = link.downcast_ref::<io::Error>().and_then(Errno::from_io_error) {
            return MEANS.contains(&errno) || is_lacking(link);
        }
        next = link.source();
    }
    is_lacking(error)
}

/// The same, of what another program said.
pub fn is_said(words: &str) -> bool {
    ["No space left on device", "Disk quota exceeded", "Out of diskspace"].iter().any(|known| words.contains(known))
}

/// Who waits for room, and how long.
#[derive(Clone, Debug)]
pub struct Wait {
    /// None: as long as it takes.
    most: Option<Duration>,
    patience: Patience,
}

impl Wait {
    /// For whoever has other things to do: no longer than `most`, nor than `patience` lasts.
    pub fn of(most: Duration, patience: Patience) -> Self {
        Self { most: Some(most), patience }
    }

    /// Not at all.
    pub fn none() -> Self {
        Self::of(Duration::ZERO, Patience::default())
    }

    /// As long as it takes, from now on; whoever could end the waiting can still end it.
    pub fn without_end(&mut self) {
        self.most = None;
    }

    /// The same for another thread, which does not show that this one lives.
    #[must_use]
    pub fn silent(&self) -> Self {
        Self { most: self.most, patience: self.patience.silent() }
    }

    /// Does something that can be done again from its beginning, until there is room for it.
    ///
    /// # Errors
    /// Those of `doing`: any other at once, the lack of room when patience ends.
    pub fn wait<T, E: Error + 'static>(&self, mut doing: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        let began = Instant::now();
        let mut told = false;
        loop {
            match doing() {
                Err(error) if is_lacking(&error) && self.goes_on(began) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::error!("{error}: nothing goes on until there is room");
                    }
                    self.patience.pulse();
                    thread::sleep(PAUSE);
                }
                result => {
                    if told && result.is_ok() {
                        tracing::info!("there is room again after {} s", began.elapsed().as_secs());
                    }
                    return result;
                }
            }
        }
    }

    fn goes_on(&self, began: Instant) -> bool {
        !self.patience.is_over() && self.most.is_none_or(|most| began.elapsed() < most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> io::Error {
        io::Error::from(io::ErrorKind::StorageFull)
    }

    #[test]
    fn only_a_lack_of_room_is_waited_for() {
        let wait = Wait::of(Duration::from_mins(1), Patience::default());
        let mut tries = 0;
        let done = wait.wait(|| {
            tries += 1;
            if tries < 3 { Err(full()) } else { Ok(tries) }
        });
        assert_eq!(done.unwrap(), 3);
        let other = wait.wait(|| Err::<(), _>(io::Error::from(io::ErrorKind::PermissionDenied)));
        assert_eq!(other.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn waiting_ends_when_patience_does() {
        assert!(Wait::none().wait(|| Err::<(), _>(full())).is_err());
        let told = Patience::default();
        let mut wait = Wait::of(Duration::ZERO, told.clone());
        wait.without_end();
        let waiting = std::thread::spawn(move || wait.silent().wait(|| Err::<(), _>(full())));
        told.end();
        assert!(waiting.join().unwrap().is_err());
    }

    #[test]
    fn it_is_found_behind_other_words() {
        #[derive(Debug, thiserror::Error)]
        #[error("sealing")]
        struct Outer {
            source: io::Error,
        }
        assert!(is_lacking(&Outer { source: full() }));
        assert!(is_lacking(&Outer { source: io::Error::from_raw_os_error(122) }), "EDQUOT");
        assert!(!is_lacking(&Outer { source: io::Error::from_raw_os_error(5) }), "EIO");
        assert!(is_said("error: file write error: No space left on device"));
    }
}
