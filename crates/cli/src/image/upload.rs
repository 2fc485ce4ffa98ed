//! `image upload`: a long job that waits for the bytes, and the bytes to the URL that it tells. The job is found again by
//! a tag made of the image's name and the file's, so the same command run again goes on at the server's offset. What is
//! left after a break is told, with the commands that go on and that take it back. How bytes are sent is in `tus`.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::Args;
use longhaul_model::JobState;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::add::{JOB_NAME, followed};
use super::bar::Bytes;
use super::{Said, tus};
use crate::client::inventory;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human;
use crate::job::submit;
use crate::pause::{Growing, moment, pause};
use crate::run::Context;
use crate::view::{Job, read};
use crate::watch::find_job;

/// How long a job may give no URL before the command ends; run again it goes on.
const AWAY: Duration = Duration::from_secs(60);

/// Flags of `image upload`.
#[derive(Debug, Args)]
pub struct UploadArgs {
    /// The file
    file: PathBuf,
    /// The image's name [default: the file's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The image storage to keep it on, by uuid or name: one, which is a directory
    #[arg(long, value_name = "STORAGE")]
    to: String,
    #[command(flatten)]
    said: Said,
}

/// The file, as it was when the command began.
pub struct Source {
    /// To read from.
    pub file: tokio::fs::File,
    /// Its length, in bytes.
    pub size: u64,
    modified: Option<SystemTime>,
}

impl Source {
    /// Opens a file that can be sent.
    ///
    /// # Errors
    /// It cannot be read, is none, or is empty.
    async fn open(path: &Path) -> Result<Self, ClientError> {
        let local = |why: std::io::Error| {
            ClientError::local(format!("{} cannot be read: {why}; nothing was submitted", path.display()))
        };
        // A pipe would be waited for.
        let kind = tokio::fs::metadata(path).await.map_err(local)?;
        if !kind.is_file() {
            return Err(ClientError::usage(format!(
                "{} is no regular file; `qemu-img convert` makes one of a device. Nothing was submitted",
                path.display()
            )));
        }
        let file = tokio::fs::File::open(path).await.map_err(local)?;
        let meta = file.metadata().await.map_err(local)?;
        if meta.len() == 0 {
            return Err(ClientError::usage(format!("{} is empty; nothing was submitted", path.display())));
        }
        Ok(Self { file, size: meta.len(), modified: meta.modified().ok() })
    }

    /// The error if it was written to since.
    ///
    /// # Errors
    /// It was, or cannot be looked at.
    pub async fn unchanged(&self) -> Result<(), ClientError> {
        let now = self.file.metadata().await;
        let now = now.map_err(|why| ClientError::local(format!("the file cannot be read: {why}")))?;
        if (now.len(), now.modified().ok()) == (self.size, self.modified) {
            return Ok(());
        }
        Err(ClientError::local("the file was changed while it was sent, so what the server has is no image"))
    }
}

/// Uploads a file.
pub async fn upload(context: &mut Context, args: UploadArgs) -> Result<Exit, ClientError> {
    let mut source = Source::open(&args.file).await?;
    let of_file = args.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = args.name.clone().unwrap_or(of_file);
    let id = identity(context, &args.file, &source, &name);
    let job = match waiting_job(context, &id).await? {
        Some(job) => {
            context.console.note(&format!("job {job} of an earlier run goes on from what the server has"));
            job
        }
        None => {
            let job = begin(context, &args, &name, &id).await?;
            context.console.note(&format!("job {job}"));
            job
        }
    };
    let sent = async {
        let Some(url) = upload_url(context, &job).await? else { return Ok(()) };
        let mut bar = Bytes::new(&name, source.size);
        tus::send(&url, &mut source, &mut bar).await
    };
    let stopped = tokio::select! {
        sent = sent => sent.err(),
        _ = tokio::signal::ctrl_c() => {
            context.console.note(&format!("stopped; {}", left(context, &args, &job, true)));
            return Ok(Exit::Interrupted);
        }
    };
    let Some(mut error) = stopped else { return followed(context, &job, name).await };
    // A job that is over says better why nobody takes the bytes.
    if let Ok(row) = find_job(&context.client, &job).await
        && read::<Job>(&row)?.state.is_final()
    {
        return followed(context, &job, name).await;
    }
    let goes_on = source.unchanged().await.is_ok();
    error.details = format!("{}\n{}", error.details, left(context, &args, &job, goes_on));
    Err(error)
}

/// What a break leaves, and what can be done with it.
fn left(context: &Context, args: &UploadArgs, job: &str, goes_on: bool) -> String {
    let mut told = format!("the job {job} waits for the rest, and keeps what came and the image's record");
    if goes_on {
        told.push_str(&format!("\n  to go on: {}", again(context, args)));
    }
    told.push_str(&format!("\n  to take it back: longhaul job cancel {job}"));
    told
}

/// The command that goes on.
fn again(context: &Context, args: &UploadArgs) -> String {
    let mut words = ["longhaul", "image", "upload"].map(str::to_owned).to_vec();
    if context.sessions.current.as_deref().unwrap_or(crate::config::DEFAULT_URL) != context.client.base() {
        words.extend(["--url".to_owned(), context.client.base().to_owned()]);
    }
    words.push(args.file.display().to_string());
    words.extend(args.name.iter().flat_map(|name| ["--name".to_owned(), name.clone()]));
    words.extend(["--to".to_owned(), args.to.clone()]);
    words.extend(args.said.words());
    human::command(&words)
}

/// What the upload of this file under this name to this server is known by: its tag, 64 digits.
fn identity(context: &Context, file: &Path, source: &Source, name: &str) -> String {
    let path = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let modified = source.modified.and_then(|m| m.duration_since(std::time::UNIX_EPOCH).ok());
    let text = format!(
        "{}\n{}\n{}\n{}\n{name}",
        context.client.base(),
        path.display(),
        source.size,
        modified.unwrap_or_default().as_nanos()
    );
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
    let places = std::slice::from_ref(&args.to);
    let data = args.said.data(context, places, name, &format!("upload://{file}")).await?;
    let params = json!({
        "name": submit::job_name(&format!("upload image {name}")),
        "jobName": JOB_NAME,
        "jobData": data.to_string(),
    });
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
