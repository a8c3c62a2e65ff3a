//! Every trap that YAML sets, and what is said about it.

use std::fmt::Write as _;

use serde_json::json;

use super::*;

fn value(text: &str) -> Value {
    match read("f.yml", text.as_bytes(), Limits::REQUEST) {
        Ok(document) => document.value().clone(),
        Err(fault) => panic!("{text:?} is refused: {fault}"),
    }
}

fn fault(bytes: &[u8]) -> Diagnostic {
    match read("f.yml", bytes, Limits::REQUEST) {
        Ok(document) => panic!("accepted as {}", document.value()),
        Err(fault) => fault,
    }
}

#[test]
fn requests_as_people_write_them_are_read() {
    let cases = [
        ("kind: deploy\n", json!({"kind": "deploy"})),
        ("\u{feff}kind: deploy\n", json!({"kind": "deploy"})),
        ("---\nkind: deploy\n...\n", json!({"kind": "deploy"})),
        ("%YAML 1.2\n---\na: b\n", json!({"a": "b"})),
        ("# only\n\na: b # c\n", json!({"a": "b"})),
        ("{\"kind\": \"deploy\", \"spec\": {}}", json!({"kind": "deploy", "spec": {}})),
        ("{\n\t\"a\": [1,\n\t\t2]\n}\n", json!({"a": [1, 2]})),
        ("a:\n  - b\n  - {c: d}\n", json!({"a": ["b", {"c": "d"}]})),
        ("a:\r\n  b: c\r\n", json!({"a": {"b": "c"}})),
        ("a: |\n  x\n  y\n", json!({"a": "x\ny\n"})),
        ("a: >-\n  x\n  y\n", json!({"a": "x y"})),
        ("a: 'it''s'\n", json!({"a": "it's"})),
        ("a: \"\\u00e9\\n\"\n", json!({"a": "é\n"})),
        ("a: no\non: yes\n", json!({"a": "no", "on": "yes"})),
        ("a: 2026-11-21T08:00:00Z\n", json!({"a": "2026-11-21T08:00:00Z"})),
        ("a: '010'\n'010': \"1:30\"\n", json!({"a": "010", "010": "1:30"})),
        ("a: &x [1, 2]\nb: *x\n", json!({"a": [1, 2], "b": [1, 2]})),
        ("a: &x 1\nb: &x 2\nc: *x\n", json!({"a": 1, "b": 2, "c": 2})),
        ("spec:\n", json!({"spec": null})),
        ("'<<': 1\n", json!({"<<": 1})),
        ("'': 1\n", json!({"": 1})),
        ("[]", json!([])),
        ("text", json!("text")),
        ("null", json!(null)),
        ("''", json!("")),
        ("é: \u{1f600}\n", json!({"é": "\u{1f600}"})),
    ];
    for (text, expected) in cases {
        assert_eq!(value(text), expected, "{text:?}");
    }
}

#[test]
fn traps_are_refused_by_rule_and_place() {
    let cases: [(&str, &str, u32, u32, &str); 54] = [
        ("", "E0104", 1, 1, "empty"),
        ("\u{feff}", "E0104", 1, 1, "empty"),
        (" \n\n", "E0104", 1, 1, "empty"),
        ("# comment\n", "E0104", 1, 1, "no document"),
        ("---\n", "E0104", 1, 1, "no document"),
        ("a: 1\n---\nb: 2\n", "E0105", 2, 1, "second document"),
        ("a: 1\n---\n", "E0105", 2, 1, "second document"),
        ("a: !!str b\n", "E0106", 1, 4, "tags"),
        ("a: !local b\n", "E0106", 1, 4, "tags"),
        ("a: ! b\n", "E0106", 1, 4, "tags"),
        ("!!map {a: b}\n", "E0106", 1, 1, "tags"),
        ("!!str a: b\n", "E0106", 1, 1, "tags"),
        ("a: !!seq [1]\n", "E0106", 1, 4, "tags"),
        ("a: !<tag:yaml.org,2002:str> b\n", "E0106", 1, 4, "tags"),
        ("a: !!python/object/apply:os.system [x]\n", "E0106", 1, 4, "tags"),
        ("a: !u!x b\n", "E0103", 1, 4, "handle"),
        ("a: &x {b: c}\nd:\n  <<: *x\n", "E0107", 3, 3, "merge"),
        ("a: 1\nb: 2\na: 3\n", "E0108", 3, 1, "duplicate key `a`"),
        ("{a: 1, \"a\": 2}\n", "E0108", 1, 8, "duplicate key `a`"),
        ("a:\n  b: 1\n  'b': 2\n", "E0108", 3, 3, "duplicate key `b`"),
        ("1: a\n", "E0109", 1, 1, "`1`"),
        ("true: a\n", "E0109", 1, 1, "`true`"),
        ("~: a\n", "E0109", 1, 1, "`~`"),
        (": a\n", "E0109", 1, 1, "empty"),
        ("1.5: a\n", "E0109", 1, 1, "`1.5`"),
        ("[a]: b\n", "E0109", 1, 1, "key"),
        ("? {a: b}\n: c\n", "E0109", 1, 3, "key"),
        ("a: &x b\n*x : c\n", "E0109", 2, 1, "key"),
        ("a: [b: c, [d]: e]\n", "E0109", 1, 11, "key"),
        ("010: a\n", "E0110", 1, 1, "`010`"),
        ("a: 010\n", "E0110", 1, 4, "`010`"),
        ("a: 1_000\n", "E0110", 1, 4, "`1_000`"),
        ("ports: [22:22]\n", "E0110", 1, 9, "`22:22`"),
        ("commit: 12e4567\n", "E0110", 1, 9, "`12e4567`"),
        ("a: .nan\n", "E0111", 1, 4, "NaN"),
        ("a: [-.inf]\n", "E0111", 1, 5, "infinity"),
        ("a: 99999999999999999999\n", "E0111", 1, 4, "64 bits"),
        ("a: *x\n", "E0114", 1, 4, "no anchor"),
        ("a: &x [*x]\n", "E0114", 1, 8, "inside"),
        ("%YAML 1.1\n---\na: b\n", "E0115", 1, 1, "directives"),
        ("%TAG ! tag:x,2000:\n---\na: b\n", "E0115", 1, 1, "directives"),
        ("#\r%TAG ! tag:x,2000:\r---\ra: b\r", "E0115", 2, 1, "directives"),
        // The parser names the line behind the last one.
        ("a: 1\nb: [1", "E0103", 2, 4, "the `[` is not closed"),
        ("a: b\n\tc: d\n", "E0103", 2, 1, "not valid YAML"),
        ("a: [1, 2\n", "E0103", 1, 4, "the `[` is not closed"),
        ("a: 'b\n", "E0103", 1, 4, "not valid YAML"),
        ("a: b: c\n", "E0103", 1, 5, "not valid YAML"),
        ("a: @b\n", "E0103", 1, 4, "not valid YAML"),
        ("a: \"\\ud83d\"\n", "E0103", 1, 4, "not valid YAML"),
        ("a: \0b\n", "E0102", 1, 4, "NUL"),
        ("a: b\nc: \u{1b}[31m\n", "E0102", 2, 4, "U+001B"),
        ("a: b\u{7f}\n", "E0102", 1, 5, "U+007F"),
        ("a: b\u{2028}c\n", "E0102", 1, 5, "U+2028"),
        ("a: \u{feff}b\n", "E0102", 1, 4, "byte order mark"),
    ];
    let mut bad = String::new();
    for (text, code, line, column, words) in cases {
        let fault = fault(text.as_bytes());
        let place = fault.place.unwrap();
        let right = fault.code == code
            && (place.line, place.column) == (line, column)
            && fault.message.contains(words)
            && (fault.expected.is_some() || fault.help.is_some());
        if !right {
            let _ = writeln!(bad, "{text:?} is not {code} at {line}:{column}:\n{fault}");
        }
    }
    assert!(bad.is_empty(), "{bad}");
}

#[test]
fn a_duplicate_key_names_the_line_of_the_first() {
    let fault = fault(b"a: 1\n# x\nb: 2\na: 3\n");
    assert!(fault.expected.unwrap().ends_with("the first is in line 1"));
}

#[test]
fn bytes_that_are_no_text_are_refused_by_place() {
    for (bytes, line, column) in
        [(&b"a: \xff\n"[..], 1, 4), (b"a: b\r\nc: \xc3(\n", 2, 4), (b"\xff\xfea\0:\0", 1, 1), (b"\xed\xa0\x80", 1, 1)]
    {
        let fault = fault(bytes);
        let place = fault.place.unwrap();
        assert_eq!((fault.code, place.line, place.column), ("E0101", line, column), "{fault}");
    }
    assert!(fault(b"\xff\xfea\0").help.unwrap().contains("UTF-16"));
}

#[test]
fn size_is_checked_before_anything_else() {
    let mut bytes = vec![0xff; Limits::REQUEST.bytes_max];
    assert_eq!(fault(&bytes).code, "E0101");
    bytes.push(0xff);
    let fault = fault(&bytes);
    assert_eq!((fault.code, fault.place), ("E0100", None));
}

#[test]
fn depth_is_limited_and_no_depth_overflows_the_stack() {
    let nested = |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    assert!(read("f", nested("[", "]", 64).as_bytes(), Limits::REQUEST).is_ok());
    assert_eq!(fault(nested("[", "]", 65).as_bytes()).code, "E0112");
    let block = |depth: usize| {
        (0..depth).fold(String::new(), |mut text, level| {
            let _ = writeln!(text, "{}a:", " ".repeat(level));
            text
        })
    };
    assert!(read("f", block(64).as_bytes(), Limits::REQUEST).is_ok());
    assert_eq!(fault(block(65).as_bytes()).code, "E0112");
    for text in [
        nested("[", "]", 20_000),
        nested("{a: ", "}", 10_000),
        "- ".repeat(20_000),
        "? ".repeat(20_000),
        "[? ".repeat(20_000),
        "[".repeat(60_000),
        "{".repeat(60_000),
        "[{".repeat(30_000),
    ] {
        let fault = fault(text.as_bytes());
        assert!(["E0112", "E0109", "E0103"].contains(&fault.code), "{fault}");
    }
    // An alias counts with the depth of what it names.
    let half = nested("[", "]", 40);
    let text = format!("- &x {half}\n- {}*x{}\n", "[".repeat(30), "]".repeat(30));
    assert_eq!(fault(text.as_bytes()).code, "E0112");
}

#[test]
fn nodes_are_limited_with_aliases_written_out() {
    let list = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert!(read("f", list(9_999).as_bytes(), Limits::REQUEST).is_ok());
    assert_eq!(fault(list(10_000).as_bytes()).code, "E0113");
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..50 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        let _ = writeln!(bomb, "a{level}: &a{level} [{aliases}]");
    }
    assert_eq!(fault(bomb.as_bytes()).code, "E0113");
    // Few nodes, much text.
    let wide = format!("- &x {}\n{}", "x".repeat(30_000), "- *x\n".repeat(5_000));
    assert_eq!(fault(wide.as_bytes()).code, "E0113");
}

#[test]
fn places_lead_to_keys_and_values() {
    let text = "kind: deploy\nspec:\n  hosts: &h\n    - web-1\n    - web-2\n  a/b~c: {x: 'long'}\n  again: *h\n";
    let document = read("f.yml", text.as_bytes(), Limits::REQUEST).unwrap();
    let value = |pointer: &str| document.fault_at_value("E0400", pointer, "m").place.unwrap();
    let key = |pointer: &str| document.fault_at_key("E0400", pointer, "m").place.unwrap();
    let place = |line, column, length| Place { line, column, length };
    assert_eq!(value("/kind"), place(1, 7, 6));
    assert_eq!(key("/kind"), place(1, 1, 4));
    assert_eq!(key("/spec/hosts"), place(3, 3, 5));
    assert_eq!(value("/spec/hosts/1"), place(5, 7, 5));
    assert_eq!(key("/spec/hosts/1"), place(5, 7, 5));
    assert_eq!(value("/spec/a~1b~0c/x"), place(6, 14, 6));
    assert_eq!(value("/spec/again"), place(7, 10, 2));
    assert_eq!(value("/spec/again/0"), place(4, 7, 5));
    // The nearest parent stands in for what is missing.
    assert_eq!(value("/spec/hosts/7/x"), value("/spec/hosts"));
    assert_eq!(key("/spec/missing"), key("/spec"));
    assert_eq!(value("/missing").line, 1);
    assert_eq!(value("").line, 1);
    let fault = document.fault_at_value("E0400", "/spec/hosts/0", "m");
    assert_eq!(fault.pointer.as_deref(), Some("/spec/hosts/0"));
    assert_eq!(fault.source.map(|source| source.text).as_deref(), Some("    - web-1"));
}

#[test]
fn places_hold_after_a_byte_order_mark_and_wide_characters() {
    let text = "\u{feff}\"é\u{1f600}\": 010\n";
    let fault = fault(text.as_bytes());
    let place = fault.place.unwrap();
    assert_eq!((place.line, place.column, place.length), (1, 7, 3));
}

#[test]
fn nothing_panics_on_mutated_documents() {
    let seeds: [&[u8]; 6] = [
        b"kind: deploy\nspec: {target: web-01, list: [1, 2.5, 0x1f], text: \"a\\n\\u00e9\"}\nid: 'x'\n",
        b"a: &x\n  - |+\n    block\n\n  - >2-\n    folded\n    text\nb: *x\n? key\n: value\n",
        b"%YAML 1.2\n---\n- - a\n  - b: c\n    d: !!str e\n...\n---\n# end\n",
        b"{\"a\": [true, null, {\"b\": \"\\\"\"}], ? x : y, z}\n",
        b"a: [b: c, ? d : e, *f , &g h, !i j]\r\n\tk: l\r",
        "\u{feff}é: \"\\xe9 \\U0001F600\\\n  x\"\n'\u{1f600}': - \u{85}".as_bytes(),
    ];
    let tokens: [&[u8]; 24] = [
        b"[",
        b"]",
        b"{",
        b"}",
        b":",
        b": ",
        b"- ",
        b"? ",
        b"&a ",
        b"*a",
        b"!",
        b"!!x ",
        b"|",
        b">",
        b"\n",
        b"\r",
        b"\t",
        b"\"",
        b"'",
        b"#",
        b"---",
        b"...",
        b"\xef\xbb\xbf",
        b"\0",
    ];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % (below.max(1) as u64)).unwrap()
    };
    for _ in 0..4_000 {
        let mut bytes = seeds[next(seeds.len())].to_vec();
        for _ in 0..=next(6) {
            let at = next(bytes.len() + 1);
            match next(5) {
                0 => bytes.truncate(at),
                1 => {
                    bytes.splice(at..at, tokens[next(tokens.len())].iter().copied());
                }
                2 if at < bytes.len() => bytes[at] = u8::try_from(next(256)).unwrap(),
                3 => {
                    let end = (at + next(8)).min(bytes.len());
                    bytes.drain(at..end);
                }
                _ => {
                    let piece = bytes[at..(at + next(24)).min(bytes.len())].to_vec();
                    let to = next(bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
            }
        }
        match read("f", &bytes, Limits::REQUEST) {
            Ok(document) => {
                let _ = document.fault_at_value("E0400", "/a/0/b", "m").to_string();
            }
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
    }
}

/// The parser names the place where it gave up; people look at the line that is at fault.
#[test]
fn syntax_faults_stand_in_the_line_that_is_at_fault() {
    for (text, line, column) in [
        ("kind: a\nspec\nresource: x\n", 2, 1),
        ("kind: a\nspec\n", 2, 1),
        ("kind: a\nspec\n\n# why\n\n", 2, 1),
        ("kind: a\nspec:\n  b: 1\n  c\n  d: 2\n", 4, 3),
        ("kind: a\nspec:\n- a\nb\nc: 1\n", 4, 1),
        ("kind: a\nspec:\n  b: |\n  text\n c\n", 5, 2),
        ("kind: a\nspec: {b: 1\n", 2, 7),
        ("kind: a\nspec: {b: [1, 2\n\n", 2, 11),
        ("kind: a\n\tspec: 1\n", 2, 1),
        ("kind: a\nspec: {b: 1,, c: 2}\n", 2, 13),
        ("kind: a\nspec: {b: 1}}\n", 2, 13),
        ("kind: a\nspec:\n  b: 1\n c: 2\n", 4, 2),
    ] {
        let fault = read("f.yml", text.as_bytes(), Limits::REQUEST).unwrap_err();
        let place = fault.place.unwrap();
        assert_eq!((fault.code, place.line, place.column), ("E0103", line, column), "{text:?}: {fault}");
    }
    let fault = read("f.yml", b"kind: a\nspec: {b: 1\nresource: x\n", Limits::REQUEST).unwrap_err();
    assert_eq!(fault.help.as_deref(), Some("is the `{` of line 2 closed?"), "{fault}");
}
