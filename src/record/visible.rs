//! Text that came from elsewhere, made safe to look at.
//!
//! Owns which characters are escaped: those that move a cursor, ring a bell, hide or reorder text. Nothing
//! that a person or a tool reads on a terminal may be able to act on it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// One line: every control character escaped, `\n` and `\t` too.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.chars().any(acts) {
        let mut out = String::with_capacity(text.len() + 16);
        text.chars().for_each(|c| push(c, false, &mut out));
        Cow::Owned(out)
    } else {
        Cow::Borrowed(text)
    }
}

/// Several lines: `\n` and `\t` stay.
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push(c, true, &mut out));
    out
}

/// Bytes of any kind, appended to `out`: text as [`lines`] does it, and what is not UTF-8 as `\xff`.
pub fn bytes(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push(c, true, out));
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").expect("a String takes all");
        }
    }
}

/// A printed line as `handler.log` shows it.
pub fn printed(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len() + 1);
    // Tools of other systems end their lines with CR LF; that is no attack.
    bytes(line.strip_suffix(b"\r").unwrap_or(line), &mut text);
    text
}

/// True for characters that a terminal acts on instead of showing them: C0 and C1 controls, line and
/// paragraph separators, and the marks that reorder or hide text.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn push(c: char, several_lines: bool, out: &mut String) {
    let stays = !acts(c) || (several_lines && matches!(c, '\n' | '\t'));
    if stays {
        out.push(c);
        return;
    }
    match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        '\0'..='\u{7f}' => write!(out, "\\x{:02x}", u32::from(c)).expect("a String takes all"),
        _ => write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a String takes all"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown_instead() {
        for (given, shown) in [
            ("plain, größer 😀", "plain, größer 😀"),
            ("\u{1b}]0;title\u{7}", "\\x1b]0;title\\x07"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("abc\u{202e}fed", "abc\\u{202e}fed"),
            ("\0\u{7f}", "\\x00\\x7f"),
            ("zero\u{200b}width\u{2028}", "zero\\u{200b}width\\u{2028}"),
        ] {
            assert_eq!(line(given), shown);
            assert_eq!(line(shown), shown, "shown text stays as it is");
        }
        assert_eq!(lines("a\nb\tc\rd"), "a\nb\tc\\rd");
    }

    #[test]
    fn what_acts_is_never_printable() {
        let acting = ('\0'..=char::MAX).filter(|&c| acts(c));
        assert_eq!(acting.filter(|&c| crate::resource::is_printable(c)).collect::<Vec<_>>(), []);
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_hex() {
        let mut out = String::new();
        bytes(b"a\xff\xc3\xa4\xc3\n\x1b", &mut out);
        assert_eq!(out, "a\\xffä\\xc3\n\\x1b");
    }

    #[test]
    fn no_byte_gets_through_that_a_terminal_acts_on() {
        for first in 0..=255_u8 {
            for second in [0, 0x1b, 0x80, 0x9b, 0xbf, 0xff, b'a'] {
                let mut out = String::new();
                bytes(&[0xe2, first, second], &mut out);
                let acting = out.chars().find(|&c| acts(c) && c != '\n' && c != '\t');
                assert_eq!(acting, None, "{first:x} {second:x}");
            }
        }
    }
}
