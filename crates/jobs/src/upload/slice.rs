//! One slice while it is received: written where it belongs, compared where it is here already, and counted
//! as a whole after its checksum, or piece by piece as it is flushed. Which slices may be open beside each
//! other is decided in `Upload::begin`.

use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::digest::{Checksum, Computing};
use super::whole::InOrder;
use super::{Ranges, START_BYTES, Upload, UploadError};
use crate::storage::DiskError;

/// Bytes that are compared at a time.
const COMPARE_BYTES: usize = 64 << 10;

/// When bytes of a slice count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counting {
    /// As they are flushed: a request that breaks off keeps what came.
    AsFlushed,
    /// All at once, when they have this checksum.
    Whole(Checksum),
}

/// What a request wants to send.
#[derive(Clone, Debug)]
pub struct SliceRequest {
    /// Its first byte in the upload.
    pub start: u64,
    /// Its length in bytes; `None` while the sender does not say: at most to the upload's end.
    pub len: Option<u64>,
    /// When its bytes count.
    pub counting: Counting,
    /// Whether it must begin at the first missing byte.
    pub goes_on: bool,
}

/// Why a slice takes nothing any more.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shut {
    Superseded,
    Closed,
}

/// Held by a slice while it writes or commits; who takes it may end the slice.
#[derive(Debug, Default)]
pub(super) struct Gate {
    shut: Mutex<Option<Shut>>,
    /// A sync failed after bytes of this slice were written. Not under `shut`: it is set by another slice
    /// that holds the journal, for which this one may be waiting.
    spoiled: AtomicBool,
}

impl Gate {
    pub(super) fn shut(&self, why: Shut) {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }

    pub(super) fn spoil(&self) {
        self.spoiled.store(true, Ordering::Release);
    }

    /// Called with the journal held.
    pub(super) fn refuse_spoiled(&self) -> Result<(), UploadError> {
        if self.spoiled.load(Ordering::Acquire) { Err(UploadError::Superseded) } else { Ok(()) }
    }

    /// Does `work` unless the slice was ended; nobody ends it meanwhile.
    fn pass<T>(&self, work: impl FnOnce() -> Result<T, UploadError>) -> Result<T, UploadError> {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        match *shut {
            Some(Shut::Superseded) => Err(UploadError::Superseded),
            Some(Shut::Closed) => Err(UploadError::Closed),
            None => work(),
        }
    }
}

/// A slice that is being received. Dropping it keeps what counted.
#[derive(Debug)]
pub struct Slice {
    upload: Arc<Upload>,
    id: u64,
    gate: Arc<Gate>,
    range: Range<u64>,
    exact: bool,
    at: u64,
    committed: u64,
    /// Up to here the device was told to begin.
    started: u64,
    /// What was here when the slice began; nobody else adds to its range meanwhile.
    known: Ranges,
    checksum: Option<(Checksum, Computing)>,
    chain: Option<Chain>,
}

/// The hashes of the upload's beginning, which this slice goes on with.
#[derive(Debug)]
struct Chain {
    counted: InOrder,
    running: InOrder,
}

impl Upload {
    /// Begins a slice. Requests that are sending bytes of it are ended first.
    ///
    /// # Errors
    /// `Closed`, `Busy`, `SliceRefused`; `Offset` when it was to go on and does not.
    pub fn begin(self: &Arc<Self>, request: SliceRequest) -> Result<Slice, UploadError> {
        loop {
            let older: Vec<(u64, Arc<Gate>)> = {
                let mut state = self.state();
                if state.closed {
                    return Err(UploadError::Closed);
                }
                let range = self.range_of(&request, state.size)?;
                let expected = state.have.first_missing();
                if request.goes_on && request.start != expected {
                    return Err(UploadError::Offset { expected });
                }
                let meets = |other: &Range<u64>| other.start < range.end && range.start < other.end;
                let older: Vec<_> = state
                    .open
                    .iter()
                    .filter(|(_, (other, _))| meets(other))
                    .map(|(id, (_, gate))| (*id, gate.clone()))
                    .collect();
                if older.is_empty() {
                    if state.open.len() >= self.limits.open_slices_max {
                        return Err(UploadError::Busy { max: self.limits.open_slices_max });
                    }
                    let id = state.next;
                    state.next += 1;
                    let gate = Arc::new(Gate::default());
                    state.open.insert(id, (range.clone(), gate.clone()));
                    let begins_there = state.in_order.as_ref().is_some_and(|o| o.at() == range.start);
                    let counted = if begins_there { state.in_order.take() } else { None };
                    let checksum = match request.counting {
                        Counting::AsFlushed => None,
                        Counting::Whole(checksum) => Some((checksum.clone(), checksum.begin())),
                    };
                    return Ok(Slice {
                        upload: self.clone(),
                        id,
                        gate,
                        at: range.start,
                        committed: range.start,
                        started: range.start,
                        known: state.have.clone(),
                        exact: request.len.is_some(),
                        range,
                        checksum,
                        chain: counted.map(|counted| Chain { running: counted.clone(), counted }),
                    });
                }
                older
            };
            // Outside of the state's lock: a slice that is being made durable needs it to end.
            for (id, gate) in older {
                gate.shut(Shut::Superseded);
                self.state().open.remove(&id);
            }
        }
    }

    fn range_of(&self, request: &SliceRequest, size: Option<u64>) -> Result<Range<u64>, UploadError> {
        let (end_max, max) = (size.unwrap_or(self.limits.max_bytes), self.limits.slice_max_bytes);
        let end = match request.len {
            Some(len) => request.start.saturating_add(len),
            None => end_max.min(request.start.saturating_add(max)),
        };
        if end <= request.start || end > end_max || end - request.start > max {
            return Err(UploadError::SliceRefused { start: request.start, end, max, size: end_max });
        }
        Ok(request.start..end)
    }
}

impl Slice {
    /// Bytes that may still come.
    pub fn left(&self) -> u64 {
        self.range.end - self.at
    }

    /// The next byte.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// `Length` for more than were announced, `Differs` from what is here already, `Superseded`, `Closed`, `Disk`. Then
    /// the slice is over: drop it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        if bytes.len() as u64 > self.left() {
            let found = self.at - self.range.start + bytes.len() as u64;
            return Err(UploadError::Length { expected: self.range.end - self.range.start, found });
        }
        let end = self.at + bytes.len() as u64;
        self.gate.pass(|| {
            for (piece, here) in self.known.pieces(self.at..end) {
                let part = &bytes[(piece.start - self.at) as usize..(piece.end - self.at) as usize];
                if here {
                    self.compare(part, piece.start)?;
                } else {
                    let written = self.upload.file.write_all_at(part, piece.start);
                    written.map_err(|e| DiskError::io("write", &self.upload.path, e))?;
                }
            }
            Ok(())
        })?;
        if let Some((_, computing)) = &mut self.checksum {
            computing.update(bytes);
        }
        if let Some(chain) = &mut self.chain {
            chain.running.update(bytes);
        }
        self.at = end;
        if self.at - self.started >= START_BYTES {
            self.upload.start_writing(self.started..self.at);
            self.started = self.at;
        }
        self.upload.seen.send_modify(|seen| seen.activity += 1);
        if self.checksum.is_none() && self.at - self.committed >= self.upload.limits.flush_bytes {
            self.commit()?;
        }
        Ok(())
    }

    /// Ends a slice whose bytes all came. They count and are durable when it returns.
    ///
    /// # Errors
    /// `Length` when some are missing, of which a slice without checksum keeps what came; `Checksum`;
    /// `Superseded`, `Closed`, `Disk`.
    pub fn finish(mut self) -> Result<(), UploadError> {
        if self.exact && self.at < self.range.end {
            let (expected, found) = (self.range.end - self.range.start, self.at - self.range.start);
            self.break_off()?;
            return Err(UploadError::Length { expected, found });
        }
        if let Some((expected, computing)) = self.checksum.take() {
            let found = computing.end();
            if found != expected {
                return Err(UploadError::Checksum { expected: expected.hex(), found: found.hex() });
            }
        }
        self.commit()
    }

    /// Ends a slice whose request broke off: without a checksum, what came counts.
    ///
    /// # Errors
    /// `Superseded`, `Closed`, `Disk`.
    pub fn break_off(&mut self) -> Result<(), UploadError> {
        if self.checksum.is_some() {
            return Ok(());
        }
        self.commit()
    }

    fn commit(&mut self) -> Result<(), UploadError> {
        self.gate.pass(|| self.upload.commit(&self.gate, self.committed..self.at))?;
        self.committed = self.at;
        if let Some(chain) = &mut self.chain {
            chain.counted = chain.running.clone();
        }
        Ok(())
    }

    fn compare(&self, sent: &[u8], at: u64) -> Result<(), UploadError> {
        let mut here = [0; COMPARE_BYTES];
        let mut from = at;
        for part in sent.chunks(COMPARE_BYTES) {
            let here = &mut here[..part.len()];
            let read = self.upload.file.read_exact_at(here, from);
            read.map_err(|e| DiskError::io("read", &self.upload.path, e))?;
            if here != part {
                return Err(UploadError::Differs { at: from });
            }
            from += part.len() as u64;
        }
        Ok(())
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        let mut state = self.upload.state();
        state.open.remove(&self.id);
        if let Some(chain) = self.chain.take() {
            state.in_order = Some(chain.counted);
        }
    }
}
