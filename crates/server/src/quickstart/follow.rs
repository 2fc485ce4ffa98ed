//! Following the quickstart's job, and the kill in the middle.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Result;
use longhaul_cli::Client;
use longhaul_cli::watch::{Follow, follow_job};
use serde_json::Value;

use super::kill;
use super::story::pause;

/// Between looks for the moment of the kill.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The copying process is killed when the job is here, percent.
const KILL_AT: u64 = 40;

/// Follows a job to its end with a live bar; answers its inventory. With `kill_once` the copying process is
/// killed on the way.
///
/// # Errors
/// The server does not answer, or there is no such job.
pub async fn follow(api: &Client, job: &str, api_id: &str, kill_once: bool) -> Result<Value> {
    let how = Follow { label: Some("migrate-volume".to_owned()), ..Follow::default() };
    let followed = follow_job(api, job, &how);
    if !kill_once {
        return Ok(followed.await?.inventory);
    }
    let mut followed = std::pin::pin!(followed);
    tokio::select! {
        done = &mut followed => return Ok(done?.inventory),
        killed = kill_in_the_middle(api, api_id) => killed?,
    }
    Ok(followed.await?.inventory)
}

async fn kill_in_the_middle(api: &Client, api_id: &str) -> Result<()> {
    loop {
        let rows = api.list(&["task-progresses", api_id], &[]).await?;
        let percent = rows.first().and_then(|row| row["content"].as_str()?.parse::<u64>().ok()).unwrap_or(0);
        if percent >= KILL_AT {
            for pid in kill::copying_processes() {
                if kill::kill_nine(pid) {
                    let clear = if std::io::stderr().is_terminal() { "\r\x1b[2K" } else { "" };
                    eprintln!(
                        "{clear}  kill -9 {pid}: the copying process dies at {percent} %; another goes on from the last checkpoint"
                    );
                }
            }
            return Ok(());
        }
        pause(LOOK_EVERY).await;
    }
}
