//! How claims are given: in the order of places, per class up to the free slots. The trait's methods are in
//! `jobs`.

use longhaul_model::timeline::Actor;
use longhaul_model::{Claim, Claimed, FreeSlots, JobId, JobState, NodeId, SlotClass};

use super::{Db, Entry};
use crate::StoreError;
use crate::life::{self, Ready};

impl Db {
    /// Ends every lease that has expired and takes its jobs back.
    pub(super) fn end_expired_leases(&mut self, now_ms: i64, ttl_ms: i64) {
        let leases = self.leases(now_ms, ttl_ms);
        let gone: Vec<NodeId> =
            self.nodes.iter().filter(|(_, m)| leases.expired(m.until_ms)).map(|(id, _)| *id).collect();
        for node in gone {
            self.nodes.remove(&node);
            self.orphan_jobs_of(node);
        }
    }

    fn is_claimable(&self, entry: &Entry, now_ms: i64) -> bool {
        let ready = match life::ready(&entry.job) {
            Ready::Now => true,
            Ready::At(at_ms) => at_ms <= now_ms,
            Ready::Never => false,
        };
        ready
            && entry.holder.is_none()
            && !(entry.job.state == JobState::Waiting && self.is_behind_another(entry))
    }

    pub(super) fn claim_free(
        &mut self,
        node: NodeId,
        slots: &[FreeSlots],
        now_ms: i64,
    ) -> Result<Vec<Claimed>, StoreError> {
        let mut taken = Vec::new();
        for slot in slots {
            let chosen: Vec<JobId> = self
                .live
                .values()
                .filter(|id| {
                    self.jobs.get(id).is_some_and(|e| e.class == slot.class && self.is_claimable(e, now_ms))
                })
                .take(slot.free as usize)
                .copied()
                .collect();
            for id in chosen {
                taken.push(self.give(id, node, now_ms)?);
            }
        }
        Ok(taken)
    }

    /// Claims and starts a job that has just taken its place, if nobody is before it.
    pub(super) fn claim_if_first(
        &mut self,
        id: JobId,
        node: NodeId,
        now_ms: i64,
        ttl_ms: i64,
    ) -> Result<Option<Claim>, StoreError> {
        self.end_expired_leases(now_ms, ttl_ms);
        let Some(entry) = self.jobs.get(&id) else { return Ok(None) };
        let first = self.nodes.contains_key(&node)
            && self.is_claimable(entry, now_ms)
            && !self.someone_waits(entry.class, id, now_ms);
        if first { self.give(id, node, now_ms).map(|c| Some(c.claim)) } else { Ok(None) }
    }

    fn someone_waits(&self, class: SlotClass, but: JobId, now_ms: i64) -> bool {
        self.live
            .values()
            .filter(|id| **id != but)
            .filter_map(|id| self.jobs.get(id))
            .any(|e| e.class == class && self.is_claimable(e, now_ms))
    }

    fn give(&mut self, id: JobId, node: NodeId, now_ms: i64) -> Result<Claimed, StoreError> {
        let entry = self.jobs.get_mut(&id).ok_or(StoreError::NotFound)?;
        let taken_over = entry.orphaned;
        let (job, purpose, kind) = life::claimed(&entry.job, node, now_ms, taken_over)?;
        let claim = Claim { job: id, node, token: job.token, attempt: job.attempt };
        entry.job = job;
        entry.holder = Some(node);
        entry.orphaned = false;
        if let Some(kind) = kind {
            entry.note(now_ms, kind, Actor::Node(node), "");
        }
        let checkpoint = entry.checkpoint.clone();
        let sealed_data = entry.sealed_data.clone();
        let job = entry.job.clone();
        Ok(Claimed { claim, job: self.seen(&job), purpose, taken_over, checkpoint, sealed_data })
    }
}
