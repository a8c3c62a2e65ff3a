//! Real repositories for tests: a clone with or without a bare origin, fixed identity and time.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Checkout, Identity, Oid, Repo, Settings};

pub(super) struct Bench {
    dir: tempfile::TempDir,
}

pub(super) fn tester() -> Identity {
    Identity { name: "Tester".to_owned(), email: "tester@example.invalid".to_owned() }
}

impl Bench {
    /// A repository `clone` with one commit on main and no remote.
    pub(super) fn local() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        bench.git(&bench.path(""), &["init", "-q", "-b", "main", "clone"]);
        bench.write("seed", "seed\n");
        bench.commit("seed");
        bench
    }

    /// The same, with a bare origin beside it.
    pub(super) fn with_remote() -> Self {
        let bench = Self::local();
        bench.git(&bench.path(""), &["clone", "-q", "--bare", "clone", "origin.git"]);
        let origin = bench.origin_dir().display().to_string();
        bench.git(&bench.clone_dir(), &["remote", "add", "origin", &origin]);
        bench
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        let root = self.dir.path().canonicalize().unwrap();
        if name.is_empty() { root } else { root.join(name) }
    }

    pub(super) fn clone_dir(&self) -> PathBuf {
        self.path("clone")
    }

    pub(super) fn origin_dir(&self) -> PathBuf {
        self.path("origin.git")
    }

    pub(super) fn repo(&self) -> Repo {
        self.repo_at("clone")
    }

    pub(super) fn repo_at(&self, name: &str) -> Repo {
        let mut settings = Settings::new("main");
        settings.holds_lock = true;
        settings.protocols.push("http".to_owned());
        std::fs::create_dir_all(self.path("state")).unwrap();
        Repo::open(Checkout::discover(&self.path(name)).unwrap(), &self.path("state"), settings).unwrap()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let file = self.clone_dir().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    pub(super) fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let file = self.origin_dir().join("hooks").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Commits everything in the clone's work tree.
    pub(super) fn commit(&self, message: &str) -> Oid {
        self.git(&self.clone_dir(), &["add", "-A"]);
        self.git(&self.clone_dir(), &["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    pub(super) fn head(&self) -> Oid {
        self.git(&self.clone_dir(), &["rev-parse", "HEAD"]).parse().unwrap()
    }

    pub(super) fn git(&self, dir: &Path, args: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path(""))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Tester")
            .env("GIT_AUTHOR_EMAIL", "tester@example.invalid")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_NAME", "Tester")
            .env("GIT_COMMITTER_EMAIL", "tester@example.invalid")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .args(["-c", "protocol.file.allow=always"])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }
}
