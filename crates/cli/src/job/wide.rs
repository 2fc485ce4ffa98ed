//! One action on every job that conditions find: counted first, asked for where there is more than one, done
//! some at a time until there are no further ones.

use clap::Args;
use serde_json::{Value, json};

use super::conditions;
use super::counter::Counter;
use crate::confirm::agreed;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::run::Context;

/// Jobs of one call: few enough that its answer comes soon.
const AT_ONCE: u64 = 200;

/// The job, or the jobs, that are meant.
#[derive(Debug, Args)]
pub struct Meant {
    /// The job's uuid or name
    #[arg(required_unless_present = "conditions", conflicts_with = "conditions")]
    job: Option<String>,
    /// Every job that this holds for, as state=Suspended or name~=%disk%; may be repeated, all must hold
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// With --where: do not ask before it is done to more than one job
    #[arg(long, requires = "conditions")]
    yes: bool,
    /// With --where: do nothing, and tell how many jobs there are
    #[arg(long, requires = "conditions")]
    dry_run: bool,
}

impl Meant {
    /// The one that is named; `None` where conditions say which.
    pub fn one(&self) -> Option<&str> {
        self.job.as_deref()
    }
}

/// An action: its key in the API, what is done, and what was done.
#[derive(Debug, Clone, Copy)]
pub struct Verb {
    key: &'static str,
    does: &'static str,
    did: &'static str,
}

/// Cancel.
pub const CANCEL: Verb = Verb { key: "cancelLongJobs", does: "cancel", did: "canceled" };
/// Rerun.
pub const RERUN: Verb = Verb { key: "rerunLongJobs", does: "rerun", did: "reran" };
/// Resume.
pub const RESUME: Verb = Verb { key: "resumeLongJobs", does: "resume", did: "resumed" };
/// Suspend.
pub const SUSPEND: Verb = Verb { key: "suspendLongJobs", does: "suspend", did: "suspended" };
/// Delete.
pub const DELETE: Verb = Verb { key: "deleteLongJobs", does: "delete", did: "deleted" };

fn jobs(count: u64) -> String {
    if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") }
}

/// Does it.
pub async fn act(context: &mut Context, verb: Verb, meant: &Meant) -> Result<Exit, ClientError> {
    conditions::check("--where", &meant.conditions)?;
    let dry = json!({"q": meant.conditions, "dryRun": true});
    let counted = context.client.action(&["longjobs", "bulk"], verb.key, &dry).await?;
    let count = counted["matching"].as_u64();
    let count = count.ok_or_else(|| ClientError::bad_answer("it does not tell how many jobs there are"))?;
    if meant.dry_run || count == 0 {
        let are = if count == 1 { "is" } else { "are" };
        context.console.done(&counted, &format!("there {are} {} to {}", jobs(count), verb.does))?;
        return Ok(Exit::Ok);
    }
    let what = format!("{} {}", verb.does, jobs(count));
    if !agreed(context, meant.yes || count == 1, &what, "--yes")? {
        return Ok(Exit::Failed);
    }
    // Not what was done: some may be refused.
    let mut counter = Counter::new(verb.does, count);
    let mut results: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    loop {
        let params = json!({"q": meant.conditions, "limit": AT_ONCE, "cursor": cursor});
        let mut answer = context.client.action(&["longjobs", "bulk"], verb.key, &params).await?;
        let Some(Value::Array(told)) = answer.get_mut("results").map(Value::take) else {
            return Err(ClientError::bad_answer("it has no results; is this a Longhaul server?"));
        };
        results.extend(told);
        counter.at(results.len() as u64);
        match answer["cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    drop(counter);
    conclude(context, verb, results)
}

fn conclude(context: &mut Context, verb: Verb, results: Vec<Value>) -> Result<Exit, ClientError> {
    let failed: Vec<&Value> = results.iter().filter(|result| result["outcome"] == "failed").collect();
    let mut exit = Exit::Ok;
    for result in &failed {
        let error = ClientError::of_object(&result["error"]);
        if exit == Exit::Ok {
            exit = error.exit();
        }
        let uuid = result["uuid"].as_str().unwrap_or_default();
        context.console.note(&format!("job {uuid}: {} ({})", error.details, error.code));
    }
    let mut told = format!("{} {}", verb.did, jobs((results.len() - failed.len()) as u64));
    if !failed.is_empty() {
        told.push_str(&format!(", {} refused", failed.len()));
    }
    let undone = results.iter().filter(|result| result["state"] == "Canceling").count() as u64;
    if undone > 0 {
        told.push_str(&format!("; of these {undone} still being undone"));
    }
    context.console.done(&Value::Array(results), &told)?;
    Ok(exit)
}
