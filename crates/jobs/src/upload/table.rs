//! The uploads that attempts of this process have open, by job. An attempt enters its upload and thereby
//! opens it to requests; when it ends, however, the entry is gone and its requests are ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longhaul_model::JobId;

use super::Upload;

/// Who is receiving. Clones are the same table.
#[derive(Clone, Debug, Default)]
pub struct Table(Arc<Mutex<HashMap<JobId, Arc<Upload>>>>);

/// An upload in the table; dropped, it is out of it and closed.
#[derive(Debug)]
pub struct Entered {
    table: Table,
    job: JobId,
    upload: Arc<Upload>,
}

impl Table {
    /// Enters the upload of a job.
    pub fn enter(&self, job: JobId, upload: Arc<Upload>) -> Entered {
        self.all().insert(job, upload.clone());
        Entered { table: self.clone(), job, upload }
    }

    /// The upload of a job, if an attempt receives it now.
    pub fn get(&self, job: JobId) -> Option<Arc<Upload>> {
        self.all().get(&job).cloned()
    }

    /// Bytes that the other uploads to the storage of `upload` still need.
    pub fn promised_bytes(&self, upload: &Upload) -> u64 {
        let same_place =
            |other: &Upload| other.root.path() == upload.root.path() && other.path != upload.path;
        let missing = |other: &Upload| {
            let seen = other.received();
            seen.size.unwrap_or(0).saturating_sub(seen.bytes)
        };
        self.all().values().filter(|other| same_place(other)).map(|other| missing(other)).sum()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Upload>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut all = self.table.all();
        // A newer attempt of this process may have entered its own.
        if all.get(&self.job).is_some_and(|entered| Arc::ptr_eq(entered, &self.upload)) {
            all.remove(&self.job);
        }
        drop(all);
        self.upload.close();
    }
}
