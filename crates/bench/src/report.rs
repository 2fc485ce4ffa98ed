//! The table: a value per row and round, shown as median and spread, as Markdown and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::rows::{Aim, ROWS};

/// What was measured so far.
pub struct Report {
    facts: Vec<(String, String)>,
    values: BTreeMap<String, Vec<f64>>,
    queries: Vec<(String, f64)>,
}

/// The value that a share of all is not above; sorts.
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len().max(1)) - 1;
    values.get(at).copied().unwrap_or(f64::NAN)
}

struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

fn spread(values: &[f64]) -> Spread {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median =
        if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
    Spread { median, least: sorted[0], most: sorted[sorted.len() - 1] }
}

/// Three digits that matter.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

impl Report {
    /// Nothing measured yet, on this machine.
    pub fn new(facts: Vec<(String, String)>) -> Self {
        Self { facts, values: BTreeMap::new(), queries: Vec::new() }
    }

    /// Adds a round's value.
    pub fn add(&mut self, id: &str, value: f64) {
        eprintln!("  {id} {}", short(value));
        self.values.entry(id.to_owned()).or_default().push(value);
    }

    /// Adds a round's percentiles of a query, which should take at most `aim_ms`.
    pub fn add_query(&mut self, what: &str, aim_ms: f64, took_ms: &mut [f64]) {
        if !self.queries.iter().any(|(known, _)| known == what) {
            self.queries.push((what.to_owned(), aim_ms));
        }
        self.add(&format!("query.{what}.p50"), percentile(took_ms, 0.50));
        self.add(&format!("query.{what}.p99"), percentile(took_ms, 0.99));
    }

    /// The newest value of a row.
    pub fn last(&self, id: &str) -> Option<f64> {
        self.values.get(id)?.last().copied()
    }

    /// How many rounds a row has had.
    pub fn count(&self, id: &str) -> usize {
        self.values.get(id).map_or(0, Vec::len)
    }

    fn spread(&self, id: &str) -> Option<Spread> {
        self.values.get(id).map(|values| spread(values))
    }

    fn aim(&self, aim: Aim, median: f64) -> (String, bool) {
        match aim {
            Aim::Least(least) => (format!("≥ {}", short(least)), median >= least),
            Aim::Most(most) => (format!("≤ {}", short(most)), median <= most),
            Aim::MostOr(most, other) => {
                let other = self.spread(other).map_or(most, |s| s.median);
                let most = most.max(other);
                (format!("≤ {}", short(most)), median <= most)
            }
        }
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::from("| | |\n|---|---|\n");
        for (name, value) in &self.facts {
            let _ = writeln!(text, "| {name} | {value} |");
        }
        text.push_str(
            "\n| measure | median | least … most | unit | aim | met |\n|---|---:|---:|---|---|---|\n",
        );
        for spec in ROWS {
            let Some(spread) = self.spread(spec.id) else { continue };
            let (aim, met) = spec.aim.map_or_else(Default::default, |aim| {
                let (text, met) = self.aim(aim, spread.median);
                (text, if met { "yes" } else { "**no**" })
            });
            let (median, least, most) = (short(spread.median), short(spread.least), short(spread.most));
            let _ = writeln!(
                text,
                "| {} | {median} | {least} … {most} | {} | {aim} | {met} |",
                spec.what, spec.unit
            );
        }
        if !self.queries.is_empty() {
            text.push_str(
                "\n| query | p50 ms | p99 ms | least … most p99 | aim of p99 | met |\n|---|---:|---:|---:|---|---|\n",
            );
        }
        for (what, aim_ms) in &self.queries {
            let p50 = self.spread(&format!("query.{what}.p50"));
            let (Some(p50), Some(p99)) = (p50, self.spread(&format!("query.{what}.p99"))) else { continue };
            let met = if p99.median <= *aim_ms { "yes" } else { "**no**" };
            let shown = what.replace('|', "\\|");
            let _ = writeln!(
                text,
                "| {shown} | {} | {} | {} … {} | ≤ {aim_ms} | {met} |",
                short(p50.median),
                short(p99.median),
                short(p99.least),
                short(p99.most),
            );
        }
        text
    }

    /// As JSON: every value of every round.
    pub fn json(&self) -> String {
        let facts: serde_json::Map<String, Value> =
            self.facts.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let rows: Vec<Value> = self
            .values
            .iter()
            .map(|(id, values)| {
                let spread = spread(values);
                let spec = ROWS.iter().find(|spec| spec.id == id);
                let aim_ms = self.queries.iter().find(|(what, _)| *id == format!("query.{what}.p99"));
                let aim = match spec.and_then(|s| s.aim) {
                    Some(aim) => Some(self.aim(aim, spread.median)),
                    None => aim_ms.map(|(_, most)| (format!("≤ {most}"), spread.median <= *most)),
                };
                json!({
                    "id": id,
                    "what": spec.map(|s| s.what),
                    "unit": spec.map_or("ms", |s| s.unit),
                    "median": spread.median,
                    "least": spread.least,
                    "most": spread.most,
                    "rounds": values,
                    "aim": aim.as_ref().map(|(text, _)| text),
                    "met": aim.as_ref().map(|(_, met)| met),
                })
            })
            .collect();
        format!("{:#}\n", json!({ "machine": facts, "rows": rows }))
    }
}
