//! What may not be left when all is done: locks and temporary objects in a repository, mounts, control groups.
//! Processes are `support::World::close`'s.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lock files and temporary objects below a git directory.
pub fn in_repository(git_dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(git_dir, &mut |path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_lock = path.extension().is_some_and(|extension| extension == "lock");
        let is_temporary = ["tmp_obj", "tmp_pack", "tmp_idx", "incoming-"].iter().any(|head| name.starts_with(head));
        if is_lock || is_temporary {
            found.push(path.to_owned());
        }
    });
    found
}

/// Mounts of this process's view that lie in or come from a folder.
pub fn mounts(folder: &Path) -> Vec<String> {
    let name = folder.to_string_lossy();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().filter(|line| line.contains(&*name)).map(str::to_owned).collect()
}

/// The control groups of every dispatcher that there is.
pub fn all_cgroups() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    walk(Path::new("/sys/fs/cgroup"), &mut |path| {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("codex-dispatch-")) {
            found.insert(path.to_owned());
        }
    });
    found
}

/// Control groups that belong to one of these dispatchers. Those of `before` are others': numbers of processes come again.
pub fn cgroups(dispatchers: &[u32], before: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let names: Vec<String> = dispatchers.iter().map(|process| format!("codex-dispatch-{process}-")).collect();
    let is_theirs = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        names.iter().any(|head| name.starts_with(head))
    };
    all_cgroups().into_iter().filter(|path| is_theirs(path) && !before.contains(path)).collect()
}

/// Files and folders below a folder; what vanishes meanwhile is passed over.
fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        visit(&entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), visit);
        }
    }
}
