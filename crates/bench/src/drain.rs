//! Drain: 20,000 no-op jobs are accepted by a server that starts none, which is then started again without
//! that limit. The clock runs from the start of that process until the last job has succeeded; then the
//! history is counted. On PostgreSQL the same is done by two nodes, and bare, in turns: `sharing`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::api::Api;
use crate::place::{Home, Place};
use crate::report::Report;
use crate::server::Server;
use crate::submit::{NOTHING_STARTS, flood};

/// Jobs of one round.
pub const JOBS: u64 = 20_000;
/// Jobs whose timelines are looked at over the API.
const SAMPLE: usize = 50;
/// A drain that takes longer than this has stopped.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often is asked whether the jobs have ended: a count that the store keeps, which costs next to nothing.
const POLL: Duration = Duration::from_millis(10);

/// One round.
pub async fn measure(place: &Place, report: &mut Report) -> Result<()> {
    let home = place.home("drain").await?;
    let many = place.scaled(JOBS);
    let server = Server::start(place, &home, &NOTHING_STARTS)?;
    let admin = Api::admin(server.address).await?;
    flood(server.address, &admin.session, 64, many).await?;
    drop(admin);
    server.stop()?;
    let before = home.commits_before_start().await?;
    let start = Instant::now();
    let server = Server::start(place, &home, &[])?;
    let mut admin = Api::admin(server.address).await?;
    until_succeeded(&mut admin, many).await?;
    let took = start.elapsed().as_secs_f64();
    let jobs = many as f64;
    report.add("drain", jobs / took);
    report.add("drain.batch", jobs / f64::from(home.commits().await?.wrapping_sub(before).max(1)));
    report.add("drain.cpu", server.cpu_s()? / jobs * 1e6);
    check_history(&mut admin, &home, many).await?;
    server.stop()?;
    home.remove().await
}

/// Waits until so many jobs have succeeded; answers how many have.
pub async fn until_succeeded(admin: &mut Api, many: u64) -> Result<u64> {
    let start = Instant::now();
    loop {
        let succeeded = admin.count("q=state=Succeeded").await?;
        if succeeded >= many {
            return Ok(succeeded);
        }
        ensure!(start.elapsed() < PATIENCE, "the jobs do not end: {succeeded} of {many} have succeeded");
        tokio::time::sleep(POLL).await;
    }
}

/// Each job of a sample was submitted, started and succeeded once, and all `jobs` have as many rows.
pub async fn check_history(admin: &mut Api, home: &Home, jobs: u64) -> Result<()> {
    let page = admin.call("GET", &format!("/v1/longjobs?limit={SAMPLE}&fields=uuid"), "").await?;
    let sample = page["inventories"].as_array().context("no inventories")?.clone();
    ensure!(sample.len() == SAMPLE, "{} jobs in a page", sample.len());
    for job in sample {
        let uuid = job["uuid"].as_str().context("no uuid")?;
        let timeline = admin.call("GET", &format!("/v1/longjobs/{uuid}/timeline"), "").await?;
        let kinds: Vec<_> = timeline["inventories"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|row| row["kind"].as_str())
            .collect();
        ensure!(kinds == [Some("submitted"), Some("started"), Some("succeeded")], "{uuid}: {kinds:?}");
    }
    let rows = home.timeline_rows().await?;
    ensure!(rows == 3 * jobs, "{rows} timeline rows of {jobs} jobs");
    Ok(())
}
