//! How claims are given: claimable rows, per class up to the free slots. Which rows go first is in `line`.

use std::collections::HashMap;

use longhaul_model::progress::Progress;
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{Claim, Claimed, FreeSlots, Job, JobState, NewJob, NodeId, Pages};

use super::Result;
use super::job_sql::{Queued, is_held, with_job};
use super::line::{Counter, Taker};
use super::moved_sql::{Moved, Note};
use super::rows::{self, AFTER_JOB, flag, get};
use super::tx::{Hold, Tx};
use super::value::{column, params};
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

/// A candidate that was given.
struct Given {
    from: Candidate,
    claimed: Claimed,
    kind: Option<TimelineKind>,
}

impl Tx {
    /// Ends every lease that has expired and takes its jobs back. One that a transaction of its node has in hand at
    /// this moment is left for the next time.
    pub(super) async fn end_expired_leases(&self) -> Result<()> {
        // Nearly always nothing has even come to its end.
        let sql = "SELECT uuid, until_ms FROM node WHERE until_ms <= $1";
        let ended = self.rows(sql, &params![self.now_ms()]).await?;
        if ended.is_empty() {
            return Ok(());
        }
        let leases = self.leases().await?;
        for row in &ended {
            let (node, until_ms): (&str, i64) = (get(row, 0)?, get(row, 1)?);
            if !leases.expired(until_ms) {
                continue;
            }
            // Unless it was renewed meanwhile.
            let sql = "SELECT 1 FROM node WHERE uuid = $1 AND until_ms = $2 FOR UPDATE SKIP LOCKED";
            if self.exists(sql, &params![node, until_ms]).await? {
                self.remove_node(node).await?;
            }
        }
        Ok(())
    }

    /// Removes a node; its jobs become claimable as taken over.
    pub(super) async fn remove_node(&self, node: &str) -> Result<()> {
        self.execute("DELETE FROM node WHERE uuid = $1", &params![node]).await?;
        let sql = "UPDATE job_run SET node = NULL, orphaned = 1, ready_at_ms = 0 WHERE node = $1";
        self.execute(sql, &params![node]).await?;
        Ok(())
    }

    /// Jobs whose moment has come are claimable like any other: delayed ones, and suspended ones to be retried. Sent
    /// with the next waited statement.
    pub(super) fn wake_due(&self) {
        self.post(
            "UPDATE job_run SET ready_at_ms = 0 WHERE place = ANY (ARRAY (
                SELECT place FROM job_run WHERE ready_at_ms > 0 AND ready_at_ms <= $1 FOR UPDATE SKIP LOCKED))",
            &params![self.now_ms()],
        );
    }

    pub(super) async fn claim_free(
        &self,
        node: NodeId,
        slots: &[FreeSlots],
        except: &[String],
    ) -> Result<Vec<Claimed>> {
        let taker = self.taker(node).await?.ok_or(StoreError::LeaseLost)?;
        if taker.is_drained {
            return Ok(Vec::new());
        }
        if !taker.limits.is_empty() {
            self.post_hold(Hold::Rooms, "");
        }
        self.wake_due();
        let mut rooms = self.rooms(&taker.limits).await?;
        let mut given = Vec::new();
        for slot in slots.iter().filter(|slot| slot.free > 0) {
            let at = Counter { class: rows::class_number(slot.class), host: &taker.host };
            let runs = self.next_runs(at, *slot, except, &mut rooms).await?;
            for (place, candidate) in self.candidates(runs).await? {
                match candidate {
                    Ok(candidate) => given.push(self.give(candidate, node)?),
                    Err(StoreError::Corrupt(why)) => {
                        tracing::error!(place, why, "a job cannot be read and is ended");
                        self.park(place, node, &why).await?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if given.is_empty() {
            return Ok(Vec::new());
        }
        self.read_reached(&mut given).await?;
        self.post_given(&given, node);
        Ok(given.into_iter().map(|given| given.claimed).collect())
    }

    /// The jobs of runs that are locked, each with its place, locked too: one that is being changed is passed over. One
    /// without its body cannot be read; else it would keep its place at the head for ever.
    async fn candidates(&self, runs: Vec<i64>) -> Result<Vec<(i64, Result<Candidate>)>> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let sql = with_job(
            "SELECT {JOB}, r.place, j.id, r.orphaned, b.sealed_data FROM unnest($1::BIGINT[]) WITH ORDINALITY AS u(id, nth)
             CROSS JOIN LATERAL (SELECT * FROM job WHERE id = u.id FOR UPDATE SKIP LOCKED) AS j {RUN}
             LEFT JOIN LATERAL (SELECT * FROM job_body WHERE job = j.id OFFSET 0) AS b ON TRUE
             ORDER BY u.nth",
        );
        let found = self.rows(&sql, &params![column(runs.iter().copied())]).await?;
        if found.len() < runs.len() {
            self.remove_empty_places(&runs).await?;
        }
        let read = |row: &tokio_postgres::Row| {
            Ok(Candidate {
                job: rows::job(row)?,
                place: get(row, AFTER_JOB)?,
                row: get(row, AFTER_JOB + 1)?,
                orphaned: flag(row, AFTER_JOB + 2)?,
                sealed_data: get(row, AFTER_JOB + 3)?,
            })
        };
        found.iter().map(|row| Ok((get(row, AFTER_JOB)?, read(row)))).collect()
    }

    fn give(&self, mut from: Candidate, node: NodeId) -> Result<Given> {
        let (job, purpose, kind) = life::claimed(&from.job, node, self.now_ms(), from.orphaned)?;
        let claim = Claim { job: job.id, node, token: job.token, attempt: job.attempt };
        let sealed_data = from.sealed_data.take();
        let taken_over = from.orphaned;
        let (checkpoint, progress) = (Pages::new(), None); // of one that began before: read for all at once
        let claimed = Claimed { claim, job, purpose, taken_over, checkpoint, progress, sealed_data };
        Ok(Given { from, claimed, kind })
    }

    /// What those that began before have reached: checkpoints and progress.
    async fn read_reached(&self, given: &mut [Given]) -> Result<()> {
        let again = given.iter().filter(|given| given.claimed.claim.token > 1).map(|given| given.from.row);
        let again: Vec<i64> = again.collect();
        if again.is_empty() {
            return Ok(());
        }
        let sql = "SELECT job, page, bytes FROM checkpoint WHERE job = ANY($1::BIGINT[])";
        let mut pages: HashMap<i64, Pages> = HashMap::new();
        for row in self.rows(sql, &params![column(again.iter().copied())]).await? {
            pages.entry(get(&row, 0)?).or_default().insert(rows::small(&row, 1)?, get(&row, 2)?);
        }
        let sql =
            "SELECT job, percent, stage, bytes_done, bytes_total, rate, eta_s, stalled, at_ms FROM progress
             WHERE job = ANY($1::BIGINT[])";
        let mut progress: HashMap<i64, Progress> = HashMap::new();
        for row in self.rows(sql, &params![column(again)]).await? {
            // It is for people alone: one that cannot be read keeps no job from being run.
            if let Ok(reached) = rows::progress(&row, 1) {
                progress.insert(get(&row, 0)?, reached);
            }
        }
        for given in given {
            given.claimed.checkpoint = pages.remove(&given.from.row).unwrap_or_default();
            given.claimed.progress = progress.remove(&given.from.row);
        }
        Ok(())
    }

    /// Writes all that was given, a statement per table, at the commit.
    fn post_given(&self, given: &[Given], node: NodeId) {
        let after = || given.iter().map(|given| &given.claimed.job);
        let moved = given.iter().map(|given| Moved {
            row: given.from.row,
            before: &given.from.job,
            after: &given.claimed.job,
        });
        self.move_jobs(&moved.collect::<Vec<_>>());
        self.post(
            "UPDATE job_run AS r SET node = $1, orphaned = 0, canceling = u.canceling, ready_at_ms = 0, rank = 0,
                hold = u.hold, counted = 1, gate = '', deadline_ms = NULL
             FROM unnest($2::BIGINT[], $3::BIGINT[], $4::BIGINT[]) AS u(place, canceling, hold)
             WHERE r.place = ANY (ARRAY[u.place])",
            &params![
                node,
                column(given.iter().map(|given| given.from.place)),
                column(after().map(|job| job.state == JobState::Canceling)),
                column(after().map(is_held)),
            ],
        );
        let notes = given.iter().filter_map(|given| {
            let (row, job, actor) = (given.from.row, &given.claimed.job, Actor::Node(node));
            given.kind.map(|kind| Note { row, job, kind, actor, detail: "" })
        });
        self.note_all(&notes.collect::<Vec<_>>());
    }

    /// Whether a job that is about to take its place may be started by `taker` at once: its lease lives, nothing is in
    /// the job's way, and nothing that the node could claim goes before it.
    pub(super) async fn may_start_at_once(
        &self,
        taker: Option<&Taker>,
        job: &Job,
        of: Queued<'_>,
    ) -> Result<bool> {
        let Some(taker) = taker else { return Ok(false) };
        if job.terms.host.is_some_and(|wanted| wanted.to_string() != taker.host)
            || taker.is_drained
            || self.ready_at(job, of.target, None).await? != Some(0)
        {
            return Ok(false);
        }
        let lane = lane(of.limits, job.account, &job.job_name);
        if !lane.is_empty() {
            self.post_hold(Hold::Rooms, "");
        }
        self.wake_due();
        let rooms = self.rooms(of.limits).await?;
        let at = Counter { class: of.class, host: &taker.host };
        Ok(rooms.has_room(&lane) && !self.someone_goes_before(at, job.rank(), &rooms).await?)
    }

    /// `job` as it is after a start by `node` in the commit that submits or reruns it, with its claim.
    pub(super) fn started_at_once(&self, job: &Job, node: NodeId) -> Result<(Job, Claim)> {
        let (job, _, _) = life::claimed(job, node, self.now_ms(), false)?;
        let claim = Claim { job: job.id, node, token: job.token, attempt: job.attempt };
        Ok((job, claim))
    }

    pub(super) async fn claims_of(&self, node: NodeId, only: Only) -> Result<Vec<Claim>> {
        let only = match only {
            Only::All => "",
            Only::Canceling => "AND r.canceling = 1",
            Only::Held => "AND r.hold = 1",
        };
        let sql = format!(
            "SELECT j.uuid, j.token, j.attempt FROM job_run AS r
             CROSS JOIN LATERAL (SELECT * FROM job WHERE id = r.job OFFSET 0) AS j
             WHERE r.node = $1 {only} ORDER BY r.place"
        );
        let claim = |row: &tokio_postgres::Row| {
            let (job, token, attempt) = (rows::id(row, 0)?, rows::count(row, 1)?, rows::small(row, 2)?);
            Ok::<_, StoreError>(Claim { job, node, token, attempt })
        };
        // One that cannot be read holds up no other.
        Ok(self.rows(&sql, &params![node]).await?.iter().filter_map(|row| claim(row).ok()).collect())
    }
}

/// The target that orders this submission, if any.
pub(super) fn ordering_target(new: &NewJob) -> Option<&str> {
    new.target.as_deref().filter(|_| new.ordered)
}
