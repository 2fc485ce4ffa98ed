//! Images: how their bytes come to a backup storage, and what they must be. The job type is in `add`, what it is told
//! in `request`, where bytes come from in `source`, the file that they go to in `intake`, how in `fill` and `tries`, what
//! it is in `look`, its further copies in `copies` and `spread`, whose its record is meanwhile in `record`. Images of volumes are made in
//! `template`, volumes of images in `volume`; `migrate` moves a copy, `export` gives it a URL. The records are looked after in `manage::images`.

mod add;
mod checksum;
mod copies;
mod digest;
mod export;
mod fill;
mod hashes;
mod intake;
mod look;
mod migrate;
pub(crate) mod record;
mod request;
mod source;
mod spread;
mod template;
mod tries;
mod volume;

pub(crate) use add::expected;
pub use add::{ADD_IMAGE, AddImage, AddSettings, CHECKSUM, CheckTags, ShowImage, job_type};
pub use checksum::Checksum;
pub use digest::{Algorithm, digest_of};
pub use export::{EXPORT_IMAGE, EXPORTS, ExportImage, Exported, delete_exports, exported, sweep_exports};
pub use hashes::{Digests, Hashes};
pub use look::{Looked, look};
pub use migrate::{MIGRATE_IMAGE, MigrateImage};
pub use request::{PLACES_MAX, Request};
pub use source::{Body, Closed, Opened, Source};
pub use template::{CreateTemplate, DATA_TEMPLATE, For, ROOT_TEMPLATE};
pub use volume::{VOLUME_FROM_IMAGE, VolumeFromImage};
