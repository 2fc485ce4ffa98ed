//! What goes wrong, and when: kills, pauses, drains, the store away, clocks that jump. The seed decides.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longhaul_model::Runtime;

use crate::cluster::Cluster;
use crate::executor::{WORLD, World};
use crate::network::Weather;
use crate::rng::Rng;

/// What chaos may do.
#[derive(Debug, Clone, Copy)]
pub struct Allowed {
    /// Kills, pauses and drains.
    pub processes: bool,
    /// The store away.
    pub store: bool,
    /// Clock jumps.
    pub clock: bool,
    /// Between two events at most, ms.
    pub pace_ms: u64,
}

/// The chaos of one simulation.
pub struct Chaos {
    world: Arc<World>,
    cluster: Arc<Cluster>,
    weather: Arc<Weather>,
    allowed: Allowed,
    over: AtomicBool,
    jumped: AtomicBool,
    back_ms: AtomicI64,
    done: Mutex<Vec<String>>,
}

impl Chaos {
    /// Begins.
    pub fn start(
        world: &Arc<World>,
        cluster: &Arc<Cluster>,
        weather: &Arc<Weather>,
        allowed: Allowed,
        rng: Rng,
    ) -> Arc<Self> {
        let chaos = Arc::new(Self {
            world: world.clone(),
            cluster: cluster.clone(),
            weather: weather.clone(),
            allowed,
            over: AtomicBool::new(false),
            jumped: AtomicBool::new(false),
            back_ms: AtomicI64::new(0),
            done: Mutex::default(),
        });
        world.spawn(WORLD, Box::pin(chaos.clone().rage(rng)));
        chaos
    }

    /// Whether the wall clock was moved.
    pub fn clock_jumped(&self) -> bool {
        self.jumped.load(Ordering::SeqCst)
    }

    /// By how much the wall clock was put back, in all.
    pub fn put_back(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.back_ms.load(Ordering::SeqCst)).unwrap_or(0))
    }

    /// What it did, in that order: the seed alone decides it, up to where it ended.
    pub fn done(&self) -> Vec<String> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn does(&self, what: String) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Ends all faults: every process runs and the store answers.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.weather.clear();
        for node in 0..self.cluster.len() {
            self.cluster.pause(node, false);
        }
        self.world.note(WORLD, "faults are over");
    }

    async fn rage(self: Arc<Self>, mut rng: Rng) {
        let runtime = self.world.runtime(WORLD);
        loop {
            let pause = rng.between(100, self.allowed.pace_ms);
            runtime.sleep(Duration::from_millis(pause)).await;
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            match rng.below(6) {
                0..=3 if self.allowed.processes => self.hit_a_process(&mut rng),
                4 if self.allowed.store => {
                    let away = Duration::from_millis(rng.between(200, 9000));
                    self.world.note(WORLD, &format!("the store is away for {away:?}"));
                    self.does(format!("the store is away for {away:?}"));
                    self.weather.set_away(true);
                    self.later(away, |chaos| chaos.weather.set_away(false));
                }
                5 if self.allowed.clock => self.jump(&mut rng),
                _ => {}
            }
        }
    }

    fn jump(&self, rng: &mut Rng) {
        let size = if rng.chance(50) { 5000 } else { 40_000 };
        let by_ms = i64::try_from(rng.between(1, size)).unwrap_or(0) * if rng.chance(50) { 1 } else { -1 };
        self.world.note(WORLD, &format!("the wall clock jumps by {by_ms} ms"));
        self.does(format!("the wall clock jumps by {by_ms} ms"));
        self.world.jump_wall(by_ms);
        self.jumped.store(true, Ordering::SeqCst);
        self.back_ms.fetch_add((-by_ms).max(0), Ordering::SeqCst);
    }

    fn hit_a_process(self: &Arc<Self>, rng: &mut Rng) {
        let node = rng.index(self.cluster.len());
        let again = Duration::from_millis(rng.between(0, 8000));
        match rng.below(5) {
            0 | 1 => {
                self.does(format!("process {node} is killed for {again:?}"));
                self.cluster.kill(node);
                self.later(again, move |chaos| chaos.cluster.start(node));
            }
            2 | 3 => {
                self.does(format!("process {node} stands still for {again:?}"));
                self.cluster.pause(node, true);
                self.later(again, move |chaos| chaos.cluster.pause(node, false));
            }
            _ => {
                let patience = Duration::from_millis(rng.between(0, 3000));
                self.does(format!("process {node} is drained within {patience:?}"));
                self.cluster.drain(node, patience);
                self.later(again + patience, move |chaos| chaos.cluster.start(node));
            }
        }
    }

    fn later(self: &Arc<Self>, after: Duration, what: impl FnOnce(&Self) + Send + 'static) {
        let (chaos, runtime) = (self.clone(), self.world.runtime(WORLD));
        self.world.spawn(
            WORLD,
            Box::pin(async move {
                runtime.sleep(after).await;
                what(&chaos);
            }),
        );
    }
}
