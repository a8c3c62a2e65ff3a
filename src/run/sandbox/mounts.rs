//! What is mounted where.
//!
//! Owns the reading of `/proc/self/mountinfo`. It touches no file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;

/// What is mounted where (of several on one place the last), with the flags that an ordinary user may not take off.
pub(super) struct MountTable(BTreeMap<PathBuf, MsFlags>);

impl MountTable {
    /// Reads the kernel's `mountinfo`; lines that it does not understand are passed over.
    pub(super) fn parse(mountinfo: &str) -> Self {
        let row = |line: &str| {
            let mut fields = line.split(' ').skip(4);
            let point = PathBuf::from(unescape(fields.next()?));
            let flags = fields.next()?.split(',').map(|option| match option {
                "ro" => MsFlags::MS_RDONLY,
                "nosuid" => MsFlags::MS_NOSUID,
                "nodev" => MsFlags::MS_NODEV,
                "noexec" => MsFlags::MS_NOEXEC,
                _ => MsFlags::empty(),
            });
            Some((point, flags.fold(MsFlags::empty(), MsFlags::union)))
        };
        Self(mountinfo.lines().filter_map(row).collect())
    }

    /// The flags of the mount that a path lies on: the deepest.
    pub(super) fn flags_at(&self, path: &Path) -> MsFlags {
        self.0
            .iter()
            .filter(|(point, _)| path.starts_with(point))
            .max_by_key(|(point, _)| point.components().count())
            .map_or(MsFlags::empty(), |(_, flags)| *flags)
    }

    /// The mounts strictly below a path, relative to it.
    pub(super) fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (&'a Path, MsFlags)> {
        self.0
            .iter()
            .filter_map(move |(point, flags)| Some((point.strip_prefix(path).ok()?, *flags)))
            .filter(|(below, _)| !below.as_os_str().is_empty())
    }
}

/// The kernel writes blanks and backslashes of a path as three octal digits.
fn unescape(field: &str) -> String {
    ["\\040", "\\011", "\\012", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "\\"])
        .fold(field.to_owned(), |field, (code, plain)| field.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 27 0:21 / /host ro,relatime - ext4 /dev/a rw
23 27 0:21 / /host/srv rw,nosuid,nodev - ext4 /dev/b rw
24 27 0:21 / /host/srv/a\\040b rw,noexec shared:1 - ext4 /dev/b rw
25 27 0:21 / /host/srv rw,nosuid - tmpfs x rw
";

    #[test]
    fn a_path_has_the_flags_of_the_topmost_mount_it_lies_on() {
        let table = MountTable::parse(TABLE);
        assert_eq!(table.flags_at(Path::new("/host/usr")), MsFlags::MS_RDONLY);
        assert_eq!(table.flags_at(Path::new("/host/srv/x")), MsFlags::MS_NOSUID);
        assert_eq!(table.flags_at(Path::new("/host/srv/a b/c")), MsFlags::MS_NOEXEC);
        assert_eq!(table.flags_at(Path::new("/other")), MsFlags::empty());
    }

    #[test]
    fn mounts_below_are_relative_and_exclude_the_place_itself() {
        let table = MountTable::parse(TABLE);
        let below: Vec<_> = table.below(Path::new("/host/srv")).collect();
        assert_eq!(below, [(Path::new("a b"), MsFlags::MS_NOEXEC)]);
    }

    #[test]
    fn damaged_lines_are_passed_over() {
        assert!(MountTable::parse("\n1 2 3\n").0.is_empty());
    }
}
