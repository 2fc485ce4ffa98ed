//! One action on all jobs that a query finds, a bounded number in each call. Jobs are taken in the order of
//! their uuids, and a call goes on behind the last one of the call before: whatever becomes of the set
//! meanwhile, none of it is skipped and none comes twice.

use std::sync::Arc;

use futures::StreamExt;
use longhaul_engine::fault::from_store;
use longhaul_engine::rules;
use longhaul_model::query::{Condition, Field, Op as Compares, Page, Query, Resource, Rows, Sort, Value};
use longhaul_model::{Fault, Job, JobId, JobState};
use longhaul_wire::api::BULK_DEFAULT;
use longhaul_wire::inventory::{self, BulkAnswer, BulkOutcome, BulkResult};
use longhaul_wire::query::{RawQuery, resolve};

use super::{query, tags};
use crate::answer::Answer;
use crate::app::{App, Called};

/// Jobs of one call that are acted on at a time: their writes share commits.
const AT_ONCE: usize = 32;
/// Jobs that are read at a time where not all that are found are acted on.
const LOOKED_AT: u32 = 1000;
/// How often one call reads so many; its cursor leads on.
const LOOKS: usize = 10;

/// What is done to each job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Cancel those that have not ended.
    Cancel,
    /// Rerun those that have.
    Rerun,
    /// Let those go on that are suspended, or held while they wait.
    Resume,
    /// Hold those that wait, and stop those that run at a checkpoint.
    Suspend,
    /// Delete those that have ended.
    Delete,
}

impl Action {
    /// The states of the jobs that it is for. One whose state changes meanwhile answers as the call on it alone.
    fn states(self) -> Vec<JobState> {
        let fits = |state: &JobState| match self {
            Self::Cancel => !state.is_final() && *state != JobState::Canceling,
            Self::Rerun | Self::Delete => state.is_final(),
            Self::Resume => matches!(state, JobState::Waiting | JobState::Suspended),
            Self::Suspend => matches!(state, JobState::Waiting | JobState::Running),
        };
        JobState::ALL.into_iter().filter(fits).collect()
    }

    /// Whether it is for that job of one of these states: no query can tell which jobs are held.
    fn is_for(self, job: &Job) -> bool {
        self != Self::Resume || job.state != JobState::Waiting || rules::is_held(job)
    }
}

pub async fn act(app: &Arc<App>, called: &Called, action: Action) -> Result<Answer, Fault> {
    let query = meant(app, called, action)?;
    if called.call.params.flag("dryRun") || tags::is_dry_run(called) {
        let answer = BulkAnswer { matching: Some(count(app, query, action).await?), ..BulkAnswer::default() };
        return Ok(Answer::Json(inventory::custom(&answer)));
    }
    let (jobs, cursor) = next(app, query, action).await?;
    let cursor = cursor.map(|id| id.to_string());
    let results = futures::stream::iter(jobs).map(|job| one(app, called, action, job)).buffered(AT_ONCE);
    let answer = BulkAnswer { results: results.collect().await, cursor, matching: None };
    Ok(Answer::Json(inventory::custom(&answer)))
}

/// The next jobs that the call is about.
fn meant(app: &App, called: &Called, action: Action) -> Result<Query, Fault> {
    let params = &called.call.params;
    let pairs: Vec<_> = params.list("q").into_iter().map(|q| ("q".to_owned(), q.to_owned())).collect();
    let raw = RawQuery::parse(&pairs).map_err(|misuse| misuse.to_fault())?;
    let mut query = resolve(&raw, Resource::Job, &app.format)?.query;
    query::restrict(called, Resource::Job, &mut query);
    let states = action.states().into_iter().map(|state| Value::Text(state.name().to_owned())).collect();
    query.filter.conditions.push(Condition { field: Field::State, op: Compares::In, values: states });
    if let Some(text) = params.text("cursor").filter(|text| !text.is_empty()) {
        let after: JobId = text.parse().map_err(|_| {
            Fault::invalid(format!("field[cursor] is the cursor of an earlier answer, and [{text}] is none"))
        })?;
        query.filter.conditions.push(behind(after));
    }
    query.sort = Some(Sort { field: Field::Uuid, descending: false });
    let limit = params.int("limit").unwrap_or(BULK_DEFAULT);
    query.page = Page { start: 0, limit: u32::try_from(limit).unwrap_or(1) };
    query.without_bodies = true;
    Ok(query)
}

/// The next jobs to act on, as many as `query` says, and the last that was looked at, if there may be more.
async fn next(app: &App, mut query: Query, action: Action) -> Result<(Vec<Job>, Option<JobId>), Fault> {
    let (wanted, given) = (query.page.limit as usize, query.filter.conditions.len());
    if action == Action::Resume {
        query.page.limit = LOOKED_AT; // most of what waits is held by nobody
    }
    let (mut jobs, mut last) = (Vec::new(), None);
    for _ in 0..LOOKS {
        let rows = match app.store.query(&query).await.map_err(|e| from_store(e, "the long jobs"))?.rows {
            Rows::Jobs(rows) => rows,
            _ => return Err(Fault::internal("asked for jobs")),
        };
        let full = rows.len() >= query.page.limit as usize;
        for job in rows {
            last = Some(job.id);
            if action.is_for(&job) {
                jobs.push(job);
            }
            if jobs.len() == wanted {
                return Ok((jobs, last));
            }
        }
        let Some(id) = last.filter(|_| full) else { return Ok((jobs, None)) };
        query.filter.conditions.truncate(given);
        query.filter.conditions.push(behind(id));
    }
    Ok((jobs, last))
}

/// How many jobs there are to act on.
async fn count(app: &App, mut query: Query, action: Action) -> Result<u64, Fault> {
    if action != Action::Resume {
        (query.want_rows, query.want_total) = (false, true);
        let found = app.store.query(&query).await.map_err(|e| from_store(e, "the long jobs"))?;
        return found.total.ok_or_else(|| Fault::internal("asked for a count"));
    }
    let (mut count, given) = (0, query.filter.conditions.len());
    query.page.limit = LOOKED_AT;
    loop {
        let (jobs, cursor) = next(app, query.clone(), action).await?;
        count += jobs.len() as u64;
        let Some(id) = cursor else { return Ok(count) };
        query.filter.conditions.truncate(given);
        query.filter.conditions.push(behind(id));
    }
}

fn behind(id: JobId) -> Condition {
    Condition { field: Field::Uuid, op: Compares::Gt, values: vec![Value::Text(id.to_string())] }
}

async fn one(app: &Arc<App>, called: &Called, action: Action, job: Job) -> BulkResult {
    let (engine, caller, uuid) = (&app.engine, &called.caller, job.id.to_string());
    let done = match action {
        Action::Cancel => engine.cancel(caller, &uuid).await.map(|()| None),
        Action::Rerun => engine.rerun(caller, &uuid, engine.fresh_api_id()).await.map(Some),
        Action::Resume => engine.resume(caller, &uuid).await.map(Some),
        Action::Suspend => engine.suspend(caller, &uuid).await.map(Some),
        Action::Delete => engine.delete(caller, &uuid).await.map(|()| None),
    };
    match done {
        Err(fault) => BulkResult::failed(Some(uuid), &fault),
        Ok(Some(job)) => BulkResult::of(&job, BulkOutcome::Done),
        Ok(None) if action == Action::Delete => BulkResult::gone(uuid),
        // It was accepted; the state says whether it is done.
        Ok(None) => match app.store.job(job.id).await {
            Ok(Some(now)) => BulkResult::of(&now, BulkOutcome::Done),
            Ok(None) | Err(_) => BulkResult::gone(uuid),
        },
    }
}
