//! `image migrate`: an image's copy moves to another image storage, by a long job that is followed.

use clap::Args;
use serde_json::{Value, json};

use super::place_of;
use crate::console::Format;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::job::{ending, join};
use crate::lookup::{self, Want};
use crate::names::Names;
use crate::run::Context;
use crate::view::{Image, Storage, read};
use crate::watch::Follow;

/// The job type.
const JOB_NAME: &str = "APIBackupStorageMigrateImageMsg";

/// Flags of `image migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// The image's uuid or name
    image: String,
    /// The image storage to move to, by uuid or name
    #[arg(long, value_name = "STORAGE")]
    to: String,
    /// The image storage whose copy moves, by uuid or name; needed where several have one
    #[arg(long, value_name = "STORAGE")]
    from: Option<String>,
    /// Only submit the job
    #[arg(long)]
    no_wait: bool,
}

/// Moves an image.
pub async fn migrate(context: &mut Context, args: MigrateArgs) -> Result<Exit, ClientError> {
    let image: Image = read(&lookup::image(&context.client, &args.image, Want::Any).await?)?;
    let to: Storage = read(&lookup::image_storage(&context.client, &args.to).await?)?;
    let copies = image.backup_storage_refs.iter().filter(|copy| copy.status == "Ready").count();
    if args.from.is_none() && copies > 1 {
        return Err(ClientError::usage(format!(
            "the image {} is on {copies} image storages; say by --from which of its copies moves",
            image.name
        )));
    }
    let from = place_of(context, &image, args.from.as_deref()).await?;
    let data = json!({
        "imageUuid": image.uuid, "srcBackupStorageUuid": from, "dstBackupStorageUuid": to.uuid,
    });
    let name = format!("migrate image {} to {}", image.name, to.name);
    let job = join::start(context, JOB_NAME, &name, &data).await?;
    if args.no_wait {
        return join::not_waited(context, &job);
    }
    let uuid = join::followed(context, &job)?;
    let how = Follow { label: Some(image.name), ..Follow::default() };
    let followed = ending::to_end(&context.client, &mut context.console, &uuid, &how).await?;
    let Some(followed) = followed else { return Ok(Exit::Interrupted) };
    let exit = ending::conclude(&mut context.console, &followed)?;
    if exit == Exit::Ok && context.console.format == Format::Table {
        let now: Image = read(&lookup::image(&context.client, &image.uuid, Want::Any).await?)?;
        let copy = now.backup_storage_refs.into_iter().find(|copy| copy.backup_storage_uuid == to.uuid);
        let path = copy.map(|copy| copy.install_path).unwrap_or_default();
        let places = Names::of(context, "backup-storage", [from.clone()]).await;
        context.console.facts(
            &Value::Null,
            &[
                ("moved to", to.name),
                ("path", path),
                (
                    "the old copy",
                    format!("trash, see `longhaul image storage trash list {}`", places.short(&from)),
                ),
            ],
        )?;
    }
    Ok(exit)
}
