//! Following a job from a command, and what its end means: what is printed, and the exit code.

use longhaul_model::JobState;

use crate::client::Client;
use crate::console::{Console, Format};
use crate::error::{ClientError, STAYS_SUSPENDED, WAIT_OVER};
use crate::exit::Exit;
use crate::human;
use crate::run::Context;
use crate::watch::{End, Follow, Followed, follow_job};

/// Follows a job until it ends or Ctrl-C, and tells how it ended.
pub async fn follow(context: &mut Context, uuid: &str, how: &Follow) -> Result<Exit, ClientError> {
    match to_end(&context.client, &mut context.console, uuid, how).await? {
        None => Ok(Exit::Interrupted),
        Some(followed) => conclude(&mut context.console, &followed),
    }
}

/// Follows a job; `None` if Ctrl-C came first, which ends the watching and not the job.
pub async fn to_end(
    client: &Client,
    console: &mut Console,
    uuid: &str,
    how: &Follow,
) -> Result<Option<Followed>, ClientError> {
    let followed = tokio::select! {
        followed = follow_job(client, uuid, how) => Some(followed?),
        _ = tokio::signal::ctrl_c() => None,
    };
    if followed.is_none() {
        console.note(&format!("the job goes on; `longhaul job watch {uuid}` watches it again"));
    }
    Ok(followed)
}

/// Prints the job and why it did not succeed, and says how the command ends.
pub fn conclude(console: &mut Console, followed: &Followed) -> Result<Exit, ClientError> {
    let job = &followed.job;
    match console.format {
        Format::Json => console.json(&followed.inventory)?,
        Format::Table => {
            let took = job.execute_time.map(|s| format!(" in {}", human::duration(s))).unwrap_or_default();
            let words = if followed.end == End::Final { "ended" } else { "is still" };
            console.line(&format!("job {} {words} {}{took}", job.uuid, job.state.name()))?;
        }
    }
    Ok(outcome(console, followed))
}

/// The exit code of a job's end; tells on stderr why it is not 0.
pub fn outcome(console: &mut Console, followed: &Followed) -> Exit {
    let job = &followed.job;
    let uuid = &job.uuid;
    let acts = format!(
        "`longhaul job explain {uuid}` says why; `longhaul job resume {uuid}` lets it go on, `longhaul job cancel {uuid}` undoes it"
    );
    let stands = if job.state == JobState::Suspended { "Suspended" } else { "held" };
    let (exit, error, advice) = match (followed.end, job.state) {
        (End::Final, JobState::Succeeded) => return Exit::Ok,
        (End::Final, JobState::Canceled) => return Exit::JobCanceled,
        (End::TimedOut, _) if job.is_stopped() => (
            Exit::TimedOut,
            ClientError::new(
                WAIT_OVER,
                &format!("the time is over, and the job is {stands}"),
                &*job.why.sentence,
            ),
            acts,
        ),
        (End::TimedOut, _) => (
            Exit::TimedOut,
            ClientError::new(WAIT_OVER, "the time is over, the job goes on", ""),
            format!("`longhaul job watch {uuid}`, or `longhaul job cancel {uuid}`"),
        ),
        (End::Suspended, _) => (
            Exit::JobSuspended,
            ClientError::new(STAYS_SUSPENDED, &format!("the job {uuid} stays {stands}"), &*job.why.sentence),
            acts,
        ),
        (End::Final, _) => (
            Exit::JobFailed,
            job.failure(),
            if request_is_wrong(&job.failure().code) {
                format!(
                    "`longhaul job show {uuid}` shows what was asked; submit another request: this one fails again"
                )
            } else {
                format!(
                    "`longhaul job show {uuid}` shows what happened; `longhaul job rerun {uuid}` runs it afresh"
                )
            },
        ),
    };
    console.error(&error, Some(&advice), exit);
    exit
}

/// Whether a failure is that of the request, which a rerun makes once more.
fn request_is_wrong(code: &str) -> bool {
    matches!(code, "SYS.1003" | "SYS.1007" | "LONG_JOB.1003")
}
