//! The spellings in which one secret may show up in output: raw, JSON, base64, URL, hex; whole and by lines.
//!
//! Owns the encodings. Never searches.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

use super::SECRET_CHARS_MIN;

/// Widths at which `base64(1)` and PEM writers break lines.
const BASE64_WIDTHS: [usize; 2] = [76, 64];

/// Every spelling of a secret's value, each at least [`SECRET_CHARS_MIN`] bytes long, each once.
pub fn of(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut all = BTreeSet::new();
    for piece in pieces(value) {
        all.insert(piece.to_vec());
        all.insert(HEXLOWER.encode(piece).into_bytes());
        all.insert(HEXUPPER.encode(piece).into_bytes());
        json(piece, &mut all);
        base64(piece, &mut all);
        url(piece, &mut all);
    }
    // Every encoding lengthens; what is left of a cut one may not be.
    all.retain(|spelling| spelling.len() >= SECRET_CHARS_MIN);
    all
}

/// Whether there is any.
pub fn are_any(value: &[u8]) -> bool {
    !pieces(value).is_empty()
}

/// The value without the line end that files close with, and where it has several lines each line without the
/// blanks around it; only what is long enough.
fn pieces(value: &[u8]) -> Vec<&[u8]> {
    let end = value.iter().rposition(|&byte| byte != b'\n' && byte != b'\r').map_or(0, |last| last + 1);
    let whole = &value[..end];
    let mut pieces = vec![whole];
    if whole.contains(&b'\n') {
        let lines = whole.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        // The frame of a PEM file is the same in every key and certificate: no secret.
        pieces.extend(lines.filter(|line| !line.starts_with(b"-----")));
    }
    pieces.retain(|piece| chars(piece) >= SECRET_CHARS_MIN);
    pieces
}

/// Characters of a text; bytes of what is no text.
fn chars(bytes: &[u8]) -> usize {
    std::str::from_utf8(bytes).map_or(bytes.len(), |text| text.chars().count())
}

/// What writers of JSON escape besides what they must: nothing; what would end a script in HTML (Go's way, and that of others).
const JSON_HTML: [&str; 3] = ["", "<>&", "<>&='"];

/// As it stands between the quotes of a JSON string: with and without `\/`, `\uXXXX` for all beyond ASCII and for what HTML
/// gives a meaning, in either case of the digits.
fn json(piece: &[u8], all: &mut BTreeSet<Vec<u8>>) {
    let Ok(text) = std::str::from_utf8(piece) else {
        return;
    };
    for html in JSON_HTML {
        for upper in [false, true] {
            for ascii in [false, true] {
                let spelling = json_spelling(text, html, upper, ascii);
                all.insert(spelling.replace('/', "\\/").into_bytes());
                all.insert(spelling.into_bytes());
            }
        }
    }
}

fn json_spelling(text: &str, html: &str, upper: bool, ascii: bool) -> String {
    let mut spelling = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => spelling.extend(['\\', c]),
            '\n' => spelling.push_str("\\n"),
            '\r' => spelling.push_str("\\r"),
            '\t' => spelling.push_str("\\t"),
            '\u{8}' => spelling.push_str("\\b"),
            '\u{c}' => spelling.push_str("\\f"),
            c if c < ' ' || html.contains(c) || (ascii && c > '~') => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    if upper {
                        write!(spelling, "\\u{unit:04X}").expect("a String takes all");
                    } else {
                        write!(spelling, "\\u{unit:04x}").expect("a String takes all");
                    }
                }
            }
            c => spelling.push(c),
        }
    }
    spelling
}

/// In both alphabets, at each of the three places that it may have in a longer encoded text: the characters
/// that depend on it alone. Also by the lines that encoders break a long text into.
fn base64(piece: &[u8], all: &mut BTreeSet<Vec<u8>>) {
    for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
        for offset in 0..3_usize {
            let mut padded = vec![0; offset];
            padded.extend_from_slice(piece);
            let encoded = encoding.encode(&padded).into_bytes();
            // Six bits a character: from the first that holds no foreign bit to the last that holds none.
            let first = (offset * 8).div_ceil(6);
            let last = padded.len() * 8 / 6;
            all.insert(encoded[first..last].to_vec());
            if offset == 0 {
                for width in BASE64_WIDTHS.into_iter().filter(|&width| last > width) {
                    all.extend(encoded[..last].chunks(width).map(<[u8]>::to_vec));
                }
            }
        }
    }
}

/// Percent-encoded, as the common encoders do it: they differ in what they leave alone and in the case of the digits.
fn url(piece: &[u8], all: &mut BTreeSet<Vec<u8>>) {
    // Letters and digits are always left; besides them: RFC 3986 component, path (Python's quote), JavaScript's
    // encodeURIComponent, its encodeURI, HTML forms.
    let kept_by_encoders = ["-._~", "-._~/", "-._~!'()*", "-._~!'()*;,/?:@&=+$#", "-._*", "-._"];
    for upper in [true, false] {
        for kept in kept_by_encoders {
            let spelling =
                percent(piece, upper, |byte| byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte));
            // Forms write a blank as a plus sign. A plus sign of the value is %2B there, so nothing else changes.
            all.insert(spelling.replace("%20", "+").into_bytes());
            all.insert(spelling.into_bytes());
        }
        all.insert(percent(piece, upper, |_| false).into_bytes());
    }
}

fn percent(piece: &[u8], upper: bool, kept: impl Fn(u8) -> bool) -> String {
    let mut spelling = String::with_capacity(piece.len() * 3);
    for &byte in piece {
        if kept(byte) {
            spelling.push(char::from(byte));
        } else if upper {
            write!(spelling, "%{byte:02X}").expect("a String takes all");
        } else {
            write!(spelling, "%{byte:02x}").expect("a String takes all");
        }
    }
    spelling
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spells(value: &str, spelling: &str) -> bool {
        of(value.as_bytes()).contains(spelling.as_bytes())
    }

    #[test]
    fn json_as_its_writers_differ() {
        let value = "a<b>&c=d'e\u{7f}\u{1f}/é";
        for spelling in [
            r"a<b>&c=d'e\u007f\u001f/\u00e9",
            "a\\u003cb\\u003e\\u0026c=d'e\u{7f}\\u001f/é",
            "a\\u003Cb\\u003E\\u0026c=d'e\u{7f}\\u001F/é",
            r"a\u003cb\u003e\u0026c\u003dd\u0027e\u007f\u001f\/\u00e9",
        ] {
            assert!(spells(value, spelling), "{spelling}");
        }
    }

    #[test]
    fn one_value_in_every_spelling() {
        let value = "pä\"ss/w ord+1";
        for spelling in [
            "pä\"ss/w ord+1",
            r#"pä\"ss/w ord+1"#,
            r#"pä\"ss\/w ord+1"#,
            r#"p\u00e4\"ss/w ord+1"#,
            r#"p\u00E4\"ss\/w ord+1"#,
            "p%C3%A4%22ss%2Fw%20ord%2B1",
            "p%c3%a4%22ss%2fw%20ord%2b1",
            "p%C3%A4%22ss/w%20ord%2B1",
            "p%C3%A4%22ss/w%20ord+1",
            "p%C3%A4%22ss%2Fw+ord%2B1",
            "%70%C3%A4%22%73%73%2F%77%20%6F%72%64%2B%31",
            "70c3a42273732f77206f72642b31",
            "70C3A42273732F77206F72642B31",
        ] {
            assert!(spells(value, spelling), "{spelling}");
        }
    }

    #[test]
    fn base64_is_known_at_any_place_of_a_longer_text() {
        let value = b"correct horse battery~~~?staple";
        let spellings = of(value);
        for before in 0..7 {
            for after in 0..7 {
                let mut text = vec![b'x'; before];
                text.extend_from_slice(value);
                text.extend(vec![0xfe; after]);
                for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
                    let encoded = encoding.encode(&text);
                    assert!(
                        spellings.iter().any(|s| memfind(encoded.as_bytes(), s)),
                        "{before} before, {after} after: {encoded}"
                    );
                }
            }
        }
    }

    fn memfind(hay: &[u8], needle: &[u8]) -> bool {
        hay.windows(needle.len()).any(|window| window == needle)
    }

    #[test]
    fn long_values_are_known_in_broken_base64() {
        let value: Vec<u8> = (0..200_u8).map(|n| b'!' + n % 90).collect();
        let encoded = BASE64_NOPAD.encode(&value);
        let spellings = of(&value);
        assert!(spellings.contains(&encoded.as_bytes()[76..152]));
        assert!(spellings.contains(&encoded.as_bytes()[64..128]));
    }

    #[test]
    fn lines_count_alone_and_frames_do_not() {
        let value = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n  indented-line \r\nshort\n-----END KEY-----\n";
        assert!(spells(value, value.trim_end()));
        assert!(spells(value, "MIIEvQIBADANBg"));
        assert!(spells(value, "indented-line"));
        assert!(!spells(value, "short"));
        assert!(!spells(value, "-----END KEY-----"));
    }

    #[test]
    fn short_values_have_no_spelling() {
        for value in ["", "1234567", "1234567\n", "äöüäöüä", "\n\n\n\n\n\n\n\n\n\n", "a\nb\nc"] {
            assert!(of(value.as_bytes()).is_empty(), "{value:?}");
        }
        assert!(!of("12345678\n".as_bytes()).is_empty());
        assert!(!of(&[0xff; 8]).is_empty());
        assert!(of(&[0xff; 7]).is_empty());
    }

    #[test]
    fn every_spelling_is_long_enough() {
        for value in ["12345678", "äöüäöüäö", "0\n12345678\n        x", "a b c d e f"] {
            for spelling in of(value.as_bytes()) {
                assert!(spelling.len() >= SECRET_CHARS_MIN);
            }
        }
    }
}
