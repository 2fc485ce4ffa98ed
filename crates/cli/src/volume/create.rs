//! `volume create`: an empty volume by a call, or one of an image by a long job that is followed.

use clap::Args;
use serde_json::{Value, json};

use super::{describe, print_one, storage_uuid};
use crate::client::inventory;
use crate::console::Format;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human::parse_bytes;
use crate::job::{ending, join};
use crate::lookup::{self, Want};
use crate::run::Context;
use crate::view::{Image, read};
use crate::watch::Follow;

/// The job type that makes a volume of an image.
const JOB_NAME: &str = "APICreateDataVolumeFromVolumeTemplateMsg";

/// Flags of `volume create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Its name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Its size, as 512M or 10G
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, required_unless_present = "image")]
    size: Option<u64>,
    /// The image that it shall be a copy of, by uuid or name; one for data
    #[arg(long, value_name = "IMAGE", conflicts_with = "size", requires = "storage")]
    image: Option<String>,
    /// The storage's uuid or name; without it an empty volume is only recorded
    #[arg(long, value_name = "STORAGE")]
    storage: Option<String>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Only submit the job that copies the image
    #[arg(long, requires = "image")]
    no_wait: bool,
}

/// Creates a volume.
pub async fn create(context: &mut Context, args: CreateArgs) -> Result<Exit, ClientError> {
    let storage = match &args.storage {
        Some(storage) => Some(storage_uuid(context, storage).await?),
        None => None,
    };
    if let (Some(image), Some(storage)) = (&args.image, &storage) {
        let image: Image = read(&lookup::image(&context.client, image, Want::Any).await?)?;
        return of_image(context, args, &image, storage).await;
    }
    let mut params = json!({"name": args.name, "diskSize": args.size});
    if let Some(storage) = storage {
        params["primaryStorageUuid"] = Value::from(storage);
    }
    describe(&mut params, args.description);
    let volume = inventory(context.client.post(&["volumes", "data"], &json!({"params": params})).await?)?;
    print_one(context, &volume, "created")
}

async fn of_image(
    context: &mut Context,
    args: CreateArgs,
    image: &Image,
    storage: &str,
) -> Result<Exit, ClientError> {
    if image.media_type != "DataVolumeTemplate" {
        return Err(ClientError::usage(format!(
            "volumes are made of images for data, and {} is a {}; `longhaul image update {} --for data` makes it one",
            image.name, image.media_type, image.uuid
        )));
    }
    let mut data = json!({"imageUuid": image.uuid, "name": args.name, "primaryStorageUuid": storage});
    describe(&mut data, args.description);
    let name = format!("make volume {} of image {}", args.name, image.name);
    let job = join::start(context, JOB_NAME, &name, &data).await?;
    if args.no_wait {
        return join::not_waited(context, &job);
    }
    let uuid = join::followed(context, &job)?;
    let how = Follow { label: Some(args.name), ..Follow::default() };
    let followed = ending::to_end(&context.client, &mut context.console, &uuid, &how).await?;
    let Some(followed) = followed else { return Ok(Exit::Interrupted) };
    let exit = ending::conclude(&mut context.console, &followed)?;
    if exit == Exit::Ok && context.console.format == Format::Table {
        let result = followed.job.result().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        context.console.facts(
            &Value::Null,
            &[
                ("volume", text(&result["inventory"]["uuid"])),
                ("path", text(&result["volume"]["newInstallPath"])),
                ("BLAKE3", text(&result["volume"]["blake3"])),
            ],
        )?;
    }
    Ok(exit)
}
