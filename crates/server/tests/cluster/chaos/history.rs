//! What was seen of a run from outside: the calls of the clients, the journal that the job bodies wrote, what was done to
//! the processes, and the jobs as the API tells of them afterwards. What must be true of it is in `checker`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use serde_json::Value;

use crate::client::text;

/// What a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    Submit,
    Cancel,
    Suspend,
    Resume,
    Rerun,
    Clean,
    Delete,
    /// Its record, by its uuid.
    Look,
}

/// What it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It is done. Of a look: the job's state.
    Done(String),
    /// It is not done, by this code.
    Refused(String),
    /// Nobody knows whether it was done, or will be: why.
    Unknown(String),
    /// A look found no job.
    Absent,
}

/// One call about one job; of a call that submits many there is one for each.
#[derive(Debug, Clone)]
pub struct Call {
    /// When it was sent, us since the begin of the run.
    pub begin_us: u64,
    /// When its answer was there, or was waited for no longer.
    pub end_us: u64,
    pub client: usize,
    /// Which node was asked.
    pub node: usize,
    pub asked: Asked,
    pub job: String,
    pub told: Told,
}

/// What was submitted under a uuid.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub job_name: String,
    pub data: Value,
    pub target: Option<String>,
    /// Not to be started before, ms since 1970.
    pub not_before_ms: Option<i64>,
    pub retries: usize,
}

/// A line of the bodies' journal. Their order is the order in which they were written, whoever wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    pub job: String,
    pub attempt: u64,
    pub token: u64,
    /// `start`, `checkpoint`, `end`, `undone`.
    pub what: String,
}

/// A row of a job's timeline.
#[derive(Debug, Clone)]
pub struct Row {
    pub seq: u64,
    pub kind: String,
    pub attempt: u64,
    pub token: u64,
    /// ms since 1970, by the database's clock.
    pub time_ms: i64,
    /// The management node that did it, if one did.
    pub node: Option<String>,
}

/// A job as the API tells of it at the end.
#[derive(Debug, Clone)]
pub struct JobEnd {
    pub uuid: String,
    pub state: String,
    pub job_name: String,
    pub data: Value,
    pub target: Option<String>,
    pub rows: Vec<Row>,
}

/// Something that was done to a node, or to the database.
#[derive(Debug, Clone)]
pub struct Hit {
    /// `None`: the database.
    pub node: Option<usize>,
    pub what: String,
    pub from_us: u64,
    /// When it was up again.
    pub until_us: u64,
}

/// All that was seen.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    pub calls: Vec<Call>,
    pub wanted: BTreeMap<String, Wanted>,
    pub acts: Vec<Act>,
    pub jobs: Vec<JobEnd>,
    pub hits: Vec<Hit>,
    /// Which node had which uuid, as far as somebody saw it.
    pub nodes: BTreeMap<String, usize>,
    /// Nodes that ended although nobody ended them, or otherwise than they were told to.
    pub odd_ends: Vec<String>,
    /// When the run began, ms since 1970.
    pub began_ms: i64,
}

/// What is written while it happens.
#[derive(Debug)]
pub struct History {
    began: Instant,
    began_ms: i64,
    so_far: Mutex<Evidence>,
}

impl History {
    /// Begins now.
    pub fn begin() -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let began_ms = i64::try_from(since_1970.as_millis()).unwrap();
        Self { began: Instant::now(), began_ms, so_far: Mutex::default() }
    }

    /// us since the begin.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap()
    }

    /// ms since 1970.
    pub fn now_ms(&self) -> i64 {
        self.began_ms + i64::try_from(self.now_us() / 1000).unwrap()
    }

    /// Writes to it, or reads what is there so far.
    pub fn with<T>(&self, what: impl FnOnce(&mut Evidence) -> T) -> T {
        what(&mut self.so_far.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All of it, with what is known at the end.
    pub fn end(&self, journal: &str, jobs: Vec<JobEnd>) -> Evidence {
        let mut all = self.with(|evidence| evidence.clone());
        all.acts = acts(journal);
        all.jobs = jobs;
        all.began_ms = self.began_ms;
        all
    }
}

/// The journal's lines.
pub fn acts(journal: &str) -> Vec<Act> {
    let act = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [job, attempt, token, what] = words[..] else { panic!("a torn line: {line:?}") };
        let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("a torn line: {line:?}"));
        let (attempt, token) = (number(attempt), number(token));
        Act { job: job.to_owned(), attempt, token, what: what.to_owned() }
    };
    journal.lines().map(act).collect()
}

impl JobEnd {
    /// Of its inventory and its timeline.
    pub fn of(job: &Value, rows: &[Value]) -> Self {
        Self {
            uuid: text(&job["uuid"]),
            state: text(&job["state"]),
            job_name: text(&job["jobName"]),
            data: serde_json::from_str(&text(&job["jobData"])).unwrap(),
            target: job["targetResourceUuid"].as_str().map(str::to_owned),
            rows: rows.iter().map(Row::of).collect(),
        }
    }
}

impl Row {
    fn of(row: &Value) -> Self {
        let number = |key: &str| row[key].as_u64().unwrap_or_else(|| panic!("{key}: {row}"));
        Self {
            seq: number("seq"),
            kind: text(&row["kind"]),
            attempt: number("attempt"),
            token: number("token"),
            time_ms: row["time"].as_i64().unwrap(),
            node: row["managementNodeUuid"].as_str().map(str::to_owned),
        }
    }

    /// Whether an attempt begins here.
    pub fn begins(&self) -> bool {
        matches!(self.kind.as_str(), "started" | "resumed" | "takenOver")
    }

    /// Whether the job ends here.
    pub fn ends(&self) -> bool {
        matches!(self.kind.as_str(), "succeeded" | "failed" | "canceled")
    }
}

impl Evidence {
    /// Everything about a job, for people.
    pub fn story(&self, job: &str) -> String {
        let mut told = format!("job {job}\n");
        let _ = writeln!(told, "  wanted {:?}", self.wanted.get(job));
        for call in self.calls.iter().filter(|call| call.job == job) {
            let Call { begin_us, end_us, client, node, asked, told: answer, .. } = call;
            let _ = writeln!(
                told,
                "  {begin_us:>10} to {end_us:>10} us: client {client} at node {node}: {asked:?} {answer:?}"
            );
        }
        for act in self.acts.iter().filter(|act| act.job == job) {
            let _ = writeln!(told, "  body: attempt {} token {} {}", act.attempt, act.token, act.what);
        }
        for end in self.jobs.iter().filter(|end| end.uuid == job) {
            for row in &end.rows {
                let Row { seq, kind, attempt, token, time_ms, node } = row;
                let known = node.as_ref().and_then(|node| self.nodes.get(node));
                let at_ms = time_ms - self.began_ms;
                let _ = writeln!(
                    told,
                    "  row {seq} at {at_ms} ms: {kind}, attempt {attempt} token {token}, node {known:?} {node:?}"
                );
            }
            let _ = writeln!(told, "  is {}", end.state);
        }
        told
    }
}
