//! What the measured times come to: medians, differences within a round, the table, and the verdict.
//!
//! Owns the numbers that are promised. Never: measures.

use std::time::Duration;

use serde_json::{Value, json};

use crate::ways::Kind;

/// What `isolated` may cost over a plain spawn, in milliseconds, at the median.
const OVER_PLAIN_MAX_MS: f64 = 1.5;
/// How often that much after a pause.
const PAUSED_FACTOR_MAX: f64 = 2.0;
/// One measurement in a noisy machine says little: this much more is still taken.
const TOLERANCE: f64 = 1.1;

/// One series: the ways in turn, round after round.
pub struct Series {
    /// Before each run.
    pub pause: Duration,
    pub ways: Vec<Measured>,
}

/// What one way took.
pub struct Measured {
    pub kind: Kind,
    /// One a round, in milliseconds.
    pub wall_ms: Vec<f64>,
    /// Of this process and all that the way started, a run.
    pub cpu_ms: f64,
}

/// A way's figures, in milliseconds.
struct Figures {
    name: &'static str,
    quartiles: [f64; 3],
    over_plain: [f64; 3],
    ratio: f64,
    cpu: f64,
}

impl Series {
    fn plain(&self) -> &[f64] {
        &self.ways.iter().find(|way| way.kind == Kind::Plain).expect("it is always measured").wall_ms
    }

    fn figures(&self) -> impl Iterator<Item = Figures> {
        let plain = quartiles(self.plain())[1];
        self.ways.iter().map(move |way| {
            let differences: Vec<f64> = way.wall_ms.iter().zip(self.plain()).map(|(own, plain)| own - plain).collect();
            let quartiles_of_way = quartiles(&way.wall_ms);
            Figures {
                name: way.kind.name(),
                quartiles: quartiles_of_way,
                over_plain: quartiles(&differences),
                ratio: quartiles_of_way[1] / plain,
                cpu: way.cpu_ms,
            }
        })
    }

    fn rounds(&self) -> usize {
        self.plain().len()
    }

    /// What `isolated` costs over plain in the middle round.
    fn isolated_over_plain(&self) -> Option<f64> {
        self.figures().find(|figures| figures.name == Kind::Isolated.name()).map(|figures| figures.over_plain[1])
    }

    /// For people.
    pub fn table(&self) -> String {
        let title = match self.pause {
            Duration::ZERO => "without a pause".to_owned(),
            pause => format!("after a pause of {} ms", pause.as_millis()),
        };
        let head = format!(
            "{title}, {} rounds, times in ms\n{:22}  median   (quartiles)      over plain   (quartiles)     ratio    cpu\n",
            self.rounds(),
            ""
        );
        let line = |Figures { name, quartiles: [low, median, high], over_plain: [less, over, more], ratio, cpu }| {
            let cost = if name == Kind::Plain.name() {
                String::new()
            } else {
                format!("{over:6.2}  ({less:5.2} to {more:5.2})  {ratio:6.2}")
            };
            format!("{name:22}  {median:6.2}  ({low:5.2} to {high:5.2})      {cost:33}  {cpu:5.2}\n")
        };
        self.figures().map(line).fold(head, |table, line| table + &line)
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let way = |Figures { name, quartiles, over_plain, ratio, cpu }| {
            json!({
                "way": name,
                "ms": rounded(quartiles),
                "over_plain_ms": rounded(over_plain),
                "ratio": rounded([ratio])[0],
                "cpu_ms": rounded([cpu])[0],
            })
        };
        json!({
            "pause_ms": self.pause.as_millis(),
            "rounds": self.rounds(),
            "ways": self.figures().map(way).collect::<Vec<_>>(),
        })
    }
}

/// Whether a series without and one with a pause keep what is promised; the words say by how much.
pub fn verdict(straight: &Series, paused: &Series) -> Result<String, String> {
    let cost = |series: &Series| series.isolated_over_plain().ok_or("isolated could not be measured".to_owned());
    let (straight, paused) = (cost(straight)?, cost(paused)?);
    let paused_max = OVER_PLAIN_MAX_MS * PAUSED_FACTOR_MAX;
    let words = format!(
        "isolated over plain: {straight:.2} ms (promised: {OVER_PLAIN_MAX_MS:.1}), \
         after a pause {paused:.2} ms (promised: {paused_max:.1})"
    );
    let kept = straight <= OVER_PLAIN_MAX_MS * TOLERANCE && paused <= paused_max * TOLERANCE;
    if kept { Ok(words) } else { Err(words) }
}

/// The lower quartile, the median and the upper quartile.
fn quartiles(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [1, 2, 3].map(|part| sorted[(sorted.len() - 1) * part / 4])
}

/// Microseconds are more than can be measured.
fn rounded<const COUNT: usize>(values: [f64; COUNT]) -> [f64; COUNT] {
    values.map(|value| (value * 1e3).round() / 1e3)
}
