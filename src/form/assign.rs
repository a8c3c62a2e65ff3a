//! Values typed as `key=value`: the key finds the field, the field gives the type.

use serde_json::{Map, Value};

use super::{Field, Form, Shape, inline};
use crate::diagnostic::did_you_mean;
use crate::yaml::{self, Limits};

/// Why a `key=value` says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignError {
    /// There is no `=`, or nothing before it.
    #[error("`{0}` is no key=value")]
    NoKey(String),
    /// The value is not of the field's type.
    #[error("`{key}` is {expected}, and `{value}` is not{}", hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default())]
    Type {
        /// The key as it was typed.
        key: String,
        /// What was typed for it.
        value: String,
        /// What the field holds.
        expected: String,
        /// The nearest value.
        hint: Option<String>,
    },
    /// A field that is no list has two values.
    #[error("`{0}` is given twice, and it is no list")]
    Twice(String),
    /// A key leads into a value that is no mapping.
    #[error("`{key}`: `{part}` is {shape}, no mapping")]
    NoMapping {
        /// The key as it was typed.
        key: String,
        /// The part of it that is no mapping.
        part: String,
        /// What it is.
        shape: String,
    },
}

/// Puts `key=value` into a spec. Dots lead into mappings unless the form has a field of the whole name; a list takes every
/// value that is given for it, and `[…]` for all of them at once.
///
/// # Errors
/// [`AssignError`]; the spec is as it was.
pub fn assign(form: Option<&Form>, spec: &mut Map<String, Value>, text: &str) -> Result<(), AssignError> {
    let (key, value) = text
        .split_once('=')
        .filter(|(key, _)| key.split('.').all(|part| !part.is_empty()))
        .ok_or_else(|| AssignError::NoKey(text.to_owned()))?;
    put(form, spec, key, key, value)
}

fn put(
    form: Option<&Form>,
    spec: &mut Map<String, Value>,
    key: &str,
    rest: &str,
    text: &str,
) -> Result<(), AssignError> {
    let named = form.and_then(|form| form.field(rest));
    let Some((first, below)) = rest.split_once('.').filter(|_| named.is_none()) else {
        return put_here(named, spec, key, rest, text);
    };
    let inner = match form.and_then(|form| form.field(first)).map(|field| &field.shape) {
        Some(Shape::Mapping(inner)) => Some(inner),
        None | Some(Shape::Any) => None,
        Some(shape) => {
            let shape = shape.words();
            return Err(AssignError::NoMapping { key: key.to_owned(), part: first.to_owned(), shape });
        }
    };
    let mut mapping = match spec.get(first) {
        None => Map::new(),
        Some(Value::Object(mapping)) => mapping.clone(),
        Some(value) => {
            let shape = inline(value);
            return Err(AssignError::NoMapping { key: key.to_owned(), part: first.to_owned(), shape });
        }
    };
    put(inner, &mut mapping, key, below, text)?;
    spec.insert(first.to_owned(), Value::Object(mapping));
    Ok(())
}

fn put_here(
    field: Option<&Field>,
    spec: &mut Map<String, Value>,
    key: &str,
    name: &str,
    text: &str,
) -> Result<(), AssignError> {
    let fault = |field: &Field| AssignError::Type {
        key: key.to_owned(),
        value: text.to_owned(),
        expected: field.shape.words(),
        hint: nearest(field, text),
    };
    let is_list = matches!(field.map(|field| &field.shape), Some(Shape::List(_)));
    let value = match field {
        Some(field) => typed(field, text).ok_or_else(|| fault(field))?,
        None => plain(text),
    };
    match (spec.get_mut(name), value) {
        (None, value) => {
            spec.insert(name.to_owned(), value);
        }
        (Some(Value::Array(known)), Value::Array(more)) if is_list => known.extend(more),
        // Of a field that nobody knows it is a list by its second value.
        (Some(known), value) if field.is_none() => match known {
            Value::Array(known) => known.push(value),
            known => *known = Value::Array(vec![known.take(), value]),
        },
        _ => return Err(AssignError::Twice(key.to_owned())),
    }
    Ok(())
}

/// The value that a text means for a field; `None` where it means none of its type.
pub fn typed(field: &Field, text: &str) -> Option<Value> {
    match &field.shape {
        Shape::Text => Some(Value::from(text)),
        Shape::Integer => {
            let whole = text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from));
            whole.ok()
        }
        Shape::Number => {
            let whole = text.parse::<i64>().map(Value::from).ok();
            let number = || text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from);
            whole.or_else(number)
        }
        Shape::Boolean => text.parse::<bool>().ok().map(Value::from),
        Shape::Choice(values) => values.iter().find(|value| shown(value) == text).cloned(),
        Shape::List(item) => match plain(text) {
            // A list of texts may hold one that begins with a bracket, and then it is no list by itself.
            all @ Value::Array(_) if text.starts_with('[') => Some(all),
            _ => typed(item, text).map(|value| Value::Array(vec![value])),
        },
        Shape::Mapping(_) => Some(plain(text)).filter(Value::is_object),
        Shape::Any => Some(plain(text)),
    }
}

/// A text as YAML takes it, where it does; otherwise itself.
fn plain(text: &str) -> Value {
    let flow = text.starts_with(['[', '{', '"', '\'']);
    // What begins a comment, an anchor or a block is a text here, and so is what has several lines.
    let odd = text.is_empty() || text.contains(['\n', '#', '&', '*']) || text.contains(": ") || text.ends_with(':');
    if odd && !flow {
        return Value::from(text);
    }
    match yaml::read("value", text.as_bytes(), Limits::REQUEST) {
        Ok(document) => document.value().clone(),
        Err(_) => Value::from(text),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn nearest(field: &Field, text: &str) -> Option<String> {
    let Shape::Choice(values) = &field.shape else { return None };
    let names: Vec<String> = values.iter().map(shown).collect();
    did_you_mean(text, names.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::form;
    use super::*;

    fn schema() -> Value {
        json!({
            "properties": {
                "text": {"type": "string"},
                "count": {"type": "integer"},
                "big": {"type": "integer"},
                "ratio": {"type": "number"},
                "dry": {"type": "boolean"},
                "mode": {"enum": ["fast", "safe", 3]},
                "tags": {"type": "array", "items": {"type": "string"}},
                "ports": {"type": "array", "items": {"type": "integer"}},
                "ship": {"type": "object", "properties": {"to": {"type": "object", "properties": {"port": {"type": "integer"}}}}},
                "a.b": {"type": "boolean"},
                "any": true,
            },
        })
    }

    fn spec(pairs: &[&str]) -> Result<Value, AssignError> {
        let form = form(&schema());
        let mut spec = Map::new();
        pairs.iter().try_for_each(|pair| assign(Some(&form), &mut spec, pair))?;
        Ok(Value::Object(spec))
    }

    #[test]
    fn the_schema_gives_the_type() {
        for (pairs, expected) in [
            (&["text=7", "count=7"][..], json!({"text": "7", "count": 7})),
            (&["text=a=b"], json!({"text": "a=b"})),
            (&["text="], json!({"text": ""})),
            (&["text=[a, b]"], json!({"text": "[a, b]"})),
            (&["big=18446744073709551615"], json!({"big": u64::MAX})),
            (&["ratio=0.5"], json!({"ratio": 0.5})),
            (&["ratio=2"], json!({"ratio": 2})),
            (&["dry=true"], json!({"dry": true})),
            (&["mode=safe"], json!({"mode": "safe"})),
            (&["mode=3"], json!({"mode": 3})),
            (&["tags=a", "tags=7", "tags=*.tmp"], json!({"tags": ["a", "7", "*.tmp"]})),
            (&["tags=[a, b]", "tags=c"], json!({"tags": ["a", "b", "c"]})),
            (&["ports=80", "ports=443"], json!({"ports": [80, 443]})),
            (&["ship.to.port=80"], json!({"ship": {"to": {"port": 80}}})),
            (&["ship={to: {port: 80}}"], json!({"ship": {"to": {"port": 80}}})),
            (&["a.b=true"], json!({"a.b": true})),
            (&["any=1", "any.x=1"][..1], json!({"any": 1})),
            (&["any={x: [1]}"], json!({"any": {"x": [1]}})),
            (&["new=no", "deep.er=5"], json!({"new": "no", "deep": {"er": 5}})),
            (&["new=a", "new=b", "new=c"], json!({"new": ["a", "b", "c"]})),
            (&["new=010", "other=# x"], json!({"new": "010", "other": "# x"})),
        ] {
            assert_eq!(spec(pairs), Ok(expected), "{pairs:?}");
        }
    }

    #[test]
    fn what_is_of_another_type_is_refused_in_words() {
        for (pairs, words) in [
            (&["count=many"][..], "`count` is a whole number, and `many` is not"),
            (&["ratio=nan"], "`ratio` is a number, and `nan` is not"),
            (&["dry=yes"], "`dry` is true or false, and `yes` is not"),
            (&["mode=fasd"], "`mode` is one of fast, safe, 3, and `fasd` is not: did you mean `fast`?"),
            (&["ports=http"], "`ports` is a list, each a whole number, and `http` is not"),
            (&["text=a", "text=b"], "`text` is given twice, and it is no list"),
            (&["text.x=a"], "`text.x`: `text` is text, no mapping"),
            (&["any=1", "any.x=1"], "`any.x`: `any` is 1, no mapping"),
            (&["ship=7"], "`ship` is a mapping, and `7` is not"),
            (&["text"], "`text` is no key=value"),
            (&["=a"], "`=a` is no key=value"),
            (&["a..b=a"], "`a..b=a` is no key=value"),
        ] {
            assert_eq!(spec(pairs).unwrap_err().to_string(), words, "{pairs:?}");
        }
    }

    #[test]
    fn without_a_schema_values_are_as_yaml_reads_them() {
        let mut spec = Map::new();
        for pair in ["name=web-1", "count=3", "on=true", "list=[1, a]", "nothing="] {
            assign(None, &mut spec, pair).unwrap();
        }
        assert_eq!(
            Value::Object(spec),
            json!({"name": "web-1", "count": 3, "on": true, "list": [1, "a"], "nothing": ""})
        );
    }
}
