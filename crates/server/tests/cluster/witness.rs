//! The simulator's journal, read while it is written: each line gets the moment when it was seen, by the test's clock.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Instant;

/// One line.
#[derive(Debug, Clone)]
pub struct Line {
    /// Which job.
    pub job: String,
    /// The fencing token that its body had.
    pub token: u64,
    /// `start`, `checkpoint`, `end`, `undone`.
    pub what: String,
    /// When it was seen.
    pub at: Instant,
}

/// The journal.
#[derive(Debug)]
pub struct Witness {
    file: File,
    at: u64,
    /// All lines seen so far, in their order.
    pub lines: Vec<Line>,
}

impl Witness {
    /// Of the journal at `path`, which is there.
    pub fn new(path: &Path) -> Self {
        Self { file: File::open(path).unwrap(), at: 0, lines: Vec::new() }
    }

    /// Reads what was written since.
    pub fn look(&mut self) {
        self.file.seek(SeekFrom::Start(self.at)).unwrap();
        let mut text = String::new();
        self.file.read_to_string(&mut text).unwrap();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let at = Instant::now();
        self.at += whole as u64;
        for line in text[..whole].lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [job, _, token, what] = words[..] else { panic!("a line of the journal: {line:?}") };
            let (job, what, token) = (job.to_owned(), what.to_owned(), token.parse().unwrap());
            self.lines.push(Line { job, token, what, at });
        }
    }

    /// The newest token of each job.
    pub fn tokens(&self) -> BTreeMap<String, u64> {
        let mut newest = BTreeMap::new();
        for line in &self.lines {
            let token = newest.entry(line.job.clone()).or_default();
            *token = line.token.max(*token);
        }
        newest
    }

    /// Jobs whose body came to its end more than once.
    pub fn ended_twice(&self) -> Vec<String> {
        let mut ends: BTreeMap<&str, u32> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| line.what == "end") {
            *ends.entry(&line.job).or_default() += 1;
        }
        ends.into_iter().filter(|(_, ends)| *ends > 1).map(|(job, _)| job.to_owned()).collect()
    }
}
