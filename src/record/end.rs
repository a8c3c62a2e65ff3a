//! The end of an output: what of `handler.log` and of the output in `log.jsonl` is committed where a kind publishes a part.
//!
//! Owns the choice of lines, and that both files show the same ones. Pure.

use jiff::Timestamp;

use super::log::LogEvent;
use super::visible;

/// Lines of the end that are committed at most.
pub const LINES_MAX: usize = 200;
/// And bytes of `handler.log`, the line that says what is missing counted.
pub const BYTES_MAX: usize = 16 * 1024;
/// Kept free for that line.
const MARK_BYTES_MAX: usize = 256;

/// An event before it has a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Wall clock.
    pub ts: Timestamp,
    /// Milliseconds since the attempt or action started.
    pub t_ms: u64,
    /// What happened.
    pub event: LogEvent,
}

/// A line of `handler.log`, with the event that it stands for; one that nobody saw the end of has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// As it stands in the file, with its end.
    pub text: String,
    /// Index of the event.
    pub event: Option<usize>,
}

impl Printed {
    /// The line of an event, if it has one.
    pub fn of(event: &LogEvent, index: usize) -> Option<Self> {
        let text = match event {
            LogEvent::Output { .. } => format!("{}\n", visible::printed(&event.output_bytes())),
            LogEvent::Dropped { bytes, .. } => format!("[… {bytes} bytes dropped …]\n"),
            LogEvent::ActionStarted { action } => format!("[… then {action} …]\n"),
            _ => return None,
        };
        Some(Self { text, event: Some(index) })
    }
}

/// The end of these lines as text, and the index of the first of them in it. A last line that is too long alone gives its
/// own end.
pub fn end_of(lines: &[Printed], host: &str) -> (String, usize) {
    let room = BYTES_MAX - MARK_BYTES_MAX;
    let mut first = lines.len();
    let mut bytes = 0;
    while first > 0 && lines.len() - first < LINES_MAX && bytes + lines[first - 1].text.len() <= room {
        first -= 1;
        bytes += lines[first].text.len();
    }
    if first == 0 {
        return (lines.iter().map(|line| line.text.as_str()).collect(), 0);
    }
    let mut missing: usize = lines[..first].iter().map(|line| line.text.len()).sum();
    let mut text = lines[first..].iter().map(|line| line.text.as_str()).collect::<String>();
    if let ("", Some(last)) = (text.as_str(), lines.last()) {
        last.text[last.text.ceil_char_boundary(last.text.len() - room)..].clone_into(&mut text);
        missing -= text.len();
    }
    let host: String = visible::line(host).chars().take(40).collect();
    (format!("[… {missing} bytes before this lie on {host} …]\n{text}"), first)
}

/// The events with the output that `is_kept` knows; what is missing in between is counted.
pub fn without_output(events: &[Told], is_kept: impl Fn(usize) -> bool) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    for (index, next) in events.iter().enumerate() {
        let LogEvent::Output { eol, .. } = &next.event else {
            told.push(next.clone());
            continue;
        };
        if is_kept(index) {
            told.push(next.clone());
            continue;
        }
        let length = next.event.output_bytes().len() as u64 + u64::from(*eol);
        match told.last_mut() {
            Some(Told { event: LogEvent::Withheld { bytes }, .. }) => *bytes += length,
            _ => told.push(Told { event: LogEvent::Withheld { bytes: length }, ..next.clone() }),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::super::log::Stream;
    use super::*;

    fn printed(count: usize, bytes: usize) -> Vec<Printed> {
        let text = |number: usize| format!("{number:0>width$}\n", width = bytes - 1);
        (0..count).map(|number| Printed { text: text(number), event: Some(number) }).collect()
    }

    #[test]
    fn a_short_output_is_whole() {
        assert_eq!(end_of(&printed(200, 10), "h"), (printed(200, 10).into_iter().map(|line| line.text).collect(), 0));
        assert_eq!(end_of(&[], "h"), (String::new(), 0));
    }

    #[test]
    fn the_end_is_bounded_in_lines_and_bytes_and_says_what_is_missing() {
        let (text, first) = end_of(&printed(201, 10), "build-1");
        assert_eq!((first, text.lines().count()), (1, 201));
        assert!(text.starts_with("[… 10 bytes before this lie on build-1 …]\n000000001\n"), "{text}");
        let (text, first) = end_of(&printed(100, 1000), &"h".repeat(300));
        assert!(text.len() <= BYTES_MAX && first == 84, "{first} {}", text.len());
        assert!(text.ends_with("99\n"));
    }

    #[test]
    fn a_line_that_is_too_long_alone_gives_its_end() {
        let long = Printed { text: format!("{}end\n", "ß".repeat(20_000)), event: Some(0) };
        let (text, first) = end_of(std::slice::from_ref(&long), "h");
        assert!(first == 1 && text.len() <= BYTES_MAX && text.ends_with("ßend\n"), "{first} {}", text.len());
        assert!(
            text.starts_with(&format!("[… {} bytes", long.text.len() - text.lines().nth(1).unwrap_or("").len() - 1))
        );
    }

    #[test]
    fn events_lose_their_output_and_nothing_else() {
        let ts = Timestamp::UNIX_EPOCH;
        let told = |event| Told { ts, t_ms: 0, event };
        let line = || told(LogEvent::output(Stream::Stdout, b"line", true));
        let note = || told(LogEvent::Note { message: "x".into() });
        let events = [note(), line(), line(), note(), line(), line()];
        let withheld = |bytes| told(LogEvent::Withheld { bytes });
        assert_eq!(without_output(&events, |index| index == 5), [note(), withheld(10), note(), withheld(5), line()]);
        assert_eq!(without_output(&events, |_| false), [note(), withheld(10), note(), withheld(10)]);
        assert_eq!(without_output(&events, |_| true), events);
    }
}
