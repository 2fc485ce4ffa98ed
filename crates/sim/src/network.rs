//! The way from a process to the store: it takes time, loses requests and answers, is cut for a while, and
//! a request on its way outlives its sender. Which faults, decides `chaos`; what the store is, `scenario`.

mod queue;

use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::channel::oneshot;
use longhaul_model::Runtime;
use longhaul_store::{Jobs, Nodes, Spread, Store, StoreError};

use crate::delegate::Passes;
use crate::delegate::names::*;
use crate::delegate_the_rest;
use crate::executor::{Place, WORLD, World};
use crate::journal::{Journal, short};
use crate::rng::Rng;

/// So many joins are late where anything goes wrong, percent.
const LATE_JOINS_PERCENT: u64 = 30;

/// How bad the network is now; the same for all processes.
pub struct Weather {
    /// Requests and answers lost, and calls that are slow, each in percent.
    lost_percent: AtomicU32,
    /// No request reaches the store.
    away: AtomicBool,
    rng: Mutex<Rng>,
}

impl Weather {
    /// With so many percent of each fault.
    pub fn new(seed: u64, lost_percent: u32) -> Arc<Self> {
        let rng = Mutex::new(Rng::stream(seed, "network"));
        Arc::new(Self { lost_percent: AtomicU32::new(lost_percent), away: AtomicBool::new(false), rng })
    }

    /// Whether the store is away.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// From now on everything arrives.
    pub fn clear(&self) {
        self.lost_percent.store(0, Ordering::SeqCst);
        self.set_away(false);
    }

    fn fate(&self) -> Fate {
        let percent = u64::from(self.lost_percent.load(Ordering::SeqCst));
        self.fate_with(percent, percent)
    }

    /// There are few joins, and a late one must change nothing: where anything goes wrong, many of them are late.
    fn fate_of_a_join(&self) -> Fate {
        let percent = u64::from(self.lost_percent.load(Ordering::SeqCst));
        self.fate_with(percent, if percent == 0 { 0 } else { LATE_JOINS_PERCENT })
    }

    fn fate_with(&self, percent: u64, late_percent: u64) -> Fate {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let slow = |rng: &mut Rng| match rng.chance(percent) {
            true => Duration::from_millis(rng.between(100, 5000)),
            false => Duration::from_micros(rng.between(50, 3000)),
        };
        Fate {
            there: slow(&mut rng),
            back: slow(&mut rng),
            request_lost: rng.chance(percent),
            answer_lost: rng.chance(percent),
            late: rng.chance(late_percent).then(|| Duration::from_millis(rng.between(1, 6000))),
        }
    }
}

struct Fate {
    there: Duration,
    back: Duration,
    request_lost: bool,
    answer_lost: bool,
    /// The caller is told that there is no answer; so much later the request arrives all the same.
    late: Option<Duration>,
}

/// The store as one process reaches it.
pub struct Network {
    inner: Arc<dyn Store>,
    world: Arc<World>,
    outside: Arc<dyn Runtime>,
    place: Place,
    /// Where calls on their way live: outside of the process, or, with an embedded store, in it.
    way: Place,
    weather: Arc<Weather>,
    journal: Journal,
}

impl Network {
    /// From `place` to `inner`. `embedded`: the store is in the process, so its calls die with it.
    pub fn new(
        inner: Arc<dyn Store>,
        world: &Arc<World>,
        place: Place,
        embedded: bool,
        weather: &Arc<Weather>,
        journal: &Journal,
    ) -> Arc<Self> {
        let way = if embedded { place } else { WORLD };
        let (outside, weather, journal) = (world.runtime(way), weather.clone(), journal.clone());
        Arc::new(Self { inner, world: world.clone(), outside, place, way, weather, journal })
    }

    /// Sends a call off. Once sent, it may arrive even if the sender is killed, or has given it up.
    async fn send<T, F>(
        &self,
        what: String,
        call: impl FnOnce(Arc<dyn Store>) -> F + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + Debug + 'static,
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        self.send_as(self.weather.fate(), what, call).await
    }

    async fn send_as<T, F>(
        &self,
        fate: Fate,
        what: String,
        call: impl FnOnce(Arc<dyn Store>) -> F + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + Debug + 'static,
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        // A store in the process does at once what it does.
        let late = fate.late.filter(|_| self.way == WORLD);
        self.send_to(Fate { late, ..fate }, what, call).await
    }

    async fn send_to<T, F>(
        &self,
        fate: Fate,
        what: String,
        call: impl FnOnce(Arc<dyn Store>) -> F + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + Debug + 'static,
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        let (answer, answered) = oneshot::channel();
        let mut answer = Some(answer);
        let (store, world, outside) = (self.inner.clone(), self.world.clone(), self.outside.clone());
        let (weather, place) = (self.weather.clone(), self.place);
        self.world.spawn(
            self.way,
            Box::pin(async move {
                let mut tell = |done| answer.take().map(|answer| answer.send(done)); // it may be gone
                let failed = |why: &str| Err(StoreError::Unavailable(why.to_owned()));
                outside.sleep(fate.there).await;
                if fate.request_lost || weather.away.load(Ordering::SeqCst) {
                    world.note(place, &format!("store {what}: did not arrive"));
                    tell(failed("did not arrive"));
                    return;
                }
                if let Some(late) = fate.late {
                    world.note(place, &format!("store {what}: is late"));
                    tell(failed("no answer in time"));
                    outside.sleep(late).await;
                }
                let done = call(store).await;
                world.note(place, &format!("store {what}: {}", brief(&done)));
                outside.sleep(fate.back).await;
                if fate.answer_lost {
                    world.note(place, &format!("store {what}: the answer is lost"));
                    tell(failed("the answer is lost"));
                } else {
                    tell(done);
                }
            }),
        );
        answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer".to_owned())))
    }
}

fn brief<T: Debug>(done: &Result<T, StoreError>) -> String {
    let mut text = format!("{done:?}");
    if text.len() > 160 {
        let cut = (0..=160).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
    text
}

fn of(claim: &Claim) -> String {
    format!("{} token {}", short(claim.job), claim.token)
}

#[async_trait]
impl Jobs for Network {
    async fn submit(&self, job: NewJob, record: Option<ApiRecord>) -> Result<Submitted, StoreError> {
        let what = format!("submit {}", short(job.id));
        let journal = self.journal.clone();
        self.send(what, |store| async move {
            let since = journal.moment();
            let done = store.submit(job, record).await;
            if let Ok(Submitted::Created(_, Some(claim))) = &done {
                journal.gave(claim, since);
            }
            done
        })
        .await
    }
    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.send(format!("job {}", short(id)), move |store| async move { store.job(id).await }).await
    }
    async fn request_hash(&self, id: JobId) -> Result<Option<[u8; 32]>, StoreError> {
        self.send("request_hash".to_owned(), move |store| async move { store.request_hash(id).await }).await
    }
    async fn claim(
        &self,
        node: NodeId,
        slots: &[FreeSlots],
        except: &[String],
    ) -> Result<Vec<Claimed>, StoreError> {
        let (slots, except, journal) = (slots.to_vec(), except.to_vec(), self.journal.clone());
        self.send(format!("claim {slots:?}"), move |store| async move {
            let since = journal.moment();
            let done = store.claim(node, &slots, &except).await;
            done.inspect(|claimed| claimed.iter().for_each(|c| journal.gave(&c.claim, since)))
        })
        .await
    }
    async fn apply(&self, claim: &Claim, transition: Transition) -> Result<Job, StoreError> {
        let claim = *claim;
        let what = format!("apply {} {:?}", of(&claim), transition.event);
        let journal = self.journal.clone();
        self.send(what, move |store| async move {
            let since = journal.moment();
            store.apply(&claim, transition).await.inspect(|_| journal.took(&claim, since))
        })
        .await
    }
    async fn release(&self, claim: &Claim, detail: &str) -> Result<(), StoreError> {
        let (claim, detail) = (*claim, detail.to_owned());
        let what = format!("release {}: {detail}", of(&claim));
        let journal = self.journal.clone();
        self.send(what, move |store| async move {
            let since = journal.moment();
            store.release(&claim, &detail).await.inspect(|()| journal.took(&claim, since))
        })
        .await
    }
    async fn change(
        &self,
        id: JobId,
        version: u64,
        change: Change,
        record: Option<ApiRecord>,
    ) -> Result<(Job, Option<Claim>), StoreError> {
        let what = format!("change {} {:?}", short(id), change.kind);
        let journal = self.journal.clone();
        self.send(what, move |store| async move {
            let since = journal.moment();
            let done = store.change(id, version, change, record).await;
            if let Ok((_, Some(claim))) = &done {
                journal.gave(claim, since);
            }
            done
        })
        .await
    }
    async fn delete_job(&self, id: JobId, version: u64, record: Option<ApiRecord>) -> Result<(), StoreError> {
        let what = format!("delete {}", short(id));
        self.send(what, move |store| async move { store.delete_job(id, version, record).await }).await
    }
    async fn canceling(&self, node: NodeId) -> Result<Vec<Claim>, StoreError> {
        self.send("canceling".to_owned(), move |store| async move { store.canceling(node).await }).await
    }
    async fn claims(&self, node: NodeId) -> Result<Vec<Claim>, StoreError> {
        self.send("claims".to_owned(), move |store| async move { store.claims(node).await }).await
    }
    async fn save_checkpoint(&self, claim: &Claim, pages: &Pages) -> Result<(), StoreError> {
        let (claim, pages) = (*claim, pages.clone());
        let what = format!("checkpoint {}", of(&claim));
        let journal = self.journal.clone();
        // Never after it was given up: pages carry no number by which a later one could be told from it, so
        // every store has to see to that.
        let fate = Fate { late: None, ..self.weather.fate() };
        self.send_to(fate, what, move |store| async move {
            let since = journal.moment();
            store.save_checkpoint(&claim, &pages).await.inspect(|()| journal.took(&claim, since))
        })
        .await
    }
    async fn save_progress(&self, rows: &[(Claim, Progress)]) -> Result<(), StoreError> {
        let rows = rows.to_vec();
        self.send("progress".to_owned(), move |store| async move { store.save_progress(&rows).await }).await
    }
}

#[async_trait]
impl Nodes for Network {
    async fn joins(&self, host: HostId) -> Result<u64, StoreError> {
        self.send("joins".to_owned(), move |store| async move { store.joins(host).await }).await
    }
    async fn join(&self, node: NewNode, gone: Gone) -> Result<NodeLease, StoreError> {
        let what = format!("join {} gone={gone:?}", node.id);
        let fate = self.weather.fate_of_a_join();
        self.send_as(fate, what, move |store| async move { store.join(node, gone).await }).await
    }
    async fn heartbeat(&self, node: NodeId) -> Result<NodeLease, StoreError> {
        self.send("heartbeat".to_owned(), move |store| async move { store.heartbeat(node).await }).await
    }
    async fn leave(&self, node: NodeId) -> Result<(), StoreError> {
        self.send("leave".to_owned(), move |store| async move { store.leave(node).await }).await
    }
    async fn drain(&self, node: NodeId, drained: bool) -> Result<(), StoreError> {
        let what = format!("drain {node} {drained}");
        self.send(what, move |store| async move { store.drain(node, drained).await }).await
    }
    async fn on_duty(&self, node: NodeId, duty: &str) -> Result<bool, StoreError> {
        let duty = duty.to_owned();
        self.send("on duty".to_owned(), move |store| async move { store.on_duty(node, &duty).await }).await
    }
    async fn tell(&self, node: NodeId, text: &str) -> Result<Vec<String>, StoreError> {
        let text = text.to_owned();
        self.send("tell".to_owned(), move |store| async move { store.tell(node, &text).await }).await
    }
    async fn spread(&self, node: NodeId) -> Result<Spread, StoreError> {
        self.send("spread".to_owned(), move |store| async move { store.spread(node).await }).await
    }
    async fn kept(&self, key: &str, fresh: &str) -> Result<String, StoreError> {
        let (key, fresh) = (key.to_owned(), fresh.to_owned());
        self.send("kept".to_owned(), move |store| async move { store.kept(&key, &fresh).await }).await
    }
}

impl Passes for Network {}

delegate_the_rest!(Network);
