//! A schema file as it is read: its value, and the places of its keys and values.
//!
//! JSON is checked as JSON first, then read a second time as strict YAML to learn the places. The rare
//! JSON that YAML reads differently (surrogate pairs in escapes) keeps its value and loses the places.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::explain::At;
use crate::diagnostic::{Diagnostic, Place};
use crate::yaml::{self, Document, Limits};

/// A schema file that was read.
pub(super) struct Source {
    file: String,
    value: Arc<Value>,
    places: Option<Document>,
}

/// Reads a schema file: JSON where the name ends in `.json`, strict YAML otherwise.
pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Source, Diagnostic> {
    let limits = Limits::REPOSITORY;
    let is_json = file.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("json"));
    if !is_json || bytes.len() > limits.bytes_max || std::str::from_utf8(bytes).is_err() {
        let document = yaml::read(file, bytes, limits)?;
        return Ok(Source { file: file.to_owned(), value: Arc::new(document.value().clone()), places: Some(document) });
    }
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value = parse(file, text).map_err(|fault| match yaml::read(file, bytes, limits) {
        // The YAML reader knows the place of both keys, the JSON parser only where it stood.
        Err(better) if fault.code == "E0602" && better.code == "E0108" => Diagnostic { code: "E0602", ..better },
        _ => fault,
    })?;
    let places = match yaml::read(file, bytes, limits) {
        Ok(document) => Some(document),
        Err(fault) if matches!(fault.code, "E0112" | "E0113") => return Err(fault),
        Err(_) => None,
    };
    Ok(Source { file: file.to_owned(), value: Arc::new(value), places })
}

impl Source {
    /// The value, at an address that stays.
    pub(super) fn value(&self) -> Arc<Value> {
        Arc::clone(&self.value)
    }

    /// A fault at a value of the schema.
    pub(super) fn value_fault(&self, code: &'static str, pointer: &str, message: impl Into<String>) -> Diagnostic {
        self.at().value(code, pointer, message)
    }

    /// A fault at a key of the schema.
    pub(super) fn key_fault(&self, code: &'static str, pointer: &str, message: impl Into<String>) -> Diagnostic {
        self.at().key(code, pointer, message)
    }

    /// Where faults of this file stand.
    pub(super) fn at(&self) -> At<'_> {
        match &self.places {
            Some(document) => At::Document(document, ""),
            None => At::Nowhere(&self.file, &self.value),
        }
    }
}

/// Parses JSON, refusing duplicate keys and more levels than YAML may have.
fn parse(file: &str, text: &str) -> Result<Value, Diagnostic> {
    let mut check = serde_json::Deserializer::from_str(text);
    Unique { depth: 0 }
        .deserialize(&mut check)
        .and_then(|()| check.end())
        .and_then(|()| serde_json::from_str(text))
        .map_err(|error| {
            let place = Place {
                line: u32::try_from(error.line()).unwrap_or(u32::MAX).max(1),
                column: u32::try_from(error.column()).unwrap_or(u32::MAX).max(1),
                length: 1,
            };
            let text_of_error = error.to_string();
            let message = text_of_error.rsplit_once(" at line ").map_or(text_of_error.as_str(), |(message, _)| message);
            let fault = |code, message: String| Diagnostic::new(code, file, message).at(place, text);
            if message.starts_with(DUPLICATE) {
                fault("E0602", message.to_owned()).expected("each key once")
            } else if message.starts_with(TOO_DEEP) {
                fault("E0112", TOO_DEEP.to_owned()).expected(format!("at most {} levels", Limits::REPOSITORY.depth_max))
            } else {
                fault("E0601", format!("not valid JSON: {message}")).expected("JSON")
            }
        })
}

const DUPLICATE: &str = "duplicate key";
const TOO_DEEP: &str = "the schema nests too deep";

/// Walks a JSON value without keeping it.
struct Unique {
    depth: usize,
}

impl Unique {
    fn inner<E: de::Error>(&self) -> Result<Self, E> {
        if self.depth >= Limits::REPOSITORY.depth_max {
            return Err(E::custom(TOO_DEEP));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let depth = self.inner()?.depth;
        while items.next_element_seed(Unique { depth })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let depth = self.inner()?.depth;
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            if seen.contains(&key) {
                return Err(de::Error::custom(format!("{DUPLICATE} `{key}`")));
            }
            seen.insert(key);
            entries.next_value_seed(Unique { depth })?;
        }
        Ok(())
    }
}
