//! The move of one schema to a place in another file of draft 2020-12.
//!
//! First every schema in it is found, with the place it comes to; then it is written anew, with each reference leading to
//! where its target has come. Keywords that the schema's own draft does not know say nothing in it, and are left out.

use std::collections::HashMap;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::schema::uri;

/// What stands in no fragment as it is (RFC 3986, 3.5).
const OUTSIDE_FRAGMENTS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Keywords by the draft that brought them; older schemas may hold the word and mean nothing by it.
const SINCE: [(&str, u8); 17] = [
    ("const", 6),
    ("contains", 6),
    ("propertyNames", 6),
    ("if", 7),
    ("then", 7),
    ("else", 7),
    ("dependentRequired", 8),
    ("dependentSchemas", 8),
    ("minContains", 8),
    ("maxContains", 8),
    ("unevaluatedItems", 8),
    ("unevaluatedProperties", 8),
    ("$recursiveRef", 8),
    ("$recursiveAnchor", 8),
    ("$dynamicRef", 9),
    ("$dynamicAnchor", 9),
    ("prefixItems", 9),
];

/// What names a schema, which has no name of its own where it comes to.
const NAMES: [&str; 5] = ["$schema", "$id", "$anchor", "$dynamicAnchor", "$recursiveAnchor"];

const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// The schema as it stands at `place`, a JSON pointer, in a file of draft 2020-12. It has to be one that compiles.
pub(super) fn moved(schema: &Value, place: &str) -> Value {
    let mut survey = Survey::new(schema);
    survey.walk(schema, String::new(), place.to_owned(), 0);
    let hoisted = survey.find_targets(place);
    let mut written = survey.write(schema, "");
    if let Value::Object(keywords) = &mut written
        && !hoisted.is_empty()
    {
        let definitions = keywords.entry("$defs").or_insert_with(|| json!({}));
        for (name, pointer) in &hoisted {
            let found = schema.pointer(pointer).map(|found| survey.write(found, pointer));
            definitions[name] = found.unwrap_or(Value::Bool(true));
        }
    }
    written
}

/// A schema with an identifier of its own.
struct Resource {
    uri: String,
    pointer: String,
    anchors: HashMap<String, String>,
}

/// What is known of the schemas in a file, by their pointers there.
struct Survey<'a> {
    root: &'a Value,
    /// 4, 6, 7; 8 is 2019-09, and 9 is 2020-12.
    draft: u8,
    resources: Vec<Resource>,
    /// Where each comes to, and the resource it belongs to.
    places: HashMap<String, (String, usize)>,
    /// References: the schema and the text.
    references: Vec<(String, String)>,
}

impl<'a> Survey<'a> {
    fn new(root: &'a Value) -> Self {
        let named = root.get("$schema").and_then(Value::as_str).unwrap_or_default();
        let drafts = [("draft-04", 4), ("draft-06", 6), ("draft-07", 7), ("2019-09", 8)];
        let draft = drafts.into_iter().find(|(word, _)| named.contains(word)).map_or(9, |(_, draft)| draft);
        let whole = Resource { uri: String::new(), pointer: String::new(), anchors: HashMap::new() };
        Self { root, draft, resources: vec![whole], places: HashMap::new(), references: Vec::new() }
    }

    /// Notes a schema and those inside it.
    fn walk(&mut self, schema: &Value, pointer: String, place: String, resource: usize) {
        if self.places.contains_key(&pointer) {
            return;
        }
        let Value::Object(keywords) = schema else {
            self.places.insert(pointer, (place, resource));
            return;
        };
        let resource = self.name(keywords, &pointer, resource);
        self.places.insert(pointer.clone(), (place.clone(), resource));
        for keyword in REFERENCES {
            if let Some(reference) = keywords.get(keyword).and_then(Value::as_str) {
                self.references.push((pointer.clone(), reference.to_owned()));
            }
        }
        for (keyword, inner) in self.said(keywords) {
            let (new, form) = self.keyword(keyword, inner);
            let below = |step: &str| (format!("{pointer}/{keyword}{step}"), format!("{place}/{new}{step}"));
            match (form, inner) {
                (Form::One, inner) => {
                    let (pointer, place) = below("");
                    self.walk(inner, pointer, place, resource);
                }
                (Form::List, Value::Array(schemas)) => {
                    for (number, inner) in schemas.iter().enumerate() {
                        let (pointer, place) = below(&format!("/{number}"));
                        self.walk(inner, pointer, place, resource);
                    }
                }
                (Form::Map, Value::Object(schemas)) => {
                    for (name, inner) in schemas.iter().filter(|(_, inner)| !inner.is_array()) {
                        let (pointer, place) = below(&format!("/{}", escaped(name)));
                        self.walk(inner, pointer, place, resource);
                    }
                }
                _ => {}
            }
        }
    }

    fn name(&mut self, keywords: &Map<String, Value>, pointer: &str, outer: usize) -> usize {
        let text = |key: &str| keywords.get(key).and_then(Value::as_str);
        let mut resource = outer;
        match text(if self.draft == 4 { "id" } else { "$id" }) {
            Some(anchor) if anchor.starts_with('#') => {
                self.resources[outer].anchors.insert(anchor[1..].to_owned(), pointer.to_owned());
            }
            Some(id) => {
                let uri = uri::join(&self.resources[outer].uri, id.split('#').next().unwrap_or_default());
                resource = self.resources.len();
                self.resources.push(Resource { uri, pointer: pointer.to_owned(), anchors: HashMap::new() });
            }
            None => {}
        }
        for key in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = text(key) {
                self.resources[resource].anchors.insert(anchor.to_owned(), pointer.to_owned());
            }
        }
        resource
    }

    /// The keywords that mean something in this draft.
    fn said<'v>(&self, keywords: &'v Map<String, Value>) -> Vec<(&'v str, &'v Value)> {
        let alone = self.draft <= 7 && keywords.contains_key("$ref");
        let means = |keyword: &str| {
            let known = SINCE.iter().find(|(word, _)| *word == keyword).is_none_or(|(_, since)| *since <= self.draft);
            // Beside a reference older drafts read nothing; what others refer to may stand there all the same.
            let beside = alone && !matches!(keyword, "$ref" | "$defs" | "definitions");
            let tuple = keywords.get("items").is_some_and(Value::is_array);
            known && !beside && (keyword != "additionalItems" || (tuple && self.draft < 9))
        };
        keywords
            .iter()
            .map(|(keyword, inner)| (keyword.as_str(), inner))
            .filter(|(keyword, _)| means(keyword))
            .collect()
    }

    /// What a keyword is called in 2020-12, and what schemas it holds.
    fn keyword<'k>(&self, keyword: &'k str, inner: &Value) -> (&'k str, Form) {
        match keyword {
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => (keyword, Form::List),
            "items" if inner.is_array() => ("prefixItems", Form::List),
            "additionalItems" => ("items", Form::One),
            "dependencies" if self.draft <= 7 => ("dependentSchemas", Form::Map),
            "properties" | "patternProperties" | "dependentSchemas" | "dependencies" | "$defs" | "definitions" => {
                (keyword, Form::Map)
            }
            "not"
            | "if"
            | "then"
            | "else"
            | "items"
            | "contains"
            | "additionalProperties"
            | "propertyNames"
            | "unevaluatedItems"
            | "unevaluatedProperties" => (keyword, Form::One),
            _ => (keyword, Form::None),
        }
    }

    /// What references name outside of every keyword gets a definition of its own: its name, and where it is now.
    fn find_targets(&mut self, place: &str) -> Vec<(String, String)> {
        let mut hoisted = Vec::new();
        let mut next = 0;
        while let Some((pointer, reference)) = self.references.get(next).cloned() {
            next += 1;
            let Some((target, home)) = self.target(&pointer, &reference) else { continue };
            if self.places.contains_key(&target) {
                continue;
            }
            if let Some(found) = self.root.pointer(&target) {
                let name = format!("moved:{}", hoisted.len() + 1);
                self.walk(found, target.clone(), format!("{place}/$defs/{name}"), home);
                hoisted.push((name, target));
            }
        }
        hoisted
    }

    /// What a reference in a schema names: a pointer and the resource that it is in.
    fn target(&self, pointer: &str, reference: &str) -> Option<(String, usize)> {
        let from = self.places.get(pointer)?.1;
        let (uri, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let home = if uri.is_empty() {
            from
        } else {
            let uri = uri::join(&self.resources[from].uri, uri);
            self.resources.iter().position(|resource| resource.uri == uri)?
        };
        let resource = &self.resources[home];
        let fragment = uri::percent_decoded(fragment)?;
        let pointer = if fragment.is_empty() || fragment.starts_with('/') {
            format!("{}{fragment}", resource.pointer)
        } else {
            resource.anchors.get(&fragment)?.clone()
        };
        Some((pointer, home))
    }

    /// A schema as it stands where it comes to.
    fn write(&self, schema: &Value, pointer: &str) -> Value {
        let Value::Object(keywords) = schema else { return schema.clone() };
        let mut written = Map::new();
        for (keyword, inner) in self.said(keywords) {
            if NAMES.contains(&keyword) || (self.draft == 4 && keyword == "id") {
                continue;
            }
            if REFERENCES.contains(&keyword) {
                let target = inner.as_str().and_then(|reference| self.target(pointer, reference));
                let place = target.and_then(|(target, _)| self.places.get(&target));
                if let Some((place, _)) = place {
                    written.insert("$ref".to_owned(), Value::from(fragment(place)));
                }
                continue;
            }
            let (new, form) = self.keyword(keyword, inner);
            let below = format!("{pointer}/{keyword}");
            let inner = match (form, inner) {
                (Form::One, inner) => self.write(inner, &below),
                (Form::List, Value::Array(schemas)) => {
                    let each = |(number, inner)| self.write(inner, &format!("{below}/{number}"));
                    schemas.iter().enumerate().map(each).collect()
                }
                (Form::Map, Value::Object(schemas)) => {
                    // Older drafts have both in one map.
                    let is_list = |inner: &Value| new == "dependentSchemas" && inner.is_array();
                    let (lists, schemas): (Vec<_>, Vec<_>) = schemas.iter().partition(|(_, inner)| is_list(inner));
                    if !lists.is_empty() {
                        let lists = lists.into_iter().map(|(name, inner)| (name.clone(), inner.clone())).collect();
                        written.insert("dependentRequired".to_owned(), Value::Object(lists));
                    }
                    let each = |(name, inner): (&String, &Value)| {
                        (name.clone(), self.write(inner, &format!("{below}/{}", escaped(name))))
                    };
                    Value::Object(schemas.into_iter().map(each).collect())
                }
                (_, inner) => inner.clone(),
            };
            written.insert(new.to_owned(), inner);
        }
        if self.draft == 4 {
            bound(&mut written, "Minimum");
            bound(&mut written, "Maximum");
        }
        Value::Object(written)
    }
}

/// Which schemas stand below a keyword.
enum Form {
    One,
    List,
    Map,
    None,
}

/// Draft 4 says by a boolean that a bound is itself outside.
fn bound(written: &mut Map<String, Value>, end: &str) {
    let (word, plain) = (format!("exclusive{end}"), end.to_lowercase());
    match written.get(&word) {
        Some(Value::Bool(true)) => match written.remove(&plain) {
            Some(limit) => drop(written.insert(word, limit)),
            None => drop(written.remove(&word)),
        },
        Some(Value::Bool(false)) => drop(written.remove(&word)),
        _ => {}
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn fragment(pointer: &str) -> String {
    format!("#{}", utf8_percent_encode(pointer, OUTSIDE_FRAGMENTS))
}
