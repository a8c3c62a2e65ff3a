//! The normal form of paths that files name: in the repository (relative) and on the host (absolute).
//!
//! Owns the rule only and never looks at a disk: what a link on the way points to is found out where it is opened.

use std::path::{Path, PathBuf};

/// The longest path, in bytes.
const PATH_BYTES_MAX: usize = 1024;

/// Why a text is no path that may be named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing, or nothing but `.`.
    #[error("is empty")]
    Empty,
    /// More than 1,024 bytes.
    #[error("is longer than {PATH_BYTES_MAX} bytes")]
    TooLong,
    /// A `..` on the way.
    #[error("`{0}` must not hold `..`")]
    Parent(String),
    /// An absolute path where one in the repository is due.
    #[error("`{0}` is absolute: a path in the repository is needed")]
    Absolute(String),
    /// A relative path where one on the host is due.
    #[error("`{0}` is relative: an absolute path is needed")]
    Relative(String),
    /// A path into git's own folder.
    #[error("`{0}` lies in git's own folder")]
    Git(String),
    /// The root of the host.
    #[error("`/` is the whole machine: name a folder")]
    Root,
    /// A control character, a backslash or one that does not print.
    #[error("holds {}, which a path here must not", .0.escape_unicode())]
    Character(char),
}

/// A path in the repository: relative, without `.`, `..`, doubled or trailing slashes, and not into `.git`.
///
/// # Errors
/// Names the rule that the text breaks.
pub fn in_repository(text: &str) -> Result<String, PathError> {
    let steps = steps(text)?;
    if text.starts_with('/') {
        return Err(PathError::Absolute(text.to_owned()));
    }
    if steps.is_empty() {
        return Err(PathError::Empty);
    }
    if steps.iter().any(|step| step.eq_ignore_ascii_case(".git")) {
        return Err(PathError::Git(text.to_owned()));
    }
    Ok(steps.join("/"))
}

/// A path on the host: absolute, without `.`, `..`, doubled or trailing slashes, and not `/` itself.
///
/// # Errors
/// Names the rule that the text breaks.
pub fn on_host(text: &str) -> Result<PathBuf, PathError> {
    let steps = steps(text)?;
    if !text.starts_with('/') {
        return Err(PathError::Relative(text.to_owned()));
    }
    if steps.is_empty() {
        return Err(PathError::Root);
    }
    Ok(PathBuf::from(format!("/{}", steps.join("/"))))
}

/// Whether a path is a folder or lies below it. Both must be in normal form.
pub fn is_within(path: &str, folder: &str) -> bool {
    Path::new(path).starts_with(folder)
}

fn steps(text: &str) -> Result<Vec<&str>, PathError> {
    if text.is_empty() {
        return Err(PathError::Empty);
    }
    if text.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    if let Some(odd) = text.chars().find(|c| *c == '\\' || !crate::resource::is_printable(*c)) {
        return Err(PathError::Character(odd));
    }
    let steps: Vec<&str> = text.split('/').filter(|step| !matches!(*step, "" | ".")).collect();
    if steps.contains(&"..") { Err(PathError::Parent(text.to_owned())) } else { Ok(steps) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_paths_are_normalised() {
        for (text, path) in [
            ("requests/", "requests"),
            ("./a//b/./c/", "a/b/c"),
            ("a b/ü", "a b/ü"),
            (".gitkeep", ".gitkeep"),
            ("..a", "..a"),
        ] {
            assert_eq!(in_repository(text).as_deref(), Ok(path), "{text}");
        }
        for (text, error) in [
            ("", PathError::Empty),
            ("./", PathError::Empty),
            ("/etc", PathError::Absolute("/etc".into())),
            ("a/../b", PathError::Parent("a/../b".into())),
            ("..", PathError::Parent("..".into())),
            (".git", PathError::Git(".git".into())),
            ("a/.GIT/hooks", PathError::Git("a/.GIT/hooks".into())),
            ("a\\b", PathError::Character('\\')),
            ("a\nb", PathError::Character('\n')),
        ] {
            assert_eq!(in_repository(text), Err(error), "{text:?}");
        }
        assert_eq!(in_repository(&"a".repeat(1025)), Err(PathError::TooLong));
    }

    #[test]
    fn host_paths_are_absolute() {
        assert_eq!(on_host("/srv//www/./"), Ok(PathBuf::from("/srv/www")));
        for (text, error) in [
            ("srv", PathError::Relative("srv".into())),
            ("/", PathError::Root),
            ("//.", PathError::Root),
            ("/srv/../etc", PathError::Parent("/srv/../etc".into())),
        ] {
            assert_eq!(on_host(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn within_goes_by_whole_steps() {
        assert!(is_within("requests", "requests") && is_within("requests/a", "requests"));
        assert!(!is_within("requests-old/a", "requests") && !is_within("a", "a/b"));
    }
}
