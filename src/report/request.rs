//! The page of one request: where it stands or how it ended, what to do, its way in steps, what was asked, what it printed,
//! and what proves it. A page of an ended request says nothing of the time at which it was made: it stays as it is.

use jiff::Timestamp;
use maud::{Markup, html};

use super::diff;
use super::layout::{
    Page, Place, badge, count, icon, page, prose, reference, shown, size, span, time, time_of, word_of,
};
use super::model::{Reference, Request, Site, look, waited_ms};
use super::output::{Output, Piece};
use crate::clock::millis_between;
use crate::job::Publish;
use crate::outcome::{ActionRun, Attempt};
use crate::record::log::LogEvent;
use crate::record::{Record, visible};

const UP: &str = "../";
/// Layers, artifacts and other lists are shown up to so many entries.
const ENTRIES_MAX: usize = 500;
/// Text that is shown whole, in bytes.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// The page. `known` tells another request by its id.
pub fn request(site: &Site, request: &Request, known: &dyn Fn(crate::id::RequestId) -> Reference) -> String {
    let line = &request.line;
    let is_over = line.path.is_none();
    let title = format!("{} {}", line.name, word_of(&line.state));
    let body = html! {
        p.note { a href={ (UP) (if is_over { "history.html" } else { "index.html" }) } { (if is_over { "History" } else { "Overview" }) } }
        h1 { (shown(&line.name)) }
        p {
            (badge(&line.state, "big")) " "
            @if let Some(kind) = &line.kind { "of kind " strong { (shown(kind)) } }
        }
        (advice(request))
        @if let Some(resolution) = &line.resolved {
            div.call.idle role="note" { p { strong.what { "Settled" } ": " (shown(&resolution.words())) " " (reference(&known(resolution.by), UP)) } }
        }
        div.cols {
            section.panel aria-labelledby="facts" { h2 id="facts" { "Facts" } (facts(request, known)) }
            section.panel aria-labelledby="timeline" { h2 id="timeline" { "Timeline" } (timeline(request)) }
        }
        @if let Some(text) = &request.error_log { (refusal(text)) }
        (asked(request))
        @if is_over { (output(request)) }
        @if let Some(record) = &request.record { (of_record(request, record)) }
    };
    page(site, &Page { title: &title, place: Place::Request, scripts: &[], is_dated: !is_over }, &body)
}

/// Why, and what to do: the first thing that people look for.
fn advice(request: &Request) -> Markup {
    let tone = look(&request.line.state).tone;
    html! {
        div class={ "call " (tone) } role="note" {
            p { strong.what { "Why" } ": " (prose(&request.advice.because)) }
            p { strong.what { "Next" } ": " (prose(&request.advice.next)) }
            // An ended request has its last lines further down.
            @if request.line.path.is_some() {
                @for detail in &request.advice.details { pre tabindex="0" { (text(detail)) } }
            }
        }
    }
}

fn facts(request: &Request, known: &dyn Fn(crate::id::RequestId) -> Reference) -> Markup {
    let (line, record) = (&request.line, request.record.as_ref());
    let other = |id: Option<crate::id::RequestId>| id.map(|id| reference(&known(id), UP));
    let plain = |text: Option<&String>| text.map(|text| html! { (shown(text)) });
    let by = record.and_then(|record| record.requested_by.as_ref());
    let committer = by.filter(|by| by.committer != by.author).map(|by| &by.committer);
    let resources = record.map(|record| &record.resource).filter(|list| !list.is_empty());
    let rows: Vec<(&str, Option<Markup>)> = vec![
        ("Id", Some(html! { span.mono { (line.id.to_string()) } })),
        ("Asked by", plain(by.map(|by| &by.author))),
        ("Committed by", plain(committer)),
        ("For", line.target.as_ref().map(|target| html! { (shown(&target.to_string())) })),
        ("Resource", resources.map(|list| html! { (shown(&list.join(", "))) })),
        ("Queued", line.queued_at.as_ref().map(|at| time_of(at))),
        ("Started", record.and_then(|record| record.started_at).map(time)),
        ("Ended", line.finished_at.as_ref().map(|at| time_of(at))),
        ("Waited", waited_ms(line).map(|wait| html! { (span(wait)) })),
        ("Took", line.duration_ms.map(|took| html! { (span(took)) })),
        ("Exit code", line.exit_code.map(|code| html! { (code) })),
        ("Signal", record.and_then(|record| record.signal).map(|signal| html! { (signal) })),
        ("Ran on", record.filter(|record| !record.host.is_empty()).map(|record| html! { (shown(&record.host)) })),
        ("Ran as", plain(record.and_then(|record| record.run_as.as_ref()))),
        ("Idempotency key", plain(record.and_then(|record| record.idempotency_key.as_ref()))),
        ("Has the outcome of", other(record.and_then(|record| record.replay_of))),
        ("Repeats", other(line.rerun_of.or_else(|| record.and_then(|record| record.rerun_of)))),
        ("Settled by", other(record.and_then(|record| record.resolved_by))),
        ("Done again by", other(line.resolved.as_ref().and_then(|resolution| resolution.rerun))),
    ];
    html! {
        dl.facts {
            @for (name, value) in rows.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                dt { (name) } dd { (value) }
            }
            @if !request.reruns.is_empty() {
                dt { "Repeated by" }
                dd { ul.plain { @for rerun in request.reruns.iter().take(ENTRIES_MAX) { li { (reference(rerun, UP)) } } } }
            }
        }
    }
}

/// A step of the way.
struct Step {
    sign: &'static str,
    tone: &'static str,
    words: Markup,
    at: Option<Timestamp>,
    /// From the step before, where that says something.
    after_ms: Option<u64>,
}

fn timeline(request: &Request) -> Markup {
    let steps = steps(request);
    html! {
        ol.time {
            @for step in steps {
                li {
                    span class={ "sign " (step.tone) } { (icon(step.sign)) }
                    (step.words)
                    p {
                        @if let Some(at) = step.at { (time(at)) }
                        @if let Some(after) = step.after_ms { ", after " (span(after)) }
                    }
                }
            }
        }
    }
}

fn steps(request: &Request) -> Vec<Step> {
    let line = &request.line;
    let mut steps = Vec::new();
    let mut last: Option<Timestamp> = None;
    let mut add = |sign, tone, words: Markup, at: Option<Timestamp>| {
        let after_ms = last.zip(at).map(|(last, at)| millis_between(last, at)).filter(|after| *after > 0);
        last = at.or(last);
        steps.push(Step { sign, tone, words, at, after_ms });
    };
    let queued = line.queued_at.as_ref().and_then(|at| at.parse().ok());
    add("in", "idle", html! { "Queued" }, queued);
    let mut has_told_the_end = false;
    for event in &request.events {
        let at = Some(event.ts);
        match &event.event {
            LogEvent::Admitted { .. } => add("flag", "idle", html! { "Admitted" }, at),
            LogEvent::Rejected { code, .. } => add("no", "bad", html! { "Refused: " (shown(code)) }, at),
            LogEvent::Claimed { node } => add("flag", "idle", html! { "Claimed by " (shown(node)) }, at),
            LogEvent::Started { attempt, argv } => {
                let words = html! { "Attempt " (attempt) " started" @if !argv.is_empty() { ": " code { (shown(&argv.join(" "))) } } };
                add("play", "run", words, at);
            }
            LogEvent::Exited { attempt, exit_code, signal, reason } => {
                let tone = if *exit_code == Some(0) && reason.is_none() { "ok" } else { "bad" };
                let words = html! { "Attempt " (attempt) " ended" (end(*exit_code, *signal, reason.as_deref())) };
                add("stop", tone, words, at);
            }
            LogEvent::ActionStarted { action } => add("play", "run", html! { "Then " (shown(action)) " started" }, at),
            LogEvent::ActionEnded { action, exit_code, signal, reason } => {
                let tone = if *exit_code == Some(0) && reason.is_none() { "ok" } else { "bad" };
                let words = html! { (shown(action)) " ended" (end(*exit_code, *signal, reason.as_deref())) };
                add("stop", tone, words, at);
            }
            LogEvent::Retried { attempt, pause_ms } => {
                let words = html! { "Attempt " (attempt) " follows in " (span(*pause_ms)) };
                add("again", "run", words, at);
            }
            LogEvent::Note { message } => add("dots", "idle", html! { (shown(message)) }, at),
            LogEvent::Recorded { outcome } => {
                has_told_the_end = true;
                let look = look(outcome.as_str());
                add(look.sign, look.tone, html! { "Ended " (look.word) }, at);
            }
            LogEvent::Output { .. } | LogEvent::Dropped { .. } | LogEvent::Withheld { .. } | LogEvent::Unknown => {}
        }
    }
    if !has_told_the_end {
        let attempts = request.record.iter().flat_map(|record| &record.attempts);
        for attempt in attempts.filter(|_| request.events.is_empty()) {
            add("play", "run", html! { "Attempt " (attempt.number) " started" }, Some(attempt.started_at));
        }
        let look = look(&line.state);
        let at = line.finished_at.as_ref().and_then(|at| at.parse().ok());
        let words = html! { @if line.path.is_none() { "Ended " } @else { "Now " } (look.word) };
        add(look.sign, look.tone, words, at);
    }
    if let Some((commit, at)) = &request.published {
        add(
            "up",
            "ok",
            html! { "Published by commit " code { (shown(commit.get(..10).unwrap_or(commit))) } },
            Some(*at),
        );
    }
    steps
}

fn end(exit_code: Option<i32>, signal: Option<i32>, reason: Option<&str>) -> Markup {
    html! {
        @match (exit_code, signal) {
            (Some(code), _) => { ", exit code " (code) }
            (None, Some(signal)) => { ", signal " (signal) }
            (None, None) => { ", its end was not seen" }
        }
        @if let Some(reason) = reason { ": " (shown(reason)) }
    }
}

fn refusal(error_log: &str) -> Markup {
    html! {
        section aria-labelledby="refusal" {
            h2 id="refusal" { "Why it was refused" }
            pre tabindex="0" { code { (text(error_log)) } }
        }
    }
}

fn asked(request: &Request) -> Markup {
    let Some((path, asked)) = &request.asked else { return html! {} };
    let original = request.original.as_ref();
    html! {
        section aria-labelledby="asked" {
            h2 id="asked" { "What was asked" }
            p.note { code { (shown(path)) } }
            pre tabindex="0" { code { (text(asked)) } }
        }
        @if let Some(original) = original {
            section aria-labelledby="changed" {
                h2 id="changed" { "What differs from the request that it repeats" }
                p.note { "Against " (reference(&original.reference, UP)) "." }
                @match &original.text {
                    Some(before) => (diff::drawn(before, asked)),
                    None => p.note { "The earlier request is not among those of this report." }
                }
            }
        }
    }
}

fn output(request: &Request) -> Markup {
    let record = request.record.as_ref();
    let counts = record.and_then(|record| record.output);
    html! {
        section aria-labelledby="output" {
            h2 id="output" { "Output" }
            @if request.output.is_empty() { p.note { (prose(&no_output(record))) } }
            @else {
                p.note {
                    (count(request.output.lines)) " lines"
                    @if let Some(counts) = counts {
                        ", " (size(counts.bytes)) " printed"
                        @if counts.dropped > 0 { ", " (size(counts.dropped)) " of it dropped" }
                    }
                    ". Lines of standard error begin with " code { "err" } "."
                    @if record.is_some_and(|record| record.publish == Some(Publish::Tail)) { " Its kind publishes only the end; the rest is on the host." }
                }
                (lines(&request.output))
            }
        }
    }
}

/// Why there is no output to show.
fn no_output(record: Option<&Record>) -> String {
    let kept = record.and_then(|record| record.output).map_or(0, |output| output.kept);
    match record {
        None => "There is no record here to read it from.".to_owned(),
        Some(record) if record.publish == Some(Publish::Digest) => {
            format!(
                "Its kind keeps the output on the host: `dispatch logs` on {} shows it.",
                visible::line(&record.host)
            )
        }
        Some(record) if record.withheld.is_some() => "The server declined it, so that it was not published.".to_owned(),
        Some(_) if kept > 0 => {
            "It was removed from the repository, as `retention` of codex.repo.yaml says; Git's history has it."
                .to_owned()
        }
        Some(_) => "Nothing was printed.".to_owned(),
    }
}

fn lines(output: &Output) -> Markup {
    html! {
        pre.out tabindex="0" role="region" aria-label="Output" {
            code {
                @for piece in &output.head { (line(piece)) }
                @if output.left_out > 0 {
                    span.r { (count(output.left_out)) " lines are not shown here; the record has them in handler.log" }
                }
                @for piece in &output.tail { (line(piece)) }
            }
        }
    }
}

/// One line. Its end is in the text too, so that what is copied has it.
fn line(piece: &Piece) -> Markup {
    match piece {
        Piece::Remark(words) => html! { span.r { (shown(words)) } },
        Piece::Line { is_error, spans, cut_bytes } => html! {
            span.l.e[*is_error] {
                @if *is_error { i { "err " } }
                @for span in spans {
                    @let classes = span.pen.classes();
                    @if classes.is_empty() { (span.text) } @else { span class=(classes) { (span.text) } }
                }
                @if *cut_bytes > 0 { span.r { (size(*cut_bytes as u64)) " of this line are not shown" } }
                "\n"
            }
        },
    }
}

fn of_record(request: &Request, record: &Record) -> Markup {
    html! {
        @if record.attempts.len() > 1 || !record.then.is_empty() { (attempts(record)) }
        @if let Some(result) = &record.result { (json("result", "Result", result)) }
        @if !record.handler.is_empty() { (json("handler", "What the handler wrote into its status.yml", &record.handler)) }
        (artifacts(request, record))
        (remarks(record))
        div.cols {
            section.panel aria-labelledby="containment" { h2 id="containment" { "Containment" } (containment(request, record)) }
            section.panel aria-labelledby="receipt" { h2 id="receipt" { "Receipt" } (receipt(request, record)) }
        }
    }
}

fn attempts(record: &Record) -> Markup {
    html! {
        section aria-labelledby="attempts" {
            h2 id="attempts" { "Attempts" }
            div.scroll tabindex="0" role="region" aria-label="Attempts" {
                table.stack {
                    caption { "Every start of the handler, and of the actions after it." }
                    thead { tr { th scope="col" { "What" } th scope="col" { "Started" } th.num scope="col" { "Took" } th scope="col" { "End" } } }
                    tbody {
                        @for attempt in record.attempts.iter().take(ENTRIES_MAX) { (attempt_row(attempt)) }
                        @for run in record.then.iter().take(ENTRIES_MAX) { (action_row(run)) }
                    }
                }
            }
        }
    }
}

fn attempt_row(attempt: &Attempt) -> Markup {
    let took = attempt.finished_at.map(|end| millis_between(attempt.started_at, end));
    html! {
        tr {
            th scope="row" { "Attempt " (attempt.number) }
            td.when data-l="Started" { (time(attempt.started_at)) }
            td.num data-l="Took" { @if let Some(took) = took { (span(took)) } }
            td data-l="End" { (plain_end(attempt.exit_code, attempt.signal, attempt.reason.as_deref())) }
        }
    }
}

fn action_row(run: &ActionRun) -> Markup {
    html! {
        tr {
            th scope="row" { "Then " (shown(&run.name)) }
            td.when data-l="Started" { @if let Some(at) = run.started_at { (time(at)) } }
            td.num data-l="Took" { @if let Some(took) = run.duration_ms { (span(took)) } }
            td data-l="End" { (plain_end(run.exit_code, run.signal, run.reason.as_deref())) }
        }
    }
}

fn plain_end(exit_code: Option<i32>, signal: Option<i32>, reason: Option<&str>) -> Markup {
    html! {
        @match (exit_code, signal) {
            (Some(code), _) => { "exit code " (code) }
            (None, Some(signal)) => { "signal " (signal) }
            (None, None) => { "not seen" }
        }
        @if let Some(reason) = reason { ", " (shown(reason)) }
    }
}

fn json(id: &str, title: &str, value: &impl serde::Serialize) -> Markup {
    let drawn = serde_json::to_string_pretty(value).unwrap_or_default();
    html! {
        section aria-labelledby=(id) { h2 id=(id) { (title) } pre tabindex="0" { code { (text(&drawn)) } } }
    }
}

fn artifacts(request: &Request, record: &Record) -> Markup {
    let kept: Vec<(&str, u64)> = match &record.kept {
        Some(kept) => kept.artifacts.iter().map(|file| (file.path.as_str(), file.bytes)).collect(),
        None => Vec::new(),
    };
    let here: Vec<(&str, u64)> = request.left.iter().map(|(path, bytes)| (path.as_str(), *bytes)).collect();
    let (files, note) = if here.is_empty() && !kept.is_empty() {
        (kept, "They lie on the host; the record has their digests.")
    } else {
        (here, "They lie in the record.")
    };
    html! {
        @if !files.is_empty() || !record.skipped.is_empty() {
            section aria-labelledby="artifacts" {
                h2 id="artifacts" { "Artifacts" }
                @if !files.is_empty() {
                    div.scroll tabindex="0" role="region" aria-label="Artifacts" {
                        table {
                            caption { (count(files.len())) " files that the handler left. " (note) }
                            thead { tr { th scope="col" { "File" } th.num scope="col" { "Size" } } }
                            tbody { @for (path, bytes) in files.iter().take(ENTRIES_MAX) {
                                tr { th.mono scope="row" { (shown(path)) } td.num { (size(*bytes)) } }
                            } }
                        }
                    }
                    @if files.len() > ENTRIES_MAX { p.note { (count(files.len() - ENTRIES_MAX)) " more are not shown." } }
                }
                @if !record.skipped.is_empty() {
                    p.note { "Not taken:" }
                    ul { @for skipped in record.skipped.iter().take(ENTRIES_MAX) { li { (shown(skipped)) } } }
                }
            }
        }
    }
}

fn remarks(record: &Record) -> Markup {
    html! {
        @for warning in record.warnings.iter().take(ENTRIES_MAX) {
            div.call.warn role="note" { p { strong.what { "To know" } ": " (prose(warning)) } }
        }
        @if let Some(words) = &record.withheld {
            div.call.warn role="note" { p { strong.what { "Declined by the server" } ": " (shown(words)) } }
        }
    }
}

fn containment(request: &Request, record: &Record) -> Markup {
    html! {
        @match &record.sandbox {
            None => p.note { "Nothing was started." },
            Some(sandbox) => {
                p { "Level " strong { (shown(&sandbox.level)) } "." }
                @if sandbox.layers.is_empty() { p.note { "What was active is not known." } }
                @else { ul.tags { @for layer in sandbox.layers.iter().take(ENTRIES_MAX) { li { code { (shown(layer)) } } } } }
            }
        }
        @if !request.limits.is_empty() {
            h3 { "Limits" }
            p.note { "As the router table of the admitted commit asks; the host file may have set lower defaults." }
            dl.facts { @for (name, value) in &request.limits { dt { (name) } dd { (shown(value)) } } }
        }
    }
}

/// What proves what ran.
fn receipt(request: &Request, record: &Record) -> Markup {
    let by = record.requested_by.as_ref();
    let published = request.published.as_ref().map(|(commit, _)| commit);
    let rows: [(&str, Option<&String>); 12] = [
        ("Asked in commit", by.map(|by| &by.commit)),
        ("Admitted commit", Some(&record.commit)),
        ("Request", Some(&record.request_blob)),
        ("Handler", record.handler_blob.as_ref()),
        ("Schema", record.schema_blob.as_ref()),
        ("Router table", record.index_blob.as_ref()),
        ("Host file, SHA-256", record.host_file_sha256.as_ref()),
        ("log.jsonl, SHA-256", record.log_sha256.as_ref()),
        ("Published by commit", published),
        ("Record", request.line.record.as_ref()),
        ("Dispatcher", Some(&record.dispatcher)),
        ("Host", Some(&record.host)),
    ];
    let told = rows.iter().filter_map(|(name, value)| Some((*name, (*value).filter(|value| !value.is_empty())?)));
    html! {
        p.note { "Git object ids: " code { "git show ID" } " shows what exactly was read." }
        dl.facts { @for (name, value) in told { dt { (name) } dd.mono { (shown(value)) } } }
    }
}

/// Text of several lines from elsewhere, as much of it as a page takes.
fn text(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return visible::lines(text.trim_end());
    }
    let end = (0..=TEXT_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}\n[{} bytes more are not shown here]", visible::lines(&text[..end]), text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;
    use crate::record::OutputCount;

    #[test]
    fn output_that_is_not_there_is_accounted_for() {
        let id = "0198c0de-1111-7222-8333-44445555aaaa".parse().expect("uuid");
        let silent = Record::new(Outcome::Succeeded, id, "a");
        let printed = Some(OutputCount { bytes: 10, kept: 10, dropped: 0 });
        let pruned = Record { output: printed, ..silent.clone() };
        let kept = Record { publish: Some(Publish::Digest), host: "web\u{202e}1".to_owned(), ..pruned.clone() };
        let declined = Record { withheld: Some("no".to_owned()), ..pruned.clone() };
        for (record, words) in [
            (None, "no record here"),
            (Some(&silent), "Nothing was printed"),
            (Some(&pruned), "`retention`"),
            (Some(&kept), "on web\\u{202e}1 shows it"),
            (Some(&declined), "The server declined it"),
        ] {
            assert!(no_output(record).contains(words), "{words}: {}", no_output(record));
        }
    }
}
