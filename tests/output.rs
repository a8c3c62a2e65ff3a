//! What the verbs print with `--json`, held against the schemas in `schemas/dispatch/output/`: real output of every verb
//! that has the option, of requests in every state that can be had. docs/json.md lists them and says what may change.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use codex_dispatch::schema::Schema;
use support::World;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// Where the schemas lie.
const FOLDER: &str = "schemas/dispatch/output";

/// A world in which requests have ended in several ways, and others wait.
fn world() -> Result<World, Box<dyn std::error::Error>> {
    let world = World::new()?;
    for (path, text) in [
        (
            "handlers/index.yml",
            "good: {run: handlers/good.sh, description: Say hello}\nbad: handlers/bad.sh\nwide: {run: handlers/good.sh, sandbox: {network: true}}\n\
             slow: {run: handlers/slow.sh, timeout: 300ms, grace: 100ms}\nbroken: {run: handlers/missing.sh}\n",
        ),
        ("handlers/good.sh", "#!/bin/sh\necho hello; echo '{\"a\": 1}' > \"$DISPATCH_RESULT\"\n"),
        ("handlers/bad.sh", "#!/bin/sh\necho no >&2\nexit 3\n"),
        ("handlers/slow.sh", "#!/bin/sh\nexec sleep 600\n"),
        (
            "schemas/good.schema.json",
            "{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\", \"type\": \"object\", \"properties\": {\"n\": {\"type\": \"integer\"}}}\n",
        ),
        ("requests/good.yml", "kind: good\n"),
        ("requests/bad.yml", "kind: bad\n"),
        ("requests/slow.yml", "kind: slow\n"),
        ("requests/wide.yml", "kind: wide\n"),
        ("requests/unknown.yml", "kind: godo\n"),
        ("requests/held.yml", "kind: broken\n"),
        ("requests/later.yml", "kind: good\nnot_before: 2999-01-01T00:00:00Z\n"),
        ("requests/elsewhere.yml", "kind: good\ntarget: {node: other, labels: {zone: eu}}\n"),
    ] {
        world.write(path, text)?;
    }
    world.must(
        "git init -q -b main; git config user.name T; git config user.email t@example.com; git add -A; git commit -qm start
         git init -q --bare -b main ../origin.git; git remote add origin ../origin.git; git push -q -u origin main",
    )?;
    Ok(world)
}

#[test]
fn every_verb_prints_what_its_schema_says() -> Tested {
    let world = world()?;
    let mut held = BTreeSet::new();
    let mut check = |schema: &str, command: &str, exit: i32| -> Result<serde_json::Value, Box<dyn std::error::Error>> {
        let ended = world.shell(command)?;
        assert_eq!(ended.exit, Some(exit), "{command}\n{}{}", ended.stdout, ended.stderr);
        let printed: serde_json::Value =
            serde_json::from_str(&ended.stdout).map_err(|error| format!("{command}: {error}\n{}", ended.stdout))?;
        assert_eq!(printed["v"], 1, "{command}");
        let faults: Vec<String> = compiled(schema)?.validate_value(&printed).iter().map(ToString::to_string).collect();
        assert!(faults.is_empty(), "{command}:\n{}\n{}", faults.join("\n"), ended.stdout);
        held.insert(schema.to_owned());
        Ok(printed)
    };
    check("dispatch", "dispatch --json", 0)?;
    check("list", "dispatch list --json", 0)?;
    let pending = check("why", "dispatch why good --json", 0)?;
    assert_eq!((&pending["why"]["class"], &pending["why"]["whose"]), (&"unseen".into(), &"wait".into()));
    check("run", "dispatch run --json", 78)?;
    check("check", "dispatch check --json", 78)?;
    check("check", "printf 'kind: good\\nspec: {n: x}\\n' > ../x.yml; dispatch check ../x.yml --json", 78)?;
    let listed = check("list", "dispatch list --json", 0)?;
    assert!(listed["requests"].as_array().is_some_and(|requests| requests.len() == 8), "{listed}");
    for (name, class, whose) in [
        ("good", "succeeded", "nobody"),
        ("bad", "failed", "handler"),
        ("slow", "timeout", "handler"),
        ("wide", "not_granted", "host"),
        ("unknown", "unknown_kind", "request"),
        ("held", "held_repository", "repository"),
        ("later", "held_time", "wait"),
        ("elsewhere", "held_target", "wait"),
    ] {
        for verb in ["why", "status"] {
            let told = check(verb, &format!("dispatch {verb} {name} --json"), 0)?;
            let why = &told["why"];
            assert_eq!((&why["class"], &why["whose"]), (&class.into(), &whose.into()), "{told}");
        }
    }
    let waited = check("wait", "dispatch wait good bad --json", 1)?;
    assert_eq!(waited["requests"][0]["state"], "succeeded");
    check("wait", "dispatch wait later 00000000-0000-4000-8000-000000000001 --timeout 100ms --json", 124)?;
    check("plan", "dispatch plan requests/later.yml --json", 0)?;
    check("plan", "printf 'kind: wide\\n' | dispatch plan - --json", 64)?;
    check("submit", "dispatch submit good -s n=2 --name asked --json", 0)?;
    check("rerun", "dispatch rerun bad --json", 0)?;
    check("kinds", "dispatch kinds --json", 0)?;
    check("explain", "dispatch explain --json", 0)?;
    check("explain", "dispatch explain E0103 --json", 0)?;
    let guide = check("agent-guide", "dispatch agent-guide --json", 0)?;
    assert_eq!(guide["held_kinds"], serde_json::json!(["broken"]), "{guide}");
    let report = check("report", "dispatch report --html ../site --most 2 --json", 0)?;
    assert_eq!((&report["requests"]["ended"], report["left_out"].is_string()), (&2.into(), true), "{report}");
    check("handler-new", "dispatch handler new fresh --lang sh --dry-run --json", 0)?;
    check("handler-test", "printf 'kind: good\\n' > ../draft.yml; dispatch handler test good ../draft.yml --json", 0)?;
    let fixture = "mkdir -p tests/handlers/good; printf 'kind: good\\n' > tests/handlers/good/a.yml";
    check("handler-fixtures", &format!("{fixture}; dispatch handler test --all --json"), 1)?;
    check(
        "host-check",
        "printf 'node: x\\nbad: 1\\n' > ../bad.yaml; dispatch host check --host ../bad.yaml --json",
        78,
    )?;
    check("cancel", "dispatch cancel later -m 'not wanted' --json", 0)?;
    check("pause", "dispatch pause --kind good -m freeze --for 1h --json", 0)?;
    check("resume", "dispatch resume --kind good --json", 0)?;
    check("resume", "dispatch resume --on-main --json", 0)?;
    check("selftest", "dispatch --selftest --host ../bad.yaml --json", 69)?;
    check("health", "dispatch health --max-age 1h --json", 0)?;
    let pruned = check("prune", "dispatch prune --older-than 1ms --dry-run --json", 0)?;
    assert!(pruned["records"].as_array().is_some_and(|records| !records.is_empty()), "{pruned}");
    check("adopt", "dispatch adopt --dry-run --json", 0)?;
    // What waits is in doubt where another state folder begins: a person may say a word on it.
    world.write("requests/lost.yml", "kind: good\nspec: {n: 1}\n")?;
    world.must("git add -A; git commit -qm lost; git push -q; rm -rf .git/dispatch; dispatch run || true")?;
    check("adopt", "dispatch adopt --dry-run --json", 0)?;
    check("resolve", "dispatch resolve lost --failed -m gone --json", 0)?;
    check("dispatch", "dispatch --json", 0)?;
    let poked = "dispatch watch --interval 1h > /dev/null 2>&1 & watch=$!
         until dispatch poke --json > ../poked 2> /dev/null; do kill -0 $watch; sleep 0.05; done
         cat ../poked; kill -TERM $watch; wait $watch";
    check("poke", poked, 0)?;

    let there: BTreeSet<String> = schemas()?.into_iter().map(|(name, _)| name).collect();
    assert_eq!(there, held, "each schema is tried, and each document has one");
    Ok(world.close()?)
}

#[test]
fn a_host_says_what_its_schema_says() -> Tested {
    let world = world()?;
    world.must("dispatch run || true")?;
    let said = world.git("origin.git", &["cat-file", "blob", "refs/dispatch/hosts/story:status.json"])?;
    let said: serde_json::Value = serde_json::from_slice(&said.stdout)?;
    let schema = fs::read(root().join("schemas/dispatch/host-status.schema.json"))?;
    let schema = Schema::compile("host-status.schema.json", &schema).map_err(|faults| format!("{faults:?}"))?;
    let faults: Vec<String> = schema.validate_value(&said).iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{}\n{said:#}", faults.join("\n"));
    assert_eq!(said["counts"]["held"], 3, "{said:#}");
    Ok(world.close()?)
}

#[test]
fn schemas_let_fields_be_added_and_refuse_what_was_promised() -> Tested {
    for (name, text) in schemas()? {
        let schema: serde_json::Value = serde_json::from_str(&text)?;
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        assert_eq!(schema["additionalProperties"], true, "{name}: fields may be added");
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(|word| word.as_str()).collect();
        assert!(required.contains(&"v"), "{name}");
        assert!(!compiled(&name)?.validate_value(&serde_json::json!({"v": 1})).is_empty(), "{name} refuses nothing");
    }
    Ok(())
}

#[test]
fn the_page_lists_every_document() -> Tested {
    let page = fs::read_to_string(root().join("docs/json.md"))?;
    for (name, _) in schemas()? {
        assert!(page.contains(&format!("output/{name}.schema.json")), "docs/json.md lacks {name}");
    }
    Ok(())
}

fn compiled(name: &str) -> Result<Schema, Box<dyn std::error::Error>> {
    let path = root().join(FOLDER).join(format!("{name}.schema.json"));
    let text = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Schema::compile(&format!("{name}.schema.json"), &text).map_err(|faults| format!("{faults:?}").into())
}

/// Names and texts of the schemas.
fn schemas() -> Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(FOLDER))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let Some(stem) = name.strip_suffix(".schema.json") else { continue };
        found.push((stem.to_owned(), fs::read_to_string(&path)?));
    }
    found.sort();
    Ok(found)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
