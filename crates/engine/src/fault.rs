//! From the store's errors to faults that a caller can act on.

use longhaul_model::{Code, Fault};
use longhaul_store::StoreError;

/// What a caller is told. `what` names the resource: `long job[uuid:…]`.
pub fn from_store(error: StoreError, what: &str) -> Fault {
    match error {
        StoreError::NotFound => Fault::new(Code::NotFound, format!("{what} not found")),
        StoreError::Taken => {
            Fault::new(Code::ResourceUuidTaken, format!("{what}: uuid or name is already used"))
        }
        StoreError::TooMany { .. } => {
            Fault::new(Code::QuotaExceeded, format!("{what}: {error}; delete some first"))
        }
        StoreError::InUse(by) => Fault::failed(format!("{what} is still in use: {by}")),
        StoreError::Stale => {
            Fault::new(Code::StoreAway, format!("{what} kept changing while it was worked on; send it again"))
        }
        StoreError::Unavailable(why) => {
            Fault::new(Code::StoreAway, format!("the store is not available, send it again: {why}"))
        }
        StoreError::Refused(why) => Fault::new(
            Code::StoreAway,
            format!(
                "the database refuses the store's statements: {why}; see that the role of this node has its rights and \
                 that no table was taken away, then send it again"
            ),
        ),
        StoreError::TooLarge { .. } => Fault::invalid(error.to_string()),
        StoreError::TooSlow { .. } => Fault::new(Code::Timeout, error.to_string()),
        StoreError::LeaseLost | StoreError::Illegal(_) | StoreError::Corrupt(_) => {
            Fault::internal(format!("{what}: {error}"))
        }
    }
}
