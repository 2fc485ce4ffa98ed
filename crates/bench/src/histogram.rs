//! How the times of a takeover are spread, as a picture of text: one line per slice of time, from the first slice that has
//! a job to the last.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Slices per second.
const PER_S: f64 = 4.0;
/// Length of the longest bar.
const BAR_MAX: u64 = 50;

/// What is drawn, in the order of the document, each with its title.
pub const TITLES: &[(&str, &str)] = &[
    ("takeover.1000.start", "1,000 jobs of a killed node: from the kill to the start of the body elsewhere"),
    (
        "takeover.1000.checkpoint",
        "1,000 jobs of a killed node: from the kill to the first checkpoint elsewhere",
    ),
    (
        "takeover.10000.start",
        "10,000 jobs of a killed node: from the kill to the start of the body elsewhere",
    ),
    (
        "takeover.10000.checkpoint",
        "10,000 jobs of a killed node: from the kill to the first checkpoint elsewhere",
    ),
];

/// How many times fell into each slice.
#[derive(Debug, Default)]
pub struct Histogram(BTreeMap<u64, u64>);

impl Histogram {
    /// Adds times, in s.
    pub fn add(&mut self, times_s: &[f64]) {
        for time in times_s {
            *self.0.entry((time * PER_S) as u64).or_default() += 1;
        }
    }

    /// The picture.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let (Some((first, _)), Some((last, _))) = (self.0.first_key_value(), self.0.last_key_value()) else {
            return text;
        };
        let most = self.0.values().copied().max().unwrap_or(1);
        for slice in *first..=*last {
            let many = self.0.get(&slice).copied().unwrap_or(0);
            let bar = "█".repeat((many * BAR_MAX).div_ceil(most) as usize);
            let line = format!("{:6.2} s {many:6} {bar}", slice as f64 / PER_S);
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }

    /// The slices, by the second in which each begins.
    pub fn to_json(&self) -> Value {
        let slices: Vec<Value> = self.0.iter().map(|(slice, many)| json!([slice, many])).collect();
        json!({"slicesPerSecond": PER_S, "slices": slices})
    }

    /// What `to_json` wrote.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_json(value: &Value) -> Result<Self> {
        let slices = value["slices"].as_array().context("no slices")?;
        let pair = |slice: &Value| slice[0].as_u64().zip(slice[1].as_u64());
        let pairs: Option<BTreeMap<u64, u64>> = slices.iter().map(pair).collect();
        Ok(Self(pairs.context("a slice that is no pair of numbers")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_between_the_first_and_the_last_are_shown_also_where_they_are_empty() {
        let mut drawn = Histogram::default();
        drawn.add(&[4.1, 4.2, 4.6]);
        let bars = format!(
            "  4.00 s      2 {}\n  4.25 s      0\n  4.50 s      1 {}\n",
            "█".repeat(50),
            "█".repeat(25)
        );
        assert_eq!(drawn.text(), bars);
    }
}
