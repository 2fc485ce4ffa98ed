//! Drain: 20,000 no-op jobs are accepted by a server that starts none, which is then started again without
//! that limit. The clock runs from the start of that process until the last job has succeeded; then the
//! history is counted.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, OpenFlags};

use crate::api::Api;
use crate::report::Report;
use crate::server::{Place, Server};
use crate::submit::{NOTHING_STARTS, flood};

/// Jobs of one round.
const JOBS: u64 = 20_000;
/// Jobs whose timelines are looked at over the API.
const SAMPLE: usize = 50;

/// One round.
pub async fn measure(place: &Place, report: &mut Report) -> Result<()> {
    let data = place.fresh("drain");
    let server = Server::start(place, &data, &NOTHING_STARTS)?;
    let admin = Api::admin(server.address).await?;
    flood(server.address, &admin.session, 64, JOBS).await?;
    drop(admin);
    server.stop()?;
    let start = Instant::now();
    let server = Server::start(place, &data, &[])?;
    let mut admin = Api::admin(server.address).await?;
    while admin.count("q=state=Succeeded").await? < JOBS {
        ensure!(start.elapsed() < Duration::from_secs(300), "the jobs do not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let took = start.elapsed().as_secs_f64();
    let jobs = JOBS as f64;
    report.add("drain", jobs / took);
    report.add("drain.batch", jobs / f64::from(server.commits()?.max(1)));
    report.add("drain.cpu", server.cpu_s()? / jobs * 1e6);
    check_history(&mut admin, &data).await?;
    server.stop()?;
    std::fs::remove_dir_all(data)?;
    Ok(())
}

async fn check_history(admin: &mut Api, data: &Path) -> Result<()> {
    let page = admin.call("GET", &format!("/v1/longjobs?limit={SAMPLE}&fields=uuid"), "").await?;
    let jobs = page["inventories"].as_array().context("no inventories")?.clone();
    ensure!(jobs.len() == SAMPLE, "{} jobs in a page", jobs.len());
    for job in jobs {
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
    let file = data.join("longhaul.db");
    let store = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let rows: i64 = store.query_row("SELECT count(*) FROM timeline", [], |row| row.get(0))?;
    ensure!(u64::try_from(rows)? == 3 * JOBS, "{rows} timeline rows of {} jobs", JOBS);
    Ok(())
}
