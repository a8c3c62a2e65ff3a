//! What a refusal says: a stable code, the place, what was expected, and what to do.
//!
//! Owns the value that every reader of a file hands back when it refuses, and how that value looks in
//! plain text. It never colours, never prints and never reads a file: the line under the caret comes
//! along in the value. Codes by hundred: E00 file and names, E01 YAML, E02 envelope, E03 routing,
//! E04 spec against schema, E05 index, E06 schema files, E07 codex.repo.yaml, E08 host file, E09 handlers.

use std::fmt;

use serde::Serialize;

use crate::resource::is_printable;

/// The widest piece of a source line that is shown around a caret, in characters.
const WINDOW: usize = 100;

/// A stretch of one line in a text file. Line and column start at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Length in characters; 0 is shown as 1.
    pub length: u32,
}

/// The part of a line around a place. A line may be as long as its file, and the faults in it many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Its text.
    pub text: String,
    /// Characters of the line before it.
    pub before: usize,
    /// Whether the line goes on behind it.
    pub goes_on: bool,
}

/// One fault in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The stable name of the rule that was broken, such as `E0103`.
    pub code: &'static str,
    /// The file, as the person who reads this knows it.
    pub file: String,
    /// Where in the file; absent where the fault is about the whole file.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// What of the line of `place` is shown, for the caret.
    #[serde(skip)]
    pub source: Option<Excerpt>,
    /// Where in the document, as a JSON pointer.
    pub pointer: Option<String>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What would have been right.
    pub expected: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A fault of a whole file, until [`Diagnostic::at`] gives it a place.
    pub fn new(code: &'static str, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            file: file.into(),
            place: None,
            source: None,
            pointer: None,
            message: message.into(),
            expected: None,
            help: None,
        }
    }

    /// Puts the fault at a place of `text`, which is the whole file. Parsers that miss something at its end name a line
    /// behind the last one: that is the end of the last one.
    #[must_use]
    pub fn at(self, place: Place, text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let index = usize::try_from(place.line).unwrap_or(usize::MAX).saturating_sub(1);
        if let Some(line) = lines(text).nth(index) {
            return self.in_line(place, line);
        }
        let line = u32::try_from(lines(text).count()).unwrap_or(u32::MAX);
        self.in_line(Place { line, column: u32::MAX, length: 1 }, lines(text).last().unwrap_or_default())
    }

    /// Puts the fault at a place of which `line` is the whole line.
    #[must_use]
    pub fn in_line(mut self, place: Place, line: &str) -> Self {
        let width = u32::try_from(line.chars().count()).unwrap_or(u32::MAX - 2);
        let column = place.column.clamp(1, width + 1);
        let place = Place { column, length: place.length.min(width + 2 - column), ..place };
        self.source = Some(excerpt(line, place));
        self.place = Some(place);
        self
    }

    /// Says which value of the document is meant, as a JSON pointer.
    #[must_use]
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// Says what would have been right.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do where something is known to say, as with [`did_you_mean`].
    #[must_use]
    pub fn help_if(mut self, help: Option<String>) -> Self {
        if help.is_some() {
            self.help = help;
        }
        self
    }
}

/// Cuts a line to a window around the place.
fn excerpt(line: &str, place: Place) -> Excerpt {
    let characters = line.chars().count();
    let column = usize::try_from(place.column).unwrap_or(usize::MAX).saturating_sub(1).min(characters);
    let before = if characters <= WINDOW { 0 } else { column.saturating_sub(WINDOW / 2).min(characters - WINDOW) };
    let mut rest = line.chars();
    if before > 0 {
        rest.nth(before - 1);
    }
    let text: String = rest.by_ref().take(WINDOW).collect();
    Excerpt { text, before, goes_on: rest.next().is_some() }
}

/// The lines of a text whose lines may end in LF, CR LF or CR, as YAML counts them.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let width = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[end + width..]);
        Some(&text[..end])
    })
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", escape(&self.file))?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": error[{}]: {}", self.code, escape(&self.message))?;
        let mut gutter = 0;
        if let (Some(place), Some(source)) = (self.place, &self.source) {
            let number = place.line.to_string();
            gutter = number.len();
            let (line, caret) = draw(source, place);
            write!(f, "\n{:gutter$} |\n{number} | {line}", "")?;
            write!(f, "\n{:gutter$} | {caret}", "")?;
        }
        for (label, text) in [("expected", &self.expected), ("help", &self.help)] {
            if let Some(text) = text {
                write!(f, "\n{:gutter$} = {label}: {}", "", escape(text))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

/// The excerpt, and the line of carets under it.
fn draw(source: &Excerpt, place: Place) -> (String, String) {
    let wide = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let column = wide(place.column).saturating_sub(1);
    let end = column.saturating_add(wide(place.length.max(1)));
    let to = source.before + source.text.chars().count();

    let mut line = String::new();
    let mut caret = String::new();
    if source.before > 0 {
        line.push('…');
        caret.push(' ');
    }
    for (index, character) in (source.before..to).zip(source.text.chars()) {
        let shown = if character == '\t' { " ".to_owned() } else { escape(character.encode_utf8(&mut [0; 4])) };
        let mark = if (column..end).contains(&index) { '^' } else { ' ' };
        caret.extend(std::iter::repeat_n(mark, shown.chars().count()));
        line.push_str(&shown);
    }
    // A place just past the end of the line (something is missing there) still gets its caret.
    if column >= to {
        caret.push('^');
    }
    if source.goes_on {
        line.push('…');
    }
    (line, caret.trim_end().to_owned())
}

/// Makes text that came from a file harmless for a terminal and a log: control characters and the
/// invisible ones that reorder a line are written as escapes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_printable(character) {
            out.push(character);
        } else {
            out.extend(character.escape_default());
        }
    }
    out
}

/// The nearest known name, as a question: ``did you mean `deploy`?``.
///
/// Near is another case, or a Damerau-Levenshtein distance of at most a third of the longer name. Of
/// equally near names the first in order of the alphabet wins, so that the answer never changes.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    /// Longer words are not typed by hand, and the distance costs the product of the lengths.
    const WORD_MAX: usize = 128;
    let length = word.chars().count();
    if length > WORD_MAX {
        return None;
    }
    known
        .into_iter()
        .filter(|name| *name != word)
        .filter_map(|name| {
            let name_length = name.chars().count();
            if name_length > WORD_MAX {
                return None;
            }
            if name.to_lowercase() == word.to_lowercase() {
                return Some((0, name));
            }
            let distance = strsim::damerau_levenshtein(word, name);
            (distance * 3 <= length.max(name_length)).then_some((distance, name))
        })
        .min()
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32, column: u32, length: u32) -> Place {
        Place { line, column, length }
    }

    #[test]
    fn a_fault_shows_its_line_and_a_caret_under_the_place() {
        let fault = Diagnostic::new("E0301", "requests/a.yml", "unknown kind `deplyo`")
            .at(place(2, 7, 6), "# a request\nkind: deplyo\n")
            .expected("one of the kinds of handlers/index.yml")
            .help_if(did_you_mean("deplyo", ["backup", "deploy"]));
        assert_eq!(
            fault.to_string(),
            "requests/a.yml:2:7: error[E0301]: unknown kind `deplyo`\n  |\n2 | kind: deplyo\n  |       ^^^^^^\n  \
             = expected: one of the kinds of handlers/index.yml\n  = help: did you mean `deploy`?"
        );
    }

    #[test]
    fn a_fault_without_a_place_is_one_line() {
        let fault = Diagnostic::new("E0001", "requests/a.yml", "too large");
        assert_eq!(fault.to_string(), "requests/a.yml: error[E0001]: too large");
    }

    #[test]
    fn long_lines_are_cut_to_a_window_around_the_caret() {
        let text = format!("{}HERE{}", "a".repeat(5000), "b".repeat(5000));
        let shown = Diagnostic::new("E0100", "f", "m").at(place(1, 5001, 4), &text).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        let column = lines[2].chars().position(|c| c == 'H').unwrap();
        assert!(lines[2].chars().count() < 120, "{shown}");
        assert_eq!(lines[3].chars().position(|c| c == '^'), Some(column));
        assert_eq!(lines[3].matches('^').count(), 4);
        assert!(lines[2].starts_with("1 | …") && lines[2].ends_with('…'));
    }

    #[test]
    fn carets_stand_right_after_escapes_and_past_the_end() {
        let shown = Diagnostic::new("E0100", "f", "m").at(place(1, 4, 1), "a\u{1b}bX").to_string();
        assert!(shown.contains("1 | a\\u{1b}bX\n"), "{shown}");
        assert!(shown.ends_with("\n  |         ^"), "{shown}");
        let end = Diagnostic::new("E0100", "f", "m").at(place(1, 3, 1), "ab").to_string();
        assert!(end.ends_with("\n  |   ^"), "{end}");
        let beyond = Diagnostic::new("E0100", "f", "m").at(place(9, 3, 1), "x\nab").to_string();
        assert!(beyond.starts_with("f:2:3: ") && beyond.ends_with("\n2 | ab\n  |   ^"), "{beyond}");
        let wide = Diagnostic::new("E0100", "f", "m").at(place(1, 2, 9), "ab");
        assert_eq!(wide.place, Some(place(1, 2, 2)));
    }

    #[test]
    fn nothing_from_a_file_reaches_a_terminal_raw() {
        let shown = Diagnostic::new("E0100", "a\u{1b}[31m", "b\nc\u{202e}")
            .at(place(1, 1, 1), "\u{9b}x")
            .help("\u{7}\u{61c}\u{e0041}")
            .to_string();
        for hidden in ['\u{1b}', '\u{202e}', '\u{9b}', '\u{7}', '\u{61c}', '\u{e0041}'] {
            assert!(!shown.contains(hidden), "{shown:?}");
        }
        assert!(shown.starts_with("a\\u{1b}[31m:1:1: error[E0100]: b\\nc\\u{202e}\n"));
    }

    #[test]
    fn lines_end_as_yaml_counts_them() {
        assert_eq!(lines("a\r\nb\rc\n").collect::<Vec<_>>(), ["a", "b", "c", ""]);
    }

    #[test]
    fn the_nearest_name_is_named() {
        let known = ["deploy", "backup", "restore"];
        let cases = [
            ("deplyo", Some("deploy")),
            ("Deploy", Some("deploy")),
            ("bakup", Some("backup")),
            ("restart", Some("restore")),
            ("report", None),
            ("x", None),
            ("", None),
        ];
        for (word, expected) in cases {
            let expected = expected.map(|name| format!("did you mean `{name}`?"));
            assert_eq!(did_you_mean(word, known), expected, "{word}");
        }
        assert_eq!(did_you_mean("abd", ["abf", "abe"]), Some("did you mean `abe`?".to_owned()));
        assert_eq!(did_you_mean(&"a".repeat(9999), ["aaa"]), None);
    }

    #[test]
    fn json_carries_the_place_flat() {
        let fault = Diagnostic::new("E0100", "f", "m").at(place(3, 4, 5), "\n\n   four5");
        let json = serde_json::to_value(&fault).unwrap();
        assert_eq!(json["line"], 3);
        assert_eq!(json["column"], 4);
        assert!(json.get("source").is_none());
        let whole = serde_json::to_value(Diagnostic::new("E0100", "f", "m")).unwrap();
        assert!(whole.get("line").is_none());
    }
}
