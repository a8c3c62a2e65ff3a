//! A record is written in its documented order and reads back as it was, whatever stands in it.

use super::*;
use serde_json::json;

fn id() -> RequestId {
    "0198c0de-1111-7222-8333-44445555aaaa".parse().expect("uuid")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn full() -> Record {
    let attempt = |number, exit_code| Attempt {
        number,
        started_at: at("2026-11-21T08:00:00Z"),
        finished_at: Some(at("2026-11-21T08:00:01.5Z")),
        exit_code,
        signal: None,
        reason: None,
    };
    let mut record = Record::new(Outcome::Succeeded, id(), "ops/deploy-web")
        .with_attempts(vec![attempt(1, Some(75)), attempt(2, Some(0))]);
    record.then = vec![
        ActionRun {
            name: "reload-nginx".to_owned(),
            started_at: Some(at("2026-11-21T08:00:01.5Z")),
            duration_ms: Some(20),
            exit_code: Some(0),
            ..ActionRun::default()
        },
        ActionRun::not_run("notify"),
    ];
    record.kind = Some("deploy".to_owned());
    record.resource = vec!["host/web-01".to_owned()];
    record.signal = Some(9);
    record.reason = Some("because".to_owned());
    record.queued_at = Some(at("2026-11-21T07:59:00Z"));
    record.host = "build-1".to_owned();
    record.commit = "0123456789012345678901234567890123456789".to_owned();
    record.requested_by = Some(RequestedBy {
        author: "Ann <ann@example.invalid>".to_owned(),
        committer: "Ann <ann@example.invalid>".to_owned(),
        commit: "89ab".to_owned(),
    });
    record.request_blob = "1e10".to_owned();
    record.handler_blob = Some("0777".to_owned());
    record.schema_blob = Some("abc".to_owned());
    record.index_blob = Some("def".to_owned());
    record.host_file_sha256 = Some("00".to_owned());
    record.run_as = Some("60720".to_owned());
    record.sandbox = Some(Sandbox {
        level: "isolated".to_owned(),
        layers: vec!["landlock".to_owned(), "memory: rlimit".to_owned()],
    });
    record.log_sha256 = Some("ff".to_owned());
    record.output = Some(OutputCount { bytes: 10, kept: 7, dropped: 3 });
    record.publish = Some(Publish::Digest);
    let digest = |bytes| Digest { bytes, sha256: "ee".to_owned() };
    let artifact = Artifact { path: "a/b".to_owned(), bytes: 3, sha256: "dd".to_owned() };
    record.kept =
        Some(Kept { log: digest(1), handler_log: digest(2), result: Some(digest(3)), artifacts: vec![artifact] });
    record.idempotency_key = Some("release-42".to_owned());
    record.replay_of = Some(id());
    record.result = Some(json!({"url": "https://example.invalid", "n": [1, 2.5, null, true]}));
    record.handler = json!({"message": "done"}).as_object().expect("object").clone();
    record.skipped = vec!["link: a symlink".to_owned()];
    record.warnings = vec!["careful".to_owned()];
    record.withheld = Some("declined".to_owned());
    record
}

fn round_trip(record: &Record) {
    let text = record.to_status_yaml().expect("written");
    match Record::from_yaml("status.yml", text.as_bytes()) {
        Ok(back) => assert_eq!(&back, record, "{text}"),
        Err(fault) => panic!("{fault}\n{text}"),
    }
}

#[test]
fn fields_stand_in_the_documented_order() {
    let text = full().to_status_yaml().expect("written");
    let keys: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with([' ', '-']))
        .filter_map(|line| line.split_once(':'))
        .map(|(key, _)| key)
        .collect();
    let documented = "v status outcome id kind name resource exit_code signal reason attempts then queued_at \
        started_at finished_at duration_ms host dispatcher commit requested_by request_blob handler_blob schema_blob \
        index_blob host_file_sha256 run_as sandbox log_sha256 output publish kept idempotency_key replay_of result handler skipped \
        warnings withheld";
    assert_eq!(keys, documented.split_whitespace().collect::<Vec<_>>(), "{text}");
    assert!(text.contains("\nresource: host/web-01\n"), "{text}");
    assert!(text.contains("2026-11-21T08:00:01.500Z"), "{text}");
}

#[test]
fn a_full_and_an_empty_record_read_back() {
    round_trip(&full());
    round_trip(&Record::new(Outcome::Rejected, id(), "bad"));
    let mut many = full();
    many.resource = vec!["a".to_owned(), "b".to_owned()];
    round_trip(&many);
}

#[test]
fn what_is_not_known_is_left_out() {
    let record = Record::new(Outcome::Rejected, id(), "bad");
    let text = record.to_status_yaml().expect("written");
    assert!(text.contains("\nexit_code: 64\n"), "{text}");
    assert!(!text.contains("null"), "{text}");
    assert!(!text.contains("attempts"), "{text}");
}

#[test]
fn no_text_changes_its_meaning_or_breaks_out() {
    for text in [
        "",
        " ",
        "~",
        "null",
        "no",
        "on",
        "True",
        "010",
        "0o17",
        "0x1F",
        "1e3",
        "1_000",
        ".5",
        ".inf",
        "-",
        "--- x",
        "...",
        "a: b",
        "a #b",
        "- a",
        "[masked:TOKEN]",
        "{a}",
        "*a",
        "&a",
        "!x",
        "%x",
        "@x",
        "`x`",
        "|",
        ">",
        "'",
        "\"",
        "?",
        "line\nstatus: success",
        "line\n\n",
        "\n  indented",
        "\r\n",
        "tab\t",
        "\u{1b}[2J",
        "\0",
        "\u{7f}\u{85}\u{9b}",
        "\u{2028}\u{2029}",
        "\u{feff}bom",
        "\u{202e}rtl",
        "emoji \u{1f600}",
        "2026-11-21",
        "12:30:45",
        "=",
        "<<",
        "1.",
        "9223372036854775808",
        "+1",
        "0b1",
        "0.10",
        "y",
    ] {
        let mut record = full();
        record.reason = Some(text.to_owned());
        record.kind = Some(text.to_owned());
        record.resource = vec![text.to_owned()];
        record.result = Some(json!({ "text": text, "list": [text, {"deep": text}] }));
        record.handler = Map::from_iter([(text.to_owned(), Value::from(text))]);
        round_trip(&record);
    }
}

#[test]
fn numbers_stay_what_they_are() {
    for number in [
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5),
        json!(-0.25),
        json!(1e300),
        json!(5e-324),
        json!(1.0),
        json!(100_000_000_000_000_000_000.0),
    ] {
        let mut record = full();
        record.result = Some(json!({ "n": number }));
        round_trip(&record);
    }
}

#[test]
fn what_is_no_record_is_refused_with_its_name() {
    for (text, part) in [
        ("status: success\n", "missing field"),
        ("[]", "logs/a/status.yml"),
        ("v: 2\nstatus: great\n", "newer"),
        ("a: [", "logs/a/status.yml"),
        ("", "logs/a/status.yml"),
    ] {
        let fault = Record::from_yaml("logs/a/status.yml", text.as_bytes()).expect_err(text);
        assert!(fault.to_string().contains(part), "{text}: {fault}");
    }
    let newer_key = full().to_status_yaml().expect("written") + "later: 1\n";
    assert!(Record::from_yaml("status.yml", newer_key.as_bytes()).is_ok());
}

#[test]
fn attempts_give_the_whole_its_numbers() {
    let attempt = |exit_code, signal, reason: Option<&str>| Attempt {
        number: 1,
        started_at: at("2026-11-21T08:00:00Z"),
        finished_at: Some(at("2026-11-21T08:00:02Z")),
        exit_code,
        signal,
        reason: reason.map(str::to_owned),
    };
    let failed = |attempt| Record::new(Outcome::Failed, id(), "a").with_attempts(vec![attempt]);
    let record = failed(attempt(Some(3), None, None));
    assert_eq!((record.exit_code, record.rc(), record.duration_ms), (Some(3), 3, Some(2000)));
    let record = failed(attempt(None, Some(9), Some("oom")));
    assert_eq!((record.exit_code, record.rc(), record.signal), (None, 137, Some(9)));
    assert_eq!(record.reason.as_deref(), Some("oom"));
    let timed_out =
        Record::new(Outcome::TimedOut, id(), "a").with_attempts(vec![attempt(None, Some(9), Some("timeout"))]);
    assert_eq!((timed_out.exit_code, timed_out.rc()), (Some(124), 124));
}
