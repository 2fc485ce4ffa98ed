//! What an upload makes of a file that is not what its journal speaks of: gone, cut, replaced, changed. Nothing that
//! was lost may count, and nothing may be written to a file that is another image's.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::*;

/// How a file is lost behind a journal.
type Damage = fn(&Path);

fn replaced(artifact: &Path) {
    let other = artifact.with_extension("other");
    fs::write(&other, vec![0; 5000]).unwrap();
    fs::rename(other, artifact).unwrap();
}

#[test]
fn what_was_received_of_a_file_that_is_gone_cut_or_replaced_counts_for_nothing_and_is_sent_again() {
    let whole = content(5000);
    let damages: [(&str, Damage); 4] = [
        ("gone", |artifact| fs::remove_file(artifact).unwrap()),
        ("cut", |artifact| fs::File::options().write(true).open(artifact).unwrap().set_len(100).unwrap()),
        ("replaced", replaced),
        ("a link", |artifact| {
            fs::rename(artifact, artifact.with_extension("moved")).unwrap();
            std::os::unix::fs::symlink(artifact.with_extension("moved"), artifact).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let place = Place::new("damaged");
        let upload = place.open();
        upload.set_size(5000, 0).unwrap();
        upload.demand_md5(Md5::digest(&whole).into()).unwrap();
        send(&upload, &whole, 0..3000, true).unwrap();
        drop(upload);
        damage(&place.artifact());
        let seen = look(&Root::open(&place.0).unwrap(), Path::new(ARTIFACT), WHO).unwrap();
        assert_eq!((seen.offset, seen.bytes), (0, 0), "{name}");
        let upload = place.open();
        let received = upload.received();
        assert_eq!((received.offset, received.bytes, received.size), (0, 0, Some(5000)), "{name}");
        assert!(upload.demanded_md5().is_some(), "{name}");
        let content = send_the_rest(&upload, &whole);
        assert_whole(&place, &content, &whole);
        drop(upload);
        assert_eq!(place.open().received().offset, 5000, "{name}: the new file counts from now on");
    }
}

#[test]
fn of_a_journal_of_an_earlier_release_size_and_demand_count_and_ranges_do_not() {
    let place = Place::new("earlier");
    let whole = content(5000);
    fs::create_dir_all(place.artifact().parent().unwrap()).unwrap();
    fs::write(place.artifact(), vec![0; 5000]).unwrap();
    let mut open = fs::File::options();
    let file = open.create(true).truncate(false).read(true).write(true).open(place.journal()).unwrap();
    let (mut journal, _) = Journal::open(file, &place.journal(), WHO).unwrap();
    let demanded = Record::Demanded(Md5::digest(&whole).into());
    for record in [Record::Size(5000), demanded, Record::Unproved(0..3000)] {
        journal.append(&record).unwrap();
    }
    drop(journal);
    let upload = place.open();
    assert_eq!((upload.received().offset, upload.received().size), (0, Some(5000)));
    assert!(upload.demanded_md5().is_some());
    assert_whole(&place, &send_the_rest(&upload, &whole), &whole);
}

#[test]
fn a_file_that_has_a_second_name_is_gone_on_with() {
    let place = Place::new("second-name");
    let whole = content(5000);
    let upload = place.open();
    upload.set_size(5000, 0).unwrap();
    send(&upload, &whole, 0..3000, false).unwrap();
    drop(upload);
    fs::hard_link(place.artifact(), place.0.join("second")).unwrap();
    let upload = place.open();
    assert_eq!(upload.received().offset, 3000);
    let content = send_the_rest(&upload, &whole);
    assert_whole(&place, &content, &whole);
    assert_eq!(fs::metadata(place.artifact()).unwrap().nlink(), 2);
}

#[test]
fn the_bytes_of_another_image_are_never_written_to() {
    let place = Place::new("shared");
    let other = place.0.join("another-image");
    fs::write(&other, b"another image").unwrap();
    fs::create_dir_all(place.artifact().parent().unwrap()).unwrap();
    fs::hard_link(&other, place.artifact()).unwrap();
    let whole = content(5000);
    let upload = place.open();
    let content = send_the_rest(&upload, &whole);
    assert_whole(&place, &content, &whole);
    assert_eq!(fs::read(&other).unwrap(), b"another image");
}

#[test]
fn a_byte_that_changed_is_found_at_the_end_in_whatever_order_slices_came_and_after_a_restart() {
    let place = Place::new("changed");
    let whole = content(5000);
    let upload = place.open();
    upload.set_size(5000, 0).unwrap();
    send(&upload, &whole, 3000..5000, true).unwrap();
    send(&upload, &whole, 0..3000, true).unwrap();
    drop(upload);
    let mut bytes = whole.clone();
    bytes[4321] ^= 1;
    fs::write(place.artifact(), &bytes).unwrap();
    let found = place.open().complete(&|_| true);
    assert!(matches!(found, Err(UploadError::ReadBack { .. })), "{found:?}");
    let told = found.unwrap_err().to_string();
    assert!(told.contains("3000"), "the range is named: {told}");
    fs::write(place.artifact(), &whole).unwrap();
    assert_whole(&place, &place.open().complete(&|_| true).unwrap(), &whole);
}

#[test]
fn a_file_that_is_replaced_while_it_is_received_is_no_image() {
    let place = Place::new("replaced-open");
    let whole = content(5000);
    let upload = place.open();
    upload.set_size(5000, 0).unwrap();
    send(&upload, &whole, 0..5000, true).unwrap();
    replaced(&place.artifact());
    let found = upload.complete(&|_| true);
    assert!(found.is_err(), "{found:?}");
}
