//! `dispatch pause` and `dispatch resume`: what may not start for a while.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::exit::{Exit, Failure};
use super::home::Home;
use super::steer::{self, Ask, WayArgs, note};
use super::{PlaceArgs, render};
use crate::clock::{Clock, System};
use crate::pause::{PAUSE, Pause, RESUME, Scope};
use crate::record::visible;
use crate::request::{is_kind, is_reserved};
use crate::units::{parse_duration, parse_timestamp};

/// What is meant; without an option everything.
#[derive(Debug, Args)]
struct ScopeArgs {
    /// Only this kind
    #[arg(long, value_name = "KIND", value_parser = kind, conflicts_with = "resource")]
    kind: Option<String>,

    /// Only what needs this resource, by its lock key (`dispatch status` shows it)
    #[arg(long, value_name = "KEY", value_parser = key)]
    resource: Option<String>,
}

impl ScopeArgs {
    fn scope(&self) -> Scope {
        match (&self.kind, &self.resource) {
            (Some(kind), _) => Scope::Kind(kind.clone()),
            (None, Some(resource)) => Scope::Resource(resource.clone()),
            (None, None) => Scope::All,
        }
    }
}

/// Arguments of `pause`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch pause -m 'the database moves' --for 2h\n  dispatch pause --kind deploy -m 'release freeze' --until 2026-12-27T08:00:00Z\n  \
    dispatch pause --resource host/web-1\n\n\
    Nothing of it is started any more, until `dispatch resume` with the same option or until the time has come; what runs goes\n\
    on. Requests wait as `held`, and `dispatch why` says for what. A later pause of the same kind, resource or all takes the\n\
    place of the one before. Where the dispatcher works on this clone's state folder it obeys at once, for this host alone;\n\
    from any other clone, or with --on-main, a request (kind dispatch.pause) is put on main, for every host."
)]
pub struct PauseArgs {
    #[command(flatten)]
    scope: ScopeArgs,

    /// Why, for those who wait and for the record
    #[arg(short = 'm', long, value_name = "REASON", value_parser = note)]
    message: Option<String>,

    /// Ends by itself after this span, such as 2h
    #[arg(long = "for", value_name = "SPAN", value_parser = span, conflicts_with = "until")]
    span: Option<Duration>,

    /// Ends by itself at this time, such as 2026-12-24T18:00:00+01:00
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,

    #[command(flatten)]
    way: WayArgs,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dispatch resume\n  dispatch resume --kind deploy -m 'the release is out'\n\n\
    Ends the pause of the same scope and no other: without an option the one of everything. Bare `dispatch` shows what is\n\
    paused. A file `paused` is removed by whoever made it.")]
pub struct ResumeArgs {
    #[command(flatten)]
    scope: ScopeArgs,

    /// Why, for the record
    #[arg(short = 'm', long, value_name = "REASON", value_parser = note)]
    message: Option<String>,

    #[command(flatten)]
    way: WayArgs,
}

/// Answers `pause`.
pub fn answer(place: &PlaceArgs, args: &PauseArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let scope = args.scope.scope();
    let now = System::new().now();
    let until = match args.span {
        Some(span) => Some(now.checked_add(span).unwrap_or(Timestamp::MAX)),
        None => args.until,
    };
    if let Some(until) = until.filter(|until| *until <= now) {
        let message = format!("{until} has passed: nothing would be paused");
        return Err(Failure::new(Exit::Rejected, message).hint("name a time that is to come, or a span with --for"));
    }
    let here = args.way.is_here(&home)?;
    warn_of_unknown(&home, &scope);
    let mut spec = json!(scope);
    add(&mut spec, "reason", args.message.as_ref());
    add(&mut spec, "until", until.map(crate::clock::utc_millis).as_ref());
    let asked = ask(&home, here, PAUSE, "pause", &scope, spec)?;
    if args.way.json {
        render::print_json(&asked.json(&json!({"scope": scope, "reason": args.message, "until": until})));
        return Ok(Exit::Done);
    }
    let pause = Pause {
        scope: scope.clone(),
        reason: args.message.clone(),
        until,
        since: now,
        by: asked.id,
        who: String::new(),
    };
    asked.tell(&visible::line(&pause.words()));
    render::say(format!("next: `{} resume{}` lets it go on", render::program(), visible::line(&scope.options())));
    Ok(Exit::Done)
}

/// Answers `resume`.
pub fn answer_resume(place: &PlaceArgs, args: &ResumeArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let scope = args.scope.scope();
    let here = args.way.is_here(&home)?;
    if here {
        refuse_what_is_not_paused(&home, &scope)?;
    }
    let mut spec = json!(scope);
    add(&mut spec, "reason", args.message.as_ref());
    let asked = ask(&home, here, RESUME, "resume", &scope, spec)?;
    if args.way.json {
        render::print_json(&asked.json(&json!({"scope": scope, "reason": args.message})));
        return Ok(Exit::Done);
    }
    asked.tell(&visible::line(&format!("{scope} may start again")));
    if let Some(file) = home.paused_by().filter(|_| here) {
        render::say(format!("nothing is started all the same while `{}` exists", file.display()));
    }
    Ok(Exit::Done)
}

fn ask(
    home: &Home,
    here: bool,
    kind: &'static str,
    verb: &str,
    scope: &Scope,
    spec: serde_json::Value,
) -> Result<steer::Asked, Failure> {
    let name = match scope {
        Scope::All => "all",
        Scope::Kind(kind) => kind,
        Scope::Resource(_) => "resource",
    };
    let subject = format!("dispatch: {verb} {scope}");
    let ask = Ask { kind, spec, stem: format!("{verb}-{name}"), subject };
    if here { steer::ask_here(home, ask) } else { steer::ask_on_main(home, ask) }
}

fn refuse_what_is_not_paused(home: &Home, scope: &Scope) -> Result<(), Failure> {
    let view = home.view()?;
    let pauses = view.pauses();
    if pauses.iter().any(|pause| pause.scope == *scope) {
        return Ok(());
    }
    let hint = match (pauses.first(), home.paused_by()) {
        (Some(pause), _) => {
            format!("{}; `{} resume{}` ends that", pause.words(), render::program(), pause.scope.options())
        }
        (None, Some(file)) => format!("nothing is started while `{0}` exists: `rm {0}`", file.display()),
        (None, None) => "nothing is paused here; --on-main asks other hosts".to_owned(),
    };
    let message = visible::line(&format!("{scope} is not paused")).into_owned();
    Err(Failure::new(Exit::Rejected, message).hint(visible::line(&hint)))
}

/// A kind that nobody knows is paused all the same: its row may come with the next commit.
fn warn_of_unknown(home: &Home, scope: &Scope) {
    let Scope::Kind(kind) = scope else { return };
    if home.view().is_ok_and(|view| view.tip().is_some() && view.delivery(kind).is_none()) {
        tracing::warn!("no row of the index is of the kind `{kind}`; `dispatch kinds` shows those there are");
    }
}

fn add(spec: &mut serde_json::Value, key: &str, value: Option<&String>) {
    if let Some(value) = value {
        spec[key] = value.as_str().into();
    }
}

fn kind(text: &str) -> Result<String, String> {
    match text {
        _ if is_reserved(text) => Err("what is asked of the dispatcher itself is never paused".to_owned()),
        _ if is_kind(text) => Ok(text.to_owned()),
        _ => Err("is no kind: letters, digits, `.`, `_` and `-`".to_owned()),
    }
}

fn key(text: &str) -> Result<String, String> {
    crate::resource::check_key(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

fn span(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text).map_err(|error| error.to_string())?;
    if span.is_zero() { Err("a span is longer than nothing".to_owned()) } else { Ok(span) }
}

fn time(text: &str) -> Result<Timestamp, String> {
    parse_timestamp(text).map_err(|error| error.to_string())
}
