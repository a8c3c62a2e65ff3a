//! A value that fits a schema: the least that is complete, for people and agents who have to write one.
//!
//! Takes what the author says first (`const`, `default`, `examples`, `enum`) and makes up the rest. It never guesses: what was made
//! is judged by the schema itself, and where it does not fit there is no example.

use serde_json::{Map, Value, json};

use super::Schema;

/// How far references and alternatives are followed.
const DEPTH_MAX: usize = 16;

/// Texts that fit many patterns, tried in this order.
const TEXTS: [&str; 18] = [
    "example",
    "example-1",
    "web-1",
    "a",
    "1",
    "v1.0.0",
    "1.0.0",
    "main",
    "/srv/example",
    "/srv/example/file",
    "example/file",
    "example.com",
    "EXAMPLE",
    "EXAMPLE_1",
    "abcdefgh",
    "0123456789abcdef0123456789abcdef01234567",
    "a@example.com",
    "https://example.com",
];

impl Schema {
    /// The least value that fits, with every required property; `None` where none was found.
    pub fn example(&self) -> Option<Value> {
        let made = Maker { root: self.value() }.make(self.value(), 0)?;
        self.validate_value(&made).is_empty().then_some(made)
    }
}

struct Maker<'a> {
    root: &'a Value,
}

impl Maker<'_> {
    fn make(&self, schema: &Value, depth: usize) -> Option<Value> {
        let Value::Object(map) = schema else { return (*schema == Value::Bool(true)).then(|| json!("example")) };
        if depth > DEPTH_MAX {
            return None;
        }
        if let Some(place) = map.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#')) {
            return self.make(self.root.pointer(place)?, depth + 1);
        }
        let first = |key: &str| map.get(key).and_then(Value::as_array).and_then(|list| list.first());
        let said =
            map.get("const").or_else(|| first("examples")).or_else(|| map.get("default")).or_else(|| first("enum"));
        if let Some(said) = said {
            return Some(said.clone());
        }
        for key in ["oneOf", "anyOf", "allOf"] {
            let Some(parts) = map.get(key).and_then(Value::as_array) else { continue };
            let parts = if key == "allOf" { &parts[..] } else { parts.get(..1).unwrap_or_default() };
            return self.make(&self.merged(map, key, parts), depth + 1);
        }
        let named = match map.get("type") {
            Some(Value::String(name)) => Some(name.as_str()),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
            _ => None,
        };
        let has = |keys: &[&str]| keys.iter().any(|key| map.contains_key(*key));
        match named {
            Some("object") => self.object(map, depth),
            Some("array") => self.list(map, depth),
            Some("integer" | "number") => Some(number(map)),
            Some("boolean") => Some(json!(true)),
            Some("null") => Some(Value::Null),
            Some("string") => Some(text(map)),
            _ if has(&["properties", "required"]) => self.object(map, depth),
            _ if has(&["items", "minItems"]) => self.list(map, depth),
            _ if has(&["minimum", "maximum", "multipleOf"]) => Some(number(map)),
            _ => Some(text(map)),
        }
    }

    /// The schema with its first alternative, or all its parts, written into it.
    fn merged(&self, map: &Map<String, Value>, key: &str, parts: &[Value]) -> Value {
        let mut whole = map.clone();
        whole.remove(key);
        for part in parts {
            let place = part.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
            let part = place.and_then(|place| self.root.pointer(place)).unwrap_or(part);
            for (key, value) in part.as_object().into_iter().flatten() {
                match (whole.get_mut(key), value) {
                    (Some(Value::Object(ours)), Value::Object(theirs)) => ours.extend(theirs.clone()),
                    (Some(Value::Array(ours)), Value::Array(theirs)) if key == "required" => {
                        ours.extend(theirs.clone());
                    }
                    _ => {
                        whole.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        Value::Object(whole)
    }

    fn object(&self, map: &Map<String, Value>, depth: usize) -> Option<Value> {
        let mut made = Map::new();
        let anything = json!({});
        for name in map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            let known = map.get("properties").and_then(|known| known.get(name));
            let open = map.get("additionalProperties").filter(|rest| rest.is_object());
            let value = self.make(known.or(open).unwrap_or(&anything), depth + 1)?;
            made.insert(name.to_owned(), value);
        }
        Some(Value::Object(made))
    }

    fn list(&self, map: &Map<String, Value>, depth: usize) -> Option<Value> {
        let least = map.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(16);
        let anything = json!({});
        let items = map.get("items").unwrap_or(&anything);
        let options = items.get("enum").and_then(Value::as_array);
        let mut made = Vec::new();
        for number in 0..least {
            let option = options.and_then(|all| all.get(usize::try_from(number).ok()?).cloned());
            let next = option.map_or_else(|| self.make(items, depth + 1), Some)?;
            // Lists often ask for entries that all differ.
            made.push(match (number, next) {
                (0, next) => next,
                (_, Value::String(text)) if options.is_none() => json!(format!("{text}{number}")),
                (_, next) => next.as_i64().map_or(next, |whole| json!(whole + i64::try_from(number).unwrap_or(0))),
            });
        }
        Some(Value::Array(made))
    }
}

fn number(map: &Map<String, Value>) -> Value {
    let bound = |key: &str| map.get(key).and_then(Value::as_f64);
    let step = bound("multipleOf").filter(|step| *step > 0.0).unwrap_or(1.0);
    let least = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|above| above + step));
    let most = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|below| below - step));
    let wished = least.unwrap_or_else(|| most.map_or(1.0, |most| most.min(1.0)));
    let rounded = (wished / step).ceil() * step;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within what a text shows exactly")]
    let whole = (rounded.fract() == 0.0 && rounded.abs() < 9e15).then_some(rounded as i64);
    whole.map_or_else(|| json!(rounded), |whole| json!(whole))
}

fn text(map: &Map<String, Value>) -> Value {
    let usual = match map.get("format").and_then(Value::as_str) {
        Some("date") => "2026-11-21",
        Some("date-time") => "2026-11-21T08:00:00Z",
        Some("time") => "08:00:00Z",
        Some("duration") => "PT15M",
        Some("email" | "idn-email") => "ann@example.com",
        Some("hostname" | "idn-hostname") => "web-1.example.com",
        Some("ipv4") => "192.0.2.1",
        Some("ipv6") => "2001:db8::1",
        Some("uuid") => "0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31",
        Some("uri" | "iri" | "uri-reference") => "https://example.com/",
        Some("json-pointer") => "/a",
        Some("regex") => ".*",
        _ => TEXTS[0],
    };
    let rules: Map<String, Value> = ["pattern", "minLength", "maxLength", "format", "not"]
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), map.get(*key)?.clone())))
        .collect();
    let Ok(schema) = Schema::compile("example.json", Value::Object(rules).to_string().as_bytes()) else {
        return json!(usual);
    };
    let least = map.get("minLength").and_then(Value::as_u64).and_then(|least| usize::try_from(least).ok()).unwrap_or(0);
    let long = "example-".chars().cycle().take(least.min(4096)).collect::<String>();
    let fits = |text: &&str| schema.validate_value(&json!(text)).is_empty();
    let found = [usual].into_iter().chain(TEXTS).chain([long.as_str()]).find(fits);
    json!(found.unwrap_or(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(schema: &Value) -> Option<Value> {
        Schema::compile("a.json", schema.to_string().as_bytes()).unwrap().example()
    }

    #[test]
    fn the_least_that_fits_is_made() {
        for (schema, expected) in [
            (json!({}), json!("example")),
            (json!({"type": "object"}), json!({})),
            (
                json!({"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "integer", "minimum": 3}, "c": {}}}),
                json!({"a": 3, "b": "example"}),
            ),
            (json!({"type": "integer", "maximum": -2}), json!(-2)),
            (json!({"type": "number", "exclusiveMinimum": 5, "multipleOf": 2}), json!(8)),
            (json!({"enum": ["fast", "safe"]}), json!("fast")),
            (json!({"type": "string", "pattern": "^v[0-9]"}), json!("v1.0.0")),
            (json!({"type": "string", "pattern": "^(/[^/]+)+$", "maxLength": 12}), json!("/srv/example")),
            (json!({"type": "string", "minLength": 20}), json!("0123456789abcdef0123456789abcdef01234567")),
            (json!({"type": "string", "format": "uuid"}), json!("0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31")),
            (
                json!({"type": "array", "minItems": 2, "uniqueItems": true, "items": {"type": "string"}}),
                json!(["example", "example1"]),
            ),
            (json!({"oneOf": [{"required": ["x"]}, {"required": ["y"]}], "type": "object"}), json!({"x": "example"})),
            (
                json!({"allOf": [{"required": ["x"]}, {"required": ["y"]}], "type": "object"}),
                json!({"x": "example", "y": "example"}),
            ),
            (json!({"$ref": "#/$defs/a", "$defs": {"a": {"const": 7}}}), json!(7)),
            (json!({"type": ["null", "boolean"]}), json!(true)),
        ] {
            assert_eq!(example(&schema), Some(expected), "{schema}");
        }
    }

    #[test]
    fn what_does_not_fit_is_no_example() {
        for schema in [
            json!(false),
            json!({"type": "string", "pattern": "^[0-9]{3}-[A-Z]{5}$"}),
            json!({"type": "string", "default": 7}),
            json!({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}),
        ] {
            assert_eq!(example(&schema), None, "{schema}");
        }
    }
}
