//! The table of docs/durability.md.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use codex_dispatch::planted::Bug;

use crate::table::TABLE;

const BEGIN: &str = "<!-- planted bugs: made by tests/planted.rs, UPDATE=1 rewrites it -->\n";
const END: &str = "<!-- end of planted bugs -->\n";

/// Compares the page with the bugs, or rewrites it.
pub fn check() -> Result<(), String> {
    let path = root().join("docs/durability.md");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (before, rest) = text.split_once(BEGIN).ok_or("docs/durability.md has no mark where the table begins")?;
    let (found, after) = rest.split_once(END).ok_or("docs/durability.md has no mark where the table ends")?;
    let wanted = table()?;
    if found == wanted {
        return Ok(());
    }
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        return fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).map_err(|error| error.to_string());
    }
    Err(format!("docs/durability.md is not as the bugs are (UPDATE=1 rewrites it); it should say\n{wanted}"))
}

fn table() -> Result<String, String> {
    let mut rows =
        "| bug | what is wrong then | planted in | done to show it | found to be |\n|---|---|---|---|---|\n".to_owned();
    for plant in TABLE {
        let places: Vec<String> = places_of(plant.bug)?.iter().map(|place| format!("`{place}`")).collect();
        let (name, does, done) = (plant.bug.name(), plant.does, plant.done);
        let _ = writeln!(rows, "| `{name}` | {does} | {} | {done} | {} |", places.join(", "), plant.caught.word());
    }
    Ok(rows)
}

/// The files below `src/` that have a bug in them.
pub fn places_of(bug: Bug) -> Result<Vec<String>, String> {
    let folder = root().join("src");
    let question = format!("planted::is(Bug::{bug:?})");
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![folder.clone()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).map_err(|error| error.to_string())? {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.is_dir() {
                open.push(path);
            } else if fs::read_to_string(&path).is_ok_and(|text| text.contains(&question)) {
                found.push(path.strip_prefix(&folder).map_err(|error| error.to_string())?.display().to_string());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
