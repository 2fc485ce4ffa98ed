//! The job types this node knows, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::handler::{JobHandler, JobType};

/// Job types by `jobName`.
#[derive(Default, Clone)]
pub struct Registry {
    handlers: BTreeMap<&'static str, Arc<dyn JobHandler>>,
}

impl Registry {
    /// Adds a job type. A later one of the same name replaces the earlier.
    #[must_use]
    pub fn with(mut self, handler: Arc<dyn JobHandler>) -> Self {
        self.handlers.insert(handler.job_type().name, handler);
        self
    }

    /// The job type of that name.
    pub fn get(&self, job_name: &str) -> Option<Arc<dyn JobHandler>> {
        self.handlers.get(job_name).cloned()
    }

    /// The rules of all, by name.
    pub fn job_types(&self) -> Vec<JobType> {
        self.handlers.values().map(|h| h.job_type()).collect()
    }
}
