//! The files of a new handler: program, schema, row of the router table, example and fixtures, made to be changed. Pure: who
//! writes them, and what stands there already, is the face's business.
//!
//! All of it fits together: a request of the example is admitted, carried out, and comes to what the fixture expects.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::config::RepoConfig;
use crate::diagnostic::Diagnostic;
use crate::record::emit;
use crate::resource::Template;
use crate::route::{self, Index};

/// What a handler is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// A POSIX shell.
    Sh,
    /// Python 3.
    Python,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The kind.
    pub kind: String,
    /// What its handler is written in.
    pub language: Language,
    /// What it does, in a line.
    pub description: Option<String>,
    /// Its lock key.
    pub resource: Option<Template>,
    /// How long it may run.
    pub timeout: Option<String>,
    /// Whether the repository has the schemas that editors follow.
    pub editor_lines: bool,
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Its path in the repository.
    pub path: String,
    /// What it says.
    pub text: String,
    /// Whether it is executable.
    pub executable: bool,
}

/// Why there is nothing to write.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// A lock key over more than flat text.
    #[error(
        "the resource `{template}` names `spec.{path}`: a new handler begins with flat text, such as {{spec.host}}; write the key into {} afterwards",
        route::PATH
    )]
    Nested {
        /// The template.
        template: String,
        /// The path below `spec`.
        path: String,
    },
    /// The kind is there.
    #[error("{}: the kind `{kind}` is there already", route::PATH)]
    Exists {
        /// It.
        kind: String,
    },
    /// The table is unreadable as it is.
    #[error("{0}")]
    Fault(Box<Diagnostic>),
    /// The table is not written as lines that one more can follow.
    #[error(
        "{} is not written as one kind below the other, so nothing can be added at its end; add this row yourself:\n\n{row}",
        route::PATH
    )]
    Shape {
        /// The row.
        row: String,
    },
}

const INDEX_HEADER: &str =
    "# The router table: which handler carries out which kind, and what it may ask of the machine.\n";

impl Plan {
    /// Every file but the router table.
    ///
    /// # Errors
    /// [`ScaffoldError::Nested`].
    pub fn files(&self) -> Result<Vec<NewFile>, ScaffoldError> {
        let fields = self.fields()?;
        let kind = &self.kind;
        let file = |path: String, text: String| NewFile { path, text, executable: false };
        let handler = NewFile { path: self.handler(), text: self.program(&fields), executable: true };
        let example = |up: &str| format!("{}{}", self.editor_line(up, "request"), self.request(&fields));
        let folder = format!("{}/{kind}", crate::fixture::FOLDER);
        let expect = |text: String| format!("{}{text}", self.editor_line("../../../", "fixture"));
        Ok(vec![
            handler,
            file(format!("schemas/{kind}.schema.json"), self.schema(&fields)),
            file(format!("examples/{kind}.yml"), example("../")),
            file(format!("{folder}/example.yml"), example("../../../")),
            file(format!("{folder}/example.expect.yml"), expect(self.expectation(&fields))),
            file(
                format!("{folder}/refused.yml"),
                format!("# What the schema must not let through.\nkind: {kind}\nspec: {{}}\n"),
            ),
            file(
                format!("{folder}/refused.expect.yml"),
                expect("outcome: rejected\nexit_code: 64\nreason: \"invalid_spec: …\"\n".to_owned()),
            ),
        ])
    }

    /// The router table with the row behind what stands in it, untouched; `before` is none where there is no table.
    ///
    /// # Errors
    /// [`ScaffoldError`] where the kind is there, or nothing can be added.
    pub fn index(&self, before: Option<&str>, config: &RepoConfig) -> Result<String, ScaffoldError> {
        let read = |text: &str| Index::parse(route::PATH, text.as_bytes(), config);
        let row = self.row();
        let Some(before) = before else { return Ok(format!("{INDEX_HEADER}\n{row}")) };
        // A table without a row yet: comments alone, or `{}`.
        let old = match read(before) {
            Ok(index) => index,
            Err(fault) if crate::fields::is_no_document(&fault) => {
                let end = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
                return Ok(format!("{before}{end}{row}"));
            }
            Err(fault) => return Err(ScaffoldError::Fault(Box::new(fault))),
        };
        if old.rows().any(|(kind, _)| kind == self.kind) {
            return Err(ScaffoldError::Exists { kind: self.kind.clone() });
        }
        let line_end = if before.contains("\r\n") { "\r\n" } else { "\n" };
        let end = if before.ends_with('\n') { "" } else { line_end };
        let after = format!("{before}{end}{line_end}{}", row.replace('\n', line_end));
        // The same rows as before, and this one.
        let added = read(&after).is_ok_and(|new| {
            new.row(&self.kind).is_some()
                && old
                    .rows()
                    .all(|(kind, row)| new.rows().any(|(other, now)| kind == other && row.is_ok() == now.is_ok()))
        });
        if added { Ok(after) } else { Err(ScaffoldError::Shape { row }) }
    }

    /// The handler's path.
    pub fn handler(&self) -> String {
        let ending = if self.language == Language::Sh { "sh" } else { "py" };
        format!("handlers/{}.{ending}", self.kind)
    }

    /// The row of the router table.
    pub fn row(&self) -> String {
        let mut row = Map::new();
        row.insert("run".to_owned(), json!(self.handler()));
        row.insert("description".to_owned(), json!(self.description()));
        if let Some(resource) = &self.resource {
            row.insert("resource".to_owned(), json!(resource.as_str()));
        }
        let mut text = emit::yaml(&json!({ self.kind.as_str(): row }));
        if let Some(timeout) = &self.timeout {
            // It was read as a duration, which nobody takes for anything else.
            writeln!(text, "  timeout: {timeout}").expect("a String takes all");
        }
        text
    }

    fn description(&self) -> &str {
        self.description.as_deref().unwrap_or("say here in a line what it does")
    }

    /// Names of the spec's texts: those that the lock key needs, or one to begin with.
    fn fields(&self) -> Result<Vec<String>, ScaffoldError> {
        let mut fields: Vec<String> = Vec::new();
        for path in self.resource.iter().flat_map(Template::spec_paths) {
            match path {
                [name] if is_flat(name) => {
                    if !fields.contains(name) {
                        fields.push(name.clone());
                    }
                }
                path => {
                    let template = self.resource.as_ref().map(|template| template.as_str().to_owned());
                    let template = template.unwrap_or_default();
                    return Err(ScaffoldError::Nested { template, path: path.join(".") });
                }
            }
        }
        if fields.is_empty() {
            fields.push("name".to_owned());
        }
        Ok(fields)
    }

    fn program(&self, fields: &[String]) -> String {
        let each = |between: &str, write: &dyn Fn(&str) -> String| {
            fields.iter().map(|name| write(name)).collect::<Vec<_>>().join(between)
        };
        let spec = format!("{{{}}}", each(", ", &|name| format!("{name}: text")));
        let (template, parts) = match self.language {
            Language::Sh => {
                let read = |name: &str| {
                    format!("{name}=$(field {name})\n[ -n \"${name}\" ] || stop 64 'spec.{name} is missing'")
                };
                let parts = [
                    ("@READ@", each("\n", &read)),
                    ("@PRINTED@", each(", ", &|name| format!("{name} %s"))),
                    ("@VALUES@", each(" ", &|name| format!("\"${name}\""))),
                    ("@REPORT@", each("", &|name| format!("{name}: %s\\n"))),
                    ("@RESULT@", each(",", &|name| format!("\"{name}\":\"%s\""))),
                ];
                (include_str!("scaffold/handler.sh"), parts)
            }
            Language::Python => {
                let parts = [
                    ("@READ@", each("\n", &|name| format!("    {name} = spec[\"{name}\"]"))),
                    ("@PRINTED@", each(", ", &|name| format!("{name} {{{name}}}"))),
                    ("@VALUES@", String::new()),
                    ("@REPORT@", each("", &|name| format!("{name}: {{{name}}}\\n"))),
                    ("@RESULT@", each(", ", &|name| format!("\"{name}\": {name}"))),
                ];
                (include_str!("scaffold/handler.py"), parts)
            }
        };
        let common =
            [("@KIND@", self.kind.clone()), ("@DESCRIPTION@", self.description().to_owned()), ("@SPEC@", spec)];
        parts.into_iter().chain(common).fold(template.to_owned(), |text, (place, with)| text.replace(place, &with))
    }

    fn schema(&self, fields: &[String]) -> String {
        let property = json!({
            "description": "say here what it is",
            "type": "string",
            "minLength": 1,
            "maxLength": 64,
            "pattern": "^[A-Za-z0-9][A-Za-z0-9 ._-]*$",
            "examples": ["example"],
        });
        let properties: Map<String, Value> = fields.iter().map(|name| (name.clone(), property.clone())).collect();
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": format!("spec of kind {}", self.kind),
            "description": self.description(),
            "type": "object",
            "properties": properties,
            "required": fields,
            "additionalProperties": false,
        });
        let mut text = serde_json::to_string_pretty(&schema).expect("a schema is plain data");
        text.push('\n');
        text
    }

    fn request(&self, fields: &[String]) -> String {
        let mut text = format!("kind: {}\nspec:\n", self.kind);
        for name in fields {
            writeln!(text, "  {name}: example").expect("a String takes all");
        }
        text
    }

    fn expectation(&self, fields: &[String]) -> String {
        let result: Map<String, Value> = fields.iter().map(|name| (name.clone(), json!("example"))).collect();
        let printed: Vec<String> = fields.iter().map(|name| format!("{name} example")).collect();
        let line = format!("{}: {} (attempt 1)", self.kind, printed.join(", "));
        emit::yaml(&json!({
            "outcome": "succeeded",
            "exit_code": 0,
            "result": result,
            "output": [line],
            "artifacts": ["report.txt"],
        }))
    }

    fn editor_line(&self, up: &str, schema: &str) -> String {
        if !self.editor_lines {
            return String::new();
        }
        format!("# yaml-language-server: $schema={up}schemas/dispatch/{schema}.schema.json\n")
    }
}

/// Whether a name can be a variable, in a shell and in Python.
fn is_flat(name: &str) -> bool {
    const TAKEN: [&str; 8] = ["code", "field", "log_folder", "request", "spec", "result", "report", "stop"];
    let word = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    word && name.starts_with(|first: char| first.is_ascii_lowercase()) && !TAKEN.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{self, Limits};

    fn plan(resource: Option<&str>) -> Plan {
        Plan {
            kind: "greet".to_owned(),
            language: Language::Sh,
            description: None,
            resource: resource.map(|text| Template::parse(text).expect("a template")),
            timeout: Some("5m".to_owned()),
            editor_lines: true,
        }
    }

    fn index(before: Option<&str>) -> Result<String, ScaffoldError> {
        plan(Some("host/{spec.host}")).index(before, &RepoConfig::default())
    }

    const ROW: &str = "greet:\n  run: handlers/greet.sh\n  description: say here in a line what it does\n  resource: \"host/{spec.host}\"\n  timeout: 5m\n";

    #[test]
    fn a_row_comes_behind_what_is_there() {
        let before = "# Mine.\nhello: handlers/hello.sh   # the flat form\n# The end.";
        assert_eq!(index(Some(before)).expect("added"), format!("{before}\n\n{ROW}"));
        let windows = "hello: handlers/hello.sh\r\n";
        assert_eq!(index(Some(windows)).expect("added"), format!("{windows}\r\n{}", ROW.replace('\n', "\r\n")));
        assert_eq!(index(Some("# Nothing yet.\n")).expect("added"), format!("# Nothing yet.\n{ROW}"));
        assert_eq!(index(Some("")).expect("added"), ROW);
        assert!(index(None).expect("made").ends_with(&format!("\n\n{ROW}")));
        // A fault of another row is not this one's business.
        assert!(index(Some("bad: {rnu: x}\n")).is_ok());
    }

    #[test]
    fn where_nothing_can_be_added_the_row_is_shown() {
        for before in ["{hello: handlers/hello.sh}\n", "hello: handlers/hello.sh\n...\n", "{}\n"] {
            let error = index(Some(before)).expect_err(before);
            assert!(matches!(error, ScaffoldError::Shape { .. }), "{before}: {error}");
            assert!(error.to_string().ends_with(ROW), "{error}");
        }
        let there = index(Some("greet: handlers/other.sh\n")).expect_err("there");
        assert_eq!(there.to_string(), "handlers/index.yml: the kind `greet` is there already");
        assert!(matches!(index(Some("a: [\n")), Err(ScaffoldError::Fault(_))));
    }

    #[test]
    fn what_the_lock_key_names_is_in_the_spec() {
        let files = plan(Some("host/{spec.host}/{spec.disk}/{spec.host}")).files().expect("files");
        let file = |name: &str| files.iter().find(|file| file.path.ends_with(name)).expect(name).text.clone();
        let schema: Value = serde_json::from_str(&file("greet.schema.json")).expect("JSON");
        assert_eq!(schema["required"], json!(["host", "disk"]));
        let request = yaml::read("r", file("examples/greet.yml").as_bytes(), Limits::REQUEST).expect("a request");
        assert_eq!(request.value()["spec"], json!({"host": "example", "disk": "example"}));
        assert!(files.iter().all(|file| !file.text.contains('@')), "{files:?}");
        for template in ["{spec.a.b}", "{spec.Host}", "{spec.spec}"] {
            assert!(matches!(plan(Some(template)).files(), Err(ScaffoldError::Nested { .. })), "{template}");
        }
        let plain = plan(None).files().expect("files");
        assert!(plain[0].text.contains("name=$(field name)"), "{}", plain[0].text);
    }
}
