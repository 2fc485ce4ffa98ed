//! The digests of an image's bytes as they come in.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use md5::{Digest, Md5};
use sha2::Sha256;

use super::checksum::Checksum;
use super::digest::hex;

/// Bytes that are read again at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// Digests of what came so far.
#[derive(Clone)]
pub struct Hashes {
    blake3: blake3::Hasher,
    md5: Md5,
    /// Only where somebody expects it.
    sha256: Option<Sha256>,
}

/// The digests of all of it, in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// BLAKE3.
    pub blake3: String,
    /// MD5.
    pub md5: String,
    /// SHA-256, where somebody expects it.
    pub sha256: Option<String>,
}

impl Hashes {
    /// Of nothing yet.
    pub fn new(expected: Option<&Checksum>) -> Self {
        let sha256 = matches!(expected, Some(Checksum::Sha256(_))).then(Sha256::new);
        Self { blake3: blake3::Hasher::new(), md5: Md5::new(), sha256 }
    }

    /// Of these bytes too.
    pub fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.md5.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// Of a piece of a file too, from `at` on and up to `end`; reads at most 64 MiB. Answers where it ended.
    ///
    /// # Errors
    /// It cannot be read, or ends before.
    pub fn update_from(&mut self, file: &File, mut at: u64, end: u64) -> io::Result<u64> {
        let mut block = vec![0; BLOCK_BYTES];
        for _ in 0..64 {
            let want = usize::try_from(end - at).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
            if want == 0 {
                break;
            }
            file.read_exact_at(&mut block[..want], at)?;
            self.update(&block[..want]);
            at += want as u64;
        }
        Ok(at)
    }

    /// The digests.
    pub fn finish(self) -> Digests {
        Digests {
            blake3: self.blake3.finalize().to_hex().to_string(),
            md5: hex(&self.md5.finalize()),
            sha256: self.sha256.map(|sha256| hex(&sha256.finalize())),
        }
    }
}

impl Digests {
    /// Whether they are what somebody expects; if not, what was found.
    ///
    /// # Errors
    /// What was found, written as the expectation is.
    pub fn check(&self, expected: &Checksum) -> Result<(), Checksum> {
        let found = match expected {
            Checksum::Md5(_) => Checksum::Md5(self.md5.clone()),
            Checksum::Sha256(_) => Checksum::Sha256(self.sha256.clone().unwrap_or_default()),
        };
        if found == *expected { Ok(()) } else { Err(found) }
    }
}
