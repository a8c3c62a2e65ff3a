//! `dispatch check`: the dispatcher's verdict before the merge, on the work tree, on some of its files or on a revision. Asks the
//! same questions of the same code as a pass does; runs nothing and changes nothing.

pub(super) mod before;
mod findings;
mod reports;

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use uuid::Uuid;

use before::Before;
use findings::{Findings, Judged};

use super::exit::{Exit, Failure};
use super::home::Home;
use super::{PlaceArgs, render};
use crate::admit::{self, Admitted, Rejection, Verdict};
use crate::clock::{Clock, System};
use crate::config::{self, RepoConfig};
use crate::contract::source::{Commit, Folder, Index, Source, nothing};
use crate::contract::{self, Compiled, Contract, ContractError};
use crate::diagnostic::Diagnostic;
use crate::dispatch::{META_BRANCH, META_MERGED_ONLY};
use crate::id::RequestId;
use crate::inbox::{self, Entry};
use crate::paths::is_within;
use crate::policy::HostFile;
use crate::repo::{Introduced, MODE_FOLDER, Oid, Open, Repo, TreeEntry};
use crate::request;

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  dispatch check                    the work tree: its inbox, index, schemas and handlers\n  \
    dispatch check requests/a.yml     that file, by the work tree's index\n  \
    dispatch check --rev my-branch    a branch before it is merged\n  \
    dispatch check --staged           what `git commit` would commit now: for a pre-commit hook\n  \
    dispatch check --rev HEAD --format sarif > dispatch.sarif\n\n\
    Formats: human; json (schemas/dispatch/output/check.schema.json); sarif (SARIF 2.1.0, for code scanning); github (workflow\n\
    commands, shown beside the lines of a pull request); gitlab (a code quality report).\n\
    Exit codes: 0 all would run, 64 a request would be rejected, 78 the repository's own files have faults"
)]
pub struct CheckArgs {
    /// Files to check as requests, or folders of them, relative to `-C` [default: the whole inbox]
    #[arg(value_name = "PATH", conflicts_with = "rev")]
    paths: Vec<PathBuf>,

    /// Check what this commit holds and not the work tree
    #[arg(long, value_name = "REV")]
    rev: Option<String>,

    /// Check what is staged, as a pre-commit hook has to, and not the work tree
    #[arg(long, conflicts_with_all = ["rev", "paths"])]
    staged: bool,

    /// How to print what was found
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "human")]
    format: Format,

    /// Print JSON: the same as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people.
    Human,
    /// One document of our own.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
    /// A code quality report of GitLab.
    Gitlab,
}

/// Answers `check`.
pub fn answer(place: &PlaceArgs, args: &CheckArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let findings = if args.staged {
        let repo = home.reader()?;
        let staged = repo.staged(hooks_index().as_deref())?;
        Check::begin(&home, &Index::new(&repo, staged))?.inbox(None)?
    } else if let (None, Some(top)) = (&args.rev, &home.checkout.work_tree) {
        let tree = Folder::open(top)?;
        let check = Check::begin(&home, &tree)?;
        if args.paths.is_empty() { check.inbox(None)? } else { check.paths(place, top, &args.paths)? }
    } else {
        let repo = home.reader()?;
        let commit = commit_of(&repo, args.rev.as_deref())?;
        let tree = Commit::new(&repo, commit);
        let check = Check::begin(&home, &tree)?;
        if args.paths.is_empty() {
            check.inbox(Some((&repo, commit)))?
        } else {
            check.paths(place, Path::new("/"), &args.paths)?
        }
    };
    match if args.json { Format::Json } else { args.format } {
        Format::Human => findings.print(),
        Format::Json => render::print_json(&findings.to_json()),
        Format::Sarif => render::print_json(&reports::sarif(&findings)),
        Format::Github => reports::github(&findings).iter().for_each(render::print),
        Format::Gitlab => render::print_json(&reports::gitlab(&findings)),
    }
    if !matches!(args.format, Format::Human) {
        render::say(findings.summary());
    }
    Ok(findings.exit())
}

/// The index of the commit that is being made, where git runs us from a hook: `git commit FILE` makes one of its own.
fn hooks_index() -> Option<PathBuf> {
    std::env::var_os("GIT_INDEX_FILE").filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn commit_of(repo: &Repo, rev: Option<&str>) -> Result<Oid, Failure> {
    match rev {
        Some(rev) => repo.resolve(rev).map_err(|error| {
            Failure::new(Exit::Configuration, error.to_string())
                .hint("name a branch, a tag or a commit of this repository")
        }),
        // A bare clone has its branches and no copies of the remote's.
        None => {
            repo.known_tip().or_else(|| repo.resolve(&format!("refs/heads/{}", repo.branch())).ok()).ok_or_else(|| {
                let words = format!("the branch `{}` has no commit in this repository yet", repo.branch());
                Failure::new(Exit::Configuration, words).hint("name another commit with --rev")
            })
        }
    }
}

/// A check under way.
struct Check<'a> {
    home: &'a Home,
    tree: &'a dyn Source,
    host: &'a HostFile,
    now: Timestamp,
    /// None where nothing can be admitted by it.
    contract: Option<Contract>,
    config: RepoConfig,
    ids: HashSet<Uuid>,
    before: Before,
    findings: Findings,
}

/// A file that is to be judged.
struct Read {
    entry: Entry,
    introduced: Option<Introduced>,
    bytes: Result<Vec<u8>, Diagnostic>,
}

impl<'a> Check<'a> {
    /// Reads what the repository says.
    fn begin(home: &'a Home, tree: &'a dyn Source) -> Result<Self, Failure> {
        let mut findings = Findings::default();
        let mut config = None;
        match contract::load_config_from(tree) {
            Ok((read, warnings)) => {
                findings.warnings.extend(warnings);
                config = Some(read);
            }
            Err(error) => findings.repository.extend(faults_of(error)?),
        }
        let contract = match config.as_ref().map(|_| contract::load_from(tree, &mut Compiled::default())) {
            Some(Ok(contract)) => Some(contract),
            Some(Err(error)) => {
                findings.repository.extend(faults_of(error)?);
                None
            }
            None => None,
        };
        findings.repository.extend(contract.iter().flat_map(Contract::faults));
        let config = config.unwrap_or_default();
        findings.warnings.extend(changed_policy(home, &config));
        let (host, now) = (&home.host.file, System::new().now());
        let (ids, before) = (HashSet::new(), Before::default());
        Ok(Self { home, tree, host, now, contract, config, ids, before, findings })
    }

    /// Judges the whole inbox; of a commit in the order in which its requests would start.
    fn inbox(mut self, history: Option<(&Repo, Oid)>) -> Result<Findings, Failure> {
        let read = inbox::read_from(self.tree, &self.config)?;
        self.findings.warnings.extend(read.left_alone.iter().map(|path| inbox::left_alone(path)));
        let open: Vec<Open> =
            read.entries.iter().map(|entry| Open { path: entry.path.clone(), oid: entry.oid }).collect();
        let introduced = match history {
            Some((repo, commit)) => repo.introduced(commit, &self.config.inbox, &self.config.archive, &open)?,
            None => vec![None; open.len()],
        };
        let mut met: Vec<(Entry, Option<Introduced>)> = read.entries.into_iter().zip(introduced).collect();
        met.sort_by_cached_key(|(entry, introduced)| {
            (introduced.as_ref().map_or(0, |introduced| introduced.position), entry.path.clone())
        });
        let mut read = Vec::with_capacity(met.len());
        for (entry, introduced) in met {
            let bytes = inbox::bytes_from(self.tree, &entry)?;
            read.push(Read { entry, introduced, bytes });
        }
        self.judge_all(read)
    }

    /// Judges the files that were named, and what lies in folders that were named.
    fn paths(mut self, place: &PlaceArgs, top: &Path, paths: &[PathBuf]) -> Result<Findings, Failure> {
        let top = top.canonicalize().unwrap_or_else(|_| top.to_owned());
        let (mut met, mut read) = (HashSet::new(), Vec::new());
        for asked in paths {
            for named in self.named(place, &top, asked)? {
                if met.insert((named.root, named.entry.path.clone())) {
                    let bytes = inbox::bytes_from(&*named.tree, &named.entry)?;
                    read.push(Read { entry: named.entry, introduced: None, bytes });
                }
            }
        }
        self.judge_all(read)
    }

    fn judge_all(mut self, read: Vec<Read>) -> Result<Findings, Failure> {
        let files = read.iter().filter_map(|read| Some((read.entry.shown.as_str(), read.bytes.as_deref().ok()?)));
        self.before = Before::of(self.home, &self.config, files)?;
        for file in read {
            self.judge(file)?;
        }
        Ok(self.findings)
    }

    /// What a path on the command line means: one file, or the requests in a folder.
    fn named(&mut self, place: &PlaceArgs, top: &Path, asked: &Path) -> Result<Vec<Named>, Failure> {
        let Some(file) = Located::find(place, top, asked) else {
            let words = format!("`{}` does not exist", asked.display());
            return Err(
                Failure::new(Exit::Configuration, words).hint("paths are relative to the folder that `-C` names")
            );
        };
        let tree = Rc::new(Folder::open(&file.root)?);
        let found = tree.entry(&file.path)?;
        let mode = found.as_ref().map_or(0, |entry| entry.mode);
        if mode != MODE_FOLDER || is_named_like_a_request(&file.path) {
            let Some(found) = found else {
                let words = format!("`{}` is no file that git would store", asked.display());
                return Err(Failure::new(Exit::Configuration, words));
            };
            if !is_named_like_a_request(&file.path) {
                self.findings.warnings.push(inbox::left_alone(&file.shown));
            }
            return Ok(vec![Named { entry: self.entry(&file, &found), tree, root: file.root }]);
        }
        let holds_inbox =
            std::str::from_utf8(&file.path).is_ok_and(|path| path.is_empty() || is_within(&self.config.inbox, path));
        if file.root == top && holds_inbox {
            let read = inbox::read_from(&*tree, &self.config)?;
            self.findings.warnings.extend(read.left_alone.iter().map(|path| inbox::left_alone(path)));
            let named = |entry| Named { entry, tree: Rc::clone(&tree), root: file.root.clone() };
            return Ok(read.entries.into_iter().map(named).collect());
        }
        let mut named = Vec::new();
        for item in tree.entries(&file.path)? {
            if is_named_like_a_request(&item.name) {
                let entry = self.entry(&file.below(&item.name), &item);
                named.push(Named { entry, tree: Rc::clone(&tree), root: file.root.clone() });
            }
        }
        Ok(named)
    }

    /// The entry that a file is or would be in the inbox; what is said of it names the file itself.
    fn entry(&mut self, file: &Located, found: &TreeEntry) -> Entry {
        let below = file.path.strip_prefix(self.config.inbox.as_bytes()).and_then(|rest| rest.strip_prefix(b"/"));
        let steps: Vec<&[u8]> = below.unwrap_or_default().split(|byte| *byte == b'/').collect();
        let folder = match steps[..] {
            [folder, _] => Some(folder),
            [_, _, ..] => {
                self.findings.warnings.push(inbox::left_alone(&file.shown));
                None
            }
            _ => None,
        };
        let mut entry = inbox::entry(&self.config.inbox, folder, found);
        entry.fault = entry.fault.map(|fault| Box::new(Diagnostic { file: file.shown.clone(), ..*fault }));
        entry.path.clone_from(&file.path);
        entry.shown.clone_from(&file.shown);
        entry
    }

    fn judge(&mut self, Read { entry, introduced, bytes: read }: Read) -> Result<(), Failure> {
        let introduced = introduced.as_ref();
        let bytes = read.as_deref().unwrap_or_default().to_owned();
        let hints = || request::hints(&entry.shown, &bytes);
        let mut verdict = match (read, &self.contract) {
            (Err(fault), _) => Verdict::Rejected(Rejection::unread(fault)),
            (Ok(_), None) => Verdict::Held { kind: hints().0.unwrap_or_default(), faults: Vec::new() },
            (Ok(bytes), Some(contract)) => {
                let commit = introduced.map_or_else(nothing, |introduced| introduced.commit).to_string();
                let derived = || RequestId::derived(&commit, &entry.shown, &entry.oid.to_string()).uuid();
                admit::admit(&contract.rules, self.host, &entry.shown, &bytes, derived)
            }
        };
        let id = match &verdict {
            Verdict::Ready(admitted) => admitted.request.id,
            Verdict::Command(commanded) => commanded.request.id,
            Verdict::Rejected(rejection) => rejection.id,
            Verdict::Held { .. } => hints().1,
        };
        let target = request::target_of(&entry.shown, &bytes);
        let elsewhere =
            target.as_ref().is_some_and(|target| !target.means(&self.home.host.node, &self.home.host.file.labels));
        let mut waits = None;
        if introduced.is_some_and(|introduced| introduced.returned) {
            verdict = Verdict::Rejected(Rejection::returned(&entry.shown));
        } else if let Some(id) = id.filter(|id| !self.ids.insert(*id) || self.before.has(*id, &entry.shown, &bytes)) {
            verdict = Verdict::Rejected(Rejection::duplicate_id(&entry.shown, hints().0, id));
        } else if let Verdict::Ready(admitted) = &verdict {
            match self.turn_of(&entry.shown, admitted, introduced) {
                Ok(words) => waits = words,
                Err(rejection) => verdict = Verdict::Rejected(rejection),
            }
        } else if let Verdict::Command(commanded) = &verdict
            && let Some(rejection) = before::refused_word(self.home, &entry.shown, &bytes, &commanded.request)?
        {
            verdict = Verdict::Rejected(rejection);
        }
        self.findings.requests.push(Judged {
            path: entry.shown,
            verdict,
            target,
            elsewhere,
            waits,
            host_file: self.host.file.clone(),
        });
        Ok(())
    }

    /// What a request that may run waits for, or why its turn never comes.
    fn turn_of(
        &mut self,
        file: &str,
        admitted: &Admitted,
        introduced: Option<&Introduced>,
    ) -> Result<Option<String>, Rejection> {
        let request = &admitted.request;
        if let Some(end) = expiry(admitted, introduced).filter(|end| *end <= self.now) {
            let fault = Diagnostic::new("E0209", file, format!("the request expired at {end}"));
            let (kind, faults) = (Some(request.kind.clone()), vec![fault]);
            return Err(Rejection { reason: "expired", kind, id: request.id, faults });
        }
        let key = self.before.key_of(file, request)?;
        let start = request.not_before.filter(|start| *start > self.now);
        Ok(start.map(|start| format!("not before {start}")).or(key))
    }
}

/// When a request ends unrun.
fn expiry(admitted: &Admitted, introduced: Option<&Introduced>) -> Option<Timestamp> {
    let since = introduced.and_then(|introduced| Timestamp::from_second(introduced.time).ok());
    let by_age = since.zip(admitted.kind.row.expires).and_then(|(since, age)| since.checked_add(age).ok());
    admitted.request.expires.into_iter().chain(by_age).min()
}

/// What would make this host's dispatcher hold everything until a person says `adopt`.
fn changed_policy(home: &Home, config: &RepoConfig) -> Vec<Diagnostic> {
    let journal = home.journal().ok().flatten();
    let kept = |key| journal.as_ref().and_then(|journal| journal.meta(key).ok().flatten());
    let decided = &home.host.file.repository;
    let asked = [
        (META_BRANCH, "mainline_branch", config.branch.clone().filter(|_| decided.branch.is_none())),
        (
            META_MERGED_ONLY,
            "enforce_merge_before_execution",
            Some(config.merged_only.to_string()).filter(|_| decided.merged_only.is_none()),
        ),
    ];
    asked
        .into_iter()
        .filter_map(|(key, name, asked)| {
            let (asked, kept) = (asked?, kept(key)?);
            let message = format!("`{name}` is `{asked}` here, and `{kept}` at the first run on this host");
            let fault = Diagnostic::new("E0710", config::PATH, message);
            (asked != kept).then(|| fault.help("once it is merged, `dispatch adopt` has to accept it"))
        })
        .collect()
}

/// A file of the command line: the folder that it is read below, its path from there, and what it is called.
struct Located {
    root: PathBuf,
    path: Vec<u8>,
    shown: String,
}

impl Located {
    /// `None` where there is nothing. Below the work tree files go by their path in the repository.
    fn find(place: &PlaceArgs, top: &Path, asked: &Path) -> Option<Self> {
        let whole = place.repo.join(asked);
        whole.symlink_metadata().ok()?;
        // Only the way to it: a link is judged as a link.
        let whole = match (whole.parent(), whole.file_name()) {
            (Some(parent), Some(name)) => {
                let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
                parent.canonicalize().ok()?.join(name)
            }
            _ => whole.canonicalize().ok()?,
        };
        if top != Path::new("/")
            && let Ok(inside) = whole.strip_prefix(top)
        {
            let shown = inside.display().to_string();
            return Some(Self { root: top.to_owned(), path: inside.as_os_str().as_bytes().to_vec(), shown });
        }
        let (root, path) = match (whole.parent(), whole.file_name()) {
            _ if whole.is_dir() => (whole.clone(), Vec::new()),
            (Some(parent), Some(name)) => (parent.to_owned(), name.as_bytes().to_vec()),
            _ => return None,
        };
        Some(Self { root, path, shown: asked.display().to_string() })
    }

    fn below(&self, name: &[u8]) -> Self {
        let path = if self.path.is_empty() { name.to_vec() } else { [&self.path[..], b"/", name].concat() };
        let shown = format!("{}/{}", self.shown.trim_end_matches('/'), String::from_utf8_lossy(name));
        Self { root: self.root.clone(), path, shown }
    }
}

struct Named {
    root: PathBuf,
    entry: Entry,
    /// One descriptor, however many files of it are judged.
    tree: Rc<Folder>,
}

fn is_named_like_a_request(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    !name.starts_with(b".") && (name.ends_with(b".yml") || name.ends_with(b".yaml"))
}

fn faults_of(error: ContractError) -> Result<Vec<Diagnostic>, Failure> {
    match error {
        ContractError::Faults(faults) => Ok(faults),
        ContractError::Repo(error) => Err(error.into()),
    }
}
