//! Secrets in `jobData`: fields named like a password, and what `url` finds in URLs, are shown as `******` everywhere; the
//! clear text is kept encrypted (XChaCha20-Poly1305) and given to the handler alone. The same encryption keeps what else
//! is secret at rest, each bound to what it is for.

mod url;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use longhaul_model::{Fault, Runtime};
use serde_json::Value;

/// What a secret looks like to everybody but the handler.
pub const MASK: &str = "******";
const NONCE_BYTES: usize = 24;

/// Texts that are JSON are looked into this deep: JSON in JSON in JSON.
const TEXTS_MAX: usize = 4;

/// Whether a field of this name is a secret: one with password, secret, token or the like in it, in any case,
/// or whose last word is key.
pub fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let plain: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    ["password", "passwd", "passphrase", "secret", "token"].iter().any(|word| plain.contains(word))
        || is_key(name, &plain)
}

/// `key`, `sshKey`, `SSH_KEY`, `api-key`; where a name has no words to tell apart, those that are usual. Not
/// `monkey`, and not what is meant to be public.
fn is_key(name: &str, plain: &str) -> bool {
    let name = name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let singular = name.strip_suffix(['s', 'S']).unwrap_or(name);
    let plain = plain.strip_suffix('s').unwrap_or(plain);
    if !plain.ends_with("key") || plain.ends_with("publickey") {
        return false;
    }
    let before = singular.get(..singular.len().saturating_sub(3)).unwrap_or_default();
    let word = &singular[before.len()..];
    let starts_a_word = match before.chars().next_back() {
        None => true,
        Some(last) if !last.is_ascii_alphanumeric() => true,
        Some(last) => (last.is_ascii_lowercase() || last.is_ascii_digit()) && word.starts_with('K'),
    };
    let usual = ["access", "api", "auth", "encryption", "host", "master", "private", "ssh", "user"];
    starts_a_word || usual.iter().any(|what| plain.ends_with(&format!("{what}key")))
}

/// Masks every secret in place, also in texts that are JSON themselves; answers whether there was one.
pub fn mask(value: &mut Value) -> bool {
    walk(value, TEXTS_MAX, &mut |_| {})
}

/// A text without the secrets of the URLs in it.
pub fn mask_urls(text: &str) -> String {
    url::masked(text, &mut |_| {}).unwrap_or_else(|| text.to_owned())
}

/// The same, and hands each value that is a secret to `found` before it is masked.
pub(crate) fn mask_and_tell(value: &mut Value, found: &mut dyn FnMut(&Value)) -> bool {
    walk(value, TEXTS_MAX, found)
}

fn walk(value: &mut Value, texts: usize, tell: &mut dyn FnMut(&Value)) -> bool {
    match value {
        Value::Object(object) => {
            let mut found = false;
            for (key, inner) in object.iter_mut() {
                let plain =
                    matches!(inner, Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_));
                if is_secret(key) && plain {
                    tell(inner);
                    *inner = Value::String(MASK.to_owned());
                    found = true;
                } else {
                    found |= walk(inner, texts, tell);
                }
            }
            found
        }
        Value::Array(items) => items.iter_mut().fold(false, |found, item| walk(item, texts, tell) | found),
        Value::String(text) => {
            let Some(mut inner) = json_in(text).filter(|_| texts > 0) else {
                let masked = url::masked(text, &mut |secret| tell(&Value::String(secret.to_owned())));
                let found = masked.is_some();
                *text = masked.unwrap_or_else(|| std::mem::take(text));
                return found;
            };
            let found = walk(&mut inner, texts - 1, tell);
            if found {
                *text = inner.to_string();
            }
            found
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The object or list that a text is.
pub(crate) fn json_in(text: &str) -> Option<Value> {
    text.trim_start().starts_with(['{', '[']).then(|| serde_json::from_str(text).ok()).flatten()
}

/// What the secrets of `jobData` are bound to.
pub const JOB_DATA: &str = "";

/// Encrypts. What is sealed for one purpose is opened for no other, so that nobody who can write the store
/// passes one secret off as another.
///
/// # Errors
/// `Internal`: the cipher does not take it.
pub fn seal(key: &[u8; 32], purpose: &str, clear: &str, runtime: &dyn Runtime) -> Result<Vec<u8>, Fault> {
    let mut nonce = [0u8; NONCE_BYTES];
    nonce[..16].copy_from_slice(&runtime.random_u128().to_le_bytes());
    nonce[16..].copy_from_slice(&runtime.random_u128().to_le_bytes()[..8]);
    let cipher = XChaCha20Poly1305::new(key.into());
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: clear.as_bytes(), aad: purpose.as_bytes() })
        .map_err(|_| Fault::internal("a secret could not be encrypted"))?;
    Ok([nonce.as_slice(), &sealed].concat())
}

/// Decrypts.
///
/// # Errors
/// `Internal`: another key, another purpose, or damaged.
pub fn open(key: &[u8; 32], purpose: &str, sealed: &[u8]) -> Result<String, Fault> {
    let wrong = || Fault::internal("a secret at rest cannot be read: is this the right secret.key?");
    let (nonce, body) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(wrong)?;
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| wrong())?;
    let cipher = XChaCha20Poly1305::new(key.into());
    let clear = cipher
        .decrypt(&XNonce::from(nonce), Payload { msg: body, aad: purpose.as_bytes() })
        .map_err(|_| wrong())?;
    String::from_utf8(clear).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_masked_at_any_depth_and_nothing_else_is() {
        let mut data = json!({"url": "http://x", "sshPassword": "p", "a": [{"accessKey": "k", "n": 1}], "keyboard": "us", "monkey": 1});
        assert!(mask(&mut data));
        assert_eq!(
            data,
            json!({"url": "http://x", "sshPassword": MASK, "a": [{"accessKey": MASK, "n": 1}], "keyboard": "us", "monkey": 1})
        );
        assert!(!mask(&mut json!({"volumeUuid": "x", "token": null})));
    }

    #[test]
    fn a_name_is_a_secrets_in_any_case_and_with_any_joints() {
        for name in [
            "key",
            "KEY",
            "Keys",
            "sshKey",
            "ssh_key",
            "SSH-KEY",
            "apikey",
            "accessKeys",
            "cephKey",
            "s3Key",
            "keyPassword",
            "PassWord",
            "pass_word",
            "rootPasswd",
            "passPhrase",
            "client-secret",
            "Secrets",
            "xAuthToken",
            "TOKEN",
            "_key_",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in
            ["monkey", "keyboard", "turkeys", "Monkey", "keyId", "publicKey", "volumeUuid", "", "k", "é"]
        {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn secrets_in_urls_are_masked_in_any_field_and_in_texts_that_are_json() {
        let url = "https://me:s3cret@h/i?sig=s1gned&v=1";
        let shown = "https://me:******@h/i?sig=******&v=1";
        let mut data =
            json!({"url": url, "more": [format!("from {url}")], "config": json!({"u": url}).to_string()});
        let mut told = Vec::new();
        assert!(mask_and_tell(&mut data, &mut |secret| told.push(secret.clone())));
        let masked = json!({"url": shown, "more": [format!("from {shown}")], "config": json!({"u": shown}).to_string()});
        assert_eq!(data, masked);
        assert!(told.contains(&json!("s3cret")) && told.contains(&json!("s1gned")), "{told:?}");
        assert!(!mask(&mut data), "there is none left");
        assert_eq!((mask_urls(url).as_str(), mask_urls("http://h/").as_str()), (shown, "http://h/"));
    }

    #[test]
    fn secrets_in_texts_that_are_json_are_masked_and_other_texts_stay_as_they_are() {
        let inner = json!({"cephx": {"key": "k"}, "n": 1}).to_string();
        let twice = json!([inner]).to_string();
        let mut data = json!({"config": inner, "more": [twice], "plain": " {\"n\": 1}", "text": "{password"});
        assert!(mask(&mut data));
        let masked = json!({"cephx": {"key": MASK}, "n": 1}).to_string();
        assert_eq!(
            data,
            json!({"config": masked, "more": [json!([masked]).to_string()], "plain": " {\"n\": 1}", "text": "{password"})
        );
    }
}
