//! How claims are given: claimable rows in the order of their places, per class up to the free slots.

use longhaul_model::timeline::Actor;
use longhaul_model::{Claim, Claimed, FreeSlots, Job, NewJob, NodeId, Pages};
use rusqlite::params;

use super::Result;
use super::job_sql::with_job;
use super::rows::{self, AFTER_JOB};
use super::tx::Tx;
use crate::StoreError;
use crate::life;

struct Candidate {
    place: i64,
    row: i64,
    orphaned: bool,
    job: Job,
    sealed_data: Option<Vec<u8>>,
}

impl Tx<'_> {
    /// Ends every lease that has expired and takes its jobs back.
    pub(super) fn end_expired_leases(&self) -> Result<()> {
        // Nearly always nothing has even come to its end.
        let mut ended = self.prepare("SELECT uuid, until_ms FROM node WHERE until_ms <= ?1")?;
        let ended: Vec<(String, i64)> = ended
            .query_map([self.now_ms], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        if ended.is_empty() {
            return Ok(());
        }
        let leases = self.leases()?;
        for (node, _) in ended.iter().filter(|(_, until_ms)| leases.expired(*until_ms)) {
            self.remove_node(node)?;
        }
        Ok(())
    }

    /// Removes a node; its jobs become claimable as taken over.
    pub(super) fn remove_node(&self, node: &str) -> Result<()> {
        self.execute("DELETE FROM node WHERE uuid = ?1", [node])?;
        self.execute(
            "UPDATE job_run SET node = NULL, orphaned = 1, ready_at_ms = 0 WHERE node = ?1",
            [node],
        )?;
        Ok(())
    }

    /// Suspended jobs whose retry time has come are claimable like any other.
    fn wake_due_retries(&self) -> Result<()> {
        self.execute(
            "UPDATE job_run SET ready_at_ms = 0 WHERE ready_at_ms > 0 AND ready_at_ms <= ?1",
            [self.now_ms],
        )?;
        Ok(())
    }

    pub(super) fn claim_free(&self, node: NodeId, slots: &[FreeSlots]) -> Result<Vec<Claimed>> {
        self.end_expired_leases()?;
        if !self.lease_lives(node)? {
            return Err(StoreError::LeaseLost);
        }
        self.wake_due_retries()?;
        let mut taken = Vec::new();
        for slot in slots.iter().filter(|slot| slot.free > 0) {
            for candidate in self.candidates(slot)? {
                taken.push(self.give(candidate, node)?);
            }
        }
        Ok(taken)
    }

    fn candidates(&self, slot: &FreeSlots) -> Result<Vec<Candidate>> {
        let sql = with_job(
            "SELECT {JOB}, r.place, j.id, r.orphaned, b.sealed_data FROM job_run AS r
             JOIN job AS j ON j.id = r.job JOIN job_body AS b ON b.job = j.id
             WHERE r.class = ?1 AND r.node IS NULL AND r.ready_at_ms = 0 ORDER BY r.place LIMIT ?2",
        );
        let mut statement = self.prepare(&sql)?;
        let found = statement.query_map(params![rows::class_number(slot.class), slot.free], |row| {
            Ok(Candidate {
                job: rows::job(row)?,
                place: row.get(AFTER_JOB)?,
                row: row.get(AFTER_JOB + 1)?,
                orphaned: row.get(AFTER_JOB + 2)?,
                sealed_data: row.get(AFTER_JOB + 3)?,
            })
        })?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    fn give(&self, from: Candidate, node: NodeId) -> Result<Claimed> {
        let (job, purpose, kind) = life::claimed(&from.job, node, self.now_ms, from.orphaned)?;
        self.update_job(from.row, &from.job, &job)?;
        self.update_run(from.place, &job, Some(node), false)?;
        if let Some(kind) = kind {
            self.note(from.row, &job, kind, Actor::Node(node), "")?;
        }
        let checkpoint = if job.token > 1 { self.checkpoint(from.row)? } else { Pages::new() };
        let claim = Claim { job: job.id, node, token: job.token, attempt: job.attempt };
        let taken_over = from.orphaned;
        Ok(Claimed { claim, job, purpose, taken_over, checkpoint, sealed_data: from.sealed_data })
    }

    fn checkpoint(&self, row: i64) -> Result<Pages> {
        let mut statement = self.prepare("SELECT page, bytes FROM checkpoint WHERE job = ?1")?;
        let pages = statement.query_map([row], |row| Ok((rows::small(row, 0)?, row.get(1)?)))?;
        Ok(pages.collect::<rusqlite::Result<_>>()?)
    }

    /// Whether a job that is about to take its place may be started by `node` at once: its lease lives, no
    /// claimable job of the class waits, nothing earlier has the target.
    pub(super) fn may_start_at_once(
        &self,
        node: NodeId,
        class: i64,
        target: Option<&String>,
    ) -> Result<bool> {
        self.end_expired_leases()?;
        if !self.lease_lives(node)? {
            return Ok(false);
        }
        self.wake_due_retries()?;
        let waits = self.exists(
            "SELECT 1 FROM job_run WHERE class = ?1 AND node IS NULL AND ready_at_ms = 0 LIMIT 1",
            [class],
        )?;
        Ok(!waits && !self.has_earlier(target)?)
    }

    /// `job` as it is after a start by `node` in the commit that submits or reruns it, with its claim.
    pub(super) fn started_at_once(&self, job: &Job, node: NodeId) -> Result<(Job, Claim)> {
        let (job, _, _) = life::claimed(job, node, self.now_ms, false)?;
        let claim = Claim { job: job.id, node, token: job.token, attempt: job.attempt };
        Ok((job, claim))
    }

    /// The target that orders this submission, if any.
    pub(super) fn ordering_target(new: &NewJob) -> Option<&String> {
        new.target.as_ref().filter(|_| new.ordered)
    }

    pub(super) fn claims_of(
        connection: &rusqlite::Connection,
        node: NodeId,
        only_canceling: bool,
    ) -> Result<Vec<Claim>> {
        let sql = if only_canceling {
            "SELECT j.uuid, j.token, j.attempt FROM job_run AS r JOIN job AS j ON j.id = r.job
             WHERE r.node = ?1 AND r.canceling = 1 ORDER BY r.place"
        } else {
            "SELECT j.uuid, j.token, j.attempt FROM job_run AS r JOIN job AS j ON j.id = r.job
             WHERE r.node = ?1 ORDER BY r.place"
        };
        let mut statement = connection.prepare_cached(sql)?;
        let claims = statement.query_map([node.to_string()], |row| {
            Ok(Claim {
                job: rows::id(row, 0)?,
                node,
                token: rows::count(row, 1)?,
                attempt: rows::small(row, 2)?,
            })
        })?;
        Ok(claims.collect::<rusqlite::Result<_>>()?)
    }
}
