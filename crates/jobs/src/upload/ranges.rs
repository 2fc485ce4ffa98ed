//! Which bytes of an upload are here: disjoint ranges that never touch each other, in order. No I/O.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of byte offsets, as ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// Start to end; neither overlapping nor touching.
    ends: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Adds a range; an empty one changes nothing.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        // All that overlap or touch, from the last that begins at or before our end.
        while let Some((&from, &to)) = self.ends.range(..=end).next_back() {
            if to < start {
                break;
            }
            start = start.min(from);
            end = end.max(to);
            self.ends.remove(&from);
        }
        self.ends.insert(start, end);
    }

    /// The first offset that is not in the set.
    pub fn first_missing(&self) -> u64 {
        self.ends.get(&0).copied().unwrap_or(0)
    }

    /// The offset after the last that is in the set.
    pub fn end(&self) -> u64 {
        self.ends.last_key_value().map_or(0, |(_, end)| *end)
    }

    /// How many offsets are in the set.
    pub fn len(&self) -> u64 {
        self.ends.iter().map(|(start, end)| end - start).sum()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Whether all of `range` is in the set.
    pub fn contains(&self, range: &Range<u64>) -> bool {
        self.ends.range(..=range.start).next_back().is_some_and(|(_, end)| *end >= range.end)
    }

    /// `range` in pieces, in order: each with whether it is in the set.
    pub fn pieces(&self, range: Range<u64>) -> Vec<(Range<u64>, bool)> {
        let mut pieces = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let around = self.ends.range(..=at).next_back().filter(|(_, end)| **end > at);
            let (end, inside) = match around {
                Some((_, end)) => (*end, true),
                None => (self.ends.range(at..).next().map_or(u64::MAX, |(start, _)| *start), false),
            };
            let end = end.min(range.end);
            pieces.push((at..end, inside));
            at = end;
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_the_set_of_what_was_inserted(
            inserted in prop::collection::vec((0u64..64, 0u64..16), 0..24),
            asked in (0u64..64, 1u64..24),
        ) {
            let mut ranges = Ranges::default();
            let mut plain = [false; 96];
            for (start, len) in inserted {
                ranges.insert(start..start + len);
                plain[start as usize..(start + len) as usize].fill(true);
            }
            prop_assert_eq!(ranges.len() as usize, plain.iter().filter(|b| **b).count());
            prop_assert_eq!(ranges.first_missing() as usize, plain.iter().position(|b| !*b).unwrap());
            prop_assert_eq!(ranges.end() as usize, plain.iter().rposition(|b| *b).map_or(0, |at| at + 1));
            let asked = asked.0..asked.0 + asked.1;
            let all = plain[asked.start as usize..asked.end as usize].iter().all(|b| *b);
            prop_assert_eq!(ranges.contains(&asked), all);
            let mut at = asked.start;
            for (piece, inside) in ranges.pieces(asked.clone()) {
                prop_assert_eq!(piece.start, at);
                prop_assert!(piece.clone().all(|b| plain[b as usize] == inside));
                at = piece.end;
            }
            prop_assert_eq!(at, asked.end);
            // Neither overlapping nor touching.
            let listed: Vec<_> = ranges.ends.iter().collect();
            prop_assert!(listed.windows(2).all(|w| w[0].1 < w[1].0));
        }
    }
}
