//! Calls that are under way outside of a simulation's world, in real time. In the world no time passes meanwhile: when
//! nobody in it can go on, it waits until all of them have come back. So calls that set out at one moment are under way
//! together, as those of several processes are, and what became of them is all that real time decides.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use longhaul_model::BoxFuture;

/// All of them.
#[derive(Default)]
pub(crate) struct Flights {
    state: Mutex<State>,
    landed: Condvar,
}

#[derive(Default)]
struct State {
    next: u64,
    under_way: BTreeMap<u64, (Stage, Waker)>,
    most: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nobody knows what became of it.
    Out,
    /// It is back.
    Back,
    /// It is back, and its task knows; a process that was stopped does not look.
    Told,
}

impl Flights {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are calls of which their tasks do not know yet.
    pub(crate) fn are_out(&self) -> bool {
        self.state().under_way.values().any(|(stage, _)| *stage != Stage::Told)
    }

    /// Most that were out at a time.
    pub(crate) fn most(&self) -> usize {
        self.state().most
    }

    /// Waits in real time until all are back, and tells their tasks; `false` if there are none to be told.
    pub(crate) fn land(&self) -> bool {
        let mut state = self.state();
        let out = state.under_way.values().filter(|(stage, _)| *stage != Stage::Told).count();
        state.most = state.most.max(out);
        while state.under_way.values().any(|(stage, _)| *stage == Stage::Out) {
            state = self.landed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut tasks = Vec::new();
        for (stage, task) in state.under_way.values_mut().filter(|(stage, _)| *stage == Stage::Back) {
            *stage = Stage::Told;
            tasks.push(task.clone());
        }
        drop(state);
        let told = !tasks.is_empty();
        tasks.into_iter().for_each(Waker::wake);
        told
    }

    fn come_back(&self, number: u64) {
        if let Some((stage, _)) = self.state().under_way.get_mut(&number) {
            *stage = Stage::Back;
            self.landed.notify_all();
        }
    }
}

/// One call under way.
pub(crate) struct Flight<'a, T> {
    flights: Arc<Flights>,
    number: Option<u64>,
    call: BoxFuture<'a, T>,
}

impl<'a, T> Flight<'a, T> {
    /// It sets out when it is polled first.
    pub(crate) fn new(flights: &Arc<Flights>, call: BoxFuture<'a, T>) -> Self {
        Self { flights: flights.clone(), number: None, call }
    }
}

/// What tells of the call from outside of the world.
struct Beacon {
    flights: Arc<Flights>,
    number: u64,
}

impl Wake for Beacon {
    fn wake(self: Arc<Self>) {
        self.flights.come_back(self.number);
    }
}

impl<T> Future for Flight<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let number = {
            let mut state = self.flights.state();
            let number = self.number.unwrap_or(state.next);
            state.next = state.next.max(number + 1);
            // Before the call is asked: its answer may be there at once, on another thread.
            state.under_way.insert(number, (Stage::Out, context.waker().clone()));
            number
        };
        self.number = Some(number);
        let beacon = Waker::from(Arc::new(Beacon { flights: self.flights.clone(), number }));
        let polled = self.call.as_mut().poll(&mut Context::from_waker(&beacon));
        if polled.is_ready() {
            self.flights.state().under_way.remove(&number);
        }
        polled
    }
}

impl<T> Drop for Flight<'_, T> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.flights.state().under_way.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures::FutureExt;
    use futures::channel::oneshot;

    use super::*;
    use crate::executor::{RunEnd, WORLD, World};

    /// A task in the world that waits for `answer` from outside of it, and then counts itself.
    fn waits_for(world: &Arc<World>, answer: oneshot::Receiver<()>, done: &Arc<AtomicUsize>) {
        let (flight, done) = (Flight::new(world.flights(), Box::pin(answer)), done.clone());
        world.spawn(
            WORLD,
            Box::pin(async move {
                let _ = flight.await;
                done.fetch_add(1, Ordering::SeqCst);
            }),
        );
    }

    #[test]
    fn no_time_passes_in_the_world_until_all_calls_of_a_moment_are_back() {
        let world = World::new(1, false);
        let done = Arc::new(AtomicUsize::new(0));
        let (first, one) = oneshot::channel();
        let (second, other) = oneshot::channel();
        waits_for(&world, one, &done);
        waits_for(&world, other, &done);
        // A task that could go on for ever, if time passed.
        let sleep = longhaul_model::Runtime::sleep(&*world.runtime(WORLD), Duration::from_secs(1));
        world.spawn(WORLD, sleep);
        let answers = std::thread::spawn(move || {
            first.send(()).expect("it waits");
            second.send(()).expect("it waits");
        });
        let began = world.now();
        let end = world.run(Duration::from_secs(5), &|| done.load(Ordering::SeqCst) == 2);
        answers.join().expect("sent");
        assert_eq!(end, RunEnd::Done);
        assert!(world.now() - began < Duration::from_millis(1), "{:?}", world.now() - began);
    }

    #[test]
    fn a_stopped_process_that_does_not_look_at_its_answer_stops_nobody_else() {
        let world = World::new(1, false);
        let (answer, answered) = oneshot::channel();
        let place = world.new_place();
        let flight = Flight::new(world.flights(), Box::pin(answered));
        world.spawn(place, Box::pin(flight.map(|_| ())));
        assert_eq!(world.run(Duration::from_secs(1), &|| world.flights().are_out()), RunEnd::Done);
        world.pause(place);
        answer.send(()).expect("it waits");
        let sleep = longhaul_model::Runtime::sleep(&*world.runtime(WORLD), Duration::from_secs(1));
        world.spawn(WORLD, sleep);
        assert_eq!(world.run(Duration::from_secs(5), &|| false), RunEnd::Stalled, "the sleep has ended");
        world.unpause(place);
        assert_eq!(world.run(Duration::from_secs(5), &|| false), RunEnd::Stalled);
        assert!(world.flights().state().under_way.is_empty(), "it has looked");
    }
}
