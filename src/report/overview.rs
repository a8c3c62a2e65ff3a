//! The first page: where things stand, what waits and why, and what came of what has ended lately.

use maud::{Markup, html};

use super::charts;
use super::history;
use super::layout::{Page, Place, badge, count, page, page_of, prose, shown, span, time_of};
use super::model::{Group, Notice, Pending, Site, queued_at};
use crate::clock::millis_between;
use crate::record::visible;

/// So many of those that ended last.
const LATEST: usize = 12;

/// The page.
pub fn overview(site: &Site) -> String {
    let body = html! {
        h1 { "Where things stand" }
        p.lead { (shown(&site.dispatcher)) }
        @for notice in &site.notices { (notice_box(notice)) }
        (tiles(site))
        section aria-labelledby="queue" {
            h2 id="queue" { "The queue" }
            (queue(site))
        }
        div.cols {
            section.panel aria-labelledby="c-outcomes" { h2 id="c-outcomes" { "Outcomes" } (charts::outcomes(&site.ended, site.generated)) }
            section.panel aria-labelledby="c-waits" { h2 id="c-waits" { "Time in the queue" } (charts::waits(&site.ended, site.generated)) }
            section.panel aria-labelledby="c-ages" { h2 id="c-ages" { "Age of the queue" } (charts::ages(&site.pending, site.generated)) }
        }
        section aria-labelledby="c-durations" { h2 id="c-durations" { "Durations by kind" } (charts::durations(&site.ended)) }
        section aria-labelledby="latest" {
            h2 id="latest" { "Ended last" }
            (history::table("latest-table", "What ended last, the youngest first.", &site.ended[..site.ended.len().min(LATEST)], Place::Overview))
            p.note { a href="history.html" { "All " (count(site.ended.len())) " in the history" } }
        }
        @if !site.hosts.is_empty() { (hosts(site)) }
    };
    page(site, &Page { title: "Overview", place: Place::Overview, scripts: &[], is_dated: true }, &body)
}

fn notice_box(notice: &Notice) -> Markup {
    let mut lines = notice.words.trim().splitn(2, '\n');
    let first = lines.next().unwrap_or_default();
    html! {
        div.call.bad[notice.stops] .warn[!notice.stops] role="note" {
            p { strong.what { (if notice.stops { "Stopped" } else { "To know" }) } ": " (prose(first)) }
            @if let Some(rest) = lines.next() { pre tabindex="0" { (visible::lines(rest)) } }
        }
    }
}

fn tiles(site: &Site) -> Markup {
    let waiting = |state: &str| site.pending.iter().filter(|pending| pending.line.state == state).count();
    let running = waiting("running") + waiting("retrying");
    let ended = site.ended.len();
    let succeeded = site.ended.iter().filter(|line| Group::of(line) == Group::Succeeded).count();
    let unpublished = site.hosts.iter().map(|host| host.unpublished).sum::<usize>().max(waiting("publishing"));
    html! {
        dl.tiles {
            div { dt { "Pending" } dd { (count(waiting("pending"))) } }
            div { dt { "Running" } dd { (count(running)) } }
            div { dt { "Held" } dd { (count(waiting("held"))) } }
            div { dt { "Not published" } dd { (count(unpublished)) } }
            div { dt { "Ended" } dd { (count(ended)) } }
            div { dt { "Succeeded" } dd {
                @if ended == 0 { "–" } @else { (succeeded * 100 / ended) "%" small { " of " (count(ended)) } }
            } }
        }
    }
}

fn queue(site: &Site) -> Markup {
    if site.pending.is_empty() {
        return html! { p.panel { "Nothing waits and nothing runs." } };
    }
    let age = |pending: &Pending| queued_at(&pending.line).map(|queued| millis_between(queued, site.generated));
    html! {
        div.scroll tabindex="0" role="region" aria-label="The queue" {
            table.stack {
                caption { "What waits or runs, in the order of main." }
                thead { tr {
                    th scope="col" { "Request" } th scope="col" { "State" } th scope="col" { "Kind" }
                    th.num scope="col" { "Age" } th scope="col" { "Why, and what to do" }
                } }
                tbody {
                    @for pending in &site.pending {
                        tr {
                            th scope="row" { a href=(page_of(pending.line.id)) { (shown(&pending.line.name)) } }
                            td { (badge(&pending.line.state, "")) }
                            td.any data-l="Kind" { (shown(pending.line.kind.as_deref().unwrap_or("none"))) }
                            td.num data-l="Age" { @if let Some(age) = age(pending) { (span(age)) } }
                            td.why { (prose(&pending.advice.because)) br; "Next: " (prose(&pending.advice.next)) }
                        }
                    }
                }
            }
        }
    }
}

fn hosts(site: &Site) -> Markup {
    html! {
        section aria-labelledby="hosts" {
            h2 id="hosts" { "Hosts" }
            div.scroll tabindex="0" role="region" aria-label="Hosts" {
                table.stack {
                    caption { "As each told at its last pass." }
                    thead { tr {
                        th scope="col" { "Node" } th scope="col" { "State" } th scope="col" { "Last pass" }
                        th.num scope="col" { "Running" } th.num scope="col" { "Queued" } th.num scope="col" { "Held" } th.num scope="col" { "Not published" }
                    } }
                    tbody {
                        @for host in &site.hosts {
                            tr {
                                th scope="row" { (shown(&host.node)) }
                                td data-l="State" { (shown(&host.state)) }
                                td.when data-l="Last pass" { (time_of(&host.at)) }
                                td.num data-l="Running" { (count(host.running)) }
                                td.num data-l="Queued" { (count(host.queued)) }
                                td.num data-l="Held" { (count(host.held)) }
                                td.num data-l="Not published" { (count(host.unpublished)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
