//! `dispatch adopt`: a person has looked, and the dispatcher goes on from what is there now.

use clap::Args;
use jiff::Timestamp;

use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render};
use crate::clock::{Clock, System};
use crate::contract;
use crate::dispatch::{
    Doubt, Doubtful, META_ADOPTED, META_BRANCH, META_MERGED_ONLY, META_RESTORED, META_SCANNED, Others, doubtful,
    learn_resolutions, mark_doubtful, others, still_marked,
};
use crate::journal::Journal;
use crate::patience::Patience;
use crate::publish::META_TIP;
use crate::repo::{Oid, Repo};
use crate::submit;

/// Arguments of `adopt`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch adopt --dry-run       what there is to accept, and which requests may have been started\n  \
    dispatch adopt                 accept it; those requests end `indeterminate` and are not started\n  \
    dispatch adopt --not-started   accept it; you know that none of them was started, and they run\n\n\
    What it accepts, where there is any of it: a main that was rewritten, another dispatcher that recorded here (or a state\n\
    folder that was lost), a state folder put back from an older copy, another mainline_branch or\n\
    enforce_merge_before_execution. It starts nothing; `dispatch run` does. Requests that are merged afterwards run as ever.\n\
    `dispatch resolve ID` settles a single request, before or after it."
)]
pub struct AdoptArgs {
    /// None of the requests that are listed was started: let them run
    #[arg(long)]
    not_started: bool,

    /// Say what would be accepted, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What there is to accept.
struct Plan {
    tip: Oid,
    branch: Option<String>,
    merged_only: Option<String>,
    rewritten: Option<Oid>,
    others: Others,
    restored: Option<String>,
    /// What may have been started elsewhere.
    doubtful: Vec<Doubtful>,
    /// The same, by an `adopt` before this one.
    marked: Vec<Doubtful>,
}

/// Answers `adopt`.
pub fn answer(place: &PlaceArgs, args: &AdoptArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let now = System::new().now();
    let plan = match home.journal()? {
        // Looking disturbs nobody, a dispatcher that waits for `adopt` least of all.
        Some(journal) if args.dry_run => plan(&home, &mut home.shared_repo()?, &journal, now)?,
        _ => {
            let _instance = home.hold()?;
            let mut journal = Journal::open(home.state.root())?;
            let mut repo = home.own_repo(Patience::default())?;
            let plan = plan(&home, &mut repo, &journal, now)?;
            if !args.dry_run {
                accept(&plan, &repo, &mut journal, args.not_started, now)?;
            }
            plan
        }
    };
    let accepted = plan.words();
    if args.json {
        render::print_json(&serde_json::json!({
            "v": 1, "tip": plan.tip, "dry_run": args.dry_run, "adopted": accepted,
            "doubt": plan.doubt(), "not_started": args.not_started,
            "doubtful": plan.doubtful.iter().chain(&plan.marked).collect::<Vec<_>>(),
        }));
        return Ok(Exit::Done);
    }
    tell(&plan, args, &accepted);
    Ok(Exit::Done)
}

fn plan(home: &Home, repo: &mut Repo, journal: &Journal, now: Timestamp) -> Result<Plan, Failure> {
    let tip = fetch(repo)?;
    let (config, _) =
        contract::load_config(repo, tip).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    let mut branch = config.branch.filter(|_| home.host.file.repository.branch.is_none());
    let kept = journal.meta(META_BRANCH)?;
    branch = branch.filter(|branch| kept.as_ref().is_some_and(|kept| kept != branch));
    if let Some(branch) = &branch {
        repo.set_branch(branch)?;
    }
    let merged_only = config.merged_only.to_string();
    let merged_only = journal.meta(META_MERGED_ONLY)?.filter(|kept| *kept != merged_only).map(|_| merged_only);
    let tip = fetch(repo)?;
    let seen: Option<Oid> = journal.meta(META_TIP)?.and_then(|text| text.parse().ok());
    let rewritten = match seen {
        Some(seen) if !repo.is_ancestor(seen, tip)? => Some(seen),
        _ => None,
    };
    // Main down to where it was found clean last, and what an interrupted look has left.
    let scanned = journal.meta(META_SCANNED)?.and_then(|text| text.parse().ok());
    let found = others(repo, journal, tip, scanned)?;
    let restored = journal.meta(META_RESTORED)?.or_else(|| found.restored.map(|commit| commit.to_string()));
    let mut plan = Plan {
        tip,
        branch,
        merged_only,
        rewritten,
        others: found,
        restored,
        doubtful: Vec::new(),
        marked: still_marked(journal)?,
    };
    if plan.doubt().is_some() {
        plan.doubtful = doubtful(repo, journal, &home.host.file, tip, now, plan.restored.is_some())?;
        plan.marked.retain(|marked| plan.doubtful.iter().all(|found| found.id != marked.id));
    }
    Ok(plan)
}

impl Plan {
    /// Why requests may have been started elsewhere; `None` where nothing says so.
    fn doubt(&self) -> Option<Doubt> {
        if self.restored.is_some() {
            Some(Doubt::Restored)
        } else {
            (!self.others.foreign.is_empty()).then_some(Doubt::Lost)
        }
    }

    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(self.branch.as_ref().map(|branch| format!("branch `{branch}`")));
        words.extend(self.merged_only.as_ref().map(|value| format!("enforce_merge_before_execution: {value}")));
        words.extend(self.rewritten.map(|seen| format!("the rewritten main at {} (it was at {seen})", self.tip)));
        words.extend(self.others.foreign.keys().map(|state| format!("the records of state {state}")));
        words.extend(self.restored.as_ref().map(|commit| {
            format!("records of this state folder that it knows nothing of, up to commit {commit}: it is an older copy")
        }));
        words
    }
}

fn accept(plan: &Plan, repo: &Repo, journal: &mut Journal, not_started: bool, now: Timestamp) -> Result<(), Failure> {
    if let Some(branch) = &plan.branch {
        journal.set_meta(META_BRANCH, branch)?;
    }
    if let Some(merged_only) = &plan.merged_only {
        journal.set_meta(META_MERGED_ONLY, merged_only)?;
    }
    // First what is in doubt: behind the rest nothing would hold it any more.
    if not_started {
        mark_doubtful(journal, &plan.doubtful, Doubt::Released, now)?;
        mark_doubtful(journal, &plan.marked, Doubt::Released, now)?;
    } else if let Some(doubt) = plan.doubt() {
        mark_doubtful(journal, &plan.doubtful, doubt, now)?;
    }
    if plan.doubt().is_some() {
        let config = contract::load_config(repo, plan.tip).map(|(config, _)| config).unwrap_or_default();
        learn_resolutions(repo, journal, plan.tip, &config)?;
    }
    for state in plan.others.foreign.keys() {
        journal.set_meta(&format!("{META_ADOPTED}{state}"), &plan.tip.to_string())?;
    }
    journal.set_meta(META_SCANNED, &plan.tip.to_string())?;
    journal.set_meta(META_TIP, &plan.tip.to_string())?;
    Ok(journal.drop_meta(META_RESTORED)?)
}

fn tell(plan: &Plan, args: &AdoptArgs, accepted: &[String]) {
    let verb = if args.dry_run { "would adopt" } else { "adopted" };
    for line in accepted {
        render::print(format!("{verb} {line}"));
    }
    let all: Vec<&Doubtful> = plan.doubtful.iter().chain(&plan.marked).collect();
    if accepted.is_empty() && all.is_empty() {
        return render::print("there was nothing to adopt");
    }
    if all.is_empty() {
        return render::say("next: `dispatch run`");
    }
    render::print(match (args.not_started, args.dry_run) {
        (true, true) => "these requests would run, on your word that none of them was started:",
        (true, false) => "these requests run, on your word that none of them was started:",
        (false, true) => "these at-most-once requests may have been started and would end `indeterminate`:",
        (false, false) => "these at-most-once requests may have been started; the next pass ends them `indeterminate`:",
    });
    for Doubtful { id, path, kind } in all {
        render::print(format!("  {}  {path}  {}", id.short(), kind.as_deref().unwrap_or("(no kind)")));
    }
    if !args.not_started {
        render::say(
            "where you know that none of them was started: `dispatch adopt --not-started`, before the next pass",
        );
    }
    render::say("next: `dispatch run`");
}

fn fetch(repo: &mut Repo) -> Result<Oid, Failure> {
    submit::fetch(repo).map_err(|error| Failure::new(Exit::Missing, error.to_string()))
}
