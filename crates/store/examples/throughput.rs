//! Measures a store: durable submits, drain with full history, and on SQLite with `--rows N` the query figures. The
//! schema that a URL names is to be an empty one; what is measured stays in it.
//!
//!     cargo run --release -p longhaul-store --example throughput -- [--dir DIR] [--rows 1000000]
//!     cargo run --release -p longhaul-store --example throughput -- --postgres URL [--count 20000] [--nodes 1] [--drain]
//!
//! `--drain` leaves the single submissions out.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::executor::block_on;
use futures::future::{Either, join_all, select};
use futures::stream::FuturesUnordered;
use longhaul_model::query::{Condition, Field, Filter, Op, Page, Query, Resource, Value};
use longhaul_model::resource::NewNode;
use longhaul_model::{
    AccountId, ApiId, BoxFuture, Clock, FreeSlots, HostId, JobEvent, JobId, NewJob, NodeId, Runtime,
    SlotClass, Transition,
};
use longhaul_store::{
    Batches, Gone, Jobs, Nodes, PostgresOptions, PostgresStore, Queries, SUBMIT_BATCH_MAX, SqliteStore,
    StoreOptions,
};

/// Jobs in a claim, as an engine asks for them.
const BATCH: u32 = 512;
/// Jobs in hand while more are claimed.
const IN_HAND_MAX: usize = 1024;

/// The machine's own time.
struct Machine;

impl Clock for Machine {
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    fn now_ms(&self) -> i64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Runtime for Machine {
    fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) {
        std::thread::spawn(move || block_on(task));
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        std::thread::sleep(duration);
        Box::pin(std::future::ready(()))
    }
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    fn monotonic(&self) -> Duration {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed()
    }
    fn random_u128(&self) -> u128 {
        use std::hash::{BuildHasher, Hasher, RandomState};
        let half = || u128::from(RandomState::new().build_hasher().finish());
        half() << 64 | half()
    }
}

fn option(name: &str) -> Option<String> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.next().and_then(|_| args.next())
}

fn account(number: usize) -> AccountId {
    AccountId::v4(number as u128)
}

fn new_job(number: usize) -> NewJob {
    NewJob {
        id: JobId::random(&Machine),
        account: account(number % 10),
        name: format!("job-{number:07}"),
        description: None,
        api_id: ApiId::in_order(&Machine),
        job_name: ["APISimulateJobMsg", "APISimulateRigidJobMsg"][number % 2].to_owned(),
        job_data: format!("{{\"durationMs\":0,\"padding\":\"{}\"}}", "x".repeat(350)),
        sealed_data: None,
        target: Some(format!("{:032x}", number / 20)),
        request_hash: [0; 32],
        class: SlotClass::Simulator,
        ordered: false,
        tags: Vec::new(),
        terms: longhaul_model::Terms::default(),
        claim_for: None,
    }
}

/// Runs `work` for 0, 1, 2 … below `count` from `callers` tasks at a time; answers how many a second.
fn rate<F: Future<Output = ()>>(count: usize, callers: usize, work: impl Fn(usize) -> F) -> f64 {
    let next = AtomicUsize::new(0);
    let start = Machine.monotonic();
    block_on(join_all((0..callers).map(|_| async {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            work(number).await;
        }
    })));
    count as f64 / (Machine.monotonic() - start).as_secs_f64()
}

fn submits(store: &SqliteStore, count: usize, callers: usize) {
    let before = store.stats();
    let per_s = submit_rate(store, count, callers);
    let after = store.stats();
    let commits = after.commits - before.commits;
    println!("submit, {callers} callers: {per_s:.0}/s, {:.1} a commit", count as f64 / commits as f64);
}

fn submit_rate(store: &impl Jobs, count: usize, callers: usize) -> f64 {
    rate(count, callers, |number| async move {
        store.submit(new_job(number), None).await.expect("stored");
    })
}

fn postgres(url: &str, count: usize, nodes: usize) {
    let open = || PostgresStore::open(url, Arc::new(Machine), PostgresOptions::default()).expect("opened");
    let stores: Vec<PostgresStore> = (0..nodes.max(1)).map(|_| open()).collect();
    let store = &stores[0];
    if std::env::args().any(|arg| arg == "--drain") {
        submit_many(store, count, 4);
        return drain(&stores);
    }
    for callers in [1, 16, 64, 512] {
        let count = if callers == 1 { count / 10 } else { count };
        println!("submit, {callers} callers: {:.0}/s", submit_rate(store, count, callers));
    }
    for callers in [1, 4] {
        submit_many(store, count, callers);
    }
    drain(&stores);
}

fn submit_many(store: &impl Batches, count: usize, callers: usize) {
    let batches = count / SUBMIT_BATCH_MAX;
    let per_s = rate(batches, callers, |number| {
        let jobs = (0..SUBMIT_BATCH_MAX).map(|nth| new_job(number * SUBMIT_BATCH_MAX + nth));
        let stored = store.submit_many(jobs.collect());
        async move { assert!(stored.await.expect("stored").iter().all(Result::is_ok)) }
    });
    let per_s = per_s * SUBMIT_BATCH_MAX as f64;
    println!("submit, {callers} callers with {SUBMIT_BATCH_MAX} jobs a call: {per_s:.0}/s");
}

/// Drains what waits by these nodes, each with a store of its own.
fn drain<S: Jobs + Nodes>(stores: &[S]) {
    let start = Machine.monotonic();
    let drained: Vec<usize> = std::thread::scope(|scope| {
        let nodes: Vec<_> = stores.iter().map(|store| scope.spawn(|| block_on(work_off(store)))).collect();
        nodes.into_iter().map(|node| node.join().expect("drained")).collect()
    });
    let seconds = (Machine.monotonic() - start).as_secs_f64();
    let all: usize = drained.iter().sum();
    println!("drain of {all} by {}: {:.0}/s, {drained:?}", stores.len(), all as f64 / seconds);
}

/// As an engine does it: claims while jobs end.
async fn work_off(store: &(impl Jobs + Nodes)) -> usize {
    let node = NodeId::random(&Machine);
    let new = NewNode::new(node, HostId::random(&Machine), "here");
    let lease = store.join(new, Gone::Unproven).await.expect("joined");
    let (mut drained, mut beat) = (0, Machine.monotonic());
    let slots = [FreeSlots::new(SlotClass::Simulator, BATCH)];
    let mut ends = FuturesUnordered::new();
    let mut claims = Some(store.claim(node, &slots, &[]));
    loop {
        if Machine.monotonic() - beat > Duration::from_millis(lease.ttl_ms as u64 / 8) {
            store.heartbeat(node).await.expect("renewed");
            beat = Machine.monotonic();
        }
        let claim = async {
            match claims.as_mut() {
                Some(claim) => claim.await,
                None => std::future::pending().await,
            }
        };
        let ended = async {
            match ends.next().await {
                Some(ended) => ended,
                None => std::future::pending().await,
            }
        };
        let next = match select(pin!(claim), pin!(ended)).await {
            Either::Left((claimed, _)) => Either::Left(claimed),
            Either::Right((ended, _)) => Either::Right(ended),
        };
        match next {
            Either::Left(claimed) => {
                let claimed = claimed.expect("claimed");
                claims = None;
                if claimed.is_empty() && ends.is_empty() {
                    return drained;
                }
                ends.extend(claimed.iter().map(|claimed| {
                    let result = Some("{\"success\":true}".to_owned());
                    let end = Transition { result, ..Transition::plain(JobEvent::Succeed) };
                    let claim = claimed.claim;
                    async move { store.apply(&claim, end).await }
                }));
            }
            Either::Right(ended) => {
                ended.expect("ended");
                drained += 1;
            }
        }
        if claims.is_none() && ends.len() <= IN_HAND_MAX {
            claims = Some(store.claim(node, &slots, &[]));
        }
    }
}

fn text(value: impl Into<String>) -> Vec<Value> {
    vec![Value::Text(value.into())]
}

fn queries(store: &SqliteStore, rows: usize) {
    let middle = {
        let page = Page { start: rows as u64 / 2, limit: 1 };
        let answer = block_on(store.query(&query(vec![], None, page))).expect("answered");
        let longhaul_model::query::Rows::Jobs(jobs) = answer.rows else { return };
        jobs.into_iter().next().expect("a job in the middle")
    };
    let states = |names: &[&str]| names.iter().map(|n| Value::Text((*n).to_owned())).collect::<Vec<_>>();
    let shapes: Vec<(&str, Field, Op, Vec<Value>)> = vec![
        ("state =", Field::State, Op::Eq, text("Succeeded")),
        ("state ?=", Field::State, Op::In, states(&["Succeeded", "Waiting", "Failed"])),
        ("state !=", Field::State, Op::Ne, text("Failed")),
        ("jobName =", Field::JobName, Op::Eq, text("APISimulateJobMsg")),
        ("jobName ?=", Field::JobName, Op::In, states(&["APISimulateJobMsg", "APISimulateRigidJobMsg"])),
        ("target =", Field::TargetResourceUuid, Op::Eq, text(middle.target.clone().unwrap_or_default())),
        ("apiId =", Field::ApiId, Op::Eq, text(middle.api_id.as_str())),
        ("name =", Field::Name, Op::Eq, text(middle.name.clone())),
        ("name prefix, 1 of 1000", Field::Name, Op::Like, text("job-0123%")),
        ("name prefix, 1 of 10", Field::Name, Op::Like, text("job-01%")),
        ("name prefix, all", Field::Name, Op::Like, text("job-%")),
        ("createDate <", Field::CreateDate, Op::Lt, vec![Value::Int(middle.create_ms)]),
        ("createDate >=", Field::CreateDate, Op::Ge, vec![Value::Int(middle.create_ms)]),
        ("(other) name like %12%", Field::Name, Op::Like, text("%12%")),
        ("(other) executeTime >", Field::ExecuteTime, Op::Gt, vec![Value::Int(100)]),
    ];
    println!("| query | owner | start | rows, ms p50 | p99 | total, ms p50 |");
    println!("|---|---|---|---|---|---|");
    for (name, field, op, values) in shapes {
        for owner in [None, Some(account(3))] {
            for start in [0, 100_000] {
                let condition = Condition { field, op, values: values.clone() };
                let page = Page { start, limit: 100 };
                let mut rows = query(vec![condition.clone()], owner, page);
                let (p50, p99) = time(store, &rows, 30);
                (rows.want_rows, rows.want_total) = (false, true);
                let (total, _) = time(store, &rows, 5);
                println!("| {name} | {} | {start} | {p50:.2} | {p99:.2} | {total:.2} |", owner.is_some());
            }
        }
    }
}

fn query(conditions: Vec<Condition>, visible_to: Option<AccountId>, page: Page) -> Query {
    Query {
        resource: Resource::Job,
        filter: Filter { conditions, visible_to, ..Filter::default() },
        sort: None,
        page,
        want_rows: true,
        want_total: false,
        without_bodies: false,
    }
}

fn time(store: &SqliteStore, query: &Query, runs: usize) -> (f64, f64) {
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Machine.monotonic();
            let _answer = block_on(store.query(query));
            (Machine.monotonic() - start).as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[runs / 2], times[runs * 99 / 100])
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|l| l.starts_with("VmRSS")).unwrap_or_default().replace('\t', " ")
}

fn main() {
    if let Some(url) = option("--postgres") {
        let count = option("--count").and_then(|n| n.parse().ok()).unwrap_or(20_000);
        let nodes = option("--nodes").and_then(|n| n.parse().ok()).unwrap_or(1);
        return postgres(&url, count, nodes);
    }
    let directory = option("--dir").map_or_else(std::env::temp_dir, PathBuf::from);
    let path = directory.join(format!("throughput-{}.db", std::process::id()));
    let store = SqliteStore::open(&path, Arc::new(Machine), StoreOptions::default()).expect("opened");
    for callers in [1, 16, 64, 512] {
        submits(&store, if callers == 1 { 2000 } else { 20_000 }, callers);
    }
    drain(std::slice::from_ref(&store));
    println!("{}", memory());
    if let Some(rows) = option("--rows").and_then(|n| n.parse::<usize>().ok()) {
        submits(&store, rows, 1024);
        drain(std::slice::from_ref(&store));
        println!("{}", memory());
        queries(&store, rows);
        println!("{}", memory());
    }
    println!("{:?}", store.stats());
    drop(store);
    println!("file: {} MB", std::fs::metadata(&path).map_or(0, |m| m.len()) / 1_000_000);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
}
