//! One line at the foot of a terminal that says how far something is. Whatever else is printed takes it away first and puts
//! it back afterwards. Where standard error is no terminal, or with `--quiet`, there is none.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::record::visible;

/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;

static QUIET: AtomicBool = AtomicBool::new(false);
static SHOWN: Mutex<Option<String>> = Mutex::new(None);

/// The line; it goes away with this value.
pub struct Progress(io::Stderr);

impl Progress {
    /// A line that is empty yet; `None` where nobody would see it.
    pub fn start() -> Option<Self> {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let seen = io::stderr().is_terminal() && !dumb && !QUIET.load(Ordering::Relaxed);
        seen.then(|| Self(io::stderr()))
    }

    /// Says something else.
    pub fn say(&self, text: &str) {
        let mut shown = shown();
        let line = fitted(text, columns());
        if shown.as_ref() != Some(&line) {
            let _ = write!(&self.0, "\r\x1b[K{line}");
            *shown = Some(line);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if shown().take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Has nobody see a line.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Prints something where the line stands, which is put back below it.
pub fn above<T>(print: impl FnOnce() -> T) -> T {
    let shown = shown();
    if let Some(line) = &*shown {
        let _ = write!(io::stderr(), "\r\x1b[K");
        let printed = print();
        let _ = write!(io::stderr(), "{line}");
        return printed;
    }
    print()
}

/// Standard error for the story.
pub struct Story;

impl Write for Story {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        above(|| io::stderr().write(text))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn shown() -> MutexGuard<'static, Option<String>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok().map(|size| usize::from(size.ws_col));
    size.filter(|columns| *columns > 0).unwrap_or(COLUMNS)
}

/// On one line, whatever it says: one that were broken could not be taken away again.
fn fitted(text: &str, columns: usize) -> String {
    let text = visible::line(text);
    let most = columns.saturating_sub(1);
    if text.chars().count() <= most {
        return text.into_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_and_acts_on_no_terminal() {
        assert_eq!(fitted("short", 80), "short");
        assert_eq!(fitted("abcdefgh", 8), "abcdef…");
        assert_eq!(fitted("abcdefg", 8), "abcdefg");
        assert!(!fitted("a\n\x1b[2Jb", 80).contains(['\n', '\x1b']));
    }
}
