//! The file of login sessions: one per server, readable by nobody else. A session is sent to no other server
//! than the one that gave it.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Env;
use crate::error::ClientError;

/// The sessions on this machine.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Sessions {
    /// The server that was logged in to last: the one meant where none is named.
    #[serde(default)]
    pub current: Option<String>,
    /// By server.
    #[serde(default)]
    servers: BTreeMap<String, Saved>,
}

/// One session.
#[derive(Clone, Serialize, Deserialize)]
pub struct Saved {
    /// The account's name.
    pub account: String,
    /// The secret.
    pub session: String,
}

impl std::fmt::Debug for Saved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Saved({})", self.account)
    }
}

impl Sessions {
    /// What is saved; nothing if there is no file. A file that others can read is refused.
    pub fn load(env: &Env) -> Result<Self, ClientError> {
        // Without a place for the file there is nothing saved.
        let Ok(path) = file(env) else { return Ok(Self::default()) };
        let told = |e: std::io::Error| ClientError::local(format!("{} can not be read: {e}", path.display()));
        let mode = match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(told(error)),
            Ok(data) => data.permissions().mode(),
        };
        if mode & 0o077 != 0 {
            return Err(ClientError::local(format!(
                "{} can be read by others; make it yours alone with chmod 600, then log in again",
                path.display()
            )));
        }
        let text = fs::read_to_string(&path).map_err(told)?;
        serde_json::from_str(&text).map_err(|e| {
            ClientError::local(format!("{} is broken ({e}); remove it and log in again", path.display()))
        })
    }

    /// The session of a server.
    pub fn of(&self, server: &str) -> Option<&Saved> {
        self.servers.get(server)
    }

    /// Keeps a session, as the one of the current server.
    pub fn keep(&mut self, server: &str, saved: Saved) {
        self.servers.insert(server.to_owned(), saved);
        self.current = Some(server.to_owned());
    }

    /// Drops the session of a server.
    pub fn drop_of(&mut self, server: &str) {
        self.servers.remove(server);
    }

    /// Writes the file: whole or not at all, for us alone.
    pub fn save(&self, env: &Env) -> Result<PathBuf, ClientError> {
        let path = file(env)?;
        let text = serde_json::to_string_pretty(self).map_err(|e| ClientError::local(e.to_string()))?;
        write(&path, &text)
            .map_err(|e| ClientError::local(format!("{} can not be written: {e}", path.display())))?;
        Ok(path)
    }
}

fn file(env: &Env) -> Result<PathBuf, ClientError> {
    Ok(env.directory()?.join("sessions.json"))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(directory) = path.parent() {
        if let Some(above) = directory.parent() {
            fs::create_dir_all(above)?;
        }
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&fresh, path)).inspect_err(|_| {
        let _ = fs::remove_file(&fresh);
    })
}
