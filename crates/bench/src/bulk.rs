//! Jobs per second by calls with many jobs, on a server that starts none of them: acknowledged is a result
//! `created` in a 200.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::api::Api;
use crate::http::{Connection, request};
use crate::place::Place;
use crate::report::Report;
use crate::server::Server;
use crate::submit::NOTHING_STARTS;

/// Connections, each of which sends its next call when it has its answer.
const CONNECTIONS: u64 = 4;
/// Jobs of a call: the most that one takes.
pub const PER_CALL: u64 = 1000;
/// Calls before the clock starts.
const WARM_UP: u64 = 4;
/// Calls that are timed.
const CALLS: u64 = 40;

/// One round.
pub async fn measure(place: &Place, report: &mut Report) -> Result<()> {
    let home = place.home("bulk").await?;
    let server = Server::start(place, &home, &NOTHING_STARTS)?;
    let mut admin = Api::admin(server.address).await?;
    flood(server.address, &admin.session, WARM_UP).await?;
    let (commits, cpu) = (home.commits().await?, server.cpu_s()?);
    let start = Instant::now();
    let calls = place.scaled(CALLS);
    flood(server.address, &admin.session, calls).await?;
    let took = start.elapsed().as_secs_f64();
    let jobs = (calls * PER_CALL) as f64;
    let commits = f64::from(home.commits().await?.wrapping_sub(commits));
    report.add("bulk", jobs / took);
    report.add("bulk.batch", jobs / commits.max(1.0));
    report.add("bulk.cpu", (server.cpu_s()? - cpu) / jobs * 1e6);
    let stored = admin.count("q=state=Waiting").await?;
    let sent = (WARM_UP + calls) * PER_CALL;
    ensure!(stored == sent, "{stored} jobs are stored of {sent}");
    server.stop()?;
    home.remove().await?;
    Ok(())
}

/// So many calls with `PER_CALL` jobs each, all of which are created.
pub async fn flood(address: SocketAddr, session: &str, calls: u64) -> Result<()> {
    let next = Rc::new(Cell::new(0));
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        let (next, session) = (next.clone(), session.to_owned());
        let mut connection = Connection::open(address).await?;
        senders.push(async move {
            loop {
                let number = next.replace(next.get() + 1);
                if number >= calls {
                    return Ok::<_, anyhow::Error>(());
                }
                let bytes = request("POST", "/v1/longjobs/bulk", &session, &body(number));
                let reply = connection.send(&bytes).await?;
                ensure!(reply.status == 200, "{} {}", reply.status, String::from_utf8_lossy(reply.body));
                let answer: Value = serde_json::from_slice(reply.body)?;
                let results = answer["results"].as_array().context("no results")?;
                let created = results.iter().filter(|result| result["outcome"] == "created").count();
                ensure!(created as u64 == PER_CALL, "{created} jobs of {PER_CALL} were created");
            }
        });
    }
    futures::future::try_join_all(senders).await?;
    Ok(())
}

/// Jobs like those of `submit`: a name, a target that twenty of them share, data of some bytes.
fn body(call: u64) -> String {
    let mut body = String::with_capacity(200 * PER_CALL as usize);
    body.push_str(r#"{"params":{"jobs":["#);
    for at in 0..PER_CALL {
        let number = call * PER_CALL + at;
        let comma = if at == 0 { "" } else { "," };
        let target = number / 20;
        body.push_str(&format!(
            r#"{comma}{{"name":"job-{number:06}","jobName":"APISimulateJobMsg","jobData":"{{\"durationMs\":0}}","targetResourceUuid":"{target:032x}"}}"#
        ));
    }
    body.push_str("]}}");
    body
}
