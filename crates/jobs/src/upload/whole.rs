//! The end of an upload: everything is read back from the device and hashed. What came in order was hashed by BLAKE3 on
//! the way, so that the device's bytes can be compared with it. Reading and both hashes go on beside each other.

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
    blake3: blake3::Hasher,
}

impl InOrder {
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
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
        let sent = self.state().in_order.clone().unwrap_or_default();
        let device = DeviceFile::new(&self.file, &self.path)?;
        let (mut block, mut next) = (AlignedBuf::new(READ_BYTES), AlignedBuf::new(READ_BYTES));
        let (mut blake3, mut md5) = (blake3::Hasher::new(), Md5::new());
        let mut at = 0;
        device.read(block.bytes_mut(), at, &self.path)?;
        while at < size {
            if !go_on(at) {
                return Err(DiskError::Canceled.into());
            }
            let bytes = &block.bytes()[..(size - at).min(READ_BYTES as u64) as usize];
            let after = at + bytes.len() as u64;
            // Up to here it was hashed when it came: the device must hold the same.
            let hashed = sent.at.saturating_sub(at).min(bytes.len() as u64) as usize;
            let same = std::thread::scope(|scope| {
                scope.spawn(|| md5.update(bytes));
                let compared = scope.spawn(|| {
                    blake3.update(&bytes[..hashed]);
                    let differs = hashed > 0
                        && sent.at == at + hashed as u64
                        && blake3.finalize() != sent.blake3.finalize();
                    blake3.update(&bytes[hashed..]);
                    !differs
                });
                if after < size {
                    device.read(next.bytes_mut(), after, &self.path)?;
                }
                Ok::<_, DiskError>(compared.join().unwrap_or(false))
            })?;
            if !same {
                return Err(UploadError::ReadBack { end: sent.at });
            }
            std::mem::swap(&mut block, &mut next);
            at = after;
        }
        let md5: [u8; 16] = md5.finalize().into();
        if let Some(demanded) = self.demanded_md5().filter(|demanded| *demanded != md5) {
            return Err(UploadError::Content { expected: hex(&demanded), found: hex(&md5) });
        }
        Ok(Content { bytes: size, md5: hex(&md5), blake3: blake3.finalize().to_hex().to_string() })
    }
}
