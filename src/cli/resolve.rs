//! `dispatch resolve ID`: a person's word on a request whose end nobody knows, put into the inbox as a request of its own.

use clap::Args;
use uuid::Uuid;

use super::asked::not_submitted;
use super::exit::{Exit, Failure};
use super::home::Home;
use super::steer::note;
use super::{PlaceArgs, render};
use crate::clock::System;
use crate::command::{RESOLVE, Word};
use crate::dispatch::{HeldBy, is_marked};
use crate::outcome::Outcome;
use crate::record::{emit, visible};
use crate::submit::{self, Draft, SubmitError, Submitted};
use crate::view::{Line, View};

/// Arguments of `resolve`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dispatch resolve release-42 --succeeded -m 'the site shows 4.2'\n  \
    dispatch resolve 0198c0de --failed -m 'nothing was copied'\n  \
    dispatch resolve release-42 --rerun          it is to be done (again)\n\n\
    For a request that ended `indeterminate`, and for one in the inbox that is held because another dispatcher may have\n\
    started it. It commits `requests/resolve-….yml` (kind dispatch.resolve) to the mainline; the dispatcher settles it at its\n\
    next pass, before everything else. Where you may not push, it prints the file for a pull request and exits with 75.\n\
    The record of the request is never changed: the word stands beside it, with your name, and the first word counts.")]
pub struct ResolveArgs {
    /// Id of the request, the beginning or end of it (4 characters or more), or its name
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    word: WordArgs,

    /// What you found, for the record
    #[arg(short = 'm', long, value_name = "NOTE", value_parser = note)]
    note: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The word, one of three.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct WordArgs {
    /// It did what it should
    #[arg(long)]
    succeeded: bool,

    /// It did not
    #[arg(long)]
    failed: bool,

    /// It is to be done (again): a new request with the same content; one that is held may start
    #[arg(long)]
    rerun: bool,
}

impl WordArgs {
    fn word(&self) -> Word {
        if self.succeeded {
            Word::Succeeded
        } else if self.failed {
            Word::Failed
        } else {
            Word::Rerun
        }
    }
}

/// Answers `resolve`.
pub fn answer(place: &PlaceArgs, args: &ResolveArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let mut repo = home.shared_repo()?;
    // What is asked about is looked for on main as it is now.
    let tip = submit::fetch(&mut repo).map_err(|error| not_submitted(SubmitError::Fetch(error)))?;
    repo.show(tip.commit)?;
    let view = home.view()?;
    let line = view.find(&args.id)?;
    refuse_what_is_known(&home, &view, &line)?;
    let word = args.word.word();
    let draft = draft(&line, word, args.note.as_deref());
    let identity = home.identity(&repo)?;
    let submitted = match submit::submit(&mut repo, &draft, &identity, &System::new()) {
        Ok(submitted) => submitted,
        Err(error) => {
            if let SubmitError::Declined { path, .. } = &error {
                render::print_bytes(draft.text.as_bytes());
                render::say(format!("to settle it by a pull request, put the lines above into `{path}`"));
            }
            return Err(not_submitted(error));
        }
    };
    tell(&line, word, &submitted, args.json);
    Ok(Exit::Done)
}

/// The dispatcher would refuse it, with a record on main: better here.
fn refuse_what_is_known(home: &Home, view: &View, line: &Line) -> Result<(), Failure> {
    let refused = |words: String, hint: &str| Err(Failure::new(Exit::Rejected, words).hint(hint));
    let name = &line.name;
    if let Some(said) = &line.resolved {
        let words = visible::line(&said.words()).into_owned();
        return refused(
            format!("`{name}` is settled: {words}"),
            "the first word counts; what is still to be done is a new request",
        );
    }
    match line.state.parse::<Outcome>() {
        Ok(Outcome::Indeterminate) => return Ok(()),
        Ok(outcome) => {
            return refused(
                format!("`{name}` ended {outcome}, which is known"),
                "only what ended `indeterminate` can be resolved; to run it again, commit a new request",
            );
        }
        Err(_) => {}
    }
    match line.state.as_str() {
        "running" | "retrying" => {
            return refused(format!("`{name}` has not ended"), "wait for its end, or see `dispatch logs`");
        }
        "interrupted" | "publishing" => {
            return refused(
                format!("`{name}` is {}: what came of it is not on main yet", line.state),
                "`dispatch run` records it; `dispatch status` shows how it ended",
            );
        }
        _ => {}
    }
    // A clone in which nothing is dispatched cannot know what the dispatcher holds.
    let held =
        view.held(line.id).is_some_and(|held| matches!(held.by, HeldBy::Foreign | HeldBy::Restored | HeldBy::Claim));
    let marked = home.journal()?.map(|journal| is_marked(&journal, line.id)).transpose()?.unwrap_or(false);
    if view.standing().is_none() || held || marked {
        return Ok(());
    }
    refused(
        format!("`{name}` is in the inbox and nobody has started it"),
        "it starts in its turn; remove it from the inbox where it is not wanted; `dispatch why` says what it waits for",
    )
}

fn draft(line: &Line, word: Word, note: Option<&str>) -> Draft {
    let mut spec = serde_json::json!({"id": line.id, "as": word});
    if let Some(note) = note {
        spec["note"] = note.into();
    }
    let request = serde_json::json!({"kind": RESOLVE, "id": Uuid::now_v7(), "spec": spec});
    Draft {
        stem: format!("resolve-{}", line.id.short()),
        text: emit::yaml(&request),
        subject: format!("dispatch: resolve {} as {}", line.id.short(), word.as_str()),
    }
}

fn tell(line: &Line, word: Word, submitted: &Submitted, json: bool) {
    let Submitted { path, commit } = submitted;
    if json {
        return render::print_json(&serde_json::json!({
            "v": 1, "id": line.id, "name": line.name, "as": word, "path": path, "commit": commit,
        }));
    }
    let short = commit.to_string()[..10].to_owned();
    render::print(format!("{path} asks for it on main (commit {short}): {} as {}", line.name, word.as_str()));
    let program = render::program();
    render::say(format!(
        "next: the dispatcher settles it at its next pass (`{program} run`, or the `watch` that runs); then see `{program} status {}`",
        line.id.short()
    ));
}
