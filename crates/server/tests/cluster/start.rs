//! What a node of a cluster refuses to start with, and what nothing of it shows.

use std::fs;

use serde_json::json;

use crate::client::{Client, SIMULATE};
use crate::database::Database;
use crate::nodes::Nodes;
use crate::place::{PATIENCE, Place, said, shown, until};
use crate::server::Plan;

#[test]
fn a_node_with_another_key_is_refused_with_what_to_do() {
    let (place, database) = (Place::new("key"), Database::new("key"));
    let nodes = Nodes::start(&place, &database, 1, |plan| plan);
    let other = Plan::new(&place).data_dir(&shown(&place.path("other"))).env("LONGHAUL_STORE", &database.url);
    assert!(!other.start_in_vain().success());
    assert!(other.log().contains("--secret-key-file"), "{}", other.log());
    assert!(!place.path("other/secret.key").exists(), "none is made");
    fs::write(place.path("wrong.key"), [8; 32]).unwrap();
    let wrong = other.set(&format!("secretKeyFile={}", shown(&place.path("wrong.key"))));
    assert!(!wrong.start_in_vain().success());
    assert!(wrong.log().contains("is not the key of this store"), "{}", wrong.log());
    assert_eq!(nodes.client(0).many("/management-nodes").len(), 1);
}

#[test]
fn the_databases_password_is_in_no_log_and_in_no_command_line() {
    let (place, database) = (Place::new("password"), Database::new("password"));
    let nodes = Nodes::start(&place, &database, 1, |plan| plan.env("LONGHAUL_LOG", "debug"));
    let password = database.url.split_once("://").unwrap().1.split_once('@').unwrap().0;
    let password = password.split_once(':').expect("a URL with a password").1.to_owned();
    let job = nodes.client(0).submit(SIMULATE, &json!({"durationMs": 10}), &[]);
    nodes.client(0).final_job(&job, PATIENCE);
    let pid = nodes.servers[0].pid();
    assert!(!fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().contains(&password));
    let refused = Plan::new(&place)
        .data_dir(&shown(&place.path("refused")))
        .set(&format!("store.url={}", database.url));
    assert!(!refused.start_in_vain().success(), "a password on the command line");
    assert!(nodes.log().contains("PGPASSFILE"), "{}", nodes.log());
    assert!(!nodes.log().contains(&password), "the log has it");
}

#[test]
fn a_call_that_a_dead_node_left_is_answered_by_another() {
    let (place, database) = (Place::new("cut"), Database::new("cut"));
    let mut nodes = Nodes::start(&place, &database, 2, |plan| plan);
    // As a process leaves it that dies in the middle of a call: the row is there, its answer is not.
    let host = fs::read_to_string(place.path("data-0/host.uuid")).unwrap().trim().to_owned();
    let id = "0123456789abcdef0123456789abcdef";
    database.rows(&format!(
        "INSERT INTO api_record (id, account, expires_ms, host) VALUES ('{id}', '36c27e8ff05c4780bf6d2fa65700f22e', \
         9000000000000, '{host}')"
    ));
    let poll = || nodes.client(1).try_call("GET", &format!("/api-jobs/{id}"), None).expect("an answer");
    assert_eq!(poll().0, 202, "it is worked on, as far as anybody knows");
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(poll().0, 202, "its node lives");
    nodes.servers[0].kill();
    let poll = || nodes.client(1).try_call("GET", &format!("/api-jobs/{id}"), None).expect("an answer");
    let (status, answer) = until("another node answers it", PATIENCE, || {
        let told = poll();
        (told.0 != 202).then_some(told)
    });
    assert_eq!(status, 503);
    assert!(answer["error"]["details"].as_str().unwrap().contains("send it again"), "{answer}");
}

/// What the last start that was refused said.
fn last(plan: &Plan) -> String {
    plan.log().lines().last().unwrap_or_default().to_owned()
}

/// Where a URL leads, without who comes.
fn place_of(url: &str) -> &str {
    url.split_once('@').expect("a URL with a user").1
}

#[test]
fn a_node_begins_no_cluster_in_an_empty_database_and_joins_no_other_by_mistake() {
    let place = Place::new("typo");
    let [its_own, empty, anothers] = ["typo_own", "typo_empty", "typo_other"].map(Database::new);
    fs::write(place.path("one.key"), [7; 32]).unwrap();
    // Its first password is made up, and waits in its file.
    let plan = Plan::new(&place)
        .set(&format!("secretKeyFile={}", shown(&place.path("one.key"))))
        .env("LONGHAUL_ADMIN_PASSWORD", "");
    let on = |database: &Database| plan.clone().env("LONGHAUL_STORE", &database.url);
    let started = |plan: &Plan| {
        let mut server = plan.try_start(&Client::default()).unwrap_or_else(|| panic!("{}", plan.log()));
        server.kill();
    };
    started(&on(&its_own));
    started(&on(&anothers).data_dir(&shown(&place.path("other"))));
    let nodes = "SELECT string_agg(uuid, ' ' ORDER BY uuid) FROM node";
    let (password, known) = (place.path("data/admin-password"), anothers.rows(nodes));
    let waits = fs::read_to_string(&password).expect("it was made up");
    let refused = |database: &Database, why: &str| {
        assert!(!on(database).start_in_vain().success(), "{why}");
        let told = last(&plan);
        assert!(told.contains(why) && told.contains(place_of(&its_own.url)), "{told}");
        assert!(told.contains("store.cluster"), "how to do it on purpose: {told}");
        assert!(!told.contains(its_own.url.split_once('@').unwrap().0), "no password: {told}");
        assert_eq!(fs::read_to_string(&password).expect("it is there"), waits);
    };
    refused(&empty, "which is empty");
    assert_eq!(
        empty.number("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"),
        0,
        "nothing is made"
    );
    refused(&anothers, "another cluster");
    assert_eq!(anothers.rows(nodes), known, "it did not join");
    // As a move leaves it that broke off: all of the tables and no row.
    anothers.rows("TRUNCATE account, meta CASCADE");
    refused(&anothers, "which is empty");
    assert_eq!(anothers.number("SELECT count(*) FROM meta"), 0, "nothing is begun");
    // Forgotten, its database is not replaced by a store in the directory.
    assert!(!plan.start_in_vain().success());
    assert!(last(&plan).contains(place_of(&its_own.url)), "{}", last(&plan));
    assert!(!place.path("data/longhaul.db").exists());

    started(&on(&its_own));
    fs::remove_file(place.path("data/store.cluster")).expect("it is there");
    started(&on(&empty));
    assert_eq!(empty.number("SELECT count(*) FROM account"), 1, "on purpose it is begun");
    assert_eq!(fs::read_to_string(&password).expect("it is there"), waits, "with the password that waits");
}

#[test]
fn an_embedded_store_is_not_left_behind_by_a_start_on_an_empty_database() {
    let (place, database) = (Place::new("behind"), Database::new("behind"));
    let mut server = Plan::new(&place).start();
    assert!(server.terminate(PATIENCE).success());
    let plan = Plan::new(&place).env("LONGHAUL_STORE", &database.url);
    assert!(!plan.start_in_vain().success());
    let told = last(&plan);
    assert!(told.contains("store copy --from") && told.contains("stay behind"), "{told}");
    assert_eq!(database.number("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), 0);
}

#[test]
fn a_start_says_on_which_store_in_which_cluster_and_as_which_node_it_works() {
    let (place, database) = (Place::new("where"), Database::new("where"));
    let nodes = Nodes::start(&place, &database, 1, |plan| plan);
    let said = |log: &str| log.lines().find(|line| line.contains("this node works on")).map(str::to_owned);
    let told = said(&nodes.log()).expect("it is said");
    let cluster = &database.rows("SELECT value FROM meta WHERE key = 'cluster'")[0];
    let host = fs::read_to_string(place.path("data-0/host.uuid")).unwrap();
    for part in [place_of(&database.url), cluster, &nodes.uuid(0), host.trim()] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains(database.url.split_once('@').unwrap().0), "no password: {told}");
    let embedded = Place::new("where-embedded");
    let plan = Plan::new(&embedded);
    let _server = plan.start();
    let told = said(&plan.log()).expect("it is said");
    assert!(told.contains(&shown(&embedded.path("data/longhaul.db"))), "{told}");
}

#[test]
fn a_database_restored_without_its_rows_is_no_store_for_a_node_and_for_its_own_the_wrong_one() {
    let (place, database, hollow) =
        (Place::new("hollow"), Database::new("hollow_of"), Database::new("hollow"));
    let mut nodes = Nodes::start(&place, &database, 1, |plan| plan);
    nodes.servers[0].kill();
    let dump = shown(&place.path("schema.sql"));
    said("pg_dump", &["--schema-only", "--no-owner", &format!("--file={dump}"), &database.url]);
    said("psql", &["-q", "-v", "ON_ERROR_STOP=1", "-f", &dump, &hollow.url]);
    let on = |plan: Plan| plan.env("LONGHAUL_STORE", &hollow.url);
    let fresh = on(Plan::new(&place).data_dir(&shown(&place.path("fresh"))));
    assert!(!fresh.start_in_vain().success());
    assert!(last(&fresh).contains("--schema-only"), "{}", last(&fresh));
    let own = on(nodes.plans[0].clone());
    assert!(!own.start_in_vain().success());
    assert!(last(&own).contains(place_of(&database.url)), "which was expected: {}", last(&own));
    let checked = std::process::Command::new(env!("CARGO_BIN_EXE_longhaul"))
        .args(["store", "check"])
        .env("LONGHAUL_STORE", &hollow.url)
        .output()
        .expect("it runs");
    let told =
        format!("{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(!checked.status.success() && told.contains("--schema-only"), "{told}");
    assert!(!told.contains("sound:"), "{told}");
}
