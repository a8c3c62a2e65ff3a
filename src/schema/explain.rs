//! From the validator's errors to faults in the words and at the places of the instance's file.
//!
//! Owns the wording of E04 faults. It decides nothing: whether a value fits is settled before.

use std::fmt::Write as _;

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::yaml::Document;

/// Values named in an `expected` line at most.
const LISTED_MAX: usize = 12;

/// Where the instance stands.
pub(super) enum At<'a> {
    /// At a pointer of a document.
    Document(&'a Document, &'a str),
    /// In no file; faults name this one.
    Nowhere(&'a str, &'a Value),
}

impl At<'_> {
    /// A fault at the value that a pointer into the instance names.
    pub(super) fn value(&self, code: &'static str, pointer: &str, message: impl Into<String>) -> Diagnostic {
        match self {
            Self::Document(document, base) => document.fault_at_value(code, &format!("{base}{pointer}"), message),
            Self::Nowhere(file, _) => Diagnostic::new(code, *file, message).pointer(pointer),
        }
    }

    /// A fault at the key that a pointer into the instance names.
    pub(super) fn key(&self, code: &'static str, pointer: &str, message: impl Into<String>) -> Diagnostic {
        match self {
            Self::Document(document, base) => document.fault_at_key(code, &format!("{base}{pointer}"), message),
            Self::Nowhere(file, _) => Diagnostic::new(code, *file, message).pointer(pointer),
        }
    }

    /// The value that a pointer into the instance names.
    fn instance(&self, pointer: &str) -> Option<&Value> {
        match self {
            Self::Document(document, base) => document.value().pointer(&format!("{base}{pointer}")),
            Self::Nowhere(_, instance) => instance.pointer(pointer),
        }
    }

    /// How a person would call the value: `spec.hosts[2]`, in backquotes.
    pub(super) fn name(&self, pointer: &str) -> String {
        let base = match self {
            Self::Document(_, base) => base,
            Self::Nowhere(..) => "",
        };
        let mut name = String::new();
        for token in base.split('/').skip(1).chain(pointer.split('/').skip(1)) {
            let token = token.replace("~1", "/").replace("~0", "~");
            if !name.is_empty() && token.parse::<usize>().is_ok() {
                let _ = write!(name, "[{token}]");
            } else {
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(&token);
            }
        }
        if name.is_empty() { "the document".to_owned() } else { format!("`{}`", shorten(&name)) }
    }
}

/// The properties that the schema knows where an error was raised.
pub(super) type Names<'s> = dyn Fn(&ValidationError<'_>) -> Vec<&'s str> + 's;

/// Appends the faults that an error stands for.
pub(super) fn explain(error: &ValidationError<'_>, at: &At<'_>, names: &Names<'_>, faults: &mut Vec<Diagnostic>) {
    match error.kind() {
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            alternatives(error, context, at, names, faults);
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unknown_properties(error, unexpected, at, names, faults);
        }
        // Without any `properties`, the validator tells of the first unknown property's value only.
        Kind::FalseSchema if error.schema_path().as_str().ends_with("/additionalProperties") => {
            let parent = at.instance(error.instance_path().as_str());
            let entries = parent.and_then(Value::as_object);
            let keys: Vec<String> = entries.into_iter().flat_map(|entries| entries.keys().cloned()).collect();
            unknown_properties(error, &keys, at, names, faults);
            if keys.is_empty() {
                faults.push(simple(error, error.kind(), at));
            }
        }
        Kind::PropertyNames { error: inner } => {
            let key = inner.instance().as_str().unwrap_or_default();
            let pointer = format!("{}/{}", error.instance_path(), escape(key));
            let mut reasons = Vec::new();
            explain(inner, &At::Nowhere("", inner.instance()), names, &mut reasons);
            let message = format!("`{}` cannot be a key here", shorten(key));
            let mut fault = at.key("E0410", &pointer, message);
            fault.expected = reasons.into_iter().find_map(|reason| reason.expected);
            faults.push(fault);
        }
        Kind::Required { property } => {
            let property = property.as_str().unwrap_or_default();
            let pointer = error.instance_path().as_str();
            let message = format!("{} lacks `{}`", at.name(pointer), shorten(property));
            let present = error.instance().as_object();
            let known = names(error);
            // A key that nobody knows and that is nearly the missing one is a misspelling of it.
            let misspelt = present.and_then(|entries| {
                entries.keys().find(|key| !known.contains(&key.as_str()) && did_you_mean(key, [property]).is_some())
            });
            let help = misspelt.map(|key| format!("is `{}` a misspelling of `{}`?", shorten(key), shorten(property)));
            faults.push(
                at.key("E0402", pointer, message)
                    .expected(format!("the property `{}`", shorten(property)))
                    .help_if(help),
            );
        }
        kind => faults.push(simple(error, kind, at)),
    }
}

/// Faults that are about one value.
fn simple(error: &ValidationError<'_>, kind: &Kind, at: &At<'_>) -> Diagnostic {
    let pointer = error.instance_path().as_str();
    let name = at.name(pointer);
    let value = error.instance();
    let found = describe(value);
    let fault = |code, what: String| at.value(code, pointer, what);
    let is = |code, expected: String| fault(code, format!("{name} is {found}")).expected(expected);
    match kind {
        Kind::Type { kind } => {
            let expected = types(kind);
            fault("E0401", format!("{name} is {found}")).expected(expected.clone()).help_if(retype(value, &expected))
        }
        Kind::Enum { options } => {
            let empty = Vec::new();
            let options = options.as_array().unwrap_or(&empty);
            let near = value.as_str().and_then(|word| did_you_mean(word, options.iter().filter_map(Value::as_str)));
            is("E0404", format!("one of {}", list(options))).help_if(near)
        }
        Kind::Constant { expected_value } => is("E0404", show(expected_value)),
        Kind::Pattern { pattern } => is("E0405", format!("text that matches `{}`", shorten_to(pattern, 200))),
        Kind::Format { format } => is("E0406", format_name(format)),
        Kind::ContentEncoding { content_encoding } => is("E0406", format!("text in {}", shorten(content_encoding))),
        Kind::ContentMediaType { content_media_type } => {
            is("E0406", format!("text that is {}", shorten(content_media_type)))
        }
        Kind::Minimum { limit } => is("E0407", format!("at least {}", show(limit))),
        Kind::Maximum { limit } => is("E0407", format!("at most {}", show(limit))),
        Kind::ExclusiveMinimum { limit } => is("E0407", format!("more than {}", show(limit))),
        Kind::ExclusiveMaximum { limit } => is("E0407", format!("less than {}", show(limit))),
        Kind::MultipleOf { multiple_of } => is("E0407", format!("a multiple of {multiple_of}")),
        Kind::MinLength { limit } => is("E0408", format!("at least {limit} characters")),
        Kind::MaxLength { limit } => is("E0408", format!("at most {limit} characters")),
        Kind::MinItems { limit } => is("E0409", format!("at least {limit} entries")),
        Kind::MaxItems { limit } => is("E0409", format!("at most {limit} entries")),
        Kind::AdditionalItems { limit } => is("E0409", format!("no entries after {limit}")),
        Kind::UnevaluatedItems { .. } => is("E0409", "no further entries".to_owned()),
        Kind::UniqueItems => fault("E0409", format!("{name} has equal entries")).expected("entries that all differ"),
        Kind::Contains => fault("E0409", format!("{name} lacks an entry of the right shape"))
            .expected("an entry that fits `contains` of the schema"),
        Kind::MinProperties { limit } => is("E0410", format!("at least {limit} properties")),
        Kind::MaxProperties { limit } => is("E0410", format!("at most {limit} properties")),
        Kind::OneOfMultipleValid { .. } => fault("E0411", format!("{name} fits several alternatives"))
            .expected("a value that fits exactly one alternative of `oneOf`"),
        Kind::Not { schema } => fault("E0412", format!("{name} is a value that is ruled out"))
            .expected(format!("anything but {}", show(schema))),
        Kind::FalseSchema => at.key("E0412", pointer, format!("{name} is not allowed here")).expected("nothing here"),
        _ => fault("E0400", format!("{name} does not fit the schema")),
    }
}

fn unknown_properties(
    error: &ValidationError<'_>,
    unexpected: &[String],
    at: &At<'_>,
    names: &Names<'_>,
    faults: &mut Vec<Diagnostic>,
) {
    let parent = error.instance_path().as_str();
    let known = names(error);
    let present = error.instance().as_object();
    let free: Vec<&str> =
        known.iter().copied().filter(|name| present.is_none_or(|entries| !entries.contains_key(*name))).collect();
    for key in unexpected {
        let pointer = format!("{parent}/{}", escape(key));
        let message = format!("unknown property `{}` in {}", shorten(key), at.name(parent));
        let mut fault = at.key("E0403", &pointer, message).help_if(did_you_mean(key, free.iter().copied()));
        if known.is_empty() {
            fault = fault.expected("no properties");
        } else {
            let shown: Vec<String> = known.iter().map(|name| format!("`{}`", shorten(name))).collect();
            fault = fault.expected(format!("one of {}", cut(&shown)));
        }
        faults.push(fault);
    }
}

/// Of alternatives that all fail, the reason of the one that was most likely meant.
fn alternatives(
    error: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
    at: &At<'_>,
    names: &Names<'_>,
    faults: &mut Vec<Diagnostic>,
) {
    let here = error.instance_path().as_str();
    let is_here = |inner: &ValidationError<'_>| inner.instance_path().as_str() == here;
    let mut expected: Vec<String> = Vec::new();
    for branch in context {
        for inner in branch.iter().filter(|inner| is_here(inner)) {
            match inner.kind() {
                Kind::Type { kind } => expected.push(types(kind)),
                Kind::Constant { expected_value } => expected.push(show(expected_value)),
                Kind::Enum { options } => {
                    expected.extend(options.as_array().into_iter().flatten().map(show));
                }
                _ => {}
            }
        }
    }
    expected.dedup();
    let is_mismatch = |inner: &ValidationError<'_>| {
        is_here(inner) && matches!(inner.kind(), Kind::Type { .. } | Kind::Constant { .. } | Kind::Enum { .. })
    };
    // A value of another type, or another tag in a property, means that another branch was meant.
    let best =
        context.iter().filter(|branch| !branch.is_empty() && !branch.iter().any(is_mismatch)).min_by_key(|branch| {
            let tags =
                branch.iter().filter(|inner| matches!(inner.kind(), Kind::Constant { .. } | Kind::Enum { .. })).count();
            (tags, branch.len())
        });
    if let Some(branch) = best {
        let first = faults.len();
        for inner in branch {
            explain(inner, at, names, faults);
        }
        if context.len() > 1 {
            for fault in &mut faults[first..] {
                if fault.help.is_none() {
                    fault.help = Some(format!(
                        "{} may take {} forms; this is what the nearest one asks for",
                        at.name(here),
                        context.len()
                    ));
                }
            }
        }
        return;
    }
    let found = format!("{} is {}", at.name(here), describe(error.instance()));
    let code = if context.iter().flatten().any(|inner| is_here(inner) && matches!(inner.kind(), Kind::Type { .. })) {
        "E0401"
    } else {
        "E0404"
    };
    let mut fault = at.value(code, here, found);
    if expected.is_empty() {
        fault = fault.expected("a value that fits one of the alternatives");
    } else {
        let all = cut(&expected);
        let help = retype(error.instance(), &all);
        fault = fault.expected(format!("one of: {all}")).help_if(help);
    }
    faults.push(fault);
}

/// What a value is, for a message.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.is_empty() => "empty text".to_owned(),
        Value::String(text) => format!("the text \"{}\"", shorten(text)),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(entries) if entries.is_empty() => "an empty mapping".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

fn types(kind: &TypeKind) -> String {
    let word = |kind: JsonType| match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "a boolean",
        JsonType::Integer => "an integer",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "a mapping",
        JsonType::String => "text",
    };
    match kind {
        TypeKind::Single(kind) => word(*kind).to_owned(),
        TypeKind::Multiple(kinds) => {
            let words: Vec<&str> = kinds.iter().map(word).collect();
            words.join(" or ")
        }
    }
}

/// Quotes too many or too few are the usual cause of a wrong type.
fn retype(value: &Value, expected: &str) -> Option<String> {
    let wants = |words: &[&str]| words.iter().any(|word| expected.contains(word));
    match value {
        Value::String(text) if wants(&["integer", "number"]) && text.parse::<f64>().is_ok() => {
            Some(format!("remove the quotes: {}", shorten(text)))
        }
        Value::String(text) if wants(&["boolean"]) => match text.to_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some("write `true`".to_owned()),
            "false" | "no" | "off" | "n" => Some("write `false`".to_owned()),
            _ => None,
        },
        Value::Number(_) | Value::Bool(_) if wants(&["text"]) => Some(format!("quote it: \"{value}\"")),
        Value::String(_) | Value::Number(_) if wants(&["a list"]) => Some(format!("write a list: [{}]", show(value))),
        _ => None,
    }
}

fn format_name(format: &str) -> String {
    let example = match format {
        "date" => "2026-11-21",
        "date-time" => "2026-11-21T08:00:00Z",
        "time" => "08:00:00Z",
        "duration" => "PT5M",
        "email" => "name@example.com",
        "hostname" => "web-1.example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "uri" => "https://example.com/path",
        "uuid" => "0198c0de-0000-7000-8000-000000000000",
        _ => return format!("text in the format `{}`", shorten(format)),
    };
    format!("text in the format `{format}`, such as {example}")
}

fn list(values: &[Value]) -> String {
    let shown: Vec<String> = values.iter().map(show).collect();
    cut(&shown)
}

/// A list with an end.
fn cut(words: &[String]) -> String {
    if words.len() <= LISTED_MAX {
        return words.join(", ");
    }
    format!("{} and {} more", words[..LISTED_MAX].join(", "), words.len() - LISTED_MAX)
}

fn show(value: &Value) -> String {
    shorten(&value.to_string())
}

/// A word from a file, short enough for a message.
pub(super) fn shorten(text: &str) -> String {
    shorten_to(text, 80)
}

fn shorten_to(text: &str, shown_max: usize) -> String {
    match text.char_indices().nth(shown_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A key as a token of a JSON pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
