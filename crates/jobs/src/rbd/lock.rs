//! Who may write to an image. The exclusive lock is librbd's own: whoever writes must own it, QEMU and the
//! kernel too. Owned by us on purpose it is not handed on when another asks. Breaking it shuts its owner out of
//! the cluster (blocklist), whatever it still has on its way. A lock that was taken by hand, with `rbd lock add`, is in
//! the same place, and librbd neither asks for it nor breaks it: it waits without end, so we look first and refuse.

use std::ffi::{CStr, c_char};
use std::ptr::null_mut;

use super::Image;
use super::error::c;
use super::sys::{self, WatcherInfo};
use crate::storage::{DiskError, HandLock, InUse};

/// Owners of a lock, and watchers, that are looked at.
const HOLDERS_MAX: usize = 256;
/// The tag of the locks that librbd and the kernel take by themselves.
const TAG_OF_CLIENTS: &str = "internal";
/// How the ids of such locks begin.
const ID_OF_CLIENTS: &str = "auto ";

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

    /// Refuses while another client has the image open for writing, or somebody locked it by hand.
    ///
    /// # Errors
    /// `InUse` with its address, or with the lock; as `watchers`.
    pub fn refuse_if_watched(&self) -> Result<(), DiskError> {
        self.refuse_if_locked_by_hand()?;
        let others = self.other_watchers()?;
        if others.is_empty() {
            return Ok(());
        }
        Err(DiskError::InUse(
            others.into_iter().map(|w| InUse::elsewhere(self.path(), Some(w.address))).collect(),
        ))
    }

    /// Refuses while the image has a lock that no client takes or gives up by itself: one of `rbd lock add`. Whatever
    /// changes the image would wait for it without end.
    ///
    /// # Errors
    /// `InUse` with the lock, its owner and its address; `Away`, `Io`.
    pub fn refuse_if_locked_by_hand(&self) -> Result<(), DiskError> {
        let (tag, lockers) = self.lockers()?;
        let by_hand = lockers
            .into_iter()
            .filter(|(lock, _)| tag != TAG_OF_CLIENTS || !lock.id.starts_with(ID_OF_CLIENTS));
        let holders: Vec<_> = by_hand
            .map(|(lock, at)| InUse { lock: Some(lock), ..InUse::elsewhere(self.path(), Some(at)) })
            .collect();
        if holders.is_empty() { Ok(()) } else { Err(DiskError::InUse(holders)) }
    }

    /// The tag of its locks, and each with the address of who took it.
    fn lockers(&self) -> Result<(String, Vec<(HandLock, String)>), DiskError> {
        // The tag, then of each lock: whose it is, its id, the address.
        let mut texts: [Vec<u8>; 4] = std::array::from_fn(|_| vec![0_u8; 4096]);
        loop {
            let mut lengths = texts.each_ref().map(Vec::len);
            let mut exclusive = 0;
            let [tag, lockers, ids, addresses] =
                texts.each_mut().map(|text| text.as_mut_ptr().cast::<c_char>());
            let [tag_len, lockers_len, ids_len, addresses_len] = &mut lengths;
            // SAFETY: each length says how much room its text has.
            let answer = unsafe {
                (self.api().rbd_list_lockers)(
                    self.raw,
                    &mut exclusive,
                    tag,
                    tag_len,
                    lockers,
                    lockers_len,
                    ids,
                    ids_len,
                    addresses,
                    addresses_len,
                )
            };
            let answer = i32::try_from(answer).unwrap_or(-libc::EIO);
            if answer == -libc::ERANGE
                && lengths.iter().zip(&texts).any(|(length, text)| *length > text.len())
            {
                texts = lengths.map(|length| vec![0_u8; length]); // what it needs, by its own word
                continue;
            }
            let found = usize::try_from(self.check("list the locks", answer)?).unwrap_or_default();
            let split = |text: &[u8]| -> Vec<String> {
                let parts = text.split(|byte| *byte == 0).take(found.max(1));
                parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
            };
            let [tag, lockers, ids, addresses] = texts.each_ref().map(|text| split(text));
            let locks = ids.into_iter().zip(lockers).map(|(id, locker)| HandLock { id, locker });
            let tag = tag.into_iter().next().unwrap_or_default();
            return Ok((tag, locks.zip(addresses).take(found).collect()));
        }
    }

    /// Takes the exclusive lock and keeps it: from here on nobody else can write, until it is released, the image
    /// is closed, or another breaks it. A client that owns the lock and lives may hand it over, so ask first
    /// whether there is one: `refuse_if_watched`.
    ///
    /// # Errors
    /// `InUse` when its owner does not hand it over, or it was taken by hand; `BadImage` when the image has no such lock;
    /// `Away`, `Fenced`, `Io`.
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
        self.refuse_if_locked_by_hand()?;
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
    /// `InUse` when it was taken by hand; `Away`, `Io`.
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
        if answer == -libc::EBUSY {
            self.refuse_if_locked_by_hand()?; // whose it is, which that answer does not tell
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
