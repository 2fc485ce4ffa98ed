//! One request from decoding to its reply: who calls, which form the answer takes, and the record behind a
//! 202. What an operation does is in `ops`; every decision about status and body, in `longhaul_wire::reply`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use longhaul_engine::engine::Caller as EngineCaller;
use longhaul_engine::fault::from_store;
use longhaul_engine::{Engine, Trouble};
use longhaul_jobs::attempt_io::Spawner;
use longhaul_jobs::evacuate::board::Boards;
use longhaul_jobs::manage::Desk;
use longhaul_jobs::pace::Pacer;
use longhaul_jobs::upload::UploadSettings;
use longhaul_model::resource::{ApiOutcome, ApiRecord, WebHook};
use longhaul_model::{AccountId, ApiId, Code, Fault, Runtime};
use longhaul_store::{Store, StoreError};
use longhaul_wire::decode::BODY_MAX_BYTES;
use longhaul_wire::reply::{self, Form, PATIENCE_MS};
use longhaul_wire::{
    Call, Caller, Headers, Misuse, Op, Reply, Request, TimeFormat, decode, legacy, validate,
};

use crate::answer::Answer;
use crate::auth::{Identity, LoginLimits, Sessions, Signatures, Vault};
use crate::global_config::GlobalConfigs;
use crate::hooks::Hooks;
use crate::ops;
use crate::room::{Room, Rooms};
use crate::serve::ClientGone;
use crate::settings::Settings;
use crate::uploads::Tokens;
use crate::waiting::Waiting;

/// The account of calls whose session is not valid.
const NOBODY: AccountId = AccountId::from_bits(0);

/// Everything a request needs.
pub struct App {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Time and chance.
    pub runtime: Arc<dyn Runtime>,
    /// The sessions.
    pub sessions: Sessions,
    /// How often passwords may be tried.
    pub logins: LoginLimits,
    /// The signatures of access keys.
    pub signatures: Signatures,
    /// What is kept secret at rest.
    pub vault: Arc<Vault>,
    /// Who is told of answers.
    pub hooks: Hooks,
    /// Room for answers.
    pub rooms: Rooms,
    /// Whether the store does not take the answers of calls.
    pub keeping: Trouble,
    /// Who waits for the end of a job.
    pub waiting: Arc<Waiting>,
    /// How moments are written.
    pub format: TimeFormat,
    /// What the routes and the jobs of uploads share.
    pub uploads: UploadSettings,
    /// The tokens of uploads.
    pub tokens: Tokens,
    /// The settings at start.
    pub settings: Settings,
    /// What can be changed while the server runs.
    pub configs: GlobalConfigs,
    /// Where the evacuations that run here stand.
    pub boards: Boards,
    /// The budgets of storages, and who shares them.
    pub pacer: Pacer,
    /// When this installation was made, ms since 1970.
    pub born_ms: i64,
    /// Whether other nodes may be on the store.
    pub shared: bool,
}

/// A call with who makes it.
pub struct Called {
    /// The call.
    pub call: Call,
    /// Who; nobody for calls that need no session.
    pub identity: Identity,
    /// From which address.
    pub from: IpAddr,
    /// Under which host and port the server was called.
    pub host: String,
    /// The id of the call.
    pub api_id: ApiId,
    /// What room its answer has.
    pub room: Room,
    /// Tells that nobody waits for the answer any more.
    pub client_gone: ClientGone,
    /// The same for the engine, with the record it is to write.
    pub caller: EngineCaller,
}

/// The parts of a request that the server has read.
pub struct Received<'a> {
    /// `GET`, …
    pub method: &'a str,
    /// As sent.
    pub path: &'a str,
    /// As sent.
    pub query: Option<&'a str>,
    /// The header of that name in lower case.
    pub header: &'a (dyn Fn(&str) -> Option<&'a str> + Sync),
    /// The body, or that it was too large.
    pub body: Option<&'a [u8]>,
    /// The address of the client.
    pub from: IpAddr,
    /// What room the answer has.
    pub room: Room,
    /// Tells that nobody waits for the answer any more.
    pub client_gone: ClientGone,
}

impl App {
    /// What storages, volumes and trash are managed with.
    pub fn desk(&self) -> Desk {
        Desk { inventory: self.engine.inventory(), spawner: Spawner::this_binary() }
    }

    /// Where this node's API is reached by others.
    pub fn address(&self) -> String {
        crate::node::address(&self.settings)
    }

    /// Whether this node does what one node of all does at a time: always, if it is the only one.
    ///
    /// # Errors
    /// The store does not answer, or the lease is lost.
    pub(crate) async fn on_duty(&self, duty: &str) -> Result<bool, Fault> {
        if !self.shared {
            return Ok(true);
        }
        self.store.on_duty(self.engine.node(), duty).await.map_err(|e| from_store(e, "the duties of nodes"))
    }

    /// The host and port that a request names this server by.
    pub(crate) fn host_of(&self, received: &Received<'_>) -> String {
        let host = (received.header)("host").filter(|host| !host.is_empty());
        host.map_or_else(|| self.settings.listen.to_string(), str::to_owned)
    }

    /// Answers a request.
    pub async fn answer(self: &Arc<Self>, received: &Received<'_>) -> Reply {
        if let Some(path) = legacy::Path::of(received.path) {
            return crate::legacy::answer(self, received, path).await;
        }
        let headers = Headers::from_fn(received.header);
        let detected = Caller::detect(&headers);
        let profile = self.format.profile();
        let Some(body) = received.body else {
            return Reply::misuse(profile, detected, &Misuse::BodyTooLarge);
        };
        debug_assert!(body.len() <= BODY_MAX_BYTES);
        let request = Request {
            method: received.method,
            path: received.path,
            query: received.query,
            body,
            headers,
            now_ms: self.runtime.now_ms(),
            zone: self.format.zone(),
        };
        let call = match decode(&request) {
            Ok(call) => call,
            Err(misuse) => return Reply::misuse(profile, detected, &misuse),
        };
        let host = self.host_of(received);
        match self.reply(call, &host, received).await {
            Ok(reply) => reply,
            Err(misuse) => Reply::misuse(profile, detected, &misuse),
        }
    }

    async fn reply(
        self: &Arc<Self>,
        call: Call,
        host: &str,
        received: &Received<'_>,
    ) -> Result<Reply, Misuse> {
        let profile = self.format.profile();
        if call.op() == Op::GetApiJob {
            return self.poll(&call).await;
        }
        let (caller, wants_schema) = (call.caller, call.wants_schema);
        let form = reply::form(profile, caller, call.operation.kind);
        let api_id = call.job_uuid.clone().unwrap_or_else(|| ApiId::in_order(&*self.runtime));
        if form != Form::AtOnce && call.job_uuid.is_some() {
            self.refuse_known(&api_id).await?;
        }
        let timeout_ms = call.api_timeout_ms();
        let location = reply::location("http", host, &api_id);
        let identity = match self.identify(&call).await {
            // Not behind a 202: SDKs that sign look for the reason in the first answer, and poll unsigned.
            Err(fault) if call.signed.is_some() => return Ok(Reply::fault(profile, caller, &fault)),
            other => other,
        };
        let hook = match (&call.web_hook, form, &identity) {
            (None, _, _) | (_, Form::AtOnce | Form::Patient, _) => None,
            (Some(url), Form::Accepted, Ok(_)) => {
                let hook = self.hooks.admit(url, wants_schema).await?;
                match self.vault.seal_hook(&hook.url) {
                    Ok(url) => Some(WebHook { url, ..hook }),
                    Err(fault) => return Ok(Reply::fault(profile, caller, &fault)),
                }
            }
            // Nobody is called for somebody who has no session, and who waits to be called would not poll.
            (Some(_), Form::Accepted, Err(fault)) => return Ok(Reply::fault(profile, caller, fault)),
        };
        let checked = identity.and_then(|identity| permitted(&call, identity, profile));
        let identity = match (checked, form) {
            (Ok(identity), _) => identity,
            (Err(fault), Form::Accepted) => {
                let record = self.record(&api_id, NOBODY, hook, Some(ApiOutcome::Fault(fault)));
                return Ok(accepted(self.keep(record).await, &location, timeout_ms));
            }
            (Err(fault), _) => return Ok(Reply::fault(profile, caller, &fault)),
        };
        let called = Called {
            caller: EngineCaller { account: identity.account, admin: identity.admin, record: None },
            call,
            identity,
            from: received.from,
            host: host.to_owned(),
            api_id: api_id.clone(),
            room: received.room.clone(),
            client_gone: received.client_gone.clone(),
        };
        match form {
            Form::AtOnce => Ok(match ops::perform(self, called).await {
                Ok(answer) => Reply::ok(answer.into_body(&self.format, wants_schema)),
                Err(fault) => Reply::fault(profile, caller, &fault),
            }),
            Form::Accepted => {
                let record = self.record(&api_id, identity.account, hook, None);
                Ok(accepted(self.begin(called, record).await, &location, timeout_ms))
            }
            Form::Patient => Ok(match self.patient(called).await {
                Some(Ok(answer)) => Reply::ok(answer.render(&self.format, wants_schema)),
                Some(Err(fault)) => Reply::fault(profile, caller, &fault),
                None => Reply::accepted(&location, timeout_ms),
            }),
        }
    }

    pub(crate) async fn identify(&self, call: &Call) -> Result<Identity, Fault> {
        if !call.operation.auth {
            return Ok(Identity { account: NOBODY, admin: false });
        }
        if let Some(signed) = &call.signed {
            return self.signatures.identify(signed).await;
        }
        let id = call.session_id().ok_or_else(|| Fault::new(Code::InvalidSession, "Session expired"))?;
        self.sessions.identify(id).await
    }

    async fn refuse_known(&self, id: &ApiId) -> Result<(), Misuse> {
        match self.store.record(id).await {
            Ok(Some(_)) => Err(Misuse::DuplicateJobUuid(id.to_string())),
            _ => Ok(()), // a store that is away is told of by the call itself
        }
    }

    fn record(
        &self,
        id: &ApiId,
        account: AccountId,
        hook: Option<WebHook>,
        outcome: Option<ApiOutcome>,
    ) -> ApiRecord {
        let kept_s = i64::try_from(self.configs.in_force().record_kept_s).unwrap_or(i64::MAX / 2000);
        let expires_ms = self.runtime.now_ms() + kept_s * 1000;
        let (message, finished_ms) = (None, None);
        let host = Some(self.engine.host());
        ApiRecord { id: id.clone(), account, expires_ms, outcome, hook, message, finished_ms, host }
    }

    async fn keep(&self, record: ApiRecord) -> Result<(), Fault> {
        let hooked = record.hook.is_some();
        let kept = self.store.create_record(record).await;
        self.wake_hooks(hooked); // an answer of the store may be lost, and the record be there
        kept.map_err(|error| match error {
            StoreError::Taken => {
                Fault::invalid("the id of this call is used already; send it with a fresh X-Job-UUID")
            }
            other => from_store(other, "the call"),
        })
    }

    fn wake_hooks(&self, hooked: bool) {
        if hooked {
            self.hooks.wake();
        }
    }

    /// Starts a call whose answer is asked for later. What this answers `Ok` to is durable: calls on jobs write
    /// effect and record in one transaction; all others leave a record that is worked on, and work beside.
    ///
    /// # Errors
    /// The record cannot be kept; nothing was done.
    pub(crate) async fn begin(self: &Arc<Self>, mut called: Called, record: ApiRecord) -> Result<(), Fault> {
        let (id, hooked) = (record.id.clone(), record.hook.is_some());
        if ops::writes_its_record(called.call.op()) {
            called.caller.record = Some(record.clone());
            let outcome = match ops::perform(self, called).await {
                // A dry run has changed nothing, so nothing was written yet.
                Ok(Answer::Json(body)) => ApiOutcome::Json(body),
                Ok(_) => {
                    self.wake_hooks(hooked);
                    return Ok(());
                }
                Err(fault) => ApiOutcome::Fault(fault),
            };
            return self.keep(ApiRecord { outcome: Some(outcome), ..record }).await;
        }
        self.keep(record).await?;
        let app = self.clone();
        self.runtime.spawn(
            "api call",
            Box::pin(async move {
                let outcome = match ops::perform(&app, called).await {
                    Ok(answer) => answer.outcome(&app.format, &app.vault),
                    Err(fault) => ApiOutcome::Fault(fault),
                };
                app.finish(&id, outcome).await;
                app.wake_hooks(hooked);
            }),
        );
        Ok(())
    }

    async fn finish(&self, id: &ApiId, outcome: ApiOutcome) {
        // Until it is written or the process ends; then the next start writes that it was cut.
        while let Err(error) = self.store.finish_record(id, outcome.clone()).await {
            if matches!(error, StoreError::NotFound) {
                tracing::warn!(call = %id, "the answer of a call could not be kept: its record is gone");
                return;
            }
            self.keeping.failed(&error, &*self.runtime);
            self.runtime.sleep(Duration::from_millis(250)).await;
        }
        self.keeping.answered(&*self.runtime);
    }

    /// The result, if it is there in time; else `None`, and the record says that it is worked on.
    async fn patient(self: &Arc<Self>, called: Called) -> Option<Result<Answer, Fault>> {
        let (id, account) = (called.api_id.clone(), called.identity.account);
        let (done, mut waiting) = tokio::sync::oneshot::channel();
        let app = self.clone();
        // Spawned, so that a caller who goes away does not cut the call in the middle.
        self.runtime.spawn(
            "api call",
            Box::pin(async move {
                let result = ops::perform(&app, called).await;
                let _ = done.send(result); // nobody waits if the caller went away
            }),
        );
        let patience = self.runtime.sleep(Duration::from_millis(PATIENCE_MS));
        if let futures::future::Either::Left((result, _)) =
            futures::future::select(&mut waiting, patience).await
        {
            return Some(
                result.unwrap_or_else(|_| Err(Fault::internal("the call broke off; see the server's log"))),
            );
        }
        if let Err(error) = self.store.create_record(self.record(&id, account, None, None)).await {
            return Some(Err(from_store(error, "the call, which goes on all the same,")));
        }
        let app = self.clone();
        self.runtime.spawn(
            "api call",
            Box::pin(async move {
                let outcome = match waiting.await {
                    Ok(Ok(answer)) => answer.outcome(&app.format, &app.vault),
                    Ok(Err(fault)) => ApiOutcome::Fault(fault),
                    Err(_) => ApiOutcome::Fault(Fault::internal("the call broke off; see the server's log")),
                };
                app.finish(&id, outcome).await;
            }),
        );
        None
    }

    async fn poll(&self, call: &Call) -> Result<Reply, Misuse> {
        let Some(id) = call.params.text("uuid").and_then(ApiId::chosen) else { return Err(Misuse::Expired) };
        let record = match self.store.record(&id).await {
            Ok(Some(record)) => record,
            Ok(None) => return Err(Misuse::Expired),
            Err(error) => return Ok(Reply::polled_fault(&from_store(error, "the call"))),
        };
        let Some(outcome) = record.outcome else { return Ok(Reply::processing()) };
        let told = self.told(&outcome, call.wants_schema).await;
        Ok(told.unwrap_or_else(|fault| Reply::polled_fault(&fault)))
    }

    /// What came of a call, as a poll or a web hook tells it.
    ///
    /// # Errors
    /// The store does not answer, so that what came of it cannot be told now.
    pub async fn told(&self, outcome: &ApiOutcome, wants_schema: bool) -> Result<Reply, Fault> {
        if let ApiOutcome::Fault(fault) = outcome {
            return Ok(Reply::polled_fault(fault));
        }
        let answer = Answer::kept(outcome, &*self.store, &self.vault).await?;
        Ok(Reply::ok(answer.render(&self.format, wants_schema)))
    }
}

/// 202 for a call that is kept, else why it is not.
fn accepted(kept: Result<(), Fault>, location: &str, timeout_ms: u64) -> Reply {
    match kept {
        Ok(()) => Reply::accepted(location, timeout_ms),
        Err(fault) => Reply::polled_fault(&fault),
    }
}

/// Whether `identity` may make this call, as far as can be told before: its values, its account.
pub(crate) fn permitted(
    call: &Call,
    identity: Identity,
    profile: longhaul_wire::Profile,
) -> Result<Identity, Fault> {
    validate::check(call, profile)?;
    if call.operation.admin_only && !identity.admin {
        return Err(validate::admin_only(call));
    }
    Ok(identity)
}
