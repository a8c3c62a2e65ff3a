//! `dispatch poke`: the dispatcher that works here looks at main now, without waiting for its interval.

use std::io;

use clap::Args;

use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render};
use crate::dispatch::Standing;
use crate::lock::{Holder, Instance};

/// Arguments of `poke`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch poke             for example from the hook of a server after a merge\n  dispatch poke -C /srv/inbox --json\n\
    It waits for nothing: `dispatch list` shows what came of it. A pause after a remote that did not answer is cut short too."
)]
pub struct PokeArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AS_ITS_USER: &str = "ask as the dispatcher's user, or as root";

/// Answers `poke`.
pub fn answer(place: &PlaceArgs, args: &PokeArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let state = home.state.root();
    if let Some(words) = home.closed() {
        return Err(Failure::new(Exit::NotPublished, words).hint(AS_ITS_USER));
    }
    let holder = if state.is_dir() { Instance::holder(state) } else { Holder::Nobody };
    let running = match holder {
        Holder::Nobody => {
            let message = format!("no dispatcher works on the state folder `{}`", state.display());
            return Err(
                Failure::new(Exit::Missing, message).hint("`dispatch watch` starts one, `dispatch run` looks once")
            );
        }
        Holder::Somebody => {
            let message = format!("what works on the state folder `{}` takes no signals", state.display());
            let hint = "try again when it has ended (`dispatch adopt` ends soon); as another user than the dispatcher's, ask as that user or root";
            return Err(Failure::new(Exit::NotPublished, message).hint(hint));
        }
        Holder::Dispatcher(running) => running,
    };
    let stopping = Standing::read(&home.state).is_some_and(|seen| seen.stopping && seen.pid == running.pid);
    if stopping {
        let message = format!("the dispatcher, process {}, was told to stop and takes nothing new", running.pid);
        return Err(Failure::new(Exit::Missing, message).hint("the one that is started next looks at once"));
    }
    running.poke().map_err(|error| {
        let message = format!("telling the dispatcher, process {}: {error}", running.pid);
        if error.kind() == io::ErrorKind::PermissionDenied {
            return Failure::new(Exit::NotPublished, message).hint(AS_ITS_USER);
        }
        Failure::new(Exit::Missing, message).hint("it has just ended: `dispatch watch` starts one again")
    })?;
    if args.json {
        render::print_json(&serde_json::json!({"v": 1, "poked": true, "pid": running.pid}));
    } else {
        render::print(format!("the dispatcher, process {}, looks at main now", running.pid));
    }
    Ok(Exit::Done)
}
