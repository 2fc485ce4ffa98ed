//! Who asks for what while the faults happen: clients that submit, that act on jobs, that look at them. When the faults
//! are over, everything is brought to its end and read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::caller::{Caller, Outcome, Submission};
use super::history::{Asked, JobEnd, Told, Wanted};
use crate::client::{Client, SIMULATE, text};
use crate::place::until;

const ORDERED: &str = "APISimulateOrderedJobMsg";
const RIGID: &str = "APISimulateRigidJobMsg";
/// Targets that jobs are ordered on.
const TARGETS: u64 = 8;
/// The submitters pause while so many jobs wait, so that the end does not take for ever.
const WAITING_MAX: u64 = 60;
/// Actions are mostly about the newest jobs.
const NEWEST: usize = 80;
/// How long all may take to come to its end.
const SETTLES_WITHIN: Duration = Duration::from_secs(240);

/// What the clients share.
#[derive(Debug, Default)]
pub struct Load {
    /// Acknowledged jobs that nobody deletes, the newest last, and whether one call each was enough for it.
    known: Mutex<Vec<(String, bool)>>,
    /// What somebody may have suspended.
    suspended: Mutex<BTreeSet<String>>,
    /// Submissions whose fate nobody knows.
    unanswered: Mutex<Vec<Submission>>,
    /// How many jobs waited when somebody looked last.
    waiting: AtomicU64,
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Load {
    fn some_known(&self, caller: &mut Caller<'_>) -> Option<(String, bool)> {
        let known = lock(&self.known);
        let from = if caller.chance.percent(80) { known.len().saturating_sub(NEWEST) } else { 0 };
        (!known.is_empty()).then(|| caller.chance.pick(&known[from..]).clone())
    }

    fn knows(&self, job: &str, at_once: bool) {
        lock(&self.known).push((job.to_owned(), at_once));
    }

    /// Submits until it is over.
    pub fn submit(&self, mut caller: Caller<'_>) {
        loop {
            let pause = caller.chance.between(100, 400);
            if !caller.stage.wait(Duration::from_millis(pause)) {
                return;
            }
            if self.waiting.load(Ordering::SeqCst) >= WAITING_MAX {
                continue;
            }
            let many = if caller.chance.percent(12) { caller.chance.between(5, 15) } else { 1 };
            let now_ms = caller.stage.history.now_ms();
            let jobs: Vec<_> = (0..many).map(|_| submission(&mut caller, now_ms)).collect();
            let mut left = jobs;
            let mut at_once = true;
            while !left.is_empty() {
                let tried: Vec<String> = left.iter().map(|job| job.uuid.clone()).collect();
                left = if many == 1 {
                    left.into_iter().filter(|job| !caller.submit(job)).collect()
                } else {
                    caller.submit_all(left)
                };
                let still: BTreeSet<&str> = left.iter().map(|job| job.uuid.as_str()).collect();
                tried
                    .iter()
                    .filter(|job| !still.contains(job.as_str()))
                    .for_each(|job| self.knows(job, at_once));
                at_once = false;
                if !left.is_empty() && !caller.stage.wait(Duration::from_millis(200)) {
                    lock(&self.unanswered).append(&mut left);
                }
            }
        }
    }

    /// Cancels, suspends, resumes, reruns, cleans and deletes until it is over.
    pub fn act(&self, mut caller: Caller<'_>) {
        loop {
            let pause = caller.chance.between(30, 250);
            if !caller.stage.wait(Duration::from_millis(pause)) {
                return;
            }
            let Some((job, at_once)) = self.some_known(&mut caller) else { continue };
            let asked = match caller.chance.below(100) {
                0..=24 => Asked::Cancel,
                25..=49 => Asked::Suspend,
                50..=69 => Asked::Resume,
                70..=89 => Asked::Rerun,
                90..=94 => Asked::Clean,
                // A submission whose answer was lost may still be on its way, and would bring it back.
                _ if at_once => Asked::Delete,
                _ => continue,
            };
            let told = caller.act(asked, &job);
            match (asked, told) {
                (Asked::Suspend, Told::Done(_) | Told::Unknown(_)) => {
                    lock(&self.suspended).insert(job);
                }
                (Asked::Delete, Told::Done(_) | Told::Unknown(_)) => {
                    lock(&self.known).retain(|(known, _)| *known != job);
                }
                _ => {}
            }
        }
    }

    /// Looks at jobs and nodes, and lets go on what stands, until it is over.
    pub fn look(&self, mut caller: Caller<'_>) {
        while caller.stage.wait(Duration::from_millis(60)) {
            match caller.chance.below(10) {
                0 => self.count_waiting(&mut caller),
                1 => names(&mut caller),
                2 => self.resume_some(&mut caller),
                _ => {
                    if let Some((job, _)) = self.some_known(&mut caller) {
                        caller.look(&job);
                    }
                }
            }
        }
    }

    fn count_waiting(&self, caller: &mut Caller<'_>) {
        if let (_, Outcome::Done(answer)) = caller.call("GET", "/longjobs?q=state%3DWaiting&count=true", None)
        {
            self.waiting.store(answer["total"].as_u64().unwrap_or(0), Ordering::SeqCst);
        }
    }

    /// Whatever stands holds up the jobs behind it, so it is not left standing for long.
    fn resume_some(&self, caller: &mut Caller<'_>) {
        let found = caller.find("q=state%3DSuspended&fields=uuid&limit=30").unwrap_or_default();
        let mut jobs: Vec<String> = found.iter().map(|job| text(&job["uuid"])).collect();
        jobs.extend(lock(&self.suspended).iter().cloned());
        for _ in 0..jobs.len().min(4) {
            let job = caller.chance.pick(&jobs).clone();
            if matches!(caller.act(Asked::Resume, &job), Told::Done(_)) {
                lock(&self.suspended).remove(&job);
            }
        }
    }

    /// Sends again what was not answered, and lets everything come to its end.
    pub fn settle(&self, caller: &mut Caller<'_>) {
        let mut left = std::mem::take(&mut *lock(&self.unanswered));
        until("every submission is answered", SETTLES_WITHIN, || {
            left.retain(|job| !caller.submit(job));
            left.is_empty().then_some(())
        });
        names(caller);
        let mut held: BTreeSet<String> = std::mem::take(&mut *lock(&self.suspended));
        // What is not final by then is the checker's to tell of.
        let end = Instant::now() + SETTLES_WITHIN;
        while Instant::now() < end {
            let query = "q=state%21%3F%3DSucceeded,Failed,Canceled&fields=uuid,state&limit=1000";
            let open = caller.find(query);
            if open.as_ref().is_some_and(Vec::is_empty) {
                return;
            }
            for job in open.iter().flatten() {
                let uuid = text(&job["uuid"]);
                let stands = job["state"] == "Suspended" || (job["state"] == "Waiting" && held.remove(&uuid));
                // What is tried again by itself may have gone on meanwhile.
                if stands && matches!(caller.act(Asked::Resume, &uuid), Told::Unknown(_)) {
                    held.insert(uuid);
                }
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Which node has which uuid now.
fn names(caller: &mut Caller<'_>) {
    let (_, Outcome::Done(answer)) = caller.call("GET", "/management-nodes", None) else { return };
    for node in answer["inventories"].as_array().into_iter().flatten() {
        let address = node["address"].as_str().and_then(|a| a.strip_prefix("http://")).unwrap_or_default();
        if let Some(number) = caller.stage.node_at(address) {
            caller.stage.history.with(|seen| seen.nodes.insert(text(&node["uuid"]), number));
        }
    }
}

/// A job as chance wants it.
fn submission(caller: &mut Caller<'_>, now_ms: i64) -> Submission {
    let chance = &mut caller.chance;
    let uuid = chance.uuid();
    let job_name = *chance.pick(&[SIMULATE, SIMULATE, SIMULATE, SIMULATE, SIMULATE, ORDERED, ORDERED, RIGID]);
    let duration_ms = match (job_name, chance.below(20)) {
        (ORDERED, _) => chance.between(0, 500),
        (_, 0) => chance.between(5000, 12_000),
        (_, 1..=3) => 0,
        _ => chance.between(20, 3000),
    };
    let outcome = match chance.below(20) {
        0 | 1 => "fail",
        2 | 3 if job_name != RIGID => "interrupt",
        _ => "succeed",
    };
    let on_cancel = *chance.pick(&["stop", "stop", "stop", "stop", "slow", "ignore", "refuse"]);
    let data = json!({
        "durationMs": duration_ms, "progressSteps": chance.between(1, 8), "outcome": outcome,
        "onCancel": on_cancel, "cancelDelayMs": chance.between(0, 1500), "cleanMs": chance.pick(&[0, 0, 0, 300]),
    });
    let target =
        (job_name == ORDERED || chance.percent(10)).then(|| format!("{:032x}", 1 + chance.below(TARGETS)));
    let mut tags = Vec::new();
    let not_before_ms =
        chance.percent(8).then(|| now_ms / 1000 * 1000 + 1000 * i64::try_from(chance.between(1, 4)).unwrap());
    if let Some(ms) = not_before_ms {
        let moment = jiff::Timestamp::from_millisecond(ms).unwrap();
        tags.push(format!("longhaul::notBefore::{moment}"));
    }
    let retries = if job_name != RIGID && chance.percent(15) { chance.between(1, 2) } else { 0 };
    if retries > 0 {
        tags.push(format!("longhaul::retry::{retries}"));
    }
    let mut params =
        json!({"name": "chaos", "jobName": job_name, "jobData": data.to_string(), "resourceUuid": uuid});
    if let Some(target) = &target {
        params["targetResourceUuid"] = json!(target);
    }
    let retries = usize::try_from(retries).unwrap();
    let wanted = Wanted { job_name: job_name.to_owned(), data, target, not_before_ms, retries };
    Submission { uuid, wanted, params, tags }
}

/// Every job that there is, with its timeline.
pub fn all_jobs(client: &Client) -> Vec<JobEnd> {
    let (mut ends, mut last) = (Vec::new(), "0".to_owned());
    loop {
        let jobs: Vec<Value> = client.many(&format!("/longjobs?q=uuid%3E{last}&sort=uuid&limit=500"));
        ends.extend(jobs.iter().map(|job| JobEnd::of(job, &client.timeline(&text(&job["uuid"])))));
        match jobs.last() {
            Some(job) => last = text(&job["uuid"]),
            None => return ends,
        }
    }
}
