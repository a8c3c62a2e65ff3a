//! Networks that break: a proxy in front of `git http-backend` cuts, stalls and resets connections, answers with pages of
//! its own and swallows answers. Whatever it does, main holds each record once, and when it is healed all comes to rest.

use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::checker;
use crate::proxy::{Fault, Proxy};
use crate::report::{Report, budget, is_long, seed};
use crate::rig::{PASS_TIMEOUT, Plan, Random, Rig, git, until, wait};
use crate::servers::{self, Server};
use crate::witness::{Sort, Word};

type Tested = io::Result<()>;

/// What the hosts know of a network that may be dead: it is given up soon.
const HOST_FILE: &str = "protocols: [file, http]\nremote_timeout: 2s\n";
/// Why a machine without the server leaves these tests out.
const SKIP: &str = "DISPATCH_TEST_SERVERS";

/// A rig whose hosts reach the origin through the proxy, and everybody else by its path.
struct Net {
    proxy: Proxy,
    rig: Rig,
    _server: Server,
}

impl Net {
    /// Nothing where there is no server and there may be none.
    fn new(plan: Plan) -> io::Result<Option<Self>> {
        let rig = Rig::new(Plan { host_file: format!("{HOST_FILE}{}", plan.host_file), ..plan })?;
        let server = match servers::http(rig.world.root()) {
            Err(error) if std::env::var(SKIP).is_ok_and(|value| value == "skip") => {
                eprintln!("SKIPPED: {error}");
                return Ok(None);
            }
            server => server?,
        };
        let proxy = Proxy::start(server.port, &rig.origin())?;
        let url = format!("http://127.0.0.1:{}/git/origin.git", proxy.port);
        (1..=rig.plan.hosts).try_for_each(|host| rig.set_remote(host, &url))?;
        Ok(Some(Self { proxy, rig, _server: server }))
    }

    /// One pass that does not try long.
    fn pass(&mut self) -> io::Result<crate::support::Ended> {
        let mut command = self.rig.verb(1, &["run", "--push-tries", "2"]);
        self.rig.run_command(1, &mut command)
    }

    /// Heals the network, lets everything come to rest, and judges.
    fn judge(mut self) -> io::Result<Vec<checker::Violation>> {
        self.proxy.heal();
        let mut found = self.rig.settle()?;
        found.extend(checker::check(&self.rig)?);
        let Self { proxy, rig, _server: server } = self;
        drop(proxy);
        drop(server);
        found.extend(rig.close());
        Ok(found)
    }
}

/// What the next connection meets.
fn any_fault(random: &mut Random) -> Fault {
    let bytes = |random: &mut Random| {
        let most = *random.choose(&[1, 40, 400, 4_000, 40_000]);
        usize::try_from(random.below(most)).expect("small")
    };
    match random.below(16) {
        0 => Fault::CutUp(bytes(random)),
        1 | 2 => Fault::CutDown(bytes(random)),
        3 => Fault::Reset(bytes(random)),
        4 => Fault::Stall(bytes(random)),
        5 => Fault::Drip,
        6 | 7 => Fault::SwallowAnswer,
        8 => Fault::Page(*random.choose(&[500, 502, 503, 429, 401, 403, 404])),
        9 => Fault::PageOnPush(*random.choose(&[500, 502, 503, 429, 401, 403])),
        _ => Fault::None,
    }
}

/// Faults at random, during passes and during `watch`.
#[test]
fn campaign_net() -> Tested {
    let (seed, end) = (seed(), Instant::now() + budget(Duration::from_secs(14)));
    let mut report = Report::new("network: cut, stalled, reset, pages, answers lost");
    let mut random = Random::new(seed);
    while report.is_clean() && (report.requests == 0 || Instant::now() < end) {
        let Some(mut net) = Net::new(Plan { seed: random.next(), ..Plan::default() })? else { return Ok(()) };
        // A long campaign begins anew now and then, so that no round has more history than it can check.
        let round_end = end.min(Instant::now() + Duration::from_mins(2));
        let mut requests = 0;
        loop {
            let mut choices = Random::new(random.next());
            net.proxy.choose(move |_| any_fault(&mut choices));
            net.rig.submit(6)?;
            requests += 6;
            if random.once_in(3) {
                watch_for_a_while(&mut net, &mut random)?;
            } else {
                net.pass()?;
            }
            if Instant::now() >= round_end {
                break;
            }
        }
        let faults = net.proxy.faults();
        report.add(faults, requests, net.judge()?);
        if !is_long() {
            break;
        }
    }
    report.end(seed);
    Ok(())
}

/// A daemon, while requests arrive and the network comes and goes.
fn watch_for_a_while(net: &mut Net, random: &mut Random) -> Tested {
    let mut command = net.rig.verb(1, &["watch", "--interval", "200ms"]);
    let mut daemon = net.rig.start_command(1, &mut command)?;
    let seen = net.proxy.accepted();
    for step in 1..=3 {
        // As far as the daemon has come, and not after so many seconds.
        let most = Duration::from_secs(3);
        let _ = until("the daemon asks the remote", most, || net.proxy.accepted() >= seen + 4 * step);
        if random.once_in(2) {
            net.rig.foreign()?;
        }
    }
    Command::new("kill").args(["-TERM", "--", &daemon.id().to_string()]).status()?;
    wait(&mut daemon, PASS_TIMEOUT).map(drop)
}

/// The server moves its branch and the answer never arrives: the next fetch finds the record, and nothing is pushed twice.
#[test]
fn an_answer_that_is_lost_is_looked_up() -> Tested {
    let Some(mut net) = Net::new(Plan::default())? else { return Ok(()) };
    net.rig.submit_these(&[Sort::Quick, Sort::Sure, Sort::Invalid])?;
    net.proxy.choose(|_| Fault::SwallowAnswer);
    let ended = net.pass()?;
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert!(net.proxy.swallowed() > 0, "no answer was swallowed");
    let commits = git(&net.rig.world, &net.rig.origin(), &["log", "--format=%s", "main"])?;
    assert_eq!(commits.lines().filter(|line| line.starts_with("executor: ")).count(), 2, "{commits}");
    assert_eq!(net.judge()?, []);
    Ok(())
}

/// What each way of breaking means for a pass: its exit code and its words. Nothing is lost by any.
#[test]
fn each_fault_is_told_apart() -> Tested {
    let unreachable = "the remote cannot be reached";
    let shut_out = "the remote does not let us in";
    let table = [
        (Fault::PageOnPush(500), unreachable),
        (Fault::PageOnPush(503), unreachable),
        (Fault::PageOnPush(429), unreachable),
        (Fault::PageOnPush(401), shut_out),
        (Fault::PageOnPush(403), shut_out),
    ];
    for (fault, words) in table {
        let Some(mut net) = Net::new(Plan::default())? else { return Ok(()) };
        net.rig.submit_these(&[Sort::Quick])?;
        net.proxy.choose(move |_| fault);
        let ended = net.pass()?;
        assert_eq!(ended.exit, Some(75), "{fault:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{fault:?}: {}", ended.stderr);
        assert_eq!(net.judge()?, [], "{fault:?}");
    }
    let table = [
        (Fault::Page(502), unreachable, 69),
        (Fault::Page(401), shut_out, 69),
        (Fault::CutDown(0), unreachable, 69),
        (Fault::CutDown(300), unreachable, 69),
        (Fault::Reset(10), unreachable, 69),
        (Fault::Stall(0), unreachable, 69),
        (Fault::CutUp(20), unreachable, 69),
    ];
    let Some(mut net) = Net::new(Plan::default())? else { return Ok(()) };
    net.rig.submit_these(&[Sort::Quick])?;
    for (fault, words, exit) in table {
        net.proxy.choose(move |_| fault);
        let ended = net.pass()?;
        assert_eq!(ended.exit, Some(exit), "{fault:?}: {}", ended.stderr);
        let mut shown = net.rig.verb(1, &[]);
        let shown = shown.output()?;
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains(words), "{fault:?}: {shown}");
        net.proxy.heal();
    }
    // Slow is not broken.
    net.proxy.choose(|_| Fault::Drip);
    let ended = net.pass()?;
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert_eq!(net.judge()?, []);
    Ok(())
}

/// A server that says 413 of a whole record takes its status.
#[test]
fn what_is_too_large_is_published_reduced() -> Tested {
    let Some(mut net) = Net::new(Plan { sorts: vec![Sort::Noisy], ..Plan::default() })? else { return Ok(()) };
    net.rig.submit_these(&[Sort::Noisy])?;
    net.proxy.choose(|number| if number < 3 { Fault::PageOnPush(413) } else { Fault::None });
    let ended = net.pass()?;
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("takes its status alone"), "{}", ended.stderr);
    assert_eq!(net.judge()?, []);
    Ok(())
}

/// Records cannot be pushed for days: what runs is bounded, everything is kept, every face says so, also by a process that has
/// never read main; and when the remote is back all goes on by itself.
#[test]
fn an_outage_of_days_is_bounded_and_told() -> Tested {
    const BOUND: usize = 100;
    let plan = Plan {
        level: "none",
        places: 40,
        jobs: 4,
        host_file: "levels: {none: [quick]}\n".to_owned(),
        ..Plan::default()
    };
    let Some(mut net) = Net::new(plan)? else { return Ok(()) };
    net.rig.submit_these(&[Sort::Quick])?;
    assert_eq!(net.pass()?.exit, Some(0), "the remote takes a first record");
    for _ in 0..4 {
        net.rig.submit_these(&[Sort::Quick; 30])?;
    }
    net.proxy.choose(|_| Fault::PageOnPush(503));
    let mut command = net.rig.verb(1, &["watch", "--interval", "200ms", "--push-tries", "1000"]);
    let mut daemon = net.rig.start_command(1, &mut command)?;
    let said = |net: &Net, wanted: &str| {
        let shown = net.rig.verb(1, &[]).output();
        shown.is_ok_and(|shown| String::from_utf8_lossy(&shown.stdout).contains(wanted))
    };
    // A remote that is merely slow holds nothing that needs no start: it has to have refused something.
    until("the bound is reached and said", PASS_TIMEOUT, || {
        said(&net, "which is as many as may") && said(&net, "the remote cannot be reached")
    })?;
    // What would be rejected waits too.
    net.rig.submit_these(&[Sort::Invalid])?;
    let held = |net: &Net| {
        let text = std::fs::read(net.rig.state_of(1).join("status.json")).unwrap_or_default();
        let standing: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        standing["held"].as_array().is_some_and(|held| held.len() == 1 && held[0]["by"] == "backlog")
    };
    until("it is held", PASS_TIMEOUT, || held(&net))?;
    Command::new("kill").args(["-TERM", "--", &daemon.id().to_string()]).status()?;
    wait(&mut daemon, PASS_TIMEOUT)?;
    let witness = net.rig.witness.clone();
    let begun = || witness.events().map(|events| events.iter().filter(|event| event.word == Word::Begin).count());
    assert_eq!(begun()?, 1 + BOUND);

    // Now not even main can be read.
    net.proxy.choose(|_| Fault::Page(503));
    let ended = net.pass()?;
    assert_eq!(ended.exit, Some(75), "{}", ended.stderr);
    assert!(ended.stderr.contains("100 not published yet"), "{}", ended.stderr);
    for wanted in ["100 record(s) not published yet", "the remote cannot be reached"] {
        assert!(said(&net, wanted), "`dispatch` does not say `{wanted}`");
    }
    assert!(held(&net), "what the last one held is forgotten");
    let metrics = std::fs::read_to_string(net.rig.state_of(1).join("metrics/dispatch.prom"))?;
    assert!(metrics.contains("codex_dispatch_unpublished_records 100\n"), "{metrics}");
    let probed = net.rig.verb(1, &["--selftest"]).output()?;
    let probed = String::from_utf8_lossy(&probed.stdout).into_owned();
    assert!(probed.contains("100 record(s) wait to be published"), "{probed}");
    assert_eq!(begun()?, 1 + BOUND);

    net.proxy.heal();
    let ended = net.pass()?;
    assert_eq!(ended.exit, Some(0), "{}", ended.stderr);
    assert_eq!(net.judge()?, []);
    Ok(())
}
