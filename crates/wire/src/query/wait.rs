//! How long a query of one job waits for its end: `GET /longjobs/{uuid}?wait=30s`. Ours; ZStack ignores it.

use std::time::Duration;

use longhaul_model::Fault;

/// Longest wait that one call asks for, in seconds.
pub const WAIT_MAX_S: u64 = 60;

/// Reads `30s`, `500ms`, `1m`, or a number of seconds.
///
/// # Errors
/// SYS.1007: it is no span of time, or longer than `WAIT_MAX_S`.
pub fn parse_wait(text: &str) -> Result<Duration, Fault> {
    let text = text.trim();
    let bad = || {
        Fault::invalid(format!(
            "parameter wait[{text}] is no span of time; write it as 30s, 500ms or 1m, at most {WAIT_MAX_S}s"
        ))
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| bad())?;
    let unit_ms = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        _ => return Err(bad()),
    };
    let wait_ms = number.saturating_mul(unit_ms);
    if wait_ms > WAIT_MAX_S * 1000 {
        return Err(Fault::invalid(format!(
            "parameter wait[{text}] is longer than {WAIT_MAX_S}s; ask again after that, a job goes on meanwhile"
        )));
    }
    Ok(Duration::from_millis(wait_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_and_without_a_unit() {
        for (text, ms) in [("30s", 30_000), (" 500ms", 500), ("1m", 60_000), ("7", 7000), ("0", 0)] {
            assert_eq!(parse_wait(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_span_or_too_long_is_refused_with_what_to_write() {
        for text in ["", "s", "-1s", "1.5s", "30 s", "1h", "for ever", "99999999999999999999"] {
            let fault = parse_wait(text).expect_err(text);
            assert!(fault.details.contains("write it as 30s"), "{fault}");
        }
        for text in ["61s", "2m", "60001ms", "18446744073709551615m"] {
            let fault = parse_wait(text).expect_err(text);
            assert!(fault.details.contains("longer than 60s"), "{fault}");
        }
    }
}
