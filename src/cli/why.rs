//! `dispatch why ID`: what a request waits for, or why it ended as it did, and what to do.

use std::path::Path;

use clap::Args;

use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render, status};
use crate::admit::Verdict;
use crate::dispatch::HeldBy;
use crate::job::Delivery;
use crate::outcome::Outcome;
use crate::record::visible;
use crate::report::Advice;
use crate::view::{Line, View};

/// Arguments of `why`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dispatch why release-42\n  dispatch why 0198c0de --json")]
pub struct WhyArgs {
    /// Id of the request, the beginning or end of it (4 characters or more), or its name
    #[arg(value_name = "ID")]
    id: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const FOR_ANOTHER: &str =
    "nothing here: the dispatcher of that node takes it; or commit the request with another `target`";

struct Answer {
    because: String,
    details: Vec<String>,
    next: String,
}

/// Answers `why`.
pub fn answer(place: &PlaceArgs, args: &WhyArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let view = home.view()?;
    let line = view.find(&args.id)?;
    let answer = explain(&home, &view, &line)?;
    if args.json {
        render::print_json(&serde_json::json!({
            "v": 1, "request": line, "because": answer.because, "details": answer.details, "next": answer.next,
        }));
        return Ok(Exit::Done);
    }
    render::print(format!("{} is {}: {}", line.name, line.state, answer.because));
    for detail in answer.details {
        render::print(format!("\n{}", detail.trim_end()));
    }
    render::print(format!("\nnext: {}", answer.next));
    Ok(Exit::Done)
}

/// What a report says of a request: the same.
pub fn advice(home: &Home, view: &View, line: &Line) -> Result<Advice, Failure> {
    let Answer { because, details, next } = explain(home, view, line)?;
    Ok(Advice { because, details, next })
}

fn explain(home: &Home, view: &View, line: &Line) -> Result<Answer, Failure> {
    Ok(match (line.path.is_some(), home.paused_by()) {
        (true, Some(file)) if line.state == "pending" => paused(&file),
        (true, None) if line.state == "pending" && home.closed().is_some() => Answer {
            because: home.closed().unwrap_or_default(),
            details: Vec::new(),
            next: "ask as the dispatcher's user, or as root".to_owned(),
        },
        (true, _) => pending(view, line)?,
        (false, _) => ended(view, line)?,
    })
}

fn paused(file: &Path) -> Answer {
    Answer {
        because: "the dispatcher is paused: nothing is started while the file `paused` exists".to_owned(),
        details: Vec::new(),
        next: format!("`rm {}` lets it go on", file.display()),
    }
}

fn pending(view: &View, line: &Line) -> Result<Answer, Failure> {
    let plain =
        |because: &str, next: &str| Answer { because: because.to_owned(), details: Vec::new(), next: next.to_owned() };
    match line.state.as_str() {
        "interrupted" => {
            let next =
                format!("`{} run` (or the start of its `watch`) settles it: {}", render::program(), after(view, line));
            return Ok(plain(line.reason.as_deref().unwrap_or("its dispatcher is gone"), &next));
        }
        "running" => return Ok(plain("it runs now", &format!("`dispatch logs -f {}` follows it", line.id.short()))),
        "retrying" => {
            return Ok(plain(
                line.reason.as_deref().unwrap_or("it is tried again"),
                "wait, or look at `dispatch logs`",
            ));
        }
        "publishing" => {
            let obstacle = view.standing().and_then(|standing| standing.obstacle.clone());
            return Ok(plain(
                &format!(
                    "{}{}",
                    line.reason.as_deref().unwrap_or("it has ended"),
                    obstacle.map(|words| format!(" ({words})")).unwrap_or_default()
                ),
                "`dispatch run` publishes it as soon as the remote lets it",
            ));
        }
        _ => {}
    }
    if let Some(held) = view.held(line.id) {
        let next = match &held.by {
            HeldBy::Repository => "mend what is named and commit it; the next pass tries again",
            HeldBy::Layer => "set the machine up as named; `dispatch --selftest` and `dispatch host check` probe it",
            HeldBy::Time(_) => "wait",
            HeldBy::Key => {
                "wait for the earlier request; where that ended `indeterminate`, `dispatch resolve` settles it"
            }
            HeldBy::Lock => "find out which process holds it; the next pass tries again",
            HeldBy::Disk => "make room; the next pass tries again",
            HeldBy::WorkTree => "commit, stash or remove the change; the next pass tries again",
            HeldBy::Claim => "wait; where that node is gone for good, `dispatch resolve` settles what it has claimed",
            HeldBy::Target => FOR_ANOTHER,
            HeldBy::Foreign => {
                "find out who else dispatches here, then `dispatch adopt` for all of them, or `dispatch resolve` for this one"
            }
            HeldBy::Restored => {
                "find out what was done since the copy was made, then `dispatch adopt` for all of them, or `dispatch resolve` for this one"
            }
            HeldBy::Backlog => "see that records can be published: `dispatch --selftest` tries the remote",
        };
        let faults = if held.by == HeldBy::Repository { verdict_details(view, line)? } else { Vec::new() };
        return Ok(Answer { because: held.words.clone(), details: faults, next: next.to_owned() });
    }
    if view.is_for_another(line) {
        return Ok(plain(line.reason.as_deref().unwrap_or("it is for another node"), FOR_ANOTHER));
    }
    match view.verdict(line)? {
        Some(Verdict::Rejected(rejection)) => Ok(Answer {
            because: "it has not been looked at yet, and will be rejected".to_owned(),
            details: rejection.faults.iter().map(ToString::to_string).collect(),
            next: "mend and commit it before the next pass".to_owned(),
        }),
        Some(Verdict::Held { faults, .. }) => Ok(Answer {
            because: "its kind cannot be run".to_owned(),
            details: faults.iter().map(ToString::to_string).collect(),
            next: "mend what is named and commit it".to_owned(),
        }),
        Some(Verdict::Ready(_) | Verdict::Command(_)) => Ok(ready(view, line)),
        None => Ok(Answer {
            because: "the repository's own files are at fault, which holds everything".to_owned(),
            details: view.faults()?.iter().map(ToString::to_string).collect(),
            next: "mend what is named and commit it".to_owned(),
        }),
    }
}

/// What the next pass makes of what was cut off: whether it runs again is the first thing that people ask.
fn after(view: &View, line: &Line) -> &'static str {
    match line.kind.as_deref().and_then(|kind| view.delivery(kind)) {
        Some(Delivery::AtLeastOnce) => "its kind is at-least-once, so it is started again while it has attempts left",
        Some(Delivery::AtMostOnce) => "its kind is at-most-once, so it is not started again, and ends `indeterminate`",
        None => "an at-least-once kind is started again, any other ends `indeterminate`",
    }
}

/// What a person does about a request whose end nobody knows.
fn settle(line: &Line) -> String {
    let (program, id) = (render::program(), line.id.short());
    format!(
        "find out on the machine what it did, then say so: `{program} resolve {id} --succeeded`, `--failed`, or `--rerun` \
         where it has to be done (again)"
    )
}

fn ready(view: &View, line: &Line) -> Answer {
    let behind = view
        .standing()
        .and_then(|standing| standing.queued.iter().find(|(id, _)| *id == line.id))
        .and_then(|(_, behind)| behind.clone());
    let obstacle = view.standing().and_then(|standing| standing.obstacle.clone());
    let waiting = view.standing().and_then(|standing| standing.waiting.clone());
    let because = match (behind, waiting.or(obstacle)) {
        (Some((id, key)), _) => format!("{} stands before it on the resource `{key}`", id.short()),
        (None, Some(words)) => words,
        (None, None) => "no pass has taken it up yet".to_owned(),
    };
    Answer {
        because,
        details: Vec::new(),
        next: "`dispatch run` on the machine, or wait for its `dispatch watch`".to_owned(),
    }
}

fn verdict_details(view: &View, line: &Line) -> Result<Vec<String>, Failure> {
    Ok(match view.verdict(line)? {
        Some(Verdict::Held { faults, .. }) => faults.iter().map(ToString::to_string).collect(),
        _ => view.faults()?.iter().map(ToString::to_string).collect(),
    })
}

fn ended(view: &View, line: &Line) -> Result<Answer, Failure> {
    let record = status::record_of(view, line)?;
    let mut details = Vec::new();
    if let Some(text) = view.record_file(line, "error.log")? {
        details.push(String::from_utf8_lossy(&text).into_owned());
    } else if let Some(text) = view.record_file(line, "handler.log")? {
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(10)..].join("\n");
        if !tail.is_empty() {
            details.push(format!("its last lines:\n{tail}"));
        }
    }
    let outcome = record.as_ref().map(|record| record.outcome);
    if record.is_none() && line.reason.is_none() {
        return Ok(Answer {
            because: "the journal knows its end, and this clone does not have its record".to_owned(),
            details,
            next: "`git pull` in the clone, then ask again: the record is on main".to_owned(),
        });
    }
    let resolved = line.resolved.as_ref().map(|resolution| visible::line(&resolution.words()).into_owned());
    let because = resolved.or_else(|| line.reason.clone()).unwrap_or_else(|| match outcome {
        Some(Outcome::Succeeded) => "its handler exited 0".to_owned(),
        _ => "the record does not say".to_owned(),
    });
    let because = match because.as_str() {
        "state_lost" => {
            format!("{because}: another dispatcher, or this one before its state folder was lost, may have started it")
        }
        "state_restored" => format!("{because}: it may have been started after the copy of the state folder was made"),
        _ => because,
    };
    let next = match outcome {
        Some(Outcome::Succeeded) => "nothing: it is done",
        // The request may be sound: the owner decides, or the kind's row asks for less.
        Some(Outcome::Rejected) if because.starts_with("not_granted") => {
            "have the machine's owner allow it, or let the kind's row in the index ask for less; then commit the request again under a new name"
        }
        Some(Outcome::Rejected) => "mend the request and commit it again under a new name",
        Some(Outcome::Failed) if because == "oom" => {
            "let the handler use less, or raise `sandbox.memory` in the index; then commit a new request"
        }
        Some(Outcome::TimedOut) => {
            "make the handler faster, or raise `timeout` in the index; then commit a new request"
        }
        Some(Outcome::Indeterminate) if line.resolved.is_some() => "nothing: a person has settled it",
        Some(Outcome::Killed) if because.starts_with("shutdown") => {
            "it ran when the dispatcher was stopped: see how far it came, then commit a new request"
        }
        Some(Outcome::Indeterminate) => {
            return Ok(Answer { because, details, next: settle(line) });
        }
        Some(Outcome::Expired) => "commit a new request if it is still wanted",
        _ => "look at the output, mend the cause, and commit a new request",
    };
    Ok(Answer { because, details, next: next.to_owned() })
}
