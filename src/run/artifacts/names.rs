//! Which names of artifacts may go into a repository that others check out.
//!
//! Owns the rules for names. Never touches a file.

use unicode_normalization::UnicodeNormalization;

use crate::record::visible;

/// Longest name of one file or folder, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// Names in a record's folder that only the dispatcher writes; `status.yml` is another matter.
const RESERVED: [&str; 4] = ["log.jsonl", "handler.log", "dispatch.log", "error.log"];
const STATUS: &str = "status.yml";

/// Where a file goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the handler's word on its own success.
    Status,
    /// It is kept under this path.
    At(String),
    /// It cannot be kept.
    Refused(&'static str),
}

/// One name as it stands in a folder, if it is fit to be kept.
///
/// # Errors
/// Why it is not.
pub fn checked(raw: &[u8]) -> Result<&str, String> {
    let name = std::str::from_utf8(raw).map_err(|_| "its name is not UTF-8".to_owned())?;
    if name.len() > NAME_BYTES_MAX {
        return Err(format!("its name is longer than {NAME_BYTES_MAX} bytes"));
    }
    if name.chars().any(visible::acts) {
        return Err("its name holds control characters".to_owned());
    }
    // Git on other systems takes these for separators, or drops what follows.
    if name.contains(['/', '\\']) {
        return Err("its name holds a separator".to_owned());
    }
    if is_git(name) {
        return Err("its name is one of git's own".to_owned());
    }
    Ok(name)
}

/// Where a file of this path, whose parts are [`checked`], goes. `depth` 1 = directly in the log folder.
pub fn place(path: &str, depth: usize) -> Place {
    // Folders count as well: one named like a file of the record would stand in that file's way.
    let first = folded(path.split('/').next().unwrap_or(path));
    let numbered = first.strip_prefix("handler-").and_then(|rest| rest.strip_suffix(".log"));
    if numbered.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) {
        return Place::Refused("its name is kept for the output of an earlier attempt");
    }
    if depth > 1 {
        if first == STATUS || RESERVED.contains(&first.as_str()) {
            return Place::Refused("its folder has the name of one of the dispatcher's files");
        }
        return Place::At(path.to_owned());
    }
    if path == STATUS {
        return Place::Status;
    }
    if RESERVED.contains(&path) {
        return Place::At(format!("handler-{path}"));
    }
    let folded = folded(path);
    if folded == STATUS || RESERVED.contains(&folded.as_str()) {
        return Place::Refused("its name differs from one of the dispatcher's only in case");
    }
    Place::At(path.to_owned())
}

/// One spelling for all names that some file system takes for the same: some ignore case, how a character is composed
/// (`é` is one character or two), or characters that do not show.
pub fn folded(path: &str) -> String {
    let shown = path.nfd().filter(|&c| !is_ignorable(c));
    let one_case = shown.flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    one_case.nfd().collect()
}

/// Unicode's default ignorable characters, which Linux leaves out of account in folders that ignore case.
fn is_ignorable(c: char) -> bool {
    matches!(u32::from(c), 0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f
        | 0x202a..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfff8
        | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// `.git`, `.gitattributes`, `.gitmodules` and the like, and the short name that Windows gives `.git`: whoever checks the record out
/// must not get configuration from a handler.
fn is_git(name: &str) -> bool {
    let folded = folded(name);
    folded.starts_with(".git") || folded.starts_with("git~")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_may_be_kept() {
        for name in ["a", "report.html", "größe.txt", "2026-11-21T08:00.log", "a b", ".hidden", "git", &"x".repeat(128)]
        {
            assert_eq!(checked(name.as_bytes()), Ok(name));
        }
    }

    #[test]
    fn names_that_may_not() {
        for name in [
            ".git",
            ".GIT",
            ".gitattributes",
            ".gitmodules",
            ".Gitignore",
            ".git ",
            ".git\u{200c}",
            ".g\u{200c}it",
            ".g\u{ad}it",
            ".gi\u{fe0f}t",
            "git~1",
            "GIT~2",
            "a\nb",
            "a\rb",
            "a\tb",
            "\u{1b}[2J",
            "a\u{202e}b",
            "a\\b",
            "..\\x",
            "\u{7f}",
            &"x".repeat(129),
        ] {
            assert!(checked(name.as_bytes()).is_err(), "{name:?}");
        }
        assert!(checked(b"\xff").is_err());
    }

    #[test]
    fn names_that_some_take_for_the_same() {
        for (one, other) in
            [("a/B", "A/b"), ("é", "e\u{301}"), ("É", "e\u{301}"), ("ß", "ẞ"), ("ς", "Σ"), ("a\u{ad}b", "ab")]
        {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("e", "é"), ("1", "¹"), ("a b", "ab")] {
            assert_ne!(folded(one), folded(other), "{one} {other}");
        }
    }

    #[test]
    fn reserved_names_are_never_taken_over() {
        let at = |path: &str| Place::At(path.to_owned());
        for (path, depth, place_there) in [
            ("status.yml", 1, Place::Status),
            ("log.jsonl", 1, at("handler-log.jsonl")),
            ("error.log", 1, at("handler-error.log")),
            ("sub/status.yml", 2, at("sub/status.yml")),
            ("sub/error.log", 2, at("sub/error.log")),
            ("other.yml", 1, at("other.yml")),
        ] {
            assert_eq!(place(path, depth), place_there, "{path}");
        }
        for path in ["STATUS.yml", "Handler.Log", "dispatch.LOG", "ſtatus.yml"] {
            assert!(matches!(place(path, 1), Place::Refused(_)), "{path}");
        }
    }
}
