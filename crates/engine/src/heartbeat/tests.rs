//! A join that another one of its host overtakes. That the store refuses it is a case of its conformance suite.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use futures::FutureExt;
use futures::executor::block_on;
use longhaul_model::resource::NewNode;
use longhaul_model::{Fault, HostId, NodeId};
use longhaul_store::conformance::HandClock;
use longhaul_store::faulty::Fate;
use longhaul_store::{FaultyStore, Gone, MemoryStore, Nodes, StoreError, StoreOptions};

use super::{JOIN_TRIES, join};
use crate::{EngineConfig, Registry};

const HOST: HostId = HostId::v4(1);

/// A store in which another process of the host joins in front of the first so many joins.
fn overtaking(clock: &Arc<HandClock>, times: u32) -> Arc<FaultyStore<MemoryStore>> {
    Arc::new_cyclic(|this: &Weak<FaultyStore<MemoryStore>>| {
        let (this, left, chance) = (this.clone(), AtomicU32::new(times), clock.clone());
        let plan = move |operation: &'static str| {
            let one_less = |left: u32| left.checked_sub(1);
            if operation == "join" && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
            {
                let store = this.upgrade().expect("somebody calls it");
                let joins_before = store.inner().joins(HOST).now_or_never().expect("at once").unwrap();
                let other = NewNode::new(NodeId::random(&*chance), HOST, "there");
                let other = NewNode { joins_before, ..other };
                store.inner().join(other, Gone::Unproven).now_or_never().expect("at once").unwrap();
            }
            Fate::Pass
        };
        let inner = MemoryStore::new(clock.clone(), StoreOptions::default());
        FaultyStore::new(inner, Arc::new(plan), clock.clone())
    })
}

fn config() -> EngineConfig {
    let parse = |text: &str| serde_json::from_str(text).map_err(|e| Fault::invalid(e.to_string()));
    EngineConfig { host: HOST, ..EngineConfig::new(|_| "SYS.1000", parse, [0; 32]) }
}

#[test]
fn a_join_that_is_overtaken_is_sent_again() {
    let clock = HandClock::new();
    let store = overtaking(&clock, JOIN_TRIES - 1);
    let joined =
        block_on(join(&*store, &*clock, (&config(), &Registry::default()), Gone::Host(HOST))).unwrap();
    assert!(block_on(store.heartbeat(joined.node)).is_ok());
    assert_eq!(block_on(store.joins(HOST)), Ok(u64::from(JOIN_TRIES)), "the others', and this one");
}

#[test]
fn a_join_that_is_overtaken_every_time_is_given_up() {
    let clock = HandClock::new();
    let store = overtaking(&clock, u32::MAX);
    let refused = block_on(join(&*store, &*clock, (&config(), &Registry::default()), Gone::Host(HOST)));
    assert_eq!(refused.err(), Some(StoreError::Stale));
    assert_eq!(block_on(store.joins(HOST)), Ok(u64::from(JOIN_TRIES)), "so often it was tried");
}
