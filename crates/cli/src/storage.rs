//! `storage`: primary storages and what is on them. Emptying one is in `evacuate`, one with its bandwidth in
//! `bandwidth`, trash in `crate::trash`.

mod bandwidth;
mod evacuate;

use clap::{Subcommand, ValueEnum};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::inventory;
use crate::confirm::agreed;
use crate::console::Format;
use crate::error::{ClientError, REFUSED};
use crate::exit::Exit;
use crate::human;
use crate::lookup;
use crate::names::Names;
use crate::run::Context;
use crate::trash::{self, Of, TrashCommand};
use crate::view::{ScanItem, Storage, read, read_all};

/// Commands on primary storages.
#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// Add a storage (admin)
    #[command(subcommand)]
    Add(AddCommand),
    /// List the storages
    List,
    /// Show a storage, and what may be moved to and from it now
    Show {
        /// The storage's uuid or name
        storage: String,
    },
    /// Compare a storage's files with the records: unmanaged, missing, changed (admin)
    Scan {
        /// The storage's uuid or name
        storage: String,
    },
    /// Move every volume of a storage to others, as one long job (admin)
    Evacuate(evacuate::EvacuateArgs),
    /// What an evacuation did to each volume, or has done so far
    Evacuation(evacuate::ReportArgs),
    /// What was moved away or deleted and is still there
    #[command(subcommand)]
    Trash(TrashCommand),
    /// Let a storage take new volumes and work, or no more (admin)
    State {
        /// The storage's uuid or name
        storage: String,
        /// What to do
        #[arg(value_enum)]
        event: StateEvent,
    },
    /// Drop the record of a storage; its files stay (admin)
    Delete {
        /// The storage's uuid or name
        storage: String,
        /// Drop the records of its trash with it, and do not ask; their files stay too, and are nobody's
        #[arg(long)]
        with_trash: bool,
    },
}

/// The kinds of storages.
#[derive(Debug, Subcommand)]
pub enum AddCommand {
    /// A directory of the server's machine
    Local {
        /// Absolute path of the directory, on the server's machine
        #[arg(long, value_name = "DIR")]
        path: String,
        #[command(flatten)]
        naming: Naming,
    },
    /// A directory that every node sees under the same path
    Shared {
        /// Absolute path of the mounted directory
        #[arg(long, value_name = "DIR")]
        path: String,
        #[command(flatten)]
        naming: Naming,
    },
    /// A pool of RBD images
    Ceph {
        #[command(flatten)]
        pool: PoolArgs,
        #[command(flatten)]
        naming: Naming,
    },
    /// An NFS export that every node has mounted at the same place
    Nfs {
        /// The export: host:/path
        #[arg(long, value_name = "HOST:/PATH")]
        export: String,
        #[command(flatten)]
        naming: Naming,
    },
}

/// What a new storage is called.
#[derive(Debug, clap::Args)]
pub struct Naming {
    /// Its name, for people
    #[arg(long, value_name = "NAME")]
    name: String,
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

impl Naming {
    /// Writes it to the call's parameters.
    pub(crate) fn write_to(self, params: &mut Value) {
        params["name"] = Value::from(self.name);
        if let Some(description) = self.description {
            params["description"] = Value::from(description);
        }
    }
}

/// How a pool is reached.
#[derive(Debug, clap::Args)]
pub struct PoolArgs {
    /// The pool; it must exist
    #[arg(long, value_name = "POOL")]
    pool: String,
    /// Absolute path of a ceph.conf on every node
    #[arg(long, value_name = "FILE", required_unless_present = "monitors")]
    conf: Option<String>,
    /// A monitor, host or host:port; may be given more than once
    #[arg(long = "mon", value_name = "HOST[:PORT]")]
    monitors: Vec<String>,
    /// Who logs in, without "client."
    #[arg(long, value_name = "NAME", default_value = "admin")]
    user: String,
    /// Absolute path of that user's keyring on every node
    #[arg(long, value_name = "FILE")]
    keyring: Option<String>,
}

impl PoolArgs {
    /// The call's parameters; the pool in the field `field`.
    pub(crate) fn params(self, field: &str) -> Value {
        let mut params = json!({"user": self.user});
        params[field] = Value::from(self.pool);
        for (key, value) in [("conf", self.conf), ("keyring", self.keyring)] {
            if let Some(value) = value {
                params[key] = Value::from(value);
            }
        }
        if !self.monitors.is_empty() {
            params["monUrls"] = self.monitors.iter().map(|m| mon_url(m)).collect();
        }
        params
    }
}

/// A change of state.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum StateEvent {
    /// Takes new volumes
    Enable,
    /// Takes no new volumes
    Disable,
    /// Takes no work at all: copies from and to it stop within seconds and go on once it is enabled
    Maintain,
}

/// Runs one.
pub async fn run(context: &mut Context, command: StorageCommand) -> Result<Exit, ClientError> {
    match command {
        StorageCommand::Add(AddCommand::Local { path, naming }) => {
            add(context, "local-storage", json!({"url": path}), naming).await
        }
        StorageCommand::Add(AddCommand::Shared { path, naming }) => {
            add(context, "smp", json!({"url": path}), naming).await
        }
        StorageCommand::Add(AddCommand::Ceph { pool, naming }) => {
            add(context, "ceph", pool.params("dataVolumePoolName"), naming).await
        }
        StorageCommand::Add(AddCommand::Nfs { export, naming }) => {
            add(context, "nfs", json!({"url": export}), naming).await
        }
        StorageCommand::List => list(context).await,
        StorageCommand::Show { storage } => bandwidth::show(context, &storage).await,
        StorageCommand::Scan { storage } => scan(context, &storage).await,
        StorageCommand::Evacuate(args) => evacuate::evacuate(context, args).await,
        StorageCommand::Evacuation(args) => evacuate::report(context, args).await,
        StorageCommand::Trash(command) => trash::run(context, Of::Primary, command).await,
        StorageCommand::State { storage, event } => {
            let uuid = uuid_of(context, &storage).await?;
            let event = match event {
                StateEvent::Enable => "enable",
                StateEvent::Disable => "disable",
                StateEvent::Maintain => "maintain",
            };
            let path = ["primary-storage", &uuid, "actions"];
            let params = json!({"stateEvent": event});
            let changed = context.client.action(&path, "changePrimaryStorageState", &params).await?;
            let changed = inventory(changed)?;
            let view: Storage = read(&changed)?;
            context
                .console
                .done(&changed, &format!("storage {} {} is {}", view.uuid, view.name, view.state))?;
            Ok(Exit::Ok)
        }
        StorageCommand::Delete { storage, with_trash } => {
            let view: Storage = read(&lookup::storage(&context.client, &storage).await?)?;
            let (uuid, name) = (view.uuid, view.name);
            let items = trash::items(context, Of::Primary, &uuid).await?;
            if !items.is_empty() && !with_trash {
                refuse_volumes(context, &uuid, &name).await?;
            }
            let what = format!("also forget {}, whose files stay where they are", trash::summed(&items));
            if !items.is_empty() && !agreed(context, with_trash, &what, "--with-trash")? {
                return Ok(Exit::Failed);
            }
            // Where there was none to agree to, none that comes meanwhile is forgotten.
            let mode: &[(&str, &str)] =
                if with_trash || !items.is_empty() { &[("deleteMode", "Enforcing")] } else { &[] };
            let answer = context.client.call(Method::DELETE, &["primary-storage", &uuid], mode, None).await?;
            context
                .console
                .done(&answer, &format!("deleted the record of storage {uuid} {name}; its files stay"))?;
            Ok(Exit::Ok)
        }
    }
}

/// Refuses to delete a storage that holds volumes. The server does so too, but looks at the trash first: whoever agreed
/// to forget that would only then be told.
async fn refuse_volumes(context: &Context, uuid: &str, name: &str) -> Result<(), ClientError> {
    let on_it = format!("primaryStorageUuid={uuid}");
    let volumes = context.client.list(&["volumes"], &[("q", &on_it), ("limit", "1")]).await?;
    let Some(first) = volumes.first() else { return Ok(()) };
    let of = |key: &str| first[key].as_str().unwrap_or_default();
    Err(ClientError::new(
        REFUSED,
        "An operation failed",
        format!(
            "the storage {uuid} {name} still holds volumes, as {} {}; move, forget or expunge them first: \
             `longhaul volume list --storage {uuid}` shows them",
            of("uuid"),
            of("name")
        ),
    ))
}

async fn uuid_of(context: &Context, storage: &str) -> Result<String, ClientError> {
    lookup::uuid(&lookup::storage(&context.client, storage).await?)
}

/// A monitor as ZStack's call spells it; nobody logs in there.
fn mon_url(monitor: &str) -> Value {
    let (host, port) = match monitor.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (host, port),
        _ => (monitor, ""),
    };
    Value::from(format!("-:-@{host}/?monPort={port}"))
}

async fn add(
    context: &mut Context,
    kind: &str,
    mut params: Value,
    naming: Naming,
) -> Result<Exit, ClientError> {
    let zones = context.client.list(&["zones"], &[]).await?;
    let zone = zones.first().ok_or_else(|| ClientError::not_found("the server has no zone"))?;
    params["zoneUuid"] = Value::from(lookup::uuid(zone)?);
    naming.write_to(&mut params);
    let body = json!({"params": params});
    let storage = inventory(context.client.post(&["primary-storage", kind], &body).await?)?;
    let view: Storage = read(&storage)?;
    let free = human::bytes(view.available_capacity);
    context.console.done(&storage, &format!("added storage {} {} ({free} free)", view.uuid, view.name))?;
    Ok(Exit::Ok)
}

async fn list(context: &mut Context) -> Result<Exit, ClientError> {
    let storages = context.client.list_all(&["primary-storage"], &[("sort", "+name")]).await?;
    let views: Vec<Storage> = read_all(&storages)?;
    let mut bandwidths = bandwidth::all(context).await?;
    let rows = views.into_iter().map(|s| {
        let (free, total) = (s.free(), human::bytes(s.total_capacity));
        let bandwidth = bandwidths.remove(&s.uuid).map(|b| b.short()).unwrap_or_default();
        vec![s.uuid, s.name, s.kind, s.state, s.status, free, total, bandwidth, s.url]
    });
    let rows = rows.collect();
    let header = ["uuid", "name", "type", "state", "status", "free", "total", "bandwidth", "path"];
    context.console.rows(&Value::Array(storages), &header, rows)?;
    Ok(Exit::Ok)
}

async fn scan(context: &mut Context, storage: &str) -> Result<Exit, ClientError> {
    let uuid = uuid_of(context, storage).await?;
    let items = context.client.list(&["primary-storage", &uuid, "scan"], &[]).await?;
    let views: Vec<ScanItem> = read_all(&items)?;
    let nothing = views.is_empty();
    let names = match context.console.format {
        Format::Json => Names::default(),
        Format::Table => Names::of(context, "volumes", views.iter().map(|i| i.volume_uuid.clone())).await,
    };
    let rows = views.into_iter().map(|i| {
        let volume = names.long(&i.volume_uuid);
        let size = |bytes: Option<u64>| bytes.map(human::bytes).unwrap_or_default();
        vec![i.status, i.install_path, i.format, size(i.size), size(i.actual_size), volume, i.detail]
    });
    let rows = rows.collect();
    let header = ["found", "path", "format", "size", "on disk", "volume", "detail"];
    context.console.rows(&Value::Array(items), &header, rows)?;
    if nothing {
        context.console.note("every file has its record, and every record its file");
    }
    Ok(Exit::Ok)
}
