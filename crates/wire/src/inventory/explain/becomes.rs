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

/// What a restart that is asked for does; the state says why nothing does.
pub(super) fn restart(on_restart: OnRestart, state: JobState) -> &'static str {
    match on_restart {
        OnRestart::Stays if state.is_final() => "changes nothing: it has ended",
        OnRestart::Stays => "changes nothing: nothing runs it now, and it keeps its place",
        OnRestart::GoesOn => "saves a checkpoint first; the next attempt goes on from there, on any node",
        OnRestart::BeginsAnew => "ends its attempt; the next one begins anew, on any node",
        OnRestart::Fails => {
            "waits a moment for its end; if it has not ended by then, what it made is undone and it fails: rerun it"
        }
        OnRestart::UndoGoesOn => "interrupts the undoing; another attempt goes on with it",
    }
}

/// What the death of its node does.
pub(super) fn loss(on_restart: OnRestart, state: JobState, lease_s: u64) -> String {
    let within = format!("within about {} s of its node's last heartbeat another takes it over", lease_s + 1);
    match on_restart {
        OnRestart::Stays => restart(OnRestart::Stays, state).to_owned(),
        OnRestart::GoesOn => format!("{within} and goes on from its last checkpoint"),
        OnRestart::BeginsAnew => format!("{within} and begins anew"),
        OnRestart::Fails => format!("{within}, undoes what it made, and it fails: rerun it"),
        OnRestart::UndoGoesOn => format!("{within} and goes on with the undoing"),
    }
}
