//! `job`: long jobs. The commands and the short ones are here; submitting, showing and the ending of a wait
//! have files of their own.

pub mod ending;
mod list;
mod members;
mod show;
pub mod submit;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::inventory;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human;
use crate::human::{parse_duration, parse_rate};
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
    Show(JobArgs),
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
    /// Cancel a job: what it did is undone
    Cancel(JobArgs),
    /// Run a job that has ended afresh, under its uuid
    Rerun {
        #[command(flatten)]
        job: JobArgs,
        /// Watch it until it ends
        #[arg(long)]
        watch: bool,
    },
    /// Let a suspended job go on
    Resume {
        #[command(flatten)]
        job: JobArgs,
        /// Watch it until it ends
        #[arg(long)]
        watch: bool,
    },
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
    /// Delete a job that has ended
    Delete(JobArgs),
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
    /// The job's uuid
    uuid: String,
}

/// Runs one.
pub async fn run(context: &mut Context, command: JobCommand) -> Result<Exit, ClientError> {
    match command {
        JobCommand::Submit(args) => submit::submit(context, args).await,
        JobCommand::List(args) => list::list(context, args).await,
        JobCommand::Show(args) => show::show(context, &args.uuid).await,
        JobCommand::Watch(args) => ending::follow(context, &args.uuid, &Follow::default()).await,
        JobCommand::Wait { job, timeout } => {
            let how = Follow { show: Show::Nothing, timeout, ..Follow::default() };
            ending::follow(context, &job.uuid, &how).await
        }
        JobCommand::Cancel(args) => {
            context.client.action(&actions(&args.uuid), "cancelLongJob", &json!({})).await?;
            // The answer says that the cancel is accepted; the state says whether it is done.
            let job = find_job(&context.client, &args.uuid).await?;
            let view: Job = read(&job)?;
            context.console.done(&job, &format!("job {} is {}", view.uuid, view.state.name()))?;
            Ok(Exit::Ok)
        }
        JobCommand::Rerun { job, watch } => act(context, &job.uuid, "rerunLongJob", watch).await,
        JobCommand::Resume { job, watch } => act(context, &job.uuid, "resumeLongJob", watch).await,
        JobCommand::Throttle { job, rate } => {
            let params = json!({"bytesPerSecond": rate});
            let answer = context.client.action(&actions(&job.uuid), "throttleLongJob", &params).await?;
            let told = match rate {
                0 => "has no rate of its own".to_owned(),
                rate => format!("copies at most {} per second", human::bytes(rate)),
            };
            context.console.done(&inventory(answer)?, &format!("job {} {told}", job.uuid))?;
            Ok(Exit::Ok)
        }
        JobCommand::Clean(args) => {
            let answer = context.client.action(&actions(&args.uuid), "cleanLongJob", &json!({})).await?;
            context.console.done(&answer, &format!("job {} is being cleaned", args.uuid))?;
            Ok(Exit::Ok)
        }
        JobCommand::Delete(args) => {
            let answer = context.client.delete(&["longjobs", &args.uuid]).await?;
            context.console.done(&answer, &format!("deleted job {}", args.uuid))?;
            Ok(Exit::Ok)
        }
        JobCommand::Update { job, name, description } => {
            let mut params = json!({});
            for (key, value) in [("name", name), ("description", description)] {
                if let Some(value) = value {
                    params[key] = Value::from(value);
                }
            }
            let answer = context.client.action(&actions(&job.uuid), "updateLongJob", &params).await?;
            context.console.done(&inventory(answer)?, &format!("updated job {}", job.uuid))?;
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
