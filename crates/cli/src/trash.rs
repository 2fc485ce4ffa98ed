//! Trash: what was moved away or deleted and still lies on a primary storage or an image storage.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::confirm::agreed;
use crate::console::Format;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human;
use crate::lookup;
use crate::names::Names;
use crate::run::Context;
use crate::view::{Trash, read_all};

/// Commands on trash.
#[derive(Debug, Subcommand)]
pub enum TrashCommand {
    /// List a storage's trash (admin)
    List {
        /// The storage's uuid or name
        storage: String,
    },
    /// Delete a storage's trash for good (admin)
    Clean {
        /// The storage's uuid or name
        storage: String,
        /// Only the item of this number
        #[arg(long, value_name = "NUMBER")]
        id: Option<u64>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// Whose trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// That of a primary storage: volumes.
    Primary,
    /// That of an image storage: images.
    Backup,
}

impl Of {
    fn path(self) -> &'static str {
        match self {
            Self::Primary => "primary-storage",
            Self::Backup => "backup-storage",
        }
    }

    fn action(self) -> &'static str {
        match self {
            Self::Primary => "cleanUpTrashOnPrimaryStorage",
            Self::Backup => "cleanUpTrashOnBackupStorage",
        }
    }

    /// Where what lies there was of.
    fn resources(self) -> &'static str {
        match self {
            Self::Primary => "volumes",
            Self::Backup => "images",
        }
    }

    async fn uuid(self, context: &Context, storage: &str) -> Result<String, ClientError> {
        lookup::uuid(&match self {
            Self::Primary => lookup::storage(&context.client, storage).await?,
            Self::Backup => lookup::image_storage(&context.client, storage).await?,
        })
    }
}

/// Runs one.
pub async fn run(context: &mut Context, of: Of, command: TrashCommand) -> Result<Exit, ClientError> {
    match command {
        TrashCommand::List { storage } => list(context, of, &storage).await,
        TrashCommand::Clean { storage, id, yes } => clean(context, of, &storage, id, yes).await,
    }
}

/// What lies on a storage, as the API's objects.
pub async fn items(context: &Context, of: Of, uuid: &str) -> Result<Vec<Value>, ClientError> {
    context.client.list(&[of.path(), "trash"], &[("uuid", uuid)]).await
}

/// How many items and bytes, in words.
pub fn summed(items: &[Value]) -> String {
    let bytes = items.iter().filter_map(|item| item["size"].as_u64()).fold(0, u64::saturating_add);
    let word = if items.len() == 1 { "item" } else { "items" };
    format!("{} {word} of trash ({})", items.len(), human::bytes(bytes))
}

async fn list(context: &mut Context, of: Of, storage: &str) -> Result<Exit, ClientError> {
    let uuid = of.uuid(context, storage).await?;
    let items = items(context, of, &uuid).await?;
    let views: Vec<Trash> = read_all(&items)?;
    let names = match context.console.format {
        Format::Json => Names::default(),
        Format::Table => {
            Names::of(context, of.resources(), views.iter().map(|t| t.resource_uuid.clone())).await
        }
    };
    let rows = views.into_iter().map(|t| {
        let (size, name) = (human::bytes(t.size), names.name(&t.resource_uuid));
        vec![t.trash_id.to_string(), t.trash_type, name, t.resource_uuid, size, t.create_date, t.install_path]
    });
    let rows = rows.collect();
    let header = ["id", "why", "name", "resource", "size", "since", "path"];
    context.console.rows(&Value::Array(items), &header, rows)?;
    Ok(Exit::Ok)
}

async fn clean(
    context: &mut Context,
    of: Of,
    storage: &str,
    id: Option<u64>,
    yes: bool,
) -> Result<Exit, ClientError> {
    let uuid = of.uuid(context, storage).await?;
    let mut found = items(context, of, &uuid).await?;
    if let Some(id) = id {
        found.retain(|item| item["trashId"] == id);
        if found.is_empty() {
            // To the server, what is gone already is a success.
            return Err(ClientError::not_found(format!(
                "there is no item {id} in the trash of {storage}; the command `trash list {storage}` shows what there is"
            )));
        }
    }
    if !found.is_empty() && !agreed(context, yes, &format!("delete {} for good", summed(&found)), "--yes")? {
        return Ok(Exit::Failed);
    }
    let params = id.map_or_else(|| json!({}), |id| json!({"trashId": id}));
    let path = [of.path(), &uuid, "trash", "actions"];
    let answer = context.client.action(&path, of.action(), &params).await?;
    let items = answer["results"].as_array().cloned().unwrap_or_default();
    let (gone, kept): (Vec<_>, Vec<_>) = items.iter().partition(|item| item["success"] != false);
    let freed = answer["result"]["size"].as_u64().unwrap_or(0);
    let items = if gone.len() == 1 { "item" } else { "items" };
    let sentence = format!("deleted {} {items}, {} freed", gone.len(), human::bytes(freed));
    context.console.done(&answer, &sentence)?;
    if context.console.format == Format::Table {
        for item in &kept {
            let error = ClientError::of_object(&item["error"]);
            context.console.note(&format!("item {} stays\n{}", item["trashId"], error.told()));
        }
    }
    Ok(if kept.is_empty() { Exit::Ok } else { Exit::Failed })
}
