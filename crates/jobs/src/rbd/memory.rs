//! How the allocator deals with the buffers of Ceph's library: several of 4 MiB for each chunk that is on its way, made by
//! one thread and freed by another. By default glibc keeps what was freed in an arena for each thread, some hundred MiB in
//! all, and finds little of it again for buffers that begin at a page.

use std::sync::Once;

/// Arenas of the process: small pieces come from a cache of each thread, large ones are mapped.
const ARENAS: libc::c_int = 1;
/// Buffers of this many bytes and more are mapped each by itself, and given back when they are freed. That costs
/// processor time, and bounds the memory by what is on its way.
const MAPPED_BYTES: libc::c_int = 1 << 20;
/// The arena gives back what is free at its end beyond this many bytes.
const KEPT_BYTES: libc::c_int = 8 << 20;

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
