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
    Doubt, Doubtful, META_ADOPTED, META_BRANCH, META_MERGED_ONLY, META_RESTORED, META_STATE_ID, Others, Standing,
    TakeOverError, doubtful, doubtful_claims, doubtful_of_rewritten, learn_resolutions, mark_doubtful, mark_loose,
    others, scanned_key, still_marked, take_over, what_may_have_started,
};
use crate::host_file::Claims;
use crate::id::RequestId;
use crate::journal::Journal;
use crate::patience::Patience;
use crate::publish::META_TIP;
use crate::repo::{Mark, Oid, Repo, Tip};
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
    tip: Tip,
    branch: Option<String>,
    merged_only: Option<String>,
    rewritten: Option<Oid>,
    /// Others who record, or claim, where this host does not claim: by what is kept of them, and in words.
    others: Vec<(String, String)>,
    /// A commit of ours that the journal knows nothing of.
    restored: Option<String>,
    /// The state folder that has this node's name.
    namesake: Option<Uuid>,
    /// Claims of this node that the journal knows nothing of.
    lost: usize,
    /// Why requests of the inbox may have been started elsewhere, where that is not said by claims.
    doubt: Option<Doubt>,
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
        Some(journal) if args.dry_run => Plan::make(&home, &mut home.shared_repo()?, &journal, now)?,
        _ => {
            let _instance = home.hold()?;
            let mut journal = Journal::open(home.state.root())?;
            let mut repo = home.own_repo(Patience::default())?;
            let plan = Plan::make(&home, &mut repo, &journal, now)?;
            if !args.dry_run {
                plan.accept(&home, &repo, &mut journal, args.not_started, now)?;
                Standing::adopted(&home.state);
            }
            plan
        }
    };
    let accepted = plan.words(&home);
    if args.json {
        render::print_json(&serde_json::json!({
            "v": 1, "tip": plan.tip.commit, "dry_run": args.dry_run, "adopted": accepted,
            "not_started": args.not_started, "doubtful": plan.all().collect::<Vec<_>>(),
        }));
        return Ok(Exit::Done);
    }
    tell(&plan, args, &accepted);
    Ok(Exit::Done)
}

impl Plan {
    fn make(home: &Home, repo: &mut Repo, journal: &Journal, now: Timestamp) -> Result<Self, Failure> {
        let tip = fetch(repo)?;
        let (config, _) = contract::load_config(repo, tip.commit)
            .map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
        let kept = journal.meta(META_BRANCH)?;
        let branch = config.branch.filter(|_| home.host.file.repository.branch.is_none());
        let branch = branch.filter(|branch| kept.as_ref().is_some_and(|kept| kept != branch));
        if let Some(branch) = &branch {
            repo.set_branch(branch)?;
        }
        let merged_only = config.merged_only.to_string();
        let merged_only = journal.meta(META_MERGED_ONLY)?.filter(|kept| *kept != merged_only).map(|_| merged_only);
        let tip = fetch(repo)?;
        let seen: Option<Oid> = journal.meta(META_TIP)?.and_then(|text| text.parse().ok());
        let rewritten = match seen {
            Some(seen) if !repo.is_ancestor(seen, tip.commit)? => Some(seen),
            _ => None,
        };
        let mut plan = Self {
            tip,
            branch,
            merged_only,
            rewritten,
            others: Vec::new(),
            restored: None,
            namesake: None,
            lost: 0,
            doubt: None,
            doubtful: Vec::new(),
            marked: still_marked(journal)?,
        };
        match home.host.file.claims {
            Claims::Local => plan.look_at_main(home, repo, journal, now)?,
            Claims::Remote => plan.look_at_claims(home, repo, journal)?,
        }
        if plan.rewritten.is_some() {
            let known: Vec<RequestId> = plan.doubtful.iter().map(|found| found.id).collect();
            let run = doubtful_of_rewritten(repo, journal, plan.tip.commit)?;
            plan.doubtful.extend(run.into_iter().filter(|found| !known.contains(&found.id)));
        }
        plan.marked.retain(|marked| plan.doubtful.iter().all(|found| found.id != marked.id));
        Ok(plan)
    }

    /// One dispatcher works here: others show by what they record, and everything that waits may have been started.
    fn look_at_main(&mut self, home: &Home, repo: &Repo, journal: &Journal, now: Timestamp) -> Result<(), Failure> {
        // Main down to where it was found clean last, and what an interrupted look has left.
        let found = self.look_for_others(repo, journal, Claims::Local)?;
        if self.restored.is_some() {
            self.doubt = Some(Doubt::Restored);
        } else if !found.foreign.is_empty() {
            self.doubt = Some(Doubt::Lost);
        }
        if let Some(doubt) = self.doubt {
            self.doubtful = doubtful(repo, journal, &home.host.file, self.tip.commit, now, doubt)?;
        }
        let recording = found.foreign.into_keys().map(|state| (state.clone(), format!("the records of state {state}")));
        self.others.extend(recording);
        for (node, state) in registered(&self.tip.marks, state_id(journal)?) {
            if journal.meta(&format!("{META_ADOPTED}{state}"))?.is_none() {
                self.others.push((state, format!("node {node}, which claims requests here")));
            }
        }
        Ok(())
    }

    /// Several hosts work here: exactly that may have been started which is claimed.
    fn look_at_claims(&mut self, home: &Home, repo: &Repo, journal: &Journal) -> Result<(), Failure> {
        let (node, own) = (&home.host.node, state_id(journal)?.unwrap_or_default());
        self.look_for_others(repo, journal, Claims::Remote)?;
        let lost = what_may_have_started(&self.tip.marks, journal, node, own)?;
        self.lost = lost.len();
        self.doubtful = doubtful_claims(repo, journal, self.tip.commit, &lost, own)?;
        let name = self.tip.marks.iter().find(|mark| mark.name == claim::node_ref(node));
        self.namesake = name.and_then(|mark| mark.note.as_ref()).map(|note| note.state).filter(|state| *state != own);
        Ok(())
    }

    /// Searches main for records that this journal knows nothing of.
    fn look_for_others(&mut self, repo: &Repo, journal: &Journal, claims: Claims) -> Result<Others, Failure> {
        let scanned = journal.meta(scanned_key(claims))?.and_then(|text| text.parse().ok());
        let found = others(repo, journal, self.tip.commit, scanned, claims)?;
        self.restored = journal.meta(META_RESTORED)?.or_else(|| found.restored.map(|commit| commit.to_string()));
        Ok(found)
    }

    fn all(&self) -> impl Iterator<Item = &Doubtful> {
        self.doubtful.iter().chain(&self.marked)
    }

    fn words(&self, home: &Home) -> Vec<String> {
        let (mut words, tip) = (Vec::new(), self.tip.commit);
        words.extend(self.branch.as_ref().map(|branch| format!("branch `{branch}`")));
        words.extend(self.merged_only.as_ref().map(|value| format!("enforce_merge_before_execution: {value}")));
        words.extend(self.rewritten.map(|seen| format!("the rewritten main at {tip} (it was at {seen})")));
        words.extend(self.others.iter().map(|(_, words)| words.clone()));
        words.extend(self.restored.as_ref().map(|commit| {
            format!(
                "records of this state folder that it knows nothing of, such as commit {commit}: it is an older copy"
            )
        }));
        let node = &home.host.node;
        words.extend(self.namesake.map(|state| format!("the node name `{node}`, which was state {state}'s")));
        if self.lost > 0 {
            words.push(format!("{} claim(s) of node {node} that its state folder knows nothing of", self.lost));
        }
        words
    }

    fn accept(
        &self,
        home: &Home,
        repo: &Repo,
        journal: &mut Journal,
        not_started: bool,
        now: Timestamp,
    ) -> Result<(), Failure> {
        if let Some(branch) = &self.branch {
            journal.set_meta(META_BRANCH, branch)?;
        }
        if let Some(merged_only) = &self.merged_only {
            journal.set_meta(META_MERGED_ONLY, merged_only)?;
        }
        // First what is in doubt: behind the rest nothing would hold it any more.
        let all: Vec<Doubtful> = self.all().cloned().collect();
        let released = |found: Doubtful| Doubtful { doubt: Doubt::Released, ..found };
        let all = if not_started { all.into_iter().map(released).collect() } else { all };
        mark_doubtful(journal, &all)?;
        if let Some(doubt) = self.doubt.or(not_started.then_some(Doubt::Released)) {
            mark_loose(journal, if not_started { Doubt::Released } else { doubt }, now)?;
        }
        if self.doubt.is_some() || self.lost > 0 {
            let config = contract::load_config(repo, self.tip.commit).map(|(config, _)| config).unwrap_or_default();
            learn_resolutions(repo, journal, self.tip.commit, &config, home.state.root())?;
        }
        for (key, _) in &self.others {
            journal.set_meta(&format!("{META_ADOPTED}{key}"), &self.tip.commit.to_string())?;
        }
        if self.namesake.is_some() || self.lost > 0 {
            let known = state_id(journal)?;
            let own = known.unwrap_or_else(Uuid::new_v4);
            if known.is_none() {
                journal.set_meta(META_STATE_ID, &own.to_string())?;
            }
            let identity = home.identity(repo)?;
            take_over(repo, journal, &self.tip.marks, &home.host.node, own, &identity, now).map_err(not_taken)?;
        }
        journal.set_meta(scanned_key(home.host.file.claims), &self.tip.commit.to_string())?;
        journal.set_meta(META_TIP, &self.tip.commit.to_string())?;
        Ok(journal.drop_meta(META_RESTORED)?)
    }
}

fn state_id(journal: &Journal) -> Result<Option<Uuid>, Failure> {
    Ok(journal.meta(META_STATE_ID)?.and_then(|text| Uuid::parse_str(&text).ok()))
}

/// Other nodes that are registered on the remote, each with what is kept of it once it is adopted.
fn registered(marks: &[Mark], own: Option<Uuid>) -> Vec<(String, String)> {
    let others = marks.iter().filter_map(|mark| {
        let node = claim::registered_node(&mark.name)?;
        let state = mark.note.as_ref().map(|note| note.state);
        (own.is_none() || state != own).then(|| {
            let key = state.map_or_else(|| node.to_owned(), |state| state.to_string());
            (node.to_owned(), key)
        })
    });
    others.collect()
}

fn not_taken(error: TakeOverError) -> Failure {
    match error {
        TakeOverError::Journal(error) => error.into(),
        TakeOverError::Repo(error) => error.into(),
        TakeOverError::Push(error) => {
            Failure::new(Exit::Missing, error.to_string()).hint("nothing has changed on the remote: try again")
        }
    }
}

fn tell(plan: &Plan, args: &AdoptArgs, accepted: &[String]) {
    let verb = if args.dry_run { "would adopt" } else { "adopted" };
    for line in accepted {
        render::print(format!("{verb} {line}"));
    }
    let all: Vec<&Doubtful> = plan.all().collect();
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
    for Doubtful { id, path, kind, .. } in all {
        render::print(format!("  {}  {path}  {}", id.short(), kind.as_deref().unwrap_or("(no kind)")));
    }
    if !args.not_started {
        render::say(
            "where you know that none of them was started: `dispatch adopt --not-started`, before the next pass",
        );
    }
    render::say("next: `dispatch run`");
}

fn fetch(repo: &mut Repo) -> Result<Tip, Failure> {
    submit::fetch(repo).map_err(|error| Failure::new(Exit::Missing, error.to_string()))
}
