//! How a page of jobs is found with few rows touched: lists sorted by date are merged from one index range a value,
//! names that begin alike are a range of the name's index. Which of these a database is told is decided beside it.

use longhaul_model::query::{Condition, Field, Filter, Kind, NEWEST_FIRST, Op, Query, Resource, Sort, Value};

use super::{Bound, Dialect, Sql, columns, conditions};
use crate::like::prefix_of;

/// Lists up to this length are answered by merging one index range per value.
const MERGE_MAX: usize = 16;
/// A prefix that more rows have than this is looked for along the dates; fewer are sorted.
pub(crate) const PREFIX_SORT_MAX: i64 = 20_000;
/// Greater than every character that may follow a prefix; a name has at most 255 UTF-16 units.
const AFTER_PREFIX: &str = "\u{10FFFF}";

/// Whether the counts that are kept answer how many rows meet the filter.
pub(crate) fn is_counted(filter: &Filter) -> bool {
    let counted = |c: &Condition| matches!(c.field, Field::State | Field::JobName);
    filter.terms.is_empty() && filter.conditions.iter().all(counted)
}

/// What the rows are sorted by.
pub(crate) fn sort_of(query: &Query) -> Sort {
    query.sort.unwrap_or(match query.resource {
        Resource::Node => Sort { field: Field::JoinDate, ..NEWEST_FIRST },
        _ => NEWEST_FIRST,
    })
}

/// The order of the rows; ties by uuid in the same direction.
pub(crate) fn order(dialect: Dialect, query: &Query) -> String {
    let sort = sort_of(query);
    let direction = if sort.descending { "DESC" } else { "ASC" };
    let column = columns::column(dialect, query.resource, sort.field);
    let folded = sort.field.kind() == Kind::Folded;
    match dialect {
        Dialect::Sqlite => format!("{column} {direction}, j.uuid {direction}"),
        // Never null, and answered by an index as they are.
        Dialect::Postgres if matches!(sort.field, Field::CreateDate | Field::JoinDate | Field::Uuid) => {
            format!("{column} {direction}, j.uuid {direction}")
        }
        Dialect::Postgres => {
            // Null is less than everything, as in SQLite; a constant is no number of a column.
            let nulls = if sort.descending { "NULLS LAST" } else { "NULLS FIRST" };
            let constant = column == "NULL" || column.starts_with("('");
            let column = if constant { format!("CAST({column} AS TEXT)") } else { column };
            let column = if folded { dialect.folded(&column) } else { column };
            format!("{column} {direction} {nulls}, j.uuid {direction}")
        }
    }
}

fn has_index(condition: &Condition) -> bool {
    matches!(condition.field, Field::State | Field::JobName | Field::Name | Field::TargetResourceUuid)
}

/// The one list to merge by: no other condition picks few rows by itself.
pub(crate) fn only_list(filter: &Filter) -> Option<usize> {
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
pub(crate) fn merged(dialect: Dialect, query: &Query, filter: &Filter, at: usize, descending: bool) -> Sql {
    let direction = if descending { "DESC" } else { "ASC" };
    let mut all = Sql::new(dialect);
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
        let arm = conditions::of(dialect, Resource::Job, &mut one);
        let shifted = shift(dialect, &arm.text, all.values.len());
        all.values.extend(arm.values);
        let from = columns::from(Resource::Job, arm.needs_body);
        arms.push(format!("SELECT j.id AS id, j.create_ms AS c, j.uuid AS u FROM {from} WHERE {shifted}"));
    }
    let page = all.bind_page(query.page);
    // As the outermost statement, not as a subquery: only then SQLite merges instead of sorting it all.
    all.text = format!("{} ORDER BY c {direction}, u {direction} {page}", arms.join(" UNION ALL "));
    all
}

/// `text` with every number of a bound value raised by `by`.
fn shift(dialect: Dialect, text: &str, by: usize) -> String {
    let mut pieces = text.split(dialect.mark());
    let mut shifted = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let number: usize = piece[..digits].parse().unwrap_or_default();
        shifted.push_str(&dialect.place(number + by));
        shifted.push_str(&piece[digits..]);
    }
    shifted
}

/// How a condition `name~=prefix%` is counted: in the range of the name's index.
pub(crate) fn counted_by_prefix(filter: &Filter, sql: &Sql) -> Option<Sql> {
    let prefix = prefix_in(filter)?;
    let mut sql = sql.clone();
    let range = in_range(&mut sql, prefix);
    sql.text = format!("{} AND {range}", sql.text);
    Some(sql)
}

/// The prefix that names shall have, if one is asked for.
pub(crate) fn prefix_in(filter: &Filter) -> Option<&str> {
    filter.conditions.iter().find_map(|c| match (c.field, c.op, c.values.first()) {
        (Field::Name, Op::Like, Some(Value::Text(pattern))) => prefix_of(pattern),
        _ => None,
    })
}

/// Names that begin so, as a condition on the range of the name's index. A name is compared folded, so the bounds are.
pub(crate) fn in_range(sql: &mut Sql, prefix: &str) -> String {
    let (from, to) = bind_range(sql, prefix);
    let folded = |text: &str| sql.dialect.folded(text);
    format!("{0} >= {1} AND {0} < {2}", folded("j.name"), folded(&from), folded(&to))
}

fn bind_range(sql: &mut Sql, prefix: &str) -> (String, String) {
    let end = format!("{prefix}{}", AFTER_PREFIX.repeat(128));
    (sql.bind(Bound::Text(prefix.to_owned())), sql.bind(Bound::Text(end)))
}

/// The prefix that picks the rows of this query: nothing else picks fewer.
pub(crate) fn picking_prefix(filter: &Filter) -> Option<&str> {
    let picks = |c: &Condition| matches!(c.op, Op::Eq | Op::In) && c.field != Field::CreateDate;
    if filter.conditions.iter().any(picks) { None } else { prefix_in(filter) }
}

/// How many rows have that prefix, counted no further than `PREFIX_SORT_MAX` + 1; `table` is their table.
pub(crate) fn count_prefix(dialect: Dialect, filter: &Filter, prefix: &str, table: &str) -> Sql {
    let mut sql = Sql::new(dialect);
    let owner = filter.visible_to.map(|account| sql.bind(Bound::Text(account.to_string())));
    let range = in_range(&mut sql, prefix);
    let owned = owner.map(|owner| format!("j.account = {owner} AND ")).unwrap_or_default();
    sql.text = format!(
        "SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {owned}{range} LIMIT {}) AS found",
        PREFIX_SORT_MAX + 1
    );
    sql
}
