//! Tests of whole commands against a fake server: what is sent, what is printed, how they end.

mod again;
mod asking;
mod breaks;
mod bulk;
mod calls;
mod commands;
mod evacuations;
mod explaining;
mod exports;
mod fake;
mod following;
mod image_records;
mod images;
mod naming;
mod nodes;
mod pages;
mod sessions;
mod timelines;

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use clap::{CommandFactory, Parser};
use serde_json::{Value, json};

use crate::config::Env;
use crate::console::Console;
use crate::exit::Exit;
use crate::run::{Command, Globals, run_in};

pub(crate) use fake::{Asked, Fake, Reply};

/// A session's uuid.
pub const TOKEN: &str = "b86c9016b4f24953a9edefb53ca0678c";
/// A job's uuid.
pub const JOB: &str = "a87ae356c6583cc7b312412337f96609";

#[derive(Debug, Parser)]
#[command(name = "longhaul")]
pub struct TestCli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// How a command ended and what it printed.
#[derive(Debug)]
pub struct Ran {
    pub exit: Exit,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).expect("stdout is JSON")
    }
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic before").clone()).expect("UTF-8")
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic before").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs a command line in an environment.
pub async fn run_with(env: Env, url: Option<&str>, words: &[&str]) -> Ran {
    let mut line = vec!["longhaul"];
    line.extend(url.iter().flat_map(|url| ["--url", url]));
    line.extend(words);
    let cli = TestCli::try_parse_from(line).expect("the command line is right");
    let (out, err) = (Captured::default(), Captured::default());
    let console = Console::new(cli.globals.output, Box::new(out.clone()), Box::new(err.clone()));
    let exit = run_in(env, console, &cli.globals, cli.command, TestCli::command()).await;
    Ran { exit, out: out.text(), err: err.text() }
}

/// Runs a command line with a session.
pub async fn run(fake: &Fake, words: &[&str]) -> Ran {
    run_with(Env { token: Some(TOKEN.to_owned()), ..Env::default() }, Some(&fake.url), words).await
}

/// A directory of its own, removed when dropped.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("longhaul-cli-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }

    pub fn env(&self) -> Env {
        Env { config_home: Some(self.0.clone()), ..Env::default() }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A job in a state, on a node where it has begun.
pub fn job(state: &str) -> Value {
    let mut job = json!({
        "uuid": JOB, "name": "nightly", "apiId": "5c1a0000000000000000000000000000", "jobName": "APISimulateJobMsg",
        "jobData": "{\"durationMs\":1}", "state": state, "createDate": "2026-01-02T03:04:05Z",
        "lastOpDate": "2026-01-02T03:04:05Z",
    });
    if matches!(state, "Running" | "Canceling") {
        job["managementNodeUuid"] = Value::from("9e2b0c3d4e5f40718293a4b5c6d7e8f9");
    }
    job
}

/// One row of progress.
pub fn progress(percent: u64, stage: &str) -> Value {
    json!({"inventories": [{"content": percent.to_string(), "opaque": {
        "stage": stage, "bytesDone": 1_u64 << 30, "bytesTotal": 3_u64 << 30,
        "rateBytesPerSecond": 100_u64 << 20, "etaSeconds": 20, "stalled": false,
    }}]})
}

/// A query's answer.
pub fn rows(rows: Vec<Value>) -> Reply {
    Reply::Json(200, json!({"inventories": rows, "schema": {}}))
}

/// An API error.
pub fn failed(status: u16, code: &str, details: &str) -> Reply {
    Reply::Json(status, json!({"error": {"code": code, "description": "described", "details": details}}))
}
