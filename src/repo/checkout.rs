//! The user's repository: where it is, what shape it has, and what it says about its remote.
//!
//! Owns discovery and the reading of URLs. Facts come from the git program, so that a partial
//! clone, a reftable or another format that libgit2 cannot open still serves where there is a
//! remote. It changes nothing in the user's repository.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::git::{Git, Token};
use super::{RepoError, porcelain};

/// The user's repository, as git found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// Its own git directory (of a linked worktree: `.git/worktrees/<name>` of the main one).
    pub git_dir: PathBuf,
    /// The git directory that all worktrees share; the state folder's default place is below it.
    pub common_dir: PathBuf,
    /// Top of the work tree; `None` where the repository is bare.
    pub work_tree: Option<PathBuf>,
}

/// Whether git would commit a large-file pointer instead of this file of a work tree. No, where libgit2 cannot say.
pub fn is_kept_in_lfs(top: &Path, path: &[u8]) -> bool {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    let asked = git2::Repository::open(top).and_then(|repository| {
        let filter = repository.get_attr(path, "filter", git2::AttrCheckFlags::FILE_THEN_INDEX)?;
        Ok(filter == Some("lfs"))
    });
    asked.unwrap_or(false)
}

/// Where the truth about the branch is.
#[derive(Clone, PartialEq, Eq)]
pub enum Origin {
    /// The user's repository itself: it has no remote.
    Local,
    /// A remote of the user's repository.
    Remote {
        /// Its name there.
        name: String,
        /// Where to fetch, without credentials.
        fetch_url: String,
        /// Where to push, without credentials.
        push_url: String,
        /// User and password that stood in the fetch URL.
        credential: Option<(String, Token)>,
    },
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("this repository"),
            Self::Remote { name, fetch_url, .. } => write!(f, "{name} ({fetch_url})"),
        }
    }
}

impl Checkout {
    /// Finds the repository at or above `dir`.
    pub fn discover(dir: &Path) -> Result<Self, RepoError> {
        let git = Git::find()?;
        // One call: where there is no work tree the last question fails, behind the answers to the others.
        let shape = git
            .call("rev-parse")
            .directory(dir)
            .args(["--path-format=absolute", "--absolute-git-dir", "--git-common-dir", "--is-inside-work-tree"])
            .arg("--show-toplevel")
            .run()?;
        let text = shape.text();
        let lines: Vec<&str> = text.lines().collect();
        match lines[..] {
            [git_dir, common_dir, "true", top] if shape.succeeded() => {
                Ok(Self { git_dir: git_dir.into(), common_dir: common_dir.into(), work_tree: Some(top.into()) })
            }
            [git_dir, common_dir, "false"] => {
                Ok(Self { git_dir: git_dir.into(), common_dir: common_dir.into(), work_tree: None })
            }
            _ if !shape.succeeded() => Err(match porcelain::dubious_directory(&shape.stderr) {
                Some(owned) => RepoError::OtherOwner { dir: owned.to_owned() },
                None => RepoError::NotFound { dir: dir.to_owned(), words: shape.stderr },
            }),
            _ => Err(RepoError::Unusable {
                what: format!("the repository of `{}` has a line break in its path", dir.display()),
            }),
        }
    }

    /// The branch that HEAD names; `None` where it is detached.
    pub fn head_branch(&self) -> Result<Option<String>, RepoError> {
        let git = Git::find()?;
        let head = git.call("symbolic-ref").git_dir(&self.git_dir).args(["-q", "--short", "HEAD"]).run()?;
        Ok(head.succeeded().then(|| head.text()))
    }

    /// Everything that its configuration says, with the user's and the system's: one call instead of one a key.
    pub(super) fn configuration(&self, git: &Git) -> Result<Configuration, RepoError> {
        let listed = git.call("config").git_dir(&self.git_dir).args(["--null", "--list"]).run()?;
        if !listed.succeeded() || listed.cut {
            return Err(RepoError::Program { verb: "config", words: listed.stderr });
        }
        Ok(Configuration::parse(&listed.stdout))
    }

    /// Chooses the remote: the branch's own, else `origin`, else the only one, else none.
    pub(super) fn origin(&self, git: &Git, config: &Configuration, branch: &str) -> Result<Origin, RepoError> {
        let mut names = config.remotes();
        let listed;
        if names.is_empty() {
            // Remotes of old repositories stand in files of their own.
            listed = git.call("remote").git_dir(&self.git_dir).run()?;
            if !listed.succeeded() {
                return Err(RepoError::Program { verb: "remote", words: listed.stderr });
            }
            names = std::str::from_utf8(&listed.stdout).unwrap_or_default().lines().collect();
        }
        let own = config.value(&format!("branch.{branch}.remote"));
        let name = match (own, &names[..]) {
            (Some(own), _) if names.contains(&own) => own,
            (_, []) => return Ok(Origin::Local),
            (_, names) if names.contains(&"origin") => "origin",
            (_, [only]) => only,
            (_, names) => {
                return Err(RepoError::ManyRemotes { branch: branch.to_owned(), names: names.join(", ") });
            }
        };
        let (fetch_url, credential) = split_credential(&self.url(git, config, name, Direction::Fetch)?);
        let (push_url, _) = split_credential(&self.url(git, config, name, Direction::Push)?);
        Ok(Origin::Remote { name: name.to_owned(), fetch_url, push_url, credential })
    }

    /// Uses the `core.sshCommand` of the user's repository where the environment names no other,
    /// and makes plain `ssh` never ask.
    pub(super) fn carry_ssh_command(git: &mut Git, config: &Configuration) {
        if !git.names_ssh() {
            git.set("GIT_SSH_COMMAND", config.value("core.sshcommand").unwrap_or("ssh -o BatchMode=yes"));
        }
    }

    /// The settings of the user's repository that reach the remote with (`http.*`, `credential.*`),
    /// in order, for calls that do not read its configuration.
    pub(super) fn transport_settings(&self, git: &Git) -> Result<Vec<(String, String)>, RepoError> {
        let found = git
            .call("config")
            .git_dir(&self.git_dir)
            .args(["--local", "--null", "--get-regexp", r"^(http|credential)\."])
            .run()?;
        let text = String::from_utf8_lossy(&found.stdout).into_owned();
        Ok(text
            .split('\0')
            .filter_map(|pair| pair.split_once('\n'))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect())
    }

    /// The URLs of a remote in the words of git itself, which knows what rewrites them.
    fn url_by_git(&self, git: &Git, name: &str, direction: Direction) -> Result<String, RepoError> {
        let how: &[&str] = if matches!(direction, Direction::Push) { &["--push"] } else { &[] };
        let given = git.call("remote").git_dir(&self.git_dir).arg("get-url").args(how).arg("--").arg(name).run()?;
        if !given.succeeded() || given.text().is_empty() {
            return Err(RepoError::Unusable { what: format!("remote `{name}` has no usable URL: {}", given.stderr) });
        }
        Ok(given.text())
    }

    fn url(&self, git: &Git, config: &Configuration, name: &str, direction: Direction) -> Result<String, RepoError> {
        let text = match config.plain_url(name, direction) {
            Some(url) => url.to_owned(),
            None => self.url_by_git(git, name, direction)?,
        };
        // Further push URLs are mirrors: one of them alone can be compared and swapped.
        let url = text.lines().next().unwrap_or_default();
        if url.starts_with('-') {
            return Err(RepoError::Unusable { what: format!("remote `{name}` has a URL that begins with a dash") });
        }
        if protocol(url) == "file" && !url.starts_with('/') && !url.starts_with("file:") {
            let base = self.work_tree.as_deref().unwrap_or(&self.git_dir);
            return Ok(base.join(url).display().to_string());
        }
        Ok(url.to_owned())
    }
}

/// What a URL is for.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Fetch,
    Push,
}

/// What git's configuration says, in its order.
pub(super) struct Configuration {
    /// Keys as git prints them: section and name in small letters.
    pairs: Vec<(String, String)>,
}

impl Configuration {
    /// Reads what `git config --null --list` prints. A key without `=` has an empty value.
    pub(super) fn parse(printed: &[u8]) -> Self {
        let text = String::from_utf8_lossy(printed);
        let pairs = text.split('\0').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('\n').unwrap_or((pair, "")));
        Self { pairs: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect() }
    }

    /// One value (the last one, where there are several); empty counts as unset.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let last = self.pairs.iter().rfind(|(name, _)| name == key);
        last.map(|(_, value)| value.as_str()).filter(|text| !text.is_empty())
    }

    /// Names of remotes, sorted.
    fn remotes(&self) -> Vec<&str> {
        let keys = self.pairs.iter().filter_map(|(key, _)| key.strip_prefix("remote."));
        let names: BTreeSet<&str> = keys.filter_map(|key| Some(key.rsplit_once('.')?.0)).collect();
        names.into_iter().collect()
    }

    /// The first URL of a remote, where it stands here as it is meant: nothing rewrites or clears URLs.
    fn plain_url(&self, remote: &str, direction: Direction) -> Option<&str> {
        let key = |name: &str| format!("remote.{remote}.{name}");
        let (own, pushed) = (key("url"), key("pushurl"));
        let is_odd = |(key, url): &(String, String)| {
            key.starts_with("url.") || (*key == own || *key == pushed) && (url.is_empty() || url.contains('\n'))
        };
        if self.pairs.iter().any(is_odd) {
            return None;
        }
        let pushed = self.pairs.iter().find(|(key, _)| matches!(direction, Direction::Push) && *key == pushed);
        pushed.or_else(|| self.pairs.iter().find(|(key, _)| *key == own)).map(|(_, url)| url.as_str())
    }
}

/// Refuses names that git would not take for a branch.
pub(super) fn check_branch(branch: &str) -> Result<(), RepoError> {
    let usable = !branch.starts_with('-') && git2::Reference::is_valid_name(&format!("refs/heads/{branch}"));
    usable.then_some(()).ok_or_else(|| RepoError::Unusable { what: format!("`{branch}` is no usable branch name") })
}

/// The transport that git would take for a URL, by the name in its allow-list.
pub(super) fn protocol(url: &str) -> &str {
    if let Some((helper, _)) = url.split_once("::")
        && !helper.is_empty()
        && helper.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return helper;
    }
    match url.split_once("://") {
        Some(("git+ssh" | "ssh+git", _)) => "ssh",
        Some((scheme, _)) => scheme,
        None => match (url.find(':'), url.find('/')) {
            (Some(colon), slash) if slash.is_none_or(|slash| colon < slash) => "ssh",
            _ => "file",
        },
    }
}

/// Host and port of an http or https URL, without user and password.
pub(super) fn authority(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Some(rest[..end].rsplit_once('@').map_or(&rest[..end], |(_, host)| host))
}

/// Takes user and password out of an http URL, so that they never stand in an argument.
fn split_credential(url: &str) -> (String, Option<(String, Token)>) {
    let whole = || (url.to_owned(), None);
    let Some(host) = authority(url) else { return whole() };
    let Some((scheme, rest)) = url.split_once("://") else { return whole() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((user_info, _)) = rest[..end].rsplit_once('@') else { return whole() };
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    // A lone name is often a token; the helper gives it as both.
    let password = if password.is_empty() { user } else { password };
    let bare = format!("{scheme}://{host}{}", &rest[end..]);
    (bare, Token::new(&percent_decoded(password)).map(|password| (percent_decoded(user), password)))
}

pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = pair.filter(|_| *first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::bench_tests::Bench;
    use super::*;

    #[test]
    fn credentials_leave_the_url() {
        let (url, credential) = split_credential("https://me:p%40ss@host:8/x.git");
        assert_eq!(url, "https://host:8/x.git");
        assert_eq!(credential, Some(("me".to_owned(), Token::new("p@ss").unwrap())));
        assert_eq!(split_credential("https://host/x@y"), ("https://host/x@y".to_owned(), None));
        assert_eq!(split_credential("git@host:x"), ("git@host:x".to_owned(), None));
        assert_eq!(percent_decoded("%%zz%e4é%4"), "%%zz\u{fffd}é%4");
    }

    #[test]
    fn branches_that_git_would_misread() {
        for bad in ["-f", "a..b", "", "a b", "x.lock", "a\nb", "a~1"] {
            assert!(check_branch(bad).is_err(), "{bad:?}");
        }
        assert!(check_branch("release/1").is_ok());
    }

    #[test]
    fn finds_clones_worktrees_and_bare_repositories() {
        let bench = Bench::with_remote();
        let found = Checkout::discover(&bench.clone_dir()).unwrap();
        assert_eq!(found.work_tree.as_deref(), Some(bench.clone_dir().as_path()));
        assert_eq!(found.head_branch().unwrap().as_deref(), Some("main"));
        bench.git(&bench.clone_dir(), &["worktree", "add", "-q", "--detach", "../linked"]);
        let linked = Checkout::discover(&bench.path("linked")).unwrap();
        assert_eq!(linked.common_dir, found.common_dir);
        assert_ne!(linked.git_dir, found.git_dir);
        assert_eq!(linked.head_branch().unwrap(), None);
        let bare = Checkout::discover(&bench.origin_dir()).unwrap();
        assert_eq!(bare.work_tree, None);
        assert!(matches!(Checkout::discover(Path::new("/proc")), Err(RepoError::NotFound { .. })));
    }

    #[test]
    fn the_branchs_remote_wins_then_origin_then_the_only_one() {
        let bench = Bench::local();
        let dir = bench.clone_dir();
        let checkout = Checkout::discover(&dir).unwrap();
        let git = Git::find().unwrap();
        let name = || match checkout.origin(&git, &checkout.configuration(&git).unwrap(), "main") {
            Ok(Origin::Remote { name, .. }) => name,
            Ok(Origin::Local) => "local".to_owned(),
            Err(error) => format!("{error}"),
        };
        assert_eq!(name(), "local");
        bench.git(&dir, &["remote", "add", "up", "../up.git"]);
        assert_eq!(name(), "up");
        bench.git(&dir, &["remote", "add", "two", "/two"]);
        assert!(name().contains("several (two, up)"), "{}", name());
        bench.git(&dir, &["remote", "add", "origin", "/three"]);
        assert_eq!(name(), "origin");
        bench.git(&dir, &["config", "branch.main.remote", "up"]);
        bench.git(&dir, &["remote", "set-url", "--push", "up", "/elsewhere"]);
        let Ok(Origin::Remote { fetch_url, push_url, .. }) =
            checkout.origin(&git, &checkout.configuration(&git).unwrap(), "main")
        else {
            panic!()
        };
        assert_eq!(fetch_url, format!("{}/../up.git", dir.display()));
        assert_eq!(push_url, "/elsewhere");
        // What rewrites URLs is git's business.
        bench.git(&dir, &["config", "url./srv/.insteadOf", "/three"]);
        bench.git(&dir, &["config", "branch.main.remote", "origin"]);
        let config = checkout.configuration(&git).unwrap();
        let Ok(Origin::Remote { fetch_url, .. }) = checkout.origin(&git, &config, "main") else { panic!() };
        assert_eq!(fetch_url, "/srv/");
    }

    #[test]
    fn protocols_of_urls() {
        let table = [
            ("/srv/x.git", "file"),
            ("../x.git", "file"),
            ("./a:b", "file"),
            ("file:///srv/x.git", "file"),
            ("git@host:x.git", "ssh"),
            ("ssh://host/x", "ssh"),
            ("git+ssh://host/x", "ssh"),
            ("https://host/x", "https"),
            ("ext::sh -c id", "ext"),
            ("git://host/x", "git"),
        ];
        for (url, expected) in table {
            assert_eq!(protocol(url), expected, "{url}");
        }
    }
}
