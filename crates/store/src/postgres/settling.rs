//! What attempts tell at their ends, many in one transaction: progress that was not saved yet, and ends. An end with
//! effects goes alone.

use std::collections::{BTreeSet, HashMap, HashSet};

use longhaul_model::progress::Progress;
use longhaul_model::timeline::Actor;
use longhaul_model::{Claim, Job, JobId, NodeId, Transition};

use super::job_sql::{KEEP_NODE, Stored, stored_of, with_jobs};
use super::moved_sql::{Moved, Note};
use super::rows::{AFTER_JOB, get};
use super::tx::{Hold, Tx};
use super::value::{column, params};
use super::{PostgresStore, Result};
use crate::{StoreError, life};

/// What an attempt tells.
#[derive(Debug, Clone)]
pub(super) enum Settled {
    /// How far it is; what comes after it in the same transaction comes after it.
    Progress(Claim, Progress),
    /// Its end, or its suspension.
    End(Claim, Transition),
}

/// The end of an attempt as it is to be written.
struct Made<'a> {
    nth: usize,
    stored: &'a Stored,
    decided: life::Decided,
    claim: &'a Claim,
    detail: &'a str,
}

impl PostgresStore {
    /// Makes a transition without effects in one transaction with what is told at the same time.
    pub(super) async fn apply_gathered(&self, claim: Claim, transition: Transition) -> Result<Job> {
        let job = self.settled(Settled::End(claim, transition)).await?;
        job.ok_or_else(|| StoreError::Corrupt("an end had no answer".to_owned()))
    }

    /// Saves progress in one transaction with what is told at the same time.
    pub(super) async fn progress_gathered(&self, claim: Claim, progress: Progress) -> Result<()> {
        self.settled(Settled::Progress(claim, progress)).await.map(|_| ())
    }

    async fn settled(&self, told: Settled) -> Result<Option<Job>> {
        self.gathered(&self.ends, told, |tx, all| Box::pin(tx.settle_all(all))).await
    }
}

impl Tx {
    /// Writes all of it, progress first. One that is refused wrote nothing; an error of all rolls back.
    async fn settle_all(&self, all: &[Settled]) -> Result<Vec<Result<Option<Job>>>> {
        let (mut told, mut ends, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for (nth, one) in all.iter().enumerate() {
            match one {
                Settled::Progress(claim, progress) => {
                    told.push((*claim, progress.clone()));
                    answers.push(Ok(None));
                }
                Settled::End(claim, transition) => {
                    ends.push((nth, claim, transition));
                    answers.push(Err(StoreError::LeaseLost));
                }
            }
        }
        let found = if ends.is_empty() { HashMap::new() } else { self.held_jobs(&ends).await? };
        if !told.is_empty() {
            self.save_progress(&told).await?;
        }
        // In one order, as two of these may meet on two targets.
        let targets: BTreeSet<&str> =
            found.values().filter_map(|(stored, _)| stored.ordering_target()).collect();
        for target in targets {
            self.post_hold(Hold::Target, target);
        }
        let (mut seen, mut made, mut again) = (HashSet::new(), Vec::new(), Vec::new());
        for (nth, claim, transition) in ends {
            if !seen.insert(claim.job) {
                again.push((nth, claim, transition));
                continue;
            }
            let Some((stored, until_ms)) = found.get(&claim.job) else { continue };
            if !is_of(stored, claim) || !self.lives_until(*until_ms).await? {
                continue;
            }
            match life::transitioned(&stored.job, transition, self.now_ms()) {
                Ok(decided) => {
                    made.push(Made { nth, stored, decided, claim, detail: &transition.detail });
                }
                Err(illegal) => answers[nth] = Err(illegal.into()),
            }
        }
        self.write_made(&made).await?;
        for Made { nth, decided, .. } in made {
            answers[nth] = Ok(Some(decided.job));
        }
        // Told twice of one claim: the second meets what the first made.
        for (nth, claim, transition) in again {
            answers[nth] = self.alone(self.apply(claim, transition).await)?.map(Some);
        }
        Ok(answers)
    }

    /// A statement for each table, whatever their number; at the commit.
    async fn write_made(&self, made: &[Made<'_>]) -> Result<()> {
        let (ended, others): (Vec<&Made<'_>>, Vec<_>) =
            made.iter().partition(|made| made.decided.job.state.is_final());
        for made in others {
            let actor = Actor::Node(made.claim.node);
            self.store_decided(made.stored, &made.decided, actor, made.detail).await?;
        }
        let moved = ended.iter().map(|made| Moved {
            row: made.stored.row,
            before: &made.stored.job,
            after: &made.decided.job,
        });
        self.move_jobs(&moved.collect::<Vec<_>>());
        self.end_runs(&ended.iter().map(|made| made.stored).collect::<Vec<_>>());
        let notes = ended.iter().flat_map(|made| {
            made.decided.rows.iter().map(|kind| Note {
                row: made.stored.row,
                job: &made.decided.job,
                kind: *kind,
                actor: Actor::Node(made.claim.node),
                detail: made.detail,
            })
        });
        self.note_all(&notes.collect::<Vec<_>>());
        Ok(())
    }

    /// As `held_job`, of many; each with the end of its holder's lease.
    async fn held_jobs(
        &self,
        ends: &[(usize, &Claim, &Transition)],
    ) -> Result<HashMap<JobId, (Stored, i64)>> {
        let jobs = || ends.iter().map(|(_, claim, _)| claim.job);
        self.post(
            "SELECT 1 FROM job WHERE uuid = ANY($1::TEXT[]) ORDER BY uuid FOR UPDATE",
            &params![column(jobs())],
        );
        let nodes: BTreeSet<NodeId> = ends.iter().map(|(_, claim, _)| claim.node).collect();
        for node in &nodes {
            self.post(KEEP_NODE, &params![*node]);
        }
        let sql = with_jobs(
            "SELECT {JOB}, j.id, j.class, j.ordered, r.place, r.node, {UNTIL} FROM {JOBS} {BODY} {RUN}",
        );
        let mut found = HashMap::new();
        for row in self.all_locked(&sql, &params![column(jobs()), column(nodes)]).await? {
            let stored = stored_of(&row)?;
            if let Some(until_ms) = get(&row, AFTER_JOB + 5)? {
                found.insert(stored.job.id, (stored, until_ms));
            }
        }
        Ok(found)
    }
}

/// Whether the claim is the newest on the job.
fn is_of(stored: &Stored, claim: &Claim) -> bool {
    stored.job.token == claim.token && stored.holder() == Some(claim.node)
}
