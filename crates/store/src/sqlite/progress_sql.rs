//! Progress: the newest of each job, and its history. What is kept is decided in `crate::history`.

use longhaul_model::Claim;
use longhaul_model::progress::Progress;
use rusqlite::params;

use super::Result;
use super::rows::{self, stored};
use super::tx::Tx;
use crate::history::{HISTORY_ATTEMPTS_MAX, merged};
use crate::traits::PROGRESS_HISTORY_MAX;

impl Tx<'_> {
    pub(super) fn save_progress(&self, row: i64, claim: &Claim, progress: &Progress) -> Result<()> {
        let before = self.first(
            "SELECT percent, stage, bytes_done, bytes_total, rate, eta_s, stalled, at_ms, token FROM progress
             WHERE job = ?1",
            params![row],
            |row| Ok((rows::progress(row, 0)?, rows::count(row, 8)?)),
        )?;
        let before = before.as_ref().map(|(progress, token)| (progress, *token == claim.token));
        let Some((progress, noted)) = merged(progress, before) else { return Ok(()) };
        self.execute(
            "INSERT OR REPLACE INTO progress
                (job, token, percent, stage, bytes_done, bytes_total, rate, eta_s, stalled, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                row,
                stored(claim.token),
                progress.percent,
                progress.stage,
                stored(progress.bytes_done),
                stored(progress.bytes_total),
                stored(progress.rate_bytes_per_s),
                progress.eta_s.map(stored),
                progress.stalled,
                progress.at_ms,
            ],
        )?;
        if noted {
            self.add_history(row, claim.attempt, &progress)?;
        }
        Ok(())
    }

    fn add_history(&self, row: i64, attempt: u32, progress: &Progress) -> Result<()> {
        let (rows_now, last) = self
            .first(
                "SELECT count(*), coalesce(max(n), 0) FROM progress_history WHERE job = ?1 AND attempt = ?2",
                params![row, attempt],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
            )?
            .unwrap_or((0, 0));
        if rows_now >= PROGRESS_HISTORY_MAX as i64 {
            self.execute(
                "DELETE FROM progress_history WHERE job = ?1 AND attempt = ?2 AND n IN (
                    SELECT n FROM (
                        SELECT n, row_number() OVER (ORDER BY n) AS nth FROM progress_history
                        WHERE job = ?1 AND attempt = ?2)
                    WHERE nth % 2 = 0)",
                params![row, attempt],
            )?;
        }
        self.execute(
            "INSERT INTO progress_history
                (job, attempt, n, percent, stage, bytes_done, bytes_total, rate, eta_s, stalled, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                row,
                attempt,
                last + 1,
                progress.percent,
                progress.stage,
                stored(progress.bytes_done),
                stored(progress.bytes_total),
                stored(progress.rate_bytes_per_s),
                progress.eta_s.map(stored),
                progress.stalled,
                progress.at_ms,
            ],
        )?;
        if rows_now == 0 {
            self.execute(
                "DELETE FROM progress_history WHERE job = ?1 AND attempt <= (
                    SELECT DISTINCT attempt FROM progress_history WHERE job = ?1
                    ORDER BY attempt DESC LIMIT 1 OFFSET ?2)",
                params![row, HISTORY_ATTEMPTS_MAX as i64],
            )?;
        }
        Ok(())
    }
}
