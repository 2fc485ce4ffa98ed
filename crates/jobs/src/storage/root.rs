//! A storage's root directory, and the one way to open a file below it: the kernel resolves the path
//! beneath the root, so neither `..` nor a symbolic link leads out. What is done with the files:
//! `local`, `probe`, `scan`.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};

use super::error::DiskError;

/// Directories that are never a storage, nor anything below them.
pub const FORBIDDEN_ROOTS: [&str; 3] = ["/dev", "/proc", "/sys"];

/// An opened storage root. Relative paths are resolved against it and can't leave it.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    dir: OwnedFd,
}

impl Root {
    /// Opens the directory at `path`, which must be absolute and exist.
    ///
    /// # Errors
    /// `OutsideRoot` for a relative path, `/`, or one below `FORBIDDEN_ROOTS`; `NotFound`; `Io` when it is not
    /// a directory.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let canonical = fs::canonicalize(path).map_err(|e| DiskError::io("open", path, e))?;
        let forbidden = FORBIDDEN_ROOTS.iter().any(|f| canonical.starts_with(f));
        if !path.is_absolute() || forbidden || canonical == Path::new("/") {
            return Err(DiskError::OutsideRoot(path.to_owned()));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(CWD, &canonical, flags, Mode::empty())
            .map_err(|e| DiskError::io("open", path, e))?;
        Ok(Self { path: canonical, dir })
    }

    /// Its canonical path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The full path of `relative`, for messages only: to reach the file use `open_file`.
    pub fn full(&self, relative: &Path) -> PathBuf {
        self.path.join(relative)
    }

    /// What `path` (absolute or relative to the root) is relative to the root, symbolic links
    /// resolved. The file must exist.
    ///
    /// # Errors
    /// `OutsideRoot`, `NotFound`.
    pub fn relative(&self, path: &Path) -> Result<PathBuf, DiskError> {
        let full = self.path.join(path);
        let canonical = fs::canonicalize(&full).map_err(|e| DiskError::io("open", &full, e))?;
        let rest = canonical.strip_prefix(&self.path).map_err(|_| DiskError::OutsideRoot(full.clone()))?;
        Ok(rest.to_owned())
    }

    /// Opens a regular file below the root.
    ///
    /// # Errors
    /// `OutsideRoot`, `NotFound`, `ReadOnly`, `Exists` (with `create`), `BadImage` when it is not a regular
    /// file.
    pub fn open_file(&self, relative: &Path, access: Access) -> Result<File, DiskError> {
        let flags = match access {
            Access::Read => OFlags::RDONLY | OFlags::NONBLOCK,
            Access::Write => OFlags::RDWR | OFlags::NONBLOCK,
            Access::Create => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW,
            Access::Direct => OFlags::RDONLY | OFlags::DIRECT | OFlags::NONBLOCK,
        };
        let file = File::from(self.open_beneath(relative, flags)?);
        let full = self.full(relative);
        let meta = file.metadata().map_err(|e| DiskError::io("stat", &full, e))?;
        if !meta.is_file() {
            return Err(DiskError::bad_image(&full, "it is not a regular file"));
        }
        Ok(file)
    }

    /// Opens the directory `relative` below the root; empty is the root itself.
    ///
    /// # Errors
    /// As `open_file`.
    pub fn open_dir(&self, relative: &Path) -> Result<OwnedFd, DiskError> {
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        self.open_beneath(relative, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// The same, but refuses a symbolic link anywhere on the way.
    ///
    /// # Errors
    /// As `open_dir`.
    pub(super) fn open_plain_dir(&self, relative: &Path) -> Result<OwnedFd, DiskError> {
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        self.open_resolved(relative, OFlags::RDONLY | OFlags::DIRECTORY, ResolveFlags::NO_SYMLINKS)
    }

    /// Opens a regular file for writing, as `open_file` does, but refuses a symbolic link anywhere on the way.
    ///
    /// # Errors
    /// As `open_file`.
    pub fn open_plain_file(&self, relative: &Path) -> Result<File, DiskError> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK;
        let file = File::from(self.open_resolved(relative, flags, ResolveFlags::NO_SYMLINKS)?);
        let full = self.full(relative);
        if !file.metadata().map_err(|e| DiskError::io("stat", &full, e))?.is_file() {
            return Err(DiskError::bad_image(&full, "it is not a regular file"));
        }
        Ok(file)
    }

    /// Makes a creation or deletion in the directory that holds `relative` durable.
    ///
    /// # Errors
    /// As `open_file`, and `Io`.
    pub fn sync_parent(&self, relative: &Path) -> Result<(), DiskError> {
        let parent = relative.parent().unwrap_or(Path::new(""));
        let dir = self.open_dir(parent)?;
        rustix::fs::fsync(dir).map_err(|e| DiskError::io("fsync", &self.full(parent), e))
    }

    /// Creates the directories that are to hold `relative` where they are missing, durably.
    ///
    /// # Errors
    /// `OutsideRoot`, `ReadOnly`, `NoSpace`, `Io`.
    pub fn create_parent(&self, relative: &Path) -> Result<(), DiskError> {
        let Some(parent) = relative.parent().filter(|p| !p.as_os_str().is_empty()) else { return Ok(()) };
        self.check(parent)?;
        let mut above = PathBuf::new();
        for name in parent.components() {
            let dir = self.open_dir(&above)?;
            let made = above.join(name);
            match rustix::fs::mkdirat(&dir, name.as_os_str(), Mode::from_raw_mode(0o711)) {
                // One that exists may have been made by a process that ended before it was durable.
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(e) => return Err(DiskError::io("mkdir", &self.full(&made), e)),
            }
            rustix::fs::fsync(dir).map_err(|e| DiskError::io("fsync", &self.full(&above), e))?;
            above = made;
        }
        Ok(())
    }

    pub(super) fn dir(&self) -> impl AsFd + '_ {
        self.dir.as_fd()
    }

    /// Refuses what is not plainly below the root, before the kernel does.
    pub(super) fn check(&self, relative: &Path) -> Result<(), DiskError> {
        let plain = relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if plain && !relative.as_os_str().is_empty() {
            Ok(())
        } else {
            Err(DiskError::OutsideRoot(self.full(relative)))
        }
    }

    fn open_beneath(&self, relative: &Path, flags: OFlags) -> Result<OwnedFd, DiskError> {
        self.check(relative)?;
        self.open_resolved(relative, flags, ResolveFlags::empty())
    }

    fn open_resolved(
        &self,
        relative: &Path,
        flags: OFlags,
        further: ResolveFlags,
    ) -> Result<OwnedFd, DiskError> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | further;
        // A guest's disk is nobody else's to read.
        let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o600) } else { Mode::empty() };
        openat2(&self.dir, relative, flags | OFlags::CLOEXEC, mode, resolve).map_err(|e| {
            let full = self.full(relative);
            match e {
                rustix::io::Errno::XDEV | rustix::io::Errno::LOOP => DiskError::OutsideRoot(full),
                rustix::io::Errno::ACCESS | rustix::io::Errno::PERM if flags.contains(OFlags::RDWR) => {
                    DiskError::ReadOnly(full)
                }
                e => DiskError::io("open", &full, e),
            }
        })
    }
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// For reading.
    Read,
    /// For reading and writing.
    Write,
    /// For reading and writing; it must not exist yet.
    Create,
    /// For reading past the page cache (`O_DIRECT`).
    Direct,
}
