//! What is searched. Everything has a place, by which a canary says where it belongs:
//!
//! - `ann: GET /longjobs/{} #/inventories/_/name`: what an account got, with ids and indexes left out; `head` in
//!   the place of the pointer is the status line and the headers, `text` a body that is no JSON; a poll is
//!   named by the call that it belongs to, `… -> poll`
//! - `file data/longhaul.db`, `stderr`, `stdout`, `cli`: bytes
//! - `table job.name`, `dump job`: the store, read by another program
//! - `child environ`, `child cmdline`: the copying process

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::needle::{Canaries, Search};
use crate::support::caller::Answer;
use crate::support::http::Response;
use crate::support::{Caller, Kind};

/// Reads a store: for each value its table and column, and its text; then the dump as SQL, by table.
const READ_STORE: &str = r#"
import json, re, sqlite3, sys
store = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
store.text_factory = bytes
out = lambda place, data: print(json.dumps([place, bytes(data).hex()]))
names = [n.decode() for (n,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
for name in names:
    rows = store.execute(f'SELECT * FROM "{name}"')
    columns = [c[0] for c in rows.description]
    for row in rows:
        for column, value in zip(columns, row):
            if value is not None:
                out(f"table {name}.{column}", value if isinstance(value, bytes) else str(value).encode())
store.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
for line in store.iterdump():
    table = re.match(r'INSERT INTO "?(\w+)', line)
    out("dump " + (table[1] if table else "schema"), line.encode("utf-8", "surrogateescape"))
"#;

/// Everything that was seen, by place.
#[derive(Default)]
pub struct Ground {
    seen: RefCell<Vec<(String, Vec<u8>)>>,
    polls: RefCell<BTreeSet<(String, String)>>,
}

impl Ground {
    /// Adds bytes.
    pub fn keep(&self, place: &str, bytes: &[u8]) {
        self.seen.borrow_mut().push((place.to_owned(), bytes.to_vec()));
    }

    /// Makes a call, follows it to its end, and keeps all that came back.
    pub fn ask(&self, who: &str, caller: &Caller, method: &str, path: &str, body: &str) -> Answer {
        self.ask_with(who, caller, method, path, &[], body)
    }

    /// The same with further headers.
    pub fn ask_with(
        &self,
        who: &str,
        caller: &Caller,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let place = format!("{who}: {method} {}", template(path));
        let first = caller.once(method, path, more, body.as_bytes());
        self.answered(&place, &first);
        let answer = caller.follow(first);
        if let Some(job) = &answer.job {
            self.polls.borrow_mut().insert((place.clone(), job.clone()));
            self.answered(&format!("{place} -> poll"), &answer.last);
        }
        answer
    }

    /// Keeps an answer.
    pub fn answered(&self, place: &str, response: &Response) {
        let head: String = response.headers.iter().map(|(n, v)| format!("{n}: {v}\n")).collect();
        self.keep(&format!("{place} head"), head.as_bytes());
        match serde_json::from_slice::<Value>(&response.body) {
            Ok(json) => self.leaves(place, "#", &json),
            Err(_) => self.keep(&format!("{place} text"), &response.body),
        }
    }

    fn leaves(&self, place: &str, pointer: &str, value: &Value) {
        match value {
            Value::Object(object) => {
                for (key, inner) in object {
                    self.keep(&format!("{place} {pointer} keys"), key.as_bytes());
                    self.leaves(place, &format!("{pointer}/{key}"), inner);
                }
            }
            Value::Array(items) => items.iter().for_each(|i| self.leaves(place, &format!("{pointer}/_"), i)),
            Value::String(text) => self.keep(&format!("{place} {pointer}"), text.as_bytes()),
            other => self.keep(&format!("{place} {pointer}"), other.to_string().as_bytes()),
        }
    }

    /// Asks every poll again that there was, as somebody else.
    pub fn poll_again(&self, who: &str, caller: &Caller) {
        for (place, job) in self.polls.borrow().clone() {
            let polled = caller.once("GET", &format!("/api-jobs/{job}"), &[], b"");
            let call = place.split_once(": ").map_or(place.as_str(), |(_, call)| call);
            self.answered(&format!("{who}: {call} -> poll"), &polled);
        }
    }

    /// Adds every file below `dir`.
    pub fn keep_files(&self, name: &str, dir: &Path) {
        for entry in std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let entry = entry.expect("an entry");
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            self.keep("file names", name.as_bytes());
            match entry.path() {
                path if path.is_dir() => self.keep_files(&name, &path),
                path if path.is_file() => {
                    self.keep(&format!("file {name}"), &std::fs::read(path).expect("a file"))
                }
                _ => {} // a socket
            }
        }
    }

    /// Adds what python3's own SQLite reads from a store that no server has open.
    pub fn keep_store(&self, file: &Path) {
        let out = Command::new("python3").args(["-c", READ_STORE]).arg(file).output().expect("python3");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let mut read = 0;
        for line in String::from_utf8(out.stdout).expect("UTF-8").lines() {
            let (place, hex): (String, String) = serde_json::from_str(line).expect("a place and hex");
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
            self.keep(&place, &(0..hex.len()).step_by(2).map(byte).collect::<Vec<u8>>());
            read += 1;
        }
        assert!(read > 100, "{read} values in the store");
    }

    /// Where canaries are that do not belong there, and where they are not although they do.
    pub fn complaints(&self, canaries: &Canaries) -> Vec<String> {
        let search = Search::new(canaries.all());
        let mut found: BTreeSet<(String, String)> = BTreeSet::new();
        let mut complaints = BTreeSet::new();
        for (place, bytes) in self.seen.borrow().iter() {
            for (canary, form) in search.find(bytes) {
                found.insert((canary.name.clone(), place.clone()));
                if !canary.belongs.iter().any(|pattern| fits(pattern.trim_start_matches('?'), place)) {
                    complaints.insert(format!("{} is at [{place}], {form}", canary.name));
                }
            }
        }
        for canary in canaries.all() {
            for pattern in canary.belongs.iter().filter(|pattern| !pattern.starts_with('?')) {
                let here = |(name, place): &(String, String)| *name == canary.name && fits(pattern, place);
                if !found.iter().any(here) {
                    complaints.insert(format!("{} is nowhere at [{pattern}], where it belongs", canary.name));
                }
            }
        }
        complaints.into_iter().collect()
    }

    /// How many pieces were searched, and how many bytes.
    pub fn size(&self) -> (usize, usize) {
        let seen = self.seen.borrow();
        (seen.len(), seen.iter().map(|(_, bytes)| bytes.len()).sum())
    }
}

/// Somebody without a session.
pub fn nobody(address: SocketAddr) -> Caller {
    Caller { address, kind: Kind::Plain, session: String::new() }
}

/// The path without its query, `{}` for each id.
fn template(path: &str) -> String {
    let is_id = |part: &str| part.len() == 32 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts = path.split('?').next().unwrap_or_default().split('/');
    parts.map(|part| if is_id(part) { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

/// Whether a place is as the pattern says; `*` is anything.
fn fits(pattern: &str, place: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == place,
        Some((before, after)) => place.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| fits(after, rest)))
        }),
    }
}

#[test]
fn a_canary_in_a_wrong_place_is_told_and_so_is_a_place_without_its_canary() {
    let ground = Ground::default();
    let mut canaries = Canaries::default();
    let (leaks, belongs) =
        (canaries.word("leaks", &[]), canaries.word("belongs", &["ann: GET /x #/a/_", "cli"]));
    ground.keep("stderr", format!("said {leaks}").as_bytes());
    let body = serde_json::json!({ "a": [belongs] }).to_string();
    let response = Response { status: 200, headers: Vec::new(), body: body.into_bytes() };
    ground.answered("ann: GET /x", &response);
    assert_eq!(
        ground.complaints(&canaries),
        ["belongs is nowhere at [cli], where it belongs", "leaks is at [stderr], in clear"]
    );
    ground.keep("cli", belongs.as_bytes());
    ground.keep("stdout", belongs.as_bytes());
    assert!(ground.complaints(&canaries).contains(&"belongs is at [stdout], in clear".to_owned()));
}
