//! The functions of librados and librbd that are used, found at run time, so that a machine without Ceph
//! builds and runs everything else. Raw pointers only; what makes them safe: `cluster`, `image`, `lock`,
//! `extents`. Their contracts are those of `rados/librados.h` and `rbd/librbd.h` of Ceph 16.2 and later.

use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;

use libloading::os::unix::Library;

use crate::storage::DiskError;

/// The library of the cluster.
pub(super) const LIBRADOS: &str = "librados.so.2";
/// The library of the images.
pub(super) const LIBRBD: &str = "librbd.so.1";

/// `rados_t`, `rados_ioctx_t`, `rbd_image_t`, `rbd_image_options_t`: all are pointers to what only the
/// libraries know.
pub(super) type Handle = *mut c_void;
/// Called for each extent: offset, length, 1 = data and 0 = hole, the argument. Less than 0 ends the walk.
pub(super) type DiffCallback = extern "C" fn(u64, usize, c_int, *mut c_void) -> c_int;

/// Called when an operation is over: its completion, the argument.
pub(super) type AioCallback = extern "C" fn(Handle, *mut c_void);

/// `rados_pool_stat_t`. Only some of it is read, all of it is written.
#[repr(C)]
#[derive(Default)]
pub(super) struct PoolStat {
    pub(super) num_bytes: u64,
    rest: [u64; 18],
}

/// `rados_cluster_stat_t`, in KiB.
#[repr(C)]
#[derive(Default)]
pub(super) struct ClusterStat {
    pub(super) kb: u64,
    pub(super) kb_used: u64,
    pub(super) kb_avail: u64,
    pub(super) num_objects: u64,
}

/// `rbd_snap_info_t`.
#[repr(C)]
#[derive(Clone)]
pub(super) struct SnapInfo {
    pub(super) id: u64,
    pub(super) size: u64,
    pub(super) name: *const c_char,
}

/// `rbd_image_spec_t`.
#[repr(C)]
#[derive(Clone)]
pub(super) struct ImageSpec {
    pub(super) id: *mut c_char,
    pub(super) name: *mut c_char,
}

/// `rbd_image_watcher_t`.
#[repr(C)]
#[derive(Clone)]
pub(super) struct WatcherInfo {
    pub(super) addr: *mut c_char,
    pub(super) id: i64,
    pub(super) cookie: u64,
}

/// `rbd_linked_image_spec_t`.
#[repr(C)]
#[derive(Clone)]
pub(super) struct LinkedImage {
    pub(super) pool_id: i64,
    pub(super) pool_name: *mut c_char,
    pub(super) pool_namespace: *mut c_char,
    pub(super) image_id: *mut c_char,
    pub(super) image_name: *mut c_char,
    pub(super) trash: bool,
}

/// `rbd_group_info_t`.
#[repr(C)]
pub(super) struct GroupInfo {
    pub(super) name: *mut c_char,
    pub(super) pool: i64,
}

/// `RBD_SNAP_NAMESPACE_TYPE_USER`.
pub(super) const SNAPSHOT_OF_USER: c_int = 0;
/// `RBD_SNAP_NAMESPACE_TYPE_TRASH`.
pub(super) const SNAPSHOT_REMOVED: c_int = 2;
/// `RBD_LOCK_MODE_EXCLUSIVE`.
pub(super) const LOCK_EXCLUSIVE: c_int = 0;
/// `RBD_IMAGE_OPTION_FEATURES`.
pub(super) const OPTION_FEATURES: c_int = 1;
/// `RBD_IMAGE_OPTION_ORDER`.
pub(super) const OPTION_ORDER: c_int = 2;
/// `LIBRADOS_OP_FLAG_FADVISE_NOCACHE`.
pub(super) const FADVISE_NOCACHE: c_int = 0x40;

macro_rules! functions {
    ($($library:ident { $($name:ident($($argument:ty),*) $(-> $answer:ty)?;)* })*) => {
        /// The functions, by their names in the libraries.
        pub(super) struct Api {
            $($(pub(super) $name: unsafe extern "C" fn($($argument),*) $(-> $answer)?,)*)*
        }

        fn load() -> Result<Api, String> {
            $(let $library = open($library::NAME)?;)*
            Ok(Api {
                $($($name: {
                    // SAFETY: the type is that of the C header; the library is never closed.
                    let found = unsafe {
                        $library.get::<unsafe extern "C" fn($($argument),*) $(-> $answer)?>(
                            concat!(stringify!($name), "\0").as_bytes(),
                        )
                    };
                    *found.map_err(|e| e.to_string())?
                },)*)*
            })
        }
    };
}

mod rados {
    pub(super) const NAME: &str = super::LIBRADOS;
}
mod rbd {
    pub(super) const NAME: &str = super::LIBRBD;
}

functions! {
    rados {
    rados_create2(*mut Handle, *const c_char, *const c_char, u64) -> c_int;
    rados_conf_read_file(Handle, *const c_char) -> c_int;
    rados_conf_set(Handle, *const c_char, *const c_char) -> c_int;
    rados_connect(Handle) -> c_int;
    rados_shutdown(Handle);
    rados_cluster_fsid(Handle, *mut c_char, usize) -> c_int;
    rados_cluster_stat(Handle, *mut ClusterStat) -> c_int;
    rados_get_instance_id(Handle) -> u64;
    rados_getaddrs(Handle, *mut *mut c_char) -> c_int;
    rados_blocklist_add(Handle, *mut c_char, u32) -> c_int;
    rados_wait_for_latest_osdmap(Handle) -> c_int;
    rados_mon_command(
        Handle, *const *const c_char, usize, *const c_char, usize,
        *mut *mut c_char, *mut usize, *mut *mut c_char, *mut usize
    ) -> c_int;
    rados_buffer_free(*mut c_char);
    rados_ioctx_create(Handle, *const c_char, *mut Handle) -> c_int;
    rados_ioctx_destroy(Handle);
    rados_ioctx_pool_stat(Handle, *mut PoolStat) -> c_int;
    }
    rbd {
    rbd_image_options_create(*mut Handle);
    rbd_image_options_destroy(Handle);
    rbd_image_options_set_uint64(Handle, c_int, u64) -> c_int;
    rbd_create4(Handle, *const c_char, u64, Handle) -> c_int;
    rbd_remove(Handle, *const c_char) -> c_int;
    rbd_list2(Handle, *mut ImageSpec, *mut usize) -> c_int;
    rbd_image_spec_list_cleanup(*mut ImageSpec, usize);
    rbd_open(Handle, *const c_char, *mut Handle, *const c_char) -> c_int;
    rbd_open_read_only(Handle, *const c_char, *mut Handle, *const c_char) -> c_int;
    rbd_close(Handle) -> c_int;
    rbd_get_size(Handle, *mut u64) -> c_int;
    rbd_get_features(Handle, *mut u64) -> c_int;
    rbd_get_id(Handle, *mut c_char, usize) -> c_int;
    rbd_resize(Handle, u64) -> c_int;
    rbd_read2(Handle, u64, usize, *mut c_char, c_int) -> isize;
    rbd_write2(Handle, u64, usize, *const c_char, c_int) -> isize;
    rbd_aio_create_completion(*mut c_void, AioCallback, *mut Handle) -> c_int;
    rbd_aio_write2(Handle, u64, usize, *const c_char, Handle, c_int) -> c_int;
    rbd_aio_get_return_value(Handle) -> isize;
    rbd_aio_release(Handle);
    rbd_write_zeroes(Handle, u64, usize, c_int, c_int) -> isize;
    rbd_flush(Handle) -> c_int;
    rbd_diff_iterate2(Handle, *const c_char, u64, u64, u8, u8, DiffCallback, *mut c_void) -> c_int;
    rbd_snap_create(Handle, *const c_char) -> c_int;
    rbd_snap_remove(Handle, *const c_char) -> c_int;
    rbd_snap_remove_by_id(Handle, u64) -> c_int;
    rbd_snap_list(Handle, *mut SnapInfo, *mut c_int) -> c_int;
    rbd_snap_list_end(*mut SnapInfo);
    rbd_snap_get_namespace_type(Handle, u64, *mut c_int) -> c_int;
    rbd_snap_is_protected(Handle, *const c_char, *mut c_int) -> c_int;
    rbd_snap_protect(Handle, *const c_char) -> c_int;
    rbd_snap_unprotect(Handle, *const c_char) -> c_int;
    rbd_list_children3(Handle, *mut LinkedImage, *mut usize) -> c_int;
    rbd_linked_image_spec_list_cleanup(*mut LinkedImage, usize);
    rbd_get_group(Handle, *mut GroupInfo, usize) -> c_int;
    rbd_group_info_cleanup(*mut GroupInfo, usize) -> c_int;
    rbd_get_overlap(Handle, *mut u64) -> c_int;
    rbd_get_modify_timestamp(Handle, *mut libc::timespec) -> c_int;
    rbd_metadata_get(Handle, *const c_char, *mut c_char, *mut usize) -> c_int;
    rbd_metadata_set(Handle, *const c_char, *const c_char) -> c_int;
    rbd_metadata_remove(Handle, *const c_char) -> c_int;
    rbd_watchers_list(Handle, *mut WatcherInfo, *mut usize) -> c_int;
    rbd_watchers_list_cleanup(*mut WatcherInfo, usize);
    rbd_list_lockers(
        Handle, *mut c_int, *mut c_char, *mut usize, *mut c_char, *mut usize, *mut c_char, *mut usize,
        *mut c_char, *mut usize
    ) -> isize;
    rbd_lock_acquire(Handle, c_int) -> c_int;
    rbd_lock_release(Handle) -> c_int;
    rbd_lock_get_owners(Handle, *mut c_int, *mut *mut c_char, *mut usize) -> c_int;
    rbd_lock_get_owners_cleanup(*mut *mut c_char, usize);
    rbd_lock_break(Handle, c_int, *const c_char) -> c_int;
    rbd_is_exclusive_lock_owner(Handle, *mut c_int) -> c_int;
    }
}

/// The functions; the libraries are opened at the first call and never closed.
///
/// # Errors
/// `Refuses` with what to install.
pub(super) fn api() -> Result<&'static Api, DiskError> {
    static API: OnceLock<Result<Api, String>> = OnceLock::new();
    API.get_or_init(load).as_ref().map_err(|reason| DiskError::Refuses {
        path: "ceph://".into(),
        reason: format!(
            "Ceph's client libraries cannot be used on this host ({reason}); install them with apt-get install \
             librbd1, which brings librados2, and try again"
        ),
    })
}

fn open(name: &str) -> Result<std::mem::ManuallyDrop<Library>, String> {
    // SAFETY: running the initializers of Ceph's own libraries is what opening them is for; they expect no
    // thread and no order. Never closed: they leave threads behind that still run their code.
    let library = unsafe { Library::new(name) };
    library.map(std::mem::ManuallyDrop::new).map_err(|e| e.to_string())
}
