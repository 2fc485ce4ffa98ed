//! What is told about jobs.

use async_trait::async_trait;
use longhaul_model::progress::Progress;
use longhaul_model::timeline::TimelineRow;
use longhaul_model::{ApiId, Job, JobId};

use super::job_sql::with_job;
use super::rows::{self, AFTER_JOB, get};
use super::value::params;
use super::{PostgresStore, Result};
use crate::Events;

#[async_trait]
impl Events for PostgresStore {
    async fn timeline(&self, job: JobId) -> Result<Vec<TimelineRow>> {
        self.read(job, |tx, job| {
            Box::pin(async move {
                let sql =
                    "SELECT t.seq, t.at_ms, t.kind, t.actor, t.attempt, t.token, t.detail FROM timeline AS t
                     WHERE t.job = (SELECT id FROM job WHERE uuid = $1) ORDER BY t.seq";
                tx.rows(sql, &params![*job]).await?.iter().map(rows::timeline).collect()
            })
        })
        .await
    }

    async fn timeline_page(&self, job: JobId, after: u64, limit: u32) -> Result<Vec<TimelineRow>> {
        self.read((job, after, limit), |tx, (job, after, limit)| {
            Box::pin(async move {
                let sql = "SELECT t.seq, t.at_ms, t.kind, t.actor, t.attempt, t.token, t.detail FROM timeline AS t
                     WHERE t.job = (SELECT id FROM job WHERE uuid = $1) AND t.seq > $2 ORDER BY t.seq LIMIT $3";
                let found = tx.rows(sql, &params![*job, *after, *limit]).await?;
                found.iter().map(rows::timeline).collect()
            })
        })
        .await
    }

    async fn progress(&self, api: &ApiId) -> Result<Option<(Job, Option<Progress>)>> {
        self.read(api.clone(), |tx, api| {
            Box::pin(async move {
                // A client may have chosen one API id for several jobs: the newest answers.
                let sql = with_job(
                    "SELECT {JOB}, p.percent, p.stage, p.bytes_done, p.bytes_total, p.rate, p.eta_s, p.stalled,
                        p.at_ms
                     FROM job AS j {BODY}
                     LEFT JOIN LATERAL (SELECT * FROM progress WHERE job = j.id OFFSET 0) AS p ON TRUE
                     WHERE j.api_id = $1 ORDER BY j.create_ms DESC, j.uuid DESC LIMIT 1",
                );
                let Some(row) = tx.first(&sql, &params![api]).await? else { return Ok(None) };
                let has_progress = get::<Option<i64>>(&row, AFTER_JOB)?.is_some();
                let progress = if has_progress { Some(rows::progress(&row, AFTER_JOB)?) } else { None };
                Ok(Some((rows::job(&row)?, progress)))
            })
        })
        .await
    }

    async fn progress_history(&self, job: JobId) -> Result<Vec<Progress>> {
        self.read(job, |tx, job| {
            Box::pin(async move {
                let sql =
                    "SELECT h.percent, h.stage, h.bytes_done, h.bytes_total, h.rate, h.eta_s, h.stalled,
                        h.at_ms
                     FROM progress_history AS h
                     WHERE h.job = (SELECT id FROM job WHERE uuid = $1) ORDER BY h.attempt, h.n";
                tx.rows(sql, &params![*job]).await?.iter().map(|row| rows::progress(row, 0)).collect()
            })
        })
        .await
    }
}
