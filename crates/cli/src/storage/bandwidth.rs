//! `storage show`: one storage, and its bandwidth; the latter also for `storage list`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::console::Format;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human;
use crate::lookup;
use crate::run::Context;
use crate::view::{Storage, read, read_all};

/// What may be moved to and from a storage now.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Bandwidth {
    primary_storage_uuid: String,
    bytes_per_second: Option<u64>,
    paused: bool,
    window: String,
    until: String,
    time_zone: String,
    copies: u64,
}

impl Bandwidth {
    /// As `100 MiB/s`, `paused`; empty without a limit.
    pub fn short(&self) -> String {
        match self.bytes_per_second {
            _ if self.paused => "paused".to_owned(),
            Some(rate) => format!("{}/s", human::bytes(rate)),
            None => String::new(),
        }
    }

    /// The same with the window that it is of, and who shares it.
    fn long(&self) -> String {
        let rate =
            Some(self.short()).filter(|rate| !rate.is_empty()).unwrap_or_else(|| "no limit".to_owned());
        let window = match self.window.as_str() {
            "" => String::new(),
            window => format!(" by the window {window} until {}", self.until),
        };
        let copies = match self.copies {
            0 => String::new(),
            1 => ", used by 1 copy".to_owned(),
            copies => format!(", shared by {copies} copies"),
        };
        format!("{rate}{window}{copies}")
    }
}

async fn rows(context: &Context, query: &[(&str, &str)]) -> Result<Vec<Value>, ClientError> {
    // ZStack's own server has no such call.
    match context.client.list(&["primary-storage", "bandwidths"], query).await {
        Err(error) if error.code.starts_with("HTTP.") => Ok(Vec::new()),
        answered => answered,
    }
}

/// Those of all storages, by uuid.
pub async fn all(context: &Context) -> Result<BTreeMap<String, Bandwidth>, ClientError> {
    let views: Vec<Bandwidth> = read_all(&rows(context, &[]).await?)?;
    Ok(views.into_iter().map(|view| (view.primary_storage_uuid.clone(), view)).collect())
}

/// Shows a storage.
pub async fn show(context: &mut Context, storage: &str) -> Result<Exit, ClientError> {
    let inventory = lookup::storage(&context.client, storage).await?;
    let view: Storage = read(&inventory)?;
    let row = rows(context, &[("primaryStorageUuids", &view.uuid)]).await?.pop();
    if context.console.format == Format::Json {
        context.console.json(&json!({"inventory": inventory, "bandwidth": row}))?;
        return Ok(Exit::Ok);
    }
    let why = match (view.status.as_str(), view.kind.as_str()) {
        ("Disconnected", "LocalStorage") => {
            "no node of its host is up, which `longhaul node list` shows, or its directory is not mounted there"
        }
        ("Disconnected", _) => {
            "no node reaches it; look whether it is mounted, and whether its cluster answers"
        }
        _ => "",
    };
    let free = view.free();
    let bandwidth: Bandwidth = row.as_ref().map(read).transpose()?.unwrap_or_default();
    context.console.facts(
        &inventory,
        &[
            ("uuid", view.uuid),
            ("name", view.name),
            ("type", view.kind),
            ("state", view.state),
            ("status", view.status),
            ("why", why.to_owned()),
            ("free", free),
            ("total", human::bytes(view.total_capacity)),
            ("path", view.url),
            ("bandwidth", bandwidth.long()),
            ("time zone", bandwidth.time_zone),
        ],
    )?;
    Ok(Exit::Ok)
}
