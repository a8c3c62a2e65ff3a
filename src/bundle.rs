//! One JSON Schema over whole requests of all kinds, for editors. Pure.
//!
//! Owns the envelope around the kinds' own schemas, and the move of each of them into that file: references are rewritten
//! to where their targets have come, and what older drafts say is said in the words of 2020-12, so that one file of one
//! draft holds them all. What it says of a request is what admission says by schema; what the host file, the other
//! requests and the clock have to say no schema knows.

mod moved;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::command;

/// The envelope's own schema.
const REQUEST: &str = include_str!("../schemas/dispatch/request.schema.json");

/// One kind as an editor should know it.
#[derive(Clone, Debug)]
pub struct Described<'a> {
    /// Its name.
    pub kind: &'a str,
    /// What it does.
    pub description: Option<&'a str>,
    /// Its schema, one that compiles; with none the spec is any mapping.
    pub schema: Option<&'a Value>,
    /// Whether its schema takes an empty spec.
    pub takes_nothing: bool,
}

/// The schema of requests of these kinds and, with `commands`, of those that the dispatcher handles itself.
///
/// # Panics
/// Never: what is compiled in is JSON, and a test reads it.
pub fn bundle(kinds: &[Described<'_>], commands: bool) -> Value {
    let request: Value = serde_json::from_str(REQUEST).expect("it is compiled in, and a test reads it");
    let mut definitions = request["$defs"].as_object().cloned().unwrap_or_default();
    let mut names: Vec<Value> = Vec::new();
    let mut told: Vec<Value> = Vec::new();
    let mut rules: Vec<Value> = Vec::new();
    for Described { kind, description, schema, takes_nothing } in kinds {
        names.push(Value::from(*kind));
        let by_schema = || schema.and_then(|schema| schema.get("description")).and_then(Value::as_str);
        told.push(Value::from(description.or_else(by_schema).unwrap_or_default()));
        let Some(schema) = schema else { continue };
        let name = definition_of(kind);
        definitions.insert(name.clone(), moved::moved(schema, &format!("/$defs/{name}")));
        let reference = json!({ "$ref": format!("#/$defs/{name}") });
        // An empty `spec:` counts as an empty mapping.
        let spec = if *takes_nothing { json!({ "anyOf": [reference, { "type": "null" }] }) } else { reference };
        let mut then = json!({ "properties": { "spec": spec } });
        if !takes_nothing {
            then["required"] = json!(["spec"]);
        }
        rules.push(rule(kind, &then));
    }
    let own: BTreeMap<&str, Value> = if commands { command::schemas().collect() } else { BTreeMap::new() };
    for (kind, schema) in own {
        names.push(Value::from(kind));
        told.push(schema.get("description").cloned().unwrap_or_default());
        let name = definition_of(kind);
        definitions.insert(name.clone(), moved::moved(&schema, &format!("/$defs/{name}")));
        let meaningless: Map<String, Value> =
            command::MEANINGLESS.iter().map(|key| ((*key).to_owned(), Value::Bool(false))).collect();
        let mut then = json!({ "properties": meaningless, "required": ["spec"] });
        then["properties"]["spec"] = json!({ "$ref": format!("#/$defs/{name}") });
        rules.push(rule(kind, &then));
    }
    let mut properties = request["properties"].clone();
    properties["kind"] = json!({
        "description": "what is to be done",
        "type": "string",
        "enum": names,
        "enumDescriptions": told,
    });
    properties["spec"] = json!({ "description": "with what, by the kind's own schema", "type": ["object", "null"] });
    let mut bundle = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "request",
        "description": "A file in the inbox. Written by `dispatch schema`.",
        "type": "object",
        "properties": properties,
        "required": ["kind"],
        "additionalProperties": false,
    });
    if !rules.is_empty() {
        bundle["allOf"] = Value::Array(rules);
    }
    bundle["$defs"] = Value::Object(definitions);
    bundle
}

/// No kind has a colon in its name, and no definition of the envelope has one.
fn definition_of(kind: &str) -> String {
    format!("spec:{kind}")
}

fn rule(kind: &str, then: &Value) -> Value {
    json!({ "if": { "properties": { "kind": { "const": kind } }, "required": ["kind"] }, "then": then })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request;
    use crate::schema::Schema;

    /// Kinds of every draft, with every kind of reference.
    fn kinds() -> Vec<(&'static str, Value)> {
        vec![
            ("plain", json!({"properties": {"n": {"type": "integer", "minimum": 1}}, "additionalProperties": false})),
            (
                "tree",
                json!({
                    "$id": "https://example.com/tree.json",
                    "type": "object",
                    "required": ["root"],
                    "properties": {"root": {"$ref": "#node"}, "same": {"$ref": "tree.json#/$defs/node"}},
                    "$defs": {
                        "node": {
                            "$anchor": "node",
                            "type": "object",
                            "properties": {"next": {"$ref": "#/$defs/node"}, "leaf": {"$ref": "leaf.json"}},
                            "additionalProperties": false,
                        },
                        "leaf": {"$id": "leaf.json", "$ref": "#/$defs/text", "$defs": {"text": {"type": "string"}}},
                    },
                }),
            ),
            (
                "seven",
                json!({
                    "$schema": "http://json-schema.org/draft-07/schema#",
                    "definitions": {"port": {"type": "integer", "maximum": 9}},
                    "properties": {
                        "port": {"$ref": "#/definitions/port", "minimum": 100},
                        "pair": {"items": [{"type": "string"}, {"type": "integer"}], "additionalItems": false},
                        "second": {"$ref": "#/properties/pair/items/1"},
                        "a": {}, "b": {}, "c": {"type": "integer"},
                        "hidden": {"$ref": "#/x-shapes/odd~1one"},
                    },
                    "dependencies": {"a": ["b"], "b": {"required": ["c"]}},
                    "x-shapes": {"odd/one": {"enum": ["odd"]}},
                }),
            ),
            (
                "four",
                json!({
                    "$schema": "http://json-schema.org/draft-04/schema#",
                    "id": "https://example.com/four.json",
                    "properties": {
                        "over": {"type": "integer", "minimum": 3, "exclusiveMinimum": true},
                        "const": {"const": "means nothing in that draft"},
                        "id": {"type": "string"},
                        "self": {"$ref": "four.json#"},
                    },
                }),
            ),
            (
                "nineteen",
                json!({
                    "$schema": "https://json-schema.org/draft/2019-09/schema",
                    "$recursiveAnchor": true,
                    "properties": {"child": {"$recursiveRef": "#"}, "pair": {"items": [{"type": "string"}], "additionalItems": {"type": "integer"}}},
                    "dependentRequired": {"child": ["pair"]},
                    "unevaluatedProperties": false,
                }),
            ),
            ("free", json!(true)),
        ]
    }

    fn built(kinds: &[(&str, Value)]) -> Value {
        let compiled: Vec<(&str, Schema)> = kinds
            .iter()
            .map(|(kind, schema)| (*kind, Schema::compile("a.json", schema.to_string().as_bytes()).expect(kind)))
            .collect();
        let described: Vec<Described<'_>> = compiled
            .iter()
            .map(|(kind, schema)| Described {
                kind,
                description: None,
                schema: Some(schema.value()),
                takes_nothing: schema.validate_value(&json!({})).is_empty(),
            })
            .collect();
        bundle(&described, true)
    }

    #[test]
    fn it_says_of_every_spec_what_the_kinds_own_schema_says() {
        let kinds = kinds();
        let bundle = built(&kinds);
        assert!(jsonschema::meta::is_valid(&bundle));
        let validator = jsonschema::options().should_validate_formats(true).build(&bundle).expect("compiles");
        let specs = [
            json!({}),
            json!({"n": 1}),
            json!({"n": 0}),
            json!({"m": 1}),
            json!({"root": {}}),
            json!({"root": {"next": {"next": {"leaf": "x"}}}}),
            json!({"root": {"next": {"next": {"leaf": 7}}}}),
            json!({"root": {"nixt": {}}}),
            json!({"root": {}, "same": {"leaf": "x"}}),
            json!({"root": {}, "same": {"leaf": 1}}),
            json!({"port": 5}),
            json!({"port": 10}),
            json!({"pair": ["a", 1]}),
            json!({"pair": ["a", 1, 2]}),
            json!({"pair": [1]}),
            json!({"pair": ["a"]}),
            json!({"pair": ["a", "b"]}),
            json!({"second": 1}),
            json!({"second": "x"}),
            json!({"a": 1}),
            json!({"a": 1, "b": 1}),
            json!({"a": 1, "b": 1, "c": 1}),
            json!({"b": 1, "c": "x"}),
            json!({"hidden": "odd"}),
            json!({"hidden": "even"}),
            json!({"over": 3}),
            json!({"over": 4}),
            json!({"const": "x"}),
            json!({"id": 7}),
            json!({"self": {"over": 1}}),
            json!({"self": {"over": 9}}),
            json!({"child": {}, "pair": []}),
            json!({"child": {}}),
            json!({"child": {"child": {}}, "pair": ["a", 1]}),
            json!({"child": {"wrong": 1}, "pair": []}),
        ];
        let (mut right, mut wrong) = (0, 0);
        for (kind, schema) in &kinds {
            let own = Schema::compile("a.json", schema.to_string().as_bytes()).unwrap();
            for spec in &specs {
                let expected = own.validate_value(spec).is_empty();
                let request = json!({"kind": kind, "spec": spec});
                assert_eq!(validator.is_valid(&request), expected, "{request}");
                *if expected { &mut right } else { &mut wrong } += 1;
            }
            let empty = own.validate_value(&json!({})).is_empty();
            assert_eq!(validator.is_valid(&json!({"kind": kind})), empty, "{kind}");
            assert_eq!(validator.is_valid(&json!({"kind": kind, "spec": null})), empty, "{kind}");
        }
        assert!(right > 50 && wrong > 50, "{right} {wrong}");
    }

    #[test]
    fn the_envelope_is_held_to_its_own_rules() {
        let bundle = built(&kinds());
        let validator = jsonschema::options().should_validate_formats(true).build(&bundle).expect("compiles");
        let id = "0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31";
        for request in [
            json!({"kind": "plain", "timeout": "5m", "id": id}),
            json!({"kind": "plain", "timeout": "5 minutes"}),
            json!({"kind": "plain", "id": "7"}),
            json!({"kind": "unheard-of"}),
            json!({"spec": {}}),
            json!({"kind": "plain", "when": "now"}),
            json!({"kind": "plain", "target": {"node": "a"}}),
            json!({"kind": "plain", "target": {}}),
            json!({"kind": "plain", "not_before": "tomorrow"}),
            json!({"kind": "dispatch.resolve", "spec": {"id": id, "as": "failed"}}),
            json!({"kind": "dispatch.resolve", "spec": {"id": id, "as": "lost"}}),
            json!({"kind": "dispatch.resolve", "spec": {"id": id, "as": "failed"}, "timeout": "5m"}),
            json!({"kind": "dispatch.resolve"}),
            json!(7),
        ] {
            let known = request["kind"].as_str() != Some("unheard-of");
            let parsed = request::parse("a.yml", request.to_string().as_bytes());
            let expected = known
                && parsed.is_ok_and(|envelope| {
                    !request::is_reserved(&envelope.request.kind) || command::read(&envelope).is_ok()
                });
            assert_eq!(validator.is_valid(&request), expected, "{request}");
        }
    }
}
