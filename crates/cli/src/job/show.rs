//! `job show`: everything about one job on one page.

use serde_json::{Value, json};

use super::{explain, timeline};
use crate::console::{Format, printable};
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human;
use crate::names::Names;
use crate::run::Context;
use crate::view::{Job, Progress, read};
use crate::watch::find_job;

/// Shows a job.
pub async fn show(context: &mut Context, uuid: &str) -> Result<Exit, ClientError> {
    let inventory = find_job(&context.client, uuid).await?;
    let mut job: Job = read(&inventory)?;
    if context.console.format == Format::Table && !job.state.is_final() {
        job.why = explain::chief(&context.client, uuid).await;
    }
    let progress = context.client.list(&["task-progresses", &job.api_id], &[]).await?;
    let timeline = timeline::rows(context, uuid).await?;
    if context.console.format == Format::Json {
        let newest = progress.last().cloned().unwrap_or(Value::Null);
        let result = job.result().unwrap_or(Value::Null);
        context.console.json(&json!({
            "inventory": inventory,
            "progress": newest,
            "timeline": timeline,
            "jobResult": result,
        }))?;
        return Ok(Exit::Ok);
    }
    let mut names = Names::default();
    for path in ["volumes", "images", "primary-storage"] {
        names.add(context, path, [job.target_resource_uuid.clone()]).await;
    }
    let target = names.long(&job.target_resource_uuid);
    // One that never began took no time, though the API counts a second at least.
    if !timeline.is_empty() && timeline.iter().all(|row| row["kind"] != "started") {
        job.execute_time = None;
    }
    facts(context, &inventory, &job, target, Progress::of_rows(&progress).as_ref())?;
    block(context, "data", &serde_json::from_str(&job.job_data).unwrap_or(Value::Null))?;
    block(context, "result", &job.result().unwrap_or(Value::Null))?;
    if !timeline.is_empty() {
        context.console.line("")?;
        timeline::table(context, &timeline)?;
    }
    Ok(Exit::Ok)
}

fn facts(
    context: &mut Context,
    inventory: &Value,
    job: &Job,
    target: String,
    progress: Option<&Progress>,
) -> Result<(), ClientError> {
    let progress = progress.filter(|_| !job.state.is_final());
    let limit = progress.and_then(Progress::limit).unwrap_or_default();
    let progress = progress.filter(|p| !p.is_blank()).map(|p| {
        let mut text = format!("{}% {}", p.percent, p.stage).trim_end().to_owned();
        if p.bytes_total > 0 {
            text = format!("{text}, {} of {}", human::bytes(p.bytes_done), human::bytes(p.bytes_total));
        }
        text
    });
    context.console.facts(
        inventory,
        &[
            ("uuid", job.uuid.clone()),
            ("name", job.name.clone()),
            ("description", job.description.clone()),
            ("job", job.job_name.clone()),
            ("state", job.state.name().to_owned()),
            ("why", job.why.sentence.clone()),
            ("progress", progress.unwrap_or_default()),
            ("limit", limit),
            ("target", target),
            ("node", job.management_node_uuid.clone()),
            ("created", job.create_date.clone()),
            ("changed", job.last_op_date.clone()),
            ("took", job.execute_time.map(human::duration).unwrap_or_default()),
        ],
    )
}

fn block(context: &mut Context, title: &str, value: &Value) -> Result<(), ClientError> {
    if value.is_null() {
        return Ok(());
    }
    context.console.line(&format!("\n{title}"))?;
    for line in format!("{value:#}").lines() {
        context.console.line(&format!("  {}", printable(line)))?;
    }
    Ok(())
}
