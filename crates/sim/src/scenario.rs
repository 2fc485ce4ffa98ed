//! One simulation from its seed: which store, how many nodes, which faults; run, let everything come to its
//! end, and gather the evidence. What the evidence proves is in `checker`.

use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use longhaul_engine::engine::Held;
use longhaul_model::query::{Filter, Page, Query, Resource, Rows};
use longhaul_model::{Job, Runtime, SlotClass};
use longhaul_store::Store;

use crate::chaos::{Allowed, Chaos};
use crate::checker::{Evidence, JobEnd, Limits, Violation, check, needs_a_resume};
use crate::client::{Clients, Verb, ask};
use crate::cluster::{Cluster, Setup};
use crate::executor::{RunEnd, WORLD, World};
use crate::ground::Ground;
use crate::handlers::KINDS;
use crate::journal::Journal;
use crate::network::Weather;
use crate::rng::Rng;

/// Which store a simulation runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The memory store, shared by one to four nodes.
    Memory,
    /// SQLite, shared by one to four nodes: its statements under takeovers, which one node alone never makes.
    SharedSqlite,
    /// SQLite in the one process, which is alone on it.
    EmbeddedSqlite,
    /// PostgreSQL, shared by one to four nodes. Real transactions meet in it, so two runs of a seed have the same faults
    /// and the same calls of the same clients, but not to the letter the same story.
    Postgres,
}

/// Puts something between the nodes and the store, for the negative controls.
pub type Wrap = fn(Arc<dyn Store>) -> Arc<dyn Store>;

/// What a simulation left behind.
pub struct Outcome {
    /// What the checker found.
    pub violations: Vec<Violation>,
    /// Equal for two runs of one seed on a store in the world.
    pub trace_hash: u64,
    /// Jobs in the store at the end.
    pub jobs: usize,
    /// Virtual time it took.
    pub took: Duration,
    /// What went wrong on purpose.
    pub faults: Vec<String>,
    /// Most calls that were under way at a time at a store outside of the world; 0 for one in it.
    pub calls_at_once: usize,
}

/// How long clients and chaos go on, at most.
const ACTIVE: Duration = Duration::from_secs(240);
/// How long after the faults every job may take to its end.
const SETTLE: Duration = Duration::from_secs(300);
/// How long nothing more may happen after that.
const REST: Duration = Duration::from_secs(12);

struct Scene {
    world: Arc<World>,
    store: Arc<dyn Store>,
    cluster: Arc<Cluster>,
    clients: Clients,
    journal: Journal,
    setup: Setup,
}

/// Runs the simulation of `seed`. `print` writes its trace to standard output.
pub fn simulate(seed: u64, backend: Backend, print: bool, wrap: Option<Wrap>) -> Outcome {
    let mut rng = Rng::stream(seed, "scenario");
    let world = World::new(seed, print);
    let journal = Journal::new(world.clone());
    let setup = setup(&mut rng, backend);
    let weather = Weather::new(seed, u32::try_from(rng.pick(&[0, 0, 1, 3, 8]).unwrap_or(0)).unwrap_or(0));
    let allowed = Allowed {
        processes: rng.chance(80),
        store: rng.chance(50),
        clock: rng.chance(30),
        pace_ms: rng.between(1000, 8000),
    };
    let ground = Ground::new(&world, seed, backend);
    let store = wrap.map_or_else(|| ground.reached.clone(), |wrap| wrap(ground.reached.clone()));
    let cluster = Cluster::new(&world, &journal, &weather, setup.clone(), Box::new(move || store.clone()));
    world.note(WORLD, &format!("seed {seed} {backend:?} {setup:?} {allowed:?}"));

    (0..cluster.len()).for_each(|node| cluster.start(node));
    let clients = Clients::default();
    for client in 0..rng.between(1, 4) {
        let (actions, pace_ms) = (rng.between(4, 16), rng.between(50, 3000));
        clients.start(&world, &cluster, Rng::stream(seed ^ (client << 32), "client"), actions, pace_ms);
    }
    let chaos = Chaos::start(&world, &cluster, &weather, allowed, Rng::stream(seed, "chaos"));
    let began = world.now();
    world.run(ACTIVE, &|| !clients.are_busy());
    chaos.end();

    let scene = Scene { world, store: ground.store.clone(), cluster, clients, journal, setup };
    let settled = scene.settle(SETTLE + chaos.put_back());
    let hung = scene.clients.are_busy();
    scene.world.run(REST, &|| false);
    // A claim on its way holds the free slots for a moment; what leaks stays for ever.
    scene.world.run(REST, &|| scene.cluster.held().iter().all(|(_, held)| *held == Held::default()));
    let evidence = scene.evidence(&chaos, settled && !hung);
    let violations = check(&evidence);
    for violation in &violations {
        scene.world.note(WORLD, &format!("VIOLATION {violation}"));
    }
    let outcome = Outcome {
        violations,
        trace_hash: scene.world.trace_hash(),
        jobs: evidence.jobs.len(),
        took: scene.world.now() - began,
        faults: chaos.done(),
        calls_at_once: scene.world.flights().most(),
    };
    (0..scene.cluster.len()).for_each(|node| scene.cluster.kill(node));
    scene.world.end();
    outcome
}

fn setup(rng: &mut Rng, backend: Backend) -> Setup {
    Setup {
        nodes: if backend == Backend::EmbeddedSqlite { 1 } else { rng.index(4) + 1 },
        embedded: backend == Backend::EmbeddedSqlite,
        max_running: u32::try_from(rng.between(1, 4)).unwrap_or(1),
        max_running_simulator: rng.pick(&[None, Some(1), Some(2), Some(4)]).flatten(),
        limits: job_limits(rng),
    }
}

/// In half of the simulations none.
fn job_limits(rng: &mut Rng) -> longhaul_model::Limits {
    let mut limits = longhaul_model::Limits::default();
    if rng.chance(50) {
        return limits;
    }
    for kind in KINDS {
        if !rng.chance(30) {
            continue;
        }
        let most = u32::try_from(rng.between(1, 2)).unwrap_or(1);
        let table = if most == 1 { &mut limits.types } else { &mut limits.types_of_each_account };
        table.insert(kind.name.to_owned(), most);
    }
    limits.each_account = rng.chance(40).then_some(3);
    limits
}

impl Scene {
    /// Without faults from here on: every process runs, every suspended and held job is resumed, until all jobs are
    /// final.
    fn settle(&self, patience: Duration) -> bool {
        let (cluster, runtime) = (self.cluster.clone(), self.world.runtime(WORLD));
        let store = self.store.clone();
        self.world.spawn(
            WORLD,
            Box::pin(async move {
                loop {
                    for node in 0..cluster.len() {
                        cluster.start(node);
                    }
                    for job in jobs(&*store).into_iter().filter(needs_a_resume) {
                        ask(&cluster, 0, Duration::from_secs(5), Verb::Resume, job.id).await;
                    }
                    runtime.sleep(Duration::from_millis(500)).await;
                }
            }),
        );
        let done = || !self.clients.are_busy() && jobs(&*self.store).iter().all(|job| job.state.is_final());
        // Looked at once a second, not after each step: a look reads every job.
        let until = self.world.now() + patience;
        while self.world.now() < until {
            if done() {
                return true;
            }
            if self.world.run(Duration::from_secs(1), &|| false) == RunEnd::Stalled {
                return done();
            }
        }
        done()
    }

    fn evidence(&self, chaos: &Chaos, settled: bool) -> Evidence {
        let ends = jobs(&*self.store)
            .into_iter()
            .map(|job| {
                let rows = block_on(self.store.timeline(job.id)).expect("the store tells a timeline");
                JobEnd { rows, job }
            })
            .collect();
        let limit = |class| match class {
            SlotClass::BuiltIn => Some(self.setup.max_running),
            SlotClass::Simulator => self.setup.max_running_simulator,
            SlotClass::Parent => None,
        };
        Evidence {
            notes: self.clients.notes(),
            acts: self.journal.entries(),
            deeds: self.journal.deeds().clone(),
            jobs: ends,
            job_limits: self.setup.limits.clone(),
            wall_ms: self.world.wall_ms() - i64::try_from(self.world.now().as_millis()).unwrap_or(0),
            limits: Limits { built_in: limit(SlotClass::BuiltIn), simulator: limit(SlotClass::Simulator) },
            clock_jumped: chaos.clock_jumped(),
            put_back_ms: i64::try_from(chaos.put_back().as_millis()).unwrap_or(i64::MAX),
            settled,
            held: self.cluster.held(),
        }
    }
}

/// Every job in the store, without going through the network.
fn jobs(store: &dyn Store) -> Vec<Job> {
    let query = Query {
        resource: Resource::Job,
        filter: Filter::default(),
        sort: None,
        page: Page { start: 0, limit: longhaul_model::query::LIMIT_MAX },
        want_rows: true,
        want_total: false,
        without_bodies: false,
    };
    match block_on(store.query(&query)).expect("the store tells its jobs").rows {
        Rows::Jobs(jobs) => jobs,
        _ => Vec::new(),
    }
}
