//! The job types this node knows, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use longhaul_model::SlotClass;

use crate::handler::{JobHandler, JobType};

/// Job types by `jobName`.
#[derive(Default, Clone)]
pub struct Registry {
    handlers: BTreeMap<&'static str, Arc<dyn JobHandler>>,
    absent: BTreeMap<&'static str, &'static str>,
}

impl Registry {
    /// Adds a job type. A later one of the same name replaces the earlier.
    #[must_use]
    pub fn with(mut self, handler: Arc<dyn JobHandler>) -> Self {
        self.handlers.insert(handler.job_type().name, handler);
        self
    }

    /// Says why the job type of that name is not here, for those who ask for it.
    #[must_use]
    pub fn without(mut self, job_name: &'static str, why: &'static str) -> Self {
        self.absent.insert(job_name, why);
        self
    }

    /// What to tell who asks for a job type that is not here: why, or where those that are here are listed.
    pub fn why_absent(&self, job_name: &str) -> &'static str {
        self.absent.get(job_name).copied().unwrap_or("GET /v1/job-types lists the job types of this server")
    }

    /// The job type of that name.
    pub fn get(&self, job_name: &str) -> Option<Arc<dyn JobHandler>> {
        self.handlers.get(job_name).cloned()
    }

    /// The names of all that are here.
    pub fn known(&self) -> impl Iterator<Item = &'static str> {
        self.handlers.keys().copied()
    }

    /// Whether a job type of that class is here.
    pub(crate) fn knows_any(&self, class: SlotClass) -> bool {
        self.handlers.values().any(|handler| handler.job_type().class == class)
    }

    /// The names of all that are here, and of those of which is known why they are not.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.handlers.keys().chain(self.absent.keys()).copied()
    }

    /// The rules of all, by name.
    pub fn job_types(&self) -> Vec<JobType> {
        self.handlers.values().map(|h| h.job_type()).collect()
    }
}
