//! The properties that `scripts/soak.sh` fuzzes, on stable: over every file of the corpora, over everything that was ever
//! found (`fuzz/regressions`), and over a fixed set of inputs made from those by a small mutator.
//!
//! One test a target and kind. The properties themselves stand in `fuzz/src`.

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};

#[path = "../fuzz/src/lib.rs"]
mod properties;

use properties::{Property, TARGETS};

/// Inputs made up for each target.
const MUTATIONS: usize = 1000;
/// The longest of them: what breaks a property mostly breaks it in few bytes.
const MUTATION_BYTES_MAX: usize = 2000;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("every target has its fuzzer, its corpus and its place in the lists", || {
            complete().map_err(Failed::from)
        }),
        Trial::test("a broken property is reported with its input", || reports().map_err(Failed::from)),
    ];
    for (name, make) in LARGE {
        trials.push(Trial::test(format!("large::{name}"), move || large(make).map_err(Failed::from)));
    }
    for (name, property) in TARGETS {
        trials.push(Trial::test(format!("{name}::corpus"), move || replay(name, property).map_err(Failed::from)));
        trials.push(Trial::test(format!("{name}::mutations"), move || mutate(name, property).map_err(Failed::from)));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// Makes an input of at most so many bytes.
type Make = fn(usize) -> String;

/// Inputs as large as their format allows, of the kinds that make readers slow.
const LARGE: [(&str, Make); 9] = [
    ("many unknown keys in one line", |bytes| format!("{{{}}}", numbered(bytes, |n| format!("k{n}: ,")))),
    ("many unknown keys in many lines", |bytes| numbered(bytes, |n| format!("k{n}:\n"))),
    ("a list in one line", |bytes| format!("kind: [{}]", "a,".repeat(bytes / 2 - 10))),
    ("one long key", |bytes| format!("? {}\n: 1\n", "k".repeat(bytes - 10))),
    ("one long word", |bytes| "a".repeat(bytes)),
    ("open brackets", |bytes| "[".repeat(bytes)),
    ("open questions", |bytes| "? ".repeat(bytes / 2)),
    ("anchors", |bytes| numbered(bytes, |n| format!("- &a{n} x\n"))),
    ("quoted line ends", |bytes| format!("kind: \"{}\"", "\n".repeat(bytes - 10))),
];

/// Pieces with a number in them, up to a size.
fn numbered(bytes: usize, piece: fn(usize) -> String) -> String {
    let mut text = String::with_capacity(bytes);
    for number in 0.. {
        let piece = piece(number);
        if text.len() + piece.len() + 2 > bytes {
            break;
        }
        text.push_str(&piece);
    }
    text
}

/// Time and memory have a bound: these take minutes or gigabytes wherever work grows by the square of the size.
fn large(make: Make) -> Result<(), String> {
    for (bytes, property) in [
        (64 << 10, properties::yaml as Property),
        (64 << 10, properties::request),
        (256 << 10, properties::index),
        (128 << 10, properties::host_file),
    ] {
        hold(property, make(bytes).as_bytes())?;
    }
    Ok(())
}

/// Every file of a target as it is.
fn replay(name: &str, property: Property) -> Result<(), String> {
    for (path, bytes) in inputs(name)? {
        hold(property, &bytes).map_err(|why| format!("{}: {why}", path.display()))?;
    }
    Ok(())
}

/// The files of a target, changed; the same changes each time.
fn mutate(name: &str, property: Property) -> Result<(), String> {
    let seeds: Vec<Vec<u8>> = inputs(name)?.into_iter().map(|(_, bytes)| bytes).collect();
    let mut mutator = Mutator { state: 0x9e37_79b9_7f4a_7c15 };
    for number in 0..MUTATIONS {
        let bytes = mutator.next(&seeds);
        hold(property, &bytes).map_err(|why| {
            let shown = bytes.escape_ascii();
            format!("mutation {number}: {why}\nas a file below fuzz/regressions/{name}/: printf '{shown}'")
        })?;
    }
    Ok(())
}

/// The property for one input; its panic becomes words.
fn hold(property: Property, bytes: &[u8]) -> Result<(), String> {
    panic::catch_unwind(|| property(bytes)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
    })
}

/// Corpus and regressions of a target, by name.
fn inputs(name: &str) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
    let mut paths = Vec::new();
    for folder in ["corpus", "regressions"] {
        let folder = fuzz().join(folder).join(name);
        if folder.is_dir() {
            paths.extend(listed(&folder)?);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Ok((path.clone(), fs::read(&path).map_err(|error| error.to_string())?))).collect()
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(|error| error.to_string())).collect()
}

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// A target that is forgotten in one of the places would never run there.
fn complete() -> Result<(), String> {
    let named = |folder: &str| -> Result<Vec<String>, String> {
        let stem = |path: PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let mut names: Vec<String> = listed(&fuzz().join(folder))?.into_iter().filter_map(stem).collect();
        names.sort();
        Ok(names)
    };
    let targets: Vec<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).map_err(|error| error.to_string())?;
    let bins = manifest.matches("[[bin]]").count();
    let regressions = named("regressions").unwrap_or_default();
    if named("corpus")? != targets || named("fuzz_targets")? != targets || bins != targets.len() {
        return Err(format!(
            "fuzz/src/lib.rs, fuzz_targets, corpus and Cargo.toml do not have the same targets: {targets:?}"
        ));
    }
    if let Some(stray) = regressions.iter().find(|name| !targets.contains(name)) {
        return Err(format!("fuzz/regressions/{stray} belongs to no target"));
    }
    for name in &targets {
        let files = inputs(name)?;
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        if files.is_empty() || files.len() > 100 || bytes > 400_000 {
            return Err(format!(
                "fuzz/corpus/{name}: {} files of {bytes} bytes; a few dozen small ones are meant",
                files.len()
            ));
        }
    }
    Ok(())
}

fn reports() -> Result<(), String> {
    let broken: Property = |bytes| assert!(!bytes.contains(&b':'), "it has a colon");
    match mutate("yaml", broken) {
        Err(why) if why.contains("it has a colon") && why.contains("printf '") => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// A small deterministic source of inputs.
struct Mutator {
    state: u64,
}

impl Mutator {
    /// One of the seeds with one to six changes.
    fn next(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        bytes.truncate(MUTATION_BYTES_MAX);
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 => bytes.insert(at, self.interesting()),
                1 if at < bytes.len() => bytes[at] = self.interesting(),
                2 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                3 => drop(bytes.drain(at..(at + self.below(9)).min(bytes.len()))),
                4 => {
                    let piece = bytes[at..(at + self.below(40)).min(bytes.len())].to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
                _ => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(60)).min(other.len());
                    bytes.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
        bytes
    }

    /// Bytes that mean something to some parser, more often than others.
    fn interesting(&mut self) -> u8 {
        const MEANING: &[u8] = b"\n\r\t :-#{}[],&*!|>'\"%@`?<=~./\\0019eE+_\x00\x1b\x7f\x85\xa0\xc2\xe2\xff";
        if self.below(4) == 0 { self.state.to_le_bytes()[3] } else { MEANING[self.below(MEANING.len())] }
    }

    fn below(&mut self, sides: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).expect("31 bits") % sides
    }
}
