//! What is kept from starting by a person's word: everything, a kind or a resource, with a reason and perhaps an end. Pure.
//!
//! Owns what a pause is, whom it holds and until when, and how it is said. Where pauses are kept, and that what runs goes on,
//! is the dispatcher's. The end of a pause is a moment that a person named, and so one of the wall clock.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::RequestId;
use crate::outcome::Outcome;
use crate::record::Record;
use crate::request::Target;

/// The kind that keeps requests from starting.
pub const PAUSE: &str = "dispatch.pause";
/// The kind that ends such a pause.
pub const RESUME: &str = "dispatch.resume";

/// What a pause is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Named", into = "Named")]
pub enum Scope {
    /// Whatever there is.
    #[default]
    All,
    /// The requests of one kind.
    Kind(String),
    /// The requests that need one resource, by its lock key.
    Resource(String),
}

/// How a scope is written: by one key, or by none.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Named {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
}

impl From<Named> for Scope {
    fn from(named: Named) -> Self {
        // The schema takes one of the two at most.
        let resource = named.resource.map(Self::Resource);
        named.kind.map(Self::Kind).or(resource).unwrap_or_default()
    }
}

impl From<Scope> for Named {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::All => Self::default(),
            Scope::Kind(kind) => Self { kind: Some(kind), resource: None },
            Scope::Resource(resource) => Self { kind: None, resource: Some(resource) },
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "everything"),
            Self::Kind(kind) => write!(f, "the kind `{kind}`"),
            Self::Resource(resource) => write!(f, "the resource `{resource}`"),
        }
    }
}

impl Scope {
    /// Whether a request of this kind, with these lock keys, is meant.
    pub fn means(&self, kind: &str, locks: &BTreeSet<String>) -> bool {
        match self {
            Self::All => true,
            Self::Kind(paused) => paused == kind,
            Self::Resource(paused) => locks.contains(paused),
        }
    }

    /// The options of `dispatch pause` and `dispatch resume` that name it, as they are typed in a shell.
    pub fn options(&self) -> String {
        let quoted = |text: &str| {
            let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/@:".contains(&byte));
            if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
        };
        match self {
            Self::All => String::new(),
            Self::Kind(kind) => format!(" --kind {}", quoted(kind)),
            Self::Resource(resource) => format!(" --resource {}", quoted(resource)),
        }
    }
}

/// A pause as it was asked for and taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// What it is about. There is one pause of each scope at most: the last word counts.
    #[serde(flatten)]
    pub scope: Scope,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it ends by itself.
    #[serde(default, with = "crate::clock::millis::option", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Since when.
    #[serde(with = "crate::clock::millis")]
    pub since: Timestamp,
    /// The request that asked for it.
    pub by: RequestId,
    /// Its author.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub who: String,
}

impl Pause {
    /// The code of the refusal of one that is over before it begins,
    pub const OVER_CODE: &str = "E0213";
    /// its class,
    pub const OVER_REASON: &str = "over";
    /// what is wrong,
    pub const OVER: &str = "`until` has passed: the pause is over";
    /// and what to do.
    pub const OVER_HELP: &str = "nothing is paused; merge a new request with a later `until`";

    /// Whether its end has come.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// In one line.
    pub fn words(&self) -> String {
        let until = self.until.map(|until| format!(" until {until}")).unwrap_or_default();
        let who = if self.who.is_empty() { String::new() } else { format!(" by {}", self.who) };
        let reason = self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{} is paused{until}{who}{reason}", self.scope)
    }
}

/// The pause that keeps a request from starting: of several the one that lasts longest.
pub fn holding<'p>(
    pauses: impl IntoIterator<Item = &'p Pause>,
    kind: &str,
    locks: &BTreeSet<String>,
    now: Timestamp,
) -> Option<&'p Pause> {
    let in_force = pauses.into_iter().filter(|pause| !pause.is_over(now) && pause.scope.means(kind, locks));
    in_force.max_by_key(|pause| pause.until.unwrap_or(Timestamp::MAX))
}

/// `result` in the record of a request that pauses or resumes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// What it was about.
    #[serde(flatten)]
    pub scope: Scope,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it ends by itself.
    #[serde(default, with = "crate::clock::millis::option", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What came of it where it was carried out.
    pub done: Done,
    /// The node that was meant, where it was not all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
}

/// What came of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// Nothing of it starts any more.
    Paused,
    /// It may start again.
    Resumed,
    /// It was not paused.
    NotPaused,
}

/// What a record changes for every host that reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This pause is in force.
    Set(Pause),
    /// None of this scope is.
    End(Scope),
}

impl Change {
    /// The change that a record tells of, and whom it means where that is not everybody.
    pub fn of(record: &Record) -> Option<(Self, Option<Target>)> {
        let kind = record.kind.as_deref().filter(|_| record.outcome == Outcome::Succeeded)?;
        let effect = || Effect::deserialize(record.result.as_ref()?).ok();
        match kind {
            PAUSE => {
                let Effect { scope, reason, until, target, .. } = effect()?;
                let by = record.requested_by.as_ref();
                let who = by.map(|by| by.author.clone()).unwrap_or_default();
                let since = record.finished_at.unwrap_or_default();
                Some((Self::Set(Pause { scope, reason, until, since, by: record.id, who }), target))
            }
            RESUME => effect().map(|effect| (Self::End(effect.scope), effect.target)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const BY: &str = "0198c0de-7a10-7c44-9b1e-2f6d0a8e5b31";

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }
    fn pause(scope: Scope, until: Option<&str>) -> Pause {
        let (since, by) = (at("2026-11-21T08:00:00Z"), BY.parse().expect("an id"));
        Pause { scope, reason: None, until: until.map(at), since, by, who: String::new() }
    }
    fn kind(name: &str) -> Scope {
        Scope::Kind(name.to_owned())
    }
    fn resource(key: &str) -> Scope {
        Scope::Resource(key.to_owned())
    }

    #[test]
    fn a_scope_means_everything_a_kind_or_a_resource() {
        let locks: BTreeSet<String> = ["host/a", "disk"].map(str::to_owned).into();
        for (scope, means) in [
            (Scope::All, true),
            (kind("deploy"), true),
            (kind("deployer"), false),
            (kind("host/a"), false),
            (resource("host/a"), true),
            (resource("host"), false),
            (resource("deploy"), false),
        ] {
            assert_eq!(scope.means("deploy", &locks), means, "{scope}");
        }
    }

    #[test]
    fn a_pause_ends_at_the_moment_that_it_names() {
        let locks = BTreeSet::new();
        let (soon, late) = ("2026-11-21T09:00:00Z", "2026-11-21T10:00:00Z");
        let pauses = [pause(kind("a"), Some(soon)), pause(Scope::All, Some(late)), pause(kind("b"), None)];
        let found = |name: &str, now: &str| holding(&pauses, name, &locks, at(now)).map(|pause| pause.scope.clone());
        for (name, now, scope) in [
            ("a", "2026-11-21T08:30:00Z", Some(Scope::All)),
            ("b", "2026-11-21T08:30:00Z", Some(kind("b"))),
            ("a", "2026-11-21T09:59:59Z", Some(Scope::All)),
            ("a", late, None),
            ("b", late, Some(kind("b"))),
            ("c", "2030-01-01T00:00:00Z", None),
        ] {
            assert_eq!(found(name, now), scope, "{name} at {now}");
        }
        let alone = [pause(kind("a"), Some(soon))];
        assert!(holding(&alone, "a", &locks, at("2026-11-21T08:59:59Z")).is_some());
        assert!(holding(&alone, "a", &locks, at(soon)).is_none(), "the moment itself is no part of it");
    }

    #[test]
    fn what_is_said_of_a_pause_names_scope_end_author_and_reason() {
        let whole = Pause {
            reason: Some("the disk is being changed".to_owned()),
            who: "A <a@x>".to_owned(),
            ..pause(resource("host/a"), Some("2026-11-21T09:00:00Z"))
        };
        let expected =
            "the resource `host/a` is paused until 2026-11-21T09:00:00Z by A <a@x>: the disk is being changed";
        assert_eq!(whole.words(), expected);
        assert_eq!(pause(Scope::All, None).words(), "everything is paused");
        assert_eq!(kind("deploy").options(), " --kind deploy");
        assert_eq!(resource("it's").options(), " --resource 'it'\\''s'");
    }

    #[test]
    fn a_record_tells_its_change_back() {
        let effect = Effect {
            scope: kind("deploy"),
            reason: Some("why".to_owned()),
            until: Some(at("2026-11-21T09:00:00Z")),
            done: Done::Paused,
            target: None,
        };
        let value = serde_json::to_value(&effect).expect("plain data");
        let shown = json!({"kind": "deploy", "reason": "why", "until": "2026-11-21T09:00:00.000Z", "done": "paused"});
        assert_eq!(value, shown);
        let mut record = Record::new(Outcome::Succeeded, BY.parse().expect("an id"), "pause");
        record.kind = Some(PAUSE.to_owned());
        record.result = Some(value);
        let Some((Change::Set(found), None)) = Change::of(&record) else { panic!("no pause") };
        assert_eq!((&found.scope, &found.reason, found.until), (&effect.scope, &effect.reason, effect.until));
        record.kind = Some(RESUME.to_owned());
        assert_eq!(Change::of(&record), Some((Change::End(kind("deploy")), None)));
        record.outcome = Outcome::Rejected;
        assert_eq!(Change::of(&record), None);
        record.outcome = Outcome::Succeeded;
        record.kind = Some("deploy".to_owned());
        assert_eq!(Change::of(&record), None, "a handler's result pauses nothing");
    }

    #[test]
    fn a_pause_is_read_back_as_it_was_kept() {
        for scope in [Scope::All, kind("deploy"), resource("host/a")] {
            let kept = pause(scope, Some("2026-11-21T09:00:00Z"));
            let text = serde_json::to_string(&kept).expect("plain data");
            assert_eq!(serde_json::from_str::<Pause>(&text).expect("read back"), kept, "{text}");
        }
    }
}
