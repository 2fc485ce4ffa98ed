//! The statements that write jobs: record, body, run, timeline. Which of them are due is decided elsewhere.

use longhaul_model::resource::{ApiRecord, Tagged};
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{Claim, Job, JobId, JobState, NewJob, NodeId};
use rusqlite::{OptionalExtension, params};

use super::Result;
use super::error::is_taken;
use super::rows::{self, AFTER_JOB, stored};
use super::tx::Tx;
use crate::StoreError;
use crate::life::{self, Ready};

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
            "INSERT INTO job_body (job, request_hash, description, job_data, job_result, sealed_data)
             VALUES (?1, ?2, ?3, ?4, NULL, ?5)",
            params![row, new.request_hash, job.description, job.job_data, new.sealed_data],
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
                suspend = ?7, retry_at_ms = ?8, started_ms = ?9, execute_s = ?10, state = ?11 WHERE id = ?1"
        } else {
            "UPDATE job SET node = coalesce(?2, node), last_op_ms = ?3, version = ?4, attempt = ?5, token = ?6,
                suspend = ?7, retry_at_ms = ?8, started_ms = ?9, execute_s = ?10 WHERE id = ?1 AND ?11 <> ''"
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
    pub(super) fn insert_run(&self, row: i64, job: &Job, class: i64, ordered: bool) -> Result<()> {
        let target = job.target.as_ref().filter(|_| ordered);
        let blocked = job.state == JobState::Waiting && self.has_earlier(target)?;
        let holder = job.node.filter(|_| job.state == JobState::Running).map(|n| n.to_string());
        self.execute(
            "INSERT INTO job_run (job, class, target, node, ready_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![row, class, target, holder, (!blocked).then_some(0)],
        )?;
        Ok(())
    }

    /// Whether a non-final ordered job has that target.
    pub(super) fn has_earlier(&self, target: Option<&String>) -> Result<bool> {
        match target {
            Some(target) => self.exists("SELECT 1 FROM job_run WHERE target = ?1 LIMIT 1", [target]),
            None => Ok(false),
        }
    }

    /// Writes who holds a job that is not final, or when it may be claimed if nobody does. `orphaned` keeps
    /// the mark that its last holder is gone.
    pub(super) fn update_run(
        &self,
        place: i64,
        job: &Job,
        holder: Option<NodeId>,
        orphaned: bool,
    ) -> Result<()> {
        let ready_at_ms = match life::ready(job) {
            Ready::Now => Some(0),
            Ready::At(at_ms) => Some(at_ms.max(1)),
            Ready::Never => None,
        };
        self.execute(
            "UPDATE job_run SET node = ?2, orphaned = orphaned AND ?5, canceling = ?3, ready_at_ms = ?4 WHERE place = ?1",
            params![
                place,
                holder.map(|n| n.to_string()),
                job.state == JobState::Canceling,
                ready_at_ms,
                orphaned,
            ],
        )?;
        Ok(())
    }

    /// Ends the run of a job that is final or deleted; the next on its target may start.
    pub(super) fn end_run(&self, found: &Stored) -> Result<()> {
        let Some(run) = &found.run else { return Ok(()) };
        self.execute("DELETE FROM job_run WHERE place = ?1", [run.place])?;
        let Some(target) = found.job.target.as_ref().filter(|_| found.ordered) else { return Ok(()) };
        let next = self.first(
            "SELECT r.place, j.state FROM job_run AS r JOIN job AS j ON j.id = r.job
             WHERE r.target = ?1 ORDER BY r.place LIMIT 1",
            [target],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
        )?;
        if let Some((place, state)) = next
            && state == JobState::Waiting.name()
        {
            self.execute("UPDATE job_run SET ready_at_ms = 0 WHERE place = ?1", [place])?;
        }
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
                "INSERT INTO api_record (id, account, expires_ms, outcome, message, created_ms, finished_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                record.id.as_str(),
                record.account.to_string(),
                record.expires_ms,
                outcome,
                message.map(|m| m.class.as_str()),
                message.map(|m| m.created_ms),
                outcome.is_some().then_some(self.now_ms),
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
