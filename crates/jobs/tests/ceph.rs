//! A real Ceph cluster, with cephx on: the binding, copies from and to images, the fence. Witness from outside:
//! the `rbd` and `ceph` programs. One binary, so that it links once; each file is a subject.

#[path = "ceph/binding.rs"]
mod binding;
#[path = "ceph/cluster.rs"]
mod cluster;
#[path = "ceph/connecting.rs"]
mod connecting;
#[path = "ceph/locks.rs"]
mod locks;
#[path = "disks/support.rs"]
#[expect(dead_code, reason = "shared with the tests of files, which use the rest")]
mod support;
