//! `image storage`: where images are kept, what the API calls backup storages.

use clap::Subcommand;
use serde_json::{Value, json};

use super::change::Switch;
use crate::client::inventory;
use crate::confirm::agreed;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human;
use crate::lookup;
use crate::run::Context;
use crate::storage::{Naming, PoolArgs};
use crate::trash::{self, Of, TrashCommand};
use crate::view::{Storage, read, read_all};

/// Commands on image storages.
#[derive(Debug, Subcommand)]
pub enum ShelfCommand {
    /// Add an image storage (admin)
    #[command(subcommand)]
    Add(AddCommand),
    /// List the image storages
    List,
    /// Let an image storage take new images, or no more (admin)
    State {
        /// The image storage's uuid or name
        storage: String,
        /// What to do
        #[arg(value_enum)]
        event: Switch,
    },
    /// What images left behind that moved away and is still there
    #[command(subcommand)]
    Trash(TrashCommand),
    /// Drop the record of an image storage that holds no image; its files stay (admin)
    Delete {
        /// The image storage's uuid or name
        storage: String,
        /// Drop the records of its trash with it, and do not ask; their files stay too, and are nobody's
        #[arg(long)]
        with_trash: bool,
    },
}

/// The kinds of image storages.
#[derive(Debug, Subcommand)]
pub enum AddCommand {
    /// A directory
    Directory {
        /// Absolute path of the directory, on the server's machine
        #[arg(long, value_name = "DIR")]
        path: String,
        /// Every node sees it under the same path
        #[arg(long)]
        shared: bool,
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
}

/// Runs one.
pub async fn run(context: &mut Context, command: ShelfCommand) -> Result<Exit, ClientError> {
    match command {
        ShelfCommand::Add(AddCommand::Directory { path, shared, naming }) => {
            let params = json!({"url": path, "shared": shared, "hostname": "localhost"});
            add(context, "image-store", params, naming).await
        }
        ShelfCommand::Add(AddCommand::Ceph { pool, naming }) => {
            add(context, "ceph", pool.params("poolName"), naming).await
        }
        ShelfCommand::List => list(context).await,
        ShelfCommand::State { storage, event } => {
            let uuid = lookup::uuid(&lookup::image_storage(&context.client, &storage).await?)?;
            let path = ["backup-storage", &uuid, "actions"];
            let params = json!({"stateEvent": event.event()});
            let changed = context.client.action(&path, "changeBackupStorageState", &params).await?;
            let changed = inventory(changed)?;
            let view: Storage = read(&changed)?;
            let sentence = format!("image storage {} {} is {}", view.uuid, view.name, view.state);
            context.console.done(&changed, &sentence)?;
            Ok(Exit::Ok)
        }
        ShelfCommand::Trash(command) => trash::run(context, Of::Backup, command).await,
        ShelfCommand::Delete { storage, with_trash } => {
            let view: Storage = read(&lookup::image_storage(&context.client, &storage).await?)?;
            let (uuid, name) = (view.uuid, view.name);
            let items = trash::items(context, Of::Backup, &uuid).await?;
            let what = format!("also forget {}, whose files stay where they are", trash::summed(&items));
            if !items.is_empty() && !agreed(context, with_trash, &what, "--with-trash")? {
                return Ok(Exit::Failed);
            }
            let answer = context.client.delete(&["backup-storage", &uuid]).await?;
            let sentence = format!("deleted the record of image storage {uuid} {name}; its files stay");
            context.console.done(&answer, &sentence)?;
            Ok(Exit::Ok)
        }
    }
}

async fn add(
    context: &mut Context,
    kind: &str,
    mut params: Value,
    naming: Naming,
) -> Result<Exit, ClientError> {
    naming.write_to(&mut params);
    let body = json!({"params": params});
    let storage = inventory(context.client.post(&["backup-storage", kind], &body).await?)?;
    let view: Storage = read(&storage)?;
    let free = human::bytes(view.available_capacity);
    context
        .console
        .done(&storage, &format!("added image storage {} {} ({free} free)", view.uuid, view.name))?;
    Ok(Exit::Ok)
}

async fn list(context: &mut Context) -> Result<Exit, ClientError> {
    let storages = context.client.list_all(&["backup-storage"], &[("sort", "+name")]).await?;
    let views: Vec<Storage> = read_all(&storages)?;
    let rows = views.into_iter().map(|s| {
        let (free, total) = (human::bytes(s.available_capacity), human::bytes(s.total_capacity));
        vec![s.uuid, s.name, s.kind, s.state, s.status, free, total, s.url]
    });
    let rows = rows.collect();
    let header = ["uuid", "name", "type", "state", "status", "free", "total", "path"];
    context.console.rows(&Value::Array(storages), &header, rows)?;
    Ok(Exit::Ok)
}
