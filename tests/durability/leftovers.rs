//! What may not be left when all is done: locks and temporary objects in a repository, mounts, control groups.
//! Processes are `support::World::close`'s.

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

/// Control groups that belong to one of these dispatchers.
pub fn cgroups(dispatchers: &[u32]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let names: Vec<String> = dispatchers.iter().map(|process| format!("codex-dispatch-{process}-")).collect();
    walk(Path::new("/sys/fs/cgroup"), &mut |path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if names.iter().any(|head| name.starts_with(head)) {
            found.push(path.to_owned());
        }
    });
    found
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
