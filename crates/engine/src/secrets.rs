//! Secrets in `jobData`: fields named like a password are shown as `******` everywhere; the clear text is
//! kept encrypted (XChaCha20-Poly1305) and given to the handler alone. The same encryption keeps what else
//! is secret at rest, each bound to what it is for.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use longhaul_model::{Fault, Runtime};
use serde_json::Value;

/// What a secret looks like to everybody but the handler.
pub const MASK: &str = "******";
const NONCE_BYTES: usize = 24;

/// Whether a field of this name is a secret.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["password", "passwd", "secret", "token"].iter().any(|word| key.contains(word))
        || key == "key"
        || key.ends_with("_key")
        || key.ends_with("privatekey")
        || key.ends_with("secretkey")
        || key.ends_with("accesskey")
        || key.ends_with("apikey")
        || key.ends_with("userkey")
}

/// Masks every secret in place; answers whether there was one.
pub fn mask(value: &mut Value) -> bool {
    match value {
        Value::Object(object) => {
            let mut found = false;
            for (key, inner) in object.iter_mut() {
                let plain =
                    matches!(inner, Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_));
                if is_secret(key) && plain {
                    *inner = Value::String(MASK.to_owned());
                    found = true;
                } else {
                    found |= mask(inner);
                }
            }
            found
        }
        Value::Array(items) => items.iter_mut().fold(false, |found, item| mask(item) | found),
        _ => false,
    }
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
}
