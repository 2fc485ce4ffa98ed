//! How the configuration file spells the budgets of storages: `[storage.NAME]` with `bytes_per_second` and `time_zone`,
//! and any number of `[[storage.NAME.window]]`. NAME keeps its case, so the file is read here apart from the settings.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, bail};
use jiff::tz::TimeZone;
use longhaul_engine::throttle::THROTTLE_MIN;
use longhaul_jobs::pace::{Budget, Schedule, Window, weekday};
use toml::{Table, Value};

use super::is_of_a_storage;
use crate::settings::nearest_of;

/// Windows of one storage.
const WINDOWS_MAX: usize = 100;

/// The budgets of all storages that `text` names, by what it calls them. `zone` is that of those without one.
///
/// # Errors
/// `text` is no TOML; a key is unknown, or a value is not what it must be. `source` and the key are named.
pub fn storages(text: &str, source: &str, zone: &TimeZone) -> Result<BTreeMap<String, Schedule>> {
    let table: Table = text.parse().map_err(|error| anyhow!("the configuration file {source}: {error}"))?;
    let mut all = BTreeMap::new();
    let storages = table.iter().filter(|(key, _)| key.eq_ignore_ascii_case("storage"));
    for (name, value) in storages.filter_map(|(_, value)| value.as_table()).flatten() {
        if let (Some(table), true) = (value.as_table(), is_of_a_storage(&format!("storage.{name}"))) {
            let place = Place { source, key: format!("storage.{name}") };
            all.insert(name.clone(), storage(table, &place, zone)?);
        }
    }
    Ok(all)
}

/// Where a value stands, for errors.
struct Place<'s> {
    source: &'s str,
    key: String,
}

impl Place<'_> {
    fn wrong(&self, key: &str, value: &Value, must: &str) -> anyhow::Error {
        anyhow!("{}: {}.{key} = {value} must be {must}", self.source, self.key)
    }

    fn known(&self, table: &Table, keys: &'static [&'static str]) -> Result<()> {
        match table.keys().find(|key| !keys.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let (source, place) = (self.source, &self.key);
                match nearest_of(key, keys.iter().copied()) {
                    Some(nearest) => {
                        bail!("{source}: there is no {place}.{key}; did you mean {place}.{nearest}?")
                    }
                    None => bail!("{source}: there is no {place}.{key}; there are {}", keys.join(", ")),
                }
            }
        }
    }

    /// Bytes per second; 0 is no limit.
    fn rate(&self, table: &Table) -> Result<Option<Budget>> {
        let Some(value) = table.get("bytes_per_second") else { return Ok(None) };
        match value.as_integer().and_then(|bytes| u64::try_from(bytes).ok()) {
            Some(0) => Ok(Some(Budget::Unlimited)),
            Some(bytes) if bytes >= THROTTLE_MIN => Ok(Some(Budget::PerSecond(bytes))),
            _ => {
                let must =
                    format!("a whole number of bytes per second from {THROTTLE_MIN} on, or 0 for no limit");
                Err(self.wrong("bytes_per_second", value, &must))
            }
        }
    }

    /// A time of the day as seconds after midnight; `last` is the last one that it may be.
    fn time(&self, table: &Table, key: &'static str, last: &str) -> Result<u32> {
        let Some(value) = table.get(key) else {
            bail!("{}: {}.{key} is missing; write it as {key} = \"22:00\"", self.source, self.key)
        };
        let at = value.as_str().and_then(seconds).filter(|at| seconds(last).is_some_and(|last| *at <= last));
        at.ok_or_else(|| self.wrong(key, value, &format!("a time of the day, \"00:00\" to \"{last}\"")))
    }
}

/// `HH:MM` or `HH:MM:SS` as seconds after midnight, to 24:00.
fn seconds(text: &str) -> Option<u32> {
    let parts: Option<Vec<u32>> =
        text.split(':').map(|part| part.parse().ok().filter(|_| part.len() == 2)).collect();
    let (hours, minutes, seconds) = match parts?[..] {
        [hours, minutes] => (hours, minutes, 0),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    let at = hours * 3600 + minutes * 60 + seconds;
    (minutes < 60 && seconds < 60 && at <= 24 * 3600).then_some(at)
}

fn storage(table: &Table, place: &Place<'_>, zone: &TimeZone) -> Result<Schedule> {
    place.known(table, &["bytes_per_second", "time_zone", "window"])?;
    let zone = match table.get("time_zone") {
        None => zone.clone(),
        Some(value) => {
            let known = value.as_str().and_then(|name| TimeZone::get(name).ok());
            known.ok_or_else(|| place.wrong("time_zone", value, "an IANA name, as \"Europe/Berlin\""))?
        }
    };
    let windows = match table.get("window") {
        None => Vec::new(),
        Some(value) => {
            let all = value.as_array().filter(|all| all.iter().all(Value::is_table));
            let must = "an array of tables; write each as [[…window]]";
            let all = all.ok_or_else(|| place.wrong("window", value, must))?;
            if all.len() > WINDOWS_MAX {
                bail!(
                    "{}: {}.window has {} windows, but a storage has at most {WINDOWS_MAX}",
                    place.source,
                    place.key,
                    all.len()
                );
            }
            let of = |(at, table)| {
                let key = format!("{}.window (number {})", place.key, at + 1);
                window(table, &Place { source: place.source, key })
            };
            (0..).zip(all.iter().filter_map(Value::as_table)).map(of).collect::<Result<_>>()?
        }
    };
    Ok(Schedule { base: place.rate(table)?.unwrap_or(Budget::Unlimited), zone, windows })
}

fn window(table: &Table, place: &Place<'_>) -> Result<Window> {
    place.known(table, &["days", "from", "to", "bytes_per_second", "pause"])?;
    let pause = match table.get("pause") {
        None => false,
        Some(value) => value.as_bool().ok_or_else(|| place.wrong("pause", value, "true or false"))?,
    };
    let budget = match (place.rate(table)?, pause) {
        (Some(budget), false) => budget,
        (None, true) => Budget::Paused,
        _ => bail!("{}: {} must have either bytes_per_second or pause = true", place.source, place.key),
    };
    let (from, to) = (place.time(table, "from", "23:59:59")?, place.time(table, "to", "24:00")?);
    if from == to {
        let value = table.get("to").cloned().unwrap_or(Value::Boolean(false));
        return Err(place.wrong(
            "to",
            &value,
            "another time than from; a whole day is from \"00:00\" to \"24:00\"",
        ));
    }
    Ok(Window { days: days(table, place)?, from, to, budget })
}

/// The days on which it begins; every day where none are named.
fn days(table: &Table, place: &Place<'_>) -> Result<[bool; 7]> {
    let Some(value) = table.get("days") else { return Ok([true; 7]) };
    let wrong = || {
        place.wrong("days", value, "a list of weekdays, as [\"mon\", \"tue\"]; leave it out for every day")
    };
    let names = value.as_array().filter(|names| !names.is_empty()).ok_or_else(wrong)?;
    let mut days = [false; 7];
    for name in names {
        let day = name.as_str().and_then(weekday).ok_or_else(wrong)?;
        days[day] = true;
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, Schedule>> {
        storages(text, "test.toml", &TimeZone::UTC)
    }

    #[test]
    fn budgets_and_windows_are_read_as_the_file_spells_them() {
        let all = read(
            r#"
            copy.streams = 2
            [storage]
            watchSeconds = 5
            [storage."Fast SSD"]
            bytes_per_second = 104857600
            time_zone = "Europe/Berlin"
            [[storage."Fast SSD".window]]
            days = ["mon", "Friday"]
            from = "08:00"
            to = "18:30"
            bytes_per_second = 0
            [[storage."Fast SSD".window]]
            from = "22:00"
            to = "24:00"
            pause = true
            [storage.70a0618804864b3dabe8be9824c8028c]
            "#,
        )
        .unwrap();
        assert_eq!(all.keys().collect::<Vec<_>>(), ["70a0618804864b3dabe8be9824c8028c", "Fast SSD"]);
        let fast = &all["Fast SSD"];
        assert_eq!((fast.base, fast.zone.iana_name()), (Budget::PerSecond(100 << 20), Some("Europe/Berlin")));
        let days = [true, false, false, false, true, false, false];
        let first = Window { days, from: 8 * 3600, to: 18 * 3600 + 1800, budget: Budget::Unlimited };
        let second = Window { days: [true; 7], from: 22 * 3600, to: 24 * 3600, budget: Budget::Paused };
        assert_eq!(fast.windows, [first, second]);
        let bare = &all["70a0618804864b3dabe8be9824c8028c"];
        assert_eq!((bare.base, &bare.zone, bare.windows.len()), (Budget::Unlimited, &TimeZone::UTC, 0));
        assert!(read("[storage]\nwatchSeconds = 5").unwrap().is_empty() && read("").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_key_and_what_it_must_be() {
        for (text, parts) in [
            (
                "[storage.a]\nbytes_per_secnd = 1",
                ["storage.a.bytes_per_secnd", "storage.a.bytes_per_second?"],
            ),
            ("[storage.a]\nbytes_per_second = 1", ["storage.a.bytes_per_second = 1", "from 65536 on"]),
            ("[storage.a]\nbytes_per_second = \"1M\"", ["storage.a.bytes_per_second", "whole number"]),
            ("[storage.a]\ntime_zone = \"Berlin\"", ["storage.a.time_zone = \"Berlin\"", "IANA name"]),
            ("[storage.a]\nwindow = 5", ["storage.a.window = 5", "[[…window]]"]),
            (
                "[[storage.a.window]]\nfrom = \"08:00\"",
                ["window (number 1)", "either bytes_per_second or pause = true"],
            ),
            ("[[storage.a.window]]\npause = true\nfrom = \"08:00\"", ["(number 1).to is missing", "22:00"]),
            (
                "[[storage.a.window]]\npause = true\nfrom = \"8:00\"\nto = \"9:00\"",
                ["(number 1).from = \"8:00\"", "23:59"],
            ),
            (
                "[[storage.a.window]]\npause = true\nfrom = \"24:00\"\nto = \"09:00\"",
                ["(number 1).from", "23:59"],
            ),
            (
                "[[storage.a.window]]\npause = true\nfrom = \"08:00\"\nto = \"24:01\"",
                ["(number 1).to", "24:00"],
            ),
            (
                "[[storage.a.window]]\npause = true\nfrom = \"08:00\"\nto = \"08:60\"",
                ["(number 1).to", "24:00"],
            ),
            (
                "[[storage.a.window]]\npause = true\nfrom = \"08:00\"\nto = \"08:00\"",
                ["(number 1).to", "another time"],
            ),
            (
                "[[storage.a.window]]\npause = true\nbytes_per_second = 0\nfrom = \"08:00\"\nto = \"09:00\"",
                ["(number 1)", "either"],
            ),
            (
                "[[storage.a.window]]\npause = 1\nfrom = \"08:00\"\nto = \"09:00\"",
                ["(number 1).pause = 1", "true or false"],
            ),
            (
                "[[storage.a.window]]\npause = true\nfrom = \"08:00\"\nto = \"09:00\"\ndays = [\"mo\"]",
                ["(number 1).days", "weekdays"],
            ),
            (
                "[[storage.a.window]]\npause = true\nfrom = \"08:00\"\nto = \"09:00\"\ndays = []",
                ["(number 1).days", "leave it out"],
            ),
            ("[storage.a", ["the configuration file test.toml", ""]),
        ] {
            let refused = read(text).unwrap_err().to_string();
            assert!(
                refused.contains("test.toml") && parts.iter().all(|part| refused.contains(part)),
                "{text}\n{refused}"
            );
        }
    }
}
