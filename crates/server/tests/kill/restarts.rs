//! `kill -9` of the server in the middle of an asynchronous call, of a web hook's tries, and of a session, and a
//! start on the same data: all go on as documented. The witness of hooks is a receiver of the test's own that
//! outlives the server and keeps a journal.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, SIMULATE, text};
use crate::disks::Rig;
use crate::place::{MIB, PATIENCE, Place, until};
use crate::receiver::{Answers, Receiver, Told};
use crate::server::{Plan, Server};

const TRIES: usize = 15;

fn plan(place: &Place) -> Plan {
    Plan::new(place)
        .set("egress.webhooks=127.0.0.0/8:*")
        .env("LONGHAUL_LOG", "info,longhaul_server::hooks=debug")
}

fn restart(server: &mut Server, plan: &Plan) {
    server.kill();
    *server = plan.start();
}

/// Makes a call that asks to be told at `url`; the id of the call.
fn hooked(client: &Client, url: &str, method: &str, path: &str, body: &Value) -> String {
    let (status, answer) = client
        .try_call_with(&[("X-Web-Hook", url)], method, path, Some(body))
        .unwrap_or_else(|e| panic!("{method} {path}: {e}"));
    assert_eq!(status, 202, "{answer}");
    let location = text(&answer["location"]);
    location.rsplit('/').next().expect("an id").to_owned()
}

fn submitted(client: &Client, url: &str) -> String {
    let params =
        json!({"name": "hooked", "jobName": SIMULATE, "jobData": json!({"durationMs": 0}).to_string()});
    hooked(client, url, "POST", "/longjobs", &json!({"params": params}))
}

fn wait_told(receiver: &Receiver, target: &str, count: usize, patience: Duration) -> Vec<Told> {
    until(&format!("{count} deliveries to {target}"), patience, || {
        let told = receiver.told(target);
        (told.len() >= count).then_some(told)
    })
}

/// A hook that is told at its second try only: whatever waited when it was made has been tried before.
fn wait_for_a_later_second_try(client: &Client) {
    let later = Receiver::start(|_, before| Answers::Status(if before == 0 { 500 } else { 200 }));
    submitted(client, &later.url("/later"));
    wait_told(&later, "/later", 2, PATIENCE);
}

#[test]
fn a_hook_gets_fifteen_tries_whenever_the_server_is_killed_and_none_after_them() {
    let place = Place::new("hook-tries");
    let plan = plan(&place);
    let receiver = Receiver::start(|_, _| Answers::Status(500));
    let mut server = plan.start();
    let id = submitted(&server.client, &receiver.url("/hook?secret=canary"));
    for before in [2, 7, 13] {
        wait_told(&receiver, "/hook?secret=canary", before, PATIENCE);
        restart(&mut server, &plan);
    }
    let told = wait_told(&receiver, "/hook?secret=canary", TRIES, Duration::from_secs(120));
    until("it is given up", PATIENCE, || {
        plan.log().lines().any(|l| l.contains("given up") && l.contains(&id)).then_some(())
    });
    restart(&mut server, &plan);
    wait_for_a_later_second_try(&server.client);
    assert_eq!(receiver.journal().len(), TRIES);
    for pair in told.windows(2) {
        assert_eq!(pair[0].job(), id);
        assert_eq!(pair[0].json()["inventory"]["uuid"], pair[1].json()["inventory"]["uuid"]);
        let apart = pair[1].at.duration_since(pair[0].at);
        assert!(apart >= Duration::from_millis(1900), "{apart:?}");
    }
    let (status, answer) = server.client.call("GET", &format!("/api-jobs/{id}"), &Value::Null);
    assert_eq!((status, &answer["inventory"]["uuid"]), (200, &told[0].json()["inventory"]["uuid"]));
    assert!(!plan.log().contains("canary"), "a URL may hold a secret");
}

#[test]
fn a_try_that_the_kill_cut_is_made_again_with_the_same_answer() {
    let place = Place::new("hook-cut-try");
    let plan = plan(&place);
    let receiver =
        Receiver::start(|_, before| if before == 0 { Answers::Never } else { Answers::Status(200) });
    let mut server = plan.start();
    let id = submitted(&server.client, &receiver.url("/hook"));
    wait_told(&receiver, "/hook", 1, PATIENCE);
    restart(&mut server, &plan);
    let told = wait_told(&receiver, "/hook", 2, PATIENCE);
    assert!(told.iter().all(|t| t.job() == id && t.header("X-Job-Success") == Some("true")), "{told:?}");
    assert_eq!(told[0].json()["inventory"]["uuid"], told[1].json()["inventory"]["uuid"]);
    wait_for_a_later_second_try(&server.client);
    assert_eq!(receiver.told("/hook").len(), 2);
}

#[test]
fn what_was_told_is_not_told_again_after_a_kill() {
    let place = Place::new("hook-told");
    let plan = plan(&place);
    let receiver = Receiver::taking_all();
    let mut server = plan.start();
    let id = submitted(&server.client, &receiver.url("/hook"));
    wait_told(&receiver, "/hook", 1, PATIENCE);
    until("it is noted", PATIENCE, || {
        plan.log().lines().any(|l| l.contains("was told") && l.contains(&id)).then_some(())
    });
    restart(&mut server, &plan);
    wait_for_a_later_second_try(&server.client);
    assert_eq!(receiver.told("/hook").len(), 1);
}

#[test]
fn a_call_that_the_kill_cut_ends_with_an_error_at_the_poll_and_at_its_hook() {
    let receiver = Receiver::taking_all();
    let mut rig =
        Rig::new("hook-cut-call", "raw", 16 * MIB, |place, _| plan(place).set("copy.bytesPerSecond=1048576"));
    let path = format!("/primary-storage/volumes/{}/actions", rig.volume);
    let body = json!({"primaryStorageMigrateVolume": {"dstPrimaryStorageUuid": rig.to_uuid}});
    let id = hooked(rig.client(), &receiver.url("/hook"), "PUT", &path, &body);
    let job = until("the copy is under way", PATIENCE, || {
        let jobs = rig.client().many("/longjobs?q=state=Running");
        let job = text(&jobs.first()?["uuid"]);
        let (_, done, _) = rig.client().progress(jobs.first()?);
        (done > 0).then_some(job)
    });
    assert!(receiver.journal().is_empty(), "there is nothing to tell yet");
    rig.kill_and_restart();
    let told = wait_told(&receiver, "/hook", 1, PATIENCE).remove(0);
    assert_eq!((told.job(), told.header("X-Job-Success")), (id.as_str(), Some("false")));
    let (status, polled) = rig.client().call("GET", &format!("/api-jobs/{id}"), &Value::Null);
    assert_eq!((status, &polled), (503, &told.json()));
    let details = text(&polled["error"]["details"]);
    assert!(details.contains("restarted") && details.contains("look at the resource"), "{details}");
    wait_for_a_later_second_try(rig.client());
    assert_eq!(receiver.journal().len(), 1);
    // The work itself goes on; the call that asked for it is what was cut.
    rig.client().cancel(&job);
    assert_eq!(rig.client().final_job(&job, PATIENCE)["state"], "Canceled");
    rig.assert_not_moved();
}

#[test]
fn a_session_goes_on_after_a_kill_and_one_that_was_ended_stays_so() {
    let place = Place::new("session");
    let plan = plan(&place);
    let mut server = plan.start();
    let (goes_on, ended) = (server.client.clone(), plan.log_in(&server));
    let gone = format!("/accounts/sessions/{}", ended.session());
    assert_eq!(server.client.call("DELETE", &gone, &Value::Null).0, 200);
    let job = goes_on.submit(SIMULATE, &json!({"durationMs": 3_600_000}), &[]);
    restart(&mut server, &plan);
    let (goes_on, ended) = (goes_on.at(&server.client), ended.at(&server.client));
    assert_ne!(goes_on.session(), server.client.session(), "a new login is another session");
    goes_on.cancel(&job);
    assert_eq!(goes_on.final_job(&job, PATIENCE)["state"], "Canceled");
    let valid = |client: &Client| {
        let path = format!("/accounts/sessions/{}/valid", client.session());
        goes_on.ok("GET", &path, &Value::Null)["valid"].clone()
    };
    assert_eq!((valid(&goes_on), valid(&ended)), (json!(true), json!(false)));
    let (status, answer) = ended.call("GET", "/longjobs", &Value::Null);
    assert_eq!((status, &answer["error"]["code"]), (401, &json!("ID.1001")));
}

#[test]
fn an_empty_directory_in_place_of_an_empty_storage_is_not_marked_at_a_start() {
    let place = Place::new("unmounted");
    let plan = Plan::new(&place).set("storage.watchSeconds=1");
    let point = place.dir("disks");
    let aside = place.path("aside");
    let mut server = plan.start();
    let storage = server.client.add_storage("disks", &point);
    server.kill();
    std::fs::rename(&point, &aside).expect("moved aside");
    std::fs::create_dir(&point).expect("an empty mount point");
    server = plan.start();
    let status = |is: &str| {
        until(is, PATIENCE, || {
            let told = server.client.one(&format!("/primary-storage?q=uuid={storage}"));
            (told["status"] == is).then_some(())
        });
    };
    status("Disconnected");
    assert_eq!(std::fs::read_dir(&point).expect("readable").count(), 0, "it is no storage");
    std::fs::remove_dir(&point).expect("the empty directory");
    std::fs::rename(&aside, &point).expect("mounted again");
    status("Connected");
}
