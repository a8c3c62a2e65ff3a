//! What must hold for any bytes: one function a fuzz target, each panics where its property does not hold.
//!
//! Called by the fuzz targets on nightly (`scripts/soak.sh`) and by `tests/corpora.rs` on stable, which replays the
//! corpora. Knows the crate by its public face only, and works out what it expects by other means than the crate does.

mod names;
mod output;
mod reading;
mod shown;
mod words;

pub use names::{artifact_names, file_names};
pub use output::{log_line, masking};
pub use reading::{config, handler_status, host_file, index, request, yaml};
pub use words::{template, units};

/// A property: takes any bytes, panics where it does not hold for them.
pub type Property = fn(&[u8]);

/// Every property under its target's name.
pub const TARGETS: [(&str, Property); 12] = [
    ("artifact_names", artifact_names),
    ("config", config),
    ("file_names", file_names),
    ("handler_status", handler_status),
    ("host_file", host_file),
    ("index", index),
    ("log_line", log_line),
    ("masking", masking),
    ("request", request),
    ("template", template),
    ("units", units),
    ("yaml", yaml),
];

/// Hands out pieces of an input, so that one input can say several things.
struct Pieces<'a> {
    rest: &'a [u8],
}

impl<'a> Pieces<'a> {
    fn of(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The next byte; 0 past the end.
    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// A number below `sides`.
    fn below(&mut self, sides: usize) -> usize {
        usize::from(self.byte()) % sides
    }

    /// The next bytes, fewer at the end.
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (piece, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        piece
    }

    fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}
