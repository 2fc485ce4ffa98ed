//! How the allocator deals with the buffers of Ceph's library: several of 4 MiB for each chunk that is on its way, made by
//! one thread and freed by another. By default glibc keeps what was freed in an arena for each thread, some hundred MiB in
//! all, or gives it back and faults it in again for each chunk.

use std::sync::Once;

/// Arenas of the process: small pieces come from a cache of each thread, large ones are few.
const ARENAS: libc::c_int = 1;
/// Buffers up to this many bytes come from an arena; the most that glibc takes.
const FROM_ARENA_BYTES: libc::c_int = 32 << 20;
/// An arena gives back what is free at its end beyond this many bytes.
const KEPT_BYTES: libc::c_int = 8 << 20;

/// Settles it for this process, which does nothing but copy. A C library that knows no such settings stays as it is.
pub(super) fn settle() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(target_env = "gnu")]
        // SAFETY: takes numbers and changes the allocator's own settings, which it guards itself.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, ARENAS);
            libc::mallopt(libc::M_MMAP_THRESHOLD, FROM_ARENA_BYTES);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
        }
    });
}
