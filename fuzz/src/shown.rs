//! What people get to see: diagnostics point into the file, and no text acts on a terminal.

use codex_dispatch::diagnostic::Diagnostic;

/// More faults than this in one file help nobody.
const FAULTS_MAX: usize = 200;

/// Faults of one file, as a reader of files gives them.
pub fn faults(faults: &[Diagnostic], bytes: &[u8]) {
    assert!(!faults.is_empty(), "refused without a fault");
    assert!(faults.len() <= FAULTS_MAX, "{} faults", faults.len());
    for found in faults {
        fault(found, bytes);
    }
}

/// One fault: its place is in the text, and what it says can be shown.
pub fn fault(fault: &Diagnostic, bytes: &[u8]) {
    assert!(fault.code.len() == 5 && fault.code.starts_with('E'), "the code {}", fault.code);
    let text = String::from_utf8_lossy(bytes);
    if let Some(place) = fault.place {
        let lines = lines(text.strip_prefix('\u{feff}').unwrap_or(&text));
        let line =
            lines.get(place.line as usize - 1).unwrap_or_else(|| panic!("line {} of {}", place.line, lines.len()));
        let width = line.chars().count();
        assert!(place.column >= 1 && place.column as usize <= width + 1, "column {} of {width}: {fault}", place.column);
        assert!(
            (place.column + place.length) as usize <= width + 2,
            "{} from {} on of {width}",
            place.length,
            place.column
        );
    }
    let shown = fault.to_string();
    assert!(shown.len() < 20_000, "{} bytes of message", shown.len());
    harmless(&shown.replace('\n', ""));
}

/// As a terminal takes it: nothing moves the cursor, hides or reorders text. One line.
pub fn harmless(text: &str) {
    let acting = text.chars().find(|&c| {
        c.is_control()
            || matches!(u32::from(c), 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe007f)
    });
    assert_eq!(acting, None, "in {text:?}");
}

/// The lines of a text, with the three line ends that YAML knows.
fn lines(text: &str) -> Vec<String> {
    text.replace("\r\n", "\n").split(['\n', '\r']).map(str::to_owned).collect()
}
