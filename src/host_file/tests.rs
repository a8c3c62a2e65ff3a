//! Tables for the host file.

use super::*;

#[test]
fn missing_and_empty_mean_the_defaults() {
    for text in ["", "{}", "# nothing yet\n"] {
        assert_eq!(parse(PATH, text.as_bytes()), Ok(HostFile::default()), "{text:?}");
    }
}

#[test]
fn the_defaults_written_out_are_the_defaults() {
    let text = "interval: 15s\nclaims: local\nlevels: {minimum: isolated, none: [], require: []}\nuids: 60720-60783\nrun_as: {}\nnetwork: []\n\
                actions: {}\nrate: {}\ndrain: 10m\nread: {}\nwrite: {}\nsecrets: {}\nprotocols: [file, ssh, https]\nremote_timeout: 5m\n\
                limits: {memory: 2GiB, pids: 1024, timeout: 2h, output: 8MiB, artifacts: 32MiB, cache: 10GiB}\n";
    let host = parse(PATH, text.as_bytes()).unwrap();
    assert_eq!(HostFile { given: BTreeSet::new(), ..host }, HostFile::default());
}

#[test]
fn every_key_is_read() {
    let text = "node: build-1\nlabels: {zone: eu}\njobs: 2\ninterval: 500ms\nrepository: {branch: main, merged_only: true}\n\
                levels: {minimum: confined, none: [demo, \"*\"], require: [cgroup.memory]}\nuids: 70000-70001\nrun_as: {deploy: www-deploy, x: 1000}\n\
                network: [\"*\"]\nread: {deploy: [/etc/site.conf]}\nwrite: {deploy: [/srv/www/]}\n\
                actions: {reload: {run: [systemctl, reload, x], kinds: [deploy, \"*\"]}, n: {run: [/bin/n], kinds: [], timeout: 1m}}\n\
                secrets: {A: {file: /s/a, kinds: [x]}, B: {credential: b, kinds: [x, y]}, C: {env: C_C, kinds: []}}\n";
    let host = parse("h.yaml", text.as_bytes()).unwrap();
    assert_eq!(
        (host.node.as_deref(), host.jobs, host.interval),
        (Some("build-1"), Some(2), Duration::from_millis(500))
    );
    assert_eq!(host.repository, Repository { branch: Some("main".into()), merged_only: Some(true) });
    assert_eq!((host.levels.minimum, host.levels.none.len(), host.levels.require.len()), (Level::Confined, 2, 1));
    assert_eq!(host.uids, Uids { first: 70_000, last: 70_001 });
    assert_eq!(host.run_as["x"], "1000");
    assert_eq!(host.write["deploy"], [PathBuf::from("/srv/www")]);
    assert_eq!(host.secrets["B"].source, SecretSource::Credential("b".into()));
    let reload = Action {
        run: ["systemctl", "reload", "x"].map(str::to_owned).to_vec(),
        kinds: vec!["deploy".into(), "*".into()],
        timeout: Duration::from_secs(30),
    };
    assert_eq!((&host.actions["reload"], host.actions["n"].timeout), (&reload, Duration::from_mins(1)));
    assert_eq!(host.file, "h.yaml");
    assert!(host.given.contains("write") && !host.given.contains("limits"));
}

#[test]
fn faults() {
    for (text, code, part) in [
        ("[]", "E0801", "the host file cannot be a list"),
        ("netwrok: []", "E0802", "unknown key `netwrok`"),
        ("levels: {min: x}", "E0802", "unknown key `min`"),
        ("jobs: 0", "E0803", "from 1 to 1024"),
        ("interval: 0s", "E0803", "longer than nothing"),
        ("remote_timeout: 999ms", "E0803", "from 1s to 1h"),
        ("remote_timeout: 61m", "E0803", "from 1s to 1h"),
        ("levels: {minimum: none}", "E0803", "lowered to confined only"),
        ("levels: {require: [Landlock]}", "E0803", "no layer"),
        ("uids: 0-5", "E0803", "which is root"),
        ("node: web 1", "E0803", "is no node's name"),
        ("node: web..1", "E0803", "git takes no `..`"),
        ("labels: {zone: 1}", "E0801", "`zone` cannot be a number"),
        ("uids: 5-4", "E0803", "must go up"),
        ("uids: 1-99999", "E0803", "65536"),
        ("uids: +1-5", "E0803", "no range of numbers"),
        ("run_as: {deploy: root}", "E0803", "never be root"),
        ("run_as: {deploy: 0}", "E0803", "no uid above 0"),
        ("run_as: {deploy: \"0\"}", "E0803", "no user's name"),
        ("run_as: {\"*\": www}", "E0803", "is no kind"),
        ("network: deploy", "E0801", "`network` cannot be text"),
        ("network: [a b]", "E0803", "is no kind"),
        ("read: {deploy: /etc}", "E0801", "`deploy` cannot be text"),
        ("write: {deploy: [/]}", "E0803", "whole machine"),
        ("limits: {memory: 0}", "E0803", "more than nothing"),
        ("limits: {timeout: 5}", "E0803", "has no unit"),
        ("secrets: {A: {kinds: [x]}}", "E0803", "one of `file`, `credential` and `env`"),
        ("secrets: {A: {file: /a, env: B, kinds: [x]}}", "E0803", "one of `file`, `credential` and `env`"),
        ("secrets: {A: {file: /a}}", "E0803", "`kinds` is missing"),
        ("secrets: {A: {credential: ../x, kinds: [x]}}", "E0803", "no credential's name"),
        ("secrets: {a-b: {env: X, kinds: [x]}}", "E0803", "no name of a secret"),
        ("actions: {a: {run: [], kinds: [x]}}", "E0803", "`run` is missing"),
        ("actions: {a: {run: [true], kinds: [x]}}", "E0801", "`run` cannot be"),
        ("actions: {a: {run: [bin/x], kinds: [x]}}", "E0803", "neither an absolute path nor a program's name"),
        ("actions: {a: {run: [\"nginx -s reload\"], kinds: [x]}}", "E0803", "each word stands alone"),
        ("actions: {a: {run: [/bin/../x], kinds: [x]}}", "E0803", "must not hold `..`"),
        ("actions: {a: {run: [x]}}", "E0803", "`kinds` is missing"),
        ("actions: {a: {run: [x], kinds: [x], timeout: 0s}}", "E0803", "longer than nothing"),
        ("actions: {\"a b\": {run: [x], kinds: [x]}}", "E0803", "no name of an action"),
        ("protocols: [HTTPS]", "E0803", "no protocol"),
        ("rate: {x: 10}", "E0801", "`x` cannot be a number"),
        ("rate: {x: 0/h}", "E0803", "no rate"),
        ("repository: {branch: refs/heads/x}", "E0803", "short name"),
    ] {
        let faults = parse(PATH, text.as_bytes()).unwrap_err();
        assert!(faults.len() == 1 && faults[0].code == code && faults[0].message.contains(part), "{text}: {faults:?}");
    }
}

#[test]
fn a_rate_is_so_many_in_a_second_minute_hour_or_day() {
    let host = parse(PATH, b"rate: {\"*\": 200/h, deploy: 10/d, ping: 1/s, sync: 7/m}\n").unwrap();
    let found: Vec<_> = host.rate.iter().map(|(kind, rate)| (kind.as_str(), rate.count, rate.per.as_secs())).collect();
    assert_eq!(found, [("*", 200, 3600), ("deploy", 10, 86_400), ("ping", 1, 1), ("sync", 7, 60)]);
    for text in ["rate: {x: 10/w}", "rate: {x: /h}", "rate: {x: -1/h}", "rate: {x: +1/h}", "rate: {x: 100001/h}"] {
        assert_eq!(parse(PATH, text.as_bytes()).unwrap_err()[0].code, "E0803", "{text}");
    }
}

#[test]
fn several_hosts_may_share_a_repository() {
    let host = parse(PATH, b"node: web-1\nlabels: {zone: eu}\nclaims: remote\n").unwrap();
    assert_eq!((host.node.as_deref(), host.claims), (Some("web-1"), Claims::Remote));
    assert_eq!(host.labels.get("zone").map(String::as_str), Some("eu"));
}
