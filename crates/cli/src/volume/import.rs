//! `volume import`: a file becomes a volume by a long job that copies it.

use clap::Args;
use serde_json::{Value, json};

use crate::console::Format;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::job::{ending, join};
use crate::run::Context;
use crate::watch::Follow;

/// The job type.
const JOB_NAME: &str = "APIImportVolumeMsg";

/// Flags of `volume import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The storage's uuid or name
    #[arg(long, value_name = "STORAGE")]
    storage: String,
    /// Absolute path of the raw or qcow2 file, on the server's machine
    #[arg(long, value_name = "FILE")]
    path: String,
    /// The volume's name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Format of the file [default: told by its first bytes]
    #[arg(long, value_name = "FORMAT", value_parser = ["raw", "qcow2"])]
    format: Option<String>,
    /// Only submit the job
    #[arg(long)]
    no_wait: bool,
}

/// Imports a file.
pub async fn import(context: &mut Context, args: ImportArgs) -> Result<Exit, ClientError> {
    let storage = super::storage_uuid(context, &args.storage).await?;
    let mut data = json!({"primaryStorageUuid": storage, "path": args.path, "name": args.name});
    super::describe(&mut data, args.description);
    if let Some(format) = args.format {
        data["format"] = Value::from(format);
    }
    let job = join::start(context, JOB_NAME, &format!("import {}", args.name), &data).await?;
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
                ("path", text(&result["import"]["newInstallPath"])),
                ("BLAKE3", text(&result["import"]["blake3"])),
            ],
        )?;
    }
    Ok(exit)
}
