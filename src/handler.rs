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
//! | E0907 | a program without the mode to be executed |

use crate::diagnostic::{Diagnostic, did_you_mean};

/// How much of the file is needed: the kernel reads no longer first lines either.
pub const HEAD_BYTES: usize = 512;

/// What stands at the handler's path in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// Nothing; with the files that are there, for a suggestion.
    Missing(&'a [String]),
    /// A plain file.
    File {
        /// Its first [`HEAD_BYTES`].
        head: &'a [u8],
        /// Whether it is committed as executable; scripts need not be.
        executable: bool,
    },
    /// A symbolic link.
    Link,
    /// A submodule.
    Submodule,
    /// Nothing that a commit of this repository holds: the path leads into the submodule of this name.
    InSubmodule(&'a str),
    /// A folder.
    Folder,
}

/// The command for a handler file: interpreter, its argument, the file. `index` is where the row stands.
///
/// # Errors
/// The reason why the file cannot be run, with what to do.
pub fn command(path: &str, found: Found<'_>) -> Result<Vec<String>, Diagnostic> {
    let fault = |code, message: &str| Diagnostic::new(code, path, format!("handler `{path}` {message}"));
    let (head, executable) = match found {
        Found::File { head, executable } => (head, executable),
        Found::Missing(there) => {
            return Err(fault("E0901", "does not exist in this commit")
                .help_if(did_you_mean(path, there.iter().map(String::as_str)))
                .expected("a file of the repository, committed with its row in the index"));
        }
        Found::Link => return Err(fault("E0902", "is a symbolic link").expected("a plain file")),
        Found::Submodule => return Err(fault("E0902", "is a submodule").expected("a plain file")),
        Found::InSubmodule(module) => {
            return Err(fault(
                "E0902",
                &format!("lies in the submodule `{module}`, which handlers see as an empty folder"),
            )
            .help("commit the handler to this repository itself"));
        }
        Found::Folder => return Err(fault("E0902", "is a folder").expected("a plain file")),
    };
    refuse_pointer(path, head)?;
    if head.starts_with(b"\x7fELF") {
        if !executable {
            return Err(fault("E0907", "is a program, and not committed as executable")
                .help(format!("`git update-index --chmod=+x {path}`, and commit that")));
        }
        return Ok(vec![path.to_owned()]);
    }
    if head.starts_with(b"\xef\xbb\xbf#!") {
        return Err(fault("E0906", "has a byte order mark before its `#!` line, which then is none")
            .help("save it as UTF-8 without BOM"));
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

/// A file that a handler needs as it is: the handler itself, or what a command of the index names.
///
/// # Errors
/// It is a Git LFS pointer.
pub fn refuse_pointer(path: &str, head: &[u8]) -> Result<(), Diagnostic> {
    if !head.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Ok(());
    }
    let fault = Diagnostic::new("E0903", path, format!("handler `{path}` is a Git LFS pointer, not the file"));
    Err(fault.help(format!("commit the file itself: `git lfs untrack {path}`, then `git add --renormalize {path}`")))
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
    if line.len() + 2 >= HEAD_BYTES {
        return Err(fault("E0906", &format!("has a `#!` line of {HEAD_BYTES} bytes or more"))
            .help("write a short one, or name the interpreter in the index: `run: [/usr/bin/perl, handlers/x]`"));
    }
    if interpreter.is_empty() {
        return Err(
            fault("E0906", "has a `#!` line that names no interpreter").expected("a first line such as `#!/bin/sh`")
        );
    }
    if !interpreter.starts_with('/') {
        let name = interpreter.rsplit('/').next().unwrap_or_default();
        return Err(fault("E0906", &format!("has a `#!` line whose interpreter `{interpreter}` is no absolute path"))
            .help(format!("`#!/usr/bin/env {name}` finds it where programs are installed")));
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
            let command = command(path, Found::File { head: head.as_bytes(), executable: true }).ok();
            let expected = expected.map(|text| {
                let mark = if text.contains('|') { '|' } else { ' ' };
                text.split(mark).map(str::to_owned).collect::<Vec<_>>()
            });
            assert_eq!(command, expected, "{path} {head}");
        }
    }

    #[test]
    fn what_cannot_be_run_is_told_with_what_to_do() {
        let long = format!("#!/bin/{}", "x".repeat(HEAD_BYTES));
        let plain = |head| Found::File { head, executable: false };
        for (found, code, part) in [
            (plain(b"\x7fELF"), "E0907", "--chmod=+x handlers/a"),
            (plain(b"\xef\xbb\xbf#!/bin/sh\n"), "E0906", "without BOM"),
            (plain(b"#!python3 -u\n"), "E0906", "#!/usr/bin/env python3"),
            (plain(b"#!../bin/tool\n"), "E0906", "`../bin/tool` is no absolute path"),
            (plain(b"#! \t\n"), "E0906", "names no interpreter"),
            (plain(&long.as_bytes()[..HEAD_BYTES]), "E0906", "of 512 bytes or more"),
            (plain(b"version https://git-lfs.github.com/spec/v1\n"), "E0903", "git lfs untrack handlers/a"),
            (plain(b"#!/bin/sh\r\n"), "E0904", "eol=lf"),
            (Found::InSubmodule("handlers"), "E0902", "the submodule `handlers`"),
        ] {
            let fault = command("handlers/a", found).expect_err(part);
            assert_eq!(fault.code, code, "{fault}");
            assert!(fault.to_string().contains(part), "{fault}");
        }
    }

    #[test]
    fn a_missing_file_suggests_its_neighbour() {
        let there = ["handlers/deploy.sh".to_owned()];
        let fault = command("handlers/deplyo.sh", Found::Missing(&there)).expect_err("missing");
        assert_eq!(fault.help.as_deref(), Some("did you mean `handlers/deploy.sh`?"));
    }
}
