//! The half of a slice that writes: blocks in order, past the page cache where they are whole pages, and what of them
//! is to count. A slice of several blocks has it on a thread of its own, so that bytes are received and hashed
//! while others go to the device; from there they go on to `sums` where the slice has an MD5. When bytes count, and who
//! may write, is the slice's.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::proof::Proof;
use super::slice::Gate;
use super::sums::{Sum, Sums, WAITING_BLOCKS};
use super::{Ranges, START_BYTES, Upload, UploadError};
use crate::copy::buffer::{ALIGN, AlignedBuf};
use crate::storage::DiskError;

/// Bytes that are hashed and written at a time.
pub const BLOCK_BYTES: usize = 256 << 10;
/// Blocks of one slice: one that is filled, one that waits, one that is written.
const BLOCKS: usize = 3;
/// The same of a slice whose MD5 is computed beside it: one that is filled, one that is written, and those that wait for it.
const BLOCKS_TO_SUM: usize = 2 + WAITING_BLOCKS;
/// Bytes that are compared at a time.
const COMPARE_BYTES: usize = 64 << 10;
/// Bytes for which room is made at a time: direct writes into it go side by side.
const RESERVE_BYTES: u64 = 64 << 20;

/// Bytes on their way. The place in memory is to a page what the place in the file is.
#[derive(Debug)]
pub(super) struct Block {
    buffer: AlignedBuf,
    lead: usize,
    len: usize,
    at: u64,
}

impl Block {
    fn begin(&mut self, at: u64) {
        (self.lead, self.len, self.at) = ((at % ALIGN as u64) as usize, 0, at);
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer.bytes()[self.lead..self.lead + self.len]
    }

    /// Takes as many of these as it has room for; answers how many.
    pub fn fill(&mut self, bytes: &[u8]) -> usize {
        let from = self.lead + self.len;
        let taken = bytes.len().min(BLOCK_BYTES - from);
        self.buffer.bytes_mut()[from..from + taken].copy_from_slice(&bytes[..taken]);
        self.len += taken;
        taken
    }

    /// Whether it has no room.
    pub fn is_full(&self) -> bool {
        self.lead + self.len == BLOCK_BYTES
    }
}

/// Who writes.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    pub upload: Arc<Upload>,
    pub gate: Arc<Gate>,
    /// What was here when the slice began; nobody else adds to its range meanwhile.
    pub known: Ranges,
    /// Up to here the slice will come, if that is known; else 0.
    pub comes_to: u64,
    /// Up to here there is room.
    pub reserved: u64,
    /// Up to here the device was told to begin.
    pub started: u64,
}

impl Writer {
    fn put(&mut self, block: &Block) -> Result<(), UploadError> {
        let gate = self.gate.clone();
        gate.pass(|| {
            let bytes = block.bytes();
            for (piece, here) in self.known.pieces(block.at..block.at + bytes.len() as u64) {
                let part = &bytes[(piece.start - block.at) as usize..(piece.end - block.at) as usize];
                if here { self.compare(part, piece.start)? } else { self.write(part, piece.start)? }
            }
            Ok(())
        })?;
        let end = block.at + block.len as u64;
        if end - self.started >= START_BYTES {
            self.upload.start_writing(self.started..end);
            self.started = end;
        }
        Ok(())
    }

    /// Whole pages past the page cache; what is left at both ends is a page that another slice may share.
    fn write(&mut self, bytes: &[u8], at: u64) -> Result<(), DiskError> {
        let upload = &self.upload;
        let head = (at.next_multiple_of(ALIGN as u64) - at) as usize;
        let (head, rest) = bytes.split_at(head.min(bytes.len()));
        let (body, tail) = rest.split_at(rest.len() / ALIGN * ALIGN);
        let body_at = at + head.len() as u64;
        let body_end = body_at + body.len() as u64;
        for (part, at) in [(head, at), (tail, body_end)] {
            upload.file.write_all_at(part, at).map_err(|e| DiskError::io("write", &upload.path, e))?;
        }
        if body.is_empty() {
            return Ok(());
        }
        if body_end > self.reserved {
            let end = self.comes_to.min(body_at + RESERVE_BYTES).max(body_end);
            upload.device.reserve(body_at, end - body_at, &upload.path)?;
            self.reserved = end;
        }
        upload.device.write_reserved(body, body_at, &upload.path)
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

    fn commit(&self, proof: &Proof) -> Result<(), UploadError> {
        self.gate.pass(|| self.upload.commit(&self.gate, proof))
    }
}

enum Work {
    Put(Block),
    Commit(Proof),
    /// Tells the MD5 of all that was put.
    Sum(Sender<[u8; 16]>),
}

/// Where a block goes that is written.
enum Written {
    /// Back to be filled.
    Free(Sender<Block>),
    /// To be computed, and then back.
    Sum(Sum),
}

/// The thread of a writer, and the blocks that go to and fro.
#[derive(Debug)]
struct Beside {
    work: Sender<Work>,
    /// Blocks that are written.
    free: Receiver<Block>,
    made: usize,
    /// Whether it also computes the MD5.
    sums: bool,
    thread: JoinHandle<Result<(), UploadError>>,
}

/// What writes the blocks of a slice.
#[derive(Debug)]
pub(super) struct Back {
    writer: Writer,
    /// Where the MD5 is computed of what is written, for a slice that has one.
    sums: Option<Sums>,
    beside: Option<Beside>,
    /// It ended, or something failed: nothing of this slice counts any more.
    over: bool,
}

impl Back {
    pub fn new(writer: Writer, sums: Option<Sums>) -> Self {
        Self { writer, sums, beside: None, over: false }
    }

    /// A block for bytes from `at` on: a new one, or one that was written, for which it may wait.
    ///
    /// # Errors
    /// Why writing ended.
    pub fn block(&mut self, at: u64) -> Result<Block, UploadError> {
        let freed = match &mut self.beside {
            Some(beside) if beside.made == beside.most() => match beside.free.recv() {
                Ok(block) => Some(block),
                Err(_) => return Err(self.why_ended()),
            },
            Some(beside) => {
                beside.made += 1;
                None
            }
            None => None,
        };
        let mut block =
            freed.unwrap_or_else(|| Block { buffer: AlignedBuf::new(BLOCK_BYTES), lead: 0, len: 0, at });
        block.begin(at);
        Ok(block)
    }

    /// Called before a block is put, of which `more` tells that others follow: from there on a thread writes. Answers
    /// whether the MD5 is computed there; else it is the caller's.
    pub fn begin(&mut self, more: bool) -> bool {
        if self.beside.is_none() && more && !self.over {
            // An MD5 that the caller began it also ends: should there be no thread now, a later one computes none.
            self.beside = beside(&self.writer, self.sums.take().as_ref());
        }
        self.beside.as_ref().is_some_and(|beside| beside.sums)
    }

    /// Writes a block; it may be written after this returns.
    ///
    /// # Errors
    /// What became of it or of one before it; then nothing more is taken.
    pub fn put(&mut self, block: Block) -> Result<(), UploadError> {
        self.work(Work::Put(block))
    }

    /// The MD5 of all that was put; `None` where it is the caller's.
    ///
    /// # Errors
    /// As `put`.
    pub fn sum(&mut self) -> Result<Option<[u8; 16]>, UploadError> {
        if self.beside.as_ref().is_none_or(|beside| !beside.sums) {
            return Ok(None);
        }
        let (answer, told) = channel();
        self.work(Work::Sum(answer))?;
        told.recv().map(Some).map_err(|_| self.why_ended())
    }

    /// Lets all that was put before count, in the end.
    ///
    /// # Errors
    /// As `put`.
    pub fn commit(&mut self, proof: Proof) -> Result<(), UploadError> {
        self.work(Work::Commit(proof))
    }

    /// Waits for all that was put and committed. Nothing is taken after it.
    ///
    /// # Errors
    /// What became of it.
    pub fn end(&mut self) -> Result<(), UploadError> {
        self.over = true;
        let Some(Beside { work, thread, .. }) = self.beside.take() else { return Ok(()) };
        drop(work);
        // One that panicked wrote nothing that counts.
        thread.join().unwrap_or(Err(UploadError::Closed))
    }

    fn work(&mut self, work: Work) -> Result<(), UploadError> {
        if self.over {
            return Err(UploadError::Closed);
        }
        match &self.beside {
            None => {
                let done = match work {
                    Work::Put(block) => self.writer.put(&block),
                    Work::Commit(proof) => self.writer.commit(&proof),
                    Work::Sum(_) => Ok(()),
                };
                self.over = done.is_err();
                done
            }
            Some(beside) => beside.work.send(work).map_err(|_| self.why_ended()),
        }
    }

    fn why_ended(&mut self) -> UploadError {
        self.end().err().unwrap_or(UploadError::Closed)
    }
}

impl Beside {
    fn most(&self) -> usize {
        if self.sums { BLOCKS_TO_SUM } else { BLOCKS }
    }
}

/// Starts the thread; without one the slice writes by itself.
fn beside(writer: &Writer, sums: Option<&Sums>) -> Option<Beside> {
    let (work, todo) = channel();
    let (done, free) = channel();
    let sum = sums.and_then(|sums| sums.open(&done));
    let sums = sum.is_some();
    let written = sum.map_or(Written::Free(done), Written::Sum);
    let mut writer = writer.clone();
    let run = move || {
        while let Ok(work) = todo.recv() {
            match (work, &written) {
                (Work::Put(block), written) => {
                    writer.put(&block)?;
                    match written {
                        Written::Free(done) => drop(done.send(block)), // a slice that is over needs it no more
                        Written::Sum(sum) => sum.put(block),
                    }
                }
                (Work::Commit(proof), _) => writer.commit(&proof)?,
                (Work::Sum(answer), Written::Sum(sum)) => sum.end(answer),
                (Work::Sum(_), Written::Free(_)) => {}
            }
        }
        Ok(())
    };
    let thread = std::thread::Builder::new().name("upload".into()).spawn(run).ok()?;
    Some(Beside { work, free, made: 1, sums, thread })
}
