//! A world as it stands at one moment, kept as a copy that it can be put back to.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::Point;
use crate::copies::{copy_of, put_back};
use crate::memory;
use crate::stage::{PRELUDE, set_up};
use crate::story::{Kind, Story};
use crate::support::World;

/// Stands for the program while a story is carried out: counts its runs, and has one of them ended. What comes after that
/// finds no program any more.
const STAND_IN: &str = r#"#!/bin/sh
[ ! -e "$STORY/.crashed" ] || exit 99
for word; do
    [ "$word" = run ] || continue
    echo >> "$STORY/.runs"
    [ "$(wc -l < "$STORY/.runs")" = RUN ] || break
    export DISPATCH_CRASH=STEP DISPATCH_CRASHED="$STORY/.crashed"
    break
done
exec PROGRAM "$@"
"#;

/// `ended STEP ARGUMENTS…`: the program, ended at a step by the story itself. Not counted.
const ENDED: &str = r#"#!/bin/sh
step=$1; shift
DISPATCH_CRASH=$step PROGRAM "$@" || true
"#;

/// A world before its story begins.
pub struct Frozen {
    pub world: World,
    start: tempfile::TempDir,
}

/// What a crash left.
pub struct Crash {
    /// How often the story has run the dispatcher, up to the crash.
    pub runs: usize,
    /// Whether it came to the point at all.
    pub reached: bool,
    /// A copy of the world afterwards.
    pub left: tempfile::TempDir,
}

impl Frozen {
    pub fn staged(story: &Story) -> io::Result<Self> {
        let world = World::below(&memory::place())?;
        set_up(&world, story)?;
        fs::set_permissions(world.root(), fs::Permissions::from_mode(0o711))?;
        let witness = world.path("tmp/witness");
        fs::write(&witness, "")?;
        fs::set_permissions(&witness, fs::Permissions::from_mode(0o666))?;
        let start = copy_of(world.root())?;
        Ok(Self { world, start })
    }

    /// Carries the story out from its beginning with the dispatcher ended at a point.
    pub fn crash_at(&self, story: &Story, point: &Point) -> io::Result<Crash> {
        put_back(&self.start, self.world.root())?;
        let program = self.world.path("bin/dispatch");
        fs::remove_file(&program)?;
        script(&program, &STAND_IN.replace("RUN", &point.run.to_string()).replace("STEP", &point.step))?;
        script(&self.world.path("bin/ended"), ENDED)?;
        let mark = self.world.path(".crashed");
        for section in story.sections.iter().filter(|section| matches!(section.kind, Kind::Run { .. })) {
            self.world.shell(&format!("{PRELUDE}{}", section.body))?;
            if mark.exists() {
                break;
            }
        }
        let left = self.world.wait_until_quiet();
        if !left.is_empty() {
            return Err(io::Error::other(format!("still there after the dispatcher was ended at {point:?}: {left:?}")));
        }
        let runs = fs::read_to_string(self.world.path(".runs")).unwrap_or_default().lines().count();
        let reached = mark.exists();
        let _ = fs::remove_file(&mark);
        fs::remove_file(&program)?;
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_dispatch"), &program)?;
        Ok(Crash { runs, reached, left: copy_of(self.world.root())? })
    }
}

fn script(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text.replace("PROGRAM", env!("CARGO_BIN_EXE_dispatch")))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}
