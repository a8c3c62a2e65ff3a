//! One request as the faces show it: what is known of it from main, the journal or its record. Plain data.

use serde::Serialize;

use crate::command::{Resolution, Word};
use crate::id::RequestId;
use crate::outcome::Outcome;
use crate::request::Target;

/// One request, as `list` and `status` show it.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Its id.
    pub id: RequestId,
    /// Path below the inbox without ending.
    pub name: String,
    /// Its kind, as far as it is known.
    pub kind: Option<String>,
    /// `pending`, `held`, `running`, `retrying`, `publishing` or, once ended, the outcome.
    pub state: String,
    /// Why, in a word or a line.
    pub reason: Option<String>,
    /// Exit code.
    pub exit_code: Option<i32>,
    /// When it came onto main.
    pub queued_at: Option<String>,
    /// When its first attempt began.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// From first start to end, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Folder of its record, from the repository root.
    pub record: Option<String>,
    /// Path of the request in the inbox, while it is there.
    pub path: Option<String>,
    /// Whose it is, where it names that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The node on which its output lies, where not all of it was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_on: Option<String>,
    /// The request that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rerun_of: Option<RequestId>,
    /// What a person has said of it, where nobody could know how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolution>,
}

impl Line {
    /// What is to be said of a request that nothing is known of but its id.
    pub fn unknown(id: RequestId) -> Self {
        Self {
            id,
            name: id.to_string(),
            kind: None,
            state: "unknown".to_owned(),
            reason: None,
            exit_code: None,
            queued_at: None,
            started_at: None,
            finished_at: None,
            duration_ms: None,
            record: None,
            path: None,
            target: None,
            kept_on: None,
            rerun_of: None,
            resolved: None,
        }
    }

    /// It did what it should, by its record or by a person's word.
    pub fn has_succeeded(&self) -> bool {
        let said = self.resolved.as_ref().filter(|_| self.state == Outcome::Indeterminate.as_str());
        self.state == Outcome::Succeeded.as_str() || said.is_some_and(|said| said.word == Word::Succeeded)
    }
}
