//! A Markdown page whose console blocks are typed: finding what it shows, the shell lines that do it, and writing back
//! what they printed. Pure but for the world handed in.
//!
//! A page says so in a comment at its top, whose text is that of a story (`story.rs`) up to its first expectation:
//!
//! ```text
//! <!-- executed
//! A sentence: what the page shows.
//! --- remote none                    where it starts: `bare` (default), `empty`, `none`, or `--- repository none` for an empty folder
//! --- host | --- file PATH           as in a story; the node is called `build-1` unless the host file says otherwise
//! -->
//! ```
//! Then, anywhere on the page:
//!
//! - a block ` ```console `: `$ ` begins a command, `> ` goes on with it, and every other line is what a terminal shows of
//!   both outputs. A line `…` stands for any number of lines, and `…` within a line for anything. What a command shows has to be there, all of it; where the
//!   marker is `<!-- executed, with output where it matters`, only where the page shows something.
//! - all commands of a page are typed into one shell, so that `cd`, variables and `$!` last. One that fails has to be
//!   followed by one that shows `$?`.
//! - `<!-- file PATH [755] -->` before any other block: that block's text is written there, relative to where the shell is.
//! - `<!-- not executed: REASON -->` before a console block: it is left to people.
//!
//! The page shows what was really printed once: volatile words (ids, times, digests, durations, dates in paths) may differ
//! from run to run, and the story's folder is called `/srv`. `UPDATE=1` rewrites what differs otherwise.

use std::io;
use std::ops::Range;

use crate::normalise::normalise;
use crate::support::World;

/// What the story's folder is called on a page.
const FOLDER: &str = "/srv";
/// Stands for any number of lines.
const ELISION: &str = "…";
/// Printed between the outputs of commands, with the exit code of the one before.
const MARK: &str = "\u{1e}ended with ";

/// A page and what is to be done for it.
pub struct Page {
    /// The text of its marker: a story up to its first expectation.
    pub set_up: String,
    lines: Vec<String>,
    /// Only outputs that are shown count.
    lenient: bool,
    /// In the order of the page.
    pub steps: Vec<Step>,
}

/// One thing to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Its line, from 1.
    pub line: usize,
    /// What it is.
    pub act: Act,
    /// The lines of its output, by their indices.
    shown: Range<usize>,
    /// What the block is indented by.
    indent: usize,
}

/// What a step does.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    /// Typed.
    Command(String),
    /// Written.
    File { path: String, executable: bool, text: String },
}

/// What a step printed, and its exit code.
pub struct Printed {
    pub output: String,
    pub exit: i32,
}

impl Page {
    /// Reads a page; `None` where it does not say that it is executed. The error names the line.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let lenient = match lines.first().map(String::as_str) {
            Some("<!-- executed") => false,
            Some("<!-- executed, with output where it matters") => true,
            Some(first) if first.starts_with("<!-- executed") => {
                return Err("line 1: the marker is `<!-- executed`, or `<!-- executed, with output where it matters`"
                    .to_owned());
            }
            _ => return Ok(None),
        };
        let end = lines.iter().position(|line| line == "-->").ok_or("line 1: the marker is not closed by `-->`")?;
        let set_up = lines[1..end].iter().flat_map(|line| [line, "\n"]).collect();
        let mut page = Self { set_up, lines, lenient, steps: Vec::new() };
        page.read_blocks(end + 1)?;
        Ok(Some(page))
    }

    fn read_blocks(&mut self, from: usize) -> Result<(), String> {
        let mut at = from;
        let mut remark = None;
        while at < self.lines.len() {
            let line = self.lines[at].trim();
            let Some(kind) = line.strip_prefix("```") else {
                if !line.is_empty() {
                    remark = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")).map(str::to_owned);
                }
                at += 1;
                continue;
            };
            let first = at + 1;
            let length = self.lines[first..].iter().position(|line| line.trim() == "```");
            let end = first + length.ok_or_else(|| format!("line {first}: the block has no end"))?;
            let indent = self.lines[at].len() - self.lines[at].trim_start().len();
            let (is_console, remark) = (kind == "console", remark.take().unwrap_or_default());
            let words: Vec<&str> = remark.split_whitespace().collect();
            match words[..] {
                ["not", "executed:"] => return Err(format!("line {first}: `not executed` without a reason")),
                ["not", "executed:", ..] if is_console => {}
                _ if is_console => self.read_console(first..end, indent)?,
                ["file", ref place @ ..] => {
                    let (path, executable) = match place {
                        [path] => ((*path).to_owned(), false),
                        [path, "755"] => ((*path).to_owned(), true),
                        _ => return Err(format!("line {first}: it is `<!-- file PATH [755] -->`")),
                    };
                    let text = self.lines[first..end].iter().flat_map(|line| [dedented(line, indent), "\n"]).collect();
                    let act = Act::File { path, executable, text };
                    self.steps.push(Step { line: first, act, shown: end..end, indent });
                }
                _ => {}
            }
            at = end + 1;
        }
        Ok(())
    }

    fn read_console(&mut self, block: Range<usize>, indent: usize) -> Result<(), String> {
        let mut first = true;
        for index in block {
            let line = dedented(&self.lines[index], indent);
            if let Some(command) = line.strip_prefix("$ ") {
                let act = Act::Command(command.trim_end().to_owned());
                self.steps.push(Step { line: index + 1, act, shown: index + 1..index + 1, indent });
            } else {
                let step = self.steps.last_mut().filter(|_| !first);
                let Some(step) = step else { return Err(format!("line {}: no command above it", index + 1)) };
                match (&mut step.act, line.strip_prefix("> ").or((line == ">").then_some(""))) {
                    (Act::Command(command), Some(more)) if step.shown.is_empty() => {
                        command.push('\n');
                        command.push_str(more);
                        step.shown = index + 1..index + 1;
                    }
                    _ => step.shown.end = index + 1,
                }
            }
            first = false;
        }
        Ok(())
    }

    /// Carries the page out, each command in the shell of the one before.
    pub fn type_into(&self, world: &World) -> io::Result<Vec<Printed>> {
        let script: String = self.steps.iter().map(|step| step.act.shell()).collect();
        let ended = world.shell(&format!("set +eu\nexec 2>&1\n{script}"))?;
        let mut printed = Vec::new();
        let mut rest = ended.stdout.as_str();
        while let Some((output, after)) = rest.split_once(&format!("\n{MARK}")) {
            let (exit, after) = after.split_once('\n').unwrap_or((after, ""));
            let output = shown_as_on_pages(output, world);
            printed.push(Printed { output, exit: exit.parse().map_err(io::Error::other)? });
            rest = after;
        }
        if printed.len() < self.steps.len() {
            let line = self.steps[printed.len()].line;
            return Err(io::Error::other(format!("the shell ended ({:?}) at line {line}:\n{rest}", ended.exit)));
        }
        Ok(printed)
    }

    /// What the page shows otherwise than it was, each with its line.
    pub fn faults(&self, printed: &[Printed]) -> Vec<String> {
        let mut faults = Vec::new();
        for (index, (step, printed)) in self.steps.iter().zip(printed).enumerate() {
            let shows_exit = |next: &Step| matches!(&next.act, Act::Command(command) if command.contains("$?"));
            if printed.exit != 0 && !self.steps.get(index + 1).is_some_and(shows_exit) {
                let words = "and the command after it does not show `$?`";
                faults.push(format!("{}: ended with {}, {words}\n{}", step.line, printed.exit, printed.output));
            }
            if self.differs(step, printed) {
                let shown = self.shown(step);
                let Act::Command(command) = &step.act else { continue };
                faults.push(format!("{}: `{command}`\nthe page\n{shown}printed\n{}", step.line, printed.output));
            }
        }
        faults
    }

    /// The page with what was printed in place of what differs.
    pub fn rewritten(&self, printed: &[Printed]) -> String {
        let mut lines = self.lines.clone();
        for (step, printed) in self.steps.iter().zip(printed).rev() {
            if self.differs(step, printed) {
                let indent = " ".repeat(step.indent);
                let indented = printed.output.lines().map(|line| format!("{indent}{line}").trim_end().to_owned());
                lines.splice(step.shown.clone(), indented.collect::<Vec<_>>());
            }
        }
        lines.iter().flat_map(|line| [line, "\n"]).collect()
    }

    fn differs(&self, step: &Step, printed: &Printed) -> bool {
        let unsaid = self.lenient && step.shown.is_empty();
        !unsaid && !matches(&steady(&self.shown(step)), &steady(&printed.output))
    }

    fn shown(&self, step: &Step) -> String {
        self.lines[step.shown.clone()].iter().flat_map(|line| [dedented(line, step.indent), "\n"]).collect()
    }
}

impl Act {
    /// The shell lines that do it. `$?` is what it was before, as at a prompt.
    fn shell(&self) -> String {
        let doing = match self {
            Self::Command(command) => command.clone(),
            Self::File { path, executable, text } => {
                let mode = if *executable { 755 } else { 644 };
                let (path, text) = (quoted(path), quoted(text));
                format!("mkdir -p \"$(dirname {path})\" && printf %s {text} > {path} && chmod {mode} {path}")
            }
        };
        format!("{doing}\n__exit=$?; printf '\\n%s%s\\n' '{MARK}' \"$__exit\"; (exit \"$__exit\")\n")
    }
}

/// A word of the shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn dedented(line: &str, indent: usize) -> &str {
    let blanks = line.len() - line.trim_start().len();
    &line[blanks.min(indent)..]
}

fn shown_as_on_pages(text: &str, world: &World) -> String {
    text.replace(&world.root().display().to_string(), FOLDER)
}

/// The text without what may differ from run to run.
fn steady(text: &str) -> String {
    let normal = normalise(text, "\0", "");
    let lines = normal.lines().map(|line| {
        // Columns are as wide as what stands in them.
        let (head, tail) = line.split_at(line.len() - line.trim_start().len());
        let words: Vec<&str> = tail.split("  ").map(str::trim).filter(|part| !part.is_empty()).collect();
        format!("{head}{}\n", undated(&words.join("  ")))
    });
    lines.collect()
}

/// Days in paths: `2026/01/02/`.
fn undated(line: &str) -> String {
    let day = |text: &str| {
        text.len() >= 11
            && text.bytes().take(11).enumerate().all(|(index, byte)| match index {
                4 | 7 | 10 => byte == b'/',
                _ => byte.is_ascii_digit(),
            })
    };
    let mut out = String::new();
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        if day(rest) {
            out.push_str("[DAY]/");
            rest = &rest[11..];
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

/// Whether lines are those of a pattern, in which [`ELISION`] stands for any number of them, and within a line for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<&str> = pattern.lines().collect();
    let text: Vec<&str> = text.lines().collect();
    let same = |part: &[&str], lines: &[&str]| {
        part.len() == lines.len() && part.iter().zip(lines).all(|(pattern, line)| matches_line(pattern, line))
    };
    let mut parts = pattern.split(|line| *line == ELISION);
    let first = parts.next().unwrap_or_default();
    if text.len() < first.len() || !same(first, &text[..first.len()]) {
        return false;
    }
    let mut rest = &text[first.len()..];
    let mut parts: Vec<&[&str]> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let Some(at) = rest.windows(part.len()).position(|lines| same(part, lines)) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len() && same(last, &rest[rest.len() - last.len()..])
}

fn matches_line(pattern: &str, line: &str) -> bool {
    let mut parts: Vec<&str> = pattern.split(ELISION).collect();
    let first = parts.remove(0);
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}
