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

pub(crate) fn nearest(key: &str) -> &'static str {
    nearest_of(key, SETTINGS.iter().map(|s| s.key)).unwrap_or("listen")
}

/// Which of `known` is spelled most like `key`.
pub(crate) fn nearest_of(key: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let key = key.to_ascii_lowercase();
    known.min_by_key(|known| distance(&key, &known.to_ascii_lowercase()))
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
