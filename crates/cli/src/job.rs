//! `job`: long jobs. The commands and the short ones are here; submitting, showing and the ending of a wait
//! have files of their own.

mod conditions;
mod counter;
pub mod ending;
pub mod explain;
pub mod join;
mod list;
mod many;
mod members;
mod show;
pub mod submit;
mod timeline;
mod wide;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::inventory;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human;
use crate::human::{parse_duration, parse_rate};
use crate::lookup;
use crate::run::Context;
use crate::view::{Job, JobType, read, read_all};
use crate::watch::{Follow, Show, find_job};

/// Commands on long jobs.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Submit a job. It gets a uuid chosen here, so that a lost connection is answered by sending it again
    Submit(submit::SubmitArgs),
    /// List jobs, newest first
    List(list::ListArgs),
    /// Show a job: what it is, how far, what happened to it, what came of it
    Show {
        #[command(flatten)]
        job: JobArgs,
        /// Only what happened to it, with fencing tokens and nodes
        #[arg(long)]
        timeline: bool,
    },
    /// Tell why a job waits, or what it does, and what a cancel, a restart or the loss of its node would do
    Explain(JobArgs),
    /// Watch a job live until it ends
    Watch(JobArgs),
    /// Wait until a job ends, silently
    Wait {
        #[command(flatten)]
        job: JobArgs,
        /// Wait no longer than this, as 90s, 10m, 2h; then exit 7
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        timeout: Option<Duration>,
    },
    /// Cancel a job, or all that have not ended and that --where finds: what they did is undone
    Cancel(wide::Meant),
    /// Run a job that has ended afresh, under its uuid, or all that --where finds
    Rerun {
        #[command(flatten)]
        meant: wide::Meant,
        /// Watch it until it ends
        #[arg(long, conflicts_with = "conditions")]
        watch: bool,
    },
    /// Let a suspended job go on, or all that --where finds
    Resume {
        #[command(flatten)]
        meant: wide::Meant,
        /// Watch it until it ends
        #[arg(long, conflicts_with = "conditions")]
        watch: bool,
    },
    /// Hold a waiting job, or stop a running one at a checkpoint, until it is resumed; or all that --where finds
    Suspend(wide::Meant),
    /// Give a job's copy a rate of its own, also while it runs
    Throttle {
        #[command(flatten)]
        job: JobArgs,
        /// Most bytes per second, as 50M; none: no limit of its own
        #[arg(value_name = "RATE", value_parser = parse_rate)]
        rate: u64,
    },
    /// Remove what a job in state Canceling left behind
    Clean(JobArgs),
    /// Delete a job that has ended, or all that --where finds
    Delete(wide::Meant),
    /// Change a job's name or description
    Update {
        #[command(flatten)]
        job: JobArgs,
        /// The new name
        #[arg(long, value_name = "NAME", required_unless_present = "description")]
        name: Option<String>,
        /// The new description
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// List the job types that can be submitted
    Types,
}

/// The job that is meant.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// The job's uuid or name
    job: String,
}

impl JobArgs {
    /// Its uuid.
    async fn uuid(&self, context: &Context) -> Result<String, ClientError> {
        lookup::job(&context.client, &self.job).await
    }
}

/// Runs one.
pub async fn run(context: &mut Context, command: JobCommand) -> Result<Exit, ClientError> {
    match command {
        JobCommand::Submit(args) => submit::submit(context, args).await,
        JobCommand::List(args) => list::list(context, args).await,
        JobCommand::Show { job, timeline: false } => show::show(context, &job.uuid(context).await?).await,
        JobCommand::Show { job, timeline: true } => timeline::show(context, &job.uuid(context).await?).await,
        JobCommand::Explain(args) => explain::explain(context, &args.uuid(context).await?).await,
        JobCommand::Watch(args) => {
            let uuid = args.uuid(context).await?;
            ending::follow(context, &uuid, &Follow::default()).await
        }
        JobCommand::Wait { job, timeout } => {
            let how = Follow { show: Show::Nothing, timeout, ..Follow::default() };
            let uuid = job.uuid(context).await?;
            ending::follow(context, &uuid, &how).await
        }
        JobCommand::Cancel(meant) => {
            let Some(job) = meant.one() else { return wide::act(context, wide::CANCEL, &meant).await };
            let uuid = lookup::job(&context.client, job).await?;
            context.client.action(&actions(&uuid), "cancelLongJob", &json!({})).await?;
            // The answer says that the cancel is accepted; the state says whether it is done.
            let job = find_job(&context.client, &uuid).await?;
            let view: Job = read(&job)?;
            context.console.done(&job, &format!("job {} is {}", view.uuid, view.state.name()))?;
            Ok(Exit::Ok)
        }
        JobCommand::Rerun { meant, watch } => {
            let Some(job) = meant.one() else { return wide::act(context, wide::RERUN, &meant).await };
            let uuid = lookup::job(&context.client, job).await?;
            act(context, &uuid, "rerunLongJob", watch).await
        }
        JobCommand::Resume { meant, watch } => {
            let Some(job) = meant.one() else { return wide::act(context, wide::RESUME, &meant).await };
            let uuid = lookup::job(&context.client, job).await?;
            act(context, &uuid, "resumeLongJob", watch).await
        }
        JobCommand::Suspend(meant) => {
            let Some(job) = meant.one() else { return wide::act(context, wide::SUSPEND, &meant).await };
            let uuid = lookup::job(&context.client, job).await?;
            let answer = context.client.action(&actions(&uuid), "suspendLongJob", &json!({})).await?;
            let job = inventory(answer)?;
            let view: Job = read(&job)?;
            let told = match view.state.name() {
                "Waiting" => "is held; it starts after a resume",
                "Running" => "stops at its next checkpoint; it goes on after a resume",
                _ => "is suspended; it goes on after a resume",
            };
            context.console.done(&job, &format!("job {} {told}", view.uuid))?;
            Ok(Exit::Ok)
        }
        JobCommand::Throttle { job, rate } => {
            let uuid = job.uuid(context).await?;
            let params = json!({"bytesPerSecond": rate});
            let answer = context.client.action(&actions(&uuid), "throttleLongJob", &params).await?;
            let told = match rate {
                0 => "has no rate of its own".to_owned(),
                rate => format!("copies at most {} per second", human::bytes(rate)),
            };
            context.console.done(&inventory(answer)?, &format!("job {uuid} {told}"))?;
            Ok(Exit::Ok)
        }
        JobCommand::Clean(args) => {
            let uuid = args.uuid(context).await?;
            let answer = context.client.action(&actions(&uuid), "cleanLongJob", &json!({})).await?;
            context.console.done(&answer, &format!("job {uuid} is being cleaned"))?;
            Ok(Exit::Ok)
        }
        JobCommand::Delete(meant) => {
            let Some(job) = meant.one() else { return wide::act(context, wide::DELETE, &meant).await };
            let uuid = lookup::job(&context.client, job).await?;
            let answer = context.client.delete(&["longjobs", &uuid]).await?;
            context.console.done(&answer, &format!("deleted job {uuid}"))?;
            Ok(Exit::Ok)
        }
        JobCommand::Update { job, name, description } => {
            let uuid = job.uuid(context).await?;
            let mut params = json!({});
            for (key, value) in [("name", name), ("description", description)] {
                if let Some(value) = value {
                    params[key] = Value::from(value);
                }
            }
            let answer = context.client.action(&actions(&uuid), "updateLongJob", &params).await?;
            context.console.done(&inventory(answer)?, &format!("updated job {uuid}"))?;
            Ok(Exit::Ok)
        }
        JobCommand::Types => types(context).await,
    }
}

fn actions(uuid: &str) -> [&str; 3] {
    ["longjobs", uuid, "actions"]
}

async fn act(context: &mut Context, uuid: &str, key: &str, watch: bool) -> Result<Exit, ClientError> {
    let job = inventory(context.client.action(&actions(uuid), key, &json!({})).await?)?;
    if watch {
        return ending::follow(context, uuid, &Follow::default()).await;
    }
    let view: Job = read(&job)?;
    context.console.done(&job, &format!("job {} is {}", view.uuid, view.state.name()))?;
    Ok(Exit::Ok)
}

async fn types(context: &mut Context) -> Result<Exit, ClientError> {
    let types = context.client.list(&["job-types"], &[]).await?;
    let views: Vec<JobType> = read_all(&types)?;
    let rows = views.into_iter().map(|t| {
        let can: Vec<&str> = [
            (t.cancelable, "cancel"),
            (t.resumable, "resume"),
            (t.cleanable, "clean"),
            (t.ordered, "one at a time per target"),
        ]
        .into_iter()
        .filter_map(|(is, word)| is.then_some(word))
        .collect();
        vec![t.job_name, can.join(", "), t.description]
    });
    let rows = rows.collect();
    context.console.rows(&Value::Array(types), &["job name", "can", "description"], rows)?;
    Ok(Exit::Ok)
}
