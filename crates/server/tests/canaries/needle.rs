//! Canaries and the search for them: each in clear, escaped, in hex, in base64 at any alignment, hashed as SDKs
//! hash passwords.

use std::collections::HashMap;

use base64ct::{Base64, Base64Url, Encoding};
use sha2::{Digest, Sha256, Sha512};

use crate::support::{hex, uuid};

/// What every text ends with that may hold any character: each encoding writes it in another way, so that the
/// letters before it are what is looked for.
const TAIL: &str = " \"\\ü/+&=%?";
/// Bytes by which a needle is looked up; none is shorter.
const KEY: usize = 8;

/// One text that was planted once.
#[derive(Debug, Clone)]
pub struct Canary {
    /// What was planted where, for people.
    pub name: String,
    /// The whole of it, as it was sent.
    pub value: String,
    /// The letters and digits by which it is found.
    core: String,
    /// Patterns of places (`ground`): it must be found in each, and nowhere else. One after `?` is a place where
    /// it may be: in one profile, or when a sweep has not been there yet.
    pub belongs: Vec<&'static str>,
    /// Its SHA-256 is what the store knows it by.
    is_session: bool,
}

/// All that were planted.
#[derive(Debug, Default)]
pub struct Canaries(Vec<Canary>);

impl Canaries {
    /// A new one of letters and digits.
    pub fn word(&mut self, name: &str, belongs: &[&'static str]) -> String {
        let core = format!("k{}", &uuid()[..24]);
        self.known(name, &core, belongs);
        core
    }

    /// A new one that ends with characters that every encoding writes differently.
    pub fn text(&mut self, name: &str, belongs: &[&'static str]) -> String {
        let core = format!("k{}", &uuid()[..24]);
        let value = format!("{core}{TAIL}");
        self.add(name, &value, &core, belongs, false);
        value
    }

    /// A new number of 15 digits.
    pub fn number(&mut self, name: &str, belongs: &[&'static str]) -> u64 {
        let digits = u64::from_str_radix(&uuid()[..12], 16).unwrap_or(0) % 900_000_000_000_000;
        let number = 100_000_000_000_000 + digits;
        self.known(name, &number.to_string(), belongs);
        number
    }

    /// One that the server made up, or that was there before.
    pub fn known(&mut self, name: &str, value: &str, belongs: &[&'static str]) {
        self.add(name, value, value, belongs, false);
    }

    /// A session, which is 32 hex digits.
    pub fn session(&mut self, name: &str, id: &str, belongs: &[&'static str]) {
        self.add(name, id, id, belongs, true);
    }

    fn add(&mut self, name: &str, value: &str, core: &str, belongs: &[&'static str], is_session: bool) {
        assert!(core.len() >= KEY, "{name} is too short to be found: {core:?}");
        let (name, value, core) = (name.to_owned(), value.to_owned(), core.to_owned());
        self.0.push(Canary { name, value, core, belongs: belongs.to_vec(), is_session });
    }

    /// All.
    pub fn all(&self) -> &[Canary] {
        &self.0
    }
}

impl Canary {
    /// Every form in which it is looked for, by name.
    fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        let core = self.core.as_bytes();
        let each = |f: &dyn Fn(u8) -> String| core.iter().map(|b| f(*b)).collect::<String>().into_bytes();
        let mut forms = vec![
            ("in clear", core.to_vec()),
            ("in upper case", self.core.to_uppercase().into_bytes()),
            ("in hex", hex(core).into_bytes()),
            ("in upper-case hex", hex(core).to_uppercase().into_bytes()),
            ("percent-encoded", each(&|b| format!("%{b:02X}"))),
            ("percent-encoded in lower case", each(&|b| format!("%{b:02x}"))),
            ("in JSON escapes", each(&|b| format!("\\u{b:04x}"))),
            ("in UTF-16", core.iter().flat_map(|b| [*b, 0]).collect()),
        ];
        for shift in 0..3 {
            // What stands around it decides the first and the last digits; those between are always these.
            let padded = [&b"\0\0"[..shift], core].concat();
            let cut = |text: String| {
                let whole = text.trim_end_matches('=').len();
                let end = if padded.len() % 3 == 0 { whole } else { whole - 1 };
                text.as_bytes()[if shift == 0 { 0 } else { shift + 1 }..end].to_vec()
            };
            forms.push(("in base64", cut(Base64::encode_string(&padded))));
            forms.push(("in base64url", cut(Base64Url::encode_string(&padded))));
        }
        let value = self.value.as_bytes();
        let sha512 = Sha512::digest(value);
        forms.push(("as its SHA-512", sha512.to_vec()));
        forms.push(("as its SHA-512 in hex", hex(&sha512).into_bytes()));
        forms.push(("as its SHA-512 in upper-case hex", hex(&sha512).to_uppercase().into_bytes()));
        forms.push(("as its SHA-512 in base64", Base64::encode_string(&sha512).into_bytes()));
        if self.is_session {
            let bits = u128::from_str_radix(&self.core, 16).expect("a session is 32 hex digits");
            let c = &self.core;
            let dashed = format!("{}-{}-{}-{}-{}", &c[..8], &c[8..12], &c[12..16], &c[16..20], &c[20..]);
            forms.push(("as a UUID", dashed.into_bytes()));
            forms.push(("as 16 bytes", bits.to_be_bytes().to_vec()));
            forms.push(("as 16 bytes, reversed", bits.to_le_bytes().to_vec()));
        } else {
            let sha256 = Sha256::digest(value);
            forms.push(("as its SHA-256", sha256.to_vec()));
            forms.push(("as its SHA-256 in hex", hex(&sha256).into_bytes()));
        }
        forms
    }
}

/// Looks for all canaries at once.
pub struct Search<'c> {
    canaries: &'c [Canary],
    needles: Vec<(usize, &'static str, Vec<u8>)>,
    by_key: HashMap<[u8; KEY], Vec<usize>>,
}

impl<'c> Search<'c> {
    /// For these.
    pub fn new(canaries: &'c [Canary]) -> Self {
        let mut needles = Vec::new();
        for (canary, known) in canaries.iter().enumerate() {
            needles.extend(known.forms().into_iter().map(|(form, bytes)| (canary, form, bytes)));
        }
        let mut by_key: HashMap<[u8; KEY], Vec<usize>> = HashMap::new();
        for (index, (_, form, bytes)) in needles.iter().enumerate() {
            let key = bytes.first_chunk().unwrap_or_else(|| panic!("too short: {form}"));
            by_key.entry(*key).or_default().push(index);
        }
        Self { canaries, needles, by_key }
    }

    /// Which canaries are in `bytes`, and in which form.
    pub fn find(&self, bytes: &[u8]) -> Vec<(&'c Canary, &'static str)> {
        let mut found: Vec<usize> = Vec::new();
        for (at, key) in bytes.windows(KEY).enumerate() {
            let Some(candidates) = key.try_into().ok().and_then(|key: [u8; KEY]| self.by_key.get(&key))
            else {
                continue;
            };
            let there = candidates.iter().filter(|index| bytes[at..].starts_with(&self.needles[**index].2));
            found.extend(there);
        }
        found.sort_unstable();
        found.dedup();
        found
            .into_iter()
            .map(|index| (&self.canaries[self.needles[index].0], self.needles[index].1))
            .collect()
    }
}

#[test]
fn a_canary_is_found_in_every_encoding_and_in_the_midst_of_others() {
    let mut canaries = Canaries::default();
    let value = canaries.text("one", &[]);
    let other = canaries.word("another", &[]);
    let session = uuid();
    canaries.session("a session", &session, &[]);
    let search = Search::new(canaries.all());
    let json = serde_json::json!({ "a": [value] }).to_string();
    let twice = serde_json::Value::String(json.clone()).to_string();
    let percent: String = value.bytes().map(|b| format!("%{b:02X}")).collect();
    let mut texts = vec![json, twice, percent, crate::support::sha512(&value), hex(value.as_bytes())];
    for before in ["", "a", "ab", "abc"] {
        let around = format!("{before}{value}after");
        texts.push(Base64::encode_string(around.as_bytes()));
        texts.push(Base64Url::encode_string(around.as_bytes()));
    }
    for text in texts {
        let found = search.find(format!("before {text} after").as_bytes());
        assert!(found.iter().any(|(canary, _)| canary.name == "one"), "{text}");
        assert!(found.iter().all(|(canary, _)| canary.name == "one"), "{text}: {found:?}");
    }
    let bits = u128::from_str_radix(&session, 16).expect("hex");
    assert_eq!(search.find(&bits.to_be_bytes())[0].1, "as 16 bytes");
    assert_eq!(search.find(other.as_bytes()).len(), 1);
    assert!(search.find(&other.as_bytes()[1..]).is_empty() && search.find(b"").is_empty());
}
