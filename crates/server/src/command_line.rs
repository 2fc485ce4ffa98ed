//! The command line of the binary: the server, the quickstart, and the client's commands beside them.

use std::path::PathBuf;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

use crate::house::StoreCommand;
use crate::quickstart::QuickstartArgs;
use crate::tempdir::TempDir;
use crate::{Layers, Settings};

/// Long jobs that tell the truth: what runs where, how far it really is, and what became of it.
#[derive(Parser)]
#[command(name = "longhaul", version, arg_required_else_help = true)]
pub struct Cli {
    /// Options of the client's commands.
    #[command(flatten)]
    pub globals: longhaul_cli::Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
#[allow(clippy::large_enum_variant, reason = "parsed once")]
pub enum Command {
    /// Run a management node.
    Serve(ServeArgs),
    /// See the main job on real data: a qcow2 volume moves between two storages, verified bit for bit.
    Quickstart(QuickstartArgs),
    /// The store as a whole: back it up, check it, move it to PostgreSQL
    #[command(subcommand)]
    Store(StoreCommand),
    /// A command of the client.
    #[command(flatten)]
    Client(longhaul_cli::Command),
}

/// Flags of `serve`; each is also a setting of the file and of the environment.
#[derive(clap::Args)]
pub struct ServeArgs {
    /// Address and port of the API [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Directory of the embedded store [default: ./longhaul-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where jobs are kept, which several nodes may share: postgres://USER@HOST:PORT/DATABASE, its password in a file
    /// (PGPASSFILE) [default: embedded in the data directory]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The key of secrets at rest; all nodes of a cluster need the same [default: secret.key in the data directory]
    #[arg(long, value_name = "FILE")]
    secret_key_file: Option<PathBuf>,
    /// How other nodes and clients reach this one [default: where it listens]
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// Offer the simulator's job types
    #[arg(long)]
    simulator: bool,
    /// File to which simulated bodies append what they do
    #[arg(long, value_name = "FILE")]
    simulator_journal: Option<PathBuf>,
    /// The resources of the public API reference, with its published credentials; loopback only. The data are
    /// thrown away, unless --data-dir keeps them: that directory then stays a demo's
    #[arg(long)]
    demo: bool,
    /// How callers are answered: fast or zstack
    #[arg(long, value_name = "PROFILE")]
    replies: Option<String>,
    /// A TOML file of settings
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Any other setting, as engine.maxRunning=8
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// The whole command line, for its reference and for completions.
pub fn command() -> clap::Command {
    Cli::command()
}

impl ServeArgs {
    /// The settings in force, and the temporary directory that they use.
    ///
    /// # Errors
    /// A source cannot be read, a key is unknown, a value is out of its bounds.
    pub fn settings(self) -> Result<(Settings, Option<TempDir>)> {
        let mut layers = Layers::default();
        let config = self.config.or_else(|| std::env::var_os("LONGHAUL_CONFIG").map(PathBuf::from));
        if let Some(path) = config {
            layers.file(&path)?;
        }
        layers.environment(
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
        );
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let flags = [
            ("listen", self.listen, "--listen"),
            ("dataDir", self.data_dir.map(text), "--data-dir"),
            ("store.url", self.store, "--store"),
            ("secretKeyFile", self.secret_key_file.map(text), "--secret-key-file"),
            ("address", self.address, "--address"),
            ("simulator", (self.simulator || self.demo).then(|| "true".to_owned()), "--simulator"),
            ("simulatorJournal", self.simulator_journal.map(text), "--simulator-journal"),
            ("demo", self.demo.then(|| "true".to_owned()), "--demo"),
            ("api.replies", self.replies, "--replies"),
        ];
        for (key, value, flag) in flags {
            if let Some(value) = value {
                layers.set(key, &value, flag)?;
            }
        }
        for pair in &self.set {
            let (key, value) = pair.split_once('=').ok_or_else(|| {
                anyhow::anyhow!("--set {pair}: write it as KEY=VALUE, as engine.maxRunning=8")
            })?;
            layers.set(key, value, "--set")?;
        }
        // A demo's data are thrown away unless a directory is named.
        let temporary = if self.demo && !layers.is_set("dataDir") {
            let dir = TempDir::new("longhaul-demo")?;
            layers.set("dataDir", &dir.path().to_string_lossy(), "--demo")?;
            Some(dir)
        } else {
            None
        };
        Ok((layers.settings()?, temporary))
    }
}
