//! A schema of a PostgreSQL database that is gone when the test is.

use std::sync::atomic::{AtomicU32, Ordering};

use futures::StreamExt;
use tokio_postgres::{AsyncMessage, NoTls};

/// What a run without a database is told: it fails, since nothing of the store was tested.
const NO_DATABASE: &str = "LONGHAUL_TEST_POSTGRES is not set: start a server with \
    `tests/tools/postgres-dev.sh start DIR` and set it to the URL that is printed";

pub struct Schema {
    server: String,
    name: String,
    url: String,
}

#[allow(dead_code)] // not every test uses all of it
impl Schema {
    /// A new, empty one.
    pub fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("LONGHAUL_TEST_POSTGRES").expect(NO_DATABASE);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("t{}_{number}", std::process::id());
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options=-c%20search_path%3D{name}");
        let schema = Self { server, name, url };
        schema.on_server(&format!("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}", schema.name));
        schema
    }

    /// Where a store finds it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A database of its own that has few connections to give.
    pub fn database(&self, what: &str, connections: u32) -> Database {
        let name = format!("{what}_{}", self.name);
        self.on_server(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        self.on_server(&format!("CREATE DATABASE {name} CONNECTION LIMIT {connections}"));
        let (before, _) = self.server.rsplit_once('/').expect("the database of the URL");
        Database { server: self.server.clone(), url: format!("{before}/{name}"), name }
    }

    /// Runs statements in it, beside the store.
    pub fn run(&self, sql: &str) {
        self.on_server(&format!("SET search_path = {}; {sql}", self.name));
    }

    /// What a statement beside the store counts.
    pub fn count(&self, sql: &str) -> i64 {
        self.client(async |client| {
            client.batch_execute(&format!("SET search_path = {}", self.name)).await.expect("set");
            client.query_one(sql, &[]).await.expect("counted").get(0)
        })
    }

    /// What a statement beside the store answers.
    pub fn text(&self, sql: &str) -> String {
        self.client(async |client| {
            client.batch_execute(&format!("SET search_path = {}", self.name)).await.expect("set");
            client.query_one(sql, &[]).await.expect("answered").get(0)
        })
    }

    /// What the database says beside the answer while it runs a statement.
    pub fn noticed(&self, sql: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let (client, mut connection) =
                tokio_postgres::connect(&self.url, NoTls).await.expect("connected");
            let said = futures::stream::poll_fn(move |cx| connection.poll_message(cx));
            let run = async move { client.batch_execute(sql).await.expect("done") };
            let (said, ()) = tokio::join!(said.collect::<Vec<_>>(), run);
            let notice = |message| match message {
                Ok(AsyncMessage::Notice(notice)) => Some(notice.message().to_owned()),
                _ => None,
            };
            said.into_iter().filter_map(notice).collect()
        })
    }

    /// Makes every call that asks for the time fail where statements of its connection may be compiled as `jit` says.
    pub fn fail_where_jit_is(&self, jit: &str) {
        self.run(&format!(
            "CREATE OR REPLACE FUNCTION longhaul_now() RETURNS BIGINT LANGUAGE plpgsql AS $$ BEGIN
                IF current_setting('jit') = '{jit}' THEN RAISE 'jit is {jit}'; END IF;
                RETURN 1;
             END $$"
        ));
    }

    /// Runs a statement for each of its tables, `{}` is its name; each in a transaction of its own.
    pub fn each_table(&self, sql: &str) {
        self.client(async |client| {
            client.batch_execute(&format!("SET search_path = {}", self.name)).await.expect("set");
            let tables = "SELECT tablename::TEXT FROM pg_tables WHERE schemaname = current_schema()";
            for table in client.query(tables, &[]).await.expect("told") {
                client.batch_execute(&sql.replace("{}", table.get(0))).await.expect("done");
            }
        });
    }

    /// Runs statements in it on a connection that then stands still, until what is answered is dropped.
    pub fn hold_open(&self, sql: &str) -> (tokio::runtime::Runtime, tokio_postgres::Client) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.expect("connected");
            runtime.spawn(connection);
            client.batch_execute(sql).await.expect("done");
            client
        });
        (runtime, client)
    }

    fn on_server(&self, sql: &str) {
        self.client(async |client| client.batch_execute(sql).await.expect("done"));
    }

    fn client<T>(&self, work: impl AsyncFnOnce(&tokio_postgres::Client) -> T) -> T {
        on(&self.server, work)
    }
}

/// A database that is gone when this is dropped.
#[allow(dead_code)] // as above
pub struct Database {
    server: String,
    name: String,
    /// Where a store finds it.
    pub url: String,
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        on(&self.server, async |client| client.batch_execute(&sql).await.expect("dropped"));
    }
}

fn on<T>(server: &str, work: impl AsyncFnOnce(&tokio_postgres::Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(server, NoTls).await.expect("the server of LONGHAUL_TEST_POSTGRES");
        let work = async {
            let answer = work(&client).await;
            drop(client);
            answer
        };
        let (_, answer) = tokio::join!(connection, work);
        answer
    })
}

impl Drop for Schema {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.on_server(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name));
        }
    }
}
