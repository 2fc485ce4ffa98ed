//! Which moments of a migration are killed, and who: drawn from a seed, so that a failure can be had again. And the
//! log of a long run.

use std::fmt;
use std::fs::File;
use std::io::Write;

use crate::place::Seeded;

/// Kills of one migration, at most.
const PER_ROUND: usize = 5;

/// A moment of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// So many thousandths are copied.
    Copying(u64),
    /// So many thousandths are read back.
    ReadingBack(u64),
    /// The switch-over is about to be written.
    Before,
    /// It was just written.
    After,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copying(share) => write!(f, "{} % copied", *share as f64 / 10.0),
            Self::ReadingBack(share) => write!(f, "{} % read back", *share as f64 / 10.0),
            Self::Before => write!(f, "before the switch-over"),
            Self::After => write!(f, "after the switch-over"),
        }
    }
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The server, and with it its child.
    Server,
    /// The copying child.
    Child,
}

/// A kill.
pub type Kill = (Moment, Victim);

fn moment(slot: u64, rng: &mut Seeded) -> Moment {
    match slot {
        0..10 => Moment::Copying(slot * 100 + rng.next() % 100),
        10 => Moment::ReadingBack(rng.next() % 600),
        11 => Moment::Before,
        _ => Moment::After,
    }
}

/// `kills` kills, dealt to as many migrations as they need. Two of a pair's `number` (0 to 8) hit one tenth of the
/// copy and one later moment, so that nine pairs hit them all; 13 and more hit every tenth and every moment, the later ones once.
pub fn deal(number: u64, kills: u64, rng: &mut Seeded) -> Vec<Vec<Kill>> {
    let mut slots: Vec<u64> = match kills {
        0..13 => (0..kills)
            .map(|n| if n % 2 == 0 { (number + n) % 10 } else { 10 + (number + n / 2) % 3 })
            .collect(),
        _ => (0..13).chain((13..kills).map(|_| rng.next() % 10)).collect(),
    };
    for at in (1..slots.len()).rev() {
        let other = usize::try_from(rng.next()).unwrap_or(0) % (at + 1);
        slots.swap(at, other);
    }
    let mut rounds: Vec<Vec<Kill>> = Vec::new();
    for (n, slot) in slots.iter().enumerate() {
        let victim = if (n as u64 + number).is_multiple_of(2) { Victim::Child } else { Victim::Server };
        if n % PER_ROUND == 0 {
            rounds.push(Vec::new());
        }
        if let Some(round) = rounds.last_mut() {
            round.push((moment(*slot, rng), victim));
        }
    }
    for round in &mut rounds {
        round.sort_by_key(|(moment, _)| *moment);
    }
    rounds
}

/// A line for people, and for the file that `LONGHAUL_MATRIX_LOG` names.
pub fn log(line: &str) {
    println!("{line}");
    if let Some(file) = std::env::var_os("LONGHAUL_MATRIX_LOG") {
        let mut file = File::options().create(true).append(true).open(file).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

#[test]
fn nine_pairs_with_two_kills_each_hit_nine_tenths_and_every_later_moment() {
    let mut tenths = [0; 10];
    let mut later = [0; 3];
    for number in 0..9 {
        for (moment, _) in deal(number, 2, &mut Seeded(number + 1)).concat() {
            match moment {
                Moment::Copying(at) => tenths[usize::try_from(at / 100).unwrap()] += 1,
                Moment::ReadingBack(_) => later[0] += 1,
                Moment::Before => later[1] += 1,
                Moment::After => later[2] += 1,
            }
        }
    }
    assert_eq!((tenths, later), ([1, 1, 1, 1, 1, 1, 1, 1, 1, 0], [3, 3, 3]));
    let long = deal(3, 20, &mut Seeded(7));
    assert_eq!(long.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 5, 5]);
    assert_eq!(long, deal(3, 20, &mut Seeded(7)), "a seed is a script");
}
