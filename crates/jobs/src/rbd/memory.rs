//! How the allocator deals with the buffers of Ceph's library: several of 4 MiB for each chunk that is on its way, made by
//! one thread and freed by another. By default glibc keeps what was freed in an arena for each thread, some hundred MiB in
//! all, and finds little of it again for buffers that begin at a page.

use std::sync::Once;

/// Arenas of the process: what one thread frees, the next one finds.
const ARENAS: libc::c_int = 1;
/// Buffers smaller than this many bytes, so all of them, come from the arena. Mapping each by itself takes its pages from
/// the kernel anew for each chunk, and cost 12 to 15 % of a job's time.
const MAPPED_BYTES: libc::c_int = 1 << 30;
/// The arena gives back what is free at its end beyond this many bytes: more than it ever has.
const KEPT_BYTES: libc::c_int = 1 << 28;

/// Settles it for this process, which does nothing but copy. A C library that knows no such settings stays as it is.
pub(super) fn settle() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(target_env = "gnu")]
        // SAFETY: takes numbers and changes the allocator's own settings, which it guards itself.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, ARENAS);
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
        }
    });
}

/// Gives what is free back to the system: between two stages of a copy, of which the second needs other sizes.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number, and touches nothing but what the allocator has free.
    unsafe {
        libc::malloc_trim(0);
    }
}
