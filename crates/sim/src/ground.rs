//! The store of a simulation, fresh for each. One on PostgreSQL is a schema of its own on the server that
//! `LONGHAUL_TEST_POSTGRES` names; it has the world's time, and is outside of the world.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use longhaul_model::{Clock, Runtime};
use longhaul_store::conformance::HandClock;
use longhaul_store::postgres::Scratch;
use longhaul_store::{MemoryStore, PostgresOptions, PostgresStore, SqliteStore, Store, StoreOptions};

use crate::executor::{WORLD, World};
use crate::outside::Outside;
use crate::rng::Rng;
use crate::scenario::Backend;

/// Names the PostgreSQL server, by its URL.
const SERVER: &str = "LONGHAUL_TEST_POSTGRES";
/// Between two rounds of calls to a store outside of the world, ms. Longer ones bring more calls together.
const ROUNDS_MS: [u64; 3] = [1, 5, 20];

/// A store, and how the processes of the world reach it.
pub(crate) struct Ground {
    /// For who looks at it from outside of the world.
    pub store: Arc<dyn Store>,
    /// For who is in the world.
    pub reached: Arc<dyn Store>,
    // Last: it is dropped behind the store that is in it.
    _schema: Option<Scratch>,
}

impl Ground {
    /// # Panics
    /// The store does not open: nothing can be simulated then.
    pub(crate) fn new(world: &Arc<World>, seed: u64, backend: Backend) -> Self {
        let (runtime, options): (Arc<dyn Runtime>, _) = (world.runtime(WORLD), StoreOptions::default());
        let inside = |store: Arc<dyn Store>| Self { reached: store.clone(), store, _schema: None };
        match backend {
            Backend::Memory => inside(Arc::new(MemoryStore::new(runtime, options))),
            Backend::SharedSqlite | Backend::EmbeddedSqlite => {
                let store = SqliteStore::inline_in_memory(runtime, options);
                inside(Arc::new(store.expect("SQLite starts")))
            }
            Backend::Postgres => Self::on_postgres(world, seed),
        }
    }

    fn on_postgres(world: &Arc<World>, seed: u64) -> Self {
        let server = std::env::var(SERVER).unwrap_or_else(|_| {
            panic!(
                "{SERVER} is not set: start a server with `tests/tools/postgres-dev.sh start DIR` and set it to the \
                 URL that is printed"
            )
        });
        let mut rng = Rng::stream(seed, "ground");
        let round = Duration::from_millis(rng.pick(&ROUNDS_MS).unwrap_or(1));
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("sim_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let schema = Scratch::new(&server, &name).expect("a schema");
        let clock: Arc<dyn Clock> = world.runtime(WORLD);
        // A busy machine is no fault of the store.
        let (connect_limit, write_limit) = (Duration::from_secs(60), Duration::from_secs(60));
        let options = PostgresOptions {
            clock: Some(clock),
            connections: 8,
            read_connections: 4,
            connect_limit,
            write_limit,
            ..PostgresOptions::default()
        };
        // Its chance is its own: it is asked for on other threads, at moments that real time decides.
        let store = PostgresStore::open(schema.url(), HandClock::new(), options).expect("the store opens");
        let store: Arc<dyn Store> = Arc::new(store);
        let reached = Outside::new(store.clone(), world, round);
        Self { store, reached, _schema: Some(schema) }
    }
}
