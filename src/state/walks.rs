//! Properties of the fold over many sequences of steps: what it takes keeps the promises, whatever it is offered; what is
//! legal is taken, at every prefix; and from wherever a request stands there is a way to its end.

use std::collections::HashSet;

use super::{Act, State, next};
use crate::event::{Claim, Event};
use crate::id::RequestId;
use crate::job::Publish;
use crate::outcome::{ActionRun, Outcome};

/// A small deterministic source of choices.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

fn start(attempt: u32, commit: &str, place: &str) -> Event {
    Event::Start {
        attempt,
        nonce: "n".into(),
        commit: commit.into(),
        place: place.into(),
        boot: "x".into(),
        up_ms: None,
        kind: None,
        publish: Publish::Full,
        run_as: None,
        layers: Vec::new(),
    }
}

fn found() -> Event {
    Event::Found { commit: "m".into(), outcome: Outcome::TimedOut }
}

fn cancel() -> Event {
    Event::Cancel { by: RequestId::derived("c", "p", "b"), reason: None }
}

fn exit(attempt: u32, outcome: Outcome, retry_at: Option<&str>) -> Event {
    let terminal = retry_at.is_none();
    let retry_at = retry_at.map(str::to_owned);
    Event::Exit { attempt, outcome, exit_code: None, reason: None, terminal, retry_at, log_sha256: None }
}

fn passed(attempt: u32, actions: &[&str]) -> Event {
    let actions = actions.iter().map(|&name| name.to_owned()).collect();
    Event::Passed { attempt, exit_code: Some(0), actions }
}

fn acted(number: u32, succeeded: bool, again: bool) -> Event {
    let reason = (!succeeded).then(|| "exit 1".to_owned());
    let run = ActionRun { exit_code: Some(i32::from(!succeeded)), reason, ..ActionRun::default() };
    Event::ActionExit { number, run, again }
}

fn seen() -> Event {
    Event::Seen { path: "requests/a.yml".into(), blob: "b".into(), introduced: "c".into(), base: "c".into() }
}

fn claiming() -> [Event; 2] {
    [Event::Claim(Claim::default()), Event::Claimed { tip: "t".into() }]
}

/// Every step with every parameter that makes a difference.
fn alphabet() -> Vec<Event> {
    let mut all = vec![seen(), Event::Withdrawn, Event::Pushed { tip: "t".into() }, found(), cancel()];
    all.extend(claiming());
    all.push(Event::Unclaimed { reason: "another node was faster".into() });
    all.extend(["k", "l"].map(|commit| Event::Built { base: "c".into(), commit: commit.into() }));
    for attempt in 0..4 {
        all.push(start(attempt, "c", "a"));
        all.push(start(attempt, "other", "a"));
        all.push(start(attempt, "c", "elsewhere"));
        all.push(passed(attempt, &["one", "two"]));
        all.push(passed(attempt, &[]));
        for outcome in [Outcome::Succeeded, Outcome::Failed, Outcome::Cancelled, Outcome::Indeterminate] {
            all.push(exit(attempt, outcome, None));
            all.push(exit(attempt, outcome, Some("2026-01-01T00:00:00Z")));
        }
        for name in ["one", "two"] {
            all.push(Event::ActionStart { number: attempt, name: name.into(), boot: "x".into() });
        }
        for (succeeded, again) in [(true, false), (false, true), (false, false), (true, true)] {
            all.push(acted(attempt, succeeded, again));
        }
    }
    all
}

/// What is promised of a sequence of steps, said without the fold. The error says which promise it breaks.
fn holds(steps: &[Event]) -> Result<(), &'static str> {
    // Of starts, from the last SEEN on: what was withdrawn and came back is a request of its own.
    let from =
        steps.iter().rposition(|step| matches!(step, Event::Seen { .. })).ok_or("nothing is known before SEEN")?;
    let (mut running, mut starts, mut fixed) = (None, 0, None);
    let (mut passes, mut action, mut actions_done, mut action_failed) = (None, false, 0, false);
    let (mut outcome, mut built, mut on_main) = (None, false, false);
    let mut cancelled = false;
    // Of the claim, where there is one: asked for, and whether it was read back as ours.
    let mut claim: Option<bool> = None;
    for step in &steps[from + 1..] {
        let over = outcome.is_some();
        match step {
            Event::Seen { .. } => unreachable!("the last one was looked for"),
            Event::Start { .. } | Event::Passed { .. } | Event::ActionStart { .. } if cancelled => {
                return Err("nothing more of what shall end starts");
            }
            Event::Exit { terminal: false, .. } | Event::ActionExit { again: true, .. } if cancelled => {
                return Err("what shall end is not tried again");
            }
            Event::Cancel { .. } if cancelled || over || (running.is_none() && passes.is_none()) => {
                return Err("what is told to end runs, or its actions do, and it is told once");
            }
            Event::Cancel { .. } => cancelled = true,
            Event::Claim(_) | Event::Claimed { .. } | Event::Unclaimed { .. } if starts > 0 || over => {
                return Err("a claim comes before the start");
            }
            Event::Claim(_) if claim.is_some() => return Err("there is one claim at a time"),
            Event::Claim(_) => claim = Some(false),
            Event::Claimed { .. } if claim != Some(false) => return Err("what is won was asked for"),
            Event::Claimed { .. } => claim = Some(true),
            Event::Unclaimed { .. } if claim.take().is_none() => return Err("what is given back was asked for"),
            Event::Start { .. } | Event::Exit { .. } if claim == Some(false) => {
                return Err("nothing goes on with a claim that was not read back");
            }
            Event::Withdrawn if starts > 0 || over => return Err("what was started is not withdrawn"),
            Event::Start { attempt, commit, place, .. } => {
                if running.is_some() || over || passes.is_some() {
                    return Err("a start follows only an end that asked for it");
                }
                starts += 1;
                if *attempt != starts || fixed.get_or_insert((commit, place)) != &(commit, place) {
                    return Err("attempts are counted, and see one commit and one place");
                }
                running = Some(*attempt);
            }
            Event::Passed { attempt, actions, .. } => {
                if running != Some(*attempt) || over || passes.is_some() || actions.is_empty() {
                    return Err("what passed ran, once, and has actions");
                }
                passes = Some(actions);
            }
            Event::ActionStart { number, name, .. } => {
                let due = passes.and_then(|actions| actions.get(actions_done));
                if action || action_failed || over || due != Some(name) || *number as usize != actions_done + 1 {
                    return Err("actions start in their order, one at a time");
                }
                action = true;
            }
            Event::ActionExit { number, run, again } => {
                if !action || *number as usize != actions_done + 1 || (run.succeeded() && *again) {
                    return Err("only the action that runs can end");
                }
                action = false;
                actions_done += usize::from(run.succeeded());
                action_failed = !run.succeeded() && !again;
            }
            Event::Exit { attempt, outcome: end, terminal, retry_at, .. } => {
                if over || action || *attempt != starts || (running.is_none() && !terminal) {
                    return Err("only what was started last ends, and once");
                }
                if !terminal && (retry_at.is_none() || passes.is_some()) {
                    return Err("another attempt has its time, and none follows a success");
                }
                let all = passes.is_none_or(|actions| actions_done == actions.len() && !action_failed);
                if passes.is_some() && (*end == Outcome::Succeeded) != all {
                    return Err("a success is one of all its actions");
                }
                running = None;
                outcome = terminal.then_some(end);
            }
            Event::Built { .. } if !over => return Err("a record has an outcome"),
            Event::Built { .. } => (built, on_main) = (true, false),
            Event::Pushed { .. } if !std::mem::take(&mut built) => return Err("what is on main was built"),
            Event::Pushed { .. } => on_main = true,
            Event::Found { .. } if on_main => return Err("what is found on main was not known to be there"),
            Event::Found { outcome: end, .. } => {
                (outcome, built, on_main) = (Some(end), false, true);
                (running, action) = (None, false);
            }
            Event::Unclaimed { .. } | Event::Withdrawn => {}
        }
    }
    Ok(())
}

/// The outcome that a state has must be the one of the step that ended the request.
fn outcome_of(steps: &[Event]) -> Option<Outcome> {
    // What main says counts, whatever was seen here.
    let on_main = steps.iter().rev().find_map(|step| match step {
        Event::Found { outcome, .. } => Some(*outcome),
        _ => None,
    });
    on_main.or_else(|| {
        steps.iter().find_map(|step| match step {
            Event::Exit { outcome, terminal: true, .. } => Some(*outcome),
            _ => None,
        })
    })
}

#[test]
fn whatever_is_offered_what_is_taken_keeps_the_promises() {
    let alphabet = alphabet();
    let (mut taken, mut settled) = (0, 0);
    for seed in 1..=3000 {
        let mut dice = Dice(seed * 0x9E37_79B9);
        let (mut state, mut steps) = (State::Unknown, Vec::new());
        for _ in 0..400 {
            let event = &alphabet[dice.below(alphabet.len())];
            steps.push(event.clone());
            match next(&state, event) {
                Ok(after) => {
                    assert_eq!(holds(&steps), Ok(()), "taken: {steps:#?}");
                    assert_eq!(after.outcome(), outcome_of(&steps), "{steps:#?}");
                    state = after;
                    taken += 1;
                }
                Err(_) => {
                    steps.pop();
                }
            }
        }
        settled += usize::from(state.is_settled());
    }
    assert!(taken > 20_000 && settled > 500, "the walks went nowhere: {taken} steps, {settled} ends");
}

/// One step of a life that is legal, by the words of the documentation.
fn a_life(dice: &mut Dice) -> Vec<Event> {
    let mut life = vec![seen()];
    while dice.below(4) == 0 {
        life.extend([Event::Withdrawn, seen()]);
    }
    while dice.below(3) == 0 {
        life.extend(claiming());
        life.push(Event::Unclaimed { reason: "main has its record".into() });
    }
    if dice.below(2) == 0 {
        life.extend(claiming());
    }
    if dice.below(4) == 0 {
        life.push(exit(0, Outcome::Rejected, None));
    } else {
        let mut attempt = 1;
        life.push(start(1, "c", "a"));
        while dice.below(3) == 0 {
            life.push(exit(attempt, Outcome::Failed, Some("2026-01-01T00:00:00Z")));
            attempt += 1;
            life.push(start(attempt, "c", "a"));
        }
        match dice.below(7) {
            5 => life.extend([cancel(), exit(attempt, Outcome::Cancelled, None)]),
            6 => life.extend([
                exit(attempt, Outcome::Failed, Some("2026-01-01T00:00:00Z")),
                exit(attempt, Outcome::Cancelled, None),
            ]),
            0 => life.push(exit(attempt, Outcome::Indeterminate, None)),
            // What it was to be started with again is not there any more.
            1 => life.extend([
                exit(attempt, Outcome::Failed, Some("2026-01-01T00:00:00Z")),
                exit(attempt, Outcome::Failed, None),
            ]),
            2 => life.push(exit(attempt, Outcome::Succeeded, None)),
            _ => life.extend(acts(dice, attempt)),
        }
    }
    if dice.below(5) == 0 {
        // Its record came to main by another copy of the journal, before or after it was built here.
        life.truncate(life.len() - dice.below(2));
        if matches!(life.last(), Some(Event::Seen { .. } | Event::Claimed { .. } | Event::Unclaimed { .. })) {
            life.push(start(1, "c", "a"));
        }
        life.push(found());
        return life;
    }
    for _ in 0..=dice.below(2) {
        for _ in 0..=dice.below(3) {
            life.push(Event::Built { base: "c".into(), commit: "k".into() });
        }
        life.push(Event::Pushed { tip: "t".into() });
    }
    life
}

fn acts(dice: &mut Dice, attempt: u32) -> Vec<Event> {
    let names = ["one", "two", "three"];
    let mut steps = vec![passed(attempt, &names)];
    for (number, name) in (1..).zip(names) {
        let begin = Event::ActionStart { number, name: name.into(), boot: "x".into() };
        while dice.below(3) == 0 {
            steps.extend([begin.clone(), acted(number, false, true)]);
        }
        match dice.below(10) {
            2 => return [steps, vec![cancel(), exit(attempt, Outcome::Cancelled, None)]].concat(),
            3 => {
                let last = usize::try_from(number).is_ok_and(|number| number == names.len());
                let end = if last { Outcome::Succeeded } else { Outcome::Cancelled };
                steps.extend([begin, cancel(), acted(number, true, false), exit(attempt, end, None)]);
                return steps;
            }
            // The host file has lost it.
            0 => return [steps, vec![exit(attempt, Outcome::Failed, None)]].concat(),
            1 => {
                steps.extend([begin, acted(number, false, false), exit(attempt, Outcome::Failed, None)]);
                return steps;
            }
            _ => steps.extend([begin, acted(number, true, false)]),
        }
    }
    steps.push(exit(attempt, Outcome::Succeeded, None));
    steps
}

#[test]
fn every_prefix_of_a_legal_life_is_taken_and_the_life_ends_settled() {
    let mut phases = HashSet::new();
    for seed in 1..=2000 {
        let life = a_life(&mut Dice(seed * 0x9E37_79B9));
        let mut state = State::Unknown;
        for (number, step) in life.iter().enumerate() {
            state = next(&state, step).unwrap_or_else(|illegal| panic!("step {number}: {illegal}: {life:#?}"));
            assert_eq!(holds(&life[..=number]), Ok(()), "{life:#?}");
            phases.insert(state.phase());
            let text = serde_json::to_string(&state).expect("plain data");
            assert_eq!(serde_json::from_str::<State>(&text).expect("read back"), state);
        }
        assert!(state.is_settled(), "{life:#?}");
    }
    for phase in ["seen", "running", "acting", "cancelling", "retrying", "ended", "built", "published", "withdrawn"] {
        assert!(phases.contains(phase), "no life came through `{phase}`");
    }
}

/// All states that the alphabet leads to, with attempts, built commits and actions bounded by it.
fn reachable(alphabet: &[Event]) -> HashSet<State> {
    let mut known = HashSet::from([State::Unknown]);
    let mut fresh = vec![State::Unknown];
    while let Some(state) = fresh.pop() {
        for after in alphabet.iter().filter_map(|event| next(&state, event).ok()) {
            let bounded = !matches!(&after, State::Built { commits, .. } if commits.len() > 3);
            if bounded && known.insert(after.clone()) {
                fresh.push(after);
            }
        }
    }
    known
}

#[test]
fn from_everywhere_there_is_a_way_to_the_end() {
    let alphabet = alphabet();
    let states = reachable(&alphabet);
    assert!(states.len() > 60, "{}", states.len());
    for from in states {
        let mut known = HashSet::from([from.clone()]);
        let mut front = vec![from.clone()];
        // From SEEN: START, PASSED, two starts and ends of actions, EXIT, BUILT, PUSHED.
        for _ in 0..10 {
            if front.iter().any(State::is_settled) {
                break;
            }
            let after = front.iter().flat_map(|state| alphabet.iter().filter_map(|event| next(state, event).ok()));
            front = after.filter(|state| known.insert(state.clone())).collect();
        }
        assert!(front.iter().any(State::is_settled), "no way out of {from:?}");
        let ran = matches!(from.undisturbed(), State::Acting { now: Act::Running, .. } | State::Running { .. });
        assert!(!ran || next(&from, &Event::Withdrawn).is_err(), "{from:?}");
    }
}
