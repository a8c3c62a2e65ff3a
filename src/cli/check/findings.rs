//! What `check` found, and how it is told: to people line by line, to programs as one document.

use serde_json::{Value, json};

use crate::admit::{Rejection, Verdict};
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::diagnostic::Diagnostic;
use crate::request::Target;

/// All that was found.
#[derive(Default)]
pub struct Findings {
    /// Verdicts, in the order in which requests would start.
    pub requests: Vec<Judged>,
    /// Faults of the repository's own files.
    pub repository: Vec<Diagnostic>,
    /// What holds nothing and should be known.
    pub warnings: Vec<Diagnostic>,
}

/// One request and the verdict on it.
pub struct Judged {
    /// The file, as people see it.
    pub path: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Whose it is, where it names that.
    pub target: Option<Target>,
    /// It is another host's to carry out.
    pub elsewhere: bool,
    /// What it waits for, once it is merged.
    pub waits: Option<String>,
    /// The host file, in which a fault may lie.
    pub host_file: String,
}

impl Findings {
    /// How the command ends. Faults of the repository count first: they hold what the requests' verdicts rest on.
    pub fn exit(&self) -> Exit {
        if !self.repository.is_empty() {
            Exit::Configuration
        } else if self.count("rejected") > 0 {
            Exit::Rejected
        } else {
            Exit::Done
        }
    }

    fn count(&self, word: &str) -> usize {
        self.requests.iter().filter(|judged| judged.word() == word).count()
    }

    /// Prints it for people.
    pub fn print(&self) {
        for fault in &self.repository {
            render::print(fault.to_string());
        }
        for judged in &self.requests {
            judged.print();
        }
        for warning in &self.warnings {
            let help = warning.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
            let place = warning.place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
            render::print(format!(
                "{}: {}{place}: {}{help}",
                render::paint("warning", "33"),
                warning.file,
                warning.message
            ));
        }
        render::print(self.summary());
        let first = self.marks().into_iter().find(|mark| mark.level == "error");
        render::explained_by(&first.map(|mark| mark.fault.to_string()).unwrap_or_default());
    }

    /// What came of it, in one line.
    pub fn summary(&self) -> String {
        let counts: Vec<String> = ["ready", "rejected", "held"]
            .into_iter()
            .filter_map(|word| Some((word, self.count(word))).filter(|(_, count)| *count > 0))
            .map(|(word, count)| format!("{count} {}", if word == "ready" { "ok" } else { word }))
            .collect();
        let mut line = format!("checked {}", number(self.requests.len(), "request"));
        if !counts.is_empty() {
            line = format!("{line}: {}", counts.join(", "));
        }
        if !self.repository.is_empty() {
            line = format!("{line}; {} of the repository", number(self.repository.len(), "fault"));
        }
        line
    }

    /// Every fault and warning with its weight: first the repository's, then those of requests in their order.
    pub fn marks(&self) -> Vec<Mark<'_>> {
        let plain = |level| move |fault| Mark { level, request: None, fault };
        let mut marks: Vec<Mark<'_>> = self.repository.iter().map(plain("error")).collect();
        for judged in &self.requests {
            let faults = judged.faults().iter();
            marks.extend(faults.map(|fault| Mark { level: "error", request: Some(&judged.path), fault }));
        }
        marks.extend(self.warnings.iter().map(plain("warning")));
        marks
    }

    /// The document for programs.
    pub fn to_json(&self) -> Value {
        let requests: Vec<Value> = self.requests.iter().map(Judged::to_json).collect();
        json!({
            "v": 1,
            "ok": self.exit() == Exit::Done,
            "requests": requests,
            "repository": self.repository,
            "warnings": self.warnings,
        })
    }
}

/// A fault as a report shows it.
pub struct Mark<'a> {
    /// `error` or `warning`.
    pub level: &'static str,
    /// The request that it refuses, where it is one's.
    pub request: Option<&'a str>,
    /// The fault.
    pub fault: &'a Diagnostic,
}

impl Judged {
    fn word(&self) -> &'static str {
        match self.verdict {
            Verdict::Ready(_) | Verdict::Command(_) => "ready",
            Verdict::Rejected(_) if self.is_for_others_to_grant() => "ready",
            Verdict::Rejected(_) => "rejected",
            Verdict::Held { .. } => "held",
        }
    }

    /// What the host file here refuses, another host's may allow: it alone judges what is meant for it.
    fn is_for_others_to_grant(&self) -> bool {
        let Verdict::Rejected(rejection) = &self.verdict else { return false };
        self.elsewhere && self.is_refused_by_host(rejection)
    }

    fn is_refused_by_host(&self, rejection: &Rejection) -> bool {
        rejection.reason == "not_granted" && rejection.faults.iter().all(|fault| fault.file == self.host_file)
    }

    /// What refuses it.
    fn faults(&self) -> &[Diagnostic] {
        match &self.verdict {
            Verdict::Rejected(rejection) if !self.is_for_others_to_grant() => &rejection.faults,
            _ => &[],
        }
    }

    fn print(&self) {
        let path = &self.path;
        match &self.verdict {
            Verdict::Ready(admitted) => self.print_ok(&admitted.request.kind),
            Verdict::Command(commanded) => self.print_ok(&commanded.request.kind),
            Verdict::Rejected(rejection) if self.is_for_others_to_grant() => {
                self.print_ok(rejection.kind.as_deref().unwrap_or_default());
            }
            Verdict::Rejected(rejection) => {
                let kind = rejection.kind.as_ref().map(|kind| format!("{kind}  ")).unwrap_or_default();
                // Another machine may allow it.
                let here = if self.is_refused_by_host(rejection) { " on this host" } else { "" };
                let rejected = render::paint("rejected", "31");
                render::print(format!("{rejected}  {path}  {kind}{}{here}", rejection.reason));
                for fault in &rejection.faults {
                    render::print(fault.to_string());
                }
            }
            Verdict::Held { kind, .. } => {
                let why = "waits until the repository's faults are mended";
                render::print(format!("{}      {path}  {kind}  {why}", render::paint("held", "33")));
            }
        }
    }

    fn print_ok(&self, kind: &str) {
        let whose = self.target.as_ref().map(|target| format!("  for {target}")).unwrap_or_default();
        let waits = self.waits.as_ref().map(|words| format!("  {words}")).unwrap_or_default();
        render::print(format!("{}        {}  {kind}{whose}{waits}", render::paint("ok", "32"), self.path));
    }

    fn to_json(&self) -> Value {
        let none: &[Diagnostic] = &[];
        let (kind, reason, faults) = match &self.verdict {
            Verdict::Ready(admitted) => (Some(&admitted.request.kind), None, none),
            Verdict::Command(commanded) => (Some(&commanded.request.kind), None, none),
            Verdict::Rejected(rejection) if self.is_for_others_to_grant() => (rejection.kind.as_ref(), None, none),
            Verdict::Rejected(rejection) => (rejection.kind.as_ref(), Some(rejection.reason), &rejection.faults[..]),
            Verdict::Held { kind, faults } => {
                (Some(kind).filter(|kind| !kind.is_empty()), Some("repository"), &faults[..])
            }
        };
        let mut judged =
            json!({ "path": self.path, "verdict": self.word(), "kind": kind, "reason": reason, "diagnostics": faults });
        if let Some(target) = &self.target {
            judged["target"] = json!(target);
        }
        let whose = self.target.as_ref().filter(|_| self.elsewhere).map(|target| format!("for {target}"));
        if let Some(words) = whose.or_else(|| self.waits.clone()) {
            judged["waits"] = json!(words);
        }
        judged
    }
}

fn number(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::cli::check) fn judged(verdict: Verdict) -> Judged {
        let (target, elsewhere, waits) = (None, false, None);
        Judged {
            path: "requests/a.yml".into(),
            verdict,
            target,
            elsewhere,
            waits,
            host_file: "/etc/dispatch/host.yaml".into(),
        }
    }

    fn rejected() -> Judged {
        judged(Verdict::Rejected(Rejection::unread(Diagnostic::new("E0001", "requests/a.yml", "a link"))))
    }

    #[test]
    fn faults_of_the_repository_win_over_rejections() {
        let mut findings = Findings::default();
        assert_eq!(findings.exit(), Exit::Done);
        findings.warnings.push(Diagnostic::new("E0005", "requests/README", "left alone"));
        findings.requests.push(judged(Verdict::Held { kind: String::new(), faults: Vec::new() }));
        assert_eq!(findings.exit(), Exit::Done);
        findings.requests.push(rejected());
        assert_eq!(findings.exit(), Exit::Rejected);
        findings.repository.push(Diagnostic::new("E0500", "handlers/index.yml", "missing"));
        assert_eq!(findings.exit(), Exit::Configuration);
    }

    #[test]
    fn programs_get_every_diagnostic() {
        let findings = Findings { requests: vec![rejected()], ..Findings::default() };
        let document = findings.to_json();
        assert_eq!(document["v"], 1);
        assert_eq!(document["ok"], false);
        let request = &document["requests"][0];
        assert_eq!((&request["verdict"], &request["reason"]), (&json!("rejected"), &json!("invalid_entry")));
        assert_eq!(request["diagnostics"][0]["code"], "E0001");
    }
}
