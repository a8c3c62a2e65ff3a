//! The command line: what may be typed, and which file answers it. Parses arguments and maps every end to an
//! exit code; decides nothing about requests.

mod adopt;
mod agent_guide;
mod asked;
mod cancel;
mod check;
mod demo;
mod exit;
mod explain;
mod handler;
mod health;
mod home;
mod host;
mod init;
mod kinds;
mod list;
mod logs;
mod man;
#[cfg(test)]
mod named_commands;
mod new;
mod pause;
mod plan;
mod poke;
mod progress;
mod prune;
mod render;
mod report;
mod rerun;
mod resolve;
mod run;
mod schema;
mod selftest;
mod standing;
mod status;
mod steer;
mod submit;
mod wait;
mod why;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, CommandFactory, Parser, Subcommand};

pub use exit::Exit;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Merge a YAML file to main; a machine carries it out once, inside limits, and the record comes back to main.
#[derive(Debug, Parser)]
#[command(
    name = "dispatch",
    version,
    styles = STYLES,
    disable_version_flag = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  dispatch init my-inbox        make a repository with an inbox, a handler and an example\n  \
        dispatch run                  handle what was merged, once, and publish the records\n  \
        dispatch check requests/a.yml the verdict before the merge (exit 64 where it would be rejected)\n  \
        dispatch status ID            one request: where it stands and how it ended\n\n\
        Exit codes: 0 done, 1 the request asked about failed, 2 usage, 64 rejected, 69 a needed service or layer is missing,\n\
        70 a bug, 73 could not write, 75 not published yet (try again), 78 configuration, 124 timed out"
)]
struct Line {
    #[command(flatten)]
    place: PlaceArgs,

    /// Print the version alone
    #[arg(long, short = 'V')]
    version: bool,

    /// Probe everything that a run needs; last line `Dispatcher OK` or `Dispatcher NOT OK`, exit 0 or 69
    #[arg(long, alias = "self-test")]
    selftest: bool,

    /// With --selftest or no command: print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    fetch: home::FetchArgs,

    #[command(subcommand)]
    verb: Option<Verb>,
}

/// Where to work: the same for every verb.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// Work on the repository that contains DIR
    #[arg(short = 'C', long = "repo", value_name = "DIR", global = true, default_value = ".")]
    repo: PathBuf,

    /// State folder [default: `$STATE_DIRECTORY`, else .git/dispatch in the clone]
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<PathBuf>,

    /// Host file: what the machine's owner allows [default: /etc/dispatch/host.yaml]
    #[arg(long, value_name = "FILE", global = true, env = "DISPATCH_HOST")]
    host: Option<PathBuf>,

    /// Say more on standard error (twice: everything)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,

    /// Say only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Handle every request that is merged, once, and publish the records
    Run(run::RunArgs),
    /// Do what `run` does, again and again, until it is told to stop
    Watch(run::WatchArgs),
    /// Make the dispatcher that watches here look at main now
    Poke(poke::PokeArgs),
    /// Give the verdict of admission without running anything (exit 64 where something would be rejected)
    Check(check::CheckArgs),
    /// Write a request to fill in, from the kind's schema
    New(new::NewArgs),
    /// Check requests, put them on main (or a branch) and print their ids
    Submit(submit::SubmitArgs),
    /// Show what would run, and why it would not; changes nothing
    Plan(plan::PlanArgs),
    /// Do a request that ended again: a new request that names the old one
    Rerun(rerun::RerunArgs),
    /// List requests: pending first, then those that ended
    List(list::ListArgs),
    /// Show one request: where it stands and how it ended
    Status(status::StatusArgs),
    /// Wait until requests have ended; the exit code is that of the outcome
    Wait(wait::WaitArgs),
    /// Print what the handler of a request printed
    Logs(logs::LogsArgs),
    /// Say why a request waits, was rejected or failed, and what to do
    Why(why::WhyArgs),
    /// Say whether the dispatcher gets on: lives, reads main, runs, publishes (exit 69 where something has stalled)
    Health(health::HealthArgs),
    /// List the kinds that this repository handles
    Kinds(kinds::KindsArgs),
    /// Write a handler (`handler new`), try it before it is merged, hold it against its fixtures (`handler test`)
    Handler(handler::HandlerArgs),
    /// Print one JSON Schema over requests of all kinds, for editors
    Schema(schema::SchemaArgs),
    /// The host file: `host check` tries what it says
    Host(host::HostArgs),
    /// Make a repository with an inbox, a handler and an example request
    Init(init::InitArgs),
    /// Run requests of every outcome in a folder of its own and show what comes of them
    Demo(demo::DemoArgs),
    /// Accept what made the dispatcher stop: a moved history, a foreign dispatcher, a lost state folder, a changed branch
    Adopt(adopt::AdoptArgs),
    /// Take the output of old records away from main, as `retention` in codex.repo.yaml says
    Prune(prune::PruneArgs),
    /// Say how a request ended, or that it is to be run again, where nobody can know (`indeterminate`)
    Resolve(resolve::ResolveArgs),
    /// End a request that has not ended: one that waits is archived as cancelled, what runs is stopped
    Cancel(cancel::CancelArgs),
    /// Start nothing more, of a kind, of a resource or at all, with a reason and perhaps an end
    Pause(pause::PauseArgs),
    /// End such a pause
    Resume(pause::ResumeArgs),
    /// Write a static site of where things stand and what came of it, for a browser
    Report(report::ReportArgs),
    /// Print what an agent has to know of this repository, or write it into AGENTS.md
    AgentGuide(agent_guide::AgentGuideArgs),
    /// Say what a code such as E0103, a word of a record or an exit code means
    Explain(explain::ExplainArgs),
    /// Write the man pages, one for each verb
    Man(man::ManArgs),
    /// Print completions for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

/// The whole program behind `main`. `arguments` begin with the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Asked again and again by whoever looks after machines, and answered without knowing any verb.
    if matches!(&arguments[..], [_, word] if word == "--version" || word == "-V") {
        render::print(env!("CARGO_PKG_VERSION"));
        return Exit::Done.into();
    }
    let line = match Line::try_parse_from(arguments) {
        Ok(line) => line,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if line.version {
        render::print(env!("CARGO_PKG_VERSION"));
        return Exit::Done.into();
    }
    render::start_story(line.place.verbose, line.place.quiet);
    answer(line).unwrap_or_else(|failure| render::failure(&failure)).into()
}

fn answer(line: Line) -> Result<Exit, exit::Failure> {
    let place = &line.place;
    if line.selftest {
        return selftest::answer(place, line.json);
    }
    match line.verb {
        None => standing::answer(place, line.json, &line.fetch),
        Some(Verb::Run(args)) => run::answer(place, &args),
        Some(Verb::Watch(args)) => run::answer_watch(place, &args),
        Some(Verb::Poke(args)) => poke::answer(place, &args),
        Some(Verb::Check(args)) => check::answer(place, &args),
        Some(Verb::New(args)) => new::answer(place, &args),
        Some(Verb::Submit(args)) => submit::answer(place, &args),
        Some(Verb::Plan(args)) => plan::answer(place, &args),
        Some(Verb::Rerun(args)) => rerun::answer(place, &args),
        Some(Verb::List(args)) => list::answer(place, &args),
        Some(Verb::Status(args)) => status::answer(place, &args),
        Some(Verb::Wait(args)) => wait::answer(place, &args),
        Some(Verb::Logs(args)) => logs::answer(place, &args),
        Some(Verb::Why(args)) => why::answer(place, &args),
        Some(Verb::Health(args)) => health::answer(place, &args),
        Some(Verb::Kinds(args)) => kinds::answer(place, &args),
        Some(Verb::Handler(args)) => handler::answer(place, &args),
        Some(Verb::Schema(args)) => schema::answer(place, &args),
        Some(Verb::Host(args)) => host::answer(place, &args),
        Some(Verb::Init(args)) => init::answer(&args),
        Some(Verb::Demo(args)) => demo::answer(&args),
        Some(Verb::Adopt(args)) => adopt::answer(place, &args),
        Some(Verb::Prune(args)) => prune::answer(place, &args),
        Some(Verb::Resolve(args)) => resolve::answer(place, &args),
        Some(Verb::Cancel(args)) => cancel::answer(place, &args),
        Some(Verb::Pause(args)) => pause::answer(place, &args),
        Some(Verb::Resume(args)) => pause::answer_resume(place, &args),
        Some(Verb::Report(args)) => report::answer(place, &args),
        Some(Verb::AgentGuide(args)) => agent_guide::answer(place, &args),
        Some(Verb::Explain(args)) => explain::answer(&args),
        Some(Verb::Man(args)) => man::answer(Line::command(), &args),
        Some(Verb::Completions { shell }) => {
            clap_complete::generate(shell, &mut Line::command(), "dispatch", &mut std::io::stdout());
            Ok(Exit::Done)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Line::command().debug_assert();
    }

    /// Clap takes two arguments of one name for one value, and panics where their types differ.
    #[test]
    fn no_verb_takes_the_name_of_an_option_of_every_verb() {
        fn names(command: &clap::Command) -> Vec<String> {
            command.get_arguments().map(|arg| arg.get_id().to_string()).collect()
        }
        fn below<'a>(command: &'a clap::Command, found: &mut Vec<&'a clap::Command>) {
            for verb in command.get_subcommands() {
                found.push(verb);
                below(verb, found);
            }
        }
        let line = Line::command();
        let global = line.get_arguments().filter(|arg| arg.is_global_set()).map(|arg| arg.get_id().to_string());
        let global: Vec<String> = global.collect();
        assert!(global.contains(&"state".to_owned()));
        let mut verbs = Vec::new();
        below(&line, &mut verbs);
        for verb in verbs {
            let twice: Vec<String> = names(verb).into_iter().filter(|name| global.contains(name)).collect();
            assert!(twice.is_empty(), "{}: {twice:?}", verb.get_name());
        }
        for words in [["list", "--state", "/x"], ["--state", "/x", "list"], ["list", "--only", "failed"]] {
            Line::try_parse_from([&["dispatch"], &words[..]].concat()).unwrap();
        }
    }
}
