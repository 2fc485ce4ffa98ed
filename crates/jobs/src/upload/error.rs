//! `UploadError`: all that can go wrong while an upload is received, as callers branch on it. The text says
//! what the sender can do. How it is spelled over HTTP is the server's.

use std::fmt;

use crate::storage::DiskError;

/// Why bytes of an upload were not taken.
#[derive(Debug)]
pub enum UploadError {
    /// The storage refused.
    Disk(DiskError),
    /// The bytes of a slice do not have the checksum that came with it; none of them counts.
    Checksum {
        /// What was announced, in hexadecimal.
        expected: String,
        /// What the bytes have.
        found: String,
    },
    /// The whole content does not have the checksum that was demanded.
    Content {
        /// What was demanded, in hexadecimal.
        expected: String,
        /// What the content has.
        found: String,
    },
    /// The device does not hold what was received.
    ReadBack {
        /// The first byte of the range that differs.
        start: u64,
        /// The byte after it.
        end: u64,
    },
    /// The file was removed or replaced while it was received.
    Replaced,
    /// The size is fixed already, and is another one.
    Size {
        /// The fixed size in bytes.
        fixed: u64,
        /// What was announced now.
        announced: u64,
    },
    /// Bytes beyond that size are here, or are being sent.
    SizeBelow {
        /// Up to here, in bytes.
        here: u64,
        /// What was announced.
        announced: u64,
    },
    /// The size is not one that an upload may have.
    SizeRefused {
        /// What was announced, in bytes.
        announced: u64,
        /// The largest allowed.
        max: u64,
    },
    /// A slice is empty, too large, or leads beyond the end.
    SliceRefused {
        /// Where it was to begin.
        start: u64,
        /// Where it was to end.
        end: u64,
        /// How large one may be.
        max: u64,
        /// Where the upload ends, in bytes.
        size: u64,
    },
    /// The request ended before its slice did, or went on after it.
    Length {
        /// Bytes that the slice has.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// The sender is not at the offset where this upload goes on.
    Offset {
        /// Where it goes on, in bytes.
        expected: u64,
    },
    /// Bytes that are here already were sent again, and are others.
    Differs {
        /// Offset of the slice or piece in which they differ.
        at: u64,
    },
    /// A newer request sends the same bytes; this one was ended.
    Superseded,
    /// So many requests send slices of this upload already.
    Busy {
        /// How many may.
        max: usize,
    },
    /// Bytes are missing, the first at this offset.
    Incomplete {
        /// The first missing byte.
        at: u64,
    },
    /// Nothing is taken any more: the job was suspended, canceled, or has all bytes.
    Closed,
    /// Another process fills this upload.
    Held,
}

impl From<DiskError> for UploadError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => error.fmt(f),
            Self::Checksum { expected, found } => write!(
                f,
                "the bytes of this slice have the checksum {found}, not {expected}; nothing of it was kept: send \
                 this slice again"
            ),
            Self::Content { expected, found } => write!(
                f,
                "the MD5 of the whole content is {found}, not {expected} as demanded; compare the file with its \
                 origin and upload it again"
            ),
            Self::ReadBack { start, end } => write!(
                f,
                "the storage does not hold what was received, somewhere from byte {start} to byte {end}; check its \
                 device, then upload again"
            ),
            Self::Replaced => write!(
                f,
                "the file on the storage was removed or replaced while it was received; see who did that, then upload \
                 again"
            ),
            Self::Size { fixed, announced } => write!(
                f,
                "this upload has {fixed} bytes, as its first request said, not {announced}; for another file \
                 submit another job"
            ),
            Self::SizeBelow { here, announced } => write!(
                f,
                "a length of {announced} bytes is less than the {here} that came or are being sent; announce the length \
                 of the whole file"
            ),
            Self::SizeRefused { announced: 0, .. } => write!(f, "an empty file is no image"),
            Self::SizeRefused { announced, max } => write!(
                f,
                "{announced} bytes are more than the {max} that an upload may have; send a smaller file"
            ),
            Self::SliceRefused { start, end, max, size } => write!(
                f,
                "a slice from {start} to {end} is not taken: it must have at least 1 and at most {max} bytes and \
                 end at or before {size}"
            ),
            Self::Length { expected, found } => write!(
                f,
                "the slice has {expected} bytes, but {found} came; what was not kept must be sent again"
            ),
            Self::Offset { expected } => {
                write!(f, "this upload goes on at offset {expected}; ask with HEAD and send from there")
            }
            Self::Differs { at } => write!(
                f,
                "other bytes were taken at offset {at} before; is it the same file? For another one submit another \
                 job"
            ),
            Self::Superseded => write!(f, "a newer request sends the same bytes; this one was ended"),
            Self::Busy { max } => {
                write!(f, "{max} requests send slices of this upload already; wait for one of them to end")
            }
            Self::Incomplete { at } => write!(f, "bytes are missing, the first at offset {at}"),
            Self::Closed => {
                write!(
                    f,
                    "this upload takes nothing at present; look at its long job, and resume it if it is Suspended"
                )
            }
            Self::Held => write!(f, "another process fills this upload; wait for its end"),
        }
    }
}

impl std::error::Error for UploadError {}
