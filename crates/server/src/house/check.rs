//! `longhaul store check`: what is wrong with a store, and what to do.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use longhaul_store::house::{Report, check};
use longhaul_store::postgres;

use super::{Place, settings};
use crate::data_dir::STORE_FILE;

/// Flags of `store check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    place: Place,
    /// Look at this file instead: a backup
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data_dir", "config", "store"])]
    file: Option<PathBuf>,
    /// Look at this PostgreSQL database instead: postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    store: Option<String>,
}

pub(super) async fn run(args: CheckArgs) -> Result<ExitCode> {
    let (file, asked) = match args.file {
        Some(file) => (file, None),
        None => {
            // A directory that is named means its embedded store, wherever the environment's is.
            let embedded = args.place.data_dir.is_some();
            let url = args.store.as_deref().map(|url| (url, "--store"));
            let settings = settings(args.place.data_dir, args.place.config, url)?;
            (settings.data_dir.join(STORE_FILE), settings.store.filter(|_| !embedded))
        }
    };
    let (name, report) = match asked {
        Some(url) => (url.to_string(), postgres::check(&url.with_password(), looked_at).await?),
        None => {
            let name = file.display().to_string();
            let work = tokio::task::spawn_blocking(move || check(&file, looked_at));
            (name, work.await.context("the check broke off")??)
        }
    };
    print!("{}", told(&name, &report));
    Ok(if report.sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tells on stderr what is looked at now: a check of a large store takes minutes.
pub(super) fn looked_at(rule: &str) {
    eprintln!("looking: {rule}");
}

/// A report for people.
pub(super) fn told(name: &str, report: &Report) -> String {
    let mut text = format!("the store {name}, schema {}\n", report.schema);
    if report.looked_into_rows() {
        let width = report.rows.iter().map(|(table, _)| table.len()).max().unwrap_or(0);
        for (table, rows) in report.rows.iter().filter(|(_, rows)| *rows > 0) {
            let _ = writeln!(text, "  {table:width$}  {rows:>10}"); // a String takes everything
        }
    }
    for finding in &report.findings {
        let _ = writeln!(text, "WRONG: {}: broken {}", finding.rule, times(finding.broken));
        for example in &finding.examples {
            let _ = writeln!(text, "    {example}");
        }
        if finding.broken > finding.examples.len() as u64 {
            let _ = writeln!(text, "    and {} more", finding.broken - finding.examples.len() as u64);
        }
        let _ = writeln!(text, "  what to do: {}", finding.remedy);
    }
    let _ = match report.findings.len() {
        0 => writeln!(text, "sound: {} rules hold", report.rules),
        wrong => writeln!(text, "NOT sound: {wrong} of {} rules are broken", report.rules),
    };
    if report.sound() && !report.looked_into_rows() {
        text.push_str(
            "the file alone was looked at: it is of an earlier release, which `serve` of this release brings up to date\n",
        );
    }
    text
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
