//! What stands in for the host in a test: files at its paths, values of its secrets, and a host file that grants what the row asks.
//! Owns that nothing of the real host is touched, and that what a handler left there is read without following a link out of it.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

use crate::fixture::{Given, Standing};
use crate::host_file::{Action, SecretRow};
use crate::job::{Grant, Level, Row, SecretSource};
use crate::policy::HostFile;
use crate::run::sandbox::User;

/// More of a file is not compared.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a handler finds in place of the host.
#[derive(Clone, Debug, Default)]
pub struct StandIn {
    given: Given,
}

impl From<Given> for StandIn {
    fn from(given: Given) -> Self {
        Self { given }
    }
}

impl StandIn {
    /// Makes a folder that stands in for the host's `/`: what is granted is there, empty but for the given files.
    pub(super) fn lay_out(&self, root: &Path, grant: &Grant, user: Option<User>) -> io::Result<()> {
        fs::create_dir(root)?;
        fs::set_permissions(root, Permissions::from_mode(0o755))?;
        for (place, text) in &self.given.files {
            let place = below(root, place);
            fs::create_dir_all(place.parent().unwrap_or(root))?;
            fs::write(&place, text)?;
        }
        for place in grant.read.iter().chain(&grant.write) {
            let place = below(root, place);
            // A path that is given as a file stays one.
            if !place.is_file() {
                fs::create_dir_all(&place)?;
            }
        }
        for place in &grant.write {
            hand_over(&below(root, place), user)?;
        }
        Ok(())
    }

    /// A value for each secret of a row.
    pub(super) fn secrets(&self, row: &Row) -> Vec<(String, Vec<u8>)> {
        let value = |name: &String| {
            let given = self.given.secrets.get(name).cloned();
            given.unwrap_or_else(|| format!("made-up-value-of-{name}")).into_bytes()
        };
        row.secrets.iter().map(|name| (name.clone(), value(name))).collect()
    }
}

/// A host file that grants what a row asks for. Of the real one nothing is left but who the slots' users are.
pub(super) fn host_file(row: &Row, real: &HostFile) -> HostFile {
    let kind = || row.kind.clone();
    let secret =
        |name: &String| (name.clone(), SecretRow { source: SecretSource::Env(name.clone()), kinds: vec![kind()] });
    let action = |name: &String| {
        (name.clone(), Action { run: vec!["true".to_owned()], kinds: vec![kind()], timeout: Action::TIMEOUT })
    };
    let mut file = HostFile {
        uids: real.uids,
        network: vec![kind()],
        read: BTreeMap::from([(kind(), row.sandbox.read.clone())]),
        write: BTreeMap::from([(kind(), row.sandbox.write.clone())]),
        secrets: row.secrets.iter().map(secret).collect(),
        actions: row.then.iter().map(action).collect(),
        ..HostFile::default()
    };
    file.levels.minimum = Level::Confined;
    file.levels.none = vec![kind()];
    // Whatever is asked for is below its ceiling.
    let (asked, limits) = (&row.sandbox, &mut file.limits);
    let raise = |ceiling: &mut u64, asked: Option<u64>| *ceiling = (*ceiling).max(asked.unwrap_or(0));
    raise(&mut limits.memory, asked.memory.max(asked.tmp));
    raise(&mut limits.file_size, asked.file_size);
    raise(&mut limits.work, asked.work);
    raise(&mut limits.output, asked.output);
    raise(&mut limits.artifacts, asked.artifacts);
    raise(&mut limits.cache, Some(asked.cache));
    limits.pids = limits.pids.max(asked.pids.unwrap_or(0));
    limits.timeout = limits.timeout.max(row.timeout.unwrap_or_default());
    limits.cpu_time = limits.cpu_time.max(asked.cpu_time.unwrap_or_default());
    file
}

fn below(root: &Path, place: &Path) -> PathBuf {
    let steps = place.components().filter(|step| matches!(step, Component::Normal(_)));
    root.join(steps.collect::<PathBuf>())
}

/// Everything that a handler may write is its user's.
fn hand_over(path: &Path, user: Option<User>) -> io::Result<()> {
    if let Some(user) = user {
        chown(path, Some(user.uid), Some(user.gid))?;
    }
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            hand_over(&entry?.path(), user)?;
        }
    }
    Ok(())
}

/// What stands at a place, below a folder that stands in for `/`. Links count as they do for the handler: from that folder on.
///
/// # Errors
/// It cannot be read.
pub fn standing(root: &Path, place: &Path) -> io::Result<Standing> {
    let open = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = openat2(CWD, root, open, Mode::empty(), ResolveFlags::empty())?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let place = below(Path::new(""), place);
    let found = match openat2(&top, &place, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS) {
        Ok(found) => found,
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
            return Ok(Standing::Nothing);
        }
        Err(error) => return Err(error.into()),
    };
    if FileType::from_raw_mode(fstat(&found)?.st_mode) == FileType::Directory {
        let mut names = Vec::new();
        for entry in Dir::read_from(&found)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        return Ok(Standing::Folder(names));
    }
    let mut bytes = Vec::new();
    File::from(found).take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Standing::Text(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_a_handler_left_is_read_as_it_would_see_it() {
        let temp = tempfile::tempdir().expect("temp folder");
        let (root, outside) = (temp.path().join("host"), temp.path().join("outside"));
        fs::create_dir_all(root.join("srv/releases/1")).expect("folder");
        fs::write(root.join("srv/releases/1/a"), "here\n").expect("file");
        fs::write(&outside, "secret\n").expect("file");
        symlink("releases/1", root.join("srv/current")).expect("link");
        symlink("/srv/releases", root.join("srv/all")).expect("link");
        symlink(&outside, root.join("srv/out")).expect("link");
        symlink("../../../outside", root.join("srv/up")).expect("link");
        let at = |place: &str| standing(&root, Path::new(place)).expect("looked");
        assert_eq!(at("/srv/current/a"), Standing::Text("here\n".to_owned()));
        assert_eq!(at("/srv/all"), Standing::Folder(vec!["1".to_owned()]));
        for place in ["/srv/out", "/srv/up", "/srv/none", "/srv/current/a/b"] {
            assert_eq!(at(place), Standing::Nothing, "{place}");
        }
    }
}
