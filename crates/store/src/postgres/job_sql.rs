//! The statements about jobs: record, body, run, timeline. Which of them are due is decided elsewhere. A job that is
//! to be changed is locked first and read by the statement behind that: what was read before would be of another
//! moment.

use std::collections::HashMap;

use longhaul_model::resource::Tagged;
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{Claim, Job, JobId, JobState, Limits, NewJob, NodeId, SuspendReason};

use super::Result;
use super::moved_sql::Note;
use super::one_way::one_way;
use super::rows::{self, AFTER_JOB, flag, get};
use super::tx::{Hold, Tx};
use super::value::{column, params};
use crate::StoreError;
use crate::life::{self, Ready};
use crate::limits::lane;

/// Locks the job with the uuid `$1`.
const LOCK_JOB: &str = "SELECT 1 FROM job WHERE uuid = $1 FOR UPDATE";
/// A job with its row numbers and its run.
const STORED: &str = "SELECT {JOB}, j.id, j.class, j.ordered, r.place, r.node FROM job AS j {BODY} {ANY_RUN} WHERE j.uuid = $1";
/// Keeps the node `$1` from being removed, not from renewing its lease.
pub(super) const KEEP_NODE: &str = "SELECT 1 FROM node WHERE uuid = $1 FOR KEY SHARE";

/// The end of the lease of who holds the run `r`. Asked for beside the rows and not joined: a plan must not go from the node
/// to all that it runs, or an end would cost as much as the node has jobs. For the same reason a run's holder is compared
/// by `IS NOT DISTINCT FROM`, which goes by no index.
pub(super) const UNTIL: &str = "(SELECT n.until_ms FROM node AS n WHERE n.uuid = r.node)";

/// The same of the runs of many jobs, behind `LEASES`, which asks once for each node of `$2`: while somebody holds a
/// transaction open, a look at a node walks over all versions of its row since.
pub(super) const UNTIL_OF_MANY: &str = "(SELECT l.until_ms FROM lease AS l WHERE l.uuid = r.node)";

/// The leases of the nodes of `$2`.
pub(super) const LEASES: &str =
    "WITH lease AS MATERIALIZED (SELECT uuid, until_ms FROM node WHERE uuid = ANY($2::TEXT[]))";

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

/// A job that is to be stored, as it is after its submission, or after a claim in the same commit.
pub(super) struct Fresh<'a> {
    pub new: &'a NewJob,
    pub job: Job,
    /// When it may be claimed if nobody holds it.
    pub ready_at_ms: Option<i64>,
    /// What its limits count by.
    pub lane: String,
}

/// Where a job that is not final is to stand.
#[derive(Clone, Copy)]
pub(super) struct Queued<'a> {
    pub class: i64,
    /// What orders it, if something does; it is held.
    pub target: Option<&'a str>,
    pub limits: &'a Limits,
}

impl Stored {
    /// The target that orders it, if any.
    pub(super) fn ordering_target(&self) -> Option<&str> {
        self.job.target.as_deref().filter(|_| self.ordered)
    }

    /// Who holds it.
    pub(super) fn holder(&self) -> Option<NodeId> {
        self.run.as_ref().and_then(|run| run.holder)
    }
}

/// A row that begins as `STORED` does.
pub(super) fn stored_of(row: &tokio_postgres::Row) -> Result<Stored> {
    let place: Option<i64> = get(row, AFTER_JOB + 3)?;
    let holder = rows::maybe_id(row, AFTER_JOB + 4)?;
    Ok(Stored {
        job: rows::job(row)?,
        row: get(row, AFTER_JOB)?,
        class: get(row, AFTER_JOB + 1)?,
        ordered: flag(row, AFTER_JOB + 2)?,
        run: place.map(|place| Run { place, holder }),
    })
}

impl Tx {
    /// The job, locked for a change that does not come from its holder: nobody claims it, and its run stays as it is,
    /// until the end of the transaction.
    pub(super) async fn locked_job(&self, id: JobId) -> Result<Option<Stored>> {
        self.post(LOCK_JOB, &params![id]);
        let sql = "SELECT id, target, ordered FROM job WHERE uuid = $1";
        let Some(row) = self.first(sql, &params![id]).await? else { return Ok(None) };
        // Before its run is locked: whoever ends a job of this target goes the same way, to the run of the next.
        if let (Some(target), true) = (get::<Option<&str>>(&row, 1)?, flag(&row, 2)?) {
            self.hold(Hold::Target, target).await?;
        }
        self.post("SELECT 1 FROM job_run WHERE job = $1 FOR UPDATE", &params![get::<i64>(&row, 0)?]);
        self.locked(&with_job(STORED), &params![id]).await?.as_ref().map(stored_of).transpose()
    }

    /// The job as it is, without a lock.
    pub(super) async fn seen_job(&self, id: JobId) -> Result<Option<Stored>> {
        self.first(&with_job(STORED), &params![id]).await?.as_ref().map(stored_of).transpose()
    }

    /// The job of `claim`, locked, if it is the newest on it and its node's lease lives. The node's row is kept, so
    /// that nobody takes the job over before the end of the transaction.
    pub(super) async fn held_job(&self, claim: &Claim) -> Result<Stored> {
        self.post(LOCK_JOB, &params![claim.job]);
        self.post(KEEP_NODE, &params![claim.node]);
        let sql = with_job(
            "SELECT {JOB}, j.id, j.class, j.ordered, r.place, r.node, {UNTIL} FROM job AS j {BODY} {RUN}
             WHERE j.uuid = $1 AND j.token = $2 AND r.node IS NOT DISTINCT FROM $3",
        );
        let found = self.locked(&sql, &params![claim.job, claim.token, claim.node]).await?;
        let row = found.ok_or(StoreError::LeaseLost)?;
        if self.lives_until(get::<Option<i64>>(&row, AFTER_JOB + 5)?.unwrap_or(0)).await? {
            stored_of(&row)
        } else {
            Err(StoreError::LeaseLost)
        }
    }

    /// The row of the job of `claim`, under the same condition as `held_job` and kept from every change like it.
    pub(super) async fn held_row(&self, claim: &Claim) -> Result<i64> {
        self.post("SELECT 1 FROM job WHERE uuid = $1 FOR KEY SHARE", &params![claim.job]);
        self.post(KEEP_NODE, &params![claim.node]);
        let sql = with_job(
            "SELECT j.id, {UNTIL} FROM job AS j {RUN}
             WHERE j.uuid = $1 AND j.token = $2 AND r.node IS NOT DISTINCT FROM $3",
        );
        let found = self.locked(&sql, &params![claim.job, claim.token, claim.node]).await?;
        let row = found.ok_or(StoreError::LeaseLost)?;
        let lives = self.lives_until(get::<Option<i64>>(&row, 1)?.unwrap_or(0)).await?;
        if lives { get(&row, 0) } else { Err(StoreError::LeaseLost) }
    }

    /// Whether a lease that ends at `until_ms` lives.
    pub(super) async fn lives_until(&self, until_ms: i64) -> Result<bool> {
        Ok(until_ms > self.now_ms() || !self.leases().await?.expired(until_ms))
    }

    /// Whether `node` holds a live lease; it is kept from being removed.
    pub(super) async fn lease_lives(&self, node: NodeId) -> Result<bool> {
        self.post(KEEP_NODE, &params![node]);
        match self.locked("SELECT until_ms FROM node WHERE uuid = $1", &params![node]).await? {
            Some(row) => self.lives_until(get(&row, 0)?).await,
            None => Ok(false),
        }
    }

    /// Stores new jobs; their bodies, places, and the first rows of their timelines at the commit. Answers the rows of
    /// those whose uuid was free. Places are in the order of `fresh`.
    pub(super) async fn insert_jobs(&self, fresh: &[Fresh<'_>]) -> Result<HashMap<JobId, i64>> {
        let jobs = || fresh.iter().map(|one| &one.job);
        let sql = "INSERT INTO job (uuid, account, name, api_id, job_name, state, target, node, create_ms,
                last_op_ms, started_ms, version, attempt, token, class, ordered)
             SELECT uuid, account, name, api_id, job_name, state, target, node, $15, $15, started_ms, version,
                attempt, token, class, ordered
             FROM unnest($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[],
                $8::TEXT[], $9::BIGINT[], $10::BIGINT[], $11::BIGINT[], $12::BIGINT[], $13::BIGINT[], $14::BIGINT[])
                AS u(uuid, account, name, api_id, job_name, state, target, node, started_ms, version, attempt, token,
                    class, ordered)
             WHERE NOT EXISTS (SELECT 1 FROM retired_account AS x WHERE x.uuid = u.account)
             ON CONFLICT (uuid) DO NOTHING RETURNING uuid, id";
        let values = params![
            column(jobs().map(|j| j.id)),
            column(jobs().map(|j| j.account)),
            column(jobs().map(|j| j.name.as_str())),
            column(jobs().map(|j| j.api_id.as_str())),
            column(jobs().map(|j| j.job_name.as_str())),
            column(jobs().map(|j| j.state.name())),
            column(jobs().map(|j| j.target.as_deref())),
            column(jobs().map(|j| j.node)),
            column(jobs().map(|j| j.started_ms)),
            column(jobs().map(|j| j.version)),
            column(jobs().map(|j| j.attempt)),
            column(jobs().map(|j| j.token)),
            column(fresh.iter().map(|one| rows::class_number(one.new.class))),
            column(fresh.iter().map(|one| one.new.ordered)),
            self.now_ms(),
        ];
        let mut stored = HashMap::new();
        for row in self.rows(sql, &values).await? {
            stored.insert(rows::id(&row, 0)?, get(&row, 1)?);
        }
        let there = fresh.iter().filter_map(|one| Some((one, *stored.get(&one.job.id)?)));
        let there: Vec<(&Fresh<'_>, i64)> = there.collect();
        self.post_fresh(&there);
        let mut tags = Vec::new();
        for (one, _) in &there {
            tags.extend(self.fresh_tags(Tagged::Job(one.job.id), &one.new.tags));
            self.count(&one.job, one.job.state, 1);
        }
        if !tags.is_empty() {
            self.insert_tags(tags).await?;
        }
        Ok(stored)
    }

    /// What belongs to new jobs, a statement for each table.
    fn post_fresh(&self, there: &[(&Fresh<'_>, i64)]) {
        if there.is_empty() {
            return;
        }
        let jobs = || there.iter().map(|(one, _)| &one.job);
        let news = || there.iter().map(|(one, _)| one.new);
        let rows_of = || column(there.iter().map(|(_, row)| *row));
        let begun = |job: &Job| job.state == JobState::Running;
        self.post(
            "INSERT INTO job_body (job, request_hash, description, job_data, sealed_data, terms)
             SELECT * FROM unnest($1::BIGINT[], $2::BYTEA[], $3::TEXT[], $4::TEXT[], $5::BYTEA[], $6::TEXT[])",
            &params![
                rows_of(),
                column(news().map(|n| &n.request_hash)),
                column(jobs().map(|j| j.description.as_deref())),
                column(jobs().map(|j| j.job_data.as_str())),
                column(news().map(|n| n.sealed_data.as_ref())),
                column(jobs().map(|j| rows::terms_text(&j.terms))),
            ],
        );
        self.post(
            "INSERT INTO job_run (job, class, target, node, ready_at_ms, host, rank, lane, gate, counted,
                not_before_ms, deadline_ms)
             SELECT job, class, target, node, ready_at_ms, host, rank, lane, CASE begun WHEN 1 THEN '' ELSE lane END,
                begun, not_before_ms, deadline_ms
             FROM unnest($1::BIGINT[], $2::BIGINT[], $3::TEXT[], $4::TEXT[], $5::BIGINT[], $6::TEXT[], $7::BIGINT[],
                $8::TEXT[], $9::BIGINT[], $10::BIGINT[], $11::BIGINT[])
                AS u(job, class, target, node, ready_at_ms, host, rank, lane, begun, not_before_ms, deadline_ms)",
            &params![
                rows_of(),
                column(news().map(|n| rows::class_number(n.class))),
                column(news().map(|n| n.target.as_deref().filter(|_| n.ordered))),
                column(jobs().map(|j| j.node.filter(|_| begun(j)))),
                column(there.iter().map(|(one, _)| one.ready_at_ms)),
                column(jobs().map(host_text)),
                column(jobs().map(Job::rank)),
                column(there.iter().map(|(one, _)| one.lane.as_str())),
                column(jobs().map(begun)),
                column(jobs().map(|j| j.terms.not_before_ms)),
                column(jobs().map(|j| j.deadline_ms().filter(|_| j.state == JobState::Waiting))),
            ],
        );
        // The start of one that is started in the same commit follows its submission.
        let started = |job: &Job| job.node.filter(|_| begun(job)).map(Actor::Node);
        let noted = || {
            there.iter().flat_map(|(one, row)| {
                let submitted = (*row, 1_u32, TimelineKind::Submitted, Actor::Account(one.job.account), 0, 0);
                let job = &one.job;
                let start = |node| (*row, 2, TimelineKind::Started, node, job.attempt, job.token);
                std::iter::once(submitted).chain(started(job).map(start))
            })
        };
        self.post(
            "INSERT INTO timeline (job, seq, at_ms, kind, actor, attempt, token, detail)
             SELECT job, seq, $1, kind, actor, attempt, token, ''
             FROM unnest($2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BYTEA[], $6::BIGINT[], $7::BIGINT[])
                AS u(job, seq, kind, actor, attempt, token)",
            &params![
                self.now_ms(),
                column(noted().map(|note| note.0)),
                column(noted().map(|note| note.1)),
                column(noted().map(|note| rows::kind_number(note.2))),
                column(noted().map(|note| rows::actor_bytes(note.3))),
                column(noted().map(|note| note.4)),
                column(noted().map(|note| note.5)),
            ],
        );
    }

    /// Writes what differs between `before` and `after`, at the commit.
    pub(super) fn update_job(&self, row: i64, before: &Job, after: &Job) {
        self.post(
            "UPDATE job SET node = coalesce($2, node), last_op_ms = $3, version = $4, attempt = $5, token = $6,
                suspend = $7, retry_at_ms = $8, started_ms = $9, execute_s = $10, state = $11, create_ms = $12,
                name = $13, api_id = $14, retried = $15 WHERE id = $1",
            &params![
                row,
                after.node,
                after.last_op_ms,
                after.version,
                after.attempt,
                after.token,
                after.suspend.map(rows::suspend_number),
                after.retry_at_ms,
                after.started_ms,
                after.execute_s,
                after.state.name(),
                after.create_ms,
                &after.name,
                &after.api_id,
                after.retried,
            ],
        );
        if before.state != after.state {
            self.count(before, before.state, -1);
            self.count(after, after.state, 1);
        }
        if before.job_result != after.job_result || before.description != after.description {
            self.post(
                "UPDATE job_body SET job_result = $2, description = $3 WHERE job = $1",
                &params![row, after.job_result.as_deref(), after.description.as_deref()],
            );
        }
    }

    /// Gives a job that was final its place behind all others.
    pub(super) async fn insert_run(&self, row: i64, job: &Job, of: Queued<'_>) -> Result<()> {
        let begun = job.state == JobState::Running;
        let ready = if begun { Some(0) } else { self.ready_at(job, of.target, None).await? };
        let lane = lane(of.limits, job.account, &job.job_name);
        self.post(
            "INSERT INTO job_run (job, class, target, node, ready_at_ms, host, rank, lane, gate, counted,
                not_before_ms, deadline_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE $9 WHEN 1 THEN '' ELSE $8 END, $9, $10, $11)",
            &params![
                row,
                of.class,
                of.target,
                job.node.filter(|_| begun),
                ready,
                host_text(job),
                job.rank(),
                lane,
                begun,
                job.terms.not_before_ms,
                job.deadline_ms().filter(|_| !begun),
            ],
        );
        Ok(())
    }

    /// Whether a non-final ordered job has that target, which is held, before that place if one is given.
    async fn has_earlier(&self, target: Option<&str>, place: Option<i64>) -> Result<bool> {
        let Some(target) = target else { return Ok(false) };
        let sql = "SELECT 1 FROM job_run WHERE target = $1 AND place < $2 LIMIT 1";
        self.exists(sql, &params![target, place.unwrap_or(i64::MAX)]).await
    }

    /// What is to be stored of when a job may be claimed that nobody holds.
    pub(super) async fn ready_at(
        &self,
        job: &Job,
        target: Option<&str>,
        place: Option<i64>,
    ) -> Result<Option<i64>> {
        let blocked = job.state == JobState::Waiting && self.has_earlier(target, place).await?;
        Ok(ready_at_ms(job, blocked, self.now_ms()))
    }

    /// Writes who holds a job that is not final, and when it may be claimed if nobody does, at the commit. Its claim
    /// ends here or goes on, it does not begin. `orphaned` keeps the mark that its last holder is gone; `target` orders
    /// it.
    pub(super) async fn update_run(
        &self,
        place: i64,
        job: &Job,
        holder: Option<NodeId>,
        orphaned: bool,
        target: Option<&str>,
    ) -> Result<()> {
        let ready = self.ready_at(job, target, Some(place)).await?;
        self.post(
            "UPDATE job_run SET node = $2, orphaned = orphaned * $5, canceling = $3, ready_at_ms = $4, rank = $6,
                hold = $7, counted = CASE $8 WHEN 1 THEN 0 ELSE counted END,
                gate = CASE WHEN $3 = 1 OR ($8 = 0 AND counted = 1) THEN '' ELSE lane END,
                deadline_ms = CASE $6 WHEN 0 THEN NULL ELSE deadline_ms END
             WHERE place = $1",
            &params![
                place,
                holder,
                job.state == JobState::Canceling,
                ready,
                orphaned,
                job.rank(),
                is_held(job),
                job.state == JobState::Suspended,
            ],
        );
        Ok(())
    }

    /// Ends the run of a job that is final or deleted, at the commit; the next on its target may start.
    pub(super) async fn end_run(&self, found: &Stored) -> Result<()> {
        if found.run.is_none() {
            return Ok(());
        }
        if let Some(target) = found.ordering_target() {
            self.hold(Hold::Target, target).await?;
        }
        self.end_runs(&[found]);
        Ok(())
    }

    /// Adds a timeline row, with the attempt and token of `job`, at the commit.
    pub(super) fn note(&self, row: i64, job: &Job, kind: TimelineKind, actor: Actor, detail: &str) {
        self.note_all(&[Note { row, job, kind, actor, detail }]);
    }

    /// The job as it is.
    pub(super) async fn read_job(&self, id: JobId) -> Result<Option<Job>> {
        let sql = with_job("SELECT {JOB} FROM job AS j {BODY} WHERE j.uuid = $1");
        self.first(&sql, &params![id]).await?.as_ref().map(rows::job).transpose()
    }
}

/// When a job that nobody holds may be claimed, as `job_run` has it; `blocked` by something earlier on its target.
pub(super) fn ready_at_ms(job: &Job, blocked: bool, now_ms: i64) -> Option<i64> {
    match life::ready(job) {
        Ready::Never => None,
        _ if job.state == JobState::Waiting && blocked => None,
        Ready::At(at_ms) if at_ms > now_ms => Some(at_ms.max(1)),
        Ready::Now | Ready::At(_) => Some(0),
    }
}

/// Whether somebody holds a job where it waits, or wants its attempt to stop.
pub(super) fn is_held(job: &Job) -> bool {
    job.suspend == Some(SuspendReason::User) && job.state != JobState::Suspended
}

/// The host whose nodes alone may claim a job; empty: any.
fn host_text(job: &Job) -> String {
    job.terms.host.map(|host| host.to_string()).unwrap_or_default()
}

/// `sql` with the columns of a job, the end of its lease and the joins of `one_way` put in.
pub(super) fn with_job(sql: &str) -> String {
    one_way(sql).replace("{JOB}", rows::JOB).replace("{UNTIL}", UNTIL)
}

/// The same, of many jobs that the nodes of `$2` hold.
pub(super) fn with_jobs(sql: &str) -> String {
    let columns =
        rows::JOB.replace(rows::NODE_OF_JOB, "(SELECT l.uuid FROM lease AS l WHERE l.uuid = j.node)");
    format!("{LEASES} {}", one_way(sql).replace("{JOB}", &columns).replace("{UNTIL}", UNTIL_OF_MANY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_jobs_no_row_looks_for_its_node() {
        let sql = with_jobs("SELECT {JOB}, {UNTIL} FROM job AS j");
        let (leases, rest) = sql.split_at(LEASES.len());
        assert!(leases.contains("FROM node") && !rest.contains("FROM node"), "{sql}");
    }
}
