//! From a disk's errors to faults.

use longhaul_model::{Code, Fault};

use crate::storage::DiskError;

/// The fault a caller sees. Where the operating system refused, its answer is the cause.
pub fn from_disk(error: DiskError) -> Fault {
    let details = error.to_string();
    match error {
        DiskError::OutsideRoot(_) | DiskError::BadImage { .. } | DiskError::BackingFile { .. } => {
            Fault::invalid(details)
        }
        DiskError::ReadOnly(_) => {
            Fault::failed("the target storage cannot be written").because(Fault::new(Code::Io, details))
        }
        DiskError::Io { .. } | DiskError::NotFound(_) => {
            Fault::failed("a file of the storage cannot be used").because(Fault::new(Code::Io, details))
        }
        DiskError::Away { .. } => Fault::new(Code::StorageAway, details),
        DiskError::NoSpace { .. } => Fault::new(Code::StorageFull, details),
        DiskError::Fenced(_) => Fault::new(Code::NodeGone, details),
        DiskError::Canceled => Fault::new(Code::JobCanceled, details),
        DiskError::LeaseExpired => Fault::new(Code::NodeGone, details),
        DiskError::InUse(_)
        | DiskError::Refuses { .. }
        | DiskError::Exists(_)
        | DiskError::Backs { .. }
        | DiskError::Touched(_)
        | DiskError::Mismatch { .. }
        | DiskError::SourceChanged(_) => Fault::failed(details),
    }
}
