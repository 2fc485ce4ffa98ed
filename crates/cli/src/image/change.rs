//! `image update`, `image state`, `image unexport`: what is changed of an image without moving a byte.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{ImageArgs, media_type};
use crate::client::inventory;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::lookup::{self, Want};
use crate::run::Context;
use crate::view::{Image, read};

/// Flags of `image update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    #[command(flatten)]
    image: ImageArgs,
    /// The new name
    #[arg(long, value_name = "NAME", required_unless_present_any = ["description", "media"])]
    name: Option<String>,
    /// The new description
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// What it is for; `volume create --image` takes those for data
    #[arg(long = "for", value_name = "USE", value_parser = ["root", "data", "iso"])]
    media: Option<String>,
}

/// A change of state.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Switch {
    /// New things are made of it, or put on it
    Enable,
    /// Nothing new is
    Disable,
}

impl Switch {
    /// As the API has it.
    pub fn event(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
        }
    }
}

/// Flags of `image unexport`.
#[derive(Debug, Args)]
pub struct UnexportArgs {
    #[command(flatten)]
    image: ImageArgs,
    /// Only the export from this image storage, by uuid or name [default: all of them]
    #[arg(long, value_name = "STORAGE")]
    from: Option<String>,
}

async fn act(context: &Context, uuid: &str, key: &str, params: &Value) -> Result<Value, ClientError> {
    inventory(context.client.action(&["images", uuid, "actions"], key, params).await?)
}

/// Changes what is said of an image.
pub async fn update(context: &mut Context, args: UpdateArgs) -> Result<Exit, ClientError> {
    let image: Image = read(&lookup::image(&context.client, &args.image.image, Want::Any).await?)?;
    let mut params = json!({});
    let media = args.media.as_deref().map(|media| media_type(media).to_owned());
    for (key, value) in [("name", args.name), ("description", args.description), ("mediaType", media)] {
        if let Some(value) = value {
            params[key] = Value::from(value);
        }
    }
    let changed = act(context, &image.uuid, "updateImage", &params).await?;
    let view: Image = read(&changed)?;
    let sentence = format!("updated image {} {} ({})", view.uuid, view.name, view.media_type);
    context.console.done(&changed, &sentence)?;
    Ok(Exit::Ok)
}

/// Enables or disables an image.
pub async fn state(context: &mut Context, image: &str, event: Switch) -> Result<Exit, ClientError> {
    let image: Image = read(&lookup::image(&context.client, image, Want::Any).await?)?;
    let params = json!({"stateEvent": event.event()});
    let changed = act(context, &image.uuid, "changeImageState", &params).await?;
    let view: Image = read(&changed)?;
    context.console.done(&changed, &format!("image {} {} is {}", view.uuid, view.name, view.state))?;
    Ok(Exit::Ok)
}

/// Takes the exports of an image back.
pub async fn unexport(context: &mut Context, args: UnexportArgs) -> Result<Exit, ClientError> {
    let image: Image = read(&lookup::image(&context.client, &args.image.image, Want::Any).await?)?;
    let from = match &args.from {
        Some(from) => Some(lookup::uuid(&lookup::image_storage(&context.client, from).await?)?),
        None => None,
    };
    let is_meant = |place: &String| from.as_ref().is_none_or(|from| from == place);
    let exports = image.backup_storage_refs.into_iter().filter(|copy| !copy.export_url.is_empty());
    let places: Vec<String> = exports.map(|copy| copy.backup_storage_uuid).filter(is_meant).collect();
    if places.is_empty() {
        return Err(ClientError::not_found(format!("the image {} is not exported", image.name)));
    }
    for place in &places {
        context.client.delete(&["backup-storage", place, "exported-images", &image.uuid]).await?;
    }
    let told = json!({"imageUuid": image.uuid, "backupStorageUuids": places});
    let sentence =
        format!("took the export of image {} {} back; its URL answers no more", image.uuid, image.name);
    context.console.done(&told, &sentence)?;
    Ok(Exit::Ok)
}
