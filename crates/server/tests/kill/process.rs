//! Processes as the kernel tells of them: children, bytes written, stopping and killing.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::place::{PATIENCE, until};

/// Sends a signal; a process that is gone is no error.
pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = kill_process(pid, signal);
}

/// The fields of `/proc/PID/stat` after the name: state first.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    Some(after.split_whitespace().map(str::to_owned).collect())
}

/// Whether the process runs or could: neither gone nor a zombie.
pub fn alive(pid: u32) -> bool {
    stat(pid).is_some_and(|s| s[0] != "Z" && s[0] != "X")
}

/// The copying children of a server.
pub fn copiers(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        alive(*pid)
            && stat(*pid).is_some_and(|s| s[1] == parent.to_string())
            && fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.split(|b| *b == 0).any(|word| word == b"attempt-io"))
    })
    .collect()
}

/// Whether the process has a thread of that name.
pub fn has_thread(pid: u32, name: &str) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.into_iter().any(|t| fs::read_to_string(t.path().join("comm")).is_ok_and(|comm| comm.trim() == name))
}

/// Copying children that live although their server, one of `servers`, is gone.
pub fn orphans(servers: &[u32]) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    let started_by = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let entry = environment.split(|b| *b == 0).find_map(|e| e.strip_prefix(b"LONGHAUL_PARENT_PID="))?;
        std::str::from_utf8(entry).ok()?.parse::<u32>().ok()
    };
    pids.filter(|pid| {
        started_by(*pid).is_some_and(|server| servers.contains(&server) && !alive(server)) && alive(*pid)
    })
    .collect()
}

/// How many sockets of the machine itself the process holds: one for each child.
pub fn unix_sockets(pid: u32) -> usize {
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    let inodes: Vec<String> = table
        .lines()
        .skip(1)
        .filter_map(|l| l.split_whitespace().nth(6))
        .map(|i| format!("socket:[{i}]"))
        .collect();
    let fds = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    fds.filter_map(|fd| fs::read_link(fd.path()).ok())
        .filter(|to| inodes.iter().any(|inode| to.to_str() == Some(inode)))
        .count()
}

/// What a process has read and written so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Io {
    /// Bytes that its reads returned.
    pub rchar: u64,
    /// Bytes that it sent to be written to a device.
    pub write_bytes: u64,
}

/// `/proc/PID/io`; `None` when the process is gone.
pub fn io(pid: u32) -> Option<Io> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let value = |key: &str| {
        let found = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(": "));
        found.and_then(|v| v.trim().parse().ok())
    };
    Some(Io { rchar: value("rchar")?, write_bytes: value("write_bytes")? })
}

/// Stops a process and waits until it has stopped; false when it is gone.
pub fn stop(pid: u32) -> bool {
    signal(pid, Signal::STOP);
    until("the process has stopped", PATIENCE, || match stat(pid) {
        Some(s) if s[0] == "T" => Some(true),
        Some(s) if s[0] != "Z" && s[0] != "X" => None,
        _ => Some(false),
    })
}

/// Waits until a process is gone.
pub fn wait_gone(pid: u32) {
    until("the process is gone", PATIENCE, || (!alive(pid)).then_some(()));
}
