//! Many submissions, one after the other: memory has nothing to save by a batch.

use super::MemoryStore;
use crate::Batches;

impl Batches for MemoryStore {}
