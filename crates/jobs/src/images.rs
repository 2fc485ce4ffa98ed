//! Images: how their bytes come to a backup storage, and what they must be. The job type is in `add`, what it is told
//! in `request`, where bytes come from in `source`, the file that they go to in `intake`, what it is in `look`, its
//! further copies in `spread`. The records are looked after in `manage::images`.

mod add;
mod checksum;
mod digest;
mod hashes;
mod intake;
mod look;
mod request;
mod source;
mod spread;

pub use add::{ADD_IMAGE, AddImage, AddSettings, CHECKSUM, CheckTags, ShowImage, job_type};
pub use checksum::Checksum;
pub use digest::{Algorithm, digest_of};
pub use hashes::{Digests, Hashes};
pub use intake::{BREAKS_MAX, IDLE};
pub use look::{Looked, look};
pub use request::{PLACES_MAX, Request};
pub use source::{Body, Closed, Opened, Source};
