//! `dispatch adopt`: a person has looked, and the dispatcher goes on from what is there now.

use clap::Args;

use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render};
use crate::contract;
use crate::dispatch::{META_ADOPTED, META_BRANCH, META_MERGED_ONLY, META_STATE_ID};
use crate::journal::Journal;
use crate::patience::Patience;
use crate::publish::META_TIP;
use crate::repo::Repo;

/// Arguments of `adopt`.
#[derive(Debug, Args)]
#[command(
    after_help = "What it accepts, where there is any of it: a main that was rewritten, other dispatchers that record here,\n\
    another mainline_branch or enforce_merge_before_execution. It starts nothing; `dispatch run` does."
)]
pub struct AdoptArgs {}

/// Answers `adopt`.
pub fn answer(place: &PlaceArgs, _: &AdoptArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let _instance = home.hold()?;
    let mut journal = Journal::open(home.state.root())?;
    let mut accepted = Vec::new();
    let mut repo = home.own_repo(Patience::default())?;
    let tip = fetch(&mut repo)?;
    let (config, _) =
        contract::load_config(&repo, tip).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    if let Some(branch) = config.branch.filter(|_| home.host.file.repository.branch.is_none()) {
        let kept = journal.meta(META_BRANCH)?;
        if kept.as_ref().is_some_and(|kept| *kept != branch) {
            journal.set_meta(META_BRANCH, &branch)?;
            repo.set_branch(&branch)?;
            accepted.push(format!("branch `{branch}`"));
        }
    }
    let merged_only = config.merged_only.to_string();
    if journal.meta(META_MERGED_ONLY)?.is_some_and(|kept| kept != merged_only) {
        journal.set_meta(META_MERGED_ONLY, &merged_only)?;
        accepted.push(format!("enforce_merge_before_execution: {merged_only}"));
    }
    let tip = fetch(&mut repo)?;
    let seen = journal.meta(META_TIP)?.and_then(|text| text.parse().ok());
    if let Some(seen) = seen
        && !repo.is_ancestor(seen, tip)?
    {
        accepted.push(format!("the rewritten main at {tip} (it was at {seen})"));
    }
    let own = journal.meta(META_STATE_ID)?;
    for (_, state) in repo.foreign_states(tip, None, 1000)? {
        let key = format!("{META_ADOPTED}{state}");
        if Some(&state) != own.as_ref() && journal.meta(&key)?.is_none() {
            journal.set_meta(&key, "1")?;
            accepted.push(format!("the records of state {state}"));
        }
    }
    journal.set_meta(META_TIP, &tip.to_string())?;
    for line in &accepted {
        render::print(format!("adopted {line}"));
    }
    if accepted.is_empty() {
        render::print("there was nothing to adopt");
    }
    Ok(Exit::Done)
}

fn fetch(repo: &mut Repo) -> Result<crate::repo::Oid, Failure> {
    repo.fetch().map(|tip| tip.commit).map_err(|error| Failure::new(Exit::Missing, error.to_string()))
}
