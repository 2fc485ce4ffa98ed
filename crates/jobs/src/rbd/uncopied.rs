//! Writes out of our own memory. librbd copies what is written to an image unless it may read it until the last message
//! that has it is gone; that copy took a fifth of the copying process's time, and as much memory as the chunks. The write
//! then ends no sooner, whatever the timeouts say: where an OSD hangs, its last message lies in the socket's queue.
//!
//! So these writes are for a process that looks whether one hangs, and ends if so: `watch`, `hung`. In all others librbd
//! copies, and its timeouts hold.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::image::Image;
use super::sys::{self, Handle};
use crate::copy::control::boottime_ns;
use crate::storage::DiskError;

/// Operations on objects that a write is at most, each of which begins when the one before is over: the map of the image's
/// objects, then the object.
const OPERATIONS: u32 = 2;
/// A write hangs when it takes so many seconds longer than those may.
const SLACK_S: u32 = 2;
/// A write that takes this long is asked about, again and again.
const ASK_AFTER: Duration = Duration::from_secs(2);

static WATCHED: AtomicBool = AtomicBool::new(false);
static HUNG: Mutex<Option<DiskError>> = Mutex::new(None);

/// This process asks `hung` from now on, and ends when it says so.
pub fn watch() {
    WATCHED.store(true, Ordering::Release);
}

/// Why a write hangs. It and its thread never come back, and its memory must stay: the process has to end.
pub fn hung() -> Option<DiskError> {
    HUNG.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Whether writes may be `write`.
pub(super) fn may() -> bool {
    WATCHED.load(Ordering::Acquire)
}

/// Writes as `rbd_write2` does, and answers as it; an operation on an object may take `operation_s`. Does not return where the write hangs.
pub(super) fn write(image: &Image, data: &[u8], at: u64, operation_s: u32) -> isize {
    let api = image.api();
    let over = Arc::new(Over::default());
    let told = Arc::into_raw(Arc::clone(&over)).cast_mut().cast();
    let mut completion = null_mut();
    // SAFETY: `told` is what `ended` takes, once; `completion` is ours to be written.
    let made = unsafe { (api.rbd_aio_create_completion)(told, ended, &mut completion) };
    if made < 0 {
        return made as isize; // `told` is leaked: a few bytes
    }
    // SAFETY: the memory is as long as said; this returns only when the library has let go of it, which is when it
    // calls `ended`, or when it has not begun.
    let begun = unsafe {
        let from = data.as_ptr().cast();
        (api.rbd_aio_write2)(image.raw, at, data.len(), from, completion, sys::FADVISE_NOCACHE)
    };
    if begun == 0
        && let Err(error) = wait(image, &over, at, operation_s)
    {
        *HUNG.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        loop {
            std::thread::park();
        }
    }
    // SAFETY: the completion is ours, and let go once; the library has a share of its own while it calls `ended`.
    unsafe {
        let answer = if begun == 0 { (api.rbd_aio_get_return_value)(completion) } else { begun as isize };
        (api.rbd_aio_release)(completion);
        if answer >= 0 { data.len() as isize } else { answer }
    }
}

/// Waits until it is over. A write of a client that was shut out may not be over either, while its message lies somewhere;
/// what the cluster says to a read tells.
///
/// # Errors
/// It hangs: `Fenced`, or `Away`.
fn wait(image: &Image, over: &Over, at: u64, operation_s: u32) -> Result<(), DiskError> {
    let begin_ns = boottime_ns();
    let within = Duration::from_secs(u64::from(operation_s * OPERATIONS + SLACK_S));
    while !over.wait(ASK_AFTER) {
        match image.read(&mut [0], at) {
            Err(fenced @ DiskError::Fenced(_)) => return Err(fenced),
            _ if Duration::from_nanos(boottime_ns() - begin_ns) < within => {}
            _ => return image.check("write", -libc::ETIMEDOUT).map(|_| ()),
        }
    }
    Ok(())
}

/// Whether a write is over.
#[derive(Default)]
struct Over {
    is: Mutex<bool>,
    news: Condvar,
}

impl Over {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is within that time.
    fn wait(&self, within: Duration) -> bool {
        let waited = self.news.wait_timeout_while(self.lock(), within, |over| !*over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

extern "C" fn ended(_completion: Handle, over: *mut c_void) {
    // SAFETY: made by `Arc::into_raw` for this one call.
    let over = unsafe { Arc::from_raw(over.cast_const().cast::<Over>()) };
    *over.lock() = true;
    over.news.notify_all();
}
