//! The legacy entry over the same calls as REST: a message in, its answer or where to ask for it out. What a
//! message is and how answers look is in `longhaul_wire::legacy`.

use std::sync::Arc;

use longhaul_engine::engine::Caller as EngineCaller;
use longhaul_model::resource::{ApiRecord, Message};
use longhaul_model::{ApiId, Fault};
use longhaul_wire::api::Kind;
use longhaul_wire::legacy::{self, Path};
use longhaul_wire::{Misuse, Op, Profile, Reply};

use crate::answer::Answer;
use crate::app::{App, Called, Received, permitted};
use crate::auth::Identity;
use crate::ops;

/// Answers a request to the legacy entry.
pub async fn answer(app: &Arc<App>, received: &Received<'_>, path: Path<'_>) -> Reply {
    if !path.takes(received.method) {
        return legacy::wrong_method(received.method);
    }
    match (path, received.body) {
        (Path::Result(uuid), _) => result(app, uuid).await,
        (Path::Call, None) => legacy::not_decoded(Misuse::BodyTooLarge.text(Profile::Fast)),
        (Path::Call, Some(body)) => match legacy::decode(body) {
            Ok(message) => call(app, message, received).await,
            Err(text) => legacy::not_decoded(text),
        },
    }
}

/// What is refused before it starts is answered at once, so that nobody without a session leaves a record.
async fn call(app: &Arc<App>, message: legacy::Message, received: &Received<'_>) -> Reply {
    let now_ms = app.runtime.now_ms();
    let operation = message.call.operation;
    let identity = match checked(app, &message).await {
        Ok(identity) => identity,
        Err(fault) => return legacy::failed(operation, &fault, now_ms, &app.format),
    };
    let api_id = ApiId::in_order(&*app.runtime);
    let called = Called {
        caller: EngineCaller { account: identity.account, admin: identity.admin, record: None },
        call: message.call,
        identity,
        from: received.from,
        host: app.host_of(received),
        api_id: api_id.clone(),
        room: received.room.clone(),
        client_gone: received.client_gone.clone(),
    };
    if operation.kind != Kind::Async || operation.op == Op::NotHere {
        let outcome = ops::perform(app, called).await.map(|answer| answer.into_body(&app.format, false));
        return match outcome {
            Err(fault) => legacy::failed(operation, &fault, now_ms, &app.format),
            Ok(body) => legacy::done(operation, &body, now_ms, app.runtime.now_ms(), &app.format),
        };
    }
    let record = ApiRecord {
        id: api_id.clone(),
        account: called.identity.account,
        expires_ms: now_ms + legacy::RECORD_KEPT_MS,
        outcome: None,
        hook: None,
        message: Some(Message { class: operation.message_class.to_owned(), created_ms: now_ms }),
        finished_ms: None,
        host: Some(app.engine.host()),
    };
    match app.begin(called, record).await {
        Ok(()) => legacy::processing(&api_id, now_ms, &app.format),
        Err(fault) => legacy::failed(operation, &fault, now_ms, &app.format),
    }
}

async fn checked(app: &App, message: &legacy::Message) -> Result<Identity, Fault> {
    if let Some(fault) = &message.no_session {
        return Err(fault.clone());
    }
    let identity = permitted(&message.call, app.identify(&message.call).await?, app.format.profile())?;
    match &message.refusal {
        Some(fault) => Err(fault.clone()),
        None => Ok(identity),
    }
}

/// The answer of an asynchronous message, as far as it is known. No session is asked for: the uuid is one.
async fn result(app: &App, uuid: &str) -> Reply {
    let Some(id) = ApiId::chosen(uuid) else { return legacy::unknown_result(uuid) };
    let (record, message) = match app.store.record(&id).await {
        Ok(Some(mut record)) => match record.message.take() {
            Some(message) => (record, message),
            None => return legacy::unknown_result(uuid), // a call over REST
        },
        Ok(None) => return legacy::unknown_result(uuid),
        Err(error) => {
            // Not that it failed: it is asked for again.
            tracing::warn!(%error, "the answer of a message could not be read");
            return legacy::processing(&id, app.runtime.now_ms(), &app.format);
        }
    };
    let Some(outcome) = record.outcome else {
        return legacy::processing(&id, message.created_ms, &app.format);
    };
    let answer = Answer::kept(&outcome, &*app.store, &app.vault).await;
    let outcome = answer.map(|answer| answer.render(&app.format, false));
    let finished_ms = record.finished_ms.unwrap_or(message.created_ms);
    legacy::finished(&id, &message.class, &outcome, (message.created_ms, finished_ms), &app.format)
}
