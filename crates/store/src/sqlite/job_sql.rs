//! The statements that write jobs: record, body, run, timeline. Which of them are due is decided elsewhere.

use longhaul_model::resource::{ApiRecord, Tagged};
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{Claim, Job, JobId, JobState, Limits, NewJob, NodeId, SuspendReason};
use rusqlite::{OptionalExtension, params};

use super::Result;
use super::error::is_taken;
use super::rows::{self, AFTER_JOB, stored};
use super::tx::Tx;
use crate::StoreError;
use crate::life::{self, Ready};
use crate::limits::lane;

/// A stored job with its row numbers.
pub(super) struct Stored {
    pub row: i64,
    pub job: Job,
    pub class: i64,
    pub ordered: bool,
    /// Its row in `job_run`, unless it is final.
    pub run: Option<Run>,
}

/// A row of `job_run`.
pub(super) struct Run {
    pub place: i64,
    pub holder: Option<NodeId>,
}

/// Where a job that is not final is to stand.
#[derive(Clone, Copy)]
pub(super) struct Queued<'a> {
    pub class: i64,
    /// What orders it, if something does.
    pub target: Option<&'a String>,
    pub limits: &'a Limits,
}

/// What changes in a row of `job_run` besides what follows from the job.
#[derive(Default)]
pub(super) struct RunOf<'a> {
    pub holder: Option<NodeId>,
    /// The mark that its last holder is gone stays.
    pub orphaned: bool,
    /// It is claimed: it counts from now on.
    pub begins: bool,
    /// What orders it, if something does; of no matter once it has begun.
    pub target: Option<&'a String>,
}

impl Stored {
    /// What orders it, if something does.
    pub(super) fn target(&self) -> Option<&String> {
        self.job.target.as_ref().filter(|_| self.ordered)
    }

    /// Who holds it.
    pub(super) fn holder(&self) -> Option<NodeId> {
        self.run.as_ref().and_then(|run| run.holder)
    }
}

impl Tx<'_> {
    pub(super) fn stored_job(&self, id: JobId) -> Result<Option<Stored>> {
        let sql = with_job(
            "SELECT {JOB}, j.id, j.class, j.ordered, r.place, r.node FROM job AS j
             JOIN job_body AS b ON b.job = j.id LEFT JOIN job_run AS r ON r.job = j.id WHERE j.uuid = ?1",
        );
        self.first(&sql, [id.to_string()], |row| {
            let place: Option<i64> = row.get(AFTER_JOB + 3)?;
            let holder = rows::maybe_id(row, AFTER_JOB + 4)?;
            Ok(Stored {
                job: rows::job(row)?,
                row: row.get(AFTER_JOB)?,
                class: row.get(AFTER_JOB + 1)?,
                ordered: row.get(AFTER_JOB + 2)?,
                run: place.map(|place| Run { place, holder }),
            })
        })
    }

    /// The job of `claim`, if it is the newest on it and its node's lease lives.
    pub(super) fn held_job(&self, claim: &Claim) -> Result<Stored> {
        let found = self.stored_job(claim.job)?.ok_or(StoreError::LeaseLost)?;
        let holds = found.run.as_ref().is_some_and(|run| run.holder == Some(claim.node));
        if holds && found.job.token == claim.token && self.lease_lives(claim.node)? {
            Ok(found)
        } else {
            Err(StoreError::LeaseLost)
        }
    }

    /// The row of the job of `claim`, under the same condition as `held_job`.
    pub(super) fn held_row(&self, claim: &Claim) -> Result<Option<i64>> {
        let row = self.first(
            "SELECT j.id FROM job AS j JOIN job_run AS r ON r.job = j.id
             WHERE j.uuid = ?1 AND j.token = ?2 AND r.node = ?3",
            params![claim.job.to_string(), stored(claim.token), claim.node.to_string()],
            |row| row.get(0),
        )?;
        Ok(if row.is_some() && self.lease_lives(claim.node)? { row } else { None })
    }

    pub(super) fn lease_lives(&self, node: NodeId) -> Result<bool> {
        let until =
            self.first("SELECT until_ms FROM node WHERE uuid = ?1", [node.to_string()], |row| row.get(0))?;
        match until {
            None => Ok(false),
            Some(until_ms) if until_ms > self.now_ms => Ok(true),
            Some(until_ms) => Ok(!self.leases()?.expired(until_ms)),
        }
    }

    /// Stores a new job as it is after its submission (and claim, if `job` is Running already); answers its
    /// row, or `None` if its uuid is taken.
    pub(super) fn insert_job(&self, new: &NewJob, job: &Job) -> Result<Option<i64>> {
        let inserted = self.execute(
            "INSERT INTO job (uuid, account, name, api_id, job_name, state, target, node, create_ms, last_op_ms,
                started_ms, version, attempt, token, class, ordered)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (uuid) DO NOTHING",
            params![
                job.id.to_string(),
                job.account.to_string(),
                job.name,
                job.api_id.as_str(),
                job.job_name,
                job.state.name(),
                job.target,
                job.node.map(|n| n.to_string()),
                job.create_ms,
                job.last_op_ms,
                job.started_ms,
                stored(job.version),
                job.attempt,
                stored(job.token),
                rows::class_number(new.class),
                new.ordered,
            ],
        )?;
        if inserted == 0 {
            return Ok(None);
        }
        let row = self.connection.last_insert_rowid();
        self.execute(
            "INSERT INTO job_body (job, request_hash, description, job_data, job_result, sealed_data, terms)
             VALUES (?1, ?2, ?3, ?4, NULL, ?5, ?6)",
            params![
                row,
                new.request_hash,
                job.description,
                job.job_data,
                new.sealed_data,
                rows::terms_text(&job.terms),
            ],
        )?;
        for tag in &new.tags {
            self.insert_tag(Tagged::Job(job.id), tag.system, &tag.text)?;
        }
        self.count(job, job.state, 1);
        Ok(Some(row))
    }

    /// Writes what differs between `before` and `after`, in the statement that touches the fewest indexes.
    pub(super) fn update_job(&self, row: i64, before: &Job, after: &Job) -> Result<()> {
        let node = after.node.map(|n| n.to_string());
        let suspend = after.suspend.map(rows::suspend_number);
        let moved = before.state != after.state;
        // Naming a column makes SQLite write its indexes anew, so the state is named only where it changes.
        let sql = if moved {
            "UPDATE job SET node = coalesce(?2, node), last_op_ms = ?3, version = ?4, attempt = ?5, token = ?6,
                suspend = ?7, retry_at_ms = ?8, started_ms = ?9, execute_s = ?10, retried = ?12,
                state = ?11 WHERE id = ?1"
        } else {
            "UPDATE job SET node = coalesce(?2, node), last_op_ms = ?3, version = ?4, attempt = ?5, token = ?6,
                suspend = ?7, retry_at_ms = ?8, started_ms = ?9, execute_s = ?10, retried = ?12
             WHERE id = ?1 AND ?11 <> ''"
        };
        self.execute(
            sql,
            params![
                row,
                node,
                after.last_op_ms,
                stored(after.version),
                after.attempt,
                stored(after.token),
                suspend,
                after.retry_at_ms,
                after.started_ms,
                after.execute_s.map(stored),
                after.state.name(),
                after.retried,
            ],
        )?;
        if moved {
            self.count(before, before.state, -1);
            self.count(after, after.state, 1);
        }
        if before.create_ms != after.create_ms || before.name != after.name || before.api_id != after.api_id {
            self.execute(
                "UPDATE job SET create_ms = ?2, name = ?3, api_id = ?4 WHERE id = ?1",
                params![row, after.create_ms, after.name, after.api_id.as_str()],
            )?;
        }
        if before.job_result != after.job_result || before.description != after.description {
            self.execute(
                "UPDATE job_body SET job_result = ?2, description = ?3 WHERE job = ?1",
                params![row, after.job_result, after.description],
            )?;
        }
        Ok(())
    }

    /// Gives a job that is not final its place behind all others.
    pub(super) fn insert_run(&self, row: i64, job: &Job, of: Queued<'_>) -> Result<()> {
        let begun = job.state == JobState::Running;
        let ready_at_ms = if begun { Some(0) } else { self.ready_at(job, of.target, None)? };
        let lane = lane(of.limits, job.account, &job.job_name);
        self.execute(
            "INSERT INTO job_run (job, class, target, node, ready_at_ms, host, rank, lane, gate, counted,
                not_before_ms, deadline_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, CASE WHEN ?9 THEN '' ELSE ?8 END, ?9, ?10, ?11)",
            params![
                row,
                of.class,
                of.target,
                job.node.filter(|_| begun).map(|n| n.to_string()),
                ready_at_ms,
                job.terms.host.map(|h| h.to_string()).unwrap_or_default(),
                job.rank(),
                lane,
                begun,
                job.terms.not_before_ms,
                job.deadline_ms().filter(|_| !begun),
            ],
        )?;
        Ok(())
    }

    /// Whether a non-final ordered job has that target, before that place if one is given.
    fn has_earlier(&self, target: Option<&String>, place: Option<i64>) -> Result<bool> {
        match target {
            Some(target) => self.exists(
                "SELECT 1 FROM job_run WHERE target = ?1 AND place < ?2 LIMIT 1",
                params![target, place.unwrap_or(i64::MAX)],
            ),
            None => Ok(false),
        }
    }

    /// What is to be stored of when a job may be claimed that nobody holds.
    pub(super) fn ready_at(
        &self,
        job: &Job,
        target: Option<&String>,
        place: Option<i64>,
    ) -> Result<Option<i64>> {
        Ok(match life::ready(job) {
            Ready::Never => None,
            _ if job.state == JobState::Waiting && self.has_earlier(target, place)? => None,
            Ready::At(at_ms) if at_ms > self.now_ms => Some(at_ms.max(1)),
            Ready::Now | Ready::At(_) => Some(0),
        })
    }

    /// Writes who holds a job that is not final, and when it may be claimed if nobody does.
    pub(super) fn update_run(&self, place: i64, job: &Job, of: &RunOf<'_>) -> Result<()> {
        let counts = match job.state {
            _ if of.begins => Some(true),
            JobState::Suspended => Some(false),
            _ => None, // as before
        };
        self.execute(
            "UPDATE job_run SET node = ?2, orphaned = orphaned AND ?5, canceling = ?3, ready_at_ms = ?4,
                rank = ?6, hold = ?7, counted = coalesce(?8, counted),
                gate = CASE WHEN ?3 OR coalesce(?8, counted) THEN '' ELSE lane END,
                deadline_ms = CASE WHEN ?6 = 0 THEN NULL ELSE deadline_ms END
             WHERE place = ?1",
            params![
                place,
                of.holder.map(|n| n.to_string()),
                job.state == JobState::Canceling,
                self.ready_at(job, of.target, Some(place))?,
                of.orphaned,
                job.rank(),
                job.suspend == Some(SuspendReason::User) && job.state != JobState::Suspended,
                counts,
            ],
        )?;
        Ok(())
    }

    /// Ends the run of a job that is final or deleted; the next on its target may start.
    pub(super) fn end_run(&self, found: &Stored) -> Result<()> {
        let Some(run) = &found.run else { return Ok(()) };
        self.execute("DELETE FROM job_run WHERE place = ?1", [run.place])?;
        found.target().map_or(Ok(()), |target| self.let_next_go(target))
    }

    /// The first job on a target may start, if it waits for nothing else.
    pub(super) fn let_next_go(&self, target: &str) -> Result<()> {
        self.execute(
                "UPDATE job_run SET ready_at_ms = CASE hold WHEN 1 THEN NULL ELSE max(coalesce(not_before_ms, 0), 0) END
                 WHERE place = (SELECT min(place) FROM job_run WHERE target = ?1) AND rank > 0",
                [target],
            )?;
        Ok(())
    }

    /// Removes a job's rows, but for that in `job_run`.
    pub(super) fn remove_rows(&self, row: i64, uuid: &str) -> Result<()> {
        for sql in [
            "DELETE FROM job_body WHERE job = ?1",
            "DELETE FROM timeline WHERE job = ?1",
            "DELETE FROM checkpoint WHERE job = ?1",
            "DELETE FROM progress WHERE job = ?1",
            "DELETE FROM progress_history WHERE job = ?1",
            "DELETE FROM job WHERE id = ?1",
        ] {
            self.execute(sql, [row])?;
        }
        self.execute("DELETE FROM intent WHERE job = ?1", [uuid])?;
        self.execute("DELETE FROM tag WHERE resource_uuid = ?1 AND resource_type = 'LongJobVO'", [uuid])?;
        Ok(())
    }

    /// Adds a timeline row, with the attempt and token of `job`.
    pub(super) fn note(
        &self,
        row: i64,
        job: &Job,
        kind: TimelineKind,
        actor: Actor,
        detail: &str,
    ) -> Result<()> {
        self.execute(
            "INSERT INTO timeline (job, seq, at_ms, kind, actor, attempt, token, detail)
             VALUES (?1, (SELECT coalesce(max(seq), 0) + 1 FROM timeline WHERE job = ?1), ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                row,
                self.now_ms,
                rows::kind_number(kind),
                rows::actor_bytes(actor),
                job.attempt,
                stored(job.token),
                detail,
            ],
        )?;
        Ok(())
    }

    /// Stores the record of an asynchronous answer, if there is one.
    pub(super) fn insert_record(&self, record: Option<&ApiRecord>) -> Result<()> {
        let Some(record) = record else { return Ok(()) };
        let outcome = record.outcome.as_ref().map(super::records::to_json).transpose()?;
        let message = record.message.as_ref();
        let done = self
            .prepare(
                "INSERT INTO api_record (id, account, expires_ms, outcome, message, created_ms, finished_ms, host)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                record.id.as_str(),
                record.account.to_string(),
                record.expires_ms,
                outcome,
                message.map(|m| m.class.as_str()),
                message.map(|m| m.created_ms),
                outcome.is_some().then_some(self.now_ms),
                record.host.map(|host| host.to_string()),
            ]);
        match done {
            Err(error) if is_taken(&error) => Err(StoreError::Taken),
            Err(error) => Err(error.into()),
            Ok(_) => record.hook.as_ref().map_or(Ok(()), |hook| self.insert_hook(&record.id, hook)),
        }
    }
}

/// The job of that uuid, by a reader or a writer.
pub(super) fn read_job(connection: &rusqlite::Connection, id: JobId) -> Result<Option<Job>> {
    let sql = with_job("SELECT {JOB} FROM job AS j JOIN job_body AS b ON b.job = j.id WHERE j.uuid = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([id.to_string()], rows::job).optional()?)
}

/// `sql` with the columns of a job put in.
pub(super) fn with_job(sql: &str) -> String {
    sql.replace("{JOB}", rows::JOB)
}
