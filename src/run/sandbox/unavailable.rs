//! What is said when a machine cannot give a layer.
//!
//! Owns the words and the advice. It reads a few settings of the kernel to advise well; it never decides what to do instead.

use std::fs;
use std::path::Path;

use super::wire::Fault;

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
        let hint = hint(&layer, nix::unistd::geteuid().is_root(), &Settings::read());
        Self { layer, kernel, hint }
    }
}

/// The settings that most often stand in the way.
#[derive(Default)]
struct Settings {
    apparmor_restricts: bool,
    user_namespaces_off: bool,
    container: bool,
}

impl Settings {
    fn read() -> Self {
        let is = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|content| content.trim() == value);
        Self {
            apparmor_restricts: is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
            user_namespaces_off: is("/proc/sys/kernel/unprivileged_userns_clone", "0")
                || is("/proc/sys/user/max_user_namespaces", "0"),
            container: ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists()),
        }
    }
}

fn hint(layer: &str, root: bool, settings: &Settings) -> String {
    match layer {
        "confined" => "ask for level `isolated`, or `none` where the host file allows it",
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
                "inside a container: give it CAP_SYS_ADMIN and an unmasked /proc, or let the host file allow level `none`"
            } else if root {
                "root without CAP_SYS_ADMIN? run it where namespaces may be made, or let the host file allow level `none`"
            } else {
                "run as root, or where ordinary users may make user namespaces"
            }
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
        assert!(hint("namespace.user", false, &restricted).contains("AppArmor"));
        assert!(!hint("namespace.user", true, &restricted).contains("AppArmor"));
        let container = Settings { container: true, ..Settings::default() };
        assert!(hint("namespace.pid", true, &container).contains("container"));
    }

    #[test]
    fn it_reads_as_one_line() {
        let unavailable = Unavailable { layer: "proc".into(), kernel: "EPERM".into(), hint: "do this".into() };
        assert_eq!(unavailable.to_string(), "sandbox_unavailable: proc: EPERM; do this");
    }
}
