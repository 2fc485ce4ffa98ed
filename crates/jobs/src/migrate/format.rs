//! In which format a volume arrives: as it was asked, else as it is, where the target can. And what a format needs:
//! room for its tables, a size that it can have. Who copies it: `carry`.

use longhaul_model::Fault;
use longhaul_model::resource::Storage;
use serde_json::Value;

use crate::manage::volumes::format_name;
use crate::storage::Format;

/// What a file system or a pool needs besides the data, and a margin: bytes.
const MARGIN: u64 = 4 << 20;
/// A qcow2 image gives places in clusters of so many bytes.
const CLUSTER: u64 = 64 << 10;
/// Bytes of the guest's disk that one cluster of a qcow2 image's map is about.
const MAPPED: u64 = 512 << 20;
/// Bytes of a qcow2 image that one cluster of its reference counts is about.
const COUNTED: u64 = 2 << 30;
/// A qcow2 image has whole sectors, of so many bytes.
const SECTOR: u64 = 512;

/// The `format` of `jobData`; `None` where it is absent or null.
///
/// # Errors
/// It is another word than `raw` and `qcow2`.
pub(super) fn asked(data: &Value) -> Result<Option<Format>, Fault> {
    match data.get("format") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(word)) if word == "raw" => Ok(Some(Format::Raw)),
        Some(Value::String(word)) if word == "qcow2" => Ok(Some(Format::Qcow2)),
        Some(_) => Err(Fault::invalid("valid value for field[format] of jobData are [raw, qcow2]")),
    }
}

/// The format on `to` of a disk that is `now`.
///
/// # Errors
/// `to` cannot hold what was asked.
pub(super) fn chosen(asked: Option<Format>, now: Format, to: &Storage) -> Result<Format, Fault> {
    match (asked, &to.pool) {
        (Some(Format::Qcow2), Some(_)) => Err(Fault::invalid(format!(
            "field[format] of jobData is [qcow2], but primary storage[uuid:{}] is a Ceph pool, whose images are \
             raw; leave it out, or choose a directory",
            to.id
        ))),
        (_, Some(_)) => Ok(Format::Raw),
        (asked, None) => Ok(asked.unwrap_or(now)),
    }
}

/// Refuses a disk of `bytes` that cannot have its size in the format it shall become.
///
/// # Errors
/// It is no multiple of 512 bytes and becomes qcow2.
pub(super) fn has_room_for_size(now: Format, to: Format, bytes: u64) -> Result<(), Fault> {
    if now == to || to != Format::Qcow2 || bytes.is_multiple_of(SECTOR) {
        return Ok(());
    }
    Err(Fault::invalid(format!(
        "the disk has {bytes} bytes, and a qcow2 image has whole sectors of {SECTOR}; leave field[format] of jobData \
         out to keep it {}, or grow the disk to {} bytes",
        format_name(now),
        bytes.next_multiple_of(SECTOR)
    )))
}

/// The most bytes that a copy occupies of which `data` are data, of a disk of `guest` bytes.
pub(super) fn needed(format: Format, data: u64, guest: u64) -> u64 {
    let tables = match format {
        Format::Raw => 0,
        Format::Qcow2 => {
            // At worst every cluster of data has a cluster of the map to itself.
            let map = guest.div_ceil(MAPPED).min(data.div_ceil(CLUSTER)) * CLUSTER;
            map + data.saturating_add(map).div_ceil(COUNTED) * CLUSTER
        }
    };
    data.saturating_add(tables).saturating_add(MARGIN)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn a_format_is_one_of_two_words_or_nobodys_wish() {
        assert_eq!(asked(&json!({})), Ok(None));
        assert_eq!(asked(&json!({"format": null})), Ok(None));
        assert_eq!(asked(&json!({"format": "raw"})), Ok(Some(Format::Raw)));
        assert_eq!(asked(&json!({"format": "qcow2"})), Ok(Some(Format::Qcow2)));
        for other in [json!("vmdk"), json!("QCOW2"), json!(""), json!(2), json!({})] {
            let refused = asked(&json!({"format": other})).map_err(|fault| fault.details);
            assert_eq!(
                refused,
                Err("valid value for field[format] of jobData are [raw, qcow2]".to_owned()),
                "{other}"
            );
        }
    }

    #[test]
    fn an_image_has_a_cluster_of_map_for_512_mib_and_a_raw_disk_has_none() {
        assert_eq!(needed(Format::Raw, GIB, GIB), GIB + MARGIN);
        assert_eq!(needed(Format::Qcow2, GIB, GIB), GIB + MARGIN + 2 * CLUSTER + CLUSTER);
        // Ten bytes of a huge disk do not need its whole map.
        assert!(needed(Format::Qcow2, 10, 1024 * GIB) <= 10 + MARGIN + 2 * CLUSTER);
        assert_eq!(needed(Format::Qcow2, u64::MAX, GIB), u64::MAX);
    }

    #[test]
    fn a_disk_of_broken_sectors_stays_what_it_is() {
        assert!(has_room_for_size(Format::Raw, Format::Qcow2, 777).is_err());
        assert!(has_room_for_size(Format::Raw, Format::Qcow2, 1024).is_ok());
        for (now, to) in
            [(Format::Raw, Format::Raw), (Format::Qcow2, Format::Raw), (Format::Qcow2, Format::Qcow2)]
        {
            assert!(has_room_for_size(now, to, 777).is_ok());
        }
    }
}
