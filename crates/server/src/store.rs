//! Which store the settings name, and what a start on it knows: this host, the key of its secrets, and which former
//! processes are gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use longhaul_model::{HostId, Runtime};
use longhaul_store::postgres::OpenError;
use longhaul_store::{Gone, Nodes, PostgresOptions, PostgresStore, SqliteStore, Store, StoreOptions};
use tokio::sync::watch;

use crate::data_dir::{Belongs, Cluster, DataDir};
use crate::settings::{Settings, StoreUrl};

mod awaited;
mod closing;

pub use closing::Stopped;

/// An open store.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The same, where it is the embedded one: it is closed at the end.
    pub embedded: Option<Arc<SqliteStore>>,
    /// Which cluster's it is, where other nodes may be on it.
    pub cluster: Option<Cluster>,
    /// This host.
    pub host: HostId,
    /// The key of the secrets in it.
    pub secret_key: [u8; 32],
    /// Which former processes the lock on the data directory proves to be gone.
    pub gone: Gone,
}

/// Under which name an embedded store knows its host.
pub(crate) const HOST_KEY: &str = "host";

/// Opens the store. A database that is not there yet is waited for, as long as the settings say; `waits` becomes true
/// when that begins.
///
/// # Errors
/// It does not open, or the host or the key cannot be read: what to do.
pub async fn open(
    settings: &Settings,
    data_dir: &DataDir,
    runtime: &Arc<dyn Runtime>,
    waits: &watch::Sender<bool>,
) -> Result<Opened> {
    let fresh = HostId::random(&**runtime);
    let key_file = settings.secret_key_file.as_deref();
    let Some(url) = &settings.store else {
        data_dir.may_embed()?;
        // Before the store is made: a directory with one must have its key.
        let secret_key = data_dir.secret_key(key_file)?;
        let options = StoreOptions { cache_bytes: settings.store_cache_bytes, ..StoreOptions::default() };
        let store = SqliteStore::open(&data_dir.store_path()?, runtime.clone(), options)
            .map_err(|error| anyhow!("the store: {error}"))?;
        let before = store.kept(HOST_KEY, &fresh.to_string()).await?.parse().ok();
        let host = data_dir.host(before, fresh)?;
        let store = Arc::new(store);
        let embedded = Some(store.clone());
        return Ok(Opened { store, embedded, cluster: None, host, secret_key, gone: Gone::All });
    };
    let belongs = data_dir.belongs()?;
    let store = database(url, settings, runtime, waits, belongs.as_ref()).await?;
    let id = format!("{:032x}", runtime.random_u128());
    let place = url.to_string();
    let (secret_key, cluster) = data_dir.join(belongs.as_ref(), key_file, &store, &place, &id).await?;
    let host = data_dir.host(None, fresh)?;
    let (cluster, gone) = (Some(cluster), Gone::Host(host));
    Ok(Opened { store: Arc::new(store), embedded: None, cluster, host, secret_key, gone })
}

async fn database(
    url: &StoreUrl,
    settings: &Settings,
    runtime: &Arc<dyn Runtime>,
    waits: &watch::Sender<bool>,
    belongs: Option<&Belongs>,
) -> Result<PostgresStore> {
    let limit = Duration::from_secs(settings.store_wait_s);
    let open = async || {
        let (address, chance) = (url.with_password(), runtime.clone());
        // It waits for an answer of the database.
        let options = PostgresOptions { may_begin: belongs.is_none(), ..PostgresOptions::default() };
        let opening = move || PostgresStore::open(&address, chance, options);
        tokio::task::spawn_blocking(opening).await.unwrap_or_else(|broke| {
            let why = format!("its opening broke off: {broke}");
            Err(OpenError::Unusable { why })
        })
    };
    let say = |error: &OpenError, waited: Duration| {
        waits.send_replace(true);
        warn_of_waiting(settings.listen, error, waited, limit);
    };
    let began = runtime.monotonic();
    match awaited::awaited(&**runtime, limit, open, say).await {
        Ok(store) => {
            if *waits.borrow() {
                let waited_s = runtime.monotonic().saturating_sub(began).as_secs();
                tracing::info!(waited_s, "the store's database is there");
            }
            Ok(store)
        }
        Err(error) if error.may_pass() => {
            let limit_s = limit.as_secs();
            Err(anyhow!("the store at {url}: {error}; waited {limit_s} s for it (store.waitSeconds)"))
        }
        Err(error) => Err(match (error, belongs) {
            (OpenError::Empty | OpenError::Hollow, Some(belongs)) => {
                belongs.to_another_than_the_empty(&url.to_string())
            }
            (error, _) => anyhow!("the store at {url}: {error}"),
        }),
    }
}

fn warn_of_waiting(api: SocketAddr, why: &OpenError, waited: Duration, limit: Duration) {
    let (waited_s, limit_s) = (waited.as_secs(), limit.as_secs());
    tracing::warn!(%why, waited_s, limit_s, %api, "the node waits for its database and is not ready");
}
