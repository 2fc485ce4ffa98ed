//! The system tags that are known, by the type of the resource: the one table for tags that come with a call
//! and for tags that are created by themselves. User tags are free.
//!
//! Source: rest-api.md 1.6, resources.md 8.

use longhaul_engine::children::PARENT_TAG;
use longhaul_engine::throttle::THROTTLE;
use longhaul_model::Fault;

/// Jobs.
pub const JOB: &str = "LongJobVO";
/// Volumes.
pub const VOLUME: &str = "VolumeVO";
/// Primary storages.
pub const STORAGE: &str = "PrimaryStorageVO";

/// A kind of system tag.
pub struct Known {
    /// On which resource type.
    on: &'static str,
    /// What its text begins with; something must follow.
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
}

const fn token(on: &'static str, prefix: &'static str) -> Known {
    Known { on, prefix, value: Value::Token, single: false, kept: true }
}

/// All of them. What ZStack's clients send and means nothing on these kinds of storage is kept for them.
const KNOWN: &[Known] = &[
    // The image that an upload job is about.
    token(JOB, "uploadImage::"),
    // Most bytes per second of one job's copy; a running one looks at it again and again.
    Known { value: Value::BytesPerSecond, single: true, ..token(JOB, THROTTLE) },
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
];

/// What `tag` is on a resource of that type; `None` if it is not known there.
///
/// # Errors
/// SYS.1007: it is known, but its value is not what it must be.
pub fn find(on: &str, tag: &str) -> Result<Option<&'static Known>, Fault> {
    let matching = |known: &&Known| known.on == on && value_of(known, tag).is_some();
    let Some(known) = KNOWN.iter().find(matching) else { return Ok(None) };
    match known.value {
        Value::BytesPerSecond if value_of(known, tag).is_none_or(|v| v.parse::<u64>().is_err()) => {
            Err(Fault::invalid(format!(
                "the system tag[{tag}] must end in a whole number of bytes per second, 0 for no limit"
            )))
        }
        Value::Token | Value::BytesPerSecond => Ok(Some(known)),
    }
}

/// What follows the prefix, if something does.
fn value_of<'t>(known: &Known, tag: &'t str) -> Option<&'t str> {
    tag.strip_prefix(known.prefix).filter(|value| !value.is_empty())
}

/// Refuses a second tag of a kind of which a resource has at most one.
///
/// # Errors
/// SYS.1007, naming both.
pub fn check_single(on: &str, tags: &[String]) -> Result<(), Fault> {
    for known in KNOWN.iter().filter(|known| known.single && known.on == on) {
        let mut found = tags.iter().filter(|tag| value_of(known, tag).is_some());
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
        assert!(matches!(find(VOLUME, "qos::x"), Ok(Some(known)) if !known.kept));
    }
}
