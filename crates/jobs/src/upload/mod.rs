//! What was received of one upload: a file that is filled in parallel and out of order, and what of it is
//! durable. No HTTP, no store, no clock: the server's `uploads` brings the bytes, the job type watches and
//! ends it. All calls here block; make them from a thread that may wait.
//!
//! Where to go: `open` is the file and what is known of it; `Upload` begins slices; `Slice` takes bytes, `back`
//! writes them; `sums` computes their MD5 with those of others, in `lanes`; `journal` is what survives a crash; `whole`
//! reads everything back at the end; `table` knows the uploads of this process.
//!
//! What holds: a byte counts only after it was made durable and, where its slice came with a checksum, was
//! verified; and only in the file that the journal names. Bytes that count are never written again. At most one
//! request writes a byte at a time: a newer one ends the older.

mod attempt;
mod back;
mod digest;
mod error;
pub mod intake;
mod journal;
mod lanes;
mod open;
mod proof;
mod ranges;
mod slice;
mod sums;
mod table;
mod twin;
mod whole;

#[cfg(test)]
mod tests;

pub use digest::Checksum;
pub use error::UploadError;
pub use intake::{Intake, UploadSettings};
pub use open::{FileId, forget, journal_path, look};
pub use ranges::Ranges;
pub use slice::{Counting, Slice, SliceRequest};
pub use table::{Entered, Table};
pub use whole::Content;

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::copy::device::DeviceFile;
use crate::storage::{DiskError, Root};
use journal::{Journal, Record};
use open::Opened;
use proof::Proof;
use slice::Gate;
use sums::Sums;

/// What the URL of an image begins with that is uploaded.
pub const SCHEME: &str = "upload://";
/// Largest upload in bytes when nothing else is configured.
pub const UPLOAD_MAX_BYTES: u64 = 16 << 40;
/// Largest slice in bytes when nothing else is configured. A request without slices is one slice.
pub const SLICE_MAX_BYTES: u64 = 16 << 40;
/// Slices of one upload that are received at a time when nothing else is configured.
pub const OPEN_SLICES_MAX: usize = 16;
/// Bytes of a slice without a checksum after which they are made durable and count.
pub const FLUSH_BYTES: u64 = 64 << 20;
/// Bytes of a slice after which the device is told to begin with them, so that making them durable takes less.
const START_BYTES: u64 = 8 << 20;

/// Bounds of one upload.
#[derive(Clone, Copy, Debug)]
pub struct UploadLimits {
    /// Largest size in bytes.
    pub max_bytes: u64,
    /// Largest slice in bytes.
    pub slice_max_bytes: u64,
    /// Slices that are received at a time.
    pub open_slices_max: usize,
    /// Bytes after which a slice without a checksum is flushed.
    pub flush_bytes: u64,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            max_bytes: UPLOAD_MAX_BYTES,
            slice_max_bytes: SLICE_MAX_BYTES,
            open_slices_max: OPEN_SLICES_MAX,
            flush_bytes: FLUSH_BYTES,
        }
    }
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Its size in bytes, once it is known.
    pub size: Option<u64>,
    /// The first byte that is missing.
    pub offset: u64,
    /// Bytes that count, wherever they are.
    pub bytes: u64,
    /// Grows whenever bytes come in, whether they count already or not.
    pub activity: u64,
}

impl Received {
    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.size == Some(self.offset)
    }
}

/// One upload, open for slices.
#[derive(Debug)]
pub struct Upload {
    file: File,
    id: FileId,
    /// The same file, past the page cache.
    device: DeviceFile,
    path: PathBuf,
    /// Below `root`.
    relative: PathBuf,
    root: Root,
    limits: UploadLimits,
    /// Held while bytes are made durable: one at a time, so that a failed sync is seen by all whose bytes it
    /// was to make durable. Taken after a slice's gate, before `state`.
    journal: Mutex<Journal>,
    state: Mutex<State>,
    sums: Sums,
    seen: watch::Sender<Received>,
}

#[derive(Debug)]
struct State {
    size: Option<u64>,
    have: Ranges,
    open: BTreeMap<u64, Open>,
    next: u64,
    demanded_md5: Option<[u8; 16]>,
    closed: bool,
}

impl State {
    /// Why the upload cannot have this size.
    fn refuse_size(&self, bytes: u64, max: u64) -> Result<(), UploadError> {
        match self.size {
            Some(fixed) if fixed == bytes => return Ok(()),
            Some(fixed) => return Err(UploadError::Size { fixed, announced: bytes }),
            None => {}
        }
        if bytes == 0 || bytes > max {
            return Err(UploadError::SizeRefused { announced: bytes, max });
        }
        let sent = self.open.values().map(|open| if open.exact { open.range.end } else { open.at });
        let here = sent.max().unwrap_or(0).max(self.have.end());
        if here > bytes { Err(UploadError::SizeBelow { here, announced: bytes }) } else { Ok(()) }
    }
}

/// A slice that is being received.
#[derive(Debug)]
struct Open {
    /// What it may write.
    range: Range<u64>,
    /// How far it came.
    at: u64,
    /// Whether it said that it comes to the end of its range.
    exact: bool,
    gate: Arc<Gate>,
    /// Asks it to end with what came, where it is one that goes on from the first missing byte. Its receivers are gone
    /// when it has.
    asks: Option<Arc<watch::Sender<bool>>>,
}

impl Upload {
    /// Opens the upload whose artifact is at `relative`, or begins it. `identity` is whose it is: the journal
    /// of another one is refused. Where the artifact is not the file that the journal speaks of, or is shorter than it
    /// must be, a new one takes its place, and nothing was received.
    ///
    /// # Errors
    /// `Held` while another process has it open; `Disk`.
    pub fn open(
        root: Root,
        relative: &Path,
        identity: u128,
        limits: UploadLimits,
    ) -> Result<Arc<Self>, UploadError> {
        let Opened { file, id, journal, known } = Opened::new(&root, relative, identity)?;
        let path = root.full(relative);
        let seen = Received {
            size: known.size,
            offset: known.have.first_missing(),
            bytes: known.have.len(),
            activity: 0,
        };
        let state = State {
            size: known.size,
            have: known.have,
            open: BTreeMap::new(),
            next: 0,
            demanded_md5: known.demanded_md5,
            closed: false,
        };
        Ok(Arc::new(Self {
            device: DeviceFile::new(&file, &path)?,
            file,
            id,
            path,
            relative: relative.to_owned(),
            root,
            limits,
            journal: Mutex::new(journal),
            state: Mutex::new(state),
            sums: Sums::default(),
            seen: watch::Sender::new(seen),
        }))
    }

    /// How far it is, and every change of that.
    pub fn watch(&self) -> watch::Receiver<Received> {
        self.seen.subscribe()
    }

    /// How far it is.
    pub fn received(&self) -> Received {
        *self.seen.borrow()
    }

    /// Fixes the size; saying the same again is right. `promised_bytes` is what other uploads to this storage
    /// still need. Nothing beyond it is taken any more, also of requests that are open.
    ///
    /// # Errors
    /// `Size` when it is another one, `SizeRefused` beyond the limit, `SizeBelow` when more is here already or is being
    /// sent, `Disk` with `NoSpace` when the storage has no room for what is missing.
    pub fn set_size(&self, bytes: u64, promised_bytes: u64) -> Result<(), UploadError> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let have = {
            let mut state = self.state();
            state.refuse_size(bytes, self.limits.max_bytes)?;
            if state.size.is_some() {
                return Ok(());
            }
            // From now on, so that no request comes to more meanwhile; nothing counts before the journal is free.
            state.size = Some(bytes);
            state.have.len()
        };
        let fixed = self.make_size(&mut journal, bytes, (bytes - have).saturating_add(promised_bytes));
        match fixed {
            Ok(()) => self.seen.send_modify(|seen| seen.size = Some(bytes)),
            Err(_) => self.state().size = None,
        }
        Ok(fixed?)
    }

    fn make_size(&self, journal: &mut Journal, bytes: u64, needed: u64) -> Result<(), DiskError> {
        crate::storage::check_space(&self.root, needed)?;
        self.file.set_len(bytes).map_err(|e| DiskError::io("truncate", &self.path, e))?;
        self.file.sync_all().map_err(|e| DiskError::io("fsync", &self.path, e))?;
        journal.append(&Record::Size(bytes))
    }

    /// Demands that the whole content has this MD5, else it is refused at the end; durable when it returns. A
    /// second demand must be the same.
    ///
    /// # Errors
    /// `Content` when another one was demanded; `Disk`.
    pub fn demand_md5(&self, md5: [u8; 16]) -> Result<(), UploadError> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        match self.demanded_md5() {
            Some(known) if known == md5 => Ok(()),
            Some(known) => {
                Err(UploadError::Content { expected: digest::hex(&known), found: digest::hex(&md5) })
            }
            None => {
                journal.append(&Record::Demanded(md5))?;
                self.state().demanded_md5 = Some(md5);
                Ok(())
            }
        }
    }

    /// What was demanded with `demand_md5`.
    pub fn demanded_md5(&self) -> Option<[u8; 16]> {
        self.state().demanded_md5
    }

    /// Takes nothing any more, and ends the requests that send. A slice that is being made durable is waited
    /// for.
    pub fn close(&self) {
        let open: Vec<_> = {
            let mut state = self.state();
            state.closed = true;
            state.open.values().map(|open| open.gate.clone()).collect()
        };
        for gate in open {
            gate.shut(slice::Shut::Closed);
        }
    }

    /// Ends the request that goes on from the first missing byte, and waits until what came of it counts: from then on the
    /// offset grows by newer requests alone. Requests that send elsewhere are left alone.
    pub async fn settle(&self) {
        let open: Vec<_> = self.state().open.values().filter_map(|open| open.asks.clone()).collect();
        for asks in open {
            let _ = asks.send(true); // one that is over has nobody to be asked
            asks.closed().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the device to begin writing these bytes, and does not wait. It may not know how: then the sync has all
    /// to do.
    fn start_writing(&self, range: Range<u64>) {
        let (Ok(start), Ok(len)) = (range.start.try_into(), (range.end - range.start).try_into()) else {
            return;
        };
        // SAFETY: the descriptor is open as long as `self`, and no memory is given away.
        unsafe {
            libc::sync_file_range(self.file.as_raw_fd(), start, len, libc::SYNC_FILE_RANGE_WRITE);
        }
    }

    /// Makes all that was written durable and lets the bytes count of which `proof` is.
    fn commit(&self, gate: &Gate, proof: &Proof) -> Result<(), UploadError> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        gate.refuse_spoiled()?;
        {
            let state = self.state();
            let (start, end) = (proof.range.start, proof.range.end);
            if let Some(size) = state.size.filter(|size| end > *size) {
                return Err(UploadError::SliceRefused { start, end, max: self.limits.slice_max_bytes, size });
            }
            if state.have.contains(&proof.range) {
                return Ok(()); // compared, and durable since then
            }
        }
        if let Err(error) = self.file.sync_data() {
            // The kernel tells of a failure once. Whatever is open may have lost bytes, and a later sync that
            // succeeds would prove nothing for them: they are all to be sent again.
            self.state().open.values().for_each(|open| open.gate.spoil());
            return Err(DiskError::io("fdatasync", &self.path, error).into());
        }
        journal.append(&Record::Range(proof.clone()))?;
        let (offset, bytes) = {
            let mut state = self.state();
            state.have.insert(proof.range.clone());
            (state.have.first_missing(), state.have.len())
        };
        self.seen.send_modify(|seen| (seen.offset, seen.bytes) = (offset, bytes));
        Ok(())
    }
}
