//! Attempts that met a store which did not answer or refused: no fault of the job's, and nothing is undone for it.

use std::time::Duration;

use longhaul_model::{Code, Fault};

use super::Outcome;
use crate::context::{JobContext, Stopped};
use crate::engine::Engine;
use crate::handler::JobHandler;

/// Between the fault and the next attempt.
const GIVE_BACK_AFTER: Duration = Duration::from_secs(1);

/// Whether a store that did not answer is behind it.
pub(super) fn is_of_store(fault: &Fault) -> bool {
    fault.root().code == Code::StoreAway
}

impl Engine {
    /// The next attempt goes on from the checkpoint, here or elsewhere.
    pub(super) async fn given_back_for_store(
        &self,
        context: &JobContext,
        handler: &dyn JobHandler,
        fault: &Fault,
    ) -> Outcome {
        match context.sleep(GIVE_BACK_AFTER).await {
            Ok(()) => Outcome::GiveBack(format!("this attempt had no answer of the store: {fault}")),
            Err(Stopped(stop)) => self.stopped(context, handler, stop).await,
        }
    }
}
