//! The headers and dates of access keys. An input is three lines: method and path, the `Date` header, the
//! `Authorization` header. Nobody who edits it has the secret, so what is signed must be what a key has signed in the
//! corpus, to the byte, at a time near enough to now.

use std::panic::{AssertUnwindSafe, RefUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use longhaul_model::{AccountId, Code, Fault};
use longhaul_server::auth::Identity;
use longhaul_wire::Profile;
use longhaul_wire::decode::Signed;

use crate::door::{KEYS, SECRET, Sent, identify};
use crate::support::corpus::{self, Member, named};
use crate::support::cost;
use crate::support::promises::{self, Secrets, Seen};
use crate::support::run::Target;

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

/// What the corpus's members are: each with its path in segments.
static SIGNED: LazyLock<Vec<Sent>> = LazyLock::new(|| {
    let members = corpus::load(env!("CARGO_MANIFEST_DIR"), "keys");
    let near = members.iter().filter(|member| !UNSIGNED.contains(&member.name.as_str()));
    near.map(|member| Sent::of(&String::from_utf8_lossy(&member.bytes))).collect()
});

fn target(property: &(dyn Fn(&[u8]) -> Result<Seen, String> + RefUnwindSafe)) -> Target<'_> {
    let corpus = corpus::load(env!("CARGO_MANIFEST_DIR"), "keys");
    Target { name: "keys", corpus, dictionary: &WORDS, property }
}

/// What must hold of an input.
fn property(input: &[u8]) -> Result<Seen, String> {
    with(input, identify)
}

/// The same with another judge of signatures.
fn with(input: &[u8], identify: impl Fn(&Signed) -> Result<Identity, Fault>) -> Result<Seen, String> {
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
        Err(Fault { code: Code::BadCredentials, details, .. }) => {
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
    let open = |signed: &Signed| {
        let known = SIGNED
            .iter()
            .filter_map(|sent| sent.authorization.as_deref())
            .any(|a| a.ends_with(&signed.signature));
        let who = Identity { account: AccountId::from_bits(1), admin: false };
        if known { Ok(who) } else { Err(Fault::new(Code::BadCredentials, "no")) }
    };
    let broken = |input: &[u8]| with(input, open);
    let run = || target(&broken).fuzz_for(Duration::from_secs(300), Duration::ZERO);
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "a broken door went through");
}
