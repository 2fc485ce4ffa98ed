//! Asking a child one question about a pool. Whatever hangs or crashes, does so in the child, and the child is
//! killed when its time is up.

use std::io;
use std::time::Duration;

use longhaul_model::resource::CephPool;

use super::question::{Answer, Question};
use super::{FromChild, Spawner, ToChild};
use crate::rbd;
use crate::storage::DiskError;

/// How long a question may take when the caller has no reason for another time.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Asks `question` of `pool`; after `deadline` the child is killed and the storage counts as away. May be dropped
/// at any await: the child is killed then.
///
/// # Errors
/// `Away`; what the child finds (`Refuses`, `NotFound`, `InUse` and so on); `Io` when no child can be started.
pub async fn ask(
    spawner: &Spawner,
    pool: &CephPool,
    question: Question,
    deadline: Duration,
) -> Result<Answer, DiskError> {
    let mut child = spawner.spawn().await.map_err(|e| io_error(pool, "start a process for", e))?;
    let asked = async {
        child.send(&ToChild::Ask { pool: pool.clone(), question }).await?;
        loop {
            match child.next_event().await? {
                Some(FromChild::Hello { .. }) => {}
                other => return Ok(other),
            }
        }
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "another process takes the time of the machine, in tests too"
    )]
    let told = tokio::time::timeout(deadline, asked).await;
    match told {
        Ok(Ok(Some(FromChild::Answer { answer }))) => Ok(answer),
        Ok(Ok(Some(FromChild::Failed { error }))) => Err(error),
        Ok(Ok(_)) => {
            Err(away(pool, "the process that was asked ended without an answer; see the server's log"))
        }
        Ok(Err(e)) => Err(io_error(pool, "ask", e)),
        Err(_) => Err(away(pool, &format!("it did not answer within {} s", deadline.as_secs_f32()))),
    }
}

fn away(pool: &CephPool, reason: &str) -> DiskError {
    DiskError::Away { path: rbd::url(pool, ""), reason: reason.to_owned() }
}

fn io_error(pool: &CephPool, op: &'static str, error: io::Error) -> DiskError {
    DiskError::Io { op: op.into(), path: rbd::url(pool, ""), source: error }
}
