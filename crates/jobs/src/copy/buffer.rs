//! A buffer whose first byte lies where direct I/O wants it. No I/O here.

/// Alignment in bytes of memory, file offset and length that direct I/O accepts on every device we
/// know.
pub const ALIGN: usize = 4096;

/// A zeroed buffer aligned to `ALIGN`, a multiple of it long.
#[derive(Debug)]
pub struct AlignedBuf {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBuf {
    /// A buffer of at least `len` bytes.
    pub fn new(len: usize) -> Self {
        let len = len.next_multiple_of(ALIGN);
        let bytes = vec![0u8; len + ALIGN];
        // The vector is never grown, so its address stays what it is now.
        let start = bytes.as_ptr().align_offset(ALIGN).min(ALIGN);
        Self { bytes, start, len }
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    /// All of it, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}
