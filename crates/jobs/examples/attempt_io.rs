//! The child process alone, as the server's binary runs it: for the tests of this crate.
//!
//! `attempt_io hold <program> <root> <source> <format> <target> <format>` instead is a parent that starts a
//! child, prints the child's pid and waits: it is killed to see that the child ends with it.

use std::path::PathBuf;
use std::process::ExitCode;

use longhaul_jobs::attempt_io::{ARGUMENT, AttemptSpec, FromChild, Spawner, ToChild, child};
use longhaul_jobs::copy::run::{CopySpec, DiskRef};
use longhaul_jobs::storage::Format;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some(ARGUMENT) => child::main(),
        Some("hold") => match hold(&args[1..]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("{e}");
                ExitCode::FAILURE
            }
        },
        _ => ExitCode::FAILURE,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn hold(args: &[String]) -> std::io::Result<()> {
    let [root, source, target] = args else { return Err(std::io::Error::other("root source target")) };
    let disk = |path: &str| DiskRef::file(PathBuf::from(root), path, Format::Raw);
    let spec = AttemptSpec {
        copy: CopySpec::new(disk(source), disk(target)),
        bytes_per_s: 1 << 20,
        lease_ttl_ms: 0,
        lease_at_ns: 0,
    };
    let mut attempt = Spawner::this_binary().spawn().await?;
    attempt.next_event().await?;
    attempt.go(&spec, &Default::default()).await?;
    while let Some(event) = attempt.next_event().await? {
        match event {
            FromChild::Checkpoint { seq, .. } => {
                attempt.send(&ToChild::CheckpointStored { seq }).await?;
                println!("{}", attempt.pid());
            }
            FromChild::Progress { .. } => {}
            other => return Err(std::io::Error::other(format!("{other:?}"))),
        }
    }
    Ok(())
}
