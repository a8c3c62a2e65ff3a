//! From parser events to a tree of values and places, counting as it goes.
//!
//! The tree shares what aliases name, so an alias bomb costs nothing before it is refused; it is
//! written out as one JSON value only once its full size is known to be within the limits. The parser
//! is asked for one event at a time, which keeps its state on the heap however deep a document nests.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};
use serde_json::Value;

use super::scalar::{Plain, resolve};
use super::{Limits, narrow};
use crate::diagnostic::{Diagnostic, Place, lines};

/// A value and what it costs when written out.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) kind: NodeKind,
    size: Size,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum NodeKind {
    /// Null, boolean, number or string.
    Scalar(Value),
    /// A list.
    Sequence(Vec<Item>),
    /// Keys with their values.
    Mapping(Mapping),
}

/// A mapping, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Mapping {
    entries: Vec<(Key, Item)>,
    /// Where in `entries` each key stands: a table has thousands, and each of them may be at fault.
    places: HashMap<String, usize>,
}

impl Mapping {
    /// The entry of a key.
    pub(super) fn get(&self, key: &str) -> Option<(&Key, &Item)> {
        let (key, item) = self.entries.get(*self.places.get(key)?)?;
        Some((key, item))
    }

    fn push(&mut self, key: Key, item: Item) {
        self.places.insert(key.text.clone(), self.entries.len());
        self.entries.push((key, item));
    }
}

/// An entry of a collection: the value, and where this use of it stands (an alias has its own place).
#[derive(Debug)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) node: Arc<Node>,
}

/// A key of a mapping.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Node {
    /// The JSON value, aliases written out. Recursion ends with the depth limit.
    pub(super) fn value(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(value) => value.clone(),
            NodeKind::Sequence(items) => items.iter().map(|item| item.node.value()).collect(),
            NodeKind::Mapping(mapping) => {
                Value::Object(mapping.entries.iter().map(|(key, item)| (key.text.clone(), item.node.value())).collect())
            }
        }
    }
}

/// What a value costs when written out.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    height: usize,
    nodes: usize,
    bytes: usize,
}

/// A broken rule, before it knows its file.
#[derive(Debug)]
pub(super) struct Fault {
    code: &'static str,
    place: Place,
    message: String,
    expected: Option<String>,
    help: Option<String>,
}

impl Fault {
    fn new(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self { code, place, message: message.into(), expected: None, help: None }
    }

    fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn into_diagnostic(self, file: &str, text: &str) -> Diagnostic {
        let mut fault = Diagnostic::new(self.code, file, self.message).at(self.place, text);
        fault.expected = self.expected;
        fault.help = self.help;
        fault
    }
}

/// Reads the one document of a text.
pub(super) fn build(text: &str, limits: Limits) -> Result<Arc<Node>, Fault> {
    let mut events = Events { parser: Parser::new_from_str(text) };
    loop {
        match events.next()? {
            (Event::StreamEnd, _) => return Err(empty(text)),
            (Event::DocumentStart(explicit), span) => {
                if explicit {
                    refuse_directives(text, span)?;
                }
                break;
            }
            _ => {}
        }
    }
    let mut builder = Builder { text, limits, open: Vec::new(), anchors: HashMap::new(), total: Size::default() };
    let root = loop {
        let (event, span) = events.next().map_err(|fault| nearer(fault, text, &builder.open))?;
        if let Some(root) = builder.take(event, span)? {
            break root;
        }
    };
    loop {
        match events.next()? {
            (Event::StreamEnd, _) => break,
            (Event::DocumentStart(_), span) => {
                return Err(Fault::new("E0105", place(span), "the file holds a second document")
                    .expected("one document in a file")
                    .help("put each document into a file of its own"));
            }
            _ => {}
        }
    }
    let is_blank = matches!(root.kind, NodeKind::Scalar(Value::Null)) && root.size.bytes == 0;
    if is_blank { Err(empty(text)) } else { Ok(root) }
}

fn empty(text: &str) -> Fault {
    let what = if text.trim().is_empty() { "the file is empty" } else { "the file holds no document" };
    let start = Place { line: 1, column: 1, length: 1 };
    Fault::new("E0104", start, what).expected("one YAML document")
}

/// Directives never show as events: they are the lines before `---` that begin with `%`.
fn refuse_directives(text: &str, document: Span) -> Result<(), Fault> {
    for (index, line) in lines(text).take(document.start.line()).enumerate() {
        let words = line.split('#').next().unwrap_or_default();
        let is_yaml_12 = words.split_whitespace().eq(["%YAML", "1.2"]);
        if line.starts_with('%') && !is_yaml_12 {
            let place = Place { line: narrow(index + 1), column: 1, length: narrow(words.trim_end().chars().count()) };
            return Err(
                Fault::new("E0115", place, "directives are not allowed").expected("no directive, or `%YAML 1.2`")
            );
        }
    }
    Ok(())
}

/// The parser, with its errors put into our words.
struct Events<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(syntax(&error)),
            // Only a caller that reads past the end comes here; it is told so again.
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }
}

fn syntax(error: &ScanError) -> Fault {
    let info = error.info();
    let marker = *error.marker();
    let place = place(Span::new(marker, marker));
    if info.contains("unknown anchor") {
        return Fault::new("E0114", place, "the alias names no anchor before it")
            .expected("an anchor such as `&name` earlier in the file")
            .help("quote the value if it is text that begins with `*`");
    }
    if info.contains("recursion limit") {
        return Fault::new("E0112", place, "the document nests too deep");
    }
    let fault = Fault::new("E0103", place, format!("not valid YAML: {info}"));
    if info.contains("tab") {
        fault.help("indent with spaces")
    } else if info.contains("unexpected character") {
        fault.help("quote a value that begins with this character")
    } else {
        fault.expected("YAML 1.2")
    }
}

/// The parser says where it gave up, which is often the line behind the one that is at fault.
fn nearer(mut fault: Fault, text: &str, open: &[Open]) -> Fault {
    if fault.code != "E0103" {
        return fault;
    }
    let all: Vec<&str> = lines(text).collect();
    let marked = usize::try_from(fault.place.line).unwrap_or(usize::MAX).saturating_sub(1).min(all.len());
    let flow = open.iter().rev().find(|open| open.is_flow(&all));
    if fault.message.ends_with("simple key expect ':'") {
        "not valid YAML: there is no `:` behind the key".clone_into(&mut fault.message);
        fault.expected = Some("`key: value`, with a space behind the colon".to_owned());
        let line = all.get(marked).map_or("", |line| line.trim());
        if line.is_empty() || line.starts_with('#') || line.contains(": ") || line.ends_with(':') {
            let said = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
            if let Some(before) = (0..marked).rev().find(|before| said(all[*before])) {
                fault.place = whole_line(before, all[before]);
            }
        }
    } else if fault.message.ends_with("found a tab") {
        if let Some(tab) = (marked..all.len()).find(|at| all[*at].trim_start_matches(' ').starts_with('\t')) {
            fault.place = Place { length: 1, ..whole_line(tab, all[tab]) };
            fault.place.column = narrow(all[tab].len() - all[tab].trim_start_matches(' ').len() + 1);
        }
    } else if let Some(flow) = flow {
        let bracket = flow.bracket(&all).unwrap_or('{');
        let is_at_end = all.iter().skip(marked).all(|line| line.trim().is_empty());
        if is_at_end {
            fault.message = format!("not valid YAML: the `{bracket}` is not closed");
            fault.place = Place { length: 1, ..flow.place };
        } else if flow.place.line < fault.place.line {
            fault.help = Some(format!("is the `{bracket}` of line {} closed?", flow.place.line));
        }
    }
    fault
}

/// What stands in a line, without the space around it.
fn whole_line(index: usize, line: &str) -> Place {
    let indent = line.chars().take_while(|c| c.is_whitespace()).count();
    Place { line: narrow(index + 1), column: narrow(indent + 1), length: narrow(line.trim().chars().count()) }
}

impl Open {
    /// The bracket that it begins with, where it is written in brackets.
    fn bracket(&self, lines: &[&str]) -> Option<char> {
        let index = |number: u32| usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
        let line = lines.get(index(self.place.line))?;
        line.chars().nth(index(self.place.column)).filter(|first| matches!(first, '{' | '['))
    }

    fn is_flow(&self, lines: &[&str]) -> bool {
        self.bracket(lines).is_some()
    }
}

/// Collections that are open, and what anchors name.
struct Builder<'a> {
    text: &'a str,
    limits: Limits,
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    total: Size,
}

/// A collection whose end has not come yet.
struct Open {
    place: Place,
    anchor: usize,
    size: Size,
    kind: OpenKind,
}

enum OpenKind {
    Sequence(Vec<Item>),
    Mapping {
        mapping: Mapping,
        /// The key whose value comes next.
        key: Option<Key>,
    },
}

impl Builder<'_> {
    /// Takes one event; the root comes back when it is complete.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<Option<Arc<Node>>, Fault> {
        let place = place(span);
        let awaits_key = matches!(self.open.last(), Some(Open { kind: OpenKind::Mapping { key: None, .. }, .. }));
        match event {
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                Err(Fault::new("E0106", place, "tags are not allowed")
                    .expected("a value without a tag")
                    .help("remove the tag; quote the value if it must be text"))
            }
            Event::Scalar(text, style, _, None) if awaits_key => {
                self.take_key(&text, style, place)?;
                Ok(None)
            }
            Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_) if awaits_key => {
                Err(Fault::new("E0109", place, "a key is not plain text").expected("a string as key"))
            }
            Event::Scalar(text, style, anchor, None) => {
                let value = scalar(&text, style, place)?;
                self.count(place, Size { height: 0, nodes: 1, bytes: text.len() })?;
                let node = Arc::new(Node {
                    place,
                    size: Size { height: 0, nodes: 1, bytes: text.len() },
                    kind: NodeKind::Scalar(value),
                });
                self.keep(anchor, &node);
                Ok(self.add(place, node))
            }
            Event::SequenceStart(anchor, None) => {
                self.begin(place, anchor, OpenKind::Sequence(Vec::new()))?;
                Ok(None)
            }
            Event::MappingStart(anchor, None) => {
                let kind = OpenKind::Mapping { mapping: Mapping::default(), key: None };
                self.begin(place, anchor, kind)?;
                Ok(None)
            }
            Event::SequenceEnd | Event::MappingEnd => Ok(self.end()),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(Fault::new("E0114", place, "the alias stands inside the value it names")
                        .expected("an anchor whose value is complete"));
                };
                self.count(place, node.size)?;
                Ok(self.add(place, node))
            }
            // The caller asks for the rest of the stream only after the root is complete.
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(None)
            }
        }
    }

    fn take_key(&mut self, text: &str, style: ScalarStyle, place: Place) -> Result<(), Fault> {
        if style == ScalarStyle::Plain {
            if text == "<<" {
                return Err(Fault::new("E0107", place, "merge keys are not allowed")
                    .expected("the keys themselves")
                    .help("write the merged keys out, or quote \"<<\" if it is a plain key"));
            }
            match resolve(text) {
                Plain::Text => {}
                Plain::Ambiguous(why) => return Err(ambiguous(text, place, why)),
                Plain::Value(_) | Plain::Unfit(_) => {
                    let what = if text.is_empty() { "(empty)" } else { text };
                    return Err(Fault::new("E0109", place, format!("the key `{}` is not text", shorten(what)))
                        .expected("a string as key")
                        .help(format!("quote it: \"{}\"", shorten(text))));
                }
            }
        }
        let size = Size { height: 0, nodes: 1, bytes: text.len() };
        self.count(place, size)?;
        let Some(Open { kind: OpenKind::Mapping { mapping, key }, size: open, .. }) = self.open.last_mut() else {
            return Ok(());
        };
        if let Some((first, _)) = mapping.get(text) {
            let line = first.place.line;
            let message = format!("duplicate key `{}`", shorten(text));
            return Err(
                Fault::new("E0108", place, message).expected(format!("each key once; the first is in line {line}"))
            );
        }
        open.nodes += 1;
        open.bytes += text.len();
        *key = Some(Key { text: text.to_owned(), place });
        Ok(())
    }

    fn begin(&mut self, place: Place, anchor: usize, kind: OpenKind) -> Result<(), Fault> {
        let size = Size { height: 1, nodes: 1, bytes: 0 };
        self.count(place, size)?;
        self.open.push(Open { place, anchor, size, kind });
        Ok(())
    }

    /// Closes the innermost collection.
    fn end(&mut self) -> Option<Arc<Node>> {
        let open = self.open.pop()?;
        let node = Arc::new(Node {
            place: open.place,
            size: open.size,
            kind: match open.kind {
                OpenKind::Sequence(items) => NodeKind::Sequence(items),
                OpenKind::Mapping { mapping, .. } => NodeKind::Mapping(mapping),
            },
        });
        self.keep(open.anchor, &node);
        self.add(open.place, node)
    }

    /// Anchors are numbered from 1; 0 is none.
    fn keep(&mut self, anchor: usize, node: &Arc<Node>) {
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(node));
        }
    }

    /// Adds a complete value to the collection it stands in; without one it is the root.
    fn add(&mut self, place: Place, node: Arc<Node>) -> Option<Arc<Node>> {
        let Some(open) = self.open.last_mut() else {
            return Some(node);
        };
        open.size.height = open.size.height.max(node.size.height + 1);
        open.size.nodes += node.size.nodes;
        open.size.bytes += node.size.bytes;
        let item = Item { place, node };
        match &mut open.kind {
            OpenKind::Sequence(items) => items.push(item),
            OpenKind::Mapping { mapping, key } => {
                if let Some(key) = key.take() {
                    mapping.push(key, item);
                }
            }
        }
        None
    }

    /// Counts what an event adds, before it is kept. An alias adds all that it names.
    fn count(&mut self, place: Place, added: Size) -> Result<(), Fault> {
        let Limits { bytes_max, depth_max, nodes_max } = self.limits;
        if self.open.len() + added.height > depth_max {
            return Err(Fault::new("E0112", place, "the document nests too deep")
                .expected(format!("at most {depth_max} levels")));
        }
        self.total.nodes += added.nodes;
        self.total.bytes += added.bytes;
        if self.total.nodes > nodes_max {
            return Err(Fault::new("E0113", place, "the document is too large")
                .expected(format!("at most {nodes_max} keys and values, aliases written out")));
        }
        // Escapes can make text a half longer than the file; whatever goes beyond comes from aliases.
        if self.total.bytes > bytes_max.max(self.text.len()) * 2 {
            return Err(Fault::new("E0113", place, "aliases make the document too large")
                .expected(format!("at most {} bytes, aliases written out", bytes_max * 2)));
        }
        Ok(())
    }
}

fn scalar(text: &str, style: ScalarStyle, place: Place) -> Result<Value, Fault> {
    if style != ScalarStyle::Plain {
        return Ok(Value::String(text.to_owned()));
    }
    match resolve(text) {
        Plain::Value(value) => Ok(value),
        Plain::Text => Ok(Value::String(text.to_owned())),
        Plain::Ambiguous(why) => Err(ambiguous(text, place, why)),
        Plain::Unfit(why) => Err(Fault::new("E0111", place, format!("`{}`: {why}", shorten(text)))
            .expected("a finite number that fits 64 bits")
            .help(format!("quote it if it is text: \"{}\"", shorten(text)))),
    }
}

fn ambiguous(text: &str, place: Place, why: &str) -> Fault {
    Fault::new("E0110", place, format!("`{}` is ambiguous: {why}", shorten(text)))
        .expected("text in quotes, or a number that all parsers read alike")
        .help(format!("quote it: \"{}\"", shorten(text)))
}

/// A word from the file, short enough for a message.
fn shorten(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Lines count from 1 in the parser, columns from 0. What spans lines is marked at its first character.
fn place(span: Span) -> Place {
    let Span { start, end } = span;
    let length = if end.line() == start.line() { end.col().saturating_sub(start.col()) } else { 1 };
    Place { line: narrow(line(start)), column: narrow(start.col() + 1), length: narrow(length.max(1)) }
}

fn line(marker: Marker) -> usize {
    marker.line().max(1)
}
