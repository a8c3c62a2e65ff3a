//! What every page has: head with a policy that lets nothing in, bar, theme switch, footer; and the small parts that
//! several pages show. Every text from elsewhere goes through [`shown`], and maud escapes it.

use std::borrow::Cow;
use std::sync::LazyLock;

use data_encoding::BASE64;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::model::{Look, Reference, Site, look};
use crate::id::RequestId;
use crate::record::visible;
use crate::units::short_duration;

/// The style sheet, in every page: each can be mailed or attached by itself.
pub const STYLE: &str = include_str!("style.css");
/// Remembers the theme. Without it the switch works for the page that is open.
pub const THEME_SCRIPT: &str = include_str!("theme.js");
/// Filters the history and shows it in pages. Without it the whole table stands there.
pub const HISTORY_SCRIPT: &str = include_str!("history.js");

/// Text of one line that is shown at most, in characters.
const LINE_CHARS_MAX: usize = 300;

/// Which page of the bar it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where things stand.
    Overview,
    /// What has ended.
    History,
    /// One request, a folder down.
    Request,
}

impl Place {
    /// The way back to the top of the report.
    pub fn up(self) -> &'static str {
        if self == Self::Request { "../" } else { "" }
    }
}

/// A page.
pub struct Page<'a> {
    /// Its title, without the report's.
    pub title: &'a str,
    /// Where it stands.
    pub place: Place,
    /// Scripts beside the theme's.
    pub scripts: &'a [&'static str],
    /// Whether it says when it was made and from which commit; a page that is kept while others change does not.
    pub is_dated: bool,
}

/// The whole text of a page.
pub fn page(site: &Site, page: &Page<'_>, body: &Markup) -> String {
    let up = page.place.up();
    let current = |place| (page.place == place).then_some("page");
    let scripts: Vec<&str> = [THEME_SCRIPT].into_iter().chain(page.scripts.iter().copied()).collect();
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy(&scripts));
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                meta name="generator" content=(concat!("codex-dispatch ", env!("CARGO_PKG_VERSION")));
                title { (shown(page.title)) " · dispatch report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                (sprite())
                header.bar {
                    div.wrap {
                        a.brand href={ (up) "index.html" } {
                            svg viewBox="0 0 24 24" aria-hidden="true" { use href="#i-inbox" {} }
                            span { "dispatch report" }
                        }
                        nav.nav aria-label="Report" {
                            a href={ (up) "index.html" } aria-current=[current(Place::Overview)] { "Overview" }
                            a href={ (up) "history.html" } aria-current=[current(Place::History)] { "History" }
                        }
                        fieldset.theme {
                            legend { "Colours" }
                            @for (value, word) in [("auto", "Auto"), ("light", "Light"), ("dark", "Dark")] {
                                input type="radio" name="theme" id={ "theme-" (value) } value=(value) checked[value == "auto"];
                                label for={ "theme-" (value) } { (word) }
                            }
                        }
                    }
                }
                main.wrap id="main" tabindex="-1" { (body) }
                footer {
                    div.wrap {
                        @if page.is_dated {
                            p {
                                "Made " (time(site.generated))
                                @if let Some(tip) = &site.tip { " from commit " code { (shown(tip)) } }
                                " of " (shown(&site.branch)) ", " (shown(&site.origin)) "."
                            }
                        }
                        p { "Written by dispatch " (env!("CARGO_PKG_VERSION")) " report. Times are UTC. What it shows was true when it was made; Git has the record." }
                    }
                }
                @for script in &scripts { script { (PreEscaped(script)) } }
            }
        }
    };
    let mut text = whole.into_string();
    text.push('\n');
    text
}

/// Nothing is fetched, sent or run but the very texts that this program wrote.
fn policy(scripts: &[&str]) -> String {
    /// It stands in every page, and pages are many.
    static STYLE_SOURCE: LazyLock<String> = LazyLock::new(|| source(STYLE));
    let scripts: Vec<String> = scripts.iter().map(|script| source(script)).collect();
    let scripts = scripts.join(" ");
    format!(
        "default-src 'none'; style-src {}; script-src {scripts}; base-uri 'none'; form-action 'none'",
        *STYLE_SOURCE
    )
}

/// A text as a policy names it.
fn source(text: &str) -> String {
    format!("'sha256-{}'", BASE64.encode(&Sha256::digest(text)))
}

/// Text from elsewhere in one line: nothing in it moves, hides or reorders what stands beside it.
pub fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LINE_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", visible::line(&text[..end]))),
        None => visible::line(text),
    }
}

/// A sentence from elsewhere; what stands between backticks is code.
pub fn prose(text: &str) -> Markup {
    let text = shown(text);
    let parts: Vec<&str> = text.split('`').collect();
    html! {
        @for (number, part) in parts.iter().enumerate() {
            @if number % 2 == 0 { (part) }
            // One that has no other belongs to the text.
            @else if number + 1 == parts.len() { "`" (part) }
            @else { code { (part) } }
        }
    }
}

/// A time, to the second, in UTC.
pub fn time(time: Timestamp) -> Markup {
    let exact = crate::clock::utc_millis(time);
    html! { time datetime=(exact) title=(exact) { (exact[..10]) " " (exact[11..19]) } }
}

/// A time as a record writes it; as it stands where it is none.
pub fn time_of(text: &str) -> Markup {
    text.parse().map_or_else(|_| html! { (shown(text)) }, time)
}

/// A span of milliseconds.
pub fn span(milliseconds: u64) -> String {
    short_duration(milliseconds)
}

/// A size for people, and the exact one for who needs it.
pub fn size(bytes: u64) -> Markup {
    html! { span title={ (bytes) " bytes" } { (human_size(bytes)) } }
}

/// A size in the largest unit that leaves a number from 1 on.
pub fn human_size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let place = (1..=units.len()).rev().find(|place| bytes >> (10 * place) > 0);
    let Some(place) = place else { return format!("{bytes} B") };
    let tenths = (u128::from(bytes) * 10) >> (10 * place);
    format!("{}.{} {}", tenths / 10, tenths % 10, units[place - 1])
}

/// A number with its thousands apart.
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A state as a badge: sign and word, in its tone.
pub fn badge(state: &str, class: &str) -> Markup {
    let Look { sign, tone, word } = look(state);
    html! { span class={ "badge " (tone) " " (class) } { (icon(sign)) (word) } }
}

/// A sign of the sprite, for the eye alone.
pub fn icon(sign: &str) -> Markup {
    html! { svg viewBox="0 0 16 16" aria-hidden="true" { use href={ "#i-" (sign) } {} } }
}

/// Where the page of a request stands, from the top of the report. The id is all of its name.
pub fn page_of(id: RequestId) -> String {
    format!("requests/{id}.html")
}

/// Another request: a link where this report has a page of it.
pub fn reference(other: &Reference, up: &str) -> Markup {
    let id = other.id.to_string();
    let name = other.name.as_deref().unwrap_or(&id);
    html! {
        @if other.has_page { a href={ (up) (page_of(other.id)) } { (shown(name)) } } @else { (shown(name)) }
        @if other.name.is_some() { " " span.note.mono { (other.id.short()) } }
    }
}

/// The word of a state for a sentence.
pub fn word_of(state: &str) -> &'static str {
    look(state).word
}

/// Every sign, once a page. Each differs in shape: colour only repeats what shape and word say.
fn sprite() -> Markup {
    let signs: [(&str, &str); 15] = [
        ("check", "M3 8.5l3.2 3.2L13 4.8"),
        ("cross", "M4 4l8 8M12 4l-8 8"),
        ("clock", "M8 1.8a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.8zM8 4.6V8l2.4 1.6"),
        ("stop", "M5.4 2h5.2L14 5.4v5.2L10.6 14H5.4L2 10.6V5.4z"),
        ("no", "M8 1.8a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.8zM3.8 3.8l8.4 8.4"),
        ("sand", "M4 2h8M4 14h8M5 2v2.2L8 8l3-3.8V2M5 14v-2.2L8 8l3 3.8V14"),
        ("minus", "M3 8h10"),
        ("ask", "M5.2 5.6a2.8 2.8 0 115 1.7C9.2 8.2 8 8.5 8 10M8 13v.1"),
        ("dots", "M3 8h.1M8 8h.1M13 8h.1"),
        ("pause", "M5.5 3v10M10.5 3v10"),
        ("play", "M5 3l7.5 5L5 13z"),
        ("again", "M13 8a5 5 0 11-1.6-3.7M13 2v3h-3"),
        ("up", "M8 13V3.5M4 7l4-4 4 4"),
        ("in", "M8 3v9.5M4 9l4 4 4-4"),
        ("flag", "M4 14V2.5h8L10 5.5l2 3H4"),
    ];
    html! {
        svg.sprite aria-hidden="true" {
            @for (name, path) in signs {
                symbol id={ "i-" (name) } viewBox="0 0 16 16" {
                    path d=(path) fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" {}
                }
            }
            symbol id="i-inbox" viewBox="0 0 24 24" {
                path d="M3 13l3-8h12l3 8v6H3zM3 13h5l1.5 3h5l1.5-3h5" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_for_people() {
        for (bytes, expected) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_600_000, "1.5 MiB"), (u64::MAX, "16777215.9 TiB")]
        {
            assert_eq!(human_size(bytes), expected);
        }
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), expected);
        }
    }

    #[test]
    fn nothing_in_our_own_texts_ends_their_element() {
        for text in [STYLE, THEME_SCRIPT, HISTORY_SCRIPT] {
            assert!(!text.contains("</") && !text.contains("<!--"), "{text:.80}");
            assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("url("), "{text:.80}");
        }
    }

    #[test]
    fn a_long_line_is_cut_and_a_hostile_one_shown() {
        assert_eq!(shown(&"ä".repeat(1000)).chars().count(), LINE_CHARS_MAX + 1);
        assert_eq!(shown("a\u{202e}b\u{1b}"), "a\\u{202e}b\\x1b");
    }
}
