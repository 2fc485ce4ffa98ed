//! What a node does because others may be on its store: it takes over what they changed, tells them what it copies, and
//! answers for those that are gone. Who has which jobs is the engine's.

use std::sync::Arc;
use std::time::Duration;

use longhaul_model::resource::ApiOutcome;
use longhaul_model::{Code, Fault};
use longhaul_store::Gone;

use crate::app::App;

/// Between two looks at what others changed: with the time that a look takes, it counts within 2 s.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The answer of a call whose process is gone.
pub(crate) fn cut() -> ApiOutcome {
    ApiOutcome::Fault(Fault::new(
        Code::NodeGone,
        "the management node restarted while it worked on this call; look at the resource, then send it again",
    ))
}

/// Starts looking, for as long as the process lives.
pub(crate) fn start(app: &Arc<App>) {
    let app = app.clone();
    app.runtime.clone().spawn(
        "cluster",
        Box::pin(async move {
            loop {
                round(&app).await;
                app.runtime.sleep(LOOK_EVERY).await;
            }
        }),
    );
}

async fn round(app: &App) {
    // Each by itself: what one cannot do the others may.
    if let Err(fault) = app.configs.reload(app).await {
        tracing::debug!(%fault, "the global configurations could not be read; they stay as they are");
    }
    match app.store.tell(app.engine.node(), &app.pacer.word()).await {
        Ok(words) => app.pacer.hear(&words),
        Err(error) => tracing::debug!(%error, "what the other nodes copy is not known; it counts as it was"),
    }
    match app.store.cut_records(cut(), Gone::Unproven).await {
        Ok(0) => {}
        Ok(cut) => {
            tracing::info!(cut, "calls of a node that is gone were answered for it");
            app.hooks.wake();
        }
        Err(error) => tracing::debug!(%error, "the calls of nodes that are gone could not be looked at"),
    }
}
