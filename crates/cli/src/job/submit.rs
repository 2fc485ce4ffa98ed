//! `job submit`: any job type. Storage and volume commands submit theirs through `send` too.

use clap::Args;
use longhaul_model::{JobId, NAME_MAX};
use serde_json::{Value, json};

use super::{ending, many, members};
use crate::client::inventory;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human::json_argument;
use crate::run::Context;
use crate::view::{Job, read};
use crate::watch::{Follow, Show};

/// The system tag of a dry run.
pub const DRY_RUN: &str = "validationOnly";

/// Flags of `job submit`.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// The job type, as `longhaul job types` lists them
    #[arg(value_name = "NAME", required_unless_present = "from")]
    job_name: Option<String>,
    /// Submit many jobs: a file with one on each line, the parameters of SubmitLongJob as JSON; - is stdin. One
    /// that names its `resourceUuid` stays one job if the file is sent again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["job_name", "data", "name", "description", "target",
        "uuid", "system_tag", "user_tag", "wait", "watch"])]
    from: Option<String>,
    /// The job's data: JSON, or @FILE, or @- for stdin
    #[arg(long, value_name = "JSON|@FILE", default_value = "{}")]
    data: String,
    /// Its name, for people [default: the job type]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Uuid of the resource that it works on
    #[arg(long, value_name = "UUID")]
    target: Option<String>,
    /// Its uuid, of version 1 to 5; dashes and capitals are taken. The same submit sent twice is one job
    /// [default: a random one]
    #[arg(long, value_name = "UUID", value_parser = plain_uuid)]
    uuid: Option<String>,
    /// A system tag, as longhaul::throttle::1048576; may be repeated
    #[arg(long, value_name = "TAG")]
    system_tag: Vec<String>,
    /// A tag of your own; may be repeated
    #[arg(long, value_name = "TAG")]
    user_tag: Vec<String>,
    /// Wait until it ends, silently
    #[arg(long, conflicts_with = "watch")]
    wait: bool,
    /// Watch it live until it ends
    #[arg(long)]
    watch: bool,
}

/// Submits a job, and follows it if that was asked for.
pub async fn submit(context: &mut Context, args: SubmitArgs) -> Result<Exit, ClientError> {
    let Some(job_name) = args.job_name else {
        return many::submit(context, args.from.as_deref().unwrap_or("-")).await;
    };
    let mut params = json!({"jobName": job_name, "jobData": json_argument(&args.data)?});
    let optional = [
        ("name", args.name),
        ("description", args.description),
        ("targetResourceUuid", args.target),
        ("resourceUuid", args.uuid),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            params[key] = Value::from(value);
        }
    }
    let data = params["jobData"].as_str().unwrap_or_default().to_owned();
    let answer = send(context, params, &args.system_tag, &args.user_tag).await?;
    members::warn_of_unknown(context, &job_name, &data).await;
    if args.system_tag.iter().any(|tag| tag == DRY_RUN) {
        context.console.json(&answer)?;
        return Ok(Exit::Ok);
    }
    let job = inventory(answer)?;
    let view: Job = read(&job)?;
    if args.wait || args.watch {
        context.console.note(&format!("job {}", view.uuid));
        let show = if args.watch { Show::Auto } else { Show::Nothing };
        return ending::follow(context, &view.uuid, &Follow { show, ..Follow::default() }).await;
    }
    context.console.done(&job, &format!("submitted job {} ({})", view.uuid, view.state.name()))?;
    Ok(Exit::Ok)
}

/// Sends a submit under a uuid of our choice, again if the connection is lost.
pub async fn send(
    context: &mut Context,
    mut params: Value,
    system_tags: &[String],
    user_tags: &[String],
) -> Result<Value, ClientError> {
    if params["resourceUuid"].is_null() {
        params["resourceUuid"] = Value::from(fresh_uuid()?);
    }
    let mut body = json!({ "params": params });
    for (key, tags) in [("systemTags", system_tags), ("userTags", user_tags)] {
        if !tags.is_empty() {
            body[key] = json!(tags);
        }
    }
    let console = &mut context.console;
    context.client.submit(&body, &mut |text| console.note(text)).await
}

/// A job's name, cut to what the API takes: UTF-16 units.
pub fn job_name(text: &str) -> String {
    let mut units = 0;
    let fits = |c: &char| {
        units += c.len_utf16();
        units <= NAME_MAX
    };
    text.chars().take_while(fits).collect()
}

/// A uuid as the API wants it: people's tools print dashes and capitals. Whether it is one is the server's to say.
fn plain_uuid(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(text.replace('-', "").to_ascii_lowercase())
}

/// A random uuid.
pub fn fresh_uuid() -> Result<String, ClientError> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|e| ClientError::local(format!("no random numbers: {e}")))?;
    Ok(JobId::v4(u128::from_le_bytes(bits)).to_string())
}
