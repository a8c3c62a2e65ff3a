//! The table of docs/security.md.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::table::{ATTACKS, Attack, Control};

const BEGIN: &str = "<!-- attacks: made by tests/attacks.rs, UPDATE=1 rewrites it -->\n";
const END: &str = "<!-- end of attacks -->\n";

/// Compares the page with the attacks, or rewrites it.
pub fn check(levels: &[&str]) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (before, rest) = text.split_once(BEGIN).ok_or("docs/security.md has no mark where the table begins")?;
    let (found, after) = rest.split_once(END).ok_or("docs/security.md has no mark where the table ends")?;
    let wanted = table(levels);
    if found == wanted {
        return Ok(());
    }
    if std::env::var("UPDATE").is_ok_and(|value| value == "1") {
        return fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).map_err(|error| error.to_string());
    }
    Err(format!("docs/security.md is not as the attacks are (UPDATE=1 rewrites it); it should say\n{wanted}"))
}

fn table(levels: &[&str]) -> String {
    let mut notes = Vec::new();
    let mut rows = String::new();
    for attack in ATTACKS {
        let _ = write!(rows, "| `{}` | {} |", attack.name, attack.tries);
        for level in levels {
            let _ = write!(rows, " {} |", verdict(attack, level, &mut notes));
        }
        let _ = writeln!(rows, " {} |", at_none(&attack.control));
    }
    let heads = levels.iter().map(|level| format!(" `{level}` |")).collect::<Vec<_>>().concat();
    let lines = "---|".repeat(levels.len() + 3);
    let notes = notes.iter().enumerate().map(|(at, note)| format!("{}. {note}\n", at + 1));
    let notes = notes.collect::<Vec<_>>().concat();
    let notes = if notes.is_empty() { notes } else { format!("\n{notes}") };
    format!("| attack | tries to |{heads} `none` |\n|{lines}\n{rows}{notes}")
}

fn verdict(attack: &Attack, level: &str, notes: &mut Vec<String>) -> String {
    let mut words = String::new();
    for open in attack.open.iter().filter(|open| open.level == level) {
        let at = notes.iter().position(|note| note == open.why).unwrap_or_else(|| {
            notes.push(open.why.to_owned());
            notes.len() - 1
        });
        let whose = open.user.map_or(String::new(), |user| {
            if user == crate::stage::User::Root { " as root".to_owned() } else { " as an ordinary user".to_owned() }
        });
        words = format!("{words}{}open{whose} ({})", if words.is_empty() { "" } else { ", " }, at + 1);
    }
    if words.is_empty() { "contained".to_owned() } else { words }
}

fn at_none(control: &Control) -> String {
    match control {
        Control::AtNone => "open".to_owned(),
        Control::AtNoneOrByHand => "open; as root the handler's user may not".to_owned(),
        Control::ByHand(why) => format!("contained: {why}"),
        Control::ByHandAsRoot => "only root may".to_owned(),
    }
}
