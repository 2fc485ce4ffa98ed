//! What tests over HTTP share: the real binary on a free port (`server`), a raw HTTP client with full control
//! of its bytes (`http`), callers that speak as curl or as ZStack's SDKs do (`caller`, with an access key
//! `signer`), disks (`disks`), and where the servers keep their data (`store`; the root of the binary says which, in a
//! constant `STORE`). Nothing here imports the server's own crates: what is expected is typed in by the tests.

pub mod caller;
pub mod disks;
pub mod file_server;
pub mod http;
pub mod jobs;
pub mod receiver;
pub mod server;
pub mod signer;
pub mod store;

pub use caller::{Answer, Caller, Kind};
pub use server::Server;
pub use signer::Signer;
pub use store::Store;

/// 32 lower-case hex digits of a fresh version 4 UUID.
pub fn uuid() -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("random bits");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    hex(&bytes)
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A password as the SDKs send it.
pub fn sha512(clear: &str) -> String {
    use sha2::Digest;
    hex(&sha2::Sha512::digest(clear.as_bytes()))
}

/// Asks `done` until it answers something; for what ends by itself within moments.
///
/// # Panics
/// After 30 s, naming `what`.
#[allow(clippy::disallowed_methods, reason = "a test watches another process, whose clock is the real one")]
pub fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let start = std::time::Instant::now();
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(start.elapsed().as_secs() < 30, "not within 30 s: {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
