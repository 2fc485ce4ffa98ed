//! A client that asks any of the nodes, follows a 202 to its answer wherever that can be had, and writes down what it was
//! told. Where it was told nothing, or that the store or a node was away, nobody knows what came of the call.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::faults::{Chance, NODES};
use super::history::{Asked, Call, Told, Wanted};
use super::stage::Stage;
use crate::client::Client;
use crate::place::POLL;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the answer of a call that was accepted is asked for.
const POLLED_FOR: Duration = Duration::from_secs(10);
/// Codes that say nothing about what came of a call: too slow, not ready, the node is gone.
const UNKNOWN: [&str; 3] = ["SYS.1001", "SYS.1010", "SYS.1012"];

/// What came of a call.
#[derive(Debug)]
pub enum Outcome {
    Done(Value),
    Refused(String),
    Unknown(String),
}

impl Outcome {
    fn of_error(error: &Value, status: u16) -> Self {
        let code = error["code"].as_str().map_or_else(|| format!("status {status}"), str::to_owned);
        if UNKNOWN.contains(&code.as_str()) { Self::Unknown(code) } else { Self::Refused(code) }
    }

    /// As the history has it; `done` says which state an answer tells.
    fn told(self, done: impl Fn(&Value) -> Told) -> Told {
        match self {
            Self::Done(answer) => done(&answer),
            Self::Refused(code) => Told::Refused(code),
            Self::Unknown(why) => Told::Unknown(why),
        }
    }
}

/// A submission that can be sent again and again.
#[derive(Debug, Clone)]
pub struct Submission {
    pub uuid: String,
    pub wanted: Wanted,
    /// Its parameters, and the tags.
    pub params: Value,
    pub tags: Vec<String>,
}

impl Submission {
    fn alone(&self) -> Value {
        json!({"params": self.params, "systemTags": self.tags})
    }

    fn among_others(&self) -> Value {
        let mut job = self.params.clone();
        job["systemTags"] = json!(self.tags);
        job
    }
}

/// One client.
pub struct Caller<'a> {
    pub stage: &'a Stage,
    pub session: &'a Client,
    pub number: usize,
    pub chance: Chance,
}

impl Caller<'_> {
    fn node(&mut self) -> usize {
        usize::try_from(self.chance.below(NODES as u64)).unwrap()
    }

    fn at(&self, node: usize) -> Client {
        self.session.patient_at(&self.stage.address(node), PATIENCE)
    }

    /// One call at some node that listens, to its end as far as that can be seen; which node it was.
    pub fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> (usize, Outcome) {
        let first = self.node();
        let mut last = (first, Outcome::Unknown(String::new()));
        for node in (first..first + NODES).map(|node| node % NODES) {
            let outcome = match self.at(node).try_call(method, path, body) {
                Err(error) => Outcome::Unknown(error.kind().to_string()),
                Ok((200, answer)) => Outcome::Done(answer),
                Ok((202, answer)) => self.follow(&answer),
                Ok((status, answer)) => Outcome::of_error(&answer["error"], status),
            };
            // Where nothing listens nothing was done, and another node may be asked.
            let refused =
                matches!(&outcome, Outcome::Unknown(why) if *why == ErrorKind::ConnectionRefused.to_string());
            last = (node, outcome);
            if !refused {
                break;
            }
        }
        last
    }

    fn follow(&mut self, accepted: &Value) -> Outcome {
        let location = accepted["location"].as_str().and_then(|l| l.split_once("/v1"));
        let Some((_, path)) = location else {
            return Outcome::Refused("a 202 without a location".to_owned());
        };
        let begun = Instant::now();
        let mut last = "it was accepted, and worked on".to_owned();
        while begun.elapsed() < POLLED_FOR {
            let node = self.node();
            match self.at(node).try_call("GET", path, None) {
                Err(_) | Ok((202, _)) => {}
                Ok((200, answer)) => return Outcome::Done(answer),
                Ok((404, _)) => return Outcome::Refused("404 at the poll".to_owned()),
                // What the poll came to, or what the call came to.
                Ok((status, answer)) => match Outcome::of_error(&answer["error"], status) {
                    Outcome::Unknown(code) => last = format!("{code} at the poll"),
                    other => return other,
                },
            }
            std::thread::sleep(POLL);
        }
        Outcome::Unknown(last)
    }

    fn note(&self, begin_us: u64, node: usize, asked: Asked, job: &str, told: Told) {
        let end_us = self.stage.history.now_us();
        let (client, job) = (self.number, job.to_owned());
        let call = Call { begin_us, end_us, client, node, asked, job, told };
        self.stage.history.with(|seen| seen.calls.push(call));
    }

    /// Submits a job; whether it is answered.
    pub fn submit(&mut self, job: &Submission) -> bool {
        self.wanted(job);
        let begin = self.stage.history.now_us();
        let (node, outcome) = self.call("POST", "/longjobs", Some(&job.alone()));
        let told = outcome.told(|answer| match answer["inventory"]["uuid"].as_str() {
            Some(uuid) if uuid == job.uuid => Told::Done(state(&answer["inventory"])),
            _ => Told::Refused(format!("another job: {answer}")),
        });
        let answered = !matches!(told, Told::Unknown(_));
        self.note(begin, node, Asked::Submit, &job.uuid, told);
        answered
    }

    /// Submits many in one call; those that are not answered.
    pub fn submit_all(&mut self, jobs: Vec<Submission>) -> Vec<Submission> {
        jobs.iter().for_each(|job| self.wanted(job));
        let list: Vec<Value> = jobs.iter().map(Submission::among_others).collect();
        let begin = self.stage.history.now_us();
        let (node, outcome) = self.call("POST", "/longjobs/bulk", Some(&json!({"params": {"jobs": list}})));
        let mut left = Vec::new();
        for (at, job) in jobs.into_iter().enumerate() {
            let told = match &outcome {
                Outcome::Refused(code) => Told::Refused(code.clone()),
                Outcome::Unknown(why) => Told::Unknown(why.clone()),
                Outcome::Done(answer) => one_of_many(&answer["results"][at], &job.uuid),
            };
            let answered = !matches!(told, Told::Unknown(_));
            self.note(begin, node, Asked::Submit, &job.uuid, told);
            if !answered {
                left.push(job);
            }
        }
        left
    }

    fn wanted(&self, job: &Submission) {
        self.stage.history.with(|seen| {
            seen.wanted.entry(job.uuid.clone()).or_insert_with(|| job.wanted.clone());
        });
    }

    /// Asks for something to be done to a job.
    pub fn act(&mut self, asked: Asked, job: &str) -> Told {
        let action = match asked {
            Asked::Cancel => "cancelLongJob",
            Asked::Suspend => "suspendLongJob",
            Asked::Resume => "resumeLongJob",
            Asked::Rerun => "rerunLongJob",
            Asked::Clean => "cleanLongJob",
            Asked::Delete => return self.delete(job),
            Asked::Submit | Asked::Look => unreachable!("{asked:?} has a call of its own"),
        };
        let begin = self.stage.history.now_us();
        let body = json!({action: {}});
        let (node, outcome) = self.call("PUT", &format!("/longjobs/{job}/actions"), Some(&body));
        let told = match outcome.told(|answer| Told::Done(state(&answer["inventory"]))) {
            // The body refuses to stop; the job is Canceling all the same.
            Told::Refused(code) if code == "LONG_JOB.1001" => Told::Unknown(code),
            told => told,
        };
        self.note(begin, node, asked, job, told.clone());
        told
    }

    fn delete(&mut self, job: &str) -> Told {
        let begin = self.stage.history.now_us();
        let (node, outcome) = self.call("DELETE", &format!("/longjobs/{job}"), None);
        let told = outcome.told(|_| Told::Done(String::new()));
        self.note(begin, node, Asked::Delete, job, told.clone());
        told
    }

    /// Looks at a job's record.
    pub fn look(&mut self, job: &str) {
        let begin = self.stage.history.now_us();
        let (node, outcome) = self.call("GET", &format!("/longjobs/{job}"), None);
        let told = outcome.told(|answer| match answer["inventories"].as_array().map(Vec::as_slice) {
            Some([found]) => Told::Done(state(found)),
            Some([]) => Told::Absent,
            _ => Told::Refused(format!("no list of jobs: {answer}")),
        });
        self.note(begin, node, Asked::Look, job, told);
    }

    /// The rows that a query of jobs finds, if it was answered.
    pub fn find(&mut self, query: &str) -> Option<Vec<Value>> {
        match self.call("GET", &format!("/longjobs?{query}"), None).1 {
            Outcome::Done(answer) => answer["inventories"].as_array().cloned(),
            _ => None,
        }
    }
}

fn state(inventory: &Value) -> String {
    inventory["state"].as_str().unwrap_or_default().to_owned()
}

fn one_of_many(result: &Value, uuid: &str) -> Told {
    match result["outcome"].as_str() {
        Some("created" | "same") if result["uuid"] == uuid => Told::Done(state(result)),
        Some("failed") => Outcome::of_error(&result["error"], 200).told(|_| Told::Absent),
        _ => Told::Refused(format!("no outcome: {result}")),
    }
}
