//! The child's side of reporting: progress that is thinned out, checkpoints that wait for their answer.
//! Whatever waits here can be canceled, and never keeps the lease's timer waiting.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::frame;
use super::protocol::{FromChild, PAGES_PER_MESSAGE, to_pages};
use crate::copy::control::Control;
use crate::copy::{Sink, Stage};
use crate::rbd::uncopied;
use crate::storage::DiskError;

/// Progress is sent no more often than this, but for a new stage.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);
/// How often the file of the test hook is looked for.
const PAUSE_POLL: Duration = Duration::from_millis(5);

/// Reports to the parent over the socket.
pub(super) struct Report<'a> {
    control: &'a Control,
    pause_before_verify: Option<PathBuf>,
    writer: Mutex<UnixStream>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    progress: Option<(Stage, u64, u64)>,
    sent: u64,
    stored: u64,
    canceled: bool,
    ended: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(writer: UnixStream, control: &'a Control, pause: Option<PathBuf>) -> Self {
        Self {
            control,
            pause_before_verify: pause,
            writer: Mutex::new(writer),
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
        }
    }

    /// Sends one message, waiting until it is taken.
    pub(super) fn send(&self, message: &FromChild) -> io::Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        frame::write(&mut *writer, message)
    }

    /// The parent stored the checkpoint `seq`.
    pub(super) fn stored(&self, seq: u64) {
        self.change(|s| s.stored = s.stored.max(seq));
    }

    /// The parent wants the copy to stop.
    pub(super) fn canceled(&self) {
        self.change(|s| s.canceled = true);
    }

    /// No more progress is to be sent.
    pub(super) fn end(&self) {
        self.change(|s| s.ended = true);
    }

    /// Whether `end` was called.
    pub(super) fn ended(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).ended
    }

    /// Sends the newest progress now and then, until `end`; ends the process when a write to an image hangs. Runs in a
    /// thread of its own.
    pub(super) fn send_progress(&self) {
        let mut last = None;
        loop {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.ended {
                return;
            }
            if let Some(error) = uncopied::hung() {
                drop(state);
                let _ = self.send(&FromChild::Failed { error }); // a parent that is gone needs no word
                std::process::exit(0);
            }
            let waited = self.changed.wait_timeout(state, PROGRESS_INTERVAL);
            let now = waited.unwrap_or_else(PoisonError::into_inner).0.progress;
            if now == last {
                continue;
            }
            last = now;
            if let Some((stage, bytes_done, bytes_total)) = now
                && self.send(&FromChild::Progress { stage, bytes_done, bytes_total }).is_err()
            {
                return;
            }
        }
    }

    fn change(&self, how: impl FnOnce(&mut State)) {
        how(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn wait_until_stored(&self, seq: u64) -> Result<(), DiskError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.stored < seq {
            if state.canceled {
                return Err(DiskError::Canceled);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

impl Sink for Report<'_> {
    fn progress(&self, stage: Stage, bytes_done: u64, bytes_total: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (staged, later) = match state.progress {
            Some((s, done, _)) => (s != stage, done < bytes_done),
            None => (true, true),
        };
        if staged || later {
            state.progress = Some((stage, bytes_done, bytes_total));
        }
        // The sender looks by itself for all else.
        if staged {
            self.changed.notify_all();
        }
    }

    fn checkpoint(&self, pages: Vec<(u32, Vec<u8>)>) -> Result<(), DiskError> {
        let io = |e| DiskError::io("checkpoint", Path::new("socket"), e);
        let mut pages = pages.into_iter().peekable();
        let mut seq = 0;
        while pages.peek().is_some() {
            let part = to_pages(pages.by_ref().take(PAGES_PER_MESSAGE));
            self.change(|s| {
                s.sent += 1;
                seq = s.sent;
            });
            self.send(&FromChild::Checkpoint { seq, pages: part }).map_err(io)?;
        }
        // They are answered in order, so the last answer is the answer to all.
        self.wait_until_stored(seq)
    }

    fn before_verify(&self) {
        let Some(file) = &self.pause_before_verify else { return };
        while file.exists() && self.control.check().is_ok() {
            std::thread::sleep(PAUSE_POLL);
        }
    }
}
