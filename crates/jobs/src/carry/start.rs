//! Starting the copying process, also on a machine that has no room for one just now: that is waited for, since it
//! says nothing about the copy. What the process does then is in `child`.

use std::io;
use std::time::Duration;

use longhaul_engine::JobContext;
use longhaul_engine::handler::Ended;
use longhaul_model::{Code, Fault};

use crate::attempt_io::{Attempt, Spawner};

/// How often it is tried while the machine lacks descriptors, processes or memory.
pub const STARTS_MAX: u32 = 60;
/// Between two tries.
pub const START_AGAIN: Duration = Duration::from_secs(1);

/// A child process that waits for its order.
///
/// # Errors
/// The attempt is to stop; `Interrupted` where the machine had no room for it all the time, so that the job is
/// Suspended and its checkpoint stays; `OperationFailed` where it cannot be started at all.
pub async fn started(context: &JobContext, spawner: &Spawner) -> Result<Attempt, Ended> {
    let mut tries = 1;
    loop {
        let error = match spawner.spawn().await {
            Ok(child) => return Ok(child),
            Err(error) => error,
        };
        let why = Fault::new(Code::Io, error.to_string());
        if !is_scarce(&error) {
            return Err(Fault::failed("the copying process cannot be started").because(why).into());
        }
        if tries == STARTS_MAX {
            let text = "the machine had no room for the copying process; raise its limit of open files or \
                        processes or free memory, then resume the job: it goes on from its checkpoint";
            return Err(Fault::new(Code::Interrupted, text).because(why).into());
        }
        if tries == 1 {
            tracing::warn!(job = %context.job().id, %error, "the copying process cannot be started now; it is tried again");
        }
        tries += 1;
        context.sleep(START_AGAIN).await?;
    }
}

/// Whether the machine, or this process, has none left of something that others give back.
fn is_scarce(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let scarce = [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM];
    scarce.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_give_back_is_waited_for_and_a_program_that_is_not_there_is_not() {
        for errno in [24, 23, 11, 12] {
            assert!(is_scarce(&io::Error::from_raw_os_error(errno)), "{errno}");
        }
        for errno in [2, 8, 13] {
            assert!(!is_scarce(&io::Error::from_raw_os_error(errno)), "{errno}");
        }
        assert!(!is_scarce(&io::Error::other("no number")));
    }
}
