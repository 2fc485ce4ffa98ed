//! Submit and drain on PostgreSQL beside a million finished jobs, and beside a million that wait, against a database
//! without any, in turns. All begin behind a checkpoint: what stores the million is not written meanwhile, and what each of
//! them changes was on the disk before. Retention is off: the sweep would thin out what is there to be there.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::api::{Api, no_op};
use crate::drain::until_succeeded;
use crate::multiply::multiply;
use crate::place::{Home, Place};
use crate::report::Report;
use crate::server::Server;
use crate::submit::{NOTHING_STARTS, flood};

/// Jobs that are there before.
const MANY: u64 = 1_000_000;
/// Connections that submit.
const CONNECTIONS: u64 = 64;
/// Submissions, and ends, of one round that are timed: with fewer the machine's own swings are as large as the aim.
const TIMED: u64 = 40_000;
/// Submissions before the clock starts.
const WARM_UP: u64 = 500;
const KEEP_ALL: [&str; 4] = ["--set", "retention.jobs=0", "--set", "retention.seconds=0"];

/// What is there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// Jobs that have ended.
    Finished,
    /// Jobs that wait.
    Waiting,
}

/// The homes that keep their jobs from round to round.
pub struct Full {
    finished: Home,
    waiting: Home,
}

impl Full {
    /// Removes both.
    pub async fn remove(self) -> Result<()> {
        self.finished.remove().await?;
        self.waiting.remove().await
    }
}

/// A home with so many jobs that have ended, or that wait.
pub async fn fill(place: &Place, before: Before, many: u64) -> Result<Home> {
    eprintln!("storing {many} jobs: {before:?}");
    let home = place.home("full").await?;
    let flags: &[&str] = if before == Before::Waiting { &NOTHING_STARTS } else { &[] };
    let server = Server::start(place, &home, flags)?;
    let mut admin = Api::admin(server.address).await?;
    admin.call("POST", "/v1/longjobs", &no_op("stored", 1, None)).await?;
    if before == Before::Finished {
        until_succeeded(&mut admin, 1).await?;
    }
    drop(admin);
    server.stop()?;
    multiply(home.database()?, many - 1).await?;
    let server = Server::start(place, &home, &NOTHING_STARTS)?;
    let mut admin = Api::admin(server.address).await?;
    let state = if before == Before::Waiting { "Waiting" } else { "Succeeded" };
    let counted = admin.count(&format!("q=state={state}")).await?;
    let page = admin.call("GET", &format!("/v1/longjobs?limit=10&q=state={state}"), "").await?;
    let shown = page["inventories"].as_array().map_or(0, Vec::len);
    ensure!(counted == many && shown == 10, "{counted} jobs of {many} are {state}; a page shows {shown}");
    server.stop()?;
    Ok(home)
}

/// Stores what the rounds begin with.
pub async fn prepare(place: &Place) -> Result<Full> {
    let many = place.scaled(MANY);
    Ok(Full {
        finished: fill(place, Before::Finished, many).await?,
        waiting: fill(place, Before::Waiting, many).await?,
    })
}

/// One round.
pub async fn measure(place: &Place, full: &Full, round: u32, report: &mut Report) -> Result<()> {
    let mut turns = [Before::Nothing, Before::Finished, Before::Waiting];
    turns.rotate_left(round as usize % 3);
    for before in turns {
        match before {
            Before::Nothing => {
                let home = place.home("empty").await?;
                one(place, &home, "nothing", report).await?;
                home.remove().await?;
            }
            Before::Finished => one(place, &full.finished, "finished", report).await?,
            Before::Waiting => one(place, &full.waiting, "waiting", report).await?,
        }
    }
    for what in ["submit", "drain"] {
        let alone = report.last(&format!("million.nothing.{what}")).unwrap_or(f64::NAN);
        for before in ["finished", "waiting"] {
            let beside = report.last(&format!("million.{before}.{what}")).unwrap_or(f64::NAN);
            report.add(&format!("million.{before}.{what}.cost"), (1.0 - beside / alone) * 100.0);
        }
    }
    Ok(())
}

async fn one(place: &Place, home: &Home, before: &str, report: &mut Report) -> Result<()> {
    let flags = [NOTHING_STARTS.as_slice(), KEEP_ALL.as_slice()].concat();
    let server = Server::start(place, home, &flags)?;
    let admin = Api::admin(server.address).await?;
    flood(server.address, &admin.session, CONNECTIONS, WARM_UP).await?;
    let submits = place.scaled(TIMED);
    place.cluster()?.checkpoint().await?;
    let start = Instant::now();
    flood(server.address, &admin.session, CONNECTIONS, submits).await?;
    report.add(&format!("million.{before}.submit"), submits as f64 / start.elapsed().as_secs_f64());
    drop(admin);
    server.stop()?;
    place.cluster()?.checkpoint().await?;
    let start = Instant::now();
    let server = Server::start(place, home, &KEEP_ALL)?;
    let mut admin = Api::admin(server.address).await?;
    let (cluster, database) = (place.cluster()?, home.database()?);
    let (logged, worked) = (database.log_bytes().await?, cluster.cpu_s()?);
    let first = admin.count("q=state=Succeeded").await?;
    let (from, counted) = (Instant::now(), place.scaled(TIMED));
    // All that wait where that is fewer: those that were submitted here.
    let last = until_succeeded(&mut admin, first + counted).await?;
    let (took_s, jobs) = (from.elapsed().as_secs_f64(), (last - first) as f64);
    report.add(&format!("million.{before}.drain"), jobs / took_s);
    let logged = (database.log_bytes().await? - logged) as f64;
    report.add(&format!("million.{before}.drain.log"), logged / 1024.0 / jobs);
    if let (Some(before_it), Some(after)) = (worked, cluster.cpu_s()?) {
        report.add(&format!("million.{before}.drain.database_cpu"), (after - before_it) / jobs * 1e6);
    }
    database.let_go();
    eprintln!("  {before}: the server took {:.2} s to start", (from - start).as_secs_f64());
    server.stop()
}
