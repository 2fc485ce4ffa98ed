//! How keys of settings are spelled: in the environment, and nearly right.

use super::{SETTINGS, store_url};

/// The environment variable of a key: `engine.maxRunning` is `LONGHAUL_ENGINE_MAX_RUNNING`. Where the store is has the
/// name of its flag.
pub fn variable(key: &str) -> String {
    if key == store_url::KEY {
        return "LONGHAUL_STORE".to_owned();
    }
    let mut name = String::from("LONGHAUL_");
    for c in key.chars() {
        match c {
            '.' => name.push('_'),
            c if c.is_ascii_uppercase() => {
                name.push('_');
                name.push(c);
            }
            c => name.push(c.to_ascii_uppercase()),
        }
    }
    name
}

/// What is said behind a name that there is not: the one of `known` that it was meant to be, or all of them.
pub(crate) fn meant_of(name: &str, known: impl Iterator<Item = &'static str>) -> String {
    let known: Vec<_> = known.collect();
    match nearest_of(name, known.iter().copied()) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => format!("there are {}", known.join(", ")),
    }
}

/// The same of a setting, of which there are too many to be listed.
pub(super) fn meant(key: &str) -> String {
    match nearest_of(key, SETTINGS.iter().map(|s| s.key)) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => "all of them are in docs/configuration.md".to_owned(),
    }
}

/// Which of `known` is spelled most like `key`, if half of it at least is.
pub(crate) fn nearest_of(key: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let key = key.to_ascii_lowercase();
    let far = known.map(|known| (distance(&key, &known.to_ascii_lowercase()), known));
    let (far, nearest) = far.min_by_key(|(far, _)| *far)?;
    (far * 2 <= key.len().max(nearest.len())).then_some(nearest)
}

/// How many letters to add, drop or change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let changed = corner + usize::from(ca != *cb);
            corner = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}
