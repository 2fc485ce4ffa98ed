//! What a figure depends on: the machine, the versions, the settings of the store.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::Result;
use longhaul_engine::TokioRuntime;
use longhaul_store::{SqliteStore, StoreOptions};
use rusqlite::Connection;

use crate::place::Place;

/// Everything, in the order of the table.
pub async fn facts(place: &Place, remark: &str) -> Result<Vec<(String, String)>> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    fact("processor", format!("{cores} cores, {}", line_of("/proc/cpuinfo", "model name")));
    let memory = line_of("/proc/meminfo", "MemTotal");
    let kib: f64 = memory.trim_end_matches("kB").trim().parse().unwrap_or(0.0);
    fact("memory", format!("{:.0} GiB", kib / 1024.0 / 1024.0));
    fact("file system", file_system(&place.dir));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    fact("load average at the start", if remark.is_empty() { load } else { format!("{load} ({remark})") });
    let kernel = rustix::system::uname();
    fact("kernel", format!("{} {}", kernel.sysname().to_string_lossy(), kernel.release().to_string_lossy()));
    fact("longhaul", first_line(Command::new(&place.binary).arg("--version")));
    fact("rustc", first_line(Command::new("rustc").arg("--version")));
    if let Some(cluster) = &place.cluster {
        facts.extend(cluster.facts().await?);
        return Ok(facts);
    }
    fact("qemu-img", first_line(Command::new("qemu-img").arg("--version")));
    fact("SQLite", rusqlite::version().to_owned());
    fact("PRAGMAs of the file", pragmas(place)?);
    let connections = "synchronous=FULL, wal_autocheckpoint=0, mmap_size=0; cache 16 MiB of the writer, 4 MiB of each of 4 readers";
    fact("settings of the server's connections", connections.to_owned());
    Ok(facts)
}

/// What a second connection reads of a store's file.
fn pragmas(place: &Place) -> Result<String> {
    let path = place.fresh("pragmas.db");
    let store = SqliteStore::open(&path, Arc::new(TokioRuntime::new()), StoreOptions::default())?;
    let second = Connection::open(&path)?;
    let mut found = Vec::new();
    for name in ["journal_mode", "page_size", "auto_vacuum", "encoding", "user_version"] {
        let value: rusqlite::types::Value = second.pragma_query_value(None, name, |row| row.get(0))?;
        found.push(match value {
            rusqlite::types::Value::Text(text) => format!("{name}={text}"),
            rusqlite::types::Value::Integer(number) => format!("{name}={number}"),
            other => format!("{name}={other:?}"),
        });
    }
    drop((second, store));
    std::fs::remove_file(path)?;
    Ok(found.join(", "))
}

fn line_of(file: &str, key: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.trim() == key);
    found.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

fn first_line(command: &mut Command) -> String {
    let said = command.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let line = said.ok().and_then(|text| text.lines().next().map(str::to_owned));
    line.unwrap_or_else(|| "not found".to_owned())
}

/// The type of the file system that holds `path`.
fn file_system(path: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let holding = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (_, at, kind) = (words.next()?, words.next()?, words.next()?);
        path.starts_with(at).then_some((at.len(), kind))
    });
    holding.max().map_or_else(|| "unknown".to_owned(), |(_, kind)| kind.to_owned())
}
