//! Small languages within values: lock key templates, durations, sizes, timestamps.

use codex_dispatch::resource::{self, FillError, Template};
use codex_dispatch::units;
use serde_json::Value;
use uuid::Uuid;

use super::shown;

/// The first line is a template, what follows is the spec as JSON.
pub fn template(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (template, spec) = text.split_once('\n').unwrap_or((&text, ""));
    let parsed = match Template::parse(template) {
        Ok(parsed) => parsed,
        Err(error) => {
            assert!(error.to_string().len() < 2000);
            // Any text can be written as a template, by doubling its braces.
            let literal = template.replace('{', "{{").replace('}', "}}");
            if resource::check_key(&literal).is_ok() {
                let filled = Template::parse(&literal).expect("no places").fill("kind", Uuid::nil(), &Value::Null);
                assert_eq!(filled.as_deref(), Ok(template));
            }
            return;
        }
    };
    assert_eq!(parsed.as_str(), template);
    shown::harmless(template);
    let spec = serde_json::from_str(spec).unwrap_or_else(|_| serde_json::json!({"a": spec, "b": {"c": 1}, "": ""}));
    match parsed.fill("kind", Uuid::nil(), &spec) {
        Ok(key) => {
            assert!(resource::check_key(&key).is_ok(), "{key:?}");
            shown::harmless(&key);
            assert_eq!(parsed.fill("kind", Uuid::nil(), &spec).as_ref(), Ok(&key));
        }
        Err(error) => {
            if let FillError::Missing { pointer, .. } | FillError::WrongType { pointer, .. } = &error {
                assert!(pointer.starts_with("/spec/"), "{pointer}");
            }
            shown::harmless(&error.to_string());
        }
    }
}

/// Durations, sizes and timestamps: what is read is written so that it reads the same.
pub fn units(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match units::parse_duration(&text) {
        Ok(duration) => {
            assert!(duration <= units::DURATION_MAX);
            assert_eq!(units::parse_duration(&units::format_duration(duration)), Ok(duration));
        }
        Err(error) => shown::harmless(&error.to_string()),
    }
    match units::parse_size(&text) {
        Ok(size) => {
            assert!(size <= units::SIZE_BYTES_MAX);
            assert_eq!(units::parse_size(&units::format_size(size)), Ok(size));
        }
        Err(error) => shown::harmless(&error.to_string()),
    }
    match units::parse_timestamp(&text) {
        Ok(at) => assert_eq!(units::parse_timestamp(&at.to_string()), Ok(at), "{text}"),
        Err(error) => shown::harmless(&error.to_string()),
    }
    if let Some((count, _)) = bytes.split_first_chunk::<8>() {
        let size = u64::from_le_bytes(*count);
        if size <= units::SIZE_BYTES_MAX {
            assert_eq!(units::parse_size(&units::format_size(size)), Ok(size));
        }
        let duration = std::time::Duration::from_millis(size);
        if duration <= units::DURATION_MAX {
            assert_eq!(units::parse_duration(&units::format_duration(duration)), Ok(duration));
        }
    }
}
