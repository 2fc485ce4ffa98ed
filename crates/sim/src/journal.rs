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

/// What the store does about a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// It gave it.
    Gave,
    /// It took a write from it.
    Took,
}

/// What the store did, seen on the way to it. A store outside of the world does several things at a time: which of two
/// came first is known where the one's answer was there before the other's call set out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deed {
    /// What.
    pub did: Did,
    /// The job.
    pub job: JobId,
    /// The claim's fencing token.
    pub token: u64,
    /// When the call set out; virtual time, us.
    pub since_us: u64,
    /// When its answer was there, us.
    pub at_us: u64,
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

    /// Now, us, for a call that sets out.
    pub fn moment(&self) -> u64 {
        self.world.now_us()
    }

    /// The store gave a claim to a call that set out at `since_us`.
    pub fn gave(&self, claim: &Claim, since_us: u64) {
        self.did(Did::Gave, claim, since_us);
    }

    /// The store took a write from the holder of `claim`, whose call set out at `since_us`.
    pub fn took(&self, claim: &Claim, since_us: u64) {
        self.did(Did::Took, claim, since_us);
    }

    fn did(&self, did: Did, claim: &Claim, since_us: u64) {
        let (job, token, at_us) = (claim.job, claim.token, self.world.now_us());
        self.deeds().push(Deed { did, job, token, since_us, at_us });
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
