//! Colours of a terminal as spans. Only SGR (`ESC [ … m`) is obeyed; whatever else a terminal would act on is shown as
//! text ([`visible`]). Colours are the sixteen that the style sheet has in two readable sets: others become the nearest.

use std::borrow::Cow;

use crate::record::visible;

/// How a stretch of text looks. `None` is what the page has anyway.
#[expect(clippy::struct_excessive_bools, reason = "each is one that a terminal has")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pen {
    fore: Option<u8>,
    back: Option<u8>,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    strike: bool,
    inverse: bool,
}

/// A stretch of text in one look. The text is safe to look at, and not yet escaped for HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// How.
    pub pen: Pen,
    /// What.
    pub text: String,
}

/// The sixteen, about as terminals have them, to find the nearest of others by.
const SIXTEEN: [(u8, u8, u8); 16] = [
    (0, 0, 0),
    (187, 0, 0),
    (0, 150, 0),
    (160, 110, 0),
    (30, 60, 200),
    (150, 0, 150),
    (0, 140, 150),
    (190, 190, 190),
    (110, 110, 110),
    (255, 85, 85),
    (85, 255, 85),
    (255, 255, 85),
    (90, 120, 255),
    (255, 85, 255),
    (85, 255, 255),
    (255, 255, 255),
];

impl Pen {
    /// The classes that show it; empty where there is nothing to show. A background is shown by the text's own colour turned
    /// around, so that every pair of colours can be read.
    pub fn classes(self) -> String {
        let mut classes = Vec::new();
        match (self.back, self.fore, self.inverse) {
            (Some(back), _, false) => classes.push(Cow::Owned(format!("b{back}"))),
            (_, Some(fore), true) => classes.push(Cow::Owned(format!("b{fore}"))),
            (Some(back), None, true) => classes.push(Cow::Owned(format!("f{back}"))),
            (None, None, true) => classes.push(Cow::Borrowed("inv")),
            (None, Some(fore), false) => classes.push(Cow::Owned(format!("f{fore}"))),
            (None, None, false) => {}
        }
        let styles = [(self.bold, "bo"), (self.dim, "di"), (self.italic, "it"), (self.underline, "un")];
        classes.extend(styles.into_iter().filter(|(on, _)| *on).map(|(_, name)| Cow::Borrowed(name)));
        if self.strike {
            classes.push(Cow::Borrowed("st"));
        }
        classes.join(" ")
    }

    /// Obeys the numbers of one SGR sequence.
    fn obey(&mut self, numbers: &str) {
        // `38:2::r:g:b` and `38;2;r;g;b` are both in the wild.
        let mut rest = numbers.split([';', ':']).map(|number| number.parse::<u16>().unwrap_or(0)).peekable();
        while let Some(number) = rest.next() {
            match number {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = true,
                7 => self.inverse = true,
                9 => self.strike = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                27 => self.inverse = false,
                29 => self.strike = false,
                30..=37 | 90..=97 => self.fore = Some(base(number)),
                40..=47 | 100..=107 => self.back = Some(base(number - 10)),
                38 => self.fore = further(&mut rest).or(self.fore),
                48 => self.back = further(&mut rest).or(self.back),
                39 => self.fore = None,
                49 => self.back = None,
                _ => {}
            }
        }
    }
}

/// 30 to 37 and 90 to 97 as a place among the sixteen.
fn base(number: u16) -> u8 {
    let place = if number >= 90 { number - 90 + 8 } else { number - 30 };
    u8::try_from(place).unwrap_or(7).min(15)
}

/// The colour behind 38 or 48: `5;n` or `2;r;g;b`.
fn further(rest: &mut std::iter::Peekable<impl Iterator<Item = u16>>) -> Option<u8> {
    let part = |value: Option<u16>| u8::try_from(value.unwrap_or(0)).unwrap_or(255);
    match rest.next()? {
        5 => Some(match part(rest.next()) {
            low @ 0..=15 => low,
            cube @ 16..=231 => {
                let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
                let at = cube - 16;
                nearest((level(at / 36), level(at / 6 % 6), level(at % 6)))
            }
            grey => nearest((8 + 10 * (grey - 232), 8 + 10 * (grey - 232), 8 + 10 * (grey - 232))),
        }),
        2 => Some(nearest((part(rest.next()), part(rest.next()), part(rest.next())))),
        _ => None,
    }
}

fn nearest(colour: (u8, u8, u8)) -> u8 {
    let apart = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    let distance =
        |other: &(u8, u8, u8)| apart(colour.0, other.0) + apart(colour.1, other.1) + apart(colour.2, other.2);
    let best = SIXTEEN.iter().enumerate().min_by_key(|(_, other)| distance(other));
    best.and_then(|(place, _)| u8::try_from(place).ok()).unwrap_or(7)
}

/// One printed line as spans. `pen` is how the line before ended, and is left as this one ends.
pub fn spans(line: &[u8], pen: &mut Pen) -> Vec<Span> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut spans: Vec<Span> = Vec::new();
    let mut plain_from = 0;
    let mut at = 0;
    while at < line.len() {
        let Some((numbers, length)) = sgr(&line[at..]) else {
            at += 1;
            continue;
        };
        push(&mut spans, *pen, &line[plain_from..at]);
        pen.obey(numbers);
        at += length;
        plain_from = at;
    }
    push(&mut spans, *pen, &line[plain_from..]);
    spans
}

/// The numbers of the SGR sequence that the bytes begin with, and its length. One longer than any real one is no sequence.
fn sgr(bytes: &[u8]) -> Option<(&str, usize)> {
    let rest = bytes.strip_prefix(b"\x1b[")?;
    let length = rest.iter().take(64).position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))?;
    let numbers = std::str::from_utf8(&rest[..length]).ok()?;
    (rest[length] == b'm').then_some((numbers, length + 3))
}

fn push(spans: &mut Vec<Span>, pen: Pen, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let mut text = String::with_capacity(bytes.len());
    visible::bytes(bytes, &mut text);
    match spans.last_mut() {
        Some(last) if last.pen == pen => last.text.push_str(&text),
        _ => spans.push(Span { pen, text }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Vec<(String, String)> {
        let mut pen = Pen::default();
        spans(line.as_bytes(), &mut pen).into_iter().map(|span| (span.pen.classes(), span.text)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(classes, text)| ((*classes).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn colours_become_classes() {
        for (line, expected) in [
            ("plain", vec![("", "plain")]),
            ("\x1b[31mred\x1b[0m not", vec![("f1", "red"), ("", " not")]),
            ("\x1b[1;32mok\x1b[22m thin", vec![("f2 bo", "ok"), ("f2", " thin")]),
            ("\x1b[91;4mbright\x1b[m", vec![("f9 un", "bright")]),
            ("\x1b[41;37mwhite on red", vec![("b1", "white on red")]),
            ("\x1b[7mturned", vec![("inv", "turned")]),
            ("\x1b[7;33mturned", vec![("b3", "turned")]),
            ("\x1b[38;5;196mcube", vec![("f1", "cube")]),
            ("\x1b[38;2;80;250;80mtrue", vec![("f10", "true")]),
            ("\x1b[38:2:255:255:255mtrue", vec![("f15", "true")]),
            ("\x1b[48;5;232mgrey", vec![("b0", "grey")]),
            ("\x1b[999mnothing", vec![("", "nothing")]),
            ("\x1b[31m\x1b[31mone\x1b[31m span", vec![("f1", "one span")]),
        ] {
            assert_eq!(shown(line), pairs(&expected), "{line:?}");
        }
    }

    #[test]
    fn all_else_is_shown_and_not_obeyed() {
        for (line, expected) in [
            ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
            ("\x1b]8;;https://example.com\x1b\\link", "\\x1b]8;;https://example.com\\x1b\\link"),
            ("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H"),
            ("\x1b[31", "\\x1b[31"),
            ("\x1b[?25l", "\\x1b[?25l"),
            ("\u{9b}31mc1", "\\u{9b}31mc1"),
            ("over\rwrite\r", "over\\rwrite"),
            ("abc\u{202e}fed", "abc\\u{202e}fed"),
        ] {
            assert_eq!(shown(line), pairs(&[("", expected)]), "{line:?}");
        }
        let long = format!("\x1b[{}m", "1;".repeat(40));
        assert_eq!(shown(&long)[0].1, format!("\\x1b[{}m", "1;".repeat(40)));
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_hex() {
        let mut pen = Pen::default();
        let found = spans(b"\xff\x1b[31m\xfe", &mut pen);
        assert_eq!((found[0].text.as_str(), found[1].text.as_str()), ("\\xff", "\\xfe"));
    }

    #[test]
    fn a_colour_goes_on_in_the_next_line() {
        let mut pen = Pen::default();
        spans(b"\x1b[32mfirst", &mut pen);
        assert_eq!(spans(b"second", &mut pen)[0].pen.classes(), "f2");
    }

    #[test]
    fn no_bytes_panic_or_come_out_as_they_act() {
        for first in 0..=255_u8 {
            for second in [0x1b, b'[', b'm', b';', 0x9b, 0xff] {
                let mut pen = Pen::default();
                let found = spans(&[0x1b, b'[', first, second, b'8', b';', first, b'm', 0x1b], &mut pen);
                let acts = |c: char| visible::acts(c) && c != '\t' && c != '\n';
                assert!(found.iter().all(|span| !span.text.contains(acts)), "{first:x} {second:x}");
            }
        }
    }
}
