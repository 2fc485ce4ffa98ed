//! What an attempt leaves when it stops because its process ends: another one goes on, begins anew, or nobody could.

use longhaul_model::{Code, Fault};

use super::Outcome;
use crate::context::JobContext;
use crate::engine::Engine;
use crate::handler::{JobHandler, RestartRule};

impl Engine {
    /// Those that could not go on elsewhere were told to stop only when they were given up: they say so themselves, since
    /// whoever found them later could only guess.
    pub(super) async fn left_by_the_process(
        &self,
        context: &JobContext,
        handler: &dyn JobHandler,
    ) -> Outcome {
        match handler.job_type().restart {
            RestartRule::Resume => Outcome::GiveBack("the management node stops".to_owned()),
            RestartRule::StartAgain => Outcome::GiveBack(format!("the management node {}", self.given_up())),
            RestartRule::Fail => {
                let details = format!(
                    "the management node that ran this job {}; this job type cannot be continued, and what it left was \
                     undone: rerun it",
                    self.given_up()
                );
                self.undo_and_fail(context, handler, Fault::new(Code::NodeGone, details)).await
            }
        }
    }
}
