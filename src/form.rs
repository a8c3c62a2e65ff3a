//! A kind's schema read as a form: which fields a spec has, what each may hold, which have to be filled in. Pure.
//!
//! Owns what `new`, `submit` and the questions on a terminal know of a schema, and how a text typed for a field becomes a
//! value of its type. It judges nothing: whether a spec fits says the schema itself (`schema.rs`). Of alternatives it shows
//! the first, and says that there are others; where a schema calls itself it stops after a few levels.

mod assign;
mod read;

use serde_json::Value;

use crate::record::emit;

pub use assign::{AssignError, assign, typed};
pub use read::form;

/// The fields of a mapping.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form {
    /// In words, what the whole is for.
    pub description: Option<String>,
    /// The fields that have names, in the order of the schema.
    pub fields: Vec<Field>,
    /// Whether other names are taken too.
    pub open: bool,
    /// Whether the schema has other forms than this one.
    pub alternatives: bool,
}

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its key.
    pub name: String,
    /// It has to be there.
    pub required: bool,
    /// In words, what it is for.
    pub description: Option<String>,
    /// What it holds.
    pub shape: Shape,
    /// What it is where it is left out.
    pub default: Option<Value>,
    /// What it may look like.
    pub example: Option<Value>,
    /// What else is asked of its value, in words.
    pub rules: Vec<String>,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// One of these values; never an empty list.
    Choice(Vec<Value>),
    /// A list of values, all of this kind. The field's name says nothing.
    List(Box<Field>),
    /// A mapping.
    Mapping(Form),
    /// Something that the schema does not tell in these terms.
    Any,
}

impl Form {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Required fields, however deep, that a spec lacks, with the path to each, in the order of the form. What a mapping that
    /// may be left out requires counts where that mapping is there.
    pub fn missing<'f>(&'f self, spec: &Value) -> Vec<(Vec<&'f str>, &'f Field)> {
        let mut missing = Vec::new();
        for field in &self.fields {
            let value = spec.get(&field.name);
            match (&field.shape, value) {
                (Shape::Mapping(inner), value) if value.is_some() || (field.required && !inner.fields.is_empty()) => {
                    let below = inner.missing(value.unwrap_or(&Value::Null));
                    // One that requires nothing inside is itself what is missing.
                    if below.is_empty() && value.is_none() {
                        missing.push((vec![field.name.as_str()], field));
                    }
                    missing.extend(below.into_iter().map(|(mut path, found)| {
                        path.insert(0, &field.name);
                        (path, found)
                    }));
                }
                (_, None) if field.required => missing.push((vec![field.name.as_str()], field)),
                _ => {}
            }
        }
        missing
    }
}

impl Field {
    /// What it holds and what else is asked, in words: `text, 1 to 64 characters`.
    pub fn words(&self) -> String {
        std::iter::once(self.shape.words()).chain(self.rules.iter().cloned()).collect::<Vec<_>>().join(", ")
    }

    /// What to begin with where nobody has said anything: its only value, its default, an example of the schema.
    pub fn suggestion(&self) -> Option<&Value> {
        match &self.shape {
            Shape::Choice(values) if values.len() == 1 => values.first(),
            _ => self.default.as_ref().or(self.example.as_ref()),
        }
    }
}

impl Shape {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Integer => "a whole number".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Boolean => "true or false".to_owned(),
            Self::Choice(values) => match &values[..] {
                [only] => format!("always {}", inline(only)),
                values => format!("one of {}", values.iter().map(inline).collect::<Vec<_>>().join(", ")),
            },
            Self::List(item) => format!("a list, each {}", item.words()),
            Self::Mapping(_) => "a mapping".to_owned(),
            Self::Any => "any value".to_owned(),
        }
    }
}

/// A value as it is typed on one line: a plain text bare, everything else as JSON, which is YAML too.
pub fn inline(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => value.to_string(),
        scalar => emit::yaml(scalar).trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_told_with_its_path() {
        let form = form(&json!({
            "type": "object",
            "required": ["a", "deep", "bare"],
            "properties": {
                "a": {"type": "string"},
                "b": {"type": "string"},
                "deep": {"required": ["x", "y"], "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}}},
                "perhaps": {"required": ["z"], "properties": {"z": {"type": "integer"}}},
                "bare": {"type": "object"},
            },
        }));
        let missing =
            |spec: Value| -> Vec<String> { form.missing(&spec).into_iter().map(|(path, _)| path.join(".")).collect() };
        assert_eq!(missing(json!({})), ["a", "deep.x", "deep.y", "bare"]);
        assert_eq!(missing(json!({"a": "", "deep": {"x": 1}, "bare": {}})), ["deep.y"]);
        assert_eq!(missing(json!({"a": "", "deep": {"x": 1, "y": 2}, "bare": {}, "perhaps": {}})), ["perhaps.z"]);
        assert_eq!(missing(json!({"a": "", "deep": 7, "bare": {}})), ["deep.x", "deep.y"]);
    }
}
