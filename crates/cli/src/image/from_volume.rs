//! `image from-volume`: a volume's disk becomes an image, by a long job that is followed.

use clap::Args;
use serde_json::{Value, json};

use super::{add, storages};
use crate::error::ClientError;
use crate::exit::Exit;
use crate::job::join;
use crate::lookup::{self, Want};
use crate::run::Context;
use crate::view::{Volume, read};

/// Flags of `image from-volume`.
#[derive(Debug, Args)]
pub struct FromVolumeArgs {
    /// The volume's uuid or name; nobody may write to it meanwhile
    volume: String,
    /// The image storage to keep it on, by uuid or name; may be repeated [default: the one with most room]
    #[arg(long, value_name = "STORAGE")]
    to: Vec<String>,
    /// The image's name [default: the volume's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it is for; `volume create --image` takes those for data
    #[arg(long = "for", value_name = "USE", value_parser = ["data", "root"], default_value = "data")]
    media: String,
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Only submit the job
    #[arg(long)]
    no_wait: bool,
}

/// Makes an image of a volume.
pub async fn from_volume(context: &mut Context, args: FromVolumeArgs) -> Result<Exit, ClientError> {
    let volume: Volume = read(&lookup::volume(&context.client, &args.volume, Want::Any).await?)?;
    let (job_name, field) = match args.media.as_str() {
        "root" => ("APICreateRootVolumeTemplateFromRootVolumeMsg", "rootVolumeUuid"),
        _ => ("APICreateDataVolumeTemplateFromVolumeMsg", "volumeUuid"),
    };
    let name = args.name.unwrap_or_else(|| volume.name.clone());
    let mut data = json!({"name": name});
    data[field] = Value::from(volume.uuid);
    if !args.to.is_empty() {
        data["backupStorageUuids"] = json!(storages(context, &args.to).await?);
    }
    if let Some(description) = args.description {
        data["description"] = Value::from(description);
    }
    let job = join::start(context, job_name, &format!("make image {name} of volume {}", volume.name), &data)
        .await?;
    if args.no_wait {
        return join::not_waited(context, &job);
    }
    let uuid = join::followed(context, &job)?;
    add::followed(context, &uuid, name).await
}
