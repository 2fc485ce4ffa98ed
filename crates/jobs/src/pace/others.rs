//! The copies of other nodes: each node tells the others what it copies, and all share the budgets as if the copies of all
//! ran here. What is told is some seconds old at most; how it gets there is the server's business.

use std::collections::BTreeMap;

use longhaul_model::{JobId, StorageId};
use serde::{Deserialize, Serialize};

use super::Pacer;
use super::share::Wish;

/// Most copies of other nodes that are taken into account.
pub const OTHERS_MAX: usize = 10_000;
/// Most groups of copies that are told: each has storages and a cap of its own, and takes about 100 bytes.
const GROUPS_MAX: usize = 500;

/// Most jobs that are named in what is told, each with about 35 bytes: what holds the copies of others back is seen
/// through their own node alone.
const JOBS_MAX: usize = 100;

/// The storages, the cap and whether that is the job's own: what copies of one group have in common.
type Alike<'s> = (&'s [StorageId], Option<u64>, bool);

/// Copies between the same storages with the same cap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    /// The storages.
    on: Vec<String>,
    /// Bytes per second of each.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    cap: Option<u64>,
    /// How many.
    n: usize,
    /// Whether the cap is the own one of each job.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    own: bool,
    /// Whose they are, as far as that is told.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    jobs: Vec<String>,
}

impl Pacer {
    /// What this node tells the others: its copies.
    pub fn word(&self) -> String {
        let state = self.lock();
        let mut groups: BTreeMap<Alike<'_>, Vec<Option<JobId>>> = BTreeMap::new();
        for copy in state.copies.values() {
            let alike = (copy.wish.links.as_slice(), copy.wish.cap, copy.own);
            groups.entry(alike).or_default().push(copy.job);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, jobs)| std::cmp::Reverse(jobs.len()));
        groups.truncate(GROUPS_MAX);
        let mut named = 0;
        let told = groups.into_iter().map(|((links, cap, own), jobs)| {
            let n = jobs.len();
            let jobs: Vec<_> = jobs.into_iter().flatten().take(JOBS_MAX - named).collect();
            named += jobs.len();
            Group {
                on: links.iter().map(ToString::to_string).collect(),
                cap,
                n,
                own,
                jobs: jobs.iter().map(ToString::to_string).collect(),
            }
        });
        serde_json::to_string(&told.collect::<Vec<_>>()).unwrap_or_default()
    }

    /// What the others tell, in the place of what they told before. What is not understood, a later release's, is
    /// passed over.
    pub fn hear(&self, words: &[String]) {
        let mut others = Vec::new();
        let mut jobs_of_others = BTreeMap::new();
        for group in words.iter().filter_map(|word| serde_json::from_str::<Vec<Group>>(word).ok()).flatten() {
            let mut links: Vec<StorageId> = group.on.iter().filter_map(|id| id.parse().ok()).collect();
            links.sort_unstable();
            links.dedup();
            let room = OTHERS_MAX.saturating_sub(others.len());
            let wish = Wish { cap: group.cap, links };
            let jobs = group.jobs.iter().filter_map(|job| job.parse().ok());
            jobs_of_others.extend(
                (others.len()..).take(room.min(group.n)).zip(jobs).map(|(at, job)| (job, (at, group.own))),
            );
            others.extend(std::iter::repeat_n(wish, group.n.min(room)));
        }
        let mut state = self.lock();
        state.others = others;
        state.jobs_of_others = jobs_of_others;
        state.shares = None;
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::super::{Allowance, Budget, By, Paced, Schedule, Seat};
    use super::*;

    const A: StorageId = StorageId::from_bits(1);
    const B: StorageId = StorageId::from_bits(2);
    const NOON: i64 = 1_768_478_400_000;

    /// A node whose storage A has 1,000 bytes per second.
    fn node() -> Pacer {
        let schedule = Schedule { base: Budget::PerSecond(1000), zone: TimeZone::UTC, windows: Vec::new() };
        let pacer = Pacer::default();
        pacer.schedule(BTreeMap::from([(A, Paced { name: "fast".to_owned(), schedule })]));
        pacer
    }

    /// Everybody tells everybody.
    fn talk(nodes: &[&Pacer]) {
        for (at, node) in nodes.iter().enumerate() {
            let others = nodes.iter().enumerate().filter(|(other, _)| *other != at);
            node.hear(&others.map(|(_, other)| other.word()).collect::<Vec<_>>());
        }
    }

    fn gets(seats: &[&Seat]) -> Vec<Option<u64>> {
        seats.iter().map(|seat| seat.allowed(None, NOON).budget.bytes_per_s()).collect()
    }

    #[test]
    fn nodes_share_a_budget_by_their_copies() {
        let (one, two, three) = (node(), node(), node());
        let (a, b, c) = (one.join([A, B]), one.join([A]), two.join([B, A]));
        assert_eq!(
            gets(&[&a, &b, &c]),
            [Some(500), Some(500), Some(1000)],
            "the control: not told of each other"
        );
        let d = three.join([A]);
        talk(&[&one, &two, &three]);
        assert_eq!(gets(&[&a, &b, &c, &d]), [Some(250); 4]);
        assert_eq!(three.told(A, NOON).copies, 4);
        drop((a, b));
        talk(&[&one, &two, &three]);
        assert_eq!(gets(&[&c, &d]), [Some(500); 2]);
    }

    #[test]
    fn what_a_copy_elsewhere_cannot_use_is_the_others() {
        let (one, two) = (node(), node());
        let (slow, free) = (one.join([A]), two.join([A]));
        assert_eq!(slow.allowed(Some(100), NOON).budget, Budget::PerSecond(100));
        talk(&[&one, &two]);
        assert_eq!(free.allowed(None, NOON).budget, Budget::PerSecond(900));
    }

    #[test]
    fn a_thousand_copies_are_told_in_a_few_words_and_what_is_not_understood_is_passed_over() {
        let (one, two) = (node(), node());
        let many: Vec<Seat> = (0..999).map(|_| one.join([A, B])).collect();
        assert!(one.word().len() < 200, "{}", one.word());
        let last = two.join([A]);
        two.hear(&[one.word(), "{\"a later release\":1}".to_owned()]);
        assert_eq!(last.allowed(None, NOON).budget, Budget::PerSecond(1));
        assert_eq!(two.told(A, NOON).copies, 1000);
        drop(many);
        two.hear(&[one.word()]);
        assert_eq!(last.allowed(None, NOON).budget, Budget::PerSecond(1000));
    }

    #[test]
    fn what_holds_a_copy_back_is_seen_through_every_node() {
        let (one, two) = (node(), node());
        let (job, other) = (JobId::from_bits(7), JobId::from_bits(8));
        let (copy, _beside) = (one.join([A, B]).of(job), two.join([A]).of(other));
        assert_eq!(two.allowed_elsewhere(job, NOON), None, "not told yet");
        talk(&[&one, &two]);
        let expected = copy.allowed(None, NOON);
        assert_eq!(expected.budget, Budget::PerSecond(500));
        assert_eq!(two.allowed_elsewhere(job, NOON), Some((expected, false)));
        assert_eq!(two.allowed_elsewhere(other, NOON), None, "its own");
        copy.has_own_rate(true);
        copy.allowed(Some(100), NOON);
        talk(&[&one, &two]);
        let own = Allowance { budget: Budget::PerSecond(100), by: By::Cap };
        assert_eq!(two.allowed_elsewhere(job, NOON), Some((own, true)));
        drop(copy);
        talk(&[&one, &two]);
        assert_eq!(two.allowed_elsewhere(job, NOON), None);
    }

    #[test]
    fn a_word_is_never_longer_than_nodes_may_tell() {
        let pacer = node();
        let seats: Vec<Seat> = (0..2000_u64)
            .map(|n| pacer.join([A, B]).of(JobId::from_bits(u128::MAX - u128::from(n))))
            .collect();
        for (cap, seat) in (1_000_000_000_000..).zip(&seats) {
            seat.allowed(Some(cap), NOON);
        }
        assert!(pacer.word().len() < 64 * 1024, "{}", pacer.word().len());
    }
}
