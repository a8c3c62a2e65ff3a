//! JSON Schema: what a request's `spec` may be, and what the repository's own files may be.
//!
//! Owns reading and compiling a schema file, and telling in terms of the instance's own file what does
//! not fit. Drafts 4, 6, 7, 2019-09 and 2020-12; formats are asserted; regular expressions run in
//! linear time. It never fetches anything: a reference must lead to a place in the same file. Time,
//! memory and stack are bounded for any schema and any instance within the limits of [`yaml`].
//!
//! | code | rule |
//! |---|---|
//! | E0400 | the instance fits the schema (reason not told: too many nested alternatives) |
//! | E0401 | type |
//! | E0402 | required properties |
//! | E0403 | no unknown properties |
//! | E0404 | `enum`, `const` |
//! | E0405 | `pattern` |
//! | E0406 | `format`, content encoding and media type |
//! | E0407 | range of a number |
//! | E0408 | length of a text |
//! | E0409 | list: size, uniqueness, what it contains |
//! | E0410 | mapping: number and names of properties |
//! | E0411 | exactly one alternative of `oneOf` |
//! | E0412 | what `not` and `false` rule out |
//! | E0601 | a schema file is JSON |
//! | E0602 | no duplicate keys in it |
//! | E0603 | `$schema` names a known draft |
//! | E0604 | the schema is valid against its draft |
//! | E0605 | references stay within the file |
//! | E0606 | references name something |
//! | E0607 | references do not run in a circle on the same value |
//! | E0608 | few enough alternatives and references upon one value |
//! | E0609 | regular expressions that run in linear time |
mod example;
mod explain;
mod graph;
mod source;
pub(crate) mod uri;

use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::yaml;
use graph::Graph;
use source::Source;

/// Faults that one validation tells at most.
const FAULTS_MAX: usize = 20;
/// Work (instance nodes times schema visits) above which no reasons are collected.
const EXPLANATION_MAX: u64 = 500_000;

/// The drafts, by the address that `$schema` names.
const DRAFTS: [&str; 5] = [
    "http://json-schema.org/draft-04/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-07/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
];

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    file: String,
    /// Shared, so that its values keep their addresses: the graph knows them by address.
    value: Arc<Value>,
    graph: Graph,
    validator: Validator,
}

impl Schema {
    /// Reads and compiles a schema file: JSON where the name ends in `.json`, strict YAML otherwise.
    ///
    /// # Errors
    /// The first fault of the file, with its place.
    pub fn compile(file: &str, bytes: &[u8]) -> Result<Self, Diagnostic> {
        let source = source::read(file, bytes)?;
        let value = source.value();
        let draft = draft(&source)?;
        let graph = Graph::new(&value, draft == DRAFTS[0]).map_err(|fault| fault.into_diagnostic(&source))?;
        let validator = jsonschema::options()
            .offline()
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex())
            .build(&value)
            .map_err(|error| invalid(&source, &error))?;
        Ok(Self { file: file.to_owned(), value, graph, validator })
    }

    /// The file, as it was named to [`Schema::compile`].
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The schema itself.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Tells how the value that a JSON pointer names in a document does not fit: at most 20 faults in
    /// the order of the file, none where it fits. A value that is missing, or has a key and nothing behind it, counts as an
    /// empty mapping.
    pub fn validate(&self, document: &yaml::Document, pointer: &str) -> Vec<Diagnostic> {
        let empty = Value::Object(Map::new());
        let there = document.value().pointer(pointer);
        let instance = there.filter(|value| pointer.is_empty() || !value.is_null()).unwrap_or(&empty);
        let at = explain::At::Document(document, pointer);
        self.faults(instance, &at)
    }

    /// As [`Schema::validate`], for a value that stands in no file. The faults carry the pointer only,
    /// and name the schema as their file.
    pub fn validate_value(&self, instance: &Value) -> Vec<Diagnostic> {
        self.faults(instance, &explain::At::Nowhere(&self.file, instance))
    }

    fn faults(&self, instance: &Value, at: &explain::At<'_>) -> Vec<Diagnostic> {
        if self.validator.is_valid(instance) {
            return Vec::new();
        }
        if self.graph.work(&self.value, instance, EXPLANATION_MAX).is_none() {
            let message = format!("{} does not fit the schema", at.name(""));
            return vec![at.value("E0400", "", message).help(format!(
                "the alternatives of {} nest too deep on this value to tell which part is wrong",
                self.file
            ))];
        }
        let names = |error: &ValidationError<'_>| self.names_beside(error);
        let mut faults = Vec::new();
        for error in self.validator.iter_errors(instance) {
            explain::explain(&error, at, &names, &mut faults);
        }
        // A property that is missing because it is misspelled comes behind its misspelling.
        let follows = |fault: &Diagnostic| fault.code == "E0402" && fault.help.is_some();
        faults.sort_by_key(|fault| (follows(fault), fault.place.map(|p| (p.line, p.column)), fault.code));
        faults.dedup();
        faults.truncate(FAULTS_MAX);
        faults
    }

    /// The properties that the schema knows where an error was raised.
    fn names_beside(&self, error: &ValidationError<'_>) -> Vec<&str> {
        let path = error.schema_path().as_str();
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        self.value.pointer(parent).map(|schema| self.graph.names(schema)).unwrap_or_default()
    }
}

/// The draft that a schema names; the newest where it names none.
fn draft(source: &Source) -> Result<&'static str, Diagnostic> {
    let value = source.value();
    let Some(named) = value.get("$schema") else {
        return Ok(DRAFTS[4]);
    };
    let named = named.as_str().unwrap_or_default();
    let address = named.strip_suffix('#').unwrap_or(named);
    DRAFTS.iter().find(|draft| **draft == address).copied().ok_or_else(|| {
        source
            .value_fault("E0603", "/$schema", format!("unknown JSON Schema draft `{}`", explain::shorten(named)))
            .expected(format!("one of {}", DRAFTS.join(", ")))
            .help_if(did_you_mean(address, DRAFTS))
    })
}

/// Puts what the compiler refuses at its place in the schema file.
fn invalid(source: &Source, error: &ValidationError<'_>) -> Diagnostic {
    let pointer = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::Format { format } if format == "regex" => {
            // The name of a property in `patternProperties`, or the value of `pattern`.
            let pattern = match error.instance().as_ref() {
                Value::String(pattern) => pattern.clone(),
                _ => String::new(),
            };
            let (what, help) = refusal_of(&pattern);
            let message = format!("{what} in `{}`", explain::shorten(&pattern));
            let fault = if pointer.contains("/patternProperties/") {
                source.key_fault("E0609", pointer, message)
            } else {
                source.value_fault("E0609", pointer, message)
            };
            fault.expected("a regular expression that can be matched in linear time").help(help)
        }
        ValidationErrorKind::Referencing(reason) => source
            .value_fault("E0606", pointer, format!("a reference fails: {reason}"))
            .expected("references to places in this file"),
        _ => {
            let mut faults = Vec::new();
            let at = source.at();
            explain::explain(error, &at, &|_| Vec::new(), &mut faults);
            let mut fault = faults
                .into_iter()
                .next()
                .unwrap_or_else(|| source.value_fault("E0604", pointer, "the schema is not valid"));
            fault.code = "E0604";
            fault.message = format!("not a valid schema: {}", fault.message);
            fault
        }
    }
}

/// Why a regular expression is refused, and what to write instead.
fn refusal_of(pattern: &str) -> (&'static str, &'static str) {
    let has = |marks: &[&str]| marks.iter().any(|mark| pattern.contains(mark));
    if has(&["(?=", "(?!", "(?<=", "(?<!"]) {
        return ("look-around", "state it with `not`, `allOf`, `enum`, `minLength` or a second `pattern` instead");
    }
    let digit_escape = pattern.as_bytes().windows(2).any(|pair| pair[0] == b'\\' && (b'1'..=b'9').contains(&pair[1]));
    if digit_escape || has(&["\\k<"]) {
        return ("a back-reference", "spell the alternatives out, with `enum`, `oneOf` or `|`");
    }
    (
        "a regular expression that is not valid or too large",
        "check brackets, escapes and repetition counts; use `maxLength` instead of large counts",
    )
}

#[cfg(test)]
mod tests;
