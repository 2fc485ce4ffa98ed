//! Final jobs that are no longer kept, and jobs that cannot be read: both are known by their columns alone, so that
//! one that cannot be read is in nobody's way.

use longhaul_model::resource::PARENT_TAG;
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{JobState, NodeId};
use rusqlite::params;

use super::tx::Tx;
use super::{Result, rows};
use crate::Kept;

/// A final job as it is swept.
struct Ended {
    create_ms: i64,
    uuid: String,
    row: i64,
    account: String,
    job_name: String,
    state: JobState,
}

impl Tx<'_> {
    pub(super) fn sweep_jobs(&self, kept: Kept, limit: u32) -> Result<u64> {
        let mut swept = Vec::new();
        if let Some(age_ms) = kept.age_ms {
            swept = self.oldest(self.now_ms.saturating_sub(age_ms), limit)?;
        }
        let left = limit.saturating_sub(u32::try_from(swept.len()).unwrap_or(limit));
        self.remove_all(&swept)?;
        let beyond = match kept.jobs {
            Some(most) if left > 0 => self.final_jobs()?.saturating_sub(most),
            _ => 0,
        };
        if beyond == 0 {
            return Ok(swept.len() as u64);
        }
        let more = self.oldest(i64::MAX, left.min(u32::try_from(beyond).unwrap_or(left)))?;
        self.remove_all(&more)?;
        Ok((swept.len() + more.len()) as u64)
    }

    /// Final jobs, submitted and changed before that moment, the oldest first.
    fn oldest(&self, before_ms: i64, limit: u32) -> Result<Vec<Ended>> {
        let mut ended = Vec::new();
        for state in [JobState::Succeeded, JobState::Canceled, JobState::Failed] {
            let mut found = self.prepare(
                "SELECT j.create_ms, j.uuid, j.id, j.account, j.job_name FROM job AS j
                 WHERE j.state = ?1 AND j.create_ms < ?2 AND j.last_op_ms < ?2 AND NOT EXISTS (
                    SELECT 1 FROM tag AS t JOIN job AS c ON c.uuid = t.resource_uuid
                    WHERE t.system = 1 AND t.text = ?4 || j.uuid
                        AND c.state NOT IN ('Succeeded', 'Canceled', 'Failed'))
                 ORDER BY j.create_ms, j.uuid LIMIT ?3",
            )?;
            let found = found.query_map(params![state.name(), before_ms, limit, PARENT_TAG], |row| {
                Ok(Ended {
                    create_ms: row.get(0)?,
                    uuid: row.get(1)?,
                    row: row.get(2)?,
                    account: row.get(3)?,
                    job_name: row.get(4)?,
                    state,
                })
            })?;
            ended.extend(found.collect::<rusqlite::Result<Vec<_>>>()?);
        }
        ended.sort_by(|a, b| (a.create_ms, &a.uuid).cmp(&(b.create_ms, &b.uuid)));
        ended.truncate(limit as usize);
        Ok(ended)
    }

    fn remove_all(&self, ended: &[Ended]) -> Result<()> {
        for job in ended {
            self.remove_rows(job.row, &job.uuid)?;
            self.count_as(&job.account, &job.job_name, job.state, -1);
        }
        Ok(())
    }

    /// How many final jobs there are, this write's changes included.
    fn final_jobs(&self) -> Result<u64> {
        let stored: i64 = self.connection.query_row(
            "SELECT coalesce(sum(n), 0) FROM job_count WHERE state IN ('Succeeded', 'Canceled', 'Failed')",
            [],
            |row| row.get(0),
        )?;
        let final_names: Vec<_> = JobState::ALL.iter().filter(|s| s.is_final()).map(|s| s.name()).collect();
        let counts = self.counts.borrow();
        let since: i64 = counts.iter().filter(|((_, _, s), _)| final_names.contains(s)).map(|(_, n)| n).sum();
        Ok(u64::try_from(stored + since).unwrap_or(0))
    }

    /// Ends a job whose row cannot be read: Failed, with the reason. What cannot be read and can be done without is
    /// cleared, so that the rest can be. The next on its target may start.
    pub(super) fn park(&self, place: i64, node: NodeId, why: &str) -> Result<()> {
        let found = self.first(
            "SELECT j.id, j.account, j.job_name, j.state, j.attempt, j.token, r.target FROM job_run AS r
             JOIN job AS j ON j.id = r.job WHERE r.place = ?1",
            [place],
            |row| {
                let text = |at| row.get_ref(at).map(|value| value.as_str().unwrap_or_default().to_owned());
                let number = |at| row.get_ref(at).map(|value| value.as_i64().unwrap_or_default().max(0));
                let row_id: i64 = row.get(0)?;
                Ok((
                    row_id,
                    text(1)?,
                    text(2)?,
                    text(3)?,
                    number(4)?,
                    number(5)?,
                    row.get::<_, Option<String>>(6)?,
                ))
            },
        )?;
        let Some((row, account, job_name, state, attempt, token, target)) = found else {
            // A place without a job: nothing to tell of, but to the next on its target.
            let sql = "SELECT target FROM job_run WHERE place = ?1 AND target IS NOT NULL";
            let target: Option<String> = self.first(sql, [place], |row| row.get(0))?;
            self.execute("DELETE FROM job_run WHERE place = ?1", [place])?;
            return target.map_or(Ok(()), |target| self.let_next_go(&target));
        };
        let detail = format!(
            "the record of this job cannot be read ({why}), so it was ended without being run further; what it left is \
             in the ledger: restore the store from a backup if you need the job, or delete it"
        );
        let failed = JobState::Failed;
        self.execute(
            "UPDATE job SET state = ?2, suspend = NULL, retry_at_ms = NULL, last_op_ms = ?3, version = version + 1,
                node = NULL, execute_s = 1 WHERE id = ?1",
            params![row, failed.name(), self.now_ms],
        )?;
        let result = serde_json::json!({ "detail": detail }).to_string();
        self.execute(
            "UPDATE job_body SET job_result = ?2, terms = NULL WHERE job = ?1",
            params![row, result],
        )?;
        self.execute(
            "INSERT INTO timeline (job, seq, at_ms, kind, actor, attempt, token, detail)
             VALUES (?1, (SELECT coalesce(max(seq), 0) + 1 FROM timeline WHERE job = ?1), ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                row,
                self.now_ms,
                rows::kind_number(TimelineKind::Failed),
                rows::actor_bytes(Actor::Node(node)),
                attempt,
                token,
                detail,
            ],
        )?;
        if let Some(state) = JobState::from_name(&state) {
            self.count_as(&account, &job_name, state, -1);
        }
        self.count_as(&account, &job_name, failed, 1);
        self.execute("DELETE FROM job_run WHERE place = ?1", [place])?;
        target.map_or(Ok(()), |target| self.let_next_go(&target))
    }
}
