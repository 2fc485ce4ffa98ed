//! Who may send when many do: an account's places, and what a request changes that is refused.

use futures::channel::mpsc::{UnboundedSender, unbounded};
use tokio::task::JoinHandle;

use super::super::places::ACCOUNT_REQUESTS_MAX;
use super::*;

/// Bytes of each slice.
const LEN: usize = 100;

/// A request whose body is still being sent.
struct Sending {
    body: UnboundedSender<Result<Bytes, std::io::Error>>,
    answer: JoinHandle<Answered>,
}

impl Sending {
    fn begin(routes: &Router, method: &'static str, token: &'static str, headers: &[(&str, &str)]) -> Self {
        let (body, chunks) = unbounded();
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let routes = routes.clone();
        let answer = tokio::spawn(async move {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            sent(routes, method, token, &headers, Body::from_stream(chunks)).await
        });
        Self { body, answer }
    }

    fn send(&self, bytes: &[u8]) {
        self.body.unbounded_send(Ok(Bytes::copy_from_slice(bytes))).unwrap();
    }

    async fn end(self) -> Answered {
        drop(self.body);
        self.answer.await.unwrap()
    }
}

const HEAD: &[u8] = b"--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n";

fn slice(routes: &Router, token: &'static str, number: usize) -> Sending {
    let (at, len, size) = ((number * LEN).to_string(), LEN.to_string(), "10000");
    let headers = [
        ("Content-Type", "multipart/form-data; boundary=b"),
        ("X-IMAGE-UUID", IMAGE),
        ("X-IMAGE-SIZE", size),
        ("X-SLICE-OFFSET", &at),
        ("X-SLICE-SIZE", &len),
    ];
    Sending::begin(routes, "POST", token, &headers)
}

fn patch(routes: &Router) -> Sending {
    let headers = [
        ("Tus-Resumable", "1.0.0"),
        ("Content-Type", "application/offset+octet-stream"),
        ("Upload-Offset", "0"),
        ("Content-Length", "100"),
    ];
    Sending::begin(routes, "PATCH", TOKEN, &headers)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_a_place_is_refused_ends_no_older_request_and_keeps_no_other_account_out() {
    let world = World::new();
    let bytes = content(LEN);
    let uploads =
        Uploads::new(world.table.clone(), Arc::new(Finder(Stage::Open(world.upload.clone()))), 1 << 20);
    let routes = routes(Arc::new(uploads));
    let first = patch(&routes);
    first.send(&bytes[..50]);
    let others: Vec<_> = (1..ACCOUNT_REQUESTS_MAX).map(|number| slice(&routes, TOKEN, number)).collect();
    for other in &others {
        other.send(HEAD);
        other.send(&bytes[..50]);
    }
    let all = |seen: &longhaul_jobs::upload::Received| seen.activity >= ACCOUNT_REQUESTS_MAX as u64;
    world.upload.watch().wait_for(all).await.unwrap();

    let again = patch(&routes);
    again.send(&bytes);
    let refused = again.end().await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.body.contains("for this account") && refused.header("retry-after").is_some());
    let refused = slice(&routes, TOKEN, ACCOUNT_REQUESTS_MAX).end().await;
    assert_eq!(refused.status, 429, "{}", refused.body);

    let other = slice(&routes, OTHER, ACCOUNT_REQUESTS_MAX);
    other.send(HEAD);
    other.send(&bytes);
    other.send(b"\r\n--b--");
    let taken = other.end().await;
    assert_eq!(taken.status, 200, "{}", taken.body);

    first.send(&bytes[50..]);
    let went_on = first.end().await;
    assert_eq!((went_on.status, went_on.header("upload-offset")), (204, Some("100")), "{}", went_on.body);
    let free = slice(&routes, TOKEN, ACCOUNT_REQUESTS_MAX + 1);
    free.send(HEAD);
    free.send(&bytes);
    free.send(b"\r\n--b--");
    assert_eq!(free.end().await.status, 200, "its place is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_refused_fixes_no_size() {
    let world = World::new();
    let beyond = [("X-IMAGE-SIZE", "10"), ("X-SLICE-OFFSET", "8"), ("X-SLICE-SIZE", "5")];
    assert_eq!(world.slice(b"01234", &beyond).await.status, 400);
    let beyond = [("Upload-Length", "3"), ("Content-Length", "4")];
    assert_eq!(world.patch(0, &beyond, "0123").await.status, 400);
    assert_eq!(world.patch(7, &[("Upload-Length", "9")], "01").await.status, 409);
    assert_eq!(world.upload.received().size, None);
    assert_eq!(world.slice(b"0123456789a", &[("X-IMAGE-SIZE", "11")]).await.status, 200);
    world.assert_holds(b"0123456789a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_length_below_what_is_sent_is_refused_and_bounds_what_is_sent_after_it() {
    let world = World::new();
    let made = world.tus("POST", &[("Upload-Defer-Length", "1")], Body::empty()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(world.patch(0, &[], "01234").await.status, 204);
    let below = world.patch(5, &[("Upload-Length", "4")], "5").await;
    assert_eq!(below.status, 409, "{}", below.body);
    assert!(below.body.contains("less than the 5"), "{}", below.body);

    // Chunked, so that nobody knows where it ends.
    let uploads =
        Uploads::new(world.table.clone(), Arc::new(Finder(Stage::Open(world.upload.clone()))), 1 << 20);
    let routes = routes(Arc::new(uploads));
    let headers = [
        ("Tus-Resumable", "1.0.0"),
        ("Content-Type", "application/offset+octet-stream"),
        ("Upload-Offset", "5"),
    ];
    let sending = Sending::begin(&routes, "PATCH", TOKEN, &headers);
    let before = world.upload.received().activity;
    sending.send(b"567");
    world.upload.watch().wait_for(|seen| seen.activity > before).await.unwrap();
    let below = world.tus("POST", &[("Upload-Length", "7")], Body::empty()).await;
    assert_eq!(below.status, 409, "{}", below.body);
    let made = world.tus("POST", &[("Upload-Length", "10")], Body::empty()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    sending.send(b"89x");
    let refused = sending.end().await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(world.upload.received().size, Some(10));
    let offset = world.upload.received().offset as usize;
    let rest = world.patch(offset as u64, &[], b"0123456789"[offset..].to_vec()).await;
    assert_eq!((rest.status, rest.header("upload-offset")), (204, Some("10")), "{}", rest.body);
    world.assert_holds(b"0123456789");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_comes_alone_at_the_end_of_a_stream_is_taken_or_refused_and_not_ignored() {
    let world = World::new();
    let made = world.tus("POST", &[("Upload-Defer-Length", "1")], Body::empty()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(world.patch(0, &[], "01234").await.status, 204);
    let below = world.patch(5, &[("Upload-Length", "4"), ("Content-Length", "0")], "").await;
    assert_eq!((below.status, world.upload.received().size), (409, None), "{}", below.body);
    let taken = world.patch(5, &[("Upload-Length", "5"), ("Content-Length", "0")], "").await;
    assert_eq!((taken.status, world.upload.received().size), (204, Some(5)), "{}", taken.body);
    world.assert_holds(b"01234");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_where_it_stands_ends_what_is_being_sent_and_is_told_an_offset_that_stays() {
    let world = World::new();
    let bytes = content(LEN);
    world.upload.set_size(10_000, 0).unwrap();
    let uploads =
        Uploads::new(world.table.clone(), Arc::new(Finder(Stage::Open(world.upload.clone()))), 1 << 20);
    let routes = routes(Arc::new(uploads));
    let (older, beside) = (patch(&routes), slice(&routes, TOKEN, 7));
    older.send(&bytes[..50]);
    beside.send(HEAD);
    let mut seen = world.upload.watch();
    seen.wait_for(|seen| seen.activity > 0).await.unwrap();
    // Nothing of it counts yet; the watch is the negative control.
    assert_eq!(world.upload.received().offset, 0);
    let head = world.tus("HEAD", &[], Body::empty()).await;
    assert_eq!(head.header("upload-offset"), Some("50"));
    // What the older one sends on is not taken, and it is told why.
    older.send(&bytes[50..]);
    let ended = older.end().await;
    assert_eq!(ended.status, 409, "{}", ended.body);
    assert!(ended.body.contains("go on from the offset"), "{}", ended.body);
    assert_eq!(world.upload.received().offset, 50);
    // A slice of ZStack's goes on: nothing that it brings makes an offset untrue.
    beside.send(&bytes);
    beside.send(b"\r\n--b--\r\n");
    assert_eq!(beside.end().await.status, 200);
    assert_eq!(world.patch(50, &[("Content-Length", "50")], bytes[50..].to_vec()).await.status, 204);
}
