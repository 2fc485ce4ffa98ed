//! `DiskError`: all that can go wrong with a disk, as callers branch on it, and what the reader can
//! do. Here is no I/O. How an error crosses the child's socket: `attempt_io::protocol`.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A process that holds a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InUse {
    /// Its process id, `None` when the lock is held but its holder is not visible from this host
    /// (another host on a shared mount, another pid namespace, no right to look).
    pub pid: Option<u32>,
    /// Its command line, arguments joined by spaces; empty when unknown.
    pub command: String,
    /// The file that it holds.
    pub path: PathBuf,
    /// Its network address where the disk is an image of a Ceph cluster and it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The lock that somebody took on such an image by hand, which only a hand takes away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<HandLock>,
}

/// A lock of `rbd lock add`. It stays when its client is gone, so it says nothing of who uses the image now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandLock {
    /// As it was called.
    pub id: String,
    /// Whose it is, such as `client.4123`.
    pub locker: String,
}

impl InUse {
    /// A holder that cannot be seen from this host, with its network address where that is known.
    pub fn elsewhere(path: &Path, client: Option<String>) -> Self {
        Self { pid: None, command: String::new(), path: path.to_owned(), client, lock: None }
    }

    /// What to type to take its lock away; `None` when it has none that was taken by hand.
    fn unlocking(&self) -> Option<String> {
        let HandLock { id, locker } = self.lock.as_ref()?;
        let place = self.path.display().to_string();
        Some(["rbd", "lock", "rm", place.trim_start_matches("ceph://"), id, locker].map(word).join(" "))
    }
}

/// `text` as one word of a shell.
fn word(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@+,=".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.into(),
        false => format!("'{}'", text.replace('\'', r"'\''")).into(),
    }
}

/// Overlays that an error names; of more it tells how many there are.
const OVERLAYS_TOLD: usize = 3;

/// Why a disk could not be read, written or managed. The text says what the reader can do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskError {
    /// Another process holds the disk; never empty.
    InUse(Vec<InUse>),
    /// Not enough free space; both in bytes.
    NoSpace {
        /// What is needed.
        needed: u64,
        /// What is free for us.
        free: u64,
    },
    /// The file system is mounted read-only, or we may not write there.
    ReadOnly(PathBuf),
    /// No such file or directory.
    NotFound(PathBuf),
    /// The storage itself can't be reached at present: not mounted, or its cluster does not answer.
    Away {
        /// Its directory or pool.
        path: PathBuf,
        /// What is seen of that and what to do.
        reason: String,
    },
    /// The path leaves the storage's root, or the root is one that is never allowed.
    OutsideRoot(PathBuf),
    /// The name is taken; nothing was overwritten.
    Exists(PathBuf),
    /// The image's header or tables are not to be believed, or use what we do not support.
    BadImage {
        /// The image.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// The image refers to another file that we may not, or can not, follow.
    BackingFile {
        /// The image.
        path: PathBuf,
        /// What its header names.
        names: String,
        /// Why it is refused and what to do.
        reason: String,
    },
    /// Other images are made of this file.
    Backs {
        /// The file.
        path: PathBuf,
        /// The images that name it as their backing file; never empty.
        overlays: Vec<PathBuf>,
    },
    /// The file was written to, replaced or renamed since it was left.
    Touched(PathBuf),
    /// The target does not hold what was written there.
    Mismatch {
        /// Guest byte offset of the first difference.
        offset: u64,
    },
    /// The source is not the file, or not as it was, when the copy began.
    SourceChanged(PathBuf),
    /// The operating system refused.
    Io {
        /// What was tried, such as `read`.
        op: Cow<'static, str>,
        /// On which file.
        path: PathBuf,
        /// What it answered.
        #[serde(with = "os_error")]
        source: io::Error,
    },
    /// The storage cannot be used as it is set up: somebody has to change that first.
    Refuses {
        /// Its directory or pool.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Another attempt took the disk over and shut this one out of the storage.
    Fenced(PathBuf),
    /// Stopped because it was asked to.
    Canceled,
    /// Stopped because the node's lease was not confirmed in time.
    LeaseExpired,
}

impl DiskError {
    /// Turns an answer of the operating system into the error callers branch on: a missing file, a
    /// read-only place and a full disk have their own.
    pub fn io(op: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound(path),
            io::ErrorKind::AlreadyExists => Self::Exists(path),
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(path),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace { needed: 0, free: 0 },
            _ => Self::Io { op: op.into(), path, source },
        }
    }

    /// A `BadImage` in one line.
    pub fn bad_image(path: &Path, reason: impl Into<String>) -> Self {
        Self::BadImage { path: path.to_owned(), reason: reason.into() }
    }

    /// The stable name of the variant, as it crosses the child's socket and stands in logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InUse(_) => "in_use",
            Self::NoSpace { .. } => "no_space",
            Self::ReadOnly(_) => "read_only",
            Self::NotFound(_) => "not_found",
            Self::Away { .. } => "away",
            Self::OutsideRoot(_) => "outside_root",
            Self::Exists(_) => "exists",
            Self::BadImage { .. } => "bad_image",
            Self::BackingFile { .. } => "backing_file",
            Self::Backs { .. } => "backs",
            Self::Touched(_) => "touched",
            Self::Mismatch { .. } => "mismatch",
            Self::SourceChanged(_) => "source_changed",
            Self::Io { .. } => "io",
            Self::Refuses { .. } => "refuses",
            Self::Fenced(_) => "fenced",
            Self::Canceled => "canceled",
            Self::LeaseExpired => "lease_expired",
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(holders) => {
                let Some(first) = holders.first() else { return write!(f, "the disk is in use") };
                write!(f, "{} is in use", first.path.display())?;
                for h in holders {
                    let client = h.client.as_deref().unwrap_or("an unknown address");
                    if let Some(lock) = &h.lock {
                        write!(f, " by the lock {} of {} at {client}", lock.id, lock.locker)?;
                        continue;
                    }
                    match (h.pid, &h.client) {
                        (Some(pid), _) => write!(f, " by pid {pid} ({})", h.command)?,
                        (None, Some(client)) => write!(f, " by the client {client}")?,
                        (None, None) => write!(f, " by a process that is not visible on this host")?,
                    }
                }
                let by_hand: Vec<_> = holders.iter().filter_map(InUse::unlocking).collect();
                match by_hand.is_empty() {
                    true => write!(f, "; stop it, or detach the disk from it, and try again"),
                    false => write!(
                        f,
                        "; such a lock stays until somebody takes it away: when nobody uses the disk any more, run {} \
                         and try again",
                        by_hand.join(" and ")
                    ),
                }
            }
            Self::NoSpace { needed: 0, .. } => write!(
                f,
                "the target storage is full; free some space (clean its trash, for example) and try again"
            ),
            // Looked at after it was full: what another copy gave back since is free by now.
            Self::NoSpace { needed, free } if free >= needed => write!(
                f,
                "the target storage was full while {needed} bytes were left to be written; by now {free} are \
                 free: try again, or choose another storage"
            ),
            Self::NoSpace { needed, free } => write!(
                f,
                "not enough space: {needed} bytes are needed, {free} are free; free {} more bytes or choose \
                 another storage",
                needed.saturating_sub(*free)
            ),
            Self::ReadOnly(p) => write!(
                f,
                "{} is not writable; mount it read-write and give this user write permission",
                p.display()
            ),
            Self::NotFound(p) => {
                write!(f, "{} does not exist; was it moved or deleted behind our back?", p.display())
            }
            Self::Away { path, reason } => write!(f, "the storage at {} is away: {reason}", path.display()),
            Self::OutsideRoot(p) => write!(
                f,
                "{} leads outside of the storage's directory, which is never followed; give a path below it",
                p.display()
            ),
            Self::Exists(p) => write!(f, "{} exists already and is not overwritten", p.display()),
            Self::BadImage { path, reason } => {
                write!(f, "{} is not an image we can use: {reason}", path.display())
            }
            Self::BackingFile { path, names, reason } => {
                write!(f, "{} refers to {names:?}: {reason}", path.display())
            }
            Self::Backs { path, overlays } => {
                write!(f, "{} is the backing file of", path.display())?;
                for (n, overlay) in overlays.iter().take(OVERLAYS_TOLD).enumerate() {
                    write!(f, "{} {}", if n == 0 { "" } else { "," }, overlay.display())?;
                }
                if let Some(more) = overlays.len().checked_sub(OVERLAYS_TOLD).filter(|n| *n > 0) {
                    write!(f, " and {more} more")?;
                }
                write!(
                    f,
                    "; migrate those first, which makes them whole, or rebase them with qemu-img rebase"
                )
            }
            Self::Touched(p) => write!(
                f,
                "{} was written to, replaced or renamed since it was moved away, so it is not what was left \
                 there; adopt it to keep it, or remove the file yourself and clean again",
                p.display()
            ),
            Self::Mismatch { offset } => write!(
                f,
                "the target does not hold what was written, first at guest byte offset {offset}; the source \
                 is untouched: check the target's device, then run the job again"
            ),
            Self::SourceChanged(p) => write!(
                f,
                "{} changed while it was copied; stop what writes to it and run the job again",
                p.display()
            ),
            Self::Io { op, path, source } => write!(f, "{op} of {} failed: {source}", path.display()),
            Self::Refuses { path, reason } => {
                write!(f, "the storage at {} cannot be used: {reason}", path.display())
            }
            Self::Fenced(p) => write!(
                f,
                "{} was taken over by another attempt, and this one was shut out of the storage",
                p.display()
            ),
            Self::Canceled => write!(f, "canceled"),
            Self::LeaseExpired => {
                write!(f, "the node's lease was not confirmed in time; another node goes on")
            }
        }
    }
}

impl std::error::Error for DiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// An error of the operating system as it crosses a socket: its number, or else its text.
mod os_error {
    use std::io;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct OsError {
        number: Option<i32>,
        text: String,
    }

    pub(super) fn serialize<S: Serializer>(e: &io::Error, serializer: S) -> Result<S::Ok, S::Error> {
        OsError { number: e.raw_os_error(), text: e.to_string() }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<io::Error, D::Error> {
        let e = OsError::deserialize(deserializer)?;
        Ok(e.number.map_or_else(|| io::Error::other(e.text), io::Error::from_raw_os_error))
    }
}
