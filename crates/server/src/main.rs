//! The binary `longhaul`: the server, the quickstart, the copying process, and the client's commands.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use longhaul_server::quickstart::{self, QuickstartArgs};
use longhaul_server::{Layers, Node, Settings, tempdir};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Long jobs that tell the truth: what runs where, how far it really is, and what became of it.
#[derive(Parser)]
#[command(name = "longhaul", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
#[allow(clippy::large_enum_variant, reason = "parsed once")]
enum Command {
    /// Run a management node.
    Serve(ServeArgs),
    /// See the main job on real data: a qcow2 volume moves between two storages, verified bit for bit.
    Quickstart(QuickstartArgs),
}

/// Flags of `serve`; each is also a setting of the file and of the environment.
#[derive(clap::Args)]
struct ServeArgs {
    /// Address and port of the API [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Directory of the embedded store [default: ./longhaul-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where jobs are kept; the embedded store if absent
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Offer the simulator's job types
    #[arg(long)]
    simulator: bool,
    /// File to which simulated bodies append what they do
    #[arg(long, value_name = "FILE")]
    simulator_journal: Option<PathBuf>,
    /// Throw-away data with the resources of the public API reference; loopback only
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

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|a| a == longhaul_jobs::attempt_io::ARGUMENT) {
        return longhaul_jobs::attempt_io::child::main();
    }
    let matches = Cli::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("longhaul: no threads can be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => told(serve(args).await),
            Command::Quickstart(args) => told(quickstart::run(args).await),
        }
    })
}

fn told(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("longhaul: {error:#}");
        ExitCode::FAILURE
    })
}

impl ServeArgs {
    fn settings(self) -> Result<(Settings, Option<tempdir::TempDir>)> {
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
            ("store", self.store, "--store"),
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
            let dir = tempdir::TempDir::new("longhaul-demo")?;
            layers.set("dataDir", &dir.path().to_string_lossy(), "--demo")?;
            Some(dir)
        } else {
            None
        };
        Ok((layers.settings()?, temporary))
    }
}

async fn serve(args: ServeArgs) -> Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("LONGHAUL_LOG").unwrap_or_else(|_| "info".into()),
        )
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
    let (settings, _temporary) = args.settings()?;
    let demo = settings.demo;
    let node = Node::start(settings).await?;
    println!("listening on http://{}", node.address);
    if let Some(file) = &node.password_file {
        println!("the password of the account admin is in {}", file.display());
    }
    if demo {
        println!("demo: account admin, password \"password\", session {}", longhaul_server::demo::SESSION);
    }
    stop_asked().await?;
    eprintln!("stopping: attempts save a checkpoint and give their jobs back");
    node.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Ends at SIGTERM or SIGINT; a second one ends the process at once.
async fn stop_asked() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}
