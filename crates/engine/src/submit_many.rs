//! Submit by the batch: each job is checked as one that is submitted alone, and what passes is stored a few
//! hundred at a time. None is started with its commit: the claims that follow take many at once.

use std::sync::Arc;

use longhaul_model::{Fault, Job, NewJob, Submitted};
use longhaul_store::SUBMIT_BATCH_MAX;
use serde_json::{Map, Value};

use crate::engine::{Caller, Engine};
use crate::submit::{Prepared, SubmitAnswer, SubmitRequest};

/// What became of one of many submissions.
#[derive(Debug, Clone)]
pub enum BulkSubmitted {
    /// It is a new job.
    Created(Box<Job>),
    /// The same request had been stored before: the job as it is now.
    Same(Box<Job>),
    /// Dry run: what it would do.
    Plan(Map<String, Value>),
}

type Answer = Result<BulkSubmitted, Fault>;

impl Engine {
    /// Submits jobs in their order; each is answered at its place and stands or falls by itself. `caller` has no
    /// record: what is answered is not one job.
    pub async fn submit_many(
        self: &Arc<Self>,
        caller: &Caller,
        requests: Vec<Result<SubmitRequest, Fault>>,
    ) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter();
        loop {
            let some: Vec<_> = requests.by_ref().take(SUBMIT_BATCH_MAX).collect();
            if some.is_empty() {
                return answers;
            }
            answers.extend(self.submit_batch(caller, some).await);
            self.wake.notify_one();
        }
    }

    async fn submit_batch(
        &self,
        caller: &Caller,
        requests: Vec<Result<SubmitRequest, Fault>>,
    ) -> Vec<Answer> {
        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(requests.len());
        let mut new: Vec<NewJob> = Vec::with_capacity(requests.len());
        for request in requests {
            let prepared = match request {
                Ok(request) => self.prepare(caller, request).await,
                Err(fault) => Err(fault),
            };
            answers.push(match prepared {
                Ok(Prepared::New(job)) => {
                    new.push(*job);
                    None // the store's answer goes there
                }
                Ok(Prepared::Answer(SubmitAnswer::Job(job))) => Some(Ok(BulkSubmitted::Same(job))),
                Ok(Prepared::Answer(SubmitAnswer::Plan(plan))) => Some(Ok(BulkSubmitted::Plan(plan))),
                Err(fault) => Some(Err(fault)),
            });
        }
        let count = new.len();
        let mut stored = match new.is_empty() {
            true => Vec::new(),
            false => match self.store.submit_many(new).await {
                Ok(stored) => stored,
                Err(error) => vec![Err(error); count],
            },
        }
        .into_iter();
        let of_store = |answer| match answer {
            Some(Ok(Submitted::Created(job, _))) => Ok(BulkSubmitted::Created(job)),
            Some(Ok(Submitted::Same(job))) => Ok(BulkSubmitted::Same(job)),
            Some(Err(error)) => Err(self.not_submitted(error)),
            None => Err(Fault::internal("the store answered fewer jobs than it was given")),
        };
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| of_store(stored.next()))).collect()
    }
}
