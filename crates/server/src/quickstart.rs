//! `longhaul quickstart`: the main job on real data in one command. A server in a temporary directory, two
//! storages, a qcow2 volume of seeded bytes, a migration through the REST API with a live bar, one kill in
//! the middle, and the checksums before and after.

mod disk;
mod follow;
mod kill;
mod story;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;

use crate::settings::Layers;
use crate::tempdir::TempDir;
use crate::{Node, demo, hooks};

/// Ports tried after 8080.
const PORTS: std::ops::RangeInclusive<u16> = 8080..=8180;

/// Flags of `quickstart`.
#[derive(Debug, clap::Args)]
pub struct QuickstartArgs {
    /// End when the volume has moved, instead of leaving the server up
    #[arg(long)]
    exit: bool,
    /// Keep the temporary data directory
    #[arg(long)]
    keep: bool,
    /// Do not kill the copying process in the middle
    #[arg(long)]
    no_kill: bool,
    /// Seed of the volume's bytes
    #[arg(long, default_value_t = 20_170_814)]
    seed: u64,
    /// Most bytes per second of the copy, so that there is something to watch, such as 64M; 0 is unlimited
    #[arg(long, default_value = "128M", value_parser = longhaul_cli::parse_bytes)]
    rate: u64,
}

/// Runs the quickstart.
///
/// # Errors
/// What is missing, and what to do.
pub async fn run(args: QuickstartArgs) -> Result<ExitCode> {
    let mut directory = TempDir::new("longhaul-quickstart")?;
    if args.keep {
        directory.keep();
    }
    room(directory.path())?;
    let listener = free_port().await?;
    let mut layers = Layers::default();
    layers.set("dataDir", &directory.path().join("data").to_string_lossy(), "quickstart")?;
    layers.set("listen", &listener.local_addr()?.to_string(), "quickstart")?;
    layers.set(hooks::EGRESS_KEY, hooks::LOOPBACK_TOO, "quickstart")?;
    let settings = layers.settings()?;
    let node = Node::start_on(settings, listener, Some(demo::PASSWORD.to_owned())).await?;
    println!("Longhaul {} is up: http://{}", env!("CARGO_PKG_VERSION"), node.address);
    println!(
        "  data directory  {}{}",
        directory.path().display(),
        if args.keep { "" } else { "  (removed at the end; --keep keeps it)" }
    );
    let story = story::Story {
        base: format!("http://{}", node.address),
        directory: directory.path().to_owned(),
        kill: !args.no_kill,
        seed: args.seed,
        rate: args.rate,
        stays: !args.exit,
    };
    let told = story.tell().await;
    if told.is_ok() && !args.exit {
        println!();
        println!(
            "The server stays up. Ctrl-C ends it{}.",
            if args.keep { "" } else { " and removes the data directory" }
        );
        let _ = tokio::signal::ctrl_c().await;
    }
    let again = async { drop(tokio::signal::ctrl_c().await) };
    node.stop(again).await.close().await;
    told.map(|()| ExitCode::SUCCESS)
}

fn room(directory: &std::path::Path) -> Result<()> {
    let stat = rustix::fs::statvfs(directory)?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < disk::NEEDED_BYTES {
        bail!(
            "the quickstart needs {} MiB below {}, where {} MiB are free; set TMPDIR to a directory with more room",
            disk::NEEDED_BYTES >> 20,
            directory.display(),
            free >> 20
        );
    }
    Ok(())
}

/// Port 8080, or the next free one.
async fn free_port() -> Result<TcpListener> {
    for port in PORTS {
        if let Ok(listener) = TcpListener::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)).await
        {
            return Ok(listener);
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port on 127.0.0.1")
}
