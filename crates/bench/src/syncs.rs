//! Syncs as the kernel sees them: strace attached to a server under load counts `fsync` and `fdatasync`, beside
//! the commits that SQLite's own counter tells. Not timed: tracing slows what is traced.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::api::Api;
use crate::place::Place;
use crate::report::Report;
use crate::server::Server;
use crate::submit::{NOTHING_STARTS, flood};

const CONNECTIONS: u64 = 64;
const SUBMITS: u64 = 3_200;

/// Once per run: a count does not depend on the machine's load.
pub async fn measure(place: &Place, report: &mut Report) -> Result<()> {
    let home = place.home("syncs").await?;
    let server = Server::start(place, &home, &NOTHING_STARTS)?;
    let admin = Api::admin(server.address).await?;
    let counted = place.fresh("strace");
    let Some(strace) = attach(server.pid(), &counted)? else {
        eprintln!("  syncs are not counted: strace is not here (apt-get install strace)");
        return server.stop();
    };
    let commits = home.commits().await?;
    flood(server.address, &admin.session, CONNECTIONS, SUBMITS).await?;
    let commits = home.commits().await?.wrapping_sub(commits);
    detach(strace)?;
    let calls = calls(&std::fs::read_to_string(&counted)?);
    report.add("syncs.calls", calls as f64);
    report.add("syncs.commits", f64::from(commits));
    server.stop()?;
    home.remove().await?;
    Ok(())
}

/// Answers once every thread is traced; `None` if there is no strace.
fn attach(pid: u32, counted: &std::path::Path) -> Result<Option<Child>> {
    let spawned = Command::new("strace")
        .args(["-f", "-c", "-U", "name,calls", "-e", "trace=fsync,fdatasync", "-p", &pid.to_string(), "-o"])
        .arg(counted)
        .stderr(Stdio::piped())
        .spawn();
    let mut strace = match spawned {
        Ok(strace) => strace,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context("strace"),
    };
    let mut said = String::new();
    BufReader::new(strace.stderr.take().context("no stderr")?).read_line(&mut said)?;
    ensure!(said.contains("attached"), "strace could not attach: {said}");
    Ok(Some(strace))
}

fn detach(mut strace: Child) -> Result<()> {
    let pid = i32::try_from(strace.id()).ok().and_then(Pid::from_raw).context("no pid")?;
    kill_process(pid, Signal::INT)?;
    strace.wait()?;
    Ok(())
}

/// The sum over both calls of a summary with the columns name and calls.
fn calls(summary: &str) -> u64 {
    let rows = summary.lines().filter(|line| line.starts_with("fsync") || line.starts_with("fdatasync"));
    rows.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_calls_of_both_kinds_are_summed_and_the_total_is_not_counted_again() {
        let summary = "syscall             calls\n---------------- --------\nfdatasync             110\nfsync                   3\n---------------- --------\ntotal                 113\n";
        assert_eq!(super::calls(summary), 113);
    }
}
