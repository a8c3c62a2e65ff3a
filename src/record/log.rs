//! `log.jsonl`: one JSON object a line, numbered without a gap.
//!
//! Owns the events that a reader of a record sees, their spelling, and the numbering. What the journal
//! writes down for recovery is another matter (`event`). No text in it can end a line or act on a terminal: every
//! control character is a JSON escape.

use std::io;

use data_encoding::BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};

use super::visible;
use crate::outcome::{ActionRun, Outcome};

/// Version of a line.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Version of this format.
    pub v: u32,
    /// Number of the line, from 0, without a gap.
    pub seq: u64,
    /// Wall clock.
    #[serde(with = "crate::clock::millis")]
    pub ts: Timestamp,
    /// Milliseconds since the attempt started, on the monotonic clock; 0 before.
    pub t: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: LogEvent,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ev", rename_all = "snake_case")]
pub enum LogEvent {
    /// The request was read from main and will be carried out or rejected.
    Admitted {
        /// Path in the inbox.
        path: String,
        /// The admitted commit.
        commit: String,
        /// Object id of the request file.
        blob: String,
    },
    /// It was refused.
    Rejected {
        /// Stable code of the fault.
        code: String,
        /// The fault.
        message: String,
    },
    /// This host has it for itself.
    Claimed {
        /// The host.
        node: String,
    },
    /// A handler was started.
    Started {
        /// From 1.
        attempt: u32,
        /// Its command.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        argv: Vec<String>,
    },
    /// It printed a line.
    Output {
        /// Where.
        stream: Stream,
        /// The line without its end, where it is UTF-8.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// The same where it is not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base64: Option<String>,
        /// False where the next piece of this stream continues the line; left out where true.
        #[serde(default = "yes", skip_serializing_if = "is_true")]
        eol: bool,
        /// The action that printed it; left out where the handler did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<String>,
    },
    /// Here output is missing.
    Dropped {
        /// How much, after masking.
        bytes: u64,
        /// The action whose it was; left out where it was the handler's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<String>,
    },
    /// Here output stays on the host, because the kind does not publish all of it.
    Withheld {
        /// How much, after masking.
        bytes: u64,
    },
    /// An attempt is over.
    Exited {
        /// Which.
        attempt: u32,
        /// Exit code, where it had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        /// Number of the signal that ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// Class of the reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An action of the host file was started, after the handler had succeeded. Its command is the machine owner's and is
    /// not told.
    ActionStarted {
        /// Its name.
        action: String,
    },
    /// An action is over.
    ActionEnded {
        /// Its name.
        action: String,
        /// Exit code, where it had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        /// Number of the signal that ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// What was wrong, where something was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Another attempt follows.
    Retried {
        /// Number of the attempt that follows.
        attempt: u32,
        /// Pause before it.
        pause_ms: u64,
    },
    /// A remark of the dispatcher.
    Note {
        /// In one line.
        message: String,
    },
    /// The outcome is settled; the last line.
    Recorded {
        /// It.
        outcome: Outcome,
    },
    /// An event of a later version.
    #[serde(other)]
    Unknown,
}

/// Where a handler printed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl LogEvent {
    /// A printed line or a piece of one: as text where it is UTF-8, else as base64.
    pub fn output(stream: Stream, bytes: &[u8], eol: bool) -> Self {
        let (text, base64) = match std::str::from_utf8(bytes) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(BASE64.encode(bytes))),
        };
        Self::Output { stream, text, base64, eol, action: None }
    }

    /// How an action ended.
    pub fn action_ended(run: &ActionRun) -> Self {
        Self::ActionEnded {
            action: run.name.clone(),
            exit_code: run.exit_code,
            signal: run.signal,
            reason: run.reason.clone(),
        }
    }

    /// The same, printed by an action.
    #[must_use]
    pub fn by_action(mut self, name: &str) -> Self {
        if let Self::Output { action, .. } | Self::Dropped { action, .. } = &mut self {
            *action = Some(name.to_owned());
        }
        self
    }

    /// The bytes of a printed line; empty for every other event, and where the base64 is none.
    pub fn output_bytes(&self) -> Vec<u8> {
        match self {
            Self::Output { text: Some(text), .. } => text.clone().into_bytes(),
            Self::Output { base64: Some(base64), .. } => BASE64.decode(base64.as_bytes()).unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

/// Writes lines one by one and numbers them.
#[derive(Debug)]
pub struct LogWriter<W> {
    to: W,
    seq: u64,
}

impl<W: io::Write> LogWriter<W> {
    /// For a new log.
    pub fn new(to: W) -> Self {
        Self::after(to, 0)
    }

    /// Goes on behind `lines` lines that are there already ([`whole_lines`] counts them).
    pub fn after(to: W, lines: u64) -> Self {
        Self { to, seq: lines }
    }

    /// Writes one line. `t_ms`: milliseconds since the attempt started.
    ///
    /// # Errors
    /// Those of the writer; the number is used up only where the line was written.
    pub fn push(&mut self, ts: Timestamp, t_ms: u64, event: LogEvent) -> io::Result<()> {
        let line = LogLine { v: VERSION, seq: self.seq, ts, t: t_ms, event };
        // Into memory first: a line that could not be made whole must not stand there in part.
        let mut text = Vec::new();
        line.serialize(&mut Serializer::with_formatter(&mut text, Harmless)).map_err(io::Error::other)?;
        text.push(b'\n');
        self.to.write_all(&text)?;
        self.seq += 1;
        Ok(())
    }

    /// How many lines there are.
    pub fn lines(&self) -> u64 {
        self.seq
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.to
    }
}

/// Number of whole lines at the beginning of a log that a crash may have torn, and their length in bytes: cut the
/// file there and go on with [`LogWriter::after`].
pub fn whole_lines(log: &[u8]) -> (u64, usize) {
    let mut lines = 0;
    let mut length = 0;
    for line in log.split_inclusive(|&byte| byte == b'\n') {
        let next = serde_json::from_slice::<LogLine>(line);
        if !line.ends_with(b"\n") || !next.is_ok_and(|next| next.seq == lines) {
            break;
        }
        lines += 1;
        length += line.len();
    }
    (lines, length)
}

/// The lines of a log; what cannot be read is left out.
pub fn read(log: &[u8]) -> impl Iterator<Item = LogLine> {
    log.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

/// Escapes beyond what JSON asks for: DEL, C1 controls, separators and marks that reorder text.
struct Harmless;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| visible::acts(c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ts() -> Timestamp {
        "2026-11-21T08:00:00Z".parse().expect("time")
    }

    fn written(events: impl IntoIterator<Item = LogEvent>) -> Vec<u8> {
        let mut writer = LogWriter::new(Vec::new());
        for (t, event) in (0..).zip(events) {
            writer.push(ts(), t, event).expect("written");
        }
        writer.into_inner()
    }

    fn every_event() -> Vec<LogEvent> {
        let text = || "x".to_owned();
        vec![
            LogEvent::Admitted { path: text(), commit: text(), blob: text() },
            LogEvent::Rejected { code: "E0301".to_owned(), message: text() },
            LogEvent::Claimed { node: text() },
            LogEvent::Started { attempt: 1, argv: vec![text()] },
            LogEvent::output(Stream::Stdout, b"line", true),
            LogEvent::output(Stream::Stderr, b"\xff", false),
            LogEvent::Dropped { bytes: 3, action: None },
            LogEvent::output(Stream::Stdout, b"line", true).by_action("reload"),
            LogEvent::Dropped { bytes: 3, action: None }.by_action("reload"),
            LogEvent::Withheld { bytes: 3 },
            LogEvent::ActionStarted { action: text() },
            LogEvent::action_ended(&ActionRun::not_run("reload")),
            LogEvent::Exited { attempt: 1, exit_code: Some(75), signal: None, reason: None },
            LogEvent::Retried { attempt: 2, pause_ms: 5 },
            LogEvent::Note { message: text() },
            LogEvent::Recorded { outcome: Outcome::Failed },
        ]
    }

    #[test]
    fn lines_have_the_documented_shape() {
        let log = written([
            LogEvent::output(Stream::Stdout, "größer".as_bytes(), true),
            LogEvent::output(Stream::Stderr, b"\xff\xfe", false),
            LogEvent::Recorded { outcome: Outcome::Succeeded },
        ]);
        assert_eq!(
            String::from_utf8(log).expect("utf-8"),
            concat!(
                r#"{"v":1,"seq":0,"ts":"2026-11-21T08:00:00.000Z","t":0,"ev":"output","stream":"stdout","text":"größer"}"#,
                "\n",
                r#"{"v":1,"seq":1,"ts":"2026-11-21T08:00:00.000Z","t":1,"ev":"output","stream":"stderr","base64":"//4=","eol":false}"#,
                "\n",
                r#"{"v":1,"seq":2,"ts":"2026-11-21T08:00:00.000Z","t":2,"ev":"recorded","outcome":"succeeded"}"#,
                "\n",
            )
        );
    }

    #[test]
    fn every_event_reads_back() {
        let log = written(every_event());
        let back: Vec<LogLine> = read(&log).collect();
        assert_eq!(back.len(), every_event().len());
        for (number, (line, event)) in back.into_iter().zip(every_event()).enumerate() {
            assert_eq!(line.event, event);
            assert_eq!(line.seq, number as u64);
        }
    }

    #[test]
    fn no_text_can_end_a_line_or_act_on_a_terminal() {
        let every: String = ('\0'..='\u{3000}').chain(['\u{feff}', '\u{e0041}', '\u{1f600}']).collect();
        let forged = "x\"}\n{\"v\":1,\"seq\":9,\"ev\":\"recorded\",\"outcome\":\"succeeded\"}";
        for text in [every.as_str(), forged] {
            let log = written([LogEvent::output(Stream::Stdout, text.as_bytes(), true)]);
            let shown = std::str::from_utf8(&log).expect("utf-8");
            assert_eq!(shown.lines().count(), 1);
            assert!(!shown.trim_end_matches('\n').chars().any(visible::acts));
            let back = read(&log).next().expect("one line");
            assert_eq!(back.event.output_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn a_torn_log_goes_on_without_a_gap() {
        let log = written(every_event());
        let whole = every_event().len() as u64;
        assert_eq!(whole_lines(&log), (whole, log.len()));
        for cut in 0..log.len() {
            let (lines, length) = whole_lines(&log[..cut]);
            assert!(length <= cut);
            let mut writer = LogWriter::after(log[..length].to_vec(), lines);
            let note = LogEvent::Note { message: "went on".to_owned() };
            writer.push(ts(), 0, note).expect("written");
            assert_eq!(whole_lines(&writer.into_inner()).0, lines + 1);
        }
        assert_eq!(whole_lines(b"rubbish\n"), (0, 0));
    }

    #[test]
    fn events_of_later_versions_are_known_to_be_unknown() {
        let line = br#"{"v":1,"seq":0,"ts":"2026-11-21T08:00:00Z","t":0,"ev":"teleported","to":"mars"}"#;
        let line = read(line).next().expect("read");
        assert_eq!(line.event, LogEvent::Unknown);
    }

    #[test]
    fn a_full_disk_uses_no_number() {
        struct Full;
        impl io::Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = LogWriter::new(Full);
        assert!(writer.push(ts(), 0, LogEvent::Dropped { bytes: 1, action: None }).is_err());
        assert_eq!(writer.lines(), 0);
    }
}
