//! Passwords: they arrive as SHA-512 hex and are kept as argon2id of that.

use std::sync::{Arc, LazyLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use longhaul_model::Fault;
use sha2::{Digest, Sha512};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Hashes computed at a time: each takes tens of ms and `MEMORY_KIB`.
const AT_A_TIME: usize = 2;
/// Memory of one hash.
const MEMORY_KIB: u32 = 8 * 1024;
/// Passes over it.
const PASSES: u32 = 2;

static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(AT_A_TIME)));

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// What the SDKs send for a password in clear.
pub fn wire_form(clear: &str) -> String {
    Sha512::digest(clear.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// A place among the hashes that are computed at a time. What its holder does before it is dropped is done
/// while at most one other hash is computed.
pub struct Turn {
    _place: OwnedSemaphorePermit,
}

impl Turn {
    /// Waits for one.
    ///
    /// # Errors
    /// Never, while the process lives.
    pub async fn take() -> Result<Self, Fault> {
        let taken = TURNS.clone().acquire_owned().await;
        taken.map(|_place| Self { _place }).map_err(|_| Fault::internal("no turn to hash a password"))
    }

    /// Whether `sent` is the password of which `kept` was kept; with the turn, which is not over yet.
    ///
    /// # Errors
    /// Only if the hash cannot be computed at all.
    pub async fn matches(self, sent: String, kept: String) -> Result<(bool, Self), Fault> {
        self.heavy(move || {
            let Ok(parsed) = PasswordHash::new(&kept) else { return false };
            argon2().verify_password(sent.as_bytes(), &parsed).is_ok()
        })
        .await
    }

    /// The turn goes with the work: a caller who goes away does not let another one begin before its end.
    async fn heavy<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(T, Self), Fault> {
        let worked = tokio::task::spawn_blocking(move || (work(), self)).await;
        worked.map_err(|_| Fault::internal("hashing a password broke off"))
    }
}

/// What is kept of a password that arrived as `sent`.
///
/// # Errors
/// Only if the hash cannot be computed at all.
pub async fn keep(sent: String) -> Result<String, Fault> {
    let hash = move || {
        argon2()
            .hash_password(sent.as_bytes())
            .map(|hash| hash.to_string())
            .map_err(|_| Fault::internal("the password could not be hashed"))
    };
    Turn::take().await?.heavy(hash).await?.0
}

/// Whether `sent` is the password of which `kept` was kept.
///
/// # Errors
/// Only if the hash cannot be computed at all.
pub async fn matches(sent: String, kept: String) -> Result<bool, Fault> {
    Ok(Turn::take().await?.matches(sent, kept).await?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_same_password_matches() {
        let kept = keep(wire_form("password")).await.unwrap();
        assert!(kept.starts_with("$argon2id$"), "{kept}");
        assert!(matches(wire_form("password"), kept.clone()).await.unwrap());
        assert!(!matches(wire_form("Password"), kept).await.unwrap());
    }

    #[test]
    fn the_wire_form_is_the_one_of_the_contract() {
        assert!(
            wire_form("password")
                .starts_with("b109f3bbbc244eb82441917ed06d618b9008dd09b3befd1b5e07394c706a8bb9")
        );
    }
}
