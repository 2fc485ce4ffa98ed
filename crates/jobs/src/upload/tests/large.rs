//! Slices of many blocks: hashed by one thread and written by another, past the page cache where they are whole pages.

use super::super::back::BLOCK_BYTES;
use super::*;

/// Bytes of the file: neither whole blocks nor whole pages.
const LEN: usize = 9 * BLOCK_BYTES + 12_345;

#[test]
fn slices_of_many_blocks_at_odd_offsets_beside_each_other_are_what_was_sent() {
    let place = Place::new("large");
    let whole = content(LEN);
    let limits = UploadLimits { flush_bytes: 300_000, ..UploadLimits::default() };
    let upload = place.try_open(limits).unwrap();
    upload.set_size(LEN as u64, 0).unwrap();
    // Each begins within a page that another one ends in; the second meets bytes that are here already.
    send(&upload, &whole, 700_001..800_001, true).unwrap();
    let borders = [0, 333_333, 1_000_001, 1_700_003, LEN];
    std::thread::scope(|scope| {
        for (number, border) in borders.windows(2).enumerate() {
            let (upload, whole) = (&upload, &whole);
            scope.spawn(move || send(upload, whole, border[0]..border[1], number % 2 == 0).unwrap());
        }
    });
    assert!(upload.received().is_complete());
    drop(upload);
    assert_whole(&place, &place.open().complete(&|_| true).unwrap(), &whole);
}

#[test]
fn the_md5s_of_slices_beside_each_other_are_each_its_own_and_none_waits_for_one_that_stands_still() {
    let place = Place::new("large-md5s");
    let (slices, each) = (2 * super::super::lanes::LANES + 1, 2 * BLOCK_BYTES + 77_777);
    let whole = content((slices + 2) * each);
    let limits = UploadLimits { open_slices_max: slices + 2, ..UploadLimits::default() };
    let upload = place.try_open(limits).unwrap();
    upload.set_size(whole.len() as u64, 0).unwrap();
    let range = |number: usize| number * each..(number + 1) * each;
    let begun = |number: usize| {
        let bytes = &whole[range(number)];
        let counting = Counting::Whole(md5_of(bytes));
        let mut slice = upload.begin(slice_of(&range(number), counting)).unwrap();
        slice.write(&bytes[..BLOCK_BYTES + 1_000]).unwrap();
        slice
    };
    // Two that have begun: one that stands still, and one whose sender goes away.
    let (mut still, gone) = (begun(slices), begun(slices + 1));
    std::thread::scope(|scope| {
        for number in 0..slices {
            let (upload, whole) = (&upload, &whole);
            scope.spawn(move || {
                if number == 3 {
                    let mut wrong = whole[range(number)].to_vec();
                    wrong[each / 2] ^= 1;
                    let counting = Counting::Whole(md5_of(&whole[range(number)]));
                    let mut slice = upload.begin(slice_of(&range(number), counting)).unwrap();
                    slice.write(&wrong).unwrap();
                    let refused = slice.finish();
                    assert!(matches!(refused, Err(UploadError::Checksum { .. })), "{refused:?}");
                }
                send(upload, whole, range(number), true).unwrap();
            });
        }
        scope.spawn(move || drop(gone));
    });
    assert_eq!(upload.received().bytes, (slices * each) as u64);
    still.write(&whole[range(slices)][BLOCK_BYTES + 1_000..]).unwrap();
    still.finish().unwrap();
    send(&upload, &whole, range(slices + 1), true).unwrap();
    assert!(upload.received().is_complete());
    assert_whole(&place, &upload.complete(&|_| true).unwrap(), &whole);
}

#[test]
fn of_a_large_slice_that_breaks_off_or_is_ended_what_was_told_to_count_counts_and_is_right() {
    let place = Place::new("large-broken");
    let whole = content(LEN);
    let limits = UploadLimits { flush_bytes: 300_000, ..UploadLimits::default() };
    let upload = place.try_open(limits).unwrap();
    upload.set_size(LEN as u64, 0).unwrap();
    let going_on = |start| SliceRequest { start, len: None, counting: Counting::AsFlushed, goes_on: true };
    let mut slice = upload.begin(going_on(0)).unwrap();
    slice.write(&whole[..1_000_000]).unwrap();
    slice.break_off().unwrap();
    drop(slice);
    assert_eq!(upload.received().offset, 1_000_000);
    // Ended by a newer request, at whatever its thread was: what counts lies before what it wrote wrongly.
    let mut older = upload.begin(going_on(1_000_000)).unwrap();
    older.write(&whole[1_000_000..1_900_000]).unwrap();
    older.write(&[9; 100_000]).unwrap();
    let offset = upload.received().offset;
    let _newer = upload.begin(SliceRequest { goes_on: false, ..going_on(offset) }).unwrap();
    assert!(older.write(&[9; 10]).is_err());
    drop(older);
    drop(_newer);
    let offset = upload.received().offset;
    assert!((1_000_000..=1_900_000).contains(&offset), "{offset}");
    assert_whole(&place, &send_the_rest(&upload, &whole), &whole);
}

#[test]
fn a_large_slice_that_differs_is_refused_and_leaves_nothing() {
    let place = Place::new("large-wrong");
    let whole = content(LEN);
    let upload = place.open();
    upload.set_size(LEN as u64, 0).unwrap();
    let mut wrong = upload.begin(slice_of(&(0..LEN), Counting::Whole(md5_of(&whole)))).unwrap();
    wrong.write(&whole[..LEN - 1]).unwrap();
    wrong.write(&[whole[LEN - 1] ^ 1]).unwrap();
    assert!(matches!(wrong.finish(), Err(UploadError::Checksum { .. })));
    assert_eq!(upload.received().bytes, 0);
    send(&upload, &whole, 0..BLOCK_BYTES * 2, true).unwrap();
    let mut differs = upload.begin(slice_of(&(0..LEN), Counting::AsFlushed)).unwrap();
    // Its thread ends with it, at the latest when the slice is to end; and nothing counts after that.
    let written = differs.write(&[7; BLOCK_BYTES]);
    let refused = written.and_then(|()| differs.break_off());
    assert!(matches!(refused, Err(UploadError::Differs { at: 0 })), "{refused:?}");
    assert!(differs.write(&whole[..BLOCK_BYTES * 3]).and_then(|()| differs.break_off()).is_err());
    drop(differs);
    assert_eq!(upload.received().bytes, BLOCK_BYTES as u64 * 2);
    assert_whole(&place, &send_the_rest(&upload, &whole), &whole);
}
