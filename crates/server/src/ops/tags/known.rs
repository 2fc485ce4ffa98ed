//! The system tags that are known, by the type of the resource: the one table for tags that come with a call
//! and for tags that are created by themselves. User tags are free.
//!
//! Source: rest-api.md 1.6, resources.md 8.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use longhaul_engine::children::PARENT_TAG;
use longhaul_engine::terms::{self, DEADLINE, NOT_BEFORE, PRIORITY, RETRY};
use longhaul_engine::throttle::THROTTLE;
use longhaul_jobs::images::{CHECKSUM, Checksum};
use longhaul_jobs::upload::intake::{IMAGE_ID_TAG, REQUIRE_MD5_TAG};
use longhaul_model::Fault;

/// Jobs.
pub const JOB: &str = "LongJobVO";
/// Volumes.
pub const VOLUME: &str = "VolumeVO";
/// Primary storages.
pub const STORAGE: &str = "PrimaryStorageVO";
/// Images.
pub const IMAGE: &str = "ImageVO";
/// Backup storages.
pub const BACKUP_STORAGE: &str = "BackupStorageVO";

/// A kind of system tag.
pub struct Known {
    /// On which resource type.
    on: &'static str,
    /// What its text begins with; something must follow, but after a word.
    prefix: &'static str,
    /// What must follow.
    value: Value,
    /// Whether a resource has at most one.
    single: bool,
    /// Whether it is stored; others mean something to the call that carries them.
    pub kept: bool,
}

enum Value {
    /// Any text.
    Token,
    /// A whole number of bytes per second; 0 is no limit.
    BytesPerSecond,
    /// What `longhaul_engine::terms` reads of it, at the submission alone.
    Term,
    /// Nothing: the prefix is the whole tag.
    Word,
    /// One of these words, in any case.
    OneOf(&'static [&'static str]),
    /// A network in CIDR form whose address is that of the network.
    Network,
    /// `md5:` or `sha256:` and as many hex digits as it has.
    Checksum,
}

/// What a guest of an image boots by.
pub const BOOT_MODES: &[&str] = &["Legacy", "UEFI", "UEFI_WITH_CSM"];
/// What the tag of a boot mode begins with.
pub const BOOT_MODE: &str = "bootMode::";
/// The tag of an image whose guests run QEMU's agent.
pub const QEMU_AGENT: &str = "qemuga";

const fn token(on: &'static str, prefix: &'static str) -> Known {
    Known { on, prefix, value: Value::Token, single: false, kept: true }
}

const fn word(on: &'static str, whole: &'static str) -> Known {
    Known { value: Value::Word, ..token(on, whole) }
}

const fn term(prefix: &'static str) -> Known {
    Known { value: Value::Term, single: true, ..token(JOB, prefix) }
}

impl Known {
    /// Whether it counts at the submission alone.
    pub fn is_term(&self) -> bool {
        matches!(self.value, Value::Term)
    }
}

/// All of them. What ZStack's clients send and means nothing on these kinds of storage is kept for them.
const KNOWN: &[Known] = &[
    // The image that an upload job is about.
    token(JOB, IMAGE_ID_TAG),
    word(JOB, REQUIRE_MD5_TAG),
    // Most bytes per second of one job's copy; a running one looks at it again and again.
    Known { value: Value::BytesPerSecond, single: true, ..token(JOB, THROTTLE) },
    // On what terms it runs.
    term(PRIORITY),
    term(NOT_BEFORE),
    term(DEADLINE),
    term(RETRY),
    // The job that submitted this one: put on by the server.
    Known { single: true, ..token(JOB, PARENT_TAG) },
    token(VOLUME, "localStorage::hostUuid::"),
    token(VOLUME, "capability::"),
    token(VOLUME, "volumeProvisioningStrategy::"),
    // These two are for the creation alone.
    Known { kept: false, ..token(VOLUME, "ephemeral::") },
    Known { kept: false, ..token(VOLUME, "qos::") },
    token(STORAGE, "primaryStorage::"),
    token(STORAGE, "primaryStorageVolumeProvisioningStrategy::"),
    Known { value: Value::OneOf(BOOT_MODES), single: true, ..token(IMAGE, BOOT_MODE) },
    Known { value: Value::OneOf(&["true"]), ..token(IMAGE, "marketplace::") },
    token(IMAGE, "applianceType::"),
    word(IMAGE, QEMU_AGENT),
    token(IMAGE, "sourceType::"),
    word(IMAGE, "remote"),
    token(IMAGE, "GuestTools::"),
    token(IMAGE, "buildapp::"),
    word(IMAGE, "packer"),
    word(IMAGE, "CreatedBySystem"),
    word(IMAGE, "temporary"),
    token(IMAGE, "image::cert::"),
    token(IMAGE, "imageName::"),
    // What the bytes of an image must be: looked at when they are all there.
    Known { value: Value::Checksum, single: true, ..token(IMAGE, CHECKSUM) },
    Known { value: Value::Checksum, single: true, ..token(JOB, CHECKSUM) },
    Known {
        value: Value::Network,
        single: true,
        ..token(BACKUP_STORAGE, "backupStorage::data::network::cidr::")
    },
    token(BACKUP_STORAGE, "extraips::"),
    token(BACKUP_STORAGE, "iscsiInitiatorName::"),
    word(BACKUP_STORAGE, "ceph::predefinedPool"),
];

/// What `tag` is on a resource of that type; `None` if it is not known there.
///
/// # Errors
/// SYS.1007: it is known, but its value is not what it must be.
pub fn find(on: &str, tag: &str) -> Result<Option<&'static Known>, Fault> {
    let matching = |known: &&Known| known.on == on && value_of(known, tag).is_some();
    let Some(known) = KNOWN.iter().find(matching) else { return Ok(None) };
    let value = value_of(known, tag).unwrap_or_default();
    let refuse = |details: String| Err(Fault::invalid(details));
    match known.value {
        Value::BytesPerSecond if value.parse::<u64>().is_err() => refuse(format!(
            "the system tag[{tag}] must end in a whole number of bytes per second, 0 for no limit"
        )),
        Value::OneOf(words) if !words.iter().any(|word| word.eq_ignore_ascii_case(value)) => {
            refuse(if known.prefix == BOOT_MODE {
                format!("[{value}] specified in system tag [{tag}] is not a valid boot mode")
            } else {
                format!("the system tag[{tag}] must end in one of {}", words.join(", "))
            })
        }
        Value::Term => terms::read([tag]).map(|_| Some(known)),
        Value::Network => network(tag, value).map(|()| Some(known)),
        Value::Checksum => Checksum::read(value).map(|_| Some(known)).ok_or_else(|| {
            Fault::invalid(format!(
                "the system tag[{tag}] must end in md5: and 32 hex digits, or sha256: and 64 hex digits"
            ))
        }),
        Value::Token | Value::Word | Value::OneOf(_) | Value::BytesPerSecond => Ok(Some(known)),
    }
}

/// Refuses what is no network, and one that is told by the address of a machine in it.
fn network(tag: &str, value: &str) -> Result<(), Fault> {
    let bad = || Fault::invalid(format!("the system tag[{tag}] must end in a network: 10.0.0.0/24"));
    let (address, prefix) = value.split_once('/').ok_or_else(bad)?;
    let prefix: u32 = prefix.parse().map_err(|_| bad())?;
    let standard = match address.parse::<IpAddr>().map_err(|_| bad())? {
        IpAddr::V4(address) if prefix <= 32 => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            IpAddr::from(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) if prefix <= 128 => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            IpAddr::from(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
        _ => return Err(bad()),
    };
    if address.parse() == Ok(standard) {
        return Ok(());
    }
    Err(Fault::invalid(format!("[{value}] is not a standard cidr, do you mean [{standard}/{prefix}]?")))
}

/// What follows the prefix, if something does.
fn value_of<'t>(known: &Known, tag: &'t str) -> Option<&'t str> {
    let word = matches!(known.value, Value::Word);
    tag.strip_prefix(known.prefix).filter(|value| value.is_empty() == word)
}

/// Refuses a second tag of a kind of which a resource has at most one.
///
/// # Errors
/// SYS.1007, naming both.
pub fn check_single(on: &str, tags: &[String]) -> Result<(), Fault> {
    for known in KNOWN.iter().filter(|known| known.single && known.on == on) {
        let mut found = tags.iter().filter(|tag| value_of(known, tag).is_some());
        if known.prefix == BOOT_MODE && found.clone().count() > 1 {
            let told = format!("only one bootMode system tag is allowed, but {} got", found.count());
            return Err(Fault::invalid(told));
        }
        if let (Some(first), Some(second)) = (found.next(), found.next()) {
            return Err(Fault::invalid(format!(
                "a resource has at most one system tag {}…, but there would be {first} and {second}; update or delete the first",
                known.prefix
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use longhaul_model::resource::Tagged;

    use super::*;

    #[test]
    fn every_known_tag_is_on_a_type_that_can_have_tags() {
        assert!(KNOWN.iter().all(|known| Tagged::TYPES.contains(&known.on)));
        assert!(Tagged::TYPES.iter().all(|on| KNOWN.iter().any(|known| known.on == *on)));
    }

    #[test]
    fn a_tag_is_known_on_its_own_type_with_a_value_only() {
        assert!(matches!(find(JOB, "uploadImage::x"), Ok(Some(known)) if known.kept));
        for (on, tag) in [(VOLUME, "uploadImage::x"), (JOB, "uploadImage::"), (JOB, "uploadImage"), (JOB, "")]
        {
            assert!(matches!(find(on, tag), Ok(None)), "{tag} on {on}");
        }
        assert!(matches!(find(JOB, "longhaul::throttle::0"), Ok(Some(_))));
        assert!(find(JOB, "longhaul::throttle::fast").is_err());
        for tag in
            ["longhaul::priority::9", "longhaul::notBefore::2026-03-01T02:00:00Z", "longhaul::retry::3"]
        {
            assert!(matches!(find(JOB, tag), Ok(Some(known)) if known.kept && known.is_term()), "{tag}");
        }
        assert!(find(JOB, "longhaul::deadline::soon").is_err());
        let two = ["longhaul::priority::1".to_owned(), "longhaul::priority::2".to_owned()];
        assert!(check_single(JOB, &two).is_err());
        assert!(matches!(find(VOLUME, "qos::x"), Ok(Some(known)) if !known.kept));
    }

    #[test]
    fn the_tags_of_images_and_backup_storages_have_the_values_they_must_have() {
        for tag in
            ["bootMode::uefi", "marketplace::true", "applianceType::vrouter", "qemuga", "image::cert::x"]
        {
            assert!(matches!(find(IMAGE, tag), Ok(Some(known)) if known.kept), "{tag}");
        }
        assert!(matches!(find(IMAGE, "qemuga::x"), Ok(None)));
        let refused = |on, tag: &str| find(on, tag).map(|_| ()).unwrap_err().details;
        assert_eq!(
            refused(IMAGE, "bootMode::BIOS"),
            "[BIOS] specified in system tag [bootMode::BIOS] is not a valid boot mode"
        );
        assert!(refused(IMAGE, "longhaul::checksum::md5:1").contains("32 hex digits"));
        let two = ["bootMode::UEFI".to_owned(), "bootMode::Legacy".to_owned()];
        let told = check_single(IMAGE, &two).unwrap_err().details;
        assert_eq!(told, "only one bootMode system tag is allowed, but 2 got");
        let network = "backupStorage::data::network::cidr::";
        assert!(find(BACKUP_STORAGE, &format!("{network}10.1.0.0/16")).is_ok());
        assert_eq!(
            refused(BACKUP_STORAGE, &format!("{network}10.1.2.3/16")),
            "[10.1.2.3/16] is not a standard cidr, do you mean [10.1.0.0/16]?"
        );
        assert!(refused(BACKUP_STORAGE, &format!("{network}all")).contains("10.0.0.0/24"));
    }
}
