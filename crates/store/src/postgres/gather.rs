//! Calls of one kind that come at the same time, in one transaction: one way to the database and one sync for many of
//! them. Nobody waits for others to come: whoever comes first goes alone, and those who come while transactions are
//! under way go together in the next. What a transaction does for many is in `batches` and `settling`.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::channel::oneshot;
use longhaul_model::BoxFuture;

use super::Result;
use crate::StoreError;

/// Most calls in one transaction: what one that begins anew has to do again, and for how long it holds its locks.
pub(super) const GATHERED_MAX: usize = 128;
/// Most transactions of a kind that are under way. Fewer gather more; more use more of the database.
const UNDER_WAY_MAX: usize = 3;

/// A call that waits to be taken.
pub(super) struct Waiting<D, T> {
    pub data: D,
    pub reply: oneshot::Sender<Result<T>>,
}

struct Inner<D, T> {
    waiting: VecDeque<Waiting<D, T>>,
    under_way: usize,
}

/// The calls of one kind.
pub(super) struct Gather<D, T> {
    inner: Mutex<Inner<D, T>>,
    waiting_max: usize,
}

impl<D, T> Gather<D, T> {
    /// At most `waiting_max` calls wait; more are refused as `Unavailable`.
    pub(super) fn new(waiting_max: usize) -> Self {
        let inner = Inner { waiting: VecDeque::new(), under_way: 0 };
        Self { inner: Mutex::new(inner), waiting_max }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<D, T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call. Whether the caller has to see that one more worker takes what waits.
    ///
    /// # Errors
    /// `Unavailable`: too many wait.
    pub(super) fn add(&self, call: Waiting<D, T>) -> Result<bool> {
        let mut inner = self.inner();
        if inner.waiting.len() >= self.waiting_max {
            return Err(StoreError::Unavailable(format!("{} calls wait already", self.waiting_max)));
        }
        inner.waiting.push_back(call);
        let more = inner.under_way < UNDER_WAY_MAX;
        inner.under_way += usize::from(more);
        Ok(more)
    }

    /// What a worker does next; with nothing it has ended.
    pub(super) fn take(&self) -> Vec<Waiting<D, T>> {
        let mut inner = self.inner();
        let taken = inner.waiting.len().min(GATHERED_MAX);
        inner.under_way -= usize::from(taken == 0);
        inner.waiting.drain(..taken).collect()
    }
}

/// Takes what waits, and answers it, until nothing does; `run` is one transaction. Where all are refused for what one of
/// them is, each is tried by itself; not where it is unknown whether they are stored. A transaction that panics takes its
/// own calls with it, which are told that they broke off, and nobody else.
pub(super) async fn work_off<D, T, F>(gather: Arc<Gather<D, T>>, run: F)
where
    D: Clone,
    F: Fn(Vec<D>) -> BoxFuture<'static, Result<Vec<Result<T>>>>,
{
    loop {
        let taken = gather.take();
        if taken.is_empty() {
            return;
        }
        let data: Vec<D> = taken.iter().map(|call| call.data.clone()).collect();
        match guarded(&run, data).await {
            Ok(answers) => {
                for (call, answer) in taken.into_iter().zip(answers) {
                    let _ = call.reply.send(answer); // a caller who is gone wants no answer
                }
            }
            Err(error) if taken.len() == 1 || error.may_pass() => {
                for call in taken {
                    let _ = call.reply.send(Err(error.clone()));
                }
            }
            Err(_) => {
                for call in taken {
                    let one = guarded(&run, vec![call.data]).await;
                    let nothing = || Err(StoreError::Corrupt("a call had no answer".to_owned()));
                    let _ = call.reply.send(one.and_then(|mut all| all.pop().unwrap_or_else(nothing)));
                }
            }
        }
    }
}

/// A panic is told as `Unavailable`: nobody knows what is stored.
async fn guarded<D, T, F>(run: &F, data: Vec<D>) -> Result<Vec<Result<T>>>
where
    F: Fn(Vec<D>) -> BoxFuture<'static, Result<Vec<Result<T>>>>,
{
    let broke = "a call broke off; this is a bug of the store, see the server's log";
    let done = AssertUnwindSafe(async { run(data).await }).catch_unwind().await;
    done.unwrap_or_else(|_| Err(StoreError::Unavailable(broke.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: usize) -> Waiting<usize, ()> {
        Waiting { data: number, reply: oneshot::channel().0 }
    }

    #[test]
    fn the_first_goes_alone_and_those_who_come_meanwhile_go_together_in_their_order() {
        let gather = Gather::new(1000);
        assert_eq!(gather.add(call(0)), Ok(true));
        assert_eq!(gather.take().len(), 1);
        let workers = (1..300).filter(|number| gather.add(call(*number)).expect("taken")).count();
        assert_eq!(workers, UNDER_WAY_MAX - 1);
        let taken: Vec<usize> = gather.take().into_iter().map(|call| call.data).collect();
        assert_eq!(taken, (1..=GATHERED_MAX).collect::<Vec<_>>());
        while !gather.take().is_empty() {}
        assert_eq!(gather.add(call(0)), Ok(true), "a worker that found nothing has ended");
    }

    #[test]
    fn a_transaction_that_panics_takes_its_own_calls_with_it_and_the_worker_goes_on() {
        let gather = Arc::new(Gather::new(1000));
        let mut answers = Vec::new();
        for number in 0..=GATHERED_MAX {
            let (reply, answer) = oneshot::channel();
            assert_eq!(gather.add(Waiting { data: number, reply }), Ok(number < UNDER_WAY_MAX));
            answers.push(answer);
        }
        let run = |all: Vec<usize>| -> BoxFuture<'static, Result<Vec<Result<usize>>>> {
            Box::pin(async move {
                assert!(!all.contains(&0), "the first is not to be done");
                Ok(all.into_iter().map(Ok).collect())
            })
        };
        futures::executor::block_on(work_off(gather.clone(), run));
        let told: Vec<_> = answers.into_iter().map(|answer| answer.now_or_never()).collect();
        let broke = |told: &_| matches!(told, Some(Ok(Err(StoreError::Unavailable(_)))));
        assert!(told[..GATHERED_MAX].iter().all(broke), "{:?}", told.first());
        assert!(matches!(told[GATHERED_MAX], Some(Ok(Ok(GATHERED_MAX)))), "{:?}", told[GATHERED_MAX]);
        let again = Waiting { data: 0, reply: oneshot::channel().0 };
        assert_eq!(gather.add(again), Ok(true), "the worker that met the panic has ended in order");
    }

    #[test]
    fn no_more_wait_than_may() {
        let gather = Gather::new(2);
        assert!(gather.add(call(0)).is_ok() && gather.add(call(1)).is_ok());
        assert!(matches!(gather.add(call(2)), Err(StoreError::Unavailable(_))));
    }
}
