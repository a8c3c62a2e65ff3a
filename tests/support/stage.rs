//! What a story stands on before its first step: its files, the first commit, the origin; and the shell lines that every step may use.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::story::{Kind, Remote, Story};
use crate::support::{Ended, World};

/// Put before every step.
pub const PRELUDE: &str = r#"merge() {
    git add -A && git commit -qm "$1"
    if git remote | grep -q .; then git push -q origin HEAD; fi
}
origin() { git -C "$STORY/origin.git" "$@"; }
"#;

/// The stories of a folder, by name.
pub fn story_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of stories");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "story"));
    files.sort();
    files
}

/// Writes the files, makes the first commit and the origin.
pub fn set_up(world: &World, story: &Story) -> io::Result<Ended> {
    let here = |text: &str| text.replace("[STORY]", &world.root().display().to_string());
    let mut remote = Remote::Bare;
    let before = story.sections.iter().take_while(|section| !matches!(section.kind, Kind::Run { .. }));
    for section in before {
        match &section.kind {
            Kind::Remote(wanted) => remote = *wanted,
            Kind::Host => world.write_host(&here(&section.text()))?,
            Kind::File { path, executable } => {
                world.write(path, &here(&section.text()))?;
                let mode = if *executable { 0o755 } else { 0o644 };
                fs::set_permissions(world.path("clone").join(path), fs::Permissions::from_mode(mode))?;
            }
            Kind::Link { path, target } => {
                world.write(path, "")?;
                let path = world.path("clone").join(path);
                fs::remove_file(&path)?;
                symlink(target, path)?;
            }
            _ => {}
        }
    }
    let identity = "git config user.name 'Story Teller'\ngit config user.email story@example.com\n";
    let origin = here("git init -q --bare -b main [STORY]/origin.git\ngit remote add origin [STORY]/origin.git\n");
    let commit = "git add -A\ngit commit -q --allow-empty -m start\n";
    let push = "git push -q -u origin main\n";
    let script = match remote {
        Remote::Bare => format!("git init -q -b main\n{identity}{origin}{commit}{push}"),
        Remote::Empty => format!("git init -q -b main\n{identity}{origin}"),
        Remote::None => format!("git init -q -b main\n{identity}{commit}"),
        Remote::NoRepository => String::new(),
    };
    world.must(&script)?;
    world.shell("true")
}

/// The repository that others read: the origin, or without one the clone itself.
pub fn mainline(world: &World) -> &'static str {
    if world.path("origin.git").exists() { "origin.git" } else { "clone" }
}
