//! `dispatch man DIR`: the man pages, made from the same description that parses the command line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};

use super::exit::{Exit, Failure};
use super::render;

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch man /usr/local/share/man/man1    then `man dispatch`, `man dispatch-run` …\n  \
    dispatch man man && man ./man/dispatch.1\n\nThe same program writes the same bytes."
)]
pub struct ManArgs {
    /// Folder to write into; made where it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Answers `man`.
pub fn answer(command: Command, args: &ManArgs) -> Result<Exit, Failure> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, "dispatch", &mut pages);
    let write = || -> io::Result<()> {
        fs::create_dir_all(&args.folder)?;
        pages.iter().try_for_each(|(name, page)| write_page(&args.folder, name, page))
    };
    write().map_err(|error| {
        Failure::new(Exit::Unwritable, format!("writing man pages to `{}`: {error}", args.folder.display()))
    })?;
    render::say(format!("{} man pages in `{}`", pages.len(), args.folder.display()));
    Ok(Exit::Done)
}

/// The page of a command and those of its verbs, by name: `dispatch`, `dispatch-host`, `dispatch-host-check`.
fn collect(command: &Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) {
    let mut page = Vec::new();
    // Every verb's name is the one that is typed behind `man`.
    let named = command.clone().display_name(name.to_owned());
    clap_mangen::Man::new(named)
        .source(format!("dispatch {}", env!("CARGO_PKG_VERSION")))
        .manual("Codex Dispatch")
        .render(&mut page)
        .expect("memory takes all");
    pages.push((name.to_owned(), page));
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        collect(verb, &format!("{name}-{}", verb.get_name()), pages);
    }
}

fn write_page(folder: &Path, name: &str, page: &[u8]) -> io::Result<()> {
    fs::write(folder.join(format!("{name}.1")), page)
}
