//! Whether the store may read and write all of its tables: seen at the opening, since a table that is missing, or that
//! the role may not write, shows itself else in the middle of somebody's work.

use super::link::{Link, Mode};
use super::migrate::MIGRATIONS;
use super::open::{OpenError, unusable};
use super::rows::get;
use super::value::{column, params};

/// Each table with what is wrong with it: null, or what the role lacks.
const LACKS: &str = "SELECT name, CASE WHEN at IS NULL THEN 'there is none'
        WHEN NOT (has_table_privilege(at, 'SELECT') AND has_table_privilege(at, 'INSERT')
            AND has_table_privilege(at, 'UPDATE') AND has_table_privilege(at, 'DELETE'))
        THEN 'not all of SELECT, INSERT, UPDATE and DELETE are granted' END
    FROM unnest($1::TEXT[]) AS t(name), LATERAL (SELECT to_regclass(quote_ident(current_schema()) || '.' || quote_ident(name))) AS r(at)
    ORDER BY name";

/// Looks at every table that this release works with.
pub(super) async fn check(link: &Link) -> Result<(), OpenError> {
    let lacking = link.call(Mode::Read, (), |tx, ()| {
        Box::pin(async move {
            let rows = tx.rows(LACKS, &params![column(tables())]).await?;
            let told = rows.iter().map(|row| Ok((get::<String>(row, 0)?, get::<Option<String>>(row, 1)?)));
            told.collect::<super::Result<Vec<_>>>()
        })
    });
    let lacking = lacking.await.map_err(unusable)?;
    let lacking: Vec<String> =
        lacking.into_iter().filter_map(|(table, what)| Some(format!("table {table}: {}", what?))).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(OpenError::Unusable { why: lacking.join("; ") })
}

/// The names of the tables that the schema's history makes; none is taken away by a later file.
fn tables() -> impl Iterator<Item = &'static str> {
    let lines = MIGRATIONS.iter().flat_map(|migration| migration.sql.lines());
    lines.filter_map(|line| line.strip_prefix("CREATE TABLE ")?.split([' ', '(']).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_of_the_history_is_looked_at_and_none_is_taken_away() {
        let all: Vec<_> = tables().collect();
        assert!(all.contains(&"job") && all.contains(&"job_state"), "{all:?}");
        let named = |word: &str| MIGRATIONS.iter().map(|m| m.sql.matches(word).count()).sum::<usize>();
        assert_eq!(all.len(), named("CREATE TABLE"), "one that is made in another form is missed");
        assert_eq!(named("DROP TABLE"), 0, "one that is taken away must not be looked for");
    }
}
