//! Access keys: create, enable and disable, delete. An account manages its own, admin all.

use std::sync::Arc;

use longhaul_engine::fault::from_store;
use longhaul_engine::inventory::not_found;
use longhaul_model::resource::AccessKey;
use longhaul_model::{AccountId, Code, Fault, KeyId, Runtime};
use longhaul_store::StoreError;
use longhaul_wire::api::ACCESS_ID_UNITS;

use super::{foreign, required};
use crate::answer::Answer;
use crate::app::{App, Called};

/// What ids and secrets are made up of.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

pub async fn create(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let params = &called.call.params;
    let account: AccountId = params.id("accountUuid").unwrap_or(called.identity.account);
    if account != called.identity.account && !called.identity.admin {
        return Err(foreign(&account, called));
    }
    if let Some(user) = params.id::<AccountId>("userUuid").filter(|user| *user != account) {
        return Err(not_found("userUuid", &user.to_string(), "UserVO"));
    }
    let word = || made_up(&*app.runtime);
    let id = params.id("resourceUuid").unwrap_or_else(|| KeyId::random(&*app.runtime));
    let access_id = params.owned("AccessKeyID").unwrap_or_else(word);
    let secret = params.owned("AccessKeySecret").unwrap_or_else(|| word() + &word());
    let key = AccessKey {
        id,
        account,
        description: params.owned("description"),
        access_id,
        sealed_secret: app.vault.seal_key(id, &secret)?,
        enabled: true,
        create_ms: 0,
        last_op_ms: 0,
    };
    let limit = app.settings.keys_max;
    match app.store.create_key(key, limit).await {
        Ok(Some(key)) => Ok(Answer::AccessKey { key: Box::new(key), secret: Some(secret) }),
        Ok(None) => Err(Fault::new(
            Code::QuotaExceeded,
            format!(
                "account[uuid: {account}] has {limit} access keys, which is the most; delete one, or raise accessKey.maxPerAccount"
            ),
        )),
        Err(StoreError::Taken) => Err(Fault::invalid(
            "another access key has this AccessKeyID or resourceUuid; choose others, or leave them out",
        )),
        Err(StoreError::NotFound) => Err(not_found("accountUuid", &account.to_string(), "AccountVO")),
        Err(error) => Err(from_store(error, "the access key")),
    }
}

pub async fn change_state(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    let missing = || not_found("uuid", called.call.params.text("uuid").unwrap_or_default(), "AccessKeyVO");
    let key = find(app, called).await?.ok_or_else(missing)?;
    let enabled = required(called, "stateEvent")? == "enable";
    let changed = app.store.enable_key(key.id, enabled).await;
    app.signatures.forget(&key.access_id);
    match changed {
        Ok(key) => Ok(Answer::AccessKey { key: Box::new(key), secret: None }),
        Err(StoreError::NotFound) => Err(missing()),
        Err(error) => Err(from_store(error, "the access key")),
    }
}

pub async fn delete(app: &Arc<App>, called: &Called) -> Result<Answer, Fault> {
    if let Some(key) = find(app, called).await? {
        let deleted = app.store.delete_key(key.id).await;
        app.signatures.forget(&key.access_id);
        deleted.map_err(|e| from_store(e, "the access key"))?;
    }
    Ok(Answer::Empty)
}

/// The key in the path, if there is one; one of somebody else is refused.
async fn find(app: &Arc<App>, called: &Called) -> Result<Option<AccessKey>, Fault> {
    let Some(id) = called.call.params.id::<KeyId>("uuid") else { return Ok(None) };
    let key = app.store.key(id).await.map_err(|e| from_store(e, "the access key"))?;
    match key {
        Some(key) if key.account != called.identity.account && !called.identity.admin => {
            Err(foreign(&key.id, called))
        }
        found => Ok(found),
    }
}

/// As many letters and digits as an id has at most: 119 bits.
fn made_up(runtime: &dyn Runtime) -> String {
    let mut bits = runtime.random_u128();
    let mut word = String::with_capacity(*ACCESS_ID_UNITS.end());
    while word.len() < *ACCESS_ID_UNITS.end() {
        word.push(char::from(ALPHABET[(bits % 62) as usize]));
        bits /= 62;
    }
    word
}
