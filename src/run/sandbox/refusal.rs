//! What is asked of a slot that it does not do.
//!
//! Owns the checks of a [`Launch`] that need no system call but our own user. They are about the caller's mistakes: whether a handler may have
//! what it asks for was decided before.

use std::path::{Component, Path};

use nix::unistd::geteuid;

use super::wire::DESCRIPTORS_MAX;
use super::{Launch, SlotSetup, User};
use crate::job::Level;

/// stdin, stdout and stderr go the same way as the locks.
const LOCKS_MAX: usize = DESCRIPTORS_MAX - 3;

/// What a slot of this kind does not do.
pub(super) fn refusal(setup: &SlotSetup, launch: &Launch) -> Option<String> {
    let own = geteuid();
    let relative = |path: &Path| !path.is_absolute() || path.components().any(|part| part == Component::ParentDir);
    let bad_name = |name: &str| name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']);
    let paths = launch
        .mounts
        .iter()
        .flat_map(|mount| [&mount.source, &mount.target])
        .chain(&launch.empty_dirs)
        .chain(launch.files.iter().map(|file| &file.place))
        .chain([&launch.cwd, &launch.secrets_dir]);
    if launch.argv.is_empty() {
        return Some("the command is empty".into());
    }
    if let Some(path) = paths.into_iter().find(|path| relative(path)) {
        return Some(format!("`{}` is not an absolute plain path", path.display()));
    }
    if let Some((name, _)) = launch.secrets.iter().find(|(name, _)| bad_name(name)) {
        return Some(format!("`{name}` cannot name a secret's file"));
    }
    if launch.locks.len() > LOCKS_MAX {
        return Some(format!("more than {LOCKS_MAX} locks"));
    }
    match launch.user {
        Some(User { uid: 0, .. }) => return Some("a handler never runs as uid 0".into()),
        None if setup.level != Level::None && own.is_root() => {
            return Some(format!("as root a job at {} needs a uid", setup.level.as_str()));
        }
        Some(User { uid, .. }) if !own.is_root() && uid != own.as_raw() => {
            return Some(format!("only root can run a job as uid {uid}"));
        }
        _ => {}
    }
    if let Some(file) =
        launch.files.iter().find(|file| !launch.empty_dirs.iter().any(|dir| file.place.starts_with(dir)))
    {
        return Some(format!("`{}` is in no empty folder", file.place.display()));
    }
    if setup.level != Level::Isolated && !launch.scratch.is_empty() {
        return Some("without a mount namespace there is no file system of its own".into());
    }
    if setup.level == Level::None && !launch.mounts.is_empty()
        || setup.level != Level::Isolated && !launch.empty_dirs.is_empty()
    {
        return Some("without a mount namespace nothing can be mounted".into());
    }
    if setup.level == Level::Confined
        && let Some(moved) = launch.mounts.iter().find(|mount| mount.source != mount.target)
    {
        return Some(format!("without a mount namespace `{}` cannot be shown elsewhere", moved.source.display()));
    }
    if launch.tcp_ports.is_some() && (setup.level == Level::None || !setup.network) {
        return Some("TCP is narrowed to ports only where there are walls and a network".into());
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Limits, Mount};
    use super::*;

    fn launch() -> Launch {
        Launch {
            argv: vec!["true".into()],
            env: Vec::new(),
            cwd: "/".into(),
            stdin: Vec::new(),
            mounts: Vec::new(),
            empty_dirs: Vec::new(),
            files: Vec::new(),
            scratch: Vec::new(),
            refresh: None,
            watched: Vec::new(),
            user: Some(User::unnamed(if geteuid().is_root() { 60720 } else { geteuid().as_raw() })),
            tcp_ports: None,
            secrets: Vec::new(),
            secrets_dir: "/run/secrets".into(),
            limits: Limits {
                timeout: Duration::from_secs(1),
                grace: Duration::ZERO,
                memory: 0,
                pids: 0,
                cpu_time: None,
                tmp: 0,
                file_size: 0,
                nofile: 0,
            },
            locks: Vec::new(),
        }
    }

    fn why(level: Level, change: impl FnOnce(&mut Launch)) -> Option<String> {
        let setup = SlotSetup { index: 0, level, network: false, keeper: SlotSetup::SELF.into(), cgroup_name: None };
        let mut launch = launch();
        change(&mut launch);
        refusal(&setup, &launch)
    }

    #[test]
    fn what_a_slot_does_not_do_is_refused() {
        let refused = |change: fn(&mut Launch)| why(Level::Isolated, change).is_some();
        assert_eq!(why(Level::Isolated, |_| {}), None);
        assert!(refused(|launch| launch.user = Some(User::unnamed(0))));
        assert!(refused(|launch| launch.argv.clear()));
        assert!(refused(|launch| launch.cwd = "work".into()));
        assert!(refused(|launch| launch.empty_dirs = vec!["/a/../b".into()]));
        assert!(refused(|launch| launch.secrets = vec![("../x".into(), Vec::new())]));
        assert!(why(Level::Confined, |launch| launch.empty_dirs = vec!["/a".into()]).is_some());
        let mount = |source: &str| Mount { source: source.into(), target: "/srv".into(), writable: false };
        assert_eq!(why(Level::Confined, |launch| launch.mounts = vec![mount("/srv")]), None);
        assert!(why(Level::Confined, |launch| launch.mounts = vec![mount("/srv/other")]).is_some());
        assert!(why(Level::None, |launch| launch.mounts = vec![mount("/srv")]).is_some());
        assert!(refused(|launch| launch.tcp_ports = Some(vec![443])), "this slot has no network");
        assert!(why(Level::None, |launch| launch.empty_dirs = vec!["/a".into()]).is_some());
    }
}
