//! A directory that goes when it is dropped: for demos and the quickstart.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A private temporary directory.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
    keep: bool,
}

impl TempDir {
    /// Makes one whose name begins with `prefix`, below `TMPDIR`.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(prefix: &str) -> Result<Self> {
        let mut bits = [0u8; 6];
        getrandom::fill(&mut bits).map_err(|e| anyhow::anyhow!("no random bits: {e}"))?;
        let name: String = bits.iter().map(|b| format!("{b:02x}")).collect();
        let path = std::env::temp_dir().join(format!("{prefix}-{name}"));
        fs::DirBuilder::new().mode(0o700).create(&path).with_context(|| {
            format!("{} cannot be made; set TMPDIR to a directory with room", path.display())
        })?;
        Ok(Self { path, keep: false })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets it stay.
    pub fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.path); // nothing depends on it being gone
        }
    }
}
