//! Puts placeholders where a text differs from run to run: ids, digests, times, durations, paths, the host's name.
//!
//! What a story chose itself stays: ids that begin with eight zeros, the date of its own commits and dates after 2100.
//! Pure but for the two names handed in.

use crate::support::COMMIT_DATE;

/// `text` with placeholders; `folder` is the story's folder, `host` the machine's name.
pub fn normalise(text: &str, folder: &str, host: &str) -> String {
    let mut text = text.replace(folder, "[STORY]");
    if host.len() > 3 {
        text = text.replace(host, "[HOST]");
    }
    text.split_inclusive('\n').map(line).collect()
}

fn line(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        // A placeholder replaces whole words only, so what stands before must not belong to the word.
        let at_start = !out.ends_with(|before: char| before.is_ascii_alphanumeric() || before == '_');
        let found = if at_start { token(rest, &out) } else { None };
        if let Some((length, placeholder)) = found {
            out.push_str(placeholder.unwrap_or(&rest[..length]));
            rest = &rest[length..];
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

/// The token that `text` begins with: its length, and what to write in its place (`None`: itself).
fn token<'a>(text: &str, before: &str) -> Option<(usize, Option<&'a str>)> {
    uuid(text)
        .or_else(|| timestamp(text))
        .or_else(|| counted(text, before))
        .or_else(|| hexadecimal(text))
        .or_else(|| duration(text))
}

fn uuid<'a>(text: &str) -> Option<(usize, Option<&'a str>)> {
    let candidate = text.get(..36)?;
    let shaped = candidate.bytes().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    let chosen = candidate.starts_with("00000000");
    (shaped && ends_here(&text[36..])).then_some((36, if chosen { None } else { Some("[UUID]") }))
}

fn timestamp<'a>(text: &str) -> Option<(usize, Option<&'a str>)> {
    let shaped = text.get(..19)?.bytes().enumerate().all(|(index, byte)| match index {
        4 | 7 => byte == b'-',
        10 => byte == b'T' || byte == b' ',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    if !shaped {
        return None;
    }
    let mut length = 19;
    if text[length..].starts_with('.') {
        length += 1 + digits(&text[length + 1..]);
    }
    let zone = &text[length..];
    if zone.starts_with('Z') {
        length += 1;
    } else if zone.starts_with(['+', '-']) && zone.len() >= 6 && zone.as_bytes()[3] == b':' {
        length += 6;
    }
    let chosen = text[..10] == COMMIT_DATE[..10] || &text[..4] >= "2100";
    Some((length, if chosen { None } else { Some("[TIME]") }))
}

/// Bare numbers that only their name tells to be volatile.
fn counted<'a>(text: &str, before: &str) -> Option<(usize, Option<&'a str>)> {
    let length = digits(text);
    let name = before.trim_end_matches([' ', ':', '"', '=']);
    let volatile = [("duration_ms", "[DURATION]"), ("\"t", "[DURATION]"), ("pid", "[PID]"), ("port", "[PORT]")];
    let (_, placeholder) = volatile.iter().find(|(volatile, _)| name.ends_with(volatile) && name != before)?;
    (length > 0).then_some((length, Some(placeholder)))
}

fn hexadecimal<'a>(text: &str) -> Option<(usize, Option<&'a str>)> {
    let length = text.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
    let placeholder = match length {
        7..=12 if text[..length].contains(|letter: char| letter.is_ascii_digit()) => "[SHORT]",
        40 => "[OID]",
        64 => "[SHA256]",
        _ => return None,
    };
    ends_here(&text[length..]).then_some((length, Some(placeholder)))
}

fn duration<'a>(text: &str) -> Option<(usize, Option<&'a str>)> {
    const UNITS: [&str; 9] = ["ms", "µs", "us", "ns", "min", "s", "m", "h", "d"];
    let mut length = 0;
    loop {
        let mut number = digits(&text[length..]);
        if number == 0 {
            break;
        }
        if text[length + number..].starts_with('.') {
            number += 1 + digits(&text[length + number + 1..]);
        }
        let unit = UNITS.iter().find(|unit| text[length + number..].starts_with(**unit))?;
        length += number + unit.len();
    }
    (length > 0 && ends_here(&text[length..])).then_some((length, Some("[DURATION]")))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn ends_here(rest: &str) -> bool {
    !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_')
}
