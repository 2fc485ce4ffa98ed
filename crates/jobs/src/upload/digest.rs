//! Checksums of a slice or of the whole, as they come with a request. What they are of: `slice`, `whole`.

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

/// A checksum that bytes must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// MD5.
    Md5([u8; 16]),
    /// SHA-1.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl Checksum {
    /// From the name of the algorithm, in lower case as tus spells it, and the bytes; `None` for an unknown
    /// name or a wrong length.
    pub fn new(algorithm: &str, bytes: &[u8]) -> Option<Self> {
        match algorithm {
            "md5" => bytes.try_into().ok().map(Self::Md5),
            "sha1" => bytes.try_into().ok().map(Self::Sha1),
            "sha256" => bytes.try_into().ok().map(Self::Sha256),
            _ => None,
        }
    }

    /// An MD5 from its 32 hexadecimal digits; `None` for anything else.
    pub fn md5_from_hex(text: &str) -> Option<[u8; 16]> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
    }

    /// Begins to compute one of the same algorithm.
    pub(super) fn begin(&self) -> Computing {
        match self {
            Self::Md5(_) => Computing::Md5(Md5::new()),
            Self::Sha1(_) => Computing::Sha1(Sha1::new()),
            Self::Sha256(_) => Computing::Sha256(Sha256::new()),
        }
    }

    /// In lower-case hexadecimal.
    pub fn hex(&self) -> String {
        match self {
            Self::Md5(bytes) => hex(bytes),
            Self::Sha1(bytes) => hex(bytes),
            Self::Sha256(bytes) => hex(bytes),
        }
    }
}

/// A checksum that is being computed.
#[derive(Clone, Debug)]
pub(super) enum Computing {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Computing {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    pub(super) fn end(self) -> Checksum {
        match self {
            Self::Md5(digest) => Checksum::Md5(digest.finalize().into()),
            Self::Sha1(digest) => Checksum::Sha1(digest.finalize().into()),
            Self::Sha256(digest) => Checksum::Sha256(digest.finalize().into()),
        }
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
