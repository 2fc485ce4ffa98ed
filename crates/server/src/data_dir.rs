//! The server's directory: the lock that one process holds, the mark of a demo, the secret key, the first admin
//! password. The embedded store's files lie in it too.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use longhaul_model::HostId;
use longhaul_store::Store;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

mod cluster;
mod elsewhere;

pub use cluster::{Belongs, Cluster};
pub(crate) use cluster::{CLUSTER_FILE, CLUSTER_KEY};
pub(crate) use elsewhere::MOVED_FILE;
pub use elsewhere::Moved;

/// A directory of this name marks a data directory as a demo's. The demo's disks lie in it.
pub const DEMO_MARK: &str = "demo";
/// The file of the first admin password.
const PASSWORD_FILE: &str = "admin-password";
/// The key of secrets at rest.
const KEY_FILE: &str = "secret.key";
/// The file of this host's id.
pub const HOST_FILE: &str = "host.uuid";
/// Under which name a shared store knows its key.
const CHECK_KEY: &str = "secret.check";
/// How often a lock is tried whose holder tells no pid.
const LOCK_TRIES: u32 = 20;
/// Between two tries.
const LOCK_AGAIN_AFTER: Duration = Duration::from_millis(10);
/// The embedded store's file.
pub(crate) const STORE_FILE: &str = "longhaul.db";

/// The locked directory. Dropping it lets another process in.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: File,
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // Nobody sends a signal to whom that pid is given next. A process that is killed leaves it.
        let _ = self.lock.set_len(0);
    }
}

impl DataDir {
    /// Makes the directory if need be and locks it.
    ///
    /// # Errors
    /// It cannot be written, or another process holds it: its pid is named.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_by("--data-dir", path)
    }

    /// The same, of a directory that was named by another `flag`.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_by(flag: &str, path: &Path) -> Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| {
            format!("the data directory {} cannot be made; choose another with {flag}", path.display())
        })?;
        let path = fs::canonicalize(path)?;
        let lock_path = path.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .with_context(|| {
                format!(
                    "the data directory {} cannot be written; make it writable or choose another with {flag}",
                    path.display()
                )
            })?;
        if let Err(holder) = taken(&mut lock) {
            bail!(
                "the data directory {} is used by another server, pid {holder}; stop it or choose another with {flag}",
                path.display()
            );
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .with_context(|| format!("{} cannot be written: is the disk full?", lock_path.display()))?;
        Ok(Self { path, lock })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directory a demo's at its first start, and holds it to what it was then: a demo has credentials
    /// that everybody knows, so it must never become another server's data, nor the other way round.
    ///
    /// # Errors
    /// It is a demo's and `demo` is not asked for, or it is none and has data; it cannot be written.
    pub fn hold_to(&self, demo: bool) -> Result<()> {
        let mark = self.path.join(DEMO_MARK);
        match (demo, mark.is_dir()) {
            (true, true) | (false, false) => Ok(()),
            (false, true) => bail!(
                "the data directory {} is a demo's, as the directory {DEMO_MARK} in it says: its session and its admin password are published; start it with --demo, or choose another with --data-dir",
                self.path.display()
            ),
            (true, false) if [STORE_FILE, CLUSTER_FILE].iter().any(|file| self.path.join(file).exists()) => {
                bail!(
                    "the data directory {} has data of a server that is no demo; choose another with --data-dir, or leave --data-dir out and the demo has a temporary one",
                    self.path.display()
                )
            }
            (true, false) => fs::DirBuilder::new()
                .mode(0o700)
                .create(&mark)
                .and_then(|()| File::open(&self.path)?.sync_all())
                .with_context(|| format!("{} cannot be made: is the disk full?", mark.display())),
        }
    }

    /// The embedded store's file: readable by its owner only, also where the directory is open to others. What
    /// the store puts beside it is as private.
    ///
    /// # Errors
    /// It cannot be made; it has moved to a database.
    pub fn store_path(&self) -> Result<PathBuf> {
        let path = self.path.join(STORE_FILE);
        if let Some(moved) = self.moved_to()? {
            bail!(
                "the store of {} has moved to {moved}: start with --store and that URL. Only if the move broke off, or all that happened since is to be given up: stop every server on that database, and remove {}",
                self.path.display(),
                self.path.join(MOVED_FILE).display()
            );
        }
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .and_then(|file| file.set_permissions(fs::Permissions::from_mode(0o600)))
            .with_context(|| {
                format!(
                    "{} cannot be written; make it writable or choose another with --data-dir",
                    path.display()
                )
            })?;
        Ok(path)
    }

    /// The key of the secrets at rest of the store in this directory, made at the first start, or the one in `file`.
    /// `secret.check` says which key that was, so that another one is not taken for it.
    ///
    /// # Errors
    /// It cannot be read or made, has the wrong length, is gone from a directory that has a store, or is another
    /// than the one that was made.
    pub fn secret_key(&self, file: Option<&Path>) -> Result<[u8; 32]> {
        let own = self.path.join(KEY_FILE);
        let (path, check_path) = (file.unwrap_or(&own), self.path.join("secret.check"));
        let known = read_if_there(&check_path)?;
        let lost = format!(
            "restore it from your backup. If it is lost for good: put a new one there (head -c 32 /dev/urandom > \
             {}), remove {}, and start again; access keys and the secrets of jobs that were made with the old \
             one cannot be read then",
            path.display(),
            check_path.display()
        );
        let key = match key_in(path).map_err(|error| anyhow::anyhow!("{error:#}; {lost}"))? {
            Some(key) => key,
            None if file.is_some() => bail!("{} is not there; {lost}", path.display()),
            None if known.is_some() || self.has_store() => {
                bail!("{} is gone, and the store beside it was made with it; {lost}", path.display())
            }
            None => {
                let key = fresh_key()?;
                write_private(path, &key)?;
                key
            }
        };
        let check = check_of(&key);
        match known {
            Some(known) if known != check.as_bytes() => {
                bail!("{} is not the key that the store beside it was made with; {lost}", path.display())
            }
            Some(_) => {}
            None => write_private(&check_path, check.as_bytes())?,
        }
        Ok(key)
    }

    /// The key of the secrets at rest of a store that several nodes share: in `file`, or in this directory. The first
    /// node of all makes one; every other needs that one. Which it is, the store knows.
    ///
    /// # Errors
    /// It cannot be read or made, or is not the store's; nothing is made then.
    pub async fn shared_secret_key(&self, file: Option<&Path>, store: &dyn Store) -> Result<[u8; 32]> {
        let own = self.path.join(KEY_FILE);
        let path = file.unwrap_or(&own);
        let given = key_in(path)?;
        if file.is_some() && given.is_none() {
            bail!(
                "the key {} is not there; give --secret-key-file the file that the other nodes have",
                path.display()
            );
        }
        let key = given.map_or_else(fresh_key, Ok)?;
        if given.is_none() {
            // Before the store knows it: a key that is nowhere is lost.
            write_private(path, &key)?;
        }
        let check = check_of(&key);
        let kept = store.kept(CHECK_KEY, check.trim_end()).await.context("the store")?;
        if kept == check.trim_end() {
            return Ok(key);
        }
        if given.is_none() {
            fs::remove_file(path).with_context(|| format!("{} cannot be removed", path.display()))?;
        }
        bail!(
            "{} {}; all nodes of a store need the same key: copy the file {KEY_FILE} of another node's data directory \
             and name it with --secret-key-file",
            path.display(),
            if given.is_some() {
                "is not the key of this store"
            } else {
                "is not there, and this store has a key"
            },
        )
    }

    /// This host: what the storages of this machine and what its process works on are known by. It is made at the
    /// first start and kept in the directory. `before` is what a store of an earlier release kept.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something else.
    pub fn host(&self, before: Option<HostId>, fresh: HostId) -> Result<HostId> {
        let path = self.path.join(HOST_FILE);
        if let Some(kept) = read_if_there(&path)? {
            let text = String::from_utf8_lossy(&kept);
            return text.trim().parse().map_err(|_| {
                anyhow::anyhow!(
                    "{} must hold 32 hexadecimal digits; restore it from your backup: storages of this host are \
                     known by it",
                    path.display()
                )
            });
        }
        let host = before.unwrap_or(fresh);
        write_private(&path, format!("{host}\n").as_bytes())?;
        Ok(host)
    }

    /// Whether a store was made here before.
    fn has_store(&self) -> bool {
        fs::metadata(self.path.join(STORE_FILE)).is_ok_and(|file| file.len() > 0)
    }

    /// The first admin password: the one that waits in its file for a reader, or one that is made up and left there. What
    /// is in the file is never replaced: it may be all that lets somebody in.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn admin_password(&self) -> Result<AdminPassword> {
        let file = self.path.join(PASSWORD_FILE);
        if let Some(bytes) = read_if_there(&file)? {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            // Without the end of its line the writing of it broke off.
            if let Some(clear) = text.strip_suffix('\n').filter(|clear| !clear.is_empty()) {
                return Ok(AdminPassword { clear: clear.to_owned(), file, made: false });
            }
        }
        let mut bits = [0u8; 12];
        getrandom::fill(&mut bits).map_err(|e| anyhow::anyhow!("no random bits: {e}"))?;
        let clear: String = bits.iter().map(|b| format!("{b:02x}")).collect();
        write_private(&file, format!("{clear}\n").as_bytes())?;
        Ok(AdminPassword { clear, file, made: true })
    }
}

/// A first admin password.
#[derive(Clone)]
pub struct AdminPassword {
    /// As it is typed.
    pub clear: String,
    /// Where it waits for its first reader.
    pub file: PathBuf,
    /// Whether it was made up now.
    pub made: bool,
}

/// Takes the lock, or says who has it. A holder without a pid is at its beginning or its end: a moment later it is told.
fn taken(lock: &mut File) -> std::result::Result<(), String> {
    let mut holder = String::new();
    for _ in 0..LOCK_TRIES {
        if flock(&*lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(());
        }
        holder.clear();
        let _ = lock.rewind().and_then(|()| lock.read_to_string(&mut holder)); // unread, it has no pid
        if !holder.trim().is_empty() {
            break;
        }
        std::thread::sleep(LOCK_AGAIN_AFTER);
    }
    Err(holder.trim().to_owned())
}

/// Removes the file of the first admin password in `data_dir`, which is not the password any more. None is fine.
///
/// # Errors
/// It is there and cannot be removed.
pub fn forget_admin_password(data_dir: &Path) -> std::io::Result<()> {
    match fs::remove_file(data_dir.join(PASSWORD_FILE)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The key in a file, if that is there.
fn key_in(path: &Path) -> Result<Option<[u8; 32]>> {
    let Some(bytes) = read_if_there(path)? else { return Ok(None) };
    let key = bytes.as_slice().try_into();
    key.map(Some).with_context(|| format!("{} must hold exactly 32 bytes", path.display()))
}

fn fresh_key() -> Result<[u8; 32]> {
    let mut key = [0u8; 32];
    getrandom::fill(&mut key).map_err(|e| anyhow::anyhow!("no random bits: {e}"))?;
    Ok(key)
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// What tells a key from others and nothing of it.
fn check_of(key: &[u8; 32]) -> String {
    let digest = Sha256::new().chain_update("longhaul secret.key").chain_update(key).finalize();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hex + "\n"
}

/// Writes a file that only its owner may read; durable when it returns.
///
/// # Errors
/// It cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        match path.parent() {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests;
