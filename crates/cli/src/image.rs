//! `image`: images. The short commands are here; what brings bytes in is in `add`, `upload` and `from_volume`, what
//! brings them out in `export`, elsewhere in `migrate`. Where they are kept is `image storage`, in `shelf`.

mod add;
pub(crate) mod bar;
mod change;
mod download;
mod export;
mod from_volume;
mod migrate;
mod shelf;
mod tus;
mod upload;

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
use crate::view::{Image, read, read_all};

/// What an image is for unless something else is said.
const ROOT: &str = "root";

/// Commands on images.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Let the server fetch an image by its URL, as a long job
    Add(add::AddArgs),
    /// Send a file of this machine; run it again and it goes on where it was cut
    Upload(upload::UploadArgs),
    /// Make an image of a volume, as a long job; run it again and it goes on
    FromVolume(from_volume::FromVolumeArgs),
    /// Move an image to another image storage, as a long job; run it again and it goes on
    Migrate(migrate::MigrateArgs),
    /// Fetch an image into a file of this machine; run it again and it goes on where it was cut
    Export(export::ExportArgs),
    /// Take an export that was kept back: its URL answers no more
    Unexport(change::UnexportArgs),
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
    /// Change an image's name, description, or what it is for
    Update(change::UpdateArgs),
    /// Let new things be made of an image, or no more
    State {
        #[command(flatten)]
        image: ImageArgs,
        /// What to do
        #[arg(value_enum)]
        event: change::Switch,
    },
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
    /// What it is for [default: root]
    #[arg(long = "for", value_name = "USE", value_parser = [ROOT, "data", "iso"], default_value = ROOT)]
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
    async fn data(
        &self,
        context: &Context,
        places: &[String],
        name: &str,
        url: &str,
    ) -> Result<Value, ClientError> {
        let (places, media) = (storages(context, places).await?, media_type(&self.media));
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

    /// The words of a command line that say it.
    fn words(&self) -> Vec<String> {
        let flags = [
            ("--for", Some(&self.media).filter(|media| *media != ROOT)),
            ("--format", self.format.as_ref()),
            ("--checksum", self.checksum.as_ref()),
            ("--description", self.description.as_ref()),
        ];
        let told = flags.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value?.clone()]));
        told.flatten().collect()
    }
}

/// What the API calls it.
fn media_type(word: &str) -> &'static str {
    match word {
        "data" => "DataVolumeTemplate",
        "iso" => "ISO",
        _ => "RootVolumeTemplate",
    }
}

/// The uuids of these image storages.
async fn storages(context: &Context, places: &[String]) -> Result<Vec<String>, ClientError> {
    let mut uuids = Vec::new();
    for place in places {
        uuids.push(lookup::uuid(&lookup::image_storage(&context.client, place).await?)?);
    }
    Ok(uuids)
}

/// The image storage whose copy of the image is meant: the one that is named, else the first where it is complete.
async fn place_of(context: &Context, image: &Image, named: Option<&str>) -> Result<String, ClientError> {
    if let Some(named) = named {
        return lookup::uuid(&lookup::image_storage(&context.client, named).await?);
    }
    let ready = image.backup_storage_refs.iter().find(|copy| copy.status == "Ready");
    let ready = ready.ok_or_else(|| {
        ClientError::usage(format!(
            "the image {} is complete on no image storage ({})",
            image.name, image.status
        ))
    })?;
    Ok(ready.backup_storage_uuid.clone())
}

/// Runs one.
pub async fn run(context: &mut Context, command: ImageCommand) -> Result<Exit, ClientError> {
    match command {
        ImageCommand::Add(args) => add::add(context, args).await,
        ImageCommand::Upload(args) => upload::upload(context, args).await,
        ImageCommand::FromVolume(args) => from_volume::from_volume(context, args).await,
        ImageCommand::Migrate(args) => migrate::migrate(context, args).await,
        ImageCommand::Export(args) => export::export(context, args).await,
        ImageCommand::Unexport(args) => change::unexport(context, args).await,
        ImageCommand::Storage(command) => shelf::run(context, command).await,
        ImageCommand::List { q } => list(context, &q).await,
        ImageCommand::Show(args) => show(context, &args.image).await,
        ImageCommand::Update(args) => change::update(context, args).await,
        ImageCommand::State { image, event } => change::state(context, &image.image, event).await,
        ImageCommand::Delete(args) => {
            let (uuid, name) = named(context, &args.image, Want::Any).await?;
            let answer = context.client.delete(&["images", &uuid]).await?;
            let sentence =
                format!("deleted image {uuid} {name}; `longhaul image recover {uuid}` brings it back");
            context.console.done(&answer, &sentence)?;
            Ok(Exit::Ok)
        }
        ImageCommand::Recover(args) => {
            let (uuid, name) = named(context, &args.image, Want::Deleted).await?;
            let image = inventory(act(context, &uuid, "recoverImage").await?)?;
            context.console.done(&image, &format!("recovered image {uuid} {name}"))?;
            Ok(Exit::Ok)
        }
        ImageCommand::Expunge(args) => {
            let (uuid, name) = named(context, &args.image, Want::Deleted).await?;
            let answer = act(context, &uuid, "expungeImage").await?;
            context.console.done(&answer, &format!("expunged image {uuid} {name}"))?;
            Ok(Exit::Ok)
        }
    }
}

async fn act(context: &Context, uuid: &str, key: &str) -> Result<Value, ClientError> {
    context.client.action(&["images", uuid, "actions"], key, &json!({})).await
}

/// The uuid and the name of the image that is meant.
async fn named(context: &Context, image: &str, want: Want) -> Result<(String, String), ClientError> {
    let found = lookup::image(&context.client, image, want).await?;
    Ok((lookup::uuid(&found)?, read::<Image>(&found)?.name))
}

async fn list(context: &mut Context, conditions: &[String]) -> Result<Exit, ClientError> {
    let mut query: Vec<(&str, &str)> = conditions.iter().map(|c| ("q", c.as_str())).collect();
    query.push(("sort", "+name"));
    let images = context.client.list_all(&["images"], &query).await?;
    let views: Vec<Image> = read_all(&images)?;
    let copies = views.iter().flat_map(|image| &image.backup_storage_refs);
    let copies: Vec<String> = copies.map(|copy| copy.backup_storage_uuid.clone()).collect();
    let names = match context.console.format {
        Format::Json => Names::default(),
        Format::Table => Names::of(context, "backup-storage", copies).await,
    };
    let rows = views.into_iter().map(|i| {
        let on: Vec<_> = i.backup_storage_refs.iter().map(|c| names.short(&c.backup_storage_uuid)).collect();
        let (size, stored) = (human::bytes(i.size), human::bytes(i.actual_size));
        vec![i.uuid, i.name, i.status, i.media_type, i.format, size, stored, on.join(", ")]
    });
    let rows = rows.collect();
    let header = ["uuid", "name", "status", "for", "format", "size", "stored", "on"];
    context.console.rows(&Value::Array(images), &header, rows)?;
    Ok(Exit::Ok)
}

async fn show(context: &mut Context, image: &str) -> Result<Exit, ClientError> {
    let image = lookup::image(&context.client, image, Want::Any).await?;
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
    let names = match context.console.format {
        Format::Json => Names::default(),
        Format::Table => {
            let places = i.backup_storage_refs.iter().map(|copy| copy.backup_storage_uuid.clone());
            Names::of(context, "backup-storage", places).await
        }
    };
    for copy in i.backup_storage_refs {
        facts.push(("on", format!("{}, {}", names.long(&copy.backup_storage_uuid), copy.status)));
        facts.push(("path", copy.install_path));
        facts.push(("exported at", copy.export_url));
    }
    context.console.facts(&image, &facts)?;
    Ok(Exit::Ok)
}
