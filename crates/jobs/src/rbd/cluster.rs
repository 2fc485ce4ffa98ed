//! Connections: a cluster, a pool of it. They close themselves, the pool before the cluster. Every wait has an
//! end: without the timeouts set here a cluster that is away would be waited for without one. Images: `image`.

use std::ffi::{CStr, c_char};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::Arc;

use super::error::{Place, away, c, check, pool_path, refuses};
use super::sys::{self, Api, ClusterStat, Handle, ImageSpec, PoolStat};
use super::{CephPool, memory, url};
use crate::storage::{Capacity, DiskError};

/// How long an operation on an object may take before it fails, in seconds.
pub const OSD_TIMEOUT_S: u32 = 10;
/// How long a question to a monitor may take before it fails, in seconds.
pub const MON_TIMEOUT_S: u32 = 10;
/// How long connecting may take before it fails, in seconds.
pub const CONNECT_TIMEOUT_S: u32 = 10;
/// How long a client that was shut out stays so, in seconds: longer than any process of ours outlives its lease.
pub const SHUT_OUT_S: u32 = 24 * 3600;
/// Images of a pool that `Pool::images` answers at most.
pub const IMAGES_MAX: usize = 100_000;

const FSID_BYTES: usize = 64;

/// How long is waited for the cluster, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For an operation on an object.
    pub osd_s: u32,
    /// For an answer of a monitor.
    pub mon_s: u32,
    /// For connecting.
    pub connect_s: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { osd_s: OSD_TIMEOUT_S, mon_s: MON_TIMEOUT_S, connect_s: CONNECT_TIMEOUT_S }
    }
}

/// A connection to a cluster.
struct Cluster {
    api: &'static Api,
    raw: Handle,
    timeouts: Timeouts,
}

// SAFETY: librados takes calls on one handle from any number of threads; it is shut down once, by `Drop`.
unsafe impl Send for Cluster {}
// SAFETY: as above.
unsafe impl Sync for Cluster {}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SAFETY: made by `rados_create2`, and nothing that was opened on it is left: those hold an `Arc` of it.
        unsafe { (self.api.rados_shutdown)(self.raw) }
    }
}

impl Cluster {
    fn open(to: &CephPool, timeouts: Timeouts) -> Result<Self, DiskError> {
        let api = sys::api()?;
        let place = Place { pool: to, path: Path::new(&to.pool) };
        let mut raw = null_mut();
        let (name, user) = (c("ceph")?, c(&format!("client.{}", to.user))?);
        // SAFETY: the names live for the length of the call; `raw` is ours to be written.
        let made = unsafe { (api.rados_create2)(&mut raw, name.as_ptr(), user.as_ptr(), 0) };
        check(&place, "create a client", made)?;
        let cluster = Self { api, raw, timeouts };
        if let Some(conf) = &to.conf {
            let path = c(conf)?;
            // SAFETY: the handle is open, the path lives for the length of the call.
            let read = unsafe { (api.rados_conf_read_file)(raw, path.as_ptr()) };
            if read < 0 {
                let why = std::io::Error::from_raw_os_error(-read);
                return Err(refuses(to, format!("{conf} cannot be read as a ceph.conf: {why}")));
            }
        }
        cluster.configure(to, timeouts)?;
        // SAFETY: the handle is open and configured.
        match unsafe { (api.rados_connect)(raw) } {
            0.. => Ok(cluster),
            error => Err(not_connected(to, -error)),
        }
    }

    fn configure(&self, to: &CephPool, timeouts: Timeouts) -> Result<(), DiskError> {
        if !to.monitors.is_empty() {
            self.set(to, "mon_host", &to.monitors.join(","))?;
        }
        if let Some(keyring) = &to.keyring {
            // Without its key the library tries it without one, and waits for an answer that does not come.
            let section = format!("[client.{}]", to.user);
            match std::fs::read_to_string(keyring) {
                Ok(text) if text.lines().any(|line| line.trim() == section) => {}
                Ok(_) => {
                    let reason = format!("the keyring {keyring} has no {section}; write its key there");
                    return Err(refuses(to, reason));
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    return Err(refuses(to, format!("the keyring {keyring} does not exist; put it there")));
                }
                Err(e) => return Err(refuses(to, format!("the keyring {keyring} cannot be read: {e}"))),
            }
            self.set(to, "keyring", keyring)?;
            // With a second way allowed, a refused key ends in waiting for that one.
            self.set(to, "auth_client_required", "cephx")?;
        }
        for (name, seconds) in [
            ("rados_osd_op_timeout", timeouts.osd_s),
            ("rados_mon_op_timeout", timeouts.mon_s),
            ("client_mount_timeout", timeouts.connect_s),
        ] {
            self.set(to, name, &seconds.to_string())?;
        }
        // No cache of the client: what is written is with the OSDs when the call returns, and what is read
        // comes from there. What `uncopied` writes is not copied. No socket and no noise of its own on our standard error.
        for (name, value) in [
            ("rbd_cache", "false"),
            ("rbd_disable_zero_copy_writes", "false"),
            ("admin_socket", ""),
            ("log_to_stderr", "false"),
            ("err_to_stderr", "false"),
            ("log_flush_on_exit", "false"),
        ] {
            self.set(to, name, value)?;
        }
        Ok(())
    }

    fn set(&self, to: &CephPool, name: &'static str, value: &str) -> Result<(), DiskError> {
        let (key, text) = (c(name)?, c(value)?);
        // SAFETY: the handle is open, both texts live for the length of the call.
        let answer = unsafe { (self.api.rados_conf_set)(self.raw, key.as_ptr(), text.as_ptr()) };
        if answer < 0 { Err(refuses(to, format!("{name} cannot be set to {value:?}"))) } else { Ok(()) }
    }
}

fn not_connected(to: &CephPool, number: i32) -> DiskError {
    match number {
        libc::ENOENT => refuses(
            to,
            format!(
                "no key of client.{} was found; give the path of its keyring, or a ceph.conf that does",
                to.user
            ),
        ),
        libc::EACCES | libc::EPERM => refuses(
            to,
            format!(
                "the key of client.{} is not the cluster's; compare it with ceph auth get client.{}",
                to.user, to.user
            ),
        ),
        libc::EINVAL => refuses(to, "its monitors are not host:port, or its keyring cannot be read".into()),
        _ => away(
            to,
            "no monitor answered; see that it runs, that this host reaches it, and that its key is the cluster's",
        ),
    }
}

/// An open pool. Clones are the same connection.
#[derive(Clone)]
pub struct Pool {
    pub(super) inner: Arc<PoolInner>,
}

pub(super) struct PoolInner {
    pub(super) io: Handle,
    pub(super) named: CephPool,
    path: PathBuf,
    /// Dropped after the pool, and shut down with the last one that uses it.
    cluster: Arc<Cluster>,
}

// SAFETY: an ioctx without a namespace or snapshot of its own takes calls from any number of threads.
unsafe impl Send for PoolInner {}
// SAFETY: as above.
unsafe impl Sync for PoolInner {}

impl Drop for PoolInner {
    fn drop(&mut self) {
        // SAFETY: made by `rados_ioctx_create`; images hold an `Arc` of us, so none is open. The cluster is a
        // field, and let go after this.
        unsafe { (self.cluster.api.rados_ioctx_destroy)(self.io) }
    }
}

impl Pool {
    /// Connects, with the default timeouts.
    ///
    /// # Errors
    /// As `connect_within`.
    pub fn connect(to: &CephPool) -> Result<Self, DiskError> {
        Self::connect_within(to, Timeouts::default())
    }

    /// Connects to the cluster and opens the pool.
    ///
    /// # Errors
    /// `Away` when nobody answers in time; `Refuses` for a missing library, conf, key or pool, for a
    /// wrong key, and for a cluster that is not the one of the record, each with what to do.
    pub fn connect_within(to: &CephPool, timeouts: Timeouts) -> Result<Self, DiskError> {
        memory::settle();
        Self::of(Arc::new(Cluster::open(to, timeouts)?), to)
    }

    /// Opens the pool `to` over the same connection, where it is reached in the same way as this one: half the threads
    /// and half the time of two. `None` where it is not.
    ///
    /// # Errors
    /// As `connect_within`.
    pub fn beside(&self, to: &CephPool) -> Result<Option<Self>, DiskError> {
        let way = |pool: &CephPool| CephPool { pool: String::new(), ..pool.clone() };
        (way(self.named()) == way(to)).then(|| Self::of(Arc::clone(&self.inner.cluster), to)).transpose()
    }

    fn of(cluster: Arc<Cluster>, to: &CephPool) -> Result<Self, DiskError> {
        let name = c(&to.pool)?;
        let mut io = null_mut();
        // SAFETY: the cluster is connected, the name lives for the length of the call, `io` is ours.
        match -unsafe { (cluster.api.rados_ioctx_create)(cluster.raw, name.as_ptr(), &mut io) } {
            ..=0 => {}
            libc::ENOENT => {
                let reason =
                    format!("there is no pool {}; make it, or name another (ceph osd pool ls)", to.pool);
                return Err(refuses(to, reason));
            }
            _ => return Err(away(to, "its pools could not be asked for in time")),
        }
        let path = pool_path(to);
        let pool = Self { inner: Arc::new(PoolInner { io, named: to.clone(), path, cluster }) };
        let fsid = pool.fsid()?;
        if !to.fsid.is_empty() && to.fsid != fsid {
            let reason = format!(
                "the cluster there is {fsid}, not {}; was it made anew? Add it as a new storage",
                to.fsid
            );
            return Err(refuses(to, reason));
        }
        Ok(pool)
    }

    pub(super) fn api(&self) -> &'static Api {
        self.inner.cluster.api
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.inner.cluster.timeouts
    }

    pub(super) fn place(&self) -> Place<'_> {
        Place { pool: &self.inner.named, path: &self.inner.path }
    }

    /// What it was connected by.
    pub fn named(&self) -> &CephPool {
        &self.inner.named
    }

    /// The cluster's id.
    ///
    /// # Errors
    /// `Away`.
    pub fn fsid(&self) -> Result<String, DiskError> {
        let mut text = [0 as c_char; FSID_BYTES];
        // SAFETY: the buffer is as long as said.
        let answer =
            unsafe { (self.api().rados_cluster_fsid)(self.inner.cluster.raw, text.as_mut_ptr(), text.len()) };
        check(&self.place(), "ask for the cluster's id", answer)?;
        // SAFETY: ended by a zero within the buffer.
        Ok(unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned())
    }

    /// The id of this connection, as watchers and lock owners are known by.
    pub fn client_id(&self) -> u64 {
        // SAFETY: the cluster is connected.
        unsafe { (self.api().rados_get_instance_id)(self.inner.cluster.raw) }
    }

    /// The addresses by which this connection is known to the cluster, as `shut_out` takes them.
    ///
    /// # Errors
    /// `Away`.
    pub fn client_addresses(&self) -> Result<Vec<String>, DiskError> {
        let mut text = null_mut();
        // SAFETY: the cluster is connected, `text` is ours to be written.
        let answer = unsafe { (self.api().rados_getaddrs)(self.inner.cluster.raw, &mut text) };
        check(&self.place(), "ask for our address", answer)?;
        // SAFETY: the library allocated a text for us that ends with a zero.
        let told = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        // SAFETY: allocated by the library for us, freed once.
        unsafe { (self.api().rados_buffer_free)(text) };
        let addresses = told.trim_matches(|c| c == '[' || c == ']').split(',');
        let bare = addresses.map(|a| a.trim_start_matches("v1:").trim_start_matches("v2:").to_owned());
        let mut addresses: Vec<String> = bare.filter(|a| !a.is_empty()).collect();
        addresses.dedup();
        Ok(addresses)
    }

    /// Shuts the client at `address` out of the cluster for `SHUT_OUT_S`: on return nothing of it is written any
    /// more, whatever is on its way, and it watches nothing.
    ///
    /// # Errors
    /// `Refuses` when our user may not do that; `Away`.
    pub fn shut_out(&self, address: &str) -> Result<(), DiskError> {
        let text = c(address)?.into_raw();
        // SAFETY: the text lives for the length of the call, which does not write to it; then it is ours again.
        let answer = unsafe {
            let answer = (self.api().rados_blocklist_add)(self.inner.cluster.raw, text, SHUT_OUT_S);
            drop(std::ffi::CString::from_raw(text));
            answer
        };
        check(&self.place(), "shut out a client", answer)?;
        // From here on our own requests carry that map, and an OSD that takes one has it too.
        // SAFETY: the cluster is connected.
        let answer = unsafe { (self.api().rados_wait_for_latest_osdmap)(self.inner.cluster.raw) };
        check(&self.place(), "wait for the map", answer).map(|_| ())
    }

    /// The pool's size and what may still be written to it, copies and quota reckoned in, as the cluster's
    /// monitors say. Where they do not tell it of a pool, the raw space of the cluster.
    ///
    /// # Errors
    /// `Away`, `Refuses`.
    pub fn capacity(&self) -> Result<Capacity, DiskError> {
        if let Some(told) = self.df()? {
            return Ok(told);
        }
        let (mut all, mut ours) = (ClusterStat::default(), PoolStat::default());
        // SAFETY: the struct is that of the header and ours to be written.
        let answer = unsafe { (self.api().rados_cluster_stat)(self.inner.cluster.raw, &mut all) };
        check(&self.place(), "ask for the cluster's space", answer)?;
        // SAFETY: as above.
        let answer = unsafe { (self.api().rados_ioctx_pool_stat)(self.inner.io, &mut ours) };
        check(&self.place(), "ask for the pool's space", answer)?;
        let available_bytes = all.kb_avail.saturating_mul(1024);
        Ok(Capacity { total_bytes: available_bytes.saturating_add(ours.num_bytes), available_bytes })
    }

    /// What `ceph df detail` says of the pool.
    fn df(&self) -> Result<Option<Capacity>, DiskError> {
        let asked = self.ask_monitor(r#"{"prefix": "df", "detail": "detail", "format": "json"}"#)?;
        let Ok(told) = serde_json::from_slice::<serde_json::Value>(&asked) else { return Ok(None) };
        let pools = told["pools"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(stats) = pools.iter().find(|p| p["name"] == self.named().pool.as_str()).map(|p| &p["stats"])
        else {
            return Ok(None);
        };
        let (Some(stored), Some(mut free)) = (stats["stored"].as_u64(), stats["max_avail"].as_u64()) else {
            return Ok(None);
        };
        if let Some(quota) = stats["quota_bytes"].as_u64().filter(|q| *q > 0) {
            free = free.min(quota.saturating_sub(stored));
        }
        Ok(Some(Capacity { total_bytes: stored.saturating_add(free), available_bytes: free }))
    }

    fn ask_monitor(&self, question: &str) -> Result<Vec<u8>, DiskError> {
        let question = c(question)?;
        let api = self.api();
        let commands = [question.as_ptr()];
        let (mut out, mut out_len, mut text, mut text_len) = (null_mut(), 0, null_mut(), 0);
        // SAFETY: one command that lives for the length of the call, no input; the four answers are ours.
        let answer = unsafe {
            (api.rados_mon_command)(
                self.inner.cluster.raw,
                commands.as_ptr(),
                commands.len(),
                null(),
                0,
                &mut out,
                &mut out_len,
                &mut text,
                &mut text_len,
            )
        };
        let mut told = Vec::new();
        if !out.is_null() {
            // SAFETY: the library allocated so many bytes for us.
            told.extend_from_slice(unsafe { std::slice::from_raw_parts(out.cast::<u8>(), out_len) });
        }
        for buffer in [out, text].into_iter().filter(|b| !b.is_null()) {
            // SAFETY: allocated by the library for us, freed once.
            unsafe { (api.rados_buffer_free)(buffer) };
        }
        check(&self.place(), "ask a monitor", answer)?;
        Ok(told)
    }

    /// The names of the pool's images, sorted, `IMAGES_MAX` at most.
    ///
    /// # Errors
    /// `Away`, `Refuses`.
    pub fn images(&self) -> Result<Vec<String>, DiskError> {
        let api = self.api();
        let mut room = 1024_usize;
        loop {
            let mut specs = vec![ImageSpec { id: null_mut(), name: null_mut() }; room];
            let mut found = room;
            // SAFETY: `found` says how many entries there is room for.
            let answer = unsafe { (api.rbd_list2)(self.inner.io, specs.as_mut_ptr(), &mut found) };
            if answer == -libc::ERANGE && found > room {
                room = found;
                continue;
            }
            check(&self.place(), "list the images", answer)?;
            let named = specs.iter().take(found).map(|spec| {
                // SAFETY: the library filled so many entries with texts that end with a zero.
                unsafe { CStr::from_ptr(spec.name) }.to_string_lossy().into_owned()
            });
            let mut names: Vec<String> = named.collect();
            // SAFETY: filled by the library, cleaned up once.
            unsafe { (api.rbd_image_spec_list_cleanup)(specs.as_mut_ptr(), found) };
            names.sort();
            names.truncate(IMAGES_MAX);
            return Ok(names);
        }
    }

    /// Deletes an image; one that is gone is no error. The caller proves first that nobody uses it and removes
    /// its snapshots.
    ///
    /// # Errors
    /// `InUse` while a client has it open; `Away`, `Refuses`; `Io` while it has snapshots.
    pub fn remove(&self, image: &str) -> Result<(), DiskError> {
        let name = c(image)?;
        // SAFETY: the pool is open, the name lives for the length of the call.
        let answer = unsafe { (self.api().rbd_remove)(self.inner.io, name.as_ptr()) };
        if answer == -libc::ENOENT {
            return Ok(());
        }
        let path = url(self.named(), image);
        check(&Place { pool: self.named(), path: &path }, "delete", answer).map(|_| ())
    }
}
