//! Durations, byte sizes and timestamps as people write them in the formats: `1h30m`, `512MiB`, `2026-11-21T08:00:00Z`.
//!
//! Owns the reading and writing of these three and their bounds. It never guesses: a duration without a unit, a
//! timestamp without an offset and a unit that two people would read differently (`512M`) are errors.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

/// The longest duration that any format accepts: ten years of 365 days.
pub const DURATION_MAX: Duration = Duration::from_hours(24 * 3650);

/// The largest size that any format accepts: one pebibyte.
pub const SIZE_BYTES_MAX: u64 = 1 << 50;

/// The units of a duration and their milliseconds, longest first.
const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The units of a size and their bytes, largest first.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Why a text is no duration, size or timestamp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Nothing but white space, or nothing at all.
    #[error("is empty")]
    Empty,
    /// A number was due and something else stands there.
    #[error("`{0}` does not begin with a number")]
    NumberMissing(String),
    /// A fraction, a sign or a blank.
    #[error("`{0}` must be whole numbers and units, without signs, points or blanks")]
    NotPlain(String),
    /// A duration whose number has no unit.
    #[error("`{0}` has no unit: write `{0}s`, `{0}m`, `{0}h` or `{0}d`")]
    UnitMissing(String),
    /// A duration's unit that there is not.
    #[error("`{0}` is no unit of time: use d, h, m, s or ms")]
    DurationUnitUnknown(String),
    /// A size's unit that there is not.
    #[error("`{0}` is no unit of size: use B, KiB, MiB, GiB, TiB, KB, MB, GB or TB")]
    SizeUnitUnknown(String),
    /// Units out of order, or one of them twice.
    #[error("the units of `{0}` must go from long to short, each once, like 1h30m")]
    UnitOrder(String),
    /// More than [`DURATION_MAX`].
    #[error("`{0}` is longer than 3650d")]
    DurationTooLong(String),
    /// More than [`SIZE_BYTES_MAX`].
    #[error("`{0}` is larger than 1024TiB")]
    SizeTooLarge(String),
    /// A timestamp without an offset: its instant would depend on the reader's time zone.
    #[error("`{0}` has no offset: end it with Z or an offset like +02:00")]
    OffsetMissing(String),
    /// Not an RFC 3339 date and time, or a date that there is not.
    #[error("`{0}` is no RFC 3339 timestamp like 2026-11-21T08:00:00Z")]
    TimestampInvalid(String),
}

/// Reads a duration such as `15m`, `1h30m`, `500ms` or `90d`. Units are required, and go from long to short.
///
/// # Errors
/// Names what is wrong with the text; at most [`DURATION_MAX`] is accepted. `0s` is a duration.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let mut rest = plain(text)?;
    let mut milliseconds: u64 = 0;
    let mut units_left = &DURATION_UNITS[..];
    let too_long = || UnitError::DurationTooLong(shown(text));
    while !rest.is_empty() {
        let (number, unit, after) = number_and_unit(rest);
        if number.is_empty() {
            return Err(UnitError::NumberMissing(shown(rest)));
        }
        if unit.is_empty() {
            return Err(UnitError::UnitMissing(shown(number)));
        }
        if !DURATION_UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(UnitError::DurationUnitUnknown(shown(unit)));
        }
        let position = units_left.iter().position(|(name, _)| *name == unit);
        let Some(position) = position else { return Err(UnitError::UnitOrder(shown(text))) };
        let count: u64 = number.parse().map_err(|_| too_long())?;
        let part = count.checked_mul(units_left[position].1).ok_or_else(too_long)?;
        milliseconds = milliseconds.checked_add(part).ok_or_else(too_long)?;
        units_left = &units_left[position + 1..];
        rest = after;
    }
    let duration = Duration::from_millis(milliseconds);
    if duration > DURATION_MAX { Err(too_long()) } else { Ok(duration) }
}

/// Writes a duration the way [`parse_duration`] reads it, down to whole milliseconds: `1h30m`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut text = String::new();
    for (unit, size) in DURATION_UNITS {
        let count = rest / u128::from(size);
        rest %= u128::from(size);
        if count > 0 {
            write!(text, "{count}{unit}").expect("writing to a string cannot fail");
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// Writes a span in milliseconds as people read it: `12ms`, `3.4s`, `1h2m3s`.
pub fn short_duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds}ms"),
        1000..60_000 => format!("{}.{}s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format_duration(Duration::from_secs(milliseconds / 1000)),
    }
}

/// Reads a size in bytes: `512MiB`, `10MB`, or a plain whole number of bytes.
///
/// # Errors
/// Names what is wrong with the text; at most [`SIZE_BYTES_MAX`] is accepted.
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let (number, unit, after) = number_and_unit(plain(text)?);
    if number.is_empty() {
        return Err(UnitError::NumberMissing(shown(text)));
    }
    if !after.is_empty() {
        return Err(UnitError::SizeUnitUnknown(shown(&text[number.len()..])));
    }
    let bytes = match SIZE_UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, bytes)) => *bytes,
        None if unit.is_empty() => 1,
        None => return Err(UnitError::SizeUnitUnknown(shown(unit))),
    };
    let size = number.parse::<u64>().ok().and_then(|count| count.checked_mul(bytes));
    size.filter(|size| *size <= SIZE_BYTES_MAX).ok_or_else(|| UnitError::SizeTooLarge(shown(text)))
}

/// Writes a size the way [`parse_size`] reads it, exactly, in the largest unit that divides it: `512MiB`, `1000001`.
pub fn format_size(bytes: u64) -> String {
    let unit = SIZE_UNITS.iter().find(|(name, size)| *name != "B" && bytes > 0 && bytes.is_multiple_of(*size));
    unit.map_or_else(|| bytes.to_string(), |(name, size)| format!("{}{name}", bytes / size))
}

/// Reads an RFC 3339 timestamp, whose offset is mandatory.
///
/// # Errors
/// Says whether the offset is missing or the text is no timestamp at all.
pub fn parse_timestamp(text: &str) -> Result<Timestamp, UnitError> {
    let invalid = || UnitError::TimestampInvalid(shown(text));
    // jiff also reads blanks for the T, hours without minutes and zone names in brackets: the shape is held to RFC 3339 first.
    let offset = after_local_time(text).ok_or_else(invalid)?;
    if offset.is_empty() {
        return Err(UnitError::OffsetMissing(shown(text)));
    }
    if !matches!(offset, "Z" | "z") && !has_shape(offset, "+00:00") {
        return Err(invalid());
    }
    text.parse().map_err(|_| invalid())
}

/// Serialises a duration as [`format_duration`] writes it; for `#[serde(serialize_with)]`.
pub fn serialize_duration<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_duration(*duration))
}

/// Refuses emptiness, signs, points and blanks before anything is read.
fn plain(text: &str) -> Result<&str, UnitError> {
    if text.trim().is_empty() {
        return Err(UnitError::Empty);
    }
    if text.contains(|c: char| matches!(c, '+' | '-' | '.' | ',' | '_') || c.is_whitespace()) {
        return Err(UnitError::NotPlain(shown(text)));
    }
    Ok(text)
}

/// Splits off the leading digits and the letters behind them.
fn number_and_unit(text: &str) -> (&str, &str, &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(letters);
    (number, unit, after)
}

/// What follows the local date and time of a timestamp, or nothing where there is no such time.
fn after_local_time(text: &str) -> Option<&str> {
    let rest = text.get(19..).filter(|_| has_shape(&text[..19], "0000-00-00T00:00:00"))?;
    let Some(fraction) = rest.strip_prefix('.') else { return Some(rest) };
    let digits = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
    (1..=9).contains(&digits).then(|| &fraction[digits..])
}

/// Whether a text has the shape of a pattern, where `0` is any digit, `+` either sign and `T` either case.
fn has_shape(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'+' => matches!(byte, b'+' | b'-'),
            b'T' => matches!(byte, b'T' | b't'),
            other => byte == other,
        })
}

/// At most 40 characters of a text, control characters escaped: messages reach terminals.
fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_back() {
        for (text, milliseconds) in [
            ("15m", 900_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("2s", 2_000),
            ("90d", 7_776_000_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("0s", 0),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration, Duration::from_millis(milliseconds), "{text}");
            assert_eq!(format_duration(duration), text);
        }
        assert_eq!(format_duration(parse_duration("90m").unwrap()), "1h30m");
        assert_eq!(parse_duration("3650d").unwrap(), DURATION_MAX);
    }

    #[test]
    fn bad_durations_say_what_is_wrong() {
        use UnitError as E;
        for (text, error) in [
            ("", E::Empty),
            (" ", E::Empty),
            ("15", E::UnitMissing("15".into())),
            ("1h30", E::UnitMissing("30".into())),
            ("m", E::NumberMissing("m".into())),
            ("1.5h", E::NotPlain("1.5h".into())),
            ("-1s", E::NotPlain("-1s".into())),
            ("1 h", E::NotPlain("1 h".into())),
            ("5min", E::DurationUnitUnknown("min".into())),
            ("5M", E::DurationUnitUnknown("M".into())),
            ("٣s", E::NumberMissing("٣s".into())),
            ("30m1h", E::UnitOrder("30m1h".into())),
            ("1s1s", E::UnitOrder("1s1s".into())),
            ("3650d1ms", E::DurationTooLong("3650d1ms".into())),
            ("99999999999999999999s", E::DurationTooLong("99999999999999999999s".into())),
            ("18446744073709551615d", E::DurationTooLong("18446744073709551615d".into())),
        ] {
            assert_eq!(parse_duration(text), Err(error), "{text:?}");
        }
        assert_eq!(
            parse_duration("15").unwrap_err().to_string(),
            "`15` has no unit: write `15s`, `15m`, `15h` or `15d`"
        );
    }

    #[test]
    fn sizes_are_read_and_written_back() {
        for (text, bytes) in [
            ("512MiB", 536_870_912),
            ("64KiB", 65_536),
            ("1GiB", 1_073_741_824),
            ("10MB", 10_000_000),
            ("0", 0),
            ("7", 7),
            ("1TB", 1_000_000_000_000),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
            assert_eq!(format_size(bytes), text);
        }
        assert_eq!(parse_size("12B").unwrap(), 12);
        assert_eq!(parse_size("1024TiB").unwrap(), SIZE_BYTES_MAX);
        for bytes in [1, 999, 1_000, 1_024, 1_024_000, 123_456_789, u64::MAX] {
            let text = format_size(bytes);
            assert!(bytes > SIZE_BYTES_MAX || parse_size(&text).unwrap() == bytes, "{text}");
        }
    }

    #[test]
    fn bad_sizes_say_what_is_wrong() {
        use UnitError as E;
        for (text, error) in [
            ("", E::Empty),
            ("512M", E::SizeUnitUnknown("M".into())),
            ("512mib", E::SizeUnitUnknown("mib".into())),
            ("1GiB1MiB", E::SizeUnitUnknown("GiB1MiB".into())),
            ("MiB", E::NumberMissing("MiB".into())),
            ("1 GiB", E::NotPlain("1 GiB".into())),
            ("1_000", E::NotPlain("1_000".into())),
            ("1025TiB", E::SizeTooLarge("1025TiB".into())),
            ("99999999999999999999", E::SizeTooLarge("99999999999999999999".into())),
        ] {
            assert_eq!(parse_size(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn timestamps_need_an_offset() {
        let instant: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        for text in
            ["2026-11-21T08:00:00Z", "2026-11-21t08:00:00z", "2026-11-21T10:00:00+02:00", "2026-11-21T08:00:00.000Z"]
        {
            assert_eq!(parse_timestamp(text).unwrap(), instant, "{text}");
        }
        for text in ["2026-11-21T08:00:00", "2026-11-21T08:00:00.5"] {
            assert_eq!(parse_timestamp(text), Err(UnitError::OffsetMissing(text.into())));
        }
        for text in [
            "",
            "2026-11-21",
            "2026-11-21 08:00:00Z",
            "2026-11-21T08:00Z",
            "2026-11-21T08:00:00+02",
            "2026-02-30T08:00:00Z",
            "2026-11-21T25:00:00Z",
            "2026-11-21T08:00:00Z[UTC]",
            "2026-11-21T08:00:00.Z",
            "2026-11-21T08:00:00é",
            "tomorrow",
            "2026-11-21T08:00:00 Z",
            "+02026-11-21T08:00:00Z",
        ] {
            assert_eq!(parse_timestamp(text), Err(UnitError::TimestampInvalid(text.into())), "{text:?}");
        }
    }

    #[test]
    fn long_and_odd_texts_are_shown_short_and_escaped() {
        let error = parse_size(&"x\u{1b}".repeat(100)).unwrap_err().to_string();
        assert!(error.len() < 300 && !error.contains('\u{1b}'), "{error}");
    }
}
