//! Carries out every request of `examples/` with this repository's own handlers and schemas, and holds the handlers against their fixtures.

mod support;

use std::fs;
use std::path::Path;

use support::World;

type Tested = Result<(), Box<dyn std::error::Error>>;

#[test]
fn every_example_succeeds() -> Tested {
    let world = World::new()?;
    let here = world.root().display().to_string();
    let moved = |text: &str| {
        text.replace("/srv/www", &format!("{here}/www")).replace("/var/backups/dispatch", &format!("{here}/backups"))
    };
    for folder in ["handlers", "schemas", "schemas/dispatch", "docs", "examples"] {
        for entry in fs::read_dir(root().join(folder))? {
            let path = entry?.path();
            if path.is_file() {
                let inside = path.strip_prefix(root())?.to_string_lossy().into_owned();
                world.write(&inside, &moved(&fs::read_to_string(path)?))?;
            }
        }
    }
    world.write("codex.repo.yaml", &fs::read_to_string(root().join("codex.repo.yaml"))?)?;
    world.write_host(&moved(
        "read: {backup: [/srv/www]}\nwrite: {deploy: [/srv/www], backup: [/var/backups/dispatch]}\n",
    ))?;
    world.must(
        "chmod 711 \"$STORY\"; mkdir \"$STORY/www\" \"$STORY/backups\"; chmod 777 \"$STORY/www\" \"$STORY/backups\"
        git init -q -b main; git config user.name T; git config user.email t@example.com; git add -A; git commit -qm start
        dispatch check examples/*.yml
        mkdir requests; cp examples/*.yml requests/; git add -A; git commit -qm examples
        dispatch run --strict",
    )?;
    let unread = world.git("clone", &["ls-tree", "-r", "--name-only", "HEAD", "requests"])?.stdout;
    assert_eq!(String::from_utf8(unread)?, "", "every request has left the inbox");
    let deployed = fs::read_dir(world.path("www/docs/current"))?.count();
    let pages =
        fs::read_dir(root().join("docs"))?.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_file()));
    assert_eq!(deployed, pages.count(), "deploy-docs.yml publishes docs/");
    assert!(fs::read_dir(world.path("backups"))?.count() >= 2, "backup-www.yml leaves an archive and its manifest");
    Ok(world.close()?)
}

/// Fixtures of this repository's own handlers, by the work tree as it is.
#[test]
fn every_fixture_is_as_expected() -> Tested {
    let world = World::new()?;
    let answer = world.shell(&format!("dispatch -C '{}' handler test --all", root().display()))?;
    assert_eq!(answer.exit, Some(0), "{}{}", answer.stdout, answer.stderr);
    for kind in ["hello", "deploy", "backup"] {
        assert!(answer.stdout.contains(&format!("{kind}/")), "no fixture of {kind}: {}", answer.stdout);
    }
    assert!(!answer.stdout.contains("no fixture"), "{}", answer.stdout);
    Ok(world.close()?)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
