//! `dispatch cancel ID`: ends a request that has not ended.

use clap::Args;

use super::asked::not_submitted;
use super::exit::{Exit, Failure};
use super::home::Home;
use super::steer::{self, Ask, WayArgs, note};
use super::{PlaceArgs, render};
use crate::command::CANCEL;
use crate::outcome::Outcome;
use crate::submit::{self, SubmitError};
use crate::view::{Line, View, ViewError};

/// Arguments of `cancel`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch cancel release-42 -m 'the wrong version'\n  dispatch cancel 0198c0de --json\n\n\
    What was not started, or waits for its next attempt, is archived as `cancelled`. What runs gets TERM, after the kind's\n\
    `grace` KILL, and ends `cancelled`; it is not tried again. What its handler has done by then stays done.\n\
    Where its dispatcher works on this clone's state folder it obeys at once, also while the remote is away, and the record\n\
    follows; from any other clone a request (kind dispatch.cancel) is put on main. `dispatch status` shows what came of it."
)]
pub struct CancelArgs {
    /// Id of the request, the beginning or end of it (4 characters or more), or its name
    #[arg(value_name = "ID")]
    id: String,

    /// Why, for the record
    #[arg(short = 'm', long, value_name = "NOTE", value_parser = note)]
    note: Option<String>,

    #[command(flatten)]
    way: WayArgs,
}

/// Answers `cancel`.
pub fn answer(place: &PlaceArgs, args: &CancelArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let here = args.way.is_here(&home)?;
    let line = find(&home, &args.id, here)?;
    refuse_what_has_ended(&line)?;
    let mut spec = serde_json::json!({"id": line.id});
    if let Some(note) = &args.note {
        spec["reason"] = note.as_str().into();
    }
    let ask = Ask {
        kind: CANCEL,
        spec,
        stem: format!("cancel-{}", line.id.short()),
        subject: format!("dispatch: cancel {}", line.id.short()),
    };
    let asked = if here { steer::ask_here(&home, ask)? } else { steer::ask_on_main(&home, ask)? };
    if args.way.json {
        render::print_json(
            &asked.json(&serde_json::json!({"request": line.id, "name": line.name, "state": line.state})),
        );
    } else {
        asked.tell(&format!("`{}` ({}) shall end", line.name, line.state));
        render::say(format!("next: `{} status {}` shows what came of it", render::program(), line.id.short()));
    }
    Ok(Exit::Done)
}

/// The request that is meant. On main it is looked for as it is now; on the host first among what the dispatcher knows, because
/// the remote may be away.
fn find(home: &Home, word: &str, here: bool) -> Result<Line, Failure> {
    let known = if here { Some(home.view()?.find(word)) } else { None };
    match known {
        Some(Err(ViewError::Unknown { .. })) | None => {}
        Some(found) => return Ok(found?),
    }
    let mut repo = home.shared_repo()?;
    let looked = submit::fetch(&mut repo).map_err(SubmitError::Fetch).and_then(|tip| Ok(repo.show(tip.commit)?));
    match looked {
        Err(error) if !here => return Err(not_submitted(error)),
        _ => {}
    }
    let view: View = home.view()?;
    Ok(view.find(word)?)
}

/// The dispatcher would refuse it, with a record on main: better here.
fn refuse_what_has_ended(line: &Line) -> Result<(), Failure> {
    let name = &line.name;
    let ended = match line.state.as_str() {
        "publishing" => line.reason.clone().unwrap_or_else(|| "it has ended".to_owned()),
        state => match state.parse::<Outcome>() {
            Ok(outcome) => format!("it ended {outcome}"),
            Err(_) => return Ok(()),
        },
    };
    let message = format!("`{name}` cannot be cancelled: {ended}");
    Err(Failure::new(Exit::Rejected, message).hint("what has ended is not undone; commit a request that undoes it"))
}
