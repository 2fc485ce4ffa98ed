//! A real Ceph cluster, with cephx on: the binding, copies from and to images, the fence. Witness from outside:
//! the `rbd` and `ceph` programs. One binary, so that it links once; each file is a subject.

#[path = "ceph/asking.rs"]
mod asking;
#[path = "ceph/beside.rs"]
mod beside;
#[path = "ceph/binding.rs"]
mod binding;
#[path = "ceph/cluster.rs"]
mod cluster;
#[path = "ceph/connecting.rs"]
mod connecting;
#[path = "ceph/copies.rs"]
mod copies;
#[path = "ceph/fences.rs"]
mod fences;
#[path = "ceph/hanging.rs"]
mod hanging;
#[path = "ceph/history.rs"]
mod history;
#[path = "ceph/history_kills.rs"]
mod history_kills;
#[path = "ceph/history_refused.rs"]
mod history_refused;
#[path = "ceph/holding.rs"]
mod holding;
#[path = "ceph/kills.rs"]
mod kills;
#[path = "ceph/locks.rs"]
mod locks;
#[path = "ceph/odd_images.rs"]
mod odd_images;
#[path = "disks/support.rs"]
mod support;
