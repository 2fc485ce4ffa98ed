//! Checkpoints, those of many attempts in one transaction. Large ones go alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use longhaul_model::{Claim, JobId, NodeId, Pages};

use super::job_sql::{KEEP_NODE, with_jobs};
use super::rows::{self, get};
use super::tx::Tx;
use super::value::{column, params};
use super::{PostgresStore, Result};
use crate::StoreError;

/// Checkpoints larger than this, in bytes, have a transaction of their own.
const GATHERED_BYTES_MAX: usize = 64 * 1024;

/// Pages of a checkpoint that are to be saved.
pub(super) type Saved = (Claim, Pages);

/// A job as a checkpoint is saved of it.
struct Holding {
    row: i64,
    token: u64,
    holder: Option<NodeId>,
    until_ms: i64,
}

impl PostgresStore {
    /// Saves pages in one transaction with those that come at the same time.
    pub(super) async fn save_gathered(&self, saved: Saved) -> Result<()> {
        if saved.1.values().map(Vec::len).sum::<usize>() <= GATHERED_BYTES_MAX {
            return self.gathered(&self.checkpoints, saved, |tx, all| Box::pin(tx.save_all(all))).await;
        }
        let alone = self.write(vec![saved], |tx, one| Box::pin(tx.save_all(one))).await?;
        alone.into_iter().next().unwrap_or(Err(StoreError::LeaseLost))
    }
}

impl Tx {
    /// Saves these pages; of one that is given twice, the later. What is refused wrote nothing.
    async fn save_all(&self, all: &[Saved]) -> Result<Vec<Result<()>>> {
        let found = self.holdings(all).await?;
        let (mut answers, mut pages) = (Vec::with_capacity(all.len()), BTreeMap::new());
        for (claim, saved) in all {
            let holding = found.get(&claim.job).filter(|job| job.token == claim.token);
            let holding = holding.filter(|job| job.holder == Some(claim.node));
            answers.push(match holding {
                Some(job) if self.lives_until(job.until_ms).await? => {
                    pages.extend(saved.iter().map(|(page, bytes)| ((job.row, *page), bytes)));
                    Ok(())
                }
                _ => Err(StoreError::LeaseLost),
            });
        }
        if !pages.is_empty() {
            self.post(
                "INSERT INTO checkpoint (job, page, bytes)
                 SELECT job, page, bytes FROM unnest($1::BIGINT[], $2::BIGINT[], $3::BYTEA[]) AS p(job, page, bytes)
                 ON CONFLICT (job, page) DO UPDATE SET bytes = excluded.bytes",
                &params![
                    column(pages.keys().map(|(job, _)| *job)),
                    column(pages.keys().map(|(_, page)| *page)),
                    column(pages.values().copied()),
                ],
            );
        }
        Ok(answers)
    }

    /// As `held_row`, of many.
    async fn holdings(&self, all: &[Saved]) -> Result<HashMap<JobId, Holding>> {
        let jobs = || all.iter().map(|(claim, _)| claim.job);
        self.post(
            "SELECT 1 FROM job WHERE uuid = ANY($1::TEXT[]) ORDER BY uuid FOR KEY SHARE",
            &params![column(jobs())],
        );
        let nodes: BTreeSet<NodeId> = all.iter().map(|(claim, _)| claim.node).collect();
        for node in &nodes {
            self.post(KEEP_NODE, &params![*node]);
        }
        let sql = with_jobs("SELECT j.uuid, j.id, j.token, r.node, {UNTIL} FROM {JOBS} {RUN}");
        let mut found = HashMap::new();
        for row in self.all_locked(&sql, &params![column(jobs()), column(nodes)]).await? {
            let Some(until_ms) = get(&row, 4)? else { continue };
            let holding = Holding {
                row: get(&row, 1)?,
                token: rows::count(&row, 2)?,
                holder: rows::maybe_id(&row, 3)?,
                until_ms,
            };
            found.insert(rows::id(&row, 0)?, holding);
        }
        Ok(found)
    }
}
