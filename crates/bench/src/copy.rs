//! One migration of the disk between two local storages against `qemu-img convert`, `cp` and `dd`. The
//! source is put out of the page cache before each copy; every copy ends with its target durable.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{Advice, fadvise};
use serde_json::{Value, json};

use crate::api::{Api, uuid};
use crate::place::Place;
use crate::report::Report;
use crate::server::Server;
use crate::warm;

/// By this file a directory belongs to one storage.
const MARK: &str = ".longhaul-storage";
/// Between looks at the job; the error of its stages' times.
const LOOK: Duration = Duration::from_millis(5);

/// One round.
pub async fn measure(place: &Place, disk: &Path, report: &mut Report) -> Result<()> {
    let peers = place.fresh("peers");
    std::fs::create_dir_all(&peers)?;
    // Who is first in one round is last in the next.
    let (job, (convert, cp)) = if report.count("copy.job").is_multiple_of(2) {
        let job = migrate(place, disk).await?;
        (job, copy_with_tools(disk, &peers)?)
    } else {
        let tools = copy_with_tools(disk, &peers)?;
        (migrate(place, disk).await?, tools)
    };
    forget(&job.target)?;
    let mut dd = Command::new("dd");
    dd.arg(format!("if={}", job.target.display())).args([
        "of=/dev/null",
        "iflag=direct",
        "bs=4M",
        "status=none",
    ]);
    let dd = timed(&mut dd)?;
    std::fs::remove_dir_all(peers)?;
    std::fs::remove_dir_all(&job.storage)?;
    report.add("copy.job", job.copied_s);
    report.add("copy.mapping", job.mapped_s);
    report.add("copy.convert", convert);
    report.add("copy.cp", cp);
    report.add("copy.of_convert", convert / job.copied_s);
    report.add("copy.of_cp", cp / job.copied_s);
    report.add("copy.read_back", job.read_back_s);
    report.add("copy.dd", dd);
    report.add("copy.read_back.of_dd", job.read_back_s / dd);
    report.add("copy.whole", job.copied_s + job.read_back_s);
    Ok(())
}

/// How long qemu-img and cp take, in s.
fn copy_with_tools(disk: &Path, peers: &Path) -> Result<(f64, f64)> {
    let (a, b) = (peers.join("a"), peers.join("b"));
    forget(disk)?;
    let mut qemu = Command::new("qemu-img");
    qemu.args(["convert", "-t", "none", "-m", "4", "-f", "qcow2", "-O", "qcow2"]).arg(disk).arg(&a);
    let convert = timed(&mut qemu)? + timed(Command::new("sync").arg(&a))?;
    forget(disk)?;
    let cp = timed(Command::new("cp").arg("--sparse=always").arg(disk).arg(&b))?;
    Ok((convert, cp + timed(Command::new("sync").arg(&b))?))
}

struct Migrated {
    /// From the submission until the target is mapped and copying begins, s.
    mapped_s: f64,
    /// From the submission until reading back begins, s.
    copied_s: f64,
    /// From there to the job's end, s.
    read_back_s: f64,
    target: PathBuf,
    storage: PathBuf,
}

async fn migrate(place: &Place, disk: &Path) -> Result<Migrated> {
    let (home, storage) = (place.home("copy").await?, place.fresh("storage-b"));
    std::fs::create_dir_all(&storage)?;
    let server = Server::start(place, &home, &[])?;
    let mut admin = Api::admin(server.address).await?;
    let from = add_storage(&mut admin, disk.parent().context("no directory")?).await?;
    let to = add_storage(&mut admin, &storage).await?;
    let adopted = json!({"params": {"name": "disk", "primaryStorageUuid": from, "installPath": disk}});
    let volume = uuid(&admin.call("POST", "/v1/volumes/adopt", &adopted.to_string()).await?)?;
    let body = json!({"params": {
        "name": "migrate-volume",
        "jobName": "APIPrimaryStorageMigrateVolumeMsg",
        "jobData": json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to}).to_string(),
        "targetResourceUuid": volume,
    }});
    forget(disk)?;
    admin.connect_again(server.address).await?; // idle connections are closed
    let begin = Instant::now();
    let job = admin.call("POST", "/v1/longjobs", &body.to_string()).await?["inventory"].clone();
    let (id, api) = (job["uuid"].as_str().context("no uuid")?, job["apiId"].as_str().context("no apiId")?);
    let (mut copying_since, mut reading_since) = (None, None);
    let done = loop {
        let progress = admin.call("GET", &format!("/v1/task-progresses/{api}"), "").await?;
        match progress["inventories"][0]["opaque"]["stage"].as_str() {
            Some("copying") if copying_since.is_none() => copying_since = Some(begin.elapsed()),
            Some("verifying") if reading_since.is_none() => reading_since = Some(begin.elapsed()),
            _ => {}
        }
        let now = admin.call("GET", &format!("/v1/longjobs/{id}"), "").await?["inventories"][0].clone();
        match now["state"].as_str() {
            Some("Succeeded") => break now,
            Some("Waiting" | "Running") => tokio::time::sleep(LOOK).await,
            other => bail!("the migration is {other:?}: {}", now["jobResult"]),
        }
    };
    let whole = begin.elapsed();
    let read_since = reading_since.context("no reading back was seen")?;
    let result: Value = serde_json::from_str(done["jobResult"].as_str().unwrap_or_default())?;
    let target = PathBuf::from(result["migration"]["newInstallPath"].as_str().context("no new path")?);
    server.stop()?;
    home.remove().await?;
    let mapped_s = copying_since.context("no copying was seen")?.as_secs_f64();
    let (copied_s, read_back_s) = (read_since.as_secs_f64(), (whole - read_since).as_secs_f64());
    Ok(Migrated { mapped_s, copied_s, read_back_s, target, storage })
}

/// Adds a directory; its uuid.
pub async fn add_storage(admin: &mut Api, directory: &Path) -> Result<String> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    // The mark of an earlier round, whose server is gone.
    match std::fs::remove_file(directory.join(MARK)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let body = json!({"params": {"name": name, "url": directory}}).to_string();
    uuid(&admin.call("POST", "/v1/primary-storage/local-storage", &body).await?)
}

/// Puts a file out of the page cache, and fills the memory for what is timed next.
pub fn forget(path: &Path) -> Result<()> {
    let file = File::open(path)?;
    file.sync_all()?;
    fadvise(&file, 0, None, Advice::DontNeed)?;
    warm::memory()?;
    Ok(())
}

/// How long a program takes, in s.
pub fn timed(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(start.elapsed().as_secs_f64())
}
