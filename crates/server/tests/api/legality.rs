//! The legality matrix: seven states × every action, and a second submission of the same uuid; what is
//! answered, and in which state the job is afterwards.
//!
//! Source: longjob-semantics.md a "Which API in which state", design section 4 "Idempotent submit".

use serde_json::json;

use crate::support::jobs::{NOTHING_STARTS, data, submission};
use crate::support::{Caller, Server};

const STATES: [&str; 7] = ["Waiting", "Suspended", "Running", "Succeeded", "Canceling", "Canceled", "Failed"];

/// What a cell answers, and the state afterwards: `Stays`, one it comes to, or gone.
enum Cell {
    /// `{}`, and the state that the job comes to.
    Empty(&'static str),
    /// The inventory, and the state that the job comes to.
    Inventory(&'static str),
    /// `{}`, and the job is gone.
    Gone,
    /// This code with these details, and the state is the one before.
    Refused(&'static str, &'static str),
}
use Cell::{Empty, Gone, Inventory, Refused};

const NOT_FINAL_DELETE: Cell =
    Refused("SYS.1007", "delete longjob only when it's succeeded, canceled, or failed");
const NOT_FINAL_RERUN: Cell =
    Refused("SYS.1007", "rerun longjob only when it's succeeded, canceled, or failed");
const NOT_SUSPENDED: Cell = Refused("SYS.1007", "can only resume longjob that is Suspended");
const NOT_CLEANABLE: Cell = Refused("LONG_JOB.1003", "not supported or state is not Canceling");

/// The refusal of a suspend, which is ours, says in which state the job is.
macro_rules! not_suspendable {
    ($state:literal) => {
        Refused(
            "SYS.1007",
            concat!("can only suspend longjob that is Waiting or Running; this one is ", $state),
        )
    };
}

const ACTIONS: [&str; 9] = [
    "update",
    "delete",
    "cancel",
    "rerun",
    "resume",
    "suspend",
    "clean",
    "submit the same",
    "submit another",
];

/// The whole matrix, from the contract.
fn expected(state: &str, action: &str) -> Cell {
    let stays = STATES.into_iter().find(|s| *s == state).expect("a state");
    match (action, state) {
        ("update" | "submit the same", _) => Inventory(stays),
        ("submit another", _) => {
            Refused("LONG_JOB.1100", "resourceUuid is already used by a different request")
        }
        ("delete", "Succeeded" | "Canceled" | "Failed") => Gone,
        ("delete", _) => NOT_FINAL_DELETE,
        ("cancel", "Succeeded") => Refused("SYS.1007", "cannot cancel longjob that is succeeded"),
        ("cancel", "Failed") => Refused("SYS.1007", "cannot cancel longjob that is failed"),
        ("cancel", "Canceling") => Empty("Canceling"),
        ("cancel", _) => Empty("Canceled"),
        // The body does again what it did: a canceled one runs, the others end as before.
        ("rerun", "Canceled") => Inventory("Running"),
        ("rerun", "Succeeded" | "Failed") => Inventory(stays),
        ("rerun", _) => NOT_FINAL_RERUN,
        ("resume", "Suspended") => Inventory("Succeeded"),
        ("resume", _) => NOT_SUSPENDED,
        ("suspend", "Waiting") => Inventory("Waiting"), // held there
        ("suspend", "Running") => Inventory("Suspended"),
        ("suspend", "Suspended") => not_suspendable!("Suspended"), // by a fault
        ("suspend", "Canceling") => not_suspendable!("Canceling"),
        ("suspend", "Canceled") => not_suspendable!("Canceled"),
        ("suspend", "Succeeded") => not_suspendable!("Succeeded"),
        ("suspend", "Failed") => not_suspendable!("Failed"),
        ("clean", "Canceling") => Empty("Canceled"),
        ("clean", _) => NOT_CLEANABLE,
        _ => panic!("{state} × {action}"),
    }
}

/// The status of a refusal that is answered directly in profile `fast`.
fn fast_status(code: &str) -> u16 {
    match code {
        "SYS.1007" => 400,
        "LONG_JOB.1003" | "LONG_JOB.1100" => 409,
        other => panic!("{other}"),
    }
}

fn check(server: &Server, caller: &Caller, state: &str, action: &str, asynchronous: bool) {
    let id = caller.job_in(state);
    let body = submission(&id, &data(state));
    let cell = format!("{} {:?}: {state} × {action}", server.profile, caller.kind);
    let answer = match action {
        "update" => caller.act(&id, "updateLongJob", &json!({"name": "new-name"})),
        "delete" => caller.delete(&format!("/longjobs/{id}")),
        "submit the same" => caller.post("/longjobs", &body),
        "submit another" => {
            let mut other = body;
            other["params"]["description"] = json!("another");
            caller.post("/longjobs", &other)
        }
        action => caller.act(&id, &format!("{action}LongJob"), &json!({})),
    };
    let expected = expected(state, action);
    let status = match (&expected, asynchronous) {
        (_, true) => 202,
        (Refused(code, _), false) => fast_status(code),
        (_, false) => 200,
    };
    assert_eq!(answer.first, status, "{cell}: {}", answer.last.text());
    match expected {
        Empty(after) => {
            assert_eq!(answer.ok(), json!({}), "{cell}");
            caller.wait_for(&id, after);
        }
        Inventory(after) => {
            assert_eq!(answer.inventory()["uuid"], id.as_str(), "{cell}");
            if action == "update" {
                assert_eq!(answer.inventory()["name"], "new-name", "{cell}");
            }
            caller.wait_for(&id, after);
        }
        Gone => {
            assert_eq!(answer.ok(), json!({}), "{cell}");
            assert_eq!(caller.job(&id), None, "{cell}");
        }
        Refused(code, details) => {
            assert_eq!(answer.error(), (code.to_owned(), details.to_owned()), "{cell}");
            let job = caller.job(&id).expect("the job is still there");
            assert_eq!((&job["state"], &job["description"]), (&json!(state), &json!("of a test")), "{cell}");
        }
    }
}

/// All cells as `pick` chooses the callers.
fn matrix(profile: &'static str) -> usize {
    let (running, waiting) = (Server::start(profile, &[]), Server::start(profile, &NOTHING_STARTS));
    let mut cells = 0;
    for state in STATES {
        let server = if state == "Waiting" { &waiting } else { &running };
        for caller in server.admins().into_iter().take(2) {
            for action in ACTIONS {
                let asynchronous = profile == "zstack" || caller.kind != crate::support::Kind::Plain;
                check(server, &caller, state, action, asynchronous);
                cells += 1;
            }
        }
    }
    cells
}

#[test]
fn every_action_in_every_state_is_answered_as_the_contract_says_in_fast() {
    assert_eq!(matrix("fast"), 7 * 9 * 2);
}

#[test]
fn every_action_in_every_state_is_answered_as_the_contract_says_in_zstack() {
    assert_eq!(matrix("zstack"), 7 * 9 * 2);
}

#[test]
fn a_type_that_supports_nothing_refuses_with_not_supported_and_its_job_runs_on() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = crate::support::uuid();
        let mut body = submission(&id, &json!({"durationMs": 3_600_000}));
        body["params"]["jobName"] = json!("APISimulateRigidJobMsg");
        admin.post("/longjobs", &body).ok();
        admin.wait_for(&id, "Running");
        for (action, details) in [
            ("cancelLongJob", "not supported"),
            ("suspendLongJob", "not supported"),
            ("cleanLongJob", "not supported or state is not Canceling"),
        ] {
            let refused = ("LONG_JOB.1003".to_owned(), details.to_owned());
            assert_eq!(admin.act(&id, action, &json!({})).error(), refused);
            assert_eq!(admin.state(&id), "Running");
        }
    }
}

#[test]
fn a_body_that_refuses_to_be_canceled_is_told_and_its_job_is_canceling() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let id = admin.submit(&json!({"durationMs": 3_600_000, "onCancel": "refuse"}));
        admin.wait_for(&id, "Running");
        for _ in 0..2 {
            assert_eq!(admin.act(&id, "cancelLongJob", &json!({})).error().0, "LONG_JOB.1001");
            assert_eq!(admin.state(&id), "Canceling");
        }
    }
}

#[test]
fn a_cancel_that_the_body_ignores_ends_in_the_success_that_won_the_race() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let id = admin.submit(&json!({"durationMs": 300, "onCancel": "ignore"}));
    admin.wait_for(&id, "Running");
    assert_eq!(admin.act(&id, "cancelLongJob", &json!({})).ok(), json!({}));
    admin.wait_for(&id, "Succeeded");
}

#[test]
fn a_waiting_job_is_canceled_even_if_its_type_cannot_be_and_never_runs() {
    for server in Server::both(&NOTHING_STARTS) {
        let admin = server.admin();
        let id = crate::support::uuid();
        let mut body = submission(&id, &json!({}));
        body["params"]["jobName"] = json!("APISimulateRigidJobMsg");
        admin.post("/longjobs", &body).ok();
        assert_eq!(admin.act(&id, "cancelLongJob", &json!({})).ok(), json!({}));
        assert_eq!(admin.state(&id), "Canceled", "at once");
        let timeline = admin.get(&format!("/longjobs/{id}/timeline")).last.text();
        assert!(!timeline.to_lowercase().contains("started"), "{timeline}");
    }
}

#[test]
fn a_second_cancel_is_the_same_cancel_and_only_clean_enforces_it() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let id = admin.job_in("Canceling");
    for _ in 0..3 {
        assert_eq!(admin.act(&id, "cancelLongJob", &json!({})).ok(), json!({}));
        assert_eq!(admin.state(&id), "Canceling");
    }
    assert_eq!(admin.act(&id, "cleanLongJob", &json!({})).ok(), json!({}));
    admin.wait_for(&id, "Canceled");
}
