//! Pure parsers of what the `git` program prints.
//!
//! Owns the reading of `push --porcelain`, `status --porcelain=v2 -z`, `ls-files -s -z`, the version line, and the
//! classing of git's words. Every parser takes text and gives a value; none runs a program, and
//! none fails on any input. Calls are made with `LC_ALL=C`, so the words are git's own English.

use super::Oid;

/// What a push did, as the porcelain output tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushClass {
    /// The branch is where we wanted it.
    Done,
    /// Somebody else moved the branch: fetch and build on the new tip.
    LostRace,
    /// A hook or a protection rule of the server refused.
    Declined,
    /// The server could not be reached, or broke off.
    Network,
    /// Credentials are missing or do not suffice.
    Auth,
    /// The server takes no pack or object of this size.
    TooLarge,
    /// The set-up has to change first (ownership, a checked-out branch, a protocol).
    Configuration,
    /// Another git has the index of the work tree.
    Busy,
    /// Anything else: in doubt, fetch and look.
    Other,
}

/// Why a fetch gave no tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchClass {
    /// The origin has no such branch yet.
    Empty,
    /// The remote could not be reached, or broke off.
    Network,
    /// Credentials are missing or do not suffice.
    Auth,
    /// The set-up has to change first.
    Configuration,
    /// The remote's protocol is not allowed.
    Protocol,
    /// Our own object cache is broken and should be made anew.
    Corrupt,
    /// Anything else.
    Other,
}

/// Classes the end of `git push --porcelain` from its exit code and its two streams.
pub fn push_class(succeeded: bool, stdout: &str, stderr: &str) -> PushClass {
    if let Some((flag, summary)) = push_line(stdout) {
        return match flag {
            '!' => rejection_class(summary, stderr),
            _ if succeeded => PushClass::Done,
            _ => PushClass::Other,
        };
    }
    // A server that finds the pack too large breaks the connection off as well: its number comes before git's words.
    if has(stderr, TOO_LARGE) {
        return PushClass::TooLarge;
    }
    if stderr.contains("does not support --atomic push") {
        return PushClass::Configuration;
    }
    match fetch_class(stderr) {
        FetchClass::Network => PushClass::Network,
        FetchClass::Auth => PushClass::Auth,
        FetchClass::Configuration | FetchClass::Protocol => PushClass::Configuration,
        FetchClass::Empty | FetchClass::Corrupt | FetchClass::Other => PushClass::Other,
    }
}

/// The ref line of porcelain output that decides, its flag and its summary with the reason: where something was refused,
/// the first that says why, and not only that it fell with another one.
pub fn push_line(stdout: &str) -> Option<(char, &str)> {
    let lines = || {
        stdout.lines().filter_map(|line| {
            let mut fields = line.splitn(3, '\t');
            let flag = fields.next()?;
            let (_, summary) = (fields.next()?, fields.next()?);
            let mut chars = flag.chars();
            match (chars.next(), chars.next()) {
                (Some(flag @ (' ' | '+' | '-' | '*' | '!' | '=')), None) => Some((flag, summary)),
                _ => None,
            }
        })
    };
    let refused = || lines().filter(|(flag, _)| *flag == '!');
    refused().find(|(_, summary)| !has(summary, FELL)).or_else(|| refused().next()).or_else(|| lines().next())
}

/// What is said of a ref that was fine and fell with another one of the same push.
const FELL: &[&str] = &["atomic push failed", "atomic push failure"];

/// What the server itself said where it declined a push, in one line: what its hooks printed, else the reason of the ref.
pub fn servers_words(summary: &str, stderr: &str) -> String {
    let said: Vec<&str> = stderr
        .lines()
        .filter_map(|line| line.strip_prefix("remote:"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let reason = summary.trim_start_matches("[remote rejected]").trim().trim_matches(['(', ')']);
    let words = if said.is_empty() { reason.to_owned() } else { format!("{reason}: {}", said.join(" ")) };
    match words.char_indices().nth(DECLINED_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// The most that is kept of what a server says when it declines: it stands in the record and in every face.
const DECLINED_CHARS_MAX: usize = 1000;

const RACE: &[&str] = &[
    "stale info",
    "fetch first",
    "non-fast-forward",
    "failed to update ref",
    "cannot lock ref",
    "failed to lock",
    "incorrect old value",
    "but expected",
    "reference already exists",
    "remote ref updated since checkout",
    "needs force",
    // Of several refs in one push; which one was changed under the server's hands is in its words only.
    "atomic transaction failed",
];

const TOO_LARGE: &[&str] = &[
    "HTTP 413",
    "error: 413",
    "pack exceeds maximum",
    "pack is too large",
    "Entity Too Large",
    "exceeds the maximum allowed size",
];

fn rejection_class(summary: &str, stderr: &str) -> PushClass {
    if has(summary, RACE) {
        return PushClass::LostRace;
    }
    if has(summary, &["branch is currently checked out", "shallow update not allowed"]) {
        return PushClass::Configuration;
    }
    if has(summary, &["unpacker error", "unpack failed", "missing necessary objects"]) {
        return if has(stderr, TOO_LARGE) { PushClass::TooLarge } else { PushClass::Other };
    }
    // The server broke; what it would have said of the content is not known.
    let summary_low = summary.to_ascii_lowercase();
    let broken =
        ["internal error", "internal server error", "remote failed to report status", "atomic push fail", "timed out"];
    if has(&summary_low, &broken) {
        return PushClass::Other;
    }
    if summary.contains("[remote rejected]") { PushClass::Declined } else { PushClass::Other }
}

/// Classes what git says when a fetch or a connection fails.
pub fn fetch_class(stderr: &str) -> FetchClass {
    const EMPTY: &[&str] = &["couldn't find remote ref", "could not find remote branch", "no such remote ref"];
    const PROTOCOL: &[&str] = &["not allowed", "Unable to find remote helper", "is not a git command"];
    const CONFIGURATION: &[&str] = &[
        "dubious ownership",
        "bad config",
        "invalid credentials configuration",
        "unsupported protocol",
        "Unsupported protocol",
        "unknown repository extension",
        "mismatched algorithms",
        "URL rejected",
        "unable to redirect",
        "unable to update url base from redirection",
        "not valid: is this a git repository?",
        "strange hostname",
    ];
    const AUTH: &[&str] = &[
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "terminal prompts disabled",
        "Permission denied (",
        "Host key verification failed",
        "returned error: 401",
        "returned error: 403",
        "Access denied",
        "access denied",
        "Repository not found",
        "requested URL returned error: 404",
        // Servers say so of what they do not want to show, too.
        "' not found",
        "not authorized",
        "Write access to repository not granted",
        // GitHub and GitLab over ssh, where the branch is not even asked about; Gitea and Gitolite in their own words.
        "ERROR: Permission to ",
        "marked as read only",
        "You are not allowed to ",
        "User permission denied",
        "DENIED by ",
        "Unauthorized",
        "repository access denied",
    ];
    const CORRUPT: &[&str] = &[
        "is corrupt",
        "object corrupt",
        "is empty",
        "bad object refs/",
        "did not send all necessary objects",
        "unable to read tree",
        "not a git repository: '",
        "cannot be mapped",
        "does not match index",
    ];
    // A pack that was cut off on its way looks broken too: that is not our own copy's fault.
    const CUT_OFF: &[&str] =
        &["early EOF", "unexpected disconnect", "hung up unexpectedly", "premature end of pack", "RPC failed"];
    const NETWORK: &[&str] = &[
        "Could not resolve",
        "Connection refused",
        "Connection reset",
        "Connection closed",
        "Connection timed out",
        "timed out",
        "Timeout",
        "No route to host",
        "Network is unreachable",
        "Failed to connect",
        "Couldn't connect",
        "closed by remote host",
        "inflate: data stream error",
        "unresolved deltas",
        "index-pack died",
        "invalid index-pack output",
        "unable to access",
        "returned error: 5",
        "does not appear to be a git repository",
        "Could not read from remote repository",
        "gnutls_handshake",
        "SSL",
        "unable to connect",
    ];
    let in_order = [
        (EMPTY, FetchClass::Empty),
        (&["transport '"], FetchClass::Protocol),
        (CONFIGURATION, FetchClass::Configuration),
        (AUTH, FetchClass::Auth),
        (CUT_OFF, FetchClass::Network),
        (CORRUPT, FetchClass::Corrupt),
        (NETWORK, FetchClass::Network),
        (PROTOCOL, FetchClass::Protocol),
    ];
    in_order.into_iter().find(|(known, _)| has(stderr, known)).map_or(FetchClass::Other, |(_, class)| class)
}

/// One path that `git status --porcelain=v2 -z` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Path from the top of the work tree, in bytes.
    pub path: Vec<u8>,
    /// How it stands.
    pub state: ChangedState,
}

/// How a path of the work tree differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangedState {
    /// Tracked, and changed in the index or the work tree.
    Tracked,
    /// In the middle of a merge.
    Unmerged,
    /// Not tracked.
    Untracked,
    /// Not tracked, and ignored.
    Ignored,
}

/// Reads `git status --porcelain=v2 -z`; lines that it does not know are left out.
pub fn status(bytes: &[u8]) -> Vec<Changed> {
    let mut found = Vec::new();
    let mut records = bytes.split(|byte| *byte == 0);
    while let Some(record) = records.next() {
        // Fields before the path: `1 XY sub mH mI mW hH hI path`; a rename has its score besides
        // and its old path as a record of its own.
        let (skip, state) = match record.first() {
            Some(b'1') => (8, ChangedState::Tracked),
            Some(b'2') => (9, ChangedState::Tracked),
            Some(b'u') => (10, ChangedState::Unmerged),
            Some(b'?') => (1, ChangedState::Untracked),
            Some(b'!') => (1, ChangedState::Ignored),
            _ => continue,
        };
        if let Some(path) = record.splitn(skip + 1, |byte| *byte == b' ').nth(skip) {
            found.push(Changed { path: path.to_vec(), state });
        }
        if record.first() == Some(&b'2')
            && let Some(old) = records.next()
        {
            found.push(Changed { path: old.to_vec(), state });
        }
    }
    found
}

/// Mode and object of each path that `ls-files -s -z` lists. One that is not merged has mode 0, which nothing else has.
pub fn staged(bytes: &[u8]) -> Vec<(Vec<u8>, (u32, Oid))> {
    let entry = |record: &[u8]| {
        let tab = record.iter().position(|byte| *byte == b'\t')?;
        let mut words = std::str::from_utf8(&record[..tab]).ok()?.split(' ');
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        let oid = words.next()?.parse().ok()?;
        let is_merged = words.next()? == "0";
        Some((record[tab + 1..].to_vec(), (if is_merged { mode } else { 0 }, oid)))
    };
    bytes.split(|byte| *byte == 0).filter_map(entry).collect()
}

/// Major and minor of `git version 2.47.3`.
pub fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix("git version ")?.split(['.', ' ', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The folder in git's complaint about an owner, for the `safe.directory` line.
pub fn dubious_directory(stderr: &str) -> Option<&str> {
    let (_, rest) = stderr.split_once("dubious ownership in repository at '")?;
    rest.split_once('\'').map(|(path, _)| path)
}

fn has(text: &str, known: &[&str]) -> bool {
    known.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_outcomes() {
        let line = |flag: char, summary: &str| format!("To /srv/x.git\n{flag}\tabc:refs/heads/main\t{summary}\nDone\n");
        let table = [
            (true, line(' ', "aaa..bbb"), "", PushClass::Done),
            (true, line('*', "[new branch]"), "", PushClass::Done),
            (true, line('=', "[up to date]"), "", PushClass::Done),
            (true, line('+', "aaa...bbb (forced update)"), "", PushClass::Done),
            (false, line('!', "[rejected] (stale info)"), "", PushClass::LostRace),
            (false, line('!', "[rejected] (fetch first)"), "", PushClass::LostRace),
            (false, line('!', "[rejected] (non-fast-forward)"), "", PushClass::LostRace),
            (false, line('!', "[remote rejected] (failed to update ref)"), "", PushClass::LostRace),
            (
                false,
                line('!', "[remote rejected] (cannot lock ref 'refs/heads/main': is at b but expected a)"),
                "",
                PushClass::LostRace,
            ),
            (false, line('!', "[remote rejected] (incorrect old value provided)"), "", PushClass::LostRace),
            (false, line('!', "[remote rejected] (pre-receive hook declined)"), "remote: no", PushClass::Declined),
            (false, line('!', "[remote rejected] (hook declined)"), "", PushClass::Declined),
            (false, line('!', "[remote rejected] (protected branch hook declined)"), "", PushClass::Declined),
            (
                false,
                line('!', "[remote rejected] (protected branch hook declined)"),
                "remote: error: GH006: Protected branch update failed for refs/heads/main.",
                PushClass::Declined,
            ),
            (
                false,
                line('!', "[remote rejected] (push declined due to repository rule violations)"),
                "remote: error: GH013: Repository rule violations found for refs/heads/main.",
                PushClass::Declined,
            ),
            (
                false,
                line('!', "[remote rejected] (pre-receive hook declined)"),
                "remote: GitLab: You are not allowed to push code to protected branches on this project.",
                PushClass::Declined,
            ),
            (
                false,
                line('!', "[remote rejected] (pre-receive hook declined)"),
                "remote: Gitea: Not allowed to push to protected branch main",
                PushClass::Declined,
            ),
            (
                false,
                line('!', "[remote rejected] (pre-receive hook declined)"),
                "remote: error: GH001: Large files detected.\nremote: error: File logs/a/core is 120.00 MB",
                PushClass::Declined,
            ),
            (
                false,
                line('!', "[remote rejected] (hook declined)"),
                "remote: cannot lock the vault",
                PushClass::Declined,
            ),
            (false, line('!', "[remote rejected] (Internal Server Error)"), "", PushClass::Other),
            (false, line('!', "[remote failure] (remote failed to report status)"), "", PushClass::Other),
            (false, line('!', "[remote rejected] (branch is currently checked out)"), "", PushClass::Configuration),
            (
                false,
                line('!', "[remote rejected] (unpacker error)"),
                "remote: fatal: pack exceeds maximum allowed size",
                PushClass::TooLarge,
            ),
            (false, line('!', "[remote rejected] (unpacker error)"), "error: remote unpack failed", PushClass::Other),
        ];
        for (succeeded, stdout, stderr, expected) in table {
            assert_eq!(push_class(succeeded, &stdout, stderr), expected, "{stdout} {stderr}");
        }
    }

    #[test]
    fn pushes_that_told_nothing_of_the_branch() {
        let table = [
            (
                false,
                String::new(),
                "fatal: unable to access 'https://h/': Could not resolve host: h",
                PushClass::Network,
            ),
            (
                false,
                String::new(),
                "error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413\n\
                 send-pack: unexpected disconnect while reading sideband packet\n\
                 fatal: the remote end hung up unexpectedly",
                PushClass::TooLarge,
            ),
            (
                false,
                String::new(),
                "error: RPC failed; HTTP 503 curl 22 The requested URL returned error: 503\n\
                 fatal: the remote end hung up unexpectedly",
                PushClass::Network,
            ),
            (
                false,
                String::new(),
                "ERROR: Permission to o/r.git denied to deploy key\nfatal: Could not read from remote repository.",
                PushClass::Auth,
            ),
            (
                false,
                String::new(),
                "remote: GitLab: You are not allowed to push code to this project.\n\
                 fatal: Could not read from remote repository.",
                PushClass::Auth,
            ),
            (
                false,
                String::new(),
                "Gitea: User permission denied for writing.\nfatal: Could not read from remote repository.",
                PushClass::Auth,
            ),
            (false, String::new(), "fatal: Authentication failed for 'https://h/'", PushClass::Auth),
            (
                false,
                String::new(),
                "fatal: unable to access 'x': The requested URL returned error: 403",
                PushClass::Auth,
            ),
            (false, String::new(), "fatal: transport 'http' not allowed", PushClass::Configuration),
            (true, String::new(), "", PushClass::Other),
            (false, "\t\t\n!\n!\t\n\u{0}".to_owned(), "", PushClass::Other),
        ];
        for (succeeded, stdout, stderr, expected) in table {
            assert_eq!(push_class(succeeded, &stdout, stderr), expected, "{stdout} {stderr}");
        }
    }

    #[test]
    fn of_several_refs_the_one_that_was_refused_decides() {
        let line = |flag: char, name: &str, summary: &str| format!("{flag}\tabc:{name}\t{summary}\n");
        let (main, claim) = ("refs/heads/main", "refs/dispatch/claims/x");
        let stale = "[rejected] (stale info)";
        let table = [
            (true, line('-', claim, "[deleted]") + &line(' ', main, "aaa..bbb"), PushClass::Done),
            (false, line('!', main, "[rejected] (atomic push failed)") + &line('!', claim, stale), PushClass::LostRace),
            (false, line('!', main, stale) + &line('!', claim, "[rejected] (atomic push failed)"), PushClass::LostRace),
            (
                false,
                line('!', main, "[remote rejected] (atomic push failure)")
                    + &line('!', claim, "[remote rejected] (hook declined)"),
                PushClass::Declined,
            ),
            (false, line('!', main, "[remote rejected] (atomic transaction failed)"), PushClass::LostRace),
            (false, line('*', main, "[new branch]") + &line('!', claim, stale), PushClass::LostRace),
        ];
        for (succeeded, stdout, expected) in table {
            assert_eq!(
                push_class(succeeded, &stdout, "fatal: the remote end hung up unexpectedly"),
                expected,
                "{stdout}"
            );
        }
        let words =
            "fatal: the receiving end does not support --atomic push\nfatal: the remote end hung up unexpectedly";
        assert_eq!(push_class(false, "", words), PushClass::Configuration);
    }

    #[test]
    fn what_the_server_said() {
        let stderr = "remote: error: GH006: Protected branch update failed.        \nremote: \nremote: no, no        \n\
                      error: failed to push some refs to '/srv/x.git'";
        assert_eq!(
            servers_words("[remote rejected] (protected branch hook declined)", stderr),
            "protected branch hook declined: error: GH006: Protected branch update failed. no, no"
        );
        assert_eq!(servers_words("[remote rejected] (hook declined)", "error: failed"), "hook declined");
        assert_eq!(servers_words("", &format!("remote: {}", "é".repeat(3000))).chars().count(), 1001);
    }

    #[test]
    fn fetch_outcomes() {
        let table = [
            ("fatal: couldn't find remote ref refs/heads/main", FetchClass::Empty),
            (
                "fatal: '/x' does not appear to be a git repository\nfatal: Could not read from remote repository.",
                FetchClass::Network,
            ),
            (
                "fatal: detected dubious ownership in repository at '/x'\nfatal: Could not read from remote repository.",
                FetchClass::Configuration,
            ),
            ("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.", FetchClass::Auth),
            ("fatal: could not read Username for 'https://h': terminal prompts disabled", FetchClass::Auth),
            ("ssh: connect to host h port 22: Connection refused", FetchClass::Network),
            ("fatal: transport 'http' not allowed", FetchClass::Protocol),
            ("error: object file objects/ab/cd is empty", FetchClass::Corrupt),
            ("error: inflate: data stream error (incorrect data check)\nfatal: early EOF", FetchClass::Network),
            (
                "fatal: early EOF\nfatal: fetch-pack: invalid index-pack output\nerror: remote did not send all necessary objects",
                FetchClass::Network,
            ),
            ("error: remote did not send all necessary objects", FetchClass::Corrupt),
            (
                "Connection to h closed by remote host.\nfatal: Could not read from remote repository.",
                FetchClass::Network,
            ),
            ("fatal: unable to access 'http://h/': The requested URL returned error: 429", FetchClass::Network),
            ("fatal: unable to access 'http://h/': The requested URL returned error: 503", FetchClass::Network),
            ("", FetchClass::Other),
        ];
        for (words, expected) in table {
            assert_eq!(fetch_class(words), expected, "{words}");
        }
    }

    #[test]
    fn status_records() {
        let h = "0".repeat(40);
        let text = format!(
            "1 .M N... 100644 100644 100644 {h} {h} a b\n.txt\02 R. N... 100644 100644 100644 {h} {h} R100 new\0old\0? un tracked\0! ig\0u UU N... 1 2 3 4 {h} {h} {h} both\0# branch.oid x\0\0"
        );
        let found = status(text.as_bytes());
        let paths: Vec<(&str, ChangedState)> =
            found.iter().map(|entry| (std::str::from_utf8(&entry.path).unwrap(), entry.state)).collect();
        assert_eq!(
            paths,
            [
                ("a b\n.txt", ChangedState::Tracked),
                ("new", ChangedState::Tracked),
                ("old", ChangedState::Tracked),
                ("un tracked", ChangedState::Untracked),
                ("ig", ChangedState::Ignored),
                ("both", ChangedState::Unmerged),
            ]
        );
        assert!(status(b"1 x\0? ").iter().all(|entry| entry.path.is_empty()));
    }

    #[test]
    fn versions_and_owners() {
        assert_eq!(version("git version 2.47.3"), Some((2, 47)));
        assert_eq!(version("git version 2.39.5 (Apple Git-154)\n"), Some((2, 39)));
        assert_eq!(version("something"), None);
        assert_eq!(dubious_directory("fatal: detected dubious ownership in repository at '/a b'\n"), Some("/a b"));
        assert_eq!(dubious_directory("dubious ownership in repository at '"), None);
    }
}
