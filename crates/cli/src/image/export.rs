//! `image export`: an export of the image is made by a long job, fetched into a file, compared with the server's MD5,
//! and taken back. How it is fetched is in `download`.

use std::path::PathBuf;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::{download, place_of};
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human;
use crate::job::{ending, join};
use crate::lookup::{self, Want};
use crate::run::Context;
use crate::view::{Image, read};
use crate::watch::Follow;

/// The job type.
const JOB_NAME: &str = "APIExportImageFromBackupStorageMsg";

/// Flags of `image export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The image's uuid or name
    image: String,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// The image storage to read, by uuid or name [default: the first that has it]
    #[arg(long, value_name = "STORAGE")]
    from: Option<String>,
    /// The format to export [default: as it is stored]
    #[arg(long, value_name = "FORMAT", value_parser = ["raw", "qcow2"])]
    format: Option<String>,
    /// Leave the export there afterwards, and print its URL; `image unexport` takes it back
    #[arg(long)]
    keep: bool,
}

/// Exports an image.
pub async fn export(context: &mut Context, args: ExportArgs) -> Result<Exit, ClientError> {
    if args.to.exists() {
        return Err(ClientError::usage(format!("{} exists; give another name", args.to.display())));
    }
    // Before the export is made: one that nobody fetches would stay where anyone with its URL can read it.
    download::can_begin(&args.to)?;
    let image: Image = read(&lookup::image(&context.client, &args.image, Want::Any).await?)?;
    let place = place_of(context, &image, args.from.as_deref()).await?;
    let mut data = json!({"imageUuid": image.uuid, "backupStorageUuid": place});
    // Said each time, or an export that was left there in another format would be taken for it.
    let format = args.format.as_deref().unwrap_or(&image.format);
    if ["raw", "qcow2"].contains(&format) {
        data["exportFormat"] = Value::from(format);
    }
    let job = join::start(context, JOB_NAME, &format!("export image {}", image.name), &data).await?;
    let job = join::followed(context, &job)?;
    let how = Follow { label: Some(image.name.clone()), ..Follow::default() };
    let made = ending::to_end(&context.client, &mut context.console, &job, &how).await?;
    let Some(made) = made else {
        context.console.note("the same command goes on with it, and fetches the file then");
        return Ok(Exit::Interrupted);
    };
    let exit = ending::outcome(&mut context.console, &made);
    if exit != Exit::Ok {
        return Ok(exit);
    }
    let result = made.job.result().unwrap_or_default();
    let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
    let (url, md5) = (text("imageUrl"), text("exportMd5Sum"));
    // What was there before is left there: somebody else may be fetching it. An earlier run's is ours.
    let again = again(&args, &image.uuid);
    let back = format!("to take the export back: longhaul image unexport {} --from {place}", image.uuid);
    let stays = format!("the export stays on the server, at {url}\n  to go on: {again}\n  {back}");
    let with = |mut error: ClientError, left: &str| {
        error.details = format!("{}\n{left}", error.details);
        error
    };
    let ours = !args.keep
        && download::is_ours(&args.to, &url, result["existed"] == true).map_err(|e| with(e, &stays))?;
    let fetched = tokio::select! {
        fetched = download::fetch(&url, &args.to, &image.name, &md5) => Some(fetched.map_err(|e| with(e, &stays))?),
        _ = tokio::signal::ctrl_c() => None,
    };
    let Some(bytes) = fetched else {
        let part = download::part(&args.to);
        context.console.note(&format!("stopped; what came is in {}, and {stays}", part.display()));
        return Ok(Exit::Interrupted);
    };
    if ours {
        let path = ["backup-storage", &place, "exported-images", &image.uuid];
        let only = url.rsplit_once('.').map(|(_, format)| ("exportFormat", format));
        let query = only.into_iter().filter(|(_, format)| ["raw", "qcow2", "iso"].contains(format));
        let taken_back = context.client.call(Method::DELETE, &path, &query.collect::<Vec<_>>(), None).await;
        taken_back.map_err(|error| {
            let file = args.to.display();
            with(
                error,
                &format!("{file} has the image, and the export stays on the server, at {url}\n  {back}"),
            )
        })?;
        download::forget(&args.to);
    }
    let kept = if args.keep { format!("; it is also at {url}") } else { String::new() };
    let checked = if md5.is_empty() { "no MD5 told".to_owned() } else { format!("MD5 {md5}") };
    let size = human::bytes(bytes);
    let sentence =
        format!("exported image {} to {} ({size}, {checked}){kept}", image.uuid, args.to.display());
    let mut told = json!({"imageUuid": image.uuid, "file": args.to, "size": bytes, "exportMd5Sum": md5});
    if args.keep {
        told["imageUrl"] = Value::from(url);
    }
    context.console.done(&told, &sentence)?;
    Ok(Exit::Ok)
}

/// The command that goes on.
fn again(args: &ExportArgs, image: &str) -> String {
    let mut words =
        vec!["longhaul", "image", "export", image].into_iter().map(str::to_owned).collect::<Vec<_>>();
    words.extend(["--to".to_owned(), args.to.display().to_string()]);
    for (flag, value) in [("--from", &args.from), ("--format", &args.format)] {
        words.extend(value.iter().flat_map(|value| [flag.to_owned(), value.clone()]));
    }
    words.extend(args.keep.then(|| "--keep".to_owned()));
    human::command(&words)
}
