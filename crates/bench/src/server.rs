//! The real binary as a child process, looked at from outside: memory and processor time from `/proc`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use crate::place::{Home, Place};

/// The admin password of every server here, in clear.
pub const PASSWORD: &str = "correct horse";

/// Units of processor time in `/proc`: the same on every Linux.
const TICKS_PER_S: f64 = 100.0;

/// A server that was started and has not said yet that it listens.
pub struct Starting {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

/// A running server.
pub struct Server {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Starting {
    /// Starts one on `data` and the database at `url`, if there is one, with the simulator and further flags.
    pub fn spawn(place: &Place, data: &Path, url: Option<&str>, flags: &[&str]) -> Result<Self> {
        let log = File::options().create(true).append(true).open(place.dir.join("server.log"))?;
        let mut command = Command::new(&place.binary);
        for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("LONGHAUL_")) {
            command.env_remove(name);
        }
        command.args(["serve", "--simulator", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(flags);
        if let Some(url) = url {
            // By the environment: the command line takes no password.
            command.env("LONGHAUL_STORE", url);
            // All that share the database have one key; a data directory that was used before has its own.
            if !data.join("secret.key").exists() {
                command.arg("--set").arg(format!("secretKeyFile={}", place.key()?.display()));
            }
        }
        let mut child = command
            .env("LONGHAUL_ADMIN_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| place.binary.display().to_string())?;
        let stdout = BufReader::new(child.stdout.take().context("no stdout")?);
        Ok(Self { child, stdout })
    }

    /// Waits until it listens.
    pub fn ready(mut self, place: &Place) -> Result<Server> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://").and_then(|a| a.parse().ok());
        let Some(address) = address else {
            let _ = self.child.kill();
            let _ = self.child.wait();
            let log = std::fs::read_to_string(place.dir.join("server.log")).unwrap_or_default();
            return Err(anyhow!("the server did not start: {line}{log}"));
        };
        Ok(Server { child: self.child, _stdout: self.stdout, address })
    }
}

impl Server {
    /// Starts one in its home, with the simulator and further flags.
    pub fn start(place: &Place, home: &Home, flags: &[&str]) -> Result<Self> {
        Starting::spawn(place, &home.data, home.url(), flags)?.ready(place)
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory, in MiB.
    pub fn resident_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        mib(status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?)
    }

    /// Memory of it and its child processes together, in MiB: what they share, such as the program, is counted once.
    pub fn memory_with_children_mib(&self) -> Result<f64> {
        let mut sum = proportional_mib(self.child.id())?;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let children = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
            // One that ends meanwhile needs none.
            sum += children.split_whitespace().map(|pid| proportional_mib(pid).unwrap_or(0.0)).sum::<f64>();
        }
        Ok(sum)
    }

    /// Processor time so far, in s, of the server and its ended children.
    pub fn cpu_s(&self) -> Result<f64> {
        cpu_s(self.child.id())
    }

    /// Kills it by SIGKILL, and waits until it is gone.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends it in order.
    pub fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no pid")?;
        kill_process(pid, Signal::TERM)?;
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time so far, in s, of a process and its ended children.
pub fn cpu_s(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.iter().skip(11).take(4).filter_map(|f| f.parse::<u64>().ok()).sum();
    Ok(ticks as f64 / TICKS_PER_S)
}

/// The kernel's `Pss` of a process, in MiB: of pages that several map, each has its share.
fn proportional_mib(pid: impl std::fmt::Display) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    mib(status.lines().find_map(|l| l.strip_prefix("Pss:")).context("no Pss")?)
}

fn mib(field: &str) -> Result<f64> {
    let kib: f64 = field.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}
