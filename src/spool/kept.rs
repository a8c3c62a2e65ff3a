//! What of an outcome stays on the host where a kind does not publish all of it (`publish: tail` or `digest`).
//!
//! Owns the cut: the whole record goes to `<state>/kept/<id>/record/`, the handler's result beside it, and clearing the spool
//! touches neither; what is committed is the end of the output, or sizes and digests alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::told::{Whole, numbered};
use super::{SpoolError, put, remove, wrap};
use crate::job::Publish;
use crate::record::end;
use crate::record::{Artifact, Digest, Kept, Record};

/// Name of the whole record's folder among what is kept.
pub const RECORD: &str = "record";
/// And of the handler's result.
const RESULT: &str = "result.json";

/// Moves what is not published from a whole record in `folder` to `kept`, and makes the record say so. Gives back the text
/// of `log.jsonl` that is committed.
pub(super) fn withhold(
    record: &mut Record,
    publish: Publish,
    artifacts: Vec<Artifact>,
    folder: &Path,
    kept: &Path,
    whole: &Whole,
) -> Result<Vec<u8>, SpoolError> {
    let log = numbered(&whole.events).map_err(wrap(folder))?;
    keep_all(record, folder, kept, &log)?;
    let printed = fs::read(kept.join(RECORD).join("handler.log")).unwrap_or_default();
    let mut sizes = Kept { log: digest(&log), handler_log: digest(&printed), result: None, artifacts: Vec::new() };
    let mut shown = BTreeSet::new();
    match publish {
        Publish::Full => {}
        Publish::Tail => {
            let (text, first) = end::end_of(&whole.lines, &record.host);
            shown = whole.lines[first..].iter().filter_map(|line| line.event).collect();
            put(&folder.join("handler.log"), text.as_bytes())?;
        }
        Publish::Digest => {
            sizes.artifacts = artifacts;
            sizes.result = record.result.take().map(|result| digest(result.to_string().as_bytes()));
            record.handler.clear();
        }
    }
    record.publish = Some(publish);
    record.kept = Some(sizes);
    numbered(&end::without_output(&whole.events, |index| shown.contains(&index))).map_err(wrap(folder))
}

/// The record as it would be committed whole, under another roof.
fn keep_all(record: &Record, folder: &Path, kept: &Path, log: &[u8]) -> Result<(), SpoolError> {
    // Left by a crash before EXIT was journalled.
    remove(kept)?;
    fs::create_dir_all(kept).map_err(wrap(kept))?;
    let whole = kept.join(RECORD);
    fs::rename(folder, &whole).map_err(wrap(&whole))?;
    fs::create_dir_all(folder).map_err(wrap(folder))?;
    put(&whole.join("log.jsonl"), log)?;
    let own = Record { log_sha256: Some(digest(log).sha256), ..record.clone() };
    put(&whole.join("status.yml"), own.to_status_yaml()?.as_bytes())?;
    match &record.result {
        Some(result) => put(&kept.join(RESULT), result.to_string().as_bytes()),
        None => Ok(()),
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Digest { bytes: bytes.len() as u64, sha256: HEXLOWER.encode(&Sha256::digest(bytes)) }
}
