//! Which index answers a query of jobs. SQLite's planner does most of it; helped where it cannot know:
//! lists and prefixes sorted by date.

use longhaul_model::query::{Field, Filter, Query, Resource};
use rusqlite::{Connection, params_from_iter};

use crate::sql::plan::{
    PREFIX_SORT_MAX, count_prefix, in_range, merged, only_list, order, picking_prefix, sort_of,
};
use crate::sql::{Dialect, Sql, columns};

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
            return Ok(merged(Dialect::Sqlite, query, filter, at, sort.descending));
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
    sql.text = format!(
        "SELECT j.id FROM {from} WHERE {} ORDER BY {} {page}",
        sql.text,
        order(Dialect::Sqlite, query)
    );
    sql
}

/// For a name that begins so: the range of the name's index, sorted, if it is short; `None` where the rows
/// are better looked for along the dates.
fn prefixed(
    connection: &Connection,
    query: &Query,
    filter: &Filter,
    sql: &Sql,
) -> rusqlite::Result<Option<Sql>> {
    let Some(prefix) = picking_prefix(filter) else { return Ok(None) };
    let index = if filter.visible_to.is_some() { "job_account_name" } else { "job_by_name" };
    let indexed = format!("job AS j INDEXED BY {index}");
    let count = count_prefix(Dialect::Sqlite, filter, prefix, &indexed);
    let values = params_from_iter(count.values);
    let found: i64 = connection.prepare_cached(&count.text)?.query_row(values, |row| row.get(0))?;
    if found > PREFIX_SORT_MAX {
        return Ok(None);
    }
    let mut sql = sql.clone();
    let range = in_range(&mut sql, prefix);
    sql.text = format!("{} AND {range}", sql.text);
    let body = if sql.needs_body { " JOIN job_body AS b ON b.job = j.id" } else { "" };
    Ok(Some(plain(query, sql, &format!("{indexed}{body}"))))
}

#[cfg(test)]
mod tests {
    use longhaul_model::AccountId;
    use longhaul_model::query::{Condition, Op, Page, Value};

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
                let sql = crate::sql::conditions::of(Dialect::Sqlite, Resource::Job, &mut filter);
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
