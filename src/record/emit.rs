//! YAML that every parser reads alike.
//!
//! Owns the spelling of values in `status.yml`. The general writers leave `no`, `12:30:45` and `1e16` bare, which
//! readers of YAML 1.1 take for something else, and let characters through that reorder a terminal's text. Here a string
//! is bare only where nobody can doubt it, and otherwise quoted as in JSON.

use std::fmt::{self, Write as _};

use serde_json::{Map, Number, Value};

use super::visible;

/// YAML ends the search for the colon after 1024 characters, quotes and escapes counted: a longer key is announced by `?`.
const SIMPLE_KEY_CHARS_MAX: usize = 1000;

/// A YAML document in block style, ending in a line end.
///
/// # Panics
/// Never: a `String` takes everything.
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    let written = match value {
        Value::Object(map) if !map.is_empty() => mapping(&mut out, map, 0, false),
        Value::Array(list) if !list.is_empty() => sequence(&mut out, list, 0, false),
        value => scalar(&mut out, value),
    };
    written.expect("a String takes all");
    out
}

/// `at_place`: the first line's indentation is written already.
fn mapping(out: &mut String, map: &Map<String, Value>, indent: usize, at_place: bool) -> fmt::Result {
    for (number, (key, value)) in map.iter().enumerate() {
        if number > 0 || !at_place {
            write!(out, "{:indent$}", "")?;
        }
        let start = out.len();
        string(out, key)?;
        if out[start..].chars().count() > SIMPLE_KEY_CHARS_MAX {
            out.insert_str(start, "? ");
            write!(out, "\n{:indent$}", "")?;
        }
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                mapping(out, inner, indent + 2, false)?;
            }
            Value::Array(inner) if !inner.is_empty() => {
                out.push('\n');
                sequence(out, inner, indent, false)?;
            }
            value => {
                out.push(' ');
                scalar(out, value)?;
            }
        }
    }
    Ok(())
}

fn sequence(out: &mut String, list: &[Value], indent: usize, at_place: bool) -> fmt::Result {
    for (number, value) in list.iter().enumerate() {
        if number > 0 || !at_place {
            write!(out, "{:indent$}", "")?;
        }
        out.push_str("- ");
        match value {
            Value::Object(inner) if !inner.is_empty() => mapping(out, inner, indent + 2, true)?,
            Value::Array(inner) if !inner.is_empty() => sequence(out, inner, indent + 2, true)?,
            value => scalar(out, value)?,
        }
    }
    Ok(())
}

/// A value of one line, and the line's end.
fn scalar(out: &mut String, value: &Value) -> fmt::Result {
    match value {
        Value::String(text) => string(out, text)?,
        Value::Number(number) => out.push_str(&spelled(number)),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        Value::Null => out.push_str("null"),
        Value::Bool(value) => write!(out, "{value}")?,
    }
    out.push('\n');
    Ok(())
}

fn string(out: &mut String, text: &str) -> fmt::Result {
    if is_plain(text) {
        out.push_str(text);
        return Ok(());
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if visible::acts(c) || is_noncharacter(c) => match u32::from(c) {
                code @ 0..=0xffff => write!(out, "\\u{code:04x}")?,
                code => write!(out, "\\U{code:08x}")?,
            },
            c => out.push(c),
        }
    }
    out.push('"');
    Ok(())
}

/// True for text that no version of YAML takes for anything but this text, written bare in block style.
fn is_plain(text: &str) -> bool {
    // Words that some version takes for null or a truth value, in any case.
    const TAKEN: [&str; 10] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan"];
    let fits = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " :/._-@+,;()<>=~".contains(c))
        && !TAKEN.iter().any(|word| text.eq_ignore_ascii_case(word));
    fits || is_uuid(text)
}

/// Ids begin with a digit as often as not, and should not be quoted one day and bare the next. Their hyphens
/// stand where neither a number nor a date can have them.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Not printable by YAML's rules.
fn is_noncharacter(c: char) -> bool {
    u32::from(c) & 0xfffe == 0xfffe
}

/// A number with an exponent has a point and a sign in every version of YAML; JSON's spelling has neither.
fn spelled(number: &Number) -> String {
    let text = number.to_string();
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return text;
    };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{self, Limits};
    use serde_json::json;

    fn read_back(value: &Value) {
        let text = super::yaml(value);
        let document = yaml::read("t.yml", text.as_bytes(), Limits::REPOSITORY);
        match document {
            Ok(document) => assert_eq!(document.value(), value, "{text}"),
            Err(fault) => panic!("{fault}\n{text}"),
        }
    }

    #[test]
    fn block_style_as_people_write_it() {
        let value = json!({
            "status": "success",
            "list": ["a", {"b": 1, "c": [true, null]}, [1, [2]]],
            "empty": {"map": {}, "list": []},
            "deep": {"er": {"x": -1.5}},
        });
        let expected = "\
status: success
list:
- a
- b: 1
  c:
  - true
  - null
- - 1
  - - 2
empty:
  map: {}
  list: []
deep:
  er:
    x: -1.5
";
        assert_eq!(super::yaml(&value), expected);
        read_back(&value);
    }

    #[test]
    fn only_what_nobody_can_doubt_is_bare() {
        for bare in [
            "success",
            "host/web-01",
            "Ann <ann@example.invalid>",
            "https://example.invalid/x",
            "0198c0de-1111-7222-8333-44445555aaaa",
            "a word, and (another)",
        ] {
            assert_eq!(super::yaml(&json!(bare)), format!("{bare}\n"));
            read_back(&json!(bare));
        }
        for quoted in [
            "",
            " ",
            "no",
            "On",
            "Y",
            "null",
            "~",
            "12:30:45",
            "2026-11-21",
            "1_000",
            "1e3",
            "0x1f",
            "=",
            "<<",
            "a: b",
            "a:",
            "a #b",
            "- a",
            "[x]",
            "a ",
            " a",
            "größe",
            "a'b",
            "x\u{202e}y",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a`",
            "|",
            ">",
            "?",
        ] {
            let text = super::yaml(&json!(quoted));
            assert!(text.starts_with('"') && text.ends_with("\"\n"), "{text}");
            read_back(&json!(quoted));
            read_back(&json!({ quoted: [quoted] }));
        }
    }

    #[test]
    fn long_keys_read_back() {
        for key in ["k".repeat(2000), "\u{202e}".repeat(300), "k".repeat(1000), "k".repeat(1001), "k".repeat(1024)] {
            for value in [json!(1), json!({"a": [1, {"b": 2}]}), json!([[1], {"c": null}]), json!({}), json!([])] {
                read_back(&json!({ &key: value }));
                read_back(&json!({"first": [{ &key: { &key: value }, "next": [{ &key: value }]}]}));
            }
        }
    }

    #[test]
    fn every_character_reads_back_and_none_acts() {
        for block in 0..0x1100_u32 {
            let text: String = (block * 256..(block + 1) * 256).filter_map(char::from_u32).collect();
            if text.is_empty() {
                continue;
            }
            let written = super::yaml(&json!(text));
            assert!(!written.trim_end_matches('\n').chars().any(visible::acts));
            read_back(&json!(text));
        }
    }

    #[test]
    fn exponents_are_spelled_so_that_all_read_numbers() {
        for (number, text) in [
            (json!(1e300), "1.0e+300\n"),
            (json!(2.5e-7), "2.5e-7\n"),
            (json!(1e-6), "1.0e-6\n"),
            (json!(1.5), "1.5\n"),
            (json!(u64::MAX), "18446744073709551615\n"),
        ] {
            assert_eq!(super::yaml(&number), text);
            read_back(&number);
        }
    }
}
