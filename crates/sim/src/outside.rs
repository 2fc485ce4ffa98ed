//! The way from a simulation's world to a store that is outside of it. Calls wait for the next round, a moment of
//! virtual time that comes every so often, and all calls of a round are under way together: transactions of several
//! processes meet in the database. How the world waits for them is in `flights`.

use std::sync::Arc;
use std::time::Duration;

use longhaul_model::BoxFuture;
use longhaul_store::{Store, StoreError};

use crate::delegate::Passes;
use crate::executor::World;
use crate::flights::Flight;
use crate::runtime::sleep_until;
use crate::{delegate, delegate_the_rest};

/// A store outside of the world.
pub(crate) struct Outside {
    inner: Arc<dyn Store>,
    world: Arc<World>,
    round_us: u64,
}

impl Outside {
    /// `inner` as the world reaches it: every `round`, at least 1 ms. Its length divides a second, so that rounds are
    /// at the beginning of a millisecond and all calls of one see the same time.
    pub(crate) fn new(inner: Arc<dyn Store>, world: &Arc<World>, round: Duration) -> Arc<Self> {
        let round_us = u64::try_from(round.as_micros()).unwrap_or(u64::MAX).max(1000);
        Arc::new(Self { inner, world: world.clone(), round_us })
    }
}

impl Passes for Outside {
    fn pass<'a, T: Send + 'a>(
        &'a self,
        call: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            sleep_until(&self.world, self.world.now_us().next_multiple_of(self.round_us)).await;
            Flight::new(self.world.flights(), call).await
        })
    }
}

delegate! { Outside, Jobs {
    submit(job: NewJob, record: Option<ApiRecord>) -> Submitted;
    job(id: JobId) -> Option<Job>;
    request_hash(id: JobId) -> Option<[u8; 32]>;
    claim(node: NodeId, slots: &[FreeSlots], except: &[String]) -> Vec<Claimed>;
    apply(claim: &Claim, transition: Transition) -> Job;
    release(claim: &Claim, detail: &str) -> ();
    change(id: JobId, version: u64, change: Change, record: Option<ApiRecord>) -> (Job, Option<Claim>);
    delete_job(id: JobId, version: u64, record: Option<ApiRecord>) -> ();
    canceling(node: NodeId) -> Vec<Claim>;
    claims(node: NodeId) -> Vec<Claim>;
    save_checkpoint(claim: &Claim, pages: &Pages) -> ();
    save_progress(rows: &[(Claim, Progress)]) -> ();
}}

delegate! { Outside, Queue {
    set_limits(limits: &Limits) -> ();
    limits() -> Limits;
    waits_for(id: JobId) -> Vec<Wait>;
    held(node: NodeId) -> Vec<Claim>;
    overdue(limit: u32) -> Vec<JobId>;
    sweep_jobs(kept: Kept, limit: u32) -> u64;
}}

delegate! { Outside, Nodes {
    joins(host: HostId) -> u64;
    join(node: NewNode, gone: Gone) -> NodeLease;
    heartbeat(node: NodeId) -> NodeLease;
    leave(node: NodeId) -> ();
    drain(node: NodeId, drained: bool) -> ();
    on_duty(node: NodeId, duty: &str) -> bool;
    tell(node: NodeId, text: &str) -> Vec<String>;
    spread(node: NodeId) -> longhaul_store::Spread;
    kept(key: &str, fresh: &str) -> String;
}}

delegate_the_rest!(Outside);
