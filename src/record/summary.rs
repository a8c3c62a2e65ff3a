//! The two texts of a record that people read first: `dispatch.log` and, on a rejection, `error.log`.
//!
//! Owns their wording and layout. Every word from a request or a handler is made harmless on its way in.

use std::fmt::{self, Write as _};

use super::{Record, visible};
use crate::clock::utc_millis;
use crate::diagnostic::Diagnostic;
use crate::job::Publish;
use crate::outcome::{ActionRun, Attempt, Outcome};

/// So many lines of output stand in the summary at most.
pub const TAIL_LINES_MAX: usize = 10;
/// And so many characters of each.
const TAIL_CHARS_MAX: usize = 200;

/// What the summary says beyond the record itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// Limits that were hit, as in "memory 512 MiB".
    pub limits: &'a [String],
    /// The last lines of output, masked; more than [`TAIL_LINES_MAX`] are cut.
    pub tail: &'a [String],
}

/// The text of `dispatch.log`.
///
/// # Panics
/// Never: a `String` takes everything.
pub fn dispatch_log(record: &Record, extras: Extras<'_>) -> String {
    let mut text = String::new();
    write_summary(&mut text, record, extras).expect("a String takes all");
    text
}

/// The text of `error.log`: the diagnostics as they are drawn elsewhere. For an unknown kind the first line is
/// the one that tools of the original dispatcher look for.
pub fn error_log(unknown_kind: Option<&str>, diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    if let Some(kind) = unknown_kind {
        text.push_str("Unknown handler for kind ");
        text.push_str(&visible::line(kind));
        text.push_str("\n\n");
    }
    let drawn: Vec<String> =
        diagnostics.iter().map(|diagnostic| visible::lines(diagnostic.to_string().trim_end())).collect();
    text.push_str(&drawn.join("\n\n"));
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn write_summary(text: &mut String, record: &Record, extras: Extras<'_>) -> fmt::Result {
    let kind = record.kind.as_deref().unwrap_or("(no kind)");
    let (kind, name) = (visible::line(kind), visible::line(&record.name));
    writeln!(text, "{}: {kind} `{name}`", record.outcome)?;
    if let Some(reason) = &record.reason {
        writeln!(text, "{}", visible::line(reason))?;
    }
    writeln!(text)?;
    write_facts(text, record)?;
    for limit in extras.limits {
        row(text, "limit hit", limit)?;
    }
    for warning in &record.warnings {
        row(text, "warning", warning)?;
    }
    for skipped in &record.skipped {
        row(text, "not kept", skipped)?;
    }
    let tail = &extras.tail[extras.tail.len().saturating_sub(TAIL_LINES_MAX)..];
    if !tail.is_empty() {
        writeln!(text, "\nLast lines of output:")?;
        for line in tail {
            writeln!(text, "  | {}", cut(&visible::line(line)))?;
        }
    }
    writeln!(text, "\nNext: {}", next_step(record))
}

fn write_facts(text: &mut String, record: &Record) -> fmt::Result {
    row(text, "id", &record.id.to_string())?;
    if !record.resource.is_empty() {
        row(text, "resource", &record.resource.join(", "))?;
    }
    if let Some(by) = &record.requested_by {
        row(text, "asked by", &format!("{}, commit {}", by.author, by.commit))?;
    }
    for (label, time) in
        [("queued", record.queued_at), ("started", record.started_at), ("finished", record.finished_at)]
    {
        if let Some(time) = time {
            row(text, label, &utc_millis(time))?;
        }
    }
    if let Some(span) = record.duration_ms {
        row(text, "took", &format!("{}.{:03} s", span / 1000, span % 1000))?;
    }
    if let Some(code) = record.exit_code {
        row(text, "exit code", &code.to_string())?;
    }
    // A single attempt says nothing that does not stand above.
    if record.attempts.len() > 1 {
        for attempt in &record.attempts {
            row(text, &format!("attempt {}", attempt.number), &attempt_line(attempt))?;
        }
    }
    for run in &record.then {
        row(text, "then", &action_line(run))?;
    }
    row(text, "host", &record.host)?;
    row(text, "commit", &record.commit)?;
    if let Some(user) = &record.run_as {
        row(text, "ran as", user)?;
    }
    if let Some(sandbox) = &record.sandbox {
        let layers = if sandbox.layers.is_empty() {
            "what was active is not known".to_owned()
        } else {
            sandbox.layers.join(", ")
        };
        row(text, "sandbox", &format!("{} ({layers})", sandbox.level))?;
    }
    if let Some(output) = &record.output {
        let dropped = match output.dropped {
            0 => String::new(),
            bytes => format!(", {bytes} dropped"),
        };
        row(text, "output", &format!("{} bytes{dropped}", output.bytes))?;
    }
    if let Some(publish) = record.publish {
        let what = if publish == Publish::Tail { "the end of the output" } else { "sizes and digests" };
        row(text, "published", &format!("{what}; `dispatch logs {}` on {} shows the rest", record.id, record.host))?;
    }
    for (label, id) in [
        ("replay of", record.replay_of),
        ("rerun of", record.rerun_of),
        ("resolved by", record.resolved_by),
        ("cancelled by", record.cancelled_by),
    ] {
        if let Some(id) = id {
            row(text, label, &id.to_string())?;
        }
    }
    Ok(())
}

fn row(text: &mut String, label: &str, value: &str) -> fmt::Result {
    if value.is_empty() {
        return Ok(());
    }
    writeln!(text, "  {label:<10} {}", visible::line(value))
}

fn attempt_line(attempt: &Attempt) -> String {
    let mut line = utc_millis(attempt.started_at);
    let mut add = |part: String| {
        line.push_str(", ");
        line.push_str(&part);
    };
    match (attempt.exit_code, attempt.signal) {
        (Some(code), _) => add(format!("exit code {code}")),
        (None, Some(signal)) => add(format!("signal {signal}")),
        (None, None) => add("its end was not seen".to_owned()),
    }
    if let Some(reason) = &attempt.reason {
        add(reason.clone());
    }
    line
}

fn action_line(run: &ActionRun) -> String {
    let end = match (&run.reason, run.exit_code) {
        (Some(reason), _) => format!(": {reason}"),
        (None, Some(code)) => format!(": exit {code}"),
        (None, None) => String::new(),
    };
    let span = run.duration_ms.map(|span| format!(", {}.{:03} s", span / 1000, span % 1000)).unwrap_or_default();
    let starts = run.starts.map(|starts| format!(", started {starts} times")).unwrap_or_default();
    format!("{}{end}{span}{starts}", run.name)
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(TAIL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// What a person can do now.
fn next_step(record: &Record) -> String {
    let id = record.id;
    let log = match record.publish {
        Some(Publish::Digest) => format!("the output on {}", visible::line(&record.host)),
        _ => "handler.log beside this file".to_owned(),
    };
    match record.outcome {
        Outcome::Failed if !record.then.is_empty() => format!(
            "the handler had succeeded, and an action after it did not: read {log}. Do by hand on the machine what `then` above did not do, or merge the request again under a new name, which runs the handler again too (this was {id})"
        ),
        Outcome::Indeterminate if !record.then.is_empty() => format!(
            "the handler had succeeded; an action after it was started and nobody saw its end. Look on the machine whether it took effect, do by hand what is missing, and say so: `dispatch resolve {id} --succeeded` or `--failed`"
        ),
        Outcome::Succeeded if record.kind.as_deref() == Some("dispatch.resolve") => "nothing.".to_owned(),
        Outcome::Succeeded if record.publish == Some(Publish::Digest) => "nothing.".to_owned(),
        Outcome::Succeeded => "nothing; what the handler left is in this folder.".to_owned(),
        Outcome::Failed => {
            format!("read {log}; when the cause is gone, merge the request again under a new name (this was {id})")
        }
        Outcome::TimedOut => format!(
            "see in {log} how far it came; give the kind more `timeout` in the handler index, or merge the request again under a new name (this was {id})"
        ),
        Outcome::Killed => {
            format!("it was ended from outside; to repeat it, merge the request again under a new name (this was {id})")
        }
        Outcome::Rejected if record.reason.as_deref().is_some_and(|reason| reason.starts_with("not_granted")) => {
            "nothing was run. Have the machine's owner allow what error.log names, or let the kind's row in the handler index ask for less; then merge the request again under a new name.".to_owned()
        }
        Outcome::Rejected => "nothing was run. Correct the request as error.log says and merge it again.".to_owned(),
        Outcome::Expired => {
            format!("nothing was run. If it is still wanted, merge it again under a new name (this was {id})")
        }
        Outcome::Cancelled => format!("if it is wanted after all, merge it again under a new name (this was {id})"),
        Outcome::Indeterminate => {
            let what = if record.attempts.is_empty() {
                "another dispatcher, or this one before its state folder was replaced, may have started it"
            } else {
                "it was started and nobody saw its end"
            };
            format!(
                "{what}. Look on the machine whether it took effect, and say so: `dispatch resolve {id} --succeeded` or `--failed`, or `--rerun` where it has to be done (again)"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{OutputCount, Sandbox};

    fn record(outcome: Outcome) -> Record {
        let id = "0198c0de-1111-7222-8333-44445555aaaa".parse().expect("uuid");
        let attempt = |number, exit_code, signal| Attempt {
            number,
            started_at: "2026-11-21T08:00:00Z".parse().expect("time"),
            finished_at: Some("2026-11-21T08:00:01.5Z".parse().expect("time")),
            exit_code,
            signal,
            reason: None,
        };
        let mut record = Record::new(outcome, id, "ops/deploy")
            .with_attempts(vec![attempt(1, Some(75), None), attempt(2, None, Some(9))]);
        record.kind = Some("deploy".to_owned());
        record.resource = vec!["host/a".to_owned(), "host/b".to_owned()];
        record.host = "build-1".to_owned();
        record.commit = "0123".to_owned();
        record.sandbox = Some(Sandbox { level: "isolated".to_owned(), layers: vec!["landlock".to_owned()] });
        record.output = Some(OutputCount { bytes: 10, kept: 7, dropped: 3 });
        record
    }

    #[test]
    fn layers_that_nobody_saw_are_not_said_to_be_none() {
        let mut lost = record(Outcome::Indeterminate);
        lost.sandbox = Some(Sandbox { level: "isolated".to_owned(), layers: Vec::new() });
        let text = dispatch_log(&lost, Extras::default());
        assert!(text.contains("isolated (what was active is not known)"), "{text}");
        assert_eq!(serde_json::to_value(&lost.sandbox).unwrap(), serde_json::json!({"level": "isolated"}));
    }

    #[test]
    fn a_summary_says_what_happened_and_what_to_do() {
        let limits = ["output 1 MiB".to_owned()];
        let tail: Vec<String> = (0..12).map(|n| format!("line {n}")).collect();
        let extras = Extras { limits: &limits, tail: &tail };
        let mut failed = record(Outcome::Failed);
        failed.reason = Some("oom".to_owned());
        let expected = "\
failed: deploy `ops/deploy`
oom

  id         0198c0de-1111-7222-8333-44445555aaaa
  resource   host/a, host/b
  started    2026-11-21T08:00:00.000Z
  finished   2026-11-21T08:00:01.500Z
  took       1.500 s
  attempt 1  2026-11-21T08:00:00.000Z, exit code 75
  attempt 2  2026-11-21T08:00:00.000Z, signal 9
  host       build-1
  commit     0123
  sandbox    isolated (landlock)
  output     10 bytes, 3 dropped
  limit hit  output 1 MiB

Last lines of output:
  | line 2
  | line 3
  | line 4
  | line 5
  | line 6
  | line 7
  | line 8
  | line 9
  | line 10
  | line 11

Next: read handler.log beside this file; when the cause is gone, merge the request again under a new name (this was 0198c0de-1111-7222-8333-44445555aaaa)
";
        assert_eq!(dispatch_log(&failed, extras), expected);
    }

    #[test]
    fn actions_stand_in_the_summary() {
        let mut failed = record(Outcome::Failed);
        let reload = ActionRun { name: "reload".into(), exit_code: Some(0), ..ActionRun::default() };
        let purge =
            ActionRun { name: "purge".into(), exit_code: Some(1), reason: Some("exit 1".into()), ..reload.clone() };
        let purge = ActionRun { duration_ms: Some(1500), starts: Some(2), ..purge };
        failed.then = vec![reload, purge, ActionRun::not_run("notify")];
        let text = dispatch_log(&failed, Extras::default());
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("  then ")).collect();
        let expected = [
            "  then       reload: exit 0",
            "  then       purge: exit 1, 1.500 s, started 2 times",
            "  then       notify: not_run",
        ];
        assert_eq!(lines, expected);
        assert!(text.contains("Next: the handler had succeeded"), "{text}");
    }

    #[test]
    fn every_outcome_has_a_next_step() {
        for outcome in Outcome::ALL {
            let text = dispatch_log(&record(outcome), Extras::default());
            assert!(text.starts_with(outcome.as_str()), "{text}");
            assert!(text.lines().last().is_some_and(|line| line.starts_with("Next: ")), "{text}");
        }
    }

    #[test]
    fn nothing_in_it_acts_on_a_terminal_or_forges_a_line() {
        let evil = "x\u{1b}[2J\n\nNext: run rm\u{202e}".to_owned();
        let mut record = record(Outcome::Rejected);
        record.name.clone_from(&evil);
        record.kind = Some(evil.clone());
        record.reason = Some(evil.clone());
        record.warnings = vec![evil.clone()];
        record.skipped = vec![evil.clone()];
        record.resource = vec![evil.clone()];
        let extras = Extras { limits: std::slice::from_ref(&evil), tail: &[evil.clone(), "y".repeat(5000)] };
        let text = dispatch_log(&record, extras);
        assert!(!text.chars().any(|c| c != '\n' && visible::acts(c)), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("Next: ")).count(), 1);
        assert!(text.len() < 3000);
        let text = error_log(Some(&evil), &[Diagnostic::new("E0301", evil.clone(), evil.clone())]);
        assert!(!text.chars().any(|c| c != '\n' && visible::acts(c)), "{text}");
    }

    #[test]
    fn an_unknown_kind_has_the_line_that_tools_look_for() {
        let diagnostic = Diagnostic::new("E0301", "requests/a.yml", "no kind `deplyo`");
        let text = error_log(Some("deplyo"), std::slice::from_ref(&diagnostic));
        assert_eq!(text.lines().next(), Some("Unknown handler for kind deplyo"));
        assert!(text.contains("E0301"));
        let text = error_log(None, &[diagnostic.clone(), diagnostic]);
        assert!(!text.contains("Unknown handler"));
        assert_eq!(text.matches("E0301").count(), 2);
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
    }
}
