//! The table: a value per row and round, shown as median and spread, as Markdown and as JSON. What a file of JSON holds
//! of earlier runs can be read again (`add_file`); how values are spread is drawn by `histogram`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::histogram::{self, Histogram};
use crate::rows::{Aim, Spec};

/// What was measured so far.
pub struct Report {
    rows: &'static [Spec],
    facts: Vec<(String, String)>,
    values: BTreeMap<String, Vec<f64>>,
    queries: Vec<(String, f64)>,
    histograms: BTreeMap<String, Histogram>,
    /// What is of an earlier run: the first value of this one takes its place.
    earlier: BTreeSet<String>,
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
    /// Nothing measured yet, on this machine; a table of these rows.
    pub fn new(rows: &'static [Spec], facts: Vec<(String, String)>) -> Self {
        Self {
            rows,
            facts,
            values: BTreeMap::new(),
            queries: Vec::new(),
            histograms: BTreeMap::new(),
            earlier: BTreeSet::new(),
        }
    }

    /// Takes what `json` wrote; each row of it until this run has a value of its own there.
    ///
    /// # Errors
    /// It is no such text.
    pub fn add_file(&mut self, text: &str) -> Result<()> {
        let file: Value = serde_json::from_str(text)?;
        for row in file["rows"].as_array().context("no rows")? {
            let (id, rounds) = (row["id"].as_str().context("no id")?, row["rounds"].as_array());
            let values = rounds.context("no rounds")?.iter().filter_map(Value::as_f64).collect::<Vec<_>>();
            if !values.is_empty() {
                self.values.insert(id.to_owned(), values);
                self.earlier.insert(id.to_owned());
            }
        }
        for query in file["queries"].as_array().into_iter().flatten() {
            let (what, aim_ms) = (query["what"].as_str(), query["aimMs"].as_f64());
            self.queries.push((what.context("no what")?.to_owned(), aim_ms.context("no aimMs")?));
        }
        for (id, drawn) in file["histograms"].as_object().into_iter().flatten() {
            self.histograms.insert(id.clone(), Histogram::from_json(drawn)?);
            self.earlier.insert(format!("histogram {id}"));
        }
        Ok(())
    }

    /// Adds a round's value.
    pub fn add(&mut self, id: &str, value: f64) {
        eprintln!("  {id} {}", short(value));
        if self.earlier.remove(id) {
            self.values.remove(id);
        }
        self.values.entry(id.to_owned()).or_default().push(value);
    }

    /// Adds a round's times, in s, to those that are drawn under `id`.
    pub fn add_distribution(&mut self, id: &str, times_s: &[f64]) {
        if self.earlier.remove(&format!("histogram {id}")) {
            self.histograms.remove(id);
        }
        self.histograms.entry(id.to_owned()).or_default().add(times_s);
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
        for spec in self.rows {
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
        for (id, title) in histogram::TITLES {
            if let Some(drawn) = self.histograms.get(*id) {
                let _ = write!(text, "\n```text\n{title}\n{}```\n", drawn.text());
            }
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
                let spec = self.rows.iter().find(|spec| spec.id == id);
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
        let queries: Vec<Value> =
            self.queries.iter().map(|(what, aim_ms)| json!({"what": what, "aimMs": aim_ms})).collect();
        let histograms: serde_json::Map<String, Value> =
            self.histograms.iter().map(|(id, drawn)| (id.clone(), drawn.to_json())).collect();
        let all = json!({"machine": facts, "rows": rows, "queries": queries, "histograms": histograms});
        format!("{all:#}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::POSTGRES_ROWS;

    #[test]
    fn parts_of_two_runs_are_one_table_and_a_part_that_is_run_again_is_new() {
        let mut first = Report::new(POSTGRES_ROWS, Vec::new());
        first.add("drain", 1.0);
        first.add("bulk", 5.0);
        first.add_query("a", 20.0, &mut [1.0]);
        first.add_distribution("takeover.1000.start", &[4.1]);
        let mut second = Report::new(POSTGRES_ROWS, Vec::new());
        second.add_file(&first.json()).unwrap();
        assert_eq!(second.markdown(), first.markdown());
        second.add("drain", 3.0);
        second.add("drain", 3.0);
        assert_eq!(
            (second.values["drain"].as_slice(), second.last("bulk")),
            ([3.0, 3.0].as_slice(), Some(5.0))
        );
    }
}
