//! `dispatch list`: pending requests in their order, then those that ended, the youngest first, in pages.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::exit::{Exit, Failure};
use super::home::{FetchArgs, Home};
use super::{PlaceArgs, render};
use crate::clock::{Clock, System, millis_between};
use crate::record::visible;
use crate::units::{parse_duration, parse_timestamp};
use crate::view::{Line, View};

const MOST: usize = 20;
/// The longest line of a reason in the table.
const REASON_CHARS: usize = 70;

/// Arguments of `list`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch list\n  dispatch list --pending\n  dispatch list --kind deploy --only failed --most 100\n  \
    dispatch list --since 2h                      what waits, runs or ended within the last two hours\n  \
    dispatch list --resource host/web-1 --name 'release-*'\n  dispatch list --page 2\n  dispatch list --fetch --json                  main as it is now, for programs\n\n\
    TIME is how long it took, or has run so far. --since and --until go by the end of a request, or by when it came onto main\n\
    while it is open."
)]
pub struct ListArgs {
    /// Only what has not ended
    #[arg(long)]
    pending: bool,

    /// Only this kind (may be given several times)
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,

    /// Only this state or outcome, such as held or failed (`--state` is the state folder, here as everywhere)
    #[arg(long, value_name = "STATE")]
    only: Vec<String>,

    /// Only names like this: `*` stands for anything, `?` for one character
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Only what takes or took this resource
    #[arg(long, value_name = "KEY")]
    resource: Option<String>,

    /// Not older than this: a span such as `2h`, or a time such as 2026-11-21T08:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<When>,

    /// Not younger than this
    #[arg(long, value_name = "WHEN", value_parser = when)]
    until: Option<When>,

    /// At most so many that ended
    #[arg(long, value_name = "N", default_value_t = MOST)]
    most: usize,

    /// The page of those that ended, each of `--most`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    page: u32,

    #[command(flatten)]
    fetch: FetchArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A time, or so long ago.
#[derive(Clone, Copy, Debug)]
enum When {
    Ago(Duration),
    At(Timestamp),
}

impl Default for ListArgs {
    fn default() -> Self {
        Self {
            pending: false,
            kind: Vec::new(),
            only: Vec::new(),
            name: None,
            resource: None,
            since: None,
            until: None,
            most: MOST,
            page: 1,
            fetch: FetchArgs::default(),
            json: false,
        }
    }
}

/// Answers `list`.
pub fn answer(place: &PlaceArgs, args: &ListArgs) -> Result<Exit, Failure> {
    let view = Home::open(place)?.view_for(&args.fetch)?;
    let now = System::new().now();
    let wanted = Wanted { args, since: at(args.since, now), until: at(args.until, now), view: &view };
    let mut lines = view.pending()?;
    for path in view.left_alone()? {
        tracing::warn!("`{path}` is left alone: a request ends in .yml or .yaml and lies at most one folder down");
    }
    let known: Vec<_> = lines.iter().map(|line| line.id).collect();
    if args.page > 1 {
        // They stand on the first one.
        lines.clear();
    }
    let mut kept = Vec::new();
    for line in lines {
        if wanted.takes(&line)? {
            kept.push(line);
        }
    }
    let mut more = false;
    if !args.pending {
        let skip = args.most.saturating_mul(args.page as usize - 1);
        let last = skip.saturating_add(args.most);
        // A filter looks further back than what is shown. Without one nothing older is read, so that a full page may be the last.
        let reach = if args.filters() { usize::MAX / 4 } else { last };
        let mut count = 0;
        for line in view.ended(reach)?.into_iter().filter(|line| !known.contains(&line.id)) {
            if !wanted.takes(&line)? {
                continue;
            }
            count += 1;
            if count > last {
                more = true;
                break;
            }
            if count > skip {
                kept.push(line);
            }
        }
        more |= !args.filters() && count == last;
    }
    if args.json {
        render::print_json(&serde_json::json!({"v": 1, "requests": kept, "page": args.page, "more": more}));
        return Ok(Exit::Done);
    }
    if kept.is_empty() {
        render::print("no requests");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = kept.iter().map(|line| row(line, now)).collect();
    render::print_table(&["ID", "NAME", "KIND", "STATE", "TIME", "REASON"], &rows);
    if more && args.most > 0 {
        tracing::info!("there may be more: add `--page {}`, or `--most N`", args.page + 1);
    }
    Ok(Exit::Done)
}

impl ListArgs {
    /// Whether anything may be left out of those that ended.
    fn filters(&self) -> bool {
        !self.kind.is_empty()
            || !self.only.is_empty()
            || self.name.is_some()
            || self.resource.is_some()
            || self.since.is_some()
            || self.until.is_some()
    }
}

/// What is asked for.
struct Wanted<'a> {
    args: &'a ListArgs,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    view: &'a View,
}

impl Wanted<'_> {
    fn takes(&self, line: &Line) -> Result<bool, Failure> {
        let Self { args, since, until, view } = self;
        let plain = (args.kind.is_empty() || line.kind.as_ref().is_some_and(|kind| args.kind.contains(kind)))
            && (args.only.is_empty() || args.only.contains(&line.state))
            && args.name.as_ref().is_none_or(|pattern| is_like(pattern, &line.name));
        if !plain {
            return Ok(false);
        }
        let time =
            line.finished_at.as_ref().or(line.queued_at.as_ref()).and_then(|time| time.parse::<Timestamp>().ok());
        let in_time = since.is_none_or(|since| time.is_some_and(|time| time >= since))
            && until.is_none_or(|until| time.is_some_and(|time| time <= until));
        // Last, because it has to be read.
        Ok(in_time
            && args.resource.as_ref().map_or(Ok(true), |key| Ok::<_, Failure>(view.resources(line)?.contains(key)))?)
    }
}

/// Whether a name is as a pattern says: `*` stands for any characters, `?` for one.
fn is_like(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // The last star, and what of the name it has taken so far: it takes one more whenever the rest does not fit.
    let (mut at, mut next, mut star) = (0, 0, None);
    while next < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, next));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[next] => (at, next) = (at + 1, next + 1),
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at, next) = (place + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

fn at(when: Option<When>, now: Timestamp) -> Option<Timestamp> {
    match when? {
        When::At(time) => Some(time),
        When::Ago(span) => now.checked_sub(span).ok(),
    }
}

fn when(text: &str) -> Result<When, String> {
    if let Ok(span) = parse_duration(text) {
        return Ok(When::Ago(span));
    }
    if text.contains('-') {
        return parse_timestamp(text).map(When::At).map_err(|error| error.to_string());
    }
    Err(format!("`{text}` is neither a span such as 2h nor a time such as 2026-11-21T08:00:00Z"))
}

fn row(line: &Line, now: Timestamp) -> Vec<String> {
    let resolved = line.resolved.as_ref().map(|resolution| visible::line(&resolution.words()).into_owned());
    let reason = resolved.as_deref().or(line.reason.as_deref()).unwrap_or("");
    let reason = visible::line(reason.lines().next().unwrap_or(""));
    let began = line.started_at.as_ref().filter(|_| line.state == "running");
    let so_far = began.and_then(|began| Some(millis_between(began.parse().ok()?, now)));
    vec![
        line.id.short(),
        line.name.clone(),
        line.kind.clone().unwrap_or_else(|| "-".to_owned()),
        line.state.clone(),
        line.duration_ms.or(so_far).map_or_else(|| "-".to_owned(), render::duration),
        reason.chars().take(REASON_CHARS).collect(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_like_file_names() {
        for (pattern, name, fits) in [
            ("release-42", "release-42", true),
            ("release-*", "release-42", true),
            ("*-42", "release-42", true),
            ("team/*", "team/a", true),
            ("*a*b*", "xaxbx", true),
            ("*ab", "aab", true),
            ("?", "a", true),
            ("?", "", false),
            ("*", "", true),
            ("release", "release-42", false),
            ("*43", "release-42", false),
            ("", "a", false),
        ] {
            assert_eq!(is_like(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn times_are_spans_or_timestamps() {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        assert_eq!(at(Some(when("2h").unwrap()), now), "2026-01-01T22:00:00Z".parse().ok());
        assert_eq!(at(Some(when("2026-01-01T00:00:00Z").unwrap()), now), "2026-01-01T00:00:00Z".parse().ok());
        for wrong in ["yesterday", "2", "2026-01-01"] {
            assert!(when(wrong).is_err(), "{wrong}");
        }
    }
}
