//! Where the bytes of an image come from: what a source must do, and files of this machine. Sources on the network
//! are the server's, which knows where it may connect to.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use longhaul_model::Fault;

use crate::storage::{Access, DiskError, Identity, Root};

/// Bytes of a file that are read at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// Bytes that come in.
#[async_trait]
pub trait Body: Send {
    /// The next bytes, never none of them; `None` at the end. Given up before it answers, it has taken nothing.
    ///
    /// # Errors
    /// They broke off: why.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String>;
}

/// A source that was opened.
pub struct Opened {
    /// The offset that its bytes begin at: what was asked for, or 0 where they are others now.
    pub from: u64,
    /// How many bytes there are in all, if the source says so.
    pub total: Option<u64>,
    /// What tells these bytes from others; with it a later opening may go on. `None`: it must start over.
    pub validator: Option<String>,
    /// The bytes.
    pub body: Box<dyn Body>,
}

/// Why a source was not opened.
#[derive(Debug)]
pub enum Closed {
    /// It will not be, however often it is tried.
    Refused(Fault),
    /// It may be at a later try.
    Broke(String),
    /// It was, and what it has does not go on what was asked for: all of it must come again.
    Differs(String),
}

/// Opens URLs of its schemes.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Opens `url` at `from`, if its bytes are still those of `validator`; else at 0.
    ///
    /// # Errors
    /// `Closed`.
    async fn open(&self, url: &str, from: u64, validator: Option<&str>) -> Result<Opened, Closed>;
}

/// The path of a `file://` URL.
pub fn file_path(url: &str) -> Option<&str> {
    url.strip_prefix("file://")
}

/// Refuses a path that is not below one of the allowed directories, before anything is opened.
///
/// # Errors
/// What to set.
pub fn check_file(url: &str, roots: &[PathBuf]) -> Result<(), Fault> {
    let Some(path) = file_path(url) else { return Ok(()) };
    if !path.starts_with('/') {
        return Err(Fault::invalid("absolute path must be used"));
    }
    if roots.iter().any(|root| Path::new(path).starts_with(root)) {
        return Ok(());
    }
    let list: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
    Err(Fault::invalid(format!(
        "image path is not in white list: [{}]; add its directory to the setting images.fileRoots",
        list.join(", ")
    )))
}

/// Opens a file below one of `roots`.
///
/// # Errors
/// It is not there, not below one of them, or no regular file.
pub async fn open_file(
    url: &str,
    roots: &[PathBuf],
    from: u64,
    validator: Option<&str>,
) -> Result<Opened, Closed> {
    check_file(url, roots).map_err(Closed::Refused)?;
    let (path, roots) = (PathBuf::from(file_path(url).unwrap_or_default()), roots.to_vec());
    let asked = path.clone();
    let opened = crate::manage::blocking(move || {
        let path = asked;
        // The kernel resolves it beneath the directory, so that no link leads out.
        let below = roots.iter().find(|root| path.starts_with(root));
        let root = Root::open(below.ok_or_else(|| DiskError::OutsideRoot(path.clone()))?)?;
        let file = root.open_file(&root.relative(&path)?, Access::Read)?;
        let identity = Identity::of(&file, &path)?;
        Ok((file, identity))
    });
    let (file, identity) = opened.await.map_err(Closed::Refused)?;
    let now = format!("{}:{}:{}:{}", identity.dev, identity.ino, identity.len, identity.mtime_ns);
    let from = if validator == Some(now.as_str()) { from } else { 0 };
    Ok(Opened {
        from,
        total: Some(identity.len),
        validator: Some(now),
        body: Box::new(FileBody { file: Arc::new(file), at: from, opened: identity, path }),
    })
}

struct FileBody {
    file: Arc<File>,
    at: u64,
    /// What the file was when it was opened.
    opened: Identity,
    path: PathBuf,
}

#[async_trait]
impl Body for FileBody {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        let (file, at) = (self.file.clone(), self.at);
        let (opened, path) = (self.opened, self.path.clone());
        let read = tokio::task::spawn_blocking(move || -> Result<Vec<u8>, String> {
            let mut block = vec![0; BLOCK_BYTES];
            let n = file.read_at(&mut block, at).map_err(|e| e.to_string())?;
            block.truncate(n);
            if Identity::of(&file, &path).map_err(|e| e.to_string())? != opened {
                return Err("it was written to while it was read".to_owned());
            }
            Ok(block)
        });
        let block = read.await.map_err(|_| "reading broke off".to_owned())??;
        self.at += block.len() as u64;
        Ok((!block.is_empty()).then_some(block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a file of 3 MiB to its end, with `meanwhile` after the first block.
    fn read(meanwhile: impl FnOnce(&Path)) -> Result<u64, String> {
        let dir = std::env::temp_dir().join(format!("longhaul-source-{:?}", std::thread::current().id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("image");
        std::fs::write(&path, vec![1; 3 * BLOCK_BYTES]).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        let came = runtime.block_on(async {
            let url = format!("file://{}", path.display());
            let mut opened = open_file(&url, std::slice::from_ref(&dir), 0, None).await.unwrap();
            let mut came = opened.body.next().await?.unwrap_or_default().len() as u64;
            meanwhile(&path);
            while let Some(block) = opened.body.next().await? {
                came += block.len() as u64;
            }
            Ok(came)
        });
        std::fs::remove_dir_all(&dir).unwrap();
        came
    }

    #[test]
    fn a_file_that_is_written_to_while_it_is_read_is_no_image() {
        assert_eq!(read(|_| {}), Ok(3 << 20));
        let written = read(|path| {
            let file = File::options().write(true).open(path).unwrap();
            file.write_all_at(b"other", 2 << 20).unwrap();
            let later = std::time::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000);
            file.set_modified(later).unwrap(); // the clock of a file system may stand still for a while
        });
        assert_eq!(written, Err("it was written to while it was read".to_owned()));
    }
}
