//! Input that nobody should send: each gets a clear error, none a panic (the harness looks into the log of
//! every server) or a hang, and others are served meanwhile.

use std::io::{Read, Write};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::jobs::submission;
use crate::support::server::{self, TempDir};
use crate::support::{Caller, Server, http, uuid};

fn still_serves(server: &Server, admin: &Caller) {
    assert_eq!(http::send(server.address, "GET", "/healthz", &[], b"").status, 200);
    admin.get("/longjobs?count=true").ok();
}

#[test]
fn json_nested_deeper_than_64_is_refused_in_the_body_and_in_job_data() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let send = |body: String| admin.once("POST", "/longjobs", &[], body.as_bytes());
        for n in [64, 65, 100_000, 2_000_000] {
            let answer = send(format!("{{\"params\":{}}}", deep(n)));
            assert_eq!(answer.status, if server.profile == "fast" { 400 } else { 500 }, "{n}");
            assert!(answer.text().contains("nested more than 64 deep"), "{n}: {}", answer.text());
        }
        let data = |n: usize| json!({"params": {"jobName": "APISimulateJobMsg", "jobData": format!("{{\"result\":{}}}", deep(n))}});
        admin.post("/longjobs", &data(63)).ok();
        for n in [64, 100_000] {
            let (code, details) = admin.post("/longjobs", &data(n)).error();
            assert!(code == "SYS.1007" && details.contains("nested more than 64 deep"), "{code} {details}");
        }
        still_serves(&server, &admin);
    }
}

#[test]
fn a_body_of_100_mb_is_refused_before_it_is_read() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let authorization = format!("Authorization: OAuth {}", admin.session);
        for framing in ["Content-Length: 104857600", "Transfer-Encoding: chunked"] {
            let mut stream = http::connect(server.address);
            let head = format!(
                "POST /v1/longjobs HTTP/1.1\r\nHost: x\r\n{authorization}\r\n{framing}\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).expect("the head is taken");
            let piece = vec![b' '; 1 << 20];
            for _ in 0..100 {
                let sent = if framing.starts_with('T') {
                    stream
                        .write_all(b"100000\r\n")
                        .and_then(|()| stream.write_all(&piece))
                        .and_then(|()| stream.write_all(b"\r\n"))
                } else {
                    stream.write_all(&piece)
                };
                if sent.is_err() {
                    break;
                }
            }
            let answer = http::read(&mut stream);
            assert_eq!(answer.status, 413, "{framing}: {}", answer.text());
            assert!(answer.text().contains("the body is larger than"), "{}", answer.text());
        }
        still_serves(&server, &admin);
    }
}

#[test]
fn job_data_of_more_than_a_mebibyte_is_refused_and_one_of_a_mebibyte_is_stored() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let data = |n: usize| format!("{{\"durationMs\":0,\"note\":\"{}\"}}", "x".repeat(n - 26));
    let params = |n: usize| json!({"params": {"jobName": "APISimulateJobMsg", "jobData": data(n)}});
    assert_eq!(data(1 << 20).len(), 1 << 20);
    let stored = admin.post("/longjobs", &params(1 << 20)).inventory();
    assert_eq!(stored["jobData"].as_str().map(str::len), Some(1 << 20));
    assert_eq!(admin.post("/longjobs", &params((1 << 20) + 1)).error().0, "SYS.1007");
}

#[test]
fn what_is_not_utf_8_and_nul_characters_are_told_by_where_they_are() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let answer = admin.once("POST", "/longjobs", &[], b"{\"params\":{\"name\":\"\xff\xfe\"}}");
        assert_eq!(answer.status, if server.profile == "fast" { 400 } else { 500 });
        assert!(answer.text().contains("it is not UTF-8"), "{}", answer.text());
        for (field, body) in [
            ("name", json!({"params": {"name": "a\u{0}b", "jobName": "APISimulateJobMsg", "jobData": "{}"}})),
            ("jobData", json!({"params": {"jobName": "APISimulateJobMsg", "jobData": "{}\u{0}"}})),
            (
                "tags",
                json!({"params": {"jobName": "APISimulateJobMsg", "jobData": "{}"}, "userTags": ["\u{0}"]}),
            ),
        ] {
            let (code, details) = admin.post("/longjobs", &body).error();
            assert!(
                code == "SYS.1007" && details.contains(&format!("field[{field}]")) && details.contains("NUL"),
                "{details}"
            );
        }
        assert_eq!(admin.get("/longjobs/%00").error().0, "SYS.1007");
        assert_eq!(admin.delete("/longjobs/%00").error().0, "SYS.1007");
        assert!(
            http::raw(
                server.address,
                b"GET /v1/longjobs\x00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            .status
                >= 400
        );
        let header = format!(
            "GET /v1/longjobs HTTP/1.1\r\nHost: x\r\nAuthorization: OAuth {}\r\nX-Job-UUID: ",
            admin.session
        );
        let bytes = [header.as_bytes(), b"\xff\xfe\r\nConnection: close\r\n\r\n"].concat();
        assert!(http::raw(server.address, &bytes).status >= 200);
        still_serves(&server, &admin);
    }
}

#[test]
fn bytes_that_are_no_http_are_answered_or_closed() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let long = [b"GET /".as_slice(), &vec![b'a'; 1 << 20], b" HTTP/1.1\r\n\r\n"].concat();
    let many = [b"GET / HTTP/1.1\r\n".as_slice(), &b"A: b\r\n".repeat(5000), b"\r\n"].concat();
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00".as_slice(),
        b"\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/longjobs HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/longjobs HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /v1/longjobs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"",
        &long,
        &many,
    ] {
        let mut stream = http::connect(server.address);
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1."),
            "{:?}",
            String::from_utf8_lossy(&answer)
        );
    }
    let old = http::raw(server.address, b"GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!(old.status, 200, "HTTP/1.0 without a host");
    still_serves(&server, &admin);
}

#[test]
fn a_caller_who_goes_away_in_mid_body_leaves_nothing_behind() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let body = submission(&uuid(), &json!({})).to_string();
    let mut stream = http::connect(server.address);
    let head = format!(
        "POST /v1/longjobs HTTP/1.1\r\nHost: x\r\nAuthorization: OAuth {}\r\nContent-Length: {}\r\n\r\n",
        admin.session,
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(&body.as_bytes()[..body.len() - 1]).expect("sent");
    drop(stream);
    still_serves(&server, &admin);
    assert_eq!(admin.get("/longjobs").ok()["inventories"], json!([]));
}

/// Sends a byte whenever the server has not closed yet; answers what it says at the end.
fn trickle(server: &Server, head: &str, drop_by_drop: u8) -> String {
    let mut stream = http::connect(server.address);
    stream.write_all(head.as_bytes()).expect("sent");
    stream.set_read_timeout(Some(std::time::Duration::from_millis(500))).expect("a read timeout");
    let mut answer = Vec::new();
    for _ in 0..200 {
        let mut piece = [0u8; 4096];
        match stream.read(&mut piece) {
            Ok(0) => return String::from_utf8_lossy(&answer).into_owned(),
            Ok(n) => answer.extend_from_slice(&piece[..n]),
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                let _ = stream.write_all(&[drop_by_drop]);
            }
            Err(_) => return String::from_utf8_lossy(&answer).into_owned(),
        }
    }
    panic!("the server waits for ever: {}", String::from_utf8_lossy(&answer));
}

#[test]
fn slow_clients_are_cut_and_hold_nobody_up() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let slow_body = format!(
        "POST /v1/longjobs HTTP/1.1\r\nHost: x\r\nAuthorization: OAuth {}\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n{{",
        admin.session
    );
    std::thread::scope(|scope| {
        let line = scope.spawn(|| trickle(&server, "GET /v1/longjobs?q=name=", b'a'));
        let head = scope.spawn(|| trickle(&server, "GET /v1/longjobs HTTP/1.1\r\nX-Slow: ", b'a'));
        let body = scope.spawn(|| trickle(&server, &slow_body, b' '));
        while !body.is_finished() {
            still_serves(&server, &admin);
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        for early in [line.join().expect("ended"), head.join().expect("ended")] {
            assert!(early.is_empty() || early.starts_with("HTTP/1.1 4"), "{early}");
        }
        let late = body.join().expect("ended");
        assert!(late.starts_with("HTTP/1.1 408") && late.contains("was not there within 60 s"), "{late}");
    });
}

/// Starts `serve` to its end, which must be a refusal; answers what it says.
fn refused(mut command: std::process::Command) -> String {
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let out = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success(), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn a_second_server_on_one_data_directory_is_refused_with_the_first_ones_pid() {
    let first = Server::start("fast", &[]);
    let mut second = server::bare();
    second.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(first.data_dir());
    let text = refused(second);
    assert!(text.contains(&format!("pid {}", first.pid())), "{text}");
    assert!(text.contains("--data-dir"), "it says what to do: {text}");
    still_serves(&first, &first.admin());
}

#[test]
fn a_read_only_data_directory_is_told_with_what_to_do() {
    let dir = TempDir::new("readonly");
    let path = dir.0.display().to_string();
    let inner = server::command(&dir.0);
    let mut outer = std::process::Command::new("unshare");
    outer
        .args(["-m", "sh", "-c"])
        .arg(format!("mount --bind {path} {path} && mount -o remount,ro,bind {path} && exec \"$@\""));
    outer.arg("sh").arg(inner.get_program()).args(inner.get_args()).args(["--listen", "127.0.0.1:0"]);
    let text = refused(outer);
    assert!(text.contains(&path) && text.contains("--data-dir"), "{text}");
}

#[test]
fn unknown_flags_settings_and_values_are_refused_with_the_nearest_known() {
    for (flags, told) in [
        (["--set", "engine.maxRuning=1"], "engine.maxRunning"),
        (["--set", "copy.streams=99"], "1 to 16"),
        (["--replies", "slow"], "fast or zstack"),
        (["--listen", "nowhere"], "an address and a port"),
        (["--store", "mysql://x/y"], "postgres://USER@HOST:PORT/DATABASE"),
        (["--store", "postgres://me:secret@127.0.0.1/y"], "a password on the command line"),
        (["--store", "postgres://me@127.0.0.1:1/y"], "the store's database can't be reached"),
    ] {
        let dir = TempDir::new("refused");
        let mut command = server::command(&dir.0);
        command.args(flags).env("LONGHAUL_LISTEN", "127.0.0.1:0").env("LONGHAUL_STORE_WAIT_SECONDS", "0");
        let text = refused(command);
        assert!(text.contains(told), "{flags:?}: {text}");
    }
    let mut demo = server::bare();
    demo.args(["serve", "--demo", "--listen", "0.0.0.0:0"]);
    assert!(refused(demo).contains("loopback"));
}

#[test]
fn a_port_that_is_taken_is_told() {
    let first = Server::start("fast", &[]);
    let dir = TempDir::new("port");
    let mut second = server::command(&dir.0);
    second.args(["--listen", &first.address.to_string()]);
    let text = refused(second);
    assert!(text.contains(&first.address.to_string()), "{text}");
}

#[test]
fn thousands_of_connections_that_say_nothing_do_not_shut_others_out() {
    let server = Server::start("fast", &[]);
    let admin = server.admin();
    let silent: Vec<_> = (0..500).map(|_| http::connect(server.address)).collect();
    still_serves(&server, &admin);
    drop(silent);
    still_serves(&server, &admin);
}

#[test]
fn strange_but_legal_calls_are_answered_like_plain_ones() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        // A byte order mark, white space, keys twice, an empty tag list, an escaped path.
        let body = format!(
            "\u{feff}\r\n\t{{\"params\":{{\"jobName\":\"x\",\"jobName\":\"APISimulateJobMsg\",\"jobData\":\"{{}}\",\"resourceUuid\":\"{}\"}},\"systemTags\":null}} ",
            uuid()
        );
        let answer = admin.call("POST", "/longjobs", body.as_bytes());
        assert_eq!(answer.inventory()["jobName"], "APISimulateJobMsg");
        assert_eq!(admin.once("GET", "/v1/%6congjobs", &[], b"").status, 404, "only variables are unescaped");
        let expect = admin.once("POST", "/longjobs", &[("Expect", "100-continue")], b"{}");
        assert!([100, 200, 202, 400].contains(&expect.status), "{}", expect.status);
        let both: Value =
            admin.put("/longjobs/x/actions", &json!({"cancelLongJob": {}, "cleanLongJob": {}})).last.json();
        assert_eq!(both["error"]["code"], "SYS.1003");
        still_serves(&server, &admin);
    }
}
