//! The threads that talk with the database, and their timers. They are the store's own: no handler of a job runs
//! on them, so heartbeats wait for nobody, and a caller needs no runtime of its own.

use std::future::Future;
use std::time::Duration;

use super::options::IO_THREADS;

pub(super) struct Io {
    runtime: Option<tokio::runtime::Runtime>,
}

impl Io {
    pub(super) fn start() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(IO_THREADS)
            .thread_name("longhaul-store")
            .enable_all()
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Does `work` on the store's threads, to its end even if the caller goes away; `None` if it panicked or the
    /// store was closed under it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.runtime.as_ref()?.handle().spawn(work).await.ok()
    }

    /// Does `work` on the store's threads, whoever goes away; `None` where the store was closed.
    pub(super) fn start_apart(&self, work: impl Future<Output = ()> + Send + 'static) -> Option<()> {
        self.runtime.as_ref()?.handle().spawn(work);
        Some(())
    }

    /// As `run`; blocks the thread until it is done.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.runtime.as_ref()?.handle().spawn(async move {
            let _ = answer.send(work.await);
        });
        answered.recv().ok()
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        // Without waiting: the last owner may be a task of another runtime, where nothing may block. What is under
        // way ends with its connection, and the database rolls it back.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What `work` answers, or `None` after `limit`. Real time: it guards against a network that says nothing.
#[expect(clippy::disallowed_methods, reason = "the store's own threads; the injected time may stand still")]
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

/// Waits that long, in real time.
#[expect(clippy::disallowed_methods, reason = "the store's own threads; the injected time may stand still")]
pub(super) async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
