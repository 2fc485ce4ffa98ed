//! What the quickstart does, step by step, through the public API alone, and tells as it goes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
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
}

impl Story {
    /// Tells it.
    ///
    /// # Errors
    /// A step that did not go as it should.
    pub async fn tell(&self) -> Result<()> {
        let mut api = Api::new(&self.base);
        api.log_in().await?;
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
        let volume = uuid(&api.call("POST", "/v1/volumes/adopt", Some(&adopted)).await?)?;
        let job = self.submit(&api, &volume, &b).await?;
        let done = follow(&api, &job, self.kill).await?;
        self.conclude(&api, &done, &volume, &before, &source).await
    }

    async fn storage(&self, api: &Api, name: &str) -> Result<String> {
        let directory = self.directory.join(name);
        std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let body = json!({"params": {"name": name, "url": directory}});
        let added = api.call("POST", "/v1/primary-storage/local-storage", Some(&body)).await?;
        let uuid = uuid(&added)?;
        println!("  {name}       {uuid}  {}", directory.display());
        Ok(uuid)
    }

    async fn submit(&self, api: &Api, volume: &str, target: &str) -> Result<String> {
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
        let answer = api.call("POST", "/zstack/v1/longjobs", Some(&body)).await?;
        let job = uuid(&answer)?;
        println!("  job      {job}  {}", answer["inventory"]["state"].as_str().unwrap_or_default());
        println!();
        Ok(job)
    }

    async fn conclude(
        &self,
        api: &Api,
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
        let now = api.call("GET", &format!("/v1/volumes/{volume}"), None).await?;
        let path = &now["inventories"][0]["installPath"];
        if path.as_str() != target.to_str() {
            bail!("the volume's record points at {path}");
        }
        println!(
            "  source and target are equal; the source is in the trash of storage-a until it is cleaned."
        );
        self.next_steps(volume, done);
        Ok(())
    }

    fn next_steps(&self, volume: &str, done: &Value) {
        let job = done["uuid"].as_str().unwrap_or_default();
        println!();
        println!("Look around:");
        println!("  export LONGHAUL_URL={}", self.base);
        println!("  longhaul login          # account admin, password \"{}\"", demo::PASSWORD);
        println!("  longhaul job show {job}");
        println!("  longhaul volume show {volume}");
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

/// The few calls that the quickstart makes.
pub struct Api {
    http: reqwest::Client,
    base: String,
    session: String,
}

impl Api {
    fn new(base: &str) -> Self {
        Self { http: reqwest::Client::new(), base: base.to_owned(), session: String::new() }
    }

    async fn log_in(&mut self) -> Result<()> {
        let body = json!({"logInByAccount": {"accountName": "admin", "password": password::wire_form(demo::PASSWORD)}});
        let answer = self.call("PUT", "/zstack/v1/accounts/login", Some(&body)).await?;
        self.session = uuid(&answer)?;
        Ok(())
    }

    /// Calls and answers the result; where it takes longer than two seconds, polls for it.
    ///
    /// # Errors
    /// The server's error.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut url = format!("{}{path}", self.base);
        let mut request = self.http.request(method.parse()?, &url);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        loop {
            let response = request.header("Authorization", format!("OAuth {}", self.session)).send().await?;
            let status = response.status().as_u16();
            let answer: Value = serde_json::from_str(&response.text().await?)?;
            if status == 202 {
                if let Some(location) = answer["location"].as_str() {
                    url = location.to_owned();
                }
                pause(Duration::from_millis(250)).await;
                request = self.http.get(&url);
                continue;
            }
            if status != 200 {
                bail!(
                    "{method} {path}: {}",
                    answer["error"]["details"].as_str().unwrap_or(&answer.to_string())
                );
            }
            return Ok(answer);
        }
    }
}

/// Waits.
#[allow(clippy::disallowed_methods, reason = "the quickstart is a client beside the node")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
