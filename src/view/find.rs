//! The request that a word of a person means: an id or a part of one, a name, a path. Asks what is near first, then the index
//! of the archive, and has that made only for what is nowhere else.

use std::collections::BTreeMap;

use super::{Line, RECORDS_MAX, View, ViewError, line_of_record};
use crate::archive::{self, Effort, Index};
use crate::diagnostic;
use crate::id::RequestId;
use crate::record::Record;
use crate::repo::Oid;

/// So many of the journal that ended last may not have come to the clone yet.
const LATELY: usize = 1000;
/// So many requests are named where a word may mean any of them.
const NAMED_MAX: usize = 20;

impl View {
    /// The request that a word means: an id, the beginning or the end of one, or a name.
    ///
    /// # Errors
    /// [`ViewError::Unknown`] or [`ViewError::Ambiguous`].
    pub fn find(&self, word: &str) -> Result<Line, ViewError> {
        self.find_within(word, Effort::Whole)
    }

    /// The same, and no index is made for what is nowhere: for who waits until it is there.
    ///
    /// # Errors
    /// As [`View::find`].
    pub fn find_near(&self, word: &str) -> Result<Line, ViewError> {
        self.find_within(word, Effort::Little)
    }

    fn find_within(&self, word: &str, effort: Effort) -> Result<Line, ViewError> {
        let asked = word.parse::<RequestId>().ok();
        if let Some(id) = asked
            && let Some(line) = self.find_by_id(id)?
        {
            return Ok(line);
        }
        let folded = word.to_lowercase();
        let name = word.strip_suffix(".yml").or_else(|| word.strip_suffix(".yaml")).unwrap_or(word);
        let name = name.strip_prefix(&format!("{}/", self.config.inbox)).unwrap_or(name);
        let exact = |line: &Line| Some(line.id) == asked || line.name == name || line.record.as_deref() == Some(word);
        let part = |line: &Line| {
            let id = line.id.to_string();
            word.len() >= 4 && (id.starts_with(&folded) || id.ends_with(&folded))
        };
        let chosen = |lines: &[Line]| -> Result<Option<Line>, ViewError> {
            for fits in [&exact as &dyn Fn(&Line) -> bool, &part] {
                let mut found: BTreeMap<RequestId, &Line> = BTreeMap::new();
                for line in lines.iter().filter(|line| fits(line)) {
                    found.entry(line.id).or_insert(line);
                }
                match found.values().next() {
                    None => {}
                    Some(line) if found.len() == 1 => return Ok(Some((*line).clone())),
                    Some(_) => return Err(ambiguous(word, found.into_values().collect())),
                }
            }
            Ok(None)
        };
        let mut all = self.pending()?;
        let mut reach = RECORDS_MAX;
        if let Some(index) = self.index_at(Effort::Little)? {
            // What has ended is in the index, or so young that the clone has not fetched it.
            reach = LATELY;
            all.extend(self.ended_by_word(&index, word, name)?);
            let lately = self.journal.as_ref().map(|journal| journal.recently_ended(LATELY, 0)).transpose()?;
            for row in lately.unwrap_or_default() {
                let id = row.id.to_string();
                if self.name_in(&row.path) == name || id.starts_with(&folded) || id.ends_with(&folded) {
                    all.extend(self.line_of_row(&row)?);
                }
            }
            if let Some(mut line) = chosen(&all)? {
                self.add_resolution(&mut line)?;
                return Ok(line);
            }
        }
        all.extend(self.ended(reach)?);
        if let Some(line) = chosen(&all)? {
            return Ok(line);
        }
        // Older than what was looked through, or nothing at all.
        if effort == Effort::Whole
            && let Some(index) = self.index_at(effort)?
            && let Some(mut line) = chosen(&self.ended_by_word(&index, word, name)?)?
        {
            self.add_resolution(&mut line)?;
            return Ok(line);
        }
        let nearest = diagnostic::did_you_mean(name, all.iter().map(|line| line.name.as_str()));
        Err(ViewError::Unknown { word: word.to_owned(), nearest })
    }

    /// What the index knows that a word may mean.
    fn ended_by_word(&self, index: &Index, word: &str, name: &str) -> Result<Vec<Line>, ViewError> {
        let Some(tip) = self.tip else { return Ok(Vec::new()) };
        let records = archive::indexed_by_word(index, &self.repo, tip, &self.config, (word, name))?;
        Ok(records.iter().map(|(folder, record)| line_of_record(record, Some(folder.clone()))).collect())
    }

    /// The index of the archive at the tip, where the archive is large and that takes no more than this.
    pub(super) fn index_at(&self, effort: Effort) -> Result<Option<Index>, ViewError> {
        let Some(tip) = self.tip else { return Ok(None) };
        Ok(archive::index_at(self.state.root(), &self.repo, tip, &self.config, effort)?)
    }

    /// The record of an id among the youngest, with its folder.
    pub(super) fn youngest_of(&self, tip: Oid, id: RequestId) -> Result<Option<(String, Record)>, ViewError> {
        let fits = |bytes: &[u8]| archive::may_name(bytes, id);
        let reach = (usize::MAX, RECORDS_MAX);
        let young = archive::of_youngest_days(&self.repo, tip, &self.config, reach, fits, |found| found == id)?;
        Ok(young.into_iter().next())
    }
}

/// Names the youngest of those that a word may mean.
fn ambiguous(word: &str, mut found: Vec<&Line>) -> ViewError {
    found.sort_by(|a, b| b.finished_at.cmp(&a.finished_at).then_with(|| a.id.cmp(&b.id)));
    let named = found.iter().take(NAMED_MAX).map(|line| format!("{} ({})", line.id, line.name));
    let rest = found.len().saturating_sub(NAMED_MAX);
    let rest = (rest > 0).then(|| format!("{rest} or more that are older"));
    ViewError::Ambiguous { word: word.to_owned(), ids: named.chain(rest).collect() }
}
