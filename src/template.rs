//! The text of a request that is to be filled in: every field of its kind's schema with what is known of it. Pure.
//!
//! Owns the layout. A line `#key: …`, with no space behind `#`, is a key that may be switched on by taking the `#` away;
//! a line `# …` explains. What has to be there stands first; its value is what was given, else the schema's default or
//! example, else nothing, which `check` refuses by name. The same holds inside mappings, however deep.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::form::{Field, Form, Shape, inline};
use crate::record::{emit, visible};

/// The longest line of an explanation, in characters.
const WIDTH: usize = 110;

/// What a text is made of.
#[derive(Clone, Debug)]
pub struct Template<'a> {
    /// The kind.
    pub kind: &'a str,
    /// What the kind does, by the router table.
    pub description: Option<&'a str>,
    /// Its form; none where the kind has no schema.
    pub form: Option<&'a Form>,
    /// The id.
    pub id: Uuid,
    /// Values that are known already.
    pub spec: &'a Map<String, Value>,
    /// Keys of the envelope that are known already, in order.
    pub envelope: &'a Map<String, Value>,
    /// Where an editor finds the schema of whole requests, as it stands in the first line.
    pub schema: Option<&'a str>,
    /// How to go on, a line each.
    pub next: &'a [String],
    /// The kind's own timeout, in words.
    pub timeout: &'a str,
}

/// The text.
pub fn text(template: &Template<'_>) -> String {
    let mut out = String::new();
    if let Some(schema) = template.schema {
        let _ = writeln!(out, "# yaml-language-server: $schema={schema}");
    }
    let by_schema = template.form.and_then(|form| form.description.as_deref());
    if let Some(words) = template.description.or(by_schema) {
        explain(&mut out, words);
    }
    for line in template.next {
        let _ = writeln!(out, "# {line}");
    }
    out.push_str(&entry("kind", &Value::from(template.kind)));
    out.push_str(&entry("id", &Value::from(template.id.hyphenated().to_string())));
    out.push_str(&spec(template));
    out.push('\n');
    out.push_str(&envelope(template));
    out
}

fn spec(template: &Template<'_>) -> String {
    let Some(form) = template.form else {
        let mut out = "\n# The kind has no schema: spec is any mapping.\n".to_owned();
        out.push_str(&entry("spec", &Value::Object(template.spec.clone())));
        return out;
    };
    let mut out = "\n".to_owned();
    if form.alternatives {
        explain(&mut out, "The schema allows other forms of this than the one below.");
    }
    let inner = mapping(form, template.spec);
    if inner.is_empty() {
        out.push_str(if form.open { "# Any mapping.\nspec: {}\n" } else { "spec: {}\n" });
    } else {
        let _ = write!(out, "spec:\n{}", indented(&inner));
    }
    out
}

/// The lines of a mapping: what has to be there or is given, then what may be.
fn mapping(form: &Form, given: &Map<String, Value>) -> String {
    let is_on = |field: &&Field| field.required || given.contains_key(&field.name);
    let (on, off): (Vec<&Field>, Vec<&Field>) = form.fields.iter().partition(is_on);
    let mut out: String = on.iter().map(|field| lines(field, given.get(&field.name))).collect();
    for (name, value) in given.iter().filter(|(name, _)| form.field(name).is_none()) {
        out.push_str(&entry(name, value));
    }
    for field in off {
        let (words, value) = (told(field), value_lines(field, None));
        out.push_str(&words);
        for line in value.lines() {
            let _ = writeln!(out, "#{line}");
        }
    }
    out
}

/// A field that is there.
fn lines(field: &Field, given: Option<&Value>) -> String {
    format!("{}{}", told(field), value_lines(field, given))
}

/// What is known of a field, as lines that explain.
fn told(field: &Field) -> String {
    let mut out = String::new();
    let mut words = field.description.clone().unwrap_or_default();
    let mut facts = vec![field.words()];
    if let Some(default) = &field.default {
        facts.push(format!("default {}", inline(default)));
    }
    if !words.is_empty() {
        words.push_str(" – ");
    }
    words.push_str(&facts.join("; "));
    explain(&mut out, &words);
    out
}

fn value_lines(field: &Field, given: Option<&Value>) -> String {
    let nothing = Map::new();
    match (&field.shape, given) {
        (Shape::Mapping(form), given) if !form.fields.is_empty() && given.is_none_or(Value::is_object) => {
            let suggested = field.suggestion().filter(|_| given.is_none()).and_then(Value::as_object);
            let known = given.and_then(Value::as_object).or(suggested).unwrap_or(&nothing);
            format!("{}:\n{}", key(&field.name), indented(&mapping(form, known)))
        }
        (_, Some(value)) => entry(&field.name, value),
        (shape, None) => match (field.suggestion(), shape) {
            (Some(value), _) if field.default.is_some() || !field.required => entry(&field.name, value),
            (Some(value), Shape::Choice(_)) => entry(&field.name, value),
            (Some(value), _) => noted(&entry(&field.name, value), "an example of the schema: put your own"),
            (None, Shape::Mapping(_)) => format!("{}: {{}}\n", key(&field.name)),
            (None, _) => format!("{}: # fill this in\n", key(&field.name)),
        },
    }
}

/// A remark behind a value of one line, or before one of several.
fn noted(entry: &str, remark: &str) -> String {
    match entry.trim_end().lines().count() {
        1 => format!("{} # {remark}\n", entry.trim_end()),
        _ => format!("# {remark}\n{entry}"),
    }
}

fn envelope(template: &Template<'_>) -> String {
    let given = template.envelope;
    let mut out = String::new();
    for (key, value) in given {
        out.push_str(&entry(key, value));
    }
    let known = [
        ("timeout", "5m", format!("may only lower the kind's ({})", template.timeout)),
        ("not_before", "2030-01-01T08:00:00Z", "it does not start earlier; with an offset".to_owned()),
        ("expires", "2030-01-02T08:00:00Z", "past it, it ends `expired` and never runs".to_owned()),
        ("idempotency_key", "release-42", "at most one success of this kind with this key".to_owned()),
        ("resource", "host/web-01", "a lock that it takes besides the kind's own".to_owned()),
        ("target", "{node: web-1}", "only the dispatcher of that node; or {labels: {zone: eu}}".to_owned()),
    ];
    let left: Vec<_> = known.iter().filter(|(key, ..)| !given.contains_key(*key)).collect();
    if !left.is_empty() {
        out.push_str("# All of these may be left out:\n");
    }
    for (key, example, words) in left {
        let line = format!("#{key}: {example}");
        let _ = writeln!(out, "{line:<40} # {words}");
    }
    out
}

/// One key with its value, in block style.
fn entry(name: &str, value: &Value) -> String {
    emit::yaml(&Value::Object(Map::from_iter([(name.to_owned(), value.clone())])))
}

/// A key as it stands before its colon.
fn key(name: &str) -> String {
    let line = entry(name, &Value::Null);
    line.trim_end().strip_suffix(": null").unwrap_or(&line).to_owned()
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}

/// Words as lines that begin with `# `.
fn explain(out: &mut String, words: &str) {
    let mut line = String::new();
    for word in words.split_whitespace() {
        let word = visible::line(word);
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "# {line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    if !line.is_empty() {
        let _ = writeln!(out, "# {line}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{form, request};

    const ID: Uuid = Uuid::from_u128(0x0198_c0de_7a10_7c44_9b1e_2f6d_0a8e_5b31);

    fn made(schema: Option<&Value>, given: &Value) -> String {
        let form = schema.map(form::form);
        let (spec, envelope) = (given.as_object().unwrap(), Map::new());
        text(&Template {
            kind: "ship",
            description: None,
            form: form.as_ref(),
            id: ID,
            spec,
            envelope: &envelope,
            schema: Some("../schemas/x.json"),
            next: &[],
            timeout: "15m",
        })
    }

    fn schema() -> Value {
        json!({
            "description": "Ships it.",
            "required": ["to", "mode", "count"],
            "properties": {
                "tags": {"type": "array", "items": {"type": "string"}, "examples": [["a", "b"]]},
                "to": {
                    "type": "object",
                    "required": ["host"],
                    "properties": {
                        "port": {"type": "integer", "default": 22},
                        "host": {"type": "string", "examples": ["web-01"]},
                        "via": {"type": "object", "properties": {"user": {"type": "string"}}},
                    },
                },
                "mode": {"enum": ["fast", "safe"]},
                "count": {"type": "integer", "default": 3},
                "note": {"type": "string", "description": "for people"},
            },
        })
    }

    const SHIP: &str = "\
# yaml-language-server: $schema=../schemas/x.json
# Ships it.
kind: ship
id: 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31

spec:
  # a mapping
  to:
    # text
    host: web-01 # an example of the schema: put your own
    # a whole number; default 22
    #port: 22
    # a mapping
    #via:
    #  # text
    #  #user: # fill this in
  # one of fast, safe
  mode: # fill this in
  # a whole number; default 3
  count: 3
  # a list, each text
  #tags:
  #- a
  #- b
  # for people – text
  #note: # fill this in
";

    #[test]
    fn what_must_be_there_comes_first_and_the_rest_can_be_switched_on() {
        let text = made(Some(&schema()), &json!({}));
        assert!(text.starts_with(SHIP), "{text}");
        // Every line that can be switched on is one that is accepted as it stands.
        let all: String = text
            .replace("  #via", "  via")
            .replace("    #  #user: # fill this in", "      user: x")
            .replace("    #  # text\n", "")
            .replace("mode: # fill this in", "mode: safe")
            .lines()
            .map(|line| {
                let inner = line.trim_start();
                let is_key = inner.starts_with('#') && !inner.starts_with("# ");
                let line = if is_key { line.replacen('#', "", 1) } else { line.to_owned() };
                line + "\n"
            })
            .collect();
        let read = request::parse("a.yml", all.as_bytes()).unwrap().request;
        let tags = json!(["a", "b"]);
        assert_eq!(
            (&read.spec["tags"], &read.spec["to"]["port"], &read.spec["to"]["via"]["user"]),
            (&tags, &json!(22), &json!("x"))
        );
        assert!(read.timeout.is_some() && read.target.is_some() && read.not_before.is_some(), "{all}");
    }

    #[test]
    fn what_is_given_is_filled_in() {
        let text =
            made(Some(&schema()), &json!({"mode": "safe", "to": {"host": "db", "port": 7}, "new": [1], "note": "no"}));
        let read = request::parse("a.yml", text.as_bytes()).unwrap().request;
        let expected = json!({"to": {"port": 7, "host": "db"}, "mode": "safe", "count": 3, "note": "no", "new": [1]});
        assert_eq!(read.spec, expected, "{text}");
        assert_eq!(read.id, Some(ID));
    }

    #[test]
    fn any_schema_gives_a_request_that_can_be_read() {
        for schema in [
            None,
            Some(json!(true)),
            Some(json!({"properties": {}, "additionalProperties": false})),
            Some(json!({"required": ["no", "a: b", "#x"]})),
            Some(
                json!({"properties": {"x": {"description": "two\nlines \u{1b}[31m of # it: {", "default": {"a": [1]}}}}),
            ),
            Some(json!({"properties": {"only": {"const": "a: b"}}, "required": ["only"]})),
            Some(json!({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]})),
        ] {
            let text = made(schema.as_ref(), &json!({}));
            assert!(request::parse("a.yml", text.as_bytes()).is_ok(), "{text}");
            assert!(!text.contains('\u{1b}'));
        }
    }
}
