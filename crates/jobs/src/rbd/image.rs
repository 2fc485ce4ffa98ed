//! One image: making, opening, reading, writing, its notes. What is stored in it: `extents`; who may write to it:
//! `lock`; its snapshots: `snapshots`.

use std::ffi::{CStr, c_char};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

use super::error::{Place, c, check, check_len, disk_error};
use super::sys::{self, Api, Handle};
use super::{Pool, uncopied, url};
use crate::storage::DiskError;

/// Bytes of one object of the images that we make, librbd's own default.
pub const OBJECT_BYTES: u64 = 1 << OBJECT_ORDER;
const OBJECT_ORDER: u64 = 22;

const LAYERING: u64 = 1;
const EXCLUSIVE_LOCK: u64 = 1 << 2;
const OBJECT_MAP: u64 = 1 << 3;
const FAST_DIFF: u64 = 1 << 4;
const DEEP_FLATTEN: u64 = 1 << 5;
/// What an image of ours can: the lock is the fence, the rest makes it quick to see what is stored.
const FEATURES: u64 = LAYERING | EXCLUSIVE_LOCK | OBJECT_MAP | FAST_DIFF | DEEP_FLATTEN;

const ID_BYTES: usize = 128;
const NOTE_BYTES: usize = 4096;

/// An open image. Any number of threads may call at the same time. Closed when dropped, before its pool.
pub struct Image {
    pub(super) raw: Handle,
    pub(super) pool: Pool,
    path: PathBuf,
}

// SAFETY: librbd takes calls on one image from any number of threads; it is closed once, by `Drop`.
unsafe impl Send for Image {}
// SAFETY: as above.
unsafe impl Sync for Image {}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: opened by us and closed here alone. What it answers helps nobody: all that was to be kept was
        // flushed before.
        unsafe { (self.api().rbd_close)(self.raw) };
    }
}

impl Image {
    /// Makes an image of `bytes` that reads as zeros.
    ///
    /// # Errors
    /// `Exists`, `NoSpace`, `Away`, `Refuses`; `BadImage` for a size beyond the limit.
    pub fn create(pool: &Pool, image: &str, bytes: u64) -> Result<(), DiskError> {
        let path = url(pool.named(), image);
        if bytes > crate::storage::header::MAX_DISK_BYTES {
            let most = crate::storage::header::MAX_DISK_BYTES;
            return Err(DiskError::bad_image(&path, format!("{bytes} bytes; the largest disk is {most}")));
        }
        let (api, name) = (pool.api(), c(image)?);
        let place = Place { pool: pool.named(), path: &path };
        let mut options = null_mut();
        // SAFETY: the options are made, filled, used and destroyed here; the name lives for the length of the call.
        let answer = unsafe {
            (api.rbd_image_options_create)(&mut options);
            let set = [(sys::OPTION_FEATURES, FEATURES), (sys::OPTION_ORDER, OBJECT_ORDER)]
                .into_iter()
                .map(|(option, value)| (api.rbd_image_options_set_uint64)(options, option, value))
                .find(|answer| *answer < 0);
            let made = match set {
                Some(error) => error,
                None => (api.rbd_create4)(pool.inner.io, name.as_ptr(), bytes, options),
            };
            (api.rbd_image_options_destroy)(options);
            made
        };
        check(&place, "create", answer).map(|_| ())
    }

    /// Opens for reading and writing. Until it is closed others see a watcher.
    ///
    /// # Errors
    /// `NotFound`, `Away`, `Refuses`, `Io`.
    pub fn open(pool: &Pool, image: &str) -> Result<Self, DiskError> {
        Self::open_by(pool, image, None, |api| api.rbd_open)
    }

    /// Opens for reading alone, as of `snapshot` or as it is now. Others see nothing of it.
    ///
    /// # Errors
    /// As `open`; `NotFound` also for the snapshot.
    pub fn open_read_only(pool: &Pool, image: &str, snapshot: Option<&str>) -> Result<Self, DiskError> {
        Self::open_by(pool, image, snapshot, |api| api.rbd_open_read_only)
    }

    fn open_by(
        pool: &Pool,
        image: &str,
        snapshot: Option<&str>,
        open: impl Fn(&Api) -> unsafe extern "C" fn(Handle, *const c_char, *mut Handle, *const c_char) -> i32,
    ) -> Result<Self, DiskError> {
        let (name, at) = (c(image)?, snapshot.map(c).transpose()?);
        let path = url(pool.named(), &snapshot.map_or(image.to_owned(), |s| format!("{image}@{s}")));
        let mut raw = null_mut();
        let at = at.as_ref().map_or(null(), |text| text.as_ptr());
        // SAFETY: the pool is open, the texts live for the length of the call, `raw` is ours to be written.
        let answer = unsafe { open(pool.api())(pool.inner.io, name.as_ptr(), &mut raw, at) };
        check(&Place { pool: pool.named(), path: &path }, "open", answer)?;
        Ok(Self { raw, pool: pool.clone(), path })
    }

    pub(super) fn api(&self) -> &'static Api {
        self.pool.api()
    }

    pub(super) fn check(&self, op: &'static str, answer: i32) -> Result<i32, DiskError> {
        check(&Place { pool: self.pool.named(), path: &self.path }, op, answer)
    }

    /// How it is called in messages and records: `ceph://<pool>/<image>`, with `@<snapshot>` where opened so.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The pool that it was opened in.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Its id within the pool: an image that is made anew under the same name has another.
    ///
    /// # Errors
    /// `Away`, `Io`.
    pub fn id(&self) -> Result<String, DiskError> {
        let mut text = [0 as c_char; ID_BYTES];
        // SAFETY: the buffer is as long as said.
        let answer = unsafe { (self.api().rbd_get_id)(self.raw, text.as_mut_ptr(), text.len()) };
        self.check("ask for the id", answer)?;
        // SAFETY: ended by a zero within the buffer.
        Ok(unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned())
    }

    /// Bytes of the disk.
    ///
    /// # Errors
    /// `Away`, `Io`.
    pub fn size(&self) -> Result<u64, DiskError> {
        let mut bytes = 0;
        // SAFETY: `bytes` is ours to be written.
        let answer = unsafe { (self.api().rbd_get_size)(self.raw, &mut bytes) };
        self.check("ask for the size", answer)?;
        Ok(bytes)
    }

    /// Changes the size, cutting off or adding zeros.
    ///
    /// # Errors
    /// `InUse` while another holds the lock; `Away`, `Fenced`, `Io`.
    pub fn resize(&self, bytes: u64) -> Result<(), DiskError> {
        // SAFETY: the image is open.
        let answer = unsafe { (self.api().rbd_resize)(self.raw, bytes) };
        self.check("resize", answer).map(|_| ())
    }

    fn features(&self) -> Result<u64, DiskError> {
        let mut bits = 0;
        // SAFETY: `bits` is ours to be written.
        let answer = unsafe { (self.api().rbd_get_features)(self.raw, &mut bits) };
        self.check("ask for the features", answer)?;
        Ok(bits)
    }

    /// Whether the image knows the exclusive lock, without which nobody can be kept from writing.
    ///
    /// # Errors
    /// `Away`, `Io`.
    pub fn has_exclusive_lock(&self) -> Result<bool, DiskError> {
        Ok(self.features()? & EXCLUSIVE_LOCK != 0)
    }

    /// Whether it is quick to say which objects are stored, and which changed since a snapshot.
    ///
    /// # Errors
    /// `Away`, `Io`.
    pub fn has_fast_diff(&self) -> Result<bool, DiskError> {
        Ok(self.features()? & FAST_DIFF != 0)
    }

    /// Bytes at its begin, as it is now or as of the snapshot it was opened at, that it may read from a parent; 0
    /// where it stands by itself.
    ///
    /// # Errors
    /// `Away`, `Io`.
    pub fn overlap(&self) -> Result<u64, DiskError> {
        let mut bytes = 0;
        // SAFETY: `bytes` is ours to be written.
        let answer = unsafe { (self.api().rbd_get_overlap)(self.raw, &mut bytes) };
        if answer == -libc::ENOENT {
            return Ok(0);
        }
        self.check("ask for its parent", answer)?;
        Ok(bytes)
    }

    /// When it was last written to, in seconds since 1970. The cluster notes the first write of a minute alone.
    ///
    /// # Errors
    /// `Away`, `Io`.
    pub fn modified_s(&self) -> Result<i64, DiskError> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is ours to be written.
        let answer = unsafe { (self.api().rbd_get_modify_timestamp)(self.raw, &mut time) };
        self.check("ask for the time of its last write", answer)?;
        Ok(time.tv_sec)
    }

    /// Fills `buf` from byte `at`.
    ///
    /// # Errors
    /// `Away`, `Fenced`, `Io`; `BadImage` when it ends before `buf` is full.
    pub fn read(&self, buf: &mut [u8], at: u64) -> Result<(), DiskError> {
        let mut got = 0;
        while got < buf.len() {
            let rest = &mut buf[got..];
            // SAFETY: the buffer is as long as said and ours to be written.
            let answer = unsafe {
                let to = rest.as_mut_ptr().cast();
                (self.api().rbd_read2)(self.raw, at + got as u64, rest.len(), to, sys::FADVISE_NOCACHE)
            };
            match self.check_len("read", answer)? {
                0 => {
                    return Err(DiskError::bad_image(
                        &self.path,
                        "it is shorter than it was when it was opened",
                    ));
                }
                n => got += n,
            }
        }
        Ok(())
    }

    /// Writes `data` at byte `at`. On return the OSDs have it, for we keep no cache.
    ///
    /// # Errors
    /// `NoSpace`, `Fenced` when another broke our lock, `InUse` when another holds it, `Away`, `Io`.
    pub fn write(&self, data: &[u8], at: u64) -> Result<(), DiskError> {
        let mut written = 0;
        while written < data.len() {
            let rest = &data[written..];
            match self.check_len("write", self.write_some(rest, at + written as u64))? {
                0 => return Err(disk_error(&self.place(), "write", libc::EIO)),
                n => written += n,
            }
        }
        Ok(())
    }

    fn write_some(&self, data: &[u8], at: u64) -> isize {
        if uncopied::may() {
            return uncopied::write(self, data, at, self.pool.timeouts().osd_s);
        }
        // SAFETY: the buffer is as long as said and lives for the length of the call.
        unsafe {
            (self.api().rbd_write2)(self.raw, at, data.len(), data.as_ptr().cast(), sys::FADVISE_NOCACHE)
        }
    }

    /// Makes `len` bytes from `at` read as zeros, giving back whole objects.
    ///
    /// # Errors
    /// As `write`.
    pub fn write_zeroes(&self, at: u64, len: u64) -> Result<(), DiskError> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        // SAFETY: the image is open.
        let answer = unsafe { (self.api().rbd_write_zeroes)(self.raw, at, len, 0, 0) };
        self.check_len("write zeros", answer).map(|_| ())
    }

    /// Returns when everything written before is with the OSDs.
    ///
    /// # Errors
    /// `Fenced`, `Away`, `Io`.
    pub fn flush(&self) -> Result<(), DiskError> {
        // SAFETY: the image is open.
        let answer = unsafe { (self.api().rbd_flush)(self.raw) };
        self.check("flush", answer).map(|_| ())
    }

    fn place(&self) -> Place<'_> {
        Place { pool: self.pool.named(), path: &self.path }
    }

    fn check_len(&self, op: &'static str, answer: isize) -> Result<usize, DiskError> {
        check_len(&self.place(), op, answer)
    }

    /// The note `key` of the image, `None` when there is none.
    ///
    /// # Errors
    /// `Away`, `Io`.
    pub fn note(&self, key: &str) -> Result<Option<String>, DiskError> {
        let key = c(key)?;
        let mut value = [0u8; NOTE_BYTES];
        let mut len = value.len();
        // SAFETY: the buffer is as long as said, the key lives for the length of the call.
        let answer = unsafe {
            (self.api().rbd_metadata_get)(self.raw, key.as_ptr(), value.as_mut_ptr().cast(), &mut len)
        };
        if answer == -libc::ENOENT {
            return Ok(None);
        }
        self.check("read a note", answer)?;
        let text = value.split(|b| *b == 0).next().unwrap_or_default();
        Ok(Some(String::from_utf8_lossy(text).into_owned()))
    }

    /// Sets the note `key`, or removes it.
    ///
    /// # Errors
    /// `InUse` while another holds the lock; `Fenced`, `Away`, `Io`.
    pub fn set_note(&self, key: &str, value: Option<&str>) -> Result<(), DiskError> {
        let (key, value) = (c(key)?, value.map(c).transpose()?);
        // SAFETY: the image is open, the texts live for the length of the call.
        let answer = unsafe {
            match &value {
                Some(text) => (self.api().rbd_metadata_set)(self.raw, key.as_ptr(), text.as_ptr()),
                None => (self.api().rbd_metadata_remove)(self.raw, key.as_ptr()),
            }
        };
        if answer == -libc::ENOENT { Ok(()) } else { self.check("write a note", answer).map(|_| ()) }
    }
}
