//! One slice while it is received: hashed, written where it belongs, compared where it is here already, and counted
//! as a whole after its checksum, or piece by piece as it is flushed. Which slices may be open beside each
//! other is decided in `Upload::begin`; what writes is `back`.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::back::{Back, Block, Writer};
use super::digest::{Checksum, Computing};
use super::proof::Proof;
use super::{Open, Upload, UploadError};

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
#[repr(u8)]
pub(super) enum Shut {
    Superseded = 1,
    Closed = 2,
}

/// Held by a slice while it writes or commits; who takes it may end the slice.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// 0 while it is open. Apart from `busy`, so that who receives need not wait for who writes.
    shut: AtomicU8,
    busy: Mutex<()>,
    /// A sync failed after bytes of this slice were written. Not under `busy`: it is set by another slice
    /// that holds the journal, for which this one may be waiting.
    spoiled: AtomicBool,
}

impl Gate {
    /// Ends the slice, and waits for what it is doing.
    pub(super) fn shut(&self, why: Shut) {
        let _ = self.shut.compare_exchange(0, why as u8, Ordering::AcqRel, Ordering::Acquire); // the first says why
        drop(self.busy.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn spoil(&self) {
        self.spoiled.store(true, Ordering::Release);
    }

    /// Called with the journal held.
    pub(super) fn refuse_spoiled(&self) -> Result<(), UploadError> {
        if self.spoiled.load(Ordering::Acquire) { Err(UploadError::Superseded) } else { Ok(()) }
    }

    fn refuse_shut(&self) -> Result<(), UploadError> {
        match self.shut.load(Ordering::Acquire) {
            0 => Ok(()),
            why if why == Shut::Superseded as u8 => Err(UploadError::Superseded),
            _ => Err(UploadError::Closed),
        }
    }

    /// Does `work` unless the slice was ended; nobody ends it meanwhile.
    pub(super) fn pass<T>(&self, work: impl FnOnce() -> Result<T, UploadError>) -> Result<T, UploadError> {
        let _busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        self.refuse_shut()?;
        work()
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
    /// From here on bytes were not told to count yet; the hash is of them.
    counted: u64,
    hasher: blake3::Hasher,
    checksum: Option<(Checksum, Computing)>,
    block: Option<Block>,
    back: Back,
    asked: watch::Receiver<bool>,
}

impl Upload {
    /// Whether a slice would be taken now, of an upload of this size; changes nothing.
    ///
    /// # Errors
    /// As `set_size`, but for the storage's room, and as `begin`.
    pub fn check(&self, request: &SliceRequest, size: Option<u64>) -> Result<(), UploadError> {
        let state = self.state();
        size.map_or(Ok(()), |size| state.refuse_size(size, self.limits.max_bytes))?;
        let range = self.range_of(request, state.size.or(size))?;
        self.refused(request, &range, &state)
    }

    /// Begins a slice. Requests that are sending bytes of it are ended first; one that is refused ends none.
    ///
    /// # Errors
    /// `Closed`, `Busy`, `SliceRefused`; `Offset` when it was to go on and does not.
    pub fn begin(self: &Arc<Self>, request: SliceRequest) -> Result<Slice, UploadError> {
        loop {
            let older: Vec<(u64, Arc<Gate>)> = {
                let mut state = self.state();
                let range = self.range_of(&request, state.size)?;
                self.refused(&request, &range, &state)?;
                let older: Vec<_> =
                    meeting(&state, &range).map(|(id, open)| (*id, open.gate.clone())).collect();
                if older.is_empty() {
                    let id = state.next;
                    state.next += 1;
                    let gate = Arc::new(Gate::default());
                    let exact = request.len.is_some();
                    let (asks, asked) = watch::channel(false);
                    let asks = request.goes_on.then(|| Arc::new(asks));
                    let open =
                        Open { range: range.clone(), at: range.start, exact, gate: gate.clone(), asks };
                    state.open.insert(id, open);
                    let checksum = match request.counting {
                        Counting::AsFlushed => None,
                        Counting::Whole(checksum) => Some((checksum.clone(), checksum.begin())),
                    };
                    let writer = Writer {
                        upload: self.clone(),
                        gate: gate.clone(),
                        known: state.have.clone(),
                        comes_to: if exact || state.size.is_some() { range.end } else { 0 },
                        reserved: range.start,
                        started: range.start,
                    };
                    let md5 = matches!(checksum, Some((Checksum::Md5(_), _)));
                    let back = Back::new(writer, md5.then(|| self.sums.clone()));
                    return Ok(Slice {
                        upload: self.clone(),
                        id,
                        gate,
                        at: range.start,
                        counted: range.start,
                        exact,
                        range,
                        hasher: blake3::Hasher::new(),
                        checksum,
                        block: None,
                        back,
                        asked,
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

    fn refused(
        &self,
        request: &SliceRequest,
        range: &Range<u64>,
        state: &super::State,
    ) -> Result<(), UploadError> {
        if state.closed {
            return Err(UploadError::Closed);
        }
        let expected = state.have.first_missing();
        if request.goes_on && request.start != expected {
            return Err(UploadError::Offset { expected });
        }
        // Those that it ends make place for it.
        if state.open.len() - meeting(state, range).count() >= self.limits.open_slices_max {
            return Err(UploadError::Busy { max: self.limits.open_slices_max });
        }
        Ok(())
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

    /// Lets the open slice `id` come up to `end`.
    fn admit(&self, id: u64, end: u64) -> Result<(), UploadError> {
        let mut state = self.state();
        let (closed, size) = (state.closed, state.size.unwrap_or(u64::MAX));
        let Some(open) = state.open.get_mut(&id) else {
            return Err(if closed { UploadError::Closed } else { UploadError::Superseded });
        };
        // The size may have been told after the slice began.
        let last = open.range.end.min(size);
        if end > last {
            let (expected, found) = (last - open.range.start, end - open.range.start);
            return Err(UploadError::Length { expected, found });
        }
        open.at = end;
        Ok(())
    }
}

/// The open slices that have bytes of `range`.
fn meeting<'a>(state: &'a super::State, range: &Range<u64>) -> impl Iterator<Item = (&'a u64, &'a Open)> {
    let (start, end) = (range.start, range.end);
    state.open.iter().filter(move |(_, open)| open.range.start < end && start < open.range.end)
}

impl Slice {
    /// Comes when the slice is to end with what came, by `break_off`. Drop it with the slice: `Upload::settle` waits for both.
    pub fn asked_to_end(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut asked = self.asked.clone();
        async move {
            if asked.wait_for(|asked| *asked).await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Takes the next bytes. They may be written after this returns: what becomes of them a later call tells.
    ///
    /// # Errors
    /// `Length` for more than were announced or than the upload has, `Differs` from what is here already,
    /// `Superseded`, `Closed`, `Disk`. Then the slice is over: drop it.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), UploadError> {
        self.gate.refuse_shut()?;
        self.upload.admit(self.id, self.at + bytes.len() as u64)?;
        while !bytes.is_empty() {
            let mut block = match self.block.take() {
                Some(block) => block,
                None => self.back.block(self.at)?,
            };
            let taken = block.fill(bytes);
            bytes = &bytes[taken..];
            self.at += taken as u64;
            let flushed = self.checksum.is_none() && self.at - self.counted >= self.upload.limits.flush_bytes;
            if block.is_full() || flushed {
                self.put(block, self.at < self.range.end)?;
            } else {
                self.block = Some(block);
            }
            if flushed {
                self.commit()?;
            }
        }
        self.upload.seen.send_modify(|seen| seen.activity += 1);
        Ok(())
    }

    /// Ends a slice whose bytes all came. They count and are durable when it returns.
    ///
    /// # Errors
    /// `Length` when some are missing, of which a slice without checksum keeps what came; `Checksum`; `Differs`;
    /// `Superseded`, `Closed`, `Disk`.
    pub fn finish(mut self) -> Result<(), UploadError> {
        if self.exact && self.at < self.range.end {
            let (expected, found) = (self.range.end - self.range.start, self.at - self.range.start);
            self.break_off()?;
            return Err(UploadError::Length { expected, found });
        }
        self.put_rest()?;
        if let Some((expected, computing)) = self.checksum.take() {
            let found = self.back.sum()?.map_or_else(|| computing.end(), Checksum::Md5);
            if found != expected {
                return Err(UploadError::Checksum { expected: expected.hex(), found: found.hex() });
            }
        }
        self.commit()?;
        self.back.end()
    }

    /// Ends a slice whose request broke off: without a checksum, what came counts.
    ///
    /// # Errors
    /// `Superseded`, `Closed`, `Differs`, `Disk`.
    pub fn break_off(&mut self) -> Result<(), UploadError> {
        if self.checksum.is_some() {
            return Ok(());
        }
        self.put_rest()?;
        self.commit()?;
        self.back.end()
    }

    fn put_rest(&mut self) -> Result<(), UploadError> {
        match self.block.take() {
            Some(block) => self.put(block, false),
            None => Ok(()),
        }
    }

    fn put(&mut self, block: Block, more: bool) -> Result<(), UploadError> {
        let summed_there = self.back.begin(more);
        self.hasher.update(block.bytes());
        if let Some((_, computing)) = self.checksum.as_mut().filter(|_| !summed_there) {
            computing.update(block.bytes());
        }
        self.back.put(block)
    }

    /// Called when all that came was put.
    fn commit(&mut self) -> Result<(), UploadError> {
        let range = self.counted..self.at;
        self.counted = self.at;
        if range.is_empty() {
            return self.gate.refuse_shut();
        }
        let proof = Proof::of(range, &self.hasher);
        self.hasher.reset();
        self.back.commit(proof)
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        // What waits to be written is not wanted any more; nothing is written once another may begin.
        self.gate.shut(Shut::Closed);
        let _ = self.back.end(); // whoever wanted to know has asked
        self.upload.state().open.remove(&self.id);
    }
}
