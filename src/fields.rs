//! Reading the keys of a mapping in a strict document: types, bounds and unknown keys, each fault with its place.
//!
//! Owns the walk over one mapping. Faults are gathered and not thrown, so that a person sees all of them at once. It
//! knows no format: which keys there are and what they mean is the caller's, and so are the codes.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::units::{self, UnitError};
use crate::yaml::Document;

/// Faults of one file that are listed; nobody reads more, and a file may be made to have tens of thousands.
const FAULTS_MAX: usize = 100;

/// Longer keys are cut in messages.
const KEY_CHARS_SHOWN: usize = 60;

/// The codes of one format's faults.
#[derive(Clone, Copy, Debug)]
pub struct Codes {
    /// A value of the wrong type.
    pub shape: &'static str,
    /// A key that there is not.
    pub unknown: &'static str,
    /// A value of the right type that breaks a rule.
    pub value: &'static str,
}

/// What is wrong with one value, before it has a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The wrong type.
    Shape,
    /// A broken rule, as the end of a sentence about the key.
    Rule(String),
}

impl From<UnitError> for Fault {
    fn from(error: UnitError) -> Self {
        Self::Rule(error.to_string())
    }
}

impl Fault {
    /// A broken rule.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "stands as `map_err(Fault::rule)`, which hands errors over by value"
    )]
    pub fn rule(text: impl ToString) -> Self {
        Self::Rule(text.to_string())
    }
}

/// One mapping of a document, with the faults found in it so far.
#[derive(Debug)]
pub struct Fields<'d> {
    document: &'d Document,
    pointer: String,
    map: &'d Map<String, Value>,
    codes: Codes,
    faults: Vec<Diagnostic>,
    /// How many faults may still be noted.
    room: usize,
    /// How many were not noted.
    unlisted: usize,
}

impl<'d> Fields<'d> {
    /// The mapping at `pointer`; `name` is what to call it where it is none.
    ///
    /// # Errors
    /// A fault where no mapping stands there.
    pub fn of(document: &'d Document, pointer: &str, name: &str, codes: Codes) -> Result<Self, Diagnostic> {
        let value = document.value().pointer(pointer).unwrap_or(&Value::Null);
        let Value::Object(map) = value else {
            let message = format!("{name} cannot be {}", describe(value));
            return Err(document
                .fault_at_value(codes.shape, pointer, message)
                .expected("a mapping: `key: value` lines"));
        };
        Ok(Self {
            document,
            pointer: pointer.to_owned(),
            map,
            codes,
            faults: Vec::new(),
            room: FAULTS_MAX,
            unlisted: 0,
        })
    }

    /// Refuses every key that is not among `known`.
    pub fn refuse_unknown(&mut self, known: &[&str]) {
        for key in self.unknown_keys(known) {
            self.note(|fields| fields.unknown_key(key, known));
        }
    }

    /// A fault for each key that is not among `known`, up to as many as anybody reads.
    pub fn unknown(&self, known: &[&str]) -> Vec<Diagnostic> {
        let keys = self.unknown_keys(known);
        keys.iter().take(FAULTS_MAX).map(|key| self.unknown_key(key, known)).collect()
    }

    fn unknown_keys(&self, known: &[&str]) -> Vec<&'d str> {
        self.keys().filter(|key| !known.contains(key)).collect()
    }

    fn unknown_key(&self, key: &str, known: &[&str]) -> Diagnostic {
        let message = format!("unknown key `{}`", shortened(key));
        let fault = self.document.fault_at_key(self.codes.unknown, &self.pointer_to(key), message);
        fault.expected(format!("one of {}", known.join(", "))).help_if(did_you_mean(key, known.iter().copied()))
    }

    /// Notes a fault while there is room; making one costs time and memory as well.
    fn note(&mut self, fault: impl FnOnce(&Self) -> Diagnostic) {
        if self.room == 0 {
            self.unlisted += 1;
        } else {
            self.room -= 1;
            self.faults.push(fault(self));
        }
    }

    /// The keys that are there, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &'d str> + use<'d> {
        self.map.keys().map(String::as_str)
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// The value of a key, unread.
    pub fn raw(&self, key: &str) -> Option<&'d Value> {
        self.map.get(key)
    }

    /// The JSON pointer of a key.
    pub fn pointer_to(&self, key: &str) -> String {
        pointer(&self.pointer, key)
    }

    /// Adds a fault at a key's value.
    pub fn fault(&mut self, key: &str, message: impl Into<String>) {
        self.note(|fields| fields.document.fault_at_value(fields.codes.value, &fields.pointer_to(key), message));
    }

    /// Adds a fault about the mapping itself.
    pub fn fault_here(&mut self, message: impl Into<String>) {
        self.note(|fields| fields.document.fault_at_value(fields.codes.value, &fields.pointer, message));
    }

    /// Adds a fault of another code, at the key with this JSON pointer.
    pub fn push_at(&mut self, code: &'static str, pointer: &str, message: impl Into<String>) {
        self.note(|fields| fields.document.fault_at_key(code, pointer, message));
    }

    /// Adds a fault that was made elsewhere.
    pub fn push(&mut self, fault: Diagnostic) {
        self.note(|_| fault);
    }

    /// Reads a key, if it is there and right; a fault is noted otherwise. `expected` completes "expected: …".
    pub fn read<T>(
        &mut self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&'d Value) -> Result<T, Fault>,
    ) -> Option<T> {
        let value = self.map.get(key)?;
        self.read_at(&self.pointer_to(key), key, value, expected, parse)
    }

    /// Reads a list of at most `count_max` entries; a single value that is no list is not taken for one.
    pub fn list<T>(
        &mut self,
        key: &str,
        count_max: usize,
        expected: &str,
        parse: impl Fn(&'d Value) -> Result<T, Fault>,
    ) -> Option<Vec<T>> {
        let list_expected = format!("a list, each entry {expected}");
        let items = self.read(key, &list_expected, |value| match value {
            Value::Array(items) if items.len() > count_max => {
                Err(Fault::Rule(format!("has {} entries, at most {count_max} are allowed", items.len())))
            }
            Value::Array(items) => Ok(items),
            _ => Err(Fault::Shape),
        })?;
        let base = self.pointer_to(key);
        let mut list = Vec::with_capacity(items.len());
        for (position, item) in items.iter().enumerate() {
            list.extend(self.read_at(&pointer(&base, &position.to_string()), key, item, expected, &parse));
        }
        Some(list)
    }

    /// Reads the mapping below a key through `read`, which sees it as fields of their own.
    pub fn nested<T>(&mut self, key: &str, read: impl FnOnce(&mut Fields<'d>) -> T) -> Option<T> {
        let value = self.map.get(key)?;
        if self.room == 0 && !value.is_object() {
            self.unlisted += 1;
            return None;
        }
        match Fields::of(self.document, &self.pointer_to(key), &format!("`{key}`"), self.codes) {
            Ok(mut fields) => {
                fields.room = self.room;
                let result = read(&mut fields);
                self.room = fields.room;
                self.unlisted += fields.unlisted;
                self.faults.extend(fields.faults);
                Some(result)
            }
            Err(fault) => {
                self.push(fault);
                None
            }
        }
    }

    /// Whether nothing was wrong so far.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// All that was wrong, in the order of the file; of very much the first of it and a count.
    pub fn into_faults(mut self) -> Vec<Diagnostic> {
        self.faults.sort_by_key(|fault| fault.place.map(|place| (place.line, place.column)));
        if self.unlisted > 0 {
            let message = format!("{} more faults are not listed", self.unlisted);
            self.faults.push(Diagnostic::new(self.codes.value, self.document.file(), message));
        }
        self.faults
    }

    fn read_at<T>(
        &mut self,
        pointer: &str,
        key: &str,
        value: &'d Value,
        expected: &str,
        parse: impl FnOnce(&'d Value) -> Result<T, Fault>,
    ) -> Option<T> {
        let fault = match parse(value) {
            Ok(read) => return Some(read),
            Err(fault) => fault,
        };
        self.note(|fields| {
            let key = shortened(key);
            let (code, message) = match fault {
                Fault::Shape => (fields.codes.shape, format!("`{key}` cannot be {}", describe(value))),
                Fault::Rule(rule) => (fields.codes.value, format!("`{key}`: {rule}")),
            };
            fields.document.fault_at_value(code, pointer, message).expected(expected)
        });
        None
    }
}

/// A key of the file, short enough for a message.
pub fn shortened(key: &str) -> String {
    match key.char_indices().nth(KEY_CHARS_SHOWN) {
        Some((end, _)) => format!("{}…", &key[..end]),
        None => key.to_owned(),
    }
}

/// The JSON pointer of a key below a pointer.
pub fn pointer(parent: &str, key: &str) -> String {
    format!("{parent}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Whether a refusal says that a file holds no document at all, which some formats take for their defaults.
pub fn is_no_document(fault: &Diagnostic) -> bool {
    fault.code == "E0104"
}

/// What a value is, for a sentence.
pub fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// Reads text.
pub fn text(value: &Value) -> Result<&str, Fault> {
    value.as_str().ok_or(Fault::Shape)
}

/// Reads `true` or `false`; the words that YAML 1.1 took for them are text.
pub fn flag(value: &Value) -> Result<bool, Fault> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(word)
            if matches!(word.to_lowercase().as_str(), "yes" | "no" | "on" | "off" | "y" | "n" | "true" | "false") =>
        {
            Err(Fault::Rule(format!("`{word}` is text here: write true or false, without quotes")))
        }
        _ => Err(Fault::Shape),
    }
}

/// Reads a duration; a number has no unit.
pub fn duration(value: &Value) -> Result<Duration, Fault> {
    match value {
        Value::Number(number) => Err(Fault::from(UnitError::UnitMissing(number.to_string()))),
        _ => Ok(units::parse_duration(text(value)?)?),
    }
}

/// Reads a duration that is longer than nothing.
pub fn positive_duration(value: &Value) -> Result<Duration, Fault> {
    let duration = duration(value)?;
    if duration.is_zero() { Err(Fault::rule("must be longer than nothing")) } else { Ok(duration) }
}

/// Reads a size; a plain whole number counts bytes.
pub fn size(value: &Value) -> Result<u64, Fault> {
    match value {
        Value::Number(number) if number.is_u64() => Ok(units::parse_size(&number.to_string())?),
        _ => Ok(units::parse_size(text(value)?)?),
    }
}

/// Reads a size of at least one byte.
pub fn positive_size(value: &Value) -> Result<u64, Fault> {
    match size(value)? {
        0 => Err(Fault::rule("must be more than nothing")),
        bytes => Ok(bytes),
    }
}

/// Reads a whole number from 1 to `max`.
pub fn count(max: u32) -> impl Fn(&Value) -> Result<u32, Fault> {
    move |value| {
        let number = value.as_number().ok_or(Fault::Shape)?;
        let count = number.as_u64().and_then(|count| u32::try_from(count).ok());
        count
            .filter(|count| (1..=max).contains(count))
            .ok_or_else(|| Fault::Rule(format!("{number} is not a whole number from 1 to {max}")))
    }
}

/// Reads text of 1 to `chars_max` characters on one line, nothing unprintable in it.
pub fn line(chars_max: usize) -> impl Fn(&Value) -> Result<String, Fault> {
    move |value| {
        let text = text(value)?;
        let count = text.chars().count();
        if count == 0 {
            return Err(Fault::rule("is empty"));
        }
        if count > chars_max {
            return Err(Fault::Rule(format!("has {count} characters, at most {chars_max} are allowed")));
        }
        match text.chars().find(|c| !crate::resource::is_printable(*c)) {
            Some(c) => Err(Fault::Rule(format!("holds {}, which does not print", c.escape_unicode()))),
            None => Ok(text.to_owned()),
        }
    }
}

/// Reads one of a few words.
pub fn word<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Value) -> Result<T, Fault> {
    move |value| {
        let word = text(value)?;
        if let Some((_, meaning)) = words.iter().find(|(name, _)| *name == word) {
            return Ok(*meaning);
        }
        let near = did_you_mean(word, words.iter().map(|(name, _)| *name));
        let near = near.map(|near| format!(", {near}")).unwrap_or_default();
        Err(Fault::Rule(format!("there is no `{}`{near}", shortened(word).escape_debug())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{self, Limits};
    use serde_json::json;

    const CODES: Codes = Codes { shape: "E1", unknown: "E2", value: "E3" };

    fn faults(text: &str, read: impl FnOnce(&mut Fields<'_>)) -> Vec<String> {
        let document = yaml::read("f.yml", text.as_bytes(), Limits::REPOSITORY).unwrap();
        let mut fields = Fields::of(&document, "", "the file", CODES).unwrap();
        read(&mut fields);
        fields
            .into_faults()
            .into_iter()
            .map(|fault| format!("{} {} {}", fault.code, fault.pointer.unwrap_or_default(), fault.message))
            .collect()
    }

    #[test]
    fn every_fault_is_gathered_with_its_pointer() {
        let found = faults("a: 1\nb: [x, 2]\nc: {d: 5}\n\"e/f\": 1\n", |fields| {
            fields.refuse_unknown(&["a", "b", "c"]);
            assert_eq!(fields.read("a", "text", text), None);
            assert_eq!(fields.list("b", 9, "text", text), Some(vec!["x"]));
            fields.nested("c", |inner| assert_eq!(inner.read("d", "a duration", duration), None));
        });
        assert_eq!(
            found,
            [
                "E1 /a `a` cannot be a number",
                "E1 /b/1 `b` cannot be a number",
                "E3 /c/d `d`: `5` has no unit: write `5s`, `5m`, `5h` or `5d`",
                "E2 /e~1f unknown key `e/f`"
            ]
        );
    }

    #[test]
    fn of_very_many_faults_the_first_are_listed_and_the_rest_is_counted() {
        let many = (0..FAULTS_MAX + 20).map(|n| format!("k{n}: {{d: 1}}")).collect::<Vec<_>>().join("\n");
        let found = faults(&many, |fields| {
            for key in fields.keys() {
                fields.nested(key, |inner| assert_eq!(inner.read("d", "text", text), None));
            }
            fields.refuse_unknown(&[]);
        });
        assert_eq!(found.len(), FAULTS_MAX + 1);
        assert_eq!(found[FAULTS_MAX - 1], "E1 /k99/d `d` cannot be a number");
        assert_eq!(found[FAULTS_MAX], format!("E3  {} more faults are not listed", FAULTS_MAX + 40));
        let long = format!("? {}\n: 1\n", "k".repeat(5000));
        assert!(faults(&long, |fields| fields.refuse_unknown(&[]))[0].ends_with("kkk…`"));
    }

    #[test]
    fn what_is_no_mapping_and_too_long_a_list() {
        let document = yaml::read("f.yml", b"[1]", Limits::REPOSITORY).unwrap();
        assert_eq!(Fields::of(&document, "", "the file", CODES).unwrap_err().message, "the file cannot be a list");
        assert_eq!(
            faults("a: [1, 2, 3]", |f| assert!(f.list("a", 2, "x", flag).is_none())),
            ["E3 /a `a`: has 3 entries, at most 2 are allowed"]
        );
        assert_eq!(faults("a: x", |f| assert!(f.nested("a", |_| ()).is_none())), ["E1 /a `a` cannot be text"]);
    }

    #[test]
    fn scalars_hold_their_rules() {
        assert_eq!(flag(&json!(true)), Ok(true));
        assert!(matches!(flag(&json!("yes")), Err(Fault::Rule(rule)) if rule.contains("true or false")));
        assert_eq!(size(&json!(4096)), Ok(4096));
        assert_eq!(size(&json!("4KiB")), Ok(4096));
        assert_eq!(size(&json!(1.5)), Err(Fault::Shape));
        assert_eq!(size(&json!(-1)), Err(Fault::Shape));
        assert!(positive_size(&json!(0)).is_err() && positive_duration(&json!("0s")).is_err());
        assert_eq!(count(9)(&json!(9)), Ok(9));
        for bad in [json!(0), json!(10), json!(-1), json!(1.5)] {
            assert!(matches!(count(9)(&bad), Err(Fault::Rule(_))), "{bad}");
        }
        assert_eq!(line(3)(&json!("abc")), Ok("abc".into()));
        for bad in ["", "abcd", "a\nb", "\u{202e}"] {
            assert!(line(3)(&json!(bad)).is_err(), "{bad:?}");
        }
        let words = [("full", 1), ("tail", 2)];
        assert_eq!(word(&words)(&json!("tail")), Ok(2));
        assert!(
            matches!(word(&words)(&json!("tial")), Err(Fault::Rule(rule)) if rule.starts_with("there is no `tial`"))
        );
    }
}
