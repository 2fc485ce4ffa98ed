//! From a split query to `model::query::Query`: fields by name, values by kind, limits.
//!
//! Source: rest-api.md 5.1, 5.3, 5.6.

use longhaul_model::query::{
    CONDITIONS_MAX, Condition, Field, Filter, Kind, LIMIT_DEFAULT, LIMIT_MAX, Op, Page, Query, Resource,
    Sort, Term,
};
use longhaul_model::{Code, Fault};

use super::raw::{RawQuery, RawTerm};
use super::{class_of, value};
use crate::profile::Profile;
use crate::time::TimeFormat;

/// A query that the store can answer, and which keys of each row are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The query. Who may see what (`filter.visible_to`) is added by the server.
    pub query: Query,
    /// The keys to answer; `None` = all.
    pub fields: Option<Vec<String>>,
}

/// The fields that carry a tag, for conditions only.
const TAG_FIELDS: [Field; 3] = [Field::SystemTag, Field::UserTag, Field::TagUuid];

/// Keys of inventories that can be selected but are not columns.
const fn extra_keys(resource: Resource) -> &'static [&'static str] {
    match resource {
        Resource::Storage => &[
            "totalPhysicalCapacity",
            "availablePhysicalCapacity",
            "attachedClusterUuids",
            "mons",
            "pools",
            "fsid",
        ],
        // Always masked, so nothing to ask for.
        Resource::AccessKey => &["AccessKeySecret"],
        Resource::UserTag => &["tagPattern"],
        Resource::BackupStorage => &["attachedZoneUuids"],
        Resource::Image => &["backupStorageRefs"],
        Resource::Job | Resource::Account | Resource::Node | Resource::Volume | Resource::SystemTag => &[],
    }
}

/// Gives `raw` its types. `format` is the profile, whose texts differ, and the zone of moments without one.
///
/// # Errors
/// Unknown fields: SYS.1000 with ZStack's text in `zstack`, SYS.1007 with the list of fields in `fast`.
/// Unreadable values, too many conditions, `limit` above `LIMIT_MAX`: SYS.1007 in both.
pub fn resolve(raw: &RawQuery, resource: Resource, format: &TimeFormat) -> Result<Resolved, Fault> {
    check_filter_name(raw)?;
    if raw.conditions.len() > CONDITIONS_MAX {
        return Err(Fault::invalid(format!("a query has at most {CONDITIONS_MAX} conditions")));
    }
    let mut conditions = Vec::new();
    for condition in &raw.conditions {
        let field = condition_field(&condition.name, resource, format.profile())?;
        for resolved in value::conditions(field, condition, format.zone())? {
            if !conditions.contains(&resolved) {
                conditions.push(resolved); // identical ones collapse
            }
        }
    }
    let mut terms = Vec::new();
    for raw in &raw.terms {
        let term = term(raw, resource, format)?;
        match one_list(&term) {
            Some(condition) => conditions.push(condition),
            None => terms.push(term),
        }
    }
    let sort = match raw.sort.as_deref().map(str::trim).filter(|s| !s.is_empty()) {
        None => None,
        Some(text) => Some(sort(text, resource, format.profile())?),
    };
    let query = Query {
        resource,
        filter: Filter { conditions, terms, visible_to: None },
        sort,
        page: page(raw)?,
        want_rows: !raw.count,
        want_total: raw.count || raw.reply_with_count,
        without_bodies: false,
    };
    Ok(Resolved { query, fields: selection(raw, resource, format.profile())? })
}

/// Fields and values of a term. How deep and how many is bounded where terms are parsed.
fn term(raw: &RawTerm, resource: Resource, format: &TimeFormat) -> Result<Term, Fault> {
    let several =
        |terms: &[RawTerm]| terms.iter().map(|t| term(t, resource, format)).collect::<Result<Vec<_>, _>>();
    Ok(match raw {
        RawTerm::One(condition) => {
            let field = condition_field(&condition.name, resource, format.profile())?;
            let mut resolved = value::conditions(field, condition, format.zone())?;
            match (resolved.pop(), resolved.is_empty()) {
                (Some(only), true) => Term::One(only),
                (last, _) => Term::All(resolved.into_iter().chain(last).map(Term::One).collect()),
            }
        }
        RawTerm::All(terms) => Term::All(several(terms)?),
        RawTerm::Any(terms) => Term::Any(several(terms)?),
    })
}

/// `a or b` on one field as one list, which an index answers.
fn one_list(term: &Term) -> Option<Condition> {
    let Term::Any(terms) = term else { return None };
    let mut list: Option<Condition> = None;
    for term in terms {
        let Term::One(condition @ Condition { op: Op::Eq | Op::In, .. }) = term else { return None };
        match &mut list {
            None => list = Some(Condition { op: Op::In, ..condition.clone() }),
            Some(list) if list.field == condition.field => list.values.extend(condition.values.clone()),
            Some(_) => return None,
        }
    }
    list
}

/// The page that `limit` and `start` ask for. A negative number is refused, and so is a limit that we do not
/// serve: a shorter page than asked for would look like the last one.
pub(super) fn page(raw: &RawQuery) -> Result<Page, Fault> {
    let limit = match raw.limit {
        None => LIMIT_DEFAULT,
        Some(limit) => u32::try_from(limit)
            .ok()
            .filter(|l| *l <= LIMIT_MAX)
            .ok_or_else(|| Fault::invalid(format!("field[limit] must be in range of [0, {LIMIT_MAX}]")))?,
    };
    let start = u64::try_from(raw.start.unwrap_or(0))
        .map_err(|_| Fault::invalid(format!("field[start] must be in range of [0, {}]", i32::MAX)))?;
    Ok(Page { start, limit })
}

pub(super) fn check_filter_name(raw: &RawQuery) -> Result<(), Fault> {
    match raw.filter_name.as_deref() {
        None => Ok(()),
        Some(text) => Err(Fault::invalid(match text.split_once(':') {
            Some((kind, rest)) if !kind.is_empty() && !rest.is_empty() => {
                format!("unknown filterName type[{kind}]; no filter is known here, use the parameter[q]")
            }
            _ => "filterName must be formatted as [filterType:condition(s)]".to_owned(),
        })),
    }
}

/// A name of an expanded field by its other name: `backupStorage` is that which a copy lies on.
fn unaliased(resource: Resource, name: &str) -> &str {
    match (resource, name) {
        (Resource::Image, "backupStorage.uuid") => Field::CopyPlace.key(),
        _ => name,
    }
}

fn condition_field(name: &str, resource: Resource, profile: Profile) -> Result<Field, Fault> {
    let known = resource.fields().iter().chain(resource.expanded()).chain(&TAG_FIELDS).copied();
    let name = unaliased(resource, name);
    if let Some(field) = known.clone().find(|f| f.key() == name) {
        return Ok(field);
    }
    let class = class_of(resource);
    Err(unknown_field(
        profile,
        match name.split_once('.') {
            Some((head, _)) => format!(
                "invalid nested query condition[{name}] on class {class},the expanded target[class {class}] have no expanded query[{head}]"
            ),
            None => format!("inventory class[class {class}] not having field[{name}]"),
        },
        name,
        known.map(Field::key),
    ))
}

/// What an unknown field is answered with: `exact` as SYS.1000 in `zstack`, what to write instead in `fast`.
pub(super) fn unknown_field<'k>(
    profile: Profile,
    exact: String,
    name: &str,
    known: impl Iterator<Item = &'k str>,
) -> Fault {
    match profile {
        Profile::Zstack => Fault::new(Code::Internal, exact),
        Profile::Fast => {
            let known: Vec<&str> = known.collect();
            Fault::invalid(format!("there is no field[{name}] here; the fields are {}", known.join(", ")))
        }
    }
}

fn sort(text: &str, resource: Resource, profile: Profile) -> Result<Sort, Fault> {
    let name = text.trim_start_matches(['+', '-']).trim();
    let found = resource.fields().iter().copied().find(|f| f.key() == name && f.kind() != Kind::Tag);
    let field = found.ok_or_else(|| {
        let exact = format!("error no viable alternative at input '{name}', there is no field to sort by");
        unknown_field(profile, exact, name, resource.fields().iter().map(|f| f.key()))
    })?;
    Ok(Sort { field, descending: text.starts_with('-') })
}

fn selection(raw: &RawQuery, resource: Resource, profile: Profile) -> Result<Option<Vec<String>>, Fault> {
    let known = || resource.fields().iter().map(|f| f.key()).chain(extra_keys(resource).iter().copied());
    select(raw, profile, known)
}

/// The keys in `fields=`, each of which must be one of `known`.
pub(super) fn select<'k, I: Iterator<Item = &'k str>>(
    raw: &RawQuery,
    profile: Profile,
    known: impl Fn() -> I,
) -> Result<Option<Vec<String>>, Fault> {
    let Some(text) = raw.fields.as_deref() else { return Ok(None) };
    let mut keys = Vec::new();
    for key in text.split(',').map(str::trim).filter(|k| !k.is_empty()) {
        if !known().any(|k| k == key) {
            let exact = format!("inventory[${{selfInventoryClass}}] has no field[{key}]");
            return Err(unknown_field(profile, exact, key, known()));
        }
        keys.push(key.to_owned());
    }
    Ok((!keys.is_empty()).then_some(keys))
}
