//! How much a row weighs: bytes of its texts and a flat part for the rest. A query counts them while it reads, so
//! that an answer that would be too large is given up before it is in memory.

use crate::job::Job;
use crate::resource::{AccessKey, Account, BackupStorage, Image, Node, Storage, Tag, Volume};

/// What ids, dates and numbers of a row weigh, bytes.
const FLAT: usize = 512;

/// A row that has a weight.
pub trait Weigh {
    /// Bytes of its texts.
    fn texts(&self) -> usize;

    /// Bytes in all.
    fn weight(&self) -> u64 {
        (self.texts() + FLAT) as u64
    }
}

fn len(text: &Option<String>) -> usize {
    text.as_ref().map_or(0, String::len)
}

impl Weigh for Job {
    fn texts(&self) -> usize {
        self.name.len() + len(&self.description) + self.job_data.len() + len(&self.job_result)
    }
}

impl Weigh for Account {
    fn texts(&self) -> usize {
        self.name.len() + len(&self.description)
    }
}

impl Weigh for Node {
    fn texts(&self) -> usize {
        self.host_name.len() + len(&self.address) + len(&self.version)
    }
}

impl Weigh for Storage {
    fn texts(&self) -> usize {
        self.name.len() + len(&self.description) + self.url.len() + len(&self.mount)
    }
}

impl Weigh for Volume {
    fn texts(&self) -> usize {
        self.name.len() + len(&self.description) + len(&self.install_path)
    }
}

impl Weigh for AccessKey {
    fn texts(&self) -> usize {
        len(&self.description)
    }
}

impl Weigh for Tag {
    fn texts(&self) -> usize {
        self.text.len()
    }
}

impl Weigh for BackupStorage {
    fn texts(&self) -> usize {
        self.name.len() + len(&self.description) + self.url.len() + len(&self.host_name)
    }
}

impl Weigh for Image {
    fn texts(&self) -> usize {
        let refs: usize = self
            .refs
            .iter()
            .map(|r| r.install_path.len() + r.exports().map(|(url, _)| url.len()).sum::<usize>())
            .sum();
        self.name.len() + len(&self.description) + len(&self.url) + len(&self.guest_os_type) + refs
    }
}

/// What rows may still be taken.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    left: u64,
}

impl Budget {
    /// For rows of `bytes` in all.
    pub const fn of(bytes: u64) -> Self {
        Self { left: bytes }
    }

    /// Takes a row; `false` if it is too heavy for what is left.
    pub fn take(&mut self, row: &impl Weigh) -> bool {
        let left = self.left.checked_sub(row.weight());
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}
