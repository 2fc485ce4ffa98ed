//! `longhaul-bench`: measures a server of its own, the real binary as a child process, and prints one table
//! with floors and peers of the same run. Never a test: nothing here passes or fails by its time.
//!
//! Each part is a file: `submit`, `bulk`, `drain`, `latency`, `query` (over the rows of `fill`), `copy`, `ceph`, `memory`,
//! `syncs`, `floor`. What they share: `server` (the child), `http` and `api` (the client), `report` (the table), whose
//! rows with their aims stand in `rows`.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench measures from outside, with the machine's own clock, tasks and timers"
)]

mod api;
mod bulk;
mod ceph;
mod copy;
mod disk;
mod drain;
mod fill;
mod floor;
mod http;
mod latency;
mod machine;
mod memory;
mod query;
mod report;
mod rows;
mod server;
mod submit;
mod syncs;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use report::Report;
use server::{Place, TempDir};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Everything.
    All,
    /// Durable submissions per second, at 16 and 64 connections.
    Submit,
    /// Durable submissions per second, 1,000 in a call.
    Bulk,
    /// No-op jobs per second from accepted to succeeded.
    Drain,
    /// From a submission to the start of its body, at 50 jobs per second.
    Latency,
    /// Pages and counts over many stored jobs.
    Query,
    /// One migration against qemu-img, cp and dd.
    Copy,
    /// From a file to a Ceph pool and on to another, against rbd; LONGHAUL_BENCH_CEPH_CONF names the cluster.
    Ceph,
    /// Resident memory after one job and a minute.
    Memory,
    /// Syncs for many submissions, counted by strace.
    Syncs,
}

/// Measures a Longhaul server that it starts itself.
#[derive(Parser)]
#[command(name = "longhaul-bench", version)]
struct Args {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    parts: Vec<Part>,
    /// Rounds; the parts take turns within each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Write the table here as Markdown
    #[arg(long, value_name = "FILE.md")]
    out: Option<PathBuf>,
    /// Write the table here as JSON
    #[arg(long, value_name = "FILE.json")]
    json: Option<PathBuf>,
    /// The server's binary [default: longhaul beside this one]
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Where data directories and disks go; a directory in it is made and removed
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Stored jobs that queries run over
    #[arg(long, default_value_t = 1_000_000)]
    stored: u64,
    /// A filled data directory to use again; made if it is missing
    #[arg(long, value_name = "DIR")]
    filled: Option<PathBuf>,
    /// A word about the machine's load, for the table
    #[arg(long, default_value = "")]
    remark: String,
}

impl Args {
    fn wants(&self, part: Part) -> bool {
        self.parts.contains(&Part::All) || self.parts.contains(&part)
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    // One thread: the server needs the other cores more.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.context("no runtime").and_then(|runtime| runtime.block_on(run(&args)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("longhaul-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<()> {
    let binary = match &args.server {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("longhaul"),
    };
    anyhow::ensure!(
        binary.is_file(),
        "{} is missing; build it with cargo build --release -p longhaul-server, or name it with --server",
        binary.display()
    );
    let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = TempDir::new(&parent)?;
    let place = Place { binary, dir: dir.path().to_owned() };
    let mut report = Report::new(machine::facts(&place, &args.remark)?);
    // A server that is left behind would hold its data directory: drop it on the way out.
    let measured = tokio::select! {
        measured = measure(args, &place, &mut report) => measured,
        () = stop_asked() => Err(anyhow::anyhow!("stopped")),
    };
    // What was measured before something went wrong is worth its time.
    println!("{}", report.markdown());
    if let Some(path) = &args.out {
        std::fs::write(path, report.markdown()).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &args.json {
        std::fs::write(path, report.json()).with_context(|| path.display().to_string())?;
    }
    measured
}

async fn measure(args: &Args, place: &Place, report: &mut Report) -> Result<()> {
    let filled = if args.wants(Part::Query) { Some(fill::prepare(place, args).await?) } else { None };
    let disk = if args.wants(Part::Copy) { disk::prepare(place)? } else { None };
    let cluster = if args.wants(Part::Ceph) { ceph::prepare(place)? } else { None };
    for round in 1..=args.rounds {
        eprintln!("round {round} of {}", args.rounds);
        floor::sync(place, report)?;
        if args.wants(Part::Submit) {
            for connections in [16, 64] {
                submit::measure(place, connections, report).await?;
            }
            floor::submit(place, report)?;
        }
        if args.wants(Part::Bulk) {
            bulk::measure(place, report).await?;
        }
        if args.wants(Part::Drain) {
            drain::measure(place, report).await?;
            floor::drain(place, report)?;
        }
        if args.wants(Part::Latency) {
            latency::measure(place, report).await?;
        }
        if let Some(disk) = &disk {
            copy::measure(place, disk, report).await?;
        }
        if let Some(cluster) = &cluster {
            ceph::measure(place, cluster, report).await?;
        }
        if let Some(filled) = &filled {
            query::measure(place, filled, report).await?;
        }
    }
    if args.wants(Part::Memory) {
        memory::measure(place, report).await?;
    }
    if args.wants(Part::Syncs) {
        syncs::measure(place, report).await?;
    }
    Ok(())
}

/// Ends at SIGINT or SIGTERM.
async fn stop_asked() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
}
