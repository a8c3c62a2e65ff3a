//! What a campaign comes to: how many faults, how many requests, and how many of those were lost, ran or were recorded
//! twice, or came torn. `scripts/soak.sh` gathers the lines of many.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use serde_json::json;

use crate::checker::{Class, Violation};

/// The sums of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was done to it, in words.
    pub fault: String,
    /// How often.
    pub faults: u64,
    /// To how many requests.
    pub requests: u64,
    violations: Vec<Violation>,
}

impl Report {
    /// Of a fault, given in words.
    pub fn new(fault: &str) -> Self {
        Self { fault: fault.to_owned(), ..Self::default() }
    }

    /// Adds a round: what was done, to how many requests, and what was found.
    pub fn add(&mut self, faults: u64, requests: u64, violations: Vec<Violation>) {
        self.faults += faults;
        self.requests += requests;
        self.violations.extend(violations);
    }

    /// Whether anything was found yet; there is no use in going on then.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// Ends the campaign: says what it came to, where asked also to a file, and fails where something was found.
    ///
    /// # Panics
    /// Where anything was found.
    pub fn end(self, seed: u64) {
        let count = |class| self.violations.iter().filter(|violation| violation.fault.class() == class).count();
        let (lost, duplicated, torn) = (count(Class::Lost), count(Class::Duplicated), count(Class::Torn));
        let Self { fault, faults, requests, violations } = self;
        eprintln!("{fault}: {faults} faults, {requests} requests, {lost} lost, {duplicated} duplicated, {torn} torn");
        if let Some(path) = std::env::var_os("DISPATCH_SOAK_REPORT") {
            let line = json!({
                "fault": fault, "faults": faults, "requests": requests,
                "lost": lost, "duplicated": duplicated, "torn": torn,
            });
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
                .expect("the report can be written");
        }
        let words: Vec<String> = violations.iter().map(Violation::to_string).collect();
        assert!(violations.is_empty(), "{fault}, DISPATCH_SOAK_SEED={seed}:\n{}", words.join("\n"));
    }
}

/// How long a campaign may take: what `scripts/soak.sh` gives it, or the slice that the tests have time for.
pub fn budget(slice: Duration) -> Duration {
    let given = std::env::var("DISPATCH_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    given.map_or(slice, Duration::from_secs)
}

/// Whether this is a long campaign.
pub fn is_long() -> bool {
    std::env::var_os("DISPATCH_SOAK_SECONDS").is_some()
}

/// What random choices begin with: as asked for, another one for every long campaign, the same for every slice.
pub fn seed() -> u64 {
    let given = std::env::var("DISPATCH_SOAK_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| if is_long() { uuid::Uuid::new_v4().as_u64_pair().0 } else { 0x5eed })
}
