//! A bounded queue between async callers and a thread: never waits on the caller's side, refuses when full.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::StoreError;

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    max: usize,
}

struct State<T> {
    /// Taken before the others, and not counted by the bound: heartbeats, one a node and second.
    first: VecDeque<T>,
    items: VecDeque<T>,
    is_closed: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(max: usize) -> Self {
        let state = State { first: VecDeque::new(), items: VecDeque::new(), is_closed: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), max }
    }

    /// Adds an item; refused when the queue is full or closed.
    pub(super) fn push(&self, item: T, first: bool) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(StoreError::Unavailable("the store is closed".to_owned()));
        }
        if first && state.first.len() < self.max {
            state.first.push_back(item);
        } else if state.items.len() < self.max {
            state.items.push_back(item);
        } else {
            return Err(StoreError::Unavailable(format!("{} calls wait already", self.max)));
        }
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Up to `max` items, at least one; `None` when the queue is closed and empty.
    pub(super) fn take(&self, max: usize) -> Option<Vec<T>> {
        let mut state = self.lock();
        loop {
            let waiting = state.first.len() + state.items.len();
            if waiting > 0 {
                let mut taken = Vec::with_capacity(waiting.min(max));
                while taken.len() < max {
                    match state.first.pop_front() {
                        Some(item) => taken.push(item),
                        None => match state.items.pop_front() {
                            Some(item) => taken.push(item),
                            None => break,
                        },
                    }
                }
                return Some(taken);
            }
            if state.is_closed {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the takers end once the queue is empty.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
