//! Which bugs there are, what is done to show each, and what has to find it.

use std::io;

use codex_dispatch::planted::Bug;

use crate::checker::{Fault, Violation};
use crate::scenes;
use crate::witness::Sort;

/// One planted bug.
pub struct Plant {
    pub bug: Bug,
    /// What is wrong then, for the page.
    pub does: &'static str,
    /// What is done beside running it, for the page.
    pub done: &'static str,
    pub scene: fn(Option<Bug>) -> io::Result<Vec<Violation>>,
    /// What the checks have to call it.
    pub caught: Fault,
    /// Only the order of system calls shows it.
    pub needs_trace: bool,
}

/// Every bug, in the order of the way of a request.
pub const TABLE: &[Plant] = &[
    Plant {
        bug: Bug::StrangerIgnored,
        does: "another dispatcher's records on main are passed over",
        done: "a kill in the middle of a run, and the state folder is lost",
        scene: scenes::state_is_lost,
        caught: Fault::Duplicated,
        needs_trace: false,
    },
    Plant {
        bug: Bug::StolenClaim,
        does: "a claim counts as won, whoever has it",
        done: "a second host comes while the first one runs the request",
        scene: scenes::claimed_by_another,
        caught: Fault::Duplicated,
        needs_trace: false,
    },
    Plant {
        bug: Bug::ClaimUnread,
        does: "main is not read again once a claim was won",
        done: "a claim is held up on its way until another host has recorded the request",
        scene: scenes::claim_comes_late,
        caught: Fault::Duplicated,
        needs_trace: false,
    },
    Plant {
        bug: Bug::LastFirst,
        does: "the youngest request on a resource starts first",
        done: "nothing",
        scene: |bug| scenes::undisturbed(bug, &[&[Sort::Quick], &[Sort::Quick], &[Sort::Quick]]),
        caught: Fault::Order,
        needs_trace: false,
    },
    Plant {
        bug: Bug::NoLocks,
        does: "requests on one resource run at the same time",
        done: "nothing",
        scene: |bug| scenes::undisturbed(bug, &[&[Sort::Quick], &[Sort::Slow, Sort::Slow, Sort::Slow]]),
        caught: Fault::Overlap,
        needs_trace: false,
    },
    Plant {
        bug: Bug::LateStart,
        does: "START is journalled after the handler was started",
        done: "a kill in the middle of a run",
        scene: scenes::killed,
        caught: Fault::Duplicated,
        needs_trace: false,
    },
    Plant {
        bug: Bug::UnsyncedSteps,
        does: "the journal is written and not synced",
        done: "system calls are watched",
        scene: scenes::watched,
        caught: Fault::Unsynced,
        needs_trace: true,
    },
    Plant {
        bug: Bug::StartedAgain,
        does: "after a crash what may run once is started again",
        done: "a kill in the middle of a run",
        scene: scenes::killed,
        caught: Fault::Duplicated,
        needs_trace: false,
    },
    Plant {
        bug: Bug::Guessed,
        does: "what nobody saw end is taken for a success",
        done: "a kill in the middle of a run",
        scene: scenes::killed,
        caught: Fault::Untrue,
        needs_trace: false,
    },
    Plant {
        bug: Bug::AttemptLeftOut,
        does: "only the last attempt stands in the record",
        done: "nothing",
        scene: |bug| scenes::undisturbed(bug, &[&[Sort::Again]]),
        caught: Fault::Unrecorded,
        needs_trace: false,
    },
    Plant {
        bug: Bug::HalfDigest,
        does: "`log_sha256` is not the digest of `log.jsonl`",
        done: "nothing",
        scene: |bug| scenes::undisturbed(bug, &[&[Sort::Quick]]),
        caught: Fault::Torn,
        needs_trace: false,
    },
    Plant {
        bug: Bug::UnsyncedSpool,
        does: "EXIT is journalled before the record is on the disk",
        done: "system calls are watched",
        scene: scenes::watched,
        caught: Fault::Unsynced,
        needs_trace: true,
    },
    Plant {
        bug: Bug::RetriedSync,
        does: "a sync that failed is tried again, and its success believed",
        done: "a sync fails once, system calls are watched",
        scene: scenes::sync_fails,
        caught: Fault::Unsynced,
        needs_trace: true,
    },
    Plant {
        bug: Bug::RequestStays,
        does: "the request is archived and stays in the inbox",
        done: "nothing",
        scene: |bug| scenes::undisturbed(bug, &[&[Sort::Quick]]),
        caught: Fault::Duplicated,
        needs_trace: false,
    },
    Plant {
        bug: Bug::RecordApart,
        does: "archive and record come in two commits",
        done: "nothing",
        scene: |bug| scenes::undisturbed(bug, &[&[Sort::Quick]]),
        caught: Fault::Torn,
        needs_trace: false,
    },
    Plant {
        bug: Bug::EditArchived,
        does: "what lies in the inbox by then is archived, not what was admitted",
        done: "the request is edited while it runs",
        scene: scenes::edited,
        caught: Fault::Lost,
        needs_trace: false,
    },
    Plant {
        bug: Bug::AnyPlace,
        does: "a file that stands where a record goes is overwritten",
        done: "another writer puts one there while it runs",
        scene: scenes::place_is_taken,
        caught: Fault::Changed,
        needs_trace: false,
    },
    Plant {
        bug: Bug::FromTheIndex,
        does: "the tree of a record commit is made from the clone's index",
        done: "another writer pushes while it runs",
        scene: scenes::raced,
        caught: Fault::Foreign,
        needs_trace: false,
    },
    Plant {
        bug: Bug::PlainPush,
        does: "the push is forced, whatever main has become",
        done: "another writer pushes while it runs",
        scene: scenes::raced,
        caught: Fault::Foreign,
        needs_trace: false,
    },
    Plant {
        bug: Bug::UnsyncedObjects,
        does: "without a remote: the branch moves before its objects are on the disk",
        done: "system calls are watched",
        scene: scenes::watched_without_a_remote,
        caught: Fault::Unsynced,
        needs_trace: true,
    },
    Plant {
        bug: Bug::RunAgain,
        does: "what could not be pushed is taken for never started",
        done: "the server declines every push for a while",
        scene: scenes::declined,
        caught: Fault::Duplicated,
        needs_trace: false,
    },
    Plant {
        bug: Bug::RecordedTwice,
        does: "whether an unanswered push has landed is not looked for",
        done: "a kill after the server has moved its branch, and before its answer",
        scene: scenes::unanswered,
        caught: Fault::Duplicated,
        needs_trace: false,
    },
    Plant {
        bug: Bug::LitterStays,
        does: "locks and temporary objects of a killed git stay",
        done: "such files lie in our own repository",
        scene: scenes::littered,
        caught: Fault::Leftover,
        needs_trace: false,
    },
];
