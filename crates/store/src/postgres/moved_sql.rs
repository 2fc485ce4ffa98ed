//! The statements about what attempts do to jobs, many jobs in a statement: claims and ends. Where the job, its run and
//! its target are locked already. What is changed over the API is in `job_sql`.

use longhaul_model::Job;
use longhaul_model::timeline::{Actor, TimelineKind};

use super::job_sql::Stored;
use super::rows;
use super::tx::Tx;
use super::value::{column, params};

/// A job before and after its claim, or its end.
pub(super) struct Moved<'a> {
    pub row: i64,
    pub before: &'a Job,
    pub after: &'a Job,
}

/// A timeline row that is to be added, with the attempt and token of `job`.
pub(super) struct Note<'a> {
    pub row: i64,
    pub job: &'a Job,
    pub kind: TimelineKind,
    pub actor: Actor,
    pub detail: &'a str,
}

impl Tx {
    /// Writes what a claim or an end changes in these jobs, each of them given once, at the commit.
    pub(super) fn move_jobs(&self, moved: &[Moved<'_>]) {
        if moved.is_empty() {
            return;
        }
        let after = || moved.iter().map(|moved| moved.after);
        self.post(
            "UPDATE job AS j SET node = coalesce(u.node, j.node), last_op_ms = u.last_op_ms, version = u.version,
                attempt = u.attempt, token = u.token, suspend = u.suspend, retry_at_ms = u.retry_at_ms,
                started_ms = u.started_ms, execute_s = u.execute_s, state = u.state, retried = u.retried
             FROM unnest($1::BIGINT[], $2::TEXT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[],
                $7::BIGINT[], $8::BIGINT[], $9::BIGINT[], $10::BIGINT[], $11::TEXT[], $12::BIGINT[])
                AS u(id, node, last_op_ms, version, attempt, token, suspend, retry_at_ms, started_ms, execute_s, state,
                    retried)
             WHERE j.id = ANY (ARRAY[u.id])",
            &params![
                column(moved.iter().map(|moved| moved.row)),
                column(after().map(|job| job.node)),
                column(after().map(|job| job.last_op_ms)),
                column(after().map(|job| job.version)),
                column(after().map(|job| job.attempt)),
                column(after().map(|job| job.token)),
                column(after().map(|job| job.suspend.map(rows::suspend_number))),
                column(after().map(|job| job.retry_at_ms)),
                column(after().map(|job| job.started_ms)),
                column(after().map(|job| job.execute_s)),
                column(after().map(|job| job.state.name())),
                column(after().map(|job| job.retried)),
            ],
        );
        let told = || moved.iter().filter(|moved| moved.before.job_result != moved.after.job_result);
        if told().next().is_some() {
            self.post(
                "UPDATE job_body AS b SET job_result = u.job_result
                 FROM unnest($1::BIGINT[], $2::TEXT[]) AS u(job, job_result) WHERE b.job = ANY (ARRAY[u.job])",
                &params![
                    column(told().map(|moved| moved.row)),
                    column(told().map(|moved| moved.after.job_result.as_deref())),
                ],
            );
        }
        for Moved { before, after, .. } in moved {
            if before.state != after.state {
                self.count(before, before.state, -1);
                self.count(after, after.state, 1);
            }
        }
    }

    /// Ends the runs of jobs that are final or deleted, at the commit; the next on their targets, which are held, may
    /// start.
    pub(super) fn end_runs(&self, ended: &[&Stored]) {
        if ended.is_empty() {
            return;
        }
        let places = ended.iter().filter_map(|found| found.run.as_ref()).map(|run| run.place);
        self.post("DELETE FROM job_run WHERE place = ANY($1::BIGINT[])", &params![column(places)]);
        self.post(
            "DELETE FROM checkpoint WHERE job = ANY($1::BIGINT[])",
            &params![column(ended.iter().map(|found| found.row))],
        );
        let targets: Vec<&str> = ended.iter().filter_map(|found| found.ordering_target()).collect();
        if !targets.is_empty() {
            self.let_next_go(&targets);
        }
    }

    /// The first job on each of these targets, which are held, may start if it waits for nothing else; at the commit.
    pub(super) fn let_next_go(&self, targets: &[&str]) {
        self.post(
            "UPDATE job_run SET ready_at_ms = CASE hold WHEN 1 THEN NULL ELSE greatest(coalesce(not_before_ms, 0), 0) END
             WHERE place = ANY (ARRAY (SELECT (SELECT min(r.place) FROM job_run AS r WHERE r.target = u.target)
                FROM unnest($1::TEXT[]) AS u(target))) AND rank > 0",
            &params![column(targets.iter().copied())],
        );
    }

    /// Adds timeline rows, at the commit. Those of one job follow each other and have their order.
    pub(super) fn note_all(&self, notes: &[Note<'_>]) {
        if notes.is_empty() {
            return;
        }
        let mut before = None;
        let nth = notes.iter().scan(0_u32, |nth, note| {
            *nth = if before.replace(note.row) == Some(note.row) { *nth + 1 } else { 1 };
            Some(*nth)
        });
        self.post(
            "INSERT INTO timeline (job, seq, at_ms, kind, actor, attempt, token, detail)
             SELECT u.job, u.nth + (SELECT coalesce(max(t.seq), 0) FROM timeline AS t WHERE t.job = u.job), $1, u.kind,
                u.actor, u.attempt, u.token, u.detail
             FROM unnest($2::BIGINT[], $3::BIGINT[], $4::BIGINT[], $5::BYTEA[], $6::BIGINT[], $7::BIGINT[], $8::TEXT[])
                AS u(job, nth, kind, actor, attempt, token, detail)",
            &params![
                self.now_ms(),
                column(notes.iter().map(|note| note.row)),
                column(nth),
                column(notes.iter().map(|note| rows::kind_number(note.kind))),
                column(notes.iter().map(|note| rows::actor_bytes(note.actor))),
                column(notes.iter().map(|note| note.job.attempt)),
                column(notes.iter().map(|note| note.job.token)),
                column(notes.iter().map(|note| note.detail)),
            ],
        );
    }
}
