//! Ends of attempts, many in one transaction. Those with effects go alone.

use std::collections::{BTreeSet, HashMap, HashSet};

use longhaul_model::timeline::Actor;
use longhaul_model::{Claim, Job, JobId, Transition};

use super::job_sql::{KEEP_NODE, Stored, stored_of, with_job};
use super::rows::{AFTER_JOB, get};
use super::tx::{Hold, Tx};
use super::value::{column, params};
use super::{PostgresStore, Result};
use crate::{StoreError, life};

/// The end of an attempt, or its suspension.
pub(super) type Settled = (Claim, Transition);

impl PostgresStore {
    /// Makes a transition without effects in one transaction with those that come at the same time.
    pub(super) async fn apply_gathered(&self, settled: Settled) -> Result<Job> {
        self.gathered(&self.ends, settled, |tx, all| {
            Box::pin(async move { tx.apply_all(&all.iter().collect::<Vec<_>>()).await })
        })
        .await
    }
}

impl Tx {
    /// Makes these transitions. One that is refused wrote nothing; an error of all rolls back.
    pub(super) async fn apply_all(&self, all: &[&Settled]) -> Result<Vec<Result<Job>>> {
        let found = self.held_jobs(all).await?;
        // In one order, as two of these may meet on two targets.
        let targets: BTreeSet<&str> =
            found.values().filter_map(|(stored, _)| stored.ordering_target()).collect();
        for target in targets {
            self.post_hold(Hold::Target, target);
        }
        let (mut answers, mut seen) = (Vec::with_capacity(all.len()), HashSet::new());
        for (claim, transition) in all {
            if !seen.insert(claim.job) {
                answers.push(self.alone(self.apply(claim, transition).await)?);
                continue;
            }
            answers.push(match found.get(&claim.job) {
                Some((stored, until_ms)) if is_of(stored, claim) && self.lives_until(*until_ms).await? => {
                    self.alone(self.settle(stored, claim, transition).await)?
                }
                _ => Err(StoreError::LeaseLost),
            });
        }
        Ok(answers)
    }

    async fn settle(&self, found: &Stored, claim: &Claim, transition: &Transition) -> Result<Job> {
        let decided = life::transitioned(&found.job, transition, self.now_ms())?;
        self.store_decided(found, &decided, Actor::Node(claim.node), &transition.detail).await?;
        Ok(decided.job)
    }

    /// As `held_job`, of many; each with the end of its holder's lease.
    async fn held_jobs(&self, all: &[&Settled]) -> Result<HashMap<JobId, (Stored, i64)>> {
        let jobs = || all.iter().map(|(claim, _)| claim.job.to_string());
        self.post(
            "SELECT 1 FROM job WHERE uuid = ANY($1::TEXT[]) ORDER BY uuid FOR UPDATE",
            &params![column(jobs())],
        );
        for node in all.iter().map(|(claim, _)| claim.node).collect::<BTreeSet<_>>() {
            self.post(KEEP_NODE, &params![node]);
        }
        let sql = with_job(
            "SELECT {JOB}, j.id, j.class, j.ordered, r.place, r.node, n.until_ms FROM job AS j
             JOIN job_body AS b ON b.job = j.id JOIN job_run AS r ON r.job = j.id
             JOIN node AS n ON n.uuid = r.node WHERE j.uuid = ANY($1::TEXT[])",
        );
        let mut found = HashMap::new();
        for row in self.all_locked(&sql, &params![column(jobs())]).await? {
            let stored = stored_of(&row)?;
            found.insert(stored.job.id, (stored, get(&row, AFTER_JOB + 5)?));
        }
        Ok(found)
    }
}

/// Whether the claim is the newest on the job.
fn is_of(stored: &Stored, claim: &Claim) -> bool {
    stored.job.token == claim.token && stored.holder() == Some(claim.node)
}
