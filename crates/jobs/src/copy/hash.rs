//! Checksums. The hash of a whole disk is the plain BLAKE3 of the guest's bytes, holes as zeros, so
//! that `b3sum` of the raw bytes gives the same. BLAKE3 is a tree, and a chunk of ours is a complete
//! subtree of it: workers hash chunks in any order, and the last step merges the subtrees.

use blake3::Hasher;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use super::CHUNK_BYTES;

/// What is kept of one chunk: the value of its subtree, 32 bytes.
pub type ChunkHash = [u8; 32];

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The hash of the chunk `data` that starts at byte `at` of a disk of `disk_bytes`.
pub fn chunk(data: &[u8], at: u64, disk_bytes: u64) -> ChunkHash {
    let mut hasher = begin(at);
    hasher.update(data);
    end(&hasher, disk_bytes)
}

/// The hash of a chunk of `len` zeros that starts at byte `at` of a disk of `disk_bytes`.
pub fn zero_chunk(len: u64, at: u64, disk_bytes: u64) -> ChunkHash {
    let mut hasher = begin(at);
    let mut left = len;
    while left > 0 {
        let step = left.min(ZEROS.len() as u64);
        hasher.update(&ZEROS[..step as usize]);
        left -= step;
    }
    end(&hasher, disk_bytes)
}

/// The BLAKE3 of the whole disk, in hexadecimal, from the hashes of its chunks in order.
pub fn disk(chunks: &[ChunkHash]) -> String {
    match chunks {
        [] => blake3::hash(&[]).to_hex().to_string(),
        // A disk of one chunk has no subtree: its value is the root already.
        [only] => blake3::Hash::from_bytes(*only).to_hex().to_string(),
        many => {
            let (left, right) = many.split_at(left_len(many.len()));
            merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash).to_hex().to_string()
        }
    }
}

fn begin(at: u64) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(at);
    hasher
}

fn end(hasher: &Hasher, disk_bytes: u64) -> ChunkHash {
    if disk_bytes <= CHUNK_BYTES { *hasher.finalize().as_bytes() } else { hasher.finalize_non_root() }
}

/// BLAKE3 puts the largest power of two that leaves something over to the left.
fn left_len(n: usize) -> usize {
    n.next_power_of_two() / 2
}

fn subtree(chunks: &[ChunkHash]) -> ChunkHash {
    match chunks {
        [only] => *only,
        many => {
            let (left, right) = many.split_at(left_len(many.len()));
            merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_disk_is_the_plain_blake3_of_its_bytes() {
        let chunk_len = CHUNK_BYTES as usize;
        for len in [0, 1, 1024, chunk_len - 1, chunk_len, chunk_len + 1, 3 * chunk_len, 7 * chunk_len + 513] {
            let mut bytes: Vec<u8> = (0..len).map(|i| (i / 7 + i / 1021) as u8).collect();
            if let Some(second) = bytes.get_mut(chunk_len..2 * chunk_len) {
                second.fill(0);
            }
            let chunks: Vec<_> = bytes
                .chunks(chunk_len)
                .enumerate()
                .map(|(i, c)| {
                    let at = i as u64 * CHUNK_BYTES;
                    if super::super::is_zero(c) {
                        zero_chunk(c.len() as u64, at, len as u64)
                    } else {
                        chunk(c, at, len as u64)
                    }
                })
                .collect();
            assert_eq!(disk(&chunks), blake3::hash(&bytes).to_hex().to_string(), "{len} bytes");
        }
    }
}
