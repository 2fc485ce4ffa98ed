//! Watches the primary storages: notes which are away and how full they are, and lets the jobs go on that were
//! suspended because of one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longhaul_engine::Trouble;
use longhaul_jobs::manage::storages;
use longhaul_model::{Fault, StorageId};

use crate::app::App;
use crate::janitor::sweeps;

/// What one node of all watches at a time.
const DUTY: &str = "storages";
/// A round waits so long for a storage; one that takes longer is looked at again when it has answered.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts the rounds, for as long as the process lives.
pub fn start(app: &Arc<App>) {
    let app = app.clone();
    let every = Duration::from_secs(app.settings.storage_watch_s);
    let watch = Arc::new(Watch::default());
    let trouble = Trouble::new(
        "primary storages",
        "the primary storages cannot be watched; tried again until they can",
    );
    app.runtime.clone().spawn(
        "storages",
        Box::pin(async move {
            loop {
                app.runtime.sleep(every).await;
                match watch.round(&app).await {
                    Ok(()) => trouble.answered(&*app.runtime),
                    Err(fault) => trouble.failed(&fault, &*app.runtime),
                }
            }
        }),
    );
}

/// What the rounds remember.
#[derive(Default)]
struct Watch {
    /// Storages that have not answered yet: a hung mount is asked once, not once a round.
    asked: Mutex<BTreeSet<StorageId>>,
}

impl Watch {
    fn asked(&self) -> std::sync::MutexGuard<'_, BTreeSet<StorageId>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn round(self: &Arc<Self>, app: &Arc<App>) -> Result<(), Fault> {
        // One word on how a storage is: of its host, or, where every node reaches it, of the one on duty.
        let on_duty = app.on_duty(DUTY).await?;
        let mut known = app.engine.inventory().storages().await?;
        known.retain(|storage| sweeps(storage.host, storage.elsewhere.is_some(), on_duty));
        let looks = known.into_iter().filter(|storage| self.asked().insert(storage.id)).map(|storage| {
            let (answered, told) = tokio::sync::oneshot::channel();
            let (app, watch, id) = (app.clone(), self.clone(), storage.id);
            app.runtime.clone().spawn(
                "storage",
                Box::pin(async move {
                    let seen = storages::watched(&app.desk(), id).await;
                    watch.asked().remove(&id);
                    let _ = answered.send(seen); // nobody waits any more: the next round asks again
                }),
            );
            async move { (storage, told.await) }
        });
        let looks = std::pin::pin!(futures::future::join_all(looks));
        if let futures::future::Either::Left((looked, _)) =
            futures::future::select(looks, app.runtime.sleep(PATIENCE)).await
        {
            for (before, seen) in looked {
                if let Ok(Ok(now)) = seen
                    && now.status != before.status
                {
                    tracing::info!(storage = %now.id, name = %now.name, "the primary storage is {} now", now.status);
                }
            }
        }
        app.engine.resume_ready().await.map(|_| ())
    }
}
