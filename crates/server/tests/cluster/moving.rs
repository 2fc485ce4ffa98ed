//! A server on its embedded store moves to PostgreSQL by `longhaul store copy`, the real binary; dumps of that database by
//! PostgreSQL's own tools. What is compared row by row: the store's suite `postgres_house`.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::json;

use crate::client::{Client, SIMULATE, text};
use crate::database::Database;
use crate::place::{PATIENCE, Place, said, shown, until};
use crate::server::Plan;
use crate::witness::Witness;

/// Long enough that it is in the middle when its server stops, and ends soon after the move.
const WORK: u64 = 6_000;

/// The password of a URL.
fn password_of(url: &str) -> &str {
    let user = url.split_once("://").and_then(|(_, rest)| rest.split_once('@')).expect("a URL with a user").0;
    user.split_once(':').expect("a URL with a password").1
}

fn longhaul(args: &[&str], store: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_longhaul"));
    command.args(args).env_remove("LONGHAUL_STORE");
    if let Some(url) = store {
        command.env("LONGHAUL_STORE", url);
    }
    command.output().expect("it runs")
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// How many jobs there are of each state, by the API.
fn states(client: &Client) -> Vec<(String, usize)> {
    let mut counted = std::collections::BTreeMap::new();
    for job in client.many("/longjobs?limit=1000") {
        *counted.entry(text(&job["state"])).or_default() += 1;
    }
    counted.into_iter().collect()
}

#[test]
fn a_job_that_was_submitted_before_the_move_runs_after_it_and_one_in_the_middle_goes_on() {
    let (place, database) = (Place::new("moving"), Database::new("moving"));
    let plan = Plan::new(&place);
    let mut server = plan.start();
    let client = server.client.clone();
    let ended = client.submit(SIMULATE, &json!({"durationMs": 10}), &[]);
    client.final_job(&ended, PATIENCE);
    let running = client.submit(SIMULATE, &json!({"durationMs": WORK, "progressSteps": 60}), &[]);
    let held = client.submit(SIMULATE, &json!({"durationMs": 2_000}), &[]);
    client.ok("PUT", &format!("/longjobs/{held}/actions"), &json!({"suspendLongJob": {}}));
    until("it is held", PATIENCE, || (client.state(&held) == "Suspended").then_some(()));
    let mut witness = Witness::new(&place.path("journal"));
    until("its body is in the middle", PATIENCE, || {
        witness.look();
        witness.lines.iter().any(|line| line.job == running && line.what == "checkpoint").then_some(())
    });
    let token = witness.tokens()[&running];

    let data = shown(&place.path("data"));
    let copy = ["store", "copy", "--from", &data, "--to", &database.url];
    let refused = longhaul(&copy, None);
    assert!(!refused.status.success() && words(&refused).contains("PGPASSFILE"), "{}", words(&refused));
    let copy = &copy[..4];
    let refused = longhaul(copy, Some(&database.url));
    assert!(!refused.status.success(), "its server runs");
    assert!(words(&refused).contains("while no server runs on it"), "{}", words(&refused));
    assert!(!words(&refused).contains("--data-dir"), "the flag is another: {}", words(&refused));
    assert!(server.terminate(PATIENCE).success());

    let moved = longhaul(copy, Some(&database.url));
    assert!(moved.status.success(), "{}", words(&moved));
    assert!(words(&moved).contains("job"), "what was moved is told:\n{}", words(&moved));
    assert_eq!(database.number("SELECT count(*) FROM job"), 3);
    // The embedded store would run every job a second time.
    assert!(!plan.start_in_vain().success());
    assert!(plan.log().contains("moved to"), "{}", plan.log());

    let server = plan.clone().env("LONGHAUL_STORE", &database.url).start();
    let client = &server.client;
    assert_eq!(client.job(&ended)["state"], "Succeeded");
    assert_eq!(client.state(&held), "Suspended", "it is held still");
    client.ok("PUT", &format!("/longjobs/{held}/actions"), &json!({"resumeLongJob": {}}));
    for job in [&held, &running] {
        assert_eq!(client.final_job(job, PATIENCE)["state"], "Succeeded", "{}", plan.log());
    }
    let fresh = client.submit(SIMULATE, &json!({"durationMs": 10}), &[]);
    assert_eq!(client.final_job(&fresh, PATIENCE)["state"], "Succeeded");
    assert_eq!(states(client), [("Succeeded".to_owned(), 4)]);
    witness.look();
    assert!(witness.tokens()[&running] > token, "another attempt went on");
    assert_eq!(witness.ended_twice(), Vec::<String>::new());
    let checked = longhaul(&["store", "check"], Some(&database.url));
    assert!(checked.status.success(), "{}", words(&checked));
    assert!(words(&checked).contains(" of PostgreSQL\n"), "{}", words(&checked));
}

#[test]
fn a_dump_that_is_restored_into_another_database_is_sound_and_its_jobs_run() {
    let (place, database) = (Place::new("dump"), Database::new("dump"));
    let plan = Plan::new(&place).env("LONGHAUL_STORE", &database.url);
    let mut server = plan.start();
    let running = server.client.submit(SIMULATE, &json!({"durationMs": WORK, "progressSteps": 60}), &[]);
    let many = 200;
    for _ in 0..many {
        server.client.submit(SIMULATE, &json!({"durationMs": 1}), &[]);
    }
    let mut witness = Witness::new(&place.path("journal"));
    until("it has run for a while", PATIENCE, || {
        witness.look();
        witness.lines.iter().any(|line| line.job == running && line.what == "checkpoint").then_some(())
    });
    // While everything runs, as an administrator does it every night.
    let dump = shown(&place.path("longhaul.dump"));
    said("pg_dump", &["--format=custom", &format!("--file={dump}"), &database.url]);
    let restored = Database::new("restored");
    let arguments = ["--exit-on-error", "--single-transaction", "--no-owner", "-d", &restored.url, &dump];
    said("pg_restore", &arguments);
    let checked = longhaul(&["store", "check"], Some(&restored.url));
    assert!(checked.status.success(), "{}", words(&checked));
    assert!(server.terminate(Duration::from_secs(30)).success());

    let plan = Plan::new(&place).env("LONGHAUL_STORE", &restored.url);
    let server = plan.start();
    assert_eq!(restored.number("SELECT count(*) FROM job"), many + 1);
    let jobs = server.client.many("/longjobs?limit=1000");
    for job in jobs {
        let ended = server.client.final_job(&text(&job["uuid"]), PATIENCE);
        assert_eq!(ended["state"], "Succeeded", "{}", plan.log());
    }
}

/// A server's store with one job that has ended, moved to the database by the command.
fn moved(place: &Place, database: &Database) -> Plan {
    let plan = Plan::new(place);
    let mut server = plan.start();
    let job = server.client.submit(SIMULATE, &json!({"durationMs": 10}), &[]);
    server.client.final_job(&job, PATIENCE);
    assert!(server.terminate(PATIENCE).success());
    let copied = copy(&shown(&place.path("data")), &database.url);
    assert!(copied.status.success(), "{}", words(&copied));
    plan
}

fn copy(data: &str, url: &str) -> Output {
    longhaul(&["store", "copy", "--from", data], Some(url))
}

/// Nothing in it leads to a database being emptied.
fn advises_to_empty_nothing(output: &Output) {
    let told = words(output);
    assert!(!told.contains("DROP") && !told.contains("empty this one"), "{told}");
}

#[test]
fn a_store_that_has_moved_is_said_to_be_there_and_no_command_advises_to_empty_a_database_with_a_cluster() {
    let (place, database) = (Place::new("moved-again"), Database::new("moved_again"));
    let plan = moved(&place, &database);
    let data = shown(&place.path("data"));
    let mut server = plan.clone().env("LONGHAUL_STORE", &database.url).start();
    let job = server.client.submit(SIMULATE, &json!({"durationMs": 10}), &[]);
    server.client.final_job(&job, PATIENCE);
    assert!(server.terminate(PATIENCE).success());

    let again = copy(&data, &database.url);
    assert!(again.status.success(), "what was asked for is so: {}", words(&again));
    let told = words(&again);
    for part in ["already", "nothing was copied", "nothing is to be done", "--store"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    advises_to_empty_nothing(&again);
    // A copy of the directory from before the move, as a backup is: what is there has gone on since.
    let marks = ["store.moved", "store.cluster"].map(|mark| place.path("data").join(mark));
    for mark in &marks {
        std::fs::remove_file(mark).expect("it is there");
    }
    let unmarked = copy(&data, &database.url);
    assert!(!unmarked.status.success() && words(&unmarked).contains("newer"), "{}", words(&unmarked));
    advises_to_empty_nothing(&unmarked);
    // Somebody else's store does not go there either.
    let other = Place::new("moved-other");
    let mut server = Plan::new(&other).start();
    assert!(server.terminate(PATIENCE).success());
    let foreign = copy(&shown(&other.path("data")), &database.url);
    assert!(!foreign.status.success() && words(&foreign).contains("another cluster"), "{}", words(&foreign));
    assert!(!words(&foreign).contains("looking: "), "before the source is read: {}", words(&foreign));
    advises_to_empty_nothing(&foreign);
    assert!(!other.path("data/store.moved").exists(), "it has not moved");
    assert_eq!(database.number("SELECT count(*) FROM job"), 2, "what is there is as it was");
}

#[test]
fn the_file_that_a_moved_store_left_behind_is_neither_backed_up_nor_found_well_unless_that_is_asked_for() {
    let (place, database) = (Place::new("left"), Database::new("left"));
    moved(&place, &database);
    let (data, backup) = (shown(&place.path("data")), shown(&place.path("backup.db")));
    let backed_up = |more: &[&str]| {
        let command = ["store", "backup", "--data-dir", &data, "--to", &backup];
        longhaul(&[command.as_slice(), more].concat(), None)
    };
    let at = database.url.split_once('@').unwrap().1;
    let says_where = |output: &Output| {
        let told = words(output);
        assert!(told.contains("moved to") && told.contains(at), "{told}");
        assert!(!told.contains(password_of(&database.url)), "{told}");
    };
    let refused = backed_up(&[]);
    assert_eq!(refused.status.code(), Some(1), "{}", words(&refused));
    says_where(&refused);
    assert!(
        words(&refused).contains("pg_dump") && words(&refused).contains("--moved"),
        "{}",
        words(&refused)
    );
    assert!(!place.path("backup.db").exists(), "nothing was made");
    let made = backed_up(&["--moved"]);
    assert!(made.status.success() && place.path("backup.db").exists(), "{}", words(&made));
    says_where(&made);

    let checked = |what: &[&str]| longhaul(&[["store", "check"].as_slice(), what].concat(), None);
    let left = checked(&["--data-dir", &data]);
    assert_eq!(left.status.code(), Some(1), "the store that was asked for is elsewhere: {}", words(&left));
    says_where(&left);
    assert!(words(&left).contains("sound:"), "it was looked at all the same: {}", words(&left));
    let on_purpose = checked(&["--data-dir", &data, "--moved"]);
    assert!(on_purpose.status.success(), "{}", words(&on_purpose));
    says_where(&on_purpose);
    let named = checked(&["--file", &shown(&place.path("data/longhaul.db"))]);
    assert!(named.status.success(), "{}", words(&named));
    says_where(&named);
    let backup = checked(&["--file", &backup]);
    assert!(backup.status.success() && !words(&backup).contains("MOVED"), "{}", words(&backup));
}

#[test]
fn a_store_that_has_moved_is_begun_anew_in_no_empty_database() {
    let (place, database, empty) = (Place::new("home"), Database::new("home"), Database::new("home_empty"));
    let plan = moved(&place, &database);
    // A directory of an earlier release has `store.moved` alone.
    std::fs::remove_file(place.path("data/store.cluster")).expect("it is there");
    assert!(!plan.clone().env("LONGHAUL_STORE", &empty.url).start_in_vain().success());
    let told = plan.log().lines().last().unwrap_or_default().to_owned();
    assert!(
        told.contains("which is empty") && told.contains(database.url.split_once('@').unwrap().1),
        "{told}"
    );
    assert!(!told.contains(password_of(&database.url)), "{told}");
    assert_eq!(empty.number("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), 0);
    let server = plan.env("LONGHAUL_STORE", &database.url).start();
    assert_eq!(states(&server.client), [("Succeeded".to_owned(), 1)]);
    assert!(place.path("data/store.cluster").exists(), "now it is known");
}

#[test]
fn a_copy_of_a_directory_whose_store_moved_or_never_did_joins_no_other_cluster() {
    let (place, its_own, other) =
        (Place::new("copied"), Database::new("copied_own"), Database::new("copied"));
    moved(&place, &its_own);
    let mark = std::fs::read_to_string(place.path("data/store.moved")).expect("it has moved");
    // Another cluster, with the same key.
    let key = shown(&place.path("data/secret.key"));
    let another = Plan::new(&place).data_dir(&shown(&place.path("other")));
    let another = another.set(&format!("secretKeyFile={key}")).env("LONGHAUL_STORE", &other.url);
    assert!(another.start().terminate(PATIENCE).success());
    let known = other.rows("SELECT key, value FROM meta ORDER BY key");
    let before = mark.lines().next().expect("a place").to_owned() + "\n";
    for (name, mark) in
        [("as-it-is", Some(&mark)), ("of-an-earlier-build", Some(&before)), ("embedded", None)]
    {
        let copy = place.dir(name);
        for file in ["longhaul.db", "secret.key", "secret.check"] {
            std::fs::copy(place.path("data").join(file), place.path(name).join(file)).expect("it is there");
        }
        if let Some(mark) = mark {
            std::fs::write(place.path(name).join("store.moved"), mark).expect("written");
        }
        let on = |database: &Database| Plan::new(&place).data_dir(&copy).env("LONGHAUL_STORE", &database.url);
        let in_vain = on(&other);
        assert!(!in_vain.start_in_vain().success(), "{name}");
        let told = in_vain.log().lines().last().unwrap_or_default().to_owned();
        assert!(
            told.contains("another cluster") && told.contains("another data directory"),
            "{name}: {told}"
        );
        let there = other.rows("SELECT key, value FROM meta ORDER BY key");
        assert_eq!(there, known, "{name}: it did not join");
        assert!(on(&its_own).start().terminate(PATIENCE).success(), "{name}: its own it joins");
    }
}
