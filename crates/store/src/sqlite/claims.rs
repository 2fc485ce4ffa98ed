//! How claims are given: claimable rows, per class up to the free slots. Which rows go first is in `line`.

use longhaul_model::progress::Progress;
use longhaul_model::timeline::Actor;
use longhaul_model::{Claim, Claimed, FreeSlots, Job, NodeId, Pages};
use rusqlite::Connection;

use super::Result;
use super::job_sql::{Queued, RunOf, with_job};
use super::line::Counter;
use super::rows::{self, AFTER_JOB};
use super::tx::Tx;
use crate::StoreError;
use crate::life;
use crate::limits::lane;

/// Which claims of a node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Only {
    All,
    Canceling,
    Held,
}

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

    /// Jobs whose moment has come are claimable like any other: delayed ones, and suspended ones to be retried.
    pub(super) fn wake_due(&self) -> Result<()> {
        self.execute(
            "UPDATE job_run SET ready_at_ms = 0 WHERE ready_at_ms > 0 AND ready_at_ms <= ?1",
            [self.now_ms],
        )?;
        Ok(())
    }

    pub(super) fn claim_free(
        &self,
        node: NodeId,
        slots: &[FreeSlots],
        except: &[String],
    ) -> Result<Vec<Claimed>> {
        self.end_expired_leases()?;
        let host = self.live_host(node)?.ok_or(StoreError::LeaseLost)?;
        if self.is_drained(node)? {
            return Ok(Vec::new());
        }
        self.wake_due()?;
        let limits = self.limits()?;
        let mut rooms = self.rooms(&limits)?;
        let mut taken = Vec::new();
        for slot in slots.iter().filter(|slot| slot.free > 0) {
            let at = Counter { class: rows::class_number(slot.class), host: &host, except };
            for place in self.next_places(at, *slot, &mut rooms)? {
                match self.candidate(place) {
                    Ok(candidate) => taken.push(self.give(candidate, node)?),
                    Err(StoreError::Corrupt(why)) => {
                        tracing::error!(place, why, "a job cannot be read and is ended");
                        self.park(place, node, &why)?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(taken)
    }

    fn candidate(&self, place: i64) -> Result<Candidate> {
        let sql = with_job(
            "SELECT {JOB}, r.place, j.id, r.orphaned, b.sealed_data FROM job_run AS r
             JOIN job AS j ON j.id = r.job JOIN job_body AS b ON b.job = j.id WHERE r.place = ?1",
        );
        let found = self.first(&sql, [place], |row| {
            Ok(Candidate {
                job: rows::job(row)?,
                place: row.get(AFTER_JOB)?,
                row: row.get(AFTER_JOB + 1)?,
                orphaned: row.get(AFTER_JOB + 2)?,
                sealed_data: row.get(AFTER_JOB + 3)?,
            })
        })?;
        found.ok_or_else(|| StoreError::Corrupt(format!("the job at place {place} is gone")))
    }

    fn give(&self, from: Candidate, node: NodeId) -> Result<Claimed> {
        let (job, purpose, kind) = life::claimed(&from.job, node, self.now_ms, from.orphaned)?;
        self.update_job(from.row, &from.job, &job)?;
        self.update_run(from.place, &job, &RunOf { holder: Some(node), begins: true, ..RunOf::default() })?;
        if let Some(kind) = kind {
            self.note(from.row, &job, kind, Actor::Node(node), "")?;
        }
        let (checkpoint, progress) = match job.token {
            ..=1 => (Pages::new(), None),
            _ => (self.checkpoint(from.row)?, self.reached(from.row)?),
        };
        let claim = Claim { job: job.id, node, token: job.token, attempt: job.attempt };
        let taken_over = from.orphaned;
        let sealed_data = from.sealed_data;
        Ok(Claimed { claim, job, purpose, taken_over, checkpoint, progress, sealed_data })
    }

    /// The newest stored progress. It is for people alone: one that cannot be read keeps no job from being run.
    fn reached(&self, row: i64) -> Result<Option<Progress>> {
        let sql = "SELECT percent, stage, bytes_done, bytes_total, rate, eta_s, stalled, at_ms FROM progress
             WHERE job = ?1";
        match self.first(sql, [row], |row| rows::progress(row, 0)) {
            Err(StoreError::Corrupt(_)) => Ok(None),
            reached => reached,
        }
    }

    fn checkpoint(&self, row: i64) -> Result<Pages> {
        let mut statement = self.prepare("SELECT page, bytes FROM checkpoint WHERE job = ?1")?;
        let pages = statement.query_map([row], |row| Ok((rows::small(row, 0)?, row.get(1)?)))?;
        Ok(pages.collect::<rusqlite::Result<_>>()?)
    }

    /// Whether a job that is about to take its place may be started by `node` at once: its lease lives, nothing is in
    /// the job's way, and nothing that the node could claim goes before it.
    pub(super) fn may_start_at_once(&self, node: NodeId, job: &Job, of: Queued<'_>) -> Result<bool> {
        self.end_expired_leases()?;
        let Some(host) = self.live_host(node)? else { return Ok(false) };
        if job.terms.host.is_some_and(|wanted| wanted.to_string() != host)
            || self.is_drained(node)?
            || self.ready_at(job, of.target, None)? != Some(0)
        {
            return Ok(false);
        }
        self.wake_due()?;
        let rooms = self.rooms(of.limits)?;
        let at = Counter { class: of.class, host: &host, except: &[] };
        Ok(rooms.has_room(&lane(of.limits, job.account, &job.job_name))
            && !self.someone_goes_before(at, job.rank(), &rooms)?)
    }

    /// `job` as it is after a start by `node` in the commit that submits or reruns it, with its claim.
    pub(super) fn started_at_once(&self, job: &Job, node: NodeId) -> Result<(Job, Claim)> {
        let (job, _, _) = life::claimed(job, node, self.now_ms, false)?;
        let claim = Claim { job: job.id, node, token: job.token, attempt: job.attempt };
        Ok((job, claim))
    }

    pub(super) fn claims_of(connection: &Connection, node: NodeId, only: Only) -> Result<Vec<Claim>> {
        let sql = match only {
            Only::All => {
                "SELECT j.uuid, j.token, j.attempt FROM job_run AS r JOIN job AS j ON j.id = r.job
                 WHERE r.node = ?1 ORDER BY r.place"
            }
            Only::Canceling => {
                "SELECT j.uuid, j.token, j.attempt FROM job_run AS r JOIN job AS j ON j.id = r.job
                 WHERE r.node = ?1 AND r.canceling = 1 ORDER BY r.place"
            }
            Only::Held => {
                "SELECT j.uuid, j.token, j.attempt FROM job_run AS r JOIN job AS j ON j.id = r.job
                 WHERE r.node = ?1 AND r.hold = 1 AND r.node IS NOT NULL ORDER BY r.place"
            }
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
        // One that cannot be read holds up no other.
        Ok(claims.filter_map(rusqlite::Result::ok).collect())
    }
}
