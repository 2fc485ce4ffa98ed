//! Logging in and out: the file, who may read it, which server gets which session.

use std::os::unix::fs::PermissionsExt;

use clap::{CommandFactory, Parser};
use serde_json::json;

use super::{Asked, Fake, Reply, Scratch, TOKEN, TestCli, rows, run_with};
use crate::config::Env;
use crate::exit::Exit;
use crate::password::hashed;

const OTHER: &str = "11111111111141118111111111111111";

fn server() -> Fake {
    Fake::start(|asked: &Asked, _| match (asked.method.as_str(), asked.path.as_str()) {
        ("PUT", "/zstack/v1/accounts/login")
            if asked.body["logInByAccount"]["password"] == hashed("s3cret") =>
        {
            let session = json!({"uuid": TOKEN, "accountUuid": "36c27e8ff05c4780bf6d2fa65700f22e"});
            Reply::Json(200, json!({"inventory": session}))
        }
        ("PUT", _) => super::failed(401, "ID.1000", "wrong account name or password"),
        ("DELETE", _) => Reply::Json(200, json!({})),
        _ => rows(vec![]),
    })
}

fn password(scratch: &Scratch, text: &str) -> String {
    let file = scratch.0.join("password");
    std::fs::write(&file, text).expect("a file");
    file.to_string_lossy().into_owned()
}

#[tokio::test]
async fn a_login_keeps_the_session_in_a_file_of_our_own_and_never_prints_it() {
    let (fake, scratch) = (server(), Scratch::new());
    let file = password(&scratch, "s3cret\nsecond line");
    for format in ["table", "json"] {
        let words = ["-o", format, "login", "--password-file", &file];
        let ran = run_with(scratch.env(), Some(&fake.url), &words).await;
        assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
        assert!(!format!("{}{}", ran.out, ran.err).contains(TOKEN));
        assert!(!format!("{}{}", ran.out, ran.err).contains("s3cret"));
    }
    let directory = scratch.0.join("longhaul");
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&directory.join("sessions.json"))), (0o700, 0o600));
    assert!(fake.asked().iter().all(|a| !a.body.to_string().contains("s3cret")), "only the hash is sent");
    // The second login ended the session that it replaced.
    assert!(fake.asked().iter().any(|a| a.is("DELETE", &format!("/zstack/v1/accounts/sessions/{TOKEN}"))));
    // From now on the server and its session are known.
    let ran = run_with(scratch.env(), None, &["job", "list"]).await;
    assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
    let last = fake.asked().pop().expect("a call");
    assert_eq!(last.header("authorization"), Some(format!("OAuth {TOKEN}").as_str()));
}

#[tokio::test]
async fn a_wrong_password_ends_with_4_and_says_what_to_do() {
    let (fake, scratch) = (server(), Scratch::new());
    let file = password(&scratch, "guess");
    let ran = run_with(scratch.env(), Some(&fake.url), &["login", "--password-file", &file]).await;
    assert_eq!(ran.exit, Exit::Denied);
    assert!(
        ran.err.starts_with("error: described (ID.1000)\n  wrong account name or password\n"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("what to do: check the account's name and password"));
    assert!(!scratch.0.join("longhaul").exists());
}

#[tokio::test]
async fn a_session_goes_to_no_other_server_than_the_one_that_gave_it() {
    let (fake, other, scratch) = (server(), server(), Scratch::new());
    let file = password(&scratch, "s3cret");
    run_with(scratch.env(), Some(&fake.url), &["login", "--password-file", &file]).await;
    let ran = run_with(scratch.env(), Some(&other.url), &["job", "list"]).await;
    assert_eq!(ran.exit, Exit::Denied);
    assert!(ran.err.contains("CLI.1006") && ran.err.contains("longhaul login"), "{}", ran.err);
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn the_token_of_the_environment_wins_over_the_login_and_a_logout_forgets() {
    let (fake, scratch) = (server(), Scratch::new());
    let file = password(&scratch, "s3cret");
    run_with(scratch.env(), Some(&fake.url), &["login", "--password-file", &file]).await;
    let forced = Env { token: Some(OTHER.to_owned()), ..scratch.env() };
    assert_eq!(run_with(forced, Some(&fake.url), &["job", "list"]).await.exit, Exit::Ok);
    let last = fake.asked().pop().expect("a call");
    assert_eq!(last.header("authorization"), Some(format!("OAuth {OTHER}").as_str()));
    assert_eq!(run_with(scratch.env(), None, &["logout"]).await.exit, Exit::Ok);
    assert_eq!(run_with(scratch.env(), None, &["job", "list"]).await.exit, Exit::Denied);
}

#[tokio::test]
async fn a_file_that_others_can_read_and_a_token_that_is_none_are_refused() {
    let (fake, scratch) = (server(), Scratch::new());
    let file = password(&scratch, "s3cret");
    run_with(scratch.env(), Some(&fake.url), &["login", "--password-file", &file]).await;
    let sessions = scratch.0.join("longhaul/sessions.json");
    std::fs::set_permissions(&sessions, std::fs::Permissions::from_mode(0o644)).expect("ours");
    let ran = run_with(scratch.env(), None, &["job", "list"]).await;
    assert_eq!(ran.exit, Exit::Failed);
    assert!(ran.err.contains("chmod 600"), "{}", ran.err);
    let env = Env { token: Some("not a token\r\nX: y".to_owned()), ..Env::default() };
    let ran = run_with(env, Some(&fake.url), &["job", "list"]).await;
    assert_eq!(ran.exit, Exit::Usage);
    assert!(!ran.err.contains("not a token"));
}

#[tokio::test]
async fn a_new_password_of_ones_own_says_that_a_login_is_needed() {
    let account = json!({"uuid": OTHER, "name": "ops", "type": "Normal"});
    for own in [true, false] {
        let (account, scratch) = (account.clone(), Scratch::new());
        let fake = Fake::start(move |asked: &Asked, number| match asked.method.as_str() {
            "PUT" => Reply::Json(200, json!({"inventory": account})),
            _ if own && number > 1 => super::failed(401, "ID.1001", "Session expired"),
            _ => rows(vec![account.clone()]),
        });
        let file = password(&scratch, "n3w");
        let env = Env { token: Some(TOKEN.to_owned()), ..Env::default() };
        let words = ["account", "password", "ops", "--password-file", &file];
        let ran = run_with(env, Some(&fake.url), &words).await;
        assert_eq!(ran.exit, Exit::Ok, "{}", ran.err);
        assert!(ran.err.contains("sessions of ops ended"), "{}", ran.err);
        assert_eq!(ran.err.contains("longhaul login --account ops"), own, "{}", ran.err);
    }
}

#[test]
fn a_server_that_a_variable_names_is_not_put_into_a_usage() {
    // To clap what a variable gives was typed, so the usage of a mistake would have it.
    assert!(TestCli::command().get_arguments().all(|argument| argument.get_env().is_none()));
    let told = TestCli::try_parse_from(["longhaul", "volume", "create"]).expect_err("no name").to_string();
    assert!(told.contains("Usage: longhaul volume create --name") && !told.contains("--url"), "{told}");
}

#[tokio::test]
async fn the_server_of_the_environment_wins_over_the_login_and_loses_to_the_command_line() {
    let (fake, other, scratch) = (server(), server(), Scratch::new());
    let file = password(&scratch, "s3cret");
    run_with(scratch.env(), Some(&fake.url), &["login", "--password-file", &file]).await;
    let logged_in = fake.asked().len();
    let env = || Env { url: Some(other.url.clone()), token: Some(OTHER.to_owned()), ..scratch.env() };
    assert_eq!(run_with(env(), None, &["job", "list"]).await.exit, Exit::Ok);
    assert_eq!((fake.asked().len(), other.asked().len()), (logged_in, 1));
    assert_eq!(run_with(env(), Some(&fake.url), &["job", "list"]).await.exit, Exit::Ok);
    assert_eq!((fake.asked().len(), other.asked().len()), (logged_in + 1, 1));
    let wrong = Env { url: Some("https://h".to_owned()), ..env() };
    let ran = run_with(wrong, None, &["job", "list"]).await;
    assert_eq!(ran.exit, Exit::Usage);
}
