//! `dispatcher.env`: four settings beside a work tree, kept from the original dispatcher.
//!
//! Owns the reading of that file from disk. A tracked file, or one that others may write, is left alone with a warning:
//! whoever may merge must not choose the identity or the token. It is never run by a shell, and nothing in it expands.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use crate::host::{HostError, Links, Secret, read_trusted};
use crate::units::parse_duration;

/// The file's name in the work tree.
pub const NAME: &str = "dispatcher.env";

/// The largest file, in bytes.
const BYTES_MAX: usize = 64 << 10;

/// What the file sets; empty values are as good as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvFile {
    /// `DISPATCHER_INTERVAL`: the pause between passes, a plain number being seconds.
    pub interval: Option<Duration>,
    /// `GIT_USER_NAME`: the committer's name.
    pub user_name: Option<String>,
    /// `GIT_USER_EMAIL`: the committer's address.
    pub user_email: Option<String>,
    /// `GITHUB_TOKEN`: for the remote's own https host only.
    pub token: Option<Secret>,
    /// What was left alone, and why.
    pub warnings: Vec<String>,
}

/// Reads the file at `path`; `tracked` says whether git tracks it. A missing file sets nothing.
///
/// # Errors
/// The file is there and cannot be read.
pub fn read(path: &Path, tracked: bool) -> Result<EnvFile, HostError> {
    if tracked {
        let warning = format!("{NAME} is tracked by git and left alone: run `git rm --cached {NAME}` and ignore it");
        return Ok(EnvFile { warnings: vec![warning], ..EnvFile::default() });
    }
    let (bytes, metadata) = match read_trusted("the settings file", path, Links::Refuse, BYTES_MAX) {
        Ok(read) => read,
        Err(HostError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(EnvFile::default());
        }
        Err(error @ HostError::Untrusted { .. }) => {
            return Ok(EnvFile { warnings: vec![format!("{error}; it is left alone")], ..EnvFile::default() });
        }
        Err(error) => return Err(error),
    };
    let mut file = parse(&String::from_utf8_lossy(&bytes));
    if file.token.is_some() && metadata.mode() & 0o077 != 0 {
        file.token = None;
        let mode = metadata.mode() & 0o7777;
        file.warnings.push(format!(
            "GITHUB_TOKEN in {NAME} is left alone: others may read the file (mode {mode:04o}), chmod 600 it"
        ));
    }
    Ok(file)
}

/// Reads the text: `KEY=VALUE` lines, with `export`, quotes and comments as a shell would take them.
pub fn parse(text: &str) -> EnvFile {
    let mut file = EnvFile::default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (position, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Err(why) = set(&mut file, line) {
            // The line is not shown: one that is not understood may hold a token.
            file.warnings.push(format!("{NAME}, line {}: {why}", position + 1));
        }
    }
    file
}

fn set(file: &mut EnvFile, line: &str) -> Result<(), String> {
    let line = line.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).map_or(line, str::trim_start);
    let (key, value) = line.split_once('=').ok_or("is no KEY=VALUE and left alone")?;
    let value = unquote(value)?;
    if value.chars().any(char::is_control) {
        return Err("holds a control character and is left alone".to_owned());
    }
    let given = Some(value.clone()).filter(|value| !value.is_empty());
    match key {
        "DISPATCHER_INTERVAL" => file.interval = given.map(|value| interval(&value)).transpose()?,
        "GIT_USER_NAME" => file.user_name = given,
        "GIT_USER_EMAIL" => file.user_email = given,
        "GITHUB_TOKEN" => file.token = given.map(|value| Secret::new(key, value.into_bytes())),
        _ if is_setting(key) => return Err(format!("`{key}` is not known and left alone")),
        _ => return Err("is no KEY=VALUE and left alone".to_owned()),
    }
    Ok(())
}

/// Whether a key has the form of a setting; anything else might be part of a secret and is not shown.
fn is_setting(key: &str) -> bool {
    key.len() <= 64 && !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// A plain number is seconds, as the original took it.
fn interval(text: &str) -> Result<Duration, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let duration = if plain { parse_duration(&format!("{text}s")) } else { parse_duration(text) };
    match duration {
        Ok(duration) if duration.is_zero() => Err("DISPATCHER_INTERVAL must be longer than nothing".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("DISPATCHER_INTERVAL {error}")),
    }
}

/// A value as a shell would take it, without expansion: quotes come off, a comment after a blank ends it.
fn unquote(text: &str) -> Result<String, String> {
    let open = || "has a quote that does not end and is left alone".to_owned();
    let mut value = String::new();
    let mut characters = text.chars();
    let mut after_blank = false;
    while let Some(c) = characters.next() {
        match c {
            '#' if after_blank => break,
            ' ' | '\t' => after_blank = true,
            _ if after_blank => return Err("has a blank in its value: quote it".to_owned()),
            '\'' => loop {
                match characters.next().ok_or_else(open)? {
                    '\'' => break,
                    inner => value.push(inner),
                }
            },
            '"' => loop {
                match characters.next().ok_or_else(open)? {
                    '"' => break,
                    '\\' => match characters.next().ok_or_else(open)? {
                        escaped @ ('"' | '\\' | '$' | '`') => value.push(escaped),
                        other => value.extend(['\\', other]),
                    },
                    inner => value.push(inner),
                }
            },
            other => value.push(other),
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn at_mode(mode: u32, tracked: bool) -> EnvFile {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        fs::write(&path, "GIT_USER_NAME=bot\nGITHUB_TOKEN=ghp_x\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        read(&path, tracked).unwrap()
    }

    #[test]
    fn the_four_keys_are_read() {
        let file = parse(
            "\u{feff}# settings\n\nexport DISPATCHER_INTERVAL=30\r\nGIT_USER_NAME=\"Dispatch \\\"Bot\\\"\" # who\n  GIT_USER_EMAIL='bot@example.org'\nGITHUB_TOKEN=ghp_a#b\n",
        );
        assert_eq!(file.interval, Some(Duration::from_secs(30)));
        assert_eq!(file.user_name.as_deref(), Some("Dispatch \"Bot\""));
        assert_eq!(file.user_email.as_deref(), Some("bot@example.org"));
        assert_eq!(file.token.unwrap().value(), b"ghp_a#b");
        assert!(file.warnings.is_empty());
    }

    #[test]
    fn empty_means_unset() {
        let text = "DISPATCHER_INTERVAL=\nGIT_USER_NAME=\"\"\nGIT_USER_EMAIL=''\nGITHUB_TOKEN= # none\n";
        assert_eq!(parse(text), EnvFile::default());
    }

    #[test]
    fn what_is_not_understood_is_left_alone_with_a_warning() {
        for (line, part) in [
            ("OTHER=1", "line 1: `OTHER` is not known"),
            ("source ghp_secret", "is no KEY=VALUE"),
            ("ghp secret=1", "is no KEY=VALUE"),
            ("c2VjcmV0=", "is no KEY=VALUE"),
            ("GIT_USER_NAME=a b", "quote it"),
            ("GIT_USER_NAME=a 'b'", "quote it"),
            ("GIT_USER_NAME='a", "does not end"),
            ("GIT_USER_NAME=\"a\\", "does not end"),
            ("GIT_USER_NAME=a\u{1b}[0m", "control character"),
            ("DISPATCHER_INTERVAL=soon", "DISPATCHER_INTERVAL `soon`"),
            ("DISPATCHER_INTERVAL=0", "longer than nothing"),
        ] {
            let file = parse(line);
            assert_eq!(EnvFile { warnings: Vec::new(), ..file.clone() }, EnvFile::default(), "{line}");
            assert!(file.warnings.len() == 1 && file.warnings[0].contains(part), "{line}: {:?}", file.warnings);
            assert!(!file.warnings[0].contains("secret"), "{:?}", file.warnings);
        }
        assert_eq!(parse("DISPATCHER_INTERVAL=1m30s").interval, Some(Duration::from_secs(90)));
        assert_eq!(parse("GIT_USER_NAME=#1").user_name.as_deref(), Some("#1"));
        assert_eq!(parse("GIT_USER_NAME=$HOME").user_name.as_deref(), Some("$HOME"));
    }

    #[test]
    fn a_token_wants_a_private_file() {
        assert!(at_mode(0o600, false).token.is_some());
        let open = at_mode(0o644, false);
        assert_eq!((open.token, open.user_name.as_deref()), (None, Some("bot")));
        assert!(open.warnings[0].contains("chmod 600"), "{:?}", open.warnings);
    }

    #[test]
    fn tracked_linked_and_writable_files_are_left_alone() {
        for (file, part) in
            [(at_mode(0o600, true), "tracked by git"), (at_mode(0o602, false), "may be written by others")]
        {
            assert_eq!((file.user_name, file.token), (None, None));
            assert!(file.warnings.len() == 1 && file.warnings[0].contains(part), "{:?}", file.warnings);
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join(NAME), false).unwrap(), EnvFile::default());
        symlink("/dev/null", folder.path().join(NAME)).unwrap();
        assert!(read(&folder.path().join(NAME), false).unwrap().warnings[0].contains("symbolic link"));
    }
}
