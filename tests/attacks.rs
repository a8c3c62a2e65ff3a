//! The attacks of `tests/attacks/`: each is a handler that goes through the real program as a committed request, at each level, with a dispatcher
//! of root's and one of an ordinary user, and must not get through. A control shows that it would, were there no walls.
//!
//! `attack::NAME::LEVEL::USER` and `attack::NAME::control::USER`. The table of docs/security.md is made of the same list; `UPDATE=1` rewrites it.

#[path = "attacks/evidence.rs"]
mod evidence;
#[path = "attacks/hand.rs"]
mod hand;
#[path = "attacks/page.rs"]
mod page;
#[path = "attacks/pass.rs"]
mod pass;
#[path = "attacks/shared.rs"]
mod shared;
#[path = "attacks/stage.rs"]
mod stage;
#[expect(dead_code, reason = "what the stories need besides")]
mod support;
#[path = "attacks/table.rs"]
mod table;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use stage::{User, is_root};
use table::{ATTACKS, Attack, Control};

/// The levels that must contain an attack.
const LEVELS: [&str; 2] = ["isolated", "confined"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("table::names_every_script", every_script_is_in_the_table),
        Trial::test("table::is_the_one_of_the_docs", || Ok(page::check(&LEVELS)?)),
    ];
    for attack in ATTACKS {
        for user in User::ALL {
            // Who is not root cannot be another.
            let impossible = (user == User::Root || attack.laid_out_by_root) && !is_root();
            for level in LEVELS {
                let name = format!("attack::{}::{level}::{}", attack.name, user.word());
                trials.push(Trial::test(name, move || contained(attack, level, user)).with_ignored_flag(impossible));
            }
            if matches!(attack.control, Control::ByHandAsRoot) && user == User::Ordinary {
                continue;
            }
            let name = format!("attack::{}::control::{}", attack.name, user.word());
            let impossible = impossible || kernel_refuses(attack);
            trials.push(Trial::test(name, move || works(attack, user)).with_ignored_flag(impossible));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Whether this machine's kernel has been told to refuse an attack from anybody, so that no control can show it.
fn kernel_refuses(attack: &Attack) -> bool {
    let setting = std::fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti");
    attack.name == "type_on_terminal" && setting.is_ok_and(|setting| setting.trim() == "0")
}

/// At a level that contains it nothing is reached, or exactly what is known to be.
fn contained(attack: &'static Attack, level: &'static str, user: User) -> Result<(), Failed> {
    let open = attack.open.iter().find(|open| open.level == level && open.user.is_none_or(|who| who == user));
    let mut faults = String::new();
    for one in shared::seen(attack, level, user)? {
        if !one.as_it_should {
            let _ = write!(faults, "{} did not run as it should\n{}\n", one.kind, one.told);
        }
        match open {
            None if !one.reached.is_empty() => {
                let _ = write!(faults, "{} reached:\n{}\n{}\n", one.kind, one.reached.join("\n"), one.told);
            }
            Some(open) if one.reached.is_empty() => {
                let _ = writeln!(faults, "{} is contained: take this out of the table: {}", one.kind, open.why);
            }
            _ => {}
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
}

/// Without walls every script of it reaches something: otherwise it would be no test.
fn works(attack: &'static Attack, user: User) -> Result<(), Failed> {
    let seen = if attack.control.is_at_none(user) {
        shared::seen(attack, "none", user)?
    } else {
        shared::by_hand(attack, user)?
    };
    let idle = seen.iter().filter(|one| one.reached.is_empty());
    let faults = idle.map(|one| format!("{} reached nothing\n{}\n", one.kind, one.told)).collect::<Vec<_>>().concat();
    if faults.is_empty() { Ok(()) } else { Err(faults.into()) }
}

fn every_script_is_in_the_table() -> Result<(), Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks");
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_some_and(|extension| extension == "sh" || extension == "py") {
            files.insert(name);
        }
    }
    let named: BTreeSet<String> =
        ATTACKS.iter().flat_map(|attack| attack.scripts).map(|name| (*name).to_owned()).collect();
    if files == named {
        return Ok(());
    }
    Err(format!("in one and not the other: {:?}", files.symmetric_difference(&named).collect::<Vec<_>>()).into())
}
