//! What would become of a job, in sentences.

use longhaul_model::JobState;
use longhaul_model::explain::{OnCancel, OnRestart};

/// What a cancel does.
pub(super) fn cancel(on_cancel: &OnCancel) -> String {
    match on_cancel {
        OnCancel::EndsAtOnce => "ends it at once as Canceled; it has done nothing".to_owned(),
        OnCancel::Undoes { within_s } => format!(
            "stops it and undoes what it made, then it is Canceled; an attempt that does not stop within {within_s} s is dropped"
        ),
        OnCancel::RefusedByBody { fault } => {
            format!("is refused while its attempt runs, and undone when that has ended: {fault}")
        }
        OnCancel::NotSupported => {
            "is refused: a job of its type cannot be canceled once it has begun".to_owned()
        }
        OnCancel::UnderWay => "changes nothing: it is being canceled".to_owned(),
        OnCancel::Ended => "is refused or changes nothing: it has ended".to_owned(),
    }
}

/// What a restart that is asked for does; the state says why nothing does. `bound`: to the nodes of its host.
pub(super) fn restart(on_restart: OnRestart, state: JobState, bound: bool) -> &'static str {
    match (on_restart, bound) {
        (OnRestart::Stays, _) if state.is_final() => "changes nothing: it has ended",
        (OnRestart::Stays, _) => "changes nothing: nothing runs it now, and it keeps its place",
        (OnRestart::GoesOn, false) => {
            "saves a checkpoint first; the next attempt goes on from there, on any node"
        }
        (OnRestart::GoesOn, true) => {
            "saves a checkpoint first; the next attempt goes on from there, on a node of its host"
        }
        (OnRestart::BeginsAnew, false) => {
            "waits for its end, for drainSeconds at most; then the next attempt begins anew, on any node"
        }
        (OnRestart::BeginsAnew, true) => {
            "waits for its end, for drainSeconds at most; then the next attempt begins anew, on a node of its host"
        }
        (OnRestart::Fails, _) => {
            "waits for its end, for drainSeconds at most; if it has not ended by then, what it made is undone and it fails: rerun it"
        }
        (OnRestart::UndoGoesOn, false) => "interrupts the undoing; another attempt goes on with it",
        (OnRestart::UndoGoesOn, true) => {
            "interrupts the undoing; another attempt goes on with it, on a node of its host"
        }
    }
}

/// What the death of its node does. `bound`: no other host's nodes can take it.
pub(super) fn loss(on_restart: OnRestart, state: JobState, bound: bool, lease_s: u64) -> String {
    let next = match bound {
        false => format!("within about {} s of its node's last heartbeat another takes it over", lease_s + 1),
        true => {
            "it waits for a node of its host, since no other reaches what it works on; that one takes it over"
                .to_owned()
        }
    };
    match on_restart {
        OnRestart::Stays => restart(OnRestart::Stays, state, bound).to_owned(),
        OnRestart::GoesOn => format!("{next} and goes on from its last checkpoint"),
        OnRestart::BeginsAnew => format!("{next} and begins anew"),
        OnRestart::Fails => format!("{next}, undoes what it made, and it fails: rerun it"),
        OnRestart::UndoGoesOn => format!("{next} and goes on with the undoing"),
    }
}
