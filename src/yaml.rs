//! Strict YAML: one document, read the same by every parser, or a refusal that says where and why.
//!
//! Owns what a YAML file may hold (docs: "YAML is read strictly") and where in the file each key and
//! value stands. It knows nothing of requests or schemas, and opens no file. Memory and time are
//! bounded by [`Limits`]: nesting, nodes and what aliases expand to are counted while reading.
//!
//! | code | rule |
//! |---|---|
//! | E0100 | the file is within the size limit |
//! | E0101 | UTF-8, with or without BOM |
//! | E0102 | no control or invisible line-ending characters |
//! | E0103 | YAML syntax |
//! | E0104 | there is a document |
//! | E0105 | there is only one document |
//! | E0106 | no tags |
//! | E0107 | no merge keys |
//! | E0108 | no duplicate keys |
//! | E0109 | keys are strings |
//! | E0110 | plain scalars mean the same in YAML 1.1 and 1.2 |
//! | E0111 | numbers are finite and fit 64 bits |
//! | E0112 | depth |
//! | E0113 | number of nodes, aliases expanded |
//! | E0114 | aliases name an anchor that is complete |
//! | E0115 | no directives but `%YAML 1.2` |
mod build;
mod scalar;

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Place, lines};
use build::{Node, NodeKind};

/// How large a document may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the file, in bytes; aliases may add as much text again.
    pub bytes_max: usize,
    /// Mappings and lists inside each other.
    pub depth_max: usize,
    /// Keys and values in the document, what aliases expand to included.
    pub nodes_max: usize,
}

impl Limits {
    /// Limits of a request: 64 KiB, 64 levels, 10,000 nodes.
    pub const REQUEST: Self = Self { bytes_max: 64 << 10, depth_max: 64, nodes_max: 10_000 };
    /// Limits of index, schema, codex.repo.yaml and host file: 1 MiB, 64 levels, 100,000 nodes.
    pub const REPOSITORY: Self = Self { bytes_max: 1 << 20, depth_max: 64, nodes_max: 100_000 };
}

/// Longer lines are not shown under a fault: there may be thousands of faults in one.
const LINE_BYTES_SHOWN: usize = 4096;

/// A document that was read, with the places of all its keys and values.
#[derive(Clone, Debug)]
pub struct Document {
    file: String,
    text: Arc<str>,
    /// Where each line of it stands: looking for one of thousands of faults must not read the whole file.
    lines: Arc<[Range<usize>]>,
    value: Value,
    root: Arc<Node>,
}

/// Reads one strict YAML document. `file` is the name that faults carry.
///
/// # Errors
/// The first rule that is broken, with its place.
pub fn read(file: &str, bytes: &[u8], limits: Limits) -> Result<Document, Diagnostic> {
    let text = decode(file, bytes, limits)?;
    let root = build::build(text, limits).map_err(|fault| fault.into_diagnostic(file, text))?;
    let start = |line: &str| line.as_ptr().addr() - text.as_ptr().addr();
    let lines = lines(text).map(|line| start(line)..start(line) + line.len()).collect();
    Ok(Document { file: file.to_owned(), text: Arc::from(text), lines, value: root.value(), root })
}

impl Document {
    /// The value of the whole document.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The file, as it was named to [`read`].
    pub fn file(&self) -> &str {
        &self.file
    }

    /// A fault at the value that a JSON pointer names, or at its nearest parent that exists.
    pub fn fault_at_value(&self, code: &'static str, pointer: &str, message: impl Into<String>) -> Diagnostic {
        self.fault(code, pointer, message, self.find(pointer).value)
    }

    /// A fault at the key that a JSON pointer names. Where the key does not exist, or the pointer
    /// names a list entry or the whole document, it stands at the value or its nearest parent.
    pub fn fault_at_key(&self, code: &'static str, pointer: &str, message: impl Into<String>) -> Diagnostic {
        let found = self.find(pointer);
        self.fault(code, pointer, message, found.key.unwrap_or(found.value))
    }

    fn fault(&self, code: &'static str, pointer: &str, message: impl Into<String>, place: Place) -> Diagnostic {
        let fault = Diagnostic::new(code, &self.file, message).pointer(pointer);
        let line = usize::try_from(place.line - 1).ok().and_then(|index| self.lines.get(index));
        match line {
            Some(line) if line.len() > LINE_BYTES_SHOWN => Diagnostic { place: Some(place), ..fault },
            Some(line) => fault.in_line(place, &self.text[line.clone()]),
            // What is missing at the end may stand behind the last line.
            None => fault.at(place, &self.text),
        }
    }

    /// Walks as far along the pointer as the document goes.
    fn find(&self, pointer: &str) -> Found {
        let mut node = &self.root;
        let mut found = Found { key: None, value: node.place };
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            match &node.kind {
                NodeKind::Scalar(_) => break,
                NodeKind::Sequence(items) => {
                    let Some(item) = token.parse().ok().and_then(|at: usize| items.get(at)) else {
                        break;
                    };
                    found = Found { key: None, value: item.place };
                    node = &item.node;
                }
                NodeKind::Mapping(mapping) => {
                    let Some((key, item)) = mapping.get(&token) else {
                        break;
                    };
                    found = Found { key: Some(key.place), value: item.place };
                    node = &item.node;
                }
            }
        }
        found
    }
}

/// Where a pointer leads.
struct Found {
    key: Option<Place>,
    value: Place,
}

/// The text of a file: within its size, UTF-8, without BOM and without characters that editors hide
/// or that parsers treat differently.
fn decode<'a>(file: &str, bytes: &'a [u8], limits: Limits) -> Result<&'a str, Diagnostic> {
    if bytes.len() > limits.bytes_max {
        let message = format!("the file has {} bytes", bytes.len());
        return Err(Diagnostic::new("E0100", file, message).expected(format!("at most {} bytes", limits.bytes_max)));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let fault = Diagnostic::new("E0101", file, "the file is not UTF-8")
                .at(place_at_end(&before), &String::from_utf8_lossy(bytes))
                .expected("text in UTF-8, with or without a byte order mark");
            let wide = [&[0xff, 0xfe][..], &[0xfe, 0xff]];
            return Err(if wide.iter().any(|mark| bytes.starts_with(mark)) {
                fault.help("this looks like UTF-16; save the file as UTF-8")
            } else {
                fault
            });
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some((index, character)) = text.char_indices().find(|(_, c)| is_refused(*c)) {
        let what = match character {
            '\0' => "a NUL character".to_owned(),
            '\u{feff}' => "a byte order mark inside the document".to_owned(),
            '\u{85}' | '\u{2028}' | '\u{2029}' => {
                format!("a line end that only some parsers know (U+{:04X})", u32::from(character))
            }
            _ => format!("a control character (U+{:04X})", u32::from(character)),
        };
        return Err(Diagnostic::new("E0102", file, format!("the file holds {what}"))
            .at(place_at_end(&text[..index]), text)
            .expected("printable text")
            .help(format!("remove it, or write it in double quotes as \"\\u{:04X}\"", u32::from(character))));
    }
    Ok(text)
}

/// What YAML 1.2 does not allow in a file, and the three characters that end a line in YAML 1.1 only.
fn is_refused(character: char) -> bool {
    matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// The place of the character that follows `before`.
fn place_at_end(before: &str) -> Place {
    let before = before.strip_prefix('\u{feff}').unwrap_or(before);
    let start = before.rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let breaks = before.matches(['\n', '\r']).count() - before.matches("\r\n").count();
    Place { line: narrow(breaks + 1), column: narrow(before[start..].chars().count() + 1), length: 1 }
}

/// Lines and columns stay far below `u32::MAX`, because the size of a file is limited.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
