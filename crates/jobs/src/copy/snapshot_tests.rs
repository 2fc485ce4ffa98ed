//! What is stored while a snapshot is on its way: nothing.

use std::sync::Arc;

use super::super::CHUNK_BYTES;
use super::super::checkpoint::{ChunkMap, VERSION};
use super::super::disk::TargetIdentity;
use super::*;
use crate::storage::Format;

/// All that was stored, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Vec<Page>>>>);

impl Log {
    fn stored(&self) -> Vec<Vec<Page>> {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for Log {
    fn progress(&self, _: Stage, _: u64, _: u64) {}

    fn checkpoint(&self, pages: Vec<Page>) -> Result<(), DiskError> {
        self.0.lock().unwrap().push(pages);
        Ok(())
    }
}

fn image(snapshot: u64) -> ImageIdentity {
    ImageIdentity { fsid: "f".into(), image: "i".into(), bytes: CHUNK_BYTES, snapshot }
}

/// A header that names no source yet.
fn header() -> Header {
    Header {
        version: VERSION,
        source: Vec::new(),
        source_bytes: CHUNK_BYTES,
        target: "v/j-1".into(),
        target_file: TargetIdentity::File(1, 9),
        format: Format::Raw,
        mapped: true,
        chunk_bytes: CHUNK_BYTES,
        chunks: 1,
        filled: false,
    }
}

fn later(take: impl FnOnce() -> Result<u64, DiskError> + Send + 'static) -> Later {
    Later { identity: image(0), taking: Taking::Beside(Thread(Some(thread::spawn(take)))) }
}

#[test]
fn no_page_is_stored_before_the_snapshot_is_there_and_the_header_that_names_it_is_the_first() {
    let (log, earlier) = (Log::default(), vec![(3, Vec::new())]);
    let (seen, (go, waits)) = (log.clone(), std::sync::mpsc::channel());
    let taken = later(move || {
        waits.recv().unwrap();
        Ok(if seen.stored().is_empty() { 7 } else { 0 })
    });
    let begun = Begun::anew(&log, earlier.clone(), &header(), Some(taken)).unwrap();
    thread::scope(|scope| {
        let first = scope.spawn(|| begun.checkpoint(vec![(1, vec![9])]));
        go.send(()).unwrap();
        first.join().unwrap().unwrap();
    });
    let stored = log.stored();
    assert_eq!(stored.len(), 2);
    assert_eq!((&stored[0][0], &stored[1]), (&earlier[0], &vec![(1, vec![9])]));
    let map = ChunkMap::from_pages(&[stored[0][1].clone()].into()).unwrap().unwrap();
    assert_eq!(map.header().source, [SourceIdentity::Image(image(7))], "taken while nothing was stored");
    assert_eq!(begun.settle().unwrap(), Some(SourceIdentity::Image(image(7))));
    begun.checkpoint(vec![(2, vec![8])]).unwrap();
    assert_eq!(log.stored().len(), 3, "the header is stored once");
}

#[test]
fn without_a_snapshot_nothing_is_stored_and_the_reason_is_told() {
    let log = Log::default();
    let full = later(|| Err(DiskError::NoSpace { needed: 2, free: 1 }));
    let begun = Begun::anew(&log, Vec::new(), &header(), Some(full)).unwrap();
    let told = begun.checkpoint(vec![(1, vec![9])]).unwrap_err();
    assert!(matches!(told, DiskError::NoSpace { needed: 2, free: 1 }), "{told:?}");
    assert!(begun.checkpoint(vec![(1, vec![9])]).is_err() && begun.settle().is_err());
    assert!(log.stored().is_empty());
}

#[test]
fn where_nothing_is_waited_for_the_header_is_stored_at_once_or_was_before() {
    let log = Log::default();
    let begun = Begun::anew(&log, Vec::new(), &header(), None).unwrap();
    assert_eq!(log.stored(), [[(0, header().encoded().unwrap())]]);
    assert_eq!(begun.settle().unwrap(), None);
    let again = Begun::again(&log);
    again.checkpoint(vec![(1, vec![9])]).unwrap();
    assert_eq!(log.stored()[1..], [[(1, vec![9])]]);
}

#[test]
fn who_gives_a_copy_up_waits_for_the_thread_that_has_the_image_open() {
    let open = Arc::new(());
    let held = Arc::clone(&open);
    let taken = later(move || {
        drop(held);
        Ok(1)
    });
    drop(Begun::anew(&Log::default(), Vec::new(), &header(), Some(taken)).unwrap());
    assert_eq!(Arc::strong_count(&open), 1);
}
