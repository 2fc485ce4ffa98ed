//! The world of a simulation: tasks in places (one place is one process), virtual time, a wall clock that
//! jumps, and a seed that decides who is next. One thread, no real time. How engine and store see it is in
//! `runtime`; what it waits for outside of it, in `flights`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use longhaul_model::BoxFuture;

use crate::flights::Flights;
use crate::rng::Rng;
use crate::runtime::PlaceRuntime;
use crate::trace::Trace;

/// Where tasks live and die together: a process. `WORLD` is what is outside of all of them.
pub type Place = u32;
/// Clients, chaos, the network: never killed.
pub const WORLD: Place = 0;
/// Monotonic time at the beginning: never zero, as on a real machine.
const START_US: u64 = 1_000_000_000;
/// The wall clock at the beginning, ms since 1970.
const WALL_MS: i64 = 1_800_000_000_000;
/// Most virtual time one step of a task takes.
const STEP_MAX_US: u64 = 40;

/// Why a run of the world ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// What was waited for is there.
    Done,
    /// The time is over.
    TimeIsUp,
    /// Nobody can ever go on.
    Stalled,
}

/// The world of one simulation.
pub struct World {
    state: Mutex<State>,
    ready: Ready,
    flights: Arc<Flights>,
}

type Ready = Arc<Mutex<BTreeSet<u64>>>;

struct State {
    now_us: u64,
    wall_offset_ms: i64,
    order: Rng,
    ids: Rng,
    tasks: BTreeMap<u64, Task>,
    next_task: u64,
    timers: BTreeMap<(u64, u64), Waker>,
    next_timer: u64,
    next_place: Place,
    alive: BTreeSet<Place>,
    paused: BTreeSet<Place>,
    trace: Trace,
}

struct Task {
    place: Place,
    waker: Waker,
    /// Taken out while it is polled.
    future: Option<BoxFuture<'static, ()>>,
}

/// Marks its task as ready. The set is sorted, so the order in which wakers are called decides nothing.
struct TaskWaker {
    task: u64,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        locked(&self.ready).insert(self.task);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// An empty world. `print` writes its trace to standard output.
    pub fn new(seed: u64, print: bool) -> Arc<Self> {
        let state = State {
            now_us: START_US,
            wall_offset_ms: 0,
            order: Rng::stream(seed, "order"),
            ids: Rng::stream(seed, "ids"),
            tasks: BTreeMap::new(),
            next_task: 1,
            timers: BTreeMap::new(),
            next_timer: 1,
            next_place: WORLD + 1,
            alive: BTreeSet::from([WORLD]),
            paused: BTreeSet::new(),
            trace: Trace::new(print),
        };
        Arc::new(Self { state: Mutex::new(state), ready: Ready::default(), flights: Arc::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// A new process without tasks.
    pub fn new_place(&self) -> Place {
        let mut state = self.state();
        let place = state.next_place;
        state.next_place += 1;
        state.alive.insert(place);
        place
    }

    /// Time and chance as `place` sees them.
    pub fn runtime(self: &Arc<Self>, place: Place) -> Arc<PlaceRuntime> {
        Arc::new(PlaceRuntime::new(self.clone(), place))
    }

    /// Runs `task` in `place`, unless that is dead: then it is dropped.
    pub fn spawn(&self, place: Place, task: BoxFuture<'static, ()>) {
        let mut state = self.state();
        if !state.alive.contains(&place) {
            drop(state);
            drop(task); // outside of the lock: it may wake others
            return;
        }
        let id = state.next_task;
        state.next_task += 1;
        let waker = Waker::from(Arc::new(TaskWaker { task: id, ready: self.ready.clone() }));
        state.tasks.insert(id, Task { place, waker, future: Some(task) });
        locked(&self.ready).insert(id);
    }

    /// Ends a process as `kill -9` does: no task of it takes one more step.
    pub fn kill(&self, place: Place) {
        let mut state = self.state();
        state.alive.remove(&place);
        state.paused.remove(&place);
        let (gone, rest) = std::mem::take(&mut state.tasks).into_iter().partition(|(_, t)| t.place == place);
        state.tasks = rest;
        drop(state);
        let gone: BTreeMap<u64, Task> = gone;
        drop(gone); // outside of the lock: dropped futures drop timers and wake others
    }

    /// Stops a process where it stands, as SIGSTOP does.
    pub fn pause(&self, place: Place) {
        self.state().paused.insert(place);
    }

    /// Lets a stopped process go on.
    pub fn unpause(&self, place: Place) {
        self.state().paused.remove(&place);
    }

    /// Moves the wall clock.
    pub fn jump_wall(&self, by_ms: i64) {
        self.state().wall_offset_ms += by_ms;
    }

    /// Monotonic time.
    pub fn now(&self) -> Duration {
        Duration::from_micros(self.state().now_us)
    }

    /// The wall clock.
    pub fn wall_ms(&self) -> i64 {
        let state = self.state();
        WALL_MS + state.wall_offset_ms + i64::try_from((state.now_us - START_US) / 1000).unwrap_or(i64::MAX)
    }

    pub(crate) fn random_u128(&self) -> u128 {
        let mut state = self.state();
        (u128::from(state.ids.bits()) << 64) | u128::from(state.ids.bits())
    }

    /// Notes what happened in `place`.
    pub fn note(&self, place: Place, text: &str) {
        let mut state = self.state();
        let at = state.now_us;
        state.trace.line(at, place, text);
    }

    /// The hash of all that happened.
    pub fn trace_hash(&self) -> u64 {
        self.state().trace.hash()
    }

    /// The moment `after` from now: timers are late by up to a millisecond, as real ones are.
    pub(crate) fn deadline(&self, after: Duration) -> u64 {
        let mut state = self.state();
        let late = state.order.below(1000);
        state.now_us.saturating_add(u64::try_from(after.as_micros()).unwrap_or(u64::MAX)).saturating_add(late)
    }

    pub(crate) fn set_timer(&self, at_us: u64, waker: Waker) -> (u64, u64) {
        let mut state = self.state();
        let key = (at_us, state.next_timer);
        state.next_timer += 1;
        state.timers.insert(key, waker);
        key
    }

    pub(crate) fn drop_timer(&self, key: (u64, u64)) {
        let waker = self.state().timers.remove(&key);
        drop(waker);
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.state().now_us
    }

    /// The calls that are under way outside of the world.
    pub(crate) fn flights(&self) -> &Arc<Flights> {
        &self.flights
    }

    /// Lets the world go on until `done`, looked at after every step, or for `patience` of its time.
    pub fn run(&self, patience: Duration, done: &dyn Fn() -> bool) -> RunEnd {
        let until = self.now() + patience;
        loop {
            if done() {
                return RunEnd::Done;
            }
            if self.now() >= until {
                return RunEnd::TimeIsUp;
            }
            if !self.step() && !self.flights.land() && !self.wait_for_timer() {
                return RunEnd::Stalled;
            }
        }
    }

    /// One step of one task that the seed chooses; `false` if none is ready.
    fn step(&self) -> bool {
        let mut guard = self.state();
        let state = &mut *guard;
        let mut ready = locked(&self.ready);
        ready.retain(|task| state.tasks.contains_key(task));
        let can: Vec<u64> =
            ready.iter().copied().filter(|task| !state.paused.contains(&state.tasks[task].place)).collect();
        let Some(id) = state.order.pick(&can) else { return false };
        ready.remove(&id);
        drop(ready);
        let step_us = 1 + state.order.below(STEP_MAX_US);
        // For what is outside of the world, no time passes in it.
        state.now_us += if self.flights.are_out() { 0 } else { step_us };
        let Some(task) = state.tasks.get_mut(&id) else { return false };
        let (Some(mut future), waker, place) = (task.future.take(), task.waker.clone(), task.place) else {
            return false;
        };
        state.trace.mix(&[state.now_us, id, u64::from(place)]);
        drop(guard);
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.state();
        match (polled, state.tasks.get_mut(&id)) {
            (Poll::Pending, Some(task)) => task.future = Some(future),
            (Poll::Ready(()), Some(_)) => {
                state.tasks.remove(&id);
                drop(state);
                drop(future);
            }
            (_, None) => {
                drop(state); // its place was killed by itself
                drop(future);
            }
        }
        true
    }

    /// Moves time to the next timer; `false` if there is none.
    fn wait_for_timer(&self) -> bool {
        let mut state = self.state();
        let Some((&(at, _), _)) = state.timers.first_key_value() else { return false };
        state.now_us = state.now_us.max(at);
        let now = state.now_us;
        let later = state.timers.split_off(&(now + 1, 0));
        let due = std::mem::replace(&mut state.timers, later);
        drop(state);
        due.into_values().for_each(Waker::wake);
        true
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Tasks hold their world and are held by it: `end` breaks the circle, this is for what is left.
        self.state().timers.clear();
    }
}

impl World {
    /// Drops every task. To be called at the end of a simulation: tasks hold the world they live in.
    pub fn end(&self) {
        let tasks = std::mem::take(&mut self.state().tasks);
        drop(tasks);
        let timers = std::mem::take(&mut self.state().timers);
        drop(timers);
    }
}
