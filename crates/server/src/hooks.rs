//! Web hooks: the answer of an asynchronous call is sent to the URL that came with the call, until a receiver
//! takes it or the tries are used up. What is to be told, and which try is next, is in the store, so a restart
//! goes on where it was; a try is counted before it is made. An answer may come twice (the process dies between
//! the receiver's 2xx and the note of it), never not at all without a line in the log.
//!
//! Why so: docs/adr/0013-web-hooks-in-the-store.md.
//!
//! URLs are in `url`, names in `resolve`, one try is in `post`, where one may connect to is in `egress`.

pub(crate) mod post;
pub(crate) mod resolve;
#[cfg(test)]
mod tests;
pub mod url;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::select;
use longhaul_engine::Trouble;
use longhaul_model::resource::{ApiOutcome, Delivery, WebHook};
use longhaul_model::{ApiId, Runtime};
use longhaul_store::traits::DELIVERY_WAIT_MAX_MS;
use longhaul_store::{Gone, StoreError};
use longhaul_wire::Misuse;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::app::App;
use crate::egress::Egress;
use post::{Message, TRY_WITHIN};
use resolve::Resolver;
use url::Target;

/// The setting of the rules.
pub const EGRESS_KEY: &str = "egress.webhooks";
/// The rules of a throw-away server that listens on loopback only, where receivers are on the same machine.
pub const LOOPBACK_TOO: &str = "public,private,127.0.0.0/8:*,[::1]:*";
/// Tries of one answer. Source: rest-api.md 3.5.
pub const TRIES_MAX: u32 = 15;
/// Between the end of a try and the next one, ms. Source: rest-api.md 3.5.
pub const BETWEEN_TRIES_MS: i64 = 2_000;
/// Answers that are told at a time.
pub const AT_ONCE_MAX: u32 = 64;
/// A try that nobody ended is over after this time: its process is gone.
const HOLD_MS: i64 = TRY_WITHIN.as_millis() as i64 + 5_000;
/// A call waits so long for its hook's host to be resolved; then the tries will tell.
const RESOLVE_AT_CALL_WITHIN: Duration = Duration::from_secs(1);
/// Even with nothing to do, the store is looked at as often as this: another node may have left something.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// After the store did not answer.
const AFTER_FAULT: Duration = Duration::from_secs(1);
/// Tries under way may end within this time after the server was told to stop.
const END_WITHIN: Duration = Duration::from_secs(5);

const _: () = assert!(HOLD_MS <= DELIVERY_WAIT_MAX_MS && BETWEEN_TRIES_MS <= DELIVERY_WAIT_MAX_MS);

/// The dispatcher's part of the server.
pub struct Hooks {
    egress: Egress,
    own: SocketAddr,
    runtime: Arc<dyn Runtime>,
    resolver: Resolver,
    wake: Notify,
    places: Arc<Semaphore>,
    stopping: AtomicBool,
}

impl Hooks {
    /// With the rules of `egress`, in a server that listens on `own`.
    pub fn new(egress: Egress, own: SocketAddr, runtime: Arc<dyn Runtime>) -> Self {
        Self {
            egress,
            own,
            resolver: Resolver::new(runtime.clone()),
            runtime,
            wake: Notify::new(),
            places: Arc::new(Semaphore::new(AT_ONCE_MAX as usize)),
            stopping: AtomicBool::new(false),
        }
    }

    /// The hook of a call that asks for one, its URL in clear. Told at the call, since a caller that waits to be called would
    /// wait for ever: what is wrong with the URL, or that its host means addresses that no rule allows. A host
    /// that cannot be resolved now may be later.
    ///
    /// # Errors
    /// `Misuse::BadWebHook`.
    pub async fn admit(&self, url: &str, wants_schema: bool) -> Result<WebHook, Misuse> {
        let target = Target::parse(url).map_err(Misuse::BadWebHook)?;
        if let Ok(addresses) = self.resolver.resolve(&target, RESOLVE_AT_CALL_WITHIN).await {
            self.allowed(&target, addresses).map_err(Misuse::BadWebHook)?;
        }
        Ok(WebHook { url: url.trim().to_owned(), wants_schema })
    }

    /// Those of `addresses` that may be connected to: at least one.
    ///
    /// # Errors
    /// None may: why the first must not, and the rule that would allow it.
    fn allowed(&self, target: &Target, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, String> {
        let mut refusal = None;
        let mut open = Vec::new();
        for address in addresses {
            match self.egress.check(target.host(), address, self.own) {
                Ok(()) => open.push(address),
                Err(why) => refusal = refusal.or(Some(why)),
            }
        }
        match refusal {
            Some(why) if open.is_empty() => Err(why),
            _ => Ok(open),
        }
    }

    /// There may be an answer to tell.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Begins no further try and lets those under way end. What was not told is told after the next start.
    pub async fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.wake();
        let all_back = self.places.acquire_many(AT_ONCE_MAX);
        let _ = post::within(END_WITHIN, all_back, &*self.runtime).await;
    }
}

/// Starts telling: first what former processes had in hand that are `gone`. What another node has in hand is its own,
/// until it is held too long.
///
/// # Errors
/// The store does not answer.
pub async fn start(app: &Arc<App>, gone: Gone) -> Result<(), StoreError> {
    let left = app.store.free_deliveries(gone, BETWEEN_TRIES_MS).await?;
    if left > 0 {
        tracing::info!(left, "answers are still to be told to web hooks; going on");
    }
    app.runtime.spawn("web hooks", Box::pin(dispatch(app.clone())));
    Ok(())
}

async fn dispatch(app: Arc<App>) {
    let hooks = &app.hooks;
    let trouble =
        Trouble::new("web hooks", "no web hooks can be looked for; tried again every second until they can");
    while !hooks.stopping.load(Ordering::SeqCst) {
        let wait = match round(&app).await {
            Ok(wait) => {
                trouble.answered(&*app.runtime);
                wait
            }
            Err(error) => {
                trouble.failed(&error, &*app.runtime);
                Some(AFTER_FAULT)
            }
        };
        match wait {
            Some(wait) => {
                select(std::pin::pin!(hooks.wake.notified()), app.runtime.sleep(wait)).await;
            }
            None => hooks.wake.notified().await, // every place is taken: nothing to do until one is free
        }
    }
}

/// Begins what is due; answers how long nothing more is, or `None` if no place is free.
async fn round(app: &Arc<App>) -> Result<Option<Duration>, StoreError> {
    loop {
        let free = u32::try_from(app.hooks.places.available_permits()).unwrap_or(AT_ONCE_MAX);
        if free == 0 {
            return Ok(None);
        }
        match app.store.next_delivery().await? {
            Some(0) => {}
            Some(wait_ms) => {
                let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
                return Ok(Some(wait.min(LOOK_AGAIN)));
            }
            None => return Ok(Some(LOOK_AGAIN)),
        }
        for delivery in app.store.take_deliveries(app.engine.host(), free, HOLD_MS).await? {
            // Only this task takes places, so there are as many as were counted.
            let Ok(place) = app.hooks.places.clone().try_acquire_owned() else { continue };
            app.runtime.spawn("web hook", Box::pin(tell(app.clone(), delivery, place)));
        }
    }
}

/// One try, and the note of how it ended.
async fn tell(app: Arc<App>, delivery: Delivery, place: OwnedSemaphorePermit) {
    let Delivery { id, hook, tries, outcome } = delivery;
    let tried = if tries > TRIES_MAX {
        Err("the process ended in the middle of the last try".to_owned())
    } else {
        one_try(&app, &id, &hook, &outcome).await
    };
    let receiver = target(&app, &hook).map_or_else(|_| "an unreadable URL".to_owned(), |t| t.to_string());
    let noted = if tried.is_ok() || tries >= TRIES_MAX {
        app.store.end_delivery(&id).await
    } else {
        app.store.put_off_delivery(&id, tries, BETWEEN_TRIES_MS).await
    };
    match &tried {
        Ok(()) => tracing::debug!(call = %id, %receiver, tries, "a web hook was told"),
        Err(why) if tries >= TRIES_MAX => {
            tracing::warn!(call = %id, %receiver, tries, %why, "a web hook is given up; the answer is at the poll");
        }
        Err(why) => {
            tracing::info!(call = %id, %receiver, tries, %why, "a web hook was not told; tried again")
        }
    }
    if let Err(error) = noted {
        tracing::warn!(call = %id, %error, "how a web hook's try ended could not be noted; it is tried again");
    }
    drop(place);
    app.hooks.wake(); // a place is free, and there may be a next try to wait for
}

/// Where a stored hook leads.
fn target(app: &App, hook: &WebHook) -> Result<Target, String> {
    Target::parse(&app.vault.open_hook(&hook.url).map_err(|fault| fault.details)?)
}

async fn one_try(app: &App, id: &ApiId, hook: &WebHook, outcome: &ApiOutcome) -> Result<(), String> {
    let target = target(app, hook)?;
    let reply = app.told(outcome, hook.wants_schema).await.map_err(|fault| fault.to_string())?;
    let message = Message { id: id.clone(), reply };
    post::post(&target, &message, &app.hooks, &*app.runtime).await
}
