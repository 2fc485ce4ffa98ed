//! Runs a target: its corpus as it is, a fixed number of edits that must reach the grammar, and bolero's engine
//! for as long as it is told to.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::corpus::Member;
use super::edit;
use super::promises::Seen;

/// How long a target runs unless `LONGHAUL_FUZZ_SECONDS` says otherwise, in s.
const SECONDS: u64 = 3;
/// Longest script, in bytes: enough for every edit, and for raw input worth the name.
const SCRIPT_MAX: usize = 192;
/// Scripts that show whether the edits reach the grammar.
const PROBES: usize = 1_000;
/// How long a part of a member is made by repeating it, in bytes.
const REPEATED_BYTES: usize = 8 * 1024;
/// How many of these are judged, from all over the corpus.
const REPEATED: usize = 300;
/// How long a failing input is made smaller, in s.
const SHRINK_S: u64 = 5;

/// Something that reads what clients send.
pub struct Target<'t> {
    /// Its name, and its corpus's.
    pub name: &'static str,
    /// What clients send.
    pub corpus: Vec<Member>,
    /// Words that edits put in.
    pub dictionary: &'t [&'t str],
    /// What must hold of any input.
    ///
    /// # Errors
    /// What does not hold.
    pub property: &'t (dyn Fn(&[u8]) -> Result<Seen, String> + std::panic::RefUnwindSafe),
}

/// What was seen of many inputs.
#[derive(Default)]
pub struct Tally {
    /// How many.
    pub inputs: u64,
    /// How many of them could be read.
    pub decoded: u64,
    /// How often each end was seen.
    pub ends: BTreeMap<String, u64>,
}

impl Tally {
    fn add(&mut self, seen: Seen) {
        self.inputs += 1;
        self.decoded += u64::from(seen.decoded);
        *self.ends.entry(seen.end).or_default() += 1;
    }

    /// In one line.
    pub fn line(&self) -> String {
        let percent = self.decoded * 100 / self.inputs.max(1);
        let Self { inputs, decoded, ends } = self;
        format!("{inputs} inputs, {decoded} decoded ({percent} %), {} different ends", ends.len())
    }
}

impl Target<'_> {
    /// Judges one input; the test fails if something does not hold of it, or if it panics.
    pub fn judge(&self, input: &[u8]) -> Seen {
        let judged = catch_unwind(AssertUnwindSafe(|| (self.property)(input))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            Err(format!("panic: {}", text.or(panic.downcast_ref().copied()).unwrap_or_default()))
        });
        judged.unwrap_or_else(|broken| {
            let file = format!("{}/fuzz-{}.txt", env!("CARGO_TARGET_TMPDIR"), self.name);
            let kept = std::fs::write(&file, input).map_or_else(|e| e.to_string(), |()| file);
            panic!(
                "{}: {broken}\ninput: {:?}\nkept in {kept}: make it a member of the corpus and a test in regressions.rs",
                self.name,
                String::from_utf8_lossy(input)
            )
        })
    }

    /// Every member of the corpus, as it is; `readable` is the least number that can be read.
    pub fn every_member(&self, readable: usize) -> Tally {
        let mut tally = Tally::default();
        for member in &self.corpus {
            tally.add(self.judge(&member.bytes));
        }
        assert!(tally.inputs >= 20, "{} members", tally.inputs);
        assert!(tally.decoded >= readable as u64, "{}: {:#?}", tally.line(), tally.ends);
        tally
    }

    /// A fixed sequence of scripts: at least a tenth of what they make can be read, and it ends in at least
    /// `ends` different ways.
    pub fn reaches_the_grammar(&self, ends: usize) {
        let (mut tally, mut state) = (Tally::default(), 0x9e37_79b9_7f4a_7c15_u64);
        for _ in 0..PROBES {
            let script: Vec<u8> = std::iter::repeat_with(|| random(&mut state)).take(SCRIPT_MAX).collect();
            tally.add(self.judge(&edit::input(&self.corpus, self.dictionary, &script)));
        }
        assert!(tally.decoded * 10 >= tally.inputs, "{}", tally.line());
        assert!(tally.ends.len() >= ends, "{}: {:#?}", tally.line(), tally.ends);
    }

    /// Whatever part of a member is repeated, reading it costs in proportion to its length.
    pub fn costs_in_proportion(&self) {
        let places: Vec<(&Member, usize)> = self.corpus.iter().flat_map(edit::pairs).collect();
        let step = places.len().div_ceil(REPEATED).max(1);
        for (member, at) in places.into_iter().step_by(step) {
            self.judge(&edit::repeated(member, at, REPEATED_BYTES));
        }
    }

    /// bolero's engine for `LONGHAUL_FUZZ_SECONDS`.
    pub fn fuzz(&self) {
        let told = std::env::var("LONGHAUL_FUZZ_SECONDS").ok();
        let seconds = told.map_or(SECONDS, |text| text.parse().expect("LONGHAUL_FUZZ_SECONDS in s"));
        self.fuzz_for(Duration::from_secs(seconds), Duration::from_secs(SHRINK_S));
    }

    /// bolero's engine for `time`; an input that fails is made smaller for `shrink` at most.
    pub fn fuzz_for(&self, time: Duration, shrink: Duration) {
        let tally = Mutex::new(Tally::default());
        let engine = bolero::check!(name = self.name);
        let engine = engine.with_test_time(time).with_shrink_time(shrink).with_max_len(SCRIPT_MAX);
        engine.for_each(|script: &[u8]| {
            let seen = self.judge(&edit::input(&self.corpus, self.dictionary, script));
            tally.lock().unwrap_or_else(PoisonError::into_inner).add(seen);
        });
        let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        println!("fuzz {}: {}", self.name, tally.line());
        assert!(tally.inputs > 0, "nothing was run");
    }
}

/// The next byte of a sequence that is always the same (xorshift).
fn random(state: &mut u64) -> u8 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 32) as u8
}
