//! The simulator's journal: what bodies did, in a file outside of everything that is under test.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use longhaul_model::Fault;

/// An append-only file; each line is one write, so lines of several processes never mix.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// What is wrong with the path.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(|error| {
            Fault::invalid(format!(
                "--simulator-journal {}: {error}; name a file that can be written",
                path.display()
            ))
        })?;
        Ok(Self { file })
    }

    /// Appends `uuid attempt token what`.
    ///
    /// # Errors
    /// The disk does not take it; the body must not act then.
    pub fn note(&self, job: &str, attempt: u32, token: u64, what: &str) -> Result<(), Fault> {
        let line = format!("{job} {attempt} {token} {what}\n");
        (&self.file)
            .write_all(line.as_bytes())
            .map_err(|e| Fault::failed(format!("the simulator's journal: {e}")))
    }
}
