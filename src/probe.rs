//! One row of what was tried and found, the same for `--selftest` and `host check`. A value: it tries nothing and prints nothing.

use serde::Serialize;

/// How one probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// A run works, and a person should know this.
    Warning,
    /// A run would not work.
    Failed,
    /// It could not be tried, for the reason given.
    Skipped,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// What was tried.
    pub name: String,
    /// How it ended.
    pub state: State,
    /// What was found, in one line.
    pub detail: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Probe {
    fn new(name: impl Into<String>, state: State, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let detail = detail.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" · ");
        Self { name: name.into(), state, detail, help: None }
    }

    /// A row for what works.
    pub fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, State::Ok, detail)
    }

    /// A row for what a person should know.
    pub fn warning(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, State::Warning, detail)
    }

    /// A row for what keeps a run from working.
    pub fn failed(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, State::Failed, detail)
    }

    /// A row for what could not be tried.
    pub fn skipped(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(name, State::Skipped, why)
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Whether nothing failed.
pub fn is_ok(probes: &[Probe]) -> bool {
    probes.iter().all(|probe| probe.state != State::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failure_makes_it_not_ok() {
        let rows =
            |last: Probe| [Probe::ok("a", "fine"), Probe::warning("b", "look"), Probe::skipped("c", "nothing"), last];
        assert!(is_ok(&rows(Probe::ok("d", "fine"))));
        assert!(!is_ok(&rows(Probe::failed("d", "broken"))));
    }

    #[test]
    fn a_detail_is_one_line() {
        let probe = Probe::failed("a", "a.yml:1:1: error\n  |\n1 | x\n\n").help("mend it");
        assert_eq!(probe.detail, "a.yml:1:1: error · | · 1 | x");
        assert_eq!(serde_json::to_value(&probe).expect("plain data")["state"], "failed");
    }
}
