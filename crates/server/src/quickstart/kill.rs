//! Finds the process that copies, to kill it in the middle: what the quickstart shows, nobody's way to work.

use std::fs;

use longhaul_jobs::attempt_io::ARGUMENT;

/// The copying processes of this server.
pub fn copying_processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| is_ours(*pid)).collect()
}

fn is_ours(pid: u32) -> bool {
    let argument = fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| line.split(|b| *b == 0).nth(1) == Some(ARGUMENT.as_bytes()));
    argument && parent(pid) == Some(std::process::id())
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// `kill -9`.
pub fn kill_nine(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok())
}
