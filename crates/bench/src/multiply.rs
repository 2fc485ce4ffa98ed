//! Many stored jobs on PostgreSQL, made from one that a server stored: all rows of it are repeated by SQL, whatever
//! columns its tables have. A job of its own follows from its number: uuid, API id, name, target, time.

use anyhow::{Context, Result, ensure};

use crate::database::Database;

/// Rows that one statement makes.
const AT_A_TIME: u64 = 100_000;

/// Makes `many` more jobs like the only one of `database`, then has the tables vacuumed and analysed.
pub async fn multiply(database: &Database, many: u64) -> Result<()> {
    ensure!(database.number("SELECT count(*) FROM job").await? == 1, "there is more than one job to repeat");
    let pattern = database.number("SELECT id FROM job").await?;
    // All tables that name a job by its row; the states are kept by triggers of the jobs.
    let tables = database
        .texts(
            "SELECT table_name::text FROM information_schema.columns WHERE table_schema = current_schema()
             AND column_name = 'job' AND data_type = 'bigint' AND table_name <> 'job_state' ORDER BY 1",
        )
        .await?;
    ensure!(
        tables.iter().any(|table| table == "timeline"),
        "the tables of jobs have other names: {tables:?}"
    );
    let job = Copied::of(database, "job", true).await?;
    let mut others = Vec::new();
    for table in &tables {
        others.push(Copied::of(database, table, false).await?);
    }
    let mut first = 1;
    while first <= many {
        let last = (first + AT_A_TIME - 1).min(many);
        for table in std::iter::once(&job).chain(&others) {
            database.run(&table.statement(pattern, first, last)).await?;
        }
        eprintln!("  {last} of {many} jobs");
        first = last + 1;
    }
    database.run("SELECT setval(pg_get_serial_sequence('job', 'id'), (SELECT max(id) FROM job))").await?;
    database
        .run(&format!(
            "UPDATE job_count AS c SET n = c.n + {many} FROM job AS j WHERE j.id = {pattern} AND c.account = j.account
                AND c.job_name = j.job_name AND c.state = j.state
                AND c.shard = (SELECT min(x.shard) FROM job_count AS x WHERE x.account = j.account
                    AND x.job_name = j.job_name AND x.state = j.state)"
        ))
        .await?;
    // What a database that came to so many jobs in its time has had done.
    database.run("VACUUM ANALYZE").await
}

/// When the job of number `g` came: a hundred of them in each ms.
const CREATED: &str = "t.create_ms - 20000 + g / 100";

/// An id of the form that the server's have: it begins with the ms in which it was made.
fn in_order(column: &str) -> String {
    format!(
        "overlay(overlay(lpad(to_hex({CREATED}), 12, '0') || left(md5(t.{column} || g), 20)
            PLACING '4' FROM 13) PLACING '8' FROM 17)"
    )
}

/// A table whose rows of the pattern are repeated.
struct Copied {
    table: String,
    columns: String,
    values: String,
    /// Which rows are the pattern's.
    key: &'static str,
}

impl Copied {
    async fn of(database: &Database, table: &str, is_job: bool) -> Result<Self> {
        let sql = format!(
            "SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema()
             AND table_name = '{table}' AND (column_name = 'id') <= {is_job}
             AND (is_identity = 'NO' OR {is_job}) ORDER BY ordinal_position"
        );
        let columns = database.texts(&sql).await.context("the columns of a table")?;
        let value = |column: &String| match (is_job, column.as_str()) {
            (true, "id") => "t.id + g".to_owned(),
            (true, id @ ("uuid" | "api_id")) => in_order(id),
            (true, "name") => "t.name || '-' || g".to_owned(),
            (true, "target") => "lpad(to_hex(g / 20), 32, '0')".to_owned(),
            (true, "create_ms") => CREATED.to_owned(),
            (false, "job") => "t.job + g".to_owned(),
            (_, other) => format!("t.{other}"),
        };
        let values = columns.iter().map(value).collect::<Vec<_>>().join(", ");
        let key = if is_job { "id" } else { "job" };
        Ok(Self { table: table.to_owned(), columns: columns.join(", "), values, key })
    }

    fn statement(&self, pattern: i64, first: u64, last: u64) -> String {
        let Self { table, columns, values, key } = self;
        format!(
            "INSERT INTO {table} ({columns}) SELECT {values} FROM {table} AS t, generate_series({first}, {last}) AS g
             WHERE t.{key} = {pattern} ORDER BY g"
        )
    }
}
