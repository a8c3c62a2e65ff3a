//! The folder of a report: made whole beside the old one, and put in its place in one step. Pages that stay as they are get
//! a second name instead of being written again.
//!
//! ```text
//! DIR/.dispatch-report.json     what is ours: each page with a digest of what it was made from, and its length
//! DIR/index.html  history*.html  requests/<id>.html
//! ..../.DIR.dispatch-report/    the next one while it is made
//! ```
//! A folder that holds anything and has no such file is refused. Files in it that are not ours stay: then, and where the
//! folder cannot be exchanged (another file system, a mount point), page after page is replaced, the first one last.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};

use crate::id::RequestId;

/// What is ours in a folder.
pub const MARKER: &str = ".dispatch-report.json";
const VERSION: u32 = 1;
/// The largest marker that is read.
const MARKER_BYTES_MAX: u64 = 256 << 20;
/// The page that people open.
const FIRST: &str = "index.html";
/// The folder of pages of requests.
pub const REQUESTS: &str = "requests";

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Somebody else's folder.
    #[error("`{}` holds files and is no earlier report", .0.display())]
    NotOurs(PathBuf),
    /// Written by a later version.
    #[error("`{}` is a report of a later version of dispatch", .0.display())]
    Newer(PathBuf),
    /// Another process is at it.
    #[error("another report is being written to `{}`", .0.display())]
    Busy(PathBuf),
    /// No name for a folder.
    #[error("`{}` names no folder", .0.display())]
    Nameless(PathBuf),
    /// The file system.
    #[error("writing `{}`", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// What is ours, by name of the page.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Marker {
    v: u32,
    pages: BTreeMap<String, Known>,
}

/// A page that stands there.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    bytes: u64,
    /// Digest of what it was made from; none where it is made anew each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Requests that it names, and whether there was a page to link to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    names: BTreeMap<RequestId, bool>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Pages that were made.
    pub made: usize,
    /// Pages that stayed as they were.
    pub kept: usize,
    /// Pages that are gone.
    pub removed: usize,
}

/// A report that is being made.
pub struct Folder {
    target: PathBuf,
    next: PathBuf,
    /// Held for as long as nobody else may touch `next`.
    _turn: File,
    /// The next report lies in the folder itself.
    is_inside: bool,
    before: Marker,
    after: Marker,
    written: Written,
    /// `next` is not there any more.
    is_done: bool,
}

impl Drop for Folder {
    /// What was not published leaves nothing behind.
    fn drop(&mut self) {
        if !self.is_done {
            let _ = remove(&self.next);
        }
    }
}

impl Folder {
    /// Looks at the folder and makes room beside it.
    ///
    /// # Errors
    /// [`FolderError`]; nothing has been changed in `dir` then.
    pub fn open(dir: &Path) -> Result<Self, FolderError> {
        // A link to a folder stays one.
        let target = match dir.canonicalize() {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => absolute(dir)?,
            Err(source) => return Err(FolderError::Io { path: dir.to_owned(), source }),
        };
        let before = read_marker(&target)?;
        let name = target.file_name().and_then(|name| name.to_str());
        let (Some(parent), Some(name)) = (target.parent(), name) else {
            return Err(FolderError::Nameless(dir.to_owned()));
        };
        let beside = parent.join(format!(".{name}.dispatch-report"));
        let (next, is_inside) = match make(&beside) {
            Ok(()) => (beside, false),
            // Nothing may be made beside it: a service often owns its folder and no more.
            Err(_) if target.is_dir() => (target.join(".next.dispatch-report"), true),
            Err(source) => return Err(FolderError::Io { path: beside, source }),
        };
        make(&next).map_err(io_at(&next))?;
        let turn = File::open(&next).map_err(io_at(&next))?;
        if turn.try_lock().is_err() {
            return Err(FolderError::Busy(target));
        }
        // What a killed one left is begun anew.
        for entry in fs::read_dir(&next).map_err(io_at(&next))? {
            let path = entry.map_err(io_at(&next))?.path();
            remove(&path).map_err(io_at(&path))?;
        }
        let requests = next.join(REQUESTS);
        fs::create_dir(&requests).map_err(io_at(&requests))?;
        let after = Marker { v: VERSION, pages: BTreeMap::new() };
        Ok(Self { target, next, _turn: turn, is_inside, before, after, written: Written::default(), is_done: false })
    }

    /// Where the report will stand.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Takes a page over that was made from the same and names the same. False where it has to be made.
    pub fn keep(&mut self, name: &str, from: &str, has_page: &dyn Fn(RequestId) -> bool) -> bool {
        let Some(known) = self.before.pages.get(name).filter(|known| known.from.as_deref() == Some(from)) else {
            return false;
        };
        if known.names.iter().any(|(id, had)| has_page(*id) != *had) {
            return false;
        }
        let old = self.target.join(name);
        // Cut off by a full disk or a power cut, or edited by somebody, it is not what was made.
        let is_whole = old.symlink_metadata().is_ok_and(|data| data.is_file() && data.len() == known.bytes);
        let known = known.clone();
        if !is_whole || !self.give_second_name(&old, name) {
            return false;
        }
        self.after.pages.insert(name.to_owned(), known);
        self.written.kept += 1;
        true
    }

    fn give_second_name(&self, old: &Path, name: &str) -> bool {
        let new = self.next.join(name);
        fs::hard_link(old, &new).is_ok() || fs::copy(old, &new).is_ok()
    }

    /// Writes a page. `from`: what it was made from and whom it names, where it may be kept next time.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn write(
        &mut self,
        name: &str,
        text: &str,
        from: Option<(String, BTreeMap<RequestId, bool>)>,
    ) -> Result<(), FolderError> {
        debug_assert!(is_ours(name), "{name}");
        let path = self.next.join(name);
        // A failed copy may have left something there.
        let _ = fs::remove_file(&path);
        fs::write(&path, text).map_err(io_at(&path))?;
        let (from, names) = from.unzip();
        let known = Known { bytes: text.len() as u64, from, names: names.unwrap_or_default() };
        self.after.pages.insert(name.to_owned(), known);
        self.written.made += 1;
        Ok(())
    }

    /// Puts the new report in the place of the old one.
    ///
    /// # Errors
    /// [`FolderError::Io`]: the old one stands, or where pages were replaced one by one, some of the new ones.
    pub fn publish(mut self) -> Result<Written, FolderError> {
        let marker = self.next.join(MARKER);
        let text = serde_json::to_string_pretty(&self.after).expect("plain data");
        fs::write(&marker, text + "\n").map_err(io_at(&marker))?;
        self.written.removed = self.before.pages.keys().filter(|name| !self.after.pages.contains_key(*name)).count();
        if !self.target.exists() {
            fs::rename(&self.next, &self.target).map_err(io_at(&self.target))?;
            self.is_done = true;
            return Ok(self.written);
        }
        let exchanges = !self.is_inside && !self.has_others_files()?;
        if exchanges {
            let mode = fs::metadata(&self.target).map_err(io_at(&self.target))?.permissions();
            fs::set_permissions(&self.next, mode).map_err(io_at(&self.next))?;
            if renameat_with(CWD, &self.next, CWD, &self.target, RenameFlags::EXCHANGE).is_ok() {
                remove(&self.next).map_err(io_at(&self.next))?;
                self.is_done = true;
                return Ok(self.written);
            }
        }
        self.replace_one_by_one()?;
        remove(&self.next).map_err(io_at(&self.next))?;
        self.is_done = true;
        Ok(self.written)
    }

    /// Whether anything stands in the folder that the earlier report did not bring.
    fn has_others_files(&self) -> Result<bool, FolderError> {
        for (folder, prefix) in [(self.target.clone(), ""), (self.target.join(REQUESTS), "requests/")] {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(FolderError::Io { path: folder, source }),
            };
            for entry in entries {
                let name = entry.map_err(io_at(&folder))?.file_name();
                let name = format!("{prefix}{}", name.to_string_lossy());
                if name != MARKER && name != REQUESTS && !self.before.pages.contains_key(&name) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn replace_one_by_one(&self) -> Result<(), FolderError> {
        let folder = self.target.join(REQUESTS);
        make(&folder).map_err(io_at(&folder))?;
        let mut names: Vec<&str> = self.after.pages.keys().map(String::as_str).filter(|name| *name != FIRST).collect();
        // Who opens the first page finds everything that it links to.
        names.extend(self.after.pages.contains_key(FIRST).then_some(FIRST));
        names.push(MARKER);
        for name in names {
            let (from, to) = (self.next.join(name), self.target.join(name));
            replace(&from, &to).map_err(io_at(&to))?;
        }
        let gone: BTreeSet<&String> =
            self.before.pages.keys().filter(|name| !self.after.pages.contains_key(*name)).collect();
        for path in gone.into_iter().map(|name| self.target.join(name)) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(FolderError::Io { path, source: error });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Moves a file over another, also from file system to file system, so that nobody sees half of it.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
        other => return other,
    }
    let mut file = tempfile::NamedTempFile::new_in(to.parent().unwrap_or(Path::new(".")))?;
    file.write_all(&fs::read(from)?)?;
    file.as_file().set_permissions(fs::metadata(from)?.permissions())?;
    file.persist(to).map(drop).map_err(|error| error.error)
}

fn read_marker(target: &Path) -> Result<Marker, FolderError> {
    let path = target.join(MARKER);
    let size = match path.symlink_metadata() {
        Ok(data) if data.is_file() => data.len(),
        _ => {
            let is_empty = match fs::read_dir(target) {
                Ok(mut entries) => entries.next().is_none(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => true,
                Err(source) => return Err(FolderError::Io { path: target.to_owned(), source }),
            };
            return if is_empty { Ok(Marker::default()) } else { Err(FolderError::NotOurs(target.to_owned())) };
        }
    };
    let bytes = if size <= MARKER_BYTES_MAX { fs::read(&path).map_err(io_at(&path))? } else { Vec::new() };
    let read: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if read.get("v").and_then(serde_json::Value::as_u64).is_some_and(|found| found > u64::from(VERSION)) {
        return Err(FolderError::Newer(target.to_owned()));
    }
    // One that cannot be read was ours: everything is made anew, and nothing is taken for an old page.
    let mut marker: Marker = serde_json::from_value(read).unwrap_or_default();
    marker.pages.retain(|name, _| is_ours(name));
    Ok(marker)
}

/// Whether a page may have this name: what a marker says is a file, and files are edited.
fn is_ours(name: &str) -> bool {
    let file = name.strip_prefix("requests/").unwrap_or(name);
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    file.strip_suffix(".html").is_some_and(|stem| !stem.is_empty() && stem.bytes().all(plain))
}

fn absolute(dir: &Path) -> Result<PathBuf, FolderError> {
    let path = std::path::absolute(dir).map_err(io_at(dir))?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(FolderError::Nameless(dir.to_owned()));
    };
    fs::create_dir_all(parent).map_err(io_at(parent))?;
    Ok(parent.canonicalize().map_err(io_at(parent))?.join(name))
}

/// Makes a folder; one that is there already will do, a link to one will not.
fn make(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.symlink_metadata()?.is_dir() => Ok(()),
        other => other,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> FolderError + use<> {
    let path = path.to_owned();
    move |source| FolderError::Io { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &Path, pages: &[(&str, &str, Option<&str>)]) -> Written {
        let mut folder = Folder::open(dir).unwrap();
        for (name, text, from) in pages {
            if !from.is_some_and(|from| folder.keep(name, from, &|_| true)) {
                folder.write(name, text, from.map(|from| (from.to_owned(), BTreeMap::new()))).unwrap();
            }
        }
        folder.publish().unwrap()
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn pages_are_kept_changed_and_removed() {
        let world = tempfile::tempdir().unwrap();
        let dir = world.path().join("deep/report");
        let first = put(
            &dir,
            &[("index.html", "1", None), ("requests/a.html", "a", Some("x")), ("requests/b.html", "b", Some("y"))],
        );
        assert_eq!(first, Written { made: 3, kept: 0, removed: 0 });
        let second = put(&dir, &[("index.html", "2", None), ("requests/a.html", "not written", Some("x"))]);
        assert_eq!(second, Written { made: 1, kept: 1, removed: 1 });
        assert_eq!(fs::read_to_string(dir.join("index.html")).unwrap(), "2");
        assert_eq!(fs::read_to_string(dir.join("requests/a.html")).unwrap(), "a");
        assert_eq!(names(&dir.join("requests")), ["a.html"]);
        assert_eq!(names(&world.path().join("deep")), ["report"], "nothing is left beside it");
        // Whoever edited a page, or cut it off, gets it made anew.
        fs::write(dir.join("requests/a.html"), "longer").unwrap();
        assert_eq!(put(&dir, &[("requests/a.html", "a", Some("x"))]).made, 1);
    }

    #[test]
    fn somebody_elses_folder_is_refused_and_left_alone() {
        let world = tempfile::tempdir().unwrap();
        fs::write(world.path().join("thesis.txt"), "years").unwrap();
        assert!(matches!(Folder::open(world.path()), Err(FolderError::NotOurs(_))));
        assert_eq!(names(world.path()), ["thesis.txt"]);
        fs::remove_file(world.path().join("thesis.txt")).unwrap();
        assert!(Folder::open(world.path()).is_ok(), "an empty one is fine");
        let later = world.path().join("later");
        fs::create_dir(&later).unwrap();
        fs::write(later.join(MARKER), r#"{"v": 99, "pages": {}}"#).unwrap();
        assert!(matches!(Folder::open(&later), Err(FolderError::Newer(_))));
    }

    #[test]
    fn files_of_others_in_an_earlier_report_stay() {
        let world = tempfile::tempdir().unwrap();
        let dir = world.path().join("report");
        put(&dir, &[("index.html", "1", None), ("requests/a.html", "a", Some("x"))]);
        fs::create_dir(dir.join(".git")).unwrap();
        fs::write(dir.join(".git/HEAD"), "ref").unwrap();
        assert_eq!(put(&dir, &[("index.html", "2", None)]), Written { made: 1, kept: 0, removed: 1 });
        assert_eq!(fs::read_to_string(dir.join("index.html")).unwrap(), "2");
        assert_eq!(names(&dir), [MARKER, ".git", "index.html", "requests"]);
        assert!(names(&dir.join("requests")).is_empty());
    }

    #[test]
    fn a_marker_that_names_other_files_removes_none_of_them() {
        let world = tempfile::tempdir().unwrap();
        let dir = world.path().join("report");
        put(&dir, &[("index.html", "1", None)]);
        fs::write(world.path().join("precious.html"), "x").unwrap();
        let known = serde_json::json!({"bytes": 1});
        let pages =
            serde_json::json!({"../precious.html": known, "/etc/passwd": known, "requests/../../precious.html": known});
        fs::write(dir.join(MARKER), serde_json::json!({"v": 1, "pages": pages}).to_string()).unwrap();
        put(&dir, &[("index.html", "2", None)]);
        assert!(world.path().join("precious.html").exists());
        assert!(!is_ours("..") && !is_ours("../a.html") && !is_ours("requests/.a.html") && is_ours("requests/a.html"));
    }

    #[test]
    fn one_at_a_time() {
        let world = tempfile::tempdir().unwrap();
        let dir = world.path().join("report");
        let first = Folder::open(&dir).unwrap();
        assert!(matches!(Folder::open(&dir), Err(FolderError::Busy(_))));
        drop(first);
        assert!(names(world.path()).is_empty(), "what was given up leaves nothing behind");
        fs::create_dir_all(world.path().join(".report.dispatch-report/requests/old.html")).unwrap();
        assert_eq!(put(&dir, &[("index.html", "1", None)]).made, 1, "what a killed one left is begun anew");
    }
}
