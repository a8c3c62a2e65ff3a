//! What one attempt came to, until the record is made of it. Never published as it is, and kept in
//! the spool while actions follow a success.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::end::Told;
use super::{Artifact, OutputCount};
use crate::outcome::{Attempt, Outcome};

/// What came of an attempt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Number, times, exit code, signal and reason.
    pub attempt: Attempt,
    /// The outcome, if no other attempt follows.
    pub outcome: Outcome,
    /// Layers that were active.
    pub layers: Vec<String>,
    /// The user that it ran as.
    pub run_as: Option<String>,
    /// How much it printed.
    pub output: OutputCount,
    /// Limits that it met.
    pub limits: Vec<String>,
    /// Last lines of its output.
    pub tail: Vec<String>,
    /// Files that it left and that were not taken.
    pub skipped: Vec<String>,
    /// Files that were taken.
    pub artifacts: Vec<Artifact>,
    /// What a reader should know although it changed nothing.
    pub warnings: Vec<String>,
    /// Its own status keys.
    pub handler: Map<String, Value>,
    /// What it wrote to `$DISPATCH_RESULT`.
    pub result: Option<Value>,
    /// Its story, which lies in the spool too: so that it need not be read from there.
    #[serde(skip)]
    pub events: Option<Arc<[Told]>>,
}

impl Report {
    /// The report of an attempt of which nothing else is known.
    pub fn unrun(attempt: Attempt, outcome: Outcome) -> Self {
        Self {
            attempt,
            outcome,
            layers: Vec::new(),
            run_as: None,
            output: OutputCount::default(),
            limits: Vec::new(),
            tail: Vec::new(),
            skipped: Vec::new(),
            artifacts: Vec::new(),
            warnings: Vec::new(),
            handler: Map::new(),
            result: None,
            events: None,
        }
    }
}
