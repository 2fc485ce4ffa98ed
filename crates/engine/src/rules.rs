//! Which API call is legal in which state, with the contract's texts. Where an event leads is not here
//! but in `longhaul_model::next`.
//! Source: contract, semantics section a.

use longhaul_model::{Code, Fault, Job, JobState, SuspendReason};

use crate::handler::JobType;

/// Whether the job may be canceled. `Ok(false)`: it is Canceled already, nothing to do.
///
/// # Errors
/// `InvalidArgument` for a job that ended otherwise, `NotSupported` for a type that cannot.
pub fn may_cancel(job: &Job, job_type: &JobType) -> Result<bool, Fault> {
    match job.state {
        JobState::Succeeded => Err(Fault::invalid("cannot cancel longjob that is succeeded")),
        JobState::Failed => Err(Fault::invalid("cannot cancel longjob that is failed")),
        JobState::Canceled => Ok(false),
        JobState::Waiting => Ok(true), // nothing runs, so any type can be
        JobState::Running | JobState::Suspended | JobState::Canceling if !job_type.cancelable => {
            Err(not_supported())
        }
        JobState::Running | JobState::Suspended | JobState::Canceling => Ok(true),
    }
}

/// Whether the job may be deleted.
///
/// # Errors
/// `InvalidArgument` unless it is final.
pub fn may_delete(job: &Job) -> Result<(), Fault> {
    if job.state.is_final() {
        return Ok(());
    }
    Err(Fault::invalid("delete longjob only when it's succeeded, canceled, or failed"))
}

/// Whether the job may be rerun.
///
/// # Errors
/// `InvalidArgument` unless it is final.
pub fn may_rerun(job: &Job) -> Result<(), Fault> {
    if job.state.is_final() {
        return Ok(());
    }
    Err(Fault::invalid("rerun longjob only when it's succeeded, canceled, or failed"))
}

/// Whether somebody holds the job while it waits.
pub fn is_held(job: &Job) -> bool {
    job.state == JobState::Waiting && job.suspend == Some(SuspendReason::User)
}

/// Whether the job may be resumed.
///
/// # Errors
/// `InvalidArgument` unless it is Suspended or held, `NotSupported` for a type that cannot.
pub fn may_resume(job: &Job, job_type: &JobType) -> Result<(), Fault> {
    if is_held(job) {
        return Ok(()); // nothing has run, so any type can be
    }
    if job.state != JobState::Suspended {
        return Err(Fault::invalid("can only resume longjob that is Suspended"));
    }
    if !job_type.resumable {
        return Err(not_supported());
    }
    Ok(())
}

/// Whether the job may be suspended.
///
/// # Errors
/// `InvalidArgument` unless it waits, runs or is to be tried again by itself, `NotSupported` for one that has begun of a
/// type that cannot be resumed.
pub fn may_suspend(job: &Job, job_type: &JobType) -> Result<(), Fault> {
    match job.state {
        JobState::Waiting => Ok(()), // nothing runs, so any type can be
        JobState::Running if job_type.resumable => Ok(()),
        // Between two tries; one that could not be resumed would never go on.
        JobState::Suspended if job.retry_at_ms.is_some() && job_type.resumable => Ok(()),
        JobState::Running => Err(not_supported()),
        JobState::Suspended if job.retry_at_ms.is_some() => Err(not_supported()),
        JobState::Suspended if job.suspend == Some(SuspendReason::User) => Ok(()), // it is
        state => {
            let state = state.name();
            let text = format!("can only suspend longjob that is Waiting or Running; this one is {state}");
            Err(Fault::invalid(text))
        }
    }
}

/// Whether the job may be cleaned.
///
/// # Errors
/// `NotSupported` unless it is Canceling and its type can.
pub fn may_clean(job: &Job, job_type: &JobType) -> Result<(), Fault> {
    if job.state == JobState::Canceling && job_type.cleanable {
        return Ok(());
    }
    Err(Fault::new(Code::NotSupported, "not supported or state is not Canceling"))
}

/// Whether the job may get another rate; `copies` says whether its type copies anything.
///
/// # Errors
/// `InvalidArgument` for one that has ended, `NotSupported` for a type that copies nothing.
pub fn may_throttle(job: &Job, copies: bool) -> Result<(), Fault> {
    if job.state.is_final() {
        let text = "can only throttle longjob that is not succeeded, canceled, or failed";
        return Err(Fault::invalid(text));
    }
    if !copies {
        let text = format!("{} copies nothing, so there is nothing to throttle", job.job_name);
        return Err(Fault::new(Code::NotSupported, text));
    }
    Ok(())
}

fn not_supported() -> Fault {
    Fault::new(Code::NotSupported, "not supported")
}
