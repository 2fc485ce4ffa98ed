//! The database answers, but refuses what the store says to it: a right was taken from its role. No job is to blame, so
//! none pays for it, and nodes and callers are told the true reason.

use std::time::Duration;

use serde_json::json;

use crate::client::SIMULATE;
use crate::database::Database;
use crate::drain::ready;
use crate::nodes::Nodes;
use crate::place::{PATIENCE, Place, shown, until};
use crate::server::Plan;
use crate::witness::Witness;

/// Work that nobody can continue elsewhere.
const RIGID: &str = "APISimulateRigidJobMsg";

fn lines(witness: &mut Witness, job: &str) -> Vec<String> {
    witness.look();
    witness.lines.iter().filter(|line| line.job == job).map(|line| line.what.clone()).collect()
}

#[test]
fn work_whose_end_the_database_refuses_for_a_while_is_neither_undone_nor_begun_anew() {
    let (place, database) = (Place::new("rights"), Database::new("rights"));
    let nodes = Nodes::start(&place, &database, 2, |plan| plan);
    let client = nodes.client(0);
    // The one comes to its end, the other one to a checkpoint.
    let rigid = client.submit(RIGID, &json!({"durationMs": 1500, "checkpointMs": 600_000}), &[]);
    let jobs = [rigid, client.submit(SIMULATE, &json!({"durationMs": 1500}), &[])];
    let mut witness = Witness::new(&place.path("journal"));
    for job in &jobs {
        until("its body has begun", PATIENCE, || {
            lines(&mut witness, job).contains(&"start".to_owned()).then_some(())
        });
    }
    database.rows("REVOKE UPDATE ON job, job_run FROM CURRENT_USER");
    until("the body has ended", PATIENCE, || {
        lines(&mut witness, &jobs[0]).contains(&"end".to_owned()).then_some(())
    });
    let told = until("a node says why it takes no work", PATIENCE, || {
        let (status, body) = ready(client);
        (status == 503).then_some(body)
    });
    assert!(told.contains("permission denied") && told.contains("42501"), "{told}");
    assert!(!told.contains("sent again"), "nothing was sent: {told}");
    // Longer than a node that gave up would need to begin anew.
    std::thread::sleep(Duration::from_secs(5));
    for job in &jobs {
        assert_eq!(client.job(job)["state"], "Running", "its end is not written, and nobody says otherwise");
    }
    let rename = json!({"updateLongJob": {"name": "renamed"}});
    let (status, refused) =
        client.try_call("PUT", &format!("/longjobs/{}/actions", jobs[0]), Some(&rename)).expect("an answer");
    let text = refused.to_string();
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("SYS.1010") && text.contains("permission denied"), "{text}");
    database.rows("GRANT UPDATE ON job, job_run TO CURRENT_USER");
    for job in &jobs {
        let ended = client.final_job(job, PATIENCE);
        assert_eq!(ended["state"], "Succeeded", "{ended}");
        let lines = lines(&mut witness, job);
        assert_eq!(lines.iter().filter(|what| *what == "start").count(), 1, "{lines:?}");
        assert!(!lines.contains(&"undone".to_owned()), "{lines:?}");
    }
    until("the node takes work again", PATIENCE, || (ready(client).0 == 200).then_some(()));
    let log = nodes.log();
    let warned =
        log.lines().filter(|line| line.contains("WARN") && line.contains("permission denied")).count();
    assert!((1..=8).contains(&warned), "said once for each kind of call: {warned}\n{log}");
}

#[test]
fn a_node_whose_role_lacks_a_right_or_a_table_does_not_start_and_says_which() {
    let (place, database) = (Place::new("lacks"), Database::new("lacks"));
    let nodes = Nodes::start(&place, &database, 1, |plan| plan);
    let started = || {
        let plan = Plan::new(&place)
            .data_dir(&shown(&place.path("second")))
            .env("LONGHAUL_STORE", &database.url)
            .set(&format!("secretKeyFile={}", shown(&place.path("cluster.key"))));
        let status = plan.start_in_vain();
        (status.success(), plan.log())
    };
    database.rows("REVOKE DELETE ON intent FROM CURRENT_USER");
    let (success, log) = started();
    assert!(!success && log.contains("table intent: not all of"), "{log}");
    database.rows("GRANT DELETE ON intent TO CURRENT_USER");
    database.rows("ALTER TABLE intent RENAME TO intent_elsewhere");
    let (success, log) = started();
    assert!(!success && log.contains("table intent: there is none"), "{log}");
    database.rows("ALTER TABLE intent_elsewhere RENAME TO intent");
    assert_eq!(nodes.client(0).many("/management-nodes").len(), 1, "the first one works on");
}
