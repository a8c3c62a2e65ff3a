//! The verdict: whether a routed request may have what its row asks for, by the word of the host file.
//!
//! Owns the decision and nothing else: a pure function from row, request and host file to a [`Grant`], or to every
//! reason why not, each with the line that would change it. Nothing that is asked for is trimmed in silence; only
//! defaults, which nobody asked for, bend to a lowered ceiling. What the machine lacks is not its business.
//!
//! | code | fault |
//! |---|---|
//! | E0851 | the level |
//! | E0852 | the network |
//! | E0853 | a host path to read or write |
//! | E0855 | a secret |
//! | E0856 | more than a ceiling |
//! | E0857 | a request that asks for a longer timeout than its kind has |
//! | E0858 | an action after success |

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::diagnostic::Diagnostic;
pub use crate::host_file::{HostFile, parse};
use crate::job::{ActionGrant, Grant, Level, Limits, Network, Row, SecretGrant, SecretSource, Workspace};
use crate::request::Envelope;
use crate::units::{format_duration, format_size};

/// Something that was asked for and is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The fault as a person reads it, the fix among its help.
    pub diagnostic: Diagnostic,
    /// What would grant it; none where the request itself has to change.
    pub fix: Option<Fix>,
}

/// A line that would grant what was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// The file to change.
    pub file: String,
    /// The key below which the line goes, where the file has it already.
    pub under: Option<String>,
    /// The line, which replaces one of the same key.
    pub line: String,
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to allow it, write `{}` ", self.line)?;
        match &self.under {
            Some(key) => write!(f, "below `{key}:` in {}", self.file),
            None => write!(f, "in {}", self.file),
        }
    }
}

/// Decides what a routed request may have.
///
/// # Errors
/// Every refusal, not only the first; never an empty list.
pub fn permit(row: &Row, envelope: &Envelope, host: &HostFile) -> Result<Grant, Vec<Refusal>> {
    let mut verdict = Verdict { kind: &row.kind, host, refusals: Vec::new() };
    verdict.level(row.sandbox.level);
    verdict.network(&row.sandbox.network);
    verdict.paths("read", &row.sandbox.read, &host.read);
    verdict.paths("write", &row.sandbox.write, &host.write);
    let secrets = verdict.secrets(&row.secrets);
    let limits = verdict.limits(row, envelope);
    let actions = verdict.actions(&row.then);
    if !verdict.refusals.is_empty() {
        return Err(verdict.refusals);
    }
    Ok(Grant {
        level: row.sandbox.level,
        network: row.sandbox.network.clone(),
        read: row.sandbox.read.clone(),
        write: row.sandbox.write.clone(),
        secrets,
        limits,
        run_as: host.run_as.get(&row.kind).cloned(),
        actions,
    })
}

struct Verdict<'a> {
    kind: &'a str,
    host: &'a HostFile,
    refusals: Vec<Refusal>,
}

impl Verdict<'_> {
    fn level(&mut self, asked: Level) {
        let levels = &self.host.levels;
        if asked == Level::None && !names(&levels.none, self.kind) {
            let line = format!("none: {}", list(levels.none.iter().map(String::as_str), self.kind));
            self.refuse("E0851", format!("the kind `{}` may not run at level none", self.kind), "levels", line);
        } else if asked == Level::Confined && levels.minimum > asked {
            let message = format!(
                "the kind `{}` may not run at level confined: the minimum here is {}",
                self.kind,
                levels.minimum.as_str()
            );
            self.refuse("E0851", message, "levels", "minimum: confined".to_owned());
        }
    }

    fn network(&mut self, asked: &Network) {
        if *asked != Network::None && !names(&self.host.network, self.kind) {
            let line = format!("network: {}", list(self.host.network.iter().map(String::as_str), self.kind));
            let message = format!("the kind `{}` may not use the network", self.kind);
            self.refuse_with("E0852", message, Fix { file: self.host.file.clone(), under: None, line });
        }
    }

    fn paths(&mut self, verb: &'static str, asked: &[PathBuf], granted: &BTreeMap<String, Vec<PathBuf>>) {
        let granted = granted.get(self.kind).map_or(&[][..], Vec::as_slice);
        let refused: Vec<&Path> = asked
            .iter()
            .map(PathBuf::as_path)
            .filter(|path| !granted.iter().any(|root| path.starts_with(root)))
            .collect();
        // One line holds all of a kind's paths, so every refusal names the line that would grant the lot.
        let all: Vec<String> = granted
            .iter()
            .map(PathBuf::as_path)
            .chain(refused.iter().copied())
            .map(|path| scalar(&path.to_string_lossy()))
            .collect();
        let line = format!("{}: [{}]", scalar(self.kind), all.join(", "));
        for path in refused {
            let message = format!("the kind `{}` may not {verb} {}", self.kind, path.display());
            self.refuse("E0853", message, verb, line.clone());
        }
    }

    fn secrets(&mut self, asked: &[String]) -> Vec<SecretGrant> {
        let mut grants = Vec::new();
        for name in asked {
            let row = self.host.secrets.get(name);
            match row {
                Some(row) if row.kinds.iter().any(|kind| kind == self.kind) => {
                    grants.push(SecretGrant { name: name.clone(), source: row.source.clone() });
                }
                _ => self.refuse_secret(name),
            }
        }
        grants
    }

    fn refuse_secret(&mut self, name: &str) {
        let row = self.host.secrets.get(name);
        let source = match row.map(|row| &row.source) {
            None => format!("file: /etc/dispatch/secrets/{name}"),
            Some(SecretSource::File(path)) => format!("file: {}", scalar(&path.to_string_lossy())),
            Some(SecretSource::Credential(name)) => format!("credential: {}", scalar(name)),
            Some(SecretSource::Env(name)) => format!("env: {}", scalar(name)),
        };
        let kinds = list(row.into_iter().flat_map(|row| &row.kinds).map(String::as_str), self.kind);
        let line = format!("{}: {{{source}, kinds: {kinds}}}", scalar(name));
        self.refuse("E0855", format!("the kind `{}` may not have the secret {name}", self.kind), "secrets", line);
    }

    fn actions(&mut self, asked: &[String]) -> Vec<ActionGrant> {
        let mut grants = Vec::new();
        for name in asked {
            match self.host.actions.get(name) {
                Some(action) if names(&action.kinds, self.kind) => {
                    grants.push(ActionGrant { name: name.clone(), run: action.run.clone(), timeout: action.timeout });
                }
                row => {
                    let message = format!("the kind `{}` may not have the action {name} run after it", self.kind);
                    let kinds = list(row.into_iter().flat_map(|row| &row.kinds).map(String::as_str), self.kind);
                    if row.is_some() {
                        // The command is the owner's: it must not come into a record with the line.
                        let (file, under) = (self.host.file.clone(), Some(format!("actions.{name}")));
                        let fix = Fix { file, under, line: format!("kinds: {kinds}") };
                        self.refuse_with("E0858", message, fix);
                    } else {
                        let line = format!("{}: {{run: [/path/to/program], kinds: {kinds}}}", scalar(name));
                        self.refuse("E0858", message, "actions", line);
                    }
                }
            }
        }
        grants
    }

    fn limits(&mut self, row: &Row, envelope: &Envelope) -> Limits {
        let (asked, ceilings, default) = (&row.sandbox, &self.host.limits, Limits::default());
        let size = |bytes: &u64| format_size(*bytes);
        let mut limits = Limits {
            timeout: self.limit(("timeout", "timeout"), row.timeout, default.timeout, ceilings.timeout, |time| {
                format_duration(*time)
            }),
            grace: row.grace,
            memory: self.limit(("sandbox.memory", "memory"), asked.memory, default.memory, ceilings.memory, size),
            pids: self.limit(("sandbox.pids", "pids"), asked.pids, default.pids, ceilings.pids, u32::to_string),
            cpu_time: self.limit(
                ("sandbox.cpu_time", "cpu_time"),
                asked.cpu_time,
                default.cpu_time,
                ceilings.cpu_time,
                |time| format_duration(*time),
            ),
            file_size: self.limit(
                ("sandbox.file_size", "file_size"),
                asked.file_size,
                default.file_size,
                ceilings.file_size,
                size,
            ),
            // /tmp lives in memory: a ceiling on one that the other could pass would be none.
            tmp: self.limit(("sandbox.tmp", "memory"), asked.tmp, default.tmp, ceilings.memory, size),
            work: self.limit(("sandbox.work", "work"), asked.work, default.work, ceilings.work, size),
            output: self.limit(("sandbox.output", "output"), asked.output, default.output, ceilings.output, size),
            artifacts: self.limit(
                ("sandbox.artifacts", "artifacts"),
                asked.artifacts,
                default.artifacts,
                ceilings.artifacts,
                size,
            ),
            cache: self.limit(("sandbox.cache", "cache"), Some(asked.cache), 0, ceilings.cache, size),
            // It cannot be asked for in bytes: what a build takes is not its author's to know.
            checkout: if row.workspace == Workspace::Persistent { ceilings.cache } else { 0 },
        };
        match envelope.request.timeout {
            Some(timeout) if timeout > limits.timeout => {
                let (long, most) = (format_duration(timeout), format_duration(limits.timeout));
                let message = format!("`timeout: {long}` is longer than the {most} that the kind `{}` has", self.kind);
                let diagnostic = envelope.document.fault_at_value("E0857", "/timeout", message);
                let diagnostic = diagnostic.expected(format!("{most} or less: a request may only lower it"));
                self.refusals.push(Refusal { diagnostic, fix: None });
            }
            Some(timeout) => limits.timeout = timeout,
            None => {}
        }
        limits
    }

    /// What was asked for, if the ceiling allows it; without a wish the default, or the ceiling where that is lower.
    fn limit<T: Ord + Copy>(
        &mut self,
        (asked_as, ceiling_key): (&str, &str),
        asked: Option<T>,
        default: T,
        ceiling: T,
        write: impl Fn(&T) -> String,
    ) -> T {
        if let Some(asked) = asked.filter(|asked| *asked > ceiling) {
            let (kind, much, most) = (self.kind, write(&asked), write(&ceiling));
            let message =
                format!("the kind `{kind}` asks for `{asked_as}: {much}`, and `limits.{ceiling_key}` is {most}");
            self.refuse("E0856", message, "limits", format!("{ceiling_key}: {much}"));
        }
        asked.unwrap_or_else(|| default.min(ceiling))
    }

    /// Refuses with a line that goes below `key`, or makes it where the file does not have it.
    fn refuse(&mut self, code: &'static str, message: String, key: &'static str, line: String) {
        let file = self.host.file.clone();
        let fix = if self.host.given.contains(key) {
            Fix { file, under: Some(key.to_owned()), line }
        } else {
            Fix { file, under: None, line: format!("{key}: {{{line}}}") }
        };
        self.refuse_with(code, message, fix);
    }

    fn refuse_with(&mut self, code: &'static str, message: String, fix: Fix) {
        let diagnostic = Diagnostic::new(code, fix.file.clone(), message).help(fix.to_string());
        self.refusals.push(Refusal { diagnostic, fix: Some(fix) });
    }
}

/// Whether a list of kinds holds one, by name or by `*`.
fn names(kinds: &[String], kind: &str) -> bool {
    kinds.iter().any(|name| name == kind || name == "*")
}

/// The list with a kind more, as YAML.
fn list<'a>(present: impl Iterator<Item = &'a str>, kind: &'a str) -> String {
    let words: Vec<String> = present.chain([kind]).map(scalar).collect();
    format!("[{}]", words.join(", "))
}

/// A text as a YAML scalar, quoted where it could be read as anything else.
pub fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-'))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    // A JSON string is a double-quoted YAML scalar.
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RepoConfig;
    use crate::{request, route};
    use std::time::Duration;

    fn try_permit(kind: &str, row: &str, request: &str, host: &str) -> Result<Grant, Vec<Refusal>> {
        let index =
            route::Index::parse("handlers/index.yml", format!("{kind}: {row}\n").as_bytes(), &RepoConfig::default())
                .unwrap();
        let envelope = request::parse("requests/a.yml", format!("kind: {kind}\n{request}").as_bytes()).unwrap();
        permit(index.route(&envelope).unwrap(), &envelope, &parse("/etc/dispatch/host.yaml", host.as_bytes()).unwrap())
    }

    #[test]
    fn a_flat_row_gets_the_defaults() {
        let grant = try_permit("k", "h", "", "").unwrap();
        assert_eq!(grant.limits, Limits::default());
        assert_eq!((grant.level, grant.network, grant.run_as), (Level::Isolated, Network::None, None));
        assert!(grant.read.is_empty() && grant.write.is_empty() && grant.secrets.is_empty());
    }

    #[test]
    fn defaults_bend_to_a_lowered_ceiling() {
        let grant =
            try_permit("k", "h", "", "limits: {memory: 32MiB, pids: 8, timeout: 1m, output: 1KiB, artifacts: 0}")
                .unwrap();
        let limits = grant.limits;
        assert_eq!(
            (limits.memory, limits.pids, limits.timeout, limits.output, limits.artifacts),
            (32 << 20, 8, Duration::from_mins(1), 1024, 0)
        );
        assert_eq!(limits.tmp, 32 << 20);
    }

    #[test]
    fn refusals_name_the_line_and_the_line_works() {
        for (row, host, code, line) in [
            ("{run: h, sandbox: {level: none}}", "", "E0851", "levels: {none: [k]}"),
            ("{run: h, sandbox: {level: none}}", "levels: {none: [other]}", "E0851", "none: [other, k]"),
            ("{run: h, sandbox: {network: true}}", "", "E0852", "network: [k]"),
            ("{run: h, sandbox: {network: true}}", "network: [other]", "E0852", "network: [other, k]"),
            ("{run: h, sandbox: {read: [/etc/x]}}", "", "E0853", "read: {k: [/etc/x]}"),
            ("{run: h, sandbox: {read: [/etc/x]}}", "read: {k: [/etc/y]}", "E0853", "k: [/etc/y, /etc/x]"),
            ("{run: h, sandbox: {read: [/etc/x]}}", "read: {other: [/etc/x]}", "E0853", "k: [/etc/x]"),
            ("{run: h, sandbox: {read: [/etc/x]}}", "write: {k: [/etc/x]}", "E0853", "read: {k: [/etc/x]}"),
            ("{run: h, sandbox: {write: [\"/srv/a, b\"]}}", "", "E0853", "write: {k: [\"/srv/a, b\"]}"),
            ("{run: h, sandbox: {write: [/srv/www2]}}", "write: {k: [/srv/www]}", "E0853", "k: [/srv/www, /srv/www2]"),
            (
                "{run: h, secrets: [TOKEN]}",
                "",
                "E0855",
                "secrets: {TOKEN: {file: /etc/dispatch/secrets/TOKEN, kinds: [k]}}",
            ),
            (
                "{run: h, secrets: [TOKEN]}",
                "secrets: {TOKEN: {env: T, kinds: [other]}}",
                "E0855",
                "TOKEN: {env: T, kinds: [other, k]}",
            ),
            ("{run: h, sandbox: {memory: 4GiB}}", "", "E0856", "limits: {memory: 4GiB}"),
            ("{run: h, sandbox: {pids: 5000}}", "limits: {memory: 1GiB}", "E0856", "pids: 5000"),
            ("{run: h, timeout: 3h}", "", "E0856", "limits: {timeout: 3h}"),
            ("{run: h, sandbox: {output: 9MiB}}", "", "E0856", "limits: {output: 9MiB}"),
            ("{run: h, sandbox: {artifacts: 33MiB}}", "", "E0856", "limits: {artifacts: 33MiB}"),
            ("{run: h, sandbox: {tmp: 3GiB}}", "", "E0856", "limits: {memory: 3GiB}"),
            ("{run: h, sandbox: {cpu_time: 3h}}", "", "E0856", "limits: {cpu_time: 3h}"),
            ("{run: h, sandbox: {file_size: 5GiB}}", "", "E0856", "limits: {file_size: 5GiB}"),
            ("{run: h, sandbox: {work: 5GiB}}", "", "E0856", "limits: {work: 5GiB}"),
            ("{run: h, sandbox: {cache: 11GiB}}", "", "E0856", "limits: {cache: 11GiB}"),
        ] {
            let refusals = try_permit("k", row, "", host).unwrap_err();
            let fix = refusals[0].fix.clone().unwrap();
            assert_eq!(
                (refusals.len(), refusals[0].diagnostic.code, fix.line.as_str()),
                (1, code, line),
                "{row} {host}"
            );
            assert_eq!(fix.file, "/etc/dispatch/host.yaml");
            let host = match fix.under {
                Some(key) => format!("{key}: {{{line}}}"),
                None => line.to_owned(),
            };
            assert!(try_permit("k", row, "", &host).is_ok(), "{row}: {host}");
        }
    }

    #[test]
    fn actions_are_granted_by_kind_and_refused_with_the_line() {
        let row = "{run: h, then: [reload, notify]}";
        let host = "actions: {reload: {run: [systemctl, reload, x], kinds: [k]}, notify: {run: [/bin/n], kinds: [\"*\"], timeout: 1m}}";
        let actions = try_permit("k", row, "", host).unwrap().actions;
        let reload = ["systemctl", "reload", "x"].map(str::to_owned).to_vec();
        assert_eq!(
            actions,
            [
                ActionGrant { name: "reload".into(), run: reload, timeout: Duration::from_secs(30) },
                ActionGrant { name: "notify".into(), run: vec!["/bin/n".into()], timeout: Duration::from_mins(1) },
            ]
        );
        let refused = |host| try_permit("k", "{run: h, then: [reload]}", "", host).unwrap_err().remove(0);
        let missing = refused("");
        assert_eq!(missing.diagnostic.code, "E0858");
        let line = missing.fix.unwrap().line;
        assert_eq!(line, "actions: {reload: {run: [/path/to/program], kinds: [k]}}");
        assert!(try_permit("k", "{run: h, then: [reload]}", "", &line).is_ok());
        let beside = refused("actions: {other: {run: [a], kinds: [k]}}").fix.unwrap();
        assert_eq!(
            beside.to_string(),
            "to allow it, write `reload: {run: [/path/to/program], kinds: [k]}` below `actions:` in /etc/dispatch/host.yaml"
        );
        // The owner's command stays out of what is published.
        let others = refused("actions: {reload: {run: [curl, token-in-the-command], kinds: [other]}}");
        assert_eq!(
            others.diagnostic.help.as_deref(),
            Some("to allow it, write `kinds: [other, k]` below `actions.reload:` in /etc/dispatch/host.yaml")
        );
    }

    #[test]
    fn kinds_that_yaml_could_misread_are_quoted_in_the_line() {
        for kind in ["true", "1e3", "k.x-y_z", "no"] {
            let row = "{run: h, sandbox: {network: true, read: [/etc/x]}}";
            let refusals = try_permit(&format!("\"{kind}\""), row, "", "").unwrap_err();
            let host: Vec<_> = refusals.into_iter().map(|refusal| refusal.fix.unwrap().line).collect();
            assert!(try_permit(&format!("\"{kind}\""), row, "", &host.join("\n")).is_ok(), "{host:?}");
        }
    }

    #[test]
    fn all_refusals_come_at_once_and_say_where() {
        let row = "{run: h, secrets: [A, B], sandbox: {network: true, read: [/a, /b]}}";
        let refusals = try_permit("k", row, "", "network: []").unwrap_err();
        assert_eq!(refusals.len(), 5);
        assert_eq!(refusals[1].fix, refusals[2].fix);
        assert_eq!(
            refusals[0].diagnostic.help.as_deref(),
            Some("to allow it, write `network: [k]` in /etc/dispatch/host.yaml")
        );
        assert_eq!(refusals[2].diagnostic.message, "the kind `k` may not read /b");
    }

    #[test]
    fn what_the_host_file_grants_is_granted() {
        let row = "{run: h, timeout: 1h, secrets: [TOKEN], sandbox: {level: none, network: true, read: [/etc/x/y], write: [/srv/www], memory: 2GiB}}";
        let host = "levels: {none: [\"*\"]}\nnetwork: [\"*\"]\nread: {k: [/etc/x]}\nwrite: {k: [/srv/www]}\nrun_as: {k: www}\n\
                    secrets: {TOKEN: {credential: t, kinds: [k]}}\n";
        let grant = try_permit("k", row, "", host).unwrap();
        assert_eq!((grant.level, grant.network, grant.run_as.as_deref()), (Level::None, Network::Host, Some("www")));
        assert_eq!(grant.read, [PathBuf::from("/etc/x/y")]);
        assert_eq!(grant.secrets, [SecretGrant { name: "TOKEN".into(), source: SecretSource::Credential("t".into()) }]);
        assert_eq!((grant.limits.memory, grant.limits.timeout), (2 << 30, Duration::from_hours(1)));
    }

    #[test]
    fn a_request_may_lower_its_timeout_and_not_raise_it() {
        let lowered = try_permit("k", "{run: h, timeout: 10m}", "timeout: 5m", "").unwrap();
        assert_eq!(lowered.limits.timeout, Duration::from_mins(5));
        assert!(try_permit("k", "{run: h, timeout: 10m}", "timeout: 10m", "").is_ok());
        for (row, host) in [("{run: h, timeout: 10m}", ""), ("h", "limits: {timeout: 10m}")] {
            let refusals = try_permit("k", row, "timeout: 11m", host).unwrap_err();
            let fault = &refusals[0].diagnostic;
            assert_eq!(
                (refusals.len(), &refusals[0].fix, fault.code, fault.file.as_str()),
                (1, &None, "E0857", "requests/a.yml")
            );
            assert_eq!(fault.message, "`timeout: 11m` is longer than the 10m that the kind `k` has");
            assert_eq!(fault.place.map(|place| (place.line, place.column)), Some((2, 10)));
        }
    }

    #[test]
    fn a_confined_row_needs_a_lowered_minimum() {
        let envelope = request::parse("a.yml", b"kind: k").unwrap();
        let mut row = Row::flat("k", "h");
        row.sandbox.level = Level::Confined;
        let mut host = HostFile::default();
        let refusals = permit(&row, &envelope, &host).unwrap_err();
        assert_eq!(refusals[0].fix.as_ref().unwrap().line, "levels: {minimum: confined}");
        host.levels.minimum = Level::Confined;
        assert_eq!(permit(&row, &envelope, &host).unwrap().level, Level::Confined);
    }
}
