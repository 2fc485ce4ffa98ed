//! `image upload`: a long job that waits for the bytes, and the bytes by tus 1.0 to the URL that it tells. The job's
//! uuid is made of the image's name and the file's, so the same command run again finds its job and goes on at the
//! server's offset.
//!
//! Source: <https://tus.io/protocols/resumable-upload> (1.0.0).

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use longhaul_model::JobState;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::Said;
use super::add::{JOB_NAME, followed, named};
use super::bar::Bytes;
use crate::client::inventory;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::job::submit;
use crate::pause::{Growing, moment, pause};
use crate::run::Context;
use crate::view::{Job, read};

/// Bytes of one request: what is sent again, at most, when a connection breaks.
pub const PIECE_BYTES: u64 = 16 << 20;
/// How long the server may be away, or give no URL, before the command ends; run again it goes on.
const AWAY: Duration = Duration::from_secs(60);
const VERSION: &str = "1.0.0";

/// Flags of `image upload`.
#[derive(Debug, Args)]
pub struct UploadArgs {
    /// The file
    file: PathBuf,
    /// The image's name [default: the file's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    said: Said,
}

/// Uploads a file.
pub async fn upload(context: &mut Context, args: UploadArgs) -> Result<Exit, ClientError> {
    let local = |why: std::io::Error| ClientError::local(format!("{}: {why}", args.file.display()));
    let mut file = tokio::fs::File::open(&args.file).await.map_err(local)?;
    let size = file.metadata().await.map_err(local)?.len();
    let of_file = args.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = args.name.clone().unwrap_or(of_file);
    let id = identity(context, &args.file, size, &name);
    let job = match waiting_job(context, &id).await? {
        Some(job) => job,
        None => begin(context, &args, &name, &id).await?,
    };
    context.console.note(&format!("job {job}; run the same command again to go on after a break"));
    let sent = async {
        let Some(url) = upload_url(context, &job).await? else { return Ok(()) };
        let mut bar = Bytes::new(&name, size);
        send(&reqwest::Client::new(), &url, &mut file, size, &mut bar).await
    };
    tokio::select! {
        sent = sent => sent?,
        _ = tokio::signal::ctrl_c() => {
            context.console.note("stopped; the same command goes on from what the server has");
            return Ok(Exit::Interrupted);
        }
    }
    followed(context, &job, name).await
}

/// What the upload of this file under this name to this server is known by: its tag, 64 digits.
fn identity(context: &Context, file: &Path, size: u64, name: &str) -> String {
    let path = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let modified = path.metadata().and_then(|m| m.modified()).ok();
    let modified = modified.and_then(|m| m.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    let text =
        format!("{}\n{}\n{size}\n{}\n{name}", context.client.base(), path.display(), modified.as_nanos());
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The job of an earlier run of the command that still wants bytes. A suspended one is resumed.
async fn waiting_job(context: &Context, id: &str) -> Result<Option<String>, ClientError> {
    let query = [("q", format!("__systemTag__=uploadImage::{id}")), ("sort", "-createDate".to_owned())];
    let query: Vec<_> = query.iter().map(|(key, value)| (*key, value.as_str())).collect();
    for row in context.client.list(&["longjobs"], &query).await? {
        let job: Job = read(&row)?;
        match job.state {
            JobState::Waiting | JobState::Running => return Ok(Some(job.uuid)),
            JobState::Suspended => {
                context
                    .client
                    .action(&["longjobs", &job.uuid, "actions"], "resumeLongJob", &json!({}))
                    .await?;
                return Ok(Some(job.uuid));
            }
            JobState::Canceling | JobState::Canceled | JobState::Succeeded | JobState::Failed => {}
        }
    }
    Ok(None)
}

async fn begin(
    context: &mut Context,
    args: &UploadArgs,
    name: &str,
    id: &str,
) -> Result<String, ClientError> {
    let file = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let data = args.said.data(context, name, &format!("upload://{file}")).await?;
    let params = json!({"name": named("upload", name), "jobName": JOB_NAME, "jobData": data.to_string()});
    let tags = [format!("uploadImage::{id}")];
    let job: Job = read(&inventory(submit::send(context, params, &tags, &[]).await?)?)?;
    Ok(job.uuid)
}

/// The URL to send to, once the job runs and tells it; `None` for a job that has ended.
async fn upload_url(context: &Context, job: &str) -> Result<Option<String>, ClientError> {
    let (began, mut pauses) = (moment(), Growing::new(Duration::from_millis(50), Duration::from_secs(1)));
    loop {
        let rows = context.client.list(&["longjobs", job], &[]).await?;
        let row = rows.first().ok_or_else(|| ClientError::not_found(format!("job {job} is gone")))?;
        let view: Job = read(row)?;
        if view.state.is_final() {
            return Ok(None);
        }
        let result = view.result().unwrap_or_default();
        let path = &result["inventory"]["backupStorageRefs"][0]["installPath"];
        if let Some(url) = path.as_str().filter(|url| url.starts_with("http")) {
            return Ok(Some(url.to_owned()));
        }
        if began.elapsed() > AWAY {
            let details = format!("job {job} tells no URL to upload to; `longhaul job show {job}` says why");
            return Err(ClientError::new(crate::error::LOST, "The upload cannot begin", details));
        }
        pause(pauses.step()).await;
    }
}

/// Sends what the server has not, piece after piece, however often the connection breaks.
async fn send(
    http: &reqwest::Client,
    url: &str,
    file: &mut tokio::fs::File,
    size: u64,
    bar: &mut Bytes,
) -> Result<(), ClientError> {
    let (mut reached, mut pauses) =
        (moment(), Growing::new(Duration::from_millis(100), Duration::from_secs(2)));
    let mut created = false;
    loop {
        let why = match round(http, url, file, size, bar, &mut created).await {
            Ok(true) => return Ok(()),
            Ok(false) => {
                reached = moment();
                pauses = Growing::new(Duration::from_millis(100), Duration::from_secs(2));
                continue;
            }
            Err(Broke::For(error)) => return Err(*error),
            Err(Broke::Again(why)) => why,
        };
        if reached.elapsed() > AWAY {
            let details = format!("{why}; run the command again and it goes on");
            return Err(ClientError::new(crate::error::LOST, "The upload was cut", details));
        }
        pause(pauses.step()).await;
    }
}

/// Why a request did not do.
enum Broke {
    /// It may at a later try.
    Again(String),
    /// It will not.
    For(Box<ClientError>),
}

/// Asks where the server stands and sends one piece; whether that was the last.
async fn round(
    http: &reqwest::Client,
    url: &str,
    file: &mut tokio::fs::File,
    size: u64,
    bar: &mut Bytes,
    created: &mut bool,
) -> Result<bool, Broke> {
    if !*created {
        let asked = http.request(Method::POST, url).header("Upload-Length", size);
        // 409: it was created before.
        let answer = asked.header("Tus-Resumable", VERSION).header("Content-Length", 0).send().await;
        let answer = answer.map_err(|e| Broke::Again(e.without_url().to_string()))?;
        if answer.status() != StatusCode::CONFLICT {
            done(answer).await?;
        }
        *created = true;
    }
    let asked = http.head(url).header("Tus-Resumable", VERSION).send().await;
    let answer = done(asked.map_err(|e| Broke::Again(e.without_url().to_string()))?).await?;
    let offset = number(&answer, "upload-offset")?;
    if number(&answer, "upload-length").is_ok_and(|length| length != size) || offset > size {
        let details = "the file is not the one whose upload began; give another name, or cancel the job";
        return Err(Broke::For(Box::new(ClientError::usage(details))));
    }
    bar.at(offset);
    if offset == size {
        return Ok(true);
    }
    let mut piece = vec![0; usize::try_from((size - offset).min(PIECE_BYTES)).unwrap_or(0)];
    let read = async {
        file.seek(std::io::SeekFrom::Start(offset)).await?;
        file.read_exact(&mut piece).await
    };
    read.await.map_err(|e| Broke::For(Box::new(ClientError::local(format!("the file: {e}")))))?;
    let digest = Sha256::digest(&piece);
    let sent = http
        .patch(url)
        .header("Tus-Resumable", VERSION)
        .header("Upload-Offset", offset)
        .header("Upload-Checksum", format!("sha256 {}", base64(&digest)))
        .header("Content-Type", "application/offset+octet-stream")
        .body(piece)
        .send()
        .await;
    let answer = done(sent.map_err(|e| Broke::Again(e.without_url().to_string()))?).await?;
    let offset = number(&answer, "upload-offset")?;
    bar.at(offset);
    Ok(offset == size)
}

/// The answer of a success; others may become one, or not.
async fn done(answer: Response) -> Result<Response, Broke> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let text = answer.text().await.unwrap_or_default();
    let again = status.is_server_error() || [409, 423, 429, 460].contains(&status.as_u16()); // another holds it, or a piece came broken
    if again {
        return Err(Broke::Again(format!("the server answered {}", status.as_u16())));
    }
    Err(Broke::For(Box::new(ClientError::of_answer(status.as_u16(), &text))))
}

fn number(answer: &Response, name: &str) -> Result<u64, Broke> {
    let headers: &HeaderMap = answer.headers();
    let found = headers.get(name).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    found.ok_or_else(|| Broke::For(Box::new(ClientError::bad_answer(format!("it has no {name}")))))
}

/// Standard base64, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let group =
            three.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
