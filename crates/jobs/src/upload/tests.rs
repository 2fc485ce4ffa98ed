//! Uploads against a plain picture of them: random slices in any order, senders that break off, and a
//! process that dies between any two writes. What a crash may have lost is destroyed for real before the
//! upload is opened again.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use md5::{Digest, Md5};
use proptest::prelude::*;

use super::journal::RECORD_BYTES;
use super::*;

mod large;
mod lost;
mod size;

const ARTIFACT: &str = "image/job-1";
const WHO: u128 = 7;

/// A storage that is gone at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::current_exe().unwrap().with_extension(format!("upload-{name}"));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn try_open(&self, limits: UploadLimits) -> Result<Arc<Upload>, UploadError> {
        Upload::open(Root::open(&self.0).unwrap(), Path::new(ARTIFACT), WHO, limits)
    }

    fn open(&self) -> Arc<Upload> {
        // Small, so that slices without a checksum are flushed in the middle.
        self.try_open(UploadLimits { flush_bytes: 1000, ..UploadLimits::default() }).unwrap()
    }

    fn artifact(&self) -> PathBuf {
        self.0.join(ARTIFACT)
    }

    fn journal(&self) -> PathBuf {
        self.0.join(journal_path(Path::new(ARTIFACT)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 253) as u8).collect()
}

fn md5_of(bytes: &[u8]) -> Checksum {
    Checksum::Md5(Md5::digest(bytes).into())
}

fn slice_of(range: &Range<usize>, counting: Counting) -> SliceRequest {
    let len = Some((range.end - range.start) as u64);
    SliceRequest { start: range.start as u64, len, counting, goes_on: false }
}

fn send(upload: &Arc<Upload>, whole: &[u8], range: Range<usize>, checked: bool) -> Result<(), UploadError> {
    let bytes = &whole[range.clone()];
    let counting = if checked { Counting::Whole(md5_of(bytes)) } else { Counting::AsFlushed };
    let mut slice = upload.begin(slice_of(&range, counting))?;
    bytes.chunks(700).try_for_each(|part| slice.write(part))?;
    slice.finish()
}

/// Sends what is missing, from the first missing byte on, and ends the upload.
fn send_the_rest(upload: &Arc<Upload>, whole: &[u8]) -> Content {
    upload.set_size(whole.len() as u64, 0).unwrap();
    let offset = upload.received().offset as usize;
    if offset < whole.len() {
        send(upload, whole, offset..whole.len(), false).unwrap();
    }
    upload.complete(&|_| true).unwrap()
}

fn assert_whole(place: &Place, content: &Content, whole: &[u8]) {
    assert!(std::fs::read(place.artifact()).unwrap() == whole, "the artifact has the bytes that were sent");
    assert_eq!(content.bytes, whole.len() as u64);
    assert_eq!(content.md5, md5_of(whole).hex());
    assert_eq!(content.blake3, blake3::hash(whole).to_hex().to_string());
}

/// One request of a random sender.
#[derive(Clone, Debug)]
enum Act {
    Send { checked: bool },
    BreakOff { checked: bool, after: usize },
    Corrupt,
}

fn acts() -> impl Strategy<Value = (usize, Vec<(usize, usize, Act)>)> {
    let act = prop_oneof![
        4 => any::<bool>().prop_map(|checked| Act::Send { checked }),
        2 => (any::<bool>(), 0usize..4000).prop_map(|(checked, after)| Act::BreakOff { checked, after }),
        1 => Just(Act::Corrupt),
    ];
    (1usize..12_000, prop::collection::vec((0usize..12_000, 1usize..5000, act), 0..10))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_sent_in_any_order_and_wherever_the_process_dies_the_bytes_are_equal(
        (len, acts) in acts(), cut in any::<prop::sample::Index>(), torn in 0usize..RECORD_BYTES,
    ) {
        let place = Place::new("random");
        let whole = content(len);
        let upload = place.open();
        upload.set_size(len as u64, 0).unwrap();
        for (start, want, act) in acts {
            let start = start % len;
            let range = start..(start + want).min(len);
            match act {
                Act::Send { checked } => send(&upload, &whole, range, checked).unwrap(),
                Act::BreakOff { checked, after } => {
                    let bytes = &whole[range.clone()];
                    let counting = if checked { Counting::Whole(md5_of(bytes)) } else { Counting::AsFlushed };
                    let before = upload.received();
                    let mut slice = upload.begin(slice_of(&range, counting)).unwrap();
                    slice.write(&bytes[..after.min(bytes.len())]).unwrap();
                    slice.break_off().unwrap();
                    drop(slice);
                    prop_assert!(!checked || upload.received().bytes == before.bytes);
                }
                Act::Corrupt => {
                    let before = upload.received();
                    let right = md5_of(&whole[range.clone()]);
                    let mut wrong = whole[range.clone()].to_vec();
                    wrong[want / 2 % (range.end - range.start)] ^= 4;
                    let mut slice = upload.begin(slice_of(&range, Counting::Whole(right))).unwrap();
                    // Bytes that are here already are compared at once; others when the slice ends.
                    let refused = slice.write(&wrong).and_then(|()| slice.finish());
                    prop_assert!(
                        matches!(refused, Err(UploadError::Checksum { .. } | UploadError::Differs { .. })),
                        "{refused:?}"
                    );
                    prop_assert_eq!(upload.received().bytes, before.bytes);
                }
            }
        }
        drop(upload);
        // The process dies: the journal ends at any record, or within one. What no record names is lost.
        let journal = std::fs::read(place.journal()).unwrap();
        let records = journal.len() / RECORD_BYTES;
        let kept = (cut.index(records + 1) * RECORD_BYTES + torn).min(journal.len());
        std::fs::write(place.journal(), &journal[..kept]).unwrap();
        let seen = look(&Root::open(&place.0).unwrap(), Path::new(ARTIFACT), WHO).unwrap();
        let upload = place.open();
        prop_assert_eq!(upload.received().bytes, seen.bytes);
        let mut bytes = std::fs::read(place.artifact()).unwrap();
        bytes.resize(len.max(bytes.len()), 0); // a new file, where not even its name was kept
        let lost = upload.state().have.pieces(0..len as u64).into_iter().filter(|(_, here)| !here);
        for (range, _) in lost {
            bytes[range.start as usize..range.end as usize].fill(0xEE);
        }
        std::fs::write(place.artifact(), &bytes).unwrap();
        let content = send_the_rest(&upload, &whole);
        assert_whole(&place, &content, &whole);
    }
}

#[test]
fn a_byte_that_counted_and_was_lost_is_found_at_the_end() {
    // The control of the test above: were records written before their bytes are durable, it would see this.
    let place = Place::new("lost");
    let whole = content(5000);
    let upload = place.open();
    upload.set_size(5000, 0).unwrap();
    send(&upload, &whole, 0..5000, true).unwrap();
    let mut bytes = whole.clone();
    bytes[4321] ^= 1;
    std::fs::write(place.artifact(), &bytes).unwrap();
    let found = upload.complete(&|_| true);
    assert!(matches!(found, Err(UploadError::ReadBack { start: 0, end: 5000 })), "{found:?}");
}

#[test]
fn a_wrong_slice_leaves_nothing_and_can_be_sent_again_while_others_go_on() {
    let place = Place::new("wrong");
    let whole = content(3000);
    let upload = place.open();
    upload.set_size(3000, 0).unwrap();
    let mut other = upload.begin(slice_of(&(1000..2000), Counting::AsFlushed)).unwrap();
    other.write(&whole[1000..1500]).unwrap();
    let mut wrong = upload.begin(slice_of(&(0..1000), Counting::Whole(md5_of(&whole[..1000])))).unwrap();
    wrong.write(&whole[1..1001]).unwrap();
    assert!(matches!(wrong.finish(), Err(UploadError::Checksum { .. })));
    assert_eq!(upload.received().bytes, 0);
    other.write(&whole[1500..2000]).unwrap();
    other.finish().unwrap();
    assert_eq!((upload.received().offset, upload.received().bytes), (0, 1000));
    send(&upload, &whole, 0..1000, true).unwrap();
    assert_eq!(upload.received().offset, 2000);
    send(&upload, &whole, 0..1000, true).unwrap(); // the same slice twice
    let content = send_the_rest(&upload, &whole);
    assert_whole(&place, &content, &whole);
}

#[test]
fn a_newer_request_ends_the_older_one_and_nothing_of_it_is_written_any_more() {
    let place = Place::new("newer");
    let whole = content(2000);
    let upload = place.open();
    upload.set_size(2000, 0).unwrap();
    let going_on = || SliceRequest { start: 0, len: None, counting: Counting::AsFlushed, goes_on: true };
    let mut older = upload.begin(going_on()).unwrap();
    older.write(&[9; 500]).unwrap();
    let mut newer = upload.begin(going_on()).unwrap();
    assert!(matches!(older.write(&[9; 10]), Err(UploadError::Superseded)));
    assert!(matches!(older.break_off(), Err(UploadError::Superseded)));
    drop(older);
    newer.write(&whole).unwrap();
    newer.finish().unwrap();
    let content = send_the_rest(&upload, &whole);
    assert_whole(&place, &content, &whole);
}

#[test]
fn only_the_first_missing_byte_is_where_a_sender_goes_on() {
    let place = Place::new("offset");
    let whole = content(2000);
    let upload = place.open();
    send(&upload, &whole, 0..800, false).unwrap(); // the size is not known yet
    let at = |start| SliceRequest { start, len: Some(10), counting: Counting::AsFlushed, goes_on: true };
    for wrong in [0, 799, 801] {
        assert!(matches!(upload.begin(at(wrong)), Err(UploadError::Offset { expected: 800 })), "{wrong}");
    }
    drop(upload.begin(at(800)).unwrap());
    assert!(matches!(upload.set_size(799, 0), Err(UploadError::SizeBelow { here: 800, announced: 799 })));
    let content = send_the_rest(&upload, &whole);
    assert_whole(&place, &content, &whole);
}

#[test]
fn limits_are_kept_and_say_what_they_are() {
    let place = Place::new("limits");
    let limits =
        UploadLimits { max_bytes: 1000, slice_max_bytes: 600, open_slices_max: 2, ..UploadLimits::default() };
    let upload = place.try_open(limits).unwrap();
    assert!(matches!(upload.set_size(1001, 0), Err(UploadError::SizeRefused { max: 1000, .. })));
    assert!(matches!(upload.set_size(0, 0), Err(UploadError::SizeRefused { announced: 0, .. })));
    let full = upload.set_size(1000, u64::MAX / 2);
    assert!(matches!(full, Err(UploadError::Disk(DiskError::NoSpace { .. }))), "{full:?}");
    upload.set_size(1000, 0).unwrap();
    assert!(matches!(upload.set_size(999, 0), Err(UploadError::Size { fixed: 1000, announced: 999 })));
    for range in [0..601, 900..1001, 5..5] {
        let refused = upload.begin(slice_of(&range, Counting::AsFlushed));
        assert!(matches!(refused, Err(UploadError::SliceRefused { .. })), "{range:?}");
    }
    let _first = upload.begin(slice_of(&(0..100), Counting::AsFlushed)).unwrap();
    let mut second = upload.begin(slice_of(&(100..200), Counting::AsFlushed)).unwrap();
    let third = upload.begin(slice_of(&(200..300), Counting::AsFlushed));
    assert!(matches!(third, Err(UploadError::Busy { max: 2 })));
    assert!(matches!(second.write(&[0; 101]), Err(UploadError::Length { expected: 100, found: 101 })));
    assert!(matches!(upload.complete(&|_| true), Err(UploadError::Incomplete { at: 0 })));
}

#[test]
fn a_demanded_md5_decides_and_an_undemanded_one_is_told() {
    let whole = b"\n";
    for (demanded, accepted) in [("68b329da9893e34099c7d8ad5cb9c940", true), (&"0".repeat(32), false)] {
        let place = Place::new("demanded");
        let upload = place.open();
        upload.demand_md5(Checksum::md5_from_hex(demanded).unwrap()).unwrap();
        drop(upload);
        let upload = place.open(); // also after a restart
        assert!(upload.demand_md5([1; 16]).is_err());
        upload.set_size(1, 0).unwrap();
        send(&upload, whole, 0..1, false).unwrap();
        match upload.complete(&|_| true) {
            Ok(content) => assert!(accepted && content.md5 == demanded),
            Err(UploadError::Content { found, .. }) => {
                assert!(!accepted && found == "68b329da9893e34099c7d8ad5cb9c940");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn an_upload_is_filled_by_one_process_and_is_nobody_elses() {
    let place = Place::new("held");
    let upload = place.open();
    let second = place.try_open(UploadLimits::default());
    assert!(matches!(second, Err(UploadError::Held)), "{second:?}");
    send(&upload, &content(10), 0..10, false).unwrap();
    drop(upload);
    let foreign = look(&Root::open(&place.0).unwrap(), Path::new(ARTIFACT), WHO + 1);
    assert!(matches!(foreign, Err(DiskError::BadImage { .. })), "{foreign:?}");
    assert_eq!(place.open().received().offset, 10);
}

#[test]
fn leaving_the_table_ends_what_is_being_sent() {
    let place = Place::new("table");
    let upload = place.open();
    let (table, job) = (Table::default(), longhaul_model::JobId::from_bits(5));
    let entered = table.enter(job, upload.clone());
    let mut slice = table.get(job).unwrap().begin(slice_of(&(0..10), Counting::AsFlushed)).unwrap();
    drop(entered);
    assert!(table.get(job).is_none());
    assert!(matches!(slice.write(&[0; 10]), Err(UploadError::Closed)));
    assert!(matches!(upload.begin(slice_of(&(0..10), Counting::AsFlushed)), Err(UploadError::Closed)));
}
