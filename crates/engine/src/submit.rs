//! Submit: check, hash, store; start it in the same commit if a slot is free and nobody is before it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use longhaul_model::resource::ApiOutcome;
use longhaul_model::{
    ApiId, Claim, Claimed, ClaimedFor, Code, Fault, Job, JobId, NewJob, NewTag, Pages, SlotClass, Submitted,
    Terms,
};
use longhaul_store::StoreError;
use serde_json::{Map, Value};

use crate::engine::{Caller, Engine};
use crate::fault::from_store;
use crate::handler::{CheckRequest, JobHandler};
use crate::hash::{Request, request_hash};
use crate::redaction::Redaction;
use crate::secrets;
use crate::slots::Slot;
use crate::terms;
use crate::throttle::own_rate;
use crate::unknown::unknown_members;

/// A submission as a caller states it.
#[derive(Debug, Clone)]
pub struct SubmitRequest {
    /// For people; the job type's name if absent.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The job type.
    pub job_name: String,
    /// `jobData` as sent.
    pub job_data: String,
    /// `jobData` parsed.
    pub data: Value,
    /// What it works on.
    pub target: Option<String>,
    /// The job's uuid, if the caller chooses it.
    pub resource_uuid: Option<JobId>,
    /// System tags, known to be legal.
    pub system_tags: Vec<String>,
    /// User tags.
    pub user_tags: Vec<String>,
    /// Key of its progress.
    pub api_id: ApiId,
    /// Check everything, store nothing.
    pub dry_run: bool,
}

/// What became of a submission.
#[derive(Debug, Clone)]
pub enum SubmitAnswer {
    /// The job, new or the same as before.
    Job(Box<Job>),
    /// Dry run: what it would do.
    Plan(Map<String, Value>),
}

/// A submission that was checked.
pub(crate) enum Prepared {
    /// To be stored.
    New(Box<NewJob>),
    /// There is nothing to store: a dry run, or the same as before.
    Answer(SubmitAnswer),
}

impl Engine {
    /// Submits a job.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown job type, bad data or bad terms; whatever the type's check says;
    /// `ResourceUuidTaken`; `Unavailable` (not stored, may be sent again).
    pub async fn submit(
        self: &Arc<Self>,
        caller: &Caller,
        request: SubmitRequest,
    ) -> Result<SubmitAnswer, Fault> {
        let mut new = match self.prepare(caller, request).await? {
            Prepared::Answer(answer) => return Ok(answer),
            Prepared::New(new) => new,
        };
        let slot = self.slot_for_new(new.class, &new.job_name, &new.terms);
        new.claim_for = slot.as_ref().map(|_| self.node());
        let sealed_data = new.sealed_data.clone();
        let job = self.store_and_launch(caller, *new, slot, sealed_data).await?;
        Ok(SubmitAnswer::Job(Box::new(job)))
    }

    /// Checks a submission, up to where it would be stored; claimed for nobody.
    ///
    /// # Errors
    /// As `submit`, but for what the store says.
    pub(crate) async fn prepare(&self, caller: &Caller, request: SubmitRequest) -> Result<Prepared, Fault> {
        let handler = self.handler_for(&request.job_name, caller)?;
        let job_type = handler.job_type();
        let terms = terms::read(request.system_tags.iter().map(String::as_str))?;
        terms::fit(&terms, &job_type)?;
        let id = request.resource_uuid.unwrap_or_else(|| JobId::in_order(&*self.runtime));
        let (job_data, sealed_data) = self.mask_and_seal(&request)?;
        let redaction = Redaction::of(&request.data);
        let key = sealed_data.as_ref().map(|_| &self.config.secret_key);
        let parts = Request {
            account: caller.account,
            job_name: &request.job_name,
            data: &request.data,
            name: request.name.as_deref(),
            description: request.description.as_deref(),
            target: request.target.as_deref(),
            system_tags: &request.system_tags,
            user_tags: &request.user_tags,
        };
        let hash = request_hash(&parts, key);
        let check = CheckRequest {
            job: id,
            account: caller.account,
            admin: caller.admin,
            target: request.target.clone(),
            data: request.data.clone(),
            rate: own_rate(request.system_tags.iter().map(String::as_str)),
            host: self.host(),
            dry_run: request.dry_run,
        };
        let checked = match handler.check(&check).await {
            Ok(checked) => checked,
            // A repeated submission is the same job even if it could not be submitted afresh by now.
            Err(fault) => {
                let fault = redaction.fault(fault);
                return self.same_as_before(caller, &request, hash, fault).await.map(Prepared::Answer);
            }
        };
        if request.dry_run {
            let mut plan = checked.plan;
            let unknown = unknown_members(&(job_type.schema)(), &request.data);
            if !unknown.is_empty() {
                plan.insert("warnings".to_owned(), unknown.into());
            }
            return Ok(Prepared::Answer(SubmitAnswer::Plan(redaction.object(plan))));
        }
        let terms = Terms { host: checked.host, ..terms };
        Ok(Prepared::New(Box::new(NewJob {
            id,
            account: caller.account,
            name: request.name.clone().unwrap_or_else(|| request.job_name.clone()),
            description: request.description.clone(),
            api_id: request.api_id.clone(),
            job_name: request.job_name.clone(),
            job_data,
            sealed_data,
            target: checked.target.or(request.target),
            request_hash: hash,
            class: job_type.class,
            ordered: job_type.ordered,
            tags: tags(&request.system_tags, &request.user_tags),
            terms,
            claim_for: None,
        })))
    }

    async fn store_and_launch(
        self: &Arc<Self>,
        caller: &Caller,
        new: NewJob,
        slot: Option<Slot>,
        sealed_data: Option<Vec<u8>>,
    ) -> Result<Job, Fault> {
        let id = new.id;
        let record = caller.record_with(ApiOutcome::Job(id));
        self.expect_claim(id);
        let stored = self.store.submit(new, record).await;
        let mut started = false;
        let answer = match stored {
            Ok(Submitted::Created(job, claim)) => {
                started = claim.is_some();
                self.launch_claimed(&job, claim, slot, sealed_data);
                Ok(*job)
            }
            Ok(Submitted::Same(job)) => Ok(*job),
            Err(error) => Err(self.not_submitted(error)),
        };
        self.expect_no_more(id);
        if !started {
            self.wake.notify_one(); // it waits, or its slot is free again
        }
        answer
    }

    /// Runs a job that was claimed in the commit that stored or reran it.
    pub(crate) fn launch_claimed(
        self: &Arc<Self>,
        job: &Job,
        claim: Option<Claim>,
        slot: Option<Slot>,
        sealed_data: Option<Vec<u8>>,
    ) {
        let (Some(claim), Some(slot)) = (claim, slot) else { return };
        let claimed = Claimed {
            claim,
            job: job.clone(),
            purpose: ClaimedFor::Start,
            taken_over: false,
            checkpoint: Pages::new(),
            progress: None,
            sealed_data,
        };
        self.launch(claimed, slot.begin());
    }

    pub(crate) fn not_submitted(&self, error: StoreError) -> Fault {
        if matches!(error, StoreError::Taken) {
            return taken();
        }
        if matches!(error, StoreError::NotFound) {
            return Fault::new(Code::InvalidSession, "the account was deleted meanwhile; log in to another");
        }
        // It may be stored and claimed for this node all the same: the claim loop looks after it.
        self.lost_answer.store(true, Ordering::SeqCst);
        from_store(error, "the long job")
    }

    /// The job type, if `caller` may submit it.
    pub(crate) fn handler_for(&self, job_name: &str, caller: &Caller) -> Result<Arc<dyn JobHandler>, Fault> {
        let absent =
            || Fault::invalid(format!("{job_name} is not an API; {}", self.registry.why_absent(job_name)));
        let handler = self.registry.get(job_name).ok_or_else(absent)?;
        if handler.job_type().admin_only && !caller.admin {
            return Err(Fault::new(
                Code::PermissionDenied,
                format!("request api[name: {job_name}] is admin only, can not be executed by current user"),
            ));
        }
        Ok(handler)
    }

    /// A slot for a job that is about to be stored, if the node may start it now; what would fall to another node is left to
    /// that, unless this host alone may run it.
    pub(crate) fn slot_for_new(
        self: &Arc<Self>,
        class: SlotClass,
        job_name: &str,
        terms: &Terms,
    ) -> Option<Slot> {
        let falls_here = || {
            let (mine, now) = (self.slots.mine(class), self.runtime.monotonic());
            self.placement().may_start(class, job_name, mine, now)
        };
        let starts = self.is_ready() && (terms.host == Some(self.host()) || falls_here());
        if starts { self.slots.reserve(class) } else { None }
    }

    async fn same_as_before(
        &self,
        caller: &Caller,
        request: &SubmitRequest,
        hash: [u8; 32],
        fault: Fault,
    ) -> Result<SubmitAnswer, Fault> {
        let Some(id) = request.resource_uuid.filter(|_| !request.dry_run) else { return Err(fault) };
        let known = self.store.request_hash(id).await.map_err(|e| from_store(e, "the long job"))?;
        match known {
            None => Err(fault),
            Some(known) if known != hash => Err(taken()),
            Some(_) => {
                let job = self.owned_job(caller, &id.to_string()).await?;
                self.answer_only(caller, ApiOutcome::Job(id)).await?;
                Ok(SubmitAnswer::Job(Box::new(job)))
            }
        }
    }

    fn mask_and_seal(&self, request: &SubmitRequest) -> Result<(String, Option<Vec<u8>>), Fault> {
        let mut masked = request.data.clone();
        if !secrets::mask(&mut masked) {
            return Ok((request.job_data.clone(), None));
        }
        let sealed = secrets::seal(
            &self.config.secret_key,
            secrets::JOB_DATA,
            &request.data.to_string(),
            &*self.runtime,
        )?;
        Ok((masked.to_string(), Some(sealed)))
    }
}

fn taken() -> Fault {
    Fault::new(Code::ResourceUuidTaken, "resourceUuid is already used by a different request")
}

fn tags(system: &[String], user: &[String]) -> Vec<NewTag> {
    let tag = |system: bool| move |text: &String| NewTag { system, text: text.clone() };
    let mut tags: Vec<NewTag> = system.iter().map(tag(true)).chain(user.iter().map(tag(false))).collect();
    tags.dedup();
    tags
}
