//! The handler file: whether it can be run, and by which command. Pure: it judges a mode and the first bytes
//! of a blob; nothing is executed or looked up on the machine.
//!
//! | code | fault |
//! |---|---|
//! | E0901 | there is no such file |
//! | E0902 | no plain file: a symbolic link, a submodule or a folder |
//! | E0903 | a Git LFS pointer instead of the file |
//! | E0904 | the first line ends in CR, so its interpreter would not be found |
//! | E0905 | nothing says how to run it |
//! | E0906 | the first line names no usable interpreter |

use crate::diagnostic::{Diagnostic, did_you_mean};

/// How much of the file is needed: the kernel reads no longer first lines either.
pub const HEAD_BYTES: usize = 512;

/// What stands at the handler's path in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// Nothing; with the files that are there, for a suggestion.
    Missing(&'a [String]),
    /// A plain file and its first [`HEAD_BYTES`].
    File(&'a [u8]),
    /// A symbolic link.
    Link,
    /// A submodule.
    Submodule,
    /// A folder.
    Folder,
}

/// The command for a handler file: interpreter, its argument, the file. `index` is where the row stands.
///
/// # Errors
/// The reason why the file cannot be run, with what to do.
pub fn command(path: &str, found: Found<'_>) -> Result<Vec<String>, Diagnostic> {
    let fault = |code, message: &str| Diagnostic::new(code, path, format!("handler `{path}` {message}"));
    let head = match found {
        Found::File(head) => head,
        Found::Missing(there) => {
            return Err(fault("E0901", "does not exist in this commit")
                .help_if(did_you_mean(path, there.iter().map(String::as_str)))
                .expected("a file of the repository, committed with its row in the index"));
        }
        Found::Link => return Err(fault("E0902", "is a symbolic link").expected("a plain file")),
        Found::Submodule => return Err(fault("E0902", "is a submodule").expected("a plain file")),
        Found::Folder => return Err(fault("E0902", "is a folder").expected("a plain file")),
    };
    if head.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Err(fault("E0903", "is a Git LFS pointer, not the file")
            .help("commit the handler itself: `git lfs untrack` it"));
    }
    if head.starts_with(b"\x7fELF") {
        return Ok(vec![path.to_owned()]);
    }
    if let Some(rest) = head.strip_prefix(b"#!") {
        return shebang(path, rest, &fault);
    }
    let by_extension: &[&str] = match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("sh") => &["/bin/sh"],
        Some("py") => &["/usr/bin/env", "python3"],
        _ => {
            return Err(fault("E0905", "has no `#!` line, and its name ends in neither .sh nor .py").help(
                "begin it with a line such as `#!/bin/sh`, or name an interpreter: `run: [/usr/bin/perl, handlers/x]`",
            ));
        }
    };
    if head.split(|byte| *byte == b'\n').next().is_some_and(|line| line.ends_with(b"\r")) {
        return Err(carriage_return(&fault));
    }
    Ok(by_extension.iter().copied().chain([path]).map(str::to_owned).collect())
}

fn shebang(
    path: &str,
    rest: &[u8],
    fault: &dyn Fn(&'static str, &str) -> Diagnostic,
) -> Result<Vec<String>, Diagnostic> {
    let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.ends_with(b"\r") {
        return Err(carriage_return(fault));
    }
    let text = std::str::from_utf8(line).map(|text| text.trim_matches([' ', '\t'])).unwrap_or_default();
    // As the kernel reads it: the interpreter, and the rest of the line as one argument.
    let (interpreter, argument) = text.split_once([' ', '\t']).map_or((text, ""), |(a, b)| (a, b.trim_start()));
    if !interpreter.starts_with('/') || line.len() + 2 >= HEAD_BYTES {
        return Err(fault("E0906", "has a `#!` line without an absolute interpreter")
            .expected("a first line such as `#!/bin/sh`"));
    }
    let words = [interpreter, argument, path];
    Ok(words.into_iter().filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

fn carriage_return(fault: &dyn Fn(&'static str, &str) -> Diagnostic) -> Diagnostic {
    fault("E0904", "has a first line that ends in a carriage return (CRLF)")
        .help("store it with Unix line ends: `*.sh text eol=lf` in .gitattributes, then `git add --renormalize .`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_file_is_run() {
        for (path, head, expected) in [
            ("handlers/a.sh", "#!/bin/bash -eu\nx", Some("/bin/bash -eu handlers/a.sh")),
            ("handlers/a", "#! /usr/bin/env python3\n", Some("/usr/bin/env python3 handlers/a")),
            ("handlers/a", "#!/usr/bin/awk -f -v x=1\n", Some("/usr/bin/awk|-f -v x=1|handlers/a")),
            ("handlers/a.sh", "echo hi\n", Some("/bin/sh handlers/a.sh")),
            ("handlers/a.py", "print()\n", Some("/usr/bin/env python3 handlers/a.py")),
            ("handlers/a", "\x7fELF…", Some("handlers/a")),
            ("handlers/a", "echo hi\n", None),
            ("handlers/a.sh", "#!/bin/sh\r\necho\r\n", None),
            ("handlers/a.sh", "echo hi\r\n", None),
            ("handlers/a.sh", "#!sh\n", None),
            ("handlers/a.sh", "#!\n", None),
            ("handlers/a.sh", "version https://git-lfs.github.com/spec/v1\noid", None),
        ] {
            let command = command(path, Found::File(head.as_bytes())).ok();
            let expected = expected.map(|text| {
                let mark = if text.contains('|') { '|' } else { ' ' };
                text.split(mark).map(str::to_owned).collect::<Vec<_>>()
            });
            assert_eq!(command, expected, "{path} {head}");
        }
    }

    #[test]
    fn a_missing_file_suggests_its_neighbour() {
        let there = ["handlers/deploy.sh".to_owned()];
        let fault = command("handlers/deplyo.sh", Found::Missing(&there)).expect_err("missing");
        assert_eq!(fault.help.as_deref(), Some("did you mean `handlers/deploy.sh`?"));
    }
}
