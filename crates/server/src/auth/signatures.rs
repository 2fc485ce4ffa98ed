//! Signed requests: whose key signed, and is the signature right? Keys are looked up in the store and held
//! here for two seconds, so that one that was disabled or deleted elsewhere is refused within that time; on
//! this node it is forgotten at once. What is signed is read in `longhaul_wire::decode`.
//!
//! Source: rest-api.md 2.1, 2.2.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use longhaul_engine::fault::from_store;
use longhaul_model::{AccountId, Code, Fault, Runtime};
use longhaul_store::Store;
use longhaul_wire::api::ACCESS_ID_UNITS;
use longhaul_wire::decode::Signed;
use sha1::Sha1;

use super::{Identity, Vault};

/// A key that was seen enabled is not asked for again for so long.
const TRUST: Duration = Duration::from_secs(2);
/// Keys remembered at most; beyond, the memory is emptied.
const REMEMBERED_MAX: usize = 10_000;
/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 20;
/// Signs in the place of a key that is not there, so that an unknown id takes as long as a wrong signature.
const NO_KEY: &str = "there is no such access key, so this is no secret";

#[derive(Clone)]
struct Seen {
    identity: Identity,
    secret: Arc<str>,
    at: Duration,
}

/// The signatures of access keys.
pub struct Signatures {
    store: Arc<dyn Store>,
    runtime: Arc<dyn Runtime>,
    vault: Arc<Vault>,
    seen: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    /// Enabled keys by their access id.
    keys: HashMap<String, Seen>,
    /// How often something was forgotten: what was looked up before that is not remembered any more.
    forgotten: u64,
}

impl Signatures {
    /// Of the keys in `store`, whose secrets `vault` opens.
    pub fn new(store: Arc<dyn Store>, runtime: Arc<dyn Runtime>, vault: Arc<Vault>) -> Self {
        Self { store, runtime, vault, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Remembered> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who signed.
    ///
    /// # Errors
    /// `BadCredentials`: no such key, a disabled one, or not its signature; which of them is not told.
    /// `Internal`: the key's secret cannot be decrypted. Others: the store does not answer.
    pub async fn identify(&self, signed: &Signed) -> Result<Identity, Fault> {
        let now = self.runtime.monotonic();
        let (known, forgotten) = {
            let seen = self.seen();
            (seen.keys.get(&signed.access_id).cloned(), seen.forgotten)
        };
        let found = match known.filter(|key| now.saturating_sub(key.at) < TRUST) {
            Some(key) => Some(key),
            None => self.look_up(&signed.access_id, now, forgotten).await?,
        };
        let right = is_right(found.as_ref().map_or(NO_KEY, |key| &*key.secret), signed);
        match found {
            Some(key) if right => Ok(key.identity),
            _ => Err(refused(&signed.access_id)),
        }
    }

    async fn look_up(&self, access_id: &str, now: Duration, forgotten: u64) -> Result<Option<Seen>, Fault> {
        if !ACCESS_ID_UNITS.contains(&access_id.len()) {
            return Ok(None);
        }
        let key =
            self.store.key_by_access_id(access_id).await.map_err(|e| from_store(e, "the access key"))?;
        let found = match key.filter(|key| key.enabled) {
            None => None,
            Some(key) => {
                let secret = self.vault.open_key(key.id, &key.sealed_secret)?.into();
                Identity::of(key.account, &*self.store).await?.map(|identity| Seen {
                    identity,
                    secret,
                    at: now,
                })
            }
        };
        let mut seen = self.seen();
        match &found {
            Some(key) if seen.forgotten == forgotten => {
                if seen.keys.len() >= REMEMBERED_MAX {
                    seen.keys.clear();
                }
                seen.keys.insert(access_id.to_owned(), key.clone());
            }
            _ => {
                seen.keys.remove(access_id);
            }
        }
        Ok(found)
    }

    /// Forgets what is remembered of a key, after it was changed or deleted.
    pub fn forget(&self, access_id: &str) {
        let mut seen = self.seen();
        seen.keys.remove(access_id);
        seen.forgotten += 1;
    }

    /// Forgets what is remembered of an account's keys, after it was deleted.
    pub fn forget_account(&self, account: AccountId) {
        let mut seen = self.seen();
        seen.keys.retain(|_, key| key.identity.account != account);
        seen.forgotten += 1;
    }
}

/// One text for whatever is wrong, so that nobody learns which ids exist; in the words that Go's SDK looks for.
fn refused(access_id: &str) -> Fault {
    let shown: String = access_id.chars().take(*ACCESS_ID_UNITS.end()).collect();
    Fault::new(
        Code::BadCredentials,
        format!(
            "wrong accessKey signature, or no enabled key has the access key id[{shown}]; look at the key's state, and sign the method, the Date header and the path after the context, in lines, with HMAC-SHA1"
        ),
    )
}

/// Compared in constant time.
fn is_right(secret: &str, signed: &Signed) -> bool {
    let mut bytes = [0u8; SIGNATURE_BYTES];
    let signature = Base64::decode(&signed.signature, &mut bytes);
    let (Ok(signature), Ok(mut mac)) = (signature, Hmac::<Sha1>::new_from_slice(secret.as_bytes())) else {
        return false;
    };
    mac.update(signed.text.as_bytes());
    mac.verify_slice(signature).is_ok()
}

#[cfg(test)]
mod tests {
    use longhaul_model::KeyId;
    use longhaul_model::resource::{AccessKey, Account};
    use longhaul_store::conformance::HandClock;
    use longhaul_store::{MemoryStore, StoreOptions};

    use super::*;

    fn signed(signature: &str) -> Signed {
        Signed {
            access_id: "any".to_owned(),
            signature: signature.to_owned(),
            text: "GET\nTue, 14 Nov 2017 22:20:57 Asia/Shanghai\n/v1/longjobs".to_owned(),
        }
    }

    /// The signature is Python's: `base64.b64encode(hmac.new(secret, text, hashlib.sha1).digest())`.
    #[test]
    fn a_signature_is_hmac_sha1_of_the_text_in_base64_and_nothing_else() {
        let secret = "3dLs8GmWq0ZbX1yVtR7nKpJcUeHiOa5QfN2wT9vB";
        let right = "KVNFiBWuSpCesq87ShaqCllpB6k=";
        assert!(is_right(secret, &signed(right)));
        assert!(!is_right("3dLs8GmWq0ZbX1yVtR7nKpJcUeHiOa5QfN2wT9vb", &signed(right)), "another secret");
        let other = Signed { text: signed(right).text.replace("GET", "PUT"), ..signed(right) };
        assert!(!is_right(secret, &other), "another text");
        let mut wrong = right.to_owned();
        wrong.replace_range(..1, if right.starts_with('A') { "B" } else { "A" });
        for wrong in [wrong.as_str(), "", "=", "AAAA", right.trim_end_matches('='), "ä", &right.repeat(2)] {
            assert!(!is_right(secret, &signed(wrong)), "{wrong}");
        }
    }

    /// Two nodes on one store, a key in it, and how to sign with it.
    async fn two_nodes() -> (Arc<HandClock>, Arc<dyn Store>, [Signatures; 2], AccessKey, Signed) {
        let clock = HandClock::new();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone(), StoreOptions::default()));
        let vault = Arc::new(Vault::new([1; 32], clock.clone()));
        let account = Account {
            id: AccountId::random(&*clock),
            name: "ann".to_owned(),
            description: None,
            admin: false,
            password_hash: String::new(),
            create_ms: 0,
            last_op_ms: 0,
        };
        let account = store.create_account(account).await.unwrap().id;
        let id = KeyId::random(&*clock);
        let key = AccessKey {
            id,
            account,
            description: None,
            access_id: "key0000001".to_owned(),
            sealed_secret: vault.seal_key(id, "a secret of ann").unwrap(),
            enabled: true,
            create_ms: 0,
            last_op_ms: 0,
        };
        let key = store.create_key(key, 1).await.unwrap().unwrap();
        let mut mac = Hmac::<Sha1>::new_from_slice(b"a secret of ann").unwrap();
        mac.update(signed("").text.as_bytes());
        let signature = Base64::encode_string(&mac.finalize().into_bytes());
        let signed = Signed { access_id: key.access_id.clone(), ..signed(&signature) };
        let node = || Signatures::new(store.clone(), clock.clone(), vault.clone());
        let nodes = [node(), node()];
        (clock, store, nodes, key, signed)
    }

    #[tokio::test]
    async fn a_key_disabled_on_one_node_is_refused_at_once_there_and_within_two_seconds_elsewhere() {
        let (clock, store, [here, there], key, signed) = two_nodes().await;
        for node in [&here, &there] {
            let who = node.identify(&signed).await.unwrap();
            assert_eq!(who, Identity { account: key.account, admin: false });
        }
        store.enable_key(key.id, false).await.unwrap();
        here.forget(&key.access_id);
        assert!(here.identify(&signed).await.is_err());
        clock.advance(1_999);
        assert!(there.identify(&signed).await.is_ok(), "it was seen enabled less than two seconds ago");
        clock.advance(1);
        assert_eq!(there.identify(&signed).await, Err(refused(&key.access_id)));
        store.enable_key(key.id, true).await.unwrap();
        assert!(there.identify(&signed).await.is_ok(), "a refusal is not remembered");
        store.delete_account(key.account).await.unwrap();
        clock.advance(2_000);
        assert_eq!(there.identify(&signed).await, Err(refused(&key.access_id)));
    }

    #[tokio::test]
    async fn an_unknown_key_and_a_wrong_signature_are_refused_alike() {
        let (_clock, store, [node, _], key, right) = two_nodes().await;
        let wrong = Signed { signature: "A".repeat(27) + "=", ..right.clone() };
        let refusal = node.identify(&wrong).await;
        assert_eq!(refusal, Err(refused(&key.access_id)));
        store.delete_key(key.id).await.unwrap();
        node.forget(&key.access_id);
        assert_eq!(node.identify(&right).await, refusal);
        for strange in ["", "x", "key 0000001", &"x".repeat(4096)] {
            let strange = Signed { access_id: strange.to_owned(), ..right.clone() };
            assert_eq!(node.identify(&strange).await.map_err(|f| f.code), Err(Code::BadCredentials));
        }
    }

    #[test]
    fn a_refusal_has_the_words_that_go_looks_for_and_no_more_of_the_header_than_an_id() {
        let told = refused(&"x".repeat(5000)).details;
        assert!(told.contains("wrong accessKey signature") && told.contains("access key id"), "{told}");
        assert!(told.len() < 400, "{told}");
    }
}
