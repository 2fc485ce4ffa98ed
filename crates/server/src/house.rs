//! `longhaul store`: what an operator does with a store as a whole. One file per command; the work is in
//! `longhaul_store::house`. These need no server, and `backup` and `check` mind none.

mod backup;
mod check;
mod moving;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::settings::STORE_KEY;
use crate::{Layers, Settings};

/// A command about a store.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Copy the embedded store into a file of its own, while its server runs; the copy is checked
    Backup(backup::BackupArgs),
    /// Look whether a store is sound; ends with 1 where it is not. Its server may run
    Check(check::CheckArgs),
    /// Move an embedded store, whose server is stopped, to PostgreSQL: all of it, compared, or nothing
    Copy(moving::CopyArgs),
}

/// Which server's store is meant.
#[derive(Debug, Args)]
pub struct Place {
    /// The server's data directory [default: ./longhaul-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The server's TOML file of settings, if that says where its data directory is
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    /// The data directory as the server would have it: by flag, environment, file, or the default.
    ///
    /// # Errors
    /// The settings cannot be read.
    fn data_dir(self) -> Result<PathBuf> {
        Ok(settings(self.data_dir, self.config, None)?.data_dir)
    }
}

/// The settings as a server would have them, with a data directory and the URL of a store given by flags; `url` comes
/// with the flag's name.
///
/// # Errors
/// They cannot be read; a password is on the command line.
fn settings(
    data_dir: Option<PathBuf>,
    config: Option<PathBuf>,
    url: Option<(&str, &str)>,
) -> Result<Settings> {
    let mut layers = Layers::default();
    if let Some(file) = config.or_else(|| std::env::var_os("LONGHAUL_CONFIG").map(PathBuf::from)) {
        layers.file(&file)?;
    }
    let environment = std::env::vars_os();
    layers.environment(environment.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))));
    if let Some(dir) = data_dir {
        layers.set("dataDir", &dir.to_string_lossy(), "--data-dir")?;
    }
    if let Some((url, flag)) = url {
        layers.set(STORE_KEY, url, flag)?;
    }
    layers.settings()
}

/// Runs a command; its answer is on stdout, how far it is on stderr.
///
/// # Errors
/// What stands in the way, and what to do.
pub async fn run(command: StoreCommand) -> Result<ExitCode> {
    match command {
        StoreCommand::Backup(args) => backup::run(args).await,
        StoreCommand::Check(args) => check::run(args).await,
        StoreCommand::Copy(args) => moving::run(args).await,
    }
}
