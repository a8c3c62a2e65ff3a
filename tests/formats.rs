//! What the program writes, held against the schemas that it publishes: every record and every log line of a pass over
//! requests of every outcome, and the repository's own files.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use codex_dispatch::host_file;
use codex_dispatch::schema::Schema;
use codex_dispatch::yaml::{self, Limits};
use support::World;

type Tested = Result<(), Box<dyn std::error::Error>>;

#[test]
fn records_and_logs_are_as_their_schemas_say() -> Tested {
    let world = World::new()?;
    world.write_host(
        "levels: {none: [hard]}\nactions: {fine: {run: [\"true\"], kinds: [\"*\"]}, ends: {run: [sh, -c, echo no; kill -9 $$], kinds: [acts]}}\n",
    )?;
    for (path, text) in [
        (
            "handlers/index.yml",
            "good: handlers/good.sh\nbad: handlers/bad.sh\nslow: {run: handlers/slow.sh, timeout: 300ms, grace: 100ms}\n\
             again: {run: handlers/again.sh, delivery: at-least-once, retry: {attempts: 2, backoff: 10ms}}\n\
             wide: {run: handlers/good.sh, sandbox: {network: true}}\nhard: {run: handlers/kill.sh, sandbox: {level: none}}\n\
             acts: {run: handlers/good.sh, then: [fine, ends, fine]}\n\
             end: {run: handlers/many.sh, publish: tail}\nshut: {run: handlers/good.sh, publish: digest, then: [fine]}\n",
        ),
        (
            "handlers/good.sh",
            "#!/bin/sh\necho out; echo err >&2; printf '\\377\\n'; echo '{\"a\": [1, null]}' > \"$DISPATCH_RESULT\"\n\
             echo kept > \"$2/kept.txt\"; ln -s /etc/passwd \"$2/link\"; printf 'status: success\\nnote: mine\\n' > \"$2/status.yml\"\n",
        ),
        ("handlers/many.sh", "#!/bin/sh\nseq 300; echo kept > \"$2/kept.txt\"\n"),
        ("handlers/bad.sh", "#!/bin/sh\nexit 3\n"),
        ("handlers/slow.sh", "#!/bin/sh\nexec sleep 600\n"),
        ("handlers/again.sh", "#!/bin/sh\nexit 75\n"),
        ("handlers/kill.sh", "#!/bin/sh\nkill -9 $$\n"),
        ("requests/good.yml", "kind: good\nidempotency_key: one\n"),
        ("requests/replayed.yml", "kind: good\nidempotency_key: one\n"),
        ("requests/bad.yml", "kind: bad\nresource: a\n"),
        ("requests/slow.yml", "kind: slow\n"),
        ("requests/again.yml", "kind: again\n"),
        ("requests/wide.yml", "kind: wide\n"),
        ("requests/hard.yml", "kind: hard\n"),
        ("requests/acts.yml", "kind: acts\n"),
        ("requests/end.yml", "kind: end\n"),
        ("requests/shut.yml", "kind: shut\n"),
        ("requests/late.yml", "kind: good\nexpires: 2000-01-01T00:00:00Z\n"),
        ("requests/unknown.yml", "kind: godo\n"),
        ("requests/team/broken.yml", "kind: [\n"),
    ] {
        world.write(path, text)?;
    }
    world.must("git init -q -b main; git config user.name T; git config user.email t@example.com; git add -A; git commit -qm start")?;
    world.must("dispatch run")?;
    // Another dispatcher takes over: what waited is in doubt, and a person settles two of three.
    world.write("requests/lost-1.yml", "kind: good\nspec: {n: 1}\n")?;
    world.write("requests/lost-2.yml", "kind: good\nspec: {n: 2}\n")?;
    world.write("requests/lost-3.yml", "kind: good\nspec: {n: 3}\n")?;
    world.must(
        "git add -A; git commit -qm more; rm -rf .git/dispatch; dispatch run || true
         dispatch resolve lost-1 --failed -m 'nothing there'; dispatch adopt; dispatch run; dispatch resolve lost-2 --rerun; dispatch run",
    )?;

    let checked = world.git("clone", &["fsck", "--strict"])?;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let status = Schema::compile("status.schema.json", &fs::read(root().join("schemas/dispatch/status.schema.json"))?)?;
    let log = Schema::compile("log.schema.json", &fs::read(root().join("schemas/dispatch/log.schema.json"))?)?;
    let mut outcomes = Vec::new();
    for file in files(&world.path("clone/logs"))? {
        let shown = file.display().to_string();
        if file.ends_with("status.yml") {
            let record = yaml::read(&shown, &fs::read(&file)?, Limits::REPOSITORY)?;
            assert_none(&shown, &status.validate(&record, ""));
            outcomes.push(record.value()["outcome"].as_str().unwrap_or_default().to_owned());
        } else if file.ends_with("log.jsonl") {
            for line in fs::read_to_string(&file)?.lines() {
                assert_none(&format!("{shown}: {line}"), &log.validate_value(&serde_json::from_str(line)?));
            }
        }
    }
    outcomes.sort();
    let expected = [
        "expired",
        "failed",
        "failed",
        "failed",
        "failed",
        "indeterminate",
        "indeterminate",
        "killed",
        "rejected",
        "rejected",
        "rejected",
        "succeeded",
        "succeeded",
        "succeeded",
        "succeeded",
        "succeeded",
        "succeeded",
        "succeeded",
        "timed_out",
    ];
    assert_eq!(outcomes, expected);
    Ok(world.close()?)
}

#[test]
fn this_repository_is_as_its_schemas_say() -> Tested {
    for (file, schema) in [
        ("codex.repo.yaml", "codex.repo.schema.json"),
        ("handlers/index.yml", "index.schema.json"),
        ("examples/hello-name.yml", "request.schema.json"),
        ("examples/deploy-once.yml", "request.schema.json"),
        ("deploy/host.yaml", "host.schema.json"),
    ] {
        let schema = Schema::compile(schema, &fs::read(root().join("schemas/dispatch").join(schema))?)?;
        let document = yaml::read(file, &fs::read(root().join(file))?, Limits::REPOSITORY)?;
        assert_none(file, &schema.validate(&document, ""));
    }
    Ok(())
}

/// The example of a host file says what holds without it, in the value or in the comment behind it.
#[test]
fn the_example_host_file_shows_the_defaults() -> Tested {
    let text = fs::read_to_string(root().join("deploy/host.yaml"))?;
    let example = host_file::parse("deploy/host.yaml", text.as_bytes())
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<String>())?;
    let default = host_file::parse("host.yaml", b"").expect("an empty file is sound");
    assert_eq!(example.interval, default.interval);
    assert_eq!(example.claims, default.claims);
    assert_eq!(example.drain, default.drain);
    assert_eq!(example.levels.minimum, default.levels.minimum);
    assert_eq!(example.levels.none, default.levels.none);
    assert_eq!(example.uids, default.uids);
    assert_eq!(example.run_as, default.run_as);
    assert_eq!(example.network, default.network);
    assert_eq!(example.limits, default.limits);
    assert_eq!(example.protocols, default.protocols);
    assert_eq!(example.remote_timeout, default.remote_timeout);
    // What the design gives as defaults, word by word; the schema and the page say the same.
    let schema: serde_json::Value =
        serde_json::from_slice(&fs::read(root().join("schemas/dispatch/host.schema.json"))?)?;
    let page = fs::read_to_string(root().join("docs/host-file.md"))?;
    for (key, pointer, written) in [
        ("interval", "/interval", "15s"),
        ("drain", "/drain", "10m"),
        ("remote_timeout", "/remote_timeout", "5m"),
        ("uids", "/uids", "60720-60783"),
        ("claims", "/claims", "local"),
        ("minimum", "/levels/properties/minimum", "isolated"),
        ("memory", "/limits/properties/memory", "2GiB"),
        ("timeout", "/limits/properties/timeout", "2h"),
        ("output", "/limits/properties/output", "8MiB"),
        ("artifacts", "/limits/properties/artifacts", "32MiB"),
        ("cache", "/limits/properties/cache", "10GiB"),
    ] {
        let said = schema.pointer(&format!("/properties{pointer}/default"));
        assert_eq!(said.and_then(serde_json::Value::as_str), Some(written), "{key} in the schema");
        assert!(text.contains(&format!("{key}: {written}")), "{key} in deploy/host.yaml");
        assert!(page.contains(written), "{key} in docs/host-file.md");
    }
    assert_eq!(schema["properties"]["limits"]["properties"]["pids"]["default"], default.limits.pids);
    let known: Vec<&String> = schema["properties"].as_object().into_iter().flat_map(|keys| keys.keys()).collect();
    for key in known {
        assert!(text.contains(&format!("\n{key}:")) || key == "rate", "no `{key}:` in it");
        assert!(page.contains(&format!("`{key}`")), "no `{key}` in docs/host-file.md");
    }
    // Every key beside which a comment stands gives its default first, where the value is not that itself.
    for (line, default) in
        [("labels:", "# {}"), ("read:", "# {}"), ("write:", "# {}"), ("actions:", "# {}"), ("secrets:", "# {}")]
    {
        let found = text.lines().find(|text| text.starts_with(line)).unwrap_or_default();
        assert!(found.contains(default), "`{line}` does not say its default: {found}");
    }
    Ok(())
}

fn assert_none(what: &str, faults: &[codex_dispatch::diagnostic::Diagnostic]) {
    assert!(faults.is_empty(), "{what}:\n{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
