//! A claimed job of a type that this node does not know: what it leaves, where another node may know it, as during a
//! rolling upgrade.

use longhaul_model::{Claimed, ClaimedFor, Fault, SuspendReason};
use longhaul_store::Gone;

use super::{Outcome, failed, retry, suspended};
use crate::engine::Engine;

/// Times that a job is put off by nodes that do not know its type, its retries among them, until it fails: about two
/// hours.
pub(crate) const UNKNOWN_TYPE_TRIES_MAX: u32 = 20;

impl Engine {
    /// Put off, so that a node that knows the type may take it; Failed where nobody else is on the store, or nobody took
    /// it. Undoing ends at once: who cancels is not kept waiting.
    pub(super) fn unknown_type(&self, claimed: &Claimed) -> Outcome {
        let job = &claimed.job;
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
