//! Names to addresses. The system's resolver may hang for long and cannot be told to stop, so only a few
//! names are asked for at a time, and nobody waits longer than they mean to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use longhaul_model::Runtime;
use tokio::sync::{Semaphore, oneshot};

use super::post::within;
use super::url::Target;

/// Names that are resolved at a time.
const AT_ONCE_MAX: usize = 16;
/// Addresses of one name that are used.
const ADDRESSES_MAX: usize = 8;

/// Resolves names.
pub struct Resolver {
    places: Arc<Semaphore>,
    runtime: Arc<dyn Runtime>,
}

impl Resolver {
    /// Over the system's resolver.
    pub fn new(runtime: Arc<dyn Runtime>) -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE_MAX)), runtime }
    }

    /// The addresses that the URL's host has at this moment: at least one.
    ///
    /// # Errors
    /// It has none, or that is not known within `limit`.
    pub async fn resolve(&self, target: &Target, limit: Duration) -> Result<Vec<SocketAddr>, String> {
        if let Some(address) = target.address() {
            return Ok(vec![address]);
        }
        let host = target.host();
        match within(limit, self.ask(host, target.port()), &*self.runtime).await {
            Some(Ok(found)) if found.is_empty() => Err(format!("{host} has no address")),
            Some(Ok(found)) => Ok(found),
            Some(Err(error)) => Err(format!("{host} cannot be resolved: {error}")),
            None => Err(format!("{host} was not resolved within {} ms", limit.as_millis())),
        }
    }

    async fn ask(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        let place = self.places.clone().acquire_owned().await.map_err(|e| e.to_string())?;
        let name = (host.to_owned(), port);
        let (done, found) = oneshot::channel();
        // Spawned, so that the place is taken for as long as the system works on it.
        self.runtime.spawn(
            "resolve",
            Box::pin(async move {
                let found = tokio::net::lookup_host(name).await;
                let found = found.map(|all| all.take(ADDRESSES_MAX).collect()).map_err(|e| e.to_string());
                let _ = done.send(found); // nobody waits any more
                drop(place);
            }),
        );
        found.await.unwrap_or_else(|_| Err("the question broke off".to_owned()))
    }
}
