//! The long job calls.

use std::sync::Arc;

use longhaul_engine::progress::Seen;
use longhaul_engine::{SubmitAnswer, SubmitRequest};
use longhaul_jobs::carry::limit_elsewhere;
use longhaul_model::{ApiId, Fault, JobState, Progress};
use longhaul_wire::inventory::{self, JobTypeInventory, TaskProgressInventory};
use longhaul_wire::{Profile, job_data};

use super::{required, tags};
use crate::answer::Answer;
use crate::app::{App, Called};

pub async fn submit(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    match app.engine.submit(&called.caller, request(called)?).await? {
        SubmitAnswer::Job(job) => Ok(Answer::Job(job)),
        SubmitAnswer::Plan(plan) => Ok(match app.format.profile() {
            Profile::Fast => Answer::Json(serde_json::json!({ "plan": plan }).to_string()),
            Profile::Zstack => Answer::Json("{}".to_owned()),
        }),
    }
}

/// The submission in a call of SubmitLongJob.
pub(super) fn request(called: &Called) -> Result<SubmitRequest, Fault> {
    let params = &called.call.params;
    let data = required(called, "jobData")?;
    Ok(SubmitRequest {
        name: params.owned("name").filter(|n| !n.is_empty()),
        description: params.owned("description"),
        job_name: required(called, "jobName")?.to_owned(),
        job_data: data.to_owned(),
        data: job_data::parse(data)?,
        target: params.owned("targetResourceUuid").filter(|t| !t.is_empty()),
        resource_uuid: params.id("resourceUuid"),
        system_tags: tags::kept(called),
        user_tags: tags::user(called),
        api_id: called.api_id.clone(),
        dry_run: tags::is_dry_run(called),
    })
}

pub async fn delete(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    app.engine.delete(&called.caller, required(called, "uuid")?).await.map(|()| Answer::Empty)
}

pub async fn update(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let (name, description) = (params.owned("name"), params.owned("description"));
    let job = app.engine.update(&called.caller, required(called, "uuid")?, name, description).await?;
    Ok(Answer::Job(Box::new(job)))
}

pub async fn cancel(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    app.engine.cancel(&called.caller, required(called, "uuid")?).await.map(|()| Answer::Empty)
}

pub async fn rerun(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let job = app.engine.rerun(&called.caller, required(called, "uuid")?, called.api_id.clone()).await?;
    Ok(Answer::Job(Box::new(job)))
}

pub async fn resume(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let job = app.engine.resume(&called.caller, required(called, "uuid")?).await?;
    Ok(Answer::Job(Box::new(job)))
}

pub async fn clean(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    app.engine.clean(&called.caller, required(called, "uuid")?).await.map(|()| Answer::Empty)
}

pub async fn suspend(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let job = app.engine.suspend(&called.caller, required(called, "uuid")?).await?;
    Ok(Answer::Job(Box::new(job)))
}

pub async fn throttle(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let rate = called.call.params.int("bytesPerSecond").and_then(|rate| u64::try_from(rate).ok());
    let rate = rate.filter(|rate| *rate > 0);
    let job = app.engine.throttle(&called.caller, required(called, "uuid")?, rate).await?;
    Ok(Answer::Job(Box::new(job)))
}

/// Nothing while `progress/progress.on` is false. One row without `all`; with it, the history and the newest. Nothing for an unknown or foreign id.
pub async fn progress(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let text = required(called, "apiId")?;
    if !app.configs.in_force().progress_on {
        return Ok(Answer::Json(inventory::many::<TaskProgressInventory>(&[], called.call.wants_schema)));
    }
    let all = called.call.params.flag("all");
    let known = match ApiId::chosen(text) {
        Some(api) => app.engine.seen_progress_of(&api).await?,
        None => None,
    };
    let seen = known.filter(|seen| called.identity.admin || seen.job.account == called.identity.account);
    let rows = match seen {
        None => Vec::new(),
        Some(Seen { job, progress: now, left }) => {
            let mut rows: Vec<Progress> =
                if all { app.engine.progress_history(job.id).await? } else { Vec::new() };
            rows.retain(|row| row.at_ms < now.at_ms);
            rows.push(now);
            let of = |row| TaskProgressInventory::of(&job.api_id, &job.job_name, row, all);
            let mut told: Vec<_> = rows.iter().map(of).collect();
            let elsewhere = || limit_elsewhere(&app.pacer, &job, app.runtime.now_ms());
            let running = job.state == JobState::Running && !left;
            if let Some(limit) = app.engine.limit_of(&job).or_else(|| elsewhere().filter(|_| running))
                && let Some(newest) = told.pop()
            {
                told.push(newest.limited(limit.bytes_per_s, limit.by.words().to_owned()));
            }
            told
        }
    };
    Ok(Answer::Json(inventory::many(&rows, called.call.wants_schema)))
}

pub fn job_types(app: &Arc<App>, called: &Called) -> Answer {
    let rows: Vec<_> = app
        .engine
        .registry()
        .job_types()
        .into_iter()
        .map(|t| JobTypeInventory {
            job_name: t.name.to_owned(),
            description: t.description.to_owned(),
            cancelable: t.cancelable,
            resumable: t.resumable,
            cleanable: t.cleanable,
            ordered: t.ordered,
            job_data_schema: (t.schema)().to_string(),
        })
        .collect();
    Answer::Json(inventory::many(&rows, called.call.wants_schema))
}
