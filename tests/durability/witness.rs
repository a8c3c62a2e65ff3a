//! The handlers that report, and what they reported.
//!
//! Each appends `begin ID ATTEMPT RESOURCES`, and `end …` as the last thing that it does, to one file outside, with one
//! write each: the order of lines is the order of events. While it lives it holds a lock of its own on each of its
//! resources there. A handler that is killed writes no `end`; whoever comes while anything of it lives finds the lock held and
//! appends `clash …`. So intervals need no clock, and their ends no witness.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use codex_dispatch::job::Delivery;
use codex_dispatch::outcome::Outcome;

use crate::rig::until;

/// A sort of request: its kind in the router table, and what has to come of it where nothing disturbs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// At most once, over at once.
    Quick,
    /// At most once, takes a while.
    Slow,
    /// At most once, runs until [`Witness::open_gate`].
    Gated,
    /// At least once, over at once.
    Sure,
    /// At least once, asks for a second attempt.
    Again,
    /// Exits 3.
    Fails,
    /// Prints more than is kept.
    Noisy,
    /// Leaves artifacts.
    Leaves,
    /// Written in Python.
    Snake,
    /// Needs two resources.
    Pair,
    /// Breaks the rules of requests.
    Invalid,
    /// Names a kind that there is not.
    Unknown,
}

impl Sort {
    /// Every sort that comes to an end by itself.
    pub const MIXED: [Self; 11] = [
        Self::Quick,
        Self::Slow,
        Self::Sure,
        Self::Again,
        Self::Fails,
        Self::Noisy,
        Self::Leaves,
        Self::Snake,
        Self::Pair,
        Self::Invalid,
        Self::Unknown,
    ];
    /// Those that have handlers.
    const WITH_HANDLER: [Self; 10] = [
        Self::Quick,
        Self::Slow,
        Self::Gated,
        Self::Sure,
        Self::Again,
        Self::Fails,
        Self::Noisy,
        Self::Leaves,
        Self::Snake,
        Self::Pair,
    ];

    /// `kind` of the request.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Quick | Self::Invalid => "quick",
            Self::Slow => "slow",
            Self::Gated => "gated",
            Self::Sure => "sure",
            Self::Again => "again",
            Self::Fails => "fails",
            Self::Noisy => "noisy",
            Self::Leaves => "leaves",
            Self::Snake => "snake",
            Self::Pair => "pair",
            Self::Unknown => "nobody",
        }
    }

    /// How often it may be started.
    pub fn delivery(self) -> Delivery {
        if matches!(self, Self::Sure | Self::Again) { Delivery::AtLeastOnce } else { Delivery::AtMostOnce }
    }

    /// What comes of it where nothing goes wrong.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Invalid | Self::Unknown => Outcome::Rejected,
            Self::Fails => Outcome::Failed,
            _ => Outcome::Succeeded,
        }
    }

    /// The exit code of an attempt that was left alone.
    pub fn exit_code(self, attempt: u32) -> i32 {
        match self {
            Self::Fails => 3,
            Self::Again if attempt == 1 => 75,
            _ => 0,
        }
    }

    /// What an attempt prints, where that is little.
    pub fn prints(self, attempt: u32) -> String {
        match self {
            Self::Quick | Self::Snake | Self::Pair => "done\n".to_owned(),
            Self::Again => format!("attempt {attempt}\n"),
            Self::Fails => "no\n".to_owned(),
            _ => String::new(),
        }
    }

    /// How many attempts there are where nothing goes wrong.
    pub fn attempts(self) -> usize {
        match self {
            Self::Invalid | Self::Unknown => 0,
            Self::Again => 2,
            _ => 1,
        }
    }

    /// The lock keys of the router table for a request on place `on`; none: the kind.
    pub fn resources(self, on: u32) -> Vec<String> {
        match self {
            Self::Quick | Self::Slow | Self::Gated | Self::Sure | Self::Again | Self::Snake => {
                vec![format!("place/{on}")]
            }
            Self::Pair => vec![format!("place/{on}"), format!("other/{on}")],
            Self::Fails | Self::Noisy | Self::Leaves | Self::Invalid | Self::Unknown => Vec::new(),
        }
    }

    fn row(self, level: &str, folder: &Path) -> String {
        let kind = self.kind();
        let handler = if self == Self::Snake { "snake.py".to_owned() } else { format!("{kind}.sh") };
        let resource = match self.resources(0).len() {
            0 => "",
            1 => "  resource: \"place/{spec.on}\"\n",
            _ => "  resource: [\"place/{spec.on}\", \"other/{spec.on}\"]\n",
        };
        let delivery = match self.delivery() {
            Delivery::AtMostOnce => "",
            Delivery::AtLeastOnce => {
                "  delivery: at-least-once\n  retry: {attempts: 5, backoff: 10ms, max_backoff: 20ms}\n"
            }
        };
        let output = if self == Self::Noisy { ", output: 4KiB" } else { "" };
        let write = folder.display();
        format!(
            "{kind}:\n  run: handlers/{handler}\n{resource}{delivery}  timeout: 2m\n  sandbox: {{level: {level}, write: [\"{write}\"]{output}}}\n"
        )
    }

    fn body(self) -> &'static str {
        match self {
            Self::Slow => "sleep 0.3\n",
            Self::Gated => {
                "n=0\nuntil [ -e \"$witness/gate\" ] || [ $n -ge 6000 ]; do sleep 0.01; n=$((n + 1)); done\n"
            }
            Self::Again => "echo attempt \"$DISPATCH_ATTEMPT\"\n[ \"$DISPATCH_ATTEMPT\" -ge 2 ] || over 75\n",
            Self::Fails => "echo no >&2\nover 3\n",
            Self::Noisy => "seq 1 20000\n",
            Self::Leaves => {
                "mkdir -p \"$2/deep\"\nprintf %s \"$DISPATCH_ID\" > \"$2/report.txt\"\nprintf more > \"$2/deep/more.txt\"\n"
            }
            Self::Sure => "printf '{\"n\": 1}' > \"$DISPATCH_RESULT\"\n",
            _ => "echo done\n",
        }
    }
}

/// What shell handlers begin with: the locks, `begin`, and `over CODE` for the end.
const PRELUDE: &str = r#"#!/bin/sh
witness='@'
resources=$(printf %s "$DISPATCH_RESOURCE" | tr '\n' ,)
say() { printf '%s %s %s %s\n' "$1" "$DISPATCH_ID" "$DISPATCH_ATTEMPT" "$resources" >> "$witness/log"; }
over() { say end; exit "$1"; }
set -f
number=3
for file in $(printf %s "$DISPATCH_RESOURCE" | tr '/\n' '_ '); do
    eval "exec $number<\"\$witness/lock-\$file\""
    flock -n "$number" || say clash
    number=$((number + 1))
done
say begin
"#;

const SNAKE: &str = r#"import fcntl, os
witness = "@"
resources = os.environ["DISPATCH_RESOURCE"].split("\n")
log = os.open(witness + "/log", os.O_WRONLY | os.O_APPEND)
def say(word):
    words = [word, os.environ["DISPATCH_ID"], os.environ["DISPATCH_ATTEMPT"], ",".join(resources)]
    os.write(log, (" ".join(words) + "\n").encode())
locks = [open(witness + "/lock-" + name.replace("/", "_")) for name in resources]
for lock in locks:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("clash")
say("begin")
print("done")
say("end")
"#;

/// What happened in a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It runs.
    Begin,
    /// The last thing that it does.
    End,
    /// It runs while something else of its resource lives.
    Clash,
}

/// One line of the witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub word: Word,
    pub id: String,
    pub attempt: u32,
    pub resources: Vec<String>,
}

/// The folder that handlers report to.
#[derive(Clone, Debug)]
pub struct Witness {
    pub folder: PathBuf,
}

impl Witness {
    /// Makes the folder; whoever handlers run as may write there.
    pub fn new(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
        let witness = Self { folder };
        witness.file("log")?;
        Ok(witness)
    }

    /// Makes the locks of resources, before anything that needs them is submitted.
    pub fn know(&self, resources: &[String]) -> io::Result<()> {
        resources.iter().try_for_each(|key| self.file(&format!("lock-{}", key.replace('/', "_"))))
    }

    fn file(&self, name: &str) -> io::Result<()> {
        let path = self.folder.join(name);
        fs::OpenOptions::new().create(true).append(true).open(&path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))
    }

    /// Lets every gated handler come to its end, those that start later included.
    pub fn open_gate(&self) -> io::Result<()> {
        self.file("gate")
    }

    /// The router table and the handlers: path in the repository and text.
    pub fn handlers(&self, level: &str) -> Vec<(String, String)> {
        let place = self.folder.display().to_string();
        let index: String = Sort::WITH_HANDLER.iter().map(|sort| sort.row(level, &self.folder)).collect();
        let mut files = vec![("handlers/index.yml".to_owned(), index)];
        for sort in Sort::WITH_HANDLER {
            if sort == Sort::Snake {
                files.push(("handlers/snake.py".to_owned(), SNAKE.replace('@', &place)));
            } else {
                let prelude = PRELUDE.replacen('@', &place, 1);
                let text = format!("{prelude}{}over 0\n", sort.body());
                files.push((format!("handlers/{}.sh", sort.kind()), text));
            }
        }
        files
    }

    /// What a host file grants to all of these handlers.
    pub fn grants(&self) -> String {
        let kinds: BTreeSet<&str> = Sort::WITH_HANDLER.iter().map(|sort| sort.kind()).collect();
        let place = self.folder.display();
        let rows: Vec<String> = kinds.iter().map(|kind| format!("  {kind}: [\"{place}\"]\n")).collect();
        format!("write:\n{}", rows.concat())
    }

    /// Waits until a handler of this request has begun.
    pub fn begun(&self, id: &str) -> io::Result<()> {
        let begin = |event: &Event| event.word == Word::Begin && event.id == id;
        until(&format!("{id} begins"), Duration::from_mins(1), || {
            self.events().is_ok_and(|events| events.iter().any(begin))
        })
    }

    /// How much was reported: it only grows.
    pub fn size(&self) -> u64 {
        fs::metadata(self.folder.join("log")).map_or(0, |log| log.len())
    }

    /// Everything that was reported, in order.
    pub fn events(&self) -> io::Result<Vec<Event>> {
        let text = fs::read_to_string(self.folder.join("log"))?;
        text.lines().map(|line| parse(line).ok_or_else(|| io::Error::other(format!("witness: `{line}`")))).collect()
    }
}

fn parse(line: &str) -> Option<Event> {
    let words: Vec<&str> = line.split(' ').collect();
    let [word, id, attempt, resources] = words[..] else { return None };
    let word = match word {
        "begin" => Word::Begin,
        "end" => Word::End,
        "clash" => Word::Clash,
        _ => return None,
    };
    let resources = resources.split(',').map(str::to_owned).collect();
    Some(Event { word, id: id.to_owned(), attempt: attempt.parse().ok()?, resources })
}
