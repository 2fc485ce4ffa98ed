//! The bandwidth of running copies, seen from outside: a job's own rate, budgets of storages and their windows. How a
//! budget is shared and when a window is open is tested where it is computed.

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::disks::Pool;
use crate::support::jobs::data;
use crate::support::server::{TempDir, command};
use crate::support::{Caller, Server, until};

const MIB: u64 = 1 << 20;

/// Copies stand nearly still unless something else says more.
const SLOW: [&str; 2] = ["--set", "copy.bytesPerSecond=1"];

/// What the newest progress of a job says besides its percentage.
fn opaque(admin: &Caller, job: &str) -> Value {
    let api = admin.job(job).expect("the job")["apiId"].as_str().expect("an apiId").to_owned();
    let rows = admin.get(&format!("/task-progresses/{api}")).ok();
    rows["inventories"]
        .as_array()
        .and_then(|rows| rows.last())
        .map_or(Value::Null, |row| row["opaque"].clone())
}

/// Waits until a job is told to be limited to `rate` by `why`.
fn limited(admin: &Caller, job: &str, rate: u64, why: &str) {
    until(&format!("the limit is {rate} by {why}"), || {
        let told = opaque(admin, job);
        (told["limitBytesPerSecond"] == rate && told["limitedBy"].as_str()?.contains(why)).then_some(())
    });
}

fn throttle(admin: &Caller, job: &str, rate: &Value) {
    let answer = admin.act(job, "throttleLongJob", &json!({"bytesPerSecond": rate}));
    assert_eq!(answer.inventory()["uuid"], job);
}

#[test]
fn a_running_copy_follows_its_own_rate_which_a_killed_server_keeps() {
    for profile in ["fast", "zstack"] {
        let server = Server::start(profile, &SLOW);
        let admin = server.admin();
        let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
        let job = admin.migration(&admin.full_volume(&from, 32), &to);
        limited(&admin, &job, 1, "copy.bytesPerSecond");
        throttle(&admin, &job, &json!(65_537));
        throttle(&admin, &job, &json!(65_536));
        limited(&admin, &job, 65_536, "its own rate");
        let tags = admin.get(&format!("/system-tags?q=resourceUuid={job}")).ok();
        let texts: Vec<_> =
            tags["inventories"].as_array().expect("a list").iter().map(|t| &t["tag"]).collect();
        assert_eq!(texts, ["longhaul::throttle::65536"], "one rate, where tags are read");

        let server = server.killed_and_started_again(&SLOW);
        let admin = server.admin();
        limited(&admin, &job, 65_536, "its own rate");
        for none in [Value::Null, json!(0)] {
            throttle(&admin, &job, &none);
            limited(&admin, &job, 1, "copy.bytesPerSecond");
        }
        // At the rate before it would last for months.
        throttle(&admin, &job, &json!(1_u64 << 30));
        admin.wait_for(&job, "Succeeded");
        assert_eq!(opaque(&admin, &job)["limitedBy"], Value::Null);
        let rows = admin.get(&format!("/longjobs/{job}/timeline")).ok()["inventories"].to_string();
        assert!(
            rows.contains("at most 1073741824 bytes per second") && rows.contains("no rate of its own"),
            "{rows}"
        );
    }
}

#[test]
fn a_rate_is_refused_below_its_bound_on_an_ended_job_and_where_nothing_is_copied() {
    for server in Server::both(&SLOW) {
        let admin = server.admin();
        let refused = |job: &str, params: Value| admin.act(job, "throttleLongJob", &params).error();
        let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
        let copy = admin.migration(&admin.full_volume(&from, 16), &to);
        let (code, details) = refused(&copy, json!({"bytesPerSecond": 65_535}));
        assert!(code == "SYS.1007" && details.contains("65536"), "{code} {details}");
        assert_eq!(refused(&copy, json!({"bytesPerSecond": -1})).0, "SYS.1007");
        for bad in [json!("fast"), json!(1.5)] {
            let answer = admin.act(&copy, "throttleLongJob", &json!({"bytesPerSecond": bad}));
            assert_eq!(answer.last.status, 400, "{bad}");
        }
        let (code, details) = refused(&admin.job_in("Running"), json!({"bytesPerSecond": 1 << 20}));
        assert!(code == "LONG_JOB.1003" && details.contains("copies nothing"), "{code} {details}");
        admin.act(&copy, "cancelLongJob", &json!({})).ok();
        admin.wait_for(&copy, "Canceled");
        let (code, details) = refused(&copy, json!({}));
        assert!(
            code == "SYS.1007" && details.contains("can only throttle longjob that is not"),
            "{code} {details}"
        );
        let simulated = admin.submit(&data("Succeeded"));
        admin.wait_for(&simulated, "Succeeded");
        assert_eq!(
            refused(&simulated, json!({"bytesPerSecond": 1 << 20})).0,
            "SYS.1007",
            "its state comes first"
        );
    }
}

/// A configuration file that changes while its server runs.
struct Config {
    _dir: TempDir,
    path: PathBuf,
}

impl Config {
    fn new(text: &str) -> Self {
        let dir = TempDir::new("config");
        let config = Self { path: dir.0.join("longhaul.toml"), _dir: dir };
        config.says(text);
        config
    }

    fn says(&self, text: &str) {
        std::fs::write(&self.path, text).expect("the configuration file");
    }

    fn server(&self, flags: &[&str]) -> Server {
        Server::start("fast", &[&["--config", &self.path.to_string_lossy()], flags].concat())
    }
}

fn named(admin: &Caller, name: &str) -> Pool {
    let pool = admin.pool(&json!({}));
    let body = json!({"updatePrimaryStorage": {"name": name}});
    admin.put(&format!("/primary-storage/{}/actions", pool.uuid), &body).ok();
    pool
}

/// What GetPrimaryStorageBandwidth says of a storage.
fn bandwidth(admin: &Caller, pool: &Pool) -> Value {
    let path = format!("/primary-storage/bandwidths?primaryStorageUuids={}", pool.uuid);
    admin.get(&path).ok()["inventories"][0].clone()
}

/// The copying children of a server.
fn copiers(server: &Server) -> Vec<u32> {
    let read =
        |pid: u32, what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let pids = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let stat = read(*pid, "stat");
        let after: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        after.get(1) == Some(&server.pid().to_string().as_str())
            && after.first() != Some(&"Z")
            && read(*pid, "cmdline").contains("attempt-io")
    })
    .collect()
}

/// The one copying child that is not among `known`.
fn copier(server: &Server, known: &[u32]) -> u32 {
    until("a copying process", || copiers(server).into_iter().find(|pid| !known.contains(pid)))
}

/// Bytes that a process has written so far, as the kernel counts them.
fn written(pid: u32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).expect("the process is there");
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).expect("wchar");
    line.parse().expect("a number")
}

#[test]
#[allow(clippy::disallowed_methods, reason = "what other processes write is held against the real clock")]
fn two_running_copies_share_the_budget_of_their_storage_and_follow_its_changes() {
    let budget = |rate: u64| format!("[storage.shared]\nbytes_per_second = {rate}\n");
    let config = Config::new(&budget(16 * MIB));
    let server = config.server(&[]);
    let admin = server.admin();
    let (from, to) = (admin.pool(&json!({})), named(&admin, "shared"));
    let disks = [admin.full_volume(&from, 96), admin.full_volume(&from, 96)];
    until("the name is known", || (bandwidth(&admin, &to)["bytesPerSecond"] == 16 * MIB).then_some(()));
    let first = admin.migration(&disks[0], &to);
    let one = copier(&server, &[]);
    limited(&admin, &first, 16 * MIB, "the budget of storage shared");
    let second = admin.migration(&disks[1], &to);
    let other = copier(&server, &[one]);
    for job in [&first, &second] {
        limited(&admin, job, 8 * MIB, "the budget of storage shared");
    }
    assert_eq!(bandwidth(&admin, &to)["copies"], 2);

    let (start, before) = (Instant::now(), [written(one), written(other)]);
    until("one wrote 16 MiB more", || (written(one) - before[0] >= 16 * MIB).then_some(()));
    let (passed, moved) =
        (start.elapsed().as_secs_f64(), [written(one) - before[0], written(other) - before[1]]);
    // A copy moves chunks of 4 MiB, and may be ahead by one.
    assert!((8 * MIB..=24 * MIB).contains(&moved[1]), "the other wrote {} MiB", moved[1] / MIB);
    let most = 16.0 * passed + 16.0;
    assert!(((moved[0] + moved[1]) / MIB) as f64 <= most, "{moved:?} in {passed} s");

    // What one does not take is the other's.
    throttle(&admin, &first, &json!(MIB));
    limited(&admin, &first, MIB, "its own rate");
    limited(&admin, &second, 15 * MIB, "the budget of storage shared");

    config.says("[storage.shared]\nbytes_per_second = 5\n");
    until("the broken file is told", || {
        let log = server.log();
        (log.contains("ERROR") && log.contains("storage.shared.bytes_per_second = 5 must be")).then_some(())
    });
    assert_eq!(bandwidth(&admin, &to)["bytesPerSecond"], 16 * MIB, "the old value stays");
    config.says(&budget(3 * MIB));
    limited(&admin, &second, 2 * MIB, "the budget of storage shared");
    config.says("");
    throttle(&admin, &first, &Value::Null);
    for job in [&first, &second] {
        admin.wait_for(job, "Succeeded");
    }
    assert_eq!(bandwidth(&admin, &to)["copies"], 0);
}

/// Of the one copying child, which began after `begun`: for three seconds it writes no more than its rate and one chunk,
/// beside what it says.
#[allow(clippy::disallowed_methods, reason = "what another process writes is held against the real clock")]
fn begins_slowly(server: &Server, begun: Instant, rate: u64) {
    let child = copier(server, &[]);
    until("it wrote a chunk", || (written(child) >= 4 * MIB).then_some(()));
    let since = Instant::now();
    until("three seconds more", || {
        let most = 4 * MIB + rate * (begun.elapsed().as_secs() + 1) + 256 * 1024;
        let bytes = written(child);
        assert!(bytes <= most, "{bytes} bytes in {:?}", begun.elapsed());
        (since.elapsed().as_secs() >= 3).then_some(())
    });
}

#[test]
#[allow(clippy::disallowed_methods, reason = "what another process writes is held against the real clock")]
fn each_attempt_keeps_to_its_rate_from_its_begin_on_and_says_what_holds_it_back() {
    let flags = ["--set", "copy.bytesPerSecond=65536"];
    let server = Server::start("fast", &flags);
    let admin = server.admin();
    let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
    let volume = admin.full_volume(&from, 32);
    let begun = Instant::now();
    let job = admin.migration(&volume, &to);
    begins_slowly(&server, begun, 65_536);
    let begun = Instant::now();
    let server = server.killed_and_started_again(&flags);
    begins_slowly(&server, begun, 65_536);

    let admin = server.admin();
    let answer = admin.get(&format!("/longjobs/{job}/explain")).ok();
    let reasons = answer["reasons"].as_array().expect("a list");
    assert_eq!(
        (&reasons[0]["reason"], &reasons[1]["reason"]),
        (&json!("works"), &json!("heldBack")),
        "{answer}"
    );
    assert_eq!(reasons[1]["limitBytesPerSecond"], 65_536);
    let sentence = reasons[1]["sentence"].as_str().expect("a text");
    assert!(sentence.contains("by copy.bytesPerSecond") && sentence.contains(" left"), "{sentence}");
    let told = opaque(&admin, &job);
    // Chunks of 64 s: 32 MiB, less one or two of them, and as much to be read back.
    assert!((600..=1024).contains(&told["etaSeconds"].as_u64().unwrap_or_default()), "{told}");
    assert_eq!(told["stalled"], false);
}

/// Seconds of the day in UTC, `later` from now, as a window is told: without the seconds of a full minute.
#[allow(clippy::disallowed_methods, reason = "windows are of the real clock, which the server sees too")]
fn clock(later: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let at = (now + later) % 86_400;
    match (at / 3600, at / 60 % 60, at % 60) {
        (hours, minutes, 0) => format!("{hours:02}:{minutes:02}"),
        (hours, minutes, seconds) => format!("{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

#[test]
fn a_window_that_begins_while_a_copy_runs_pauses_it_until_it_ends() {
    let config = Config::new("");
    let server = config.server(&["--set", "copy.bytesPerSecond=4194304"]);
    let admin = server.admin();
    let (from, to) = (admin.pool(&json!({})), named(&admin, "day"));
    let job = admin.migration(&admin.full_volume(&from, 64), &to);
    limited(&admin, &job, 4 * MIB, "copy.bytesPerSecond");
    let child = copier(&server, &[]);
    let (from_now, to_then) = (clock(4), clock(9));
    config.says(&format!(
        "[storage.{}]\ntime_zone = \"UTC\"\n[[storage.{}.window]]\nfrom = {from_now:?}\nto = {to_then:?}\npause = true\n",
        from.uuid, from.uuid
    ));

    limited(&admin, &job, 0, &format!("the window {from_now}-{to_then} of storage pool until "));
    let told = bandwidth(&admin, &from);
    assert_eq!(
        (&told["paused"], &told["bytesPerSecond"], &told["timeZone"]),
        (&json!(true), &json!(0), &json!("UTC"))
    );
    assert_eq!(told["window"], format!("{from_now}-{to_then}"));
    assert_eq!(bandwidth(&admin, &to)["paused"], false);
    // What was on its way is written, and then nothing more until the window ends.
    let left = |least: u64| (least..6).any(|s| clock(s) == to_then);
    until("half of it is over", || (!left(4)).then_some(()));
    let before = written(child);
    until("nearly all of it is over", || (!left(2)).then_some(()));
    assert!(written(child) - before < 64 * 1024, "a paused copy wrote {} bytes", written(child) - before);
    assert_eq!((admin.state(&job), copiers(&server)), ("Running".to_owned(), vec![child]));

    limited(&admin, &job, 4 * MIB, "copy.bytesPerSecond");
    until("it goes on", || (written(child) > before + MIB).then_some(()));
    throttle(&admin, &job, &json!(1_u64 << 30));
    admin.wait_for(&job, "Succeeded");
}

#[test]
fn in_a_pause_no_copy_begins_and_a_changed_file_lets_it() {
    let config = Config::new("[[storage.closed.window]]\nfrom = \"00:00\"\nto = \"24:00\"\npause = true\n");
    let server = config.server(&[]);
    let admin = server.admin();
    let (from, to) = (admin.pool(&json!({})), named(&admin, "closed"));
    until("it is closed", || (bandwidth(&admin, &to)["paused"] == true).then_some(()));
    let job = admin.migration(&admin.full_volume(&from, 1), &to);
    limited(&admin, &job, 0, "the window 00:00-24:00 of storage closed until ");
    assert_eq!((admin.state(&job), copiers(&server)), ("Running".to_owned(), vec![]));
    config.says("");
    admin.wait_for(&job, "Succeeded");
}

#[test]
fn a_budget_that_is_no_budget_stops_the_start_with_its_key() {
    let dir = TempDir::new("bad-config");
    let config = Config::new("[[storage.fast.window]]\nfrom = \"25:00\"\nto = \"06:00\"\npause = true\n");
    let mut server = command(&dir.0);
    let out =
        server.args(["--listen", "127.0.0.1:0", "--config"]).arg(&config.path).output().expect("the server");
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success());
    assert!(
        told.contains("longhaul.toml: storage.fast.window (number 1).from = \"25:00\" must be"),
        "{told}"
    );
}

/// What moving a volume, and emptying its storage, would take: both plans.
fn plans(admin: &Caller, volume: &str, from: &Pool, to: &Pool, tags: &[&str]) -> [Value; 2] {
    let data = json!({"volumeUuid": volume, "dstPrimaryStorageUuid": to.uuid});
    let tags: Vec<&str> = tags.iter().copied().chain(["validationOnly"]).collect();
    let params = json!({"jobName": crate::support::disks::MIGRATE, "jobData": data.to_string()});
    let one = admin.post("/longjobs", &json!({"params": params, "systemTags": tags})).ok()["plan"].clone();
    let path = format!("/primary-storage/{}/evacuation-plan?dstPrimaryStorageUuids={}", from.uuid, to.uuid);
    [one, admin.get(&path).ok()]
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a window around this moment")]
fn plans_reckon_with_budgets_windows_and_the_rate_of_the_job() {
    let config = Config::new(&format!("[storage.shared]\nbytes_per_second = {MIB}\n"));
    let server = config.server(&[]);
    let admin = server.admin();
    let (from, to) = (admin.pool(&json!({})), named(&admin, "shared"));
    let volume = admin.full_volume(&from, 4);
    until("the name is known", || (bandwidth(&admin, &to)["bytesPerSecond"] == MIB).then_some(()));
    for plan in plans(&admin, &volume, &from, &to, &[]) {
        // Copied, and read back.
        assert_eq!((&plan["estimateSeconds"], &plan["rateFrom"]), (&json!(8), &json!("budget")), "{plan}");
        assert_eq!((&plan["rateBytesPerSecond"], &plan["beginsAt"]), (&json!(MIB / 2), &Value::Null));
    }
    let [plan, _] = plans(&admin, &volume, &from, &to, &["longhaul::throttle::262144"]);
    assert_eq!((&plan["estimateSeconds"], &plan["rateFrom"]), (&json!(32), &json!("limit")), "{plan}");

    let minute = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() / 60;
    let clock = |minute: u64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
    let (opens, ends) = (clock(minute - 60), clock(minute + 60));
    config.says(&format!(
        "[storage.shared]\ntime_zone = \"UTC\"\n[[storage.shared.window]]\nfrom = \"{opens}\"\nto = \"{ends}\"\npause = true\n"
    ));
    until("the window is known", || (bandwidth(&admin, &to)["paused"] == true).then_some(()));
    for plan in plans(&admin, &volume, &from, &to, &[]) {
        let estimate = plan["estimateSeconds"].as_u64().expect("an estimate");
        assert!((59 * 60..=61 * 60).contains(&estimate), "{plan}");
        assert!(plan["beginsAt"].as_str().expect("a time").contains(&format!("T{ends}:00+00:00")), "{plan}");
        assert!(plan["waitsFor"].as_str().expect("why").contains("of storage shared"), "{plan}");
    }
    config.says(
        "[storage.shared]\n[[storage.shared.window]]\nfrom = \"00:00\"\nto = \"24:00\"\npause = true\n",
    );
    until("all days are paused", || (bandwidth(&admin, &to)["window"] == "00:00-24:00").then_some(()));
    for plan in plans(&admin, &volume, &from, &to, &[]) {
        assert_eq!((&plan["estimateSeconds"], &plan["beginsAt"]), (&Value::Null, &Value::Null), "{plan}");
        assert!(plan["waitsFor"].is_string(), "{plan}");
    }
}
