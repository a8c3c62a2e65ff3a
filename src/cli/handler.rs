//! `dispatch handler`: what helps whoever writes a handler. `new` writes one to begin with, `test` tries one without any commit.

mod fixtures;
mod new;
mod test;

use clap::{Args, Subcommand};

use super::PlaceArgs;
use super::exit::{Exit, Failure};

/// Arguments of `handler`.
#[derive(Debug, Args)]
#[command(
    after_help = "docs/writing-handlers.md takes you from nothing to a merged handler, docs/handler-contract.md says all that a handler may count on."
)]
pub struct HandlerArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write a handler to begin with: the program, its schema, its row, an example request and a fixture
    New(new::NewArgs),
    /// Try the work tree's handler in the sandbox of a run, without a commit; or hold handlers against their fixtures
    Test(test::TestArgs),
}

/// Answers `handler …`.
pub fn answer(place: &PlaceArgs, args: &HandlerArgs) -> Result<Exit, Failure> {
    match &args.verb {
        Verb::New(args) => new::answer(place, args),
        Verb::Test(args) => test::answer(place, args),
    }
}
