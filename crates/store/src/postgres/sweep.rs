//! Final jobs that are no longer kept, and jobs that cannot be read: both are known by their columns alone, so that
//! one that cannot be read is in nobody's way.

use longhaul_model::resource::{PARENT_TAG, Tagged};
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{JobId, JobState, NodeId};

use super::Result;
use super::rows::{self, get};
use super::tx::{Hold, Tx};
use super::value::{column, params};
use crate::Kept;

/// The names of the final states.
const FINAL: [JobState; 3] = [JobState::Succeeded, JobState::Canceled, JobState::Failed];

/// A final job as it is swept.
struct Ended {
    create_ms: i64,
    uuid: String,
    row: i64,
    account: String,
    job_name: String,
    state: JobState,
}

impl Tx {
    pub(super) async fn sweep_jobs(&self, kept: Kept, limit: u32) -> Result<u64> {
        // Two at once would each remove what is beyond the number that is kept.
        self.hold(Hold::Sweep, "").await?;
        let mut swept = Vec::new();
        if let Some(age_ms) = kept.age_ms {
            swept = self.oldest(self.now_ms().saturating_sub(age_ms), limit).await?;
        }
        let left = limit.saturating_sub(u32::try_from(swept.len()).unwrap_or(limit));
        self.remove_all(&swept);
        let beyond = match kept.jobs {
            Some(most) if left > 0 => {
                self.final_jobs().await?.saturating_sub(swept.len() as u64).saturating_sub(most)
            }
            _ => 0,
        };
        if beyond == 0 {
            return Ok(swept.len() as u64);
        }
        let more = self.oldest(i64::MAX, left.min(u32::try_from(beyond).unwrap_or(left))).await?;
        self.remove_all(&more);
        Ok((swept.len() + more.len()) as u64)
    }

    /// Final jobs, submitted and changed before that moment, the oldest first, locked. One that another transaction has
    /// in hand is passed over.
    async fn oldest(&self, before_ms: i64, limit: u32) -> Result<Vec<Ended>> {
        let sql = "SELECT j.create_ms, j.uuid, j.id, j.account, j.job_name, j.state FROM unnest($1::TEXT[]) AS s(state)
             CROSS JOIN LATERAL (
                SELECT j.* FROM job_state AS o JOIN job AS j ON j.id = o.job
                WHERE o.state = s.state AND o.create_ms < $2
                    AND j.state = s.state AND j.create_ms < $2 AND j.last_op_ms < $2 AND NOT EXISTS (
                    SELECT 1 FROM tag AS t JOIN job AS c ON c.uuid = t.resource_uuid
                    WHERE t.system = 1 AND t.text = $4 || j.uuid
                        AND c.state NOT IN ('Succeeded', 'Canceled', 'Failed'))
                ORDER BY o.create_ms, o.uuid LIMIT $3 FOR UPDATE OF j SKIP LOCKED) AS j";
        let states = column(FINAL.iter().map(|state| state.name()));
        let mut ended = Vec::new();
        for row in self.rows(sql, &params![states, before_ms, limit, PARENT_TAG]).await? {
            let Some(state) = JobState::from_name(get(&row, 5)?) else { continue };
            ended.push(Ended {
                create_ms: get(&row, 0)?,
                uuid: get(&row, 1)?,
                row: get(&row, 2)?,
                account: get(&row, 3)?,
                job_name: get(&row, 4)?,
                state,
            });
        }
        ended.sort_by(|a, b| (a.create_ms, &a.uuid).cmp(&(b.create_ms, &b.uuid)));
        ended.truncate(limit as usize);
        Ok(ended)
    }

    fn remove_all(&self, ended: &[Ended]) {
        let ids = ended.iter().map(|job| (job.row, job.uuid.as_str()));
        self.remove_rows(&ids.collect::<Vec<_>>());
        for job in ended {
            self.count_as(&job.account, &job.job_name, job.state, -1);
        }
    }

    /// Removes the rows of jobs by their numbers and uuids, but for those in `job_run`, with the next waited statement.
    pub(super) fn remove_rows(&self, jobs: &[(i64, &str)]) {
        if jobs.is_empty() {
            return;
        }
        let numbers = column(jobs.iter().map(|(row, _)| *row));
        for table in ["job_body", "timeline", "checkpoint", "progress", "progress_history"] {
            self.post(
                format!("DELETE FROM {table} WHERE job = ANY($1::BIGINT[])"),
                &params![numbers.to_static()],
            );
        }
        self.post("DELETE FROM job WHERE id = ANY($1::BIGINT[])", &params![numbers]);
        let uuids = column(jobs.iter().map(|(_, uuid)| *uuid));
        self.post("DELETE FROM intent WHERE job = ANY($1::TEXT[])", &params![uuids.to_static()]);
        self.post(
            "DELETE FROM tag WHERE resource_uuid = ANY($1::TEXT[]) AND resource_type = $2",
            &params![uuids, Tagged::Job(JobId::from_bits(0)).resource_type()],
        );
    }

    /// How many final jobs are counted; not yet what this transaction removes.
    async fn final_jobs(&self) -> Result<u64> {
        let sql = "SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM job_count WHERE state = ANY($1::TEXT[])";
        let counted = self.first(sql, &params![column(FINAL.iter().map(|state| state.name()))]).await?;
        counted.map_or(Ok(0), |row| rows::count(&row, 0))
    }

    /// Ends a job whose row cannot be read: Failed, with the reason. What cannot be read and can be done without is
    /// cleared, so that the rest can be. The next on its target may start. Its rows are locked.
    pub(super) async fn park(&self, place: i64, node: NodeId, why: &str) -> Result<()> {
        let sql =
            "SELECT j.id, j.account, j.job_name, j.state, j.attempt, j.token, r.target FROM job_run AS r
             JOIN job AS j ON j.id = r.job WHERE r.place = $1";
        let Some(found) = self.first(sql, &params![place]).await? else { return Ok(()) };
        let row: i64 = get(&found, 0)?;
        let detail = format!(
            "the record of this job cannot be read ({why}), so it was ended without being run further; what it left is \
             in the ledger: restore the store from a backup if you need the job, or delete it"
        );
        let failed = JobState::Failed;
        self.post(
            "UPDATE job SET state = $2, suspend = NULL, retry_at_ms = NULL, last_op_ms = $3, version = version + 1,
                node = NULL, execute_s = 1 WHERE id = $1",
            &params![row, failed.name(), self.now_ms()],
        );
        let result = serde_json::json!({ "detail": detail }).to_string();
        self.post(
            "UPDATE job_body SET job_result = $2, terms = NULL WHERE job = $1",
            &params![row, result.as_str()],
        );
        self.post(
            "INSERT INTO timeline (job, seq, at_ms, kind, actor, attempt, token, detail)
             VALUES ($1, (SELECT coalesce(max(seq), 0) + 1 FROM timeline WHERE job = $1), $2, $3, $4, $5, $6, $7)",
            &params![
                row,
                self.now_ms(),
                rows::kind_number(TimelineKind::Failed),
                rows::actor_bytes(Actor::Node(node)),
                get::<i64>(&found, 4)?.max(0),
                get::<i64>(&found, 5)?.max(0),
                detail.as_str(),
            ],
        );
        let (account, job_name): (&str, &str) = (get(&found, 1)?, get(&found, 2)?);
        if let Some(state) = JobState::from_name(get(&found, 3)?) {
            self.count_as(account, job_name, state, -1);
        }
        self.count_as(account, job_name, failed, 1);
        let target: Option<&str> = get(&found, 6)?;
        if let Some(target) = target {
            self.hold(Hold::Target, target).await?;
        }
        self.post("DELETE FROM job_run WHERE place = $1", &params![place]);
        if let Some(target) = target {
            self.let_next_go(&[target]);
        }
        Ok(())
    }

    /// Removes the places of jobs that do not exist: there is nothing to tell of. The next on their targets may start. The
    /// places are locked.
    pub(super) async fn remove_empty_places(&self, jobs: &[i64]) -> Result<()> {
        let sql = "DELETE FROM job_run AS r WHERE r.job = ANY($1::BIGINT[])
                AND NOT EXISTS (SELECT 1 FROM job AS j WHERE j.id = r.job)
             RETURNING r.target, r.place";
        for row in self.rows(sql, &params![column(jobs.iter().copied())]).await? {
            let (target, place): (Option<&str>, i64) = (get(&row, 0)?, get(&row, 1)?);
            tracing::error!(place, "a place in the queue has no job and is removed");
            if let Some(target) = target {
                self.hold(Hold::Target, target).await?;
                self.let_next_go(&[target]);
            }
        }
        Ok(())
    }
}
