//! Digests of bytes at rest and on their way.

use std::io::{self, Read};

use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

/// Bytes that are read at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// A digest that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// Their names on the wire.
    pub const NAMES: [&'static str; 3] = ["MD5", "SHA1", "SHA256"];

    /// The one of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "MD5" => Some(Self::Md5),
            "SHA1" => Some(Self::Sha1),
            "SHA256" => Some(Self::Sha256),
            _ => None,
        }
    }
}

/// The digest of all that `from` has, in lower-case hex.
///
/// # Errors
/// It cannot be read.
pub fn digest_of(from: impl Read, algorithm: Algorithm) -> io::Result<String> {
    match algorithm {
        Algorithm::Md5 => whole::<Md5>(from),
        Algorithm::Sha1 => whole::<Sha1>(from),
        Algorithm::Sha256 => whole::<Sha256>(from),
    }
}

fn whole<D: Digest>(mut from: impl Read) -> io::Result<String> {
    let (mut digest, mut block) = (D::new(), vec![0; BLOCK_BYTES]);
    loop {
        match from.read(&mut block) {
            Ok(0) => return Ok(hex(&digest.finalize())),
            Ok(n) => digest.update(&block[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_that_everybody_computes() {
        let of = |name| digest_of(&b"\n"[..], Algorithm::from_name(name).unwrap()).unwrap();
        assert_eq!(of("MD5"), "68b329da9893e34099c7d8ad5cb9c940");
        assert_eq!(of("SHA1"), "adc83b19e793491b1c6ea0fd8b46cd9f32e592fc");
        assert_eq!(of("SHA256"), "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b");
    }
}
