//! Disks moved for real: the copier, its child process and the storage functions, with witnesses from
//! outside (`qemu-img`, `qemu-io`, /proc). One binary, so that it links once; each file is a subject.

#[path = "disks/bad_input.rs"]
mod bad_input;
#[path = "disks/child.rs"]
mod child;
#[path = "disks/directions.rs"]
mod directions;
#[path = "disks/fences.rs"]
mod fences;
#[path = "disks/in_use.rs"]
mod in_use;
#[path = "disks/kills.rs"]
mod kills;
#[path = "disks/read_back.rs"]
mod read_back;
#[path = "disks/storages.rs"]
mod storages;
#[path = "disks/support.rs"]
mod support;
