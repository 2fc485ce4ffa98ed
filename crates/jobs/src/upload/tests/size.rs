//! A size that is told late: what is here already, and what is being sent, bounds it; and it bounds what is being
//! sent.

use super::*;

#[test]
fn a_size_below_what_is_being_sent_is_refused_and_what_is_sent_beyond_it_does_not_count() {
    let place = Place::new("late-size");
    let whole = content(1000);
    let upload = place.open();
    let endless = SliceRequest { start: 0, len: None, counting: Counting::AsFlushed, goes_on: true };
    let mut slice = upload.begin(endless).unwrap();
    slice.write(&whole[..800]).unwrap();
    let refused = upload.set_size(799, 0);
    assert!(refused.as_ref().is_err_and(|e| e.to_string().contains("800")), "{refused:?}");
    assert_eq!(upload.received().size, None, "and changes nothing");
    upload.set_size(1000, 0).unwrap();
    slice.write(&whole[800..]).unwrap();
    assert!(matches!(slice.write(&[0]), Err(UploadError::Length { .. })));
    slice.finish().unwrap();
    assert!(upload.received().is_complete());
    assert_whole(&place, &upload.complete(&|_| true).unwrap(), &whole);
}

#[test]
fn a_size_below_the_end_of_a_slice_that_said_its_length_is_refused() {
    let place = Place::new("late-size-exact");
    let upload = place.open();
    let slice = upload.begin(slice_of(&(0..500), Counting::AsFlushed)).unwrap();
    assert!(upload.set_size(499, 0).is_err());
    drop(slice);
    upload.set_size(499, 0).unwrap();
}
