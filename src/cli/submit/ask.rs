//! Questions on a terminal: the required fields of a kind that nobody has given, one after the other, each held against the
//! kind's own schema before the next. Asks only where standard input and standard error are terminals; standard output stays
//! free for data.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use inquire::ui::RenderConfig;
use inquire::validator::Validation;
use inquire::{Confirm, CustomUserError, InquireError, Select, Text};
use serde_json::{Map, Value};

use crate::cli::exit::{Exit, Failure};
use crate::cli::render;
use crate::contract::Contract;
use crate::form::{self, Field, Form, Shape};
use crate::record::visible;
use crate::schema::Schema;

/// Whether a question was put, so that the whole is shown before it goes out.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Whether there is somebody to ask.
pub fn can() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether anything was asked.
pub fn has_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// The end of it by Escape, Ctrl-C or `no`.
pub fn stopped() -> Failure {
    Failure::new(Exit::Failed, "stopped: nothing was pushed")
}

/// One of the kinds.
pub fn kind(contract: &Contract) -> Result<String, Failure> {
    let usable = contract.rules.kinds.iter().filter_map(|(name, kind)| Some((name, kind.as_ref().ok()?)));
    let rows: Vec<String> = usable
        .map(|(name, kind)| match &kind.row.description {
            Some(words) => format!("{name}  {}", visible::line(words.lines().next().unwrap_or_default())),
            None => name.clone(),
        })
        .collect();
    if rows.is_empty() {
        return Err(Failure::new(Exit::Configuration, "this repository has no kind that could be asked for"));
    }
    let chosen = Select::new("Kind?", rows).with_render_config(look()).prompt().map_err(failed)?;
    begun();
    Ok(chosen.split(' ').next().unwrap_or_default().to_owned())
}

/// Asks for everything that is required and missing.
pub fn fill_in(kind: &str, form: &Form, schema: &Arc<Schema>, spec: &mut Map<String, Value>) -> Result<(), Failure> {
    let count = form.missing(&Value::Object(spec.clone())).len();
    render::say(format!("{kind} needs {count} more value{}: Escape stops", if count == 1 { "" } else { "s" }));
    begun();
    // Answers may bring new questions: a mapping that is begun has required fields of its own.
    loop {
        let so_far = Value::Object(spec.clone());
        let missing = form.missing(&so_far);
        let Some((path, field)) = missing.first() else { return Ok(()) };
        let path: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
        let value = one(&path, field, schema, spec)?;
        put(spec, &path, value);
    }
}

/// Shows the request, and asks whether it goes out.
pub fn confirm(text: &str) -> Result<bool, Failure> {
    render::say(format!("\n{}", visible::lines(text)));
    Confirm::new("Submit it?").with_default(true).with_render_config(look()).prompt().map_err(failed)
}

fn one(path: &[String], field: &Field, schema: &Arc<Schema>, spec: &Map<String, Value>) -> Result<Value, Failure> {
    let label = path.join(".");
    let question = format!("{label}?");
    let told = field.description.as_ref().map(|words| format!("{} – ", visible::line(words))).unwrap_or_default();
    let help = format!("{told}{}", field.words());
    match &field.shape {
        Shape::Boolean => {
            let ask = Confirm::new(&question).with_help_message(&help).with_render_config(look());
            let by_default = field.suggestion().and_then(Value::as_bool);
            let ask = by_default.map_or_else(|| ask.clone(), |value| ask.clone().with_default(value));
            ask.prompt().map(Value::from).map_err(failed)
        }
        Shape::Choice(values) if values.len() == 1 => Ok(values[0].clone()),
        Shape::Choice(values) => {
            let rows: Vec<String> = values.iter().map(form::inline).collect();
            let at = field.suggestion().and_then(|value| values.iter().position(|known| known == value)).unwrap_or(0);
            let select = Select::new(&question, rows.clone()).with_help_message(&help).with_starting_cursor(at);
            let chosen = select.with_render_config(look()).prompt().map_err(failed)?;
            let at = rows.iter().position(|row| *row == chosen).unwrap_or(at);
            Ok(values[at].clone())
        }
        Shape::List(item) => {
            let mut values: Vec<Value> = Vec::new();
            loop {
                let help = format!("{help}; an empty line ends the list");
                let text = text(&question, &help, path, item, schema, spec, Some(&values))?;
                match form::typed(item, &text) {
                    Some(value) if !text.is_empty() => values.push(value),
                    _ => return Ok(Value::Array(values)),
                }
            }
        }
        _ => {
            let text = text(&question, &help, path, field, schema, spec, None)?;
            Ok(form::typed(field, &text).unwrap_or(Value::String(text)))
        }
    }
}

/// One line, until it is of its type and the schema has nothing to say about it. `before` are the entries of the list that it
/// belongs to.
fn text(
    question: &str,
    help: &str,
    path: &[String],
    field: &Field,
    schema: &Arc<Schema>,
    spec: &Map<String, Value>,
    before: Option<&[Value]>,
) -> Result<String, Failure> {
    let (schema, spec, path, before) =
        (Arc::clone(schema), spec.clone(), path.to_owned(), before.map(<[Value]>::to_vec));
    let known = field.clone();
    let validate = move |typed: &str| -> Result<Validation, CustomUserError> {
        if typed.is_empty() && before.is_some() {
            return Ok(Validation::Valid);
        }
        let Some(value) = form::typed(&known, typed) else {
            return Ok(Validation::Invalid(known.words().into()));
        };
        let value = match &before {
            Some(before) => Value::Array(before.iter().cloned().chain([value]).collect()),
            None => value,
        };
        let mut spec = spec.clone();
        put(&mut spec, &path, value);
        let pointer: String =
            path.iter().flat_map(|step| ["/".to_owned(), step.replace('~', "~0").replace('/', "~1")]).collect();
        let faults = schema.validate_value(&Value::Object(spec));
        // What is missing elsewhere is still to come, and a list may be too short so far.
        let mine = faults.iter().find(|fault| {
            fault.code != "E0402"
                && fault.pointer.as_deref().is_some_and(|found| found.starts_with(&pointer))
                && (before.is_none() || fault.code != "E0409")
        });
        Ok(mine.map_or(Validation::Valid, |fault| Validation::Invalid(fault.message.clone().into())))
    };
    let initial = field.suggestion().map(form::inline).filter(|_| field.default.is_some());
    let placeholder = field.example.as_ref().map(form::inline).unwrap_or_default();
    let mut ask = Text::new(question).with_help_message(help).with_validator(validate).with_render_config(look());
    if let Some(initial) = &initial {
        ask = ask.with_initial_value(initial);
    }
    if !placeholder.is_empty() {
        ask = ask.with_placeholder(&placeholder);
    }
    ask.prompt().map_err(failed)
}

fn put(spec: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => drop(spec.insert(name.clone(), value)),
        [name, below @ ..] => {
            let inner = spec.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, below, value);
            }
        }
    }
}

fn begun() {
    ASKED.store(true, Ordering::Relaxed);
}

fn look() -> RenderConfig<'static> {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if plain { RenderConfig::empty() } else { RenderConfig::default_colored() }
}

fn failed(error: InquireError) -> Failure {
    match error {
        InquireError::OperationCanceled | InquireError::OperationInterrupted => stopped(),
        error => Failure::new(Exit::Unwritable, format!("asking on the terminal: {error}")),
    }
}
