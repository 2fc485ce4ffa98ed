//! Disks and where they lie: directories as storages, what a file is, who holds it, and the errors
//! of all that. Blocking and plain functions: call them from a thread that may wait. Copying a disk
//! is in `copy`, the process that does it in `attempt_io`.

pub mod chain;
pub mod error;
mod foreign;
pub mod header;
pub mod in_use;
pub mod local;
pub mod lock;
pub mod probe;
pub mod root;
pub mod scan;
pub mod shared;

pub use chain::{Layer, layers, overlays, refuse_if_backing};
pub use error::{DiskError, HandLock, InUse};
pub use in_use::in_use;
pub use local::{
    Capacity, actual_bytes, capacity, check_space, check_writable, create_volume, delete_artifact,
};
pub use lock::{SourceGuard, is_filled};
pub use probe::{Format, Identity, ImageInfo, probe, probe_as};
pub use root::{Access, Root};
pub use scan::{Found, JOURNAL_EXTENSION, scan, stray_files};
