//! The life of a job as one pure function. No clock, no store, no log; every other file asks this one.
//! What an API call may do in which state is a rule of its own: see `longhaul_engine::rules`.

use serde::{Deserialize, Serialize};

/// Where a job is in its life. The order is the wire's ordinal order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JobState {
    /// Submitted, not started.
    Waiting,
    /// Started before, stopped now, may go on.
    Suspended,
    /// Being run, or between two attempts of a run.
    Running,
    /// Ended well. Final.
    Succeeded,
    /// To be canceled; its attempt is undoing what it did.
    Canceling,
    /// Ended by a cancel. Final.
    Canceled,
    /// Ended badly. Final.
    Failed,
}

impl JobState {
    /// All states in ordinal order.
    pub const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Suspended,
        Self::Running,
        Self::Succeeded,
        Self::Canceling,
        Self::Canceled,
        Self::Failed,
    ];

    /// Whether nothing but a rerun leads out of it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Canceled | Self::Failed)
    }

    /// The name, as on the wire and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Suspended => "Suspended",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Canceling => "Canceling",
            Self::Canceled => "Canceled",
            Self::Failed => "Failed",
        }
    }

    /// The state of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JobEvent {
    /// A first attempt begins.
    Start,
    /// A further attempt begins, after a suspension or a takeover.
    Resume,
    /// The attempt stops and may be resumed.
    Suspend,
    /// Somebody wants it canceled.
    Cancel,
    /// The canceled attempt has undone its work.
    Stopped,
    /// The work is done.
    Succeed,
    /// The work cannot be done.
    Fail,
    /// A final job is to run afresh.
    Rerun,
}

impl JobEvent {
    /// All events.
    pub const ALL: [Self; 8] = [
        Self::Start,
        Self::Resume,
        Self::Suspend,
        Self::Cancel,
        Self::Stopped,
        Self::Succeed,
        Self::Fail,
        Self::Rerun,
    ];
}

/// `event` makes no sense in `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot find next state for current state[{}] on transaction event[{event:?}]", state.name())]
pub struct IllegalTransition {
    /// The state the job was in.
    pub state: JobState,
    /// What was to happen.
    pub event: JobEvent,
}

/// The whole life of a job.
///
/// # Errors
/// `IllegalTransition` for a pair that no correct caller produces. A late event on a final state is not
/// an error: the state stays.
pub fn next(state: JobState, event: JobEvent) -> Result<JobState, IllegalTransition> {
    use JobEvent::*;
    use JobState::*;
    match (state, event) {
        (Waiting, Start) | (Running | Suspended, Resume) => Ok(Running), // Resume: also a takeover
        (Running | Suspended, Suspend) => Ok(Suspended),
        (Running | Suspended | Canceling, Cancel) | (Canceling, Suspend) => Ok(Canceling),
        // Nothing runs yet, so nothing has to stop first.
        (Waiting, Cancel | Stopped) | (Running | Suspended, Stopped) | (Canceling, Stopped | Fail) => {
            Ok(Canceled)
        }
        (Running | Canceling, Succeed) => Ok(Succeeded), // the work may win the race with Cancel
        (Waiting | Running | Suspended, Fail) => Ok(Failed),
        (Canceled | Succeeded | Failed, Rerun) => Ok(Waiting),
        // Late: absorbed.
        (Canceled | Succeeded | Failed, Start | Resume | Suspend | Cancel | Stopped | Succeed | Fail) => {
            Ok(state)
        }
        (Waiting, Resume | Suspend | Succeed | Rerun)
        | (Running, Start | Rerun)
        | (Suspended, Start | Succeed | Rerun)
        | (Canceling, Start | Resume | Rerun) => Err(IllegalTransition { state, event }),
    }
}

#[cfg(test)]
mod tests;
