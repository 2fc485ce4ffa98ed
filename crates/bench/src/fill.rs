//! A million stored jobs for the queries, written through the store's own calls (submit, claim, apply) under
//! a clock that passes sixty days meanwhile. Everything about a job follows from its number.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use longhaul_engine::TokioRuntime;
use longhaul_model::resource::NewNode;
use longhaul_model::{
    ADMIN, AccountId, ApiId, BoxFuture, Clock, FreeSlots, HostId, JobEvent, JobId, NewJob, NodeId, Runtime,
    SlotClass, SuspendReason, Transition,
};
use longhaul_store::{Gone, Jobs, Nodes, SqliteStore, StoreOptions};
use serde_json::{Value, json};

use crate::api::{Api, uuid, wire_password};
use crate::args::Args;
use crate::place::{Home, Place};
use crate::server::Server;

/// Jobs are submitted over so many days.
const DAYS: i64 = 60;
const DAY_MS: i64 = 86_400_000;
/// Jobs on their way to the store at a time.
const AT_A_TIME: u64 = 2_048;
/// Name and password of the account that owns three tenths of the jobs.
pub const TENANT: &str = "tenant";
/// Of so many jobs, the newest one waits.
const WAITING_OF: u64 = 50;

/// A home full of jobs.
pub struct Filled {
    /// Where.
    pub home: Home,
    /// How many.
    pub jobs: u64,
    /// When the first was submitted, ms since 1970.
    pub first_ms: i64,
    /// Jobs per second while filling; `None` where it was filled before.
    pub speed: Option<f64>,
}

impl Filled {
    /// When job `number` was submitted, about.
    pub fn at_ms(&self, number: u64) -> i64 {
        self.first_ms + spacing(number, self.jobs)
    }
}

fn spacing(number: u64, jobs: u64) -> i64 {
    i64::try_from(u128::from(number) * (DAYS * DAY_MS) as u128 / u128::from(jobs.max(1))).unwrap_or(0)
}

/// The name of job `number`: a thousand begin alike.
pub fn name(number: u64) -> String {
    format!("vol-{:03}-{number}", number % 1000)
}

/// What job `number` works on: twenty have the same.
pub fn target(number: u64) -> String {
    format!("{:032x}", 0xa000_0000_0000_0000_0000_u128 + u128::from(number / 20))
}

/// The API id of job `number`.
pub fn api_id(number: u64) -> String {
    let mixed = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    format!("{mixed:032x}")
}

/// Fills a data directory, or takes the one that was filled before. Where servers are on PostgreSQL, it is then copied
/// to a database: the same jobs as on SQLite.
pub async fn prepare(place: &Place, args: &Args) -> Result<Filled> {
    let mut filled = embedded(place, args).await?;
    if let Some(cluster) = &place.cluster {
        let database = cluster.create().await?;
        move_house(place, &filled.home.data, &database.url)?;
        database.run("VACUUM ANALYZE").await?;
        filled.home.database = Some(database);
    }
    Ok(filled)
}

/// `longhaul store copy`; the data directory is as it was then.
fn move_house(place: &Place, data: &Path, url: &str) -> Result<()> {
    let start = Instant::now();
    let mut copy = Command::new(&place.binary);
    copy.args(["store", "copy", "--skip-check", "--from"]).arg(data).env("LONGHAUL_STORE", url);
    let output = copy.output().context("longhaul store copy")?;
    ensure!(output.status.success(), "store copy: {}", String::from_utf8_lossy(&output.stderr));
    eprintln!("  copied to PostgreSQL in {:.0} s", start.elapsed().as_secs_f64());
    let moved = data.join("store.moved");
    if moved.exists() {
        std::fs::remove_file(moved)?;
    }
    Ok(())
}

async fn embedded(place: &Place, args: &Args) -> Result<Filled> {
    let data = args.filled.clone().unwrap_or_else(|| place.dir.join("filled"));
    let note = data.join("bench.json");
    if let Ok(text) = std::fs::read_to_string(&note) {
        let known: Value = serde_json::from_str(&text)?;
        let (jobs, first_ms) = (known["jobs"].as_u64(), known["firstMs"].as_i64());
        let (jobs, first_ms) = (jobs.context("no jobs")?, first_ms.context("no firstMs")?);
        return Ok(Filled { home: Home { data, database: None }, jobs, first_ms, speed: None });
    }
    let home = Home { data, database: None };
    let server = Server::start(place, &home, &[])?;
    let mut admin = Api::admin(server.address).await?;
    let mut accounts = vec![ADMIN];
    for account in [TENANT, "other"] {
        let body = json!({"params": {"name": account, "password": wire_password(account)}}).to_string();
        let made = uuid(&admin.call("POST", "/v1/accounts", &body).await?)?;
        accounts.push(made.parse().map_err(|_| anyhow::anyhow!("no account in {made}"))?);
    }
    drop(admin);
    server.stop()?;
    let inner = TokioRuntime::new();
    let first_ms = inner.now_ms() - DAYS * DAY_MS;
    let clock = Arc::new(Shifted { inner, now_ms: AtomicI64::new(first_ms) });
    let mut filled = Filled { home, jobs: place.scaled(args.stored), first_ms, speed: None };
    eprintln!("storing {} jobs", filled.jobs);
    let start = Instant::now();
    fill(&filled, &clock, &accounts).await?;
    filled.speed = Some(filled.jobs as f64 / start.elapsed().as_secs_f64());
    std::fs::write(note, json!({"jobs": filled.jobs, "firstMs": first_ms}).to_string())?;
    Ok(filled)
}

async fn fill(filled: &Filled, clock: &Arc<Shifted>, accounts: &[AccountId]) -> Result<()> {
    let options = StoreOptions {
        cache_bytes: 1 << 29,
        lease_ttl_ms: 2 * DAYS * DAY_MS, // one lease for all the days
        ..StoreOptions::default()
    };
    let store = SqliteStore::open(&store_path(&filled.home.data), clock.clone(), options)?;
    let (node, host) = (NodeId::random(&**clock), HostId::random(&**clock));
    store.join(NewNode::new(node, host, "bench"), Gone::All).await?;
    let waiting_from = filled.jobs - filled.jobs / WAITING_OF;
    let mut next = 0;
    while next < filled.jobs {
        let end = (next + AT_A_TIME).min(filled.jobs);
        clock.now_ms.store(filled.at_ms(next), Ordering::SeqCst);
        let submits = (next..end).map(|number| store.submit(new_job(number, accounts, &**clock), None));
        try_join_all(submits).await?;
        if end <= waiting_from {
            run(&store, node).await?;
        }
        next = end;
        if next % (AT_A_TIME * 64) == 0 {
            eprintln!("  {next}");
        }
    }
    store.leave(node).await?;
    Ok(())
}

/// Starts all that waits; most of it succeeds.
async fn run(store: &SqliteStore, node: NodeId) -> Result<()> {
    loop {
        let claimed = store.claim(node, &[FreeSlots::new(SlotClass::Simulator, 256)], &[]).await?;
        if claimed.is_empty() {
            return Ok(());
        }
        let ends = claimed.iter().filter_map(|claimed| {
            let number: u64 = claimed.job.name.rsplit('-').next()?.parse().ok()?;
            Some(store.apply(&claimed.claim, end_of(number)?))
        });
        try_join_all(ends).await?;
    }
}

/// How job `number` ends: 90 % well, 6 % badly, 3 % canceled, one in 200 suspended, few still running.
fn end_of(number: u64) -> Option<Transition> {
    let (event, result) = match number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 0x3ff {
        0..60 => (JobEvent::Fail, r#"{"code":"SYS.1006","detail":"the simulated job failed"}"#.to_owned()),
        60..90 => {
            (JobEvent::Stopped, r#"{"detail":"the long job has been canceled","receipt":{}}"#.to_owned())
        }
        90..95 => (JobEvent::Suspend, r#"{"code":"LONG_JOB.1002","detail":"interrupted"}"#.to_owned()),
        95 if number.is_multiple_of(16) => return None,
        _ => (JobEvent::Succeed, format!(r#"{{"inventory":{{"number":{number}}},"success":true}}"#)),
    };
    let mut transition = Transition::plain(event);
    transition.suspend = (event == JobEvent::Suspend).then_some(SuspendReason::User);
    transition.canceled_result = Some(result.clone());
    transition.result = Some(result);
    Some(transition)
}

fn new_job(number: u64, accounts: &[AccountId], runtime: &dyn Runtime) -> NewJob {
    let owner = match number % 10 {
        0..2 => 0,
        2..5 => 1,
        _ => 2,
    };
    let job_name = if number.is_multiple_of(5) { "APISimulateRigidJobMsg" } else { "APISimulateJobMsg" };
    NewJob {
        id: JobId::random(runtime),
        account: accounts[owner],
        name: name(number),
        description: Some(format!("stored job {number} of the bench")),
        api_id: ApiId::chosen(&api_id(number)).unwrap_or_else(|| ApiId::in_order(runtime)),
        job_name: job_name.to_owned(),
        job_data: format!(r#"{{"durationMs":{},"progressSteps":10,"outcome":"succeed"}}"#, number % 100_000),
        sealed_data: None,
        target: Some(target(number)),
        request_hash: [number as u8; 32],
        class: SlotClass::Simulator,
        ordered: false,
        tags: Vec::new(),
        terms: longhaul_model::Terms::default(),
        claim_for: None,
    }
}

fn store_path(data: &Path) -> PathBuf {
    data.join("longhaul.db")
}

/// The machine's runtime with a clock that is set by hand.
struct Shifted {
    inner: TokioRuntime,
    now_ms: AtomicI64,
}

impl Clock for Shifted {
    fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }
}

impl Runtime for Shifted {
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        self.inner.spawn(name, task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.inner.sleep(duration)
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn random_u128(&self) -> u128 {
        self.inner.random_u128()
    }
}
