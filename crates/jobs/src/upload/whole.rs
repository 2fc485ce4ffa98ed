//! The end of an upload: everything is read back from the device and hashed, and compared with what the journal says of
//! each range. Reading and the hashes go on beside each other.

use std::sync::PoisonError;

use md5::{Digest, Md5};

use super::digest::hex;
use super::open::{FileId, Replayed};
use super::proof::Checker;
use super::{Upload, UploadError};
use crate::copy::buffer::AlignedBuf;
use crate::storage::{Access, DiskError};

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

impl Upload {
    /// Takes nothing any more, and reads everything back from the device. `go_on` is told how many bytes were
    /// read so far, and answers whether to go on.
    ///
    /// # Errors
    /// `Incomplete`; `Content` when an MD5 was demanded and it is another one; `ReadBack` when the device does not
    /// hold what was received; `Replaced` when the path leads to another file now; `Disk`: `Canceled` when `go_on`
    /// said so, `Io`.
    pub fn complete(&self, go_on: &dyn Fn(u64) -> bool) -> Result<Content, UploadError> {
        let received = self.received();
        let Some(size) = received.size.filter(|_| received.is_complete()) else {
            return Err(UploadError::Incomplete { at: received.offset });
        };
        self.close();
        self.file.sync_all().map_err(|e| DiskError::io("fsync", &self.path, e))?;
        let records = self.journal.lock().unwrap_or_else(PoisonError::into_inner).records()?;
        let mut checker = Checker::new(Replayed::of(records).proofs);
        let device = &self.device;
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
            let compared = std::thread::scope(|scope| {
                scope.spawn(|| md5.update(bytes));
                let compared = scope.spawn(|| {
                    blake3.update(bytes);
                    checker.update(bytes)
                });
                if after < size {
                    device.read(next.bytes_mut(), after, &self.path)?;
                }
                Ok::<_, DiskError>(compared.join().unwrap_or(Err(at..after)))
            })?;
            if let Err(range) = compared {
                return Err(UploadError::ReadBack { start: range.start, end: range.end });
            }
            std::mem::swap(&mut block, &mut next);
            at = after;
        }
        self.refuse_replaced()?;
        let md5: [u8; 16] = md5.finalize().into();
        if let Some(demanded) = self.demanded_md5().filter(|demanded| *demanded != md5) {
            return Err(UploadError::Content { expected: hex(&demanded), found: hex(&md5) });
        }
        Ok(Content { bytes: size, md5: hex(&md5), blake3: blake3.finalize().to_hex().to_string() })
    }

    /// What was read is what is found under its path from now on.
    fn refuse_replaced(&self) -> Result<(), UploadError> {
        let there = match self.root.open_file(&self.relative, Access::Read) {
            Ok(file) => Some(FileId::of(&file, &self.path)?.0),
            Err(DiskError::NotFound(_) | DiskError::OutsideRoot(_) | DiskError::BadImage { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if there == Some(self.id) { Ok(()) } else { Err(UploadError::Replaced) }
    }
}
