//! A pool of a real cluster as the storage that the reference moves to: `CEPH_CONF` and `demoPool` name it. What a
//! thrown-away demo leaves there is removed again.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use longhaul_jobs::manage::Desk;
use longhaul_jobs::manage::storages::{self, NewPool};
use longhaul_jobs::manage::volumes;
use longhaul_model::resource::CephPool;

use super::{TARGET_STORAGE, VOLUME};
use crate::app::App;

/// Names the cluster's configuration, as Ceph's own programs have it.
const CONF: &str = "CEPH_CONF";
/// Who logs in; its key is where the configuration says.
const USER: &str = "admin";

/// Makes the pool the demo's target storage, unless an earlier start did.
pub(super) async fn add(desk: &Desk, pool: &str) -> Result<()> {
    let id = TARGET_STORAGE.parse().map_err(|_| anyhow!("the demo's storage uuid"))?;
    if desk.inventory.storages().await.map_err(|f| anyhow!("{f}"))?.iter().any(|s| s.id == id) {
        return Ok(());
    }
    let new = NewPool {
        id: Some(id),
        name: format!("demo-{pool}"),
        description: Some("the Ceph pool that the reference's volume moves to".to_owned()),
        pool: CephPool {
            monitors: Vec::new(),
            conf: Some(conf()?.to_string_lossy().into_owned()),
            user: USER.to_owned(),
            keyring: None,
            pool: pool.to_owned(),
            fsid: String::new(),
        },
    };
    let added = storages::add_pool(desk, new).await;
    added.map(drop).map_err(|f| anyhow!("the demo's pool {pool:?} (LONGHAUL_DEMO_POOL): {f}"))
}

fn conf() -> Result<PathBuf> {
    let Some(path) = std::env::var_os(CONF).filter(|path| !path.is_empty()) else {
        bail!("LONGHAUL_DEMO_POOL names a pool of a cluster: name its ceph.conf with {CONF}, or unset both");
    };
    std::fs::canonicalize(&path).with_context(|| format!("{CONF}={}", PathBuf::from(path).display()))
}

/// Removes the images that records of the demo point at.
pub(super) async fn discard(app: &Arc<App>) -> Result<()> {
    let desk = app.desk();
    let id = TARGET_STORAGE.parse().map_err(|_| anyhow!("the demo's storage uuid"))?;
    let Some(storage) = app.store.storage(id).await?.filter(|s| s.pool.is_some()) else { return Ok(()) };
    let paths = desk.inventory.known_paths(id).await.map_err(|f| anyhow!("{f}"))?;
    // No record may point at what is removed.
    let volume = VOLUME.parse().map_err(|_| anyhow!("the demo's volume uuid"))?;
    if app.store.volume(volume).await?.is_some_and(|v| v.storage == Some(id)) {
        volumes::forget(&desk, volume)
            .await
            .map_err(|f| anyhow!("the demo's volume stays in its pool: {f}"))?;
    }
    for path in paths {
        desk.remove(&storage, &path, None)
            .await
            .map_err(|f| anyhow!("{path} stays in the demo's pool: {f}"))?;
    }
    Ok(())
}
