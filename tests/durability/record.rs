//! One record by itself: whether its files are there and whole, and hold what the handler left and printed.

use std::collections::BTreeMap;

use codex_dispatch::outcome::{Attempt, Outcome};
use codex_dispatch::record::Record;
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::rig::Submission;
use crate::witness::Sort;

/// The files of a record: content by name below its folder.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The record of a submission, and what is wrong with it in words.
pub fn read(submission: &Submission, files: &Files) -> (Option<Record>, Vec<String>) {
    let Some(status) = files.get("status.yml") else { return (None, vec!["archived without a record".to_owned()]) };
    let record = match Record::from_yaml("status.yml", status) {
        Ok(record) => record,
        Err(error) => return (None, vec![error.to_string()]),
    };
    let mut torn = Vec::new();
    if record.id.to_string() != submission.id || record.request_blob != submission.blob {
        torn.push(format!("its record is that of {} ({})", record.id, record.request_blob));
    }
    let numbers: Vec<u32> = record.attempts.iter().map(|attempt| attempt.number).collect();
    if !numbers.iter().copied().eq(1..=u32::try_from(numbers.len()).unwrap_or(u32::MAX)) {
        torn.push(format!("its attempts are numbered {numbers:?}"));
    }
    if record.finished_at.is_none() {
        torn.push("it has no end".to_owned());
    }
    // What a server declined is left out, and the record says so.
    if record.withheld.is_none() {
        torn.extend(in_log(&record, files.get("log.jsonl")));
        torn.extend(in_files(submission, &record, files));
    }
    (Some(record), torn)
}

/// What is wrong with the files beside the log.
fn in_files(submission: &Submission, record: &Record, files: &Files) -> Vec<String> {
    let wanted: &[&str] = match record.outcome {
        Outcome::Rejected => &["dispatch.log", "error.log"],
        _ if record.attempts.is_empty() => &["dispatch.log"],
        _ => &["dispatch.log", "handler.log"],
    };
    let missing = wanted.iter().filter(|name| !files.contains_key(**name));
    let mut torn: Vec<String> = missing.map(|name| format!("it has no {name}")).collect();
    // Where a disk was full, less is kept, and the record says how much less.
    let is_cut = record.output.is_some_and(|output| output.dropped > 0) && submission.sort != Sort::Noisy;
    for attempt in record.attempts.iter().filter(|attempt| attempt.exit_code.is_some() && !is_cut) {
        let is_last = attempt.number as usize == record.attempts.len();
        let name = if is_last { "handler.log".to_owned() } else { format!("handler-{}.log", attempt.number) };
        let text = files.get(&name).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        if !text.as_deref().is_some_and(|text| is_printed(submission.sort, attempt.number, text)) {
            torn.push(format!("{name} is not what attempt {} printed: {text:?}", attempt.number));
        }
    }
    let succeeded = record.outcome == Outcome::Succeeded;
    if succeeded && submission.sort == Sort::Leaves {
        let left = ["report.txt", "deep/more.txt"].map(|name| files.get(name).map(Vec::as_slice));
        if left != [Some(submission.id.as_bytes()), Some(b"more")] {
            torn.push("its artifacts are not what the handler left".to_owned());
        }
    }
    if succeeded && submission.sort == Sort::Sure && record.result != Some(serde_json::json!({"n": 1})) {
        torn.push(format!("its result is {:?}", record.result));
    }
    torn
}

fn is_printed(sort: Sort, attempt: u32, text: &str) -> bool {
    match sort {
        Sort::Noisy => {
            text.starts_with("1\n2\n3\n") && text.ends_with("\n19999\n20000\n") && text.contains(" bytes dropped …]\n")
        }
        sort => text == sort.prints(attempt),
    }
}

/// What is wrong with the log: its digest, its numbers, its last word, and whether it tells of each attempt that has an end.
fn in_log(record: &Record, text: Option<&Vec<u8>>) -> Vec<String> {
    let Some(text) = text else { return vec!["it has no log.jsonl".to_owned()] };
    let mut torn = Vec::new();
    let digest = HEXLOWER.encode(&Sha256::digest(text));
    if record.log_sha256.as_deref() != Some(&digest) {
        torn.push(format!("log_sha256 is {:?}, the log's {digest}", record.log_sha256));
    }
    if text.last() != Some(&b'\n') {
        torn.push("its log ends in the middle of a line".to_owned());
    }
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let lines: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap_or_default()).collect();
    for (line, number) in lines.iter().zip(0_u64..) {
        if line["v"].as_u64() != Some(1) || line["seq"].as_u64() != Some(number) {
            torn.push(format!("line {number} of its log is {line}"));
            break;
        }
    }
    let last = lines.last().cloned().unwrap_or_default();
    if last["ev"] != "recorded" || last["outcome"] != record.outcome.as_str() {
        torn.push(format!("its log ends with {last}"));
    }
    for attempt in record.attempts.iter().filter(|attempt| attempt.exit_code.is_some()) {
        if !tells_of(&lines, attempt) {
            torn.push(format!("its log does not tell of attempt {} from start to end, once", attempt.number));
        }
    }
    torn
}

fn tells_of(lines: &[Value], attempt: &Attempt) -> bool {
    let told = |event: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["ev"] == event && line["attempt"] == attempt.number).collect()
    };
    let ends = told("exited");
    told("started").len() == 1 && ends.len() == 1 && ends[0]["exit_code"].as_i64() == attempt.exit_code.map(i64::from)
}
