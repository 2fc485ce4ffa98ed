//! The end of an upload: everything is read back from the device and hashed. What came in order was hashed
//! on the way, so that only BLAKE3 is left to compute; the MD5 of the rest is computed while it is read.

use md5::{Digest, Md5};

use super::digest::hex;
use super::{Upload, UploadError};
use crate::copy::buffer::AlignedBuf;
use crate::copy::device::DeviceFile;
use crate::storage::DiskError;

/// Bytes that are read back at a time.
const READ_BYTES: usize = 4 << 20;

/// The whole content, as it is on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its MD5, in lower-case hexadecimal.
    pub md5: String,
    /// Its BLAKE3, in lower-case hexadecimal.
    pub blake3: String,
}

/// Hashes of the upload's beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct InOrder {
    at: u64,
    md5: Md5,
    blake3: blake3::Hasher,
}

impl InOrder {
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.blake3.update(bytes);
        self.at += bytes.len() as u64;
    }
}

impl Upload {
    /// Takes nothing any more, and reads everything back from the device. `go_on` is told how many bytes were
    /// read so far, and answers whether to go on.
    ///
    /// # Errors
    /// `Incomplete`; `Content` when an MD5 was demanded and it is another one; `ReadBack` when the device does not
    /// hold what was received; `Disk`: `Canceled` when `go_on` said so, `Io`.
    pub fn complete(&self, go_on: &dyn Fn(u64) -> bool) -> Result<Content, UploadError> {
        let received = self.received();
        let Some(size) = received.size.filter(|_| received.is_complete()) else {
            return Err(UploadError::Incomplete { at: received.offset });
        };
        self.close();
        self.file.sync_all().map_err(|e| DiskError::io("fsync", &self.path, e))?;
        // A copy, so that a second call after an error begins where this one did.
        let mut sent = self.state().in_order.clone().unwrap_or_default();
        let device = DeviceFile::new(&self.file, &self.path)?;
        let mut buf = AlignedBuf::new(READ_BYTES);
        let mut found = blake3::Hasher::new();
        let mut at = 0;
        while at < size {
            if !go_on(at) {
                return Err(DiskError::Canceled.into());
            }
            device.read(buf.bytes_mut(), at, &self.path)?;
            let len = (size - at).min(READ_BYTES as u64);
            let bytes = &buf.bytes()[..len as usize];
            // Up to here it was hashed when it came: the device must hold the same.
            let hashed = sent.at.saturating_sub(at).min(len) as usize;
            found.update(&bytes[..hashed]);
            if sent.at == at + hashed as u64 && hashed > 0 && found.finalize() != sent.blake3.finalize() {
                return Err(UploadError::ReadBack { end: sent.at });
            }
            found.update(&bytes[hashed..]);
            sent.update(&bytes[hashed..]);
            at += len;
        }
        let md5: [u8; 16] = sent.md5.finalize().into();
        if let Some(demanded) = self.demanded_md5().filter(|demanded| *demanded != md5) {
            return Err(UploadError::Content { expected: hex(&demanded), found: hex(&md5) });
        }
        Ok(Content { bytes: size, md5: hex(&md5), blake3: found.finalize().to_hex().to_string() })
    }
}
