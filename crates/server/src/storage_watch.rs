//! Watches the primary storages: notes which are away and how full they are, and lets the jobs go on that were
//! suspended because of one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{Either, join_all, select};
use longhaul_engine::Trouble;
use longhaul_jobs::manage::storages;
use longhaul_model::resource::Storage;
use longhaul_model::{Fault, StorageId};
use tokio::sync::oneshot;

use crate::app::App;
use crate::janitor::sweeps;

/// What one node of all watches at a time.
const DUTY: &str = "storages";
/// The next one is looked at when the one before has answered, and no later than this: each pool is asked by a process
/// of its own, and those of many pools at once would need much memory.
const APART: Duration = Duration::from_millis(250);
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
        let mut late = Vec::new();
        for storage in known.into_iter().filter(|storage| self.asked().insert(storage.id)) {
            match select(self.look(app, storage.id), app.runtime.sleep(APART)).await {
                Either::Left((seen, _)) => tell(&storage, seen),
                Either::Right((_, told)) => late.push(async move { tell(&storage, told.await) }),
            }
        }
        let late = std::pin::pin!(join_all(late));
        select(late, app.runtime.sleep(PATIENCE)).await;
        app.engine.resume_ready().await.map(|_| ())
    }

    /// Looks at one, also when nobody waits for it any more.
    fn look(self: &Arc<Self>, app: &Arc<App>, id: StorageId) -> oneshot::Receiver<Result<Storage, Fault>> {
        let (answered, told) = oneshot::channel();
        let (app, watch) = (app.clone(), self.clone());
        app.runtime.clone().spawn(
            "storage",
            Box::pin(async move {
                let seen = storages::watched(&app.desk(), id).await;
                watch.asked().remove(&id);
                let _ = answered.send(seen); // nobody waits any more: the next round asks again
            }),
        );
        told
    }
}

fn tell(before: &Storage, seen: Result<Result<Storage, Fault>, oneshot::error::RecvError>) {
    if let Ok(Ok(now)) = seen
        && now.status != before.status
    {
        tracing::info!(storage = %now.id, name = %now.name, "the primary storage is {} now", now.status);
    }
}
