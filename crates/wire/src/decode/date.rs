//! The `Date` header of a signed request: is it near enough to now that the request is no old one sent again?
//!
//! Its pattern is `EEE, dd MMM yyyy HH:mm:ss z`, but each SDK writes another zone: Java the name of its own,
//! Go an abbreviation of Go's making, Python always `CST`, whatever the machine's zone is. ZStack ignores the
//! zone and compares wall clocks. So a date counts if any honest reading of it is near: in the zone it names,
//! where that can be read; on the server's wall clock; in UTC.
//!
//! Source: rest-api.md 2.1.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::misuse::Misuse;

/// How far the date may be off, in ms.
const SKEW_MAX_MS: u64 = 15 * 60 * 1000;
/// How long the part before the zone is: `Tue, 14 Nov 2017 22:20:57`.
const WALL_CLOCK_BYTES: usize = 25;
/// Abbreviations that the SDKs write, with their minutes east of Greenwich.
const ABBREVIATIONS: [(&str, i32); 4] = [("GMT", 0), ("CST", 480), ("MMT", 390), ("ICT", 420)];

/// Refuses a date that cannot be read, or that is far from `now_ms` in every reading; `here` is the server's
/// zone.
pub(super) fn check(date: &str, now_ms: i64, here: &TimeZone) -> Result<(), Misuse> {
    let (wall, zone) = date.trim().split_at_checked(WALL_CLOCK_BYTES).ok_or(Misuse::BadDate)?;
    let wall = DateTime::strptime("%a, %d %b %Y %H:%M:%S", wall).map_err(|_| Misuse::BadDate)?;
    let readings = [named(zone.trim()), Some(here.clone()), Some(TimeZone::UTC)];
    let near = readings.into_iter().flatten().any(|zone| {
        let read = wall.to_zoned(zone).map(|z| z.timestamp().as_millisecond());
        read.is_ok_and(|ms| ms.abs_diff(now_ms) <= SKEW_MAX_MS)
    });
    if near { Ok(()) } else { Err(Misuse::SkewedDate) }
}

/// The zone of that name; `None` for one that nobody can read back.
fn named(zone: &str) -> Option<TimeZone> {
    if let Some((_, minutes)) = ABBREVIATIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(zone)) {
        return fixed(*minutes);
    }
    if let Some(minutes) = numeric(zone.strip_prefix("GMT").unwrap_or(zone)) {
        return fixed(minutes);
    }
    TimeZone::get(zone).ok()
}

fn fixed(minutes: i32) -> Option<TimeZone> {
    Offset::from_seconds(minutes * 60).ok().map(TimeZone::fixed)
}

/// `+03`, `-0330`, `+05:30` in minutes.
fn numeric(zone: &str) -> Option<i32> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits.replace(':', "")),
        ("-", digits) => (-1, digits.replace(':', "")),
        _ => return None,
    };
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { minutes.parse::<i32>().ok()? };
    Some(sign * (hours.parse::<i32>().ok()? * 60 + minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tuesday, 2017-11-14 14:20:57 UTC.
    const NOW_MS: i64 = 1_510_669_257_000;

    fn told(date: &str, here: &str) -> Result<(), Misuse> {
        check(date, NOW_MS, &TimeZone::get(here).expect("a zone"))
    }

    #[test]
    fn the_dates_of_all_three_sdks_are_near_wherever_client_and_server_are() {
        for here in ["UTC", "Asia/Shanghai", "America/New_York"] {
            for date in [
                "Tue, 14 Nov 2017 22:20:57 Asia/Shanghai",    // Java
                "Tue, 14 Nov 2017 09:20:57 America/New_York", // Java, elsewhere
                "Tue, 14 Nov 2017 22:20:57 CST",              // Python and Go, in China
                "Tue, 14 Nov 2017 14:20:57 UTC",              // Go
                "Tue, 14 Nov 2017 14:20:57 GMT",
                "Tue, 14 Nov 2017 17:20:57 +03", // Go, of a zone without abbreviation
                "Tue, 14 Nov 2017 19:50:57 +0530",
                "Tue, 14 Nov 2017 10:50:57 -0330",
                "Tue, 14 Nov 2017 17:20:57 GMT+03:00",
                "Tue, 14 Nov 2017 20:50:57 MMT",
                "Tue, 14 Nov 2017 21:20:57 ICT",
                " tue, 14 nov 2017 14:20:57 UTC ",
            ] {
                assert_eq!(told(date, here), Ok(()), "{date} in {here}");
            }
        }
        // Python writes `CST` for its own wall clock, wherever it is: it counts where the server is there too.
        assert_eq!(told("Tue, 14 Nov 2017 09:20:57 CST", "America/New_York"), Ok(()));
        assert_eq!(told("Tue, 14 Nov 2017 09:20:57 CST", "Europe/Berlin"), Err(Misuse::SkewedDate));
    }

    #[test]
    fn a_date_counts_for_15_minutes_on_either_side_and_no_longer() {
        for near in ["14:05:57", "14:35:57", "22:05:57", "22:35:57"] {
            assert_eq!(told(&format!("Tue, 14 Nov 2017 {near} Nowhere/Land"), "Asia/Shanghai"), Ok(()));
        }
        for far in ["14:05:56", "14:35:58", "22:05:56", "22:35:58", "18:20:57"] {
            let date = format!("Tue, 14 Nov 2017 {far} CST");
            assert_eq!(told(&date, "Asia/Shanghai"), Err(Misuse::SkewedDate), "{far}");
        }
    }

    #[test]
    fn what_is_no_such_date_is_told() {
        for bad in [
            "",
            "yesterday",
            "2017-11-14T14:20:57Z and some more",
            "Tue, 14 Nov 2017 25:20:57 UTC",
            "Tue, 14 November 2017 14:20:57 UTC",
            "Tue, 14 Nov 2017 14:20:5ä UTC",
            "ääääääääääääääääää",
        ] {
            assert_eq!(told(bad, "UTC"), Err(Misuse::BadDate), "{bad}");
        }
    }
}
