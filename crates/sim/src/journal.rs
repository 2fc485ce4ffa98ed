//! The witness: what job bodies did, written before they did it, and what the store said it did, outside of
//! store and engine. The order of the entries is the order in which things happened. What it proves is in `checker`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longhaul_model::{Claim, JobId, SlotClass};

use crate::executor::{Place, World};

/// A place in the work: written into the checkpoint, so that a later attempt shows which one it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Who wrote it.
    pub token: u64,
    /// How many steps are done.
    pub step: u64,
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The work is done.
    Succeed,
    /// The work cannot be done.
    Fail,
    /// To be resumed.
    Interrupt,
    /// The body breaks off.
    Panic,
}

/// What a body does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// An attempt begins, from this mark.
    Start(Option<Mark>),
    /// It is about to save this mark.
    Checkpoint(Mark),
    /// The store said the mark is saved.
    Saved(Mark),
    /// It is about to end.
    End(End),
    /// It begins to undo.
    UndoStart,
    /// It has undone its work.
    Undone,
    /// It is gone: returned, or dropped where it stood.
    Left,
}

/// One entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Virtual time, us.
    pub at_us: u64,
    /// The process.
    pub place: Place,
    /// The job.
    pub job: JobId,
    /// Which run.
    pub attempt: u32,
    /// Its fencing token.
    pub token: u64,
    /// What it counts against.
    pub class: SlotClass,
    /// What.
    pub act: Act,
}

/// What the store did about claims, seen on the way to it, in the order in which it did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It gave a claim with this token.
    Gave(JobId, u64),
    /// It took a write from a claim with this token.
    Took(JobId, u64),
}

/// The journals of a simulation: of the bodies, and of the way to the store.
#[derive(Clone)]
pub struct Journal {
    world: Arc<World>,
    entries: Arc<Mutex<Vec<Entry>>>,
    deeds: Arc<Mutex<Vec<Deed>>>,
}

impl Journal {
    /// Empty.
    pub fn new(world: Arc<World>) -> Self {
        Self { world, entries: Arc::default(), deeds: Arc::default() }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends.
    pub fn append(&self, place: Place, claim: &Claim, class: SlotClass, act: Act) {
        self.world.note(place, &format!("body {} token {} {act:?}", short(claim.job), claim.token));
        let at_us = self.world.now_us();
        let Claim { job, token, attempt, .. } = *claim;
        self.locked().push(Entry { at_us, place, job, attempt, token, class, act });
    }

    /// The store gave a claim.
    pub fn gave(&self, claim: &Claim) {
        self.deeds().push(Deed::Gave(claim.job, claim.token));
    }

    /// The store took a write from the holder of `claim`.
    pub fn took(&self, claim: &Claim) {
        self.deeds().push(Deed::Took(claim.job, claim.token));
    }

    /// What the store did so far.
    pub fn deeds(&self) -> MutexGuard<'_, Vec<Deed>> {
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All entries so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.locked().clone()
    }
}

/// Enough of an id to tell jobs of one simulation apart.
pub fn short(job: JobId) -> String {
    job.to_string()[..6].to_owned()
}
