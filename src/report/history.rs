//! What has ended: one table of all, with filters where a script may run, and a page for each kind and each outcome for
//! where none may.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use maud::{Markup, html};
use sha2::{Digest, Sha256};

use super::layout::{HISTORY_SCRIPT, Page, Place, badge, count, page, page_of, shown, span, time_of, word_of};
use super::model::Site;
use crate::outcome::Outcome;
use crate::record::visible;
use crate::view::Line;

/// The page of all.
pub const FILE: &str = "history.html";

/// Kinds that get a page of their own at most; the others are in the table of all.
const KINDS_MAX: usize = 200;

/// Every page of the history: name and text.
pub fn pages(site: &Site) -> Vec<(String, String)> {
    let (kinds, outcomes) = (kinds(site), outcomes(site));
    let mut pages = vec![(FILE.to_owned(), all(site, &kinds, &outcomes))];
    for kind in kinds.keys() {
        let of_kind = |line: &&Line| line.kind.as_deref() == Some(kind);
        let lines: Vec<Line> = site.ended.iter().filter(of_kind).cloned().collect();
        pages.push((file_of_kind(kind), some(site, &format!("Kind {kind}"), &lines, &kinds, &outcomes)));
    }
    for outcome in outcomes.keys() {
        let lines: Vec<Line> = site.ended.iter().filter(|line| line.state == *outcome).cloned().collect();
        let title = format!("Outcome {}", word_of(outcome));
        pages.push((file_of_outcome(outcome), some(site, &title, &lines, &kinds, &outcomes)));
    }
    pages
}

fn kinds(site: &Site) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    for kind in site.ended.iter().filter_map(|line| line.kind.as_deref()) {
        *kinds.entry(kind).or_insert(0) += 1;
    }
    while kinds.len() > KINDS_MAX {
        kinds.pop_last();
    }
    kinds
}

/// Outcomes that occurred; what is none has no page.
fn outcomes(site: &Site) -> BTreeMap<&'static str, usize> {
    let mut outcomes = BTreeMap::new();
    for outcome in site.ended.iter().filter_map(|line| line.state.parse::<Outcome>().ok()) {
        *outcomes.entry(outcome.as_str()).or_insert(0) += 1;
    }
    outcomes
}

/// The page of a kind. Its name is the kind's where that is a name on every file system, else a digest of it.
pub fn file_of_kind(kind: &str) -> String {
    let plain = kind.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
    if plain && kind.len() <= 64 && kind.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return format!("history-kind-{kind}.html");
    }
    format!("history-kind--{}.html", HEXLOWER.encode(&Sha256::digest(kind)[..8]))
}

/// The page of an outcome, one of a fixed few.
fn file_of_outcome(outcome: &str) -> String {
    format!("history-outcome-{outcome}.html")
}

fn all(site: &Site, kinds: &BTreeMap<&str, usize>, outcomes: &BTreeMap<&str, usize>) -> String {
    let body = html! {
        h1 { "History" }
        p.lead { (count(site.ended.len())) " requests that have ended, the youngest first." }
        @if let Some(words) = &site.left_out { p.note { (shown(words)) } }
        (filter(kinds, outcomes))
        (ways(kinds, outcomes, None))
        (table("requests", "Requests that have ended, the youngest first.", &site.ended, Place::History))
        div.pager id="pager" hidden {
            button type="button" id="back" { "Younger" }
            button type="button" id="next" { "Older" }
            span id="told" role="status" {}
        }
    };
    page(site, &Page { title: "History", place: Place::History, scripts: &[HISTORY_SCRIPT], is_dated: true }, &body)
}

fn some(
    site: &Site,
    title: &str,
    lines: &[Line],
    kinds: &BTreeMap<&str, usize>,
    outcomes: &BTreeMap<&str, usize>,
) -> String {
    let body = html! {
        p.note { a href=(FILE) { "History" } }
        h1 { (shown(title)) }
        p.lead { (count(lines.len())) " requests that have ended, the youngest first." }
        (ways(kinds, outcomes, Some(title)))
        (table("requests", &format!("{}: requests that have ended, the youngest first.", shown(title)), lines, Place::History))
    };
    page(site, &Page { title, place: Place::History, scripts: &[], is_dated: true }, &body)
}

/// The filters, which a script brings to light.
fn filter(kinds: &BTreeMap<&str, usize>, outcomes: &BTreeMap<&str, usize>) -> Markup {
    html! {
        form.filter id="filter" hidden {
            div { label for="f-q" { "Text" } input type="search" id="f-q" name="q" placeholder="name, id, reason" autocomplete="off"; }
            div { label for="f-kind" { "Kind" } select id="f-kind" name="kind" {
                option value="" { "every kind" }
                @for kind in kinds.keys() { option value=(visible::line(kind)) { (shown(kind)) } }
            } }
            div { label for="f-outcome" { "Outcome" } select id="f-outcome" name="outcome" {
                option value="" { "every outcome" }
                @for outcome in outcomes.keys() { option value=(outcome) { (word_of(outcome)) } }
            } }
            div { label for="f-from" { "From" } input type="date" id="f-from" name="from"; }
            div { label for="f-to" { "To" } input type="date" id="f-to" name="to"; }
            button type="reset" { "Clear" }
        }
    }
}

/// Links to the pages of each outcome and kind.
fn ways(kinds: &BTreeMap<&str, usize>, outcomes: &BTreeMap<&str, usize>, here: Option<&str>) -> Markup {
    let current = |title: &str| (here == Some(title)).then_some("page");
    html! {
        nav aria-label="By outcome and kind" {
            details open[here.is_some()] {
                summary { "A page for each outcome and kind" }
                h2 { "Outcomes" }
                ul.chips {
                    @for (outcome, number) in outcomes {
                        @let title = format!("Outcome {}", word_of(outcome));
                        li { a href=(file_of_outcome(outcome)) aria-current=[current(&title)] { (word_of(outcome)) " (" (count(*number)) ")" } }
                    }
                }
                h2 { "Kinds" }
                ul.chips {
                    @for (kind, number) in kinds {
                        li { a href=(file_of_kind(kind)) aria-current=[current(&format!("Kind {kind}"))] { (shown(kind)) " (" (count(*number)) ")" } }
                    }
                }
            }
        }
    }
}

/// A table of ended requests.
pub fn table(id: &str, caption: &str, lines: &[Line], place: Place) -> Markup {
    if lines.is_empty() {
        return html! { p.panel { "Nothing has ended yet." } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table.stack id=(id) {
                caption { (caption) }
                thead { tr {
                    th scope="col" { "Request" } th scope="col" { "Outcome" } th scope="col" { "Kind" } th scope="col" { "Ended" }
                    th.num scope="col" { "Took" } th scope="col" { "Reason" }
                } }
                tbody { @for line in lines { (row(line, place)) } }
            }
        }
    }
}

fn row(line: &Line, place: Place) -> Markup {
    let reason = line.resolved.as_ref().map(crate::command::Resolution::words).or_else(|| line.reason.clone());
    let kind = line.kind.as_deref().unwrap_or("");
    html! {
        tr data-kind=(visible::line(kind)) data-outcome=(visible::line(&line.state)) data-day=[line.finished_at.as_ref().and_then(|time| time.get(..10))] {
            th scope="row" {
                a href={ (place.up()) (page_of(line.id)) } { (shown(&line.name)) }
                " " span.note.mono { (line.id.short()) }
            }
            td { (badge(&line.state, "")) }
            td.any data-l="Kind" { (shown(if kind.is_empty() { "none" } else { kind })) }
            td.when data-l="Ended" { @if let Some(time) = &line.finished_at { (time_of(time)) } }
            td.num data-l="Took" { @if let Some(duration) = line.duration_ms { (span(duration)) } }
            td.why { (shown(reason.as_deref().and_then(|reason| reason.lines().next()).unwrap_or(""))) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_hold_on_every_file_system() {
        assert_eq!(file_of_kind("deploy"), "history-kind-deploy.html");
        let odd = ["Deploy", "../../etc/passwd", "a b", "", "<script>", "ä", "dispatch.resolve", "a\u{202e}b"];
        let names: std::collections::BTreeSet<String> = odd.into_iter().map(file_of_kind).collect();
        assert_eq!(names.len(), odd.len());
        for name in names {
            let stem = name.strip_suffix(".html").expect("an ending");
            assert!(stem.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')), "{name}");
        }
    }
}
