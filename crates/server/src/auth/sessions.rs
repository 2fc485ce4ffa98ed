//! Sessions: looked up in the store, held here for two seconds, so that a session revoked elsewhere is
//! refused within that time. Their end slides in memory and reaches the store once per twentieth of the
//! timeout.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use longhaul_engine::fault::from_store;
use longhaul_model::resource::Session;
use longhaul_model::{AccountId, Code, Fault, Runtime, SessionId};
use longhaul_store::Store;
use tokio::sync::RwLock;

use super::Identity;

/// A session that was seen alive is not asked for again for so long.
const TRUST: Duration = Duration::from_secs(2);
/// Sessions remembered at most; beyond, the memory is emptied.
const REMEMBERED_MAX: usize = 10_000;

#[derive(Clone, Copy)]
struct Seen {
    identity: Identity,
    at: Duration,
    expires_ms: i64,
    stored_ms: i64,
}

/// The sessions.
pub struct Sessions {
    store: Arc<dyn Store>,
    runtime: Arc<dyn Runtime>,
    /// Held for reading by whoever works by it, so that a change finds nobody halfway.
    limits: RwLock<Limits>,
    seen: Mutex<HashMap<SessionId, Seen>>,
}

#[derive(Clone, Copy)]
struct Limits {
    timeout_ms: i64,
    per_account: u32,
}

impl Limits {
    fn new(timeout_s: u64, per_account: u32) -> Self {
        let timeout_ms = i64::try_from(timeout_s.saturating_mul(1000)).unwrap_or(i64::MAX / 2);
        Self { timeout_ms, per_account }
    }
}

fn invalid() -> Fault {
    Fault::new(Code::InvalidSession, "Session expired")
}

impl Sessions {
    /// Over this store.
    pub fn new(store: Arc<dyn Store>, runtime: Arc<dyn Runtime>, timeout_s: u64, limit: u32) -> Self {
        Self { store, runtime, limits: RwLock::new(Limits::new(timeout_s, limit)), seen: Mutex::default() }
    }

    /// Changes timeout and limit. With a shorter timeout, sessions that would last longer are shortened; with
    /// a smaller limit, those that are beyond it live on.
    ///
    /// # Errors
    /// The store does not take the shortening; then both are as they were, and the change may be sent again.
    pub async fn set_limits(&self, timeout_s: u64, per_account: u32) -> Result<(), Fault> {
        let next = Limits::new(timeout_s, per_account);
        let mut limits = self.limits.write().await;
        if next.timeout_ms < limits.timeout_ms {
            let latest_ms = self.runtime.now_ms() + next.timeout_ms;
            self.store.cap_sessions(latest_ms).await.map_err(|e| from_store(e, "the sessions"))?;
            self.seen().clear();
        }
        *limits = next;
        Ok(())
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new session of `account`.
    ///
    /// # Errors
    /// `TooManySessions`, or the store does not take it.
    pub async fn log_in(&self, account: AccountId) -> Result<Session, Fault> {
        let limits = self.limits.read().await;
        let now_ms = self.runtime.now_ms();
        let session = Session {
            id: SessionId::random(&*self.runtime),
            account,
            create_ms: now_ms,
            expires_ms: now_ms + limits.timeout_ms,
        };
        match self.store.create_session(&session, limits.per_account).await {
            Ok(true) => Ok(session),
            Ok(false) => Err(Fault::new(
                Code::TooManySessions,
                "Login sessions hit limit of max allowed concurrent login sessions; log out of some",
            )),
            Err(error) => Err(from_store(error, "the account")),
        }
    }

    /// Whose session it is; every use moves its end.
    ///
    /// # Errors
    /// `InvalidSession` for an unknown, expired or revoked one.
    pub async fn identify(&self, id: SessionId) -> Result<Identity, Fault> {
        let limits = self.limits.read().await;
        let timeout_ms = limits.timeout_ms;
        let now = self.runtime.monotonic();
        let now_ms = self.runtime.now_ms();
        let known = self.seen().get(&id).copied().filter(|s| now.saturating_sub(s.at) < TRUST);
        let mut session = match known {
            Some(session) => session,
            None => self.look_up(id, now).await?,
        };
        if session.expires_ms <= now_ms {
            self.seen().remove(&id);
            return Err(invalid());
        }
        session.expires_ms = session.expires_ms.max(now_ms + timeout_ms);
        if session.expires_ms - session.stored_ms > timeout_ms / 20 {
            let alive = self
                .store
                .extend_session(id, session.expires_ms)
                .await
                .map_err(|e| from_store(e, "the session"))?;
            if !alive {
                self.seen().remove(&id);
                return Err(invalid());
            }
            session.stored_ms = session.expires_ms;
        }
        let mut seen = self.seen();
        if seen.len() >= REMEMBERED_MAX {
            seen.clear();
        }
        seen.insert(id, session);
        Ok(session.identity)
    }

    async fn look_up(&self, id: SessionId, now: Duration) -> Result<Seen, Fault> {
        let found =
            self.store.session(id).await.map_err(|e| from_store(e, "the session"))?.ok_or_else(invalid)?;
        let identity = Identity::of(found.account, &*self.store).await?.ok_or_else(invalid)?;
        let slid = self.seen().get(&id).map_or(found.expires_ms, |s| s.expires_ms.max(found.expires_ms));
        Ok(Seen { identity, at: now, expires_ms: slid, stored_ms: found.expires_ms })
    }

    /// Ends a session; an unknown one is no error.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn log_out(&self, id: SessionId) -> Result<(), Fault> {
        self.seen().remove(&id);
        self.store.delete_session(id).await.map_err(|e| from_store(e, "the session"))
    }

    /// Whether a session is alive; this is no use of it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn is_valid(&self, id: SessionId) -> Result<bool, Fault> {
        let now_ms = self.runtime.now_ms();
        let slid = self.seen().get(&id).is_some_and(|s| s.expires_ms > now_ms);
        let found = self.store.session(id).await.map_err(|e| from_store(e, "the session"))?;
        Ok(found.is_some_and(|s| slid || s.expires_ms > now_ms))
    }

    /// Moves the end of a session to `duration_s` from now, the usual timeout if absent.
    ///
    /// # Errors
    /// `InvalidSession`.
    pub async fn renew(&self, id: SessionId, duration_s: Option<u64>) -> Result<Session, Fault> {
        let limits = self.limits.read().await;
        let lasts_ms = duration_s
            .map_or(limits.timeout_ms, |s| i64::try_from(s.saturating_mul(1000)).unwrap_or(i64::MAX / 2));
        let expires_ms = self.runtime.now_ms() + lasts_ms;
        let session =
            self.store.session(id).await.map_err(|e| from_store(e, "the session"))?.ok_or_else(invalid)?;
        let alive =
            self.store.extend_session(id, expires_ms).await.map_err(|e| from_store(e, "the session"))?;
        self.seen().remove(&id);
        if alive { Ok(Session { expires_ms, ..session }) } else { Err(invalid()) }
    }

    /// Forgets what is remembered of an account, after its password changed or it was deleted.
    pub fn forget_account(&self, account: AccountId) {
        self.seen().retain(|_, s| s.identity.account != account);
    }
}
