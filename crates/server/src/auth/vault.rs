//! What the server itself keeps secret at rest: the secrets of access keys, and answers that wait for their
//! poll with a secret in them. The encryption is `longhaul_engine::secrets`; the key is the data directory's.

use std::sync::Arc;

use longhaul_engine::secrets;
use longhaul_model::{Fault, KeyId, Runtime};

/// What an answer that is kept for its poll is bound to.
const ANSWER: &str = "answer";

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
}
