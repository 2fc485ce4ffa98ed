//! The live bar of the quickstart, and the kill in the middle.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use serde_json::Value;

use super::kill;
use super::story::{Api, pause};

/// Between looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The copying process is killed when the job is here, percent.
const KILL_AT: u64 = 40;
/// Cells of the bar.
const WIDTH: u64 = 30;

/// Follows a job to its end; answers its inventory.
///
/// # Errors
/// The server does not answer, or there is no such job.
pub async fn follow(api: &Api, job: &str, mut kill_once: bool) -> Result<Value> {
    let terminal = std::io::stdout().is_terminal();
    let mut told = String::new();
    loop {
        let found = api.call("GET", &format!("/v1/longjobs/{job}"), None).await?;
        let now = found["inventories"].get(0).cloned().ok_or_else(|| anyhow!("the job {job} is gone"))?;
        let api_id = now["apiId"].as_str().unwrap_or_default();
        let progress = api.call("GET", &format!("/v1/task-progresses/{api_id}"), None).await?;
        let row = &progress["inventories"][0];
        let percent: u64 = row["content"].as_str().and_then(|c| c.parse().ok()).unwrap_or(0);
        let line = line(percent, row, terminal);
        if line != told {
            if terminal {
                print!("\r\x1b[2K{line}")
            } else {
                println!("{line}")
            }
            std::io::stdout().flush()?;
            told = line;
        }
        if matches!(now["state"].as_str(), Some("Succeeded" | "Failed" | "Canceled")) {
            if terminal {
                println!();
            }
            println!();
            return Ok(now);
        }
        if kill_once && percent >= KILL_AT {
            kill_once = false;
            kill_copying(terminal, percent)?;
        }
        pause(LOOK_EVERY).await;
    }
}

fn kill_copying(terminal: bool, percent: u64) -> Result<()> {
    let Some(pid) = kill::copying_processes().first().copied() else {
        bail!("the copying process was not found")
    };
    if kill::kill_nine(pid) {
        let begin = if terminal { "\r\x1b[2K" } else { "" };
        println!(
            "{begin}  kill -9 {pid}: the copying process dies at {percent} %; another goes on from the last checkpoint"
        );
    }
    Ok(())
}

/// Bar, percent, stage, bytes, rate, time to go. Where the output is no terminal only what changes slowly, so
/// that a log stays short.
fn line(percent: u64, row: &Value, terminal: bool) -> String {
    let opaque = &row["opaque"];
    let stage = opaque["stage"].as_str().unwrap_or("waiting");
    let percent = if terminal { percent } else { percent / 10 * 10 };
    let full = percent.min(100) * WIDTH / 100;
    let bar: String = (0..WIDTH).map(|cell| if cell < full { '#' } else { '.' }).collect();
    if !terminal {
        return format!("  [{bar}] {percent:>3} %  {stage}");
    }
    let mib = |key: &str| opaque[key].as_u64().unwrap_or(0) >> 20;
    let eta = opaque["etaSeconds"].as_u64().map(|s| format!("  {s} s to go")).unwrap_or_default();
    format!(
        "  [{bar}] {percent:>3} %  {stage}  {}/{} MiB  {} MiB/s{eta}",
        mib("bytesDone"),
        mib("bytesTotal"),
        mib("rateBytesPerSecond")
    )
}
