//! What the environment says about us: where our files are, which server is meant and which session is
//! forced on us. Read once, so that tests can choose it.

use std::path::PathBuf;

use crate::error::ClientError;

/// The server if nothing names one.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// The environment of a command.
#[derive(Debug, Clone, Default)]
pub struct Env {
    /// `XDG_CONFIG_HOME`.
    pub config_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `LONGHAUL_URL`: the server, unless the command line names one. Not an `env` of the option: clap takes what a
    /// variable gives for typed, and puts `--url` into the usage of every mistake.
    pub url: Option<String>,
    /// `LONGHAUL_TOKEN`: a session that wins over the login.
    pub token: Option<String>,
}

impl Env {
    /// The process's own.
    pub fn of_process() -> Self {
        let path = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let text = |name| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
        Self {
            config_home: path("XDG_CONFIG_HOME").filter(|p| p.is_absolute()),
            home: path("HOME"),
            url: text("LONGHAUL_URL"),
            token: text("LONGHAUL_TOKEN"),
        }
    }

    /// The directory of our files.
    pub fn directory(&self) -> Result<PathBuf, ClientError> {
        let base = self.config_home.clone().or_else(|| self.home.as_ref().map(|home| home.join(".config")));
        base.map(|base| base.join("longhaul")).ok_or_else(|| {
            ClientError::local(
                "there is no place for the session: set HOME or XDG_CONFIG_HOME, or LONGHAUL_TOKEN",
            )
        })
    }

    /// The forced session. It is never part of an error.
    pub fn token(&self) -> Result<Option<String>, ClientError> {
        let Some(token) = self.token.as_deref().map(str::trim) else { return Ok(None) };
        if token.len() <= 128 && token.bytes().all(|b| b.is_ascii_alphanumeric()) {
            Ok(Some(token.to_owned()))
        } else {
            Err(ClientError::usage("LONGHAUL_TOKEN is no session: a session is 32 hex digits"))
        }
    }
}
