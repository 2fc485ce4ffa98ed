//! The MD5s of the slices that are being received: one thread computes them, of several slices side by side. A block waits
//! until each slice has one to go with it, or until its own slice would be held up by waiting. How many go together,
//! and the computing itself, is in `lanes`; what comes before and after it in `back`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::back::Block;
use super::lanes::{self, LANES, Stream};

/// Blocks of one slice that may wait for those of others. One more is filled and one written meanwhile.
pub const WAITING_BLOCKS: usize = 2;

/// Where the MD5s of one upload's slices are computed. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    slices: BTreeMap<u64, Waiting>,
    next: u64,
    /// Who is the first to be looked at.
    turn: u64,
    /// The thread is there. It ends when there is no slice.
    runs: bool,
}

/// A slice, and what waits of it.
#[derive(Debug)]
struct Waiting {
    /// Not here while it is being computed.
    stream: Option<Stream>,
    blocks: VecDeque<Block>,
    /// Who wants to know the MD5: no block follows.
    end: Option<Sender<[u8; 16]>>,
    /// Where blocks go that are done with.
    free: Sender<Block>,
}

/// A block that is being computed.
struct Taken {
    id: u64,
    stream: Stream,
    block: Block,
}

/// The MD5 of one slice. Dropped, what still waits of it is given up.
#[derive(Debug)]
pub(super) struct Sum {
    shared: Arc<Shared>,
    id: u64,
}

impl Sums {
    /// Begins the MD5 of a slice, whose blocks come back through `free`; `None` where there is no thread for it.
    pub fn open(&self, free: &Sender<Block>) -> Option<Sum> {
        let mut state = self.0.lock();
        if !state.runs {
            let shared = Arc::clone(&self.0);
            thread::Builder::new().name("md5".into()).spawn(move || run(&shared)).ok()?;
            state.runs = true;
        }
        let id = state.next;
        state.next += 1;
        let stream = Some(Stream::default());
        let waiting = Waiting { stream, blocks: VecDeque::new(), end: None, free: free.clone() };
        state.slices.insert(id, waiting);
        Some(Sum { shared: Arc::clone(&self.0), id })
    }
}

impl Sum {
    /// Takes the next block of the slice.
    pub fn put(&self, block: Block) {
        self.change(|slice| slice.blocks.push_back(block));
    }

    /// Tells the MD5 to `answer` when all that was put is computed.
    pub fn end(&self, answer: Sender<[u8; 16]>) {
        self.change(|slice| slice.end = Some(answer));
    }

    fn change(&self, how: impl FnOnce(&mut Waiting)) {
        let mut state = self.shared.lock();
        // It is gone where the thread failed; who waits for an answer finds that out by it.
        if let Some(slice) = state.slices.get_mut(&self.id) {
            how(slice);
        }
        if state.is_due() {
            self.shared.news.notify_one();
        }
    }
}

impl Drop for Sum {
    fn drop(&mut self) {
        self.shared.lock().slices.remove(&self.id);
        // The others may have waited for this one alone.
        self.shared.news.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether waiting longer would bring nothing, or hold up a slice.
    fn is_due(&self) -> bool {
        let ready = self.slices.values().filter(|slice| !slice.blocks.is_empty()).count();
        let all_ready = ready > 0 && ready >= self.slices.len().min(LANES);
        let holds_up = |slice: &Waiting| slice.end.is_some() || slice.blocks.len() >= WAITING_BLOCKS;
        all_ready || self.slices.values().any(holds_up)
    }

    /// Takes a block of as many slices as go together, in turns.
    fn take(&mut self) -> Vec<Taken> {
        let turn = self.turn;
        let (before, after): (Vec<u64>, Vec<u64>) = self.slices.keys().copied().partition(|id| *id < turn);
        let mut taken = Vec::with_capacity(LANES);
        for id in after.into_iter().chain(before) {
            let Some(slice) = self.slices.get_mut(&id).filter(|slice| !slice.blocks.is_empty()) else {
                continue;
            };
            if let (Some(block), Some(stream)) = (slice.blocks.pop_front(), slice.stream.take()) {
                taken.push(Taken { id, stream, block });
                self.turn = id + 1;
            }
            if taken.len() == LANES {
                break;
            }
        }
        taken
    }

    fn put_back(&mut self, taken: Vec<Taken>) {
        for Taken { id, stream, block } in taken {
            if let Some(slice) = self.slices.get_mut(&id) {
                slice.stream = Some(stream);
                let _ = slice.free.send(block); // a slice that is over needs it no more
            }
        }
    }

    /// Answers those who ask and have nothing left to be computed.
    fn answer(&mut self) {
        let over = |slice: &Waiting| slice.end.is_some() && slice.blocks.is_empty();
        let ids: Vec<u64> = self.slices.iter().filter(|(_, slice)| over(slice)).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(Waiting { stream: Some(stream), end: Some(end), .. }) = self.slices.remove(&id) {
                let _ = end.send(stream.end()); // who asked may be gone
            }
        }
    }
}

/// Computes for as long as there are slices.
fn run(shared: &Shared) {
    let _fails = Fails(shared);
    let mut state = shared.lock();
    loop {
        state.answer();
        if state.slices.is_empty() {
            state.runs = false;
            return;
        }
        if !state.is_due() {
            state = shared.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let mut taken = state.take();
        drop(state);
        let mut streams: Vec<_> =
            taken.iter_mut().map(|Taken { stream, block, .. }| (stream, block.bytes())).collect();
        lanes::update(&mut streams);
        state = shared.lock();
        state.put_back(taken);
    }
}

/// A thread that ends otherwise lets nobody wait for it.
struct Fails<'a>(&'a Shared);

impl Drop for Fails<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut state = self.0.lock();
            state.slices.clear();
            state.runs = false;
        }
    }
}
