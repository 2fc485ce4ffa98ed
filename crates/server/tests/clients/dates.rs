//! How the SDKs read moments: Java's Gson, and Go's patterns with their fixed zone. Python keeps the text.
//!
//! Source: rest-api.md 6.1 "Date acceptance by clients", 7.1, 7.3.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970 as Gson reads them in a JVM in `zone`; `None` is a JsonSyntaxException.
pub fn gson(text: &str, zone: &TimeZone) -> Option<i64> {
    // JDK 9 and later write a comma after the year.
    let american = american(text).or_else(|| american(&without_second_comma(text)?));
    match american {
        Some(time) => in_zone(time, zone),
        None => iso(text),
    }
}

/// Seconds since 1970 as Go's SDKs read them; `None` is a logged warning and the zero time.
pub fn go(text: &str) -> Option<i64> {
    let utc8 = TimeZone::fixed(jiff::tz::offset(8));
    if let Some(time) = american(text) {
        return in_zone(time, &utc8);
    }
    iso(text).or_else(|| in_zone(mysql(text)?, &utc8))
}

fn in_zone(time: DateTime, zone: &TimeZone) -> Option<i64> {
    time.to_zoned(zone.clone()).ok().map(|z| z.timestamp().as_second())
}

/// `Nov 4, 2017 1:05:09 PM`: single ASCII spaces, no zone.
fn american(text: &str) -> Option<DateTime> {
    let [month, day, year, time, half] = text.split(' ').collect::<Vec<_>>()[..] else { return None };
    let month = MONTHS.iter().position(|m| *m == month)? + 1;
    let day = number(day.strip_suffix(',')?, 1..=2)?;
    let year = number(year, 4..=4)?;
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>()[..] else { return None };
    let hour = number(hour, 1..=2).filter(|h| (1..=12).contains(h))? % 12;
    let hour = match half {
        "AM" => hour,
        "PM" => hour + 12,
        _ => return None,
    };
    let (minute, second) = (number(minute, 1..=2)?, number(second, 1..=2)?);
    let small = |n: i16| i8::try_from(n).ok();
    DateTime::new(
        year,
        i8::try_from(month).ok()?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        0,
    )
    .ok()
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i16> {
    let all = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

fn without_second_comma(text: &str) -> Option<String> {
    let (day, rest) = text.split_once(", ")?;
    let (year, time) = rest.split_once(", ")?;
    Some(format!("{day}, {year} {time}"))
}

/// `2017-11-14T22:20:57+08:00` or with `Z`: with a zone and a `T`, else nothing.
fn iso(text: &str) -> Option<i64> {
    let time = text.get(10..11) == Some("T");
    time.then(|| text.parse::<jiff::Timestamp>().ok()).flatten().map(|t| t.as_second())
}

/// `2017-11-14 22:20:57`.
fn mysql(text: &str) -> Option<DateTime> {
    let spaced = text.len() == 19 && text.get(10..11) == Some(" ");
    spaced.then(|| text.replace(' ', "T").parse().ok()).flatten()
}

#[test]
fn gson_reads_the_two_forms_of_the_profiles_and_not_numbers_or_mysqls() {
    let shanghai = TimeZone::get("Asia/Shanghai").expect("the zone");
    let moment = 1_510_669_257;
    for text in [
        "Nov 14, 2017 10:20:57 PM",
        "Nov 14, 2017, 10:20:57 PM",
        "2017-11-14T22:20:57+08:00",
        "2017-11-14T14:20:57Z",
    ] {
        assert_eq!(gson(text, &shanghai), Some(moment), "{text}");
    }
    assert_eq!(gson("Nov 14, 2017 10:20:57 PM", &TimeZone::UTC), Some(moment + 8 * 3600));
    for text in ["1510669257000", "2017-11-14 22:20:57", "Nov 14, 2017 10:20:57\u{202f}PM", ""] {
        assert_eq!(gson(text, &shanghai), None, "{text}");
    }
}

#[test]
fn go_takes_text_without_a_zone_for_utc_plus_8_and_reads_no_narrow_space() {
    let moment = 1_510_669_257;
    for text in ["Nov 14, 2017 10:20:57 PM", "2017-11-14T14:20:57+00:00", "2017-11-14 22:20:57"] {
        assert_eq!(go(text), Some(moment), "{text}");
    }
    assert_eq!(go("Nov 4, 2017 12:05:09 AM"), Some(1_509_725_109));
    for text in ["Nov 14, 2017, 10:20:57 PM", "Nov 14, 2017 10:20:57\u{202f}PM", "1510669257000"] {
        assert_eq!(go(text), None, "{text}");
    }
}
