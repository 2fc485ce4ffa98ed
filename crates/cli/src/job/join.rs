//! A job of an earlier run of the same command that is not over: it is gone on with, and none is started beside it.

use longhaul_model::JobState;
use serde_json::{Value, json};

use super::submit;
use crate::client::inventory;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::lookup::fits_a_condition;
use crate::run::Context;
use crate::view::{Job, read};

/// States of a job that can still do its work, as a condition.
const NOT_OVER: &str = "state?=Waiting,Running,Suspended";

/// The oldest job of this type that is not over, for which `conditions` hold, and `same` of its data.
pub async fn under_way(
    context: &Context,
    job_name: &str,
    conditions: &[String],
    same: impl Fn(&Value) -> bool,
) -> Result<Option<Value>, ClientError> {
    let of_type = format!("jobName={job_name}");
    let mut query = vec![("q", of_type.as_str()), ("q", NOT_OVER), ("sort", "+createDate")];
    query.extend(conditions.iter().map(|condition| ("q", condition.as_str())));
    let rows = context.client.list_all(&["longjobs"], &query).await?;
    Ok(rows.into_iter().find(|row| {
        let data = row["jobData"].as_str().and_then(|text| serde_json::from_str(text).ok());
        row["jobName"] == job_name && data.is_some_and(|data: Value| same(&data))
    }))
}

/// Tells that the job does it already; lets it go on if it is suspended. Its object, as it is then.
pub async fn go_on(context: &mut Context, job: Value) -> Result<Value, ClientError> {
    let view: Job = read(&job)?;
    if view.state == JobState::Suspended {
        let path = ["longjobs", view.uuid.as_str(), "actions"];
        let job = inventory(context.client.action(&path, "resumeLongJob", &json!({})).await?)?;
        context.console.note("a job of an earlier run was suspended and goes on; nothing new was started");
        return Ok(job);
    }
    let state = view.state.name();
    context.console.note(&format!("a job of an earlier run does this ({state}); nothing new was started"));
    Ok(job)
}

/// The job that does this under this name: one that is not over, else one that is submitted now.
pub async fn start(
    context: &mut Context,
    job_name: &str,
    name: &str,
    data: &Value,
) -> Result<Value, ClientError> {
    let name = submit::job_name(name);
    let of_name = fits_a_condition(&name).then(|| format!("name={name}"));
    match under_way(context, job_name, of_name.as_slice(), |theirs| theirs == data).await? {
        Some(job) => go_on(context, job).await,
        None => {
            let params = json!({"name": name, "jobName": job_name, "jobData": data.to_string()});
            inventory(submit::send(context, params, &[], &[]).await?)
        }
    }
}

/// Tells which job is followed.
pub fn followed(context: &mut Context, job: &Value) -> Result<String, ClientError> {
    let view: Job = read(job)?;
    context.console.note(&format!("job {}", view.uuid));
    Ok(view.uuid)
}

/// What is told of a job that is not waited for.
pub fn not_waited(context: &mut Context, job: &Value) -> Result<Exit, ClientError> {
    let view: Job = read(job)?;
    context.console.done(job, &format!("job {} is {}", view.uuid, view.state.name()))?;
    Ok(Exit::Ok)
}
