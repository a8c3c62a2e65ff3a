//! Resource keys: the rule for a lock key, and the templates that the router table writes them with.
//!
//! A template is text with places: `host/{spec.host}`. A place is `kind`, `id` or a dotted path below `spec`; `{{` and
//! `}}` are literal braces. Takes no lock and reads no file.

use serde_json::Value;
use uuid::Uuid;

/// The longest lock key, in characters.
pub const KEY_CHARS_MAX: usize = 200;

/// A lock key's template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Kind,
    Id,
    Spec(Vec<String>),
}

/// Why a template cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{` without its `}`.
    #[error("`{{` without `}}`; a literal brace is written `{{{{`")]
    Unclosed,
    /// `}` without its `{`.
    #[error("`}}` without `{{`; a literal brace is written `}}}}`")]
    Unopened,
    /// A place that is neither `kind`, `id` nor below `spec`.
    #[error("`{{{0}}}` is no place: use {{kind}}, {{id}} or {{spec.name}}")]
    PlaceUnknown(String),
    /// The literal text breaks the rule for keys.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Why a text is no lock key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing there.
    #[error("a lock key must not be empty")]
    Empty,
    /// Longer than [`KEY_CHARS_MAX`].
    #[error("a lock key has at most {KEY_CHARS_MAX} characters, this one has {0}")]
    TooLong(usize),
    /// A character that does not print.
    #[error("a lock key holds printable characters only, not {}", .0.escape_unicode())]
    Unprintable(char),
}

/// Why a request does not fill a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// A value that the template names and the request lacks.
    #[error("the lock key `{template}` needs `{place}`, which the request does not have")]
    Missing {
        /// The template.
        template: String,
        /// The place, such as `spec.host`.
        place: String,
        /// Its JSON pointer in the request.
        pointer: String,
    },
    /// A value that cannot be part of a key.
    #[error("the lock key `{template}` needs text, an integer or a boolean in `{place}`, not {found}")]
    WrongType {
        /// The template.
        template: String,
        /// The place, such as `spec.host`.
        place: String,
        /// Its JSON pointer in the request.
        pointer: String,
        /// What stands there.
        found: &'static str,
    },
    /// The filled template breaks the rule for keys.
    #[error("the lock key `{template}` filled from the request: {source}")]
    Key {
        /// The template.
        template: String,
        /// The rule that it breaks.
        source: KeyError,
    },
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Says which brace or place is wrong.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        check_key(text)?;
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if let Some(after) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err(TemplateError::Unopened);
            }
            let (place, after) = after.split_once('}').ok_or(TemplateError::Unclosed)?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(place_part(place)?);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The paths below `spec` that it names.
    pub fn spec_paths(&self) -> impl Iterator<Item = &[String]> {
        self.parts.iter().filter_map(|part| match part {
            Part::Spec(path) => Some(path.as_slice()),
            _ => None,
        })
    }

    /// The lock key for one request.
    ///
    /// # Errors
    /// Names the value that is missing or cannot be part of a key.
    pub fn fill(&self, kind: &str, id: Uuid, spec: &Value) -> Result<String, FillError> {
        let mut key = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => key.push_str(text),
                Part::Kind => key.push_str(kind),
                Part::Id => key.push_str(&id.to_string()),
                Part::Spec(path) => key.push_str(&self.spec_value(path, spec)?),
            }
        }
        check_key(&key).map_err(|source| FillError::Key { template: self.text.clone(), source })?;
        Ok(key)
    }

    fn spec_value(&self, path: &[String], spec: &Value) -> Result<String, FillError> {
        let template = || self.text.clone();
        let place = || format!("spec.{}", path.join("."));
        // Segments hold no `/` and no `~`, so they need no escape in a pointer.
        let pointer = || format!("/spec/{}", path.join("/"));
        let value = path.iter().try_fold(spec, |value, key| value.as_object()?.get(key));
        let found = match value {
            // An empty value would make `host/` of every request without a host: one lock for all, or none that was meant.
            None | Some(Value::Null) => {
                return Err(FillError::Missing { template: template(), place: place(), pointer: pointer() });
            }
            Some(Value::String(text)) if text.is_empty() => "an empty text",
            Some(Value::String(text)) => return Ok(text.clone()),
            Some(Value::Bool(flag)) => return Ok(flag.to_string()),
            Some(Value::Number(number)) if !number.is_f64() => return Ok(number.to_string()),
            Some(Value::Number(_)) => "a fraction",
            Some(Value::Array(_)) => "a list",
            Some(Value::Object(_)) => "a mapping",
        };
        Err(FillError::WrongType { template: template(), place: place(), pointer: pointer(), found })
    }
}

/// Holds a text to the rule for lock keys: 1 to [`KEY_CHARS_MAX`] printable characters.
pub fn check_key(key: &str) -> Result<(), KeyError> {
    if key.is_empty() {
        return Err(KeyError::Empty);
    }
    let count = key.chars().count();
    if count > KEY_CHARS_MAX {
        return Err(KeyError::TooLong(count));
    }
    key.chars().find(|c| !is_printable(*c)).map_or(Ok(()), |c| Err(KeyError::Unprintable(c)))
}

/// Whether a character shows itself: no control character, and none that hides or turns the text around it.
pub fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

fn place_part(place: &str) -> Result<Part, TemplateError> {
    let unknown = || TemplateError::PlaceUnknown(place.to_owned());
    match place {
        "kind" => Ok(Part::Kind),
        "id" => Ok(Part::Id),
        _ => {
            let path: Vec<String> =
                place.strip_prefix("spec.").ok_or_else(unknown)?.split('.').map(str::to_owned).collect();
            path.iter().all(|segment| is_segment(segment)).then_some(Part::Spec(path)).ok_or_else(unknown)
        }
    }
}

fn is_segment(segment: &str) -> bool {
    !segment.is_empty() && segment.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fill(template: &str, spec: &Value) -> Result<String, String> {
        let template = Template::parse(template).map_err(|error| error.to_string())?;
        template.fill("deploy", Uuid::nil(), spec).map_err(|error| error.to_string())
    }

    #[test]
    fn places_are_filled() {
        let spec = json!({"host": "web-01", "n": 3, "flag": true, "a": {"b-c": "d"}, "big": u64::MAX});
        for (template, key) in [
            ("host/{spec.host}", "host/web-01"),
            ("{kind}", "deploy"),
            ("{id}", "00000000-0000-0000-0000-000000000000"),
            ("{spec.n}{spec.flag}", "3true"),
            ("{spec.a.b-c}!", "d!"),
            ("{spec.big}", "18446744073709551615"),
            ("{{{spec.n}}}", "{3}"),
            ("{{spec.n}}", "{spec.n}"),
            ("plain", "plain"),
        ] {
            assert_eq!(fill(template, &spec).as_deref(), Ok(key), "{template}");
        }
    }

    #[test]
    fn templates_that_cannot_be_read() {
        for (template, message) in [
            ("host/{spec.host", "`{` without `}`; a literal brace is written `{{`"),
            ("host/}", "`}` without `{`; a literal brace is written `}}`"),
            ("{host}", "`{host}` is no place: use {kind}, {id} or {spec.name}"),
            ("{spec}", "`{spec}` is no place: use {kind}, {id} or {spec.name}"),
            ("{spec.}", "`{spec.}` is no place: use {kind}, {id} or {spec.name}"),
            ("{spec.a..b}", "`{spec.a..b}` is no place: use {kind}, {id} or {spec.name}"),
            ("{}", "`{}` is no place: use {kind}, {id} or {spec.name}"),
            ("", "a lock key must not be empty"),
            ("a\nb", "a lock key holds printable characters only, not \\u{a}"),
        ] {
            assert_eq!(Template::parse(template).unwrap_err().to_string(), message, "{template}");
        }
    }

    #[test]
    fn values_that_are_missing_or_no_key() {
        let spec = json!({"list": [1], "map": {}, "f": 1.5, "empty": "", "null": null, "odd": "a\u{202e}b", "long": "x".repeat(201)});
        for (place, part) in [
            ("host", "needs `spec.host`, which the request does not have"),
            ("null", "needs `spec.null`, which the request does not have"),
            ("list.0", "needs `spec.list.0`, which"),
            ("list", "not a list"),
            ("map", "not a mapping"),
            ("f", "not a fraction"),
            ("empty", "not an empty text"),
            ("odd", "printable characters only, not \\u{202e}"),
            ("long", "at most 200 characters, this one has 201"),
        ] {
            let message = fill(&format!("{{spec.{place}}}"), &spec).unwrap_err();
            assert!(message.contains(part), "{place}: {message}");
        }
    }

    #[test]
    fn a_missing_value_is_pointed_at() {
        let error = Template::parse("{spec.a.b}").unwrap().fill("k", Uuid::nil(), &json!({"a": {}})).unwrap_err();
        assert!(matches!(error, FillError::Missing { pointer, .. } if pointer == "/spec/a/b"));
    }
}
