//! What must be true of every simulation, decided on evidence from outside: the clients' journal, the bodies'
//! journal, and what the store tells at the end. Knows nothing of the engine's insides; the table of legal
//! timelines is its own.

mod bodies;
mod clients;
mod limits;
mod order;
mod queue;
mod timelines;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use longhaul_engine::engine::Held;
use longhaul_model::timeline::{TimelineKind, TimelineRow};
use longhaul_model::{Job, JobId};

use crate::client::{Note, Told};
use crate::journal::{Deed, Did, Entry, short};

/// A job as the store tells it at the end.
#[derive(Debug, Clone)]
pub struct JobEnd {
    /// The record.
    pub job: Job,
    /// Its history.
    pub rows: Vec<TimelineRow>,
}

/// How many bodies of a class may be at work in one process; `None` is any number.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Built-in types.
    pub built_in: Option<u32>,
    /// Simulator types.
    pub simulator: Option<u32>,
}

/// All that was seen of a simulation.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The clients' journal.
    pub notes: Vec<Note>,
    /// The bodies' journal.
    pub acts: Vec<Entry>,
    /// What the store was seen to do.
    pub deeds: Vec<Deed>,
    /// The jobs in the store at the end.
    pub jobs: Vec<JobEnd>,
    /// The slot limits.
    pub limits: Limits,
    /// How many jobs may run at a time over all processes.
    pub job_limits: longhaul_model::Limits,
    /// The wall clock when the world began, ms since 1970, if it was never moved.
    pub wall_ms: i64,
    /// Whether the wall clock, and with it the store's, jumped. Leases end by the store's clock, nodes count
    /// by their own: after a jump a body may act for a while beside its successor, and only its writes to
    /// the store are refused. So what is said about acts by older claims holds without jumps only.
    pub clock_jumped: bool,
    /// By how much it was put back, in all, ms. A moment that has come stays one: what became due before the clock was put
    /// back may start by an earlier time than its own.
    pub put_back_ms: i64,
    /// Whether every job became final, and every client got through, in the time given.
    pub settled: bool,
    /// What each node holds at the end.
    pub held: Vec<(usize, Held)>,
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: &'static str,
    /// Which job, if one.
    pub job: Option<JobId>,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = self.job.map(short).unwrap_or_default();
        write!(f, "{} {job}: {}", self.rule, self.seen)
    }
}

/// All rules on all evidence.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Found::default();
    // Of a job that somebody deletes, another one with the same uuid may follow, made by a submission that
    // was still on its way: nothing can be said about its numbers.
    let deleted: BTreeSet<JobId> =
        evidence.notes.iter().filter(|n| n.told == Told::Deleting).map(|n| n.job).collect();
    clients::check(evidence, &deleted, &mut found);
    for end in &evidence.jobs {
        timelines::check(end, &mut found);
        if !deleted.contains(&end.job.id) {
            let acts: Vec<&Entry> = evidence.acts.iter().filter(|a| a.job == end.job.id).collect();
            bodies::check(end, &acts, evidence.clock_jumped, &mut found);
        }
    }
    bodies::check_slots(evidence, &mut found);
    check_fencing(evidence, &deleted, &mut found);
    order::check(evidence, &deleted, &mut found);
    queue::check(evidence, &deleted, &mut found);
    check_rest(evidence, &mut found);
    found.0
}

pub(crate) use queue::needs_a_resume;

#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    fn add(&mut self, rule: &'static str, job: JobId, seen: impl Into<String>) {
        self.0.push(Violation { rule, job: Some(job), seen: seen.into() });
    }
}

/// Tokens of a job grow, and once a newer one is given, nothing is taken from an older: whatever the clocks do. Once it
/// was given: its answer was there before the call that is looked at set out.
fn check_fencing(evidence: &Evidence, deleted: &BTreeSet<JobId>, found: &mut Found) {
    let mut given: BTreeMap<JobId, Vec<&Deed>> = BTreeMap::new();
    for deed in evidence.deeds.iter().filter(|deed| !deleted.contains(&deed.job)) {
        let given = given.entry(deed.job).or_default();
        let before = given.iter().filter(|gave| gave.at_us < deed.since_us);
        let before = before.map(|gave| gave.token).max().unwrap_or(0);
        let (job, token) = (deed.job, deed.token);
        match deed.did {
            Did::Gave => {
                if token <= before || given.iter().any(|gave| gave.token == token) {
                    found.add("tokens strictly grow", job, format!("{token} is given after {before}"));
                }
                given.push(deed);
            }
            Did::Took if token < before => {
                let seen = format!("by token {token} after {before} was given");
                found.add("nothing is taken from an older claim", job, seen);
            }
            Did::Took => {}
        }
    }
}

/// Once faults stop, everything comes to its end and nothing stays in memory.
fn check_rest(evidence: &Evidence, found: &mut Found) {
    for end in evidence.jobs.iter().filter(|end| !end.job.state.is_final()) {
        found.add("every job becomes final", end.job.id, format!("it is {:?}", end.job.state));
    }
    if !evidence.settled {
        let seen = "jobs or clients were not done in time".to_owned();
        found.0.push(Violation { rule: "everything comes to its end", job: None, seen });
    }
    for (node, held) in evidence.held.iter().filter(|(_, held)| *held != Held::default()) {
        let seen = format!("process {node} holds {held:?}");
        found.0.push(Violation { rule: "nothing stays in memory", job: None, seen });
    }
}

/// The tokens at which reruns began: claims with a larger one belong to a later generation.
fn rerun_tokens(end: &JobEnd) -> Vec<u64> {
    end.rows.iter().filter(|row| row.kind == TimelineKind::Rerun).map(|row| row.token).collect()
}

/// Which generation a claim belongs to: 0 since the submission, 1 since the first rerun …
fn generation(reruns: &[u64], token: u64) -> usize {
    reruns.iter().filter(|at| token > **at).count()
}
