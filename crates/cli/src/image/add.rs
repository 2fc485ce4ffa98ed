//! `image add`: the server fetches an image, as a long job that is followed.

use clap::Args;
use serde_json::Value;

use super::Said;
use crate::console::Format;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::job::{ending, join};
use crate::run::Context;
use crate::watch::Follow;

/// The job type.
pub const JOB_NAME: &str = "APIAddImageMsg";

/// Flags of `image add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The image's name
    name: String,
    /// http://, https://, or a path that the server may read
    // Not under the id of the global --url: the session would be sent to where the image lies.
    #[arg(id = "from", value_name = "URL")]
    from: String,
    /// The image storage to keep it on, by uuid or name; may be repeated
    #[arg(long, value_name = "STORAGE", required = true)]
    to: Vec<String>,
    #[command(flatten)]
    said: Said,
    /// Only submit the job
    #[arg(long)]
    no_wait: bool,
}

/// Adds an image.
pub async fn add(context: &mut Context, args: AddArgs) -> Result<Exit, ClientError> {
    let data = args.said.data(context, &args.to, &args.name, &args.from).await?;
    let job = join::start(context, JOB_NAME, &format!("add image {}", args.name), &data).await?;
    if args.no_wait {
        return join::not_waited(context, &job);
    }
    let uuid = join::followed(context, &job)?;
    followed(context, &uuid, args.name).await
}

/// Follows a job that makes an image to its end, and prints what it made.
pub async fn followed(context: &mut Context, job: &str, label: String) -> Result<Exit, ClientError> {
    let how = Follow { label: Some(label), ..Follow::default() };
    let followed = ending::to_end(&context.client, &mut context.console, job, &how).await?;
    let Some(followed) = followed else { return Ok(Exit::Interrupted) };
    let exit = ending::conclude(&mut context.console, &followed)?;
    if exit == Exit::Ok && context.console.format == Format::Table {
        let result = followed.job.result().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let image = &result["inventory"];
        let mut facts = vec![("image", text(&image["uuid"])), ("MD5", text(&image["md5Sum"]))];
        let copies = image["backupStorageRefs"].as_array().into_iter().flatten();
        facts.extend(copies.map(|copy| ("path", text(&copy["installPath"]))));
        context.console.facts(&Value::Null, &facts)?;
    }
    Ok(exit)
}
