//! What goes wrong, and when: a plan that a seed decides, with a part for each node and one for the database. A fault
//! begins so long after the one before has passed, since how long a start takes is the machine's. Who does it: `stage`.

use std::fmt;
use std::time::Duration;

use crate::place::Seeded;

/// How many nodes there are.
pub const NODES: usize = 3;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SIGKILL, and a start.
    Kill,
    /// SIGSTOP, and SIGCONT.
    Pause,
    /// A stop in order, and a start.
    Restart,
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// So long after the one before.
    pub after: Duration,
    pub kind: Kind,
    /// For how long it is down or stands still.
    pub down: Duration,
}

/// All faults of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    pub nodes: [Vec<Fault>; NODES],
    pub database: Vec<Fault>,
}

/// Numbers of a seed, one stream for each purpose.
#[derive(Debug)]
pub struct Chance(Seeded);

impl Chance {
    /// The stream `of` of a seed.
    pub fn new(seed: u64, of: u64) -> Self {
        let mixed = (seed ^ (of << 32)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut numbers = Seeded(mixed);
        for _ in 0..16 {
            numbers.next();
        }
        Self(numbers)
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        (self.0.next() >> 16) % bound
    }

    /// Between both, inclusive.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// True in so many of 100.
    pub fn percent(&mut self, many: u64) -> bool {
        self.below(100) < many
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    /// The uuid of a job that is to be.
    pub fn uuid(&mut self) -> String {
        let hex = format!("{:016x}{:016x}", self.0.next(), self.0.next());
        format!("{}4{}8{}", &hex[..12], &hex[13..16], &hex[17..])
    }
}

impl Faults {
    /// Those of a seed, enough for so many seconds.
    pub fn draw(seed: u64, seconds: u64) -> Self {
        let node = |n| drawn(&mut Chance::new(seed, n), seconds, (2500, 10_000), node_fault);
        let database = drawn(&mut Chance::new(seed, 99), seconds, (7000, 20_000), database_fault);
        Self { nodes: [node(0), node(1), node(2)], database }
    }
}

fn drawn(
    chance: &mut Chance,
    seconds: u64,
    (least, most): (u64, u64),
    fault: fn(&mut Chance) -> (Kind, u64),
) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    let mut passed = Duration::ZERO;
    while passed < Duration::from_secs(seconds) {
        let after = Duration::from_millis(chance.between(least, most));
        let (kind, ms) = fault(chance);
        let down = Duration::from_millis(ms);
        faults.push(Fault { after, kind, down });
        passed += after + down;
    }
    faults
}

/// A lease lasts 4 s: half of the pauses are shorter, half longer.
fn node_fault(chance: &mut Chance) -> (Kind, u64) {
    match chance.below(10) {
        0..=3 => (Kind::Kill, chance.between(0, 6000)),
        4..=5 => (Kind::Pause, chance.between(100, 3500)),
        6..=7 => (Kind::Pause, chance.between(4500, 9000)),
        _ => (Kind::Restart, chance.between(0, 3000)),
    }
}

fn database_fault(chance: &mut Chance) -> (Kind, u64) {
    match chance.below(5) {
        0 | 1 => (Kind::Kill, chance.between(0, 6000)),
        2 => (Kind::Pause, chance.between(100, 3500)),
        3 => (Kind::Pause, chance.between(4500, 9000)),
        _ => (Kind::Restart, chance.between(0, 3000)),
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.nodes.iter().enumerate().map(|(n, faults)| (format!("node {n}"), faults));
        for (who, faults) in named.chain([("database".to_owned(), &self.database)]) {
            write!(f, "  {who}:")?;
            for Fault { after, kind, down } in faults {
                write!(f, " +{:.1} {kind:?} {:.1}", after.as_secs_f32(), down.as_secs_f32())?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
