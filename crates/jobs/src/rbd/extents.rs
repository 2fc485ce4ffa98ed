//! What is stored in an image, and what changed since a snapshot, without reading it.

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::ptr::null;

use super::Image;
use super::error::c;
use crate::copy::{Extent, ExtentKind};
use crate::storage::DiskError;

/// How fine extents are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// Whole objects; quick where the image has fast-diff.
    Object,
    /// As the OSDs know them, one question for each object.
    Exact,
}

impl Image {
    /// The data in `range`: in order, apart from each other; what lies between reads as zeros. Of a clone also
    /// what its parent holds.
    ///
    /// # Errors
    /// `Away`, `Fenced`, `Io`.
    pub fn data(&self, range: Range<u64>, grain: Grain) -> Result<Vec<Range<u64>>, DiskError> {
        let extents = self.differences(None, range, grain)?;
        Ok(extents.into_iter().filter(|e| e.kind == ExtentKind::Data).map(|e| e.range).collect())
    }

    /// What differs in `range` from the snapshot `since`, by whole objects or exactly: in order. An extent of
    /// kind `Zero` became zeros.
    ///
    /// # Errors
    /// `NotFound` when there is no such snapshot; `Away`, `Fenced`, `Io`.
    pub fn changes(&self, since: &str, range: Range<u64>, grain: Grain) -> Result<Vec<Extent>, DiskError> {
        // From one of no bytes the library does not walk: it ends the process.
        let from_nothing = self.snapshots()?.iter().any(|s| s.name == since && s.bytes == 0);
        self.differences(Some(since).filter(|_| !from_nothing), range, grain)
    }

    fn differences(
        &self,
        since: Option<&str>,
        range: Range<u64>,
        grain: Grain,
    ) -> Result<Vec<Extent>, DiskError> {
        if range.is_empty() {
            return Ok(Vec::new()); // the library ends the process over it
        }
        let since = since.map(c).transpose()?;
        let since_raw = since.as_ref().map_or(null(), |text| text.as_ptr());
        let mut found: Vec<Extent> = Vec::new();
        // SAFETY: `since` and `found` outlive the call, and nobody else touches `found` until it returns: the
        // library calls back from one thread at a time.
        let answer = unsafe {
            (self.api().rbd_diff_iterate2)(
                self.raw,
                since_raw,
                range.start,
                range.end.saturating_sub(range.start),
                1,
                u8::from(grain == Grain::Object),
                collect,
                (&raw mut found).cast(),
            )
        };
        self.check("ask what is stored", answer)?;
        found.sort_by_key(|e| e.range.start);
        let mut merged: Vec<Extent> = Vec::new();
        for extent in found {
            let at = extent.range.start.max(range.start)..extent.range.end.min(range.end);
            if at.start < at.end {
                crate::copy::push_extent(&mut merged, at, extent.kind);
            }
        }
        Ok(merged)
    }
}

extern "C" fn collect(at: u64, len: usize, exists: c_int, to: *mut c_void) -> c_int {
    // SAFETY: `differences` passes a vector that lives until the walk ends and that nobody else uses meanwhile.
    let found = unsafe { &mut *to.cast::<Vec<Extent>>() };
    let kind = if exists == 0 { ExtentKind::Zero } else { ExtentKind::Data };
    found.push(Extent { range: at..at.saturating_add(len as u64), kind });
    0
}
