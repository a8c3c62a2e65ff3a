//! The whole way of a request over every transport: no remote, a path, http and ssh with real servers on the loopback
//! interface, and a server that lets us fetch and refuses the push.
//!
//! Where a server program is missing and may not be installed, `DISPATCH_TEST_SERVERS=skip` leaves its tests out, aloud.

#[path = "support/servers.rs"]
mod servers;
mod support;

use servers::{CREDENTIALS, Server};
use support::World;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// A repository with one merged request, and with `bare` an origin beside it.
fn world(bare: bool) -> Result<World, Box<dyn std::error::Error>> {
    let world = World::new()?;
    world.write("handlers/index.yml", "greet: handlers/greet.sh\n")?;
    // The text is long enough for a pack that git sends in chunks and compressed.
    world.write("handlers/greet.sh", "#!/bin/sh\nseq 1 40000\necho \"attempt $DISPATCH_ATTEMPT\"\n")?;
    world.write("requests/a.yml", "kind: greet\nspec: {who: world}\n")?;
    world.must("git init -q -b main; git config user.name T; git config user.email t@example.com; git add -A; git commit -qm start")?;
    if bare {
        world.must(
            "git init -q --bare -b main ../origin.git; git remote add origin ../origin.git; git push -q -u origin main",
        )?;
    }
    Ok(world)
}

/// The record is on the mainline, complete, and made by one attempt.
fn assert_recorded(world: &World, mainline: &str) -> Tested {
    let listing = world.git(mainline, &["ls-tree", "-r", "--name-only", "HEAD", "requests", "processed", "logs"])?;
    let listing = String::from_utf8(listing.stdout)?;
    let expected = "logs/a/dispatch.log\nlogs/a/handler.log\nlogs/a/log.jsonl\nlogs/a/status.yml\nprocessed/a.yml\n";
    assert_eq!(listing, expected);
    let status = String::from_utf8(world.git(mainline, &["show", "HEAD:logs/a/status.yml"])?.stdout)?;
    assert!(status.contains("outcome: succeeded"), "{status}");
    let output = String::from_utf8(world.git(mainline, &["show", "HEAD:logs/a/handler.log"])?.stdout)?;
    assert!(output.trim_end().ends_with("attempt 1"), "{output}");
    Ok(())
}

/// One pass records the request, and one more has nothing to do.
fn assert_runs(world: &World, mainline: &str, variables: &str) -> Tested {
    world.must(&format!("{variables} dispatch run"))?;
    assert_recorded(world, mainline)?;
    let before = world.git(mainline, &["rev-parse", "HEAD"])?.stdout;
    world.must(&format!("{variables} dispatch run"))?;
    assert_eq!(world.git(mainline, &["rev-parse", "HEAD"])?.stdout, before, "one more pass made a commit");
    Ok(())
}

/// A server, or nothing where the caller of the tests said that there may be none.
fn started(server: std::io::Result<Server>) -> Result<Option<Server>, std::io::Error> {
    match server {
        Err(error) if std::env::var("DISPATCH_TEST_SERVERS").is_ok_and(|value| value == "skip") => {
            eprintln!("SKIPPED: {error}");
            Ok(None)
        }
        server => server.map(Some),
    }
}

#[test]
fn without_a_remote() -> Tested {
    let world = world(false)?;
    assert_runs(&world, "clone", "")?;
    Ok(world.close()?)
}

#[test]
fn over_a_path() -> Tested {
    let world = world(true)?;
    assert_runs(&world, "origin.git", "")?;
    Ok(world.close()?)
}

#[test]
fn over_http() -> Tested {
    let world = world(true)?;
    let Some(server) = started(servers::http(world.root()))? else { return Ok(()) };
    world.must(&format!("git remote set-url origin http://127.0.0.1:{}/git/origin.git", server.port))?;

    // Plain http must be named by the machine's owner.
    let refused = world.shell("dispatch run")?;
    assert_eq!(refused.exit, Some(78), "{}", refused.stderr);
    assert!(refused.stderr.contains("protocols"), "{}", refused.stderr);

    world.write_host("protocols: [file, http]\n")?;
    assert_runs(&world, "origin.git", "")?;
    drop(server);
    Ok(world.close()?)
}

#[test]
fn over_http_with_a_push_that_is_refused() -> Tested {
    let world = world(true)?;
    let Some(server) = started(servers::http(world.root()))? else { return Ok(()) };
    world.write_host("protocols: [file, http]\n")?;
    world.must(&format!("git remote set-url origin http://127.0.0.1:{}/locked/origin.git", server.port))?;
    let before = world.git("origin.git", &["rev-parse", "HEAD"])?.stdout;
    let refused = world.shell("dispatch run")?;
    assert!(matches!(refused.exit, Some(69 | 75)), "{:?}: {}", refused.exit, refused.stderr);
    assert_eq!(world.git("origin.git", &["rev-parse", "HEAD"])?.stdout, before);

    // With credentials the next pass publishes what is kept, and does not run the handler again.
    let (user, password) = CREDENTIALS;
    // A netrc works whatever configuration the dispatcher lets git read.
    std::fs::write(world.path("home/.netrc"), format!("machine 127.0.0.1 login {user} password {password}\n"))?;
    world.must("dispatch run")?;
    assert_recorded(&world, "origin.git")?;
    drop(server);
    Ok(world.close()?)
}

#[test]
fn over_ssh() -> Tested {
    let world = world(true)?;
    let Some(server) = started(servers::ssh(world.root()))? else { return Ok(()) };
    let user = world.must("id -un")?;
    let origin = world.path("origin.git");
    let url = format!("ssh://{}@127.0.0.1:{}{}", user.trim(), server.port, origin.display());
    world.must(&format!("git remote set-url origin {url}"))?;
    let variables = format!("GIT_SSH_COMMAND='{}'", servers::ssh_command(world.root()));
    assert_runs(&world, "origin.git", &variables)?;
    drop(server);
    Ok(world.close()?)
}

/// The servers themselves, with plain git: if they do not serve, the tests above say nothing.
#[test]
fn the_servers_serve_plain_git() -> Tested {
    let world = world(true)?;
    let Some(server) = started(servers::http(world.root()))? else { return Ok(()) };
    world.must("head -c 3000000 /dev/urandom > large; git add large; git commit -qm large")?;
    world.must(&format!("git push -q http://127.0.0.1:{}/git/origin.git HEAD:refs/heads/by-http", server.port))?;
    world.must(&format!("git clone -q http://127.0.0.1:{}/locked/origin.git ../by-http", server.port))?;
    let locked = format!("127.0.0.1:{}/locked/origin.git HEAD:refs/heads/by-password", server.port);
    let refused = world.shell(&format!("git push -q http://{locked}"))?;
    assert_eq!(refused.exit, Some(128), "{}", refused.stderr);
    world.must(&format!("git push -q http://{}:{}@{locked}", CREDENTIALS.0, CREDENTIALS.1))?;
    drop(server);

    let Some(server) = started(servers::ssh(world.root()))? else { return Ok(()) };
    let user = world.must("id -un")?;
    let ssh = servers::ssh_command(world.root());
    let url = format!("ssh://{}@127.0.0.1:{}{}", user.trim(), server.port, world.path("origin.git").display());
    world.must(&format!(
        "export GIT_SSH_COMMAND='{ssh}'; git push -q {url} HEAD:refs/heads/by-ssh; git ls-remote {url} | grep by-ssh"
    ))?;
    drop(server);
    let branches = world.must("git -C ../origin.git branch --format='%(refname:short)'")?;
    assert_eq!(branches, "by-http\nby-password\nby-ssh\nmain\n");
    Ok(world.close()?)
}
