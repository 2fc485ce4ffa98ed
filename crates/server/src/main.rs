//! The binary `longhaul`: the server, the quickstart, the copying process, and the client's commands.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use longhaul_server::command_line::{self, Cli, Command, ServeArgs};
use longhaul_server::{Node, house, quickstart};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|a| a == longhaul_jobs::attempt_io::ARGUMENT) {
        return longhaul_jobs::attempt_io::child::main();
    }
    let cli = Cli::parse();
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
            Command::Store(command) => told(house::run(command).await),
            Command::Client(command) => {
                longhaul_cli::run(cli.globals, command, command_line::command()).await
            }
        }
    })
}

fn told(result: Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        eprintln!("longhaul: {error:#}");
        ExitCode::FAILURE
    })
}

async fn serve(args: ServeArgs) -> Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_env_filter(logged())
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
    let (settings, temporary) = args.settings()?;
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
    eprintln!(
        "stopping: attempts save a checkpoint and give their jobs back; those that could only end here may end, unless it \
         is told once more to stop"
    );
    let app = node.app.clone();
    let again = async {
        if stop_asked().await.is_err() {
            std::future::pending().await
        }
    };
    let stopped = node.stop(again).await;
    let discarded = match temporary {
        Some(_) if demo => longhaul_server::demo::discard(&app).await,
        _ => Ok(()),
    };
    stopped.close().await;
    discarded.map(|()| ExitCode::SUCCESS)
}

/// What is logged. Of each connection of a pool that breaks only where that is asked for: who wanted something of the store
/// says it for all of them.
fn logged() -> EnvFilter {
    let asked = std::env::var("LONGHAUL_LOG").unwrap_or_default();
    let filter =
        EnvFilter::try_new(&asked).ok().filter(|_| !asked.is_empty()).unwrap_or_else(|| "info".into());
    match (asked.contains("deadpool"), "deadpool=error".parse()) {
        (false, Ok(quiet)) => filter.add_directive(quiet),
        _ => filter,
    }
}

/// Ends at SIGTERM, SIGINT, or SIGHUP, which a closed terminal sends.
async fn stop_asked() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}
