//! Limits, and what a job waits for, from memory. How claims are given is in `claims`.

use async_trait::async_trait;
use longhaul_model::resource::PARENT_TAG;
use longhaul_model::wait::AHEAD_MAX;
use longhaul_model::{Claim, JobId, JobState, Limits, NodeId, SuspendReason, Wait};

use super::{Db, Entry, MemoryStore};
use crate::life::{self, Ready};
use crate::{Kept, Queue, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

#[async_trait]
impl Queue for MemoryStore {
    async fn set_limits(&self, limits: &Limits) -> Result<()> {
        self.lock().limits = limits.clone();
        Ok(())
    }

    async fn limits(&self) -> Result<Limits> {
        Ok(self.lock().limits.clone())
    }

    async fn waits_for(&self, id: JobId) -> Result<Vec<Wait>> {
        let now_ms = self.now_ms();
        let db = self.lock();
        let Some(entry) = db.jobs.get(&id) else { return Ok(Vec::new()) };
        let could_run = matches!(entry.job.state, JobState::Waiting | JobState::Running);
        if !could_run || entry.holder.is_some() {
            return Ok(Vec::new());
        }
        Ok(db.waits_of(entry, now_ms, self.options.lease_ttl_ms))
    }

    async fn held(&self, node: NodeId) -> Result<Vec<Claim>> {
        let asked = |job: &longhaul_model::Job| {
            matches!(job.state, JobState::Running | JobState::Canceling)
                && job.suspend == Some(SuspendReason::User)
        };
        Ok(self.lock().claims_of(node, asked))
    }

    async fn overdue(&self, limit: u32) -> Result<Vec<JobId>> {
        let now_ms = self.now_ms();
        let db = self.lock();
        let waiting = db.live.iter().filter_map(|(place, id)| Some((place, db.jobs.get(id)?)));
        let waiting = waiting.filter(|(_, e)| e.job.state == JobState::Waiting);
        let mut passed: Vec<_> = waiting
            .filter_map(|(place, e)| {
                Some((e.job.deadline_ms().filter(|at| *at <= now_ms)?, *place, e.job.id))
            })
            .collect();
        passed.sort_unstable();
        Ok(passed.into_iter().take(limit as usize).map(|(_, _, id)| id).collect())
    }

    async fn sweep_jobs(&self, kept: Kept, limit: u32) -> Result<u64> {
        let now_ms = self.now_ms();
        let mut db = self.lock();
        let mut ended: Vec<_> = db
            .jobs
            .values()
            .filter(|e| e.job.state.is_final())
            .map(|e| (e.job.create_ms, e.job.id, e.job.last_op_ms))
            .collect();
        ended.sort_unstable();
        let beyond = kept.jobs.map_or(0, |most| (ended.len() as u64).saturating_sub(most));
        let (mut removed, mut of_those) = (0, 0);
        for (create_ms, id, last_op_ms) in ended {
            let old = kept.age_ms.is_some_and(|age_ms| {
                let before_ms = now_ms.saturating_sub(age_ms);
                create_ms < before_ms && last_op_ms < before_ms
            });
            let too_many = of_those < beyond;
            if removed == u64::from(limit) || !(old || too_many) {
                continue;
            }
            if !db.has_open_child(id) {
                db.remove_job(id);
                removed += 1;
                of_those += 1;
            }
        }
        Ok(removed)
    }
}

impl Db {
    /// Whether a job that this one submitted is not final.
    fn has_open_child(&self, id: JobId) -> bool {
        let text = format!("{PARENT_TAG}{id}");
        let children = self.tags.values().filter(|tag| tag.system && tag.text == text);
        let mut children = children.filter_map(|tag| tag.resource_uuid.parse().ok());
        children.any(|child: JobId| self.jobs.get(&child).is_some_and(|e| !e.job.state.is_final()))
    }

    fn waits_of(&self, entry: &Entry, now_ms: i64, ttl_ms: i64) -> Vec<Wait> {
        let mut waits = Vec::new();
        match life::ready(&entry.job) {
            Ready::Never => waits.push(Wait::Held),
            Ready::At(at_ms) if at_ms > now_ms => waits.push(Wait::NotBefore(at_ms)),
            Ready::Now | Ready::At(_) => {}
        }
        if entry.job.state == JobState::Waiting {
            waits.extend(self.behind(entry));
        }
        let full = self.full(entry, &self.used()).into_iter();
        waits.extend(full.map(|(of, running, most)| Wait::Limit { of, running, most }));
        let leases = self.leases(now_ms, ttl_ms);
        let living: Vec<_> =
            self.nodes.values().filter(|m| !leases.expired(m.until_ms)).map(|m| m.node.host).collect();
        match entry.job.terms.host {
            _ if living.is_empty() => waits.push(Wait::NoNode),
            Some(host) if !living.contains(&host) => waits.push(Wait::HostAway(host)),
            _ => {}
        }
        if waits.is_empty() {
            let before = |e: &&Entry| {
                e.class == entry.class
                    && (e.job.rank(), e.place) < (entry.job.rank(), entry.place)
                    && e.job.terms.host.is_none_or(|host| Some(host) == entry.job.terms.host)
                    && self.is_claimable(e, now_ms)
                    && self.full(e, &self.used()).is_empty()
            };
            let ahead = self.live.values().filter_map(|id| self.jobs.get(id)).filter(before).count();
            waits.push(Wait::Slot { class: entry.class, ahead: (ahead as u64).min(AHEAD_MAX) });
        }
        waits
    }

    /// The jobs on its target that were submitted before it.
    fn behind(&self, entry: &Entry) -> Option<Wait> {
        let target = entry.job.target.as_ref().filter(|_| entry.ordered)?;
        let earlier = self.live.range(..entry.place).filter_map(|(_, id)| self.jobs.get(id));
        let mut ahead = earlier.filter(|e| e.ordered && e.job.target.as_ref() == Some(target));
        let first = ahead.next()?;
        let ahead = 1 + ahead.count() as u64;
        Some(Wait::Behind { first: first.job.id, state: first.job.state, ahead: ahead.min(AHEAD_MAX) })
    }
}
