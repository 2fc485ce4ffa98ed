//! Numbers for people: sizes, rates and durations, both ways. JSON output never goes through here.

use std::time::Duration;

use crate::error::ClientError;

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// `1536` as `1.5 KiB`.
pub fn bytes(count: u64) -> String {
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut unit, mut divisor) = (0, 1024_u64);
    while unit + 1 < UNITS.len() && count / divisor >= 1024 {
        divisor *= 1024;
        unit += 1;
    }
    let tenths = u128::from(count) * 10 / u128::from(divisor);
    let (whole, tenth) = (tenths / 10, tenths % 10);
    if whole >= 100 || tenth == 0 {
        format!("{whole} {}", UNITS[unit])
    } else {
        format!("{whole}.{tenth} {}", UNITS[unit])
    }
}

/// Seconds as `4 s`, `3 min 04 s`, `2 h 03 min`.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A size in bytes: `512`, `10G`, `1.5GiB`, `64 MiB`. Every unit is a power of 1,024, as for qemu-img.
///
/// # Errors
/// Not a size, or more than 2^63 - 1 bytes.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let trimmed = text.trim().trim_end_matches("/s");
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = (&trimmed[..split], trimmed[split..].trim());
    let power = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 1,
        "m" | "mib" => 2,
        "g" | "gib" => 3,
        "t" | "tib" => 4,
        "p" | "pib" => 5,
        _ => return Err(format!("`{unit}` is no unit; use K, M, G, T or P (powers of 1,024)")),
    };
    let factor = 1024_u128.pow(power);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let bad = || format!("`{text}` is no size; write it as 512, 10G or 1.5T");
    if whole.is_empty() || fraction.len() > 9 || (number.contains('.') && fraction.is_empty()) {
        return Err(bad());
    }
    let whole: u128 = whole.parse().map_err(|_| bad())?;
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| bad())? };
    let digits = u32::try_from(fraction.len()).map_err(|_| bad())?;
    let total = whole.checked_mul(factor).map(|w| w + part * factor / 10_u128.pow(digits));
    let total = total.and_then(|t| i64::try_from(t).ok()).ok_or_else(|| format!("`{text}` is too large"))?;
    u64::try_from(total).map_err(|_| bad())
}

/// A rate in bytes per second, as `parse_bytes`; `none` and 0 are 0: no limit.
///
/// # Errors
/// Neither.
pub fn parse_rate(text: &str) -> Result<u64, String> {
    if text.trim().eq_ignore_ascii_case("none") { Ok(0) } else { parse_bytes(text) }
}

/// A span of time: `90`, `90s`, `10m`, `2h`, `1d`.
///
/// # Errors
/// Not a span of time.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no span of time; write it as 90, 90s, 10m, 2h or 1d");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..split].parse().map_err(|_| bad())?;
    let factor = match &text[split..] {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(bad()),
    };
    number.checked_mul(factor).filter(|s| *s <= 31_536_000).map(Duration::from_secs).ok_or_else(bad)
}

/// JSON text, or what is in the file after `@` (`@-`: stdin).
///
/// # Errors
/// The file can not be read, or the text is no JSON.
pub fn json_argument(text: &str) -> Result<String, ClientError> {
    let data = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some("-") => std::io::read_to_string(std::io::stdin())
            .map_err(|e| ClientError::local(format!("stdin can not be read: {e}")))?,
        Some(path) => std::fs::read_to_string(path)
            .map_err(|e| ClientError::local(format!("{path} can not be read: {e}")))?,
    };
    serde_json::from_str::<serde::de::IgnoredAny>(&data)
        .map_err(|e| ClientError::usage(format!("--data is no JSON: {e}")))?;
    Ok(data)
}

/// When it begins to move, and what it waits for, where something pauses it now.
pub fn begins(plan: &serde_json::Value) -> Option<String> {
    let why = plan["waitsFor"].as_str()?;
    Some(match plan["beginsAt"].as_str() {
        Some(at) => format!("at {at}, after {why}"),
        None => format!("not before {why} gives it something"),
    })
}

/// A command line that a shell reads as these words.
pub fn command(words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+=,-".contains(c);
    let word = |word: &String| match !word.is_empty() && word.chars().all(plain) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_powers_of_1024() {
        for (count, told) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (150 << 20, "150 MiB"),
            (10 << 30, "10 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(bytes(count), told);
        }
    }

    #[test]
    fn sizes_are_read_with_a_unit_and_bounds() {
        assert_eq!(parse_bytes("512"), Ok(512));
        assert_eq!(parse_bytes("10G"), Ok(10 << 30));
        assert_eq!(parse_bytes("1.5GiB"), Ok(3 << 29));
        assert_eq!(parse_bytes("64 MiB"), Ok(64 << 20));
        assert_eq!(parse_bytes("100M/s"), Ok(100 << 20));
        for bad in
            ["", "G", "1.G", ".5G", "1X", "-1", "9999999P", "1e3", "99999999999999999999999999999999999999P"]
        {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_of_time_are_read_and_told() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("10m"), Ok(Duration::from_secs(600)));
        assert!(parse_duration("1y").is_err() && parse_duration("").is_err());
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(184), "3 min 04 s");
        assert_eq!(duration(7_380), "2 h 03 min");
    }

    #[test]
    fn a_command_that_is_told_can_be_pasted() {
        let words = ["longhaul", "image", "my disk's.raw", "", "a=b"].map(str::to_owned);
        assert_eq!(command(&words), r"longhaul image 'my disk'\''s.raw' '' a=b");
    }

    #[test]
    fn broken_data_is_refused_before_it_is_sent() {
        assert!(json_argument("{\"a\":1}").is_ok());
        assert_eq!(json_argument("{").map_err(|e| e.exit()), Err(crate::exit::Exit::Usage));
        assert!(json_argument("@/nonexistent/file").is_err());
    }
}
