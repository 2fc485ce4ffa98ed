//! How claims are given: what has begun first, then by priority, then by place, per class up to the free slots
//! and to the room in the limits. The trait's methods are in `jobs`, `waits_for` in `queue`.

use std::collections::{BTreeMap, BTreeSet};

use longhaul_model::timeline::Actor;
use longhaul_model::{Claim, Claimed, FreeSlots, HostId, JobId, JobState, LimitOf, NodeId};

use super::{Db, Entry};
use crate::StoreError;
use crate::life::{self, Ready};
use crate::nodes::PerClass;

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

    /// Whether nothing but a slot, a node of its host and room in its limits is in its way.
    pub(super) fn is_claimable(&self, entry: &Entry, now_ms: i64) -> bool {
        let ready = match life::ready(&entry.job) {
            Ready::Now => true,
            Ready::At(at_ms) => at_ms <= now_ms,
            Ready::Never => false,
        };
        ready
            && entry.holder.is_none()
            && !(entry.job.state == JobState::Waiting && self.is_behind_another(entry))
    }

    /// Whether a node of `host` may claim it.
    fn is_for(entry: &Entry, host: HostId) -> bool {
        entry.job.terms.host.is_none_or(|wanted| wanted == host)
    }

    /// How many jobs count against each limit.
    pub(super) fn used(&self) -> BTreeMap<LimitOf, u32> {
        let mut used = BTreeMap::new();
        let live = self.live.values().filter_map(|id| self.jobs.get(id));
        for entry in live.filter(|entry| entry.counted) {
            for (of, _) in self.limits.on(entry.job.account, &entry.job.job_name) {
                *used.entry(of).or_default() += 1;
            }
        }
        used
    }

    /// Those of its limits that are used up, if it has to wait for room.
    pub(super) fn full(&self, entry: &Entry, used: &BTreeMap<LimitOf, u32>) -> Vec<(LimitOf, u32, u32)> {
        if entry.counted || entry.job.state == JobState::Canceling {
            return Vec::new();
        }
        let on = self.limits.on(entry.job.account, &entry.job.job_name).into_iter();
        let told = on.map(|(of, most)| (used.get(&of).copied().unwrap_or(0), of, most));
        told.filter(|(used, _, most)| used >= most).map(|(used, of, most)| (of, used, most)).collect()
    }

    /// How many jobs a node of any host could claim, in each class; and of these, those of some job types, by these.
    pub(super) fn waiting_for_any_host(
        &self,
        of_types: &BTreeSet<String>,
        now_ms: i64,
    ) -> (PerClass, BTreeMap<String, PerClass>) {
        let (mut used, mut waiting) = (self.used(), PerClass::default());
        let mut by_type: BTreeMap<String, PerClass> = BTreeMap::new();
        let live = self.live.values().filter_map(|id| self.jobs.get(id));
        for entry in live.filter(|e| e.job.terms.host.is_none() && self.is_claimable(e, now_ms)) {
            if self.full(entry, &used).is_empty() {
                waiting[entry.class as usize] += 1;
                if of_types.contains(&entry.job.job_name) {
                    by_type.entry(entry.job.job_name.clone()).or_default()[entry.class as usize] += 1;
                }
                if !entry.counted {
                    let on = self.limits.on(entry.job.account, &entry.job.job_name).into_iter();
                    on.for_each(|(of, _)| *used.entry(of).or_default() += 1);
                }
            }
        }
        (waiting, by_type)
    }

    /// Jobs that may be claimed on `host`, first of all those that go first.
    pub(super) fn line(&self, host: HostId, now_ms: i64) -> Vec<&Entry> {
        let live = self.live.values().filter_map(|id| self.jobs.get(id));
        let mut line: Vec<&Entry> =
            live.filter(|e| Self::is_for(e, host) && self.is_claimable(e, now_ms)).collect();
        line.sort_by_key(|e| (e.job.rank(), e.place));
        line
    }

    pub(super) fn claim_free(
        &mut self,
        node: NodeId,
        slots: &[FreeSlots],
        except: &[String],
        now_ms: i64,
    ) -> Result<Vec<Claimed>, StoreError> {
        let Some(host) = self.nodes.get(&node).map(|member| member.node.host) else { return Ok(Vec::new()) };
        let mut taken = Vec::new();
        for slot in slots {
            let line: Vec<(JobId, bool)> = self
                .line(host, now_ms)
                .into_iter()
                .filter(|e| e.class == slot.class && !except.contains(&e.job.job_name))
                .map(|e| (e.job.id, e.job.terms.host.is_none()))
                .collect();
            let (mut free, mut shared) = (slot.free, slot.shared);
            for (id, is_shared) in line {
                let left = if is_shared { free.min(shared) } else { free };
                if left > 0 && self.jobs.get(&id).is_some_and(|e| self.full(e, &self.used()).is_empty()) {
                    taken.push(self.give(id, node, now_ms)?);
                    free -= 1;
                    shared -= u32::from(is_shared);
                }
            }
        }
        Ok(taken)
    }

    /// Claims and starts a job that has just taken its place, if it would be the first that `node` claims.
    pub(super) fn claim_if_first(
        &mut self,
        id: JobId,
        node: NodeId,
        now_ms: i64,
        ttl_ms: i64,
    ) -> Result<Option<Claim>, StoreError> {
        self.end_expired_leases(now_ms, ttl_ms);
        let (Some(entry), Some(member)) = (self.jobs.get(&id), self.nodes.get(&node)) else {
            return Ok(None);
        };
        if self.is_drained(node) {
            return Ok(None);
        }
        let (class, used) = (entry.class, self.used());
        let mut line = self.line(member.node.host, now_ms).into_iter();
        let first = line.find(|e| e.class == class && self.full(e, &used).is_empty()).map(|e| e.job.id);
        if first == Some(id) { self.give(id, node, now_ms).map(|c| Some(c.claim)) } else { Ok(None) }
    }

    fn give(&mut self, id: JobId, node: NodeId, now_ms: i64) -> Result<Claimed, StoreError> {
        let entry = self.jobs.get_mut(&id).ok_or(StoreError::NotFound)?;
        let taken_over = entry.orphaned;
        let (job, purpose, kind) = life::claimed(&entry.job, node, now_ms, taken_over)?;
        let claim = Claim { job: id, node, token: job.token, attempt: job.attempt };
        entry.job = job;
        entry.holder = Some(node);
        entry.orphaned = false;
        entry.counted = true;
        if let Some(kind) = kind {
            entry.note(now_ms, kind, Actor::Node(node), "");
        }
        let checkpoint = entry.checkpoint.clone();
        let progress = entry.progress.as_ref().map(|(_, progress)| progress.clone());
        let sealed_data = entry.sealed_data.clone();
        let job = entry.job.clone();
        Ok(Claimed { claim, job: self.seen(&job), purpose, taken_over, checkpoint, progress, sealed_data })
    }
}
