//! What a handler says of itself: its `status.yml` and its `$DISPATCH_RESULT`.
//!
//! Owns the bounds on both. A file that cannot be used is a warning in the record, never a failure:
//! the handler's work is done, only its words are lost.

use serde_json::{Map, Value};

use super::emit;
use crate::outcome::Status;
use crate::yaml;

/// Neither file may be larger, in bytes.
pub const BYTES_MAX: usize = 64 * 1024;
/// Nor nested deeper than this many levels, which leaves room below the limits of the record's own reader.
pub const DEPTH_MAX: usize = 32;
/// Nor longer than this many bytes once it is written as YAML, where depth costs indentation.
const YAML_BYTES_MAX: usize = 256 * 1024;
/// YAML allows a key 1,024 characters on its line; one character may need ten.
const KEY_CHARS_MAX: usize = 100;

/// The content of a handler's own `status.yml`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HandlerStatus {
    /// What it says of its success; `failure` and `error` win over exit 0.
    pub status: Option<Status>,
    /// Every other key.
    pub rest: Map<String, Value>,
    /// Why something of it was not used.
    pub warnings: Vec<String>,
}

impl HandlerStatus {
    /// True where the handler takes its exit 0 back.
    pub fn denies_success(&self) -> bool {
        matches!(self.status, Some(Status::Failure | Status::Error))
    }
}

/// Reads a handler's `status.yml`.
pub fn read_handler_status(bytes: &[u8]) -> HandlerStatus {
    let map = match handler_map(bytes) {
        Ok(map) => map,
        Err(warning) => {
            return HandlerStatus {
                // Its word against itself counts even where the rest cannot be read.
                status: denial_in(bytes),
                warnings: vec![format!("the handler's status.yml was not used: {warning}")],
                ..HandlerStatus::default()
            };
        }
    };
    let mut read = HandlerStatus { rest: map, ..HandlerStatus::default() };
    if let Some(word) = read.rest.get("status") {
        match status_word(word) {
            Some(status) => {
                read.status = Some(status);
                read.rest.shift_remove("status");
            }
            None => read.warnings.push(format!(
                "`status` in the handler's status.yml is {}; expected success, failure or error",
                brief(word)
            )),
        }
    }
    read
}

/// A line that says failure or error in a file that is no YAML which is accepted.
fn denial_in(bytes: &[u8]) -> Option<Status> {
    let text = String::from_utf8_lossy(bytes);
    let words = text.lines().filter_map(|line| line.strip_prefix("status:"));
    words.map(|word| word.trim_matches([' ', '\t', '\r', '"', '\''])).find_map(|word| match word {
        "failure" => Some(Status::Failure),
        "error" => Some(Status::Error),
        _ => None,
    })
}

/// Reads `$DISPATCH_RESULT`: one JSON document.
///
/// # Errors
/// The warning to put into the record.
pub fn read_result(bytes: &[u8]) -> Result<Value, String> {
    let refused = |why: String| format!("the handler's result was not used: {why}");
    if bytes.len() > BYTES_MAX {
        return Err(refused(format!("larger than {BYTES_MAX} bytes")));
    }
    let value = serde_json::from_slice(bytes).map_err(|fault| refused(format!("it is not JSON: {fault}")))?;
    bounded(&value).map_err(refused)?;
    Ok(value)
}

fn handler_map(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    if bytes.len() > BYTES_MAX {
        return Err(format!("larger than {BYTES_MAX} bytes"));
    }
    let document = yaml::read("status.yml", bytes, yaml::Limits::REQUEST).map_err(|fault| {
        // One line: the record is no place for a drawing of the handler's file.
        match fault.place {
            Some(place) => format!("line {}, column {}: {}", place.line, place.column, fault.message),
            None => fault.message,
        }
    })?;
    let Value::Object(map) = document.value() else {
        return Err("it is not a mapping".to_owned());
    };
    bounded(document.value())?;
    Ok(map.clone())
}

fn status_word(word: &Value) -> Option<Status> {
    match word.as_str()?.trim().to_ascii_lowercase().as_str() {
        "success" => Some(Status::Success),
        "failure" => Some(Status::Failure),
        "error" => Some(Status::Error),
        _ => None,
    }
}

fn bounded(value: &Value) -> Result<(), String> {
    if depth(value) > DEPTH_MAX {
        return Err(format!("nested deeper than {DEPTH_MAX} levels"));
    }
    if !keys_are_short(value) {
        return Err(format!("a key longer than {KEY_CHARS_MAX} characters"));
    }
    if emit::yaml(value).len() > YAML_BYTES_MAX {
        return Err(format!("larger than {YAML_BYTES_MAX} bytes as YAML"));
    }
    Ok(())
}

fn keys_are_short(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().all(keys_are_short),
        Value::Object(map) => {
            map.iter().all(|(key, inner)| key.chars().count() <= KEY_CHARS_MAX && keys_are_short(inner))
        }
        _ => true,
    }
}

/// Levels of nesting; both readers have bounded it already, so this does not run out of stack.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn brief(value: &Value) -> String {
    let mut text = value.to_string();
    if let Some((end, _)) = text.char_indices().nth(40) {
        text.truncate(end);
        text.push('…');
    }
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_taken_and_the_rest_is_kept() {
        for (text, status, rest, warned) in [
            ("status: success\n", Some(Status::Success), json!({}), false),
            ("status: failure\nwhy: disk\n", Some(Status::Failure), json!({"why": "disk"}), false),
            ("status: ' ERROR '\n", Some(Status::Error), json!({}), false),
            ("a: 1\nb: [x]\n", None, json!({"a": 1, "b": ["x"]}), false),
            ("status: great\n", None, json!({"status": "great"}), true),
            ("status: 1\n", None, json!({"status": 1}), true),
            ("status: failure\nstatus: success\n", Some(Status::Failure), json!({}), true),
            ("status: \"error\"\nwhy: \u{1b}[31m\n", Some(Status::Error), json!({}), true),
            ("status: success\nwhy: \u{1b}[31m\n", None, json!({}), true),
            ("- a\n", None, json!({}), true),
            ("", None, json!({}), true),
            ("a: [\n", None, json!({}), true),
            ("a: !!python/object x\n", None, json!({}), true),
        ] {
            let read = read_handler_status(text.as_bytes());
            assert_eq!(read.status, status, "{text}");
            assert_eq!(Value::Object(read.rest.clone()), rest, "{text}");
            assert_eq!(!read.warnings.is_empty(), warned, "{text}: {:?}", read.warnings);
            assert!(read.warnings.iter().all(|warning| !warning.contains('\n')));
        }
    }

    #[test]
    fn only_failure_and_error_deny_success() {
        let denies = |text: &str| read_handler_status(text.as_bytes()).denies_success();
        assert!(denies("status: failure") && denies("status: error"));
        assert!(!denies("status: success") && !denies("status: odd") && !denies("x: y"));
    }

    #[test]
    fn results_are_json_within_bounds() {
        assert_eq!(read_result(b" {\"a\": [1, null]} \n"), Ok(json!({"a": [1, null]})));
        assert_eq!(read_result(b"3"), Ok(json!(3)));
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(read_result(deep(DEPTH_MAX).as_bytes()).is_ok());
        let wide_and_deep = "[".repeat(30) + &"1,".repeat(30_000) + "1" + &"]".repeat(30);
        for bad in [
            String::new(),
            "{".to_owned(),
            "{} {}".to_owned(),
            "NaN".to_owned(),
            deep(DEPTH_MAX + 1),
            deep(20_000),
            format!("\"{}\"", "x".repeat(BYTES_MAX)),
            wide_and_deep,
            format!("{{\"{}\": 1}}", "k".repeat(KEY_CHARS_MAX + 1)),
        ] {
            let warning = read_result(bad.as_bytes()).expect_err("refused");
            assert!(warning.starts_with("the handler's result was not used: "), "{warning}");
            assert!(warning.len() < 300, "{warning}");
        }
        assert!(read_result(b"\"\xff\"").is_err());
    }

    #[test]
    fn a_large_status_is_not_read() {
        let large = vec![b'#'; BYTES_MAX + 1];
        assert_eq!(read_handler_status(&large).warnings.len(), 1);
    }
}
