//! What the quickstart does, step by step, through the public API alone, and tells as it goes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use longhaul_cli::Client;
use serde_json::{Value, json};

use super::disk;
use super::follow::follow;
use crate::auth::password;
use crate::demo;

/// What is shown.
pub struct Story {
    /// The server.
    pub base: String,
    /// Where the storages' directories go.
    pub directory: PathBuf,
    /// Kill the copying process once.
    pub kill: bool,
    /// Seed of the bytes.
    pub seed: u64,
    /// Most bytes per second; 0 = unlimited.
    pub rate: u64,
    /// Whether the server stays up, to be looked at.
    pub stays: bool,
}

impl Story {
    /// Tells it.
    ///
    /// # Errors
    /// A step that did not go as it should.
    pub async fn tell(&self) -> Result<()> {
        let api = self.log_in().await?;
        let (a, b) = (self.storage(&api, "storage-a").await?, self.storage(&api, "storage-b").await?);
        println!();
        println!(
            "A disk: {} MiB for the guest, {} extents of random bytes (seed {}), an unaligned tail.",
            disk::DISK_BYTES >> 20,
            disk::EXTENTS + 1,
            self.seed
        );
        let source = self.directory.join("storage-a").join("disk.qcow2");
        let (directory, seed) = (self.directory.join("storage-a"), self.seed);
        heavy(move || disk::make(&directory, "disk.qcow2", seed)).await?;
        let before = checksum(&source).await?;
        println!("  source   {}", source.display());
        println!("  SHA-256  {before}  (guest bytes)");
        let adopted =
            json!({"params": {"name": "quickstart", "primaryStorageUuid": a, "installPath": source}});
        let volume = uuid(&api.post(&["volumes", "adopt"], &adopted).await?)?;
        let (job, api_id) = self.submit(&api, &volume, &b).await?;
        let done = follow(&api, &job, &api_id, self.kill).await?;
        self.conclude(&api, &done, &volume, &before, &source).await
    }

    async fn log_in(&self) -> Result<Client> {
        let mut api = Client::new(&self.base, None)?;
        let who = json!({"accountName": "admin", "password": password::wire_form(demo::PASSWORD)});
        let session = uuid(&api.action(&["accounts", "login"], "logInByAccount", &who).await?)?;
        api.set_token(Some(session));
        Ok(api)
    }

    async fn storage(&self, api: &Client, name: &str) -> Result<String> {
        let directory = self.directory.join(name);
        std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let body = json!({"params": {"name": name, "url": directory}});
        let added = api.post(&["primary-storage", "local-storage"], &body).await?;
        let uuid = uuid(&added)?;
        println!("  {name}       {uuid}  {}", directory.display());
        Ok(uuid)
    }

    async fn submit(&self, api: &Client, volume: &str, target: &str) -> Result<(String, String)> {
        let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": target}).to_string();
        let body = json!({
            "params": {
                "name": "migrate-volume",
                "jobName": "APIPrimaryStorageMigrateVolumeMsg",
                "jobData": data,
                "targetResourceUuid": volume,
            },
            "systemTags": [format!("longhaul::throttle::{}", self.rate)],
        });
        println!();
        println!("A long job moves it: POST {}/zstack/v1/longjobs", self.base);
        println!("  {}", body["params"]);
        let answer = api.post(&["longjobs"], &body).await?;
        let job = uuid(&answer)?;
        println!("  job      {job}  {}", answer["inventory"]["state"].as_str().unwrap_or_default());
        println!();
        Ok((job, answer["inventory"]["apiId"].as_str().unwrap_or_default().to_owned()))
    }

    async fn conclude(
        &self,
        api: &Client,
        done: &Value,
        volume: &str,
        before: &str,
        source: &Path,
    ) -> Result<()> {
        let result: Value = serde_json::from_str(done["jobResult"].as_str().unwrap_or("{}"))?;
        if done["state"] != "Succeeded" {
            bail!("the job ended {}: {}", done["state"], result);
        }
        let target = PathBuf::from(result["migration"]["newInstallPath"].as_str().unwrap_or_default());
        let after = checksum(&target).await?;
        println!("Moved, read back from the device and switched over in one transaction.");
        println!("  target   {}", target.display());
        println!("  SHA-256  {after}  (guest bytes)");
        println!(
            "  BLAKE3   {}  (guest bytes, as the job saw them)",
            result["migration"]["blake3"].as_str().unwrap_or_default()
        );
        if before != after {
            bail!("the guest bytes of {} and {} differ", source.display(), target.display());
        }
        let now = api.list(&["volumes", volume], &[]).await?;
        let path = now.first().map(|v| v["installPath"].clone()).unwrap_or_default();
        if path.as_str() != target.to_str() {
            bail!("the volume's record points at {path}");
        }
        println!(
            "  source and target are equal; the source is in the trash of storage-a until it is cleaned."
        );
        if self.stays {
            self.next_steps(volume, done);
        }
        Ok(())
    }

    fn next_steps(&self, volume: &str, done: &Value) {
        let job = done["uuid"].as_str().unwrap_or_default();
        let program = std::env::current_exe().map_or_else(|_| "longhaul".into(), |p| p.display().to_string());
        println!();
        println!("Look around:");
        println!("  export LONGHAUL_URL={}", self.base);
        println!("  {program} login          # account admin, password \"{}\"", demo::PASSWORD);
        println!("  {program} job show {job}");
        println!("  {program} volume show {volume}");
    }
}

async fn checksum(path: &Path) -> Result<String> {
    let path = path.to_owned();
    heavy(move || disk::checksum(&path)).await
}

async fn heavy<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| anyhow!("a step of the quickstart broke off"))?
}

fn uuid(answer: &Value) -> Result<String> {
    answer["inventory"]["uuid"].as_str().map(str::to_owned).ok_or_else(|| anyhow!("no uuid in {answer}"))
}

/// Waits.
#[allow(clippy::disallowed_methods, reason = "the quickstart is a client beside the node")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
