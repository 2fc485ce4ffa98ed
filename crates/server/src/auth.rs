//! Who calls: passwords and how often they may be tried, sessions and their sliding end, signatures of access
//! keys.

pub mod login_limits;
pub mod password;
pub mod sessions;
pub mod signatures;
pub mod vault;

pub use login_limits::LoginLimits;
pub use sessions::Sessions;
pub use signatures::Signatures;
pub use vault::Vault;

use longhaul_engine::fault::from_store;
use longhaul_model::{ADMIN, AccountId, Fault};
use longhaul_store::Store;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: AccountId,
    /// Whether it may everything.
    pub admin: bool,
}

impl Identity {
    /// Of an account as it is stored now; `None` for one that is gone.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn of(account: AccountId, store: &dyn Store) -> Result<Option<Self>, Fault> {
        if account == ADMIN {
            return Ok(Some(Self { account, admin: true }));
        }
        let found = store.account(account).await.map_err(|e| from_store(e, "the account"))?;
        Ok(found.map(|a| Self { account, admin: a.admin }))
    }
}
