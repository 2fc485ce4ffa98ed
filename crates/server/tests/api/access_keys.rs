//! Access keys as resources: create, query, enable and disable, delete, limits, and that their secrets are
//! shown once. What they sign is in `signed`.
//!
//! Source: rest-api.md 1.6.

use std::path::Path;

use serde_json::{Value, json};

use crate::inventory::{is_timestamp, is_uuid};
use crate::support::{Caller, Kind, Server, Signer, uuid};

const MASK: &str = "******";

fn create(caller: &Caller, params: Value) -> crate::support::Answer {
    caller.post("/accesskeys", &json!({ "params": params }))
}

fn one(caller: &Caller, uuid: &str) -> Value {
    caller.get(&format!("/accesskeys/{uuid}")).ok()["inventories"][0].clone()
}

fn change(caller: &Caller, uuid: &str, event: &str) -> crate::support::Answer {
    caller.put(
        &format!("/accesskeys/{uuid}/actions"),
        &json!({"changeAccessKeyState": {"stateEvent": event, "uuid": uuid}}),
    )
}

fn account_of(caller: &Caller) -> String {
    let accounts = caller.get("/accounts?q=name=ann").ok();
    accounts["inventories"][0]["uuid"].as_str().expect("an account").to_owned()
}

#[test]
fn a_key_is_shown_with_its_secret_once_and_masked_ever_after() {
    for server in Server::both(&[]) {
        for admin in server.admins() {
            let answer = create(&admin, json!({"description": "of a test"}));
            let key = answer.inventory();
            let text = |name: &str| key[name].as_str().unwrap_or_else(|| panic!("{name}: {key}")).to_owned();
            assert!(is_uuid(&text("uuid")) && is_uuid(&text("accountUuid")), "{key}");
            assert_eq!(text("userUuid"), text("accountUuid"));
            assert_eq!((text("description"), text("state")), ("of a test".into(), "Enabled".into()));
            for (name, length) in [("AccessKeyID", 20), ("AccessKeySecret", 40)] {
                let value = text(name);
                let plain = value.bytes().all(|b| b.is_ascii_alphanumeric());
                assert!(value.len() == length && plain, "{name}: {value}");
            }
            for name in ["createDate", "lastOpDate"] {
                assert!(is_timestamp(&text(name), server.profile), "{key}");
            }
            assert_eq!(key.as_object().map(serde_json::Map::len), Some(9), "{key}");
            // The poll of the creation is the creation's answer; all others mask.
            if let Some(job) = &answer.job {
                assert_eq!(admin.get(&format!("/api-jobs/{job}")).inventory(), key);
            }
            let mut masked = key.clone();
            masked["AccessKeySecret"] = json!(MASK);
            assert_eq!(one(&admin, &text("uuid")), masked);
            let list = admin.get("/accesskeys?replyWithCount=true");
            assert!(!list.last.text().contains(&text("AccessKeySecret")));
            let class = "org.zstack.accessKey.AccessKeyInventory";
            assert_eq!(list.ok()["schema"]["inventories[0]"], class);
            let disabled = change(&admin, &text("uuid"), "disable").inventory();
            assert_eq!(
                (&disabled["state"], &disabled["AccessKeySecret"]),
                (&json!("Disabled"), &json!(MASK))
            );
            assert_eq!(one(&admin, &text("uuid"))["state"], "Disabled");
            assert_eq!(change(&admin, &text("uuid"), "enable").inventory()["state"], "Enabled");
            assert_eq!(admin.delete(&format!("/accesskeys/{}", text("uuid"))).ok(), json!({}));
            assert_eq!(one(&admin, &text("uuid")), Value::Null);
        }
    }
}

#[test]
fn an_account_manages_its_own_keys_and_admin_all() {
    for server in Server::both(&[]) {
        let (admin, ann, bob) = (server.admin(), server.account("ann"), server.account("bob"));
        let own = account_of(&ann);
        let key = create(&ann, json!({"accountUuid": own, "userUuid": own})).inventory();
        assert_eq!(key["accountUuid"], own.as_str());
        let id = key["uuid"].as_str().expect("a uuid").to_owned();
        let path = format!("/accesskeys/{id}");
        let list = |caller: &Caller| caller.get("/accesskeys?count=true").ok()["total"].clone();
        assert_eq!((list(&ann), list(&bob), list(&admin)), (json!(1), json!(0), json!(1)));
        assert_eq!(one(&bob, &id), Value::Null);
        let denied = |answer: crate::support::Answer| {
            let (code, details) = answer.error();
            assert_eq!(code, "ID.1002");
            assert!(details.contains("doesn't belong to the account"), "{details}");
        };
        denied(change(&bob, &id, "disable"));
        denied(bob.delete(&path));
        denied(create(&bob, json!({"accountUuid": own})));
        assert_eq!(one(&ann, &id)["state"], "Enabled");
        // Admin makes, disables and deletes keys of others.
        let other = create(&admin, json!({"accountUuid": own, "userUuid": own})).inventory();
        assert_eq!(other["accountUuid"], own.as_str());
        assert_eq!(change(&admin, &id, "disable").inventory()["state"], "Disabled");
        assert_eq!(admin.delete(&format!("{path}?deleteMode=")).ok(), json!({}));
        assert_eq!(list(&ann), json!(1));
        assert_eq!(ann.delete(&path).ok(), json!({}), "an unknown one is no error");
        admin.delete(&format!("/accounts/{own}")).ok();
        assert_eq!(list(&admin), json!(0), "keys go with their account");
    }
}

#[test]
fn what_a_key_may_be_made_of_is_told() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let (id, secret) = ("Key0000001", "a-secret_of$my(own)");
        let key = create(&admin, json!({"AccessKeyID": id, "AccessKeySecret": secret})).inventory();
        assert_eq!((&key["AccessKeyID"], &key["AccessKeySecret"]), (&json!(id), &json!(secret)));
        let told = |params: Value, code: &str, text: &str| {
            let error = create(&admin, params.clone()).error();
            assert_eq!(error.0, code, "{params} {error:?}");
            assert!(error.1.contains(text), "{params} {error:?}");
            if let Some(secret) = params["AccessKeySecret"].as_str() {
                assert!(!error.1.contains(secret), "{error:?}");
            }
        };
        let invalid = "SYS.1007";
        told(
            json!({"AccessKeyID": id, "AccessKeySecret": "another-secret"}),
            invalid,
            "another access key has",
        );
        told(json!({"resourceUuid": key["uuid"]}), invalid, "another access key has");
        told(json!({"AccessKeyID": "Key0000002"}), invalid, "needs field[AccessKeySecret]");
        told(json!({"AccessKeySecret": secret}), invalid, "needs field[AccessKeyID]");
        for bad in ["short", "with:colon0", "with space0", "ümlaut00000"] {
            let params = json!({"AccessKeyID": bad, "AccessKeySecret": secret});
            told(params, invalid, "field[AccessKeyID] must be 10 to 20 letters and digits");
        }
        for bad in ["too-short", "with a space", "with-umlaut-ü"] {
            let params = json!({"AccessKeyID": "Key0000003", "AccessKeySecret": bad});
            told(params, invalid, "field[AccessKeySecret] must be 10 to 40");
        }
        let long = json!({"AccessKeyID": "k".repeat(21), "AccessKeySecret": secret});
        told(long, invalid, "field[AccessKeyID]");
        let long = json!({"AccessKeyID": "Key0000004", "AccessKeySecret": "s".repeat(41)});
        told(long, invalid, "field[AccessKeySecret]");
        let nobody = uuid();
        told(json!({"accountUuid": nobody}), "SYS.1003", "field[accountUuid]");
        told(json!({"accountUuid": "admin"}), "SYS.1003", "field[accountUuid]");
        told(json!({"userUuid": nobody}), "SYS.1003", "type:UserVO");
        assert_eq!(change(&admin, &nobody, "disable").error().0, "SYS.1003");
        let malformed = admin.delete("/accesskeys/malformed").error();
        assert_eq!(malformed.0, "SYS.1003");
        let bad = change(&admin, key["uuid"].as_str().expect("a uuid"), "destroy").error();
        assert!(bad.1.contains("[enable, disable]"), "{bad:?}");
        assert_eq!(admin.get("/accesskeys?count=true").ok()["total"], 1, "what was refused is not there");
    }
}

#[test]
fn an_account_has_no_more_keys_than_the_limit() {
    for server in Server::both(&["--set", "accessKey.maxPerAccount=2"]) {
        let (admin, ann) = (server.admin(), server.account("ann"));
        let first = create(&ann, json!({})).inventory();
        let own = first["accountUuid"].clone();
        create(&admin, json!({"accountUuid": own})).inventory();
        let refused = create(&ann, json!({}));
        assert_eq!(refused.first, if server.profile == "fast" { 429 } else { 202 });
        let (code, details) = refused.error();
        assert_eq!(code, "ID.1003");
        assert!(
            details.contains("2 access keys") && details.contains("accessKey.maxPerAccount"),
            "{details}"
        );
        assert_eq!(create(&admin, json!({"accountUuid": own})).error().0, "ID.1003");
        create(&admin, json!({})).inventory();
        ann.delete(&format!("/accesskeys/{}", first["uuid"].as_str().expect("a uuid"))).ok();
        create(&ann, json!({})).inventory();
    }
}

#[test]
fn the_query_grammar_finds_keys() {
    for server in Server::both(&[]) {
        let (admin, ann) = (server.admin(), server.account("ann"));
        let key = create(&ann, json!({"description": "Nightly"})).inventory();
        create(&admin, json!({"description": "other"})).inventory();
        let text = |name: &str| key[name].as_str().expect("a text").to_owned();
        for q in [
            format!("uuid={}", text("uuid")),
            format!("AccessKeyID={}", text("AccessKeyID")),
            format!("accountUuid={}", text("accountUuid")),
            format!("userUuid?=x,{}", text("userUuid")),
            "description~=night%25".to_owned(),
            "description!=other".to_owned(),
        ] {
            let found = admin.get(&format!("/accesskeys?q={q}&replyWithCount=true")).ok();
            assert_eq!((&found["total"], &found["inventories"][0]["uuid"]), (&json!(1), &key["uuid"]), "{q}");
        }
        let sorted =
            admin.get("/accesskeys?sort=%2Bdescription&fields=description,state&q=state=Enabled").ok();
        let enabled = |description: &str| json!({"description": description, "state": "Enabled"});
        assert_eq!(sorted["inventories"], json!([enabled("Nightly"), enabled("other")]));
        // A secret is nothing to search by.
        assert!(admin.get("/accesskeys?q=AccessKeySecret~=a%25").last.status >= 400);
    }
}

fn files_with(dir: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the data directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else if std::fs::read(&path).is_ok_and(|b| b.windows(needle.len()).any(|w| w == needle.as_bytes()))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn no_secret_that_logs_in_is_in_the_data_directory_or_the_log() {
    for server in Server::both(&[]) {
        for admin in server.admins() {
            let key = Signer::of(&admin);
            key.get("/zones").ok();
            let session =
                Caller::log_in(server.address, admin.kind, "admin", crate::support::server::PASSWORD);
            let renew = format!("/accounts/sessions/{}/renew", session.session);
            session.put(&renew, &json!({"renewSession": {}})).inventory();
            let places_with =
                |text: &str| [files_with(&server.data_dir(), text), server.rows_with(text)].concat();
            assert!(!places_with(&key.access_id).is_empty(), "what is no secret is found");
            for secret in [&key.secret, &session.session] {
                let found = places_with(secret);
                assert!(found.is_empty(), "{:?}: {secret} is in {found:?}", admin.kind);
                assert!(!server.log().contains(secret.as_str()));
            }
        }
    }
}

#[test]
fn keys_and_the_answer_to_their_creation_survive_a_kill() {
    for server in Server::both(&[]) {
        let java = server.admin().as_kind(Kind::Java);
        let answer = create(&java, json!({}));
        let (job, created) = (answer.job.clone().expect("a 202"), answer.inventory());
        let key = Signer::of(&java);
        let disabled = Signer::of(&java);
        change(&java, &disabled.uuid, "disable").ok();
        let server = server.killed_and_started_again(&[]);
        let at = |signer: &Signer| {
            let caller = Caller { address: server.address, ..signer.caller.clone() };
            Signer { caller, ..signer.clone() }
        };
        at(&key).get("/zones").ok();
        assert_eq!(at(&disabled).get("/zones").error().0, "ID.1000");
        let nobody = at(&key).caller.with("null");
        assert_eq!(nobody.get(&format!("/api-jobs/{job}")).inventory(), created);
    }
}
