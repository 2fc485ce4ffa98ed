//! Takeover on PostgreSQL: many running simulator jobs on a node that is killed with SIGKILL, while two others stand by.
//! Timed from the kill to the moment when the bench reads from the simulator's journal that a body has begun under a
//! newer fencing token, and that it has saved its first checkpoint there. All jobs are then waited for: none is missing,
//! none failed, none came to its end twice.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::api::Api;
use crate::place::{Home, Place};
use crate::report::{Report, percentile};
use crate::server::{Server, Starting};

/// Jobs on the node that is killed.
pub const JOBS: [u64; 2] = [1_000, 10_000];
/// The simulator saves no checkpoint sooner.
const STEP_LEAST_MS: u64 = 500;
/// Checkpoints per second of all jobs together: a load that the nodes have room for beside the takeover.
const CHECKPOINTS_PER_S: u64 = 2_000;
/// Jobs of one call that submits.
const PER_CALL: usize = 1_000;
/// A state that does not come within this does not come.
const PATIENCE: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(2);

/// How the jobs are: how long each takes, and after how long it saves a checkpoint.
struct Shape {
    jobs: usize,
    duration_ms: u64,
    step_ms: u64,
}

impl Shape {
    fn of(place: &Place, jobs: u64) -> Self {
        let few = place.scaled(jobs);
        let duration_ms = if place.quick { 10_000 } else { 30_000 + 6 * jobs };
        let step_ms = (few * 1000 / CHECKPOINTS_PER_S).max(STEP_LEAST_MS);
        Self { jobs: few as usize, duration_ms, step_ms }
    }
}

/// One round, with so many jobs (one of `JOBS`).
pub async fn measure(place: &Place, jobs: u64, report: &mut Report) -> Result<()> {
    let shape = Shape::of(place, jobs);
    let home = place.home("takeover").await?;
    std::fs::create_dir_all(&home.data)?;
    let path = home.data.join("journal");
    File::create(&path)?;
    let mut journal = Journal::open(&path)?;
    let victim = start(place, &home, 0)?.ready(place)?;
    let mut admin = Api::admin(victim.address).await?;
    submit(&mut admin, &shape).await?;
    journal.until("every body has begun", |seen| seen.begun.len() == shape.jobs).await?;
    // Only now, so that all run where it is killed.
    let standing_by = [start(place, &home, 1)?, start(place, &home, 2)?];
    let standing_by = standing_by.into_iter().map(|one| one.ready(place)).collect::<Result<Vec<_>>>()?;
    let mut admin = Api::admin(standing_by[0].address).await?;
    let running = admin.count("q=state=Running").await?;
    ensure!(running == shape.jobs as u64, "{running} of {} jobs run before the kill", shape.jobs);
    let killed = Instant::now();
    victim.kill()?;
    journal.until("every job goes on elsewhere", |seen| seen.saved_again.len() == shape.jobs).await?;
    let since = |moments: &HashMap<String, Instant>| {
        moments.values().map(|at| at.saturating_duration_since(killed).as_secs_f64()).collect::<Vec<_>>()
    };
    for (what, mut times) in
        [("start", since(&journal.seen.begun_again)), ("checkpoint", since(&journal.seen.saved_again))]
    {
        for (name, share) in [("p50", 0.50), ("p99", 0.99), ("last", 1.0)] {
            report.add(&format!("takeover.{jobs}.{what}.{name}"), percentile(&mut times, share));
        }
        report.add_distribution(&format!("takeover.{jobs}.{what}"), &times);
    }
    report.add(&format!("takeover.{jobs}.step"), shape.step_ms as f64 / 1e3);
    until_all_succeeded(&mut admin, &shape).await?;
    journal.look()?;
    ensure!(journal.seen.ended_twice.is_empty(), "came to their end twice: {:?}", journal.seen.ended_twice);
    standing_by.into_iter().try_for_each(Server::stop)?;
    home.remove().await
}

fn start(place: &Place, home: &Home, node: usize) -> Result<Starting> {
    let journal = home.data.join("journal").to_string_lossy().into_owned();
    Starting::spawn(place, &home.data.join(node.to_string()), home.url(), &["--simulator-journal", &journal])
}

async fn submit(admin: &mut Api, shape: &Shape) -> Result<()> {
    let steps = (shape.duration_ms / shape.step_ms).max(1);
    let data = json!({"durationMs": shape.duration_ms, "progressSteps": steps}).to_string();
    let job = json!({"name": "taken over", "jobName": "APISimulateJobMsg", "jobData": data});
    let mut left = shape.jobs;
    while left > 0 {
        let now = left.min(PER_CALL);
        let body = json!({"params": {"jobs": vec![&job; now]}}).to_string();
        let answer = admin.call("POST", "/v1/longjobs/bulk", &body).await?;
        let made = answer["results"].as_array().context("no results")?;
        let created = |result: &&Value| result["outcome"] == "created";
        ensure!(made.iter().filter(created).count() == now, "not all jobs were created");
        left -= now;
    }
    Ok(())
}

async fn until_all_succeeded(admin: &mut Api, shape: &Shape) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let open = admin.count("q=state?=Waiting,Running,Suspended,Canceling").await?;
        if open == 0 {
            break;
        }
        ensure!(Instant::now() < end, "{open} jobs do not end");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let succeeded = admin.count("q=state=Succeeded").await?;
    ensure!(succeeded == shape.jobs as u64, "{succeeded} of {} jobs succeeded", shape.jobs);
    Ok(())
}

/// What the journal has told so far.
#[derive(Default)]
struct Seen {
    /// The first token of each job.
    begun: HashMap<String, u64>,
    /// When each began under a newer one.
    begun_again: HashMap<String, Instant>,
    /// When each saved its first checkpoint under a newer one.
    saved_again: HashMap<String, Instant>,
    ended: HashSet<String>,
    ended_twice: Vec<String>,
}

/// The simulator's journal, read while it is written.
struct Journal {
    file: File,
    at: u64,
    seen: Seen,
}

impl Journal {
    fn open(path: &Path) -> Result<Self> {
        Ok(Self { file: File::open(path)?, at: 0, seen: Seen::default() })
    }

    fn look(&mut self) -> Result<()> {
        self.file.seek(SeekFrom::Start(self.at))?;
        let mut text = String::new();
        self.file.read_to_string(&mut text)?;
        let at = Instant::now();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        self.at += whole as u64;
        text[..whole].lines().for_each(|line| self.seen.note(line, at));
        Ok(())
    }

    async fn until(&mut self, what: &str, is_so: impl Fn(&Seen) -> bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.look()?;
            if is_so(&self.seen) {
                return Ok(());
            }
            ensure!(Instant::now() < end, "not within {} s: {what}", PATIENCE.as_secs());
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Seen {
    /// A line `uuid attempt token what`.
    fn note(&mut self, line: &str, at: Instant) {
        let words: Vec<&str> = line.split(' ').collect();
        let [job, _, token, what] = words[..] else { return };
        let Ok(token) = token.parse::<u64>() else { return };
        let is_newer = self.begun.get(job).is_some_and(|first| token > *first);
        match what {
            "start" if is_newer => drop(self.begun_again.entry(job.to_owned()).or_insert(at)),
            "start" => drop(self.begun.entry(job.to_owned()).or_insert(token)),
            "checkpoint" if is_newer => drop(self.saved_again.entry(job.to_owned()).or_insert(at)),
            "end" if !self.ended.insert(job.to_owned()) => self.ended_twice.push(job.to_owned()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_does_under_its_first_token_is_no_takeover() {
        let mut seen = Seen::default();
        for line in
            ["a 1 1 start", "a 1 1 checkpoint", "b 1 1 start", "a 2 2 start", "a 2 2 checkpoint", "a 2 2 end"]
        {
            seen.note(line, Instant::now());
        }
        let sizes =
            (seen.begun.len(), seen.begun_again.len(), seen.saved_again.len(), seen.ended_twice.len());
        assert_eq!(sizes, (2, 1, 1, 0));
        seen.note("a 3 3 end", Instant::now());
        assert_eq!(seen.ended_twice, ["a"]);
    }
}
