//! Why a job is where it is.

use std::sync::Arc;

use longhaul_model::Fault;
use longhaul_wire::inventory::{self, ExplainAnswer};

use super::required;
use crate::answer::Answer;
use crate::app::{App, Called};

pub async fn explain(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let explanation = app.engine.explain(&called.caller, required(called, "uuid")?).await?;
    Ok(Answer::Json(inventory::custom(&ExplainAnswer::of(&explanation, &app.format))))
}
