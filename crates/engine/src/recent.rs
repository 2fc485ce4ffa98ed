//! What recent jobs of a type say about how fast the next one will be.

use longhaul_model::query::{Condition, Field, NEWEST_FIRST, Op, Page, Query, Resource, Rows, Value};
use longhaul_model::{Fault, JobState};

use crate::fault::from_store;
use crate::inventory::{Inventory, all, equals};

impl Inventory {
    /// `jobResult` and the seconds that it took, of the newest `limit` jobs of that type that succeeded.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn recent_results(&self, job_name: &str, limit: u32) -> Result<Vec<(String, u64)>, Fault> {
        let succeeded = Condition {
            field: Field::State,
            op: Op::Eq,
            values: vec![Value::Text(JobState::Succeeded.name().to_owned())],
        };
        let of_type = all(Resource::Job, vec![equals(Field::JobName, job_name.to_owned()), succeeded]);
        let query = Query { page: Page { start: 0, limit }, sort: Some(NEWEST_FIRST), ..of_type };
        let found = self.store.query(&query).await.map_err(|e| from_store(e, "the jobs"))?;
        match found.rows {
            Rows::Jobs(jobs) => {
                Ok(jobs.into_iter().filter_map(|job| Some((job.job_result?, job.execute_s?))).collect())
            }
            _ => Err(Fault::internal("asked for jobs")),
        }
    }
}
