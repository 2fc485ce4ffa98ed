//! That the address which is connected to is one that was checked, at the moment of the try. What receivers
//! are sent is tested over HTTP, in `crates/server/tests/api`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use longhaul_engine::TokioRuntime;
use longhaul_model::{ApiId, Runtime};
use longhaul_wire::Reply;

use super::post::{Message, post};
use super::url::Target;
use super::{EGRESS_KEY, Hooks};
use crate::egress::Egress;

fn hooks(rules: &str) -> (Hooks, Arc<dyn Runtime>) {
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
    let egress = Egress::parse(EGRESS_KEY, rules).expect("rules");
    (Hooks::new(egress, address("127.0.0.1:1"), runtime.clone()), runtime)
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

async fn tried(rules: &str, url: &str) -> Result<(), String> {
    let (hooks, runtime) = hooks(rules);
    let message = Message { id: ApiId::in_order(&*runtime), reply: Reply::ok("{}".to_owned()) };
    post(&Target::parse(url).expect("a URL"), &message, &hooks, &*runtime).await
}

#[tokio::test]
async fn a_name_that_means_a_refused_address_at_the_try_is_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let url = format!("http://localhost:{port}/hook");
    // Loopback is refused, whatever a rule says of the name.
    for rules in ["public,private".to_owned(), format!("localhost:{port}"), "169.254.0.0/16:*".to_owned()] {
        let refused = tried(&rules, &url).await.expect_err(&rules);
        assert!(refused.contains("add the rule"), "{refused}");
    }
    listener.set_nonblocking(true).expect("a look without waiting");
    assert!(listener.accept().is_err(), "nobody connected");
    // The control: with a rule for the address the same URL is called.
    listener.set_nonblocking(false).expect("waiting again");
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = [0u8; 4096];
        let read = stream.read(&mut head).expect("a request");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("answered");
        String::from_utf8_lossy(&head[..read]).into_owned()
    });
    assert_eq!(tried(&format!("127.0.0.1:{port}"), &url).await, Ok(()));
    let request = receiver.join().expect("a request");
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
}

#[tokio::test]
async fn of_the_addresses_of_a_name_those_that_are_refused_are_left_out() {
    let (hooks, _) = hooks("public");
    let target = Target::parse("http://receiver.example/").expect("a URL");
    let mixed =
        ["127.0.0.1:80", "8.8.8.8:80", "169.254.169.254:80", "10.0.0.1:80", "[2a00::1]:80"].map(address);
    let open = hooks.allowed(&target, mixed.to_vec());
    assert_eq!(open, Ok(vec![address("8.8.8.8:80"), address("[2a00::1]:80")]));
    let refused = hooks.allowed(&target, vec![address("127.0.0.1:80"), address("10.0.0.1:80")]);
    assert!(refused.is_err_and(|why| why.contains("add the rule 127.0.0.1:80")));
}

#[tokio::test]
async fn a_try_says_why_it_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = listener.local_addr().expect("an address");
    drop(listener);
    let refused = tried("127.0.0.1:*", &format!("http://{nobody}/")).await.expect_err("nobody listens");
    assert!(refused.contains(&nobody.to_string()), "{refused}");
    let unknown = tried("public", "http://no-such-host.invalid/").await.expect_err("no such name");
    assert!(unknown.contains("no-such-host.invalid"), "{unknown}");
}
