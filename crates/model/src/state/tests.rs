//! The whole state table, typed in from the contract and not derived from the code.

use super::{JobEvent, JobState, next};

/// Rows: states in ordinal order. Columns: start, resume, suspend, cancel, stopped, succeed, fail, rerun.
/// `-` is illegal, `=` stays.
const TABLE: [(&str, [&str; 8]); 7] = [
    ("Waiting", ["Running", "-", "-", "Canceled", "Canceled", "-", "Failed", "-"]),
    ("Suspended", ["-", "Running", "Suspended", "Canceling", "Canceled", "-", "Failed", "-"]),
    ("Running", ["-", "Running", "Suspended", "Canceling", "Canceled", "Succeeded", "Failed", "-"]),
    ("Succeeded", ["=", "=", "=", "=", "=", "=", "=", "Waiting"]),
    ("Canceling", ["-", "-", "Canceling", "Canceling", "Canceled", "Succeeded", "Canceled", "-"]),
    ("Canceled", ["=", "=", "=", "=", "=", "=", "=", "Waiting"]),
    ("Failed", ["=", "=", "=", "=", "=", "=", "=", "Waiting"]),
];

#[test]
fn every_pair_of_state_and_event_is_decided_as_the_contract_says() {
    assert_eq!(TABLE.len() * TABLE[0].1.len(), 56);
    for (ordinal, (name, row)) in TABLE.iter().enumerate() {
        let state = JobState::ALL[ordinal];
        assert_eq!(state.name(), *name, "ordinal {ordinal}");
        for (event, expected) in JobEvent::ALL.into_iter().zip(row) {
            let got = next(state, event).map(JobState::name);
            match *expected {
                "-" => assert!(got.is_err(), "{name} + {event:?} gave {got:?}"),
                "=" => assert_eq!(got, Ok(*name), "{name} + {event:?}"),
                other => assert_eq!(got, Ok(other), "{name} + {event:?}"),
            }
        }
    }
}

#[test]
fn canceling_a_waiting_job_ends_it_without_a_run() {
    assert_eq!(next(JobState::Waiting, JobEvent::Cancel), Ok(JobState::Canceled));
}

#[test]
fn from_a_final_state_only_a_rerun_leads_out() {
    for state in JobState::ALL.into_iter().filter(|s| s.is_final()) {
        for event in JobEvent::ALL {
            let after = next(state, event);
            assert_eq!(after != Ok(state), event == JobEvent::Rerun, "{state:?} + {event:?}");
        }
    }
}

#[test]
fn an_illegal_transition_reads_as_the_contract_spells_it() {
    let refused = next(JobState::Waiting, JobEvent::Succeed).unwrap_err();
    let text = refused.to_string();
    assert!(text.starts_with("cannot find next state for current state[Waiting]"), "{text}");
}
