//! What happens to the PostgreSQL store when its server is killed (`kill -9` of all its processes) and comes back, and
//! when it is away for longer than a lease. A server of its own, with fsync on.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use futures::executor::block_on;
use longhaul_model::resource::NewNode;
use longhaul_model::{
    AccountId, ApiId, FreeSlots, HostId, JobEvent, JobId, JobState, NewJob, NodeId, SlotClass, Submitted,
    Terms, Transition,
};
use longhaul_store::conformance::HandClock;
use longhaul_store::{Gone, Jobs, Nodes, PostgresOptions, PostgresStore, Queries, StoreError};

/// Between two tries while the server is away.
const PAUSE: Duration = Duration::from_millis(20);

/// A server that is gone when the test is.
struct Server {
    directory: PathBuf,
    url: String,
}

impl Server {
    fn start(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("longhaul-{name}-{}", std::process::id()));
        let url = tool("start", &directory);
        Self { directory, url }
    }

    fn kill(&self) {
        tool("kill", &self.directory);
    }

    fn start_again(&self) {
        assert_eq!(tool("start", &self.directory), self.url);
    }

    fn open(&self, options: PostgresOptions) -> PostgresStore {
        PostgresStore::open(&self.url, HandClock::new(), options).expect("opened")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        tool("clean", &self.directory);
    }
}

/// Calls the script that starts servers; answers the last line that it prints.
fn tool(command: &str, directory: &std::path::Path) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/tools/postgres-dev.sh");
    let done = Command::new(script).arg(command).arg(directory).output().expect("the script was started");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    said.lines().last().unwrap_or_default().to_owned()
}

fn job(number: u128) -> NewJob {
    NewJob {
        id: JobId::v4(number),
        account: AccountId::v4(1),
        name: format!("job-{number}"),
        description: None,
        api_id: ApiId::chosen(&format!("{number:032x}")).expect("32 characters"),
        job_name: "APISimulateJobMsg".to_owned(),
        job_data: "{}".to_owned(),
        sealed_data: None,
        target: None,
        request_hash: [1; 32],
        class: SlotClass::Simulator,
        ordered: false,
        tags: Vec::new(),
        terms: Terms::default(),
        claim_for: None,
    }
}

/// Asks until the store answers, as the engine's callers do.
async fn persist<T>(call: impl AsyncFn() -> Result<T, StoreError>) -> T {
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(StoreError::Unavailable(_)) => std::thread::sleep(PAUSE),
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill_of_the_server() {
    const WORKERS: u128 = 8;
    const EACH: u128 = 40;
    let server = Server::start("killed");
    let store = Arc::new(server.open(PostgresOptions::default()));
    let (acknowledged, heard) = channel();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (store, acknowledged) = (store.clone(), acknowledged.clone());
            std::thread::spawn(move || {
                for number in (0..EACH).map(|nth| worker * 1000 + nth) {
                    let stored = block_on(persist(async || store.submit(job(number), None).await));
                    assert!(matches!(stored, Submitted::Created(..) | Submitted::Same(_)));
                    acknowledged.send(number).expect("heard");
                }
            })
        })
        .collect();
    drop(acknowledged);
    let mut known = Vec::new();
    for number in heard {
        known.push(number);
        if known.len() % 80 == 40 {
            server.kill();
            server.start_again();
            // Nothing is lost of what was said before the kill.
            for number in &known {
                let found = block_on(persist(async || store.job(JobId::v4(*number)).await));
                assert!(found.is_some(), "job {number} was acknowledged and is gone");
            }
        }
    }
    for worker in workers {
        worker.join().expect("every job was taken");
    }
    assert_eq!(known.len() as u128, WORKERS * EACH);
    let counts = block_on(store.counts(None)).expect("counted");
    let waiting = counts.iter().find(|(state, _)| *state == JobState::Waiting).map(|(_, n)| u128::from(*n));
    assert_eq!(waiting, Some(WORKERS * EACH), "no job was counted twice");
}

#[test]
fn a_database_that_was_away_for_longer_than_a_lease_takes_nobodys_job() {
    const TTL_MS: i64 = 2000;
    let server = Server::start("away");
    let options = || PostgresOptions { lease_ttl_ms: TTL_MS, ..PostgresOptions::default() };
    let (first, second) = (server.open(options()), server.open(options()));
    let (node, other) = (NodeId::v4(1), NodeId::v4(2));
    let slots = [FreeSlots::new(SlotClass::Simulator, 10)];
    let claim = block_on(async {
        first.join(NewNode::new(node, HostId::v4(1), "first"), Gone::Unproven).await.expect("joined");
        second.join(NewNode::new(other, HostId::v4(2), "second"), Gone::Unproven).await.expect("joined");
        first.submit(job(1), None).await.expect("stored");
        first.heartbeat(node).await.expect("renewed");
        first.claim(node, &slots, &[]).await.expect("claimed").pop().expect("the job").claim
    });
    server.kill();
    let away = block_on(first.heartbeat(node));
    assert!(matches!(away, Err(StoreError::Unavailable(_))), "{away:?}");
    std::thread::sleep(Duration::from_millis(3 * TTL_MS.unsigned_abs()));
    server.start_again();
    block_on(async {
        // The other one is back first, and both leases ended long ago.
        assert!(
            persist(async || second.claim(other, &slots, &[]).await).await.is_empty(),
            "a job was taken over"
        );
        persist(async || second.heartbeat(other).await).await;
        assert!(
            persist(async || second.claim(other, &slots, &[]).await).await.is_empty(),
            "a job was taken over"
        );
        persist(async || first.heartbeat(node).await).await;
        let done = persist(async || first.apply(&claim, Transition::plain(JobEvent::Succeed)).await).await;
        assert_eq!(done.state, JobState::Succeeded);
    });
}
