//! Clients: what they ask of the nodes, and their own journal of what they were told. A lost answer is sent
//! again, as clients do. What follows from what they were told is in `checker`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longhaul_engine::{Caller, SubmitAnswer, SubmitRequest};
use longhaul_model::{ADMIN, AccountId, ApiId, Clock, Code, Fault, JobId, Runtime};

use crate::asked::Asked;
use crate::cluster::Cluster;
use crate::executor::{WORLD, World};
use crate::handlers::{KINDS, Kind};
use crate::journal::short;
use crate::plan::BodyPlan;
use crate::rng::Rng;
use crate::runtime::PlaceRuntime;

/// What a client said or was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It sends a submission. The first of this job's.
    Sent,
    /// A submission with this salt is acknowledged.
    Acknowledged {
        /// Of the body, so that bodies can be told apart.
        salt: u64,
    },
    /// A submission was refused: the uuid belongs to another request.
    Conflict {
        /// Of the body.
        salt: u64,
    },
    /// A cancel is acknowledged.
    Canceled,
    /// A suspension is acknowledged.
    Suspended,
    /// A rerun is acknowledged.
    Rerun,
    /// It is about to delete the job.
    Deleting,
    /// An answer that no caller should get.
    Odd(Fault),
}

/// One entry of the clients' journal.
#[derive(Debug, Clone)]
pub struct Note {
    /// Virtual time, us. No two steps of a simulation share one, but while a store outside of it is at work.
    pub at_us: u64,
    /// The job.
    pub job: JobId,
    /// Its type.
    pub kind: &'static str,
    /// What it works on.
    pub target: Option<String>,
    /// What is asked of the queue for it.
    pub asked: Asked,
    /// What.
    pub told: Told,
}

/// What a client knows of a job.
#[derive(Debug, Clone)]
struct Known {
    job: JobId,
    kind: Kind,
    target: Option<String>,
    plan: BodyPlan,
    asked: Asked,
}

/// The journal of all clients, and what they know.
#[derive(Clone, Default)]
pub struct Clients {
    notes: Arc<Mutex<Vec<Note>>>,
    known: Arc<Mutex<Vec<Known>>>,
    busy: Arc<Mutex<usize>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Clients {
    /// What they wrote.
    pub fn notes(&self) -> Vec<Note> {
        locked(&self.notes).clone()
    }

    /// Whether any is still at it.
    pub fn are_busy(&self) -> bool {
        *locked(&self.busy) > 0
    }

    /// Starts a client that does `actions` things.
    pub fn start(&self, world: &Arc<World>, cluster: &Arc<Cluster>, rng: Rng, actions: u64, pace_ms: u64) {
        *locked(&self.busy) += 1;
        let client = Client {
            all: self.clone(),
            world: world.clone(),
            runtime: world.runtime(WORLD),
            cluster: cluster.clone(),
            rng,
        };
        world.spawn(
            WORLD,
            Box::pin(async move {
                let all = client.all.clone();
                client.work(actions, pace_ms).await;
                *locked(&all.busy) -= 1;
            }),
        );
    }
}

struct Client {
    all: Clients,
    world: Arc<World>,
    runtime: Arc<PlaceRuntime>,
    cluster: Arc<Cluster>,
    rng: Rng,
}

/// How often a call without an answer is sent again.
const SENDS_MAX: u32 = 30;

impl Client {
    async fn work(mut self, actions: u64, pace_ms: u64) {
        for _ in 0..actions {
            let pause = self.rng.between(0, pace_ms);
            self.runtime.sleep(Duration::from_millis(pause)).await;
            let known = locked(&self.all.known).clone();
            match self.rng.pick(&known) {
                Some(known) if self.rng.chance(45) => self.ask(&known).await,
                _ => self.submit_new().await,
            }
        }
    }

    fn note(&self, of: &Known, job: JobId, told: Told) {
        self.note_at(self.world.now_us(), of, job, told);
    }

    fn note_at(&self, at_us: u64, of: &Known, job: JobId, told: Told) {
        self.world.note(WORLD, &format!("client {} {told:?}", short(job)));
        let (kind, target, asked) = (of.kind.name, of.target.clone(), of.asked);
        locked(&self.all.notes).push(Note { at_us, job, kind, target, asked, told });
    }

    fn patience(&mut self) -> Duration {
        Duration::from_millis(self.rng.between(2000, 12_000))
    }

    async fn submit_new(&mut self) {
        let kind = KINDS[self.rng.index(KINDS.len())];
        let target = (kind.ordered || self.rng.chance(30)).then(|| format!("target-{}", self.rng.below(3)));
        let plan = BodyPlan::draw(&mut self.rng, !kind.soft);
        let job = JobId::random(&*self.runtime);
        let asked = Asked::draw(&mut self.rng, kind, self.runtime.now_ms());
        let known = Known { job, kind, target, plan, asked };
        if self.rng.chance(15) {
            self.submit_unnamed(&known).await;
            return;
        }
        self.note(&known, job, Told::Sent);
        let acknowledged = self.submit(&known).await;
        if !acknowledged {
            return;
        }
        locked(&self.all.known).push(known.clone());
        match self.rng.below(8) {
            0 | 1 => {
                self.submit(&known).await;
            }
            2 => {
                let other = BodyPlan { salt: known.plan.salt + 1, ..known.plan };
                self.submit(&Known { plan: other, ..known }).await;
            }
            _ => {}
        }
    }

    /// Lets the server choose the uuid: a lost answer cannot be asked for again.
    async fn submit_unnamed(&mut self, known: &Known) {
        let sent_us = self.world.now_us();
        if let Some(Ok(job)) = self.send_submit(known, None).await {
            let known = Known { job, ..known.clone() };
            self.note_at(sent_us, &known, job, Told::Sent);
            self.note(&known, job, Told::Acknowledged { salt: known.plan.salt });
            locked(&self.all.known).push(known);
        }
    }

    /// Sends until there is an answer; whether it was taken.
    async fn submit(&mut self, known: &Known) -> bool {
        for _ in 0..SENDS_MAX {
            match self.send_submit(known, Some(known.job)).await {
                Some(Ok(job)) => {
                    self.note(known, job, Told::Acknowledged { salt: known.plan.salt });
                    return true;
                }
                Some(Err(fault)) if fault.code == Code::ResourceUuidTaken => {
                    self.note(known, known.job, Told::Conflict { salt: known.plan.salt });
                    return false;
                }
                Some(Err(fault)) if !matches!(fault.code, Code::Unavailable | Code::StoreAway) => {
                    self.note(known, known.job, Told::Odd(fault));
                    return false;
                }
                _ => self.runtime.sleep(Duration::from_millis(300)).await,
            }
        }
        false
    }

    async fn send_submit(&mut self, known: &Known, uuid: Option<JobId>) -> Option<Result<JobId, Fault>> {
        let data = known.plan.data();
        let request = SubmitRequest {
            name: None,
            description: None,
            job_name: known.kind.name.to_owned(),
            job_data: data.to_string(),
            data,
            target: known.target.clone(),
            resource_uuid: uuid,
            system_tags: known.asked.tags(),
            user_tags: Vec::new(),
            api_id: ApiId::in_order(&*self.runtime),
            dry_run: false,
        };
        let node = self.rng.index(self.cluster.len());
        let patience = self.patience();
        let call = self.cluster.call(node, patience, move |engine| {
            Box::pin(async move { engine.submit(&caller(), request).await })
        });
        call.await.map(|answer| match answer? {
            SubmitAnswer::Job(job) => Ok(job.id),
            SubmitAnswer::Plan(_) => Err(Fault::internal("a plan, though none was asked for")),
        })
    }

    async fn ask(&mut self, known: &Known) {
        let verb = Verb::draw(&mut self.rng);
        let times = if verb == Verb::Cancel && self.rng.chance(30) { 2 } else { 1 };
        for _ in 0..times {
            if verb == Verb::Delete {
                self.note(known, known.job, Told::Deleting);
            }
            let node = self.rng.index(self.cluster.len());
            let patience = self.patience();
            match ask(&self.cluster, node, patience, verb, known.job).await {
                Some(Ok(())) if verb == Verb::Cancel => self.note(known, known.job, Told::Canceled),
                Some(Ok(())) if verb == Verb::Suspend => self.note(known, known.job, Told::Suspended),
                Some(Ok(())) if verb == Verb::Rerun => self.note(known, known.job, Told::Rerun),
                Some(Err(fault)) if fault.code == Code::Internal => {
                    self.note(known, known.job, Told::Odd(fault));
                }
                _ => {} // refused as the state demands, or unknown
            }
        }
    }
}

/// What can be asked of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Cancel.
    Cancel,
    /// Rerun.
    Rerun,
    /// Resume.
    Resume,
    /// Suspend.
    Suspend,
    /// Clean.
    Clean,
    /// Update.
    Update,
    /// Delete.
    Delete,
}

impl Verb {
    fn draw(rng: &mut Rng) -> Self {
        match rng.below(14) {
            12 | 13 => Self::Suspend,
            0..=3 => Self::Cancel,
            4 | 5 => Self::Rerun,
            6 | 7 => Self::Resume,
            8 => Self::Clean,
            9 | 10 => Self::Update,
            _ => Self::Delete,
        }
    }
}

/// Asks `node` to do `verb` to a job; `None` if no answer came.
pub async fn ask(
    cluster: &Cluster,
    node: usize,
    patience: Duration,
    verb: Verb,
    job: JobId,
) -> Option<Result<(), Fault>> {
    let call = cluster.call(node, patience, move |engine| {
        Box::pin(async move {
            let (caller, uuid) = (caller(), job.to_string());
            match verb {
                Verb::Cancel => engine.cancel(&caller, &uuid).await,
                Verb::Rerun => engine.rerun(&caller, &uuid, engine.fresh_api_id()).await.map(|_| ()),
                Verb::Resume => engine.resume(&caller, &uuid).await.map(|_| ()),
                Verb::Suspend => engine.suspend(&caller, &uuid).await.map(|_| ()),
                Verb::Clean => engine.clean(&caller, &uuid).await,
                Verb::Update => {
                    engine.update(&caller, &uuid, Some("renamed".to_owned()), None).await.map(|_| ())
                }
                Verb::Delete => engine.delete(&caller, &uuid).await,
            }
        })
    });
    call.await
}

fn caller() -> Caller {
    let account: AccountId = ADMIN;
    Caller { account, admin: true, record: None }
}
