//! Properties of masking: no split of the input changes the output, and no spelling survives.

use super::*;

/// A small deterministic source, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

fn secrets(pairs: &[(&str, &str)]) -> Secrets {
    Secrets::new(pairs).expect("compiled")
}

fn in_chunks(secrets: &Secrets, text: &[u8], mut cut: impl FnMut() -> usize) -> Vec<u8> {
    let mut masker = Masker::new(secrets);
    let (mut out, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(cut().clamp(1, rest.len()));
        masker.push(chunk, &mut out);
        rest = after;
    }
    masker.finish(&mut out);
    out
}

#[test]
fn a_secret_is_named_where_it_stood() {
    let secrets = secrets(&[("TOKEN", "s3cr3t-token\n"), ("OTHER", "another-one")]);
    for (given, masked) in [
        ("", ""),
        ("nothing here", "nothing here"),
        ("s3cr3t-token", "[masked:TOKEN]"),
        ("a s3cr3t-token b another-one c", "a [masked:TOKEN] b [masked:OTHER] c"),
        ("s3cr3t-tokens3cr3t-token", "[masked:TOKEN][masked:TOKEN]"),
        ("s3cr3t-toke", "s3cr3t-toke"),
        ("s3cr3t-s3cr3t-token", "s3cr3t-[masked:TOKEN]"),
        ("x=7333637233742d746f6b656e", "x=[masked:TOKEN]"),
    ] {
        assert_eq!(secrets.mask_text(given), masked);
        assert_eq!(secrets.contains(given.as_bytes()), given != masked);
    }
}

#[test]
fn secrets_that_overlap_leave_no_rest() {
    let secrets = secrets(&[("A", "AAAABBBB"), ("B", "BBBBCCCC"), ("LONG", "xxAAAABBBByy")]);
    assert_eq!(secrets.mask_text("-AAAABBBBCCCC-"), "-[masked:A]-");
    assert_eq!(secrets.mask_text("-xxAAAABBBByy-"), "-[masked:LONG]-");
    assert_eq!(secrets.mask_text("-xxAAAABBBBCCCC-"), "-xx[masked:A]-");
}

#[test]
fn any_split_gives_the_same_output_and_no_spelling_survives() {
    // Few letters and secrets that are prefixes, suffixes and repetitions of each other: the worst neighbours.
    let pairs = [
        ("ONE", "abababab"),
        ("TWO", "babababc"),
        ("THREE", "ababababcabcabc"),
        ("FOUR", "aaaaaaaaaaaa"),
        ("LINES", "abcabcab\ncabcabca\nabc"),
    ];
    let secrets = secrets(&pairs);
    let spellings: Vec<Vec<u8>> = pairs.iter().flat_map(|(_, value)| spellings::of(value.as_bytes())).collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for round in 0..1500 {
        let mut text = Vec::new();
        while text.len() < 150 {
            match dice.roll(4) {
                0 => text.extend_from_slice(&spellings[dice.roll(spellings.len())]),
                1 => {
                    let spelling = &spellings[dice.roll(spellings.len())];
                    let (from, to) = (dice.roll(spelling.len()), dice.roll(spelling.len()));
                    text.extend_from_slice(&spelling[from.min(to)..from.max(to)]);
                }
                2 => text.extend((0..dice.roll(12)).map(|_| b'a')),
                _ => text.push(b"abc\n%="[dice.roll(6)]),
            }
        }
        let whole = secrets.mask(&text);
        assert_eq!(in_chunks(&secrets, &text, || 1), whole, "round {round}");
        assert_eq!(in_chunks(&secrets, &text, || 1 + dice.roll(40)), whole, "round {round}");
        assert_eq!(secrets.find(&whole), None, "round {round}");
        let met = secrets.find_in(text.as_slice()).expect("read");
        assert_eq!(met.is_some(), secrets.contains(&text), "round {round}");
        assert_eq!(met.is_some(), whole != text, "round {round}");
    }
}

#[test]
fn only_what_may_begin_a_secret_is_held_back() {
    let long = "k".repeat(5000) + "end";
    let secrets = secrets(&[("LONG", &long)]);
    let mut masker = Masker::new(&secrets);
    let mut out = Vec::new();
    masker.push(b"progress: 10", &mut out);
    assert_eq!(out, b"progress: 10", "a reader who follows sees it at once");
    masker.push(b" kkk", &mut out);
    assert_eq!(out, b"progress: 10 ");
    masker.push(b" done", &mut out);
    assert_eq!(out, b"progress: 10 kkk done");
}

#[test]
fn what_is_held_back_stays_bounded() {
    let secrets = secrets(&[("A", "aaaaaaaaaaaa")]);
    let mut masker = Masker::new(&secrets);
    let mut out = Vec::new();
    for _ in 0..1000 {
        masker.push(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &mut out);
        assert!(masker.held.len() < 64);
    }
    masker.finish(&mut out);
    assert_eq!(out, b"[masked:A]");
    assert_eq!(masker.hit(), Some("A"));
}

#[test]
fn a_mask_never_spells_a_secret() {
    let secrets = secrets(&[("BACKUP_TOKEN", "BACKUP_TOKEN"), ("B", "[masked]")]);
    assert_eq!(secrets.mask_text("BACKUP_TOKEN"), "***");
    assert_eq!(secrets.mask_text("[masked]"), "[masked:B]");
}

#[test]
fn a_name_cannot_break_a_line() {
    assert_eq!(secrets(&[("A\n\u{1b}[2J", "password")]).mask_text("password"), "[masked:A??[2J]");
}

#[test]
fn values_are_masked_wherever_they_stand_in_json() {
    let secrets = secrets(&[("PIN", "1234567890"), ("T", "pass\"word")]);
    let mut value = serde_json::json!({
        "pass\"word": [1_234_567_890_u64, "x pass\"word", 7, null],
        "deep": {"n": 91_234_567_890_u64},
    });
    secrets.mask_value(&mut value);
    assert_eq!(
        value,
        serde_json::json!({
            "[masked:T]": ["[masked:PIN]", "x [masked:T]", 7, null],
            "deep": {"n": "9[masked:PIN]"},
        })
    );
}

#[test]
fn without_secrets_everything_passes() {
    for secrets in [Secrets::none(), secrets(&[]), secrets(&[("SHORT", "1234567")])] {
        assert_eq!(secrets.mask(b"1234567 \xff"), b"1234567 \xff");
        assert!(!secrets.contains(b"1234567"));
        assert_eq!(secrets.find_in(&b"1234567"[..]).expect("read"), None);
    }
}

#[test]
fn debug_shows_no_value() {
    let secrets = secrets(&[("TOKEN", "hunter2hunter2")]);
    let mut masker = Masker::new(&secrets);
    masker.push(b"hunter2hunter", &mut Vec::new());
    let shown = format!("{secrets:?} {masker:?}");
    assert!(shown.contains("TOKEN") && !shown.contains("hunter2") && !shown.contains("104"), "{shown}");
}

#[test]
fn a_failing_reader_is_an_error_not_a_clean_file() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    assert!(secrets(&[("A", "password")]).find_in(Broken).is_err());
}
