//! Schemas as people write them, what is said when a value does not fit, and schemas that are traps.

use std::fmt::Write as _;

use serde_json::json;

use super::*;
use crate::yaml::{Limits, read};

fn compile(schema: &Value) -> Schema {
    let text = serde_json::to_string_pretty(schema).unwrap();
    match Schema::compile("schemas/a.schema.json", text.as_bytes()) {
        Ok(schema) => schema,
        Err(fault) => panic!("{fault}\n{text}"),
    }
}

fn refused(schema: &Value) -> Diagnostic {
    let text = serde_json::to_string_pretty(schema).unwrap();
    match Schema::compile("schemas/a.schema.json", text.as_bytes()) {
        Ok(_) => panic!("accepted: {text}"),
        Err(fault) => fault,
    }
}

fn faults(schema: &Value, spec: &str) -> Vec<Diagnostic> {
    let document = read("requests/a.yml", spec.as_bytes(), Limits::REQUEST).unwrap();
    compile(schema).validate(&document, "/spec")
}

/// Each schema with specs that fit and specs that do not.
#[expect(clippy::too_many_lines, reason = "a table")]
fn schemas_in_the_wild() -> Vec<(Value, Vec<Value>, Vec<Value>)> {
    vec![
        (json!(true), vec![json!({})], vec![]),
        (json!({}), vec![json!({}), json!({"a": 1})], vec![]),
        (
            json!({"type": "object", "required": ["target"], "properties": {"target": {"type": "string"}},
                "additionalProperties": false}),
            vec![json!({"target": "web-1"})],
            vec![json!({}), json!({"target": 1}), json!({"target": "a", "x": 1})],
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "id": "http://example.com/a.json",
                "type": "object", "properties": {"n": {"minimum": 0, "exclusiveMinimum": true}}}),
            vec![json!({"n": 1})],
            vec![json!({"n": 0})],
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-04/schema", "definitions": {"p": {"type": "integer"}},
                "properties": {"port": {"$ref": "#/definitions/p"}}}),
            vec![json!({"port": 80})],
            vec![json!({"port": "80"})],
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-06/schema#", "properties": {"a": {"const": 1}},
                "propertyNames": {"pattern": "^[a-z]+$"}}),
            vec![json!({"a": 1})],
            vec![json!({"a": 2}), json!({"A": 1})],
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#",
                "if": {"properties": {"env": {"const": "prod"}}}, "then": {"required": ["approval"]},
                "else": {"properties": {"approval": false}}}),
            vec![json!({"env": "prod", "approval": "x"}), json!({"env": "dev"})],
            vec![json!({"env": "prod"}), json!({"env": "dev", "approval": "x"})],
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "dependencies": {"a": ["b"], "c": {"required": ["d"]}}}),
            vec![json!({"a": 1, "b": 1}), json!({"c": 1, "d": 1})],
            vec![json!({"a": 1}), json!({"c": 1})],
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}, {"type": "integer"}],
                "additionalItems": false}),
            vec![json!(["a", 1])],
            vec![json!([1]), json!(["a", 1, 2])],
        ),
        (
            json!({"$schema": "https://json-schema.org/draft/2019-09/schema", "$defs": {"x": {"$anchor": "x", "type": "string"}},
                "properties": {"a": {"$ref": "#x"}}, "unevaluatedProperties": false}),
            vec![json!({"a": "b"})],
            vec![json!({"a": 1}), json!({"b": "b"})],
        ),
        (
            json!({"$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveAnchor": true,
                "properties": {"child": {"$recursiveRef": "#"}}, "additionalProperties": false}),
            vec![json!({"child": {"child": {}}})],
            vec![json!({"child": {"x": 1}})],
        ),
        (
            json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.com/schemas/root",
                "properties": {"a": {"$ref": "item"}, "b": {"$ref": "/schemas/item#/$defs/n"}},
                "$defs": {"i": {"$id": "item", "type": "string", "$defs": {"n": {"type": "integer"}}}}}),
            vec![json!({"a": "x", "b": 1})],
            vec![json!({"a": 1}), json!({"b": "x"})],
        ),
        (
            json!({"allOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": {"type": "integer"}}}],
                "unevaluatedProperties": false}),
            vec![json!({"a": 1, "b": 2})],
            vec![json!({"a": 1, "c": 2})],
        ),
        (
            json!({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}, "contains": {"const": 3}}),
            vec![json!(["a", 3])],
            vec![json!(["a"]), json!(["a", "b", 3])],
        ),
        (
            json!({"patternProperties": {"^x-": {"type": "string"}}, "additionalProperties": {"type": "integer"}}),
            vec![json!({"x-a": "b", "c": 1})],
            vec![json!({"x-a": 1}), json!({"c": "d"})],
        ),
        (
            json!({"oneOf": [{"properties": {"type": {"const": "a"}, "n": {"type": "integer"}}, "required": ["type", "n"]},
                {"properties": {"type": {"const": "b"}}, "required": ["type"]}]}),
            vec![json!({"type": "a", "n": 1}), json!({"type": "b"})],
            vec![json!({"type": "a"}), json!({"type": "c"})],
        ),
        (
            json!({"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}}),
            vec![json!({"a": "x"}), json!({"a": 1})],
            vec![json!({"a": []})],
        ),
        (
            json!({"$defs": {"n": {"properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
                "required": ["name"]}}, "$ref": "#/$defs/n"}),
            vec![json!({"name": "a", "children": [{"name": "b"}]})],
            vec![json!({"name": "a", "children": [{}]})],
        ),
        (
            json!({"properties": {"a": {"$ref": "#/properties/b/items/properties/c"},
                "b": {"items": {"properties": {"c": {"type": "boolean"}}}}}}),
            vec![json!({"a": true})],
            vec![json!({"a": 1})],
        ),
        (
            json!({"components": {"schemas": {"Host": {"type": "string"}}}, "properties": {"h": {"$ref": "#/components/schemas/Host"}}}),
            vec![json!({"h": "a"})],
            vec![json!({"h": 1})],
        ),
        (
            json!({"$defs": {"a b/c~d%": {"type": "null"}}, "properties": {"x": {"$ref": "#/$defs/a%20b~1c~0d%25"}}}),
            vec![json!({"x": null})],
            vec![json!({"x": 1})],
        ),
        (
            json!({"properties": {"e": {"format": "email"}}}),
            vec![json!({"e": "a@example.com"})],
            vec![json!({"e": "a"})],
        ),
        (
            json!({"properties": {"u": {"format": "uri"}}}),
            vec![json!({"u": "https://example.com/a?b#c"})],
            vec![json!({"u": "a b"})],
        ),
        (
            json!({"properties": {"t": {"type": "string", "format": "date-time"}}}),
            vec![json!({"t": "2026-11-21T08:00:00Z"})],
            vec![json!({"t": "2026-11-21 8:00"})],
        ),
        (
            json!({"properties": {"d": {"format": "date"}, "t": {"format": "time"}, "p": {"format": "duration"}}}),
            vec![json!({"d": "2026-11-21", "t": "08:00:00Z", "p": "PT5M"})],
            vec![json!({"d": "2026-13-01"}), json!({"t": "8"}), json!({"p": "5m"})],
        ),
        (
            json!({"properties": {"a": {"format": "ipv4"}, "b": {"format": "ipv6"}}}),
            vec![json!({"a": "192.0.2.1", "b": "2001:db8::1"})],
            vec![json!({"a": "192.0.2.256"}), json!({"b": "x"})],
        ),
        (
            json!({"properties": {"i": {"format": "uuid"}}}),
            vec![json!({"i": "0198c0de-0000-7000-8000-000000000000"})],
            vec![json!({"i": "0198c0de"})],
        ),
        (
            json!({"properties": {"h": {"format": "hostname"}}}),
            vec![json!({"h": "web-1.example.com"})],
            vec![json!({"h": "-a"}), json!({"h": "a b"})],
        ),
        (
            json!({"properties": {"r": {"format": "regex"}, "j": {"format": "json-pointer"}}}),
            vec![json!({"r": "^a+$", "j": "/a/0"})],
            vec![json!({"r": "("}), json!({"j": "a"})],
        ),
        (
            json!({"properties": {"p": {"format": "password"}, "n": {"format": "int32"}}}),
            vec![json!({"p": "x", "n": 1})],
            vec![],
        ),
        (
            json!({"properties": {"v": {"type": "string", "pattern": "^v\\d+\\.\\d+\\.\\d+(-[0-9A-Za-z.-]+)?$"}}}),
            vec![json!({"v": "v1.2.3-rc.1"})],
            vec![json!({"v": "1.2"})],
        ),
        (
            json!({"properties": {"v": {"pattern": "^[\\w.-]{1,64}$"}, "w": {"pattern": "^\\p{L}+$"}, "x": {"pattern": "^[^/\\s]+$"}}}),
            vec![json!({"v": "a.b", "w": "é", "x": "a"})],
            vec![json!({"v": "a b"}), json!({"w": "1"}), json!({"x": "a/b"})],
        ),
        (
            json!({"properties": {"n": {"type": "integer", "minimum": 1, "maximum": 10, "multipleOf": 2},
                "f": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}}}),
            vec![json!({"n": 4, "f": 0.5})],
            vec![json!({"n": 0}), json!({"n": 12}), json!({"n": 3}), json!({"f": 0}), json!({"f": 1})],
        ),
        (
            json!({"properties": {"l": {"type": "array", "minItems": 1, "maxItems": 2, "uniqueItems": true},
                "s": {"minLength": 2, "maxLength": 3}}, "minProperties": 1, "maxProperties": 2}),
            vec![json!({"l": [1], "s": "ab"})],
            vec![
                json!({}),
                json!({"l": []}),
                json!({"l": [1, 2, 3]}),
                json!({"l": [1, 1]}),
                json!({"s": "a"}),
                json!({"s": "abcd"}),
            ],
        ),
        (
            json!({"properties": {"size": {"type": ["string", "null"], "enum": ["s", "m", "l", null], "default": "s",
                "examples": ["m"], "description": "x", "title": "y", "$comment": "z"}}}),
            vec![json!({"size": null}), json!({"size": "s"})],
            vec![json!({"size": "xl"}), json!({"size": 1})],
        ),
        (json!({"not": {"required": ["password"]}}), vec![json!({})], vec![json!({"password": "x"})]),
        (
            json!({"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"properties": {"d": {"type": "string"}}}}}),
            vec![json!({"a": 1, "b": 1}), json!({"c": 1, "d": "x"})],
            vec![json!({"a": 1}), json!({"c": 1, "d": 1})],
        ),
        (
            json!({"properties": {"$ref": {"type": "string"}, "enum": {"enum": ["$ref"]}, "x": {"const": {"$ref": "http://a/b"}}}}),
            vec![json!({"$ref": "x", "enum": "$ref", "x": {"$ref": "http://a/b"}})],
            vec![json!({"$ref": 1})],
        ),
    ]
}

#[test]
fn schemas_that_people_write_work() {
    let all = schemas_in_the_wild();
    assert!(all.len() > 30);
    for (schema, good, bad) in all {
        let compiled = compile(&schema);
        for instance in good {
            let faults = compiled.validate_value(&instance);
            assert!(faults.is_empty(), "{schema}\n{instance}\n{faults:?}");
        }
        for instance in bad {
            // The same through a file: every fault has a place, a rule and something to go by.
            let text = serde_json::to_string_pretty(&json!({"spec": instance})).unwrap();
            let document = read("requests/a.yml", text.as_bytes(), Limits::REQUEST).unwrap();
            let faults = compiled.validate(&document, "/spec");
            assert!(!faults.is_empty(), "{schema}\n{instance}");
            assert_eq!(faults.is_empty(), compiled.validate_value(&instance).is_empty());
            for fault in faults {
                assert!(fault.code.starts_with("E04") && fault.code != "E0400", "{fault}");
                assert!(fault.place.is_some() && fault.expected.is_some(), "{fault}");
            }
        }
    }
}

#[test]
fn faults_stand_at_the_exact_key_or_value() {
    let schema = json!({"type": "object", "required": ["target"], "additionalProperties": false, "properties": {
        "target": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "count": {"type": "integer", "minimum": 1},
        "env": {"enum": ["production", "staging"]},
        "hosts": {"type": "array", "items": {"type": "string", "format": "hostname"}},
        "either": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]},
        "step": {"oneOf": [
            {"required": ["run"], "properties": {"run": {"type": "string"}}, "additionalProperties": false},
            {"required": ["wait"], "properties": {"wait": {"type": "integer"}}, "additionalProperties": false}]}}});
    let cases = [
        (
            "spec: {target: web, count: '3'}",
            "E0401",
            1,
            28,
            "`spec.count` is the text \"3\"",
            "an integer",
            "remove the quotes: 3",
        ),
        ("spec: {target: 3}", "E0401", 1, 16, "`spec.target` is the number 3", "text", "quote it: \"3\""),
        (
            "spec:\n  tagret: web\n  target: a",
            "E0403",
            2,
            3,
            "unknown property `tagret` in `spec`",
            "`target`, `count`",
            "",
        ),
        (
            "spec:\n  target: a\n  cuont: 1",
            "E0403",
            3,
            3,
            "unknown property `cuont` in `spec`",
            "`count`",
            "did you mean `count`?",
        ),
        ("spec: {count: 1}", "E0402", 1, 1, "`spec` lacks `target`", "the property `target`", ""),
        ("kind: a", "E0402", 1, 1, "lacks `target`", "the property `target`", ""),
        (
            "spec: {target: Web}",
            "E0405",
            1,
            16,
            "`spec.target` is the text \"Web\"",
            "text that matches `^[a-z0-9-]+$`",
            "",
        ),
        ("spec: {target: a, count: 0}", "E0407", 1, 26, "`spec.count` is the number 0", "at least 1", ""),
        (
            "spec: {target: a, env: Staging}",
            "E0404",
            1,
            24,
            "\"Staging\"",
            "one of \"production\", \"staging\"",
            "did you mean `staging`?",
        ),
        (
            "spec:\n  target: a\n  hosts:\n    - ok\n    - 'no no'",
            "E0406",
            5,
            7,
            "`spec.hosts[1]`",
            "`hostname`, such as",
            "",
        ),
        ("spec: {target: a, hosts: web}", "E0401", 1, 26, "`spec.hosts`", "a list", "write a list: [\"web\"]"),
        ("spec: {target: a, either: x}", "E0401", 1, 27, "`spec.either`", "one of: an integer, a list", ""),
        ("spec: {target: a, either: [1, x]}", "E0401", 1, 31, "`spec.either[1]`", "an integer", ""),
        ("spec: {target: a, step: {run: 1}}", "E0401", 1, 31, "`spec.step.run`", "text", "quote it"),
        ("spec: []", "E0401", 1, 7, "`spec` is a list of 0", "a mapping", ""),
    ];
    let mut bad = String::new();
    for (text, code, line, column, message, expected, help) in cases {
        let faults = faults(&schema, text);
        let right = faults.iter().any(|fault| {
            fault.code == code
                && fault.place.is_some_and(|place| (place.line, place.column) == (line, column))
                && fault.message.contains(message)
                && fault.expected.as_deref().unwrap_or_default().contains(expected)
                && fault.help.as_deref().unwrap_or_default().contains(help)
        });
        if !right {
            let _ = writeln!(bad, "{text:?} wants {code} at {line}:{column}: {message}; {expected}; {help}");
            for fault in faults {
                let _ = writeln!(bad, "{fault}\n");
            }
        }
    }
    assert!(bad.is_empty(), "{bad}");
}

#[test]
fn faults_come_in_order_and_have_an_end() {
    let schema = json!({"additionalProperties": false});
    let keys: Vec<String> = (0..50).map(|n| format!("  k{n}: 1")).collect();
    let faults = faults(&schema, &format!("spec:\n{}", keys.join("\n")));
    assert_eq!(faults.len(), FAULTS_MAX, "{faults:?}");
    let lines: Vec<u32> = faults.iter().map(|fault| fault.place.unwrap().line).collect();
    assert_eq!(lines, (2..22).collect::<Vec<u32>>());
}

#[test]
fn messages_stay_short_whatever_the_value() {
    let schema = json!({"properties": {"a": {"enum": (0..500).collect::<Vec<_>>()}, "b": {"type": "integer"}},
        "additionalProperties": false});
    let long = "x".repeat(20_000);
    let text = format!("spec: {{a: {long}, b: {long}, {long}: 1}}");
    let faults = faults(&schema, &text);
    assert_eq!(faults.len(), 3);
    for fault in faults {
        assert!(fault.to_string().len() < 1_500, "{}", fault.to_string().len());
    }
}

#[test]
fn schemas_that_cannot_be_used_are_refused_by_place() {
    let chain = |links: usize| {
        let mut definitions: Map<String, Value> =
            (0..links).map(|n| (format!("a{n}"), json!({"$ref": format!("#/$defs/a{}", n + 1)}))).collect();
        definitions.insert(format!("a{links}"), json!({"type": "string"}));
        json!({"$defs": definitions, "$ref": "#/$defs/a0"})
    };
    let doubling = || {
        let mut definitions: Map<String, Value> = (0..13)
            .map(|n| {
                let next = json!({"$ref": format!("#/$defs/a{}", n + 1)});
                (format!("a{n}"), json!({"anyOf": [next, next]}))
            })
            .collect();
        definitions.insert("a13".to_owned(), json!({"type": "string"}));
        json!({"$defs": definitions, "$ref": "#/$defs/a0"})
    };
    let pattern = |pattern: &str| json!({"properties": {"x": {"pattern": pattern}}});
    let cases = [
        (
            json!({"$schema": "https://example.com/meta"}),
            "E0603",
            "/$schema",
            "unknown JSON Schema draft `https://example.com/meta`",
        ),
        (json!({"$schema": "http://json-schema.org/draft-03/schema#"}), "E0603", "/$schema", "draft-03"),
        (json!({"$schema": "https://json-schema.org/draft-07/schema#"}), "E0603", "/$schema", "unknown"),
        (json!({"$schema": 7}), "E0603", "/$schema", "unknown"),
        (json!({"$ref": "https://example.com/x.json"}), "E0605", "/$ref", "leads out of this file"),
        (json!({"properties": {"a": {"$ref": "other.json#/a"}}}), "E0605", "/properties/a/$ref", "`other.json#/a`"),
        (json!({"allOf": [{}, {"$ref": "file:///etc/passwd"}]}), "E0605", "/allOf/1/$ref", "file:///etc/passwd"),
        (json!({"$ref": "http://json-schema.org/draft-07/schema#"}), "E0605", "/$ref", "leads out"),
        (
            json!({"$defs": {"host": {}}, "items": {"$ref": "#/$defs/hots"}}),
            "E0606",
            "/items/$ref",
            "`#/$defs/hots` names nothing",
        ),
        (json!({"$ref": "#anchor"}), "E0606", "/$ref", "names nothing"),
        (json!({"$ref": "#/%zz"}), "E0606", "/$ref", "names nothing"),
        (json!({"$ref": "#"}), "E0607", "", "leads back"),
        (json!({"allOf": [{"$ref": "#"}]}), "E0607", "", "leads back"),
        (json!({"not": {"$ref": "#"}}), "E0607", "", "leads back"),
        (json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}), "E0607", "/$defs/a", "leads back"),
        (
            json!({"$schema": "http://json-schema.org/draft-04/schema#", "anyOf": [{"$ref": "#"}]}),
            "E0607",
            "",
            "leads back",
        ),
        (chain(1_000), "E0608", "", "nest too deep"),
        (doubling(), "E0608", "", "too many alternatives"),
        (pattern("^(?!a).*$"), "E0609", "/properties/x/pattern", "look-around in `^(?!a).*$`"),
        (pattern("(?<=a)b"), "E0609", "/properties/x/pattern", "look-around"),
        (pattern("(a)\\1"), "E0609", "/properties/x/pattern", "a back-reference"),
        (pattern("("), "E0609", "/properties/x/pattern", "not valid"),
        (pattern("((a{1000}){1000}){1000}"), "E0609", "/properties/x/pattern", "too large"),
        (
            pattern(&format!("{}a{}", "(".repeat(50_000), ")".repeat(50_000))),
            "E0609",
            "/properties/x/pattern",
            "too large",
        ),
        (json!({"patternProperties": {"^(?=a)": {}}}), "E0609", "/patternProperties/^(?=a)", "look-around"),
        (json!({"properties": {"x": {"type": "strin"}}}), "E0604", "/properties/x/type", "not a valid schema"),
        (json!({"properties": {"x": {"minimum": "1"}}}), "E0604", "/properties/x/minimum", "the text \"1\""),
        (json!({"required": "x"}), "E0604", "/required", "not a valid schema"),
        (json!({"properties": []}), "E0604", "/properties", "not a valid schema"),
        (json!({"type": ["string", "string"]}), "E0604", "/type", "not a valid schema"),
        (json!([]), "E0604", "", "not a valid schema"),
        (json!("x"), "E0604", "", "not a valid schema"),
    ];
    let mut bad = String::new();
    for (schema, code, pointer, words) in cases {
        let fault = refused(&schema);
        let right = fault.code == code
            && (fault.pointer.as_deref() == Some(pointer) || pointer.is_empty())
            && fault.message.contains(words)
            && fault.place.is_some()
            && (fault.expected.is_some() || fault.help.is_some());
        if !right {
            let _ = writeln!(bad, "wants {code} at {pointer} with {words}:\n{fault}\n{:?}\n", fault.pointer);
        }
    }
    assert!(bad.is_empty(), "{bad}");
}

#[test]
fn files_that_are_no_json_are_refused_by_place() {
    let cases: [(&str, &[u8], &str, u32, u32); 9] = [
        ("a.json", b"{\n  \"a\": 1,\n}", "E0601", 3, 1),
        ("a.json", b"{'a': 1}", "E0601", 1, 2),
        ("a.json", b"type: object\n", "E0601", 1, 2),
        ("a.json", b"{} x", "E0601", 1, 4),
        ("a.json", b"{\n  \"type\": \"object\",\n  \"type\": \"string\"\n}", "E0602", 3, 3),
        ("a.json", b"{\"a\": \"\\ud83d\\ude00\", \"b\": {\"c\": 1, \"c\": 2}}", "E0602", 1, 39),
        ("a.json", b"{\"a\": \"\xff\"}", "E0101", 1, 8),
        ("a.json", b"", "E0601", 1, 1),
        ("a.yml", b"type: object\ntype: string\n", "E0108", 2, 1),
    ];
    for (file, bytes, code, line, column) in cases {
        let fault = Schema::compile(file, bytes).unwrap_err();
        let place = fault.place.unwrap();
        assert_eq!((fault.code, place.line, place.column), (code, line, column), "{fault}");
    }
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(Schema::compile("a.json", deep.as_bytes()).unwrap_err().code, "E0112");
    let deep = format!("{}1{}", "{\"not\":".repeat(20_000), "}".repeat(20_000));
    assert_eq!(Schema::compile("a.yml", deep.as_bytes()).unwrap_err().code, "E0112");
}

#[test]
fn json_that_yaml_reads_differently_keeps_its_meaning() {
    let text = "{\"enum\": [\"\\ud83d\\ude00\", 1e2, -0.0],\n\t\"$comment\": \"\u{2028}\"}";
    let schema = Schema::compile("a.json", text.as_bytes()).unwrap();
    assert!(schema.validate_value(&json!("\u{1f600}")).is_empty());
    assert!(schema.validate_value(&json!(100)).is_empty());
    assert!(!schema.validate_value(&json!("1e2")).is_empty());
    let yaml = Schema::compile("a.yaml", b"type: object\nrequired: [a]\n").unwrap();
    assert_eq!(yaml.validate_value(&json!({}))[0].code, "E0402");
    let marked = Schema::compile("a.json", "\u{feff}{\"type\": \"null\"}".as_bytes()).unwrap();
    assert!(marked.validate_value(&Value::Null).is_empty());
}

#[test]
fn deep_values_under_recursive_schemas_end() {
    let branching = json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": ["object", "integer"], "anyOf": [
        {"properties": {"c": {"$ref": "#/$defs/n"}}}, {"properties": {"c": {"$ref": "#/$defs/n"}}},
        {"properties": {"c": {"$ref": "#/$defs/n"}}}]}}});
    let unevaluated = json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": ["object", "integer"], "unevaluatedProperties": false, "anyOf": [
        {"properties": {"c": {"$ref": "#/$defs/n"}}}, {"properties": {"d": {"$ref": "#/$defs/n"}}}]}}});
    let deep = |leaf: &str| format!("spec: {}{leaf}{}", "{c: ".repeat(62), "}".repeat(62));
    for (schema, code) in [(branching, "E0400"), (unevaluated, "E0403")] {
        assert!(faults(&schema, &deep("1")).is_empty());
        let found = faults(&schema, &deep("bad"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].code, code);
    }
    // As deep and high as the limits let a value and a schema be, on the small stack of a thread.
    let mut high = json!({"properties": {"c": {"$ref": "#"}}});
    for _ in 0..HEIGHT_TRIED {
        high = json!({"allOf": [high]});
    }
    high["type"] = json!(["object", "integer"]);
    let found = faults(&high, &deep("bad"));
    assert_eq!(found[0].code, "E0401");
}

/// One below the limit of the graph, the outermost schema included.
const HEIGHT_TRIED: usize = 29;

#[test]
fn patterns_of_requests_are_bounded_too() {
    let schema = json!({"properties": {"r": {"format": "regex"}}});
    for regex in [
        format!("{}a{}", "(".repeat(30_000), ")".repeat(30_000)),
        "[".repeat(60_000),
        "(?:".repeat(20_000),
        "a{1000}{1000}{1000}{1000}".to_owned(),
    ] {
        let _ = faults(&schema, &format!("spec: {{r: '{regex}'}}"));
    }
}

#[test]
fn nothing_panics_on_mutated_schemas() {
    let seeds: Vec<String> = schemas_in_the_wild().iter().map(|(schema, ..)| schema.to_string()).collect();
    let tokens = [
        "\"$ref\":\"#\",",
        "\"$ref\":\"#/$defs/a\",",
        "\"allOf\":[{\"$ref\":\"#\"}],",
        "\"$id\":\"x\",",
        "\"$id\":\"#x\",",
        "\"$anchor\":\"x\",",
        "\"$dynamicRef\":\"#x\",",
        "\"pattern\":\"(?=a)\",",
        "\"items\":",
        "[",
        "]",
        "{",
        "}",
        ",",
        "true",
        "null",
        "-1",
        "1e400",
        "\"not\":{},",
        "\"$schema\":\"x\",",
        "\"\\ud800\"",
        "\"$ref\":\"%\",",
        "#/",
    ];
    let instance = json!({"a": [1, "x", {"b": null}], "n": 1.5, "child": {"child": {}}});
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % (below.max(1) as u64)).unwrap()
    };
    let mut compiled = 0;
    for _ in 0..2_000 {
        let mut bytes = seeds[next(seeds.len())].clone().into_bytes();
        for _ in 0..=next(2) {
            let at = next(bytes.len() + 1);
            match next(4) {
                0 => {
                    // After a brace a token is most often still JSON.
                    let at = bytes[..at].iter().rposition(|b| *b == b'{').map_or(at, |at| at + 1);
                    bytes.splice(at..at, tokens[next(tokens.len())].bytes());
                }
                1 if at < bytes.len() => bytes[at] = u8::try_from(next(256)).unwrap(),
                2 => {
                    let end = (at + next(8)).min(bytes.len());
                    bytes.drain(at..end);
                }
                _ => {
                    let piece = seeds[next(seeds.len())].clone().into_bytes();
                    let at = bytes.iter().position(|b| *b == b':').map_or(at, |at| at + 1);
                    bytes.splice(at..at, piece.into_iter().chain(*b",\"x\":"));
                }
            }
        }
        let file = if next(2) == 0 { "a.json" } else { "a.yml" };
        match Schema::compile(file, &bytes) {
            Ok(schema) => {
                compiled += 1;
                let _ = schema.validate_value(&instance);
            }
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
    }
    assert!(compiled > 50, "{compiled}");
}
