//! Secrets kept out of whatever is written down: masking of streams, scanning of files.
//!
//! Owns the list of spellings in which a secret may show up (`spellings`) and the search for them across
//! chunk borders. Never reads a secret from anywhere and never prints one: `Debug` shows names only.
//!
//! A guard against accidents (a tool that prints its command line, a handler that runs `set -x`), not
//! against a handler that wants to give a secret away: that one can always spell it in a new way.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde_json::Value;

mod spellings;

/// Secrets shorter than this many characters are not masked: too much that is innocent would match.
pub const SECRET_CHARS_MIN: usize = 8;

/// The secrets of one job, ready to be searched for. Cheap to clone.
#[derive(Clone)]
pub struct Secrets {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    automaton: AhoCorasick,
    /// Every pattern, sorted: tells whether some bytes are the beginning of one.
    sorted: Vec<Vec<u8>>,
    /// Which bytes a pattern begins with.
    first_bytes: [bool; 256],
    /// Index into `names` for each pattern of the automaton.
    owners: Vec<usize>,
    names: Vec<String>,
    /// What stands in place of each secret.
    masks: Vec<Vec<u8>>,
}

/// Whether a value is long enough to be masked.
pub fn is_masked(value: &[u8]) -> bool {
    spellings::are_any(value)
}

/// The secrets could not be compiled: together they are too large.
#[derive(Debug, thiserror::Error)]
#[error("compiling the spellings of {count} secrets")]
pub struct TooLarge {
    /// How many secrets there were.
    count: usize,
    source: aho_corasick::BuildError,
}

impl Secrets {
    /// No secrets: everything passes as it is.
    pub fn none() -> Self {
        Self { inner: None }
    }

    /// Compiles name and value pairs. Values under [`SECRET_CHARS_MIN`] characters are left out.
    ///
    /// # Errors
    /// [`TooLarge`], for gigabytes of secrets.
    pub fn new<N: AsRef<str>, V: AsRef<[u8]>>(secrets: &[(N, V)]) -> Result<Self, TooLarge> {
        let mut seen = HashSet::new();
        let (mut patterns, mut owners) = (Vec::new(), Vec::new());
        for (owner, (_, value)) in secrets.iter().enumerate() {
            for spelling in spellings::of(value.as_ref()) {
                if seen.insert(spelling.clone()) {
                    patterns.push(spelling);
                    owners.push(owner);
                }
            }
        }
        if patterns.is_empty() {
            return Ok(Self::none());
        }
        // The default may choose a DFA, and building one takes time by the square of a repetitive secret's length.
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&patterns)
            .map_err(|source| TooLarge { count: secrets.len(), source })?;
        let names: Vec<String> = secrets.iter().map(|(name, _)| name.as_ref().to_owned()).collect();
        let masks = names.iter().map(|name| mask(name, &automaton)).collect();
        let mut first_bytes = [false; 256];
        for pattern in &patterns {
            first_bytes[usize::from(pattern[0])] = true;
        }
        patterns.sort_unstable();
        Ok(Self { inner: Some(Arc::new(Inner { automaton, sorted: patterns, first_bytes, owners, names, masks })) })
    }

    /// The name of a secret that stands in `bytes`.
    pub fn find(&self, bytes: &[u8]) -> Option<&str> {
        let inner = self.inner.as_deref()?;
        let found = inner.automaton.find(bytes)?;
        Some(inner.name(found.pattern().as_usize()))
    }

    /// True where a secret stands in `bytes`.
    pub fn contains(&self, bytes: &[u8]) -> bool {
        self.find(bytes).is_some()
    }

    /// The name of a secret that stands in what `reader` gives, read in pieces.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn find_in(&self, reader: impl Read) -> io::Result<Option<&str>> {
        let Some(inner) = self.inner.as_deref() else {
            return Ok(None);
        };
        match inner.automaton.stream_find_iter(reader).next() {
            Some(found) => Ok(Some(inner.name(found?.pattern().as_usize()))),
            None => Ok(None),
        }
    }

    /// `bytes` with every secret masked.
    pub fn mask(&self, bytes: &[u8]) -> Vec<u8> {
        let mut masker = Masker::new(self);
        let mut out = Vec::with_capacity(bytes.len());
        masker.push(bytes, &mut out);
        masker.finish(&mut out);
        out
    }

    /// The same for text. Masks are ASCII and secrets are cut out whole, but half a character may stay of one that is no UTF-8.
    pub fn mask_text(&self, text: &str) -> String {
        match String::from_utf8(self.mask(text.as_bytes())) {
            Ok(text) => text,
            Err(fault) => String::from_utf8_lossy(fault.as_bytes()).into_owned(),
        }
    }

    /// Masks every string, key and number within a JSON value.
    pub fn mask_value(&self, value: &mut Value) {
        if self.inner.is_none() {
            return;
        }
        match value {
            Value::String(text) => *text = self.mask_text(text),
            Value::Array(list) => list.iter_mut().for_each(|item| self.mask_value(item)),
            Value::Object(map) => {
                *map = std::mem::take(map)
                    .into_iter()
                    .map(|(key, mut item)| {
                        self.mask_value(&mut item);
                        (self.mask_text(&key), item)
                    })
                    .collect();
            }
            Value::Number(number) => {
                let text = number.to_string();
                if self.contains(text.as_bytes()) {
                    *value = Value::String(self.mask_text(&text));
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.inner.as_deref().map(|inner| &inner.names);
        f.debug_struct("Secrets").field("names", &names).finish_non_exhaustive()
    }
}

impl Inner {
    fn name(&self, pattern: usize) -> &str {
        &self.names[self.owners[pattern]]
    }

    /// Length of the part of `bytes` in which no pattern can begin that needs bytes still to come.
    fn settled(&self, bytes: &[u8]) -> usize {
        let longest = self.automaton.max_pattern_len();
        let earliest = bytes.len().saturating_sub(longest - 1);
        (earliest..bytes.len()).find(|&start| self.begins_pattern(&bytes[start..])).unwrap_or(bytes.len())
    }

    /// True where `bytes` are a part, from the beginning and not the whole, of a pattern.
    fn begins_pattern(&self, bytes: &[u8]) -> bool {
        if !self.first_bytes[usize::from(bytes[0])] {
            return false;
        }
        // Patterns that begin with `bytes` stand together, right after `bytes` itself.
        let after = self.sorted.partition_point(|pattern| pattern.as_slice() <= bytes);
        self.sorted.get(after).is_some_and(|pattern| pattern.starts_with(bytes))
    }
}

/// Masks one stream. Gives the same output however the input is cut into chunks.
///
/// Every byte that belongs to any occurrence of any spelling goes; occurrences that overlap become one mask, that
/// of the one that begins first. Holds back only what may be the beginning of a secret.
pub struct Masker {
    secrets: Secrets,
    /// Bytes from the first place on where a secret may have begun.
    held: Vec<u8>,
    /// How many of them are covered by a mask that is already out.
    covered: usize,
    /// Index of the first secret that was met.
    hit: Option<usize>,
}

impl Masker {
    /// For the beginning of a stream.
    pub fn new(secrets: &Secrets) -> Self {
        Self { secrets: secrets.clone(), held: Vec::new(), covered: 0, hit: None }
    }

    /// Takes the next bytes, appends to `out` what is settled.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.secrets.inner.clone() {
            None => out.extend_from_slice(bytes),
            Some(inner) => {
                self.held.extend_from_slice(bytes);
                let settled = inner.settled(&self.held);
                self.advance(&inner, settled, out);
            }
        }
    }

    /// The stream is over: appends the rest.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(inner) = self.secrets.inner.clone() {
            self.advance(&inner, self.held.len(), out);
        }
    }

    /// The name of the first secret that was masked so far.
    pub fn hit(&self) -> Option<&str> {
        let inner = self.secrets.inner.as_deref()?;
        self.hit.map(|owner| inner.names[owner].as_str())
    }

    /// Writes out `held[..settled]`, in which every beginning of a secret is known together with its end.
    fn advance(&mut self, inner: &Inner, settled: usize, out: &mut Vec<u8>) {
        let mut found: Vec<_> = inner
            .automaton
            .find_overlapping_iter(&self.held)
            .filter(|found| found.start() < settled)
            .map(|found| (found.start(), found.end(), inner.owners[found.pattern().as_usize()]))
            .collect();
        // The longest of those that begin together names the mask.
        found.sort_unstable_by_key(|&(start, end, owner)| (start, std::cmp::Reverse(end), owner));
        let mut written = self.covered;
        for (start, end, owner) in found {
            if start >= written {
                out.extend_from_slice(&self.held[written..start]);
                out.extend_from_slice(&inner.masks[owner]);
                self.hit.get_or_insert(owner);
            }
            written = written.max(end);
        }
        if written < settled {
            out.extend_from_slice(&self.held[written..settled]);
            written = settled;
        }
        self.covered = written - settled;
        self.held.drain(..settled);
    }
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the bytes: they may be most of a secret.
        f.debug_struct("Masker")
            .field("secrets", &self.secrets)
            .field("held_bytes", &self.held.len())
            .finish_non_exhaustive()
    }
}

/// What stands in place of a secret: its name, unless the name itself spells a secret.
fn mask(name: &str, automaton: &AhoCorasick) -> Vec<u8> {
    // A name comes from the index; nothing in it may end a line or move a cursor.
    let name: String = name.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
    [format!("[masked:{name}]"), "[masked]".to_owned()]
        .into_iter()
        .find(|mask| !automaton.is_match(mask))
        .unwrap_or_else(|| "***".to_owned())
        .into_bytes()
}

#[cfg(test)]
mod tests;
