//! `serve --demo` with a real pool as its target: the reference's POST moves the volume there, and what a demo
//! that is thrown away made there goes with it. `LONGHAUL_TEST_CEPH_CONF` names the cluster.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::ceph::{conf, rbd, turn};
use crate::support::server::{TempDir, bare};
use crate::support::until;

const SCRIPT: &str = include_str!("../../../../docs/reference-examples.sh");
const VOLUME: &str = "45a53d3d93384433add8ead7616586cf";
const TARGET: &str = "70a0618804864b3dabe8be9824c8028c";
const SESSION: &str = "b86c9016b4f24953a9edefb53ca0678c";
const POOL: &str = "ps-b";

/// A demo that is asked to stop when the test ends.
struct Demo(Child);

impl Demo {
    /// Its process, and the address it says.
    fn start() -> (Self, String) {
        let mut child = bare()
            .args(["serve", "--demo", "--listen", "127.0.0.1:0"])
            .env("CEPH_CONF", conf())
            .env("LONGHAUL_DEMO_POOL", POOL)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its first line");
        child.stdout = Some(stdout.into_inner());
        let address = line.trim().strip_prefix("listening on http://").expect("an address").to_owned();
        (Self(child), address)
    }

    /// Asks it to stop, and waits; whether it ended well.
    fn stop(&mut self) -> bool {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        self.0.wait().expect("it ends").success()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(address: &str, path: &str) -> Value {
    let out = Command::new("curl")
        .args([
            "-s",
            "-H",
            &format!("Authorization: OAuth {SESSION}"),
            &format!("http://{address}/zstack/v1{path}"),
        ])
        .output()
        .expect("curl");
    serde_json::from_slice::<Value>(&out.stdout).expect("JSON")["inventories"][0].clone()
}

/// The script of the reference, at `address` in place of its port 8080; its first answer.
fn submit(address: &str) -> Value {
    let script = SCRIPT.replace("localhost:8080", address);
    let mut shell = Command::new("sh")
        .args(["-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh");
    shell.stdin.take().expect("its input").write_all(script.as_bytes()).expect("written");
    let out = shell.wait_with_output().expect("its answers");
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    serde_json::from_str(text.lines().next().expect("an answer")).expect("JSON")
}

#[test]
fn the_references_example_moves_the_volume_to_a_pool_and_a_thrown_away_demo_leaves_nothing_there() {
    let _turn = turn();
    let (mut demo, address) = Demo::start();
    let storage = get(&address, &format!("/primary-storage/{TARGET}"));
    assert_eq!((&storage["type"], &storage["status"]), (&json!("Ceph"), &json!("Connected")));
    let source =
        get(&address, &format!("/volumes/{VOLUME}"))["installPath"].as_str().expect("a path").to_owned();
    let before = fs::read(&source).expect("the source");

    let submitted = submit(&address);
    assert_eq!(submitted["inventory"]["description"], "migrate volume to another Ceph primary storage");
    let job = submitted["inventory"]["uuid"].as_str().expect("a uuid").to_owned();
    let ended = until("the migration ends", || {
        let job = get(&address, &format!("/longjobs/{job}"));
        ["Succeeded", "Failed", "Canceled"]
            .contains(&job["state"].as_str().unwrap_or_default())
            .then_some(job)
    });
    assert_eq!(ended["state"], "Succeeded", "{ended}");
    let moved = get(&address, &format!("/volumes/{VOLUME}"));
    assert_eq!(moved["primaryStorageUuid"], TARGET);
    let image =
        moved["installPath"].as_str().and_then(|p| p.strip_prefix("ceph://")).expect("an image").to_owned();
    assert!(image.starts_with(&format!("{POOL}/{VOLUME}.")), "{image}");
    let out = TempDir::new("demo-pool");
    let export = out.0.join("export");
    rbd(&["export", "--no-progress", &image, &export.display().to_string()]);
    assert!(fs::read(&export).expect("the export") == before, "the same bytes, by another program");

    assert!(demo.stop(), "it ends well");
    assert!(!rbd(&["ls", POOL]).contains(VOLUME), "nothing of it is left in the pool");
}

#[test]
fn a_demo_on_a_pool_of_an_unnamed_cluster_says_what_to_set() {
    let out = bare()
        .args(["serve", "--demo", "--listen", "127.0.0.1:0"])
        .env_remove("CEPH_CONF")
        .env("LONGHAUL_DEMO_POOL", POOL)
        .output()
        .expect("the server");
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && told.contains("CEPH_CONF"), "{told}");
}
