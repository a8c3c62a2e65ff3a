//! `dispatch report`: a static site of where things stand and what came of it, for a browser, without a server.
//!
//! Reads through [`View`], turns what it read into plain data (`model`), the data into pages (pure functions), and has
//! `folder` put them in place. It starts nothing and asks no remote. Not on a page, because a report is made to be shown to
//! others: output of what still runs (secrets in it are not masked yet), what a kind keeps on its host, and paths of the
//! machine but where `why` names one.

mod ansi;
mod charts;
mod diff;
mod folder;
mod history;
mod layout;
mod model;
mod output;
mod overview;
mod request;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::clock::millis_between;
use crate::diagnostic::Diagnostic;
use crate::id::RequestId;
use crate::job::{Limits, Row};
use crate::record::Record;
use crate::route::Index;
use crate::units::{format_duration, format_size};
use crate::view::{Line, Published, View, ViewError};
use folder::Folder;
use model::{HostRow, Notice, Original, Pending, Reference, Request, Site};

pub use folder::{FolderError, Written};
pub use model::Advice;

/// Counts up when pages look different for the same input, so that no old one is kept.
const LOOK: u32 = 1;
/// The file that people open.
pub const FIRST: &str = "index.html";

/// What a report is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// So many that ended, the youngest, at most.
    pub most: usize,
    /// Only what ended no longer ago.
    pub since: Option<Duration>,
    /// The time that it is.
    pub now: Timestamp,
    /// How `dispatch` is called here.
    pub program: String,
    /// Nothing is started while this is so.
    pub is_paused: bool,
    /// Why nothing is known of the dispatcher here.
    pub closed: Option<String>,
}

/// A report that was written.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its folder.
    pub folder: PathBuf,
    /// What was made of it.
    pub pages: Written,
    /// Requests on it that wait or run.
    pub pending: usize,
    /// Requests on it that have ended.
    pub ended: usize,
    /// What it leaves out, in words.
    pub left_out: Option<String>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Nothing could be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Nothing could be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Writes a report into a folder. `why` says of a request what the verb of that name says.
///
/// # Errors
/// [`ReportError`]; an earlier report stands as it was, but for where its folder cannot be exchanged as a whole.
pub fn write<E>(
    view: &View,
    dir: &Path,
    options: &Options,
    mut why: impl FnMut(&Line) -> Result<Advice, E>,
) -> Result<Report, E>
where
    E: From<ReportError>,
{
    let fails = |error: ReportError| E::from(error);
    let mut folder = Folder::open(dir).map_err(|error| fails(error.into()))?;
    let mut pending = Vec::new();
    for line in view.pending().map_err(|error| fails(error.into()))? {
        let advice = why(&line)?;
        pending.push(Pending { line, advice });
    }
    let site = read_site(view, options, pending).map_err(|error| fails(error.into()))?;
    let links = Links::of(&site);
    // Pages of what has ended stay as they are as long as nothing that they were made from has changed.
    let alike = made_alike(&site);
    let mut to_make: Vec<(&Line, String)> = Vec::new();
    for line in &site.ended {
        let from = made_from(view, &alike, line, &links).map_err(|error| fails(error.into()))?;
        if !folder.keep(&layout::page_of(line.id), &from, &|id| links.lines.contains_key(&id)) {
            to_make.push((line, from));
        }
    }
    let unmade: Vec<&Line> = to_make.iter().map(|(line, _)| *line).collect();
    let published = view.published(&unmade).map_err(|error| fails(error.into()))?;
    let mut tables = HashMap::new();
    let sources = Sources { view, site: &site, links: &links, published: &published };
    for (line, from) in to_make {
        let advice = why(line)?;
        sources.put(&mut folder, &mut tables, line, advice, Some(from)).map_err(fails)?;
    }
    for pending in &site.pending {
        sources.put(&mut folder, &mut tables, &pending.line, pending.advice.clone(), None).map_err(fails)?;
    }
    let mut pages = history::pages(&site);
    pages.push((FIRST.to_owned(), overview::overview(&site)));
    for (name, text) in &pages {
        folder.write(name, text, None).map_err(|error| fails(error.into()))?;
    }
    let target = folder.target().to_owned();
    let pages = folder.publish().map_err(|error| fails(error.into()))?;
    let (pending, ended) = (site.pending.len(), site.ended.len());
    Ok(Report { folder: target, pages, pending, ended, left_out: site.left_out })
}

fn read_site(view: &View, options: &Options, pending: Vec<Pending>) -> Result<Site, ViewError> {
    let (origin, branch) = view.origin();
    let mut ended = view.ended(options.most.saturating_add(1))?;
    let open: HashSet<RequestId> = pending.iter().map(|pending| pending.line.id).collect();
    ended.retain(|line| !open.contains(&line.id));
    let is_cut = ended.len() > options.most;
    ended.truncate(options.most);
    let known = ended.len();
    let since = options.since.map(|since| (since, earliest(options.now, since)));
    ended.retain(|line| since.is_none_or(|(_, from)| model::ended_at(line).is_none_or(|end| end >= from)));
    let older = |words: &str| format!("{words}; `{} list --most N` and Git have the older ones.", options.program);
    let left_out = match since {
        Some((since, _)) if known > ended.len() => {
            Some(older(&format!("What ended in the last {} is here", format_duration(since))))
        }
        _ if is_cut => Some(older(&format!("The {} that ended last are here", layout::count(options.most)))),
        _ => None,
    };
    Ok(Site {
        branch: branch.to_owned(),
        origin,
        tip: view.tip().map(|tip| tip.to_string()),
        generated: options.now,
        program: options.program.clone(),
        dispatcher: dispatcher(view, options),
        notices: notices(view, options)?,
        hosts: hosts(view, options),
        pending,
        ended,
        left_out,
    })
}

/// The moment so long ago; the beginning of time where there was none.
fn earliest(now: Timestamp, since: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(since).ok().and_then(|since| now.checked_sub(since).ok()).unwrap_or(Timestamp::MIN)
}

fn dispatcher(view: &View, options: &Options) -> String {
    match (view.is_at_work(), view.standing()) {
        _ if options.closed.is_some() => {
            "Nothing is known here of the dispatcher: its state folder is closed.".to_owned()
        }
        (true, Some(standing)) if standing.stopping => {
            "The dispatcher was told to stop: it waits for what runs and takes nothing new.".to_owned()
        }
        (true, _) => format!("A dispatcher is at work on {}.", view.node()),
        (false, Some(standing)) => {
            let ago = standing.at.parse().map(|at| layout::span(millis_between(at, options.now))).unwrap_or_default();
            format!("No dispatcher is at work on {}; the last pass was {ago} before this report.", view.node())
        }
        (false, None) => "No pass has been made with this clone; what is here is read from main.".to_owned(),
    }
}

/// What a person should know, the worst first.
fn notices(view: &View, options: &Options) -> Result<Vec<Notice>, ViewError> {
    let mut notices: Vec<Notice> = Vec::new();
    let mut add = |stops: bool, words: String| {
        if !words.is_empty() && !notices.iter().any(|notice| notice.words.contains(&words)) {
            notices.push(Notice { stops, words });
        }
    };
    if options.is_paused {
        add(true, "Paused: nothing is started while the file `paused` exists.".to_owned());
    }
    if let Some(standing) = view.standing() {
        let told = [&standing.adopt, &standing.waiting, &standing.obstacle];
        told.into_iter().flatten().for_each(|words| add(true, words.clone()));
    }
    for fault in view.faults()? {
        add(true, words_of(&fault));
    }
    for path in view.left_alone()? {
        add(false, format!("`{path}` is left alone: a request ends in .yml or .yaml and lies at most one folder down"));
    }
    Ok(notices)
}

fn words_of(fault: &Diagnostic) -> String {
    fault.to_string()
}

fn hosts(view: &View, options: &Options) -> Vec<HostRow> {
    let here = view.standing().map(|standing| HostRow {
        node: if standing.node.is_empty() { view.node().to_owned() } else { standing.node.clone() },
        at: standing.at.clone(),
        state: match (view.is_at_work(), standing.stopping, options.is_paused || standing.paused) {
            (true, true, _) => "stopping",
            (_, _, true) => "paused",
            (true, ..) => "at work",
            (false, ..) => "not at work",
        }
        .to_owned(),
        running: standing.running.len(),
        queued: standing.queued.len(),
        held: standing.held.len(),
        unpublished: standing.unpublished,
    });
    here.into_iter().collect()
}

/// Who has a page, who repeats whom.
struct Links<'a> {
    lines: HashMap<RequestId, &'a Line>,
    reruns: BTreeMap<RequestId, Vec<RequestId>>,
}

impl<'a> Links<'a> {
    fn of(site: &'a Site) -> Self {
        let all = || site.pending.iter().map(|pending| &pending.line).chain(&site.ended);
        let mut reruns: BTreeMap<RequestId, Vec<RequestId>> = BTreeMap::new();
        for line in all() {
            let said = line.resolved.as_ref().and_then(|said| Some((line.id, said.rerun?)));
            for (original, rerun) in line.rerun_of.map(|original| (original, line.id)).into_iter().chain(said) {
                let known = reruns.entry(original).or_default();
                if !known.contains(&rerun) {
                    known.push(rerun);
                }
            }
        }
        Self { lines: all().map(|line| (line.id, line)).collect(), reruns }
    }

    fn reference(&self, id: RequestId) -> Reference {
        let line = self.lines.get(&id);
        Reference { id, name: line.map(|line| line.name.clone()), has_page: line.is_some() }
    }

    fn reruns_of(&self, id: RequestId) -> &[RequestId] {
        self.reruns.get(&id).map_or(&[], Vec::as_slice)
    }
}

/// A digest of what all pages of ended requests are made from.
fn made_alike(site: &Site) -> String {
    let parts = serde_json::json!([LOOK, env!("CARGO_PKG_VERSION"), site.program, layout::STYLE, layout::THEME_SCRIPT]);
    HEXLOWER.encode(&Sha256::digest(parts.to_string()))
}

/// A digest of all that the page of an ended request is made from.
fn made_from(view: &View, alike: &str, line: &Line, links: &Links<'_>) -> Result<String, ViewError> {
    let tree = view.record_tree(line)?.map(|tree| tree.to_string());
    let parts = serde_json::json!([alike, tree, line, links.reruns_of(line.id)]);
    Ok(HEXLOWER.encode(&Sha256::digest(parts.to_string())))
}

/// What pages of requests are made from.
struct Sources<'a> {
    view: &'a View,
    site: &'a Site,
    links: &'a Links<'a>,
    published: &'a BTreeMap<RequestId, Published>,
}

impl Sources<'_> {
    /// Makes the page of a request and puts it into the folder.
    fn put(
        &self,
        folder: &mut Folder,
        tables: &mut HashMap<String, Option<Index>>,
        line: &Line,
        advice: Advice,
        from: Option<String>,
    ) -> Result<(), ReportError> {
        let read = self.read(tables, line, advice)?;
        let named = RefCell::new(BTreeMap::new());
        let known = |id: RequestId| {
            let reference = self.links.reference(id);
            named.borrow_mut().insert(id, reference.has_page);
            reference
        };
        let text = request::request(self.site, &read, &known);
        for reference in read.reruns.iter().chain(read.original.iter().map(|original| &original.reference)) {
            named.borrow_mut().insert(reference.id, reference.has_page);
        }
        folder.write(&layout::page_of(line.id), &text, from.map(|from| (from, named.into_inner())))?;
        Ok(())
    }

    fn read(
        &self,
        tables: &mut HashMap<String, Option<Index>>,
        line: &Line,
        advice: Advice,
    ) -> Result<Request, ViewError> {
        let view = self.view;
        let is_over = line.path.is_none();
        let record = if is_over { view.record(line)? } else { None };
        let (mut output, mut events) = (output::Output::default(), Vec::new());
        // What still runs may print secrets that nobody has masked yet.
        if is_over {
            if let Some(log) = view.record_file(line, "log.jsonl")? {
                (output, events) = output::of_log(&log);
            }
            if output.is_empty()
                && let Some(text) = view.record_file(line, "handler.log")?
            {
                output = output::of_text(&text);
            }
        }
        let as_text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let error_log = if is_over { view.record_file(line, "error.log")?.map(as_text) } else { None };
        let asked = view.asked(line)?.map(|(path, bytes)| (path, as_text(bytes)));
        let rerun_of = line.rerun_of.or_else(|| record.as_ref().and_then(|record| record.rerun_of));
        let original = rerun_of.map(|id| self.original(id)).transpose()?;
        Ok(Request {
            limits: record.as_ref().map(|record| limits(view, tables, record)).unwrap_or_default(),
            published: self.published.get(&line.id).and_then(|published| {
                Some((published.commit.to_string(), Timestamp::from_second(published.time).ok()?))
            }),
            reruns: self.links.reruns_of(line.id).iter().map(|id| self.links.reference(*id)).collect(),
            left: if is_over { view.left(line)? } else { Vec::new() },
            line: line.clone(),
            advice,
            record,
            asked,
            original,
            events,
            output,
            error_log,
        })
    }

    fn original(&self, id: RequestId) -> Result<Original, ViewError> {
        let text = self.links.lines.get(&id).map(|line| self.view.asked(line)).transpose()?.flatten();
        let text = text.map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Original { reference: self.links.reference(id), text })
    }
}

/// The limits of a record's kind, by the router table that was admitted; each table is read once.
fn limits(view: &View, tables: &mut HashMap<String, Option<Index>>, record: &Record) -> Vec<(&'static str, String)> {
    let (Some(blob), Some(kind)) = (&record.index_blob, &record.kind) else { return Vec::new() };
    let table = tables.entry(blob.clone()).or_insert_with(|| view.router_table(blob));
    let Some(row) = table.as_ref().and_then(|table| table.row(kind)) else { return Vec::new() };
    let (sandbox, default) = (&row.sandbox, Limits::default());
    vec![
        ("Timeout", format_duration(row.timeout.unwrap_or(Row::TIMEOUT))),
        ("Grace", format_duration(row.grace)),
        ("Processor time", format_duration(sandbox.cpu_time.unwrap_or(default.cpu_time))),
        ("Memory", format_size(sandbox.memory.unwrap_or(default.memory))),
        ("Processes", sandbox.pids.unwrap_or(default.pids).to_string()),
        ("Longest file", format_size(sandbox.file_size.unwrap_or(default.file_size))),
        ("Output", format_size(sandbox.output.unwrap_or(default.output))),
        ("Artifacts", format_size(sandbox.artifacts.unwrap_or(default.artifacts))),
    ]
}
