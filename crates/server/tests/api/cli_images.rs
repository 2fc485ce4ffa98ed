//! The command line against the real server: images of volumes, volumes of images, images that move and leave, and
//! commands that are run again. What each command sends is tested in the client's own crate, against a fake server.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::images::{Shelf, md5sum, qemu_img};
use crate::support::server::{TempDir, bare};
use crate::support::{Caller, Server, until};

/// A user at a shell.
struct User {
    caller: Caller,
    home: TempDir,
}

impl User {
    fn of(caller: &Caller) -> Self {
        Self { caller: caller.clone(), home: TempDir::new("user") }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = bare();
        command
            .env("XDG_CONFIG_HOME", &self.home.0)
            .env("LONGHAUL_URL", format!("http://{}", self.caller.address))
            .env("LONGHAUL_TOKEN", &self.caller.session)
            .args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("the client runs")
    }

    /// What a command that succeeds prints.
    #[track_caller]
    fn said(&self, words: &[&str]) -> String {
        let out = self.run(words);
        assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("UTF-8")
    }

    /// The same as JSON.
    #[track_caller]
    fn json(&self, words: &[&str]) -> Value {
        let words: Vec<&str> = ["-o", "json"].into_iter().chain(words.iter().copied()).collect();
        serde_json::from_str(&self.said(&words)).expect("JSON")
    }

    /// What a command that fails with this status tells.
    #[track_caller]
    fn refused(&self, status: i32, words: &[&str]) -> String {
        let out = self.run(words);
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(status), "{words:?}: {told}");
        told
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// The value of a line of facts, `path  /srv/…`.
#[track_caller]
fn fact(said: &str, name: &str) -> String {
    let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("  "));
    line.unwrap_or_else(|| panic!("no {name} in {said}")).trim().to_owned()
}

#[test]
fn a_volume_becomes_an_image_that_moves_leaves_and_becomes_a_volume_again() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let user = User::of(&admin);
    let pool = admin.pool(&json!({}));
    let (first, second) = (Shelf::of(&admin), Shelf::of(&admin));
    let volume = admin.full_volume(&pool, 3);
    let source = text(&admin.get(&format!("/volumes/{volume}")).ok()["inventories"][0]["installPath"]);
    let bytes = fs::read(&source).expect("the volume");

    let said = user.said(&["image", "from-volume", &volume[..8], "--to", &first.uuid, "--name", "t"]);
    assert!(fs::read(fact(&said, "path")).expect("the image") == bytes, "{said}");
    let image = fact(&said, "image");
    assert_eq!(user.json(&["image", "show", "t"])["mediaType"], "DataVolumeTemplate");

    let said = user.said(&["image", "migrate", &image[..12], "--to", &second.uuid[..12]]);
    assert!(fs::read(fact(&said, "path")).expect("the image") == bytes, "{said}");
    assert_eq!(
        user.json(&["image", "storage", "trash", "list", &first.uuid])[0]["resourceUuid"],
        json!(image)
    );
    user.refused(2, &["image", "storage", "trash", "clean", &first.uuid]);
    let cleaned = user.said(&["image", "storage", "trash", "clean", &first.uuid, "--yes"]);
    assert!(cleaned.starts_with("deleted 1 item, 3 MiB freed"), "{cleaned}");
    assert_eq!((first.files().len(), second.files().len()), (0, 1));

    let create = ["volume", "create", "--name", "copy", "--image", "t", "--storage", &pool.uuid[..12]];
    let said = user.said(&create);
    assert!(fs::read(fact(&said, "path")).expect("the copy") == bytes, "{said}");
    let shown = user.said(&["volume", "show", "copy"]);
    assert!(shown.contains(&format!("pool ({})", pool.uuid)), "{shown}");
    user.said(&["image", "update", "t", "--for", "root"]);
    let told = user.refused(2, &create);
    assert!(told.contains(&format!("longhaul image update {image} --for data")), "{told}");

    let to = user.home.0.join("out");
    let file = to.display().to_string();
    let said = user.said(&["image", "export", "t", "--to", &file, "--keep"]);
    assert!(said.contains(&md5sum(&to)) && fs::read(&to).expect("the export") == bytes, "{said}");
    let kept = text(&user.json(&["image", "show", "t"])["backupStorageRefs"][0]["exportUrl"]);
    assert!(said.contains(&kept), "{said}");
    user.said(&["image", "unexport", "t"]);
    assert_eq!(user.json(&["image", "show", "t"])["backupStorageRefs"][0]["exportUrl"], Value::Null);
    assert!(user.refused(3, &["image", "unexport", "t"]).contains("is not exported"));

    let to = user.home.0.join("out.qcow2").display().to_string();
    user.said(&["image", "export", "t", "--to", &to, "--format", "qcow2"]);
    qemu_img(&["compare", "-f", "qcow2", "-F", "raw", &to, &source]);
    assert_eq!(user.json(&["image", "show", "t"])["backupStorageRefs"][0]["exportUrl"], Value::Null);

    assert!(user.said(&["image", "state", "t", "disable"]).contains("is Disabled"));
    assert!(user.said(&["image", "storage", "state", &second.uuid, "disable"]).contains("is Disabled"));
    let jobs = user.said(&["job", "list"]);
    for name in ["make image t of volume full", "migrate image t to shelf", "make volume copy of image t"] {
        assert!(jobs.contains(name), "{name} in {jobs}");
    }
}

/// Ctrl-C.
fn interrupt(child: &std::process::Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill").success());
}

#[test]
fn a_migration_that_is_run_again_after_ctrl_c_is_one_job_and_ends() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let user = User::of(&admin);
    let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
    let volume = admin.full_volume(&from, 8);
    let migrate = ["volume", "migrate", &volume, "--to", &to.uuid, "--rate"];
    let slow = [migrate.as_slice(), &["1M"]].concat();
    let child = user.command(&slow).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let running = until("the job runs", || {
        let jobs = admin.get("/longjobs?q=state=Running").ok()["inventories"].clone();
        jobs[0]["uuid"].as_str().map(str::to_owned)
    });
    // It asks for the signal once it follows the job, which it tells before.
    until("the client follows", || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?.trim().to_owned();
        u64::from_str_radix(&caught, 16).ok().filter(|caught| caught & 0b10 != 0)
    });
    interrupt(&child);
    let out = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(130), "{told}");

    let out = user.run(&[migrate.as_slice(), &["1G"]].concat());
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{told}");
    assert!(told.contains("a job of an earlier run does this") && told.contains(&running), "{told}");
    assert_eq!(admin.get("/longjobs?count=true").ok()["total"], 1);
    let shown = user.json(&["volume", "show", &volume]);
    assert_eq!(shown["primaryStorageUuid"], json!(to.uuid));
    assert!(Path::new(&text(&shown["installPath"])).exists());
}

#[test]
fn an_upload_that_is_cut_by_ctrl_c_tells_how_it_goes_on_and_that_command_does() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let user = User::of(&admin);
    let shelf = Shelf::of(&admin);
    let file = user.home.0.join("my disk.raw");
    let bytes: Vec<u8> = (0..64 << 20).map(|n: usize| (n % 251) as u8).collect();
    fs::write(&file, &bytes).expect("a file");
    let path = file.display().to_string();
    let words = ["image", "upload", &path, "--to", &shelf.uuid];
    let child = user.command(&words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    until("bytes have come", || shelf.files().into_iter().find(|f| f.ends_with(".received")));
    interrupt(&child);
    let out = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(130), "{told}");
    let again = told.lines().find_map(|line| line.trim().strip_prefix("to go on: longhaul ")).expect("told");
    assert!(told.contains("to take it back: longhaul job cancel "), "{told}");
    let mut shell = Command::new("sh");
    let client = user.command(&[]);
    for (name, value) in client.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let line = format!("\"$0\" {again}");
    let out = shell.args(["-c", &line]).arg(client.get_program()).output().expect("a shell");
    assert!(out.status.success(), "{again}: {}", String::from_utf8_lossy(&out.stderr));
    let image = user.json(&["image", "show", "my disk"]);
    assert_eq!(image["md5Sum"], json!(md5sum(&file)));
    assert_eq!(admin.get("/longjobs?count=true").ok()["total"], 1, "one job");

    let gone = user.refused(2, &["image", "upload", &user.home.0.display().to_string(), "--to", &shelf.uuid]);
    assert!(gone.to_lowercase().contains("nothing was submitted"), "{gone}");
    assert_eq!(admin.get("/longjobs?count=true").ok()["total"], 1);
}
