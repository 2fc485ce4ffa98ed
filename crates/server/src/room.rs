//! Room for answers: how many bytes of rows are read, rendered and sent at the same time. Who asks for rows waits for
//! room, and what is sent keeps its bytes taken until the client has it. How much one answer has at most is
//! decided by the store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use longhaul_model::query::ROWS_MAX_BYTES;
use longhaul_model::{Code, Fault, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of answers to queries that are rendered or sent at the same time.
pub const ANSWERS_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// What is taken for a query before it is known how large its answer is: rows, and their text in JSON.
const QUERY_BYTES: u64 = 2 * ROWS_MAX_BYTES;
/// So long a query waits for room.
const ROOM_WITHIN: Duration = Duration::from_secs(10);
/// Smaller answers take no room while they are sent.
const SMALL_BYTES: usize = 64 * 1024;
/// The unit of permits, bytes.
const UNIT: u64 = 1024;

/// The room of one server.
#[derive(Debug, Clone)]
pub struct Rooms(Arc<Semaphore>);

/// The part of it that one request has.
#[derive(Debug, Clone)]
pub struct Room {
    rooms: Rooms,
    taken: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

impl Default for Rooms {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(units(ANSWERS_MAX_BYTES) as usize)))
    }
}

impl Rooms {
    /// For one request, which has none yet.
    pub fn for_request(&self) -> Room {
        Room { rooms: self.clone(), taken: Arc::default() }
    }
}

impl Room {
    /// Takes what a query needs; a request that has it already takes no more.
    ///
    /// # Errors
    /// `Unavailable`: there was none within `ROOM_WITHIN`.
    pub async fn take(&self, runtime: &dyn Runtime) -> Result<(), Fault> {
        if self.taken().is_some() {
            return Ok(());
        }
        let permit = std::pin::pin!(self.rooms.0.clone().acquire_many_owned(units(QUERY_BYTES)));
        match select(permit, runtime.sleep(ROOM_WITHIN)).await {
            Either::Left((Ok(permit), _)) => {
                *self.taken() = Some(permit);
                Ok(())
            }
            Either::Left((Err(_), _)) | Either::Right(_) => Err(Fault::new(
                Code::Unavailable,
                "so many answers are on their way that there is no room for this one; send it again, or ask for fewer rows with limit",
            )),
        }
    }

    /// What an answer of so many bytes keeps taken until it is dropped; the rest is free for others.
    pub fn shrunk_to(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let mut permit = self.taken().take()?;
        if bytes < SMALL_BYTES {
            return None;
        }
        let keep = (units(bytes as u64) as usize).min(permit.num_permits());
        permit.split(keep)
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_engine::TokioRuntime;

    #[tokio::test]
    async fn a_large_answer_keeps_its_room_until_it_is_sent_and_a_small_one_keeps_none() {
        let (rooms, runtime) = (Rooms::default(), TokioRuntime::new());
        let all = rooms.0.available_permits();
        let large = rooms.for_request();
        large.take(&runtime).await.unwrap();
        large.take(&runtime).await.unwrap();
        assert_eq!(all - rooms.0.available_permits(), units(QUERY_BYTES) as usize, "taken once");
        let sent = large.shrunk_to(10 * 1024 * 1024);
        assert_eq!(all - rooms.0.available_permits(), 10 * 1024);
        let small = rooms.for_request();
        small.take(&runtime).await.unwrap();
        assert!(small.shrunk_to(100).is_none());
        assert_eq!(all - rooms.0.available_permits(), 10 * 1024);
        drop(sent);
        assert_eq!(rooms.0.available_permits(), all);
    }

    #[tokio::test]
    async fn a_request_that_goes_away_gives_its_room_back() {
        let (rooms, runtime) = (Rooms::default(), TokioRuntime::new());
        let all = rooms.0.available_permits();
        let room = rooms.for_request();
        room.take(&runtime).await.unwrap();
        drop(room);
        assert_eq!(rooms.0.available_permits(), all);
    }
}
