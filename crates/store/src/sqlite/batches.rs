//! Many submissions in one write; if one of them is refused, each in a savepoint of its own.

use async_trait::async_trait;
use longhaul_model::{NewJob, Submitted};

use super::tx::Tx;
use super::{Result, SqliteStore};
use crate::{Batches, StoreError};

#[async_trait]
impl Batches for SqliteStore {
    async fn submit_many(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Submitted>>> {
        self.write_again(move |tx| match tx.submit_together(&jobs)? {
            Some(all) => Ok(all.into_iter().map(Ok).collect()),
            None => jobs.iter().map(|job| tx.apart(|tx| tx.submit(job, None))).collect(),
        })
        .await
    }
}

impl Tx<'_> {
    /// All of them, or nothing if one is refused. What the disk refuses is refused for the whole write.
    fn submit_together(&self, jobs: &[NewJob]) -> Result<Option<Vec<Submitted>>> {
        self.execute("SAVEPOINT together_here", [])?;
        let before = self.counts.borrow().clone();
        let mut all = Vec::with_capacity(jobs.len());
        for job in jobs {
            match self.submit(job, None) {
                Ok(submitted) => all.push(submitted),
                Err(error @ (StoreError::Unavailable(_) | StoreError::Corrupt(_))) => return Err(error),
                Err(_) => {
                    self.execute("ROLLBACK TO together_here", [])?;
                    self.execute("RELEASE together_here", [])?;
                    self.counts.replace(before);
                    return Ok(None);
                }
            }
        }
        self.execute("RELEASE together_here", [])?;
        Ok(Some(all))
    }

    /// Does `work` in a savepoint of its own, so that what is refused is undone alone. What the disk refuses is
    /// refused for the whole write.
    fn apart<T>(&self, work: impl FnOnce(&Self) -> Result<T>) -> Result<Result<T>> {
        self.execute("SAVEPOINT apart", [])?;
        let before = self.counts.take();
        let done = work(self);
        let made = self.counts.replace(before);
        match &done {
            Ok(_) => {
                let mut counts = self.counts.borrow_mut();
                for (key, change) in made {
                    *counts.entry(key).or_default() += change;
                }
            }
            Err(error @ (StoreError::Unavailable(_) | StoreError::Corrupt(_))) => return Err(error.clone()),
            Err(_) => {
                self.execute("ROLLBACK TO apart", [])?;
            }
        }
        self.execute("RELEASE apart", [])?;
        Ok(done)
    }
}
