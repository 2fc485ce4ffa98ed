//! Many submissions in one call: each is read, checked and answered as the call that submits it alone.

use std::sync::Arc;

use longhaul_engine::{BulkSubmitted, SubmitRequest};
use longhaul_model::{ApiId, Fault};
use longhaul_wire::inventory::{self, BulkAnswer, BulkOutcome, BulkResult};
use longhaul_wire::{Op, decode, validate};
use serde_json::Value;

use super::{jobs, tags};
use crate::answer::Answer;
use crate::app::{App, Called};

pub async fn submit(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let objects = called.call.params.objects("jobs");
    let requests: Vec<_> = objects.iter().map(|object| request(app, called, object)).collect();
    let chosen: Vec<Option<String>> = objects.iter().map(chosen).collect();
    let answers = app.engine.submit_many(&called.caller, requests).await;
    let results = chosen.into_iter().zip(answers).map(|(uuid, answer)| match answer {
        Ok(BulkSubmitted::Created(job)) => BulkResult::of(&job, BulkOutcome::Created),
        Ok(BulkSubmitted::Same(job)) => BulkResult::of(&job, BulkOutcome::Same),
        Ok(BulkSubmitted::Plan(plan)) => BulkResult::checked(plan),
        Err(fault) => BulkResult::failed(uuid, &fault),
    });
    let answer = BulkAnswer { results: results.collect(), ..BulkAnswer::default() };
    Ok(Answer::Json(inventory::custom(&answer)))
}

/// The uuid that the caller chose for a job, so that a refusal can name it.
fn chosen(object: &Value) -> Option<String> {
    let text = object["resourceUuid"].as_str()?.trim();
    text.parse::<longhaul_model::JobId>().ok().map(|id| id.to_string())
}

fn request(app: &App, called: &Called, object: &Value) -> Result<SubmitRequest, Fault> {
    let operation = Op::SubmitLongJob.row().ok_or_else(|| Fault::internal("SubmitLongJob has no row"))?;
    let mut call = decode::nested(&called.call, operation, object).map_err(|misuse| misuse.to_fault())?;
    validate::check(&call, app.format.profile())?;
    if tags::is_dry_run(called) {
        call.system_tags.push(tags::VALIDATION_ONLY.to_owned());
    }
    let one = Called {
        call,
        identity: called.identity,
        from: called.from,
        host: String::new(), // means something to uploads alone, which are told of at a query
        api_id: ApiId::in_order(&*app.runtime),
        room: called.room.clone(),
        client_gone: called.client_gone.clone(),
        caller: called.caller.clone(),
    };
    tags::check(&one)?;
    jobs::request(&one)
}
