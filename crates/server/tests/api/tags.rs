//! Tags as resources: created, queried, changed, deleted, on jobs, volumes and primary storages.
//!
//! Source: rest-api.md 1.6 (tags), 5.3, 5.4.

use serde_json::{Value, json};

use crate::inventory::{is_timestamp, is_uuid};
use crate::support::jobs::{NOTHING_STARTS, data, submission};
use crate::support::{Caller, Kind, Server, uuid};

const IMAGE: &str = "uploadImage::68b329da9893e34099c7d8ad5cb9c940";

/// One resource of each type, with a system tag that is known on it.
fn three(admin: &Caller) -> ([(&'static str, String, &'static str); 3], crate::support::disks::Pool) {
    let pool = admin.pool(&json!({}));
    let all = [
        ("LongJobVO", admin.job_in("Succeeded"), IMAGE),
        ("VolumeVO", admin.volume(&pool, &json!({})), "capability::virtio-scsi"),
        ("PrimaryStorageVO", pool.uuid.clone(), "primaryStorage::vendor::nobody"),
    ];
    (all, pool)
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key}: {value}"))
}

fn rows(caller: &Caller, path: &str) -> Vec<Value> {
    caller.get(path).ok()["inventories"].as_array().expect("rows").clone()
}

#[test]
fn a_system_tag_lives_from_its_creation_to_its_deletion_on_every_type() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let (all, _pool) = three(&admin);
        for (kind, (on, resource, tag)) in all.iter().enumerate() {
            let caller = admin.as_kind(Kind::ALL[kind]);
            let made = caller.tag("system", on, resource, tag).inventory();
            let expected = [
                "createDate",
                "inherent",
                "lastOpDate",
                "resourceType",
                "resourceUuid",
                "tag",
                "type",
                "uuid",
            ];
            assert_eq!(keys(&made), expected);
            assert!(is_uuid(text(&made, "uuid")) && is_timestamp(text(&made, "createDate"), server.profile));
            assert_eq!((text(&made, "type"), &made["inherent"]), ("System", &json!(false)));
            assert_eq!(
                (text(&made, "resourceType"), text(&made, "resourceUuid"), text(&made, "tag")),
                (*on, resource.as_str(), *tag)
            );
            let one = format!("/system-tags/{}", text(&made, "uuid"));
            let found = caller.get(&one).ok();
            assert_eq!(found["inventories"], json!([made]));
            assert_eq!(found["schema"]["inventories[0]"], "org.zstack.header.tag.SystemTagInventory");
            let on_it = rows(&caller, &format!("/system-tags?q=resourceUuid={resource}"));
            assert_eq!(on_it, std::slice::from_ref(&made));
            assert_eq!(rows(&caller, &format!("/user-tags/{}", text(&made, "uuid"))), [] as [Value; 0]);
            let next = format!("{tag}2");
            let body = json!({"updateSystemTag": {"tag": next}});
            let changed = caller.put(&format!("{one}/actions"), &body).inventory();
            assert_eq!((text(&changed, "uuid"), text(&changed, "tag")), (text(&made, "uuid"), next.as_str()));
            assert_eq!(rows(&caller, &one), [changed]);
            let gone = format!("/tags/{}?deleteMode=Permissive", text(&made, "uuid"));
            assert_eq!(caller.delete(&gone).ok(), json!({}));
            assert_eq!(rows(&caller, &one), [] as [Value; 0]);
            assert_eq!(caller.delete(&gone).ok(), json!({}), "an unknown one is no error");
        }
    }
}

#[test]
fn a_user_tag_is_any_text_and_has_the_keys_of_a_user_tag() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let (all, _pool) = three(&admin);
        for (on, resource, _) in &all {
            let made = admin.tag("user", on, resource, "  Ä tag, of = mine ").inventory();
            let expected =
                ["createDate", "lastOpDate", "resourceType", "resourceUuid", "tag", "type", "uuid"];
            assert_eq!(keys(&made), expected, "no pattern, so no key of one");
            assert_eq!((text(&made, "type"), text(&made, "tag")), ("User", "Ä tag, of = mine"), "trimmed");
            let found = admin.get(&format!("/user-tags/{}", text(&made, "uuid"))).ok();
            assert_eq!(found["inventories"], json!([made]));
            assert_eq!(found["schema"]["inventories[0]"], "org.zstack.header.tag.UserTagInventory");
            // A system tag's call does not reach it.
            let path = format!("/system-tags/{}/actions", text(&made, "uuid"));
            assert_eq!(admin.put(&path, &json!({"updateSystemTag": {"tag": IMAGE}})).error().0, "SYS.1003");
            assert_eq!(admin.delete(&format!("/tags/{}", text(&made, "uuid"))).ok(), json!({}));
        }
        let count = admin.get("/user-tags?count=true").ok();
        assert_eq!((&count["total"], count.get("inventories")), (&json!(0), None));
    }
}

#[test]
fn a_poll_with_the_schema_header_tells_the_class_of_a_tag() {
    for server in Server::both(&[]) {
        let admin = server.admin().as_kind(Kind::Java);
        let job = admin.job_in("Succeeded");
        for (kind, class) in [("system", "SystemTagInventory"), ("user", "UserTagInventory")] {
            let answer = admin.tag(kind, "LongJobVO", &job, IMAGE);
            assert_eq!(answer.first, 202);
            assert_eq!(answer.ok()["schema"]["inventory"], format!("org.zstack.header.tag.{class}"));
        }
    }
}

#[test]
fn several_system_tags_are_put_on_together_or_not_at_all() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let job = admin.job_in("Succeeded");
        let path = format!("/system-tags/{job}/tags");
        let put =
            |tags: Value| admin.post(&path, &json!({"params": {"resourceType": "LongJobVO", "tags": tags}}));
        let made = put(json!(["uploadImage::a", "uploadImage::b"])).ok();
        assert_eq!(made["inventories"].as_array().map(Vec::len), Some(2));
        for (tags, code) in [
            (json!(["uploadImage::c", "uploadImage::a"]), "SYS.1006"),
            (json!(["uploadImage::c", "uploadImage::c"]), "SYS.1006"),
            (json!(["uploadImage::c", "noSuch::tag"]), "SYS.1007"),
            (json!(["longhaul::throttle::1", "longhaul::throttle::2"]), "SYS.1007"),
            (json!(["uploadImage::c", null]), "SYS.1007"),
            (json!([]), "SYS.1007"),
            (json!(null), "SYS.1007"),
        ] {
            assert_eq!(put(tags.clone()).error().0, code, "{tags}");
        }
        assert_eq!(rows(&admin, "/system-tags").len(), 2);
    }
}

#[test]
fn what_is_wrong_with_a_tag_is_told_with_the_contracts_code_and_text() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let (all, _pool) = three(&admin);
        let [(_, job, _), (_, volume, _), (_, storage, _)] = &all;
        let error = |code: &str, details: String| (code.to_owned(), details);
        admin.tag("system", "LongJobVO", job, IMAGE).ok();
        let duplicated =
            format!("Duplicated Tag[tag:{IMAGE}, type:System, resourceType:LongJobVO, resourceUuid:{job}]");
        assert_eq!(admin.tag("system", "LongJobVO", job, IMAGE).error(), error("SYS.1006", duplicated));
        admin.tag("user", "VolumeVO", volume, IMAGE).ok();
        let duplicated =
            format!("Duplicated Tag[tag:{IMAGE}, type:User, resourceType:VolumeVO, resourceUuid:{volume}]");
        assert_eq!(admin.tag("user", "VolumeVO", volume, IMAGE).error(), error("SYS.1006", duplicated));
        // What is known on one type is not on another, and what is for a creation alone nowhere.
        for (on, resource, tag) in [
            ("LongJobVO", job, "noSuch::tag"),
            ("VolumeVO", volume, IMAGE),
            ("PrimaryStorageVO", storage, IMAGE),
            ("LongJobVO", job, "validationOnly"),
            ("VolumeVO", volume, "qos::read=1"),
        ] {
            let details = format!("no system tag matches[{tag}] for resourceType[{on}]");
            assert_eq!(admin.tag("system", on, resource, tag).error(), error("SYS.1007", details));
        }
        let (code, details) = admin.tag("system", "LongJobVO", job, "longhaul::throttle::fast").error();
        assert!(code == "SYS.1007" && details.contains("bytes per second"), "{details}");
        admin.tag("system", "LongJobVO", job, "longhaul::throttle::1").ok();
        let (code, details) = admin.tag("system", "LongJobVO", job, "longhaul::throttle::2").error();
        assert!(code == "SYS.1007" && details.contains("at most one"), "{details}");
        let unknown = uuid();
        for (on, kind) in [("LongJobVO", "system"), ("VolumeVO", "user"), ("PrimaryStorageVO", "user")] {
            let details =
                format!("invalid field[resourceUuid], resource[uuid:{unknown}, type:{on}] not found");
            assert_eq!(admin.tag(kind, on, &unknown, IMAGE).error(), error("SYS.1003", details));
        }
        assert_eq!(admin.tag("user", "VolumeVO", job, "x").error().0, "SYS.1003", "a job is no volume");
        assert_eq!(admin.tag("user", "LongJobVO", "not-a-uuid", "x").error().0, "SYS.1003");
        let (code, details) = admin.tag("user", "HostVO", job, "x").error();
        assert!(code == "SYS.1007" && details.contains("LongJobVO, PrimaryStorageVO, VolumeVO"), "{details}");
        assert_eq!(admin.tag("user", "LongJobVO", job, "").error().0, "SYS.1007");
        assert_eq!(admin.tag("user", "LongJobVO", job, &"x".repeat(2049)).error().0, "SYS.1007");
        admin.tag("user", "LongJobVO", job, &"x".repeat(2048)).ok();
        for absent in ["resourceType", "resourceUuid", "tag"] {
            let mut body = json!({"params": {"resourceType": "LongJobVO", "resourceUuid": job, "tag": "y"}});
            body["params"][absent] = Value::Null;
            let (code, details) = admin.post("/user-tags", &body).error();
            assert!(code == "SYS.1007" && details.contains(&format!("field[{absent}]")), "{details}");
        }
    }
}

#[test]
fn an_update_or_a_deletion_that_cannot_be_is_told_and_changes_nothing() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let job = admin.job_in("Succeeded");
        let tag = |text: &str| text_of(&admin.tag("system", "LongJobVO", &job, text).inventory());
        let (a, _b) = (tag("uploadImage::a"), tag("uploadImage::b"));
        let update = |id: &str, to: &str| {
            admin.put(&format!("/system-tags/{id}/actions"), &json!({"updateSystemTag": {"tag": to}}))
        };
        let (code, details) = update(&a, "uploadImage::b").error();
        assert_eq!(code, "SYS.1006");
        assert!(details.starts_with("Duplicated Tag[tag:uploadImage::b, type:System"), "{details}");
        assert_eq!(update(&a, "noSuch::tag").error().0, "SYS.1007");
        let unknown = uuid();
        let (code, details) = update(&unknown, IMAGE).error();
        let expected = format!("invalid field[uuid], resource[uuid:{unknown}, type:SystemTagVO] not found");
        assert_eq!((code.as_str(), details), ("SYS.1003", expected));
        assert_eq!(text(&update(&a, "uploadImage::a").inventory(), "tag"), "uploadImage::a");
        let malformed = admin.delete("/tags/not-a-uuid").error();
        assert_eq!(
            malformed,
            ("SYS.1003".to_owned(), "invalid value[not-a-uuid] of field [uuid]".to_owned())
        );
        assert_eq!(admin.delete(&format!("/tags/{a}?deleteMode=Whatever")).error().0, "SYS.1007");
        assert_eq!(
            rows(&admin, "/system-tags?fields=tag&sort=tag"),
            [json!({"tag": "uploadImage::a"}), json!({"tag": "uploadImage::b"})]
        );
    }
}

fn text_of(inventory: &Value) -> String {
    text(inventory, "uuid").to_owned()
}

#[test]
fn a_dry_run_of_a_call_on_tags_checks_and_changes_nothing() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let job = admin.job_in("Succeeded");
        let tag = text_of(&admin.tag("system", "LongJobVO", &job, "uploadImage::a").inventory());
        let dry = |tag: &str| {
            let params = json!({"resourceType": "LongJobVO", "resourceUuid": job, "tag": tag});
            admin.post("/system-tags", &json!({"params": params, "systemTags": ["validationOnly"]}))
        };
        assert_eq!(dry("uploadImage::b").ok(), json!({}));
        assert_eq!(dry("uploadImage::a").error().0, "SYS.1006");
        let update = json!({"updateSystemTag": {"tag": "uploadImage::c"}, "systemTags": ["validationOnly"]});
        assert_eq!(admin.put(&format!("/system-tags/{tag}/actions"), &update).ok(), json!({}));
        assert_eq!(admin.delete(&format!("/tags/{tag}?systemTags=validationOnly")).ok(), json!({}));
        assert_eq!(rows(&admin, "/system-tags?fields=tag"), [json!({"tag": "uploadImage::a"})]);
    }
}

#[test]
fn an_account_touches_and_sees_the_tags_of_what_it_owns_and_no_others() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let (all, pool) = three(&admin);
        let owner = server.account("owner");
        let (job, volume) = (owner.job_in("Succeeded"), owner.volume(&pool, &json!({})));
        let mine = [("LongJobVO", &job, IMAGE), ("VolumeVO", &volume, "capability::virtio-scsi")];
        for (on, resource, tag) in mine {
            owner.tag("system", on, resource, tag).ok();
            owner.tag("user", on, resource, "of the owner").ok();
        }
        for (on, resource, tag) in &all {
            for kind in ["system", "user"] {
                let (code, details) = owner.tag(kind, on, resource, tag).error();
                assert_eq!(code, "ID.1002", "{on}");
                assert!(details.contains("doesn't belong to the account"), "{details}");
                let foreign = text_of(&admin.tag(kind, on, resource, tag).inventory());
                assert_eq!(owner.delete(&format!("/tags/{foreign}")).error().0, "ID.1002", "{on}");
                assert_eq!(rows(&owner, &format!("/{kind}-tags/{foreign}")), [] as [Value; 0]);
                if kind == "system" {
                    let update = json!({"updateSystemTag": {"tag": format!("{tag}2")}});
                    let path = format!("/system-tags/{foreign}/actions");
                    assert_eq!(owner.put(&path, &update).error().0, "ID.1002", "{on}");
                }
            }
        }
        for kind in ["system", "user"] {
            let seen = owner.get(&format!("/{kind}-tags?replyWithCount=true")).ok();
            assert_eq!(seen["total"], 2, "{seen}");
            assert_eq!(admin.get(&format!("/{kind}-tags?count=true")).ok()["total"], 5);
            for tag in seen["inventories"].as_array().expect("rows") {
                assert!([&job, &volume].contains(&&text(tag, "resourceUuid").to_owned()), "{tag}");
            }
        }
        let own = text_of(&rows(&owner, "/user-tags")[0]);
        assert_eq!(owner.delete(&format!("/tags/{own}")).ok(), json!({}));
    }
}

#[test]
fn tags_die_with_their_resource_and_not_before() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let (all, _pool) = three(&admin);
        for (on, resource, tag) in &all {
            admin.tag("system", on, resource, tag).ok();
            admin.tag("user", on, resource, "mine").ok();
        }
        let [(_, job, _), (_, volume, _), (_, storage, _)] = &all;
        let left = || {
            let rows = [rows(&admin, "/system-tags"), rows(&admin, "/user-tags")].concat();
            rows.iter().map(|tag| text(tag, "resourceUuid").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(left().len(), 6);
        assert_eq!(admin.delete(&format!("/longjobs/{job}")).ok(), json!({}));
        assert!(left().len() == 4 && !left().contains(job));
        assert_eq!(admin.delete(&format!("/volumes/{volume}")).ok(), json!({}));
        assert_eq!(left().len(), 4, "a deleted volume can be recovered");
        admin.put(&format!("/volumes/{volume}/actions"), &json!({"expungeDataVolume": {}})).ok();
        assert!(left().len() == 2 && !left().contains(volume));
        assert_eq!(admin.delete(&format!("/primary-storage/{storage}")).ok(), json!({}));
        assert_eq!(left(), [""; 0]);
    }
}

#[test]
fn tag_conditions_find_jobs_volumes_and_storages_by_tags_of_their_creation_and_later_ones() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let tagged = json!({"systemTags": ["primaryStorage::vendor::a"], "userTags": ["first", "first"]});
        let (pool, other) = (admin.pool(&tagged), admin.pool(&json!({})));
        let tagged = json!({"systemTags": ["capability::virtio-scsi", "qos::read=1"], "userTags": ["first"]});
        let (volume, _plain) = (admin.volume(&pool, &tagged), admin.volume(&pool, &json!({})));
        let mut body = submission(&uuid(), &data("Succeeded"));
        body["systemTags"] = json!([IMAGE]);
        body["userTags"] = json!(["first"]);
        let job = text_of(&admin.post("/longjobs", &body).inventory());
        let _plain = admin.job_in("Succeeded");
        for (path, on, resource, tag) in [
            ("/longjobs", "LongJobVO", &job, IMAGE),
            ("/volumes", "VolumeVO", &volume, "capability::virtio-scsi"),
            ("/primary-storage", "PrimaryStorageVO", &pool.uuid, "primaryStorage::vendor::a"),
        ] {
            let found = |query: &str| -> Vec<String> {
                rows(&admin, &format!("{path}?{query}")).iter().map(text_of).collect()
            };
            assert_eq!(found(&format!("q=__systemTag__={tag}")), [resource.as_str()]);
            assert_eq!(found("q=__userTag__=first"), [resource.as_str()]);
            assert_eq!(found("q=__userTag__~=fir%25&q=__systemTag__~=%25::%25"), [resource.as_str()]);
            assert_eq!(found(&format!("q=__systemTag__!={tag}")).len(), 1);
            let later = text_of(&admin.tag("user", on, resource, "later").inventory());
            assert_eq!(found("q=__userTag__?=x,later"), [resource.as_str()]);
            admin.delete(&format!("/tags/{later}")).ok();
            assert_eq!(found("q=__userTag__=later"), [""; 0]);
            assert_eq!(found(&format!("q=__tagUuid__={}", uuid())), [""; 0]);
        }
        assert_eq!(rows(&admin, "/system-tags?q=tag~=qos%25"), [] as [Value; 0], "for the creation alone");
        assert_eq!(rows(&admin, "/user-tags?q=tag=first").len(), 3, "each once");
        drop(other);
    }
}

#[test]
fn tags_answer_the_whole_query_grammar() {
    for server in Server::both(&[]) {
        let admin = server.admin();
        let job = admin.job_in("Succeeded");
        for n in 0..5 {
            admin.tag("system", "LongJobVO", &job, &format!("uploadImage::{n}")).ok();
        }
        let page = admin.get("/system-tags?sort=-tag&start=1&limit=2&fields=tag&replyWithCount=true").ok();
        assert_eq!(page["inventories"], json!([{"tag": "uploadImage::3"}, {"tag": "uploadImage::2"}]));
        assert_eq!(page["total"], 5);
        for (query, count) in [
            ("q=tag=uploadImage::1", 1),
            ("q=tag~=uploadImage::%25&q=tag!=uploadImage::1", 4),
            ("q=resourceType=LongJobVO", 5),
            ("q=resourceType=VolumeVO", 0),
            ("q=type=System&q=inherent=false", 5),
            ("q=inherent=true", 0),
            ("q=createDate%3E2017-11-14 10:00:00", 5),
            ("q=tag not null", 5),
        ] {
            let path = format!("/system-tags?count=true&{}", query.replace(' ', "%20"));
            assert_eq!(admin.get(&path).ok()["total"], count, "{query}");
        }
        assert_eq!(admin.get("/user-tags?q=tagPatternUuid%20is%20null&count=true").ok()["total"], 0);
        let (code, details) = admin.get("/system-tags?q=nope=1").error();
        if server.profile == "zstack" {
            let class = "org.zstack.header.tag.SystemTagInventory";
            assert_eq!(
                (code.as_str(), details),
                ("SYS.1000", format!("inventory class[class {class}] not having field[nope]"))
            );
        } else {
            assert_eq!(code, "SYS.1007");
        }
    }
}

#[test]
fn a_throttle_put_on_a_waiting_job_is_what_its_attempt_copies_by() {
    for profile in ["fast", "zstack"] {
        let waiting = Server::start(profile, &["--set", "engine.maxRunning=0"]);
        let admin = waiting.admin();
        let (from, to) = (admin.pool(&json!({})), admin.pool(&json!({})));
        // The throttled one is a quarter of the other, so that it would end first if it were not throttled.
        let slow = admin.migration(&admin.full_volume(&from, 16), &to);
        let free = admin.migration(&admin.full_volume(&from, 64), &to);
        assert_eq!((admin.state(&slow), admin.state(&free)), ("Waiting".to_owned(), "Waiting".to_owned()));
        admin.tag("system", "LongJobVO", &slow, "longhaul::throttle::1").ok();
        let server = waiting.killed_and_started_again(&[]);
        let admin = server.admin();
        admin.wait_for(&free, "Succeeded");
        assert_eq!(admin.state(&slow), "Running");
        admin.act(&slow, "cancelLongJob", &json!({})).ok();
        admin.wait_for(&slow, "Canceled");
    }
}

#[test]
fn tags_survive_a_kill() {
    for profile in ["fast", "zstack"] {
        let server = Server::start(profile, &NOTHING_STARTS);
        let admin = server.admin();
        let job = admin.submit(&json!({}));
        let made = admin.tag("user", "LongJobVO", &job, "mine").inventory();
        let server = server.killed_and_started_again(&NOTHING_STARTS);
        assert_eq!(rows(&server.admin(), "/user-tags"), [made]);
    }
}
