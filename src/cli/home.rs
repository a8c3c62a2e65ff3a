//! Where a command finds itself: repository, state folder, host file and `dispatcher.env`, opened once for all verbs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::PlaceArgs;
use super::exit::{Exit, Failure};
use crate::clock::{Clock, System};
use crate::contract;
use crate::dispatch::{
    DispatchError, Dispatcher, META_BRANCH, Settings as DispatchSettings, TakeOverError, own_program,
};
use crate::env_file::{self, EnvFile};
use crate::host::{self, Host};
use crate::journal::Journal;
use crate::lock::Instance;
use crate::notify::Notifier;
use crate::patience::Patience;
use crate::publish::PublishError;
use crate::repo::{Checkout, FetchError, Identity, Origin, Repo, RepoError, Settings, Token};
use crate::statedir::{StateDir, StateDirError};
use crate::submit;
use crate::view::{View, ViewError};

/// While it is there, no dispatcher of the machine starts anything.
pub const MACHINE_PAUSED: &str = "/etc/dispatch/paused";

/// Whether main is read first.
#[derive(Debug, Clone, Default, Args)]
pub struct FetchArgs {
    /// Read main and what hosts say of themselves first, into a copy of our own: work tree and branches stay
    #[arg(long)]
    pub fetch: bool,
}

/// What every verb starts from.
pub struct Home {
    /// The user's repository.
    pub checkout: Checkout,
    /// Its state folder, which may not exist yet.
    pub state: StateDir,
    /// The machine and what its owner allows.
    pub host: Host,
    /// What `dispatcher.env` sets.
    pub env: EnvFile,
}

impl PlaceArgs {
    /// The place of a demo.
    pub(super) fn demo(repo: &Path, host: &Path) -> Self {
        Self { repo: repo.to_owned(), state: None, host: Some(host.to_owned()), verbose: 0, quiet: false }
    }
}

impl Home {
    /// Finds repository, state folder and host file. Changes nothing.
    pub fn open(place: &PlaceArgs) -> Result<Self, Failure> {
        let checkout = Checkout::discover(&place.repo).map_err(not_found)?;
        let by_systemd = std::env::var_os("STATE_DIRECTORY").filter(|value| !value.is_empty()).map(PathBuf::from);
        let asked = place.state.clone().or(by_systemd);
        let state = StateDir::locate(&checkout.common_dir, asked.as_deref())?;
        let host = host::load(place.host.as_deref())?;
        let env = read_env(&checkout)?;
        Ok(Self { checkout, state, host, env })
    }

    /// The branch that is obeyed: the host file's, else the one that the first run saw, else what the clone's
    /// `codex.repo.yaml` says, else `main`.
    pub fn branch(&self) -> Result<String, Failure> {
        if let Some(branch) = &self.host.file.repository.branch {
            return Ok(branch.clone());
        }
        let kept = Journal::open_to_read(self.state.root())?.map(|journal| journal.meta(META_BRANCH)).transpose()?;
        if let Some(branch) = kept.flatten() {
            return Ok(branch);
        }
        let reader = Repo::open_to_read(self.checkout.clone(), Some(self.state.root()), Settings::new("main"));
        let named = reader.ok().and_then(|reader| {
            let tip = reader.known_tip().or_else(|| reader.resolve("HEAD").ok())?;
            contract::load_config(&reader, tip).ok()?.0.branch
        });
        Ok(named.unwrap_or_else(|| "main".to_owned()))
    }

    /// The user's repository, to read only.
    pub fn reader(&self) -> Result<Repo, Failure> {
        Ok(Repo::open_to_read(self.checkout.clone(), Some(self.state.root()), self.repo_settings(false)?)?)
    }

    /// What the reading verbs look at.
    pub fn view(&self) -> Result<View, Failure> {
        Ok(View::open(self.reader()?, self.state.clone(), self.journal()?, self.host.clone())?)
    }

    /// The same, of main as it is now where that was asked for.
    pub fn view_for(&self, fetch: &FetchArgs) -> Result<View, Failure> {
        if fetch.fetch {
            let mut repo = self.shared_repo()?;
            if matches!(repo.origin(), Origin::Remote { .. }) {
                let failed = |error: FetchError| {
                    Failure::new(Exit::Missing, error.to_string())
                        .hint("leave --fetch out for what is known here; `dispatch --selftest` tries the remote")
                };
                submit::fetch(&mut repo).map_err(failed)?;
                repo.fetch_hosts().map_err(failed)?;
            }
        }
        self.view()
    }

    /// Why nothing can be said of the dispatcher here: its state folder is closed to everybody but its own user.
    pub fn closed(&self) -> Option<String> {
        let denied = std::fs::read_dir(self.state.root()).err()?.kind() == std::io::ErrorKind::PermissionDenied;
        denied.then(|| {
            format!(
                "the state folder `{}` is closed to this user: nothing is known of its dispatcher",
                self.state.root().display()
            )
        })
    }

    /// The file that keeps everything from being started, where there is one now.
    pub fn paused_by(&self) -> Option<PathBuf> {
        [self.state.paused(), PathBuf::from(MACHINE_PAUSED)].into_iter().find(|file| file.exists())
    }

    /// The journal to read; `None` where nothing has run yet.
    pub fn journal(&self) -> Result<Option<Journal>, Failure> {
        Ok(Journal::open_to_read(self.state.root())?)
    }

    /// A dispatcher: takes the state folder for itself.
    pub fn dispatcher(
        &self,
        jobs: Option<u32>,
        push_tries: u32,
        notifier: Arc<Notifier>,
    ) -> Result<Dispatcher, Failure> {
        let instance = self.hold()?;
        let sign = self.state.alive();
        notifier.sign_by(&sign).map_err(|source| StateDirError::Unwritable { path: sign, source })?;
        let life = Arc::clone(&notifier);
        // Whoever waits for git shows meanwhile that it lives.
        let repo = self.own_repo(Patience::with_pulse(move || life.alive()))?;
        let settings = DispatchSettings {
            jobs: jobs.unwrap_or(self.host.jobs).max(1),
            push_tries,
            keeper: own_program(),
            identity: self.identity(&repo)?,
            machine_paused: PathBuf::from(MACHINE_PAUSED),
            notifier,
        };
        let clock: Arc<dyn Clock> = Arc::new(System::new());
        Ok(Dispatcher::open(repo, self.state.clone(), instance, self.host.clone(), clock, settings)?)
    }

    /// The repository for whoever holds the state folder.
    pub fn own_repo(&self, patience: Patience) -> Result<Repo, Failure> {
        let settings = Settings { patience, ..self.repo_settings(true)? };
        Ok(Repo::open(self.checkout.clone(), self.state.root(), settings)?)
    }

    /// The repository for who works beside the one that may hold the state folder. It points nobody to that folder: that
    /// is the first run's to do.
    pub fn shared_repo(&self) -> Result<Repo, Failure> {
        Ok(Repo::open(self.checkout.clone(), self.state.root(), self.repo_settings(false)?)?)
    }

    /// Makes the state folder and takes it.
    pub fn hold(&self) -> Result<Instance, Failure> {
        self.state.create(&self.checkout.common_dir)?;
        Ok(Instance::take(self.state.root())?)
    }

    /// Author of record commits: the environment, `dispatcher.env`, the git configuration, else the node itself.
    pub fn identity(&self, repo: &Repo) -> Result<Identity, Failure> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let configured = repo.configured_identity()?;
        let name = set("GIT_USER_NAME").or_else(|| self.env.user_name.clone());
        let email = set("GIT_USER_EMAIL").or_else(|| self.env.user_email.clone());
        let fallback = configured
            .unwrap_or_else(|| Identity { name: "dispatch".to_owned(), email: format!("dispatch@{}", self.host.node) });
        let identity = Identity { name: name.unwrap_or(fallback.name), email: email.unwrap_or(fallback.email) };
        for (what, text) in [("GIT_USER_NAME", &identity.name), ("GIT_USER_EMAIL", &identity.email)] {
            if text.contains(['<', '>', '\n', '\0']) {
                let message = format!(
                    "{what} `{}` holds `<`, `>` or a line break, which git takes in no name",
                    text.escape_debug()
                );
                return Err(Failure::new(Exit::Configuration, message));
            }
        }
        Ok(identity)
    }

    fn repo_settings(&self, holds_lock: bool) -> Result<Settings, Failure> {
        let token = std::env::var("GITHUB_TOKEN").ok().and_then(|text| Token::new(text.trim()));
        let from_file =
            || self.env.token.as_ref().and_then(|secret| Token::new(std::str::from_utf8(secret.value()).ok()?.trim()));
        Ok(Settings {
            protocols: self.host.file.protocols.clone(),
            token: token.or_else(from_file),
            holds_lock,
            network_timeout: self.host.file.remote_timeout,
            ..Settings::new(self.branch()?)
        })
    }
}

fn read_env(checkout: &Checkout) -> Result<EnvFile, Failure> {
    let Some(top) = &checkout.work_tree else { return Ok(EnvFile::default()) };
    let path = top.join(env_file::NAME);
    if !path.exists() {
        return Ok(EnvFile::default());
    }
    let env = env_file::read(&path, Repo::is_tracked(checkout, env_file::NAME)?)?;
    for warning in &env.warnings {
        tracing::warn!("{warning}");
    }
    Ok(env)
}

fn not_found(error: RepoError) -> Failure {
    let nothing = matches!(error, RepoError::NotFound { .. });
    let failure = Failure::from(error);
    if nothing { failure.hint("`dispatch init DIR` makes one; `-C DIR` names one that is elsewhere") } else { failure }
}

impl From<DispatchError> for Failure {
    fn from(error: DispatchError) -> Self {
        match error {
            DispatchError::State(error) => error.into(),
            DispatchError::Lock(error) => error.into(),
            DispatchError::Journal(error) | DispatchError::Publish(PublishError::Journal(error)) => error.into(),
            DispatchError::Repo(error) | DispatchError::Publish(PublishError::Repo(error)) => error.into(),
            DispatchError::Host(error) => error.into(),
            error @ DispatchError::Broken { .. } => Self::new(Exit::Bug, chain(&error))
                .hint("what ran was ended and everything is kept: start it again, and report what it printed"),
            error @ DispatchError::Claims(_) => Self::new(Exit::Configuration, chain(&error)),
            other => Self::of(Exit::Unwritable, &other),
        }
    }
}

impl From<TakeOverError> for Failure {
    fn from(error: TakeOverError) -> Self {
        match error {
            TakeOverError::Journal(error) => error.into(),
            TakeOverError::Repo(error) => error.into(),
            TakeOverError::Push(error) => Self::new(Exit::Missing, error.to_string())
                .hint("nothing was taken over; where another node was only faster, try again"),
        }
    }
}

impl From<ViewError> for Failure {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Repo(error) => error.into(),
            ViewError::Journal(error) => error.into(),
            ViewError::Unknown { ref nearest, .. } => {
                let failure = Self::new(Exit::Failed, error.to_string());
                failure.hint(nearest.clone().unwrap_or_else(|| "`dispatch list` shows what there is".to_owned()))
            }
            ViewError::Ambiguous { .. } => Self::new(Exit::Failed, error.to_string()).hint("type more of the id"),
        }
    }
}

/// An error with what caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    without_number(text)
}

/// `SQLite`'s number stands before its words, and says nothing to anybody.
fn without_number(text: String) -> String {
    const NUMBER: &str = "Error code ";
    let Some((before, behind)) = text.split_once(NUMBER) else { return text };
    match behind.split_once(": ") {
        Some((number, words)) if number.bytes().all(|byte| byte.is_ascii_digit()) => format!("{before}{words}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_sqlite_do_not_stand_before_its_words() {
        let shown = |text: &str| without_number(text.to_owned());
        assert_eq!(shown("journal `x`: Error code 4874: disk I/O error"), "journal `x`: disk I/O error");
        assert_eq!(shown("Error code x: y"), "Error code x: y");
        assert_eq!(shown("plain"), "plain");
    }

    #[test]
    fn a_thread_that_broke_down_is_a_bug_and_says_what_to_do() {
        let broken = DispatchError::Broken { who: "worker 0".to_owned(), words: "index out of bounds".to_owned() };
        let failure = Failure::from(broken);
        assert_eq!(failure.exit, Exit::Bug);
        assert_eq!(failure.message, "worker 0 broke down: index out of bounds");
        assert!(failure.hint.is_some_and(|hint| hint.contains("start it again")));
    }
}
