//! What a handler printed, as much of it as a page shows: head and tail, with words where something is missing. Reads the
//! events of `log.jsonl`, which have colours and streams, or where there is none the plain `handler.log`.

use std::collections::VecDeque;

use super::ansi::{self, Pen, Span};
use crate::record::log::{LogEvent, LogLine, Stream};

/// So many lines of the head and of the tail are shown.
pub const HEAD_LINES: usize = 300;
/// And so many of the end.
pub const TAIL_LINES: usize = 500;
/// The longest line that is shown whole, in bytes.
pub const LINE_BYTES_MAX: usize = 4000;

/// Output for a page.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// The beginning.
    pub head: Vec<Piece>,
    /// How many lines between it and the end are not shown.
    pub left_out: usize,
    /// The end, where it does not follow at once.
    pub tail: VecDeque<Piece>,
    /// How many lines there are in all.
    pub lines: usize,
}

/// A line of it, or what stands between lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A printed line.
    Line {
        /// Printed to standard error.
        is_error: bool,
        /// The text.
        spans: Vec<Span>,
        /// Bytes of the line that are not shown.
        cut_bytes: usize,
    },
    /// A remark: an attempt or an action begins, something was dropped.
    Remark(String),
}

impl Output {
    /// Whether nothing was printed.
    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }

    fn push(&mut self, piece: Piece) {
        self.lines += usize::from(matches!(piece, Piece::Line { .. }));
        if self.head.len() < HEAD_LINES && self.tail.is_empty() {
            self.head.push(piece);
            return;
        }
        self.tail.push_back(piece);
        if self.tail.len() > TAIL_LINES {
            let gone = self.tail.pop_front();
            self.left_out += usize::from(matches!(gone, Some(Piece::Line { .. })));
        }
    }
}

/// A line that is not over yet, by stream and action.
#[derive(Default)]
struct Growing {
    bytes: Vec<u8>,
    cut_bytes: usize,
    is_open: bool,
}

impl Growing {
    fn add(&mut self, bytes: &[u8]) {
        self.is_open = true;
        let room = LINE_BYTES_MAX.saturating_sub(self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..room]);
        self.cut_bytes += bytes.len() - room;
    }

    fn take(&mut self, is_error: bool, pen: &mut Pen) -> Piece {
        let whole = std::mem::take(self);
        Piece::Line { is_error, spans: ansi::spans(&whole.bytes, pen), cut_bytes: whole.cut_bytes }
    }
}

/// What an event log says: the output, and every other event.
pub fn of_log(log: &[u8]) -> (Output, Vec<LogLine>) {
    let mut output = Output::default();
    let mut events = Vec::new();
    let (mut growing, mut pens) = ([Growing::default(), Growing::default()], [Pen::default(), Pen::default()]);
    for line in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(line) = serde_json::from_slice::<LogLine>(line) else { continue };
        if let LogEvent::Output { stream, eol, .. } = &line.event {
            let place = usize::from(*stream == Stream::Stderr);
            growing[place].add(&line.event.output_bytes());
            if *eol {
                output.push(growing[place].take(place == 1, &mut pens[place]));
            }
            continue;
        }
        for (place, growing) in growing.iter_mut().enumerate().filter(|(_, growing)| growing.is_open) {
            output.push(growing.take(place == 1, &mut pens[place]));
        }
        if let Some(words) = remark(&line.event) {
            // What is printed next is another program's.
            pens = [Pen::default(), Pen::default()];
            output.push(Piece::Remark(words));
        }
        events.push(line);
    }
    for (place, growing) in growing.iter_mut().enumerate().filter(|(_, growing)| growing.is_open) {
        output.push(growing.take(place == 1, &mut pens[place]));
    }
    (output, events)
}

fn remark(event: &LogEvent) -> Option<String> {
    Some(match event {
        LogEvent::Started { attempt, .. } if *attempt > 1 => format!("attempt {attempt}"),
        LogEvent::ActionStarted { action } => format!("then {action}"),
        LogEvent::Dropped { bytes, .. } => format!("{bytes} bytes were dropped here: more than `output` allows"),
        LogEvent::Withheld { bytes } => format!("{bytes} bytes stay on the host: the kind does not publish all of it"),
        _ => return None,
    })
}

/// A plain log, in which everything that acts is text already.
pub fn of_text(text: &[u8]) -> Output {
    let mut output = Output::default();
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if text.is_empty() {
        return output;
    }
    for line in text.split(|byte| *byte == b'\n') {
        let mut growing = Growing::default();
        growing.add(line);
        output.push(growing.take(false, &mut Pen::default()));
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64, event: &LogEvent) -> String {
        let event = serde_json::to_value(event).unwrap();
        let mut whole = serde_json::json!({"v": 1, "seq": seq, "ts": "2026-11-21T08:00:00.000Z", "t": 0});
        whole.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
        format!("{whole}\n")
    }

    fn printed(stream: Stream, text: &str, eol: bool) -> LogEvent {
        LogEvent::output(stream, text.as_bytes(), eol)
    }

    fn texts(pieces: impl IntoIterator<Item = Piece>) -> Vec<String> {
        let text = |piece| match piece {
            Piece::Line { is_error, spans, cut_bytes } => {
                let text: String = spans.into_iter().map(|span| span.text).collect();
                format!("{}{text}{}", if is_error { "err " } else { "" }, if cut_bytes > 0 { "…" } else { "" })
            }
            Piece::Remark(words) => format!("[{words}]"),
        };
        pieces.into_iter().map(text).collect()
    }

    #[test]
    fn pieces_of_a_line_are_one_and_streams_stay_apart() {
        let events = [
            printed(Stream::Stdout, "a", false),
            printed(Stream::Stderr, "warning", true),
            printed(Stream::Stdout, "b", true),
            LogEvent::Dropped { bytes: 7, action: None },
            printed(Stream::Stdout, "no end", false),
            LogEvent::ActionStarted { action: "reload".to_owned() },
            printed(Stream::Stdout, "reloaded", true),
        ];
        let log: String = events.iter().zip(0..).map(|(event, seq)| line(seq, event)).collect();
        let (output, events) = of_log(log.as_bytes());
        assert_eq!(
            texts(output.head),
            [
                "err warning",
                "ab",
                "[7 bytes were dropped here: more than `output` allows]",
                "no end",
                "[then reload]",
                "reloaded"
            ]
        );
        assert_eq!(events.len(), 2);
    }

    #[test]
    fn head_and_tail_are_kept_and_the_rest_is_counted() {
        let text = (0..5000).fold(String::new(), |text, number| text + &format!("line {number}\n"));
        let output = of_text(text.as_bytes());
        assert_eq!((output.head.len(), output.tail.len(), output.lines), (HEAD_LINES, TAIL_LINES, 5000));
        assert_eq!(output.left_out, 5000 - HEAD_LINES - TAIL_LINES);
        assert_eq!(texts(output.tail).last().unwrap(), "line 4999");
        assert!(of_text(b"").is_empty());
    }

    #[test]
    fn a_very_long_line_is_cut_with_the_count_of_what_is_missing() {
        let output = of_text("x".repeat(1_000_000).as_bytes());
        let Piece::Line { spans, cut_bytes, .. } = &output.head[0] else { panic!("{output:?}") };
        assert_eq!((spans[0].text.len(), *cut_bytes), (LINE_BYTES_MAX, 1_000_000 - LINE_BYTES_MAX));
    }

    #[test]
    fn lines_that_are_no_events_are_passed_over() {
        let log = format!("{{torn\n{}", line(0, &printed(Stream::Stdout, "kept", true)));
        assert_eq!(texts(of_log(log.as_bytes()).0.head), ["kept"]);
    }
}
