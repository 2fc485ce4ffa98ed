//! `longhaul store check`: what is wrong with a store, and what to do.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use longhaul_store::house::{Report, check};
use longhaul_store::postgres;

use super::{Place, settings};
use crate::data_dir::{Moved, STORE_FILE};

/// What an embedded store is.
pub(super) const SQLITE: &str = "SQLite";
/// What one is that several nodes share.
const POSTGRESQL: &str = "PostgreSQL";

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
    /// End with 0 also where the store has moved to a database, if the file that was left behind is sound
    #[arg(long)]
    moved: bool,
}

pub(super) async fn run(args: CheckArgs) -> Result<ExitCode> {
    let named = args.file.is_some();
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
    if let Some(url) = asked {
        eprintln!("looking at the store {url}");
        let report = postgres::check(&url.with_password(), looked_at).await?;
        print!("{}", told(&url.to_string(), POSTGRESQL, &report));
        return Ok(if report.sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let name = file.display().to_string();
    eprintln!("looking at the store {name}");
    let left_behind = moved_from(&file)?;
    if let Some(moved) = &left_behind {
        println!(
            "MOVED: the store {name} has moved to {moved}. What is looked at is the file that was left behind"
        );
    }
    let work = tokio::task::spawn_blocking(move || check(&file, looked_at));
    let report = work.await.context("the check broke off")??;
    print!("{}", told(&name, SQLITE, &report));
    // Who asks for a server's store is not told that all is well by a file that no server uses.
    let asked_for_the_living = left_behind.is_some() && !named && !args.moved;
    if asked_for_the_living {
        println!(
            "what was looked at is not the store any more: look at that with longhaul store check --store URL, or at \
             what was left behind with --moved"
        );
    }
    Ok(if report.sound() && !asked_for_the_living { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where the store has moved that this file was, if it is a server's.
fn moved_from(file: &Path) -> Result<Option<Moved>> {
    match file.parent().filter(|_| file.file_name().is_some_and(|name| name == STORE_FILE)) {
        Some(directory) => Moved::of(directory),
        None => Ok(None),
    }
}

/// Tells on stderr what is looked at now: a check of a large store takes minutes.
pub(super) fn looked_at(rule: &str) {
    eprintln!("looking: {rule}");
}

/// A report for people. The schemas of the two databases are counted apart, so it says of which `database` it is.
pub(super) fn told(name: &str, database: &str, report: &Report) -> String {
    let mut text = format!("the store {name}, schema {} of {database}\n", report.schema);
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
        0 if report.rules == 0 => writeln!(
            text,
            "NOT looked into: it is of an earlier release, and a node of this one that starts on it brings it up to date; \
             the longhaul of that release looks into it as it is"
        ),
        0 => writeln!(text, "sound: {} rules hold", report.rules),
        wrong => writeln!(text, "NOT sound: {wrong} of {} rules are broken", report.rules),
    };
    if report.holds_nothing() {
        text.push_str("nothing is stored in it: no server has started on it yet\n");
    }
    if report.sound() && report.rules > 0 && !report.looked_into_rows() {
        text.push_str(
            "the file alone was looked at: it is of an earlier release, which `serve` of this release brings up to date\n",
        );
    }
    text
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
