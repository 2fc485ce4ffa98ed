//! How the allocator deals with the buffers of Ceph's library: several of 4 MiB for each chunk that is on its way, made by
//! one thread and freed by another. By default glibc keeps what was freed in an arena for each thread, some hundred MiB in
//! all, and finds little of it again for buffers that begin at a page.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, Once};

/// Arenas of the process: what one thread frees, the next one finds.
const ARENAS: libc::c_int = 1;
/// Buffers smaller than this many bytes, so all of them, come from the arena. Mapping each by itself takes its pages from
/// the kernel anew for each chunk, and cost 12 to 15 % of a job's time.
const MAPPED_BYTES: libc::c_int = 1 << 30;
/// The arena gives back what is free at its end beyond this many bytes: more than it ever has.
const KEPT_BYTES: libc::c_int = 1 << 28;

/// Free memory that is not worth giving back, in bytes: two of the buffers.
const SLACK_BYTES: u64 = 8 << 20;

/// More than `/proc/self/status` has, or at least than it has before the line of the memory.
const STATUS_BYTES: usize = 4096;

static SETTLED: Once = Once::new();

/// Settles it for this process, which does nothing but copy. A C library that knows no such settings stays as it is.
pub(super) fn settle() {
    SETTLED.call_once(|| {
        #[cfg(target_env = "gnu")]
        // SAFETY: takes numbers and changes the allocator's own settings, which it guards itself.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, ARENAS);
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
        }
    });
}

/// Keeps what is in memory near what is needed, over a pass of a copy.
///
/// A freed buffer that began at a page is too small for the next one, for glibc looks for a page more than it takes: by
/// chance of what lies between them, the free ones add up to twice or thrice what is in use, and stay in memory.
#[derive(Debug)]
pub struct Bound {
    status: File,
    /// Bytes in memory beyond which what is free is given back. Whoever looks holds it.
    allowed: Mutex<u64>,
}

impl Bound {
    /// For a pass that needs `bytes` more than there is now. `None` where no pool was connected to, so that there is
    /// nothing to bound, and where the system does not tell how much there is.
    pub fn beyond_now(bytes: u64) -> Option<Self> {
        if !SETTLED.is_completed() {
            return None;
        }
        give_back();
        let status = File::open("/proc/self/status").ok()?;
        let allowed = Mutex::new(resident(&status)? + bytes + SLACK_BYTES);
        Some(Self { status, allowed })
    }

    /// Gives back what is free if there is more than was said. Costs some microseconds where there is not.
    pub fn keep(&self) {
        let Ok(mut allowed) = self.allowed.try_lock() else { return };
        if resident(&self.status).is_some_and(|bytes| bytes > *allowed) {
            give_back();
            // What is in use is never called too much twice.
            let least = resident(&self.status).unwrap_or(0) + SLACK_BYTES;
            *allowed = least.max(*allowed);
        }
    }
}

/// Bytes that the process has in memory.
fn resident(status: &File) -> Option<u64> {
    let mut text = [0u8; STATUS_BYTES];
    let len = status.read_at(&mut text, 0).ok()?;
    let line =
        std::str::from_utf8(text.get(..len)?).ok()?.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib << 10)
}

/// Gives what is free back to the system.
fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number, and touches nothing but what the allocator has free.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_beyond_what_a_pass_needs_goes_back_to_the_system() {
        const BUFFER_BYTES: usize = 4 << 20;
        const COUNT: usize = 16;
        settle();
        let bound = Bound::beyond_now(0).expect("bound");
        let now = || resident(&bound.status).expect("memory");
        let before = now();
        // What stays between them keeps the buffers apart, and in memory when they are freed.
        let (buffers, between): (Vec<_>, Vec<_>) =
            (0..COUNT).map(|_| (vec![7u8; BUFFER_BYTES], vec![7u8; 4096])).unzip();
        drop(std::hint::black_box(buffers));
        let freed = now();
        assert!(freed > before + (COUNT * BUFFER_BYTES / 2) as u64, "{before} bytes, and {freed} after");
        bound.keep();
        let kept = now();
        assert!(
            kept < before + 2 * SLACK_BYTES,
            "{before} bytes, {freed} before and {kept} after giving back"
        );
        drop(std::hint::black_box(between));
    }

    #[test]
    fn what_is_in_use_raises_the_bound_and_is_not_looked_for_again() {
        settle();
        let bound = Bound::beyond_now(0).expect("bound");
        let used = std::hint::black_box(vec![7u8; 4 * SLACK_BYTES as usize]);
        bound.keep();
        let allowed = *bound.allowed.lock().expect("lock");
        assert!(allowed > resident(&bound.status).expect("memory"), "{} bytes are in use", used.len());
    }
}
