//! The snapshot that an image is copied from, taken while its first chunks are copied: the monitors take up to a second
//! for it. The image's lock is ours before, meanwhile and after, so nobody writes, and what is read is what the snapshot
//! will hold. An OSD takes a snapshot from the lock's owner alone, and whoever breaks the lock shuts us out.
//!
//! Nothing of the copy counts before the snapshot is there: the header of its checkpoint names it, is stored first, and
//! all other pages wait for that. Taking the image: `image`.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::checkpoint::Header;
use super::disk::{ImageIdentity, SourceIdentity};
use super::{Sink, Stage};
use crate::rbd::Image;
use crate::storage::DiskError;

/// A page of a checkpoint: its number and its bytes.
type Page = (u32, Vec<u8>);

/// Takes the snapshot `name` of an image whose lock is ours; answers its number. `replaces` says that there is one of
/// that name, which goes.
///
/// # Errors
/// `InUse` or `SourceChanged` when the lock is not ours; `NoSpace`, `Fenced`, `Away`, `Io`.
pub(super) fn make(head: &Image, name: &str, replaces: bool) -> Result<u64, DiskError> {
    if replaces {
        head.remove_snapshot(name)?;
    }
    head.snapshot(name)?;
    // librbd asks another owner to take it, where there is one.
    if !head.owns_lock()? {
        return Err(DiskError::SourceChanged(head.path().to_owned()));
    }
    let made = head.snapshots()?.into_iter().find(|s| s.name == name);
    made.map(|s| s.id).ok_or_else(|| DiskError::NotFound(head.path().join(name)))
}

/// A snapshot that is there, by its number, or is being taken.
pub(super) enum Taking {
    /// It is there.
    There(u64),
    /// A thread takes it.
    Beside(Thread),
}

/// The thread that takes a snapshot. Dropped, it is waited for: it has the image open.
pub(super) struct Thread(Option<JoinHandle<Result<u64, DiskError>>>);

impl Taking {
    /// Begins to take it; without a thread it is taken here. As `make`.
    ///
    /// # Errors
    /// As `make`, where it was taken here.
    pub(super) fn beside(head: Arc<Image>, name: String, replaces: bool) -> Result<Self, DiskError> {
        let (image, called) = (Arc::clone(&head), name.clone());
        let run = move || make(&image, &called, replaces);
        match thread::Builder::new().name("snapshot".into()).spawn(run) {
            Ok(thread) => Ok(Self::Beside(Thread(Some(thread)))),
            Err(_) => make(&head, &name, replaces).map(Self::There),
        }
    }

    fn number(self) -> Result<u64, DiskError> {
        match self {
            Self::There(number) => Ok(number),
            Self::Beside(mut thread) => thread.join().unwrap_or_else(|| {
                let why = std::io::Error::other("the thread that took it ended");
                Err(DiskError::io("take a snapshot", "image".as_ref(), why))
            }),
        }
    }
}

impl Thread {
    fn join(&mut self) -> Option<Result<u64, DiskError>> {
        self.0.take()?.join().ok()
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let _ = self.join(); // whoever wanted to know has asked
    }
}

/// Which image is copied, as of a snapshot that may still be on its way.
pub(super) struct Later {
    /// All of it but for the snapshot.
    pub(super) identity: ImageIdentity,
    pub(super) taking: Taking,
}

impl Later {
    /// Whether nobody has to be waited for.
    pub(super) fn is_there(&self) -> bool {
        matches!(self.taking, Taking::There(_))
    }

    /// Waits for the snapshot.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn settled(self) -> Result<SourceIdentity, DiskError> {
        Ok(SourceIdentity::Image(ImageIdentity { snapshot: self.taking.number()?, ..self.identity }))
    }
}

/// The sink of a copy. Of one that begins, the first pages are stored when the snapshot is there, and before all others.
pub(super) struct Begun<'a> {
    sink: &'a dyn Sink,
    state: Mutex<State>,
}

enum State {
    /// The header waits for the snapshot.
    Waits(Box<Waits>),
    /// The header is stored; of which source, where that was not known before.
    Stored(Option<SourceIdentity>),
    /// There is no snapshot, so nothing is stored; it was said why.
    Failed,
}

struct Waits {
    /// Pages that make those of an earlier target count for nothing.
    earlier: Vec<Page>,
    header: Header,
    later: Later,
}

impl<'a> Begun<'a> {
    /// Of a copy that goes on: its header is stored.
    pub(super) fn again(sink: &'a dyn Sink) -> Self {
        Self { sink, state: Mutex::new(State::Stored(None)) }
    }

    /// Of one that begins. Where nothing is waited for, the header is stored when this returns.
    ///
    /// # Errors
    /// Those of the sink.
    pub(super) fn anew(
        sink: &'a dyn Sink,
        earlier: Vec<Page>,
        header: &Header,
        later: Option<Later>,
    ) -> Result<Self, DiskError> {
        let state = match later {
            Some(later) => State::Waits(Box::new(Waits { earlier, header: header.clone(), later })),
            None => {
                store(sink, earlier, header)?;
                State::Stored(None)
            }
        };
        Ok(Self { sink, state: Mutex::new(state) })
    }

    /// Waits until the header is stored. Answers the source that it names, where that was not known before.
    ///
    /// # Errors
    /// Why there is no snapshot; those of the sink.
    pub(super) fn settle(&self) -> Result<Option<SourceIdentity>, DiskError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Failed) {
            State::Waits(waits) => {
                let Waits { earlier, mut header, later } = *waits;
                let source = later.settled()?;
                header.source = vec![source.clone()];
                store(self.sink, earlier, &header)?;
                *state = State::Stored(Some(source));
            }
            State::Failed => return Err(DiskError::Canceled),
            stored => *state = stored,
        }
        match &*state {
            State::Stored(source) => Ok(source.clone()),
            _ => Ok(None),
        }
    }
}

impl Sink for Begun<'_> {
    fn progress(&self, stage: Stage, bytes_done: u64, bytes_total: u64) {
        self.sink.progress(stage, bytes_done, bytes_total);
    }

    fn checkpoint(&self, pages: Vec<Page>) -> Result<(), DiskError> {
        self.settle()?;
        self.sink.checkpoint(pages)
    }
}

/// The header last: it is what the others are believed by.
fn store(sink: &dyn Sink, earlier: Vec<Page>, header: &Header) -> Result<(), DiskError> {
    let mut pages = earlier;
    pages.push((0, header.encoded()?));
    sink.checkpoint(pages)
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
