//! Findings for the programs that show them beside the code: SARIF 2.1.0 for code scanning, workflow commands of GitHub Actions, and the
//! code quality report of GitLab. Owns what these formats ask for, their escaping above all; decides nothing.

use std::collections::HashMap;
use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::findings::{Findings, Mark};
use crate::diagnostic::escape;
use crate::explain::{self, Explanation};

/// What a path of a URI may hold as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'_').remove(b'-').remove(b'~');

/// Longer values are cut: a report is shown in a column beside the code.
const MESSAGE_CHARS_MAX: usize = 2000;

impl Mark<'_> {
    /// The file beside which it is shown: the fault's own, or the request where the fault is in none of the repository's files.
    fn file(&self) -> &str {
        match self.request {
            Some(request) if self.fault.file.starts_with('/') => request,
            _ => &self.fault.file,
        }
    }

    /// Line, column and the column behind the end, from 1; a fault of a whole file stands at its beginning.
    fn span(&self) -> (u32, u32, u32) {
        let place = self.fault.place.filter(|_| self.file() == self.fault.file);
        place.map_or((1, 1, 1), |place| (place.line, place.column, place.column + place.length))
    }

    /// All that is said of it.
    fn words(&self) -> String {
        let fault = self.fault;
        let mut words = escape(&fault.message);
        if self.file() != fault.file {
            let _ = write!(words, " ({})", escape(&fault.file));
        }
        for (label, text) in [("expected", &fault.expected), ("help", &fault.help)] {
            if let Some(text) = text {
                let _ = write!(words, "\n{label}: {}", escape(text));
            }
        }
        match words.char_indices().nth(MESSAGE_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None => words,
        }
    }

    /// The same for the same fault, wherever its line has gone meanwhile.
    fn fingerprint(&self, seen: &mut HashMap<String, u32>) -> String {
        let fault = self.fault;
        let pointer = fault.pointer.as_deref().unwrap_or_default();
        let text = [fault.code, self.file(), &fault.file, pointer, &fault.message].join("\0");
        let digest = HEXLOWER.encode(&Sha256::digest(text));
        let nth = seen.entry(digest.clone()).or_default();
        *nth += 1;
        format!("{}:{nth}", &digest[..32])
    }
}

/// One run of SARIF 2.1.0.
pub fn sarif(findings: &Findings) -> Value {
    let marks = findings.marks();
    let all = explain::all();
    let mut rules: Vec<&Explanation> = Vec::new();
    let mut results = Vec::new();
    let mut seen = HashMap::new();
    for mark in &marks {
        let index = rules.iter().position(|rule| rule.word == mark.fault.code).or_else(|| {
            rules.push(all.iter().find(|known| known.word == mark.fault.code)?);
            Some(rules.len() - 1)
        });
        let (line, column, end) = mark.span();
        let mut location = json!({
            "physicalLocation": {
                "artifactLocation": artifact(mark.file()),
                "region": { "startLine": line, "startColumn": column, "endLine": line, "endColumn": end },
            },
        });
        if let Some(pointer) = mark.fault.pointer.as_deref().filter(|pointer| !pointer.is_empty()) {
            location["logicalLocations"] = json!([{ "fullyQualifiedName": pointer, "kind": "value" }]);
        }
        let mut result = json!({
            "ruleId": mark.fault.code,
            "level": mark.level,
            "message": { "text": mark.words() },
            "locations": [location],
            "partialFingerprints": { "dispatchFault/v1": mark.fingerprint(&mut seen) },
        });
        if let Some(index) = index {
            result["ruleIndex"] = json!(index);
        }
        results.push(result);
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "dispatch",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_iter().map(rule).collect::<Vec<Value>>(),
            } },
            "originalUriBaseIds": { "SRCROOT": { "description": { "text": "the top of the repository" } } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(known: &Explanation) -> Value {
    let said = [Some(known.means.as_str()), known.why, known.todo];
    let text: Vec<&str> = said.into_iter().flatten().filter(|text| !text.is_empty()).collect();
    let mut markdown = text.join("\n\n");
    for example in &known.examples {
        let side = if example.right { "Right" } else { "Wrong" };
        let _ = write!(markdown, "\n\n{side}:\n```{}\n{}```", example.language, example.text);
    }
    json!({
        "id": known.word,
        "name": known.title,
        "shortDescription": { "text": known.title },
        "fullDescription": { "text": if known.means.is_empty() { known.title } else { &known.means } },
        "help": { "text": text.join("\n"), "markdown": markdown },
        "defaultConfiguration": { "level": "error" },
    })
}

/// A file of the repository by its path from the top, any other by its whole path.
fn artifact(file: &str) -> Value {
    let path = utf8_percent_encode(file, PATH).to_string();
    if file.starts_with('/') {
        json!({ "uri": format!("file://{path}") })
    } else {
        json!({ "uri": path, "uriBaseId": "SRCROOT" })
    }
}

/// Workflow commands, one a line.
pub fn github(findings: &Findings) -> Vec<String> {
    let marks = findings.marks();
    let line = |mark: &Mark<'_>| {
        let (line, column, end) = mark.span();
        let title = explain::find(mark.fault.code).map_or_else(|_| String::new(), |known| format!(": {}", known.title));
        format!(
            "::{} file={},line={line},col={column},endColumn={},title={}::{}",
            mark.level,
            property(&escape(mark.file())),
            end.saturating_sub(1).max(column),
            property(&format!("{}{title}", mark.fault.code)),
            data(&mark.words()),
        )
    };
    marks.iter().map(line).collect()
}

/// What the message of a workflow command cannot hold as it is.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What a property of one cannot hold either.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A code quality report.
pub fn gitlab(findings: &Findings) -> Value {
    let mut seen = HashMap::new();
    let marks = findings.marks();
    let issue = |mark: &Mark<'_>| {
        json!({
            "description": format!("{}: {}", mark.fault.code, mark.words()),
            "check_name": mark.fault.code,
            "fingerprint": mark.fingerprint(&mut seen),
            "severity": if mark.level == "error" { "critical" } else { "minor" },
            "location": { "path": mark.file(), "lines": { "begin": mark.span().0 } },
        })
    };
    marks.iter().map(issue).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admit::{Rejection, Verdict};
    use crate::cli::check::findings::tests::judged;
    use crate::diagnostic::{Diagnostic, Place};

    fn findings() -> Findings {
        let place = Place { line: 2, column: 8, length: 6 };
        let text = "kind: deploy\nspec: {tarqet: 50%}\n";
        let spec = Diagnostic::new("E0403", "requests/a.yml", "unknown property `tarqet`, 50%")
            .at(place, text)
            .pointer("/spec/tarqet")
            .help("did you mean `target`?\nyes");
        let host = Diagnostic::new("E0851", "/etc/dispatch/host.yaml", "may not run at level none");
        let odd = Diagnostic::new("E0010", "requests/a b:c,%\u{1b}.yml", "the file name breaks the rule");
        let reject = |reason, faults| judged(Verdict::Rejected(Rejection { reason, kind: None, id: None, faults }));
        Findings {
            requests: vec![
                reject("invalid_spec", vec![spec.clone(), spec]),
                reject("not_granted", vec![host]),
                reject("invalid_entry", vec![odd]),
            ],
            repository: vec![Diagnostic::new("E0901", "handlers/x.sh", "handler `handlers/x.sh` does not exist")],
            warnings: vec![Diagnostic::new("E0005", "requests/README", "is left alone")],
        }
    }

    #[test]
    fn a_sarif_run_names_rules_places_and_fingerprints() {
        let report = sarif(&findings());
        let run = &report["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        let results = run["results"].as_array().unwrap();
        assert_eq!((rules.len(), results.len()), (5, 6), "a rule once, a result for each fault");
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert!(rules[index]["help"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        }
        assert_eq!(results.iter().map(|one| &one["level"]).filter(|level| **level == "warning").count(), 1);
        let spec = &results[1];
        let place = &spec["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"], json!({ "uri": "requests/a.yml", "uriBaseId": "SRCROOT" }));
        assert_eq!(place["region"], json!({ "startLine": 2, "startColumn": 8, "endLine": 2, "endColumn": 14 }));
        assert_eq!(spec["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], "/spec/tarqet");
        let host = &results[3]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(host, "requests/a.yml", "nobody has the host file beside the code");
        let odd = &results[4]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(odd, "requests/a%20b%3Ac%2C%25%1B.yml");
        let prints: std::collections::HashSet<&str> =
            results.iter().map(|one| one["partialFingerprints"]["dispatchFault/v1"].as_str().unwrap()).collect();
        assert_eq!(prints.len(), results.len(), "equal faults are counted");
        assert_eq!(sarif(&findings()), report, "and the same each time");
    }

    #[test]
    fn workflow_commands_are_escaped() {
        let lines = github(&findings());
        assert!(lines.iter().all(|line| !line.contains(['\n', '\r', '\u{1b}'])), "{lines:?}");
        assert!(
            lines[0].starts_with("::error file=handlers/x.sh,line=1,col=1,endColumn=1,title=E0901%3A "),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("::error file=requests/a.yml,line=2,col=8,endColumn=13,title=E0403%3A "));
        assert!(
            lines[1].ends_with("::unknown property `tarqet`, 50%25%0Ahelp: did you mean `target`?\\nyes"),
            "{}",
            lines[1]
        );
        assert!(lines[4].starts_with("::error file=requests/a b%3Ac%2C%25\\u{1b}.yml,line=1"), "{}", lines[4]);
        assert!(lines[5].starts_with("::warning file=requests/README,"));
    }

    #[test]
    fn a_code_quality_report_has_what_gitlab_asks_for() {
        let report = gitlab(&findings());
        let issues = report.as_array().unwrap();
        assert_eq!(issues.len(), 6);
        for issue in issues {
            assert!(issue["description"].is_string() && issue["check_name"].is_string());
            assert!(issue["fingerprint"].as_str().is_some_and(|text| text.len() > 30));
            assert!(["critical", "minor"].contains(&issue["severity"].as_str().unwrap()));
            assert!(issue["location"]["lines"]["begin"].as_u64().is_some_and(|line| line > 0));
        }
    }
}
