//! Durable submissions per second: simulator jobs on a server that starts none of them, over connections
//! that are kept alive. Acknowledged is a 200.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::api::{Api, no_op};
use crate::http::{Connection, request};
use crate::place::Place;
use crate::report::Report;
use crate::server::Server;

/// Starts no simulator job.
pub const NOTHING_STARTS: [&str; 2] = ["--set", "engine.maxRunningSimulator=0"];
/// Submissions before the clock starts.
const WARM_UP: u64 = 500;
/// Submissions per connection that are timed.
const PER_CONNECTION: u64 = 400;

/// One round.
pub async fn measure(place: &Place, connections: u64, report: &mut Report) -> Result<()> {
    let home = place.home("submit").await?;
    let server = Server::start(place, &home, &NOTHING_STARTS)?;
    let mut admin = Api::admin(server.address).await?;
    flood(server.address, &admin.session, connections, WARM_UP).await?;
    let (commits, cpu) = (home.commits().await?, server.cpu_s()?);
    let jobs = connections * place.scaled(PER_CONNECTION);
    let start = Instant::now();
    flood(server.address, &admin.session, connections, jobs).await?;
    let took = start.elapsed().as_secs_f64();
    let commits = f64::from(home.commits().await?.wrapping_sub(commits));
    let jobs_f = jobs as f64;
    report.add(&format!("submit.{connections}"), jobs_f / took);
    report.add(&format!("submit.{connections}.batch"), jobs_f / commits.max(1.0));
    report.add(&format!("submit.{connections}.cpu"), (server.cpu_s()? - cpu) / jobs_f * 1e6);
    let stored = admin.count("q=state=Waiting").await?;
    ensure!(stored == WARM_UP + jobs, "{stored} jobs are stored of {}", WARM_UP + jobs);
    server.stop()?;
    home.remove().await?;
    Ok(())
}

/// `jobs` submissions over so many connections, each of which sends its next one when it has its answer.
pub async fn flood(address: SocketAddr, session: &str, connections: u64, jobs: u64) -> Result<()> {
    let next = Rc::new(Cell::new(0));
    let mut senders = Vec::new();
    for _ in 0..connections {
        let (next, session) = (next.clone(), session.to_owned());
        let mut connection = Connection::open(address).await?;
        senders.push(async move {
            loop {
                let number = next.replace(next.get() + 1);
                if number >= jobs {
                    return Ok::<_, anyhow::Error>(());
                }
                let body = no_op(&format!("job-{number:06}"), number / 20, None);
                let reply = connection.send(&request("POST", "/v1/longjobs", &session, &body)).await?;
                ensure!(reply.status == 200, "{} {}", reply.status, String::from_utf8_lossy(reply.body));
            }
        });
    }
    futures::future::try_join_all(senders).await?;
    Ok(())
}
