//! The text format of a story: parsing, and writing it back with new expectations. Pure; runs nothing.
//!
//! ```text
//! A sentence of intent, up to the first section.
//! --- remote none               before: no origin (default `bare`: a bare origin and a clone; `empty`: the origin has no commit)
//! --- repository none           before: an empty folder and no repository at all
//! --- host                      before: the host file (`[STORY]` stands for the story's folder)
//! --- file PATH [755]           before: a file of the first commit; mode 644 unless given
//! --- link PATH TARGET          before: a symlink of the first commit
//! --- run [EXIT[|EXIT…]]        shell lines (`sh -eu`, in the clone), the exit code expected (default 0)
//! --- stdout | --- stderr       what the step before printed
//! --- tree FOLDER…              the files below these folders on the mainline of the origin
//! --- content PATH [KEY…]       one of those files, or only these top-level keys of it
//! --- history [full]            subjects of the mainline, youngest first; `full` with author and body
//! --- again EXIT | off          at the end `dispatch run` is run once more and must not commit: its exit code (default 0)
//! ```
//! `stdout`, `stderr`, `content` take a word `has` (each line is part of a line, in this order) or `lacks` (none is part
//! of any) behind their name. `UPDATE=1` rewrites the exact ones only: exit codes, `has` and `lacks` are the intent.

/// One story file.
pub struct Story {
    /// What stands before the first section.
    pub intent: String,
    /// The sections in the order of the file, which is the order in which they are carried out.
    pub sections: Vec<Section>,
}

/// A heading with what stands below it.
pub struct Section {
    /// The heading without its dashes, as written.
    pub heading: String,
    /// What the heading means.
    pub kind: Kind,
    /// The lines below, as written.
    pub body: String,
    /// Line of the heading, from 1.
    pub line: usize,
}

/// What a section does.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    Remote(Remote),
    Host,
    File { path: String, executable: bool },
    Link { path: String, target: String },
    Run { exits: Vec<i32> },
    Stdout(Match),
    Stderr(Match),
    Tree { folders: Vec<String> },
    Content { path: String, keys: Vec<String>, how: Match },
    History { full: bool },
    Again { exit: Option<i32> },
}

/// Where the clone comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    Bare,
    Empty,
    None,
    /// There is not even a clone.
    NoRepository,
}

/// How an expectation is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    Exact,
    Has,
    Lacks,
}

impl Story {
    /// Reads a story; the error names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut story = Self { intent: String::new(), sections: Vec::new() };
        for (index, line) in text.split_inclusive('\n').enumerate() {
            if let Some(heading) = line.trim_end().strip_prefix("--- ") {
                let kind = Kind::parse(heading).map_err(|why| format!("line {}: {why}: `{heading}`", index + 1))?;
                let heading = heading.to_owned();
                story.sections.push(Section { heading, kind, body: String::new(), line: index + 1 });
            } else if let Some(section) = story.sections.last_mut() {
                section.body.push_str(line);
            } else {
                story.intent.push_str(line);
            }
        }
        if story.intent.trim().is_empty() {
            return Err("a story begins with a sentence of intent".to_owned());
        }
        Ok(story)
    }

    /// The text of the story, as [`Story::parse`] reads it.
    pub fn render(&self) -> String {
        let sections = self.sections.iter().map(|section| format!("--- {}\n{}", section.heading, section.body));
        std::iter::once(self.intent.clone()).chain(sections).collect()
    }
}

impl Section {
    /// The body without the empty lines that separate it from the next heading.
    pub fn text(&self) -> String {
        let kept = self.body.trim_end_matches('\n');
        if kept.is_empty() { String::new() } else { format!("{kept}\n") }
    }

    /// Puts another text in place of the body; the separating empty lines stay.
    pub fn replace(&mut self, text: &str) {
        let kept = self.body.trim_end_matches('\n');
        let blank = self.body[kept.len()..].len().saturating_sub(usize::from(!kept.is_empty()));
        let text = text.trim_end_matches('\n');
        let end = if text.is_empty() { "" } else { "\n" };
        self.body = format!("{text}{end}{}", "\n".repeat(blank));
    }
}

impl Kind {
    fn parse(heading: &str) -> Result<Self, &'static str> {
        let words: Vec<&str> = heading.split_whitespace().collect();
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        Ok(match words.as_slice() {
            ["remote", "bare"] => Self::Remote(Remote::Bare),
            ["remote", "empty"] => Self::Remote(Remote::Empty),
            ["remote", "none"] => Self::Remote(Remote::None),
            ["repository", "none"] => Self::Remote(Remote::NoRepository),
            ["host"] => Self::Host,
            ["file", path] => Self::File { path: (*path).to_owned(), executable: false },
            ["file", path, "755"] => Self::File { path: (*path).to_owned(), executable: true },
            ["link", path, target] => Self::Link { path: (*path).to_owned(), target: (*target).to_owned() },
            ["run"] => Self::Run { exits: vec![0] },
            ["run", exits] => {
                let exits: Result<Vec<i32>, _> = exits.split('|').map(str::parse).collect();
                Self::Run { exits: exits.map_err(|_| "exit codes are numbers")? }
            }
            ["stdout", rest @ ..] => Self::Stdout(Match::parse(rest)?),
            ["stderr", rest @ ..] => Self::Stderr(Match::parse(rest)?),
            ["tree", folders @ ..] if !folders.is_empty() => Self::Tree { folders: owned(folders) },
            ["content", how @ ("has" | "lacks"), path] => {
                Self::Content { path: (*path).to_owned(), keys: Vec::new(), how: Match::parse(&[how])? }
            }
            ["content", path, keys @ ..] => {
                Self::Content { path: (*path).to_owned(), keys: owned(keys), how: Match::Exact }
            }
            ["history"] => Self::History { full: false },
            ["history", "full"] => Self::History { full: true },
            ["again", "off"] => Self::Again { exit: None },
            ["again", exit] => Self::Again { exit: Some(exit.parse().map_err(|_| "an exit code is a number")?) },
            _ => return Err("unknown section"),
        })
    }
}

impl Match {
    fn parse(words: &[&str]) -> Result<Self, &'static str> {
        match words {
            [] => Ok(Self::Exact),
            ["has"] => Ok(Self::Has),
            ["lacks"] => Ok(Self::Lacks),
            _ => Err("expected `has` or `lacks`"),
        }
    }

    /// What is wrong with `found`, if anything.
    pub fn fault(self, expected: &str, found: &str) -> Option<String> {
        let wanted = || expected.lines().filter(|line| !line.is_empty());
        match self {
            Self::Exact if expected.trim_end() == found.trim_end() => None,
            Self::Exact => Some(format!("expected\n{}found\n{}", quoted(expected), quoted(found))),
            Self::Has => {
                let mut lines = found.lines().peekable();
                let missing = wanted().find(|wanted| {
                    // A line may satisfy several expectations, so it is only passed where it does not match.
                    while lines.peek().is_some_and(|line| !line.contains(wanted)) {
                        lines.next();
                    }
                    lines.peek().is_none()
                })?;
                Some(format!("nothing (from there on) has `{missing}` in\n{}", quoted(found)))
            }
            Self::Lacks => {
                let present = wanted().find(|wanted| found.contains(wanted))?;
                Some(format!("`{present}` must not be in\n{}", quoted(found)))
            }
        }
    }
}

fn quoted(text: &str) -> String {
    let lines = text.lines().flat_map(|line| ["  | ", line, "\n"]);
    lines.collect()
}

/// The lines of a YAML mapping that belong to these top-level keys, in the order of the file.
pub fn chosen_keys(text: &str, keys: &[String]) -> String {
    let mut inside = false;
    let mut chosen = String::new();
    for line in text.split_inclusive('\n') {
        if !line.starts_with([' ', '-', '\n', '#', '}', ']']) {
            let key = line.split(':').next().unwrap_or_default().trim_matches('"');
            inside = keys.iter().any(|wanted| wanted == key);
        }
        if inside {
            chosen.push_str(line);
        }
    }
    chosen
}
