//! `longhaul store backup` and `check` on a server that works: what a backup holds starts as a server again, and its
//! jobs go on. The witness is another program that reads the exit codes, and the client's own list of jobs.

use std::fs;
use std::process::{Command, Output};

use serde_json::json;

use crate::client::{Client, SIMULATE, text};
use crate::place::{PATIENCE, Place, shown, until};
use crate::server::Plan;

fn store(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_longhaul")).arg("store").args(words).output().expect("started")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_backup_of_a_working_server_starts_as_a_server_and_its_jobs_go_on() {
    let place = Place::new("backup");
    let (data, backup) = (shown(&place.path("data")), shown(&place.path("backup.db")));
    let plan = Plan::new(&place);
    let mut server = plan.start();
    let slow = json!({"durationMs": 4000, "progressSteps": 40});
    let mut jobs: Vec<String> = (0..20).map(|_| server.client.submit(SIMULATE, &slow, &[])).collect();
    jobs.extend((0..20).map(|_| server.client.submit(SIMULATE, &json!({"durationMs": 0}), &[])));
    let api = text(&server.client.job(&jobs[0])["apiId"]);
    until("one is under way", PATIENCE, || {
        let percent = text(&server.client.many(&format!("/task-progresses/{api}"))[0]["content"]);
        (percent != "0").then_some(())
    });

    let made = store(&["backup", "--data-dir", &data, "--to", &backup]);
    assert!(made.status.success(), "{}", said(&made));
    let again = store(&["backup", "--data-dir", &data, "--to", &backup]);
    assert!(!again.status.success() && said(&again).contains("is there already"), "{}", said(&again));
    let after = server.client.submit(SIMULATE, &slow, &[]);
    for place in [["--data-dir", data.as_str()], ["--file", backup.as_str()]] {
        let checked = store(&["check", place[0], place[1]]);
        assert!(checked.status.success(), "{}", said(&checked));
        let first = String::from_utf8_lossy(&checked.stderr).lines().next().unwrap_or_default().to_owned();
        assert!(first.starts_with("looking at the store ") && first.contains(place[1]), "{first}");
        assert!(said(&checked).contains(" of SQLite\n"), "{}", said(&checked));
    }
    let left: Vec<_> =
        fs::read_dir(place.path("")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("unfinished")), "{left:?}");
    server.kill();

    // On another machine there is the backup and the key, and nothing else.
    let elsewhere = place.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(place.path("data/secret.key"), elsewhere.join("secret.key")).unwrap();
    fs::copy(&backup, elsewhere.join("longhaul.db")).unwrap();
    let server = plan.data_dir(&shown(&elsewhere)).start();
    for job in &jobs {
        assert_eq!(server.client.final_job(job, PATIENCE)["state"], "Succeeded");
    }
    let unknown = server.client.many(&format!("/longjobs?q=uuid={after}"));
    assert!(unknown.is_empty(), "what was submitted after the backup is not in it: {unknown:?}");
}

#[test]
fn a_check_ends_with_one_where_a_store_is_broken_and_says_what_and_what_to_do() {
    let place = Place::new("check");
    let (data, backup) = (shown(&place.path("data")), shown(&place.path("backup.db")));
    let server = Plan::new(&place).start();
    server.client.submit(SIMULATE, &json!({"durationMs": 0}), &[]);
    let made = store(&["backup", "--data-dir", &data, "--to", &backup]);
    assert!(made.status.success(), "{}", said(&made));
    let broken = Command::new("python3")
        .args(["-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('DELETE FROM job_body'); c.commit()"])
        .arg(&backup)
        .status();
    assert!(broken.expect("python3").success());
    let checked = store(&["check", "--file", &backup]);
    assert_eq!(checked.status.code(), Some(1));
    let told = said(&checked);
    for part in ["every job has its request", "what to do: ", "NOT sound"] {
        assert!(told.contains(part), "{told}");
    }
    let none = store(&["check", "--data-dir", &shown(&place.path("nothing"))]);
    assert_eq!(none.status.code(), Some(1));
    assert!(said(&none).contains("there is no such file"), "{}", said(&none));
    assert!(!place.path("nothing").exists(), "a check makes nothing");
}

#[test]
fn a_store_that_is_made_anew_has_the_first_password_that_waits_in_its_file() {
    let place = Place::new("first-password");
    let plan = Plan::new(&place).env("LONGHAUL_ADMIN_PASSWORD", "");
    let file = place.path("data/admin-password");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut server = plan.try_start(&Client::default()).unwrap_or_else(|| panic!("{}", plan.log()));
        let waits = fs::read_to_string(&file).expect("it is there");
        Client::login(server.client.address(), waits.trim());
        seen.push(waits);
        server.kill();
        for entry in fs::read_dir(place.path("data")).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("longhaul.db") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
    assert_eq!(seen[0], seen[1], "it was not replaced");
}
