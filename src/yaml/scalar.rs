//! What a plain (unquoted) scalar means: YAML 1.2 core, minus whatever YAML 1.1 reads differently.
//!
//! A word that one widespread parser takes for a number and another for text, or for another number,
//! is refused instead of guessed at. Pure text in, meaning out.

use serde_json::{Number, Value};

/// What a plain scalar is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plain {
    /// Null, a boolean or a number.
    Value(Value),
    /// Text.
    Text,
    /// Read differently by different parsers; the reason says how.
    Ambiguous(&'static str),
    /// A number that JSON or 64 bits cannot hold; the reason says which.
    Unfit(&'static str),
}

/// Resolves a plain scalar.
pub(super) fn resolve(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Value(Value::Null),
        "true" | "True" | "TRUE" => return Plain::Value(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Plain::Value(Value::Bool(false)),
        _ => {}
    }
    let (sign, digits) = match text.as_bytes()[0] {
        sign @ (b'+' | b'-') => (Some(sign), &text[1..]),
        _ => (None, text),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Plain::Text;
    }
    if matches!(digits, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Plain::Unfit("NaN and infinity are not allowed");
    }
    prefixed(sign, digits).or_else(|| sexagesimal(digits)).or_else(|| decimal(sign, digits)).unwrap_or(Plain::Text)
}

/// `0x1f`, `0o17` and the binary numbers of YAML 1.1.
fn prefixed(sign: Option<u8>, digits: &str) -> Option<Plain> {
    let (radix, rest) = if let Some(rest) = digits.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = digits.strip_prefix("0o") {
        (8, rest)
    } else {
        let rest = digits.strip_prefix("0b")?;
        return all_of(rest, |c| matches!(c, '0' | '1' | '_'))
            .then_some(Plain::Ambiguous("YAML 1.1 reads it as a binary number, YAML 1.2 as text"));
    };
    if !all_of(rest, |c| c.is_digit(radix) || c == '_') {
        return None;
    }
    if sign.is_some() || rest.contains('_') {
        return Some(Plain::Ambiguous("YAML 1.1 reads it as a number, YAML 1.2 as text"));
    }
    Some(u64::from_str_radix(rest, radix).map_or(TOO_WIDE, |n| Plain::Value(n.into())))
}

/// `1:30`, which YAML 1.1 reads as ninety. `08:30` is text in both, but nobody knows that by heart.
fn sexagesimal(digits: &str) -> Option<Plain> {
    let (first, rest) = digits.split_once(':')?;
    let (rest, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let sixty = |part: &str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => matches!(ten, b'0'..=b'5') && one.is_ascii_digit(),
        _ => false,
    };
    let matches = all_of(first, |c| c.is_ascii_digit() || c == '_')
        && rest.split(':').all(sixty)
        && fraction.chars().all(|c| c.is_ascii_digit() || c == '_');
    matches.then_some(Plain::Ambiguous("YAML 1.1 reads it as a number to the base 60, YAML 1.2 as text"))
}

/// Decimal integers and floats.
fn decimal(sign: Option<u8>, digits: &str) -> Option<Plain> {
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let figure = |c: char| c.is_ascii_digit() || c == '_';
    let signed = exponent.map(|e| (e.starts_with(['+', '-']), e.trim_start_matches(['+', '-'])));
    let is_number = whole.chars().all(figure)
        && fraction.is_none_or(|f| f.chars().all(figure))
        && mantissa.contains(|c: char| c.is_ascii_digit())
        && !whole.starts_with('_')
        && !(whole.is_empty() && fraction.is_some_and(|f| f.starts_with('_')))
        && exponent.is_none_or(|e| !e.starts_with("+-") && !e.starts_with("-+"))
        && signed.is_none_or(|(_, e)| all_of(e, |c| c.is_ascii_digit()));
    if !is_number {
        return None;
    }
    if mantissa.contains('_') {
        return Some(Plain::Ambiguous("YAML 1.1 reads it as a number, YAML 1.2 as text"));
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Some(Plain::Ambiguous(
            "with the leading zero, YAML 1.1 reads an octal number or text, YAML 1.2 a decimal number",
        ));
    }
    if whole.is_empty() && sign.is_some() {
        return Some(Plain::Ambiguous("without a digit before the point, some parsers read a number, others text"));
    }
    if signed.is_some_and(|(is_signed, _)| !is_signed || fraction.is_none()) {
        return Some(Plain::Ambiguous("YAML 1.1 reads it as text, YAML 1.2 as a number with an exponent"));
    }
    Some(if fraction.is_none() { integer(sign, digits) } else { float(sign, digits) })
}

const TOO_WIDE: Plain = Plain::Unfit("the integer does not fit 64 bits");

fn integer(sign: Option<u8>, digits: &str) -> Plain {
    if sign == Some(b'-') {
        let negative = format!("-{digits}").parse::<i64>();
        negative.map_or(TOO_WIDE, |n| Plain::Value(n.into()))
    } else {
        let positive = digits.parse::<u64>();
        positive.map_or(TOO_WIDE, |n| Plain::Value(n.into()))
    }
}

fn float(sign: Option<u8>, digits: &str) -> Plain {
    let magnitude: Option<f64> = digits.parse().ok();
    magnitude
        .map(|n| if sign == Some(b'-') { -n } else { n })
        .and_then(Number::from_f64)
        .map_or(Plain::Unfit("the number is larger than a 64-bit float can hold"), |n| Plain::Value(Value::Number(n)))
}

/// Not empty, and all of it fits.
fn all_of(text: &str, fits: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        let cases = [
            ("", json!(null)),
            ("~", json!(null)),
            ("NULL", json!(null)),
            ("True", json!(true)),
            ("FALSE", json!(false)),
            ("0", json!(0)),
            ("-0", json!(0)),
            ("+12", json!(12)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("18446744073709551615", json!(u64::MAX)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("0xffffffffffffffff", json!(u64::MAX)),
            ("1.5", json!(1.5)),
            ("-1.5", json!(-1.5)),
            (".5", json!(0.5)),
            ("5.", json!(5.0)),
            ("0.1", json!(0.1)),
            ("1.5e+3", json!(1500.0)),
            ("1.5E-1", json!(0.15)),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve(text), Plain::Value(expected), "{text}");
        }
    }

    #[test]
    fn words_are_text() {
        for text in [
            "no",
            "NO",
            "on",
            "Off",
            "yes",
            "y",
            "n",
            "tRUE",
            "nULL",
            "none",
            "=",
            "-",
            "+",
            ".",
            "..",
            "--1",
            "1.2.3",
            "10.0.0.1",
            "2026-11-21",
            "2026-11-21T08:00:00Z",
            "2026-11-21 08:00:00",
            "0x",
            "0xfg",
            "0o8",
            "0b2",
            "1a",
            "e5",
            "1e",
            "1e+",
            "1.0e+-5",
            "inf",
            "nan",
            "-.nan",
            "Infinity",
            "8080:80",
            "1:99",
            "1:2:",
            ":1",
            "1 2",
            "1,000",
            "5m",
            "64MiB",
            "0b",
            "١",
            "a1e5",
            "._5",
            "v1.0",
            "1..2",
            "é",
        ] {
            assert_eq!(resolve(text), Plain::Text, "{text}");
        }
    }

    #[test]
    fn what_parsers_disagree_about_is_refused() {
        for text in [
            "010",
            "-010",
            "08",
            "00",
            "01.5",
            "0b1",
            "0b1_0",
            "-0x1f",
            "+0o7",
            "0x1_0",
            "1_000",
            "1_",
            "1_0.5",
            "1.5_0",
            "1:30",
            "12:30:45",
            "08:30",
            "1:30.5",
            "-1:30",
            "1e5",
            "1E5",
            "1e-5",
            "1.5e5",
            "12e4567",
            "-.5",
            "0_7",
            "2024_01_02",
        ] {
            assert!(matches!(resolve(text), Plain::Ambiguous(_)), "{text}: {:?}", resolve(text));
        }
    }

    #[test]
    fn numbers_must_fit() {
        for text in [
            ".inf",
            "-.INF",
            "+.Inf",
            ".nan",
            ".NaN",
            "18446744073709551616",
            "-9223372036854775809",
            "0x10000000000000000",
            "0o7777777777777777777777777",
            "1.0e+999",
            "-1.0e+999",
        ] {
            assert!(matches!(resolve(text), Plain::Unfit(_)), "{text}: {:?}", resolve(text));
        }
    }
}
