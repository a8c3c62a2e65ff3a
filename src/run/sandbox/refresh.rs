//! Bringing a persistent checkout to the state of a snapshot.
//!
//! Owns the comparison: a file that is as it should be keeps its time, so that a build tool sees what has changed; what the snapshot does not
//! know stays (build products), and what it no longer knows goes. It runs as the job's user behind the job's walls, because an earlier run
//! may have left anything there: a link leads nowhere that the handler could not go itself. Never: decides what to bring up.

use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::Refresh;
use crate::removal::remove_tree;

const CHUNK_BYTES: usize = 64 << 10;

/// Makes `to` like `from`, and removes what is gone.
pub(super) fn bring_up(refresh: &Refresh) -> io::Result<()> {
    // Before anything is written: a folder may have become a file.
    for path in refresh.gone.iter().filter(|path| !excepted(refresh, path)) {
        remove_gone(&refresh.to, path)?;
    }
    folder(refresh, Path::new(""))
}

fn folder(refresh: &Refresh, below: &Path) -> io::Result<()> {
    for entry in fs::read_dir(refresh.from.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if excepted(refresh, &path) {
            continue;
        }
        let target = refresh.to.join(&path);
        let kind = entry.file_type()?;
        let brought = if kind.is_dir() {
            make_folder(&target).and_then(|()| folder(refresh, &path))
        } else if kind.is_symlink() {
            link(&fs::read_link(entry.path())?, &target)
        } else {
            file(&entry.path(), &target)
        };
        brought.map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))?;
    }
    Ok(())
}

fn excepted(refresh: &Refresh, path: &Path) -> bool {
    refresh.except.iter().any(|place| path.starts_with(place))
}

fn make_folder(target: &Path) -> io::Result<()> {
    match fs::symlink_metadata(target) {
        // Rights that a handler took away are given back: it is ours to write in.
        Ok(found) if found.is_dir() && found.permissions().mode() & 0o700 == 0o700 => return Ok(()),
        Ok(found) if found.is_dir() => return fs::set_permissions(target, Permissions::from_mode(0o755)),
        Ok(_) => fs::remove_file(target)?,
        Err(_) => {}
    }
    fs::create_dir(target)
}

fn link(to: &Path, target: &Path) -> io::Result<()> {
    if fs::read_link(target).is_ok_and(|found| found == to) {
        return Ok(());
    }
    remove_tree(target)?;
    symlink(to, target)
}

fn file(source: &Path, target: &Path) -> io::Result<()> {
    let wanted = fs::metadata(source)?;
    let mode = if wanted.mode() & 0o100 == 0 { 0o644 } else { 0o755 };
    if let Ok(found) = fs::symlink_metadata(target)
        && found.is_file()
        && found.len() == wanted.len()
        // A second name could change it behind its back.
        && found.nlink() == 1
        && same_content(source, target)?
    {
        if found.permissions().mode() & 0o7777 != mode {
            fs::set_permissions(target, Permissions::from_mode(mode))?;
        }
        return Ok(());
    }
    remove_tree(target)?;
    fs::copy(source, target)?;
    fs::set_permissions(target, Permissions::from_mode(mode))
}

fn same_content(one: &Path, other: &Path) -> io::Result<bool> {
    let mut one = File::open(one)?;
    // Without the right to read it is another one for sure.
    let Ok(mut other) = File::open(other) else {
        return Ok(false);
    };
    let (mut left, mut right) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    loop {
        let read = one.read(&mut left)?;
        if read == 0 {
            return Ok(other.read(&mut right)? == 0);
        }
        if other.read_exact(&mut right[..read]).is_err() || left[..read] != right[..read] {
            return Ok(false);
        }
    }
}

/// Removes a file and the folders that it leaves empty. What has become something else is the handler's own.
fn remove_gone(root: &Path, path: &Path) -> io::Result<()> {
    let mut above = root.to_path_buf();
    for part in path.parent().into_iter().flat_map(Path::components) {
        above.push(part);
        // Through a link it would be another file.
        if !fs::symlink_metadata(&above).is_ok_and(|found| found.is_dir()) {
            return Ok(());
        }
    }
    let target = root.join(path);
    match fs::symlink_metadata(&target) {
        Ok(found) if !found.is_dir() => fs::remove_file(&target)?,
        _ => return Ok(()),
    }
    for folder in path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
        if fs::remove_dir(root.join(folder)).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        folder: tempfile::TempDir,
    }

    impl Bench {
        fn new(snapshot: &[(&str, &str)], checkout: &[(&str, &str)]) -> Self {
            let bench = Self { folder: tempfile::tempdir().unwrap() };
            for (side, files) in [("from", snapshot), ("to", checkout)] {
                fs::create_dir(bench.at(side)).unwrap();
                for (path, content) in files {
                    let path = bench.at(side).join(path);
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, content).unwrap();
                }
            }
            bench
        }

        fn at(&self, path: &str) -> std::path::PathBuf {
            self.folder.path().join(path)
        }

        fn bring_up(&self, gone: &[&str]) {
            bring_up(&Refresh {
                from: self.at("from"),
                to: self.at("to"),
                except: vec!["logs".into()],
                gone: gone.iter().map(Into::into).collect(),
            })
            .unwrap();
        }

        fn read(&self, path: &str) -> Option<String> {
            fs::read_to_string(self.at("to").join(path)).ok()
        }
    }

    #[test]
    fn what_changed_is_written_and_the_rest_keeps_its_time() {
        let bench = Bench::new(&[("a", "same"), ("b/c", "new")], &[("a", "same"), ("b/c", "old"), ("b/made", "kept")]);
        let before = fs::metadata(bench.at("to/a")).unwrap();
        bench.bring_up(&[]);
        let after = fs::metadata(bench.at("to/a")).unwrap();
        assert_eq!((before.mtime_nsec(), before.ino()), (after.mtime_nsec(), after.ino()));
        assert_eq!(bench.read("b/c").unwrap(), "new");
        assert_eq!(bench.read("b/made").unwrap(), "kept");
    }

    #[test]
    fn what_is_gone_goes_with_its_empty_folders() {
        let bench = Bench::new(&[("a", "")], &[("x/y/z", "1"), ("x/own", "2"), ("q/r/s", "3")]);
        bench.bring_up(&["x/y/z", "q/r/s", "never/was"]);
        assert!(!bench.at("to/x/y").exists() && !bench.at("to/q").exists());
        assert_eq!(bench.read("x/own").unwrap(), "2");
    }

    #[test]
    fn things_of_another_kind_make_room() {
        let bench =
            Bench::new(&[("a/b", "file below"), ("c", "file")], &[("a", "was a file"), ("c/d", "was a folder")]);
        bench.bring_up(&[]);
        assert_eq!(bench.read("a/b").unwrap(), "file below");
        assert_eq!(bench.read("c").unwrap(), "file");
    }

    #[test]
    fn links_that_a_handler_planted_lead_nowhere() {
        let bench = Bench::new(&[("a/b", "new"), ("f", "new")], &[]);
        fs::create_dir(bench.at("outside")).unwrap();
        fs::write(bench.at("outside/b"), "theirs").unwrap();
        fs::write(bench.at("outside/f"), "new").unwrap();
        symlink(bench.at("outside"), bench.at("to/a")).unwrap();
        symlink(bench.at("outside/f"), bench.at("to/f")).unwrap();
        bench.bring_up(&["a/b"]);
        assert_eq!(fs::read_to_string(bench.at("outside/b")).unwrap(), "theirs");
        assert_eq!(bench.read("a/b").unwrap(), "new");
        assert!(fs::symlink_metadata(bench.at("to/f")).unwrap().is_file());
    }

    #[test]
    fn a_second_name_and_a_changed_mode_are_put_right() {
        let bench = Bench::new(&[("a", "1"), ("run", "2")], &[("a", "1"), ("run", "2")]);
        fs::set_permissions(bench.at("from/run"), Permissions::from_mode(0o555)).unwrap();
        fs::set_permissions(bench.at("to/run"), Permissions::from_mode(0o4711)).unwrap();
        fs::hard_link(bench.at("to/a"), bench.at("to/other")).unwrap();
        bench.bring_up(&[]);
        assert_eq!(fs::metadata(bench.at("to/a")).unwrap().nlink(), 1);
        assert_eq!(fs::metadata(bench.at("to/run")).unwrap().mode() & 0o7777, 0o755);
    }

    #[test]
    fn excepted_places_are_left_alone() {
        let bench = Bench::new(&[("logs/x", "theirs"), ("a", "")], &[("logs/own", "1")]);
        bench.bring_up(&["logs/own"]);
        assert_eq!(bench.read("logs/own").unwrap(), "1");
        assert_eq!(bench.read("logs/x"), None);
    }
}
