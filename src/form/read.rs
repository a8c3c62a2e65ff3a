//! Reading a form out of a schema: follows references and combines what applies to one value. Takes any JSON, and any depth.

use serde_json::{Map, Value};

use super::{Field, Form, Shape};

/// Mappings and lists inside each other that are shown.
const DEPTH_MAX: usize = 6;
/// Schemas that are combined for one value.
const LAYERS_MAX: usize = 64;

/// The form of a spec by its kind's schema.
pub fn form(schema: &Value) -> Form {
    let reader = Reader { root: schema };
    reader.form(&reader.layers(schema), 0)
}

struct Reader<'a> {
    root: &'a Value,
}

/// What applies to one value, outermost first.
struct Layers<'a> {
    schemas: Vec<&'a Map<String, Value>>,
    /// Of which alternatives only the first was taken.
    alternatives: bool,
    /// The values of alternatives that name nothing but values.
    choice: Vec<Value>,
}

impl<'a> Layers<'a> {
    fn get(&self, key: &str) -> Option<&'a Value> {
        self.schemas.iter().find_map(|schema| schema.get(key))
    }

    fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(Value::as_str).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn all(&self, key: &str) -> impl Iterator<Item = &'a Value> {
        self.schemas.iter().filter_map(move |schema| schema.get(key))
    }
}

impl<'a> Reader<'a> {
    /// A schema with what it refers to and is combined of.
    fn layers(&self, schema: &'a Value) -> Layers<'a> {
        let mut layers = Layers { schemas: Vec::new(), alternatives: false, choice: Vec::new() };
        self.add(schema, &mut layers);
        layers
    }

    fn add(&self, schema: &'a Value, layers: &mut Layers<'a>) {
        let Value::Object(keywords) = schema else { return };
        if layers.schemas.len() >= LAYERS_MAX || layers.schemas.iter().any(|known| std::ptr::eq(*known, keywords)) {
            return;
        }
        layers.schemas.push(keywords);
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(target) = keywords.get(keyword).and_then(Value::as_str).and_then(|name| self.named(name)) {
                self.add(target, layers);
            }
        }
        for inner in keywords.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.add(inner, layers);
        }
        for keyword in ["oneOf", "anyOf"] {
            let Some(alternatives) = keywords.get(keyword).and_then(Value::as_array) else { continue };
            let values: Option<Vec<Value>> = alternatives.iter().map(|schema| schema.get("const").cloned()).collect();
            if let Some(values) = values.filter(|values| !values.is_empty()) {
                layers.choice.extend(values);
                continue;
            }
            let real: Vec<&Value> =
                alternatives.iter().filter(|schema| schema.get("type") != Some(&Value::from("null"))).collect();
            layers.alternatives |= real.len() > 1;
            if let Some(first) = real.first() {
                self.add(first, layers);
            }
        }
    }

    /// What a reference within the file names, by pointer or by anchor.
    fn named(&self, reference: &str) -> Option<&'a Value> {
        let fragment = reference.split_once('#').map_or("", |(_, fragment)| fragment);
        let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8().ok()?;
        if fragment.is_empty() || fragment.starts_with('/') {
            return self.root.pointer(&fragment);
        }
        let definitions = ["$defs", "definitions"].into_iter().filter_map(|key| self.root.get(key)?.as_object());
        let is_it = |schema: &&Value| {
            ["$anchor", "$dynamicAnchor"].iter().any(|key| schema.get(key).and_then(Value::as_str) == Some(&*fragment))
        };
        definitions.flat_map(Map::values).find(is_it)
    }

    fn form(&self, layers: &Layers<'a>, depth: usize) -> Form {
        let mut fields: Vec<Field> = Vec::new();
        let required: Vec<&str> =
            layers.all("required").filter_map(Value::as_array).flatten().filter_map(Value::as_str).collect();
        for (name, schema) in layers.all("properties").filter_map(Value::as_object).flatten() {
            if *schema != Value::Bool(false) && !fields.iter().any(|known| known.name == *name) {
                fields.push(self.field(name, schema, required.contains(&name.as_str()), depth));
            }
        }
        for name in required {
            if !fields.iter().any(|known| known.name == name) {
                fields.push(self.field(name, &Value::Bool(true), true, depth));
            }
        }
        let closed = |key| layers.all(key).any(|value| *value == Value::Bool(false));
        Form {
            description: layers.text("description"),
            fields,
            open: !closed("additionalProperties") && !closed("unevaluatedProperties"),
            alternatives: layers.alternatives,
        }
    }

    fn field(&self, name: &str, schema: &'a Value, required: bool, depth: usize) -> Field {
        let layers = self.layers(schema);
        Field {
            name: name.to_owned(),
            required,
            description: layers.text("description").or_else(|| layers.text("title")),
            shape: self.shape(&layers, depth),
            default: layers.get("default").cloned(),
            example: layers.get("examples").and_then(Value::as_array).and_then(|examples| examples.first()).cloned(),
            rules: rules(&layers),
        }
    }

    fn shape(&self, layers: &Layers<'a>, depth: usize) -> Shape {
        if let Some(value) = layers.get("const") {
            return Shape::Choice(vec![value.clone()]);
        }
        if let Some(values) = layers.get("enum").and_then(Value::as_array).filter(|values| !values.is_empty()) {
            return Shape::Choice(values.clone());
        }
        if !layers.choice.is_empty() {
            return Shape::Choice(layers.choice.clone());
        }
        match type_of(layers) {
            Some("string") => Shape::Text,
            Some("integer") => Shape::Integer,
            Some("number") => Shape::Number,
            Some("boolean") => Shape::Boolean,
            Some("array") if depth < DEPTH_MAX => {
                let anything = &Value::Bool(true);
                let item = layers.get("items").filter(|items| !items.is_array()).unwrap_or(anything);
                Shape::List(Box::new(self.field("", item, true, depth + 1)))
            }
            Some("object") if depth < DEPTH_MAX => Shape::Mapping(self.form(layers, depth + 1)),
            _ => Shape::Any,
        }
    }
}

/// The one type of a value, `null` aside; none where it may be of several.
fn type_of<'a>(layers: &Layers<'a>) -> Option<&'a str> {
    match layers.get("type") {
        Some(Value::String(name)) => Some(name),
        Some(Value::Array(names)) => {
            let mut names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.next().filter(|_| names.next().is_none())
        }
        _ if layers.get("properties").is_some_and(Value::is_object) => Some("object"),
        _ if layers.get("items").is_some() => Some("array"),
        _ => None,
    }
}

/// What is asked of a value beside its type, in words.
fn rules(layers: &Layers<'_>) -> Vec<String> {
    let number = |key: &str| layers.get(key).filter(|value| value.is_number());
    let range = |least: Option<&Value>, most: Option<&Value>, noun: &str| {
        let noun = if noun.is_empty() { String::new() } else { format!(" {noun}") };
        match (least, most) {
            (Some(least), Some(most)) if least == most => Some(format!("{least}{noun}")),
            (Some(least), Some(most)) => Some(format!("{least} to {most}{noun}")),
            (Some(least), None) if noun == " characters" && least.as_u64() == Some(1) => Some("not empty".to_owned()),
            (Some(least), None) => Some(format!("at least {least}{noun}")),
            (None, Some(most)) => Some(format!("at most {most}{noun}")),
            (None, None) => None,
        }
    };
    let mut rules: Vec<String> = [
        range(number("minLength"), number("maxLength"), "characters"),
        range(number("minimum"), number("maximum"), ""),
        number("exclusiveMinimum").map(|least| format!("more than {least}")),
        number("exclusiveMaximum").map(|most| format!("less than {most}")),
        number("multipleOf").map(|step| format!("a multiple of {step}")),
        range(number("minItems"), number("maxItems"), "of them"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if layers.get("uniqueItems") == Some(&Value::Bool(true)) {
        rules.push("each once".to_owned());
    }
    rules.extend(layers.text("format").map(|format| format!("in the format {format}")));
    // A long one says nothing to a reader, and the verdict shows it anyway.
    rules.extend(layers.text("pattern").filter(|pattern| pattern.len() <= 60).map(|text| format!("matches {text}")));
    if layers.alternatives {
        rules.push("or another form, see the schema".to_owned());
    }
    rules
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_defaults_and_rules_are_read() {
        let form = form(&json!({
            "description": "Ships it.",
            "required": ["to", "unlisted"],
            "additionalProperties": false,
            "properties": {
                "to": {"type": "string", "description": "where", "minLength": 1, "maxLength": 64, "examples": ["a"]},
                "keep": {"type": ["integer", "null"], "minimum": 1, "default": 7},
                "mode": {"enum": ["fast", "safe"]},
                "level": {"oneOf": [{"const": 1, "title": "one"}, {"const": 2}]},
                "ratio": {"type": "number", "exclusiveMaximum": 1},
                "dry": {"type": "boolean"},
                "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3, "uniqueItems": true},
                "either": {"type": ["integer", "string"]},
                "never": false,
            },
        }));
        let told: Vec<String> = form.fields.iter().map(|field| format!("{}: {}", field.name, field.words())).collect();
        assert_eq!(
            told,
            [
                "to: text, 1 to 64 characters",
                "keep: a whole number, at least 1",
                "mode: one of fast, safe",
                "level: one of 1, 2",
                "ratio: a number, less than 1",
                "dry: true or false",
                "tags: a list, each text, at most 3 of them, each once",
                "either: any value",
                "unlisted: any value",
            ]
        );
        assert!(!form.open && form.fields[0].required && !form.fields[1].required && form.fields[8].required);
        assert_eq!(form.fields[1].suggestion(), Some(&json!(7)));
        assert_eq!(form.fields[0].suggestion(), Some(&json!("a")));
    }

    #[test]
    fn references_and_combinations_are_followed() {
        let form = form(&json!({
            "allOf": [{"$ref": "#/$defs/base"}, {"required": ["port"]}],
            "oneOf": [{"properties": {"plan": {"type": "string"}}, "required": ["plan"]}, {"required": ["other"]}],
            "$defs": {
                "base": {"properties": {"host": {"$ref": "#name"}, "port": {"type": "integer"}}, "required": ["host"]},
                "n": {"$anchor": "name", "type": "string", "description": "of a machine"},
            },
        }));
        let names: Vec<(&str, bool)> = form.fields.iter().map(|field| (field.name.as_str(), field.required)).collect();
        assert_eq!(names, [("host", true), ("port", true), ("plan", true)]);
        assert!(form.alternatives && form.open);
        assert_eq!(form.fields[0].description.as_deref(), Some("of a machine"));
    }

    #[test]
    fn one_that_calls_itself_comes_to_an_end() {
        let tree =
            form(&json!({"type": "object", "properties": {"left": {"$ref": "#"}, "all": {"items": {"$ref": "#"}}}}));
        let mut at = &tree;
        for depth in 0.. {
            match &at.fields[0].shape {
                Shape::Mapping(inner) => at = inner,
                shape => {
                    assert_eq!((shape, depth), (&Shape::Any, DEPTH_MAX));
                    break;
                }
            }
        }
        assert_eq!(form(&json!({"$ref": "#"})).fields, []);
    }

    #[test]
    fn what_is_no_schema_is_an_open_form() {
        for odd in [json!(true), json!(7), json!({"properties": 7, "required": {}, "oneOf": 1, "$ref": "#/x"})] {
            let form = form(&odd);
            assert!(form.open && form.fields.is_empty(), "{odd}");
        }
    }
}
