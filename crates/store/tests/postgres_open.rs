//! What opening a store on PostgreSQL says of a database that is not there, and of one that does not let us in: whether
//! waiting can help is what a starting node goes by. A real server, and one of the test's own that answers anything.

#![allow(clippy::disallowed_methods, reason = "the time limit of a real connection is what is measured")]

#[path = "common/database.rs"]
mod database;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use database::Schema;
use longhaul_store::conformance::HandClock;
use longhaul_store::postgres::{MIGRATIONS, OpenError};
use longhaul_store::{PostgresOptions, PostgresStore};

fn open(url: &str) -> Result<(), OpenError> {
    let options = PostgresOptions { connect_limit: Duration::from_secs(2), ..PostgresOptions::default() };
    PostgresStore::open(url, HandClock::new(), options).map(drop)
}

/// What opening a store says; whether that may pass is asserted.
fn refused(url: &str, passes: bool) -> String {
    let error = open(url).expect_err(url);
    assert_eq!(error.may_pass(), passes, "{url}: {error}");
    error.to_string()
}

/// A server that has `answer` for one client; its address.
fn server(answer: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            answer(stream);
        }
    });
    format!("postgres://me:secret@{address}/jobs?sslmode=disable")
}

/// The message by which PostgreSQL refuses a connection.
fn refusal(state: &str, message: &str) -> Vec<u8> {
    let mut fields = Vec::new();
    for (kind, text) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', state), (b'M', message)] {
        fields.push(kind);
        fields.extend_from_slice(text.as_bytes());
        fields.push(0);
    }
    fields.push(0);
    let length = u32::try_from(fields.len() + 4).expect("short");
    [&b"E"[..], &length.to_be_bytes(), &fields].concat()
}

fn says(bytes: Vec<u8>) -> impl FnOnce(TcpStream) + Send {
    move |mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(&bytes);
    }
}

#[test]
fn a_database_that_is_not_there_or_not_ready_may_be_there_later() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("an address");
    let said = refused(&format!("postgres://me:secret@{closed}/jobs"), true);
    assert!(said.contains("refused") && !said.contains("secret"), "{said}");
    refused("postgres://me:secret@/jobs?host=/nowhere/at/all", true);
    refused(&server(drop), true);
    let starting = refusal("57P03", "the database system is starting up");
    let said = refused(&server(says(starting)), true);
    assert!(said.contains("starting up"), "{said}");
    refused(&server(says(refusal("53300", "sorry, too many clients already"))), true);
    let began = Instant::now();
    let (silent, heard) = std::sync::mpsc::channel::<()>();
    let said = refused(&server(move |stream| drop((heard.recv(), stream))), true);
    drop(silent);
    assert!(said.contains("no answer within 2000 ms"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(20), "a server that says nothing is given up");
}

#[test]
fn what_only_a_person_mends_does_not_pass() {
    let schema = Schema::new();
    open(schema.url()).expect("the server itself is there: what follows is refused for its own reason");
    let (before, after) = schema.url().split_once('@').expect("a user");
    let (user, _) = before.rsplit_once(':').expect("a password");
    let said = refused(&format!("{user}:not-the-password@{after}"), false);
    assert!(said.contains("password") && !said.contains("not-the-password"), "{said}");
    let (place, query) = schema.url().split_once('?').expect("a query");
    let (place, _) = place.rsplit_once('/').expect("a database");
    let said = refused(&format!("{place}/no_such_database?{query}"), false);
    assert!(said.contains("no_such_database"), "{said}");
    refused(&format!("{}&sslmode=require", schema.url()), false);
    refused(&format!("{}&sslmode=perhaps", schema.url()), false);
    refused("mysql://me@h/d", false);
    refused(&server(says(refusal("28000", "no pg_hba.conf entry for host"))), false);
}

#[test]
fn a_schema_that_it_may_not_use_or_that_is_newer_does_not_pass() {
    let schema = Schema::new();
    schema.run(&format!("REVOKE CREATE ON SCHEMA {} FROM current_user", schema.name()));
    let said = refused(schema.url(), false);
    assert!(said.contains("permission denied"), "{said}");
    schema.run(&format!("GRANT CREATE ON SCHEMA {} TO current_user", schema.name()));
    open(schema.url()).expect("with the right it opens");
    let next = MIGRATIONS.len() + 1;
    schema.run(&format!(
        "INSERT INTO schema_migration (number, file, sha256, oldest) VALUES ({next}, 'next.sql', 'other', {next})"
    ));
    assert!(refused(schema.url(), false).contains("newer release"));
}

#[test]
fn nothing_is_made_in_an_empty_database_where_nothing_may_begin() {
    let schema = Schema::new();
    let must_be_there = || {
        let options = PostgresOptions { may_begin: false, ..PostgresOptions::default() };
        PostgresStore::open(schema.url(), HandClock::new(), options).map(drop)
    };
    let refused = must_be_there().expect_err("nothing is there");
    assert!(matches!(refused, OpenError::Empty) && !refused.may_pass(), "{refused}");
    // An ordinary CREATE fails where the table is there already.
    schema.run("CREATE TABLE schema_migration (); DROP TABLE schema_migration");
    open(schema.url()).expect("it becomes a store");
    must_be_there().expect("a store is there now");
}
