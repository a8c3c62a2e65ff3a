//! The alerts: promtool takes them, each fires where it should and nowhere else, and each is about metrics that there are.

use std::collections::BTreeSet;
use std::fs;

use crate::{Tested, has, said, text};

const RULES: &str = "deploy/prometheus/alerts.yml";
const CASES: &str = "tests/deploy/alerts.test.yml";

fn values<'a>(text: &'a str, key: &str) -> BTreeSet<&'a str> {
    text.lines()
        .filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix(key))
        .map(str::trim)
        .collect()
}

#[test]
fn promtool_takes_them_and_each_fires_where_it_should() -> Tested {
    if !has("promtool") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let run = |rules: &str| -> std::io::Result<(bool, String)> {
        fs::write(folder.path().join("alerts.yml"), rules)?;
        fs::write(folder.path().join("alerts.test.yml"), text(CASES))?;
        let (checked, words) = said(folder.path(), "promtool", &["check", "rules", "alerts.yml"])?;
        if !checked {
            return Ok((false, words));
        }
        said(folder.path(), "promtool", &["test", "rules", "alerts.test.yml"])
    };
    let rules = text(RULES);
    let (ok, words) = run(&rules)?;
    assert!(ok, "{words}");
    // Each threshold of another size is found out, and so is a rule that nobody can read.
    for (one, other) in [
        ("heartbeat_timestamp_seconds > 300\n        for", "heartbeat_timestamp_seconds > 3000\n        for"),
        ("unpublished_records > 0", "unpublished_records > 9"),
        ("push_circuit_open > 0", "push_circuit_open > 1"),
        ("age_seconds > 1800", "age_seconds > 180"),
        ("offset 1h", "offset 1s"),
        ("[1h])) >= 5", "[1h])) >= 500"),
        ("[1h]) > 60", "[1h]) > 600"),
        ("time() -", "tmie() -"),
    ] {
        assert!(rules.contains(one), "{one}");
        let (ok, words) = run(&rules.replacen(one, other, 1))?;
        assert!(!ok, "{one} for {other}: {words}");
    }
    Ok(())
}

#[test]
fn each_alert_has_a_case_a_page_and_metrics_that_there_are() {
    let (rules, cases) = (text(RULES), text(CASES));
    let alerts = values(&rules, "alert:");
    assert!(alerts.len() >= 9, "{alerts:?}");
    let fires: BTreeSet<&str> = cases
        .split("- eval_time:")
        .skip(1)
        .filter(|case| case.contains("exp_alerts:"))
        .filter_map(|case| values(case, "alertname:").into_iter().next())
        .collect();
    assert_eq!(fires, alerts);
    let page = text("docs/operating.md").to_lowercase();
    for alert in &alerts {
        let anchor = format!("docs/operating.md#{}", alert.to_lowercase());
        assert!(rules.contains(&anchor), "{alert} names no page");
        assert!(page.contains(&format!("### {}\n", alert.to_lowercase())), "docs/operating.md says nothing of {alert}");
    }
    let metrics = text("docs/metrics.md");
    let name = |c: char| !(c.is_ascii_lowercase() || c == '_');
    for metric in rules.split(name).filter(|word| word.starts_with("codex_dispatch_")) {
        assert!(metrics.contains(&format!("`{metric}`")), "there is no metric {metric}");
    }
}
