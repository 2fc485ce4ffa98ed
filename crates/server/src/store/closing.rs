//! The end of a node's store: an embedded one is closed, so that all of it lies in its file and not in its log.

use std::sync::Arc;
use std::time::Duration;

use longhaul_model::Runtime;
use longhaul_store::SqliteStore;
use tokio::sync::oneshot;

use crate::data_dir::DataDir;

/// The embedded store may take so long to close; then the process ends without it, and the next start reads the log.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

/// A node on which nothing runs any more. Its store still answers, and its data directory is still taken.
#[must_use = "its store is to be closed"]
pub struct Stopped {
    pub(crate) embedded: Option<Arc<SqliteStore>>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) data_dir: DataDir,
}

impl Stopped {
    /// Closes the store: the last thing that is done.
    pub async fn close(self) {
        let Self { embedded, runtime, data_dir } = self;
        if let Some(store) = embedded {
            let (done, closed) = oneshot::channel();
            // A thread that the end of the process does not wait for.
            let closing = std::thread::Builder::new().name("store-close".to_owned()).spawn(move || {
                store.close();
                let _ = done.send(());
            });
            let in_time = tokio::select! {
                _ = closed => closing.is_ok(),
                () = runtime.sleep(CLOSE_WITHIN) => false,
            };
            if !in_time {
                let limit_s = CLOSE_WITHIN.as_secs();
                tracing::warn!(
                    limit_s,
                    "the store is not closed yet; nothing is lost, the next start reads its log"
                );
            }
        }
        drop(data_dir);
    }
}
