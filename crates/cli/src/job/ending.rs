//! Following a job from a command, and what its end means: what is printed, and the exit code.

use longhaul_model::JobState;

use crate::client::Client;
use crate::console::{Console, Format};
use crate::error::ClientError;
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
    match (followed.end, job.state) {
        (End::TimedOut, _) => {
            console.note(&format!(
                "error: the time is over, the job goes on\n  what to do: `longhaul job watch {uuid}`, or `longhaul job cancel {uuid}`"
            ));
            Exit::TimedOut
        }
        (End::Suspended, _) => {
            console.note(&format!(
                "error: the job {uuid} stays Suspended\n  what to do: `longhaul job show {uuid}` says why; `longhaul job resume {uuid}` lets it go on, `longhaul job cancel {uuid}` undoes it"
            ));
            Exit::JobSuspended
        }
        (End::Final, JobState::Succeeded) => Exit::Ok,
        (End::Final, JobState::Canceled) => Exit::JobCanceled,
        (End::Final, _) => {
            console.note(&format!(
                "{}\n  what to do: `longhaul job show {uuid}` shows what happened; `longhaul job rerun {uuid}` runs it afresh",
                plain(job.failure())
            ));
            Exit::JobFailed
        }
    }
}

/// Without the advice for calls: the job's own follows.
fn plain(error: ClientError) -> String {
    let told = error.told();
    told.split("\n  what to do: ").next().unwrap_or_default().to_owned()
}
