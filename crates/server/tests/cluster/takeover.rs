//! A node that is killed: its jobs go on elsewhere within seconds, from their checkpoints, all of them and each once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{SIMULATE, text};
use crate::database::Database;
use crate::nodes::Nodes;
use crate::place::{PATIENCE, Place, setting, until};
use crate::witness::Witness;

/// From the kill to the first checkpoint of 99 of 100 jobs; the lease and the work before that checkpoint take up to 4 s
/// of it.
const P99: Duration = Duration::from_secs(5);

/// The newest token of each job that a node holds, by its uuid, as the store has them.
fn held(database: &Database, node: &str) -> BTreeMap<String, u64> {
    let rows = database.rows(&format!(
        "SELECT j.uuid, j.token FROM job_run AS r JOIN job AS j ON j.id = r.job WHERE r.node = '{node}'"
    ));
    let pair = |row: String| {
        let (job, token) = row.split_once('|').expect("two columns");
        (job.to_owned(), token.parse().expect("a number"))
    };
    rows.into_iter().map(pair).collect()
}

#[test]
fn the_jobs_of_a_killed_node_go_on_elsewhere_within_seconds_and_each_ends_once() {
    let many = usize::try_from(setting("LONGHAUL_CLUSTER_JOBS", 50)).unwrap();
    let (place, database) = (Place::new("takeover"), Database::new("takeover"));
    // All run on the one that dies, since it is alone at first.
    let mut nodes = Nodes::start(&place, &database, 1, |plan| plan);
    let duration_ms = 30_000 + 60 * many as u64;
    let data = json!({"durationMs": duration_ms, "progressSteps": duration_ms / 250, "checkpointMs": 1000,
        "firstCheckpointMs": 250});
    let jobs = submit_all(&nodes, many, &data);
    let mut witness = Witness::new(&place.path("journal"));
    until("every body has begun", PATIENCE, || {
        witness.look();
        (witness.tokens().len() == many).then_some(())
    });
    nodes.add(&place, &database);
    nodes.add(&place, &database);
    let left = held(&database, &nodes.uuid(0));
    assert_eq!(left.len(), many, "all run where it is killed");
    let killed = Instant::now();
    nodes.servers[0].kill();
    // The first checkpoint of each under a newer token.
    let mut first: BTreeMap<String, Duration> = BTreeMap::new();
    let mut begun: BTreeMap<String, Duration> = BTreeMap::new();
    let mut seen = witness.lines.len();
    until("every job goes on", Duration::from_secs(30), || {
        witness.look();
        for line in &witness.lines[seen..] {
            if left.get(&line.job).is_none_or(|old| line.token <= *old) {
                continue;
            }
            let seen = match line.what.as_str() {
                "start" => &mut begun,
                "checkpoint" => &mut first,
                _ => continue,
            };
            seen.entry(line.job.clone()).or_insert_with(|| line.at - killed);
        }
        seen = witness.lines.len();
        (first.len() == left.len()).then_some(())
    });
    println!("{} jobs: begun again {}, first checkpoint {}", first.len(), told(&begun), told(&first));
    assert!(percentile(&first, 99) <= P99, "first checkpoints: {}", told(&first));
    until("every job is final", Duration::from_secs(60 + many as u64), || {
        let open =
            database.number("SELECT count(*) FROM job WHERE state NOT IN ('Succeeded','Failed','Canceled')");
        (open == 0).then_some(())
    });
    witness.look();
    let succeeded = database.number("SELECT count(*) FROM job WHERE state = 'Succeeded'");
    assert_eq!(succeeded, many as u64, "none is missing, none failed");
    for job in &jobs {
        assert!(first.contains_key(job) || !left.contains_key(job), "{job} is missing");
    }
    assert_eq!(witness.ended_twice(), Vec::<String>::new());
    assert_once(&nodes, jobs.iter().step_by(many.div_ceil(50)));
}

/// Submits so many to the first node, in few calls.
fn submit_all(nodes: &Nodes, many: usize, data: &Value) -> Vec<String> {
    let job = json!({"name": "a job", "jobName": SIMULATE, "jobData": data.to_string()});
    let mut jobs = Vec::new();
    while jobs.len() < many {
        let params = json!({"jobs": vec![job.clone(); (many - jobs.len()).min(1000)]});
        let answer = nodes.client(0).ok("POST", "/longjobs/bulk", &json!({"params": params}));
        jobs.extend(answer["results"].as_array().expect("results").iter().map(|made| text(&made["uuid"])));
    }
    jobs
}

/// So many percent of them had come by then.
fn percentile(times: &BTreeMap<String, Duration>, percent: usize) -> Duration {
    let mut times: Vec<Duration> = times.values().copied().collect();
    times.sort();
    times[(times.len() * percent).div_ceil(100).saturating_sub(1)]
}

fn told(times: &BTreeMap<String, Duration>) -> String {
    let at = |percent| percentile(times, percent);
    format!("p50 {:?}, p99 {:?}, last {:?}", at(50), at(99), at(100))
}

/// Each job has one success in its history, and tokens only grow there.
fn assert_once<'a>(nodes: &Nodes, jobs: impl Iterator<Item = &'a String>) {
    for job in jobs {
        let timeline = nodes.client(1).timeline(job);
        let ends = timeline.iter().filter(|row| row["kind"] == "succeeded").count();
        assert_eq!(ends, 1, "{timeline:?}");
        let attempts: Vec<u64> = timeline.iter().filter_map(|row| row["attempt"].as_u64()).collect();
        assert!(attempts.is_sorted(), "{timeline:?}");
    }
}

#[test]
fn a_node_that_is_started_again_takes_its_jobs_back_at_once() {
    let (place, database) = (Place::new("again"), Database::new("again"));
    let mut nodes = Nodes::start(&place, &database, 2, |plan| plan);
    // The other one takes none, so that who takes what is certain.
    let path = "/global-configurations/longhaul/engine.maxRunningSimulator/actions";
    let job = nodes.client(0).submit(SIMULATE, &json!({"durationMs": 600_000, "progressSteps": 6000}), &[]);
    let mut witness = Witness::new(&place.path("journal"));
    until("it has saved a checkpoint", PATIENCE, || {
        witness.look();
        witness.lines.iter().any(|line| line.what == "checkpoint").then_some(())
    });
    nodes.client(1).ok("PUT", path, &json!({"updateGlobalConfig": {"value": "1"}}));
    nodes.servers[0].kill();
    let killed = Instant::now();
    nodes.restart(0);
    until("it goes on", Duration::from_secs(3), || {
        witness.look();
        (witness.tokens()[&job] == 2).then_some(())
    });
    println!("it went on {:?} after its server was killed and started again", killed.elapsed());
    nodes.client(1).cancel(&job);
    assert_eq!(nodes.client(0).final_job(&job, PATIENCE)["state"], "Canceled");
}
