//! Which store the settings name, and what a start on it knows: this host, the key of its secrets, and which former
//! processes are gone.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use longhaul_model::{HostId, Runtime};
use longhaul_store::{Gone, Nodes, PostgresOptions, PostgresStore, SqliteStore, Store, StoreOptions};

use crate::data_dir::DataDir;
use crate::settings::Settings;

/// An open store.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Whether other nodes may be on it.
    pub shared: bool,
    /// This host.
    pub host: HostId,
    /// The key of the secrets in it.
    pub secret_key: [u8; 32],
    /// Which former processes the lock on the data directory proves to be gone.
    pub gone: Gone,
}

/// Under which name an embedded store knows its host.
pub(crate) const HOST_KEY: &str = "host";

/// Opens the store.
///
/// # Errors
/// It does not open, or the host or the key cannot be read: what to do.
pub async fn open(settings: &Settings, data_dir: &DataDir, runtime: &Arc<dyn Runtime>) -> Result<Opened> {
    let fresh = HostId::random(&**runtime);
    let key_file = settings.secret_key_file.as_deref();
    let Some(url) = &settings.store else {
        // Before the store is made: a directory with one must have its key.
        let secret_key = data_dir.secret_key(key_file)?;
        let options = StoreOptions { cache_bytes: settings.store_cache_bytes, ..StoreOptions::default() };
        let store = SqliteStore::open(&data_dir.store_path()?, runtime.clone(), options)
            .map_err(|error| anyhow!("the store: {error}"))?;
        let before = store.kept(HOST_KEY, &fresh.to_string()).await?.parse().ok();
        let host = data_dir.host(before, fresh)?;
        return Ok(Opened { store: Arc::new(store), shared: false, host, secret_key, gone: Gone::All });
    };
    let (address, chance) = (url.with_password(), runtime.clone());
    // It waits for the database.
    let opened = move || PostgresStore::open(&address, chance, PostgresOptions::default());
    let opened = tokio::task::spawn_blocking(opened).await.context("the store")?;
    let store = opened.map_err(|error| anyhow!("the store at {url}: {error}"))?;
    let secret_key = data_dir.shared_secret_key(key_file, &store).await?;
    let host = data_dir.host(None, fresh)?;
    Ok(Opened { store: Arc::new(store), shared: true, host, secret_key, gone: Gone::Host(host) })
}
