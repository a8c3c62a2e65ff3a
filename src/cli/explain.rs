//! `dispatch explain`: what a code of a refusal, a word of a record or an exit code means. Needs no repository.

use clap::Args;
use serde_json::json;

use super::exit::{Exit, Failure};
use super::render;
use crate::explain::{self, Example, Explanation};

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dispatch explain E0103            a code, as it stands in `error[E0103]`\n  \
    dispatch explain indeterminate    an outcome, or a reason such as oom or not_granted\n  \
    dispatch explain 75               an exit code\n  dispatch explain                  all of them, a line each\n\n\
    Exit codes: 0 explained, 1 there is no such word")]
pub struct ExplainArgs {
    /// A code, an outcome, a reason or an exit code [default: list them]
    #[arg(value_name = "WORD")]
    word: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Answers `explain`.
pub fn answer(args: &ExplainArgs) -> Result<Exit, Failure> {
    let Some(word) = &args.word else {
        list(args.json);
        return Ok(Exit::Done);
    };
    let found = explain::find(word).map_err(|near| {
        let shown = word.escape_debug();
        let hint = near.unwrap_or_else(|| format!("`{} explain` lists what there is", render::program()));
        Failure::new(Exit::Failed, format!("nothing here is called `{shown}`")).hint(hint)
    })?;
    if args.json {
        render::print_json(&json!({ "v": 1, "explanations": [found] }));
    } else {
        print(&found);
    }
    Ok(Exit::Done)
}

fn list(as_json: bool) {
    let all = explain::all();
    if as_json {
        render::print_json(&json!({ "v": 1, "explanations": all }));
        return;
    }
    let mut group = "";
    for known in &all {
        if known.group != group {
            group = known.group;
            render::print(format!("{}{}", if group == all[0].group { "" } else { "\n" }, render::paint(group, "1")));
        }
        render::print(format!("  {:<20} {}", known.word, known.title));
    }
}

fn print(known: &Explanation) {
    render::print(render::paint(&format!("{}: {}", known.word, known.title), "1"));
    let parts = [("", Some(known.means.as_str())), ("why: ", known.why), ("do: ", known.todo)];
    for (label, text) in parts.into_iter().filter_map(|(label, text)| Some((label, text?))) {
        if !text.is_empty() {
            render::print(format!("\n{label}{text}"));
        }
    }
    for Example { right, of, text, .. } in &known.examples {
        let side = if *right { render::paint("right", "32") } else { render::paint("wrong", "31") };
        let of = if *of == "note" { String::new() } else { format!(" ({of})") };
        render::print(format!("\n{side}{of}:"));
        for line in text.lines() {
            render::print(format!("    {line}").trim_end());
        }
    }
}
