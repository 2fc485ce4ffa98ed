//! What an attempt may do with other jobs: submit them as its own, look at them, cancel them. Which ones, and
//! what becomes of them, is the job type's business; `SlotClass::Parent` keeps it from taking their slots.

use std::time::Duration;

use longhaul_model::query::{Field, LIMIT_MAX, NEWEST_FIRST, Page, Query, Resource, Rows};
use longhaul_model::{ApiId, Code, Fault, Job, JobId, Progress};
use serde_json::Value;

use crate::context::JobContext;
use crate::engine::Caller;
use crate::fault::from_store;
use crate::handler::Ended;
use crate::inventory::{all, equals};
use crate::submit::{SubmitAnswer, SubmitRequest};

pub use longhaul_model::resource::PARENT_TAG;

/// A job that another submits.
#[derive(Debug, Clone)]
pub struct Child {
    /// Its uuid. Made of what it is for, so that submitting it again is the same job.
    pub id: JobId,
    /// For people.
    pub name: String,
    /// Its job type.
    pub job_name: String,
    /// Its `jobData`; without secrets.
    pub data: Value,
}

impl JobContext {
    /// Submits a job on behalf of this one's account, as an admin, with the tag that names this job. The same
    /// again is answered as it is now.
    ///
    /// # Errors
    /// `Stopped` if the lease is lost; whatever the job type's check says, as a fault. While the store is away it
    /// is tried again.
    pub async fn submit_child(&self, child: &Child) -> Result<Job, Ended> {
        loop {
            self.lease().await?;
            let request = SubmitRequest {
                name: Some(child.name.clone()),
                description: None,
                job_name: child.job_name.clone(),
                job_data: child.data.to_string(),
                data: child.data.clone(),
                target: None,
                resource_uuid: Some(child.id),
                system_tags: vec![format!("{PARENT_TAG}{}", self.job.id)],
                user_tags: Vec::new(),
                api_id: ApiId::in_order(&*self.engine.runtime),
                dry_run: false,
            };
            match self.engine.submit(&self.as_caller(), request).await {
                Ok(SubmitAnswer::Job(job)) => return Ok(*job),
                Ok(SubmitAnswer::Plan(_)) => return Err(Fault::internal("asked for a job").into()),
                Err(fault) if matches!(fault.code, Code::Unavailable | Code::StoreAway) => {
                    self.sleep(self.engine.config.poll).await?
                }
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    /// The job of that uuid as it is now; `None` if there is none. While the store is away it is asked again.
    ///
    /// # Errors
    /// The store refuses for good.
    pub async fn other_job(&self, id: JobId) -> Result<Option<Job>, Fault> {
        loop {
            match self.engine.store.job(id).await {
                Err(error) if error.may_pass() => self.engine.runtime.sleep(self.engine.config.poll).await,
                other => return other.map_err(|e| from_store(e, &format!("long job[uuid:{id}]"))),
            }
        }
    }

    /// The jobs that this one submitted, in all its runs, the newest first and at most `limit` of them. One whose record
    /// was deleted is among them no more.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn children(&self, limit: u32) -> Result<Vec<JobId>, Fault> {
        let parent = equals(Field::TagText, format!("{PARENT_TAG}{}", self.job.id));
        let query = Query {
            page: Page { start: 0, limit: limit.min(LIMIT_MAX) },
            sort: Some(NEWEST_FIRST),
            ..all(Resource::SystemTag, vec![parent])
        };
        let found = self.engine.store.query(&query).await;
        match found.map_err(|e| from_store(e, "the jobs that this one submitted"))?.rows {
            Rows::SystemTags(tags) => {
                Ok(tags.iter().filter_map(|tag| tag.resource_uuid.parse().ok()).collect())
            }
            _ => Err(Fault::internal("asked for system tags")),
        }
    }

    /// How far another job is, as far as is known.
    pub async fn other_progress(&self, api: &ApiId) -> Option<Progress> {
        self.engine.progress_of(api).await.ok().flatten().map(|(_, progress)| progress)
    }

    /// Cancels another job of this account. One that is final, or gone, is none the worse for it.
    ///
    /// # Errors
    /// It cannot be canceled now, or the store does not answer.
    pub async fn cancel_other(&self, id: JobId) -> Result<(), Fault> {
        match self.other_job(id).await? {
            Some(job) if !job.state.is_final() => {}
            _ => return Ok(()),
        }
        match self.engine.cancel(&self.as_caller(), &id.to_string()).await {
            Ok(()) => Ok(()),
            // It may have ended in between.
            Err(fault) => match self.other_job(id).await? {
                Some(job) if !job.state.is_final() => Err(fault),
                _ => Ok(()),
            },
        }
    }

    /// Ends when a job on this node has ended, or after `patience`, or when this attempt is to stop.
    pub async fn a_job_ended(&self, patience: Duration) {
        let ended = std::pin::pin!(self.engine.ended.notified());
        let later = std::pin::pin!(self.sleep(patience));
        futures::future::select(ended, later).await;
    }

    fn as_caller(&self) -> Caller {
        Caller { account: self.job.account, admin: true, record: None }
    }
}
