//! Where a test keeps its folder when its faults end processes and not machines: in memory, where a sync costs nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A folder in memory where programs may be executed and a gigabyte is free; where the machine has none, the usual one.
pub fn place() -> PathBuf {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    let found = PLACE.get_or_init(|| {
        let shared = Path::new("/dev/shm");
        let large = rustix::fs::statvfs(shared).is_ok_and(|room| room.f_bavail * room.f_frsize > 1 << 30);
        if large && may_execute(shared) { shared.to_owned() } else { std::env::temp_dir() }
    });
    found.clone()
}

fn may_execute(folder: &Path) -> bool {
    let Ok(probe) = tempfile::Builder::new().prefix("dispatch-probe-").tempdir_in(folder) else { return false };
    let script = probe.path().join("script");
    fs::write(&script, "#!/bin/sh\n").is_ok()
        && fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).is_ok()
        && Command::new(&script).status().is_ok_and(|status| status.success())
}
