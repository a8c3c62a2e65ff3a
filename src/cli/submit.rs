//! `dispatch submit`: requests onto main, or onto a branch for a pull request, after the verdict that the dispatcher would give.
//!
//! Owns what is typed, what is asked for on a terminal, and what becomes of the file in the work tree that a request was
//! read from: it is put aside while the commit is made, so that the work tree can follow, and put back where it is not.

mod ask;

use std::fmt::Write as _;
use std::fs;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::asked::{self, FollowArgs, RequestArgs};
use super::check::before::Before;
use super::exit::{Exit, Failure};
use super::home::Home;
use super::new::stem;
use super::steer::note;
use super::{PlaceArgs, render};
use crate::admit::{self, Rejection, Verdict};
use crate::clock::{Clock as _, System};
use crate::contract::{self, Compiled, Contract};
use crate::diagnostic::Diagnostic;
use crate::form;
use crate::id::RequestId;
use crate::inbox;
use crate::record::emit;
use crate::repo::{Identity, Oid, Repo, blob_id};
use crate::request;
use crate::rerun;
use crate::submit::{self, Draft, SubmitError};
use crate::yaml::Limits;

/// Arguments of `submit`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  dispatch submit requests/deploy-4f2a.yml        a file, as it is\n  \
    dispatch submit deploy -s source=site -s target=/srv/www/site\n  \
    dispatch submit backup -s source=/srv -s exclude='*.tmp' -s exclude=cache --timeout 5m\n  \
    generate | dispatch submit deploy --spec -      the spec from a program\n  \
    dispatch submit deploy … --branch release-42    for a pull request\n  \
    dispatch submit deploy … --wait && echo done    to its end, with the exit code of the outcome\n\n\
    Nothing is pushed that would be rejected (64) or that the repository's own faults would hold (78). Required values that\n\
    are missing are asked for on a terminal; without one they are listed. What only the host file of the machine can say is a\n\
    warning in a clone where nothing is dispatched. Where you may not push, it prints the request and exits with 75.")]
pub struct SubmitArgs {
    /// Files (`-`: standard input), or one kind
    #[arg(value_name = "FILE|KIND", value_hint = ValueHint::FilePath)]
    what: Vec<String>,

    #[command(flatten)]
    request: RequestArgs,

    /// What it is for: the message of the commit
    #[arg(short = 'm', long, value_name = "NOTE", value_parser = note)]
    note: Option<String>,

    /// Put it onto a new branch of this name, for a pull request, and not on main
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,

    #[command(flatten)]
    follow: FollowArgs,

    /// Print JSON; with --wait that of `dispatch wait`
    #[arg(long)]
    json: bool,
}

/// A request that is ready to be judged.
pub struct Prepared {
    /// What diagnostics call it.
    pub shown: String,
    /// Its text.
    pub bytes: Vec<u8>,
    /// Name of its file, as [`Draft::stem`].
    pub stem: String,
    /// The file of the work tree's inbox that it was read from: its path there.
    pub loose: Option<String>,
    /// Whether its id was made just now: nothing can have had it before.
    pub fresh: bool,
}

/// A request that may be submitted.
pub struct Judged {
    /// Its id.
    pub id: RequestId,
    /// Its kind.
    pub kind: String,
    /// As it will be committed.
    pub draft: Draft,
    /// See [`Prepared::loose`].
    pub loose: Option<String>,
}

/// Answers `submit`.
pub fn answer(place: &PlaceArgs, args: &SubmitArgs) -> Result<Exit, Failure> {
    let home = Home::open(place)?;
    let mut desk = Desk::open(&home)?;
    let (prepared, asked) = match &args.what[..] {
        [] => (vec![desk.of_kind(args, None)?], true),
        [kind] if !is_file(place, args, kind)? => (vec![desk.of_kind(args, Some(kind))?], ask::can()),
        files => (files.iter().map(|file| desk.of_file(place, args, file)).collect::<Result<_, _>>()?, false),
    };
    let judged = desk.judge(prepared)?;
    if asked && ask::has_asked() && !ask::confirm(&judged[0].draft.text)? {
        return Err(ask::stopped());
    }
    let subject = match (&args.note, &judged[..]) {
        (Some(note), _) => note.clone(),
        (None, [one]) => format!("request: {} ({})", one.kind, one.draft.stem),
        (None, all) => format!("request: {} requests", all.len()),
    };
    let done = desk.put(&judged, &subject, args.branch.as_deref())?;
    tell(&desk, &judged, &done, args);
    args.follow.follow(&home, judged.iter().map(|one| one.id), args.json)
}

/// Whether a word means a file; a kind has no slash and no ending.
fn is_file(place: &PlaceArgs, args: &SubmitArgs, word: &str) -> Result<bool, Failure> {
    let ending = Path::new(word).extension().is_some_and(|ending| ending == "yml" || ending == "yaml");
    let looks = word == "-" || word.contains('/') || ending;
    let file = looks || (!args.request.is_given() && place.repo.join(word).is_file());
    if file && args.request.is_given() {
        let failure = Failure::new(Exit::Rejected, format!("`{word}` is a file, which says itself what it asks for"));
        return Err(failure.hint("-s, --spec and the keys of the envelope go with a kind; edit the file instead"));
    }
    Ok(file)
}

/// Main as it is now, and what it says.
pub struct Desk<'home> {
    home: &'home Home,
    repo: Repo,
    tip: Oid,
    contract: Contract,
}

/// What is on main, or on a branch.
pub struct Done {
    /// The paths of the requests, in order.
    pub paths: Vec<String>,
    /// The commit.
    pub commit: Oid,
    /// The branch.
    pub branch: String,
}

impl<'home> Desk<'home> {
    /// Reads main.
    pub fn open(home: &'home Home) -> Result<Self, Failure> {
        let mut repo = home.shared_repo()?;
        let tip = submit::fetch(&mut repo).map_err(|error| asked::not_submitted(SubmitError::Fetch(error)))?.commit;
        repo.show(tip)?;
        let contract = contract::load(&repo, tip, &mut Compiled::default()).map_err(asked::broken)?;
        Ok(Self { home, repo, tip, contract })
    }

    /// The repository, to read.
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    fn of_kind(&self, args: &SubmitArgs, named: Option<&str>) -> Result<Prepared, Failure> {
        let name = match named {
            Some(name) => name.to_owned(),
            None if ask::can() => ask::kind(&self.contract)?,
            None => {
                let failure = Failure::new(Exit::Rejected, "nothing is named that could be submitted");
                return Err(failure.hint("name files, or a kind of `dispatch kinds` with -s key=value"));
            }
        };
        let kind = asked::kind(&self.contract, &name)?;
        let form = kind.schema.as_ref().map(|schema| form::form(schema.value()));
        let mut spec = args.request.spec(form.as_ref())?;
        if let (Some(form), Some(schema)) = (&form, &kind.schema) {
            let missing = form.missing(&Value::Object(spec.clone()));
            if !missing.is_empty() && ask::can() {
                ask::fill_in(&name, form, schema, &mut spec)?;
            } else if !missing.is_empty() {
                return Err(lacking(&name, &args.request.set, &missing));
            }
        }
        let id = Uuid::now_v7();
        let mut request = Map::new();
        request.insert("kind".to_owned(), json!(name));
        request.insert("id".to_owned(), json!(id));
        if !spec.is_empty() {
            request.insert("spec".to_owned(), Value::Object(spec));
        }
        request.extend(args.request.envelope()?);
        let stem = args.request.name.clone().unwrap_or_else(|| stem(&name, id));
        asked::check_name(&self.contract.config.inbox, &stem)?;
        let text = emit::yaml(&Value::Object(request));
        let shown = format!("{}/{stem}.yml", self.contract.config.inbox);
        Ok(Prepared { shown, bytes: text.into_bytes(), stem, loose: None, fresh: true })
    }

    fn of_file(&self, place: &PlaceArgs, args: &SubmitArgs, word: &str) -> Result<Prepared, Failure> {
        let path = if word == "-" { PathBuf::from(word) } else { place.repo.join(word) };
        let bytes = asked::read(&path)?;
        if bytes.len() > Limits::REQUEST.bytes_max {
            return Err(Failure::new(Exit::Rejected, format!("`{word}` is longer than a request may be")));
        }
        let below = self.path_in_inbox(&path);
        if let Some(below) = &below {
            self.refuse_committed(below)?;
        }
        let inbox = &self.contract.config.inbox;
        let stem = match (&args.request.name, &below) {
            (Some(name), _) => name.clone(),
            (None, Some(below)) => inbox::name(inbox, below).to_owned(),
            (None, None) if word == "-" => {
                let kind = request::hints(word, &bytes).0.unwrap_or_else(|| "request".to_owned());
                stem(&kind, Uuid::now_v7())
            }
            (None, None) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        };
        asked::check_name(inbox, &stem)?;
        // What nobody can read the verdict refuses, with its place.
        let (_, id) = request::hints(word, &bytes);
        let fresh = id.is_none();
        let bytes = if fresh { with_id(bytes) } else { bytes };
        // A file that is renamed stays where it is.
        let loose = below.filter(|_| args.request.name.is_none() && args.branch.is_none());
        Ok(Prepared { shown: word.to_owned(), bytes, stem, loose, fresh })
    }

    /// The path of a file from the top of the work tree, where it lies in its inbox.
    fn path_in_inbox(&self, path: &Path) -> Option<String> {
        let top = self.home.checkout.work_tree.as_ref()?.canonicalize().ok()?;
        let whole = path.canonicalize().ok()?;
        let below = whole.strip_prefix(&top).ok()?.to_str()?.to_owned();
        below.starts_with(&format!("{}/", self.contract.config.inbox)).then_some(below)
    }

    fn refuse_committed(&self, below: &str) -> Result<(), Failure> {
        if self.repo.exists(self.tip, below)? {
            let failure = Failure::new(Exit::Rejected, format!("`{below}` is on main already"));
            return Err(failure.hint(format!("`{} status {below}` says where it stands", render::program())));
        }
        let reader = self.home.reader()?;
        let committed = reader.resolve("HEAD").and_then(|head| reader.exists(head, below)).unwrap_or(false);
        if committed {
            let failure = Failure::new(Exit::Rejected, format!("`{below}` is committed here and not pushed"));
            return Err(failure.hint("push that commit (`git push`), or have it merged: that submits it"));
        }
        Ok(())
    }

    /// The verdict of admission on all of them, before anything is pushed.
    pub fn judge(&self, prepared: Vec<Prepared>) -> Result<Vec<Judged>, Failure> {
        let mut judged: Vec<Judged> = Vec::new();
        let mut refused: Vec<Failure> = Vec::new();
        // Records are read only for an id or a key that may have been used.
        let known =
            prepared.iter().filter(|one| !one.fresh || one.bytes.windows(15).any(|word| word == b"idempotency_key"));
        let files = known.map(|one| (one.shown.as_str(), one.bytes.as_slice()));
        let mut before = Before::of(self.home, &self.contract.config, files)?;
        for request in prepared {
            match self.judge_one(request, &mut before)? {
                Ok(one) if judged.iter().any(|known| known.id == one.id) => {
                    refused.push(Failure::new(Exit::Rejected, format!("the id {} is given to two of them", one.id)));
                }
                Ok(one) => judged.push(one),
                Err(failure) => refused.push(failure),
            }
        }
        let Some(first) = refused.first() else { return Ok(judged) };
        // The repository's own faults come first, as in `check`.
        let exit =
            refused.iter().find(|failure| failure.exit == Exit::Configuration).map_or(first.exit, |one| one.exit);
        let words: Vec<&str> = refused.iter().map(|failure| failure.message.as_str()).collect();
        let mut hint = "nothing was pushed".to_owned();
        if let Some(more) = refused.iter().find_map(|failure| failure.hint.as_ref()) {
            hint = format!("{hint}; {more}");
        }
        Err(Failure::new(exit, words.join("\n")).hint(hint))
    }

    fn judge_one(&self, request: Prepared, before: &mut Before) -> Result<Result<Judged, Failure>, Failure> {
        let Prepared { shown, bytes, stem, loose, fresh } = request;
        let host = &self.home.host;
        let verdict = admit::admit(&self.contract.rules, &host.file, &shown, &bytes, Uuid::now_v7);
        let parsed = request::parse(&shown, &bytes).ok().map(|envelope| envelope.request);
        let rejected = |faults: &[Diagnostic]| {
            let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Failure::new(Exit::Rejected, words.join("\n"))
        };
        match &verdict {
            Verdict::Ready(_) | Verdict::Command(_) => {}
            Verdict::Held { kind, faults } => {
                let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
                let failure = Failure::new(Exit::Configuration, words.join("\n"));
                return Ok(Err(failure.hint(format!("the kind `{kind}` waits until that is mended on main"))));
            }
            Verdict::Rejected(rejection) => {
                let elsewhere = parsed.as_ref().and_then(|request| request.target.as_ref());
                let elsewhere = elsewhere.is_some_and(|target| !target.means(&host.node, &host.file.labels));
                // A machine that dispatches nothing has no say in what another one grants.
                let is_host = host.sha256.is_some() || self.home.journal()?.is_some();
                let by_host = rejection.faults.iter().all(|fault| fault.file == host.file.file);
                if rejection.reason != "not_granted" || !by_host || (is_host && !elsewhere) {
                    return Ok(Err(rejected(&rejection.faults)));
                }
                for fault in &rejection.faults {
                    tracing::warn!("{}: the machine that runs it decides by its own host file", fault.message);
                }
            }
        }
        let Some(request) = parsed else { return Ok(Err(rejected(&[]))) };
        if let Some(end) = request.expires.filter(|end| *end <= System::new().now()) {
            let fault = Diagnostic::new("E0209", &shown, format!("the request expired at {end}"));
            return Ok(Err(rejected(&[fault])));
        }
        let id = RequestId::explicit(request.id.unwrap_or_else(Uuid::now_v7));
        let waits = || -> Result<bool, Failure> { Ok(self.home.view()?.pending()?.iter().any(|line| line.id == id)) };
        if !fresh && (before.has(id.uuid(), &shown, &bytes) || waits()?) {
            let rejection = Rejection::duplicate_id(&shown, Some(request.kind), id.uuid());
            return Ok(Err(rejected(&rejection.faults)));
        }
        match before.key_of(&shown, &request) {
            Ok(None) => {}
            Ok(Some(words)) => tracing::info!("{shown} {words}"),
            Err(rejection) => return Ok(Err(rejected(&rejection.faults))),
        }
        let Ok(text) = String::from_utf8(bytes) else { return Ok(Err(rejected(&[]))) };
        let draft = Draft { stem, text, subject: String::new() };
        Ok(Ok(Judged { id, kind: request.kind, draft, loose }))
    }

    /// Commits and pushes them, all in one commit.
    pub fn put(&mut self, judged: &[Judged], message: &str, branch: Option<&str>) -> Result<Done, Failure> {
        let identity: Identity = self.home.identity(&self.repo)?;
        let drafts: Vec<Draft> = judged.iter().map(|one| one.draft.clone()).collect();
        let top = self.home.checkout.work_tree.clone().unwrap_or_default();
        let mut aside = Vec::new();
        for path in judged.iter().filter_map(|one| one.loose.as_deref()) {
            aside.extend(Aside::put(&self.repo, &top, path)?);
        }
        let clock = System::new();
        let put = match branch {
            None => submit::submit_all(&mut self.repo, &drafts, message, &identity, &clock),
            Some(name) if !is_branch(name) => {
                return Err(Failure::new(Exit::Rejected, format!("`{name}` is no name for a branch")));
            }
            Some(name) => submit::propose(&mut self.repo, name, &drafts, message, &identity, &clock),
        };
        match put {
            Ok((paths, commit)) => {
                aside.into_iter().for_each(Aside::keep_away);
                let branch = branch.unwrap_or(self.repo.branch()).to_owned();
                Ok(Done { paths, commit, branch })
            }
            Err(error) => {
                drop(aside);
                if let SubmitError::Declined { path, .. } = &error {
                    if let [one] = judged {
                        render::print_bytes(one.draft.text.as_bytes());
                        render::say(format!("to have it by a pull request, put the lines above into `{path}`"));
                    }
                    let hint = "nothing was put on main; --branch NAME makes a branch for a pull request";
                    return Err(asked::not_submitted(error).hint(hint));
                }
                Err(asked::not_submitted(error))
            }
        }
    }
}

/// A file of the work tree that is out of the way while the commit of the same file is made.
struct Aside {
    file: PathBuf,
    aside: PathBuf,
}

impl Aside {
    /// Links it to a name that is no request's, and takes it away, index included; none where git has another at that path.
    fn put(repo: &Repo, top: &Path, path: &str) -> Result<Option<Self>, Failure> {
        let file = top.join(path);
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let aside = file.with_file_name(format!(".{name}.submitted"));
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Unwritable, format!("putting `{}` aside: {error}", file.display()))
        };
        let bytes = fs::read(&file).map_err(failed)?;
        let _ = fs::remove_file(&aside);
        fs::hard_link(&file, &aside).map_err(failed)?;
        let one = Self { file, aside };
        Ok(repo.remove_loose(path.as_bytes(), blob_id(&bytes))?.then_some(one))
    }

    /// It is on main: the copy goes too.
    fn keep_away(self) {
        let _ = fs::remove_file(&self.aside);
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if self.file.exists() {
            let _ = fs::remove_file(&self.aside);
        } else if self.aside.exists() {
            let _ = fs::create_dir_all(self.file.parent().unwrap_or(Path::new(".")));
            let _ = fs::rename(&self.aside, &self.file);
        }
    }
}

/// A request without an id gets one; what cannot be read stays as it is, for the verdict to refuse.
fn with_id(bytes: Vec<u8>) -> Vec<u8> {
    match rerun::with_id(&bytes, Uuid::now_v7()) {
        // A value that is no UUID is the author's fault, and stays for the verdict to name.
        Some(named) if request::parse("request", &bytes).is_ok() => named,
        _ => bytes,
    }
}

/// Whether git takes it for a branch: the part of its rule that people meet.
fn is_branch(name: &str) -> bool {
    let odd = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    !name.starts_with('-')
        && !name.contains(odd)
        && !name.contains("..")
        && !name.contains("@{")
        && name
            .split('/')
            .all(|step| !step.is_empty() && !step.starts_with('.') && step.strip_suffix(".lock").is_none())
        && !name.ends_with('.')
}

/// What is missing, and the command that gives it.
fn lacking(kind: &str, set: &[String], missing: &[(Vec<&str>, &form::Field)]) -> Failure {
    let keys: Vec<String> = missing.iter().map(|(path, _)| path.join(".")).collect();
    let width = keys.iter().map(String::len).max().unwrap_or_default();
    let mut words = match &keys[..] {
        [one] => format!("`{kind}` lacks `{one}`:"),
        keys => format!("`{kind}` lacks {} values:", keys.len()),
    };
    for ((_, field), key) in missing.iter().zip(&keys) {
        let told = field.description.as_ref().map(|told| format!(": {told}")).unwrap_or_default();
        let _ = write!(words, "\n  {key:width$}  {}{told}", field.words());
    }
    let mut command = format!("{} submit {kind}", render::program());
    for pair in set {
        let _ = write!(command, " -s {}", asked::quoted(pair));
    }
    for ((_, field), key) in missing.iter().zip(&keys) {
        let value = field.suggestion().map_or_else(|| "…".to_owned(), form::inline);
        let _ = write!(command, " -s {}", asked::quoted(&format!("{key}={value}")));
    }
    Failure::new(Exit::Rejected, words).hint(command)
}

fn tell(desk: &Desk<'_>, judged: &[Judged], done: &Done, args: &SubmitArgs) {
    let is_main = args.branch.is_none();
    // With --wait there is one document, and it comes at the end.
    if args.json && !args.follow.is_asked() {
        let requests: Vec<Value> = judged
            .iter()
            .zip(&done.paths)
            .map(|(one, path)| json!({ "id": one.id, "kind": one.kind, "name": inbox::name(&desk.contract.config.inbox, path), "path": path }))
            .collect();
        let document = json!({
            "v": 1,
            "requests": requests,
            "commit": done.commit,
            "branch": done.branch,
            "on_main": is_main,
        });
        render::print_json(&document);
    } else if !args.json {
        for one in judged {
            render::print(one.id.to_string());
        }
    }
    let short = done.commit.to_string()[..10].to_owned();
    for path in &done.paths {
        render::say(format!("{path} is on {} (commit {short})", done.branch));
    }
    let program = render::program();
    let on_terminal = std::io::stderr().is_terminal() && !args.follow.is_asked();
    if is_main && on_terminal {
        if let Some(one) = judged.first() {
            render::say(format!("next: `{program} status {}`", one.id.short()));
        }
    } else if !is_main {
        render::say(format!("next: open a pull request from `{}`; it runs once it is merged", done.branch));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_branches_are_those_that_git_takes() {
        for good in ["release-42", "team/x", "a.b"] {
            assert!(is_branch(good), "{good}");
        }
        for bad in ["", "-x", "a b", "a..b", "a/", "/a", ".a", "a.lock", "a~1", "a:b", "a@{1}", "a."] {
            assert!(!is_branch(bad), "{bad}");
        }
    }
}
