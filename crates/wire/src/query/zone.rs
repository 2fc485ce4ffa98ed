//! Queries on the one zone, which is in no store: the same grammar, answered in memory.
//!
//! Source: rest-api.md section 5, resources.md 2.

use longhaul_model::Fault;
use longhaul_model::query::Op;

use super::raw::{RawCondition, RawQuery, RawTerm};
use super::resolve::{check_filter_name, page, select, unknown_field};
use crate::inventory::{Inventory, ZoneInventory};
use crate::profile::Profile;

/// What a query on zones found: at most the one.
#[derive(Debug, Clone, PartialEq)]
pub struct ZoneAnswer {
    /// The rows, `None` if only their number is wanted.
    pub rows: Option<Vec<ZoneInventory>>,
    /// How many match, if wanted.
    pub total: Option<u64>,
    /// The keys to answer; `None` = all.
    pub fields: Option<Vec<String>>,
}

const KEYS: [&str; 7] = ["uuid", "name", "description", "state", "type", "createDate", "lastOpDate"];

/// Answers `raw` over `zone`. All values compare as text, ASCII case ignored; order comparisons too.
///
/// # Errors
/// As `resolve`.
pub fn zones(raw: &RawQuery, zone: ZoneInventory, profile: Profile) -> Result<ZoneAnswer, Fault> {
    check_filter_name(raw)?;
    let known = || KEYS.into_iter().chain(["isDefault"]);
    let fields = select(raw, profile, known)?;
    let page = page(raw)?;
    let holds_one = |condition: &RawCondition| {
        let value = match condition.name.as_str() {
            "uuid" => Some(zone.uuid.as_str()),
            "name" => Some(zone.name.as_str()),
            "description" => zone.description.as_deref(),
            "state" => Some(zone.state.as_str()),
            "type" => Some(zone.kind.as_str()),
            "createDate" => Some(zone.create_date.as_str()),
            "lastOpDate" => Some(zone.last_op_date.as_str()),
            "isDefault" => Some(if zone.is_default { "true" } else { "false" }),
            "__systemTag__" | "__userTag__" | "__tagUuid__" => None,
            name => {
                let class = ZoneInventory::CLASS.unwrap_or_default();
                let exact = format!("inventory class[class {class}] not having field[{name}]");
                return Err(unknown_field(profile, exact, name, known()));
            }
        };
        Ok(holds(condition, value))
    };
    let mut matches = true;
    for condition in &raw.conditions {
        matches &= holds_one(condition)?;
    }
    for term in &raw.terms {
        matches &= combined(term, &holds_one)?;
    }
    let total = (raw.count || raw.reply_with_count).then_some(u64::from(matches));
    let shown = matches && page.start == 0 && page.limit > 0;
    let rows = (!raw.count).then(|| if shown { vec![zone] } else { Vec::new() });
    Ok(ZoneAnswer { rows, total, fields })
}

/// Whether a term holds; every condition in it is looked at, so that an unknown field is always told.
fn combined(
    term: &RawTerm,
    holds_one: &impl Fn(&RawCondition) -> Result<bool, Fault>,
) -> Result<bool, Fault> {
    let each = |terms: &[RawTerm]| {
        terms.iter().map(|t| combined(t, holds_one)).collect::<Result<Vec<bool>, Fault>>()
    };
    Ok(match term {
        RawTerm::One(condition) => holds_one(condition)?,
        RawTerm::All(terms) => each(terms)?.into_iter().all(|held| held),
        RawTerm::Any(terms) => each(terms)?.into_iter().any(|held| held),
    })
}

fn holds(condition: &RawCondition, value: Option<&str>) -> bool {
    let Some(value) = value.map(str::to_ascii_lowercase) else { return condition.op == Op::IsNull };
    let wanted = condition.value.to_ascii_lowercase();
    match condition.op {
        Op::Eq => value == wanted,
        Op::Ne => value != wanted,
        Op::Gt => value > wanted,
        Op::Ge => value >= wanted,
        Op::Lt => value < wanted,
        Op::Le => value <= wanted,
        Op::In => wanted.split(',').any(|w| w == value),
        Op::NotIn => wanted.split(',').all(|w| w != value),
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
}
