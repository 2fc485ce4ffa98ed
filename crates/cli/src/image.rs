//! `image`: images. The short commands are here; what brings bytes in or out is in `add`, `upload` and `download`.
//! Where they are kept is `image storage`, in `shelf`.

mod add;
mod bar;
mod download;
mod shelf;
mod upload;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::inventory;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human;
use crate::lookup;
use crate::run::Context;
use crate::view::{Image, read, read_all};

/// Commands on images.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Let the server fetch an image by its URL, as a long job
    Add(add::AddArgs),
    /// Send a file of this machine; run it again and it goes on where it was cut
    Upload(upload::UploadArgs),
    /// Fetch an image into a file of this machine; run it again and it goes on where it was cut
    Export(download::ExportArgs),
    /// Image storages: where images are kept
    #[command(subcommand)]
    Storage(shelf::ShelfCommand),
    /// List images
    List {
        /// Only images that this holds for, as status=Deleted; may be repeated
        #[arg(long, value_name = "CONDITION")]
        q: Vec<String>,
    },
    /// Show an image
    Show(ImageArgs),
    /// Delete an image; its bytes are kept until it is expunged
    Delete(ImageArgs),
    /// Bring a deleted image back
    Recover(ImageArgs),
    /// Remove a deleted image and its bytes for good
    Expunge(ImageArgs),
}

/// The image that is meant.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// The image's uuid or name
    image: String,
}

/// What is said of a new image.
#[derive(Debug, Args)]
pub struct Said {
    /// The image storage to keep it on, by uuid or name; may be repeated
    #[arg(long, value_name = "STORAGE", required = true)]
    to: Vec<String>,
    /// What it is for [default: root]
    #[arg(long = "for", value_name = "USE", value_parser = ["root", "data", "iso"], default_value = "root")]
    media: String,
    /// Its format; what the bytes say counts
    #[arg(long, value_name = "FORMAT", value_parser = ["raw", "qcow2", "iso"])]
    format: Option<String>,
    /// What the bytes must be, as md5:… or sha256:…
    #[arg(long, value_name = "DIGEST")]
    checksum: Option<String>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

impl Said {
    /// `jobData` of the image of that name that comes from `url`.
    async fn data(&self, context: &Context, name: &str, url: &str) -> Result<Value, ClientError> {
        let mut places = Vec::new();
        for place in &self.to {
            places.push(lookup::uuid(&lookup::image_storage(&context.client, place).await?)?);
        }
        let media = match self.media.as_str() {
            "data" => "DataVolumeTemplate",
            "iso" => "ISO",
            _ => "RootVolumeTemplate",
        };
        let mut data = json!({"name": name, "url": url, "backupStorageUuids": places, "mediaType": media});
        for (key, value) in [("format", &self.format), ("description", &self.description)] {
            if let Some(value) = value {
                data[key] = Value::from(value.as_str());
            }
        }
        if let Some(checksum) = &self.checksum {
            data["systemTags"] = json!([format!("longhaul::checksum::{checksum}")]);
        }
        Ok(data)
    }
}

/// Runs one.
pub async fn run(context: &mut Context, command: ImageCommand) -> Result<Exit, ClientError> {
    match command {
        ImageCommand::Add(args) => add::add(context, args).await,
        ImageCommand::Upload(args) => upload::upload(context, args).await,
        ImageCommand::Export(args) => download::export(context, args).await,
        ImageCommand::Storage(command) => shelf::run(context, command).await,
        ImageCommand::List { q } => list(context, &q).await,
        ImageCommand::Show(args) => show(context, &args.image).await,
        ImageCommand::Delete(args) => {
            let uuid = uuid_of(context, &args.image, false).await?;
            let answer = context.client.delete(&["images", &uuid]).await?;
            let sentence = format!("deleted image {uuid}; `longhaul image recover {uuid}` brings it back");
            context.console.done(&answer, &sentence)?;
            Ok(Exit::Ok)
        }
        ImageCommand::Recover(args) => {
            let uuid = uuid_of(context, &args.image, true).await?;
            let image = inventory(act(context, &uuid, "recoverImage").await?)?;
            context.console.done(&image, &format!("recovered image {uuid}"))?;
            Ok(Exit::Ok)
        }
        ImageCommand::Expunge(args) => {
            let uuid = uuid_of(context, &args.image, true).await?;
            let answer = act(context, &uuid, "expungeImage").await?;
            context.console.done(&answer, &format!("expunged image {uuid}"))?;
            Ok(Exit::Ok)
        }
    }
}

async fn act(context: &Context, uuid: &str, key: &str) -> Result<Value, ClientError> {
    context.client.action(&["images", uuid, "actions"], key, &json!({})).await
}

async fn uuid_of(context: &Context, image: &str, deleted: bool) -> Result<String, ClientError> {
    lookup::uuid(&lookup::image(&context.client, image, deleted).await?)
}

async fn list(context: &mut Context, conditions: &[String]) -> Result<Exit, ClientError> {
    let mut query: Vec<(&str, &str)> = conditions.iter().map(|c| ("q", c.as_str())).collect();
    query.push(("sort", "+name"));
    let images = context.client.list_all(&["images"], &query).await?;
    let views: Vec<Image> = read_all(&images)?;
    let rows = views.into_iter().map(|i| {
        let (size, stored) = (human::bytes(i.size), human::bytes(i.actual_size));
        vec![i.uuid, i.name, i.status, i.media_type, i.format, size, stored]
    });
    let rows = rows.collect();
    let header = ["uuid", "name", "status", "for", "format", "size", "stored"];
    context.console.rows(&Value::Array(images), &header, rows)?;
    Ok(Exit::Ok)
}

async fn show(context: &mut Context, image: &str) -> Result<Exit, ClientError> {
    let image = lookup::image(&context.client, image, false).await?;
    let i: Image = read(&image)?;
    let mut facts = vec![
        ("uuid", i.uuid),
        ("name", i.name),
        ("description", i.description),
        ("status", i.status),
        ("state", i.state),
        ("for", i.media_type),
        ("format", i.format),
        ("size", format!("{} ({} bytes)", human::bytes(i.size), i.size)),
        ("stored", human::bytes(i.actual_size)),
        ("MD5", i.md5_sum),
        ("from", i.url),
        ("created", i.create_date),
    ];
    facts.extend(i.backup_storage_refs.into_iter().map(|copy| ("path", copy.install_path)));
    context.console.facts(&image, &facts)?;
    Ok(Exit::Ok)
}
