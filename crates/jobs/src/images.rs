//! Images: what their bytes must be, and how they come to a backup storage. The records are looked after in
//! `manage::images`.

mod checksum;

pub use checksum::Checksum;
