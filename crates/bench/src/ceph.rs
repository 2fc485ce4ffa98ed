//! A disk of 4 GiB, half of it holes, from a file to a Ceph pool against `rbd import`, and on to another pool against
//! `rbd deep cp`. `LONGHAUL_BENCH_CEPH_CONF` names the cluster, which has the pools `ps-a` and `ps-b`; that of
//! `tests/tools/ceph-dev-cluster.sh` does.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::api::{Api, uuid};
use crate::copy::{add_storage, forget, timed};
use crate::disk::next;
use crate::place::Place;
use crate::report::Report;
use crate::server::Server;
use crate::warm;

/// Names the ceph.conf.
pub const CONF: &str = "LONGHAUL_BENCH_CEPH_CONF";
const POOLS: [&str; 2] = ["ps-a", "ps-b"];
/// Large enough that what opening a pool takes, some tenths of a second on either side, does not decide.
const DISK_BYTES: u64 = 4 << 30;
/// Every other one is a hole: whole objects of a pool.
const EXTENT_BYTES: u64 = 4 << 20;
/// Seconds that the removal of an image is tried for.
const REMOVALS_TRIED: u32 = 60;
/// Between looks at the job; the error of its stages' times. Each look costs processor time that the copy needs.
const LOOK: Duration = Duration::from_millis(25);
/// At every so many of them the memory is looked at.
const LOOKS_OF_MEMORY: u32 = 20;
/// At every so many of them the job's state is looked at, while it copies.
const LOOKS_OF_STATE: u32 = 10;

/// The disk, and the cluster.
pub struct Cluster {
    conf: PathBuf,
    disk: PathBuf,
}

/// Makes the disk; `None` where no cluster is named.
pub fn prepare(place: &Place) -> Result<Option<Cluster>> {
    let Some(conf) = std::env::var_os(CONF).map(PathBuf::from) else {
        eprintln!("{CONF} is not set: pools are not measured");
        return Ok(None);
    };
    let directory = place.dir.join("storage-ceph");
    std::fs::create_dir_all(&directory)?;
    let disk = directory.join("disk.raw");
    let file = File::create(&disk)?;
    file.set_len(DISK_BYTES)?;
    let (mut state, mut extent) = (7, vec![0u8; EXTENT_BYTES as usize]);
    for number in 0..DISK_BYTES / EXTENT_BYTES / 2 {
        for word in extent.chunks_exact_mut(8) {
            word.copy_from_slice(&next(&mut state).to_le_bytes());
        }
        file.write_all_at(&extent, number * 2 * EXTENT_BYTES)?;
    }
    file.sync_all()?;
    Ok(Some(Cluster { conf, disk }))
}

/// One round.
pub async fn measure(place: &Place, cluster: &Cluster, report: &mut Report) -> Result<()> {
    if report.count("ceph.import") == 0 {
        peers(cluster)?; // where the OSD's device is a file, who writes first makes it grow: 20 % slower
    }
    // Who is first in one round is last in the next.
    let (ours, peers) = if report.count("ceph.import").is_multiple_of(2) {
        let ours = migrate_twice(place, cluster).await?;
        (ours, peers(cluster)?)
    } else {
        let peers = peers(cluster)?;
        (migrate_twice(place, cluster).await?, peers)
    };
    let ([to_pool, between], (import, deep_cp)) = (ours, peers);
    report.add("ceph.import", to_pool.copied_s);
    report.add("ceph.import.whole", to_pool.whole_s);
    report.add("ceph.import.peer", import);
    report.add("ceph.import.of_peer", import / to_pool.copied_s);
    report.add("ceph.import.whole.of_peer", import / to_pool.whole_s);
    report.add("ceph.between", between.copied_s);
    report.add("ceph.between.whole", between.whole_s);
    report.add("ceph.between.peer", deep_cp);
    report.add("ceph.between.of_peer", deep_cp / between.copied_s);
    report.add("ceph.between.whole.of_peer", deep_cp / between.whole_s);
    report.add("ceph.memory", to_pool.memory_mib.max(between.memory_mib));
    Ok(())
}

fn rbd(cluster: &Cluster, args: &[&str]) -> Command {
    let mut command = Command::new("rbd");
    command.arg("--conf").arg(&cluster.conf).args(args);
    command
}

/// How long `rbd import` and `rbd deep cp` take, in s.
fn peers(cluster: &Cluster) -> Result<(f64, f64)> {
    let [a, b] = POOLS.map(|pool| format!("{pool}/longhaul-bench-peer"));
    forget(&cluster.disk)?;
    let import = timed(rbd(cluster, &["import", "--no-progress"]).arg(&cluster.disk).arg(&a))?;
    warm::memory()?;
    let deep_cp = timed(&mut rbd(cluster, &["deep", "cp", "--no-progress", &a, &b]))?;
    for image in [a, b] {
        timed(&mut rbd(cluster, &["rm", "--no-progress", &image]))?;
    }
    Ok((import, deep_cp))
}

/// Removes an image, with the snapshot that it was copied from: the server was stopped before it removed that. A
/// process that held it may be taken for alive for half a minute after its end.
async fn remove(cluster: &Cluster, image: &str) -> Result<()> {
    for _ in 0..REMOVALS_TRIED {
        if timed(&mut rbd(cluster, &["snap", "purge", "--no-progress", image])).is_ok()
            && timed(&mut rbd(cluster, &["rm", "--no-progress", image])).is_ok()
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    bail!("{image} is held by somebody; see rbd status {image}")
}

struct Moved {
    /// From the submission until reading back begins, s.
    copied_s: f64,
    /// Until the job's end, s.
    whole_s: f64,
    /// Most memory of the server and its child together, as seen at the looks, MiB.
    memory_mib: f64,
}

/// To the first pool, and from there to the second.
async fn migrate_twice(place: &Place, cluster: &Cluster) -> Result<[Moved; 2]> {
    let home = place.home("ceph").await?;
    let server = Server::start(place, &home, &[])?;
    let mut admin = Api::admin(server.address).await?;
    let local = add_storage(&mut admin, cluster.disk.parent().context("no directory")?).await?;
    let mut pools = Vec::new();
    for pool in POOLS {
        let keyring = cluster.conf.with_file_name("client.longhaul.keyring");
        let params = json!({"params": {
            "name": pool, "conf": cluster.conf, "user": "longhaul", "keyring": keyring, "dataVolumePoolName": pool,
        }});
        pools.push(uuid(&admin.call("POST", "/v1/primary-storage/ceph", &params.to_string()).await?)?);
    }
    let adopted =
        json!({"params": {"name": "disk", "primaryStorageUuid": local, "installPath": cluster.disk}});
    let volume = uuid(&admin.call("POST", "/v1/volumes/adopt", &adopted.to_string()).await?)?;
    forget(&cluster.disk)?;
    let first = migrate(&server, &mut admin, &volume, &pools[0]).await?;
    let second = migrate(&server, &mut admin, &volume, &pools[1]).await?;
    server.stop()?;
    home.remove().await?;
    for path in [&first.1, &second.1] {
        let image = path.strip_prefix("ceph://").context("not in a pool")?;
        remove(cluster, image).await?;
    }
    Ok([first.0, second.0])
}

async fn migrate(server: &Server, admin: &mut Api, volume: &str, to: &str) -> Result<(Moved, String)> {
    warm::memory()?;
    admin.connect_again(server.address).await?; // idle connections are closed
    let body = json!({"params": {
        "name": "migrate-volume",
        "jobName": "APIPrimaryStorageMigrateVolumeMsg",
        "jobData": json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to}).to_string(),
    }});
    let begin = Instant::now();
    let job = admin.call("POST", "/v1/longjobs", &body.to_string()).await?["inventory"].clone();
    let (id, api) = (job["uuid"].as_str().context("no uuid")?, job["apiId"].as_str().context("no apiId")?);
    let (mut reading_since, mut memory_mib, mut looks) = (None, 0f64, 0u32);
    let done = loop {
        // Looking holds up whoever maps memory meanwhile, so it is done about twice a second.
        if looks.is_multiple_of(LOOKS_OF_MEMORY) {
            memory_mib = memory_mib.max(server.memory_with_children_mib()?);
        }
        looks += 1;
        let progress = admin.call("GET", &format!("/v1/task-progresses/{api}"), "").await?;
        if progress["inventories"][0]["opaque"]["stage"] == "verifying" && reading_since.is_none() {
            reading_since = Some(begin.elapsed());
        }
        if reading_since.is_none() && !looks.is_multiple_of(LOOKS_OF_STATE) {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let now = admin.call("GET", &format!("/v1/longjobs/{id}"), "").await?["inventories"][0].clone();
        match now["state"].as_str() {
            Some("Succeeded") => break now,
            Some("Waiting" | "Running") => tokio::time::sleep(LOOK).await,
            other => bail!("the migration is {other:?}: {}", now["jobResult"]),
        }
    };
    let whole_s = begin.elapsed().as_secs_f64();
    let copied_s = reading_since.context("no reading back was seen")?.as_secs_f64();
    let result: Value = serde_json::from_str(done["jobResult"].as_str().unwrap_or_default())?;
    let path = result["migration"]["newInstallPath"].as_str().context("no new path")?.to_owned();
    Ok((Moved { copied_s, whole_s, memory_mib }, path))
}
