//! The life of a request as a fold over its journal events. One function moves the state and it can
//! refuse; nothing else decides what may follow what. Pure.

use serde::{Deserialize, Serialize};

use crate::event::{Claim, Event};
use crate::outcome::Outcome;

#[cfg(test)]
mod walks;

/// Where a request stands, by what the journal says and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum State {
    /// The journal has never heard of it.
    #[default]
    Unknown,
    /// Met on main, not started.
    Seen,
    /// About to be claimed on the remote; whether it was won is to be read back.
    Claiming {
        /// The claim.
        claim: Claim,
    },
    /// Claimed on the remote, not started: no other host starts it, or ends it, while the claim stands.
    Claimed {
        /// The claim.
        claim: Claim,
    },
    /// Started; whether the handler still runs is not known to the journal.
    Running {
        /// Attempt number, from 1.
        attempt: u32,
        /// The commit that every attempt sees.
        commit: String,
        /// Where the record will stand below the output folder.
        place: String,
    },
    /// The handler has succeeded, and actions of the host file follow.
    Acting {
        /// The attempt that succeeded.
        attempt: u32,
        /// The commit that it saw.
        commit: String,
        /// Where the record will stand below the output folder.
        place: String,
        /// The actions, in order.
        actions: Vec<String>,
        /// How many of them have succeeded.
        ended: usize,
        /// What the one after those is doing.
        now: Act,
    },
    /// It was started, and shall end because a person wants that: it goes on to the end of what runs, and nothing more of it
    /// starts.
    Cancelling {
        /// Where it stood, and how far that has come since: running, or acting.
        from: Box<State>,
    },
    /// An attempt is over and another one is due.
    Retrying {
        /// The attempt that is over.
        attempt: u32,
        /// The commit that every attempt sees.
        commit: String,
        /// Where the record will stand below the output folder.
        place: String,
        /// When the next attempt is due, RFC 3339 in UTC.
        due: String,
    },
    /// The outcome is final and the record lies in the spool.
    Ended {
        /// The outcome.
        outcome: Outcome,
    },
    /// A commit with the record was built; whether main has it is to be looked up.
    Built {
        /// The outcome.
        outcome: Outcome,
        /// The commits that were built, oldest first: a push whose answer was lost may have landed any of them.
        commits: Vec<String>,
    },
    /// The record is on main.
    Published {
        /// The outcome.
        outcome: Outcome,
    },
    /// The request was taken back before it was started.
    Withdrawn,
}

/// What the next action of a request is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// It is not started, or there is none left.
    Waiting,
    /// It was started; whether it still runs is not known to the journal.
    Running,
    /// It did not succeed: none is started after it.
    Failed,
}

/// Phases of what was started or has ended, and is not settled.
pub const UNDER_WAY: [&str; 6] = ["running", "acting", "cancelling", "retrying", "ended", "built"];

impl State {
    /// The word for this state in the journal's index and in `status --json`.
    pub fn phase(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Seen => "seen",
            Self::Claiming { .. } => "claiming",
            Self::Claimed { .. } => "claimed",
            Self::Running { .. } => "running",
            Self::Acting { .. } => "acting",
            Self::Cancelling { .. } => "cancelling",
            Self::Retrying { .. } => "retrying",
            Self::Ended { .. } => "ended",
            Self::Built { .. } => "built",
            Self::Published { .. } => "published",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The final outcome, once there is one.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Ended { outcome } | Self::Built { outcome, .. } | Self::Published { outcome } => Some(*outcome),
            _ => None,
        }
    }

    /// Nothing was started, nothing has ended, and it stands in the inbox.
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Seen | Self::Claiming { .. } | Self::Claimed { .. })
    }

    /// The same without the wish of a person that it shall end.
    pub fn undisturbed(&self) -> &Self {
        match self {
            Self::Cancelling { from } => from,
            state => state,
        }
    }

    /// Nothing is left to do for it.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Published { .. } | Self::Withdrawn)
    }
}

/// A step that must not follow from where the request stands: a bug, or a journal of another program.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("illegal step: `{event}` cannot follow `{phase}`")]
pub struct IllegalStep {
    phase: &'static str,
    event: &'static str,
}

/// Moves a request by one event.
///
/// # Errors
/// [`IllegalStep`] where the event may not follow the state; the state is left as it was.
pub fn next(state: &State, event: &Event) -> Result<State, IllegalStep> {
    match (state, event) {
        (State::Unknown | State::Withdrawn, Event::Seen { .. })
        | (State::Claiming { .. } | State::Claimed { .. }, Event::Unclaimed { .. }) => Ok(State::Seen),
        (State::Seen | State::Claiming { .. } | State::Claimed { .. }, Event::Withdrawn) => Ok(State::Withdrawn),
        (State::Seen, Event::Claim(claim)) => Ok(State::Claiming { claim: claim.clone() }),
        (State::Claiming { claim }, Event::Claimed { .. }) => Ok(State::Claimed { claim: claim.clone() }),
        // With `claims: local` nothing is claimed. Where something is, only what was won goes on.
        (State::Seen | State::Claimed { .. }, Event::Start { attempt: 1, commit, place, .. }) => {
            Ok(State::Running { attempt: 1, commit: commit.clone(), place: place.clone() })
        }
        (State::Seen | State::Claimed { .. }, Event::Exit { attempt: 0, outcome, terminal: true, .. }) => {
            Ok(State::Ended { outcome: *outcome })
        }
        (
            State::Running { attempt: started, commit, place },
            Event::Exit { attempt, outcome, terminal, retry_at, .. },
        ) if started == attempt => match (terminal, retry_at) {
            (true, _) => Ok(State::Ended { outcome: *outcome }),
            (false, Some(due)) => Ok(State::Retrying {
                attempt: *attempt,
                commit: commit.clone(),
                place: place.clone(),
                due: due.clone(),
            }),
            (false, None) => Err(refusal(state, event)),
        },
        (State::Running { attempt: started, commit, place }, Event::Passed { attempt, actions, .. })
            if started == attempt && !actions.is_empty() =>
        {
            let (commit, place, actions) = (commit.clone(), place.clone(), actions.clone());
            Ok(State::Acting { attempt: *attempt, commit, place, actions, ended: 0, now: Act::Waiting })
        }
        (State::Running { .. } | State::Acting { .. }, Event::Cancel { .. }) => {
            Ok(State::Cancelling { from: Box::new(state.clone()) })
        }
        (State::Cancelling { from }, event) => next_cancelling(state, from, event),
        (State::Acting { .. }, event) if !matches!(event, Event::Found { .. }) => next_act(state, event),
        // All attempts see the commit and the place that the first START fixed.
        (
            State::Retrying { attempt: over, commit, place, .. },
            Event::Start { attempt, commit: again, place: there, .. },
        ) if *attempt == over + 1 && commit == again && place == there => {
            Ok(State::Running { attempt: *attempt, commit: commit.clone(), place: place.clone() })
        }
        (State::Retrying { attempt: over, .. }, Event::Exit { attempt, outcome, terminal: true, .. })
            if attempt == over =>
        {
            Ok(State::Ended { outcome: *outcome })
        }
        (State::Built { outcome, commits }, Event::Built { commit, .. }) => {
            let mut commits = commits.clone();
            commits.push(commit.clone());
            Ok(State::Built { outcome: *outcome, commits })
        }
        // Published before: a server's power cut, or a person, took the record from main again and the request is back.
        (State::Ended { outcome } | State::Published { outcome }, Event::Built { commit, .. }) => {
            Ok(State::Built { outcome: *outcome, commits: vec![commit.clone()] })
        }
        (State::Built { outcome, .. }, Event::Pushed { .. })
        // What a newer copy of this journal, or another host, has recorded counts, whatever this one knows of it.
        | (
            State::Seen
            | State::Claiming { .. }
            | State::Claimed { .. }
            | State::Running { .. }
            | State::Acting { .. }
            | State::Retrying { .. }
            | State::Ended { .. }
            | State::Built { .. },
            Event::Found { outcome, .. },
        ) => Ok(State::Published { outcome: *outcome }),
        _ => Err(refusal(state, event)),
    }
}

/// Actions go in their order, one at a time; only after the last of them is the request a success.
fn next_act(state: &State, event: &Event) -> Result<State, IllegalStep> {
    let State::Acting { attempt: passed, commit, place, actions, ended, now } = state else {
        return Err(refusal(state, event));
    };
    let is_next = |number: u32| usize::try_from(number).is_ok_and(|number| number == ended + 1);
    let with = |ended: usize, now: Act| {
        let (commit, place, actions) = (commit.clone(), place.clone(), actions.clone());
        Ok(State::Acting { attempt: *passed, commit, place, actions, ended, now })
    };
    match (now, event) {
        (Act::Waiting, Event::ActionStart { number, name, .. })
            if is_next(*number) && actions.get(*ended) == Some(name) =>
        {
            with(*ended, Act::Running)
        }
        (Act::Running, Event::ActionExit { number, run, again }) if is_next(*number) => {
            match (run.succeeded(), again) {
                (true, false) => with(ended + 1, Act::Waiting),
                (false, true) => with(*ended, Act::Waiting),
                (false, false) => with(*ended, Act::Failed),
                (true, true) => Err(refusal(state, event)),
            }
        }
        (Act::Waiting | Act::Failed, Event::Exit { attempt, outcome, terminal: true, .. }) if attempt == passed => {
            let all = *now == Act::Waiting && *ended == actions.len();
            let fits = (*outcome == Outcome::Succeeded) == all;
            if fits { Ok(State::Ended { outcome: *outcome }) } else { Err(refusal(state, event)) }
        }
        _ => Err(refusal(state, event)),
    }
}

/// What shall end goes on to the end of what runs, and nothing more of it starts.
fn next_cancelling(state: &State, from: &State, event: &Event) -> Result<State, IllegalStep> {
    let starts = matches!(
        event,
        Event::Start { .. }
            | Event::Passed { .. }
            | Event::ActionStart { .. }
            | Event::ActionExit { again: true, .. }
            | Event::Exit { terminal: false, .. }
            | Event::Cancel { .. }
    );
    if starts {
        return Err(refusal(state, event));
    }
    match next(from, event) {
        Ok(after @ State::Acting { .. }) => Ok(State::Cancelling { from: Box::new(after) }),
        Ok(after) => Ok(after),
        Err(_) => Err(refusal(state, event)),
    }
}

/// The claim that a request went on with: the last one that was not given back.
pub fn claim_of<'e>(events: impl IntoIterator<Item = &'e Event>) -> Option<&'e Claim> {
    events.into_iter().fold(None, |claim, event| match event {
        Event::Claim(next) => Some(next),
        Event::Seen { .. } | Event::Unclaimed { .. } | Event::Withdrawn => None,
        _ => claim,
    })
}

fn refusal(state: &State, event: &Event) -> IllegalStep {
    let event = match event {
        Event::Seen { .. } => "seen",
        Event::Claim(_) => "claim",
        Event::Claimed { .. } => "claimed",
        Event::Unclaimed { .. } => "unclaimed",
        Event::Start { .. } => "start",
        Event::Passed { .. } => "passed",
        Event::ActionStart { .. } => "action_start",
        Event::ActionExit { .. } => "action_exit",
        Event::Cancel { .. } => "cancel",
        Event::Exit { .. } => "exit",
        Event::Built { .. } => "built",
        Event::Pushed { .. } => "pushed",
        Event::Found { .. } => "found",
        Event::Withdrawn => "withdrawn",
    };
    IllegalStep { phase: state.phase(), event }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Publish;
    use crate::outcome::ActionRun;

    fn seen() -> Event {
        Event::Seen { path: "requests/a.yml".into(), blob: "b".into(), introduced: "c".into(), base: "c".into() }
    }
    fn start(attempt: u32) -> Event {
        Event::Start {
            attempt,
            nonce: "n".into(),
            commit: "c".into(),
            place: "a".into(),
            boot: "x".into(),
            up_ms: None,
            kind: None,
            publish: Publish::Full,
            run_as: None,
            layers: Vec::new(),
        }
    }
    fn exit(attempt: u32, terminal: bool) -> Event {
        Event::Exit {
            attempt,
            outcome: Outcome::Failed,
            exit_code: Some(75),
            reason: None,
            terminal,
            retry_at: (!terminal).then(|| "2026-01-01T00:00:00Z".into()),
            log_sha256: None,
        }
    }
    fn built(commit: &str) -> Event {
        Event::Built { base: "c".into(), commit: commit.into() }
    }
    fn fold(events: &[Event]) -> Result<State, IllegalStep> {
        events.iter().try_fold(State::Unknown, |state, event| next(&state, event))
    }

    #[test]
    fn the_way_of_a_retried_request() {
        let pushed = Event::Pushed { tip: "t".into() };
        let end = fold(&[seen(), start(1), exit(1, false), start(2), exit(2, true), built("k"), built("l"), pushed]);
        assert_eq!(end, Ok(State::Published { outcome: Outcome::Failed }));
    }

    #[test]
    fn refuses_what_would_run_twice_or_lose_a_record() {
        for events in [
            vec![start(1)],
            vec![seen(), seen()],
            vec![seen(), start(1), start(2)],
            vec![seen(), start(1), start(1)],
            vec![seen(), start(2)],
            vec![seen(), start(1), Event::Withdrawn],
            vec![seen(), start(1), exit(2, true)],
            vec![seen(), start(1), exit(1, true), start(2)],
            vec![seen(), exit(0, true), exit(0, true)],
            vec![seen(), start(1), built("k")],
            vec![seen(), exit(0, true), Event::Pushed { tip: "t".into() }],
            vec![seen(), start(1), exit(1, false), exit(2, true)],
        ] {
            assert!(fold(&events).is_err(), "{events:?}");
        }
    }

    fn passed() -> Event {
        Event::Passed { attempt: 1, exit_code: Some(0), actions: vec!["a".into(), "b".into()] }
    }
    fn act(number: u32, name: &str) -> Event {
        Event::ActionStart { number, name: name.into(), boot: "x".into() }
    }
    fn acted(number: u32, exit_code: i32, again: bool) -> Event {
        let reason = (exit_code != 0).then(|| format!("exit {exit_code}"));
        let run = ActionRun { exit_code: Some(exit_code), reason, ..ActionRun::default() };
        Event::ActionExit { number, run, again }
    }
    fn over(outcome: Outcome) -> Event {
        Event::Exit {
            attempt: 1,
            outcome,
            exit_code: Some(0),
            reason: None,
            terminal: true,
            retry_at: None,
            log_sha256: None,
        }
    }

    #[test]
    fn actions_come_after_the_handler_one_by_one() {
        let way = [seen(), start(1), passed(), act(1, "a"), acted(1, 1, true), act(1, "a"), acted(1, 0, false)];
        let State::Acting { ended, now, .. } = fold(&way).unwrap() else { panic!("no action follows") };
        assert_eq!((ended, now), (1, Act::Waiting));
        let end = |rest: &[Event]| fold(&[&way[..], rest].concat());
        let all = [act(2, "b"), acted(2, 0, false), over(Outcome::Succeeded)];
        assert_eq!(end(&all), Ok(State::Ended { outcome: Outcome::Succeeded }));
        let one = [act(2, "b"), acted(2, 3, false), over(Outcome::Failed)];
        assert_eq!(end(&one), Ok(State::Ended { outcome: Outcome::Failed }));
        assert_eq!(end(&[over(Outcome::Failed)]), Ok(State::Ended { outcome: Outcome::Failed }));
    }

    #[test]
    fn refuses_actions_that_would_run_twice_early_or_unseen() {
        let before = [seen(), start(1)];
        for events in [
            vec![act(1, "a")],
            vec![Event::Passed { attempt: 1, exit_code: Some(0), actions: Vec::new() }],
            vec![Event::Passed { attempt: 2, exit_code: Some(0), actions: vec!["a".into()] }],
            vec![passed(), passed()],
            vec![passed(), start(2)],
            vec![passed(), exit(1, false)],
            vec![passed(), over(Outcome::Succeeded)],
            vec![passed(), act(2, "b")],
            vec![passed(), act(1, "b")],
            vec![passed(), acted(1, 0, false)],
            vec![passed(), act(1, "a"), act(1, "a")],
            vec![passed(), act(1, "a"), over(Outcome::Indeterminate)],
            vec![passed(), act(1, "a"), acted(2, 0, false)],
            vec![passed(), act(1, "a"), acted(1, 0, true)],
            vec![passed(), act(1, "a"), acted(1, 1, false), act(1, "a")],
            vec![passed(), act(1, "a"), acted(1, 1, false), act(2, "b")],
            vec![passed(), act(1, "a"), acted(1, 1, false), over(Outcome::Succeeded)],
            vec![passed(), act(1, "a"), acted(1, 0, false), over(Outcome::Succeeded)],
        ] {
            assert!(fold(&[&before[..], &events].concat()).is_err(), "{events:?}");
        }
    }

    fn claim(nonce: &str) -> Event {
        let locks = [("host/a".to_owned(), format!("lock-{nonce}"))].into();
        Event::Claim(Claim { nonce: nonce.into(), commit: format!("claim-{nonce}"), locks })
    }
    fn claimed() -> Event {
        Event::Claimed { tip: "t".into() }
    }
    fn unclaimed() -> Event {
        Event::Unclaimed { reason: "another node was faster".into() }
    }

    #[test]
    fn a_claimed_request_starts_or_ends_and_a_lost_claim_is_tried_again() {
        let won = [seen(), claim("n"), claimed()];
        let end = |rest: &[Event]| fold(&[&won[..], rest].concat());
        assert_eq!(end(&[start(1)]), Ok(State::Running { attempt: 1, commit: "c".into(), place: "a".into() }));
        assert_eq!(end(&[exit(0, true)]), Ok(State::Ended { outcome: Outcome::Failed }));
        assert_eq!(end(&[unclaimed()]), Ok(State::Seen));
        assert_eq!(end(&[Event::Withdrawn]), Ok(State::Withdrawn));
        assert_eq!(fold(&[seen(), claim("n"), Event::Withdrawn]), Ok(State::Withdrawn));
        let way = [seen(), claim("n"), unclaimed(), claim("m"), claimed()];
        let State::Claimed { claim } = fold(&way).unwrap() else { panic!("it is claimed") };
        assert_eq!((claim.nonce.as_str(), claim.commit.as_str()), ("m", "claim-m"));
        // An attempt that follows keeps the claim of the first.
        assert!(end(&[start(1), exit(1, false), start(2), exit(2, true), built("k")]).is_ok());
    }

    #[test]
    fn nothing_goes_on_with_a_claim_that_was_not_read_back() {
        for events in [
            vec![claim("n")],
            vec![seen(), claimed()],
            vec![seen(), unclaimed()],
            vec![seen(), claim("n"), start(1)],
            vec![seen(), claim("n"), exit(0, true)],
            vec![seen(), claim("n"), claim("m")],
            vec![seen(), claim("n"), seen()],
            vec![seen(), claim("n"), claimed(), claimed()],
            vec![seen(), claim("n"), claimed(), claim("m")],
            vec![seen(), claim("n"), claimed(), start(2)],
            vec![seen(), claim("n"), unclaimed(), claimed()],
            vec![seen(), claim("n"), claimed(), start(1), unclaimed()],
            vec![seen(), claim("n"), claimed(), start(1), claim("m")],
            vec![seen(), claim("n"), claimed(), exit(0, true), unclaimed()],
        ] {
            assert!(fold(&events).is_err(), "{events:?}");
        }
    }

    #[test]
    fn the_claim_of_a_request_is_the_last_that_was_not_given_back() {
        let nonce = |events: &[Event]| claim_of(events).map(|claim| claim.nonce.clone());
        assert_eq!(nonce(&[seen()]), None);
        assert_eq!(nonce(&[seen(), claim("n"), claimed(), start(1), exit(1, true)]), Some("n".into()));
        assert_eq!(nonce(&[seen(), claim("n"), unclaimed()]), None);
        assert_eq!(nonce(&[seen(), claim("n"), unclaimed(), claim("m")]), Some("m".into()));
        assert_eq!(nonce(&[seen(), claim("n"), Event::Withdrawn, seen()]), None);
    }

    #[test]
    fn a_record_that_main_has_already_ends_it_wherever_it_stood() {
        let found = || Event::Found { commit: "k".into(), outcome: Outcome::TimedOut };
        let ends: [&[Event]; 9] = [
            &[seen()],
            &[seen(), claim("n")],
            &[seen(), claim("n"), claimed()],
            &[seen(), start(1)],
            &[seen(), start(1), passed(), act(1, "a")],
            &[seen(), start(1), exit(1, false)],
            &[seen(), start(1), exit(1, true)],
            &[seen(), exit(0, true)],
            &[seen(), start(1), exit(1, true), built("k")],
        ];
        for events in ends {
            let end = fold(&[events, &[found()]].concat());
            assert_eq!(end, Ok(State::Published { outcome: Outcome::TimedOut }), "{events:?}");
            assert!(fold(&[events, &[found(), start(2)]].concat()).is_err(), "{events:?}");
            assert!(fold(&[events, &[found(), found()]].concat()).is_err(), "{events:?}");
        }
        assert!(fold(&[found()]).is_err());
        assert!(fold(&[seen(), Event::Withdrawn, found()]).is_err());
    }

    #[test]
    fn a_retry_cannot_move_to_another_commit() {
        let moved = Event::Start {
            attempt: 2,
            nonce: "n".into(),
            commit: "other".into(),
            place: "a".into(),
            boot: "x".into(),
            up_ms: None,
            kind: None,
            publish: Publish::Full,
            run_as: None,
            layers: Vec::new(),
        };
        assert!(fold(&[seen(), start(1), exit(1, false), moved]).is_err());
    }

    fn cancel() -> Event {
        Event::Cancel { by: crate::id::RequestId::derived("c", "p", "b"), reason: None }
    }

    #[test]
    fn what_is_to_end_comes_to_its_end_and_starts_nothing_more() {
        let cancelled = over(Outcome::Cancelled);
        for (events, outcome) in [
            (vec![start(1), cancel(), cancelled.clone()], Outcome::Cancelled),
            // It was faster than the word.
            (vec![start(1), cancel(), over(Outcome::Succeeded)], Outcome::Succeeded),
            (vec![start(1), cancel(), over(Outcome::Indeterminate)], Outcome::Indeterminate),
            (vec![start(1), passed(), cancel(), cancelled.clone()], Outcome::Cancelled),
            (
                vec![start(1), passed(), act(1, "a"), cancel(), acted(1, 0, false), cancelled.clone()],
                Outcome::Cancelled,
            ),
            (
                vec![
                    start(1),
                    passed(),
                    act(1, "a"),
                    acted(1, 0, false),
                    act(2, "b"),
                    cancel(),
                    acted(2, 0, false),
                    over(Outcome::Succeeded),
                ],
                Outcome::Succeeded,
            ),
            // Before a start and between two attempts nothing runs that would have to be told.
            (vec![exit(0, true)], Outcome::Failed),
            (vec![start(1), exit(1, false), cancelled], Outcome::Cancelled),
        ] {
            assert_eq!(fold(&[&[seen()], &events[..]].concat()), Ok(State::Ended { outcome }), "{events:?}");
        }
        for events in [
            vec![cancel()],
            vec![start(1), exit(1, false), cancel()],
            vec![start(1), exit(1, true), cancel()],
            vec![start(1), cancel(), cancel()],
            vec![start(1), cancel(), start(2)],
            vec![start(1), cancel(), exit(1, false)],
            vec![start(1), cancel(), passed()],
            vec![start(1), cancel(), Event::Withdrawn],
            vec![start(1), passed(), cancel(), act(1, "a")],
            vec![start(1), passed(), act(1, "a"), cancel(), over(Outcome::Cancelled)],
            vec![start(1), passed(), act(1, "a"), cancel(), acted(1, 1, true)],
            vec![start(1), passed(), act(1, "a"), cancel(), acted(1, 0, false), act(2, "b")],
            vec![start(1), passed(), act(1, "a"), cancel(), acted(1, 0, false), over(Outcome::Succeeded)],
        ] {
            assert!(fold(&[&[seen()], &events[..]].concat()).is_err(), "{events:?}");
        }
    }

    #[test]
    fn a_request_that_was_taken_back_may_return() {
        assert_eq!(fold(&[seen(), Event::Withdrawn, seen()]), Ok(State::Seen));
    }
}
