//! Bounds, order and harmlessness of what is kept.

use super::*;
use crate::record::visible::acts;

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("folder") }
    }

    fn output(&self, cap: u64, secrets: &[(&str, &str)]) -> Output {
        let secrets = Secrets::new(secrets).expect("compiled");
        Output::create(self.folder.path(), cap, &secrets).expect("created")
    }

    fn file(&self) -> String {
        fs::read_to_string(self.folder.path().join(FILE)).expect("utf-8")
    }
}

fn texts(captured: &Captured) -> Vec<String> {
    captured
        .parts
        .iter()
        .map(|part| match part {
            Part::Line(line) => String::from_utf8_lossy(&line.bytes).into_owned(),
            Part::Dropped(bytes) => format!("dropped {bytes}"),
        })
        .collect()
}

#[test]
fn lines_of_both_streams_stand_in_the_order_in_which_they_ended() {
    let bench = Bench::new();
    let mut output = bench.output(1 << 20, &[]);
    output.push(Stream::Stdout, b"one\ntw", 1);
    output.push(Stream::Stderr, b"warning\r\n", 2);
    output.push(Stream::Stdout, b"o\n\nend", 3);
    let captured = output.finish(4);
    assert_eq!(texts(&captured), ["one", "warning\r", "two", "", "end"]);
    assert_eq!(bench.file(), "one\nwarning\ntwo\n\nend\n");
    assert_eq!(captured.count, OutputCount { bytes: 21, kept: 21, dropped: 0 });
    let times: Vec<u64> = captured.events().map(|(t, _)| t).collect();
    assert_eq!(times, [1, 2, 3, 3, 4]);
    assert_eq!(captured.tail(2), ["", "end"]);
    let Some((_, LogEvent::Output { eol, stream, .. })) = captured.events().last() else {
        panic!("an output event");
    };
    assert_eq!((eol, stream), (false, Stream::Stdout));
}

#[test]
fn the_head_can_be_followed_while_the_handler_runs() {
    let bench = Bench::new();
    let mut output = bench.output(1 << 20, &[("TOKEN", "a-long-secret")]);
    output.push(Stream::Stdout, b"step 1\n", 0);
    assert_eq!(bench.file(), "step 1\n");
    output.push(Stream::Stdout, b"token a-long-", 0);
    assert_eq!(bench.file(), "step 1\n");
    output.push(Stream::Stdout, b"secret\n", 0);
    assert_eq!(bench.file(), "step 1\ntoken [masked:TOKEN]\n");
}

#[test]
fn a_secret_is_masked_across_chunks_and_streams_do_not_mix() {
    let bench = Bench::new();
    let mut output = bench.output(1 << 20, &[("T", "abcdefgh")]);
    output.push(Stream::Stdout, b"abcd", 0);
    output.push(Stream::Stderr, b"efgh\n", 0);
    output.push(Stream::Stdout, b"efgh\n", 0);
    output.finish(0);
    assert_eq!(bench.file(), "efgh\n[masked:T]\n");
}

#[test]
fn a_flood_keeps_head_and_tail_within_the_cap() {
    let bench = Bench::new();
    let mut output = bench.output(4096, &[]);
    for n in 0..10_000 {
        output.push(Stream::Stdout, format!("this is the line number {n:06}\n").as_bytes(), n);
    }
    let captured = output.finish(10_000);
    let file = bench.file();
    assert!(file.starts_with("this is the line number 000000\n"), "{file}");
    assert!(file.ends_with("this is the line number 009999\n"), "{file}");
    let marker = format!("[… {} bytes dropped …]\n", captured.count.dropped);
    assert_eq!(file.matches(&marker).count(), 1);
    assert!(file.len() - marker.len() <= 4096);
    assert!(file.len() > 3900, "the cap is used: {}", file.len());
    assert_eq!(captured.count.bytes, 310_000);
    assert_eq!(captured.count.kept + captured.count.dropped, 310_000);
    assert_eq!(captured.count.kept, (file.len() - marker.len()) as u64);
}

#[test]
fn what_just_fits_is_kept_whole() {
    let bench = Bench::new();
    let line = [b'x'; 63];
    let mut output = bench.output(640, &[]);
    for _ in 0..10 {
        output.push(Stream::Stdout, &line, 0);
        output.push(Stream::Stdout, b"\n", 0);
    }
    assert_eq!(output.finish(0).count.dropped, 0);
    assert_eq!(bench.file().len(), 640);
}

#[test]
fn empty_lines_cannot_fill_the_memory() {
    let bench = Bench::new();
    let mut output = bench.output(64 * 1024, &[]);
    for _ in 0..100 {
        output.push(Stream::Stdout, &[b'\n'; 10_000], 0);
    }
    let captured = output.finish(0);
    assert!(captured.parts.len() <= 64 * 1024 / LINE_COST_MIN + 1);
    assert_eq!(captured.count.bytes, 1_000_000);
}

#[test]
fn a_long_line_is_cut_into_pieces_between_characters() {
    let bench = Bench::new();
    let mut output = bench.output(1 << 20, &[]);
    let long = "ä".repeat(30_000);
    for chunk in long.as_bytes().chunks(777) {
        output.push(Stream::Stdout, chunk, 0);
        assert!(output.stdout.open.len() <= LINE_BYTES_MAX + 777);
    }
    output.push(Stream::Stdout, b"\n", 0);
    let captured = output.finish(0);
    let mut whole = Vec::new();
    for part in &captured.parts {
        let Part::Line(line) = part else { panic!("all is kept") };
        assert!(line.bytes.len() <= LINE_BYTES_MAX);
        assert!(std::str::from_utf8(&line.bytes).is_ok());
        whole.extend_from_slice(&line.bytes);
        if line.eol {
            whole.push(b'\n');
        }
    }
    assert_eq!(whole, (long + "\n").as_bytes());
    assert_eq!(captured.count.bytes, whole.len() as u64);
}

#[test]
fn a_line_of_exactly_one_piece_is_one_line() {
    let bench = Bench::new();
    let mut output = bench.output(1 << 20, &[]);
    output.push(Stream::Stdout, &[b'a'; LINE_BYTES_MAX], 0);
    output.push(Stream::Stdout, b"\n", 0);
    let captured = output.finish(0);
    assert_eq!(captured.parts.len(), 1);
}

#[test]
fn the_file_never_acts_on_a_terminal() {
    let bench = Bench::new();
    let mut output = bench.output(1 << 20, &[]);
    let every: Vec<u8> = (0..=255).collect();
    output.push(Stream::Stdout, &every, 0);
    output.push(Stream::Stdout, "\u{9b}2J \u{202e} \u{1b}]52;c;x\u{7}".as_bytes(), 0);
    let captured = output.finish(0);
    let file = bench.file();
    assert!(!file.chars().any(|c| acts(c) && c != '\n' && c != '\t'), "{file:?}");
    assert!(file.contains("\\x1b]52;c;x\\x07"), "{file}");
    assert!(captured.tail(10).iter().all(|line| !line.chars().any(|c| acts(c) && c != '\t')));
    // What is escaped for the eye is still whole in the events.
    let bytes: Vec<u8> = captured.events().flat_map(|(_, event)| event.output_bytes()).collect();
    assert!(bytes.contains(&0xff) && bytes.contains(&0));
}

#[test]
fn any_split_into_chunks_keeps_the_same() {
    let text: Vec<u8> = (0..4000_u32)
        .flat_map(|n| format!("{n} secret-value {}\n", "z".repeat((n % 97) as usize)).into_bytes())
        .collect();
    let run = |size: usize| {
        let bench = Bench::new();
        let mut output = bench.output(10_000, &[("S", "secret-value")]);
        text.chunks(size).for_each(|chunk| output.push(Stream::Stdout, chunk, 0));
        (output.finish(0), bench.file())
    };
    let whole = run(text.len());
    for size in [1, 2, 7, 100, 4096] {
        assert!(run(size) == whole, "chunks of {size}");
    }
    assert!(!whole.1.contains("secret-value"));
}

#[test]
fn tiny_caps_keep_little_and_count_all() {
    for cap in [0, 1, 31, 32, 64, 100] {
        let bench = Bench::new();
        let mut output = bench.output(cap, &[]);
        output.push(Stream::Stdout, &[b'q'; 1000], 0);
        output.push(Stream::Stderr, b"\nend\n", 0);
        let captured = output.finish(0);
        assert_eq!(captured.count.bytes, 1005);
        assert_eq!(captured.count.kept + captured.count.dropped, 1005);
        assert!(captured.count.kept <= cap);
    }
}

#[test]
fn a_full_disk_cuts_the_output_and_says_so() {
    // This device takes no byte: every write says that no room is left.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("device");
    let mut output = Output::new(full, 4096, &Secrets::none());
    output.push(Stream::Stdout, b"one\ntwo\n", 0);
    let captured = output.finish(0);
    assert!(captured.cut.as_deref().is_some_and(|cut| cut.contains("No space left")));
    assert_eq!(captured.count, OutputCount { bytes: 8, kept: 0, dropped: 8 });
    assert_eq!(captured.parts, [Part::Dropped(8)]);
}

#[test]
fn nothing_printed_is_an_empty_file() {
    let bench = Bench::new();
    let captured = bench.output(100, &[]).finish(0);
    assert_eq!(captured, Captured::default());
    assert_eq!(bench.file(), "");
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let bench = Bench::new();
    bench.output(100, &[]).finish(0);
    let fault = Output::create(bench.folder.path(), 100, &Secrets::none()).expect_err("there already");
    assert!(fault.to_string().contains("handler.log"), "{fault}");
}
