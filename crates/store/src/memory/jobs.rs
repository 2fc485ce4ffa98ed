//! The life of jobs in memory. How claims are given is in `claims`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use longhaul_model::progress::Progress;
use longhaul_model::resource::{ApiRecord, Effect, Tag, Tagged};
use longhaul_model::timeline::{Actor, TimelineKind};
use longhaul_model::{
    Change, Claim, Claimed, FreeSlots, Job, JobEvent, JobId, JobState, NewJob, NewTag, NodeId, Pages,
    Submitted, TagId, Transition,
};

use super::{Db, Entry, MemoryStore};
use crate::history;
use crate::life;
use crate::{Jobs, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Jobs for MemoryStore {
    async fn submit(&self, new: NewJob, record: Option<ApiRecord>) -> Result<Submitted> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        db.check_account(new.account)?;
        db.check_record_free(record.as_ref())?;
        if let Some(known) = db.jobs.get(&new.id) {
            if known.hash != new.request_hash {
                return Err(StoreError::Taken);
            }
            let job = db.seen(&known.job);
            db.keep_record(record, now_ms);
            return Ok(Submitted::Same(Box::new(job)));
        }
        let mut entry = Entry {
            job: life::submitted(&new, now_ms),
            hash: new.request_hash,
            sealed_data: new.sealed_data,
            class: new.class,
            ordered: new.ordered,
            place: 0,
            holder: None,
            orphaned: false,
            counted: false,
            timeline: Vec::new(),
            checkpoint: Pages::new(),
            progress: None,
            history: BTreeMap::new(),
        };
        entry.note(now_ms, TimelineKind::Submitted, Actor::Account(new.account), "");
        db.jobs.insert(new.id, entry);
        db.enqueue(new.id);
        for tag in new.tags {
            let id = TagId::random(&*self.runtime);
            let resource_type = longhaul_model::query::Resource::Job.tag_type().to_owned();
            let resource_uuid = new.id.to_string();
            let NewTag { system, text } = tag;
            let (create_ms, last_op_ms) = (now_ms, now_ms);
            db.tags.insert(id, Tag { id, resource_uuid, resource_type, system, text, create_ms, last_op_ms });
        }
        db.keep_record(record, now_ms);
        let claim = match new.claim_for {
            Some(node) => db.claim_if_first(new.id, node, now_ms, self.options.lease_ttl_ms)?,
            None => None,
        };
        let job = db.jobs.get(&new.id).map(|e| db.seen(&e.job)).ok_or(StoreError::NotFound)?;
        Ok(Submitted::Created(Box::new(job), claim))
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>> {
        let db = self.lock();
        Ok(db.jobs.get(&id).map(|e| db.seen(&e.job)))
    }

    async fn request_hash(&self, id: JobId) -> Result<Option<[u8; 32]>> {
        Ok(self.lock().jobs.get(&id).map(|e| e.hash))
    }

    async fn claim(&self, node: NodeId, slots: &[FreeSlots], except: &[String]) -> Result<Vec<Claimed>> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        db.end_expired_leases(now_ms, self.options.lease_ttl_ms);
        if !db.nodes.contains_key(&node) {
            return Err(StoreError::LeaseLost);
        }
        if db.is_drained(node) {
            return Ok(Vec::new());
        }
        db.claim_free(node, slots, except, now_ms)
    }

    async fn apply(&self, claim: &Claim, transition: Transition) -> Result<Job> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let leases = db.leases(now_ms, self.options.lease_ttl_ms);
        let entry = db.held(claim, leases).ok_or(StoreError::LeaseLost)?;
        let decided = life::transitioned(&entry.job, &transition, now_ms)?;
        let succeeded = decided.job.state == JobState::Succeeded;
        let effects: Vec<Effect> = transition
            .effects
            .into_iter()
            .filter(|effect| succeeded || matches!(effect, Effect::LedgerDone(_)))
            .collect();
        db.check_effects(&effects, claim.job)?;
        for effect in effects {
            db.do_effect(effect, now_ms);
        }
        let is_final = decided.job.state.is_final();
        let entry = db.jobs.get_mut(&claim.job).ok_or(StoreError::NotFound)?;
        entry.store(decided.job, decided.ends_claim);
        for kind in decided.rows {
            entry.note(now_ms, kind, Actor::Node(claim.node), &transition.detail);
        }
        let (job, place) = (entry.job.clone(), entry.place);
        if is_final {
            db.live.remove(&place);
        }
        Ok(db.seen(&job))
    }

    async fn release(&self, claim: &Claim, detail: &str) -> Result<()> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let leases = db.leases(now_ms, self.options.lease_ttl_ms);
        let entry = db.held(claim, leases).ok_or(StoreError::LeaseLost)?;
        entry.job = life::released(&entry.job, now_ms);
        entry.holder = None;
        entry.note(now_ms, TimelineKind::Released, Actor::Node(claim.node), detail);
        Ok(())
    }

    async fn change(
        &self,
        id: JobId,
        version: u64,
        change: Change,
        record: Option<ApiRecord>,
    ) -> Result<(Job, Option<Claim>)> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let entry = db.jobs.get(&id).ok_or(StoreError::NotFound)?;
        if entry.job.version != version {
            return Err(StoreError::Stale);
        }
        let decided = life::changed(&entry.job, entry.holder.is_some(), &change, now_ms)?;
        db.check_record_free(record.as_ref())?;
        db.keep_record(record, now_ms);
        let is_rerun = change.event == Some(JobEvent::Rerun);
        let is_final = decided.job.state.is_final();
        let entry = db.jobs.get_mut(&id).ok_or(StoreError::NotFound)?;
        entry.store(decided.job, decided.ends_claim);
        for kind in decided.rows {
            entry.note(now_ms, kind, change.actor, &change.detail);
        }
        let place = entry.place;
        let mut claim = None;
        if is_final {
            db.live.remove(&place);
        } else if is_rerun {
            db.enqueue(id);
            if let Some(node) = change.claim_for {
                claim = db.claim_if_first(id, node, now_ms, self.options.lease_ttl_ms)?;
            }
        }
        let job = db.jobs.get(&id).map(|e| db.seen(&e.job)).ok_or(StoreError::NotFound)?;
        Ok((job, claim))
    }

    async fn delete_job(&self, id: JobId, version: u64, record: Option<ApiRecord>) -> Result<()> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let entry = db.jobs.get(&id).ok_or(StoreError::NotFound)?;
        if entry.job.version != version {
            return Err(StoreError::Stale);
        }
        db.check_record_free(record.as_ref())?;
        db.keep_record(record, now_ms);
        db.remove_job(id);
        Ok(())
    }

    async fn canceling(&self, node: NodeId) -> Result<Vec<Claim>> {
        Ok(self.lock().claims_of(node, |job| job.state == JobState::Canceling))
    }

    async fn claims(&self, node: NodeId) -> Result<Vec<Claim>> {
        Ok(self.lock().claims_of(node, |_| true))
    }

    async fn save_checkpoint(&self, claim: &Claim, pages: &Pages) -> Result<()> {
        let mut db = self.lock();
        let leases = db.leases(self.now_ms(), self.options.lease_ttl_ms);
        let entry = db.held(claim, leases).ok_or(StoreError::LeaseLost)?;
        entry.checkpoint.extend(pages.iter().map(|(page, bytes)| (*page, bytes.clone())));
        Ok(())
    }

    async fn save_progress(&self, rows: &[(Claim, Progress)]) -> Result<()> {
        let mut db = self.lock();
        let leases = db.leases(self.now_ms(), self.options.lease_ttl_ms);
        for (claim, progress) in rows {
            let Some(entry) = db.held(claim, leases) else { continue };
            let before = entry.progress.as_ref().map(|(token, p)| (p, *token == claim.token));
            let Some((progress, noted)) = history::merged(progress, before) else { continue };
            entry.progress = Some((claim.token, progress.clone()));
            if noted {
                let rows = entry.history.entry(claim.attempt).or_default();
                history::add(rows, progress);
                history::keep_newest_attempts(&mut entry.history);
            }
        }
        Ok(())
    }
}

impl Db {
    /// Removes a job with everything that belongs to it.
    pub(super) fn remove_job(&mut self, id: JobId) {
        if let Some(entry) = self.jobs.remove(&id) {
            self.live.remove(&entry.place);
        }
        self.intents.retain(|_, intent| intent.job != id);
        self.drop_tags(Tagged::Job(id));
    }

    pub(super) fn claims_of(&self, node: NodeId, wanted: impl Fn(&Job) -> bool) -> Vec<Claim> {
        self.live
            .values()
            .filter_map(|id| self.jobs.get(id))
            .filter(|e| e.holder == Some(node) && wanted(&e.job))
            .map(|e| Claim { job: e.job.id, node, token: e.job.token, attempt: e.job.attempt })
            .collect()
    }
}
