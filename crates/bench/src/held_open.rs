//! Drain on PostgreSQL for two minutes while another client holds a transaction open that has read once, against none,
//! in turns from copies of one database: what such a client keeps from being cleaned up, the queue's dead rows, must not
//! slow the queue.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio_postgres::Client;

use crate::api::Api;
use crate::database::connect;
use crate::million::{Before, fill};
use crate::place::{Home, Place};
use crate::report::Report;
use crate::server::Server;

/// For how many seconds.
const HELD_S: u64 = 120;
/// Jobs that wait at the begin: more than are drained in that time, or the time ends when they do.
const WAITING: u64 = 1_500_000;
/// What is left then is drained by a queue that runs dry, and not counted.
const LEFT: f64 = 0.02;
/// How often it is looked.
const POLL: Duration = Duration::from_millis(250);

/// What a drain of some time came to.
struct Drained {
    /// Jobs per second.
    rate: f64,
    /// The same of the last quarter of the time.
    late: f64,
}

/// Stores the jobs.
pub async fn prepare(place: &Place) -> Result<Home> {
    fill(place, Before::Waiting, place.scaled(WAITING)).await
}

/// One round.
pub async fn measure(place: &Place, waiting: &Home, round: u32, report: &mut Report) -> Result<()> {
    let turns = if round % 2 == 1 { [true, false] } else { [false, true] };
    for is_held in turns {
        let home = place.home_on_copy("held", waiting.database()?).await?;
        let holder = if is_held { Some(hold(&home).await?) } else { None };
        let drained = drain(place, &home).await?;
        if let Some(holder) = holder {
            holder.batch_execute("COMMIT").await?;
        }
        let which = if is_held { "held" } else { "free" };
        report.add(&format!("held_open.{which}"), drained.rate);
        report.add(&format!("held_open.{which}.late"), drained.late);
        home.remove().await?;
    }
    for late in ["", ".late"] {
        let of = |which: &str| report.last(&format!("held_open.{which}{late}")).unwrap_or(f64::NAN);
        let cost = (1.0 - of("held") / of("free")) * 100.0;
        report.add(&format!("held_open{late}.cost"), cost);
    }
    Ok(())
}

/// A client whose transaction sees the database as it is now, for as long as it is open.
async fn hold(home: &Home) -> Result<Client> {
    let client = connect(&home.database()?.url).await?;
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT id FROM job LIMIT 1").await?;
    Ok(client)
}

async fn drain(place: &Place, home: &Home) -> Result<Drained> {
    let time = Duration::from_secs(place.scaled(HELD_S));
    let server = Server::start(place, home, &["--set", "retention.jobs=0"])?;
    let mut admin = Api::admin(server.address).await?;
    let waiting = admin.count("q=state=Waiting").await? as f64;
    let first = admin.count("q=state=Succeeded").await?;
    let start = Instant::now();
    let mut seen = vec![(0.0, 0.0)];
    loop {
        tokio::time::sleep(POLL).await;
        let done = (admin.count("q=state=Succeeded").await? - first) as f64;
        let at = start.elapsed();
        seen.push((at.as_secs_f64(), done));
        if at >= time || done >= waiting * (1.0 - LEFT) {
            break;
        }
    }
    server.stop()?;
    Ok(rates(&seen))
}

/// Jobs per second from moments, in s, and how many had ended by then.
fn rates(seen: &[(f64, f64)]) -> Drained {
    let (end, done) = seen.last().copied().unwrap_or_default();
    let quarter = seen.iter().rev().find(|(at, _)| *at <= end * 0.75).copied().unwrap_or_default();
    Drained { rate: done / end, late: (done - quarter.1) / (end - quarter.0) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_last_quarter_has_a_rate_of_its_own() {
        let drained = super::rates(&[(0.0, 0.0), (30.0, 3000.0), (75.0, 7500.0), (100.0, 8000.0)]);
        assert_eq!((drained.rate, drained.late), (80.0, 20.0));
    }
}
