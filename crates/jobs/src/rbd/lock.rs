//! Who may write to an image. The exclusive lock is librbd's own: whoever writes must own it, QEMU and the
//! kernel too. Owned by us on purpose it is not handed on when another asks. Breaking it shuts its owner out of
//! the cluster (blocklist), whatever it still has on its way.

use std::ffi::{CStr, c_char};
use std::ptr::null_mut;

use super::Image;
use super::error::c;
use super::sys::{self, WatcherInfo};
use crate::storage::{DiskError, InUse};

/// Owners of a lock, and watchers, that are looked at.
const HOLDERS_MAX: usize = 256;

/// A client that has an image open for writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watcher {
    /// Its address and nonce, such as `192.168.1.5:0/3741298`.
    pub address: String,
    /// Its client id.
    pub client: u64,
}

impl Image {
    /// Who has the image open for writing, this connection too. A client that was killed is seen for about 30
    /// seconds, until the OSD believes it.
    ///
    /// # Errors
    /// `Away`, `Io`.
    pub fn watchers(&self) -> Result<Vec<Watcher>, DiskError> {
        let api = self.api();
        let mut raw = vec![WatcherInfo { addr: null_mut(), id: 0, cookie: 0 }; HOLDERS_MAX];
        let mut found = raw.len();
        // SAFETY: `found` says how many entries there is room for.
        let answer = unsafe { (api.rbd_watchers_list)(self.raw, raw.as_mut_ptr(), &mut found) };
        self.check("list the watchers", answer)?;
        let read = raw.iter().take(found).map(|w| {
            // SAFETY: the library filled so many entries with texts that end with a zero.
            let address = unsafe { CStr::from_ptr(w.addr) }.to_string_lossy().into_owned();
            Watcher { address, client: w.id.unsigned_abs() }
        });
        let watchers = read.collect();
        // SAFETY: filled by the library, cleaned up once.
        unsafe { (api.rbd_watchers_list_cleanup)(raw.as_mut_ptr(), found) };
        Ok(watchers)
    }

    /// Those of `watchers` that are not this connection.
    ///
    /// # Errors
    /// As `watchers`.
    pub fn other_watchers(&self) -> Result<Vec<Watcher>, DiskError> {
        let me = self.pool.client_id();
        Ok(self.watchers()?.into_iter().filter(|w| w.client != me).collect())
    }

    /// Refuses while another client has the image open for writing.
    ///
    /// # Errors
    /// `InUse` with its address; as `watchers`.
    pub fn refuse_if_watched(&self) -> Result<(), DiskError> {
        let others = self.other_watchers()?;
        if others.is_empty() {
            return Ok(());
        }
        Err(DiskError::InUse(
            others.into_iter().map(|w| InUse::elsewhere(self.path(), Some(w.address))).collect(),
        ))
    }

    /// Takes the exclusive lock and keeps it: from here on nobody else can write, until it is released, the image
    /// is closed, or another breaks it. A client that owns the lock and lives may hand it over, so ask first
    /// whether there is one: `refuse_if_watched`.
    ///
    /// # Errors
    /// `InUse` when its owner does not hand it over; `BadImage` when the image has no such lock; `Away`,
    /// `Fenced`, `Io`.
    pub fn lock(&self) -> Result<(), DiskError> {
        if !self.has_exclusive_lock()? {
            let place = self.path().display().to_string();
            let place = place.trim_start_matches("ceph://");
            let reason = format!(
                "it has no exclusive lock, so nobody can be kept from writing to it; give it one with rbd feature \
                 enable {place} exclusive-lock"
            );
            return Err(DiskError::bad_image(self.path(), reason));
        }
        // SAFETY: the image is open.
        let answer = unsafe { (self.api().rbd_lock_acquire)(self.raw, sys::LOCK_EXCLUSIVE) };
        match self.check("lock", answer) {
            Err(DiskError::InUse(_)) => {
                let owner = self.lock_owner()?;
                Err(DiskError::InUse(vec![InUse::elsewhere(self.path(), owner)]))
            }
            other => other.map(|_| ()),
        }
    }

    /// Gives the lock up.
    ///
    /// # Errors
    /// `Away`, `Fenced`, `Io`.
    pub fn unlock(&self) -> Result<(), DiskError> {
        // SAFETY: the image is open.
        let answer = unsafe { (self.api().rbd_lock_release)(self.raw) };
        self.check("unlock", answer).map(|_| ())
    }

    /// Whether this handle owns the lock. It stops being so when another broke it.
    ///
    /// # Errors
    /// `Away`, `Fenced`, `Io`.
    pub fn owns_lock(&self) -> Result<bool, DiskError> {
        let mut owns = 0;
        // SAFETY: `owns` is ours to be written.
        let answer = unsafe { (self.api().rbd_is_exclusive_lock_owner)(self.raw, &mut owns) };
        self.check("ask for the lock", answer)?;
        Ok(owns != 0)
    }

    /// The address of the lock's owner, `None` when it is free.
    ///
    /// # Errors
    /// `Away`, `Io`.
    pub fn lock_owner(&self) -> Result<Option<String>, DiskError> {
        let api = self.api();
        let mut owners = [null_mut::<c_char>(); HOLDERS_MAX];
        let (mut mode, mut found) = (sys::LOCK_EXCLUSIVE, owners.len());
        // SAFETY: `found` says how many entries there is room for.
        let answer =
            unsafe { (api.rbd_lock_get_owners)(self.raw, &mut mode, owners.as_mut_ptr(), &mut found) };
        if answer == -libc::ENOENT {
            return Ok(None);
        }
        self.check("ask for the lock's owner", answer)?;
        let first = owners.iter().take(found).next().map(|owner| {
            // SAFETY: the library filled so many entries with texts that end with a zero.
            unsafe { CStr::from_ptr(*owner) }.to_string_lossy().into_owned()
        });
        // SAFETY: filled by the library, cleaned up once.
        unsafe { (api.rbd_lock_get_owners_cleanup)(owners.as_mut_ptr(), found) };
        Ok(first)
    }

    /// Takes the lock away from `owner` and shuts that client out of the cluster: on return nothing of it is
    /// written any more. Of a lock that is not held by `owner` any more nothing is done.
    ///
    /// # Errors
    /// `Refuses` when our user may not blocklist; `Away`, `Io`.
    pub fn break_lock(&self, owner: &str) -> Result<(), DiskError> {
        let owner = c(owner)?;
        // SAFETY: the image is open, the text lives for the length of the call.
        let answer = unsafe { (self.api().rbd_lock_break)(self.raw, sys::LOCK_EXCLUSIVE, owner.as_ptr()) };
        match -answer {
            libc::ENOENT | libc::EBUSY => Ok(()),
            _ => self.check("break the lock", answer).map(|_| ()),
        }
    }
}
