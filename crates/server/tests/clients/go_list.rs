//! The checklist of the Go SDKs, box by box. Its boxes about access keys are in `signed`.
//!
//! Source: rest-api.md 7.3.

use serde_json::{Value, json};

use crate::actions;
use crate::calls::{endless, go, job_in, servers};
use crate::go::{self, Go, PAGE};
use crate::model::{Client, Failure, Moment, Query, Seen, crashed, failed, submission};
use crate::support::{Server, sha512, uuid};

#[test]
fn go_gets_an_object_in_every_2xx_body() {
    for server in servers() {
        let go = go(&server);
        let id = job_in(&go, "Canceled");
        go.update(&id, &json!({"name": "n"})).expect("an update");
        go.cancel(&id).expect("a cancel of a canceled one");
        go.delete(&id).expect("a deletion");
        let session = go.session.clone().expect("a session");
        for (action, fields) in [
            (&actions::QUERY, json!({"q": ["name=nobody"]})),
            (&actions::QUERY, json!({"count": "true"})),
            (&actions::PROGRESS, json!({"apiId": uuid()})),
            (&actions::VERSION, json!({})),
            (&actions::VALIDATE, json!({"sessionUuid": session})),
            (&actions::LOG_OUT, json!({"sessionUuid": session})),
            (&actions::LOG_OUT, json!({"sessionUuid": uuid()})),
        ] {
            go.call(action, &fields).unwrap_or_else(|e| panic!("{action:?}: {e:?}"));
        }
        let log = go.wire().log();
        let fine = log.iter().filter(|e| (200..300).contains(&e.response.status));
        assert!(fine.clone().count() > 15);
        fine.for_each(|e| assert!(e.response.json().is_object(), "{} {}", e.method, e.target));
    }
}

#[test]
fn go_gets_error_bodies_with_exactly_one_key() {
    for server in servers() {
        let go = go(&server);
        let wrong = json!({"accountName": "admin", "password": sha512("wrong")});
        assert_eq!(failed(go.call(&actions::LOG_IN, &wrong), "ID.1000"), "wrong account name or password");
        let fresh = Go::new(server.address);
        assert_eq!(failed(fresh.call(&actions::LOG_IN, &wrong), "ID.1000"), "wrong account name or password");
        let mut expired = Go::new(server.address);
        expired.session = Some(uuid());
        failed(expired.query(&Query::default()), "ID.1001");
        expired.cancel(&uuid()).expect_err("no session");
        go.delete("no-uuid").expect_err("malformed");
        // Misuse is text in `zstack`, which Go shows as it is, and an error in `fast`.
        let missing = actions::Action { path: "/no-such-path", ..actions::ZONES };
        let code = if server.profile == "fast" { "SYS.1007" } else { "" };
        assert_eq!(failed(go.call(&missing, &json!({})), code), "no api mapping to /v1/no-such-path");
        let log: Vec<_> = go.wire().log().into_iter().chain(expired.wire().log()).collect();
        let errors: Vec<_> = log.iter().filter(|e| e.response.status == 503).collect();
        assert_eq!(errors.len(), 4);
        for exchange in errors {
            let body = exchange.response.json();
            let keys: Vec<_> = body.as_object().expect("an object").keys().collect();
            assert_eq!(keys, ["error"], "{}", exchange.target);
        }
    }
}

#[test]
fn go_finds_no_location_in_a_final_result() {
    for server in servers() {
        let go = go(&server);
        // Neither at the top of a polled result nor of one that is there at once, even if a job says the word.
        let id = uuid();
        let mut fields = submission(&id, &json!({"durationMs": 0, "result": {"location": "here"}}));
        fields["name"] = json!("location");
        go.submit(&fields).expect("a submission");
        go.wait_for(&id, "Succeeded");
        go.update(&id, &json!({"name": "m"})).expect("an update");
        for exchange in go.wire().log().iter().filter(|e| e.response.status == 200) {
            assert_eq!(exchange.response.json().get("location"), None, "{}", exchange.target);
        }
    }
}

#[test]
fn go_finds_exactly_one_element_under_the_uuid_of_a_job_and_none_under_an_unknown_one() {
    for server in servers() {
        let go = go(&server);
        let ids = [job_in(&go, "Succeeded"), job_in(&go, "Succeeded")];
        for id in &ids {
            assert_eq!(go.only(&actions::QUERY_ONE, id).expect("the job")["uuid"], id.as_str());
        }
        failed(go.only(&actions::QUERY_ONE, &uuid()), "NotFoundError");
        assert_eq!(go.wire().log().pop().map(|e| e.response.status), Some(200), "not 404");
        let all = actions::Action { path: "/longjobs?x={uuid}", ..actions::QUERY_ONE };
        failed(go.only(&all, "y"), "DuplicateIdError");
    }
}

#[test]
fn go_finds_one_row_of_progress_and_a_not_found_error_where_there_is_none() {
    for server in servers() {
        let go = go(&server);
        for state in ["Running", "Succeeded", "Failed", "Suspended"] {
            let api_id = go.find(&job_in(&go, state)).expect("the job").text("apiId").to_owned();
            let rows = go.progress(&api_id).expect("one row");
            assert_eq!(rows[0] == "100", state == "Succeeded", "{state}: {rows:?}");
        }
        failed(go.progress(&uuid()), "NotFoundError");
    }
}

#[test]
fn go_finds_submissions_and_updates_under_inventory_and_objects_where_there_is_nothing_to_say() {
    for server in servers() {
        let go = go(&server);
        let id = uuid();
        let inventory = go.under("inventory", &actions::SUBMIT, &endless(&id)).expect("a submission");
        assert_eq!(inventory["uuid"], id.as_str());
        let fields = json!({"uuid": id, "name": "n"});
        assert_eq!(go.under("inventory", &actions::UPDATE, &fields).expect("an update")["name"], "n");
        let only = json!({ "uuid": id });
        assert_eq!(go.call(&actions::CANCEL, &only), Ok(json!({})));
        go.wait_for(&id, "Canceled");
        assert_eq!(go.call(&actions::DELETE, &only), Ok(json!({})));
    }
}

#[test]
fn gos_delete_mode_is_ignored_empty_or_not() {
    for server in servers() {
        let go = go(&server);
        for mode in ["", "Permissive", "Enforcing"] {
            let id = job_in(&go, "Succeeded");
            // The model adds `?deleteMode=` to every DELETE; here it may say something too.
            let headers = [("Authorization", format!("OAuth {}", go.session.clone().expect("a session")))];
            let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            if mode.is_empty() {
                go.delete(&id).expect("a deletion");
                let log = go.wire().log();
                let sent = log.iter().rev().find(|e| e.method == "DELETE").expect("it");
                assert!(sent.target.ends_with("?deleteMode="), "{}", sent.target);
            } else {
                let target = format!("/zstack/v1/longjobs/{id}?deleteMode={mode}");
                let answer = crate::support::http::send(server.address, "DELETE", &target, &headers, b"");
                assert!(matches!(answer.status, 200 | 202), "{}", answer.text());
            }
            assert_eq!(go.find(&id), None, "{mode}");
        }
    }
}

#[test]
fn go_decodes_a_validation_as_booleans_and_nothing_else() {
    for server in servers() {
        let go = go(&server);
        let session = go.session.clone().expect("a session");
        assert_eq!(go.validate(&session), Ok(true));
        assert_eq!(go.validate(&uuid()), Ok(false));
        go.call(&actions::LOG_OUT, &json!({ "sessionUuid": session })).expect("a logout");
        assert_eq!(go.validate(&session), Ok(false));
    }
}

#[test]
fn go_reads_the_version() {
    for server in servers() {
        let version = go(&server).under("version", &actions::VERSION, &json!({})).expect("a version");
        assert_eq!(version, "5.2.1");
        let nobody = Go::new(server.address);
        assert_eq!(nobody.under("version", &actions::VERSION, &json!({})), Ok(version));
    }
}

#[test]
fn gos_update_of_nothing_is_told_that_it_has_no_action() {
    for server in servers() {
        let go = go(&server);
        let id = job_in(&go, "Succeeded");
        let code = if server.profile == "fast" { "SYS.1007" } else { "" };
        let details = failed(go.update(&id, &json!({"name": ""})), code);
        let path = format!("/v1/longjobs/{id}/actions");
        assert_eq!(details, format!("the body doesn't contain action mapping to the URL[{path}]"));
        let exchange = go.wire().log().pop().expect("it");
        assert_eq!((exchange.body.as_str(), exchange.response.status), ("{}", 400));
        assert_eq!(go.find(&id).expect("the job").text("name"), "a job of ümläut");
    }
}

#[test]
fn gos_bodies_without_empty_values_are_whole_calls() {
    for server in servers() {
        let go = go(&server);
        let id = uuid();
        let mut fields = submission(&id, &json!({"durationMs": 3_600_000}));
        for empty in ["name", "description", "targetResourceUuid"] {
            fields[empty] = json!("");
        }
        (fields["systemTags"], fields["userTags"]) = (json!([]), json!([]));
        let job = go.submit(&fields).expect("a submission");
        let sent = go.wire().log().into_iter().rev().find(|e| e.method == "POST").expect("it").body;
        assert!(!sent.contains("description") && !sent.contains("Tags"), "{sent}");
        assert_eq!((job.text("name"), job.text("description")), ("APISimulateJobMsg", ""));
        go.cancel(&id).expect("a cancel");
        let sent = go.wire().log().into_iter().rev().find(|e| e.method == "PUT").expect("it").body;
        assert_eq!(sent, r#"{"cancelLongJob":{}}"#);
        // Tags and the address are beside the wrapper, where they are something.
        let tagged = uuid();
        let mut fields = submission(&tagged, &json!({"durationMs": 0}));
        fields["systemTags"] = json!([format!("uploadImage::{tagged}")]);
        fields["requestIp"] = json!("10.0.0.7");
        go.submit(&fields).expect("a submission");
        let page = go.query(&Query::of(&format!("__systemTag__=uploadImage::{tagged}"))).expect("a query");
        assert_eq!(page.jobs.first().map(|job| job.text("uuid")), Some(tagged.as_str()));
    }
}

#[test]
fn go_which_accepts_any_encoding_gets_none_that_it_cannot_decode() {
    for server in servers() {
        let go = go(&server);
        job_in(&go, "Succeeded");
        let many = Query::default().with("limit", "1000");
        go.query(&many).expect("a large answer");
        for exchange in go.wire().log() {
            let encoding = exchange.response.header("content-encoding");
            assert!(matches!(encoding, None | Some("identity" | "gzip" | "deflate")), "{encoding:?}");
        }
    }
}

#[test]
fn gos_gets_with_a_content_type_and_a_length_of_zero_are_answered_on_a_kept_connection() {
    for server in servers() {
        let session = server.admin().session;
        let get = |target: &str| {
            format!(
                "GET {target} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\nAccept-Encoding: *\r\n\
                 Content-Type: application/json\r\nContent-Length: 0\r\nAuthorization: OAuth {session}\r\n\
                 x-session-id: {session}\r\n",
                server.address
            )
        };
        // Two on one connection: the length is believed, nothing is taken for a body.
        let bytes =
            format!("{}\r\n{}Connection: close\r\n\r\n", get("/zstack/v1/longjobs"), get("/zstack/v1/zones"));
        let answers = crate::support::http::raw(server.address, bytes.as_bytes());
        let text = String::from_utf8_lossy(&answers.body).into_owned();
        assert_eq!((answers.status, text.matches("HTTP/1.1 200 OK").count()), (200, 1), "{text}");
        assert!(text.starts_with(r#"{"inventories":[]"#) && text.contains("ZoneInventory"), "{text}");
    }
}

#[test]
fn go_pages_through_all_jobs_with_their_total() {
    for server in servers() {
        let go = go(&server);
        let some = PAGE + 7;
        for n in 0..some {
            let mut fields = submission(&uuid(), &json!({"durationMs": 0}));
            fields["name"] = json!(format!("n{n}"));
            go.submit(&fields).expect("a submission");
        }
        let (rows, total) = go.page(&Query::default().with("limit", "3")).expect("a page");
        assert_eq!((rows.len(), total), (3, some as i64));
        let all = go.list_all(&Query::default().with("sort", "+name")).expect("all");
        let mut uuids: Vec<&str> = all.iter().filter_map(|row| row["uuid"].as_str()).collect();
        uuids.sort_unstable();
        uuids.dedup();
        assert_eq!((all.len(), uuids.len()), (some, some), "each once");
        let beyond = go.page(&Query::default().with("start", "1000")).expect("a page");
        assert_eq!(beyond, (Vec::new(), some as i64));
    }
}

#[test]
fn gos_polls_with_the_stale_signature_of_the_first_request_are_answered() {
    for server in servers() {
        let with = go(&server);
        let location = with.call_async(&actions::SUBMIT, &endless(&uuid())).expect("a location");
        let go = Go::new(server.address);
        for stale in ["ZStack key:c3RhbGU=", "ZStack no-colon", "OAuth 1"] {
            let headers = [
                ("Host", go.host.clone()),
                ("Authorization", stale.to_owned()),
                ("Date", "Tue, 14 Nov 2017 22:20:57 CST".to_owned()),
                ("Content-Type", "application/json; charset=utf-8".to_owned()),
                ("Content-Length", "117".to_owned()),
            ];
            let body = go.poll_at(&location, &headers).expect("the result");
            assert_eq!(body["inventory"]["state"], "Running", "{stale}");
        }
    }
}

#[test]
fn go_has_every_answer_within_ten_seconds() {
    for server in servers() {
        let go = go(&server);
        // Its body runs for hours, and so does its cancel; the wire of the model gives up after 10 s.
        let id = job_in(&go, "Canceling");
        let location = go.call_async(&actions::RERUN, &json!({ "uuid": id })).expect("a location");
        assert!(location.contains("/zstack/v1/api-jobs/"), "{location}");
        let accepted = go.wire().log().iter().filter(|e| e.response.status == 202).count();
        assert!(accepted >= 3, "no asynchronous call waits for its job: {accepted}");
    }
}

#[test]
fn go_reads_the_moments_of_a_server_in_its_zone_and_with_an_offset_those_of_any() {
    let zones: [(&str, &[&str]); 2] = [("fast", &[]), ("zstack", &["--set", "timezone=Asia/Shanghai"])];
    for (profile, flags) in zones {
        let server = Server::start(profile, flags);
        let go = go(&server);
        let job = go.find(&job_in(&go, "Succeeded")).expect("the job");
        let now = jiff::Timestamp::now().as_second();
        for moment in [job.created, job.changed] {
            assert!(matches!(moment, Moment::At(at) if (now - 60..=now + 1).contains(&at)), "{moment:?}");
        }
    }
    // In another zone the text of `zstack` is hours off, as the contract warns.
    let server = Server::start("zstack", &["--set", "timezone=UTC"]);
    let go = go(&server);
    let created = go.find(&job_in(&go, "Succeeded")).expect("the job").created;
    let now = jiff::Timestamp::now().as_second();
    assert!(matches!(created, Moment::At(at) if (at + 8 * 3600 - now).abs() <= 60), "{created:?}");
}

#[test]
fn go_on_port_80_whose_host_has_no_port_finds_its_way_to_the_location() {
    for server in servers() {
        let mut go = go(&server);
        go.host_header = "longhaul.example".to_owned();
        let location = go.call_async(&actions::SUBMIT, &endless(&uuid())).expect("a location");
        assert!(location.starts_with("http://longhaul.example/zstack/v1/api-jobs/"), "{location}");
        go.host = "longhaul.example:80".to_owned();
        let rewritten = go.rewritten(&location);
        let tail = location.strip_prefix("http://longhaul.example").expect("the host");
        assert_eq!(rewritten, format!("http://longhaul.example:80{tail}"));
        assert_eq!(go.rewritten("http://other/v1/api-jobs/x"), "http://other/v1/api-jobs/x", "left alone");
    }
}

#[test]
fn gos_own_mistakes_get_the_answers_of_everybody() {
    for server in servers() {
        let go = go(&server);
        let id = job_in(&go, "Succeeded");
        // Revisions that take the result from the key "" have an empty view of what was done.
        let fields = json!({"uuid": id, "name": "n"});
        let view: Seen<Value> = go.under("", &actions::UPDATE, &fields);
        assert!(crashed(view).contains("no "), "nothing is under the empty key");
        assert_eq!(go.find(&id).expect("the job").text("name"), "n", "the call was done all the same");
        // A session type that leaves the credentials away is told so.
        let nobody = Go::new(server.address);
        let code = if server.profile == "fast" { "ID.1001" } else { "" };
        assert_eq!(failed(nobody.query(&Query::default()), code), "missing header 'Authorization'");
    }
}

#[test]
fn go_asking_for_upload_details_of_no_job_gets_an_empty_list_and_does_not_panic() {
    for server in servers() {
        let go = go(&server);
        // Its view wants an object where ZStack has a list, so it fails to read it; a missing key would be a panic.
        let details = go.under("existingJobDetails", &actions::UPLOAD_DETAILS, &json!({"imageId": "i"}));
        assert_eq!(details.expect("the key"), json!([]));
    }
}

#[test]
fn gos_asynchronous_form_has_its_location_in_both_profiles() {
    for server in servers() {
        let go = go(&server);
        let location = go.call_async(&actions::SUBMIT, &endless(&uuid())).expect("a location");
        assert!(location.starts_with(&format!("http://{}/zstack/v1/api-jobs/", go.host)), "{location}");
        let empty = go.call_async(&actions::VERSION, &json!({}));
        assert_eq!(crashed(empty), "empty location", "the model would tell");
        let job = go::job(&json!({"uuid": 1}));
        assert!(matches!(job, Err(Failure::Crash(_))), "and of a wrong type: {job:?}");
    }
}
