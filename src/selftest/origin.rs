//! Probes of the repository and its origin: found, reachable, willing to be pushed to, and in whose name. Fetches and sends nothing.

use jiff::Timestamp;

use super::Subject;
use crate::dispatch::Standing;
use crate::journal::Journal;
use crate::probe::Probe;
use crate::publish::META_PUSHED_AT;
use crate::repo::{FetchClass, Oid, Origin, PushClass};
use crate::units::format_duration;

pub(super) fn repository(subject: &Subject<'_>) -> Probe {
    let (repo, checkout) = (subject.repo, subject.repo.checkout());
    let shape = checkout
        .work_tree
        .as_ref()
        .map_or_else(|| format!("`{}` (bare)", checkout.git_dir.display()), |top| format!("`{}`", top.display()));
    Probe::ok("repository", format!("{shape}; main is `{}` of {}", repo.branch(), repo.origin()))
}

/// The origin did not answer.
#[derive(Clone, Copy)]
pub(super) struct Unreachable;

/// Asks the origin where the branch stands.
pub(super) fn reachable(subject: &Subject<'_>) -> (Probe, Result<Option<Oid>, Unreachable>) {
    let repo = subject.repo;
    match repo.remote_reachable() {
        Ok(Some(tip)) => (Probe::ok("origin", format!("`{}` is at {}", repo.branch(), short(tip))), Ok(Some(tip))),
        Ok(None) => {
            let words = format!("reachable, and has no branch `{}` yet", repo.branch());
            let help = "push a first commit, or name another branch with `mainline_branch` in codex.repo.yaml";
            (Probe::warning("origin", words).help(help), Ok(None))
        }
        Err(error) => (Probe::failed("origin", error.to_string()).help(fetch_help(error.class)), Err(Unreachable)),
    }
}

fn fetch_help(class: FetchClass) -> &'static str {
    match class {
        FetchClass::Auth => "give this user a key or a token that may read and write the repository",
        FetchClass::Protocol => "name the protocol under `protocols` in the host file",
        FetchClass::Network => "see that the remote's host answers from this machine",
        _ => "`git fetch` in the clone, as the same user, shows the same trouble",
    }
}

/// Whether a person has to look at main, or at who else works on it, before the dispatcher goes on.
pub(super) fn adoption(subject: &Subject<'_>) -> Option<Probe> {
    let standing = Standing::read(subject.state)?;
    let words = format!("at the last pass ({}): {}", standing.at, standing.adopt?);
    Some(
        Probe::failed("history", words)
            .help("look at what happened (`dispatch adopt --dry-run`), then `dispatch adopt`"),
    )
}

/// Offers the tip to the origin without sending it. What real pushes have met since is worth more than that.
pub(super) fn push(subject: &Subject<'_>, asked: Result<Option<Oid>, Unreachable>, known: Option<Oid>) -> Probe {
    const NAME: &str = "push";
    let repo = subject.repo;
    let last = last_push(subject);
    let standing = Standing::read(subject.state).unwrap_or_default();
    if let Some(circuit) = standing.circuit {
        let words = format!("the remote declines every record since {} ({}); {last}", circuit.since, circuit.words);
        return Probe::failed(NAME, words).help(
            "let this user push to the branch past its protection and hooks; the next pass tries again, and nothing new starts until then",
        );
    }
    if matches!(repo.origin(), Origin::Local) {
        return local_push(subject, &last);
    }
    // An older commit serves as well: the server is asked before git sees that it would be no step forward.
    let offered = match (asked, known) {
        (Err(Unreachable), _) => return Probe::skipped(NAME, format!("the origin did not answer; {last}")),
        (Ok(_), None) => return Probe::skipped(NAME, format!("there is no commit here to offer; {last}")),
        (Ok(_), Some(known)) => known,
    };
    let unproven = "hooks and protections of the server speak only at a real push";
    match repo.push_dry_run(offered) {
        Ok(()) => Probe::ok(NAME, format!("a dry run got through to the server; {unproven}; {last}")),
        Err(error) => match error.class {
            PushClass::LostRace | PushClass::Done => {
                Probe::ok(NAME, format!("a dry run got through to the server; {unproven}; {last}"))
            }
            PushClass::Auth => Probe::failed(NAME, format!("{error}; {last}"))
                .help("give this user a key or a token that may write the repository"),
            _ => Probe::failed(NAME, format!("{error}; {last}")).help("see that this user may push there"),
        },
    }
}

/// Without a remote a record is a new commit in the user's own repository.
fn local_push(subject: &Subject<'_>, last: &str) -> Probe {
    let common = &subject.repo.checkout().common_dir;
    let closed = [common.join("objects"), common.join("refs")]
        .into_iter()
        .find(|folder| rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_err());
    match closed {
        Some(folder) => {
            Probe::failed("push", format!("there is no remote, and `{}` is not writable", folder.display()))
                .help("run as the owner of the repository")
        }
        None => Probe::ok("push", format!("there is no remote: records become commits of this repository; {last}")),
    }
}

fn last_push(subject: &Subject<'_>) -> String {
    let journal = Journal::open_to_read(subject.state.root()).ok().flatten();
    let pushed = journal.and_then(|journal| journal.meta(META_PUSHED_AT).ok().flatten());
    let pushed = pushed.and_then(|text| text.parse().ok()).and_then(|second| Timestamp::from_second(second).ok());
    let waiting = Standing::read(subject.state).map_or(0, |standing| standing.unpublished);
    let waiting = if waiting > 0 { format!("; {waiting} record(s) wait to be published") } else { String::new() };
    match pushed {
        None => format!("nothing has been published from here yet{waiting}"),
        Some(time) => {
            let ago = std::time::Duration::try_from(subject.clock.now().duration_since(time)).unwrap_or_default();
            let ago = std::time::Duration::from_secs(ago.as_secs());
            format!("last published {time} ({} ago){waiting}", format_duration(ago))
        }
    }
}

pub(super) fn identity(subject: &Subject<'_>) -> Probe {
    let identity = &subject.identity;
    let words = format!("records are committed as {} <{}>", identity.name, identity.email);
    if identity.email == format!("dispatch@{}", subject.host.node) {
        let help = "set GIT_USER_NAME and GIT_USER_EMAIL (environment or dispatcher.env), or `git config user.name` and `user.email`";
        return Probe::warning("identity", format!("none is configured: {words}")).help(help);
    }
    Probe::ok("identity", words)
}

fn short(oid: Oid) -> String {
    oid.to_string().chars().take(12).collect()
}
