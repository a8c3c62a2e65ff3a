//! Tables for rows of the router table.

use super::*;
use crate::yaml::{self, Limits};

fn read_one(row: &str) -> Result<Row, Vec<Diagnostic>> {
    let text = format!("backup: {row}\n");
    let document = yaml::read("handlers/index.yml", text.as_bytes(), Limits::REPOSITORY).unwrap();
    read(&document, "backup", &RepoConfig::default())
}

#[test]
fn flat_rows_have_every_default() {
    assert_eq!(read_one("./handlers//backup.py"), Ok(Row::flat("backup", "handlers/backup.py")));
    assert_eq!(read_one("handlers/my script.sh").unwrap().run, ["handlers/my script.sh"]);
    assert_eq!(read_one("{run: handlers/backup.py}"), Ok(Row::flat("backup", "handlers/backup.py")));
}

#[test]
fn full_rows_are_typed() {
    let row = read_one(
        "{run: [/opt/venv/bin/python, handlers/backup.py], description: Back up, schema: schemas/b.json, resource: [\"host/{spec.host}\", x], \
         timeout: 1h, grace: 5s, delivery: at-least-once, retry: {attempts: 5, backoff: 1s, on: [75, 1]}, expires: 6h, publish: tail, then: [reload, notify], \
         workspace: snapshot, sandbox: {level: none, network: true, memory: 1GiB, pids: 9, cpu_time: 1m, tmp: 0, output: 2MiB, artifacts: 3MiB, \
         cache: 0, read: [/etc/x], write: [/srv/www/]}, secrets: [BACKUP_TOKEN], secrets_env: true, env: {A: b}}",
    )
    .unwrap();
    assert_eq!(row.run, ["/opt/venv/bin/python", "handlers/backup.py"]);
    assert_eq!(row.resource.iter().map(Template::as_str).collect::<Vec<_>>(), ["host/{spec.host}", "x"]);
    assert_eq!(
        (row.timeout, row.grace, row.expires),
        (Some(Duration::from_hours(1)), Duration::from_secs(5), Some(Duration::from_hours(6)))
    );
    let retry = row.retry.unwrap();
    assert_eq!(
        (retry.attempts, retry.backoff, retry.max_backoff, retry.on),
        (5, Duration::from_secs(1), Duration::from_mins(10), vec![75, 1])
    );
    assert_eq!((row.sandbox.level, row.sandbox.network, row.sandbox.tmp), (Level::None, Network::Host, Some(0)));
    assert_eq!(row.sandbox.write, [PathBuf::from("/srv/www")]);
    assert_eq!(row.publish, Publish::Tail);
    assert_eq!(row.then, ["reload", "notify"]);
    assert_eq!((row.secrets, row.secrets_env, row.env.len()), (vec!["BACKUP_TOKEN".to_owned()], true, 1));
}

#[test]
fn only_at_least_once_rows_are_tried_again() {
    assert_eq!(read_one("{run: h, delivery: at-least-once}").unwrap().retry, Some(Retry::default()));
    assert_eq!(read_one("{run: h}").unwrap().retry, None);
}

#[test]
fn faults_of_rows() {
    for (row, code, part) in [
        ("[a]", "E0501", "`backup` cannot be a list"),
        ("", "E0501", "`backup` cannot be empty"),
        ("{}", "E0503", "`run` is missing"),
        ("{run: h, tiemout: 5m}", "E0502", "unknown key `tiemout`"),
        ("{run: h, sandbox: {mem: 1GiB}}", "E0502", "unknown key `mem`"),
        ("/bin/true", "E0503", "`run: [/bin/true]`"),
        ("../x", "E0503", "must not hold `..`"),
        ("requests/x.sh", "E0503", "lies in `requests/`"),
        ("logs/a/x.sh", "E0503", "lies in `logs/`"),
        ("handlers/x.sh --now", "E0503", "write a list, `run: [handlers/x.sh, --now]`"),
        ("python3 handlers/x.py", "E0503", "write a list"),
        ("handlers/x | tee y", "E0503", "write a list"),
        ("{run: []}", "E0503", "empty list"),
        ("{run: [requests/x]}", "E0503", "its first word `requests/x` lies in"),
        ("{run: [/bin/../x]}", "E0503", "must not hold `..`"),
        ("{run: [h, 5]}", "E0501", "`run` cannot be a number"),
        ("{run: 5}", "E0501", "`run` cannot be a number"),
        ("{run: h, schema: requests/s.json}", "E0503", "lies in `requests/`"),
        ("{run: h, schema: /s.json}", "E0503", "is absolute"),
        ("{run: h, resource: \"{host}\"}", "E0503", "`{host}` is no place"),
        ("{run: h, timeout: 0s}", "E0503", "longer than nothing"),
        ("{run: h, grace: 1h}", "E0503", "longer than 10m"),
        ("{run: h, delivery: exactly-once}", "E0503", "there is no `exactly-once`"),
        ("{run: h, retry: {attempts: 2}}", "E0503", "needs `delivery: at-least-once`"),
        ("{run: h, delivery: at-least-once, retry: {attempts: 0}}", "E0503", "from 1 to 100"),
        ("{run: h, delivery: at-least-once, retry: {on: [0]}}", "E0503", "no exit code"),
        ("{run: h, delivery: at-least-once, retry: {backoff: 1h}}", "E0503", "longer than `max_backoff`"),
        ("{run: h, sandbox: {level: high}}", "E0503", "there is no `high`"),
        ("{run: h, sandbox: {network: {}}}", "E0503", "names no ports"),
        ("{run: h, sandbox: {cpu_time: 1ms}}", "E0503", "at least 1s"),
        ("{run: h, sandbox: {memory: 512M}}", "E0503", "no unit of size"),
        ("{run: h, sandbox: {read: [etc]}}", "E0503", "is relative"),
        ("{run: h, sandbox: {write: [/]}}", "E0503", "whole machine"),
        ("{run: h, publish: all}", "E0503", "there is no `all`"),
        ("{run: h, then: [\"a b\"]}", "E0503", "no name of an action"),
        ("{run: h, secrets: [a-b]}", "E0503", "a name has"),
        ("{run: h, env: {A: 1}}", "E0501", "`A` cannot be a number"),
        ("{run: h, env: {DISPATCH_ID: x}}", "E0503", "the dispatcher's own"),
        ("{run: h, env: {\"A=B\": x}}", "E0503", "no name of a variable"),
        ("{run: h, sandbox: {level: none, network: {tcp: [443]}}}", "E0503", "at none nothing narrows it"),
        ("{run: h, secrets: [A], secrets_env: true, env: {A: x}}", "E0503", "one would hide the other"),
    ] {
        let faults = read_one(row).unwrap_err();
        assert!(faults.len() == 1 && faults[0].code == code && faults[0].message.contains(part), "{row}: {faults:?}");
    }
}

#[test]
fn kinds_hold_their_rule() {
    for (kind, part) in [("dispatch.cancel", "is reserved"), ("a b", "breaks the rule"), ("a/b", "breaks the rule")] {
        let text = format!("{kind}: handlers/x\n");
        let document = yaml::read("i.yml", text.as_bytes(), Limits::REPOSITORY).unwrap();
        let faults = read(&document, kind, &RepoConfig::default()).unwrap_err();
        assert!(faults.len() == 1 && faults[0].code == "E0505" && faults[0].message.contains(part), "{faults:?}");
    }
}
