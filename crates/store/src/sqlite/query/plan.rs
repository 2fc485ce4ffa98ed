//! Which index answers a query of jobs. SQLite's planner does most of it; helped where it cannot know:
//! lists and prefixes sorted by date.

use longhaul_model::query::{Condition, Field, Filter, NEWEST_FIRST, Op, Query, Resource, Sort, Value};
use rusqlite::{Connection, params_from_iter};

use super::columns;
use super::conditions::{self, Bound, Sql};
use crate::like::prefix_of;

/// Lists up to this length are answered by merging one index range per value.
const MERGE_MAX: usize = 16;
/// A prefix that more rows have than this is looked for along the dates; fewer are sorted.
const PREFIX_SORT_MAX: i64 = 20_000;
/// Greater than every character that may follow a prefix; a name has at most 255 UTF-16 units.
const AFTER_PREFIX: &str = "\u{10FFFF}";

/// Whether the counts that are kept answer how many rows meet the filter.
pub(super) fn is_counted(filter: &Filter) -> bool {
    let counted = |c: &Condition| matches!(c.field, Field::State | Field::JobName);
    filter.terms.is_empty() && filter.conditions.iter().all(counted)
}

fn sort_of(query: &Query) -> Sort {
    query.sort.unwrap_or(match query.resource {
        Resource::Node => Sort { field: Field::JoinDate, ..NEWEST_FIRST },
        _ => NEWEST_FIRST,
    })
}

/// The order of the rows; ties by uuid in the same direction.
pub(super) fn order(query: &Query) -> String {
    let sort = sort_of(query);
    let direction = if sort.descending { "DESC" } else { "ASC" };
    format!("{} {direction}, j.uuid {direction}", columns::column(query.resource, sort.field))
}

/// The statement that finds the row numbers of a page of jobs.
pub(super) fn job_ids(
    connection: &Connection,
    query: &Query,
    filter: &Filter,
    sql: Sql,
) -> rusqlite::Result<Sql> {
    let sort = sort_of(query);
    if sort.field == Field::CreateDate {
        if let Some(at) = only_list(filter) {
            return Ok(merged(query, filter, at, sort.descending));
        }
        if let Some(by_prefix) = prefixed(connection, query, filter, &sql)? {
            return Ok(by_prefix);
        }
    }
    let body = sql.needs_body || columns::is_in_body(Resource::Job, sort.field);
    Ok(plain(query, sql, columns::from(Resource::Job, body)))
}

fn plain(query: &Query, mut sql: Sql, from: &str) -> Sql {
    let page = sql.bind_page(query.page);
    sql.text = format!("SELECT j.id FROM {from} WHERE {} ORDER BY {} {page}", sql.text, order(query));
    sql
}

fn has_index(condition: &Condition) -> bool {
    matches!(condition.field, Field::State | Field::JobName | Field::Name | Field::TargetResourceUuid)
}

/// The one list to merge by: no other condition picks few rows by itself.
fn only_list(filter: &Filter) -> Option<usize> {
    let picks = |c: &Condition| {
        matches!(c.op, Op::Eq | Op::In) && (has_index(c) || matches!(c.field, Field::Uuid | Field::ApiId))
    };
    let mut picking = filter.conditions.iter().enumerate().filter(|(_, c)| picks(c));
    match (picking.next(), picking.next()) {
        (Some((at, c)), None)
            if c.op == Op::In && has_index(c) && (2..=MERGE_MAX).contains(&c.values.len()) =>
        {
            Some(at)
        }
        _ => None,
    }
}

/// One range of an index per value, merged in the order of dates: no more rows are touched than the page
/// needs.
fn merged(query: &Query, filter: &Filter, at: usize, descending: bool) -> Sql {
    let direction = if descending { "DESC" } else { "ASC" };
    let mut all = Sql { text: String::new(), values: Vec::new(), needs_body: false };
    let mut seen: Vec<String> = Vec::new();
    let mut arms = Vec::new();
    for value in &filter.conditions[at].values {
        let folded = match value {
            Value::Text(text) => text.to_ascii_lowercase(),
            Value::Int(number) => number.to_string(),
        };
        // Values that compare equal would give their rows twice.
        let same = if filter.conditions[at].field == Field::Name { folded } else { format!("{value:?}") };
        if seen.contains(&same) {
            continue;
        }
        seen.push(same);
        let mut one = filter.clone();
        one.conditions[at].op = Op::Eq;
        one.conditions[at].values = vec![value.clone()];
        let arm = conditions::of(Resource::Job, &mut one);
        let shifted = shift(&arm.text, all.values.len());
        all.values.extend(arm.values);
        let from = columns::from(Resource::Job, arm.needs_body);
        arms.push(format!("SELECT j.id AS id, j.create_ms AS c, j.uuid AS u FROM {from} WHERE {shifted}"));
    }
    let page = all.bind_page(query.page);
    // As the outermost statement, not as a subquery: only then SQLite merges instead of sorting it all.
    all.text = format!("{} ORDER BY c {direction}, u {direction} {page}", arms.join(" UNION ALL "));
    all
}

/// `text` with every placeholder `?n` as `?(n + by)`. No text but placeholders has a question mark.
fn shift(text: &str, by: usize) -> String {
    let mut pieces = text.split('?');
    let mut shifted = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let number: usize = piece[..digits].parse().unwrap_or_default();
        shifted.push_str(&format!("?{}{}", number + by, &piece[digits..]));
    }
    shifted
}

/// How a condition `name~=prefix%` is counted: in the range of the name's index.
pub(super) fn counted_by_prefix(filter: &Filter, sql: &Sql) -> Option<Sql> {
    let prefix = prefix_in(filter)?;
    let mut sql = sql.clone();
    let (from, to) = bind_range(&mut sql, prefix);
    sql.text = format!("{} AND j.name >= {from} AND j.name < {to}", sql.text);
    Some(sql)
}

fn prefix_in(filter: &Filter) -> Option<&str> {
    filter.conditions.iter().find_map(|c| match (c.field, c.op, c.values.first()) {
        (Field::Name, Op::Like, Some(Value::Text(pattern))) => prefix_of(pattern),
        _ => None,
    })
}

fn bind_range(sql: &mut Sql, prefix: &str) -> (String, String) {
    let end = format!("{prefix}{}", AFTER_PREFIX.repeat(128));
    (sql.bind(Bound::Text(prefix.to_owned())), sql.bind(Bound::Text(end)))
}

/// For a name that begins so: the range of the name's index, sorted, if it is short; `None` where the rows
/// are better looked for along the dates.
fn prefixed(
    connection: &Connection,
    query: &Query,
    filter: &Filter,
    sql: &Sql,
) -> rusqlite::Result<Option<Sql>> {
    let picks = |c: &Condition| matches!(c.op, Op::Eq | Op::In) && c.field != Field::CreateDate;
    if filter.conditions.iter().any(picks) {
        return Ok(None);
    }
    let Some(prefix) = prefix_in(filter) else { return Ok(None) };
    let mut range = Sql { text: String::new(), values: Vec::new(), needs_body: false };
    let owner = filter.visible_to.map(|account| range.bind(Bound::Text(account.to_string())));
    let index = if owner.is_some() { "job_account_name" } else { "job_by_name" };
    let (from, to) = bind_range(&mut range, prefix);
    let owned = owner.map(|owner| format!("j.account = {owner} AND ")).unwrap_or_default();
    let count = format!(
        "SELECT count(*) FROM (SELECT 1 FROM job AS j INDEXED BY {index}
         WHERE {owned}j.name >= {from} AND j.name < {to} LIMIT {})",
        PREFIX_SORT_MAX + 1
    );
    let found: i64 =
        connection.prepare_cached(&count)?.query_row(params_from_iter(range.values), |row| row.get(0))?;
    if found > PREFIX_SORT_MAX {
        return Ok(None);
    }
    let mut sql = sql.clone();
    let (from, to) = bind_range(&mut sql, prefix);
    sql.text = format!("{} AND j.name >= {from} AND j.name < {to}", sql.text);
    let table = if sql.needs_body {
        format!("job AS j INDEXED BY {index} JOIN job_body AS b ON b.job = j.id")
    } else {
        format!("job AS j INDEXED BY {index}")
    };
    Ok(Some(plain(query, sql, &table)))
}

#[cfg(test)]
mod tests {
    use longhaul_model::AccountId;
    use longhaul_model::query::Page;

    use super::*;
    use crate::options::StoreOptions;

    #[test]
    fn the_usual_queries_sorted_by_date_sort_nothing() {
        let connection = super::super::super::open::in_memory(&StoreOptions::default()).expect("opened");
        let list = |values: &[&str]| values.iter().map(|v| Value::Text((*v).to_owned())).collect::<Vec<_>>();
        for (field, op, values) in [
            (Field::State, Op::Eq, list(&["Failed"])),
            (Field::State, Op::In, list(&["Failed", "Running", "Succeeded"])),
            (Field::State, Op::Ne, list(&["Failed"])),
            (Field::JobName, Op::Eq, list(&["a"])),
            (Field::JobName, Op::In, list(&["a", "b"])),
            (Field::Name, Op::Eq, list(&["a"])),
            (Field::Name, Op::In, list(&["a", "b"])),
            (Field::TargetResourceUuid, Op::Eq, list(&["a"])),
            (Field::TargetResourceUuid, Op::In, list(&["a", "b"])),
            (Field::CreateDate, Op::Ge, vec![Value::Int(1)]),
        ] {
            for visible_to in [None, Some(AccountId::v4(1))] {
                let condition = Condition { field, op, values: values.clone() };
                let mut filter = Filter { conditions: vec![condition], visible_to, ..Filter::default() };
                let query = Query {
                    resource: Resource::Job,
                    filter: filter.clone(),
                    sort: None,
                    page: Page { start: 0, limit: 100 },
                    want_rows: true,
                    want_total: false,
                    without_bodies: false,
                };
                let sql = conditions::of(Resource::Job, &mut filter);
                let sql = job_ids(&connection, &query, &filter, sql).expect("planned");
                let mut explain =
                    connection.prepare(&format!("EXPLAIN QUERY PLAN {}", sql.text)).expect("valid");
                let plan: Vec<String> = explain
                    .query_map(params_from_iter(&sql.values), |row| row.get(3))
                    .and_then(Iterator::collect)
                    .expect("explained");
                let plan = plan.join("\n");
                assert!(
                    !plan.contains("TEMP B-TREE"),
                    "{field:?} {op:?} {visible_to:?}:\n{}\n{plan}",
                    sql.text
                );
            }
        }
    }
}
