//! How a command ends: THE table of exit codes, for scripts, `--help` and the generated reference.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok,
    /// The server refused or failed the call, or something on this machine failed.
    Failed,
    /// The command line is wrong.
    Usage,
    /// What was named does not exist.
    NotFound,
    /// Not logged in, or not allowed.
    Denied,
    /// The job that was waited for ended Failed.
    JobFailed,
    /// The job that was waited for ended Canceled.
    JobCanceled,
    /// The time given to a wait is over; the job goes on.
    TimedOut,
    /// The server can not be reached, or does not answer.
    Unreachable,
    /// The job that was waited for stays Suspended, or held, until somebody acts.
    JobSuspended,
    /// Ctrl-C ended the watching; the job goes on.
    Interrupted,
}

/// Every exit code with its number and meaning.
pub const EXITS: [(Exit, u8, &str); 11] = [
    (Exit::Ok, 0, "done"),
    (Exit::Failed, 1, "the server refused or failed the call, or something on this machine failed"),
    (Exit::Usage, 2, "the command line is wrong, or a name fits several resources"),
    (Exit::NotFound, 3, "what was named does not exist"),
    (Exit::Denied, 4, "not logged in, or not allowed"),
    (Exit::JobFailed, 5, "the job that was waited for ended Failed"),
    (Exit::JobCanceled, 6, "the job that was waited for ended Canceled"),
    (Exit::TimedOut, 7, "the time given to a wait is over; the job goes on"),
    (Exit::Unreachable, 8, "the server can not be reached, or does not answer in time"),
    (Exit::JobSuspended, 9, "the job that was waited for stays Suspended, or held, until somebody acts"),
    (Exit::Interrupted, 130, "Ctrl-C ended the watching; the job goes on"),
];

impl Exit {
    /// Its number.
    pub fn code(self) -> u8 {
        EXITS.iter().find(|(exit, _, _)| *exit == self).map_or(1, |(_, code, _)| *code)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// How a resource is named on a command line.
pub const NAMING: &str = "A volume, image, storage, account or job is named by its uuid, by the first 8 or more digits of it, or by its name;\nwhat fits several is refused, with the candidates.";

/// The naming of resources and the table as text, for the end of a `--help`.
pub fn exit_help() -> String {
    let rows: Vec<String> =
        EXITS.iter().map(|(_, code, meaning)| format!("  {code:>3}  {meaning}")).collect();
    format!("{NAMING}\n\nExit codes:\n{}", rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_has_a_number_of_its_own() {
        let mut codes: Vec<u8> = EXITS.iter().map(|(exit, _, _)| exit.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), EXITS.len());
        assert!(exit_help().contains("  5  the job that was waited for ended Failed"));
    }
}
