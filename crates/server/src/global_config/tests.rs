//! What must hold for every row of the table.

use super::*;
use crate::settings::Layers;

fn settings(key: &str, value: &str) -> Option<InForce> {
    let mut layers = Layers::default();
    layers.set(key, value, "a test").expect("a known setting");
    layers.settings().ok().map(|settings| InForce::of(&settings))
}

fn defaults() -> InForce {
    InForce::of(&Layers::default().settings().expect("the defaults"))
}

#[test]
fn every_name_is_there_once() {
    for (at, row) in ROWS.iter().enumerate() {
        assert!(Row::find(row.category, row.name).is_ok());
        assert!(ROWS[..at].iter().all(|r| (r.category, r.name) != (row.category, row.name)), "{}", row.name);
    }
}

#[test]
fn a_value_reads_back_and_changes_nothing_else() {
    for row in ROWS {
        let values: &[&str] = match row.bounds {
            Bounds::Number(low, _) => &[&low.to_string(), &(low + 7).to_string()],
            Bounds::NumberOrEmpty(..) => &["", "7"],
            Bounds::Flag => &["false", "true"],
            Bounds::OneOf(words) => words,
        };
        for value in values {
            let mut now = defaults();
            row.put(&mut now, value).unwrap();
            assert_eq!(row.text(&now), *value, "{}", row.name);
            for other in ROWS.iter().filter(|r| r.name != row.name) {
                assert_eq!(other.text(&now), other.text(&defaults()), "{} and {}", row.name, other.name);
            }
        }
    }
}

#[test]
fn a_value_out_of_bounds_is_refused_with_the_bounds_and_changes_nothing() {
    for row in ROWS {
        let (wrong, told) = match row.bounds {
            Bounds::Number(low, high) | Bounds::NumberOrEmpty(low, high) => (
                vec!["x".to_owned(), "-1".to_owned(), "1.5".to_owned(), beyond(high)],
                format!("[{low}, {high}]"),
            ),
            Bounds::OneOf(words) => {
                (vec![words[0].to_lowercase(), String::new()], format!("[{}]", words.join(", ")))
            }
            Bounds::Flag => {
                (vec!["1".to_owned(), "yes".to_owned(), String::new()], "[true, false]".to_owned())
            }
        };
        for value in wrong {
            let mut now = defaults();
            let refused = row.put(&mut now, &value).unwrap_err();
            assert_eq!(refused.code, longhaul_model::Code::InvalidArgument);
            assert!(refused.details.contains(&told), "{}: {refused}", row.name);
            assert_eq!(now, defaults());
        }
    }
}

fn beyond(high: u64) -> String {
    (u128::from(high) + 1).to_string()
}

#[test]
fn defaults_and_bounds_are_those_of_the_settings() {
    for row in ROWS {
        let Some(key) = row.setting else { continue };
        let (Bounds::Number(low, high) | Bounds::NumberOrEmpty(low, high)) = row.bounds else {
            panic!("{key}")
        };
        for value in [low, high] {
            let now = settings(key, &value.to_string()).unwrap_or_else(|| panic!("{key} takes {value}"));
            assert_eq!(row.text(&now), value.to_string(), "{key}");
        }
        assert!(settings(key, &beyond(high)).is_none(), "{key}");
        assert!(low == 0 || settings(key, &(low - 1).to_string()).is_none(), "{key}");
    }
}
