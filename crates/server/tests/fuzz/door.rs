//! What the target of signed requests stands before: a store with the keys that signed the corpus, and an input taken
//! apart. What must hold is in `keys`.

use std::sync::{Arc, LazyLock};

use jiff::tz::TimeZone;
use longhaul_model::resource::{AccessKey, Account};
use longhaul_model::{AccountId, Fault, KeyId};
use longhaul_server::auth::{Identity, Signatures, Vault};
use longhaul_store::conformance::HandClock;
use longhaul_store::{MemoryStore, Store, StoreOptions};
use longhaul_wire::decode::Signed;
use longhaul_wire::{Call, Headers, Misuse, Request, decode};
use tokio::runtime::Builder;

/// What signed the corpus.
pub const SECRET: &str = "3dLs8GmWq0ZbX1yVtR7nKpJcUeHiOa5QfN2wT9vB";
/// The enabled key with that secret, and the disabled one.
pub const KEYS: [(&str, bool); 2] = [("key0000001", true), ("key0000003", false)];
/// Tuesday, 2017-11-14 14:20:57 UTC: now, wherever the input is judged.
const NOW_MS: i64 = 1_510_669_257_000;
/// The server's side: a store with the keys.
struct Door {
    signatures: Signatures,
    runtime: tokio::runtime::Runtime,
}

static DOOR: LazyLock<Door> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let clock = HandClock::new();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone(), StoreOptions::default()));
    let vault = Arc::new(Vault::new([1; 32], clock.clone()));
    runtime.block_on(async {
        let account = Account {
            id: AccountId::random(&*clock),
            name: "ann".to_owned(),
            description: None,
            admin: false,
            password_hash: String::new(),
            create_ms: 0,
            last_op_ms: 0,
        };
        let account = store.create_account(account).await.expect("an account").id;
        for (access_id, enabled) in KEYS {
            let id = KeyId::random(&*clock);
            let key = AccessKey {
                id,
                account,
                description: None,
                access_id: access_id.to_owned(),
                sealed_secret: vault.seal_key(id, SECRET).expect("a sealed secret"),
                enabled,
                create_ms: 0,
                last_op_ms: 0,
            };
            store.create_key(key, 8).await.expect("a key").expect("room for it");
        }
    });
    Door { signatures: Signatures::new(store, clock, vault), runtime }
});

/// Who signed, as the server finds it.
pub fn identify(signed: &Signed) -> Result<Identity, Fault> {
    DOOR.runtime.block_on(DOOR.signatures.identify(signed))
}

/// The parts of an input that are signed, and the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// Path and query string.
    pub target: String,
    /// `Date`.
    pub date: Option<String>,
    /// `Authorization`.
    pub authorization: Option<String>,
}

impl Sent {
    /// Of an input's three lines.
    pub fn of(text: &str) -> Self {
        let mut lines = text.split('\n');
        let first = lines.next().unwrap_or_default();
        let (method, target) = first.split_once(' ').unwrap_or((first, ""));
        let mut header = || lines.next().map(str::to_owned);
        Self { method: method.to_owned(), target: target.to_owned(), date: header(), authorization: header() }
    }

    /// The segments of the path after the context, each decoded: what routing compares.
    pub fn segments(&self) -> Vec<Vec<u8>> {
        let path = self.target.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("/zstack").filter(|rest| rest.starts_with("/v1")).unwrap_or(path);
        path.split('/').map(decoded).collect()
    }

    /// The call that it is.
    pub fn decode(&self) -> Result<Call, Misuse> {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let headers = Headers {
            authorization: self.authorization.as_deref(),
            date: self.date.as_deref(),
            ..Headers::default()
        };
        let zone = TimeZone::get("Asia/Shanghai").expect("the zone");
        decode(&Request {
            method: &self.method,
            path,
            query: Some(query),
            body: b"{\"params\":{},\"cancelLongJob\":{}}",
            headers,
            now_ms: NOW_MS,
            zone: &zone,
        })
    }
}

/// Percent escapes resolved.
fn decoded(segment: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), segment.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let escape = digit(0).zip(digit(1)).filter(|_| *first == b'%');
        match escape.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}
