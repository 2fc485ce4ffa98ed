//! Images from a web server of the field: nginx, with a configuration, a port and a directory of its own, is killed and
//! started again while an image comes in, and so is the server; nginx's log is the witness of what was asked for.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::client::{result, text};
use crate::place::{MIB, PATIENCE, Place, said, until};
use crate::server::{Mounts, Plan, Server};

/// Where Debian has it; not every user's PATH leads there.
const PROGRAM: &str = "/usr/sbin/nginx";
/// An image comes with so many MiB a second, so that a kill finds it on its way.
const RATE_MIB: u64 = 8;

/// nginx as one process that serves one directory.
struct Nginx {
    dir: PathBuf,
    scheme: &'static str,
    address: SocketAddr,
    process: Child,
}

impl Nginx {
    /// On a free port of loopback; it serves `image`, and redirects.
    fn start(dir: &Path, image: &[u8]) -> Self {
        Self::speaking(dir, image, "http", "")
    }

    /// The same over TLS, with a certificate for 127.0.0.1 of an authority whose own is in `ca.pem`.
    fn start_secure(dir: &Path, image: &[u8]) -> Self {
        let path = |name: &str| dir.join(name).display().to_string();
        std::fs::write(dir.join("san"), "subjectAltName=IP:127.0.0.1").expect("a file");
        let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-batch"];
        let openssl = |arguments: &[&str]| said("openssl", arguments);
        openssl(
            &[&new[..], &["-x509", "-subj", "/CN=own", "-keyout", &path("ca.key"), "-out", &path("ca.pem")]]
                .concat(),
        );
        openssl(
            &[&new[..], &["-subj", "/CN=n", "-keyout", &path("key.pem"), "-out", &path("request")]].concat(),
        );
        openssl(&[
            "x509",
            "-req",
            "-in",
            &path("request"),
            "-CA",
            &path("ca.pem"),
            "-CAkey",
            &path("ca.key"),
            "-CAcreateserial",
            "-extfile",
            &path("san"),
            "-out",
            &path("cert.pem"),
        ]);
        let own = dir.display();
        Self::speaking(
            dir,
            image,
            "https",
            &format!("ssl_certificate {own}/cert.pem; ssl_certificate_key {own}/key.pem;"),
        )
    }

    fn speaking(dir: &Path, image: &[u8], scheme: &'static str, tls: &str) -> Self {
        std::fs::write(dir.join("image"), image).expect("the image");
        // Free a moment ago; nginx itself takes no port 0.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
        let (port, own) = (address.port(), dir.display());
        let ssl = if tls.is_empty() { "" } else { "ssl" };
        let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {own}/temp;\n"))
            .collect();
        let configuration = format!(
            "daemon off; master_process off; pid {own}/pid; error_log {own}/errors;
            events {{ worker_connections 64; }}
            http {{
                log_format asked '$status $http_range $body_bytes_sent';
                access_log {own}/asked asked;
                {temp}
                server {{
                    listen 127.0.0.1:{port} {ssl}; {tls}
                    root {own};
                    location = /image {{ limit_rate {RATE_MIB}m; }}
                    location = /metadata {{ return 302 http://169.254.169.254/latest; }}
                    location = /loopback {{ return 302 http://127.0.0.2:{port}/image; }}
                }}
            }}"
        );
        std::fs::write(dir.join("nginx.conf"), configuration).expect("its configuration");
        let process = run(dir, address);
        Self { dir: dir.to_owned(), scheme, address, process }
    }

    fn url(&self, path: &str) -> String {
        format!("{}://{}/{path}", self.scheme, self.address)
    }

    fn kill(&mut self) {
        self.process.kill().expect("nginx lives");
        self.process.wait().expect("nginx ends");
    }

    fn start_again(&mut self) {
        self.process = run(&self.dir, self.address);
    }

    /// Status, range and bytes of each answer that ended.
    fn asked(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.dir.join("asked")).expect("its log");
        log.lines().map(str::to_owned).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(dir: &Path, address: SocketAddr) -> Child {
    let mut process = Command::new(PROGRAM)
        .args(["-e", "errors", "-c", "nginx.conf", "-p"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("{PROGRAM}: {e}; install Debian's nginx-light"));
    until("nginx listens", PATIENCE, || {
        let ended = process.try_wait().expect("its status");
        let errors = || std::fs::read_to_string(dir.join("errors")).unwrap_or_default();
        assert!(ended.is_none(), "nginx ended: {}", errors());
        TcpStream::connect(address).ok()
    });
    process
}

fn shelf(server: &Server, url: &str) -> String {
    let params = json!({"name": "shelf", "url": url, "hostname": "localhost"});
    let made = server.client.ok("POST", "/backup-storage/image-store", &json!({ "params": params }));
    text(&made["inventory"]["uuid"])
}

fn submit(server: &Server, shelf: &str, url: &str) -> String {
    let data = json!({"name": "i", "url": url, "format": "raw", "backupStorageUuids": [shelf]});
    server.client.submit("APIAddImageMsg", &data, &[])
}

/// Waits until so many bytes of the job's image came.
fn comes(server: &Server, job: &str, bytes: u64) {
    until("bytes that came", PATIENCE, || {
        let (_, done, _) = server.client.progress(&server.client.job(job));
        (done >= bytes).then_some(())
    });
}

#[test]
fn an_image_from_nginx_is_gone_on_with_by_range_after_nginx_and_after_the_server_was_killed() {
    let place = Place::new("image-nginx");
    let bytes: Vec<u8> = (0..64 * MIB).map(|n| (n % 251) as u8 + 1).collect();
    let mut nginx = Nginx::start(Path::new(&place.dir("nginx")), &bytes);
    let plan = Plan::new(&place).set(&format!("egress.images={}", nginx.address));
    let mut server = plan.start();
    let shelf = shelf(&server, &place.dir("shelf"));
    let job = submit(&server, &shelf, &nginx.url("image"));
    comes(&server, &job, 8 << 20);
    nginx.kill();
    nginx.start_again();
    // What lay in buffers still came; then the second answer begins.
    until("the server opens it again", PATIENCE, || plan.log().contains("it is opened again").then_some(()));
    let (_, before, _) = server.client.progress(&server.client.job(&job));
    comes(&server, &job, before + (2 << 20));
    server.kill();
    server = plan.start();
    let ended = server.client.final_job(&job, PATIENCE);
    assert_eq!(ended["state"], "Succeeded", "{ended}");
    let path = text(&result(&ended)["inventory"]["backupStorageRefs"][0]["installPath"]);
    assert!(std::fs::read(path).expect("the image") == bytes);
    // What was cut off is in no log; the last answer began behind what the first two had brought.
    let asked = until("an answer in its log", PATIENCE, || Some(nginx.asked()).filter(|all| !all.is_empty()));
    let begins = |line: &String| {
        line.strip_prefix("206 bytes=")?.split('-').next()?.parse::<u64>().ok().filter(|from| *from > 0)
    };
    let from: Vec<u64> =
        asked.iter().map(|line| begins(line).unwrap_or_else(|| panic!("{asked:?}"))).collect();
    assert!(from.iter().all(|from| *from >= 8 << 20), "{asked:?}");
    let sent: u64 = asked.iter().filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum();
    // What came within the last second before a kill is not durable yet and comes again.
    assert!(sent < (64 + RATE_MIB) << 20, "nothing was begun anew: {asked:?}");
}

#[test]
fn a_redirect_of_nginx_to_where_no_rule_allows_is_refused_and_names_the_rule() {
    let place = Place::new("image-redirect");
    let nginx = Nginx::start(Path::new(&place.dir("nginx")), b"x");
    let port = nginx.address.port();
    let server = Plan::new(&place).set(&format!("egress.images={}", nginx.address)).start();
    let shelf = shelf(&server, &place.dir("shelf"));
    let ended = |path: &str| -> Value {
        let job = submit(&server, &shelf, &nginx.url(path));
        server.client.final_job(&job, PATIENCE)
    };
    for (path, rule) in [("metadata", "169.254.169.254:80"), ("loopback", &format!("127.0.0.2:{port}"))] {
        let failed = ended(path);
        assert_eq!(failed["state"], "Failed");
        let why = failed["jobResult"].as_str().unwrap_or_default();
        assert!(why.contains("egress.images") && why.contains(&format!("add the rule {rule}")), "{why}");
    }
    // The control: nginx itself may be asked.
    assert_eq!(ended("image")["state"], "Succeeded");
    assert_eq!(nginx.asked().len(), 3, "none was led back to it: {:?}", nginx.asked());
}

#[test]
fn an_image_over_tls_needs_an_authority_that_is_trusted_and_is_gone_on_with_too() {
    let place = Place::new("image-tls");
    let bytes: Vec<u8> = (0..16 * MIB).map(|n| (n % 251) as u8 + 1).collect();
    let dir = place.dir("nginx");
    let mut nginx = Nginx::start_secure(Path::new(&dir), &bytes);
    let plan = || Plan::new(&place).set(&format!("egress.images={}", nginx.address));
    let server = plan().start();
    let (shelf, url) = (shelf(&server, &place.dir("shelf")), nginx.url("image"));
    let job = submit(&server, &shelf, &url);
    let failed = server.client.final_job(&job, PATIENCE);
    let why = failed["jobResult"].as_str().unwrap_or_default();
    assert_eq!(failed["state"], "Failed");
    assert!(why.contains("cannot be trusted") && why.contains("images.caFile"), "{why}");
    drop(server);
    let server = plan().set(&format!("images.caFile={dir}/ca.pem")).start();
    let job = submit(&server, &shelf, &url);
    comes(&server, &job, 4 << 20);
    nginx.kill();
    nginx.start_again();
    let ended = server.client.final_job(&job, PATIENCE);
    assert_eq!(ended["state"], "Succeeded", "{ended}");
    let path = text(&result(&ended)["inventory"]["backupStorageRefs"][0]["installPath"]);
    assert!(std::fs::read(path).expect("the image") == bytes);
    assert!(nginx.asked().last().is_some_and(|line| line.starts_with("206 ")), "{:?}", nginx.asked());
}

#[test]
fn an_image_that_nginx_has_replaced_when_it_is_gone_on_with_is_begun_anew() {
    let place = Place::new("image-replaced");
    let bytes = |mib: u64, seed: u8| -> Vec<u8> { (0..mib * MIB).map(|n| (n % 241) as u8 + seed).collect() };
    let dir = place.dir("nginx");
    let mut nginx = Nginx::start(Path::new(&dir), &bytes(32, 1));
    let server = Plan::new(&place).set(&format!("egress.images={}", nginx.address)).start();
    let shelf = shelf(&server, &place.dir("shelf"));
    let job = submit(&server, &shelf, &nginx.url("image"));
    comes(&server, &job, 8 << 20);
    nginx.kill();
    std::fs::write(format!("{dir}/image"), bytes(17, 9)).expect("another image");
    nginx.start_again();
    let ended = server.client.final_job(&job, PATIENCE);
    assert_eq!(ended["state"], "Succeeded", "{ended}");
    let path = text(&result(&ended)["inventory"]["backupStorageRefs"][0]["installPath"]);
    let sum = |path: &str| said("sha256sum", &[path]).split(' ').next().unwrap_or_default().to_owned();
    assert_eq!(sum(&path), sum(&format!("{dir}/image")));
    let asked = nginx.asked();
    assert!(asked.iter().any(|line| line.starts_with("200 bytes=")), "the rest was asked for: {asked:?}");
}

#[test]
fn an_image_that_fills_its_storage_waits_for_the_bytes_that_are_missing_and_goes_on_where_it_was() {
    let place = Place::new("image-room");
    let bytes: Vec<u8> = (0..48 * MIB).map(|n| (n % 251) as u8 + 1).collect();
    let nginx = Nginx::start(Path::new(&place.dir("nginx")), &bytes);
    let to = place.dir("shelf");
    let mounts = Mounts::new(&format!("mount -t tmpfs -o size=64m tmpfs {to}"));
    let plan = Plan::new(&place)
        .inside(&mounts)
        .set("storage.watchSeconds=1")
        .set(&format!("egress.images={}", nginx.address));
    let server = plan.start();
    let shelf = shelf(&server, &to);
    let job = submit(&server, &shelf, &nginx.url("image"));
    comes(&server, &job, 16 << 20);
    mounts.sh(&format!("dd if=/dev/zero of={to}/fill bs=64k 2>/dev/null || true"));
    let waits = until("it waits", PATIENCE, || {
        Some(server.client.job(&job)).filter(|job| job["state"] == "Suspended")
    });
    let told = text(&result(&waits)["detail"]);
    assert!(told.contains("not enough space"), "{told}");
    let before = server.client.timeline(&job).len();
    std::thread::sleep(std::time::Duration::from_secs(3)); // rounds of the watch, which changes nothing
    let after = server.client.timeline(&job).len();
    assert!(after <= before + 3, "at most one try, by which it learns what is missing: {before}, {after}");
    assert_eq!(server.client.job(&job)["state"], "Suspended");
    mounts.sh(&format!("rm {to}/fill"));
    let ended = server.client.final_job(&job, PATIENCE);
    assert_eq!(ended["state"], "Succeeded", "{ended}");
    let path = text(&result(&ended)["inventory"]["backupStorageRefs"][0]["installPath"]);
    mounts.sh(&format!("cmp {path} {}", place.path("nginx/image").display()));
    let asked = nginx.asked();
    let from: Option<u64> =
        asked.last().and_then(|line| line.strip_prefix("206 bytes=")?.split('-').next()?.parse().ok());
    assert!(from.is_some_and(|from| from >= 16 << 20), "what had come was kept: {asked:?}");
}
