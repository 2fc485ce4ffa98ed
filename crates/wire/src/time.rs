//! Moments as text, by reply profile and in the server's zone. Reading moments in queries is in
//! `query::value`.
//!
//! Source: rest-api.md 6.1, design section 7.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::profile::Profile;

/// How moments are written in answers.
#[derive(Debug, Clone)]
pub struct TimeFormat {
    profile: Profile,
    zone: TimeZone,
}

impl TimeFormat {
    /// As `profile` wants it, in `zone`.
    pub fn new(profile: Profile, zone: TimeZone) -> Self {
        Self { profile, zone }
    }

    /// The profile.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The server's zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// `ms` since 1970 as text, whole seconds: `2017-11-14T22:20:57+00:00` in `fast`,
    /// `Nov 14, 2017 10:20:57 PM` in `zstack`. A moment outside of years -9999 to 9999 is the nearest inside.
    pub fn text(&self, ms: i64) -> String {
        let moment = Timestamp::from_second(ms.div_euclid(1000)).unwrap_or(if ms < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        });
        let zoned = moment.to_zoned(self.zone.clone());
        let pattern = match self.profile {
            Profile::Fast => "%Y-%m-%dT%H:%M:%S%:z",
            Profile::Zstack => "%b %-d, %Y %-I:%M:%S %p",
        };
        zoned.strftime(pattern).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shanghai() -> TimeZone {
        TimeZone::fixed(jiff::tz::offset(8))
    }

    #[test]
    fn the_zstack_profile_writes_moments_as_its_java_server_does() {
        let format = TimeFormat::new(Profile::Zstack, shanghai());
        assert_eq!(format.text(1_510_669_257_123), "Nov 14, 2017 10:20:57 PM");
        assert_eq!(format.text(1_509_771_909_999), "Nov 4, 2017 1:05:09 PM");
        assert_eq!(format.text(1_509_725_109_000), "Nov 4, 2017 12:05:09 AM");
    }

    #[test]
    fn the_fast_profile_writes_rfc_3339_with_an_offset() {
        assert_eq!(
            TimeFormat::new(Profile::Fast, shanghai()).text(1_510_669_257_123),
            "2017-11-14T22:20:57+08:00"
        );
        assert_eq!(TimeFormat::new(Profile::Fast, TimeZone::UTC).text(0), "1970-01-01T00:00:00+00:00");
    }

    #[test]
    fn a_moment_outside_of_all_calendars_is_still_text() {
        for ms in [i64::MIN, i64::MAX] {
            assert!(!TimeFormat::new(Profile::Fast, shanghai()).text(ms).is_empty());
        }
    }
}
