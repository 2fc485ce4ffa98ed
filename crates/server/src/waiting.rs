//! Callers that wait for the end of a job, whichever node runs it: all of them share one look at the store,
//! made a few times a second while somebody waits and never otherwise. How long a caller waits is its own
//! word, within `longhaul_wire::query::WAIT_MAX_S`.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::select;
use longhaul_engine::Engine;
use longhaul_model::query::{Condition, Field, Filter, LIST_MAX, Op, Page, Query, Resource, Rows, Value};
use longhaul_model::{Code, Fault, JobId};
use tokio::sync::{Notify, watch};

#[cfg(test)]
mod tests;

/// Most callers that wait at a time, on one node.
pub const WAITERS_MAX: usize = 1000;
/// How often the store is asked for the jobs that are waited for, at least.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Least time between two looks, however many jobs end here meanwhile.
const LOOK_PAUSE: Duration = Duration::from_millis(25);

/// Who waits, on one node.
pub struct Waiting {
    engine: Arc<Engine>,
    waited: Mutex<Waited>,
    closed: watch::Sender<bool>,
}

#[derive(Default)]
struct Waited {
    jobs: BTreeMap<JobId, Awaited>,
    waiters: usize,
    /// Whether somebody looks.
    looked_after: bool,
}

/// One job that is waited for.
struct Awaited {
    waiters: usize,
    over: Arc<Notify>,
}

/// A place among those who wait, given back when dropped.
struct Place {
    waiting: Arc<Waiting>,
    job: JobId,
    over: Arc<Notify>,
}

impl Waiting {
    /// Nobody, yet.
    pub fn new(engine: Arc<Engine>) -> Arc<Self> {
        Arc::new(Self { engine, waited: Mutex::default(), closed: watch::channel(false).0 })
    }

    fn waited(&self) -> MutexGuard<'_, Waited> {
        self.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait now.
    pub fn waiters(&self) -> usize {
        self.waited().waiters
    }

    /// Everybody is answered at once, now and from now on: the node stops.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Waits until `job` is final or deleted, for `patience` at most, and not longer than `gone` lasts.
    ///
    /// # Errors
    /// `Unavailable`: `WAITERS_MAX` wait already.
    pub async fn for_end(
        self: &Arc<Self>,
        job: JobId,
        patience: Duration,
        gone: impl Future<Output = ()>,
    ) -> Result<(), Fault> {
        let place = self.enter(job)?;
        let mut closed = self.closed.subscribe();
        let closing = std::pin::pin!(async {
            let _ = closed.wait_for(|closed| *closed).await; // it closes with the node at the latest
        });
        let over = std::pin::pin!(place.over.notified());
        let gone = std::pin::pin!(gone);
        let time = self.engine.runtime().sleep(patience);
        select(select(over, gone), select(time, closing)).await;
        Ok(())
    }

    fn enter(self: &Arc<Self>, job: JobId) -> Result<Place, Fault> {
        let mut waited = self.waited();
        if waited.waiters >= WAITERS_MAX {
            return Err(Fault::new(
                Code::Unavailable,
                format!("{WAITERS_MAX} callers wait for jobs here already; ask without wait, or again later"),
            ));
        }
        waited.waiters += 1;
        let awaited = waited.jobs.entry(job).or_insert_with(|| Awaited { waiters: 0, over: Arc::default() });
        awaited.waiters += 1;
        let over = awaited.over.clone();
        if !std::mem::replace(&mut waited.looked_after, true) {
            self.engine.runtime().spawn("waiting", Box::pin(self.clone().look_after()));
        }
        drop(waited);
        Ok(Place { waiting: self.clone(), job, over })
    }

    /// Looks at the jobs for as long as somebody waits.
    async fn look_after(self: Arc<Self>) {
        let runtime = self.engine.runtime().clone();
        loop {
            let jobs: Vec<JobId> = {
                let mut waited = self.waited();
                if waited.jobs.is_empty() {
                    waited.looked_after = false;
                    return;
                }
                waited.jobs.keys().copied().collect()
            };
            for some in jobs.chunks(LIST_MAX) {
                self.tell(some, &self.not_over(some).await);
            }
            runtime.sleep(LOOK_PAUSE).await;
            let ended = std::pin::pin!(self.engine.something_ended());
            select(ended, runtime.sleep(LOOK_EVERY - LOOK_PAUSE)).await;
        }
    }

    /// Which of these jobs are there and not final; all of them where the store does not answer.
    async fn not_over(&self, jobs: &[JobId]) -> BTreeSet<JobId> {
        let values = jobs.iter().map(|id| Value::Text(id.to_string())).collect();
        let these = Condition { field: Field::Uuid, op: Op::In, values };
        let query = Query {
            resource: Resource::Job,
            filter: Filter { conditions: vec![these], ..Filter::default() },
            sort: None,
            page: Page { start: 0, limit: u32::try_from(jobs.len()).unwrap_or(u32::MAX) },
            want_rows: true,
            want_total: false,
            without_bodies: true,
        };
        match self.engine.store().query(&query).await.map(|answer| answer.rows) {
            Ok(Rows::Jobs(rows)) => {
                rows.into_iter().filter(|job| !job.state.is_final()).map(|job| job.id).collect()
            }
            Ok(_) => BTreeSet::new(),
            Err(error) => {
                tracing::debug!(%error, "the jobs that are waited for were not looked at; they are again");
                jobs.iter().copied().collect()
            }
        }
    }

    fn tell(&self, asked: &[JobId], not_over: &BTreeSet<JobId>) {
        let waited = self.waited();
        for job in asked.iter().filter(|job| !not_over.contains(job)) {
            if let Some(awaited) = waited.jobs.get(job) {
                awaited.over.notify_waiters();
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waited = self.waiting.waited();
        waited.waiters -= 1;
        let Some(awaited) = waited.jobs.get_mut(&self.job) else { return };
        awaited.waiters -= 1;
        if awaited.waiters == 0 {
            waited.jobs.remove(&self.job);
        }
    }
}
