//! A handler of our own that runs in a real slot, for a moment, to find something out: what the self-test and `host check` try things
//! with. Owns the set-up of such a run, never what is tried.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::job::Level;
use crate::run::sandbox::{Control, Ending, Launch, Limits, Mount, Slot, Stream, Unavailable, User};
use crate::run::{Local, PATH};

/// What is kept of what a trial prints, of each stream.
const OUTPUT_MAX: usize = 64 << 10;

/// The environment of a trial, whole.
pub const ENVIRONMENT: [(&str, &str); 2] = [("PATH", PATH), ("LANG", "C.UTF-8")];

/// A slot to try things in.
pub struct Trial {
    slot: Slot,
}

/// A slot of each level, started when it is first asked for.
pub struct Trials<'a> {
    index: u32,
    keeper: &'a Path,
    started: BTreeMap<Level, Result<Trial, Unavailable>>,
}

impl<'a> Trials<'a> {
    /// With numbers from `index` on, which no worker has.
    pub fn new(index: u32, keeper: &'a Path) -> Self {
        Self { index, keeper, started: BTreeMap::new() }
    }

    /// The slot of a level, without network.
    ///
    /// # Errors
    /// The machine lacks a layer of it.
    pub fn at(&mut self, level: Level) -> Result<&mut Trial, &Unavailable> {
        // Two that are there at once must not want the same control group.
        let index = self.index + level as u32;
        let start = || Trial::start(index, level, false, self.keeper);
        self.started.entry(level).or_insert_with(start).as_mut().map_err(|fault| &*fault)
    }
}

/// One thing to try.
pub struct Attempt {
    /// The command.
    pub argv: Vec<String>,
    /// What of the host it sees, where the level has a view of its own.
    pub mounts: Vec<Mount>,
    /// The working folder, as it sees it.
    pub cwd: PathBuf,
    /// Who tries, as root; an ordinary user tries as itself.
    pub uid: Option<u32>,
    /// How much it may use.
    pub limits: Limits,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained of.
    pub stderr: Vec<u8>,
}

impl Trial {
    /// Starts a slot. `index` is a number that no worker has.
    ///
    /// # Errors
    /// The machine lacks a layer of that level.
    pub fn start(index: u32, level: Level, network: bool, keeper: &Path) -> Result<Self, Unavailable> {
        Ok(Self { slot: Slot::start(&Local::setup(index, level, network, keeper))? })
    }

    /// The layers that are active.
    pub fn layers(&self) -> &[String] {
        self.slot.layers()
    }

    /// Whether it has all these layers.
    ///
    /// # Errors
    /// The first that is missing.
    pub fn require(&self, layers: &[String]) -> Result<(), Unavailable> {
        self.slot.require(layers)
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// It could not be carried out: what was refused, in words.
    pub fn run(&mut self, attempt: Attempt) -> Result<Outcome, String> {
        let control = Control::new().map_err(|error| format!("making a control: {error}"))?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut sink = |stream, bytes: &[u8]| {
            let into = if stream == Stream::Stdout { &mut stdout } else { &mut stderr };
            let room = OUTPUT_MAX.saturating_sub(into.len()).min(bytes.len());
            into.extend_from_slice(&bytes[..room]);
        };
        let launch = Launch {
            argv: attempt.argv,
            env: ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            cwd: attempt.cwd,
            stdin: Vec::new(),
            mounts: attempt.mounts,
            empty_dirs: Vec::new(),
            files: Vec::new(),
            scratch: Vec::new(),
            refresh: None,
            watched: Vec::new(),
            user: attempt.uid.map(User::unnamed),
            tcp_ports: None,
            secrets: Vec::new(),
            secrets_dir: PathBuf::from("/run/secrets"),
            limits: attempt.limits,
            locks: Vec::new(),
        };
        let ending = self.slot.run(launch, &mut sink, &control).map_err(|error| error.to_string())?;
        Ok(Outcome { ending, stdout, stderr })
    }
}

/// What a trial may use unless it is a limit that is tried.
pub fn limits() -> Limits {
    Limits {
        timeout: Duration::from_secs(30),
        grace: Duration::from_secs(1),
        memory: 256 << 20,
        pids: 64,
        cpu_time: Some(Duration::from_secs(20)),
        tmp: 1 << 20,
        file_size: 1 << 20,
        nofile: 256,
    }
}
