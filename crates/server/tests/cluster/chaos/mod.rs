//! Chaos: three nodes and their database are killed, paused and restarted at random while clients submit jobs and act on
//! them. `faults` is what goes wrong, `stage` who does it, `load` and `caller` who asks for what, `history` what was seen, `checker` what must
//! be true of it, `controls` that the checker would notice.
//!
//! `LONGHAUL_CHAOS_SECONDS` says for how long (30; 300 is the full run), `LONGHAUL_CHAOS_SEED` which plan of faults. The
//! seed decides the plan and what each client would ask for; what meets what is the machine's doing.

mod caller;
mod checker;
mod controls;
mod faults;
mod history;
mod load;
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use caller::Caller;
use checker::Violation;
use faults::{Chance, Faults, NODES};
use history::{Asked, Call, Evidence, Told};
use load::Load;
use stage::{Stage, trouble_database, trouble_node};

use crate::client::Client;
use crate::database::DatabaseServer;
use crate::nodes::Nodes;
use crate::place::{Place, setting};

const SUBMITTERS: usize = 3;
const ACTORS: usize = 2;
const LOOKERS: usize = 2;
/// Simulated jobs that run on a node at a time, so that some wait.
const SLOTS: usize = 12;
/// How many broken rules are told of in full.
const TOLD_MAX: usize = 20;

#[test]
fn no_promise_is_broken_while_nodes_and_database_are_killed_paused_and_restarted() {
    let seconds = setting("LONGHAUL_CHAOS_SECONDS", 30);
    let seed = setting("LONGHAUL_CHAOS_SEED", 1);
    let faults = Faults::draw(seed, seconds);
    println!(
        "LONGHAUL_CHAOS_SEED={seed} LONGHAUL_CHAOS_SECONDS={seconds}; each + so many seconds after the one before:\n{faults}"
    );
    let (place, server) = (Place::new("chaos"), DatabaseServer::new("chaos"));
    let mut nodes = Nodes::start(&place, &server.database, NODES, |plan| {
        plan.set(&format!("engine.maxRunningSimulator={SLOTS}"))
    });
    let session = nodes.client(0).clone();
    let addresses = [0, 1, 2].map(|node| nodes.client(node).address().to_owned());
    let stage = Stage::new(Duration::from_secs(seconds), addresses);
    let load = Load::default();
    rage(&stage, &faults, &mut nodes, &server, &load, &session, seed);
    let client = |number| Caller { stage: &stage, session: &session, number, chance: Chance::new(seed, 50) };
    load.settle(&mut client(SUBMITTERS + ACTORS + LOOKERS));
    let journal = fs::read_to_string(place.path("journal")).unwrap();
    let evidence = stage.history.end(&journal, load::all_jobs(nodes.client(0)));
    println!("{}", summary(&evidence));
    enough_happened(&evidence, seconds);
    let violations = checker::check(&evidence);
    if !violations.is_empty() {
        let told = report(&evidence, &violations);
        let file = place.path("violations.txt");
        fs::write(&file, &told).unwrap();
        panic!("seed {seed}: {} rules are broken; see {}:\n{told}", violations.len(), file.display());
    }
}

/// Faults and load, until the time is over and everything is up again.
fn rage(
    stage: &Stage,
    faults: &Faults,
    nodes: &mut Nodes,
    database: &DatabaseServer,
    load: &Load,
    session: &Client,
    seed: u64,
) {
    let client =
        |number: usize| Caller { stage, session, number, chance: Chance::new(seed, 10 + number as u64) };
    let plans = &nodes.plans;
    std::thread::scope(|scope| {
        let mut troubles = vec![scope.spawn(|| trouble_database(stage, &faults.database, database))];
        for (node, server) in nodes.servers.iter_mut().enumerate() {
            let (faults, plan) = (&faults.nodes[node], &plans[node]);
            troubles.push(scope.spawn(move || trouble_node(stage, node, faults, plan, server)));
        }
        for number in 0..SUBMITTERS {
            scope.spawn(move || load.submit(client(number)));
        }
        for number in SUBMITTERS..SUBMITTERS + ACTORS {
            scope.spawn(move || load.act(client(number)));
        }
        for number in SUBMITTERS + ACTORS..SUBMITTERS + ACTORS + LOOKERS {
            scope.spawn(move || load.look(client(number)));
        }
        for trouble in troubles {
            if let Err(broken) = trouble.join() {
                stage.end();
                std::panic::resume_unwind(broken);
            }
        }
    });
}

/// A run in which next to nothing was asked for, or went wrong, proves nothing.
fn enough_happened(evidence: &Evidence, seconds: u64) {
    let seconds = usize::try_from(seconds).unwrap();
    let acknowledged = |asked| {
        let done = |call: &&Call| call.asked == asked && matches!(call.told, Told::Done(_));
        evidence.calls.iter().filter(done).count()
    };
    let hits = |of_node| evidence.hits.iter().filter(|hit| hit.node.is_some() == of_node).count();
    let taken_over =
        evidence.jobs.iter().flat_map(|end| &end.rows).filter(|row| row.kind == "takenOver").count();
    assert!(acknowledged(Asked::Submit) >= seconds / 3, "few submissions were acknowledged");
    assert!(acknowledged(Asked::Look) >= seconds / 3, "few looks were answered");
    assert!(acknowledged(Asked::Cancel) + acknowledged(Asked::Resume) > 0, "no action was acknowledged");
    assert!(
        hits(true) >= seconds / 10 && hits(false) >= seconds / 60 && taken_over > 0,
        "few faults happened"
    );
}

/// What was done and what came of it, for people.
fn summary(evidence: &Evidence) -> String {
    let (mut calls, mut unknown): (BTreeMap<String, usize>, BTreeMap<&str, usize>) = Default::default();
    for call in &evidence.calls {
        let told = match &call.told {
            Told::Done(_) => "done",
            Told::Refused(_) => "refused",
            Told::Unknown(_) => "unknown",
            Told::Absent => "absent",
        };
        *calls.entry(format!("{:?} {told}", call.asked)).or_default() += 1;
        if let Told::Unknown(why) = &call.told {
            *unknown.entry(why.as_str()).or_default() += 1;
        }
    }
    let down_us: u64 = evidence.hits.iter().map(|hit| hit.until_us - hit.from_us).sum();
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for end in &evidence.jobs {
        *states.entry(&end.state).or_default() += 1;
        end.rows.iter().for_each(|row| *rows.entry(&row.kind).or_default() += 1);
    }
    let mut hits: BTreeMap<String, usize> = BTreeMap::new();
    for hit in &evidence.hits {
        let who = hit.node.map_or("database", |_| "node");
        let what = hit.what.split(' ').next().unwrap_or_default();
        *hits.entry(format!("{who} {what}")).or_default() += 1;
    }
    format!(
        "faults {hits:?}, {} s down in all\ncalls {calls:?}\nunknown since {unknown:?}\n{} jobs {states:?}\nrows {rows:?}\n{} lines of the journal",
        down_us / 1_000_000,
        evidence.jobs.len(),
        evidence.acts.len()
    )
}

/// Which rules are broken, and all that is known about the jobs.
fn report(evidence: &Evidence, violations: &[Violation]) -> String {
    let mut told: Vec<String> = violations.iter().map(ToString::to_string).collect();
    told.push(String::new());
    let mut hits = evidence.hits.clone();
    hits.sort_by_key(|hit| hit.from_us);
    for hit in &hits {
        let who = hit.node.map_or("database".to_owned(), |node| format!("node {node}"));
        told.push(format!("{who}: {} from {} to {} us", hit.what, hit.from_us, hit.until_us));
    }
    told.push(String::new());
    let mut jobs: Vec<&str> = violations.iter().map(|violation| violation.job.as_str()).collect();
    jobs.dedup();
    told.extend(jobs.iter().take(TOLD_MAX).map(|job| evidence.story(job)));
    told.join("\n")
}

#[test]
fn a_seed_has_one_plan_of_faults_and_another_seed_has_another() {
    assert_eq!(Faults::draw(7, 300), Faults::draw(7, 300));
    assert_ne!(Faults::draw(7, 300), Faults::draw(8, 300));
    for seed in 1..50 {
        let plan = Faults::draw(seed, 300);
        let all: Vec<_> = plan.nodes.iter().flatten().chain(&plan.database).collect();
        for kind in [faults::Kind::Kill, faults::Kind::Pause, faults::Kind::Restart] {
            assert!(all.iter().any(|fault| fault.kind == kind), "seed {seed} has no {kind:?}");
        }
        assert!(plan.nodes.iter().all(|faults| faults.len() > 15), "seed {seed}: {plan}");
    }
}
