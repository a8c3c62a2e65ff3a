//! What a handler prints, on its way from the pipes to the spool.
//!
//! Owns masking, cutting into lines, the cap, and the file `handler.log`. The head of the output is
//! written as it comes, so that the file can be followed while the handler runs; the tail waits in memory and is
//! appended at the end, behind a line that counts what is missing between them. Never fails once it has begun: a
//! disk that is full cuts the output and nothing else. Syncing is the caller's, together with the rest of the spool.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::record::OutputCount;
use crate::record::end::Told;
use crate::record::log::{LogEvent, Stream};
use crate::record::visible;
use crate::redact::{Masker, Secrets};

/// Name of the file in the folder that is given.
pub const FILE: &str = "handler.log";
/// A longer line is cut into pieces of this many bytes.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// A short line counts as this many bytes against the cap: it costs that much, here and in log.jsonl.
const LINE_COST_MIN: usize = 32;

/// The output could not be begun.
#[derive(Debug, thiserror::Error)]
#[error("creating `{}`", path.display())]
pub struct CreateError {
    path: PathBuf,
    source: io::Error,
}

/// A line, or a piece of a long one, after masking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it was printed.
    pub stream: Stream,
    /// Milliseconds since the start of the attempt at which its last byte came.
    pub t_ms: u64,
    /// Without the line end.
    pub bytes: Box<[u8]>,
    /// False where no line end followed: a piece of a longer line, or the end of the stream.
    pub eol: bool,
}

/// One part of the output, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A line that was kept.
    Line(Line),
    /// Here this many bytes are missing.
    Dropped(u64),
}

/// All that is left of an attempt's output when it is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// What was kept, in the order in which it came.
    pub parts: Vec<Part>,
    /// How much there was.
    pub count: OutputCount,
    /// Why the file is shorter than the cap would let it be: the system's words.
    pub cut: Option<String>,
}

/// Takes the output of one attempt.
#[derive(Debug)]
pub struct Output {
    stdout: Lines,
    stderr: Lines,
    line_bytes_max: usize,
    kept: Kept,
}

impl Output {
    /// Creates `handler.log` in `folder` (the dispatcher's own; the file must not be there yet). At most `cap_bytes` of output
    /// are kept, half of them from its beginning.
    ///
    /// # Errors
    /// Where the file cannot be created; nothing has been started then.
    pub fn create(folder: &Path, cap_bytes: u64, secrets: &Secrets) -> Result<Self, CreateError> {
        let path = folder.join(FILE);
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&path)
            .map_err(|source| CreateError { path, source })?;
        Ok(Self::new(file, cap_bytes, secrets))
    }

    fn new(file: File, cap_bytes: u64, secrets: &Secrets) -> Self {
        let cap = usize::try_from(cap_bytes).unwrap_or(usize::MAX);
        Self {
            stdout: Lines::new(Stream::Stdout, secrets),
            stderr: Lines::new(Stream::Stderr, secrets),
            // With a small cap one line must not be all or nothing.
            line_bytes_max: LINE_BYTES_MAX.min((cap / 8).max(64)),
            kept: Kept::new(file, cap),
        }
    }

    /// Takes the next bytes of a stream, `t_ms` milliseconds after the start.
    pub fn push(&mut self, stream: Stream, bytes: &[u8], t_ms: u64) {
        let lines = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        lines.masker.push(bytes, &mut lines.open);
        lines.cut(t_ms, self.line_bytes_max, &mut self.kept);
    }

    /// Both streams are at their end, or given up.
    pub fn finish(mut self, t_ms: u64) -> Captured {
        for lines in [&mut self.stdout, &mut self.stderr] {
            lines.masker.finish(&mut lines.open);
            lines.cut(t_ms, self.line_bytes_max, &mut self.kept);
            lines.close(t_ms, &mut self.kept);
        }
        self.kept.finish()
    }
}

impl Captured {
    /// The story of what began at `started` with `first` and ended with `last`, so many milliseconds later. `as_said` makes of an output whose it is.
    pub fn story(
        &self,
        started: Timestamp,
        first: LogEvent,
        as_said: impl Fn(LogEvent) -> LogEvent,
        (end_ms, last): (u64, LogEvent),
    ) -> Vec<Told> {
        let printed = self.events().map(|(t_ms, event)| (t_ms, as_said(event)));
        let all = std::iter::once((0, first)).chain(printed).chain([(end_ms, last)]);
        let told = |(t_ms, event)| {
            let ts = started.checked_add(Duration::from_millis(t_ms)).unwrap_or(started);
            Told { ts, t_ms, event }
        };
        all.map(told).collect()
    }

    /// The events for log.jsonl, each with its time in milliseconds since the start.
    pub fn events(&self) -> impl Iterator<Item = (u64, LogEvent)> {
        let mut latest = 0;
        self.parts.iter().map(move |part| match part {
            Part::Line(line) => {
                latest = line.t_ms;
                (latest, LogEvent::output(line.stream, &line.bytes, line.eol))
            }
            Part::Dropped(bytes) => (latest, LogEvent::Dropped { bytes: *bytes, action: None }),
        })
    }

    /// The last `count` lines as text that is safe to look at.
    pub fn tail(&self, count: usize) -> Vec<String> {
        let lines = self.parts.iter().filter_map(|part| match part {
            Part::Line(line) => Some(visible::printed(&line.bytes)),
            Part::Dropped(_) => None,
        });
        let mut tail: Vec<String> = lines.rev().take(count).collect();
        tail.reverse();
        tail
    }
}

/// One stream: masked bytes that do not make up a line yet.
#[derive(Debug)]
struct Lines {
    stream: Stream,
    masker: Masker,
    open: Vec<u8>,
}

impl Lines {
    fn new(stream: Stream, secrets: &Secrets) -> Self {
        Self { stream, masker: Masker::new(secrets), open: Vec::new() }
    }

    /// Gives away every whole line and every full piece.
    fn cut(&mut self, t_ms: u64, line_bytes_max: usize, kept: &mut Kept) {
        let mut start = 0;
        loop {
            let rest = &self.open[start..];
            // One byte more than a piece: a line that just fills it ends in this piece, not in an empty one.
            let window = &rest[..rest.len().min(line_bytes_max + 1)];
            if let Some(end) = window.iter().position(|&byte| byte == b'\n') {
                kept.push(self.line(&rest[..end], t_ms, true));
                start += end + 1;
            } else if window.len() > line_bytes_max {
                let end = char_border(rest, line_bytes_max);
                kept.push(self.line(&rest[..end], t_ms, false));
                start += end;
            } else {
                break;
            }
        }
        self.open.drain(..start);
    }

    /// Gives away what no line end follows.
    fn close(&mut self, t_ms: u64, kept: &mut Kept) {
        if !self.open.is_empty() {
            let rest = std::mem::take(&mut self.open);
            kept.push(self.line(&rest, t_ms, false));
        }
    }

    fn line(&self, bytes: &[u8], t_ms: u64, eol: bool) -> Line {
        Line { stream: self.stream, t_ms, bytes: bytes.into(), eol }
    }
}

/// The greatest place up to `max` that is not within a character of UTF-8; `max` where it is no UTF-8 anyway.
fn char_border(bytes: &[u8], max: usize) -> usize {
    (max.saturating_sub(3)..=max)
        .rev()
        .find(|&at| at > 0 && bytes.get(at).is_none_or(|byte| byte & 0xc0 != 0x80))
        .unwrap_or(max)
}

/// Head on disk, tail in memory, and the count of what is neither.
#[derive(Debug)]
struct Kept {
    file: File,
    /// Length of the file up to the last line that was written whole.
    file_bytes: u64,
    head: Vec<Line>,
    /// What the head may still cost; `None` once it is closed.
    head_room: Option<usize>,
    tail: VecDeque<Line>,
    tail_room: usize,
    count: OutputCount,
    cut: Option<String>,
}

impl Kept {
    fn new(file: File, cap: usize) -> Self {
        Self {
            file,
            file_bytes: 0,
            head: Vec::new(),
            head_room: Some(cap / 2),
            tail: VecDeque::new(),
            tail_room: cap - cap / 2,
            count: OutputCount::default(),
            cut: None,
        }
    }

    fn push(&mut self, line: Line) {
        self.count.bytes += length(&line);
        let text = shown_with_end(&line);
        let cost = cost(&text);
        match self.head_room {
            Some(room) if cost <= room => match self.append(&text) {
                Ok(()) => {
                    self.head_room = Some(room - cost);
                    self.head.push(line);
                    return;
                }
                Err(fault) => self.cut_by(&fault),
            },
            Some(room) => self.tail_room = self.tail_room.saturating_add(room),
            None => {}
        }
        self.head_room = None;
        self.keep_in_tail(line, cost);
    }

    /// Takes a line into the tail, and out of it the oldest ones that it has no room for.
    fn keep_in_tail(&mut self, line: Line, cost: usize) {
        while cost > self.tail_room {
            let Some(oldest) = self.tail.pop_front() else {
                // Larger than the whole tail; what came before is gone as well, so that the gap stays one.
                self.count.dropped += length(&line);
                return;
            };
            self.tail_room += self::cost(&shown_with_end(&oldest));
            self.count.dropped += length(&oldest);
        }
        self.tail_room -= cost;
        self.tail.push_back(line);
    }

    fn finish(mut self) -> Captured {
        let tail = std::mem::take(&mut self.tail);
        let tail_bytes: u64 = tail.iter().map(length).sum();
        let mut text = String::new();
        if self.count.dropped > 0 {
            text = format!("[… {} bytes dropped …]\n", self.count.dropped);
        }
        text.extend(tail.iter().map(shown_with_end));
        let tail = match self.append(&text) {
            Ok(()) => tail,
            Err(fault) => {
                self.cut_by(&fault);
                self.count.dropped += tail_bytes;
                VecDeque::new()
            }
        };
        if let Some(cut) = self.cut.clone() {
            // Best effort: where the disk has no room for this line either, the record says it.
            let _ = self.append(&format!("[… output cut: {} …]\n", visible::line(&cut)));
        }
        self.count.kept = self.count.bytes - self.count.dropped;
        let dropped = (self.count.dropped > 0).then_some(Part::Dropped(self.count.dropped));
        let head = self.head.into_iter().map(Part::Line);
        Captured {
            parts: head.chain(dropped).chain(tail.into_iter().map(Part::Line)).collect(),
            count: self.count,
            cut: self.cut,
        }
    }

    /// Appends whole text or nothing.
    fn append(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(text.as_bytes());
        if written.is_ok() {
            self.file_bytes += text.len() as u64;
        } else {
            // Giving room back cannot fail for want of room; should it fail, a line stays torn and no more.
            let _ = self.file.set_len(self.file_bytes);
            let _ = self.file.seek(SeekFrom::Start(self.file_bytes));
        }
        written
    }

    fn cut_by(&mut self, fault: &io::Error) {
        self.cut.get_or_insert_with(|| fault.to_string());
    }
}

/// Bytes of a line as the handler printed it, after masking.
fn length(line: &Line) -> u64 {
    line.bytes.len() as u64 + u64::from(line.eol)
}

fn cost(text: &str) -> usize {
    text.len().max(LINE_COST_MIN)
}

fn shown_with_end(line: &Line) -> String {
    let mut text = visible::printed(&line.bytes);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
