//! Both protocols against an upload in a temporary directory, without a socket and without a job.

use std::path::Path as FilePath;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use futures::stream;
use longhaul_jobs::storage::Root;
use longhaul_jobs::upload::{Checksum, Counting, SliceRequest, UploadLimits};
use tower::ServiceExt;

use super::*;
use crate::tempdir::TempDir;

mod room;

const TOKEN: &str = "right";
const IMAGE: &str = "0123456789abcdef0123456789abcdef";
const JOB: JobId = JobId::from_bits(3);

/// One upload, found by one token.
struct World {
    place: TempDir,
    table: Table,
    upload: Arc<Upload>,
    stage: Option<Stage>,
}

/// Another account's token of the same upload.
const OTHER: &str = "other";

struct Finder(Stage);

#[async_trait]
impl Find for Finder {
    async fn find(&self, token: &str) -> Result<Option<Target>, Fault> {
        let account = AccountId::from_bits(if token == OTHER { 2 } else { 1 });
        let target = Target { job: JOB, account, image: IMAGE.to_owned(), stage: self.0.clone() };
        Ok([TOKEN, OTHER].contains(&token).then_some(target))
    }

    async fn terminate(&self, _: JobId) -> Result<(), Fault> {
        Ok(())
    }
}

/// What was answered.
struct Answered {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answered {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl World {
    fn new() -> Self {
        let place = TempDir::new("longhaul-uploads").unwrap();
        let root = Root::open(place.path()).unwrap();
        // More than an account has places.
        let open_slices_max = 2 * places::ACCOUNT_REQUESTS_MAX;
        let limits = UploadLimits {
            flush_bytes: 1000,
            max_bytes: 1 << 20,
            open_slices_max,
            ..UploadLimits::default()
        };
        let upload = Upload::open(root, FilePath::new("image"), 1, limits).unwrap();
        Self { place, table: Table::default(), upload, stage: None }
    }

    async fn send(&self, method: &str, token: &str, headers: &[(&str, &str)], body: Body) -> Answered {
        let stage = self.stage.clone().unwrap_or(Stage::Open(self.upload.clone()));
        let uploads = Uploads::new(self.table.clone(), Arc::new(Finder(stage)), 1 << 20);
        sent(routes(Arc::new(uploads)), method, token, headers, body).await
    }

    async fn slice(&self, bytes: &[u8], headers: &[(&str, &str)]) -> Answered {
        let form =
            [b"--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n", bytes, b"\r\n--b--"];
        let kind = ("Content-Type", "multipart/form-data; boundary=b");
        let headers = [&[kind, ("X-IMAGE-UUID", IMAGE)], headers].concat();
        self.send("POST", TOKEN, &headers, Body::from(form.concat())).await
    }

    async fn tus(&self, method: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answered {
        let headers = [&[("Tus-Resumable", "1.0.0")], headers].concat();
        self.send(method, TOKEN, &headers, body.into()).await
    }

    async fn patch(&self, offset: u64, more: &[(&str, &str)], body: impl Into<Body>) -> Answered {
        let offset = offset.to_string();
        let kind = ("Content-Type", "application/offset+octet-stream");
        self.tus("PATCH", &[&[kind, ("Upload-Offset", &offset)], more].concat(), body).await
    }

    fn assert_holds(&self, whole: &[u8]) {
        self.upload.complete(&|_| true).unwrap();
        assert!(std::fs::read(self.place.path().join("image")).unwrap() == whole);
    }
}

async fn sent(routes: Router, method: &str, token: &str, headers: &[(&str, &str)], body: Body) -> Answered {
    let mut request = Request::builder().method(method).uri(format!("/upload/{token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = routes.oneshot(request.body(body).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answered { status: head.status.as_u16(), headers: head.headers, body }
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// The MD5 of these bytes, by way of an upload of them: there is no other MD5 in this crate.
fn md5_of(bytes: &[u8]) -> String {
    let world = World::new();
    world.upload.set_size(bytes.len() as u64, 0).unwrap();
    let len = Some(bytes.len() as u64);
    let request = SliceRequest { start: 0, len, counting: Counting::AsFlushed, goes_on: true };
    let mut slice = world.upload.begin(request).unwrap();
    slice.write(bytes).unwrap();
    slice.finish().unwrap();
    world.upload.complete(&|_| true).unwrap().md5
}

#[tokio::test(flavor = "multi_thread")]
async fn slices_in_any_order_become_the_file_and_only_a_wrong_one_is_sent_again() {
    let world = World::new();
    let whole = content(10_000);
    let sizes = [("X-IMAGE-SIZE", "10000"), ("X-SLICE-SIZE", "3000")];
    for (index, from, to) in [(3, 9000, 10_000), (1, 3000, 6000), (0, 0, 3000)] {
        let (index, md5) = (index.to_string(), md5_of(&whole[from..to]));
        let place = [("X-SLICE-INDEX", &*index), ("X-SLICE-MD5", &*md5)];
        let headers = [&sizes[..], &place].concat();
        if from == 3000 {
            let refused = world.slice(&whole[3001..6001], &headers).await;
            assert_eq!(refused.status, 406, "{}", refused.body);
            assert!(refused.body.contains("send this slice again"), "{}", refused.body);
        }
        for _ in 0..2 {
            let taken = world.slice(&whole[from..to], &headers).await;
            assert_eq!(taken.status, 200, "{}", taken.body);
        }
    }
    let last = [("X-SLICE-INDEX", "2")];
    let taken = world.slice(&whole[6000..9000], &[&sizes[..], &last].concat()).await;
    assert_eq!((taken.status, world.upload.received().is_complete()), (200, true), "{}", taken.body);
    world.assert_holds(&whole);
    // It was taken; a slice that comes late is a slice that is here.
    let late = world.slice(&whole[6000..9000], &[&sizes[..], &last].concat()).await;
    assert_eq!(late.status, 200, "{}", late.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_of_another_image_size_or_form_is_refused_with_what_is_wrong() {
    let world = World::new();
    let size = ("X-IMAGE-SIZE", "10");
    for (headers, body, status, told) in [
        (&[("Content-Type", "multipart/form-data; boundary=b")][..], "x", 400, "X-IMAGE-UUID"),
        (&[("X-IMAGE-UUID", IMAGE)], "x", 400, "X-IMAGE-SIZE"),
        (&[("X-IMAGE-UUID", IMAGE), size], "x", 400, "multipart/form-data"),
        (&[("X-IMAGE-UUID", "f"), size], "x", 400, "this URL is of image"),
        (
            &[
                ("X-IMAGE-UUID", IMAGE),
                ("X-IMAGE-SIZE", "9999999"),
                ("Content-Type", "multipart/form-data; boundary=b"),
            ],
            "--b",
            413,
            "more than the 1048576",
        ),
        (
            &[("X-IMAGE-UUID", IMAGE), size, ("Content-Type", "multipart/form-data; boundary=b")],
            "--b\r\nContent-Disposition: form-data; name=f\r\n\r\n0123456789\r\n--b--",
            400,
            "file name",
        ),
    ] {
        let refused = world.send("POST", TOKEN, headers, Body::from(body)).await;
        assert_eq!(refused.status, status, "{}", refused.body);
        assert!(refused.body.contains(told), "{} has not {told}", refused.body);
    }
    assert_eq!(world.slice(b"01234", &[size]).await.status, 400, "5 of 10 bytes");
    assert_eq!(world.upload.received().offset, 5, "which count all the same");
    assert_eq!(world.slice(b"0123456789", &[("X-IMAGE-SIZE", "11")]).await.status, 409);
    assert_eq!(world.slice(b"0123456789", &[size]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tus_creates_goes_on_and_tells_where_it_is() {
    let world = World::new();
    let whole = content(5000);
    let options = world.send("OPTIONS", TOKEN, &[], Body::empty()).await;
    assert_eq!((options.status, options.header("tus-version")), (204, Some("1.0.0")));
    assert_eq!(options.header("tus-extension"), Some("creation,checksum,termination"));
    let unknown = world.tus("HEAD", &[], Body::empty()).await;
    assert_eq!((unknown.status, unknown.header("upload-defer-length")), (200, Some("1")));
    let made = world.tus("POST", &[("Upload-Length", "5000")], Body::empty()).await;
    assert_eq!((made.status, made.header("location")), (201, Some("/upload/right")), "{}", made.body);

    // The connection breaks after 2,500 bytes: they count.
    let pieces = vec![Ok(Bytes::copy_from_slice(&whole[..2500])), Err(std::io::Error::other("reset"))];
    let broken = world.patch(0, &[], Body::from_stream(stream::iter(pieces))).await;
    assert_eq!(broken.status, 400, "{}", broken.body);
    let head = world.tus("HEAD", &[], Body::empty()).await;
    assert_eq!((head.header("upload-offset"), head.header("upload-length")), (Some("2500"), Some("5000")));
    assert_eq!(head.header("cache-control"), Some("no-store"));

    assert_eq!(world.patch(2400, &[], whole[2400..].to_vec()).await.status, 409);
    let wrong = world.patch(2500, &[("Upload-Checksum", "md5 AAAAAAAAAAAAAAAAAAAAAA==")], "0123").await;
    assert_eq!(wrong.status, 460, "{}", wrong.body);
    assert_eq!(world.upload.received().offset, 2500);
    let rest = world.patch(2500, &[], whole[2500..].to_vec()).await;
    assert_eq!((rest.status, rest.header("upload-offset")), (204, Some("5000")), "{}", rest.body);
    world.assert_holds(&whole);
    let after = world.tus("HEAD", &[], Body::empty()).await;
    assert_eq!(
        after.header("upload-offset"),
        Some("5000"),
        "a sender whose last answer was lost sees the end"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tus_refuses_what_the_protocol_refuses() {
    let world = World::new();
    let old = world.send("PATCH", TOKEN, &[("Tus-Resumable", "0.2.2")], Body::empty()).await;
    assert_eq!((old.status, old.header("tus-version")), (412, Some("1.0.0")));
    assert_eq!(world.send("HEAD", TOKEN, &[], Body::empty()).await.status, 412);
    let kind = world.tus("PATCH", &[("Upload-Offset", "0"), ("Content-Type", "text/plain")], "x").await;
    assert_eq!(kind.status, 415);
    assert_eq!(world.tus("POST", &[], Body::empty()).await.status, 400, "no length");
    assert_eq!(world.tus("POST", &[("Upload-Length", "9999999")], Body::empty()).await.status, 413);
    assert_eq!(world.patch(0, &[("Upload-Checksum", "crc32 AAAA")], "x").await.status, 400);
    assert_eq!(world.tus("PUT", &[], Body::empty()).await.status, 405);
    assert_eq!(world.tus("DELETE", &[], Body::empty()).await.status, 204);
    let overridden = world.tus("POST", &[("X-HTTP-Method-Override", "HEAD")], Body::empty()).await;
    assert_eq!(overridden.header("upload-offset"), Some("0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_md5_of_the_whole_is_demanded_by_metadata_or_header() {
    for (name, value) in [
        ("X-IMAGE-MD5", "68b329da9893e34099c7d8ad5cb9c940"),
        ("Upload-Metadata", "filename eA==,md5 NjhiMzI5ZGE5ODkzZTM0MDk5YzdkOGFkNWNiOWM5NDA="),
    ] {
        let world = World::new();
        let made = world.tus("POST", &[("Upload-Length", "1"), (name, value)], Body::empty()).await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(world.upload.demanded_md5(), Checksum::md5_from_hex("68b329da9893e34099c7d8ad5cb9c940"));
        let wrong = world.tus("POST", &[("Upload-Length", "1"), ("X-IMAGE-MD5", "nonsense")], Body::empty());
        assert_eq!(wrong.await.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_nothing() {
    let world = World::new();
    for method in ["GET", "HEAD", "POST", "PATCH", "DELETE"] {
        let refused = world.send(method, "wrong", &[("Tus-Resumable", "1.0.0")], Body::from("x")).await;
        assert_eq!(refused.status, 404, "{method}");
        assert_eq!(refused.header("tus-resumable"), None);
        assert!(!refused.body.contains(IMAGE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_suspended_tells_its_offset_and_takes_nothing() {
    let mut world = World::new();
    world.stage = Some(Stage::Paused { offset: 7, size: Some(10) });
    let head = world.tus("HEAD", &[], Body::empty()).await;
    assert_eq!((head.header("upload-offset"), head.header("upload-length")), (Some("7"), Some("10")));
    let refused = world.patch(7, &[], "789").await;
    assert_eq!(refused.status, 423);
    assert!(refused.body.contains("resume it if it is Suspended"), "{}", refused.body);
    world.stage = Some(Stage::Soon);
    let soon = world.tus("HEAD", &[], Body::empty()).await;
    assert_eq!((soon.status, soon.header("retry-after")), (503, Some("1")));
    world.stage = Some(Stage::Done(10));
    assert_eq!(world.patch(10, &[("Content-Length", "0")], Body::empty()).await.status, 204);
    assert_eq!(world.slice(b"0123456789", &[("X-IMAGE-SIZE", "10")]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_sends_nothing_is_not_waited_for_and_what_came_counts() {
    let world = World::new();
    world.upload.set_size(10, 0).unwrap();
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"0123"))]);
    let body = Body::from_stream(futures::StreamExt::chain(first, stream::pending()));
    let request = SliceRequest { start: 0, len: Some(10), counting: Counting::AsFlushed, goes_on: true };
    let slice = world.upload.begin(request).unwrap();
    let received = body::receive(body, slice, None, std::time::Duration::from_millis(20)).await;
    assert!(matches!(received, Err(body::Broken::Idle(_))), "{received:?}");
    assert_eq!(world.upload.received().offset, 4);
}
