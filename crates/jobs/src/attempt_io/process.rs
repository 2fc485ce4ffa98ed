//! Processes by pid and start time, and their end by pidfd: what is needed to say for sure that an old
//! child can't write any more. Starting one: `spawner`.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// When process `pid` started, in clock ticks since boot; `None` when there is none.
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows the last one is field 3.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

/// Opens the process; `None` when it is gone.
///
/// # Errors
/// Those of `pidfd_open`.
pub(super) fn open(pid: u32) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Sends SIGKILL; one that ended already is fine.
pub(super) fn kill(pidfd: &OwnedFd) -> io::Result<()> {
    match pidfd_send_signal(pidfd, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Ends the process that had `pid` and `start_time`, on this boot of this host, and waits up to
/// `timeout` until it is gone. True when it can't write any more; a process that merely got the same
/// pid is left alone. Blocks.
///
/// # Errors
/// Those of the system, such as a process of another user.
pub fn end(pid: u32, start_time: u64, timeout: Duration) -> io::Result<bool> {
    let Some(pidfd) = open(pid)? else { return Ok(true) };
    // Asked after opening: from here on the descriptor means this process and no other.
    if self::start_time(pid) != Some(start_time) {
        return Ok(true);
    }
    kill(&pidfd)?;
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    Ok(poll(&mut fds, Some(&timeout))? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ended_only_when_pid_and_start_time_agree() {
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let started = start_time(child.id()).unwrap();
        assert!(end(child.id(), started + 1, Duration::from_secs(10)).unwrap(), "that one is gone");
        assert!(child.try_wait().unwrap().is_none(), "and this one lives");
        assert!(end(child.id(), started, Duration::from_secs(10)).unwrap());
        child.wait().unwrap();
        assert!(end(child.id(), started, Duration::from_secs(10)).unwrap(), "again is no error");
    }
}
