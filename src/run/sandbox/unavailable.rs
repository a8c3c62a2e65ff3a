//! What is said when a machine cannot give a layer, or a program cannot be started.
//!
//! Owns the words and the advice. It reads a few settings of the kernel to advise well; it never decides what to do instead.

use std::fs;
use std::io;
use std::path::Path;

use nix::errno::Errno;

use super::wire::{Fault, Report};
use crate::job::Level;

/// A layer that this machine does not give. The machine's fault, never the request's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sandbox_unavailable: {layer}: {kernel}; {hint}")]
pub struct Unavailable {
    /// The layer, in the words of [`super::Slot::layers`].
    pub layer: String,
    /// What was tried, and what the kernel said.
    pub kernel: String,
    /// What to do about it.
    pub hint: String,
}

impl From<Fault> for Unavailable {
    fn from(Fault { layer, kernel }: Fault) -> Self {
        let hint = hint(&layer, &kernel, nix::unistd::geteuid().is_root(), &Settings::read(Path::new("/")));
        Self { layer, kernel, hint }
    }
}

impl Unavailable {
    /// A layer that the host file makes a must, and is not active.
    pub(super) fn required(layer: &str, words: &str) -> Self {
        let hint = if layer.starts_with("cgroup.") {
            "run as root, or as a service with `Delegate=yes` where control groups are v2, or take it out of `levels.require`"
        } else if layer.starts_with("landlock") {
            "a kernel of 6.12 or newer with Landlock switched on has it, or take it out of `levels.require`"
        } else {
            "take it out of `levels.require`, or make the machine give it: `dispatch --selftest` shows what it gives"
        };
        Self {
            layer: layer.to_owned(),
            kernel: format!("the host file requires it, and {words}"),
            hint: hint.to_owned(),
        }
    }
}

/// Why a program could not be started, said where it was looked for. Where the machine had no means for it just then, that is
/// no fault of the program's.
pub(super) fn not_started(program: &str, error: &io::Error, level: Level) -> Report {
    if is_passing(error) {
        return Report::Fault(Fault { layer: "process".to_owned(), kernel: format!("starting `{program}`: {error}") });
    }
    Report::NotStarted(words_of(program, error, level))
}

/// Too many processes, no memory, no descriptors: it may work in a moment.
fn is_passing(error: &io::Error) -> bool {
    const PASSING: [Errno; 4] = [Errno::EAGAIN, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE];
    error.raw_os_error().is_some_and(|code| PASSING.contains(&Errno::from_raw(code)))
}

fn words_of(program: &str, error: &io::Error, level: Level) -> String {
    let advice = match (error.kind(), fs::metadata(program).is_ok()) {
        (io::ErrorKind::NotFound, false) if level == Level::None => "this machine has no such program",
        (io::ErrorKind::PermissionDenied, _) if level == Level::None => "look at its mode, and at those of its folders",
        (io::ErrorKind::NotFound, true) => "it is there, and the loader or interpreter that it needs is not",
        (io::ErrorKind::NotFound, false) => {
            "handlers have no such program: install it below /usr, or have its folder granted by `sandbox.read`"
        }
        (io::ErrorKind::PermissionDenied, _) => {
            "handlers may not execute it: look at its mode, install it below /usr, or have its folder granted by `sandbox.read`"
        }
        (_, true) if error.raw_os_error() == Some(Errno::ENOEXEC as i32) => "it is no program for this machine",
        _ => return format!("starting `{program}`: {error}"),
    };
    format!("starting `{program}`: {error}; {advice}")
}

/// The settings that most often stand in the way.
#[derive(Default)]
struct Settings {
    apparmor_restricts: bool,
    user_namespaces_off: bool,
    container: bool,
}

impl Settings {
    /// From the file tree at `root`; what is not there stands in nobody's way.
    fn read(root: &Path) -> Self {
        let content = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let is = |path: &str, value: &str| content(path).trim() == value;
        Self {
            apparmor_restricts: is("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
            user_namespaces_off: is("proc/sys/kernel/unprivileged_userns_clone", "0")
                || is("proc/sys/user/max_user_namespaces", "0"),
            container: [".dockerenv", "run/.containerenv"].iter().any(|mark| root.join(mark).exists()),
        }
    }
}

fn hint(layer: &str, kernel: &str, root: bool, settings: &Settings) -> String {
    match layer {
        "landlock" if kernel.contains("EOPNOTSUPP") => {
            "boot with `landlock` first in the list of `lsm=` (what is there now stands in /sys/kernel/security/lsm), \
             or ask for level `isolated`"
        }
        "landlock" if kernel.contains("ENOSYS") => {
            "a kernel with CONFIG_SECURITY_LANDLOCK is needed (inside a container its seccomp profile may hide the calls), \
             or ask for level `isolated`"
        }
        "landlock" => "a kernel of 6.12 or newer is needed, or root, where each slot has a uid of its own; or ask for level `isolated`",
        "landlock.net" => "a kernel of 6.7 or newer is needed; or ask for `network: true`, which the host file must allow",
        "keeper" => "is the program's file still there and executable?",
        "namespace.net" | "namespace.pid" | "namespace.mount" | "namespace.user" | "root"
        | "proc" => {
            if !root && settings.apparmor_restricts {
                "AppArmor keeps ordinary users from user namespaces: run as root, give the program a profile with `userns,`, \
                 or set kernel.apparmor_restrict_unprivileged_userns=0"
            } else if !root && settings.user_namespaces_off {
                "user namespaces are switched off: run as root, or set kernel.unprivileged_userns_clone=1 and \
                 user.max_user_namespaces above 0"
            } else if settings.container {
                "inside a container: give it CAP_SYS_ADMIN and an unmasked /proc, or ask for level `confined`, \
                 which needs neither (`levels: {minimum: confined}` in the host file)"
            } else if root {
                "root without CAP_SYS_ADMIN? run it where namespaces may be made, or ask for level `confined`, which needs \
                 none (`levels: {minimum: confined}` in the host file)"
            } else {
                "run as root, or where ordinary users may make user namespaces"
            }
        }
        "user" if root => {
            "root that may not become another user, as in a user namespace that maps root alone? run the dispatcher as an \
             ordinary user, or where the range `uids` is mapped"
        }
        "cgroup" => "is the control group still there? start the slot again",
        _ => "`dispatch --selftest` shows what this machine gives",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_follows_the_setting_that_is_in_the_way() {
        let restricted = Settings { apparmor_restricts: true, ..Settings::default() };
        assert!(hint("namespace.user", "", false, &restricted).contains("AppArmor"));
        assert!(!hint("namespace.user", "", true, &restricted).contains("AppArmor"));
        let container = Settings { container: true, ..Settings::default() };
        assert!(hint("namespace.pid", "", true, &container).contains("container"));
        // The next level, never the last one.
        for settings in [&container, &Settings::default()] {
            let advice = hint("namespace.pid", "", true, settings);
            assert!(advice.contains("level `confined`"), "{advice}");
            assert!(!advice.contains("level `none`"), "{advice}");
        }
        assert!(hint("user", "setgroups: EPERM", true, &Settings::default()).contains("user namespace"));
    }

    #[test]
    fn settings_are_read_from_where_they_stand() {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, content: &str| {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        };
        let advice = |layer: &str| hint(layer, "EPERM", false, &Settings::read(root.path()));
        assert!(advice("namespace.user").starts_with("run as root"));
        put(".dockerenv", "");
        assert!(advice("namespace.mount").contains("CAP_SYS_ADMIN"));
        put("proc/sys/user/max_user_namespaces", "0\n");
        assert!(advice("namespace.user").contains("user.max_user_namespaces above 0"));
        // Ubuntu 24.04.
        put("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
        assert!(advice("namespace.user").contains("kernel.apparmor_restrict_unprivileged_userns=0"));
    }

    #[test]
    fn advice_on_landlock_follows_the_kernels_words() {
        let advice = |layer: &str, words: &str| hint(layer, words, false, &Settings::default());
        assert!(advice("landlock", "not switched on (EOPNOTSUPP)").contains("`lsm=`"));
        assert!(advice("landlock", "built without it (ENOSYS)").contains("CONFIG_SECURITY_LANDLOCK"));
        assert!(advice("landlock", "ABI 5").contains("6.12"));
        assert!(advice("landlock.net", "ABI 3").contains("6.7"));
    }

    #[test]
    fn it_reads_as_one_line() {
        let unavailable = Unavailable { layer: "proc".into(), kernel: "EPERM".into(), hint: "do this".into() };
        assert_eq!(unavailable.to_string(), "sandbox_unavailable: proc: EPERM; do this");
    }
}
