//! How budgets are shared: max-min fair, as a pure function. Each copy gets as much as any other on its tightest budget;
//! what one cannot use, since it has a cap of its own or a tighter budget elsewhere, is the others'. Who the copies are
//! and which budgets are in force is in the parent.

use std::collections::BTreeMap;

/// What a copy wants, and through which budgets it goes.
#[derive(Debug, Clone)]
pub struct Wish<L> {
    /// Most bytes per second that it takes; `None` = as much as it gets.
    pub cap: Option<u64>,
    /// The budgets that it counts for, each once; one that has no amount holds nobody back.
    pub links: Vec<L>,
}

/// What holds a copy back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound<L> {
    /// Its own cap.
    Cap,
    /// This budget.
    Link(L),
}

/// What a copy gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share<L> {
    /// Bytes per second; `None` = unlimited.
    pub bytes_per_s: Option<u64>,
    /// Why not more; `None` = nothing holds it back.
    pub bound: Option<Bound<L>>,
}

/// The share of each wish, in their order. `budgets` are bytes per second, 0 = nothing moves. Shares are whole bytes,
/// rounded down, but never 0 of a budget that is more: then a budget is exceeded by less than a byte for each copy.
pub fn fair<L: Ord + Copy>(budgets: &BTreeMap<L, u64>, wishes: &[Wish<L>]) -> Vec<Share<L>> {
    let mut shares: Vec<Option<Share<L>>> = vec![None; wishes.len()];
    let mut left: BTreeMap<L, Left> = BTreeMap::new();
    for link in wishes.iter().flat_map(|wish| &wish.links) {
        if let Some(bytes) = budgets.get(link) {
            let entry = left.entry(*link).or_insert(Left { bytes: *bytes, copies: 0, is_open: *bytes > 0 });
            entry.copies += 1;
        }
    }
    // The least that anything still open gives is final for whoever it binds: the levels only rise from here on.
    while let Some((level, bound)) = tightest(&left, wishes, &shares) {
        for (wish, share) in wishes.iter().zip(&mut shares).filter(|(_, share)| share.is_none()) {
            let bound_here = match bound {
                Bound::Cap => wish.cap == Some(level),
                Bound::Link(link) => wish.links.contains(&link),
            };
            if bound_here {
                *share = Some(Share { bytes_per_s: Some(level), bound: Some(bound) });
                for link in &wish.links {
                    if let Some(left) = left.get_mut(link) {
                        left.bytes = left.bytes.saturating_sub(level);
                        left.copies = left.copies.saturating_sub(1);
                    }
                }
            }
        }
    }
    let unlimited = Share { bytes_per_s: None, bound: None };
    shares.into_iter().map(|share| share.unwrap_or(unlimited)).collect()
}

/// What is left of a budget, and for how many copies.
struct Left {
    bytes: u64,
    copies: u64,
    is_open: bool,
}

/// The least that a cap or a budget gives to a copy without a share; of equals a cap.
fn tightest<L: Ord + Copy>(
    left: &BTreeMap<L, Left>,
    wishes: &[Wish<L>],
    shares: &[Option<Share<L>>],
) -> Option<(u64, Bound<L>)> {
    let open = wishes.iter().zip(shares).filter(|(_, share)| share.is_none());
    let cap = open.filter_map(|(wish, _)| wish.cap).min().map(|cap| (cap, Bound::Cap));
    let levels = left.iter().filter(|(_, left)| left.copies > 0).map(|(link, left)| {
        let level = (left.bytes / left.copies).max(u64::from(left.is_open));
        (level, Bound::Link(*link))
    });
    cap.into_iter().chain(levels).min_by_key(|(level, _)| *level)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wish(cap: impl Into<Option<u64>>, links: &[u8]) -> Wish<u8> {
        Wish { cap: cap.into(), links: links.to_vec() }
    }

    fn rates(budgets: &[(u8, u64)], wishes: &[Wish<u8>]) -> Vec<Option<u64>> {
        let shares = fair(&budgets.iter().copied().collect(), wishes);
        shares.into_iter().map(|share| share.bytes_per_s).collect()
    }

    #[test]
    fn copies_on_one_budget_get_equal_parts_of_it() {
        assert_eq!(
            rates(&[(1, 900)], &[wish(None, &[1]), wish(None, &[1]), wish(None, &[1])]),
            [Some(300); 3]
        );
    }

    #[test]
    fn what_a_capped_copy_leaves_is_the_others() {
        let shares = rates(&[(1, 900)], &[wish(100, &[1]), wish(None, &[1]), wish(5000, &[1])]);
        assert_eq!(shares, [Some(100), Some(400), Some(400)]);
    }

    #[test]
    fn a_copy_that_another_storage_holds_back_leaves_its_share() {
        // The first two read from 1, the second and third write to 2.
        let shares =
            rates(&[(1, 1000), (2, 200)], &[wish(None, &[1]), wish(None, &[1, 2]), wish(None, &[2])]);
        assert_eq!(shares, [Some(900), Some(100), Some(100)]);
    }

    #[test]
    fn without_a_budget_a_copy_has_its_cap_or_no_limit() {
        assert_eq!(
            rates(&[(9, 1)], &[wish(None, &[1]), wish(7, &[1, 2]), wish(None, &[])]),
            [None, Some(7), None]
        );
    }

    #[test]
    fn a_paused_storage_stops_its_copies_alone() {
        let shares = rates(&[(1, 0), (2, 800)], &[wish(None, &[1, 2]), wish(None, &[2]), wish(10, &[1])]);
        assert_eq!(shares, [Some(0), Some(800), Some(0)]);
    }

    #[test]
    fn a_budget_smaller_than_the_number_of_its_copies_stops_none() {
        assert_eq!(rates(&[(1, 2)], &vec![wish(None, &[1]); 5]), [Some(1); 5]);
    }

    #[test]
    fn what_binds_is_told() {
        let shares = fair(
            &BTreeMap::from([(1, 900), (2, 100)]),
            &[wish(50, &[1]), wish(None, &[1, 2]), wish(None, &[])],
        );
        let bounds: Vec<_> = shares.iter().map(|share| share.bound).collect();
        assert_eq!(bounds, [Some(Bound::Cap), Some(Bound::Link(2)), None]);
    }

    /// Budgets of links 0 to 5, some without any, and copies over up to three of them.
    fn worlds() -> impl Strategy<Value = (BTreeMap<u8, u64>, Vec<Wish<u8>>)> {
        let amount = prop_oneof![Just(0), 1..20_u64, 1000..1_000_000_u64, Just(u64::MAX)];
        let cap = proptest::option::of(prop_oneof![1..50_u64, 1000..1_000_000_u64]);
        let links = proptest::collection::btree_set(0..6_u8, 0..3);
        let wish = (cap, links).prop_map(|(cap, links)| Wish { cap, links: links.into_iter().collect() });
        (proptest::collection::btree_map(0..6_u8, amount, 0..6), proptest::collection::vec(wish, 0..12))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// The definition of max-min fairness: nobody can get more but from somebody who has no more. So each copy
        /// has its cap, or a budget that is used up and on which nobody has more than it.
        #[test]
        fn shares_are_max_min_fair((budgets, wishes) in worlds()) {
            let shares = fair(&budgets, &wishes);
            prop_assert_eq!(shares.len(), wishes.len());
            let copies = wishes.len() as u64;
            let on = |link: u8| {
                let both = wishes.iter().zip(&shares).filter(move |(wish, _)| wish.links.contains(&link));
                both.map(|(_, share)| share.bytes_per_s.unwrap_or(u64::MAX))
            };
            for (link, budget) in &budgets {
                let used: u128 = on(*link).map(u128::from).sum();
                // Beyond the budget only where a byte for each is more than all of it.
                prop_assert!(used <= u128::from(*budget) || (*budget > 0 && used <= u128::from(budget.max(&copies) + copies)), "{link}: {used}");
            }
            for (wish, share) in wishes.iter().zip(&shares) {
                let Some(rate) = share.bytes_per_s else {
                    prop_assert!(wish.cap.is_none() && wish.links.iter().all(|link| !budgets.contains_key(link)));
                    continue;
                };
                prop_assert!(wish.cap.is_none_or(|cap| rate <= cap));
                prop_assert!(rate > 0 || wish.links.iter().any(|link| budgets.get(link) == Some(&0)));
                let at_cap = wish.cap == Some(rate);
                let bottleneck = wish.links.iter().any(|link| {
                    let Some(budget) = budgets.get(link) else { return false };
                    let used: u128 = on(*link).map(u128::from).sum();
                    // Rounding leaves less than a byte for each copy.
                    used + u128::from(copies) > u128::from(*budget) && on(*link).all(|other| other <= rate.saturating_add(1))
                });
                prop_assert!(at_cap || bottleneck, "{:?} got {:?}", wish, share);
            }
        }
    }
}
