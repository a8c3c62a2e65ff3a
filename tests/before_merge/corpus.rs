//! Requests of every sort, right and wrong, made by rule: the same at each run, each with bytes of its own.

/// What git stores under a name.
pub enum Content {
    File(Vec<u8>),
    Link(String),
    Submodule,
}

/// One entry of the inbox, by its path below it.
pub struct Case {
    pub name: Vec<u8>,
    pub content: Content,
}

/// The router table: kinds that run, kinds that ask for what is not granted, kinds whose own files are at fault.
pub const INDEX: &str = r#"
deploy: {run: handlers/ok.sh, schema: schemas/deploy.schema.json, resource: "host/{spec.target}", timeout: 5m}
hello: handlers/ok.sh
fails: handlers/fail.sh
aged: {run: handlers/ok.sh, expires: 1h}
fresh: {run: handlers/ok.sh, expires: 3650d}
reads: {run: handlers/ok.sh, sandbox: {read: [/etc/hostname]}}
small: {run: handlers/ok.sh, sandbox: {memory: 64MiB}, timeout: 1m}
locked: {run: handlers/ok.sh, resource: ["a/{spec.a}", "b/{spec.b}"]}
wired: {run: handlers/ok.sh, sandbox: {network: true}}
loose: {run: handlers/ok.sh, sandbox: {level: none}}
half: {run: handlers/ok.sh, sandbox: {level: confined}}
writes: {run: handlers/ok.sh, sandbox: {write: [/srv/www]}}
peeks: {run: handlers/ok.sh, sandbox: {read: [/etc/shadow, /etc/hostname]}}
keyed: {run: handlers/ok.sh, secrets: [TOKEN]}
large: {run: handlers/ok.sh, sandbox: {memory: 64GiB, pids: 100000}}
long: {run: handlers/ok.sh, timeout: 90h}
acts: {run: handlers/ok.sh, then: [reload]}
many: {run: handlers/ok.sh, secrets: [TOKEN, OTHER], sandbox: {network: true, level: none}}
badrow: {rnu: handlers/ok.sh}
badtime: {run: handlers/ok.sh, timeout: 90}
gone: handlers/gone.sh
windows: handlers/windows.sh
nameless: handlers/nameless
badschema: {run: handlers/ok.sh, schema: schemas/broken.schema.json}
noschema: {run: handlers/ok.sh, schema: schemas/none.schema.json}
"#;

/// The host file of the one that carries them out.
pub const HOST: &str = "labels: {zone: eu, disk: ssd}\nread: {reads: [/etc/hostname]}\n";

/// Schema of `deploy`.
pub const SCHEMA: &str = r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["target"],
"additionalProperties": false, "properties": {
  "target": {"type": "string", "minLength": 1, "maxLength": 20, "pattern": "^[a-z0-9-]+$"},
  "replicas": {"type": "integer", "minimum": 1, "maximum": 9, "multipleOf": 1},
  "mode": {"enum": ["fast", "safe"]}, "day": {"type": "string", "format": "date"},
  "hosts": {"type": "array", "uniqueItems": true, "minItems": 1, "maxItems": 3, "items": {"type": "string"}},
  "labels": {"type": "object", "maxProperties": 2, "additionalProperties": {"type": "string"}},
  "user": {"not": {"const": "root"}}, "flag": {"const": true},
  "source": {"oneOf": [{"required": ["branch"]}, {"required": ["tag"]}]}}}"#;

/// Ids that the first batch used, and the key under which it succeeded.
pub const USED_ID: &str = "00000000-0000-4000-8000-00000000000a";
pub const USED_KEY: &str = "done-before";

/// What ran before: its id is taken, its key stands for its spec.
pub fn first() -> Vec<Case> {
    let text = format!("kind: deploy\nspec: {{target: web-1}}\nid: {USED_ID}\nidempotency_key: {USED_KEY}\n");
    let failed = "kind: fails\nidempotency_key: failed-before\nspec: {a: 1}\n".to_owned();
    [("first.yml", text), ("first-failed.yml", failed)].map(|(name, text)| file(name, text.into_bytes())).into()
}

fn file(name: impl AsRef<[u8]>, bytes: Vec<u8>) -> Case {
    Case { name: name.as_ref().to_vec(), content: Content::File(bytes) }
}

/// Gathers cases under names that count up.
struct Cases {
    all: Vec<Case>,
}

impl Cases {
    /// A text under a name of its family; a comment makes its bytes its own.
    fn text(&mut self, family: &str, text: &str) {
        let number = self.all.len();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        self.bytes(family, format!("{text}{end}# {number}\n").into_bytes());
    }

    fn bytes(&mut self, family: &str, bytes: Vec<u8>) {
        let number = self.all.len();
        self.all.push(file(format!("{number:03}-{family}.yml"), bytes));
    }

    fn named(&mut self, name: impl AsRef<[u8]>) {
        let number = self.all.len();
        self.all.push(file(name, format!("kind: hello\n# {number}\n").into_bytes()));
    }
}

/// The corpus, in the order in which it was made; names keep that order.
pub fn all() -> Vec<Case> {
    let mut cases = Cases { all: Vec::new() };
    right(&mut cases);
    envelopes(&mut cases);
    yaml(&mut cases);
    specs(&mut cases);
    kinds(&mut cases);
    times_and_targets(&mut cases);
    ids_and_keys(&mut cases);
    names(&mut cases);
    cases.all
}

fn right(cases: &mut Cases) {
    for spec in [
        "{target: web-1}",
        "{target: web-2, replicas: 9}",
        "{target: w, mode: fast, day: \"2026-02-28\"}",
        "{target: web-3, hosts: [a, b, c]}",
        "{target: web-4, labels: {a: x, b: y}}",
        "{target: web-5, user: www, flag: true}",
        "{target: web-6, source: {branch: main}}",
        "{target: \"0123456789-0123456789\"}",
        "{target: \"01234567890123456789\"}",
        "{target: &a web-7, hosts: [*a]}",
        "\n  target: web-8\n  labels:\n    a: |\n      text\n      more\n",
        "\n  target: >-\n    web-9",
    ] {
        cases.text("right", &format!("kind: deploy\nspec: {spec}"));
    }
    for kind in ["hello", "fails", "fresh", "reads", "small"] {
        for rest in [
            "",
            "spec:\n",
            "spec: {}\n",
            "spec: {any: [1, 2.5, true, null, {deep: yes}]}\n",
            "timeout: 30s\n",
            "resource: host/extra\n",
            "not_before: 2020-01-01T00:00:00Z\n",
            "expires: 2999-01-01T00:00:00+02:00\n",
            "target: {node: story}\n",
            "rerun_of: 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31\n",
        ] {
            cases.text("plain", &format!("kind: {kind}\n{rest}"));
        }
    }
    cases.text("locks", "kind: locked\nspec: {a: x, b: 7}");
    for spec in ["{a: x}", "{a: x, b: [1]}", "{a: x, b: \"\"}", "{a: {}, b: y}", "{a: \"x\\ty\", b: y}", "{}"] {
        cases.text("locks", &format!("kind: locked\nspec: {spec}"));
    }
}

fn envelopes(cases: &mut Cases) {
    let lines = [
        "timeout: 90",
        "timeout: -5m",
        "timeout: 0s",
        "timeout: [5m]",
        "timeout: 5 m",
        "timeout: 9999999h",
        "timeout: 10m",
        "not_before: tomorrow",
        "not_before: 2026-11-21",
        "not_before: 2026-11-21T08:00:00",
        "expires: 2026-13-01T00:00:00Z",
        "expires: 20",
        "id: 7",
        "id: not-a-uuid",
        "id: 0198C0DE7A107C449B1E2F6D0A8E5B31",
        "id: ''",
        "idempotency_key: 42",
        "idempotency_key: ''",
        "idempotency_key: [a]",
        "resource: ''",
        "resource: [a]",
        "resource: \"a\\nb\"",
        "resource: 7",
        "target: web-1",
        "target: {}",
        "target: {node: ''}",
        "target: {node: a/b}",
        "target: {nodes: x}",
        "target: {labels: {zone: 7}}",
        "target: {labels: []}",
        "rerun_of: x",
        "rerun_of: 7",
        "kinds: x",
        "Spec: {}",
        "unknown: 1",
        "\"\": 1",
        "spce: {}",
        "v: 1",
        "not_before: 2030-01-02T00:00:00Z\nexpires: 2030-01-01T00:00:00Z",
    ];
    for line in lines {
        for base in ["kind: deploy\nspec: {target: web-1}\n", "kind: hello\n"] {
            cases.text("envelope", &format!("{base}{line}"));
        }
    }
    for text in [
        "kind: 7",
        "kind: ''",
        "kind: [hello]",
        "kind: -x",
        "kind: he llo",
        "kind: {a: b}",
        "kind:",
        "spec: {target: a}",
        "[]",
        "hello",
        "7",
        "kind: hello\nspec: []",
        "kind: hello\nspec: text",
        "kind: hello\nspec: 7",
        "kind: true",
    ] {
        cases.text("envelope", text);
    }
    cases.text("envelope", &format!("kind: {}", "k".repeat(65)));
    cases.text(
        "envelope",
        &format!("kind: hello\n{}", (0..120).map(|n| format!("k{n}: 1\n")).collect::<Vec<_>>().concat()),
    );
}

fn yaml(cases: &mut Cases) {
    for text in [
        "kind: hello\nspec",
        "kind: hello\nspec: {a: 1",
        "kind: hello\nspec: [1, 2\nresource: x",
        "kind: hello\nspec: \"a",
        "kind: hello\n\tspec: 1",
        "kind: hello\nspec:\n\ta: 1",
        "kind: hello\nspec: a: b",
        "kind: hello\nspec: }",
        "kind: hello\nspec: @x",
        "kind: hello\nspec: {a: 1}}",
        "kind: hello\nspec: 'it's'",
        "kind: hello\n---\nkind: hello",
        "--- {kind: hello}\n...\n--- {}",
        "kind: hello\nkind: hello",
        "kind: hello\nspec: {a: 1, a: 2}",
        "kind: hello\nspec: {a: !!str 7}",
        "!x {kind: hello}",
        "kind: hello\nspec: {<<: {a: 1}}",
        "kind: hello\nspec: {1: a}",
        "kind: hello\nspec: {true: a}",
        "kind: hello\nspec: {? [a] : b}",
        "kind: hello\nspec: {a: 010}",
        "kind: hello\nspec: {a: 1:30}",
        "kind: hello\nspec: {a: .nan}",
        "kind: hello\nspec: {a: .inf}",
        "kind: hello\nspec: {a: 1e999}",
        "kind: hello\nspec: {a: 99999999999999999999}",
        "kind: hello\nspec: {a: *b}",
        "kind: hello\nspec: &a {b: *a}",
        "%YAML 1.1\n---\nkind: hello",
        "%TAG ! x\n---\nkind: hello",
        "kind: hello\nspec: {a: 1_000}",
        "kind: hello\nspec: {a: 0x1F}",
        "kind: hello\nspec: {a: 0o17}",
        "kind: hello\nspec: {a: yes, b: no, c: on}",
        "kind: hello\nspec: {a: ~, b: null}",
        "{\"kind\": \"hello\", \"spec\": {\"a\": 1}}",
        "--- # one\nkind: hello\n...",
        "kind: hello\nspec: {a: 2026-01-01}",
        "kind: hello\nspec: {a: \"\\q\"}",
        "kind: hello\nspec: {a: \"\\u0000\"}",
        "? kind\n: hello",
        "# nothing",
        "",
        "~",
        "kind: hello\nspec: {a: 0.1, b: -0, c: +7}",
        "kind: hello\nspec: {a: =}",
    ] {
        cases.text("yaml", text);
    }
    cases.text("yaml", &format!("kind: hello\nspec: {{a: {}1{}}}", "[".repeat(70), "]".repeat(70)));
    cases.text("yaml", &format!("kind: hello\nspec: {{a: {}1{}}}", "[".repeat(20), "]".repeat(20)));
    cases.text("yaml", &format!("kind: hello\nspec: {{a: [{}]}}", "1,".repeat(10_001)));
    let row = |name: &str, of: &str| format!("  {name}: &{name} [{}]\n", [of; 12].join(", "));
    let bomb = [row("a", "x"), row("b", "*a"), row("c", "*b"), row("d", "*c")].concat();
    cases.text("yaml", &format!("kind: hello\nspec:\n{bomb}"));
    for (before, after) in [
        (&b"\xef\xbb\xbf"[..], &b""[..]),
        (b"", b"spec: {a: \"\xff\"}\n"),
        (b"", b"spec: {a: \"\x00\"}\n"),
        (b"", b"spec: {a: \"\x07\"}\n"),
        (b"", "spec: {a: \"\u{85}\"}\n".as_bytes()),
        (b"", "spec: {a: \"\u{2028}\"}\n".as_bytes()),
        (b"", "spec: {a: \"\u{202e}\"}\n".as_bytes()),
        (b"", "spec: {a: ü, b: 日本}\n".as_bytes()),
        (b"", b"spec: {a: b\xcc\x88}\n"),
        (b"\xef\xbb\xbf\xef\xbb\xbf", b""),
        (b"\xfe\xff", b""),
        (b"", b"spec: {a: \"\xed\xa0\x80\"}\n"),
        (b"", b"\xc3"),
    ] {
        let number = cases.all.len();
        let bytes = [before, b"kind: hello\n", after, format!("# {number}\n").as_bytes()].concat();
        cases.bytes("bytes", bytes);
    }
    let wide: Vec<u8> = "kind: hello\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    cases.bytes("bytes", [&[0xff, 0xfe][..], &wide].concat());
    cases.bytes("bytes", b"kind: hello\r\nspec: {a: b}\r\n".to_vec());
    cases.bytes("bytes", b"kind: hello\rspec: {a: c}\r".to_vec());
    for size in [65_536, 65_537, 70_000] {
        let mut bytes = b"kind: hello\n#".to_vec();
        bytes.resize(size, b'x');
        cases.bytes("size", bytes);
    }
}

fn specs(cases: &mut Cases) {
    for spec in [
        "{}",
        "{replicas: 2}",
        "{target: 7}",
        "{target: [a]}",
        "{target: \"\"}",
        "{target: \"Web 1\"}",
        "{target: \"a; reboot\"}",
        "{target: null}",
        "{target: aaaaaaaaaaaaaaaaaaaaaaaa}",
        "{tarqet: a}",
        "{target: a, replica: 2}",
        "{target: a, replicas: 0}",
        "{target: a, replicas: 10}",
        "{target: a, replicas: \"2\"}",
        "{target: a, replicas: 1.5}",
        "{target: a, replicas: 2.0}",
        "{target: a, replicas: true}",
        "{target: a, mode: fsat}",
        "{target: a, mode: 1}",
        "{target: a, day: 24.12.2026}",
        "{target: a, day: \"2026-02-30\"}",
        "{target: a, hosts: []}",
        "{target: a, hosts: [a, a]}",
        "{target: a, hosts: [a, b, c, d]}",
        "{target: a, hosts: [1]}",
        "{target: a, hosts: a}",
        "{target: a, labels: {a: x, b: y, c: z}}",
        "{target: a, labels: {a: 1}}",
        "{target: a, user: root}",
        "{target: a, flag: false}",
        "{target: a, source: {branch: x, tag: y}}",
        "{target: a, source: {}}",
        "{target: a, x: 1, y: 2, z: 3}",
    ] {
        cases.text("spec", &format!("kind: deploy\nspec: {spec}"));
    }
}

fn kinds(cases: &mut Cases) {
    for kind in
        ["deplyo", "Deploy", "DEPLOY", "deploy.", "de_ploy", "h", "hello2", "dispatch", "nothing-like-it", "index.yml"]
    {
        cases.text("unknown", &format!("kind: {kind}\nspec: {{target: a}}"));
    }
    for text in [
        "kind: dispatch.foo",
        "kind: dispatch.",
        "kind: dispatch.Resolve",
        "kind: dispatch.resolve",
        "kind: dispatch.resolve\nspec: {id: x, as: failed}",
        "kind: dispatch.resolve\nspec: {id: 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31}",
        "kind: dispatch.resolve\nspec: {id: 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31, as: done}",
        "kind: dispatch.resolve\nspec: {id: 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31, as: failed, x: 1}",
        "kind: dispatch.resolve\nspec: {id: 0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31, as: failed}\ntimeout: 5m",
    ] {
        cases.text("reserved", text);
    }
    for id in [USED_ID, "0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31", "00000000-0000-4000-8000-000000000008"] {
        cases.text("reserved", &format!("kind: dispatch.resolve\nspec: {{id: {id}, as: failed}}"));
    }
    for kind in ["wired", "loose", "half", "writes", "peeks", "keyed", "large", "long", "acts", "many"] {
        cases.text("grant", &format!("kind: {kind}"));
        cases.text("grant", &format!("kind: {kind}\nspec: {{a: 1}}\ntimeout: 1s"));
    }
    cases.text("grant", "kind: small\ntimeout: 61s");
    cases.text("grant", "kind: wired\nspec: []");
    cases.text("grant", "kind: many\ntimeout: 16m");
    for kind in ["badrow", "badtime", "gone", "windows", "nameless", "badschema", "noschema"] {
        cases.text("held", &format!("kind: {kind}"));
        cases.text("held", &format!("kind: {kind}\nspec: {{a: 1}}\nexpires: 2020-01-01T00:00:00Z"));
        cases.text("held", &format!("kind: {kind}\nunknown: 1"));
    }
}

fn times_and_targets(cases: &mut Cases) {
    for (kind, spec) in
        [("deploy", "{target: web-1}"), ("hello", "{}"), ("aged", "{}"), ("wired", "{}"), ("deploy", "{tarqet: a}")]
    {
        for rest in [
            "expires: 2020-01-01T00:00:00Z",
            "not_before: 2019-01-01T00:00:00Z\nexpires: 2020-01-01T00:00:00Z",
            "not_before: 2999-01-01T00:00:00Z",
            "not_before: 2999-01-01T00:00:00Z\nexpires: 2999-01-02T00:00:00Z",
            "target: {node: story}",
            "target: {node: other}",
            "target: {labels: {zone: eu}}",
            "target: {labels: {zone: us}}",
            "target: {labels: {zone: eu, disk: ssd}}",
            "target: {labels: {zone: eu, disk: hdd}}",
            "target: {node: story, labels: {zone: us}}",
            "target: {node: other}\nexpires: 2020-01-01T00:00:00Z",
        ] {
            cases.text("when-where", &format!("kind: {kind}\nspec: {spec}\n{rest}"));
        }
    }
    for text in [
        "kind: deplyo\ntarget: {node: other}",
        "kind: gone\ntarget: {node: other}",
        "kind: hello\nunknown: 1\ntarget: {node: other}",
        "kind: hello\ntarget: {node: other}\nspec: {a: 1",
        "kind: hello\n\"t\\x61rget\": {node: other}",
    ] {
        cases.text("when-where", text);
    }
}

fn ids_and_keys(cases: &mut Cases) {
    let id = |last: u32| format!("00000000-0000-4000-8000-{last:012}");
    for (last, text) in [
        (1, "kind: hello"),
        (1, "kind: hello"),
        (1, "kind: hello\nspec: {a: 1}"),
        (2, "kind: deplyo"),
        (2, "kind: hello"),
        (3, "kind: hello\nunknown: 1"),
        (3, "kind: hello"),
        (4, "kind: gone"),
        (4, "kind: hello"),
        (5, "kind: hello\ntarget: {node: other}"),
        (5, "kind: hello"),
        (6, "kind: hello\nexpires: 2020-01-01T00:00:00Z"),
        (6, "kind: hello"),
        (7, "kind: wired"),
        (7, "kind: wired"),
        (8, "kind: hello"),
        (9, "kind: fails"),
    ] {
        cases.text("id", &format!("{text}\nid: {}", id(last)));
    }
    for text in ["kind: hello", "kind: deploy\nspec: {target: web-1}", "kind: deplyo", "kind: gone"] {
        cases.text("id", &format!("{text}\nid: {USED_ID}"));
    }
    for (key, text) in [
        (USED_KEY, "kind: deploy\nspec: {target: web-1}"),
        (USED_KEY, "kind: deploy\nspec: {target: web-2}"),
        (USED_KEY, "kind: hello\nspec: {target: web-2}"),
        ("failed-before", "kind: fails\nspec: {a: 2}"),
        ("pair", "kind: deploy\nspec: {target: web-1, replicas: 2}"),
        ("pair", "kind: deploy\nspec: {replicas: 2, target: web-1}"),
        ("odd", "kind: deploy\nspec: {target: web-1}"),
        ("odd", "kind: deploy\nspec: {target: web-3}"),
        ("again", "kind: fails\nspec: {a: 1}"),
        ("again", "kind: fails\nspec: {a: 2}"),
        ("bad-first", "kind: deploy\nspec: {tarqet: a}"),
        ("bad-first", "kind: deploy\nspec: {target: web-1}"),
    ] {
        cases.text("key", &format!("{text}\nidempotency_key: {key}"));
    }
}

fn names(cases: &mut Cases) {
    for name in [
        "a b.yml",
        "-x.yml",
        "_x.yml",
        "a:b.yml",
        "a'b.yml",
        "ü.yml",
        "a\u{301}.yml",
        "a,b.yml",
        "a..b.yml",
        "z.yaml",
        "Z.yml",
        "z.yml.yml",
        "a+b.yml",
        "team/one.yml",
        "team/two.yaml",
        "my team/one.yml",
        "team/a b.yml",
        "~.yml",
        "0.yml",
        "a%b.yml",
        "(a).yml",
        "a\\b.yml",
        "team2/.hidden.yml",
        ".hidden.yml",
        "README",
        "note.txt",
        "a.YML",
        "team/deep/one.yml",
    ] {
        cases.named(name);
    }
    cases.named(b"a\nb.yml");
    cases.named(b"a\tb.yml");
    cases.named(b"\xff\xfe.yml");
    cases.named(format!("{}.yml", "n".repeat(128)));
    cases.named(format!("{}.yml", "n".repeat(129)));
    cases.named("folder.yml/inside.yml");
    cases.named("other.yaml/inside.txt");
    for (name, target) in
        [("link.yml", "0.yml"), ("link.yaml", "../handlers/index.yml"), ("team/link.yml", "/etc/passwd")]
    {
        cases.all.push(Case { name: name.into(), content: Content::Link(target.to_owned()) });
    }
    cases.all.push(Case { name: b"module.yml".to_vec(), content: Content::Submodule });
}
