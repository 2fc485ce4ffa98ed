//! Open files: how many this process may have, and how many of them connections may take. What a copy, the store
//! and web hooks need is kept in reserve. Who waits for a place is in `serve`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections at a time, where the limit of open files allows it.
pub const CONNECTIONS_MAX: u64 = 4096;
/// Open files that connections leave to the store, to 64 copies and their processes, and to 64 web hooks.
pub const RESERVED: u64 = 512;

/// Raises the soft limit of open files to the hard one; answers how many connections fit below it. Warns where
/// that are fewer than `CONNECTIONS_MAX`.
pub fn raised() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Without the right to raise it, it is what it was.
    let files = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let places = places(files);
    if places < CONNECTIONS_MAX {
        tracing::warn!(
            files = files.unwrap_or(u64::MAX),
            connections = places,
            "the limit of open files is small, so fewer connections are taken at a time; raise it with \
             LimitNOFILE= of the unit, or with ulimit -n, to {}",
            CONNECTIONS_MAX + RESERVED
        );
    }
    usize::try_from(places).unwrap_or(usize::MAX)
}

/// How many connections fit where `files` may be open; `None` is no limit. A quarter at least, so that a
/// server with very few still answers.
fn places(files: Option<u64>) -> u64 {
    let files = files.unwrap_or(u64::MAX);
    files.saturating_sub(RESERVED).max(files / 4).clamp(1, CONNECTIONS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_open_files_to_the_rest() {
        assert_eq!(places(None), CONNECTIONS_MAX);
        assert_eq!(places(Some(1 << 20)), CONNECTIONS_MAX);
        assert_eq!(places(Some(1024)), 512);
        assert_eq!(places(Some(256)), 64, "a quarter where the reserve would leave none");
        assert_eq!(places(Some(0)), 1);
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        raised();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
