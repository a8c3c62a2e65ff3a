//! Faults that are built in on purpose, to see that the tests would find them: with the cargo feature `planted` only.
//! A normal build has none of it: every question is answered `false` when it is compiled.
//!
//! Owns the names of the faults and what the environment asks for. Each fault stands at its place in the code, behind
//! one question to this module.

/// A fault that can be asked for by its name in `DISPATCH_PLANT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The branch is forced to our commit, wherever it stands.
    PlainPush,
}

impl Bug {
    /// Its name in `DISPATCH_PLANT`, in the tests and in the documentation.
    pub fn name(self) -> &'static str {
        match self {
            Self::PlainPush => "plain-push",
        }
    }
}

/// Whether this process was asked to have the fault.
#[cfg(feature = "planted")]
pub fn is(bug: Bug) -> bool {
    std::env::var("DISPATCH_PLANT").is_ok_and(|name| name == bug.name())
}

/// Whether this process was asked to have the fault: never.
#[cfg(not(feature = "planted"))]
pub const fn is(_: Bug) -> bool {
    false
}

/// Ends the process at once, as a power cut would, at the step of this number that it passes: `DISPATCH_CRASH=journal:7` at
/// the seventh step called `journal`. Where `DISPATCH_CRASHED` names a file, it is there afterwards.
#[cfg(feature = "planted")]
pub fn crash_point(step: &str) {
    use std::collections::HashMap;
    use std::sync::{Mutex, PoisonError};
    static PASSED: Mutex<Option<HashMap<String, u64>>> = Mutex::new(None);
    let Ok(wanted) = std::env::var("DISPATCH_CRASH") else { return };
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let number = passed.get_or_insert_default().entry(step.to_owned()).or_default();
    *number += 1;
    if wanted == format!("{step}:{number}") {
        if let Some(mark) = std::env::var_os("DISPATCH_CRASHED") {
            let _ = std::fs::write(mark, &wanted);
        }
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(feature = "planted"))]
pub const fn crash_point(_: &str) {}
