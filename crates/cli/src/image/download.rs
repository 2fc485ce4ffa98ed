//! `image export`: an export of the image is made, fetched into a file, and taken back. A fetch that was cut goes on
//! from `FILE.part`; what came is compared with the export's MD5 by the server's entity tag alone, so a changed export
//! starts over.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::bar::Bytes;
use crate::error::{ClientError, LOST};
use crate::exit::Exit;
use crate::lookup;
use crate::pause::pause;
use crate::run::Context;
use crate::view::{Image, read};

/// How often a fetch that breaks off without a byte is tried.
const TRIES_MAX: u32 = 10;
/// Between two tries.
const AGAIN: Duration = Duration::from_secs(1);

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
    /// Leave the export there afterwards, and print its URL
    #[arg(long)]
    keep: bool,
}

/// Exports an image.
pub async fn export(context: &mut Context, args: ExportArgs) -> Result<Exit, ClientError> {
    if args.to.exists() {
        return Err(ClientError::usage(format!("{} exists; give another name", args.to.display())));
    }
    let image = lookup::image(&context.client, &args.image, false).await?;
    let view: Image = read(&image)?;
    let place = match &args.from {
        Some(place) => lookup::uuid(&lookup::image_storage(&context.client, place).await?)?,
        None => {
            let ready = view.backup_storage_refs.iter().find(|copy| copy.status == "Ready");
            let ready = ready.ok_or_else(|| ClientError::usage("the image is complete nowhere"))?;
            ready.backup_storage_uuid.clone()
        }
    };
    let mut params = json!({"imageUuid": view.uuid});
    // Said each time, or an export that was left there in another format would be taken for it.
    let format = args.format.as_deref().unwrap_or(&view.format);
    if ["raw", "qcow2"].contains(&format) {
        params["exportFormat"] = Value::from(format);
    }
    let path = ["backup-storage", place.as_str(), "actions"];
    let answer = context.client.action(&path, "exportImageFromBackupStorage", &params).await?;
    let url = answer["imageUrl"].as_str().unwrap_or_default().to_owned();
    let fetched = tokio::select! {
        fetched = fetch(&url, &args.to, &view.name) => Some(fetched?),
        _ = tokio::signal::ctrl_c() => None,
    };
    let Some(bytes) = fetched else {
        context.console.note("stopped; the same command goes on from what came");
        return Ok(Exit::Interrupted);
    };
    // What was there before is left there: somebody else may be fetching it.
    if !args.keep && answer["existed"] != true {
        let path = ["backup-storage", &place, "exported-images", &view.uuid];
        let only = url.rsplit_once('.').map(|(_, format)| ("exportFormat", format));
        let query = only.into_iter().filter(|(_, format)| ["raw", "qcow2", "iso"].contains(format));
        context.client.call(Method::DELETE, &path, &query.collect::<Vec<_>>(), None).await?;
    }
    let size = crate::human::bytes(bytes);
    let url = if args.keep { format!("; it is also at {url}") } else { String::new() };
    let sentence = format!("exported image {} to {} ({size}){url}", view.uuid, args.to.display());
    context.console.done(&answer, &sentence)?;
    Ok(Exit::Ok)
}

/// `FILE` with something behind its name.
fn beside(file: &Path, what: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(what);
    name.into()
}

/// Fetches `url` to a file, going on from what came before; answers how many bytes it has.
async fn fetch(url: &str, file: &Path, label: &str) -> Result<u64, ClientError> {
    let (part, tag_file) = (beside(file, ".part"), beside(file, ".part.tag"));
    let local = |why: std::io::Error| ClientError::local(format!("{}: {why}", part.display()));
    let http = reqwest::Client::new();
    let mut tries = 0;
    loop {
        let had = tokio::fs::metadata(&part).await.map_or(0, |meta| meta.len());
        let tag = tokio::fs::read_to_string(&tag_file).await.ok();
        match piece(&http, url, &part, &tag_file, had, tag.as_deref(), label).await {
            Ok(bytes) => {
                tokio::fs::rename(&part, file).await.map_err(local)?;
                let _ = tokio::fs::remove_file(&tag_file).await; // it is of use to nobody now
                return Ok(bytes);
            }
            Err(error) if error.code != LOST => return Err(error),
            Err(error) => {
                let got = tokio::fs::metadata(&part).await.map_or(0, |meta| meta.len());
                tries = if got > had { 0 } else { tries + 1 };
                if tries >= TRIES_MAX {
                    return Err(error);
                }
                pause(AGAIN).await;
            }
        }
    }
}

async fn piece(
    http: &reqwest::Client,
    url: &str,
    part: &Path,
    tag_file: &Path,
    had: u64,
    tag: Option<&str>,
    label: &str,
) -> Result<u64, ClientError> {
    let broke = |e: reqwest::Error| {
        ClientError::new(
            LOST,
            "The fetch was cut",
            format!("{}; run the command again and it goes on", e.without_url()),
        )
    };
    let local = |why: std::io::Error| ClientError::local(format!("{}: {why}", part.display()));
    let mut request = http.get(url);
    if let (true, Some(tag)) = (had > 0, tag) {
        request = request.header(RANGE, format!("bytes={had}-")).header(IF_RANGE, tag);
    }
    let mut answer = request.send().await.map_err(broke)?;
    let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (from, total) = match answer.status() {
        StatusCode::OK => (0, text(CONTENT_LENGTH).and_then(|n| n.parse().ok())),
        StatusCode::PARTIAL_CONTENT => {
            (had, text(CONTENT_RANGE).and_then(|r| r.rsplit('/').next()?.parse().ok()))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => return Ok(had), // all of it came before
        status if status.is_server_error() => {
            let details = format!("the server answered {}", status.as_u16());
            return Err(ClientError::new(LOST, "The fetch was cut", details));
        }
        status => {
            let text = answer.text().await.unwrap_or_default();
            return Err(ClientError::of_answer(status.as_u16(), &text));
        }
    };
    let total: u64 = total.ok_or_else(|| ClientError::bad_answer("it does not say how long it is"))?;
    let tag = text(ETAG);
    let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(part).await.map_err(local)?;
    file.set_len(from).await.map_err(local)?;
    if let Some(tag) = tag {
        tokio::fs::write(tag_file, tag).await.map_err(local)?;
    }
    let mut bar = Bytes::new(label, total);
    let mut at = from;
    while let Some(bytes) = answer.chunk().await.map_err(broke)? {
        file.write_all(&bytes).await.map_err(local)?;
        at += bytes.len() as u64;
        bar.at(at);
    }
    file.sync_all().await.map_err(local)?;
    if at != total {
        let details = format!("{at} of {total} bytes came; run the command again and it goes on");
        return Err(ClientError::new(LOST, "The fetch was cut", details));
    }
    Ok(at)
}
