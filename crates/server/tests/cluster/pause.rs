//! A node that stands still past its lease and wakes: whoever took its jobs has them, and nothing of what it still
//! wanted to write is there.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::client::{MIGRATE, SIMULATE, text};
use crate::database::Database;
use crate::nodes::Nodes;
use crate::place::{MIB, PATIENCE, Place, guest_sha256, raw_disk, shown, until};
use crate::process;
use crate::witness::Witness;

const JOBS: usize = 20;

/// What the store has of each job that ended or runs: its token, and that of its newest progress.
fn tokens(database: &Database) -> BTreeMap<String, (u64, u64)> {
    let sql = "SELECT j.uuid, j.token, coalesce(p.token, j.token) FROM job AS j LEFT JOIN progress AS p ON p.job = j.id";
    let read = |row: String| {
        let columns: Vec<&str> = row.split('|').collect();
        (columns[0].to_owned(), (columns[1].parse().unwrap(), columns[2].parse().unwrap()))
    };
    database.rows(sql).into_iter().map(read).collect()
}

/// Rows of histories that an older claim wrote behind a newer one's.
fn late_rows(database: &Database) -> Vec<String> {
    database.rows(
        "SELECT j.uuid, older.seq, older.token FROM timeline AS older JOIN timeline AS newer ON newer.job = older.job \
         JOIN job AS j ON j.id = older.job WHERE older.seq > newer.seq AND older.token < newer.token",
    )
}

#[test]
fn nothing_of_a_node_that_slept_past_its_lease_lands_and_it_joins_again() {
    let (place, database) = (Place::new("pause"), Database::new("pause"));
    // All run on the one that will sleep, since it is alone at first.
    let mut nodes = Nodes::start(&place, &database, 1, |plan| plan);
    let data = json!({"durationMs": 15_000, "progressSteps": 150});
    for _ in 0..JOBS {
        nodes.client(0).submit(SIMULATE, &data, &[]);
    }
    let mut witness = Witness::new(&place.path("journal"));
    until("every body has saved a checkpoint", PATIENCE, || {
        witness.look();
        let saved: std::collections::BTreeSet<_> =
            witness.lines.iter().filter(|l| l.what == "checkpoint").map(|l| &l.job).collect();
        (saved.len() == JOBS).then_some(())
    });
    nodes.add(&place, &database);
    nodes.add(&place, &database);
    let former = nodes.uuid(0);
    assert!(process::stop(nodes.servers[0].pid()));
    until("the others have all its jobs", Duration::from_secs(15), || {
        witness.look();
        witness.tokens().values().all(|token| *token == 2).then_some(())
    });
    let taken = witness.lines.len();
    process::signal(nodes.servers[0].pid(), Signal::CONT);
    let again = until("it joins again, as another node", PATIENCE, || {
        let listed = nodes.listed(0, 1)?;
        (listed["uuid"] != *former).then(|| text(&listed["uuid"]))
    });
    until("every job is final", PATIENCE, || {
        let open =
            database.number("SELECT count(*) FROM job WHERE state NOT IN ('Succeeded','Failed','Canceled')");
        (open == 0).then_some(())
    });
    witness.look();
    assert_eq!(database.number("SELECT count(*) FROM job WHERE state = 'Succeeded'"), JOBS as u64);
    assert_eq!(late_rows(&database), Vec::<String>::new());
    for (job, (token, progress)) in tokens(&database) {
        assert_eq!((token, progress), (2, 2), "{job}: a late write of progress, or a third claim");
    }
    assert_eq!(witness.ended_twice(), Vec::<String>::new());
    let ends_of_old: Vec<_> =
        witness.lines[taken..].iter().filter(|l| l.token == 1 && l.what == "end").collect();
    assert!(ends_of_old.is_empty(), "{ends_of_old:?}");
    let job = nodes.client(0).submit(SIMULATE, &json!({"durationMs": 10}), &[]);
    let ended = nodes.client(0).final_job(&job, PATIENCE);
    assert_eq!(
        (&ended["state"], text(&ended["managementNodeUuid"])),
        (&json!("Succeeded"), again),
        "it works again"
    );
}

#[test]
fn not_a_byte_is_written_to_a_volume_by_a_node_that_slept_past_its_lease() {
    let (place, database) = (Place::new("pausedcopy"), Database::new("pausedcopy"));
    let nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let (from, to) = (place.dir("from"), place.dir("to"));
    let source = place.path("from/disk");
    raw_disk(&source, 64 * MIB, 42);
    let client = nodes.client(0);
    let (from_uuid, to_uuid) = (nodes.add_shared("from", &from), nodes.add_shared("to", &to));
    let volume = client.adopt(&from_uuid, &shown(&source));
    let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to_uuid});
    let job = client.submit(MIGRATE, &data, &["longhaul::throttle::4194304"]);
    let holder = nodes.runs_on(&job);
    let other = 1 - holder;
    let copier = until("the copy is under way", PATIENCE, || {
        let (stage, done, _) = client.progress(&client.job(&job));
        if stage == "copying" && done > MIB { nodes.servers[holder].copiers().first().copied() } else { None }
    });
    // The whole of it stands still, the process that writes too: only a fence can keep it from writing later.
    assert!(process::stop(copier) && process::stop(nodes.servers[holder].pid()));
    until("the other node copies", Duration::from_secs(30), || {
        nodes.servers[other].copiers().first().copied()
    });
    process::signal(copier, Signal::CONT);
    process::signal(nodes.servers[holder].pid(), Signal::CONT);
    until("the old copier is gone", Duration::from_secs(10), || (!process::alive(copier)).then_some(()));
    let ended = nodes.client(other).final_job(&job, Duration::from_secs(120));
    assert_eq!(ended["state"], "Succeeded", "{ended}\n{}", nodes.log());
    let target = text(&nodes.client(other).volume(&volume)["installPath"]);
    assert_eq!(guest_sha256(std::path::Path::new(&target), "raw"), guest_sha256(&source, "raw"));
    assert_eq!(late_rows(&database), Vec::<String>::new());
}
