//! Prometheus metrics as a textfile (`<state>/metrics/dispatch.prom`), replaced whole after every pass.
//! Counters live in the journal, so a restart does not take them back; gauges are what the pass just saw.
//! Serves nothing over a network.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use crate::journal::Count;

const REQUESTS: &str = "codex_dispatch_requests_total";
const DURATION: &str = "codex_dispatch_request_duration_seconds";
const PUSH_RETRIES: &str = "codex_dispatch_push_retries_total";

/// Upper bounds of the duration buckets, in seconds: from a no-op to the longest default timeout.
const BUCKETS: [f64; 12] = [0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 7200.0];

/// What a pass saw, for the gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gauges {
    /// Requests in the inbox that have no outcome yet, and are not other nodes'.
    pub queue_depth: usize,
    /// Requests that wait for other nodes.
    pub elsewhere: usize,
    /// Age of the oldest of them.
    pub oldest_pending: Duration,
    /// When this was written, seconds since 1970.
    pub heartbeat: i64,
    /// Last time the remote was read, seconds since 1970; 0 = never.
    pub last_fetch_success: i64,
    /// Last time a record reached the remote, seconds since 1970; 0 = never.
    pub last_push_success: i64,
    /// Records that are in the spool and not on main.
    pub unpublished: usize,
    /// The remote declines every record, and nothing new is started.
    pub circuit_open: bool,
    /// Pauses in force.
    pub pauses: usize,
    /// Requests that a pause holds.
    pub held_by_pause: usize,
    /// Requests that a rate of the host file holds.
    pub held_by_rate: usize,
}

/// Why the textfile could not be written.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The file system's words.
    #[error("writing metrics `{path}`: {source}")]
    Io {
        /// The textfile.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The encoder's words.
    #[error("encoding metrics: {0}")]
    Encode(#[from] prometheus::Error),
}

/// The counters that one ended request moves. `duration` is that of all its attempts.
pub fn ended(kind: &str, outcome: &str, duration: Option<Duration>) -> Vec<Count> {
    let mut counts = vec![count(REQUESTS, &[("kind", kind), ("outcome", outcome)], 1.0)];
    if let Some(duration) = duration {
        let seconds = duration.as_secs_f64();
        let bound = BUCKETS.iter().find(|bound| seconds <= **bound).copied().unwrap_or(f64::INFINITY);
        counts.push(count(&format!("{DURATION}_bucket"), &[("kind", kind), ("le", &bound.to_string())], 1.0));
        counts.push(count(&format!("{DURATION}_sum"), &[("kind", kind)], seconds));
        counts.push(count(&format!("{DURATION}_count"), &[("kind", kind)], 1.0));
    }
    counts
}

/// The counter that a push which had to be tried again moves.
pub fn push_retries(times: u32) -> Count {
    count(PUSH_RETRIES, &[], f64::from(times))
}

/// Writes the textfile whole: a reader never sees half of it. Not synced: it is replaced at every pass.
///
/// # Errors
/// [`MetricsError`] where it could not be written.
pub fn write(state: &Path, counts: &[Count], gauges: &Gauges) -> Result<(), MetricsError> {
    let folder = state.join("metrics");
    let path = folder.join("dispatch.prom");
    let mut text = Vec::new();
    TextEncoder::new().encode(&families(counts, gauges), &mut text)?;
    std::fs::create_dir_all(&folder)
        .and_then(|()| {
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            io::Write::write_all(&mut file, &text)?;
            // Collectors such as node_exporter run as another user.
            let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o644);
            file.as_file().set_permissions(open)?;
            file.persist(&path).map_err(|error| error.error).map(drop)
        })
        .map_err(|source| MetricsError::Io { path, source })
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point by definition")]
fn families(counts: &[Count], gauges: &Gauges) -> Vec<MetricFamily> {
    let mut families = vec![
        counter_family(REQUESTS, "Requests that reached a final outcome.", counts),
        duration_family(counts),
        counter_family(PUSH_RETRIES, "Pushes that had to be tried again.", counts),
    ];
    for (name, help, value) in [
        (
            "codex_dispatch_queue_depth",
            "Requests in the inbox without an outcome, but for those of other nodes.",
            gauges.queue_depth as f64,
        ),
        (
            "codex_dispatch_elsewhere_requests",
            "Requests that wait for other nodes: claimed by them, or meant for them.",
            gauges.elsewhere as f64,
        ),
        (
            "codex_dispatch_oldest_pending_age_seconds",
            "Age of the oldest request in the inbox without an outcome.",
            gauges.oldest_pending.as_secs_f64(),
        ),
        (
            "codex_dispatch_heartbeat_timestamp_seconds",
            "When the dispatcher last wrote this; while it watches, at every interval.",
            gauges.heartbeat as f64,
        ),
        (
            "codex_dispatch_last_fetch_success_timestamp_seconds",
            "When main was last read.",
            gauges.last_fetch_success as f64,
        ),
        (
            "codex_dispatch_last_push_success_timestamp_seconds",
            "When a record last reached main.",
            gauges.last_push_success as f64,
        ),
        ("codex_dispatch_pauses", "Pauses that people have set and that are in force.", gauges.pauses as f64),
        ("codex_dispatch_unpublished_records", "Records that are not on main yet.", gauges.unpublished as f64),
        (
            "codex_dispatch_push_circuit_open",
            "1 where the remote declines every record and nothing new is started.",
            f64::from(u8::from(gauges.circuit_open)),
        ),
    ] {
        families.push(gauge_family(name, help, value, &[]));
    }
    let of = |by: &str, held: usize| {
        let help =
            "Requests that wait although nothing is amiss: for the end of a pause, or for a rate of the host file.";
        gauge_family("codex_dispatch_held_requests", help, held as f64, &[("by", by)])
    };
    let (mut held, by_rate) = (of("pause", gauges.held_by_pause), of("rate", gauges.held_by_rate));
    held.set_metric([held.get_metric(), by_rate.get_metric()].concat());
    families.push(held);
    families.push(gauge_family(
        "codex_dispatch_build_info",
        "The running version.",
        1.0,
        &[("version", env!("CARGO_PKG_VERSION"))],
    ));
    families.retain(|family| !family.get_metric().is_empty());
    families
}

fn counter_family(name: &str, help: &str, counts: &[Count]) -> MetricFamily {
    let mut family = family(name, help, MetricType::COUNTER);
    let mut metrics: Vec<Metric> = counts
        .iter()
        .filter(|count| count.name == name)
        .map(|count| {
            let mut counter = Counter::default();
            counter.set_value(count.value);
            let mut metric = labelled(&labels_of(count));
            metric.set_counter(counter);
            metric
        })
        .collect();
    if metrics.is_empty() && name == PUSH_RETRIES {
        // A counter without labels exists from the start, so that a rate over it has a first point.
        let mut metric = Metric::default();
        metric.set_counter(Counter::default());
        metrics.push(metric);
    }
    family.set_metric(metrics);
    family
}

fn duration_family(counts: &[Count]) -> MetricFamily {
    let mut by_kind: BTreeMap<String, (BTreeMap<String, f64>, f64, f64)> = BTreeMap::new();
    for count in counts {
        let Some(part) = count.name.strip_prefix(DURATION) else { continue };
        let labels = labels_of(count);
        let slot = by_kind.entry(labels.get("kind").cloned().unwrap_or_default()).or_default();
        match part {
            "_bucket" => {
                slot.0.insert(labels.get("le").cloned().unwrap_or_default(), count.value);
            }
            "_sum" => slot.1 = count.value,
            "_count" => slot.2 = count.value,
            _ => {}
        }
    }
    let mut family = family(DURATION, "Time from start to end of a request, over all attempts.", MetricType::HISTOGRAM);
    let metrics = by_kind
        .into_iter()
        .map(|(kind, (buckets, sum, total))| {
            let mut histogram = Histogram::default();
            let mut below = 0.0;
            let rows = BUCKETS
                .iter()
                .map(|bound| {
                    below += buckets.get(&bound.to_string()).copied().unwrap_or(0.0);
                    let mut bucket = Bucket::default();
                    bucket.set_upper_bound(*bound);
                    bucket.set_cumulative_count(whole(below));
                    bucket
                })
                .collect();
            histogram.set_bucket(rows);
            histogram.set_sample_sum(sum);
            histogram.set_sample_count(whole(total));
            let mut metric = labelled(&BTreeMap::from([("kind".to_owned(), kind)]));
            metric.set_histogram(histogram);
            metric
        })
        .collect();
    family.set_metric(metrics);
    family
}

fn gauge_family(name: &str, help: &str, value: f64, labels: &[(&str, &str)]) -> MetricFamily {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = labelled(&labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    metric.set_gauge(gauge);
    let mut family = family(name, help, MetricType::GAUGE);
    family.set_metric(vec![metric]);
    family
}

fn family(name: &str, help: &str, kind: MetricType) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family
}

fn labelled(labels: &BTreeMap<String, String>) -> Metric {
    let pairs = labels
        .iter()
        .map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.clone());
            pair.set_value(value.clone());
            pair
        })
        .collect();
    let mut metric = Metric::default();
    metric.set_label(pairs);
    metric
}

fn labels_of(count: &Count) -> BTreeMap<String, String> {
    serde_json::from_str(&count.labels).unwrap_or_default()
}

fn count(name: &str, labels: &[(&str, &str)], value: f64) -> Count {
    let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
    let labels = serde_json::to_string(&labels).expect("a map of strings");
    Count { name: name.to_owned(), labels, value }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of observations, never negative")]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(counts: &[Count]) -> String {
        let mut out = Vec::new();
        TextEncoder::new().encode(&families(counts, &Gauges::default()), &mut out).expect("encodes");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn buckets_are_cumulative_and_end_with_all() {
        let mut counts = ended("deploy", "succeeded", Some(Duration::from_millis(3)));
        counts.extend(ended("deploy", "failed", Some(Duration::from_hours(25))));
        let mut merged: BTreeMap<(String, String), f64> = BTreeMap::new();
        for count in counts {
            *merged.entry((count.name, count.labels)).or_default() += count.value;
        }
        let counts: Vec<Count> =
            merged.into_iter().map(|((name, labels), value)| Count { name, labels, value }).collect();
        let text = text(&counts);
        assert!(text.contains("request_duration_seconds_bucket{kind=\"deploy\",le=\"0.005\"} 1\n"), "{text}");
        assert!(text.contains("request_duration_seconds_bucket{kind=\"deploy\",le=\"7200\"} 1\n"), "{text}");
        assert!(text.contains("request_duration_seconds_bucket{kind=\"deploy\",le=\"+Inf\"} 2\n"), "{text}");
        assert!(text.contains("codex_dispatch_requests_total{kind=\"deploy\",outcome=\"failed\"} 1\n"), "{text}");
    }

    #[test]
    fn an_unlabelled_counter_is_there_from_the_start() {
        assert!(text(&[]).contains("codex_dispatch_push_retries_total 0\n"));
    }
}
