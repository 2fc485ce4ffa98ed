//! `kill -9` of the server under load. Two journals outside of the store say what must be true: the client's,
//! of submissions that were acknowledged, and the simulator's, of what bodies did under which token.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, SIMULATE, text};
use crate::place::{PATIENCE, Place, Seeded, setting, until};
use crate::server::Plan;

const RUNNING: u64 = 20;
const WAITING_MIN: u64 = 50;
/// The submitters pause here, so that the end does not take for ever.
const WAITING_MAX: u64 = 90;
const SUBMITTERS: u64 = 3;

/// What the client knows, whatever became of the server.
#[derive(Default)]
struct Journal {
    acknowledged: BTreeMap<String, Value>,
    /// Sent, and not answered: to be sent again, the very same.
    unanswered: Vec<(String, Value)>,
    canceled: BTreeSet<String>,
}

fn count(client: &Client, state: &str) -> Option<u64> {
    let path = format!("/longjobs?q=state%3D{state}&replyWithCount=true&limit=1");
    let (status, answer) = client.try_call("GET", &path, None).ok()?;
    (status == 200).then(|| answer["total"].as_u64().expect("a total"))
}

fn uuid_v4(rng: &mut Seeded) -> String {
    let hex = format!("{:016x}{:016x}", rng.next(), rng.next());
    format!("{}4{}8{}", &hex[..12], &hex[13..16], &hex[17..])
}

/// Submits until told to stop or until the server is gone.
fn submit_on(
    client: &Client,
    journal: &Mutex<Journal>,
    next: &AtomicU64,
    waiting: &AtomicU64,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::SeqCst) {
        if waiting.load(Ordering::SeqCst) >= WAITING_MAX {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        let again = journal.lock().unwrap().unanswered.pop();
        let (uuid, data) = again.unwrap_or_else(|| {
            let mut rng = Seeded(next.fetch_add(1, Ordering::SeqCst) * 0x9e37_79b9 + 1);
            let uuid = uuid_v4(&mut rng);
            let steps = 1 + rng.next() % 10;
            (uuid, json!({"durationMs": 20 + rng.next() % 1200, "progressSteps": steps}))
        });
        match client.try_submit(SIMULATE, &data, Some(&uuid), &[]) {
            Ok((200, answer)) => {
                assert_eq!(text(&answer["inventory"]["uuid"]), uuid);
                journal.lock().unwrap().acknowledged.insert(uuid, data);
                waiting.fetch_add(1, Ordering::SeqCst);
            }
            Ok((status, answer)) => panic!("{status} {answer}"),
            Err(_) => {
                journal.lock().unwrap().unanswered.push((uuid, data));
                if stop.load(Ordering::SeqCst) || client.try_call("GET", "/zones", None).is_err() {
                    return;
                }
            }
        }
    }
}

/// Cancels one of the jobs that were acknowledged last.
fn cancel_one(client: &Client, journal: &Mutex<Journal>, rng: &mut Seeded) {
    let known: Vec<String> = journal.lock().unwrap().acknowledged.keys().cloned().collect();
    let uuid = &known[usize::try_from(rng.next()).unwrap() % known.len()];
    let body = json!({"cancelLongJob": {}});
    if let Ok((200, _)) = client.try_call("PUT", &format!("/longjobs/{uuid}/actions"), Some(&body)) {
        journal.lock().unwrap().canceled.insert(uuid.clone());
    }
}

#[test]
fn no_acknowledged_job_is_lost_or_succeeds_twice_however_often_the_server_is_killed() {
    let rounds = setting("LONGHAUL_KILL_ROUNDS", 20);
    let place = Place::new("under-load");
    let plan = Plan::new(&place).set(&format!("engine.maxRunningSimulator={RUNNING}"));
    let journal = Mutex::new(Journal::default());
    let next = AtomicU64::new(1);
    let mut rng = Seeded(7);
    for round in 0..rounds {
        let mut server = plan.start();
        let client = server.client.clone();
        let (waiting, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..SUBMITTERS {
                scope.spawn(|| submit_on(&client, &journal, &next, &waiting, &stop));
            }
            until("20 jobs run and 50 wait", PATIENCE, || {
                let (running, waits) = (count(&client, "Running")?, count(&client, "Waiting")?);
                waiting.store(waits, Ordering::SeqCst);
                assert!(running <= RUNNING, "{running} jobs run");
                (running == RUNNING && waits >= WAITING_MIN).then_some(())
            });
            cancel_one(&client, &journal, &mut rng);
            // Some rounds die in the middle of submissions, others while jobs move on.
            std::thread::sleep(Duration::from_millis(rng.next() % 1500));
            until("20 jobs run and 50 wait", PATIENCE, || {
                let (running, waits) = (count(&client, "Running")?, count(&client, "Waiting")?);
                waiting.store(waits.min(WAITING_MAX - 1), Ordering::SeqCst);
                (running == RUNNING && waits >= WAITING_MIN).then_some(())
            });
            server.kill();
            stop.store(true, Ordering::SeqCst);
        });
        println!("round {round}: {} acknowledged", journal.lock().unwrap().acknowledged.len());
    }
    let server = plan.start();
    let client = &server.client;
    let mut journal = journal.into_inner().unwrap();
    for (uuid, data) in std::mem::take(&mut journal.unanswered) {
        let (status, answer) = client.try_submit(SIMULATE, &data, Some(&uuid), &[]).unwrap();
        assert_eq!(status, 200, "sent again, it is the same submission: {answer}");
        journal.acknowledged.insert(uuid, data);
    }
    let patience = Duration::from_secs(120);
    until("no job runs or waits", patience, || {
        let open = ["Waiting", "Running", "Canceling", "Suspended"].iter().map(|s| count(client, s));
        (open.map(|n| n.unwrap()).sum::<u64>() == 0).then_some(())
    });
    let witnessed = plan.journal();
    let bodies = bodies(&witnessed);
    let mut twice = 0;
    for uuid in journal.acknowledged.keys() {
        twice += check_job(client, uuid, journal.canceled.contains(uuid), bodies.get(uuid.as_str()));
    }
    let jobs = client.ok("GET", "/longjobs?replyWithCount=true&limit=1", &Value::Null);
    assert_eq!(jobs["total"].as_u64(), Some(journal.acknowledged.len() as u64), "no job nobody asked for");
    println!(
        "{rounds} kills, {} jobs, {} canceled; {twice} bodies ended again since the kill came before the commit",
        journal.acknowledged.len(),
        journal.canceled.len()
    );
}

/// The simulator's journal by job: token and what, in order.
fn bodies(journal: &str) -> BTreeMap<&str, Vec<(u64, &str)>> {
    let mut bodies: BTreeMap<&str, Vec<(u64, &str)>> = BTreeMap::new();
    for line in journal.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [job, _attempt, token, what] = words[..] else { panic!("a torn line: {line:?}") };
        bodies.entry(job).or_default().push((token.parse().unwrap(), what));
    }
    bodies
}

/// One job against both journals; how many times its body came to its end without the success being written.
///
/// A body writes `end` before its success is committed, so a kill in between lets another attempt write it again.
/// That a job succeeded is its timeline's word: one final row. Its token is that of the last `end`, every
/// attempt has a larger token than the one before, and after the end nothing of the job runs.
fn check_job(client: &Client, uuid: &str, canceled: bool, body: Option<&Vec<(u64, &str)>>) -> usize {
    let job = client.job(uuid);
    let timeline = client.timeline(uuid);
    let seqs: Vec<u64> = timeline.iter().map(|r| r["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=timeline.len() as u64).collect::<Vec<_>>(), "{uuid}: numbered without a gap");
    let finals: Vec<&Value> = timeline
        .iter()
        .filter(|r| ["succeeded", "failed", "canceled"].contains(&r["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(finals.len(), 1, "{uuid} ended once: {timeline:#?}");
    assert_eq!(finals[0]["seq"], seqs[seqs.len() - 1], "{uuid}: the end is the last row");
    let claims: Vec<u64> = timeline
        .iter()
        .filter(|r| ["started", "resumed", "takenOver"].contains(&r["kind"].as_str().unwrap()))
        .map(|r| r["token"].as_u64().unwrap())
        .collect();
    assert!(claims.windows(2).all(|w| w[0] < w[1]), "{uuid}: tokens grow: {claims:?}");
    let none = Vec::new();
    let body = body.unwrap_or(&none);
    let starts: Vec<u64> = body.iter().filter(|b| b.1 == "start").map(|b| b.0).collect();
    assert!(starts.windows(2).all(|w| w[0] < w[1]), "{uuid}: one body per token: {body:?}");
    assert!(body.windows(2).all(|w| w[0].0 <= w[1].0), "{uuid}: an old token acts: {body:?}");
    assert!(body.iter().all(|b| claims.contains(&b.0)), "{uuid}: no token from nowhere: {body:?} {claims:?}");
    let ends: Vec<u64> = body.iter().filter(|b| b.1 == "end").map(|b| b.0).collect();
    assert!(ends.windows(2).all(|w| w[0] < w[1]), "{uuid}: one end per token: {body:?}");
    match job["state"].as_str().unwrap() {
        "Succeeded" => {
            let token = finals[0]["token"].as_u64().unwrap();
            assert_eq!(body.last(), Some(&(token, "end")), "{uuid}: nothing after the success");
            assert_eq!(claims.last(), Some(&token), "{uuid}: the last claim succeeded");
            ends.len() - 1
        }
        "Canceled" => {
            assert!(canceled, "{uuid} was canceled by nobody");
            ends.len()
        }
        state => panic!("{uuid} is {state}: {job}"),
    }
}
