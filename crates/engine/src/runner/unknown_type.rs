//! A claimed job of a type that this node does not know: what it leaves. Such are claimed where no living node says that
//! it knows the type, unless its host is drained; or where one joined a moment ago.

use longhaul_model::{Claimed, ClaimedFor, Fault, SuspendReason};
use longhaul_store::Gone;

use super::{Outcome, failed, retry, suspended};
use crate::engine::Engine;

/// Times that a job is put off by nodes that do not know its type, its retries among them, until it fails: about two
/// hours.
pub(crate) const UNKNOWN_TYPE_TRIES_MAX: u32 = 20;

impl Engine {
    /// Given back, if another node knows the type. Else put off, since one may come that does; Failed where nobody else is
    /// on the store, or nobody took it. Undoing ends at once: who cancels is not kept waiting.
    pub(super) fn unknown_type(&self, claimed: &Claimed) -> Outcome {
        let job = &claimed.job;
        if self.placement().foreign().contains(&job.job_name) {
            return Outcome::GiveBack(format!(
                "{} is not known on this node; another one knows it",
                job.job_name
            ));
        }
        let fault = Fault::failed(format!("{} has no corresponding longjob on this node", job.job_name));
        let alone = self.config.gone == Gone::All;
        let last = job.retried >= UNKNOWN_TYPE_TRIES_MAX || self.is_past_deadline(job);
        if alone || last || claimed.purpose == ClaimedFor::Undo {
            return failed(&fault, self.config.code_text);
        }
        let mut put_off = suspended(&fault, SuspendReason::Fault, self.config.code_text);
        let wait_ms = retry::wait_ms(job.retried, &*self.runtime);
        put_off.retry_at_ms =
            Some(self.runtime.now_ms().saturating_add(i64::try_from(wait_ms).unwrap_or(i64::MAX)));
        put_off.detail = format!("{}; it is put off for a node that knows it", put_off.detail);
        Outcome::Transition(Box::new(put_off))
    }
}
