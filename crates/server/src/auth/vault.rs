//! What the server itself keeps secret at rest: the secrets of access keys, the URLs of web hooks, and answers
//! that wait for their poll with a secret in them. The encryption is `longhaul_engine::secrets`; the key is the data directory's.

use std::sync::Arc;

use base64ct::{Base64, Encoding};
use longhaul_engine::secrets;
use longhaul_model::{Fault, KeyId, Runtime};

/// What an answer that is kept for its poll is bound to.
const ANSWER: &str = "answer";
/// What the URL of a web hook is bound to.
const WEB_HOOK: &str = "web hook";
/// How the URL of a web hook begins at rest; none that can be called does.
const SEALED: &str = "sealed:";

/// Encrypts with the installation's key.
pub struct Vault {
    key: [u8; 32],
    runtime: Arc<dyn Runtime>,
}

impl Vault {
    /// With the key in `secret.key`; its nonces come from `runtime`.
    pub fn new(key: [u8; 32], runtime: Arc<dyn Runtime>) -> Self {
        Self { key, runtime }
    }

    /// The secret of this access key, to be stored.
    ///
    /// # Errors
    /// `Internal`: the cipher does not take it.
    pub fn seal_key(&self, id: KeyId, secret: &str) -> Result<Vec<u8>, Fault> {
        secrets::seal(&self.key, &access_key(id), secret, &*self.runtime)
    }

    /// The secret of this access key, as it was given.
    ///
    /// # Errors
    /// `Internal`: sealed with another `secret.key`, for another access key, or damaged.
    pub fn open_key(&self, id: KeyId, sealed: &[u8]) -> Result<String, Fault> {
        secrets::open(&self.key, &access_key(id), sealed)
    }

    /// The URL of a web hook, to be stored as text.
    ///
    /// # Errors
    /// `Internal`: the cipher does not take it.
    pub fn seal_hook(&self, url: &str) -> Result<String, Fault> {
        let sealed = secrets::seal(&self.key, WEB_HOOK, url, &*self.runtime)?;
        Ok(format!("{SEALED}{}", Base64::encode_string(&sealed)))
    }

    /// The URL of a web hook; one that was stored in clear, as it was before they were encrypted, as it is.
    ///
    /// # Errors
    /// `Internal`: sealed with another `secret.key`, no web hook, or damaged.
    pub fn open_hook(&self, stored: &str) -> Result<String, Fault> {
        let Some(sealed) = stored.strip_prefix(SEALED) else { return Ok(stored.to_owned()) };
        let sealed = Base64::decode_vec(sealed)
            .map_err(|_| Fault::internal("the URL of a web hook in the store is damaged"))?;
        secrets::open(&self.key, WEB_HOOK, &sealed)
    }

    /// An answer, to be kept until its time is over.
    ///
    /// # Errors
    /// `Internal`: the cipher does not take it.
    pub fn seal_answer(&self, body: &str) -> Result<Vec<u8>, Fault> {
        secrets::seal(&self.key, ANSWER, body, &*self.runtime)
    }

    /// An answer that was kept.
    ///
    /// # Errors
    /// `Internal`: sealed with another `secret.key`, no answer, or damaged.
    pub fn open_answer(&self, sealed: &[u8]) -> Result<String, Fault> {
        secrets::open(&self.key, ANSWER, sealed)
    }
}

fn access_key(id: KeyId) -> String {
    format!("access key {id}")
}

#[cfg(test)]
mod tests {
    use longhaul_engine::TokioRuntime;

    use super::*;

    #[tokio::test]
    async fn a_secret_is_opened_for_its_own_key_and_purpose_only() {
        let vault = Vault::new([7; 32], Arc::new(TokioRuntime::new()));
        let (own, other) = (KeyId::v4(1), KeyId::v4(2));
        let sealed = vault.seal_key(own, "the secret").unwrap();
        assert!(!sealed.windows(10).any(|w| w == b"the secret"));
        assert_ne!(sealed, vault.seal_key(own, "the secret").unwrap(), "a nonce is used once");
        assert_eq!(vault.open_key(own, &sealed), Ok("the secret".to_owned()));
        assert!(vault.open_key(other, &sealed).is_err());
        assert!(vault.open_answer(&sealed).is_err());
        assert!(vault.open_key(own, &sealed[1..]).is_err());
        let moved = Vault::new([8; 32], Arc::new(TokioRuntime::new()));
        let refused = moved.open_key(own, &sealed).unwrap_err();
        assert!(refused.details.contains("secret.key"), "{refused}");
        assert_eq!(vault.open_answer(&vault.seal_answer("{}").unwrap()), Ok("{}".to_owned()));
    }

    #[tokio::test]
    async fn the_url_of_a_web_hook_is_stored_encrypted_and_one_in_clear_is_still_read() {
        let vault = Vault::new([7; 32], Arc::new(TokioRuntime::new()));
        let url = "http://me:secret@receiver.example/hook?token=secret";
        let stored = vault.seal_hook(url).unwrap();
        assert!(!stored.contains("receiver") && !stored.contains("secret"), "{stored}");
        assert_eq!(vault.open_hook(&stored).as_deref(), Ok(url));
        assert_eq!(vault.open_hook(url).as_deref(), Ok(url));
        let moved = Vault::new([8; 32], Arc::new(TokioRuntime::new()));
        assert!(moved.open_hook(&stored).is_err() && vault.open_hook("sealed:no base64").is_err());
    }
}
