//! What parent and child say to each other. How it is put on the socket: `frame`.
//!
//! child `Hello` · parent `ResumePages`*, `Go` · child `Progress`*, `Checkpoint`* (each answered by
//! `CheckpointStored`), and last one of `Done`, `Canceled`, `Failed` · parent meanwhile `Throttle`, `Cancel`,
//! `LeaseConfirmed`. The child writes nothing anywhere before `Go`.
//!
//! A child whose source is an image stays after `Done` and holds it: parent `CheckSource`, child
//! `SourceUnchanged` or `Failed`, parent `Release`. The end of the socket ends it too. A child that is said `Ask`
//! instead of `Go` says `Answer` or `Failed`, and ends.

use std::collections::BTreeMap;

use longhaul_model::resource::CephPool;
use serde::{Deserialize, Serialize};

use super::hex;
use super::question::{Answer, Question};
use crate::copy::Stage;
use crate::copy::run::{CopyResult, CopySpec};
use crate::storage::DiskError;

/// Pages per message, so that none outgrows a frame: a page of 1024 chunks is 66 KiB of text.
pub const PAGES_PER_MESSAGE: usize = 16;

/// What an attempt does, and its bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptSpec {
    /// The copy.
    pub copy: CopySpec,
    /// Bytes per second at the beginning, 0 = unlimited, `copy::control::PAUSED` = none.
    pub bytes_per_s: u64,
    /// The child ends when its lease was confirmed this many milliseconds ago, here and by `LeaseConfirmed`; 0 = no lease.
    pub lease_ttl_ms: u64,
    /// When that was sent which confirmed the lease last, as `LeaseConfirmed` has it.
    pub lease_at_ns: u64,
}

/// A page of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Its number; it replaces the page of that number.
    pub number: u32,
    /// What it holds; only the copier reads it.
    #[serde(with = "hex")]
    pub bytes: Vec<u8>,
}

/// From the parent to the child.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum ToChild {
    /// Pages of the last checkpoint of an earlier attempt; before `Go`, in any number of messages.
    ResumePages {
        /// Up to `PAGES_PER_MESSAGE`.
        pages: Vec<Page>,
    },
    /// Begin.
    Go {
        /// What to do.
        spec: Box<AttemptSpec>,
    },
    /// Change the rate.
    Throttle {
        /// Bytes per second, 0 = unlimited, `copy::control::PAUSED` = none.
        bytes_per_s: u64,
    },
    /// Stop between two chunks and answer `Canceled`, unless the work wins the race.
    Cancel,
    /// The node's lease was renewed. With the moment, since the message may be read much later: by a process that was
    /// paused meanwhile.
    LeaseConfirmed {
        /// When that was sent which renewed it, in nanoseconds of `CLOCK_BOOTTIME`, which all processes of a machine share.
        at_ns: u64,
    },
    /// Answer this, and end. Instead of `Go`.
    Ask {
        /// Of which pool.
        pool: CephPool,
        /// What.
        question: Question,
    },
    /// After `Done`: prove that the source is as it was copied and that nobody can write to it.
    CheckSource,
    /// After `Done`: give the source back, and end.
    Release,
    /// The pages of `Checkpoint` with this `seq` are durable.
    CheckpointStored {
        /// Which.
        seq: u64,
    },
}

/// From the child to the parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum FromChild {
    /// The first message.
    Hello {
        /// Its process id.
        pid: u32,
        /// When it started, in clock ticks since boot (field 22 of /proc/PID/stat): with the pid, which process
        /// it is until the next boot.
        start_time: u64,
    },
    /// How far it is.
    Progress {
        /// What it is doing.
        stage: Stage,
        /// Bytes of data done in this stage.
        bytes_done: u64,
        /// Of how many.
        bytes_total: u64,
    },
    /// Changed pages, to be stored durably and answered by `CheckpointStored`.
    Checkpoint {
        /// Counts from 1.
        seq: u64,
        /// Up to `PAGES_PER_MESSAGE`.
        pages: Vec<Page>,
    },
    /// The target is complete, durable, and was read back.
    Done {
        /// What was found.
        result: CopyResult,
    },
    /// The source is as it was copied.
    SourceUnchanged,
    /// What was asked.
    Answer {
        /// It.
        answer: Answer,
    },
    /// Stopped as asked; the target can be deleted once the child was waited for.
    Canceled,
    /// Stopped by an error.
    Failed {
        /// Which; its `kind()` and its text are for people and logs.
        error: DiskError,
    },
}

/// Pages as the copier has them.
pub fn to_pages(pages: impl IntoIterator<Item = (u32, Vec<u8>)>) -> Vec<Page> {
    pages.into_iter().map(|(number, bytes)| Page { number, bytes }).collect()
}

/// Enters `pages` into what is known of a checkpoint.
pub fn enter(pages: Vec<Page>, into: &mut BTreeMap<u32, Vec<u8>>) {
    into.extend(pages.into_iter().map(|p| (p.number, p.bytes)));
}
