//! `dispatch adopt`: a person has looked, and the dispatcher goes on from what is there now.

use clap::Args;
use jiff::Timestamp;
use uuid::Uuid;

use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render};
use crate::claim;
use crate::clock::{Clock, System};
use crate::contract;
use crate::dispatch::{
    Doubt, Doubtful, LostClaim, META_ADOPTED, META_BRANCH, META_MERGED_ONLY, META_RESTORED, META_STATE_ID, Others,
    doubtful, learn_resolutions, mark_doubtful, others, scanned_key, still_marked, take_over, what_may_have_started,
};
use crate::host_file::Claims;
use crate::journal::Journal;
use crate::patience::Patience;
use crate::publish::META_TIP;
use crate::repo::{Identity, Mark, Oid, Repo};
use crate::submit;

/// Arguments of `adopt`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch adopt --dry-run       what there is to accept, and which requests may have been started\n  \
    dispatch adopt                 accept it; those requests end `indeterminate` and are not started\n  \
    dispatch adopt --not-started   accept it; you know that none of them was started, and they run\n\n\
    What it accepts, where there is any of it: a main that was rewritten, another dispatcher that recorded here (or a state\n\
    folder that was lost), a state folder put back from an older copy, another mainline_branch or\n\
    enforce_merge_before_execution; with `claims: remote` this node's name, and what was claimed under it, where another\n\
    state folder had them. It starts nothing; `dispatch run` does. Requests that are merged afterwards run as ever.\n\
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
    /// With `claims: remote`: the state folder that has this node's name, where that is another one.
    namesake: Option<Uuid>,
    /// And what was claimed under the name, and this journal knows nothing of.
    lost: Vec<LostClaim>,
    /// This state folder, where it has a name yet.
    own: Option<Uuid>,
    node: String,
    claims: Claims,
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
                let identity = home.identity(&repo)?;
                accept(&plan, &repo, &mut journal, args.not_started, &identity, now)?;
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
    let claims = home.host.file.claims;
    let scanned = journal.meta(scanned_key(claims))?.and_then(|text| text.parse().ok());
    let mut found = others(repo, journal, tip, scanned, claims)?;
    if claims == Claims::Local {
        // Who claims here is somebody else as well, whether or not main has records of theirs yet.
        let own = journal.meta(META_STATE_ID)?;
        for state in registered(&repo.marks()?).filter(|state| Some(state) != own.as_ref()) {
            if journal.meta(&format!("{META_ADOPTED}{state}"))?.is_none() {
                found.foreign.entry(state).or_insert(tip);
            }
        }
    }
    let restored = journal.meta(META_RESTORED)?.or_else(|| found.restored.map(|commit| commit.to_string()));
    let mut plan = Plan {
        tip,
        branch,
        merged_only,
        rewritten,
        others: found,
        restored,
        namesake: None,
        lost: Vec::new(),
        own: journal.meta(META_STATE_ID)?.and_then(|text| text.parse().ok()),
        node: home.host.node.clone(),
        claims,
        doubtful: Vec::new(),
        marked: still_marked(journal)?,
    };
    if let (Some(own), Claims::Remote) = (plan.own, claims) {
        let marks = repo.marks()?;
        let name = claim::node_ref(&plan.node);
        let registered = marks.iter().find(|mark| mark.name == name).and_then(|mark| mark.note.as_ref());
        plan.namesake = registered.map(|said| said.state).filter(|state| *state != own);
        plan.lost = what_may_have_started(&marks, journal, &plan.node, own)?;
    }
    if plan.doubt().is_some() {
        plan.doubtful = doubtful(repo, journal, &home.host.file, tip, now, plan.restored.is_some())?;
        if claims == Claims::Remote {
            // Nothing is started there without a claim, so that the claims say exactly which.
            let started = |id| journal.get(id).is_ok_and(|row| row.is_some_and(|row| !row.state.is_pending()));
            plan.doubtful.retain(|found| plan.lost.iter().any(|lost| lost.id == found.id) || started(found.id));
        }
        plan.marked.retain(|marked| plan.doubtful.iter().all(|found| found.id != marked.id));
    }
    Ok(plan)
}

/// The state folders that are registered as nodes; of a ref that says none, the name.
fn registered(marks: &[Mark]) -> impl Iterator<Item = String> {
    marks.iter().filter_map(|mark| {
        let node = claim::registered_node(&mark.name)?;
        Some(mark.note.as_ref().map_or_else(|| node.to_owned(), |said| said.state.to_string()))
    })
}

impl Plan {
    /// Why requests may have been started elsewhere; `None` where nothing says so.
    fn doubt(&self) -> Option<Doubt> {
        if self.restored.is_some() {
            Some(Doubt::Restored)
        } else {
            let lost = !self.others.foreign.is_empty() || self.lost.iter().any(|claim| Some(claim.state) != self.own);
            lost.then_some(Doubt::Lost).or((!self.lost.is_empty()).then_some(Doubt::Restored))
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
        words.extend(self.namesake.map(|state| format!("the name of node {} (of state {state})", self.node)));
        words.extend(self.lost.iter().map(|lost| format!("the claim of {} ({})", lost.path, lost.id)));
        words
    }
}

fn accept(
    plan: &Plan,
    repo: &Repo,
    journal: &mut Journal,
    not_started: bool,
    identity: &Identity,
    now: Timestamp,
) -> Result<(), Failure> {
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
    if let (Some(own), Claims::Remote) = (plan.own, plan.claims) {
        take_over(repo, journal, &repo.marks()?, &plan.node, own, identity, now)?;
    }
    journal.set_meta(scanned_key(plan.claims), &plan.tip.to_string())?;
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
