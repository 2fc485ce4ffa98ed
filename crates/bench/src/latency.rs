//! From a submission to the start of its body, at 50 jobs per second and default settings. The simulator's
//! journal is a pipe that the bench reads: both moments are read from the bench's own clock, right before
//! the request is sent and right after the `start` line arrives.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::api::{Api, no_op};
use crate::http::{Connection, request};
use crate::place::Place;
use crate::report::{Report, percentile};
use crate::server::Server;

/// Jobs per second.
const RATE: u32 = 50;
/// Jobs of one round that are timed.
const JOBS: u64 = 500;
/// Connections that take turns, so that no submission waits for the one before.
const CONNECTIONS: u32 = 8;
/// Jobs before the clock counts.
const WARM_UP: u32 = 25;

type Seen = Arc<Mutex<HashMap<String, Instant>>>;

/// One round.
pub async fn measure(place: &Place, report: &mut Report) -> Result<()> {
    let (home, pipe) = (place.home("latency").await?, place.fresh("journal"));
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    let seen = watch(&pipe)?;
    let flag = pipe.to_string_lossy().into_owned();
    let server = Server::start(place, &home, &["--simulator-journal", &flag])?;
    let admin = Api::admin(server.address).await?;
    let jobs = u32::try_from(place.scaled(JOBS))?;
    let begin = Instant::now() + Duration::from_millis(20);
    let mut senders = Vec::new();
    for turn in 0..CONNECTIONS {
        let mut connection = Connection::open(server.address).await?;
        let session = &admin.session;
        senders.push(async move {
            let mut sent = Vec::new();
            for number in (turn..WARM_UP + jobs).step_by(CONNECTIONS as usize) {
                let id = format!("{:08x}00004000800000000000{number:04x}", std::process::id());
                let bytes =
                    request("POST", "/v1/longjobs", session, &no_op("latency", number.into(), Some(&id)));
                tokio::time::sleep_until((begin + Duration::from_secs(1) / RATE * number).into()).await;
                let at = Instant::now();
                let status = connection.send(&bytes).await?.status;
                let answered = at.elapsed();
                ensure!(status == 200, "a submission was answered {status}");
                if number >= WARM_UP {
                    sent.push((id, at, answered));
                }
            }
            Ok(sent)
        });
    }
    let sent: Vec<_> = futures::future::try_join_all(senders).await?.into_iter().flatten().collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut starts = Vec::new();
    {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, at, _) in &sent {
            let started = seen.get(id).with_context(|| format!("job {id} did not start"))?;
            starts.push((*started - *at).as_secs_f64() * 1e3);
        }
    }
    let mut answers: Vec<f64> = sent.iter().map(|(_, _, answered)| answered.as_secs_f64() * 1e3).collect();
    report.add("latency.p50", percentile(&mut starts, 0.50));
    report.add("latency.p99", percentile(&mut starts, 0.99));
    report.add("latency.answer.p50", percentile(&mut answers, 0.50));
    server.stop()?;
    home.remove().await?;
    std::fs::remove_file(pipe)?;
    Ok(())
}

/// Reads the pipe on a thread of its own, for as long as anybody writes to it.
fn watch(pipe: &Path) -> Result<Seen> {
    let seen = Seen::default();
    let (pipe, noted) = (pipe.to_owned(), seen.clone());
    std::thread::Builder::new().name("journal".to_owned()).spawn(move || {
        let Ok(file) = File::open(&pipe) else { return };
        let mut lines = BufReader::new(file);
        let mut line = String::new();
        while lines.read_line(&mut line).is_ok_and(|n| n > 0) {
            let now = Instant::now();
            let mut words = line.split_whitespace();
            if let (Some(id), Some("start")) = (words.next(), words.nth(2)) {
                noted.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), now);
            }
            line.clear();
        }
    })?;
    Ok(seen)
}
