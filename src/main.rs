//! The program `dispatch`. Under the name `keeper` as its first argument it is a supervisor of handlers instead.

use std::process::ExitCode;

use codex_dispatch::{cli, run::sandbox};

fn main() -> ExitCode {
    // A keeper must be single-threaded: nothing may start before this.
    if std::env::args_os().nth(1).is_some_and(|word| word == "keeper") {
        return sandbox::keeper_main();
    }
    if let Err(error) = sandbox::prepare_process() {
        eprintln!("error: preparing the process: {error}");
        return ExitCode::from(70);
    }
    // What panicked has said so; the code says that it is a fault of this program.
    std::panic::catch_unwind(|| cli::main(std::env::args_os())).unwrap_or_else(|_| ExitCode::from(70))
}
