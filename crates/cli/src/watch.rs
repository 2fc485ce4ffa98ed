//! Following a job to its end: polls its state and its progress, shows them, survives a server that is away
//! for a while. What it looks like is in `screen`; what a command makes of the end is in `job::ending`.

mod screen;

use std::time::Duration;

use longhaul_model::JobState;
use serde_json::Value;

use crate::client::Client;
use crate::error::ClientError;
use crate::job::explain;
use crate::pause::{Growing, moment, pause};
use crate::view::{Job, Progress, read};
#[cfg(test)]
pub(crate) use screen::Lines;
pub(crate) use screen::{Screen, WITH_BAR, fit};

/// Pauses between two looks grow from the first to the last.
const LOOK_FIRST: Duration = Duration::from_millis(50);
const LOOK_LAST: Duration = Duration::from_millis(500);
/// Longest time that a look lets the server wait: its end is told at once, and a job that stops on its way soon.
const LET_WAIT: Duration = Duration::from_secs(3);
/// A job that goes on only if somebody acts ends the following so soon. Not at once: somebody may be about to.
const ACTED_UPON: Duration = Duration::from_secs(2);

/// How progress is shown, always on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Show {
    /// A live bar if stderr is a terminal, else lines.
    #[default]
    Auto,
    /// A line whenever something changes: state, stage, tens of percent.
    Lines,
    /// No progress; only that the server is away.
    Nothing,
}

/// How a job is followed.
#[derive(Debug, Clone)]
pub struct Follow {
    /// How progress is shown.
    pub show: Show,
    /// What stands before the bar; the job's name if `None`.
    pub label: Option<String>,
    /// Stop following after so long, the job goes on; `None`: never.
    pub timeout: Option<Duration>,
    /// Stop following when the job has been Suspended for so long, and sooner if nothing but somebody's act lets it go
    /// on; `None`: never.
    pub suspended: Option<Duration>,
    /// Give up when the server could not be reached for so long.
    pub away: Duration,
}

impl Follow {
    /// For how long a job is followed that stands like this; `None`: it does not, or goes on by itself.
    fn patience_with(&self, job: &Job) -> Option<Duration> {
        let suspended = self.suspended?;
        match (job.state, job.why.reason.as_str()) {
            (JobState::Suspended, "retried") => None,
            (JobState::Suspended, "suspendedByUser" | "interrupted") | (JobState::Waiting, "held") => {
                Some(suspended.min(ACTED_UPON))
            }
            (JobState::Suspended, _) => Some(suspended),
            _ => None,
        }
    }
}

impl Default for Follow {
    fn default() -> Self {
        Self {
            show: Show::Auto,
            label: None,
            timeout: None,
            suspended: Some(Duration::from_secs(30)),
            away: Duration::from_secs(60),
        }
    }
}

/// Why following ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The job is in a final state.
    Final,
    /// The time is over.
    TimedOut,
    /// The job stays Suspended, or held.
    Suspended,
}

/// A job that was followed.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The job as last seen.
    pub job: Job,
    /// The same as the API's object.
    pub inventory: Value,
    /// Why following ended.
    pub end: End,
}

/// Follows the job `uuid` until it is final, or one of the limits of `how` is reached.
///
/// # Errors
/// The job is gone; the server refuses; the server stays away for longer than `how.away`.
pub async fn follow_job(client: &Client, uuid: &str, how: &Follow) -> Result<Followed, ClientError> {
    let mut screen = screen::of(how.show);
    follow(client, uuid, how, screen.as_mut()).await
}

/// The same on a given screen.
pub(crate) async fn follow(
    client: &Client,
    uuid: &str,
    how: &Follow,
    screen: &mut dyn Screen,
) -> Result<Followed, ClientError> {
    let began = moment();
    let (mut reached, mut away_told) = (moment(), false);
    let (mut stands_since, mut stands_for) = (None, how.suspended);
    let mut looks = Growing::new(LOOK_FIRST, LOOK_LAST);
    let mut last: Option<(Job, Value)> = None;
    loop {
        // Somebody who sees nothing of it until its end lets the server wait, once it is known how it stands.
        let waits = how.show == Show::Nothing && last.is_some();
        let wait = waits.then(|| patience(client, how, stands_for, began.elapsed()));
        match look(client, uuid, wait).await {
            Ok((job, inventory, progress)) => {
                (reached, away_told) = (moment(), false);
                let label = how.label.as_deref().unwrap_or(&job.name);
                screen.show(label, &job, progress.as_ref());
                let patience = how.patience_with(&job);
                let stood = patience.map(|_| stands_since.take().unwrap_or_else(moment));
                stands_since = stood;
                stands_for = patience.zip(stood).map(|(most, since)| most.saturating_sub(since.elapsed()));
                let end = match stands_for {
                    _ if job.state.is_final() => Some(End::Final),
                    Some(Duration::ZERO) => Some(End::Suspended),
                    _ => None,
                };
                if let Some(end) = end {
                    screen.close();
                    return Ok(Followed { job, inventory, end });
                }
                last = Some((job, inventory));
            }
            Err(error) => {
                // A time that is over ends it like the server's absence where no job was seen yet.
                let over = last.is_none() && how.timeout.is_some_and(|timeout| began.elapsed() >= timeout);
                if over || !error.is_transient() || reached.elapsed() >= how.away {
                    screen.close();
                    return Err(error);
                }
                if !away_told {
                    screen.note(&format!("{}; trying again, the job does not depend on it", error.details));
                    away_told = true;
                }
            }
        }
        let left = how.timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
        if left == Some(Duration::ZERO)
            && let Some((job, inventory)) = last.take()
        {
            screen.close();
            return Ok(Followed { job, inventory, end: End::TimedOut });
        }
        let step = looks.step();
        pause(left.map_or(step, |left| step.min(left.max(LOOK_FIRST)))).await;
    }
}

/// How long one look lets the server wait for the job's end: well within the time of a request, and so that all
/// else that ends the following is seen in time.
fn patience(client: &Client, how: &Follow, stands_for: Option<Duration>, passed: Duration) -> Duration {
    let limits = [stands_for, how.timeout.map(|timeout| timeout.saturating_sub(passed))];
    limits.into_iter().flatten().fold(LET_WAIT.min(client.timeout() / 2), Duration::min)
}

/// A job, why it waits, and how far it is. With `wait` the server may answer so much later, at the job's end.
pub(crate) async fn look(
    client: &Client,
    uuid: &str,
    wait: Option<Duration>,
) -> Result<(Job, Value, Option<Progress>), ClientError> {
    let inventory = find_job_after(client, uuid, wait).await?;
    let mut job: Job = read(&inventory)?;
    // A final state says more than the last progress; and progress is no reason to fail.
    let progress = if job.state.is_final() || job.api_id.is_empty() {
        None
    } else {
        let rows = client.list(&["task-progresses", &job.api_id], &[]).await;
        match rows {
            Ok(rows) => Progress::of_rows(&rows),
            Err(error) if error.is_transient() => return Err(error),
            Err(_) => None,
        }
    };
    let stalled = progress.as_ref().is_some_and(|progress| progress.stalled);
    if matches!(job.state, JobState::Waiting | JobState::Suspended) || job.is_left() || stalled {
        job.why = explain::chief(client, uuid).await;
    }
    Ok((job, inventory, progress))
}

/// The job's object.
pub(crate) async fn find_job(client: &Client, uuid: &str) -> Result<Value, ClientError> {
    find_job_after(client, uuid, None).await
}

async fn find_job_after(client: &Client, uuid: &str, wait: Option<Duration>) -> Result<Value, ClientError> {
    let text = wait.map(|wait| format!("{}ms", wait.as_millis()));
    let query: Vec<(&str, &str)> = text.iter().map(|text| ("wait", text.as_str())).collect();
    let mut rows = client.list(&["longjobs", uuid], &query).await?;
    if rows.is_empty() {
        return Err(ClientError::not_found(format!("no job of yours has the uuid {uuid}")));
    }
    Ok(rows.swap_remove(0))
}
