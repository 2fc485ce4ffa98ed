//! What must be true of every run, decided on what was seen from outside. Knows nothing of the server's own crates: the
//! table of legal timelines is written down here again. Each rule has a history that it must refuse, in `controls`.

mod bodies;
mod clients;
mod order;
mod timelines;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::history::{Asked, Evidence, JobEnd, Told};

/// The rules.
pub mod rule {
    /// What a client was told to be submitted is there at the end, as it was submitted.
    pub const LOST: &str = "no acknowledged job is lost";
    /// Nothing is there that nobody submitted.
    pub const NOBODYS: &str = "no job is there that nobody submitted";
    /// The same submission is the same job, however often and wherever it is sent.
    pub const REFUSED: &str = "no submission is refused";
    /// Nobody is told of a fault of ours, nor of anything else that cannot be.
    pub const ODD: &str = "every answer is one that the API knows";
    /// What was done was done as often as it was acknowledged, or may have been done unheard.
    pub const SAID: &str = "what is acknowledged is in the history, as often as it was";
    /// A job is found from its acknowledgement on, by every node.
    pub const FOUND: &str = "an acknowledged job is found by every later look";
    /// A state that somebody saw is in the history.
    pub const SEEN: &str = "what was seen happened";
    /// A deleted job does not come back.
    pub const DELETED: &str = "what was deleted stays away";
    /// Every job comes to its end.
    pub const ENDS: &str = "every job becomes final";
    /// By the table.
    pub const LEGAL: &str = "every transition is legal";
    /// Rows are numbered, attempts counted, one by one.
    pub const GAPS: &str = "a history has no gap";
    /// The record is what the history leads to.
    pub const AGREES: &str = "record and history agree";
    /// Each claim has a larger token.
    pub const TOKENS: &str = "tokens strictly grow";
    /// A run succeeds once.
    pub const ONCE: &str = "success comes once";
    /// A cancel before the work keeps it from being done.
    pub const CANCELED: &str = "a cancel that came first holds";
    /// Nothing starts too early.
    pub const MOMENT: &str = "nothing starts before its moment";
    /// Each retry was asked for.
    pub const RETRIES: &str = "no more retries than were asked for";
    /// Who lives keeps its jobs, also when the database was away.
    pub const LIVING: &str = "nobody takes a living node's job";
    /// A claim is run by one body.
    pub const WRITER: &str = "one writer for each token";
    /// A body has a claim.
    pub const GIVEN: &str = "no token from nowhere";
    /// A body whose claim is not the newest does nothing.
    pub const OLDER: &str = "no act by an older claim";
    /// Who ends a job has done it.
    pub const HOLDER: &str = "an end is its holder's";
    /// Jobs on one target do not overlap.
    pub const ALONE: &str = "ordered jobs do not overlap";
    /// They go one after the other.
    pub const ORDER: &str = "ordered jobs go in the order of submission";
    /// Servers end when they are told to, and well.
    pub const ENDED: &str = "a server ends when it is told to, and well";

    /// All of them.
    pub const ALL: [&str; 25] = [
        LOST, NOBODYS, REFUSED, ODD, SAID, FOUND, SEEN, DELETED, ENDS, LEGAL, GAPS, AGREES, TOKENS, ONCE,
        CANCELED, MOMENT, RETRIES, LIVING, WRITER, GIVEN, OLDER, HOLDER, ALONE, ORDER, ENDED,
    ];
}

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub rule: &'static str,
    /// Which job; empty if none.
    pub job: String,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.rule, self.job, self.seen)
    }
}

#[derive(Default)]
struct Found(Vec<Violation>);

impl Found {
    fn add(&mut self, rule: &'static str, job: &str, seen: impl Into<String>) {
        self.0.push(Violation { rule, job: job.to_owned(), seen: seen.into() });
    }
}

/// All rules on all evidence.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Found::default();
    // Of a job that may have been deleted there may be no history any more.
    let deleted: BTreeSet<&str> = evidence
        .calls
        .iter()
        .filter(|call| call.asked == Asked::Delete && !matches!(call.told, Told::Refused(_)))
        .map(|call| call.job.as_str())
        .collect();
    let kept: Vec<&JobEnd> =
        evidence.jobs.iter().filter(|end| !deleted.contains(end.uuid.as_str())).collect();
    clients::check(evidence, &deleted, &mut found);
    for end in &kept {
        timelines::check(evidence, end, &mut found);
    }
    bodies::check(evidence, &kept, &mut found);
    order::check(evidence, &kept, &mut found);
    for told in &evidence.odd_ends {
        found.add(rule::ENDED, "", told);
    }
    found.0
}

/// The tokens at which reruns began: claims with a larger one belong to a later generation.
fn reruns(end: &JobEnd) -> Vec<u64> {
    end.rows.iter().filter(|row| row.kind == "rerun").map(|row| row.token).collect()
}

/// Which generation a claim belongs to: 0 since the submission, 1 since the first rerun …
fn generation(reruns: &[u64], token: u64) -> usize {
    reruns.iter().filter(|at| token > **at).count()
}

/// What is known of each job by its uuid.
fn by_uuid<'a>(jobs: &[&'a JobEnd]) -> BTreeMap<&'a str, &'a JobEnd> {
    jobs.iter().map(|end| (end.uuid.as_str(), *end)).collect()
}
