//! Where a test keeps its folder when its faults end processes and not machines: in memory, where a sync costs nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// From now on temporary folders of this process are made in memory, where the machine has room for them there.
pub fn prefer_memory() {
    let shared = Path::new("/dev/shm");
    let large = rustix::fs::statvfs(shared).is_ok_and(|room| room.f_bavail * room.f_frsize > 1 << 30);
    if large && may_execute(shared) {
        // Somebody may have chosen before us, which is as good.
        let _ = tempfile::env::override_temp_dir(shared);
    }
}

fn may_execute(folder: &Path) -> bool {
    let Ok(probe) = tempfile::Builder::new().prefix("dispatch-probe-").tempdir_in(folder) else { return false };
    let script = probe.path().join("script");
    fs::write(&script, "#!/bin/sh\n").is_ok()
        && fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).is_ok()
        && Command::new(&script).status().is_ok_and(|status| status.success())
}
