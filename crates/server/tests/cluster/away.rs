//! The database is killed and stays away: nodes that live keep their jobs, and nothing that was acknowledged is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::client::SIMULATE;
use crate::database::DatabaseServer;
use crate::nodes::Nodes;
use crate::place::{PATIENCE, Place, setting, until};
use crate::witness::Witness;

const JOBS: usize = 30;

#[test]
fn nobody_takes_a_living_nodes_jobs_when_the_database_was_away() {
    let away = Duration::from_secs(setting("LONGHAUL_CLUSTER_AWAY_SECONDS", 30));
    let (place, server) = (Place::new("away"), DatabaseServer::new("away"));
    let database = &server.database;
    let nodes = Nodes::start(&place, database, 3, |plan| plan);
    let data = json!({"durationMs": 20_000, "progressSteps": 40});
    let jobs: Vec<String> = (0..JOBS).map(|n| nodes.client(n % 3).submit(SIMULATE, &data, &[])).collect();
    let mut witness = Witness::new(&place.path("journal"));
    until("every body has begun", PATIENCE, || {
        witness.look();
        (witness.tokens().len() == JOBS).then_some(())
    });
    let before: Vec<String> = (0..3).map(|node| nodes.uuid(node)).collect();
    server.kill();
    std::thread::sleep(away);
    server.start();
    until("every node answers again", PATIENCE, || {
        (0..3)
            .all(|node| {
                let told = nodes.client(node).try_call("GET", "/longjobs?limit=1", None);
                told.is_ok_and(|(status, _)| status == 200)
            })
            .then_some(())
    });
    for job in &jobs {
        assert_eq!(nodes.client(0).final_job(job, Duration::from_secs(120))["state"], "Succeeded");
    }
    witness.look();
    assert!(
        witness.tokens().values().all(|token| *token == 1),
        "somebody took a job: {:?}",
        witness.tokens()
    );
    assert_eq!(witness.ended_twice(), Vec::<String>::new());
    assert_eq!(database.number("SELECT count(*) FROM job WHERE attempt > 1"), 0);
    let after: Vec<String> = (0..3).map(|node| nodes.uuid(node)).collect();
    assert_eq!(after, before, "no node lost its lease");
    says_each_trouble_seldom(&nodes.log(), 3, away);
}

/// Each thing that failed is said at its begin, every 30 s and at its end, by each node; nothing is said of connections.
fn says_each_trouble_seldom(log: &str, nodes: usize, away: Duration) {
    let of = |level: &str| -> BTreeMap<String, usize> {
        let mut counted = BTreeMap::new();
        for (_, line) in log.lines().filter_map(|line| line.split_once(level)) {
            let what = [" error=", " failures="]
                .iter()
                .fold(line, |text, field| text.split(field).next().unwrap_or(text));
            *counted.entry(what.to_owned()).or_default() += 1;
        }
        counted
    };
    let (warned, told) = (of(" WARN "), of(" INFO "));
    let most = nodes * (2 + usize::try_from(away.as_secs() / 30).expect("few"));
    assert!(warned.values().all(|times| *times <= most), "more than {most} times: {warned:#?}");
    assert!(!warned.is_empty() && !log.contains("deadpool"), "{warned:#?}");
    for what in ["heartbeats", "web hooks"] {
        assert!(warned.keys().any(|line| line.contains(what)), "{what}: {warned:#?}");
        let again: usize = told
            .iter()
            .filter(|(line, _)| line.contains("answers again") && line.contains(what))
            .map(|(_, n)| n)
            .sum();
        assert!((nodes..=2 * nodes).contains(&again), "{what}: {told:#?}");
    }
}
