//! A buffer whose first byte lies where direct I/O wants it. No I/O here.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr::{NonNull, null_mut};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Alignment in bytes of memory, file offset and length that direct I/O accepts on every device we
/// know.
pub const ALIGN: usize = 4096;

/// A zeroed buffer aligned to `ALIGN`, a multiple of it long. Its memory comes from the system and goes back to it when
/// dropped: an allocator would keep what a stage of a copy needed for the next one, which needs as much again.
#[derive(Debug)]
pub struct AlignedBuf {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: it is the only one that knows its memory, as a `Vec` is.
unsafe impl Send for AlignedBuf {}
// SAFETY: shared, it gives shared access alone.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// A buffer of at least `len` bytes. Ends the process where there is no memory, as every allocation does.
    pub fn new(len: usize) -> Self {
        let len = len.next_multiple_of(ALIGN).max(ALIGN);
        // SAFETY: a new mapping at a place that the kernel chooses touches nothing that is there.
        let mapped =
            unsafe { mmap_anonymous(null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) };
        match mapped.ok().and_then(|start| NonNull::new(start.cast())) {
            Some(start) => Self { start, len },
            None => handle_alloc_error(Layout::from_size_align(len, ALIGN).unwrap_or(Layout::new::<u8>())),
        }
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: mapped, zeroed by the kernel, so many bytes long, and ours until dropped.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// All of it, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; `&mut self` keeps others away.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length, and no slice of it outlives it. It cannot fail for such a range.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_aligned_zeroed_and_as_long_as_was_asked_for() {
        for (asked, len) in [(0, ALIGN), (1, ALIGN), (ALIGN, ALIGN), (ALIGN + 1, 2 * ALIGN)] {
            let mut buf = AlignedBuf::new(asked);
            assert_eq!((buf.bytes().len(), buf.bytes().as_ptr() as usize % ALIGN), (len, 0));
            assert!(buf.bytes().iter().all(|b| *b == 0));
            buf.bytes_mut().fill(7);
            assert!(buf.bytes().iter().all(|b| *b == 7));
        }
    }
}
