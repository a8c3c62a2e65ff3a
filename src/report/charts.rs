//! Charts as inline SVG, each with a title, a description and the same numbers as a table. Groups differ by pattern and place
//! before they differ by colour. Pure: the time is handed in.

#![expect(clippy::cast_precision_loss, reason = "what is drawn has three digits")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use maud::{Markup, html};

use super::layout::{count, shown, span};
use super::model::{Group, Pending, ended_at, queued_at, waited_ms};
use crate::view::Line;

/// Columns of a chart over time at most.
const COLUMNS_MAX: i64 = 31;
/// Widths of a column that are tried, in seconds, with the name of one.
const STEPS: [(i64, &str); 8] = [
    (300, "5 minutes"),
    (3600, "hour"),
    (6 * 3600, "6 hours"),
    (86_400, "day"),
    (7 * 86_400, "week"),
    (28 * 86_400, "4 weeks"),
    (364 * 86_400, "52 weeks"),
    (3640 * 86_400, "10 years"),
];
/// Kinds in the chart of durations at most.
const KINDS_MAX: usize = 20;

/// The inside of a chart, in its own units.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 40.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;

/// Columns over time, of equal width, the first of which begins at `start`.
struct Axis {
    start: i64,
    step: i64,
    step_name: &'static str,
    columns: usize,
}

impl Axis {
    fn over(first: Timestamp, now: Timestamp) -> Self {
        let (first, now) = (first.as_second().min(now.as_second()), now.as_second());
        let fits = |step: i64| now.div_euclid(step) - first.div_euclid(step) < COLUMNS_MAX;
        let (step, step_name) = STEPS.into_iter().find(|(step, _)| fits(*step)).unwrap_or(STEPS[STEPS.len() - 1]);
        let columns = (now.div_euclid(step) - first.div_euclid(step) + 1).clamp(1, COLUMNS_MAX);
        let start = (now.div_euclid(step) - columns + 1) * step;
        Self { start, step, step_name, columns: usize::try_from(columns).unwrap_or(1) }
    }

    fn column(&self, time: Timestamp) -> Option<usize> {
        let column = usize::try_from((time.as_second() - self.start).div_euclid(self.step)).ok()?;
        (column < self.columns).then_some(column)
    }

    /// The name of a column: its day, and the hour where it is shorter than a day.
    fn name(&self, column: usize) -> String {
        let second = self.start + i64::try_from(column).unwrap_or(0) * self.step;
        let text = Timestamp::from_second(second).map(crate::clock::utc_millis).unwrap_or_default();
        let (day, hour) = (text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default());
        if self.step < 86_400 { format!("{day} {hour}") } else { day.to_owned() }
    }

    /// The same without the year, for below the columns.
    fn short_name(&self, column: usize) -> String {
        self.name(column).chars().skip(5).collect()
    }
}

/// One column of stacked bars.
struct Column {
    /// What it stands for.
    name: String,
    /// Below it, where there is room for a name.
    short_name: String,
    /// What it says in words.
    words: String,
    /// The bars, the lowest first.
    parts: Vec<f64>,
}

/// How a chart is told.
struct Telling<'a> {
    /// Begins the ids in it.
    id: &'a str,
    title: &'a str,
    description: String,
    /// The class or pattern of each bar of a stack.
    fills: &'a [Fill],
    /// A value for beside the axis.
    value: fn(f64) -> String,
    /// The end of the scale for a highest value.
    top: fn(f64) -> f64,
}

/// How a bar is filled.
#[derive(Clone, Copy)]
enum Fill {
    Solid(&'static str),
    Hatched,
    Dotted,
    Edged(&'static str),
}

/// Stacked columns with a scale.
fn columns(telling: &Telling<'_>, columns: &[Column]) -> Markup {
    let highest = columns.iter().map(|column| column.parts.iter().sum::<f64>()).fold(0.0, f64::max);
    let top = (telling.top)(highest);
    let room = HEIGHT - TOP - BOTTOM;
    let width = (WIDTH - LEFT) / columns.len().max(1) as f64;
    let bar = (width * 0.76).clamp(2.0, 34.0);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * room;
    // Below few columns there is room for every name.
    let every = if columns.len() > 6 { columns.len().div_ceil(4) } else { 1 };
    html! {
        svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-labelledby={ (telling.id) "-t " (telling.id) "-d" } {
            title id={ (telling.id) "-t" } { (telling.title) }
            desc id={ (telling.id) "-d" } { (telling.description) }
            (patterns(telling.id))
            @for (number, at) in [0.0, top / 2.0, top].into_iter().enumerate() {
                line.grid[number > 0] .axis[number == 0] x1=(LEFT) x2=(WIDTH) y1=(point(y(at))) y2=(point(y(at))) {}
                @if at.fract() < f64::EPSILON {
                    text x=(LEFT - 7.0) y=(point(y(at) + 4.0)) text-anchor="end" { ((telling.value)(at)) }
                }
            }
            @for (index, column) in columns.iter().enumerate() {
                g {
                    title { (column.words) }
                    @for (fill, part, from) in stacked(telling.fills, &column.parts) {
                        rect.s-ok[matches!(fill, Fill::Solid("ok"))] .s-run[matches!(fill, Fill::Solid("run"))]
                            .edge-bad[matches!(fill, Fill::Hatched)] .edge-idle[matches!(fill, Fill::Dotted)]
                            .soft[matches!(fill, Fill::Edged("run"))]
                            x=(point(LEFT + width * index as f64 + (width - bar) / 2.0)) y=(point(y(from + part)))
                            width=(point(bar)) height=(point((y(from) - y(from + part)).max(1.0))) {}
                        @if let Some(pattern) = fill.pattern() {
                            rect fill={ "url(#" (telling.id) "-" (pattern) ")" }
                                x=(point(LEFT + width * index as f64 + (width - bar) / 2.0)) y=(point(y(from + part)))
                                width=(point(bar)) height=(point((y(from) - y(from + part)).max(1.0))) {}
                        }
                    }
                    @if index % every == every / 2 {
                        text x=(point(LEFT + width * (index as f64 + 0.5))) y=(HEIGHT - 8.0) text-anchor="middle" { (column.short_name) }
                    }
                }
            }
        }
    }
}

impl Fill {
    fn pattern(self) -> Option<&'static str> {
        match self {
            Self::Hatched => Some("hatch"),
            Self::Dotted => Some("dots"),
            Self::Solid(_) | Self::Edged(_) => None,
        }
    }

    /// A square of it, for the legend.
    fn swatch(self, id: &str) -> Markup {
        html! {
            svg viewBox="0 0 14 14" aria-hidden="true" {
                (patterns(id))
                rect.s-ok[matches!(self, Self::Solid("ok"))] .s-run[matches!(self, Self::Solid("run"))]
                    .edge-bad[matches!(self, Self::Hatched)] .edge-idle[matches!(self, Self::Dotted)]
                    .soft[matches!(self, Self::Edged("run"))] x="1" y="1" width="12" height="12" {}
                @if let Some(pattern) = self.pattern() {
                    rect fill={ "url(#" (id) "-" (pattern) ")" } x="1" y="1" width="12" height="12" {}
                }
            }
        }
    }
}

fn stacked(fills: &[Fill], parts: &[f64]) -> Vec<(Fill, f64, f64)> {
    let mut from = 0.0;
    let mut stack = Vec::new();
    for (fill, part) in fills.iter().zip(parts) {
        if *part > 0.0 {
            stack.push((*fill, *part, from));
        }
        from += part;
    }
    stack
}

fn patterns(id: &str) -> Markup {
    html! {
        defs {
            pattern id={ (id) "-hatch" } width="6" height="6" patternUnits="userSpaceOnUse" {
                path.hatch d="M-1 7L7 -1M-1 1L1 -1M5 7L7 5" {}
            }
            pattern id={ (id) "-dots" } width="5" height="5" patternUnits="userSpaceOnUse" {
                circle.dot cx="2.5" cy="2.5" r="1.1" {}
            }
        }
    }
}

/// The next number that is good to read and whose half is: at least 2, so that it is whole where counts are.
fn round_up(value: f64) -> f64 {
    let mut tens = 1.0;
    for _ in 0..30 {
        if let Some(top) = [2.0, 4.0, 6.0, 8.0, 10.0].into_iter().map(|step| step * tens).find(|top| *top >= value) {
            return top;
        }
        tens *= 10.0;
    }
    value
}

/// The same for seconds, of which people count 60.
fn round_up_seconds(value: f64) -> f64 {
    let tops = [2.0, 4.0, 10.0, 20.0, 60.0, 120.0, 240.0, 600.0, 1200.0, 3600.0, 7200.0, 14_400.0, 43_200.0, 86_400.0];
    tops.into_iter().find(|top| *top >= value).unwrap_or_else(|| round_up(value / 86_400.0) * 86_400.0)
}

/// A coordinate, with no more digits than anybody sees.
fn point(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

fn legend(id: &str, entries: &[(Fill, &str)]) -> Markup {
    html! {
        ul.legend {
            @for (number, (fill, words)) in entries.iter().enumerate() {
                li { (fill.swatch(&format!("{id}-l{number}"))) (words) }
            }
        }
    }
}

/// The numbers of a chart as a table, for who cannot or does not want to look.
fn as_table(caption: &str, header: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        details {
            summary { "The numbers as a table" }
            div.scroll tabindex="0" role="region" aria-label=(caption) {
                table {
                    caption { (caption) }
                    thead { tr { @for (at, name) in header.iter().enumerate() { th.num[at > 0] scope="col" { (name) } } } }
                    tbody {
                        @for row in rows {
                            tr { @for (at, cell) in row.iter().enumerate() {
                                @if at == 0 { th scope="row" { (cell) } } @else { td.num { (cell) } }
                            } }
                        }
                    }
                }
            }
        }
    }
}

/// Outcomes over time.
pub fn outcomes(ended: &[Line], now: Timestamp) -> Markup {
    let times: Vec<(Timestamp, Group)> =
        ended.iter().filter_map(|line| Some((ended_at(line)?, Group::of(line)))).collect();
    let Some(first) = times.iter().map(|(time, _)| *time).min() else { return nothing("Nothing has ended yet.") };
    let axis = Axis::over(first, now);
    let mut counts = vec![[0_usize; 3]; axis.columns];
    for (time, group) in &times {
        if let Some(column) = axis.column(*time) {
            counts[column][*group as usize] += 1;
        }
    }
    let words = |counts: &[usize; 3]| format!("{} succeeded, {} failed, {} other", counts[0], counts[1], counts[2]);
    let shown: Vec<Column> = counts
        .iter()
        .enumerate()
        .map(|(at, counts)| Column {
            name: axis.name(at),
            short_name: axis.short_name(at),
            words: format!("{}: {}", axis.name(at), words(counts)),
            parts: counts.iter().map(|count| *count as f64).collect(),
        })
        .collect();
    let total = counts.iter().fold([0; 3], |all, one| [all[0] + one[0], all[1] + one[1], all[2] + one[2]]);
    let fills = [Fill::Solid("ok"), Fill::Hatched, Fill::Dotted];
    let telling = Telling {
        id: "outcomes",
        title: "Outcomes over time",
        description: format!("Requests that ended, by {}: in all {}.", axis.step_name, words(&total)),
        fills: &fills,
        value: |value| format!("{value:.0}"),
        top: round_up,
    };
    let rows = shown.iter().zip(&counts).rev().map(|(column, counts)| {
        let numbers = counts.iter().map(|number| count(*number));
        [column.name.clone()].into_iter().chain(numbers).collect()
    });
    html! {
        p.note { "Requests that ended, by " (axis.step_name) "." }
        (columns(&telling, &shown))
        (legend("outcomes", &[
            (fills[0], "succeeded"), (fills[1], "failed, timed out, killed"), (fills[2], "rejected, expired, cancelled, indeterminate"),
        ]))
        (as_table("Outcomes over time", &["From", "Succeeded", "Failed", "Other"], &rows.collect::<Vec<_>>()))
    }
}

/// How long requests waited for their start, over time.
pub fn waits(ended: &[Line], now: Timestamp) -> Markup {
    let waits: Vec<(Timestamp, u64)> =
        ended.iter().filter_map(|line| Some((ended_at(line)?, waited_ms(line)?))).collect();
    let Some(first) = waits.iter().map(|(time, _)| *time).min() else { return nothing("Nothing has started yet.") };
    let axis = Axis::over(first, now);
    let mut by_column: Vec<Vec<u64>> = vec![Vec::new(); axis.columns];
    for (time, wait) in &waits {
        if let Some(column) = axis.column(*time) {
            by_column[column].push(*wait);
        }
    }
    let numbers: Vec<(usize, u64, u64)> =
        by_column.iter_mut().map(|waits| (waits.len(), quantile(waits, 50), quantile(waits, 95))).collect();
    let shown: Vec<Column> = numbers
        .iter()
        .enumerate()
        .map(|(at, (number, median, most))| Column {
            name: axis.name(at),
            short_name: axis.short_name(at),
            words: format!(
                "{}: {number} started, median {}, 95 of 100 within {}",
                axis.name(at),
                span(*median),
                span(*most)
            ),
            parts: vec![*median as f64 / 1000.0, (most - median) as f64 / 1000.0],
        })
        .collect();
    let mut all: Vec<u64> = waits.iter().map(|(_, wait)| *wait).collect();
    let fills = [Fill::Solid("run"), Fill::Edged("run")];
    let telling = Telling {
        id: "waits",
        title: "Time in the queue before the start",
        description: format!(
            "By {}: in all a median of {}, and 95 of 100 started within {}.",
            axis.step_name,
            span(quantile(&mut all, 50)),
            span(quantile(&mut all, 95))
        ),
        fills: &fills,
        value: seconds,
        top: round_up_seconds,
    };
    let rows =
        shown.iter().zip(&numbers).rev().map(|(column, (number, median, most))| {
            vec![column.name.clone(), count(*number), span(*median), span(*most)]
        });
    html! {
        p.note { "From its merge to the first start, by the " (axis.step_name) " in which it ended." }
        (columns(&telling, &shown))
        (legend("waits", &[(fills[0], "median"), (fills[1], "95 of 100 within")]))
        (as_table("Time in the queue before the start", &["From", "Started", "Median", "95 of 100"], &rows.collect::<Vec<_>>()))
    }
}

/// How old what waits is.
pub fn ages(pending: &[Pending], now: Timestamp) -> Markup {
    let groups: [(&str, u64); 6] =
        [("< 1m", 60), ("< 10m", 600), ("< 1h", 3600), ("< 6h", 6 * 3600), ("< 1d", 86_400), ("older", u64::MAX)];
    let mut counts = [0_usize; 6];
    let mut oldest = 0;
    for queued in pending.iter().filter_map(|pending| queued_at(&pending.line)) {
        let age = crate::clock::millis_between(queued, now) / 1000;
        oldest = oldest.max(age);
        counts[groups.iter().position(|(_, end)| age < *end).unwrap_or(5)] += 1;
    }
    if pending.is_empty() {
        return nothing("Nothing waits.");
    }
    let shown: Vec<Column> = groups
        .iter()
        .zip(counts)
        .map(|((name, _), count)| Column {
            name: (*name).to_owned(),
            short_name: (*name).to_owned(),
            words: format!("{count} of age {name}"),
            parts: vec![count as f64],
        })
        .collect();
    let fills = [Fill::Solid("run")];
    let telling = Telling {
        id: "ages",
        title: "Age of what waits now",
        description: format!("{} requests, the oldest {} old.", pending.len(), span(oldest.saturating_mul(1000))),
        fills: &fills,
        value: |value| format!("{value:.0}"),
        top: round_up,
    };
    let rows: Vec<Vec<String>> =
        shown.iter().zip(counts).map(|(column, number)| vec![column.name.clone(), count(number)]).collect();
    html! {
        p.note { "Counted from the merge to when the report was made; the oldest is " (span(oldest.saturating_mul(1000))) " old." }
        (columns(&telling, &shown))
        (as_table("Age of what waits now", &["Age", "Requests"], &rows))
    }
}

/// How long runs take, by kind: a table whose rows have a bar each.
pub fn durations(ended: &[Line]) -> Markup {
    let mut by_kind: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in ended {
        if let (Some(kind), Some(duration)) = (&line.kind, line.duration_ms) {
            by_kind.entry(kind).or_default().push(duration);
        }
    }
    if by_kind.is_empty() {
        return nothing("Nothing has run yet.");
    }
    let mut rows: Vec<(&str, usize, u64, u64)> = by_kind
        .into_iter()
        .map(|(kind, mut times)| (kind, times.len(), quantile(&mut times, 50), quantile(&mut times, 95)))
        .collect();
    // The kinds that run most; of as many the one whose name comes first.
    rows.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let left_out = rows.len().saturating_sub(KINDS_MAX);
    rows.truncate(KINDS_MAX);
    let longest = rows.iter().map(|row| row.3).max().unwrap_or(1);
    let shortest = rows.iter().map(|row| row.2).min().unwrap_or(1);
    // Kinds differ by orders of magnitude: equal steps are equal factors.
    let log = |time: u64| (time.max(1) as f64).ln();
    let room = (log(longest) - log(shortest)).max(1.0);
    let place = |time: u64| 3.0 + (log(time) - log(shortest)) / room * 94.0;
    html! {
        div.scroll tabindex="0" role="region" aria-label="Durations by kind" {
            table {
                caption { "From the first start to the end, on a logarithmic scale: the block is the median, and the bar ends where 95 of 100 have ended." }
                thead { tr { th scope="col" { "Kind" } th.num scope="col" { "Runs" } th.num scope="col" { "Median" } th.num scope="col" { "95 of 100" } th scope="col" { span.hide { "As a bar" } } } }
                tbody {
                    @for (kind, number, median, most) in &rows {
                        tr {
                            th scope="row" { (shown(kind)) }
                            td.num { (count(*number)) }
                            td.num { (span(*median)) }
                            td.num { (span(*most)) }
                            td {
                                svg.span viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true" {
                                    rect.soft x=(point(place(*median))) y="3" width=(point((place(*most) - place(*median)).max(1.0))) height="6" {}
                                    rect.s-run x=(point(place(*median) - 1.5)) y="1" width="3" height="10" {}
                                }
                            }
                        }
                    }
                }
            }
        }
        @if left_out > 0 { p.note { (count(left_out)) " kinds that run less often are not shown." } }
    }
}

fn nothing(words: &str) -> Markup {
    html! { p.note { (words) } }
}

/// Seconds beside an axis: one unit is enough there.
fn seconds(value: f64) -> String {
    match value {
        ..60.0 => format!("{value:.0}s"),
        ..3600.0 => format!("{:.0}m", value / 60.0),
        ..86_400.0 => format!("{:.0}h", value / 3600.0),
        _ => format!("{:.0}d", value / 86_400.0),
    }
}

/// The value that so many of 100 do not exceed (nearest rank); 0 where there is none.
pub fn quantile(values: &mut [u64], of_100: usize) -> u64 {
    values.sort_unstable();
    let rank = (values.len() * of_100).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        assert_eq!(quantile(&mut [], 50), 0);
        assert_eq!(quantile(&mut [7], 95), 7);
        assert_eq!(quantile(&mut [4, 1, 3, 2], 50), 2);
        let mut hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!((quantile(&mut hundred, 50), quantile(&mut hundred, 95)), (50, 95));
    }

    #[test]
    fn an_axis_has_few_columns_and_covers_all() {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        for seconds in [0, 60, 3600, 86_400, 30 * 86_400, 400 * 86_400, 20_000 * 86_400] {
            let first = Timestamp::from_second(now.as_second() - seconds).unwrap();
            let axis = Axis::over(first, now);
            assert!(axis.columns <= 31, "{seconds}: {}", axis.columns);
            assert_eq!(axis.column(now), Some(axis.columns - 1), "{seconds}");
            assert!(axis.column(first).is_some(), "{seconds}");
        }
        // A clock that was wrong is no reason to fail.
        let axis = Axis::over("2999-01-01T00:00:00Z".parse().unwrap(), now);
        assert_eq!((axis.columns, axis.column("1970-01-01T00:00:00Z".parse().unwrap())), (1, None));
    }

    #[test]
    fn scales_end_at_a_round_number() {
        for (value, top) in
            [(0.0, 2.0), (2.0, 2.0), (3.0, 4.0), (7.0, 8.0), (11.0, 20.0), (21.0, 40.0), (999.0, 1000.0)]
        {
            assert!((round_up(value) - top).abs() < 1e-9, "{value}: {}", round_up(value));
        }
        assert_eq!((point(1.25), point(3.0)), ("1.2".to_owned(), "3".to_owned()));
    }
}
