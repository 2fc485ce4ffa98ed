//! Drain on PostgreSQL, in turns from copies of one database: by one node, by two nodes that share it, and its
//! statements run bare by two sessions of psql. The clock of nodes runs from the start of their processes until the last
//! job has succeeded, that of psql from the start of its processes to the end of the second.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::api::Api;
use crate::bare::{self, Recording};
use crate::bulk;
use crate::drain::{JOBS, check_history, until_succeeded};
use crate::place::{Home, Place};
use crate::report::Report;
use crate::server::{Server, Starting};
use crate::submit::NOTHING_STARTS;

/// What the rounds begin from.
pub struct Waiting {
    home: Home,
    jobs: u64,
    recording: Option<Recording>,
}

/// One way to drain.
#[derive(Clone, Copy)]
enum Way {
    OneNode,
    TwoNodes,
    Bare,
}

/// Stores the jobs, and records a drain of them.
pub async fn prepare(place: &Place) -> Result<Waiting> {
    let home = place.home("waiting").await?;
    let jobs = place.scaled(JOBS).next_multiple_of(bulk::PER_CALL);
    let server = Server::start(place, &home, &NOTHING_STARTS)?;
    let admin = Api::admin(server.address).await?;
    bulk::flood(server.address, &admin.session, jobs / bulk::PER_CALL).await?;
    server.stop()?;
    // Or the first round would have it done beside the drain.
    home.database()?.run("VACUUM ANALYZE").await?;
    let recording = bare::record(place, home.database()?, jobs).await?;
    if recording.is_none() {
        eprintln!(
            "  no statements are run bare: that needs a server that the bench starts, --store postgres"
        );
    }
    Ok(Waiting { home, jobs, recording })
}

/// One round.
pub async fn measure(place: &Place, waiting: &Waiting, round: u32, report: &mut Report) -> Result<()> {
    let mut ways = [Way::OneNode, Way::TwoNodes, Way::Bare];
    ways.rotate_left(round as usize % 3);
    for way in ways {
        let home = place.home_on_copy("sharing", waiting.home.database()?).await?;
        match (way, &waiting.recording) {
            (Way::OneNode, _) => by_nodes(place, &home, waiting.jobs, 1, report).await?,
            (Way::TwoNodes, _) => by_nodes(place, &home, waiting.jobs, 2, report).await?,
            (Way::Bare, Some(recording)) => {
                let took_s = recording.replay(home.database()?).await?;
                report.add("floor.drain", waiting.jobs as f64 / took_s);
            }
            (Way::Bare, None) => {}
        }
        home.remove().await?;
    }
    let one = report.last("drain").unwrap_or(f64::NAN);
    report.add("drain.two.of_one", report.last("drain.two").unwrap_or(f64::NAN) / one);
    if waiting.recording.is_some() {
        report.add("drain.of_floor", one / report.last("floor.drain").unwrap_or(f64::NAN));
    }
    Ok(())
}

/// By so many nodes that start at the same moment.
async fn by_nodes(place: &Place, home: &Home, jobs: u64, nodes: usize, report: &mut Report) -> Result<()> {
    std::fs::create_dir_all(&home.data)?;
    let database = home.database()?;
    let (before, logged) = (database.transactions().await?, database.log_bytes().await?);
    let start = Instant::now();
    let start_one = |node: usize| Starting::spawn(place, &home.data.join(node.to_string()), home.url(), &[]);
    let starting: Vec<Starting> = (0..nodes).map(start_one).collect::<Result<_>>()?;
    let servers: Vec<Server> = starting.into_iter().map(|one| one.ready(place)).collect::<Result<_>>()?;
    let mut admin = Api::admin(servers[0].address).await?;
    until_succeeded(&mut admin, jobs).await?;
    let took = start.elapsed().as_secs_f64();
    let many = jobs as f64;
    if nodes == 1 {
        report.add("drain", many / took);
        let commits = database.transactions().await?.wrapping_sub(before);
        report.add("drain.batch", many / f64::from(commits.max(1)));
        report.add("drain.log", (database.log_bytes().await? - logged) as f64 / 1024.0 / many);
        report.add("drain.cpu", servers[0].cpu_s()? / many * 1e6);
    } else {
        report.add("drain.two", many / took);
        let sql = "SELECT count(*) FROM job WHERE node IS NOT NULL GROUP BY node ORDER BY 1 LIMIT 1";
        let holders = database.number("SELECT count(DISTINCT node) FROM job").await?;
        ensure!(holders == 2 || place.quick, "{holders} nodes took part");
        report.add("drain.two.share", database.number(sql).await? as f64 / many * 100.0);
    }
    check_history(&mut admin, home, jobs).await?;
    servers.into_iter().try_for_each(Server::stop)
}
