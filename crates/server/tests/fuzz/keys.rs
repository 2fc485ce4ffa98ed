//! The headers and dates of access keys. An input is three lines: method and path, the `Date` header, the
//! `Authorization` header. Nobody who edits it has the secret, so what is signed must be what a key has signed in the
//! corpus, to the byte, at a time near enough to now.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use jiff::tz::TimeZone;
use longhaul_model::resource::{AccessKey, Account};
use longhaul_model::{AccountId, Code, KeyId};
use longhaul_server::auth::{Identity, Signatures, Vault};
use longhaul_store::conformance::HandClock;
use longhaul_store::{MemoryStore, Store, StoreOptions};
use longhaul_wire::decode::Signed;
use longhaul_wire::{Call, Headers, Misuse, Profile, Request, decode};
use tokio::runtime::Builder;

use crate::support::corpus::{self, Member, named};
use crate::support::cost;
use crate::support::promises::{self, Secrets, Seen};
use crate::support::run::Target;

/// What signed the corpus.
const SECRET: &str = "3dLs8GmWq0ZbX1yVtR7nKpJcUeHiOa5QfN2wT9vB";
/// The enabled key with that secret, and the disabled one.
const KEYS: [(&str, bool); 2] = [("key0000001", true), ("key0000003", false)];
/// Tuesday, 2017-11-14 14:20:57 UTC: now, wherever the input is judged.
const NOW_MS: i64 = 1_510_669_257_000;
/// Members that nobody may be let in with, though their signatures are right: the date is far from now or none, the
/// path is not what was signed.
const UNSIGNED: [&str; 5] = ["stale", "next-year", "bad-date", "bad-weekday", "escaped-slash"];

const WORDS: [&str; 54] = [
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "HEAD",
    "get",
    " ",
    "/zstack",
    "/v1/longjobs",
    "/v1/zql",
    "/actions",
    "/",
    "//",
    "%2F",
    "%20",
    "%61",
    "%",
    "?limit=1",
    "#",
    "..",
    "\n",
    "Tue",
    "Wed",
    ", ",
    "14",
    "15",
    "Nov",
    "Dec",
    "2017",
    "2018",
    "14:20:57",
    "22:20:57",
    ":",
    "GMT",
    "UTC",
    "CST",
    "MMT",
    "ICT",
    "Asia/Shanghai",
    "America/New_York",
    "+03",
    "-0330",
    "+05:30",
    "GMT+8",
    "GMT+08:00",
    "ZStack ",
    "OAuth ",
    "zstack",
    "key0000001",
    "key0000002",
    "key0000003",
    "=",
    "==",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
];

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

/// What the corpus's members are: each with its path in segments.
static SIGNED: LazyLock<Vec<Sent>> = LazyLock::new(|| {
    let members = corpus::load(env!("CARGO_MANIFEST_DIR"), "keys");
    let near = members.iter().filter(|member| !UNSIGNED.contains(&member.name.as_str()));
    near.map(|member| Sent::of(&String::from_utf8_lossy(&member.bytes))).collect()
});

/// The parts of an input that are signed, and the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sent {
    method: String,
    target: String,
    date: Option<String>,
    authorization: Option<String>,
}

impl Sent {
    fn of(text: &str) -> Self {
        let mut lines = text.split('\n');
        let first = lines.next().unwrap_or_default();
        let (method, target) = first.split_once(' ').unwrap_or((first, ""));
        let mut header = || lines.next().map(str::to_owned);
        Self { method: method.to_owned(), target: target.to_owned(), date: header(), authorization: header() }
    }

    /// The segments of the path after the context, each decoded: what routing compares.
    fn segments(&self) -> Vec<Vec<u8>> {
        let path = self.target.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("/zstack").filter(|rest| rest.starts_with("/v1")).unwrap_or(path);
        path.split('/').map(decoded).collect()
    }

    fn decode(&self) -> Result<Call, Misuse> {
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

fn target(property: &(dyn Fn(&[u8]) -> Result<Seen, String> + std::panic::RefUnwindSafe)) -> Target<'_> {
    let corpus = corpus::load(env!("CARGO_MANIFEST_DIR"), "keys");
    Target { name: "keys", corpus, dictionary: &WORDS, property }
}

/// What must hold of an input.
fn property(input: &[u8]) -> Result<Seen, String> {
    with(input, |signed| {
        DOOR.runtime.block_on(DOOR.signatures.identify(signed)).map_err(|f| (f.code, f.details))
    })
}

/// The same with another judge of signatures.
fn with(
    input: &[u8],
    identify: impl Fn(&Signed) -> Result<Identity, (Code, String)>,
) -> Result<Seen, String> {
    let text = String::from_utf8_lossy(input);
    let sent = Sent::of(&text);
    let secrets = Secrets::of_target("", &text);
    let call = match cost::bounded(text.len(), || sent.decode())? {
        Ok(call) => call,
        Err(misuse) => {
            promises::misuse(&misuse, &secrets)?;
            return Ok(Seen::refused(&misuse.text(Profile::Fast)));
        }
    };
    let Some(signed) = &call.signed else {
        let needed = call.operation.auth && call.session.is_none();
        return if needed {
            Err("a call that nobody makes".to_owned())
        } else {
            Ok(Seen::refused("a session"))
        };
    };
    let signature = &signed.signature;
    let told = |text: &str| {
        signature.len() > 20 && !signed.access_id.contains(signature) && text.contains(signature)
    };
    if told(&format!("{signed:?}")) {
        return Err(format!("the signature is told: {signed:?}"));
    }
    match identify(signed) {
        Ok(_) => signed_by_the_key(&sent, signed),
        Err((Code::BadCredentials, details)) => {
            promises::text(&details, &secrets)?;
            promises::sized(&details)?;
            if details.contains(SECRET) || told(&details) {
                return Err(format!("more is told than the key's id: {details}"));
            }
            Ok(Seen::refused(&details))
        }
        Err(other) => Err(format!("{other:?}")),
    }
}

/// Whoever is let in has sent what the key signed: method, path, date, each to the byte but for what means the same.
fn signed_by_the_key(sent: &Sent, signed: &Signed) -> Result<Seen, String> {
    let text = format!("{}\n{}\n", sent.method, sent.date.as_deref().unwrap_or_default());
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(signed.text.as_bytes());
    let right = Base64::encode_string(&mac.finalize().into_bytes());
    if signed.access_id != KEYS[0].0 || signed.signature != right || !signed.text.starts_with(&text) {
        return Err(format!("let in without a signature: {signed:?}"));
    }
    let same = |member: &&Sent| {
        (&member.method, &member.date) == (&sent.method, &sent.date) && member.segments() == sent.segments()
    };
    match SIGNED.iter().find(same) {
        Some(_) => Ok(Seen::decoded("let in")),
        None => Err(format!("let in with what no key has signed: {sent:?}")),
    }
}

#[test]
fn every_signed_request_of_the_corpus_is_let_in_or_not_as_it_should() {
    target(&property).every_member(26);
    let let_in = |member: &Member| property(&member.bytes).is_ok_and(|seen| seen.decoded);
    let corpus = target(&property).corpus;
    for name in UNSIGNED.iter().chain(&["other-key", "disabled-key", "wrong-secret", "session", "basic"]) {
        assert!(!let_in(named(&corpus, name)), "{name}");
    }
}

#[test]
fn edits_of_signed_requests_reach_the_door() {
    target(&property).reaches_the_grammar(10);
}

#[test]
fn long_signed_requests_cost_in_proportion_to_their_length() {
    target(&property).costs_in_proportion();
}

#[test]
fn any_request_that_is_let_in_was_signed_with_exactly_that_date_and_key() {
    target(&property).fuzz();
}

/// Found by the target: the path that is signed is decoded, and there an escaped slash looked like a slash. So the
/// signature of an action counted for another call, to the resource `…/actions`.
#[test]
fn a_slash_that_is_escaped_afterwards_makes_a_signature_wrong() {
    let corpus = target(&property).corpus;
    let text = String::from_utf8_lossy(&named(&corpus, "java-action").bytes);
    for (slash, escaped) in
        [("/actions", "%2Factions"), ("/actions", "%2factions"), ("/longjobs", "%2Flongjobs")]
    {
        let edited = text.replacen(slash, escaped, 1);
        let seen = property(edited.as_bytes()).unwrap_or_else(|broken| panic!("{broken}"));
        assert!(!seen.decoded, "{edited}");
    }
}

/// Every byte of what is signed, changed one after the other: none is let in but the request as it was signed.
#[test]
fn a_change_of_any_byte_of_method_path_date_or_signature_is_refused() {
    let corpus = target(&property).corpus;
    for name in ["java-query", "python-submit", "go-delete", "plain-action", "offset"] {
        let member = named(&corpus, name);
        assert!(property(&member.bytes).is_ok_and(|seen| seen.decoded), "{name}");
        let text = String::from_utf8_lossy(&member.bytes).into_owned();
        let (query, line) = (text.find('?'), text.find('\n').unwrap_or_default());
        for at in (0..text.len()).filter(|at| query.is_none_or(|query| *at < query || *at > line)) {
            let mut edited = member.bytes.clone();
            edited[at] = if edited[at] == b'x' { b'y' } else { b'x' };
            let seen = property(&edited).unwrap_or_else(|broken| panic!("{name}: {broken}"));
            assert!(!seen.decoded, "{name}: byte {at} of {text:?}");
        }
    }
}

/// Negative controls: a door that looks at less lets in what nobody has signed, and the target sees it.
#[test]
fn a_door_that_looks_at_the_signature_alone_is_found() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let open = |signed: &Signed| {
        let known = SIGNED
            .iter()
            .filter_map(|sent| sent.authorization.as_deref())
            .any(|a| a.ends_with(&signed.signature));
        let who = Identity { account: AccountId::from_bits(1), admin: false };
        if known { Ok(who) } else { Err((Code::BadCredentials, "no".to_owned())) }
    };
    let broken = |input: &[u8]| with(input, open);
    let run = || target(&broken).fuzz_for(Duration::from_secs(300), Duration::ZERO);
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "a broken door went through");
}
