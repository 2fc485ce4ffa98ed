//! Queries over rows that are in no store (the one zone, the global configurations): the same grammar,
//! answered in memory over the keys of their inventories.
//!
//! Source: rest-api.md section 5.

use std::cmp::Ordering;

use longhaul_model::Fault;
use longhaul_model::query::Op;
use serde_json::{Map, Value};

use super::raw::{RawCondition, RawQuery, RawTerm};
use super::resolve::{check_filter_name, page, select, unknown_field};
use crate::inventory::Inventory;
use crate::profile::Profile;

/// What a query found.
#[derive(Debug, Clone, PartialEq)]
pub struct TableAnswer<R> {
    /// The rows of the page, `None` if only their number is wanted.
    pub rows: Option<Vec<R>>,
    /// How many match, if wanted.
    pub total: Option<u64>,
    /// The keys to answer; `None` = all.
    pub fields: Option<Vec<String>>,
}

/// Conditions that every resource knows and that none of these rows meets: they have no tags.
const TAG_KEYS: [&str; 3] = ["__systemTag__", "__userTag__", "__tagUuid__"];

/// Answers `raw` over `rows`, which stay in their order unless it sorts. `keys` are those of the inventory.
/// Values compare as text, ASCII case ignored, or as numbers where both sides are.
///
/// # Errors
/// As `resolve`.
pub fn answer<R: Inventory>(
    raw: &RawQuery,
    rows: Vec<R>,
    keys: &[&str],
    profile: Profile,
) -> Result<TableAnswer<R>, Fault> {
    check_filter_name(raw)?;
    let known = || keys.iter().copied();
    let fields = select(raw, profile, known)?;
    let page = page(raw)?;
    let mut names: Vec<&str> = raw.conditions.iter().map(|c| c.name.as_str()).collect();
    raw.terms.iter().for_each(|term| names_in(term, &mut names));
    for name in names {
        if !keys.contains(&name) && !TAG_KEYS.contains(&name) {
            let class = R::CLASS.unwrap_or_default();
            let exact = format!("inventory class[class {class}] not having field[{name}]");
            return Err(unknown_field(profile, exact, name, known()));
        }
    }
    let mut found: Vec<(Map<String, Value>, R)> = rows.into_iter().map(|row| (members(&row), row)).collect();
    found.retain(|(members, _)| {
        raw.conditions.iter().all(|c| holds(c, members.get(&c.name)))
            && raw.terms.iter().all(|t| term_holds(t, members))
    });
    if let Some(text) = raw.sort.as_deref().map(str::trim).filter(|s| !s.is_empty()) {
        let key = text.trim_start_matches(['+', '-']).trim();
        if !keys.contains(&key) {
            let exact = format!("error no viable alternative at input '{key}', there is no field to sort by");
            return Err(unknown_field(profile, exact, key, known()));
        }
        found.sort_by(|(a, _), (b, _)| {
            let ordering = order(a.get(key), b.get(key));
            if text.starts_with('-') { ordering.reverse() } else { ordering }
        });
    }
    let total = (raw.count || raw.reply_with_count).then_some(found.len() as u64);
    let start = usize::try_from(page.start).unwrap_or(usize::MAX);
    let shown = found.into_iter().skip(start).take(page.limit as usize).map(|(_, row)| row);
    Ok(TableAnswer { rows: (!raw.count).then(|| shown.collect()), total, fields })
}

/// Every condition in it is looked at, so that an unknown field is always told.
fn names_in<'a>(term: &'a RawTerm, names: &mut Vec<&'a str>) {
    match term {
        RawTerm::One(condition) => names.push(&condition.name),
        RawTerm::All(terms) | RawTerm::Any(terms) => terms.iter().for_each(|t| names_in(t, names)),
    }
}

fn term_holds(term: &RawTerm, members: &Map<String, Value>) -> bool {
    match term {
        RawTerm::One(condition) => holds(condition, members.get(&condition.name)),
        RawTerm::All(terms) => terms.iter().all(|t| term_holds(t, members)),
        RawTerm::Any(terms) => terms.iter().any(|t| term_holds(t, members)),
    }
}

fn members(row: &impl Inventory) -> Map<String, Value> {
    match serde_json::to_value(row) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(), // an inventory is an object
    }
}

/// As a query writes it.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_ascii_lowercase(),
        other => other.to_string(),
    }
}

fn order(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    let (a, b) = (a.map(text_of), b.map(text_of));
    match (&a, &b) {
        (Some(a), Some(b)) => compare(a, b),
        _ => a.cmp(&b), // null is smallest
    }
}

fn compare(a: &str, b: &str) -> Ordering {
    match (a.trim().parse::<i128>(), b.trim().parse::<i128>()) {
        (Ok(a), Ok(b)) => a.cmp(&b),
        _ => a.cmp(b),
    }
}

fn holds(condition: &RawCondition, value: Option<&Value>) -> bool {
    let Some(value) = value.map(text_of) else { return condition.op == Op::IsNull };
    let wanted = condition.value.to_ascii_lowercase();
    let ordering = compare(&value, &wanted);
    match condition.op {
        Op::Eq => ordering.is_eq(),
        Op::Ne => ordering.is_ne(),
        Op::Gt => ordering.is_gt(),
        Op::Ge => ordering.is_ge(),
        Op::Lt => ordering.is_lt(),
        Op::Le => ordering.is_le(),
        Op::In => wanted.split(',').any(|w| compare(&value, w).is_eq()),
        Op::NotIn => wanted.split(',').all(|w| compare(&value, w).is_ne()),
        Op::Like => like(&value, &wanted),
        Op::NotLike => !like(&value, &wanted),
        Op::IsNull => false,
        Op::NotNull => true,
    }
}

/// SQL LIKE with `%` and `_`, in time of the product of the lengths at most.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut t, mut p, mut retry) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                retry = Some((t, p));
                p += 1;
            }
            Some(c) if *c == '_' || *c == text[t] => {
                t += 1;
                p += 1;
            }
            _ => {
                let Some((from, star)) = retry else { return false };
                retry = Some((from + 1, star));
                t = from + 1;
                p = star + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_percent_and_underscore() {
        for (text, pattern, want) in [
            ("zone", "z%", true),
            ("zone", "%n_", true),
            ("zone", "_one%", true),
            ("zone", "o%", false),
            ("", "%", true),
            ("a", "", false),
            ("aab", "%ab", true),
        ] {
            assert_eq!(like(text, pattern), want, "{text} {pattern}");
        }
    }

    #[test]
    fn numbers_compare_as_numbers_and_null_is_smallest() {
        assert_eq!(compare("9", "10"), Ordering::Less);
        assert_eq!(compare("9", "10x"), Ordering::Greater);
        assert_eq!(order(None, Some(&Value::from(""))), Ordering::Less);
    }
}
