//! `volume`: volumes. The short commands are here; making one is in `create`, taking one in in `import`, moving one in
//! `migrate`.

mod create;
mod import;
mod migrate;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::inventory;
use crate::console::Format;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human;
use crate::lookup::{self, Want};
use crate::names::Names;
use crate::run::Context;
use crate::view::{Volume, read, read_all};

/// Commands on volumes.
#[derive(Debug, Subcommand)]
pub enum VolumeCommand {
    /// Create a volume: an empty one, or one of an image, as a long job; run it again and it goes on
    Create(create::CreateArgs),
    /// Make a file below a storage's root a volume, without copying a byte (admin)
    Adopt {
        /// The storage's uuid or name
        #[arg(long, value_name = "STORAGE")]
        storage: String,
        /// Path of the raw or qcow2 file, on the server's machine
        #[arg(long, value_name = "FILE")]
        path: String,
        /// The volume's name
        #[arg(long, value_name = "NAME")]
        name: String,
        /// For people
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// The account that shall own it, by uuid or name [default: you]
        #[arg(long, value_name = "ACCOUNT")]
        account: Option<String>,
    },
    /// Copy a file of the server's machine into a new volume, as a long job; run it again and it goes on (admin)
    Import(import::ImportArgs),
    /// List volumes
    List {
        /// Only volumes on this storage, by uuid or name
        #[arg(long, value_name = "STORAGE")]
        storage: Option<String>,
        /// Only volumes that this holds for, as status=Deleted; may be repeated
        #[arg(long, value_name = "CONDITION")]
        q: Vec<String>,
    },
    /// Show a volume
    Show(VolumeArgs),
    /// Drop a volume's record; its file is not touched (admin)
    Forget(VolumeArgs),
    /// Delete a volume; its bytes are kept until it is expunged
    Delete(VolumeArgs),
    /// Bring a deleted volume back
    Recover(VolumeArgs),
    /// Remove a deleted volume and its bytes for good
    Expunge(VolumeArgs),
    /// Move a volume to another storage, as a long job; run it again and it goes on
    Migrate(migrate::MigrateArgs),
}

/// The volume that is meant.
#[derive(Debug, Args)]
pub struct VolumeArgs {
    /// The volume's uuid or name
    volume: String,
}

/// Runs one.
pub async fn run(context: &mut Context, command: VolumeCommand) -> Result<Exit, ClientError> {
    match command {
        VolumeCommand::Create(args) => create::create(context, args).await,
        VolumeCommand::Adopt { storage, path, name, description, account } => {
            let storage = storage_uuid(context, &storage).await?;
            let mut params = json!({"primaryStorageUuid": storage, "installPath": path, "name": name});
            if let Some(account) = account {
                let account = lookup::account(&context.client, &account).await?;
                params["accountUuid"] = Value::from(lookup::uuid(&account)?);
            }
            describe(&mut params, description);
            let volume =
                inventory(context.client.post(&["volumes", "adopt"], &json!({"params": params})).await?)?;
            print_one(context, &volume, "adopted")
        }
        VolumeCommand::Import(args) => import::import(context, args).await,
        VolumeCommand::List { storage, q } => list(context, storage, q).await,
        VolumeCommand::Show(args) => show(context, &args.volume).await,
        VolumeCommand::Forget(args) => {
            let (uuid, name) = named(context, &args.volume, Want::Any).await?;
            let answer = act(context, &uuid, "forgetVolume").await?;
            context.console.done(&answer, &format!("forgot volume {uuid} {name}; its file is as it was"))?;
            Ok(Exit::Ok)
        }
        VolumeCommand::Delete(args) => {
            let (uuid, name) = named(context, &args.volume, Want::Any).await?;
            let answer = context.client.delete(&["volumes", &uuid]).await?;
            let sentence =
                format!("deleted volume {uuid} {name}; `longhaul volume recover {uuid}` brings it back");
            context.console.done(&answer, &sentence)?;
            Ok(Exit::Ok)
        }
        VolumeCommand::Recover(args) => {
            let (uuid, _) = named(context, &args.volume, Want::Deleted).await?;
            let volume = inventory(act(context, &uuid, "recoverDataVolume").await?)?;
            print_one(context, &volume, "recovered")
        }
        VolumeCommand::Expunge(args) => {
            let (uuid, name) = named(context, &args.volume, Want::Deleted).await?;
            let answer = act(context, &uuid, "expungeDataVolume").await?;
            context.console.done(&answer, &format!("expunged volume {uuid} {name}"))?;
            Ok(Exit::Ok)
        }
        VolumeCommand::Migrate(args) => migrate::migrate(context, args).await,
    }
}

fn describe(params: &mut Value, description: Option<String>) {
    if let Some(description) = description {
        params["description"] = Value::from(description);
    }
}

async fn act(context: &Context, uuid: &str, key: &str) -> Result<Value, ClientError> {
    context.client.action(&["volumes", uuid, "actions"], key, &json!({})).await
}

/// The uuid and the name of the volume that is meant.
async fn named(context: &Context, volume: &str, want: Want) -> Result<(String, String), ClientError> {
    let found = lookup::volume(&context.client, volume, want).await?;
    Ok((lookup::uuid(&found)?, read::<Volume>(&found)?.name))
}

async fn storage_uuid(context: &Context, storage: &str) -> Result<String, ClientError> {
    lookup::uuid(&lookup::storage(&context.client, storage).await?)
}

fn print_one(context: &mut Context, volume: &Value, what: &str) -> Result<Exit, ClientError> {
    let view: Volume = read(volume)?;
    context.console.done(volume, &format!("{what} volume {} {} ({})", view.uuid, view.name, view.status))?;
    Ok(Exit::Ok)
}

async fn list(
    context: &mut Context,
    storage: Option<String>,
    mut conditions: Vec<String>,
) -> Result<Exit, ClientError> {
    if let Some(storage) = storage {
        conditions.push(format!("primaryStorageUuid={}", storage_uuid(context, &storage).await?));
    }
    let mut query: Vec<(&str, &str)> = conditions.iter().map(|c| ("q", c.as_str())).collect();
    query.push(("sort", "+name"));
    let volumes = context.client.list_all(&["volumes"], &query).await?;
    let views: Vec<Volume> = read_all(&volumes)?;
    let names = match context.console.format {
        Format::Json => Names::default(),
        Format::Table => {
            let storages = views.iter().map(|v| v.primary_storage_uuid.clone());
            Names::of(context, "primary-storage", storages.collect::<Vec<_>>()).await
        }
    };
    let rows = views.into_iter().map(|v| {
        let storage = names.short(&v.primary_storage_uuid);
        let used = v.actual_size.map(human::bytes).unwrap_or_default();
        vec![v.uuid, v.name, v.status, v.format, human::bytes(v.size), used, storage]
    });
    let rows = rows.collect();
    let header = ["uuid", "name", "status", "format", "size", "on disk", "storage"];
    context.console.rows(&Value::Array(volumes), &header, rows)?;
    Ok(Exit::Ok)
}

async fn show(context: &mut Context, volume: &str) -> Result<Exit, ClientError> {
    let volume = lookup::volume(&context.client, volume, Want::Any).await?;
    let v: Volume = read(&volume)?;
    let names = match context.console.format {
        Format::Json => Names::default(),
        Format::Table => Names::of(context, "primary-storage", [v.primary_storage_uuid.clone()]).await,
    };
    context.console.facts(
        &volume,
        &[
            ("uuid", v.uuid),
            ("name", v.name),
            ("description", v.description),
            ("status", v.status),
            ("state", v.state),
            ("format", v.format),
            ("size", format!("{} ({} bytes)", human::bytes(v.size), v.size)),
            ("on disk", v.actual_size.map(human::bytes).unwrap_or_default()),
            ("storage", names.long(&v.primary_storage_uuid)),
            ("path", v.install_path),
            ("created", v.create_date),
            ("changed", v.last_op_date),
        ],
    )?;
    Ok(Exit::Ok)
}
