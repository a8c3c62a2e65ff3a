//! How `cancel`, `pause` and `resume` reach a dispatcher: on its host through the state folder, at once and without a remote;
//! from any other clone by a request on main.

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use super::asked::not_submitted;
use super::exit::{Exit, Failure};
use super::home::Home;
use super::render;
use crate::clock::{Clock, System};
use crate::command::NOTE_CHARS_MAX;
use crate::hand_in::{self, HandedIn};
use crate::id::RequestId;
use crate::lock::{Holder, Instance};
use crate::record::emit;
use crate::request;
use crate::submit::{self, Draft, SubmitError, Submitted};

/// Which way is taken.
#[derive(Debug, Args)]
pub struct WayArgs {
    /// Ask by a request on main although a dispatcher works on this clone's state folder: every host reads it
    #[arg(long)]
    on_main: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl WayArgs {
    /// Whether this clone's own dispatcher is asked.
    pub fn is_here(&self, home: &Home) -> Result<bool, Failure> {
        Ok(!self.on_main && home.journal()?.is_some())
    }
}

/// What is asked of a dispatcher.
pub struct Ask {
    /// The reserved kind.
    pub kind: &'static str,
    /// Its spec.
    pub spec: Value,
    /// What the names of its files begin with.
    pub stem: String,
    /// Subject of the commit, where it comes onto main.
    pub subject: String,
}

/// How it was asked.
pub struct Asked {
    /// The id of the request that asks.
    pub id: RequestId,
    kind: &'static str,
    way: Way,
}

enum Way {
    /// Handed in on this host; the process that was told, where one works here now.
    HandedIn {
        dispatcher: Option<u32>,
    },
    OnMain(Submitted),
}

/// Asks on this host.
pub fn ask_here(home: &Home, ask: Ask) -> Result<Asked, Failure> {
    let node = &home.host.node;
    // A pause of this host is none of the others'.
    let target = request::broken_node(node).is_none().then(|| json!({"node": node}));
    let (id, text) = text_of(&ask, target);
    let handed_in = HandedIn::new(id, ask.stem, who(node), System::new().now(), text);
    hand_in::put(&home.state, &handed_in).map_err(|error| {
        let folder = home.state.handed_in();
        let failure = Failure::of(Exit::Unwritable, &error);
        let message = format!("handing in below `{}`: {}", folder.display(), failure.message);
        Failure { message, ..failure }
            .hint("ask as the dispatcher's user, or as root; --on-main asks by a request on main")
    })?;
    let dispatcher = match Instance::holder(home.state.root()) {
        // Where it has just ended, the next pass obeys.
        Holder::Dispatcher(running) => running.poke().is_ok().then_some(running.pid),
        Holder::Somebody | Holder::Nobody => None,
    };
    Ok(Asked { id, kind: ask.kind, way: Way::HandedIn { dispatcher } })
}

/// Asks by a request on main.
pub fn ask_on_main(home: &Home, ask: Ask) -> Result<Asked, Failure> {
    let mut repo = home.shared_repo()?;
    let (id, text) = text_of(&ask, None);
    let draft = Draft { stem: ask.stem, text, subject: ask.subject };
    let identity = home.identity(&repo)?;
    match submit::submit(&mut repo, &draft, &identity, &System::new()) {
        Ok(submitted) => Ok(Asked { id, kind: ask.kind, way: Way::OnMain(submitted) }),
        Err(error) => {
            if let SubmitError::Declined { path, .. } = &error {
                render::print_bytes(draft.text.as_bytes());
                render::say(format!("to ask for it by a pull request, put the lines above into `{path}`"));
            }
            Err(not_submitted(error))
        }
    }
}

impl Asked {
    /// What was done, in JSON, with what is the verb's own.
    pub fn json(&self, own: &Value) -> Value {
        let mut all = json!({"v": 1, "kind": self.kind, "id": self.id});
        let way = match &self.way {
            Way::HandedIn { dispatcher } => json!({"by": "state_folder", "dispatcher": dispatcher}),
            Way::OnMain(Submitted { path, commit }) => json!({"by": "main", "path": path, "commit": commit}),
        };
        for part in [&way, own] {
            for (key, value) in part.as_object().into_iter().flatten() {
                all[key] = value.clone();
            }
        }
        all
    }

    /// Says what was asked for, and when it is carried out.
    pub fn tell(&self, what: &str) {
        match &self.way {
            Way::HandedIn { dispatcher: Some(pid) } => {
                render::print(format!("{what}: the dispatcher (process {pid}) is told, and obeys at once"));
            }
            Way::HandedIn { dispatcher: None } => {
                render::print(format!(
                    "{what}: no dispatcher works here now, and the next pass obeys before anything else"
                ));
            }
            Way::OnMain(Submitted { path, commit }) => {
                let short = commit.to_string()[..10].to_owned();
                render::print(format!("{what}: {path} asks for it on main (commit {short})"));
                render::say("next: each dispatcher obeys at its next pass, before anything else");
            }
        }
    }
}

fn text_of(ask: &Ask, target: Option<Value>) -> (RequestId, String) {
    let id = Uuid::now_v7();
    let mut request = json!({"kind": ask.kind, "id": id, "spec": ask.spec});
    if let Some(target) = target {
        request["target"] = target;
    }
    (RequestId::explicit(id), emit::yaml(&request))
}

/// Who types this, as the machine knows them: nobody has a git identity on a host.
fn who(node: &str) -> String {
    let by_sudo = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty() && !name.contains(['<', '>', '\n']));
    let name = by_sudo.or_else(|| Some(nix::unistd::User::from_uid(nix::unistd::getuid()).ok()??.name));
    let name = name.unwrap_or_else(|| nix::unistd::getuid().to_string());
    format!("{name} <{name}@{node}>")
}

/// A note or reason that is typed: what the schemas take.
pub fn note(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("a note says something".to_owned()),
        1..=NOTE_CHARS_MAX => Ok(text.to_owned()),
        count => Err(format!("it has {count} characters, at most {NOTE_CHARS_MAX}")),
    }
}
