//! What a handler prints: masked however it comes in pieces, cut into events of which each is a line.

use std::fmt::Write as _;

use codex_dispatch::record::log::{self, LogEvent, LogWriter, Stream};
use codex_dispatch::redact::{Masker, Secrets};
use codex_dispatch::run::output::{FILE, Output, Part};
use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
use jiff::Timestamp;

use super::{Pieces, names, shown};

/// Names that no generated secret spells in part: all that masks add is `[masked:0]` and the like.
const NAMES: [&str; 3] = ["0", "1", "2"];
/// What stands in place of secrets.
const MASKS: [&str; 5] = ["[masked:0]", "[masked:1]", "[masked:2]", "[masked]", "***"];

/// Up to three secrets, then a text that holds them in many spellings: chunks change nothing, and no spelling is left.
pub fn masking(bytes: &[u8]) {
    let mut pieces = Pieces::of(bytes);
    let mut values: Vec<&[u8]> = Vec::new();
    for _ in 0..=pieces.below(3) {
        let length = 8 + pieces.below(40);
        values.push(pieces.take(length));
    }
    let chunk_sizes: Vec<usize> = (0..4).map(|_| 1 + pieces.below(24)).collect();
    let named: Vec<(&str, &[u8])> = NAMES.into_iter().zip(values.iter().copied()).collect();
    let secrets = Secrets::new(&named).expect("small secrets");

    let mut text = Vec::new();
    let mut written = Vec::new();
    while !pieces.is_empty() && text.len() < 4096 {
        let value = values[pieces.below(values.len())];
        let how = pieces.byte();
        let addition = match how % 12 {
            10 => {
                let from = pieces.below(value.len() + 1);
                value[from..].to_vec()
            }
            11 => {
                let length = pieces.below(32);
                pieces.take(length).to_vec()
            }
            _ => {
                let before = pieces.below(5);
                let spelled = spell(how % 12, value, pieces.take(before));
                written.push((value, spelled.clone()));
                spelled
            }
        };
        text.extend(addition);
    }

    let whole = secrets.mask(&text);
    let in_pieces = in_chunks(&secrets, &text, &chunk_sizes);
    assert_eq!(in_pieces, whole, "cut by {chunk_sizes:?}");
    assert_eq!(in_chunks(&secrets, &text, &[1]), whole, "byte by byte");
    assert_eq!(secrets.contains(&text), whole != text);
    assert_eq!(secrets.find_in(&text[..]).expect("a slice").is_some(), whole != text);
    assert_eq!(secrets.mask_text(&String::from_utf8_lossy(&whole)).is_empty(), whole.is_empty());

    // Between the masks nothing is left of any secret.
    for rest in between_masks(&whole) {
        assert_eq!(secrets.find(rest), None, "in {:?}", rest.escape_ascii().to_string());
        for value in values.iter().filter(|value| is_masked(value)) {
            for how in 0..10 {
                let spelled = spell(how, value, b"");
                let certain = if matches!(how, 2 | 3) { trim_padding(&spelled) } else { &spelled };
                if !certain.is_empty() {
                    assert!(!holds(rest, certain), "{how}: {:?}", rest.escape_ascii().to_string());
                }
            }
        }
    }
    for (value, spelled) in written {
        assert!(
            !is_masked(value) || spelled.is_empty() || secrets.contains(&spelled),
            "{:?}",
            spelled.escape_ascii().to_string()
        );
    }
}

/// One way in which tools write a value; `junk` is what a longer encoded text begins with. Empty where it cannot be written so.
fn spell(how: u8, value: &[u8], junk: &[u8]) -> Vec<u8> {
    let longer = [junk, value].concat();
    let text = std::str::from_utf8(value).ok();
    match how {
        0 => value.to_vec(),
        1 => text.map(json).unwrap_or_default(),
        2 => BASE64.encode(&longer).into_bytes(),
        3 => BASE64URL.encode(&longer).into_bytes(),
        4 => HEXLOWER.encode(&longer).into_bytes(),
        5 => HEXUPPER.encode(&longer).into_bytes(),
        6 => percent(value, b"-._~", "%20"),
        7 => percent(value, b"-._*", "+"),
        8 => percent(value, b"-._~/", "%20"),
        9 => text.map(ascii_json).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// As `encodeURIComponent` and its kin do it.
fn percent(value: &[u8], kept: &[u8], blank: &str) -> Vec<u8> {
    let mut out = String::new();
    for &byte in value {
        match byte {
            b' ' => out.push_str(blank),
            byte if byte.is_ascii_alphanumeric() || kept.contains(&byte) => out.push(char::from(byte)),
            byte => write!(out, "%{byte:02X}").expect("a String takes all"),
        }
    }
    out.into_bytes()
}

/// As it stands between the quotes.
fn json(text: &str) -> Vec<u8> {
    let quoted = serde_json::to_string(text).expect("JSON");
    quoted.as_bytes()[1..quoted.len() - 1].to_vec()
}

/// As Python's `json.dumps` does it.
fn ascii_json(text: &str) -> Vec<u8> {
    let quoted = serde_json::to_string(text).expect("JSON");
    let mut out = String::new();
    for c in quoted[1..quoted.len() - 1].chars() {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("a String takes all");
            }
        }
    }
    out.into_bytes()
}

/// The last character of base64 depends on what follows the value.
fn trim_padding(spelled: &[u8]) -> &[u8] {
    let end = spelled.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    if end == spelled.len() { spelled } else { &spelled[..end - 1] }
}

/// True for values that are promised to be masked as a whole: the line end of the file is no part of it, and 8 characters are.
fn is_masked(value: &[u8]) -> bool {
    !value.ends_with(b"\n")
        && !value.ends_with(b"\r")
        && std::str::from_utf8(value).map_or(value.len(), |text| text.chars().count()) >= 8
}

fn in_chunks(secrets: &Secrets, text: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut masker = Masker::new(secrets);
    let (mut out, mut rest) = (Vec::new(), text);
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at(*size.min(&rest.len()));
        masker.push(chunk, &mut out);
        rest = after;
    }
    masker.finish(&mut out);
    out
}

fn between_masks(text: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < text.len() {
        match MASKS.iter().find(|mask| text[at..].starts_with(mask.as_bytes())) {
            Some(mask) => {
                parts.push(&text[start..at]);
                at += mask.len();
                start = at;
            }
            None => at += 1,
        }
    }
    parts.push(&text[start..]);
    parts
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    part.len() >= 8 && text.windows(part.len()).any(|window| window == part)
}

/// Printed bytes become events: each a line of JSON, numbered without a gap, nothing lost that is not counted.
pub fn log_line(bytes: &[u8]) {
    let mut pieces = Pieces::of(bytes);
    let cap = [0, 1, 300, 2_000, 40_000, 1 << 20][pieces.below(6)];
    let folder = names::scratch();
    let mut output = Output::create(folder.path(), cap, &Secrets::none()).expect("an empty folder");
    let (mut stdout, mut stderr, mut t_ms) = (Vec::new(), Vec::new(), 0);
    while !pieces.is_empty() {
        let head = pieces.byte();
        // Some pieces are long lines: the inputs themselves stay small.
        let times = if head & 2 == 0 { 1 } else { 1 + pieces.below(200) * 3 };
        let piece = pieces.take(usize::from(head >> 2)).repeat(times);
        let (stream, kept) = if head & 1 == 0 { (Stream::Stdout, &mut stdout) } else { (Stream::Stderr, &mut stderr) };
        kept.extend_from_slice(&piece);
        output.push(stream, &piece, t_ms);
        t_ms += 1;
    }
    let captured = output.finish(t_ms);
    let given = (stdout.len() + stderr.len()) as u64;
    assert_eq!(captured.count.bytes, given);
    assert_eq!(captured.count.kept + captured.count.dropped, given);
    assert!(captured.parts.iter().filter(|part| matches!(part, Part::Dropped(_))).count() <= 1, "one gap at most");
    captured.tail(20).iter().for_each(|line| shown::harmless(&line.replace('\t', "")));

    let file = std::fs::read_to_string(folder.path().join(FILE)).expect("UTF-8");
    shown::harmless(&file.replace(['\n', '\t'], ""));

    let mut writer = LogWriter::new(Vec::new());
    for (t_ms, event) in captured.events() {
        writer.push(Timestamp::UNIX_EPOCH, t_ms, event).expect("memory");
    }
    let lines = writer.lines();
    let log = writer.into_inner();
    assert_eq!(log::whole_lines(&log), (lines, log.len()));
    let text = String::from_utf8(log.clone()).expect("UTF-8");
    assert_eq!(text.lines().count() as u64, lines);
    let (mut out, mut err, mut dropped) = (Vec::new(), Vec::new(), 0);
    for (number, (line, read)) in text.split_terminator('\n').zip(log::read(&log)).enumerate() {
        shown::harmless(line);
        assert_eq!(read.seq, number as u64);
        match &read.event {
            LogEvent::Dropped { bytes, .. } => dropped += bytes,
            LogEvent::Output { stream, eol, .. } => {
                let to = if *stream == Stream::Stdout { &mut out } else { &mut err };
                to.extend(read.event.output_bytes());
                to.extend(eol.then_some(b'\n'));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((out.len() + err.len()) as u64 + dropped, given);
    if dropped == 0 {
        assert!((out, err) == (stdout, stderr), "what was printed is not what is kept");
    }
}
