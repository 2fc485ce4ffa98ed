//! Evacuations of primary storages: the plan, the start, the report. The work is in `longhaul_jobs::evacuate`.

use std::sync::Arc;

use longhaul_engine::{SubmitAnswer, SubmitRequest};
use longhaul_jobs::evacuate::{EVACUATE, Request};
use longhaul_model::{Fault, Job};
use longhaul_wire::inventory::{self, EvacuationPlan, EvacuationReport};
use longhaul_wire::{Profile, job_data};
use serde_json::{Value, json};

use super::{required, tags};
use crate::answer::Answer;
use crate::app::{App, Called};

/// Starts one: its job's inventory is answered.
pub async fn start(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let request = request(app, called, tags::is_dry_run(called))?;
    Ok(match (app.engine.submit(&called.caller, request).await?, app.format.profile()) {
        (SubmitAnswer::Job(job), _) => Answer::Job(job),
        (SubmitAnswer::Plan(plan), Profile::Fast) => Answer::Json(json!({ "plan": plan }).to_string()),
        (SubmitAnswer::Plan(_), Profile::Zstack) => Answer::Json("{}".to_owned()),
    })
}

/// What one would do: its dry run, told in both profiles.
pub async fn plan(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let request = request(app, called, true)?;
    let SubmitAnswer::Plan(mut plan) = app.engine.submit(&called.caller, request).await? else {
        return Err(Fault::internal("asked for a plan"));
    };
    let plan: EvacuationPlan = typed(plan.remove("evacuation").unwrap_or_default())?;
    Ok(Answer::Json(inventory::custom(&plan)))
}

/// What one did, or has done so far.
pub async fn report(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let job = app.engine.owned_job(&called.caller, required(called, "uuid")?).await?;
    if job.job_name != EVACUATE {
        return Err(Fault::invalid(format!(
            "long job[uuid:{}] is of the type {}, which has no such report; give a job of the type {EVACUATE}",
            job.id, job.job_name
        )));
    }
    let told = match told(&job) {
        Some(told) => told,
        None => {
            let board = app.boards.of(job.id).unwrap_or_default(); // no row until an attempt has looked
            board.report(&Request::read(&job_data::parse(&job.job_data)?)?)
        }
    };
    let report: EvacuationReport = typed(told)?;
    Ok(Answer::Json(inventory::custom(&report.of_job(job.id.to_string(), job.state.name()))))
}

/// The report in the job's result, that of a cancel included.
fn told(job: &Job) -> Option<Value> {
    let mut result: Value = serde_json::from_str(job.job_result.as_deref()?).ok()?;
    let told = match result.get("receipt") {
        Some(_) => result["receipt"]["evacuation"].take(),
        None => result["evacuation"].take(),
    };
    Some(told).filter(Value::is_object)
}

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_json::from_value(value).map_err(|e| Fault::internal(format!("the account of an evacuation: {e}")))
}

fn request(app: &App, called: &Called, dry_run: bool) -> Result<SubmitRequest, Fault> {
    let params = &called.call.params;
    let mut data = json!({
        "primaryStorageUuid": required(called, "uuid")?,
        "dstPrimaryStorageUuids": params.list("dstPrimaryStorageUuids"),
    });
    if let Some(parallel) = params.int("parallel") {
        data["parallel"] = Value::from(parallel);
    }
    Ok(SubmitRequest {
        name: None,
        description: None,
        job_name: EVACUATE.to_owned(),
        job_data: data.to_string(),
        data,
        target: None,
        resource_uuid: None,
        system_tags: tags::kept(called),
        user_tags: tags::user(called),
        api_id: app.engine.fresh_api_id(),
        dry_run,
    })
}
