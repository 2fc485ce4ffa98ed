//! Submissions, many in one transaction. Those that are not to be started at once are stored by one statement.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use async_trait::async_trait;
use longhaul_model::{Limits, NewJob, NodeId, Submitted};

use super::claims::ordering_target;
use super::job_sql::{Fresh, Queued, ready_at_ms};
use super::line::Taker;
use super::rows::{self, get};
use super::tx::{Hold, Tx};
use super::value::{column, params};
use super::{PostgresStore, Result};
use crate::limits::lane;
use crate::{Batches, StoreError, life};

#[async_trait]
impl Batches for PostgresStore {
    async fn submit_many(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Submitted>>> {
        self.write(jobs, |tx, jobs| {
            Box::pin(async move { tx.submit_all(&jobs.iter().collect::<Vec<_>>()).await })
        })
        .await
    }
}

impl PostgresStore {
    /// Stores a job in one transaction with those that come at the same time.
    pub(super) async fn submit_gathered(&self, job: NewJob) -> Result<Submitted> {
        self.gathered(&self.submits, job, |tx, jobs| {
            Box::pin(async move { tx.submit_all(&jobs.iter().collect::<Vec<_>>()).await })
        })
        .await
    }
}

impl Tx {
    /// Stores these jobs in this order. One that is refused wrote nothing; an error of all rolls back.
    pub(super) async fn submit_all(&self, jobs: &[&NewJob]) -> Result<Vec<Result<Submitted>>> {
        for account in jobs.iter().map(|job| job.account).collect::<BTreeSet<_>>() {
            self.share(Hold::Account, &account.to_string());
        }
        let targets: BTreeSet<&str> = jobs.iter().filter_map(|job| ordering_target(job)).collect();
        for target in targets {
            self.post_hold(Hold::Target, target);
        }
        // Whoever takes a job is told the limits with its lease: nearly always one way to the database and back for both.
        let mut takers = BTreeMap::new();
        let limits = match jobs.first().and_then(|job| job.claim_for) {
            None => self.kept_limits().await?,
            Some(node) => {
                let taker = self.taker(node).await?;
                let limits = match &taker {
                    Some(taker) => taker.limits.clone(),
                    None => self.limits().await?,
                };
                takers.insert(node, taker);
                limits
            }
        };
        let mut answers = Vec::with_capacity(jobs.len());
        let mut left = jobs;
        while let Some(first) = left.first() {
            let (now, later) = left.split_at(together(left, &limits));
            left = later;
            match first.claim_for {
                None => answers.extend(self.submit_waiting(now, &limits).await?),
                Some(node) if now.len() > 1 => {
                    let job = life::submitted(first, self.now_ms());
                    let of = Queued { class: rows::class_number(first.class), target: None, limits: &limits };
                    // What may start the first may start those like it: nothing that goes before them came meanwhile.
                    let taker = self.known_taker(&mut takers, node).await?;
                    let node = self.may_start_at_once(taker, &job, of).await?.then_some(node);
                    answers.extend(self.submit_alike(now, node, &limits).await?);
                }
                Some(node) => {
                    let taker = self.known_taker(&mut takers, node).await?;
                    answers.push(self.alone(self.submit_to(first, node, taker, &limits).await)?);
                }
            }
        }
        Ok(answers)
    }

    /// As `taker`, asked once for each node.
    async fn known_taker<'a>(
        &self,
        known: &'a mut BTreeMap<NodeId, Option<Taker>>,
        node: NodeId,
    ) -> Result<Option<&'a Taker>> {
        let taker = match known.entry(node) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(self.taker(node).await?),
        };
        Ok(taker.as_ref())
    }

    /// What is said of one, unless it is of all.
    pub(super) fn alone<T>(&self, answer: Result<T>) -> Result<Result<T>> {
        match answer {
            Err(error) if self.failure().is_some() => Err(error),
            Err(error @ (StoreError::Unavailable(_) | StoreError::Refused(_) | StoreError::Corrupt(_))) => {
                Err(error)
            }
            answer => Ok(answer),
        }
    }

    /// Stores a job that `node` starts at once if nothing is before it.
    async fn submit_to(
        &self,
        new: &NewJob,
        node: NodeId,
        taker: Option<&Taker>,
        limits: &Limits,
    ) -> Result<Submitted> {
        let target = ordering_target(new);
        let of = Queued { class: rows::class_number(new.class), target, limits };
        let mut job = life::submitted(new, self.now_ms());
        let mut claim = None;
        if self.may_start_at_once(taker, &job, of).await? {
            let (started, given) = self.started_at_once(&job, node)?;
            (job, claim) = (started, Some(given));
        }
        let ready = if claim.is_some() { Some(0) } else { self.ready_at(&job, target, None).await? };
        let lane = lane(limits, job.account, &job.job_name);
        let fresh = [Fresh { new, job, ready_at_ms: ready, lane }];
        let stored = self.insert_jobs(&fresh).await?;
        let [Fresh { job, .. }] = fresh;
        if !stored.contains_key(&job.id) {
            return self.same_as_before(new).await;
        }
        Ok(Submitted::Created(Box::new(job), claim))
    }

    /// Stores jobs that `together` found alike, all of them started by `node`, if it may.
    async fn submit_alike(
        &self,
        news: &[&NewJob],
        node: Option<NodeId>,
        limits: &Limits,
    ) -> Result<Vec<Result<Submitted>>> {
        let Some(node) = node else { return self.submit_waiting(news, limits).await };
        let mut started = Vec::with_capacity(news.len());
        for new in news {
            started.push((*new, self.started_at_once(&life::submitted(new, self.now_ms()), node)?));
        }
        let fresh = started.iter().map(|(new, (job, _))| Fresh {
            new,
            job: job.clone(),
            ready_at_ms: Some(0),
            lane: String::new(),
        });
        let fresh: Vec<Fresh<'_>> = fresh.collect();
        let stored = self.insert_jobs(&fresh).await?;
        let mut answers = Vec::with_capacity(started.len());
        for (new, (job, claim)) in started {
            answers.push(if stored.contains_key(&job.id) {
                Ok(Submitted::Created(Box::new(job), Some(claim)))
            } else {
                self.alone(self.same_as_before(new).await)?
            });
        }
        Ok(answers)
    }

    /// Stores jobs of which none is started at once and no two share their uuid.
    async fn submit_waiting(&self, news: &[&NewJob], limits: &Limits) -> Result<Vec<Result<Submitted>>> {
        let targets: Vec<&str> = news.iter().filter_map(|new| ordering_target(new)).collect();
        let mut taken = HashSet::new();
        if !targets.is_empty() {
            let sql = "SELECT DISTINCT target FROM job_run WHERE target = ANY($1::TEXT[])";
            for row in self.rows(sql, &params![column(targets)]).await? {
                taken.insert(get::<String>(&row, 0)?);
            }
        }
        let fresh = news.iter().map(|new| {
            let job = life::submitted(new, self.now_ms());
            let blocked = ordering_target(new).is_some_and(|target| !taken.insert(target.to_owned()));
            let ready_at_ms = ready_at_ms(&job, blocked, self.now_ms());
            let lane = lane(limits, job.account, &job.job_name);
            Fresh { new, job, ready_at_ms, lane }
        });
        let fresh: Vec<Fresh<'_>> = fresh.collect();
        let stored = self.insert_jobs(&fresh).await?;
        let mut answers = Vec::with_capacity(fresh.len());
        for Fresh { new, job, .. } in fresh {
            if stored.contains_key(&job.id) {
                answers.push(Ok(Submitted::Created(Box::new(job), None)));
                continue;
            }
            // What was to wait for this one alone has nothing to wait for.
            if let Some(target) = ordering_target(new) {
                self.let_next_go(&[target]);
            }
            answers.push(self.alone(self.same_as_before(new).await)?);
        }
        Ok(answers)
    }

    /// Whoever had the uuid first has committed by now: the insertion waited for it. Or the account was deleted.
    async fn same_as_before(&self, new: &NewJob) -> Result<Submitted> {
        self.check_not_retired(new.account).await?;
        let sql = "SELECT 1 FROM job AS j
             WHERE j.uuid = $1 AND (SELECT b.request_hash FROM job_body AS b WHERE b.job = j.id) = $2";
        if !self.exists(sql, &params![new.id, &new.request_hash]).await? {
            return Err(StoreError::Taken);
        }
        let job = self.read_job(new.id).await?.ok_or(StoreError::NotFound)?;
        Ok(Submitted::Same(Box::new(job)))
    }
}

/// How many of these, at least the first, are stored by one statement: those that wait, or those that a node may start
/// where it may start the first.
fn together(jobs: &[&NewJob], limits: &Limits) -> usize {
    let mut known = HashSet::new();
    let first = jobs.first().filter(|job| job.claim_for.is_some());
    let alike = |job: &NewJob| match first {
        None => job.claim_for.is_none(),
        Some(first) => {
            let free = job.terms.host.is_none() && job.terms.not_before_ms.is_none() && limits.is_empty();
            free && ordering_target(job).is_none()
                && (job.claim_for, job.class, job.terms.priority)
                    == (first.claim_for, first.class, first.terms.priority)
        }
    };
    let many = jobs.iter().take_while(|job| alike(job) && known.insert(job.id)).count();
    many.max(1)
}
