//! `dispatch why ID`: what a request waits for, or why it ended as it did, and what to do. The same in the fewest words is
//! part of `status --json`.

use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::exit::{Exit, Failure};
use super::home::{FetchArgs, Home};
use super::{PlaceArgs, render, status};
use crate::admit::Verdict;
use crate::clock::{Clock, System};
use crate::dispatch::HeldBy;
use crate::host_status::{HostStatus, There};
use crate::job::Delivery;
use crate::outcome::Outcome;
use crate::record::visible;
use crate::report::Advice;
use crate::state::Act;
use crate::view::{Line, View};

/// Arguments of `why`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch why release-42\n  dispatch why 0198c0de --json\n  dispatch why release-42 --fetch    main as it is now, and what hosts say"
)]
pub struct WhyArgs {
    /// Id of the request, the beginning or end of it (4 characters or more), or its name
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    fetch: FetchArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

const FOR_ANOTHER: &str =
    "nothing here: the dispatcher of that node takes it; or commit the request with another `target`";
/// Of the last lines of an output.
const TAIL_LINES: usize = 10;
const TAIL_BYTES: usize = 2048;

/// Whose move it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// It is done.
    Nobody,
    /// Nothing is to be done but to wait.
    Wait,
    /// The request has to change.
    Request,
    /// The handler, or what it met.
    Handler,
    /// The repository's index, schema or handler file.
    Repository,
    /// The owner of the machine.
    Host,
    /// Somebody has to find out, and say so.
    Person,
}

/// Why a request is where it is, and what to do.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// How it ended.
    outcome: Option<Outcome>,
    /// A stable word for the reason.
    class: String,
    /// Whose move it is.
    whose: Whose,
    /// In a sentence.
    because: String,
    /// How many stand before it.
    before: Option<usize>,
    /// What to do.
    next: String,
    /// The last lines of its output, or the refusal.
    tail: Option<String>,
    #[serde(skip)]
    details: Vec<String>,
}

impl Answer {
    fn new(class: &str, whose: Whose, because: impl Into<String>, next: impl Into<String>) -> Self {
        let (class, because, next) = (class.to_owned(), because.into(), next.into());
        Self { outcome: None, class, whose, because, before: None, next, tail: None, details: Vec::new() }
    }

    /// In a sentence.
    pub fn because(&self) -> &str {
        &self.because
    }

    /// What to do.
    pub fn next(&self) -> &str {
        &self.next
    }

    fn details(mut self, details: Vec<String>) -> Self {
        self.tail = (!details.is_empty()).then(|| bounded(&details.join("\n")));
        Self { details, ..self }
    }
}

/// Answers `why`.
pub fn answer(place: &PlaceArgs, args: &WhyArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let view = home.view_for(&args.fetch)?;
    let line = view.find(&args.id)?;
    let answer = explain(&home, &view, &line)?;
    if args.json {
        render::print_json(&serde_json::json!({
            "v": 1, "request": line, "because": answer.because, "details": answer.details, "next": answer.next, "why": answer,
        }));
        return Ok(Exit::Done);
    }
    render::print(format!("{} is {}: {}", line.name, line.state, answer.because));
    for detail in &answer.details {
        render::print(format!("\n{}", detail.trim_end()));
    }
    render::print(format!("\nnext: {}", answer.next));
    render::explained_by(&answer.details.concat());
    Ok(Exit::Done)
}

/// What a report says of a request: the same.
pub fn advice(home: &Home, view: &View, line: &Line) -> Result<Advice, Failure> {
    let Answer { because, details, next, .. } = explain(home, view, line)?;
    Ok(Advice { because, details, next })
}

/// Why a request is where it is.
pub fn explain(home: &Home, view: &View, line: &Line) -> Result<Answer, Failure> {
    match (line.path.is_some(), home.paused_by()) {
        (true, Some(file)) if line.state == "pending" => Ok(paused(&file)),
        (true, None) if line.state == "pending" && home.closed().is_some() => {
            let next = "ask as the dispatcher's user, or as root";
            Ok(Answer::new("closed", Whose::Person, home.closed().unwrap_or_default(), next))
        }
        (true, _) => pending(view, line),
        (false, _) => ended(view, line),
    }
}

fn paused(file: &Path) -> Answer {
    let because = "the dispatcher is paused: nothing is started while the file `paused` exists";
    Answer::new("paused", Whose::Host, because, format!("`rm {}` lets it go on", file.display()))
}

fn pending(view: &View, line: &Line) -> Result<Answer, Failure> {
    match line.state.as_str() {
        "running" if view.said_of(line.id).is_some() => {}
        "interrupted" => {
            let next =
                format!("`{} run` (or the start of its `watch`) settles it: {}", render::program(), after(view, line)?);
            let because = line.reason.as_deref().unwrap_or("its dispatcher is gone");
            return Ok(Answer::new("interrupted", Whose::Host, because, next));
        }
        "running" => {
            let because = match line.reason.as_deref().filter(|reason| reason.starts_with("then ")) {
                Some(action) => format!("its handler has succeeded, and it runs {action} now"),
                None => "it runs now".to_owned(),
            };
            let next = format!("`dispatch logs -f {}` follows it", line.id.short());
            return Ok(Answer::new("running", Whose::Wait, because, next));
        }
        "retrying" => {
            let because = line.reason.as_deref().unwrap_or("it is tried again");
            return Ok(Answer::new("retrying", Whose::Wait, because, "wait, or look at `dispatch logs`"));
        }
        "publishing" => {
            let obstacle = view.standing().and_then(|standing| standing.obstacle.clone());
            let whose = if obstacle.is_some() { Whose::Host } else { Whose::Wait };
            let because = format!(
                "{}{}",
                line.reason.as_deref().unwrap_or("it has ended"),
                obstacle.map(|words| format!(" ({words})")).unwrap_or_default()
            );
            let next = "`dispatch run` publishes it as soon as the remote lets it";
            return Ok(Answer::new("publishing", whose, because, next));
        }
        _ => {}
    }
    if let Some(pause) = view.pause_on(line) {
        let wait = if pause.until.is_some() { ", or wait" } else { "" };
        let next = format!("`{} resume{}` lets it go on{wait}", render::program(), pause.scope.options());
        return Ok(Answer::new("held_pause", Whose::Person, pause.words(), next));
    }
    if let Some(held) = view.held(line.id) {
        let (whose, next) = held_by(held.by.word());
        let class = format!("held_{}", held.by.word());
        let faults = if held.by == HeldBy::Repository { verdict_details(view, line)? } else { Vec::new() };
        return Ok(Answer::new(&class, whose, held.words.clone(), next).details(faults));
    }
    if let Some(answer) = elsewhere(view, line, System::new().now()) {
        return Ok(answer);
    }
    if view.is_for_another(line) {
        let because = line.reason.as_deref().unwrap_or("it is for another node");
        return Ok(Answer::new("held_target", Whose::Wait, because, FOR_ANOTHER));
    }
    let shown = |faults: &[crate::diagnostic::Diagnostic]| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    Ok(match view.verdict(line)? {
        Some(Verdict::Rejected(rejection)) => {
            let because = "it has not been looked at yet, and will be rejected";
            Answer::new("rejected_soon", Whose::Request, because, "mend and commit it before the next pass")
                .details(shown(&rejection.faults))
        }
        Some(Verdict::Held { faults, .. }) => {
            let (because, next) = ("its kind cannot be run", "mend what is named and commit it");
            Answer::new("held_repository", Whose::Repository, because, next).details(shown(&faults))
        }
        Some(Verdict::Ready(_) | Verdict::Command(_)) => ready(view, line),
        None => {
            let because = "the repository's own files are at fault, which holds everything";
            Answer::new("held_repository", Whose::Repository, because, "mend what is named and commit it")
                .details(shown(&view.faults()?))
        }
    })
}

/// Whose move it is where a request is held for this word, and what that is.
fn held_by(word: &str) -> (Whose, &'static str) {
    match word {
        "repository" => (Whose::Repository, "mend what is named and commit it; the next pass tries again"),
        "layer" => {
            (Whose::Host, "set the machine up as named; `dispatch --selftest` and `dispatch host check` probe it")
        }
        "time" => (Whose::Wait, "wait"),
        "key" => (
            Whose::Wait,
            "wait for the earlier request; where that ended `indeterminate`, `dispatch resolve` settles it",
        ),
        "lock" => (Whose::Host, "find out which process holds it; the next pass tries again"),
        "disk" => (Whose::Host, "make room; the next pass tries again"),
        "work_tree" => (Whose::Host, "commit, stash or remove the change; the next pass tries again"),
        "claim" => {
            (Whose::Wait, "wait; where that node is gone for good, `dispatch resolve` settles what it has claimed")
        }
        "target" => (Whose::Wait, FOR_ANOTHER),
        "foreign" => (
            Whose::Person,
            "find out who else dispatches here, then `dispatch adopt` for all of them, or `dispatch resolve` for this one",
        ),
        "restored" => (
            Whose::Person,
            "find out what was done since the copy was made, then `dispatch adopt` for all of them, or `dispatch resolve` for this one",
        ),
        "pause" => (Whose::Person, "`dispatch resume` lets it go on"),
        "rate" => (Whose::Wait, "wait: it starts by itself then; the host file says how many may start in a while"),
        "ending" => (Whose::Wait, "wait: its record says what came of it"),
        "backlog" => (Whose::Host, "see that records can be published: `dispatch --selftest` tries the remote"),
        _ => (Whose::Host, "ask on that machine: `dispatch why` says more there"),
    }
}

/// What another host says of a request, where nothing is known of it here.
fn elsewhere(view: &View, line: &Line, now: Timestamp) -> Option<Answer> {
    let (host, there) = view.said_of(line.id)?;
    let node = visible::line(&host.node).into_owned();
    let said = ago(host.age(now));
    Some(match there {
        There::Running => {
            let next = format!(
                "`{} wait {}` follows it; its output comes with the record",
                render::program(),
                line.id.short()
            );
            Answer::new("running", Whose::Wait, format!("it runs on {node} (said {said})"), next)
        }
        There::Held(named) => {
            let word = named.by.as_deref().unwrap_or("unknown");
            let (whose, next) = held_by(word);
            let words = visible::line(named.words.as_deref().unwrap_or("it does not say why")).into_owned();
            let because = format!("{node} holds it: {words} (said {said})");
            Answer::new(&format!("held_{}", visible::line(word)), whose, because, next)
        }
        There::Waiting(named, before) => {
            let next = format!("`{} wait {}` follows it", render::program(), line.id.short());
            let mut answer = match (&named.behind, &named.resource) {
                (Some(behind), Some(key)) => {
                    let key = visible::line(key);
                    let because =
                        format!("on {node}, {} stands before it on the resource `{key}` (said {said})", behind.short());
                    Answer::new("behind", Whose::Wait, because, next.clone())
                }
                _ => not_starting(host).map_or_else(
                    || {
                        let because = format!("{node} has it, and starts it in its turn (said {said})");
                        Answer::new("queued", Whose::Wait, because, next.clone())
                    },
                    |(class, words)| {
                        Answer::new(
                            class,
                            Whose::Host,
                            format!("{node} has it, and {words} (said {said})"),
                            next.clone(),
                        )
                    },
                ),
            };
            answer.before = Some(before);
            answer
        }
    })
}

/// Why a host starts nothing now.
fn not_starting(host: &HostStatus) -> Option<(&'static str, String)> {
    let shown = |words: &String| visible::line(words).into_owned();
    if let Some(words) = &host.paused {
        return Some(("paused", format!("is paused: {}", shown(words))));
    }
    if let Some(words) = host.adopt.as_ref().or(host.blocked.as_ref()) {
        return Some(("blocked", format!("starts nothing new: {}", shown(words))));
    }
    host.obstacle.as_ref().map(|words| ("blocked", format!("cannot read or write main: {}", shown(words))))
}

/// What hosts say of themselves where none says anything of a request: whether anybody will ever look at it.
pub fn nobody_has_it(view: &View, now: Timestamp) -> Option<(&'static str, Whose, String)> {
    let hosts = view.hosts();
    // The one that was heard of last decides: the others cannot do better.
    let host = hosts.iter().min_by_key(|host| (host.age(now).is_none(), host.age(now)))?;
    let (node, said) = (visible::line(&host.node).into_owned(), ago(host.age(now)));
    if let Some((class, words)) = not_starting(host).filter(|_| !host.is_silent(now)) {
        return Some((class, Whose::Host, format!("{node} {words} (said {said})")));
    }
    Some(if host.is_silent(now) {
        let because = format!(
            "no host has looked for {}: {node} was heard of last, and does not say anything any more",
            span(host.age(now))
        );
        ("dead_host", Whose::Host, because)
    } else if host.watching {
        ("unseen", Whose::Wait, format!("{node} watches, and had not met it yet when it spoke last, {said}"))
    } else {
        let pass = host.last_pass.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
        let age = pass.and_then(|pass| u64::try_from(now.duration_since(pass).as_secs()).ok()).or(host.age(now));
        ("dead_host", Whose::Host, format!("no host watches: the last pass was {} on {node}", ago(age)))
    })
}

/// An age as people say it.
pub fn ago(seconds: Option<u64>) -> String {
    match seconds {
        None => "at a time that is not known".to_owned(),
        Some(0..60) => "just now".to_owned(),
        seconds => format!("{} ago", span(seconds)),
    }
}

fn span(seconds: Option<u64>) -> String {
    match seconds.unwrap_or(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// What the next pass makes of what was cut off: whether it runs again is the first thing that people ask.
fn after(view: &View, line: &Line) -> Result<String, Failure> {
    let delivery = line.kind.as_deref().and_then(|kind| view.delivery(kind));
    if let Some((action, act)) = view.action_of(line.id)? {
        let handler = "its handler has succeeded and is not started again";
        return Ok(match (act, delivery) {
            (Act::Running, Some(Delivery::AtLeastOnce)) => {
                format!("{handler}; its kind is at-least-once, so the action `{action}` is")
            }
            (Act::Running, Some(Delivery::AtMostOnce)) => format!(
                "{handler}; its kind is at-most-once, so neither is the action `{action}`, and it ends `indeterminate`"
            ),
            (Act::Running, None) => {
                format!(
                    "{handler}; the action `{action}` is where its kind is at-least-once, else it ends `indeterminate`"
                )
            }
            (Act::Waiting, _) => format!("{handler}; the action `{action}` was not started yet, and comes next"),
            (Act::Failed, _) => {
                format!("{handler}; the action `{action}` did not succeed, and none is started after it")
            }
        });
    }
    Ok(match delivery {
        Some(Delivery::AtLeastOnce) => "its kind is at-least-once, so it is started again while it has attempts left",
        Some(Delivery::AtMostOnce) => "its kind is at-most-once, so it is not started again, and ends `indeterminate`",
        None => "an at-least-once kind is started again, any other ends `indeterminate`",
    }
    .to_owned())
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
    let standing = view.standing();
    let place = standing.and_then(|standing| standing.place_of(line.id));
    let behind = place.as_ref().and_then(|place| place.behind.clone());
    let obstacle = standing.and_then(|standing| standing.obstacle.clone());
    let waiting = standing.and_then(|standing| standing.waiting.clone());
    let is_stuck = waiting.is_some() || obstacle.is_some();
    let (class, because) = match (behind, waiting.or(obstacle)) {
        (Some((id, key)), _) => ("behind", format!("{} stands before it on the resource `{key}`", id.short())),
        (None, Some(words)) => ("blocked", words),
        (None, None) if place.is_some() => ("queued", "it waits until one of those that run has ended".to_owned()),
        (None, None) => match nobody_has_it(view, System::new().now()).filter(|_| standing.is_none()) {
            Some((class, whose, because)) => {
                let next = "`dispatch run` on the machine, or see that its `dispatch watch` runs";
                return Answer::new(class, whose, because, next);
            }
            None => ("unseen", "no pass has taken it up yet".to_owned()),
        },
    };
    let whose = if class == "blocked" && is_stuck { Whose::Host } else { Whose::Wait };
    let next = match standing {
        Some(_) => "`dispatch run` on the machine, or wait for its `dispatch watch`".to_owned(),
        None => format!(
            "`dispatch run` on the machine, or wait for its `dispatch watch`; `{} why {} --fetch` asks what hosts say",
            render::program(),
            line.id.short()
        ),
    };
    let mut answer = Answer::new(class, whose, because, next);
    answer.before = place.map(|place| place.before);
    if let Some(before) = answer.before.filter(|before| *before > 1) {
        answer.because = format!("{} ({before} before it in all)", answer.because);
    }
    answer
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
    let mut tail = None;
    if let Some(text) = view.record_file(line, "error.log")? {
        let text = String::from_utf8_lossy(&text).into_owned();
        tail = Some(bounded(text.trim_end()));
        details.push(text);
    } else if let Some(text) = view.record_file(line, "handler.log")? {
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        if !last.is_empty() {
            tail = Some(bounded(&last));
            details.push(format!("its last lines:\n{last}"));
        }
    }
    let outcome = record.as_ref().map(|record| record.outcome).or_else(|| line.state.parse().ok());
    let mut answer = end(line, outcome, record.is_some());
    (answer.outcome, answer.tail, answer.details) = (outcome, tail, details);
    Ok(answer)
}

/// The cause of an end and what follows from it.
fn end(line: &Line, outcome: Option<Outcome>, has_record: bool) -> Answer {
    if !has_record && line.reason.is_none() {
        let because = "the journal knows its end, and this clone does not have its record";
        let next = "`git pull` in the clone, then ask again: the record is on main";
        return Answer::new("record_missing", Whose::Wait, because, next);
    }
    let resolved = line.resolved.as_ref().map(|resolution| visible::line(&resolution.words()).into_owned());
    let because = resolved.or_else(|| line.reason.clone()).unwrap_or_else(|| match outcome {
        Some(Outcome::Succeeded) => "its handler exited 0".to_owned(),
        _ => "the record does not say".to_owned(),
    });
    // `not_granted: …` and `exit 3` say more than a word: the word is what stands before it.
    let word = line.reason.as_deref().and_then(|reason| reason.split([':', ' ']).next()).unwrap_or_default();
    let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let class = match outcome {
        Some(Outcome::Succeeded) => "succeeded",
        Some(outcome) if !is_word || word == "exit" || word == "then" => outcome.as_str(),
        _ => word,
    };
    let because = match because.as_str() {
        "state_lost" => {
            format!("{because}: another dispatcher, or this one before its state folder was lost, may have started it")
        }
        "state_restored" => format!("{because}: it may have been started after the copy of the state folder was made"),
        _ => because,
    };
    let settled = line.resolved.is_some();
    let (whose, next) = match outcome {
        Some(Outcome::Succeeded) => (Whose::Nobody, "nothing: it is done"),
        // The request may be sound: the owner decides, or the kind's row asks for less.
        Some(Outcome::Rejected) if because.starts_with("not_granted") => (
            Whose::Host,
            "have the machine's owner allow it, or let the kind's row in the index ask for less; then commit the request again under a new name",
        ),
        Some(Outcome::Rejected) => (Whose::Request, "mend the request and commit it again under a new name"),
        Some(Outcome::Failed) if because == "oom" => (
            Whose::Handler,
            "let the handler use less, or raise `sandbox.memory` in the index; then commit a new request",
        ),
        Some(Outcome::TimedOut) => {
            (Whose::Handler, "make the handler faster, or raise `timeout` in the index; then commit a new request")
        }
        Some(Outcome::Indeterminate) if settled => (Whose::Nobody, "nothing: a person has settled it"),
        Some(Outcome::Killed) if because.starts_with("shutdown") => {
            (Whose::Person, "it ran when the dispatcher was stopped: see how far it came, then commit a new request")
        }
        Some(Outcome::Indeterminate) => return Answer::new(class, Whose::Person, because, settle(line)),
        Some(Outcome::Expired | Outcome::Cancelled) => (Whose::Request, "commit a new request if it is still wanted"),
        _ => (Whose::Handler, "look at the output, mend the cause, and commit a new request"),
    };
    Answer::new(class, whose, because, next)
}

/// The end of a text that may be long.
fn bounded(text: &str) -> String {
    if text.len() <= TAIL_BYTES {
        return text.to_owned();
    }
    let from = (text.len() - TAIL_BYTES..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    format!("…{}", &text[from..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RequestId;

    fn ended(state: &str, reason: Option<&str>) -> Answer {
        let id = RequestId::derived("c", "p", "b");
        let line = Line { state: state.to_owned(), reason: reason.map(str::to_owned), ..Line::unknown(id) };
        end(&line, state.parse().ok(), true)
    }

    #[test]
    fn each_end_has_a_stable_word_and_somebody_whose_move_it_is() {
        for (state, reason, class, whose) in [
            ("succeeded", None, "succeeded", Whose::Nobody),
            ("failed", Some("exit 3"), "failed", Whose::Handler),
            ("failed", Some("oom"), "oom", Whose::Handler),
            ("failed", Some("then reload: exit 1"), "failed", Whose::Handler),
            ("timed_out", Some("timeout"), "timeout", Whose::Handler),
            ("rejected", Some("not_granted: secret `A`"), "not_granted", Whose::Host),
            ("rejected", Some("invalid_entry"), "invalid_entry", Whose::Request),
            ("expired", None, "expired", Whose::Request),
            ("indeterminate", Some("state_lost"), "state_lost", Whose::Person),
            ("killed", Some("shutdown"), "shutdown", Whose::Person),
        ] {
            let answer = ended(state, reason);
            assert_eq!((answer.class.as_str(), answer.whose), (class, whose), "{state} {reason:?}");
        }
    }

    #[test]
    fn a_tail_is_bounded_and_whole_characters() {
        assert_eq!(bounded("short"), "short");
        let long = bounded(&"ä".repeat(5000));
        assert!(long.len() <= TAIL_BYTES + 3 && long.starts_with("…ä"), "{}", long.len());
    }
}
