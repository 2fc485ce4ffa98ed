//! The processes of a simulation: started, killed, stopped, drained, and called as a client calls a server.
//! When that happens, decides `chaos`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, select};
use longhaul_engine::engine::Held;
use longhaul_engine::{Engine, EngineConfig};
use longhaul_model::{BoxFuture, Fault, HostId, Limits, Runtime};
use longhaul_store::{Gone, Store};

use crate::executor::{Place, WORLD, World};
use crate::handlers;
use crate::journal::Journal;
use crate::network::{Network, Weather};

/// Opens the store for a process that starts.
pub type OpenStore = Box<dyn Fn() -> Arc<dyn Store> + Send + Sync>;

/// How the processes of a simulation are set up.
#[derive(Debug, Clone)]
pub struct Setup {
    /// How many.
    pub nodes: usize,
    /// The store is in the one process, which is alone on it.
    pub embedded: bool,
    /// Running built-in jobs per node.
    pub max_running: u32,
    /// Running simulator jobs per node.
    pub max_running_simulator: Option<u32>,
    /// Running jobs over all nodes.
    pub limits: Limits,
}

#[derive(Default)]
struct Member {
    place: Option<Place>,
    engine: Option<Arc<Engine>>,
    /// Being drained: neither killed nor paused meanwhile.
    draining: bool,
}

/// All processes.
pub struct Cluster {
    world: Arc<World>,
    journal: Journal,
    weather: Arc<Weather>,
    open: OpenStore,
    setup: Setup,
    members: Mutex<Vec<Member>>,
}

impl Cluster {
    /// None started yet.
    pub fn new(
        world: &Arc<World>,
        journal: &Journal,
        weather: &Arc<Weather>,
        setup: Setup,
        open: OpenStore,
    ) -> Arc<Self> {
        let members = Mutex::new((0..setup.nodes).map(|_| Member::default()).collect());
        let (world, journal, weather) = (world.clone(), journal.clone(), weather.clone());
        Arc::new(Self { world, journal, weather, open, setup, members })
    }

    fn members(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many processes there are, running or not.
    pub fn len(&self) -> usize {
        self.setup.nodes
    }

    /// Whether there is no process.
    pub fn is_empty(&self) -> bool {
        self.setup.nodes == 0
    }

    /// Starts a process that is not running.
    pub fn start(self: &Arc<Self>, node: usize) {
        if self.members()[node].place.is_some() {
            return;
        }
        let place = self.world.new_place();
        self.world.note(place, &format!("process {node} starts"));
        self.members()[node].place = Some(place);
        let cluster = self.clone();
        self.world.spawn(place, Box::pin(async move { cluster.serve(node, place).await }));
    }

    async fn serve(self: Arc<Self>, node: usize, place: Place) {
        let runtime = self.world.runtime(place);
        let store = Network::new(
            (self.open)(),
            &self.world,
            place,
            self.setup.embedded,
            &self.weather,
            &self.journal,
        );
        loop {
            let registry = handlers::registry(&self.journal, place);
            let (store, started) = (store.clone(), runtime.clone());
            match Engine::start(store, started, registry, self.config(node)).await {
                Ok(engine) => {
                    self.world.note(place, &format!("node {} is up", engine.node()));
                    self.members()[node].engine = Some(engine);
                    return;
                }
                Err(_) => runtime.sleep(Duration::from_millis(300)).await, // its supervisor starts it again
            }
        }
    }

    fn config(&self, node: usize) -> EngineConfig {
        let host = HostId::from_bits(node as u128 + 1);
        let gone = match node % 2 {
            _ if self.setup.embedded => Gone::All,
            0 => Gone::Host(host), // nothing else runs on it, however late its requests come
            _ => Gone::Unproven,
        };
        let parse = |text: &str| serde_json::from_str(text).map_err(|e| Fault::invalid(e.to_string()));
        EngineConfig {
            host,
            gone,
            max_running: self.setup.max_running,
            max_running_simulator: self.setup.max_running_simulator,
            limits: Some(self.setup.limits.clone()),
            cancel_deadline: Duration::from_secs(10),
            ..EngineConfig::new(|_| "SYS.1006", parse, [7; 32])
        }
    }

    /// Ends a process at once.
    pub fn kill(&self, node: usize) {
        let member = std::mem::take(&mut self.members()[node]);
        if let Some(place) = member.place {
            self.world.note(place, "killed");
            self.world.kill(place);
        }
    }

    /// Stops a process where it stands, or lets it go on.
    pub fn pause(&self, node: usize, pause: bool) {
        if let Some(place) = self.members()[node].place {
            self.world.note(place, if pause { "stopped" } else { "goes on" });
            if pause { self.world.pause(place) } else { self.world.unpause(place) }
        }
    }

    /// Drains a process; it ends when it is done.
    pub fn drain(self: &Arc<Self>, node: usize, patience: Duration) {
        let (place, engine) = {
            let mut members = self.members();
            let member = &mut members[node];
            let (Some(place), Some(engine), false) = (member.place, member.engine.clone(), member.draining)
            else {
                return;
            };
            member.draining = true;
            (place, engine)
        };
        self.world.note(place, "drains");
        let (cluster, world) = (self.clone(), self.world.clone());
        self.world.spawn(
            place,
            Box::pin(async move {
                engine.drain(patience).await;
                world.note(place, "drained, exits");
                drop(engine);
                cluster.kill(node); // this very task too: it ends here
            }),
        );
    }

    /// Calls a node and waits for the answer; `None` if none came in time: it may have been done or not.
    pub async fn call<T: Send + 'static>(
        &self,
        node: usize,
        patience: Duration,
        call: impl FnOnce(Arc<Engine>) -> BoxFuture<'static, T>,
    ) -> Option<T> {
        let (place, engine) = {
            let members = self.members();
            (members[node].place?, members[node].engine.clone()?)
        };
        let (answer, answered) = oneshot::channel();
        let work = call(engine);
        self.world.spawn(
            place,
            Box::pin(async move {
                let _ = answer.send(work.await); // the caller may have gone
            }),
        );
        match select(answered, self.world.runtime(WORLD).sleep(patience)).await {
            Either::Left((answer, _)) => answer.ok(),
            Either::Right(_) => None,
        }
    }

    /// What each running node holds in memory.
    pub fn held(&self) -> Vec<(usize, Held)> {
        let members = self.members();
        let up = members.iter().enumerate().filter_map(|(i, m)| m.engine.as_ref().map(|e| (i, e.held())));
        up.collect()
    }
}
