//! What the bytes of a range must hash to, as its record in the journal says, and the check of a whole file against
//! all its records. No I/O.

use std::ops::Range;

/// Bytes of BLAKE3 that a record has room for. They are against chance, not against malice: who may write to the
/// storage may write the journal too.
pub const DIGEST_BYTES: usize = 7;

/// A range that was received and what its bytes hash to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Where it lies in the upload.
    pub range: Range<u64>,
    /// The beginning of the BLAKE3 of its bytes.
    pub digest: [u8; DIGEST_BYTES],
}

impl Proof {
    /// Of the bytes that `hasher` was given.
    pub fn of(range: Range<u64>, hasher: &blake3::Hasher) -> Self {
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&hasher.finalize().as_bytes()[..DIGEST_BYTES]);
        Self { range, digest }
    }
}

/// Few of `proofs` that cover all that they cover together, in order; no byte lies in more than two.
fn cover(mut proofs: Vec<Proof>) -> Vec<Proof> {
    // Of those that begin at one byte, the longest first.
    proofs.sort_by_key(|proof| (proof.range.start, std::cmp::Reverse(proof.range.end)));
    let mut kept: Vec<Proof> = Vec::new();
    for proof in proofs {
        let covered = |kept: &[Proof]| kept.last().map_or(0, |last| last.range.end);
        if proof.range.end <= covered(&kept) {
            continue;
        }
        // The last is not needed where the one before it reaches to this one.
        while kept.len() > 1 && kept[kept.len() - 2].range.end >= proof.range.start {
            kept.pop();
        }
        kept.push(proof);
    }
    kept
}

/// Compares a file with proofs while it is read in order.
#[derive(Debug)]
pub struct Checker {
    /// Those whose bytes did not begin yet, the next at the end.
    waiting: Vec<Proof>,
    running: Vec<(Proof, blake3::Hasher)>,
    at: u64,
}

impl Checker {
    /// Against these, of which some may lie in others.
    pub fn new(proofs: Vec<Proof>) -> Self {
        let mut waiting = cover(proofs);
        waiting.reverse();
        Self { waiting, running: Vec::new(), at: 0 }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The range that ends in them and has other bytes.
    pub fn update(&mut self, bytes: &[u8]) -> Result<(), Range<u64>> {
        let end = self.at + bytes.len() as u64;
        while let Some(next) = self.waiting.pop_if(|next| next.range.start < end) {
            self.running.push((next, blake3::Hasher::new()));
        }
        let mut differs = None;
        let at = self.at;
        self.running.retain_mut(|(proof, hasher)| {
            let (from, to) = (proof.range.start.max(at), proof.range.end.min(end));
            hasher.update(&bytes[(from - at) as usize..(to - at) as usize]);
            let over = proof.range.end <= end;
            if over && differs.is_none() && Proof::of(proof.range.clone(), hasher) != *proof {
                differs = Some(proof.range.clone());
            }
            !over
        });
        self.at = end;
        differs.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn proof(bytes: &[u8], range: Range<usize>) -> Proof {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&bytes[range.clone()]);
        Proof::of(range.start as u64..range.end as u64, &hasher)
    }

    fn check(bytes: &[u8], proofs: &[Proof], block: usize) -> Result<(), Range<u64>> {
        let mut checker = Checker::new(proofs.to_vec());
        bytes.chunks(block).try_for_each(|block| checker.update(block))
    }

    proptest! {
        #[test]
        fn a_byte_that_differs_is_found_where_a_proof_covers_it_and_nowhere_else(
            ranges in prop::collection::vec((0usize..200, 1usize..60), 0..12),
            flipped in 0usize..260, block in 1usize..80,
        ) {
            let right: Vec<u8> = (0..260).map(|i| (i * 7) as u8).collect();
            let proofs: Vec<_> = ranges.iter().map(|(at, len)| proof(&right, *at..at + len)).collect();
            prop_assert_eq!(check(&right, &proofs, block), Ok(()));
            let mut wrong = right.clone();
            wrong[flipped] ^= 1;
            let covered = proofs.iter().any(|proof| proof.range.contains(&(flipped as u64)));
            match check(&wrong, &proofs, block) {
                Ok(()) => prop_assert!(!covered),
                Err(range) => prop_assert!(range.contains(&(flipped as u64))),
            }
            let kept = cover(proofs);
            for at in 0..260 {
                prop_assert!(kept.iter().filter(|proof| proof.range.contains(&at)).count() <= 2, "{:?}", kept);
            }
        }
    }
}
