//! `longhaul-bench`: measures a server of its own, the real binary as a child process, and prints one table
//! with floors and peers of the same run. Never a test: nothing here passes or fails by its time.
//!
//! Each part is a file: `submit`, `bulk`, `drain`, `latency`, `query` (over the rows of `fill`), `memory`; of SQLite `copy`,
//! `ceph`, `syncs`, `floor`; of PostgreSQL `sharing` (with the floor `bare`), `takeover`, `million` and `held_open` (over the
//! rows of `multiply`). What they share: `place` and `database` (where a server keeps its jobs), `server` (the child), `http`
//! and `api` (the client), `report` (the table), whose rows with their aims stand in `rows`, and `document`.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench measures from outside, with the machine's own clock, tasks and timers"
)]

mod api;
mod args;
mod bare;
mod bulk;
mod ceph;
mod copy;
mod database;
mod disk;
mod document;
mod drain;
mod fill;
mod floor;
mod held_open;
mod histogram;
mod http;
mod latency;
mod machine;
mod memory;
mod million;
mod multiply;
mod place;
mod query;
mod report;
mod rows;
mod server;
mod sharing;
mod submit;
mod syncs;
mod takeover;
mod warm;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};

use args::{Args, Part};
use database::Cluster;
use place::{Place, TempDir};
use report::Report;
use rows::{POSTGRES_ROWS, SQLITE_ROWS};

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(misuse) = args.misuse() {
        Args::command().error(clap::error::ErrorKind::ValueValidation, misuse).exit();
    }
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
    let cluster = match args.store.as_str() {
        "sqlite" => None,
        "postgres" => Some(Cluster::start(dir.path().join("postgres"), &args.pg_set).await?),
        url => Some(Cluster::given(url).await?),
    };
    let place = Place { binary, dir: dir.path().to_owned(), cluster, quick: args.quick };
    warm::prepare(&place)?;
    let rows = if args.is_sqlite() { SQLITE_ROWS } else { POSTGRES_ROWS };
    let mut report = Report::new(rows, machine::facts(&place, &args.remark).await?);
    if let (true, Some(path)) = (args.add, args.json.as_ref().filter(|path| path.exists())) {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        report.add_file(&text).with_context(|| path.display().to_string())?;
    }
    // A server that is left behind would hold its data directory: drop it on the way out.
    let measured = tokio::select! {
        measured = measure(args, &place, &mut report) => measured,
        () = stop_asked() => Err(anyhow::anyhow!("stopped")),
    };
    // What was measured before something went wrong is worth its time.
    write(args, &report)?;
    measured
}

fn write(args: &Args, report: &Report) -> Result<()> {
    println!("{}", report.markdown());
    if let Some(path) = &args.out {
        std::fs::write(path, report.markdown()).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &args.json {
        std::fs::write(path, report.json()).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &args.into {
        let store = if args.is_sqlite() { "sqlite" } else { "postgres" };
        document::write(path, args.block.as_deref().unwrap_or(store), &report.markdown())?;
    }
    Ok(())
}

async fn measure(args: &Args, place: &Place, report: &mut Report) -> Result<()> {
    let filled = if args.wants(Part::Query) { Some(fill::prepare(place, args).await?) } else { None };
    let disk = if args.wants(Part::Copy) { disk::prepare(place)? } else { None };
    let cluster = if args.wants(Part::Ceph) { ceph::prepare(place)? } else { None };
    let waiting = match args.wants(Part::Drain) && !args.is_sqlite() {
        true => Some(sharing::prepare(place).await?),
        false => None,
    };
    for round in 1..=args.rounds() {
        eprintln!("round {round} of {}", args.rounds());
        warm::memory()?;
        // What an earlier run measured keeps the floor of that run.
        if args.wants(Part::Submit) || args.wants(Part::Latency) {
            floor::sync(place, args.wants(Part::Latency), report)?;
        }
        if args.wants(Part::Submit) {
            for connections in [1, 16, 64] {
                submit::measure(place, connections, report).await?;
            }
            if args.is_sqlite() {
                floor::submit(place, report)?;
            }
        }
        if args.wants(Part::Bulk) {
            bulk::measure(place, report).await?;
        }
        if let Some(waiting) = &waiting {
            sharing::measure(place, waiting, round, report).await?;
        } else if args.wants(Part::Drain) {
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
        if args.wants(Part::Takeover) {
            for jobs in takeover::JOBS {
                takeover::measure(place, jobs, report).await?;
            }
        }
    }
    if args.wants(Part::Memory) {
        memory::measure(place, report).await?;
    }
    if args.wants(Part::Syncs) {
        syncs::measure(place, report).await?;
    }
    measure_many_rows(args, place, report).await
}

/// The parts that store a million jobs each; rounds of their own, so that only one of them is on the disk at a time.
async fn measure_many_rows(args: &Args, place: &Place, report: &mut Report) -> Result<()> {
    if args.wants(Part::Million) {
        let full = million::prepare(place).await?;
        for round in 1..=args.rounds() {
            eprintln!("million, round {round} of {}", args.rounds());
            warm::memory()?;
            million::measure(place, &full, round, report).await?;
        }
        full.remove().await?;
    }
    if args.wants(Part::HeldOpen) {
        let waiting = held_open::prepare(place).await?;
        for round in 1..=args.rounds() {
            eprintln!("held open, round {round} of {}", args.rounds());
            warm::memory()?;
            held_open::measure(place, &waiting, round, report).await?;
        }
        waiting.remove().await?;
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
