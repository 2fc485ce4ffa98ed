//! `longhaul_model::Runtime` over the simulated world, one handle per process. The world itself is in
//! `executor`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use longhaul_model::{BoxFuture, Clock, Runtime};

use crate::executor::{Place, World};

/// Time, chance and concurrency as one process sees them.
pub struct PlaceRuntime {
    world: Arc<World>,
    place: Place,
}

impl PlaceRuntime {
    pub(crate) fn new(world: Arc<World>, place: Place) -> Self {
        Self { world, place }
    }

    /// The process.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The world it is in.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }
}

impl Clock for PlaceRuntime {
    fn now_ms(&self) -> i64 {
        self.world.wall_ms()
    }
}

impl Runtime for PlaceRuntime {
    fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) {
        self.world.spawn(self.place, task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        sleep_until(&self.world, self.world.deadline(duration))
    }

    fn monotonic(&self) -> Duration {
        self.world.now()
    }

    fn random_u128(&self) -> u128 {
        self.world.random_u128()
    }
}

/// Ends at that moment of virtual time, to the microsecond.
pub(crate) fn sleep_until(world: &Arc<World>, until_us: u64) -> BoxFuture<'static, ()> {
    Box::pin(Sleep { world: world.clone(), until_us, timer: None })
}

/// Ends at a moment of virtual time.
struct Sleep {
    world: Arc<World>,
    until_us: u64,
    timer: Option<(u64, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.world.now_us() >= self.until_us {
            return Poll::Ready(());
        }
        if let Some(timer) = self.timer.take() {
            self.world.drop_timer(timer); // the waker may be another one now
        }
        self.timer = Some(self.world.set_timer(self.until_us, context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.world.drop_timer(timer);
        }
    }
}
