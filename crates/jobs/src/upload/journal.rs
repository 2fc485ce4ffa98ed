//! The journal beside an upload: which file it speaks of, which ranges of it are on the device and what they hash to,
//! and the size. A record is appended after its bytes were made durable, never before, and is itself durable
//! before it counts. What a crash left of the last record is cut off when the journal is opened again; its bytes
//! are then sent again. What the records mean together: `open`.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::open::FileId;
use super::proof::{DIGEST_BYTES, Proof};
use crate::storage::DiskError;

/// Bytes of the header and of each record.
pub const RECORD_BYTES: usize = 32;
const CHECK_BYTES: usize = 8;
const MAGIC: &[u8; 8] = b"LHRECV01";
/// Records that are read at a time.
const READ_RECORDS: usize = 2048;

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The upload has so many bytes.
    Size(u64),
    /// These bytes are here, as an earlier release wrote it: with neither file nor digest.
    Unproved(Range<u64>),
    /// The whole is to have this MD5.
    Demanded([u8; 16]),
    /// From here on this file is spoken of.
    File(FileId),
    /// These bytes are here.
    Range(Proof),
}

/// The open journal of one upload.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    identity: u128,
    records: u64,
}

impl Journal {
    /// Reads a journal and changes nothing: its records up to the first that is not whole.
    ///
    /// # Errors
    /// `BadImage` when it is no journal of this upload; `Io`.
    pub fn read(file: &File, path: &Path, identity: u128) -> Result<Vec<Record>, DiskError> {
        let io = |e| DiskError::io("read", path, e);
        let mut head = [0; RECORD_BYTES];
        read_some(file, &mut head, 0).map_err(io)?;
        if head != header(identity) {
            let owner = u128::from_be_bytes(head[8..24].try_into().unwrap_or_default());
            let len = file.metadata().map_err(io)?.len();
            // A crash before the header was durable leaves a short or broken one, and nothing after it.
            if len > RECORD_BYTES as u64 || head == header(owner) {
                let reason = "it is not the journal of this upload; cancel the job and submit another";
                return Err(DiskError::bad_image(path, reason));
            }
            return Ok(Vec::new());
        }
        let mut records = Vec::new();
        let mut block = vec![0; READ_RECORDS * RECORD_BYTES];
        loop {
            let at = RECORD_BYTES as u64 * (1 + records.len() as u64);
            let got = read_some(file, &mut block, at).map_err(io)?;
            for bytes in block[..got].chunks(RECORD_BYTES) {
                match decode(bytes, identity, records.len() as u64) {
                    Some(record) => records.push(record),
                    None => return Ok(records),
                }
            }
            if got < block.len() {
                return Ok(records);
            }
        }
    }

    /// Opens a journal to go on, or begins it in an empty file. What a crash left behind its last whole record
    /// is cut off.
    ///
    /// # Errors
    /// As `read`; `NoSpace`.
    pub fn open(file: File, path: &Path, identity: u128) -> Result<(Self, Vec<Record>), DiskError> {
        let records = Self::read(&file, path, identity)?;
        let journal = Self { file, path: path.to_owned(), identity, records: records.len() as u64 };
        if records.is_empty() {
            journal.write(&header(identity), 0)?;
        }
        let end = RECORD_BYTES as u64 * (1 + journal.records);
        journal.file.set_len(end).map_err(|e| DiskError::io("truncate", path, e))?;
        journal.sync()?;
        Ok((journal, records))
    }

    /// Appends a record; durable when it returns. After an error nothing counts, and the next record takes
    /// its place.
    ///
    /// # Errors
    /// `NoSpace`, `Io`.
    pub fn append(&mut self, record: &Record) -> Result<(), DiskError> {
        let at = RECORD_BYTES as u64 * (1 + self.records);
        self.write(&encode(record, self.identity, self.records), at)?;
        self.records += 1;
        Ok(())
    }

    /// All its records.
    ///
    /// # Errors
    /// As `read`.
    pub fn records(&self) -> Result<Vec<Record>, DiskError> {
        let mut records = Self::read(&self.file, &self.path, self.identity)?;
        // Behind them may stand what could not be made durable.
        records.truncate(usize::try_from(self.records).unwrap_or(usize::MAX));
        Ok(records)
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), DiskError> {
        self.file.write_all_at(bytes, at).map_err(|e| DiskError::io("write", &self.path, e))?;
        self.sync()
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(|e| DiskError::io("fdatasync", &self.path, e))
    }
}

fn read_some(file: &File, buf: &mut [u8], at: u64) -> std::io::Result<usize> {
    let mut got = 0;
    while got < buf.len() {
        match file.read_at(&mut buf[got..], at + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

fn header(identity: u128) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..24].copy_from_slice(&identity.to_be_bytes());
    seal(&mut bytes, identity, u64::MAX);
    bytes
}

fn encode(record: &Record, identity: u128, number: u64) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    match record {
        Record::Size(size) => {
            bytes[0] = 1;
            bytes[8..16].copy_from_slice(&size.to_be_bytes());
        }
        Record::Unproved(range) => {
            bytes[0] = 2;
            put_numbers(&mut bytes, range.start, range.end);
        }
        Record::Demanded(md5) => {
            bytes[0] = 3;
            bytes[8..24].copy_from_slice(md5);
        }
        Record::File(id) => {
            bytes[0] = 4;
            put_numbers(&mut bytes, id.inode, id.born_ns);
        }
        Record::Range(Proof { range, digest }) => {
            bytes[0] = 5;
            bytes[1..=DIGEST_BYTES].copy_from_slice(digest);
            put_numbers(&mut bytes, range.start, range.end);
        }
    }
    seal(&mut bytes, identity, number);
    bytes
}

fn put_numbers(bytes: &mut [u8; RECORD_BYTES], first: u64, second: u64) {
    bytes[8..16].copy_from_slice(&first.to_be_bytes());
    bytes[16..24].copy_from_slice(&second.to_be_bytes());
}

fn decode(bytes: &[u8], identity: u128, number: u64) -> Option<Record> {
    let bytes: &[u8; RECORD_BYTES] = bytes.try_into().ok()?;
    let mut again = *bytes;
    seal(&mut again, identity, number);
    if again != *bytes {
        return None;
    }
    let number_at = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
    let range = || Some(number_at(8)..number_at(16)).filter(|range| !range.is_empty());
    match bytes[0] {
        1 => Some(Record::Size(number_at(8))),
        2 => range().map(Record::Unproved),
        3 => bytes[8..24].try_into().ok().map(Record::Demanded),
        4 => Some(Record::File(FileId { inode: number_at(8), born_ns: number_at(16) })),
        5 => {
            let digest = bytes[1..=DIGEST_BYTES].try_into().ok()?;
            range().map(|range| Record::Range(Proof { range, digest }))
        }
        _ => None,
    }
}

/// Puts the check in: over what stands before it, whose it is, and which in the row.
fn seal(bytes: &mut [u8; RECORD_BYTES], identity: u128, number: u64) {
    let split = RECORD_BYTES - CHECK_BYTES;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&identity.to_be_bytes()).update(&number.to_be_bytes()).update(&bytes[..split]);
    bytes[split..].copy_from_slice(&hasher.finalize().as_bytes()[..CHECK_BYTES]);
}
