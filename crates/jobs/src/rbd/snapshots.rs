//! The snapshots of an image: listing, taking, protecting, removing, and what was cloned from them.

use std::ffi::{CStr, c_char, c_int};
use std::ptr::{null, null_mut};

use super::Image;
use super::error::c;
use super::sys::{self, LinkedImage, SnapInfo};
use crate::storage::DiskError;

/// Clones of an image that there is room for at the first question.
const CHILDREN_ROOM: usize = 256;

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its number, never used again in this image.
    pub id: u64,
    /// Bytes of the disk when it was taken.
    pub bytes: u64,
    /// Its name.
    pub name: String,
    /// Somebody took it by its name. Others belong to a group of images, a mirror, or clones that outlive it.
    pub by_user: bool,
    /// It is kept from being removed, for clones.
    pub protected: bool,
}

/// A snapshot as the library lists it.
struct Listed {
    id: u64,
    bytes: u64,
    name: String,
    /// Of whom it is, `RBD_SNAP_NAMESPACE_TYPE_…`.
    kind: c_int,
}

impl Image {
    /// Takes a snapshot.
    ///
    /// # Errors
    /// `Exists`, `InUse`, `NoSpace`, `Fenced`, `Away`, `Io`; `BadImage` where it may have no more snapshots.
    pub fn snapshot(&self, name: &str) -> Result<(), DiskError> {
        let text = c(name)?;
        // SAFETY: the image is open, the name lives for the length of the call.
        let answer = unsafe { (self.api().rbd_snap_create)(self.raw, text.as_ptr()) };
        if answer == -libc::EDQUOT {
            let reason = "it may have no more snapshots, and a copy is made from one; raise or lift the limit (rbd snap limit clear)";
            return Err(DiskError::bad_image(self.path(), reason));
        }
        self.check("take a snapshot", answer).map(|_| ())
    }

    /// Removes a snapshot; one that is gone is no error.
    ///
    /// # Errors
    /// `InUse` while it is protected or another holds the lock; `Fenced`, `Away`, `Io`.
    pub fn remove_snapshot(&self, name: &str) -> Result<(), DiskError> {
        let text = c(name)?;
        // SAFETY: the image is open, the name lives for the length of the call.
        let answer = unsafe { (self.api().rbd_snap_remove)(self.raw, text.as_ptr()) };
        if answer == -libc::ENOENT { Ok(()) } else { self.check("remove a snapshot", answer).map(|_| ()) }
    }

    /// Keeps a snapshot from being removed; one that is kept already is no error.
    ///
    /// # Errors
    /// `InUse` while another holds the lock; `Fenced`, `Away`, `Io`.
    pub fn protect(&self, name: &str) -> Result<(), DiskError> {
        let text = c(name)?;
        // SAFETY: the image is open, the name lives for the length of the call.
        let answer = unsafe { (self.api().rbd_snap_protect)(self.raw, text.as_ptr()) };
        if answer == -libc::EBUSY { Ok(()) } else { self.check("protect a snapshot", answer).map(|_| ()) }
    }

    /// Lets a snapshot be removed again; one that is not kept is no error.
    ///
    /// # Errors
    /// `InUse` while there are clones of it, or another holds the lock; `Fenced`, `Away`, `Io`.
    pub fn unprotect(&self, name: &str) -> Result<(), DiskError> {
        let text = c(name)?;
        // SAFETY: the image is open, the name lives for the length of the call.
        let answer = unsafe { (self.api().rbd_snap_unprotect)(self.raw, text.as_ptr()) };
        if answer == -libc::EINVAL { Ok(()) } else { self.check("unprotect a snapshot", answer).map(|_| ()) }
    }

    /// Its snapshots, the oldest first. One whose removal was begun, and that no clone reads from, is none any more: the
    /// library puts a snapshot among the removed ones first, under another name, and a process that ends then leaves it
    /// there.
    ///
    /// # Errors
    /// `Refuses` when there is such a one, and our user may not look for clones; `Away`, `Io`.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>, DiskError> {
        let listed = self.listed()?;
        let some_removed = listed.iter().any(|s| s.kind == sys::SNAPSHOT_REMOVED);
        let counts_removed = some_removed && !self.children()?.is_empty();
        let mut snapshots = Vec::with_capacity(listed.len());
        for Listed { id, bytes, name, kind } in listed {
            if kind == sys::SNAPSHOT_REMOVED && !counts_removed {
                continue;
            }
            let by_user = kind == sys::SNAPSHOT_OF_USER;
            let protected = by_user && self.is_protected(&name)?;
            snapshots.push(Snapshot { id, bytes, name, by_user, protected });
        }
        snapshots.sort_by_key(|s| s.id);
        Ok(snapshots)
    }

    /// Ends the removals that were begun and not ended; those that clones read from stay.
    ///
    /// # Errors
    /// `Fenced`, `Away`, `Io`.
    pub fn end_removals(&self) -> Result<(), DiskError> {
        for begun in self.listed()?.iter().filter(|s| s.kind == sys::SNAPSHOT_REMOVED) {
            // SAFETY: the image is open.
            let answer = unsafe { (self.api().rbd_snap_remove_by_id)(self.raw, begun.id) };
            if ![-libc::ENOENT, -libc::EBUSY].contains(&answer) {
                self.check("remove a snapshot", answer)?;
            }
        }
        Ok(())
    }

    fn listed(&self) -> Result<Vec<Listed>, DiskError> {
        let api = self.api();
        let mut room = 64;
        loop {
            let mut raw = vec![SnapInfo { id: 0, size: 0, name: null() }; room];
            let mut found = room as i32;
            // SAFETY: `found` says how many entries there is room for.
            let answer = unsafe { (api.rbd_snap_list)(self.raw, raw.as_mut_ptr(), &mut found) };
            if answer == -libc::ERANGE && found as usize > room {
                room = found as usize + 1;
                continue;
            }
            let count = self.check("list the snapshots", answer)? as usize;
            let read = raw.iter().take(count).map(|s| {
                // SAFETY: the library filled so many entries with texts that end with a zero.
                let name = unsafe { CStr::from_ptr(s.name) }.to_string_lossy().into_owned();
                (s.id, s.size, name)
            });
            let listed: Vec<_> = read.collect();
            if count > 0 {
                // SAFETY: filled by the library, ended by an entry without a name, freed once.
                unsafe { (api.rbd_snap_list_end)(raw.as_mut_ptr()) };
            }
            let known = |(id, bytes, name)| Ok(Listed { id, bytes, name, kind: self.kind(id)? });
            return listed.into_iter().map(known).collect();
        }
    }

    fn kind(&self, id: u64) -> Result<c_int, DiskError> {
        let mut kind = -1;
        // SAFETY: `kind` is ours to be written.
        let answer = unsafe { (self.api().rbd_snap_get_namespace_type)(self.raw, id, &mut kind) };
        self.check("ask for the kind of a snapshot", answer)?;
        Ok(kind)
    }

    fn is_protected(&self, name: &str) -> Result<bool, DiskError> {
        let text = c(name)?;
        let mut protected = 0;
        // SAFETY: the name lives for the length of the call, `protected` is ours to be written.
        let answer = unsafe { (self.api().rbd_snap_is_protected)(self.raw, text.as_ptr(), &mut protected) };
        self.check("ask whether a snapshot is protected", answer)?;
        Ok(protected != 0)
    }

    /// The images that are clones of its snapshots and read from them, as `pool/image`.
    ///
    /// # Errors
    /// `Refuses` when our user may not look at their pools; `Away`, `Io`.
    pub fn children(&self) -> Result<Vec<String>, DiskError> {
        let api = self.api();
        let empty = LinkedImage {
            pool_id: 0,
            pool_name: null_mut(),
            pool_namespace: null_mut(),
            image_id: null_mut(),
            image_name: null_mut(),
            trash: false,
        };
        let mut room = CHILDREN_ROOM;
        loop {
            let mut raw = vec![empty.clone(); room];
            let mut found = room;
            // SAFETY: `found` says how many entries there is room for.
            let answer = unsafe { (api.rbd_list_children3)(self.raw, raw.as_mut_ptr(), &mut found) };
            if answer == -libc::ERANGE && found > room {
                room = found;
                continue;
            }
            self.check("list the clones", answer)?;
            // SAFETY: the library filled so many entries with texts that end with a zero.
            let text = |raw: *mut c_char| unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned();
            let read =
                raw.iter().take(found).map(|i| format!("{}/{}", text(i.pool_name), text(i.image_name)));
            let children = read.collect();
            // SAFETY: filled by the library, cleaned up once.
            unsafe { (api.rbd_linked_image_spec_list_cleanup)(raw.as_mut_ptr(), found) };
            return Ok(children);
        }
    }

    /// The group of images that it belongs to, if any.
    ///
    /// # Errors
    /// `Away`, `Io`.
    pub fn group(&self) -> Result<Option<String>, DiskError> {
        let api = self.api();
        let mut raw = sys::GroupInfo { name: null_mut(), pool: -1 };
        // SAFETY: `raw` is ours to be written, and as long as said.
        let answer = unsafe { (api.rbd_get_group)(self.raw, &mut raw, size_of::<sys::GroupInfo>()) };
        self.check("ask for the group", answer)?;
        let named = raw.pool >= 0 && !raw.name.is_null();
        // SAFETY: filled by the library with a text that ends with a zero.
        let name = named.then(|| unsafe { CStr::from_ptr(raw.name) }.to_string_lossy().into_owned());
        // SAFETY: filled by the library, cleaned up once.
        unsafe { (api.rbd_group_info_cleanup)(&mut raw, size_of::<sys::GroupInfo>()) };
        Ok(name.filter(|name| !name.is_empty()))
    }
}
