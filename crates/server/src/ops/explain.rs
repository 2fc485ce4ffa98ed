//! Why a job is where it is.

use std::sync::Arc;

use longhaul_jobs::carry::limit_elsewhere;
use longhaul_model::{Fault, Job};
use longhaul_wire::inventory::{self, ExplainAnswer};

use super::required;
use crate::answer::Answer;
use crate::app::{App, Called};

pub async fn explain(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let elsewhere = |job: &Job| limit_elsewhere(&app.pacer, job, app.runtime.now_ms());
    let explanation = app.engine.explain(&called.caller, required(called, "uuid")?, &elsewhere).await?;
    Ok(Answer::Json(inventory::custom(&ExplainAnswer::of(&explanation, &app.format))))
}
