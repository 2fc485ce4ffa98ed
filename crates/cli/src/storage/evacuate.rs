//! `storage evacuate`: every volume of a storage moves to others. The plan, the bar, and the report at the end.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::client::inventory;
use crate::console::Format;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human;
use crate::job::{ending, join, submit};
use crate::lookup;
use crate::names::Names;
use crate::run::Context;
use crate::view::{Job, Storage, read};
use crate::watch::{End, Follow};

/// The job type.
const JOB_NAME: &str = "APIEvacuatePrimaryStorageMsg";
/// States of a job that is not over, as a condition.
const NOT_OVER: &str = "state?=Waiting,Running,Suspended,Canceling";

/// Flags of `storage evacuate`.
#[derive(Debug, Args)]
pub struct EvacuateArgs {
    /// The storage to empty, by uuid or name
    storage: String,
    /// Where its volumes may go, by uuid or name; several separated by commas
    #[arg(long, value_name = "STORAGE", required = true, value_delimiter = ',')]
    to: Vec<String>,
    /// Volumes that are moved at a time, 1 to 16 [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
    parallel: Option<u32>,
    /// Only tell what would become of each volume; nothing is stored (exit 1 if something stands in the way)
    #[arg(long, conflicts_with_all = ["report", "detach"])]
    plan: bool,
    /// Write the report there at the end, as markdown
    #[arg(long, value_name = "FILE", conflicts_with = "detach")]
    report: Option<PathBuf>,
    /// Only start it
    #[arg(long)]
    detach: bool,
}

/// Flags of `storage evacuation`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The evacuation's job, by uuid or name
    job: String,
    /// Write it there, as markdown
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Empties a storage; one that is being emptied already is only watched.
pub async fn evacuate(context: &mut Context, args: EvacuateArgs) -> Result<Exit, ClientError> {
    let storage: Storage = read(&lookup::storage(&context.client, &args.storage).await?)?;
    let (mut targets, mut names) = (Vec::new(), Vec::new());
    for target in &args.to {
        let target: Storage = read(&lookup::storage(&context.client, target).await?)?;
        targets.push(target.uuid);
        names.push(target.name);
    }
    if args.plan {
        return plan(context, &storage.uuid, &targets, args.parallel).await;
    }
    let job = match under_way(context, &storage.uuid).await? {
        Some(job) => {
            let view: Job = read(&job)?;
            refuse_another(&view, &storage.name, &targets, args.parallel)?;
            join::go_on(context, job).await?
        }
        None => {
            let name = format!("evacuate {} to {}", storage.name, names.join(", "));
            start(context, &name, &storage.uuid, &targets, args.parallel).await?
        }
    };
    if args.detach {
        let view: Job = read(&job)?;
        context.console.done(&job, &format!("started job {} ({})", view.uuid, view.state.name()))?;
        return Ok(Exit::Ok);
    }
    let uuid = join::followed(context, &job)?;
    let how = Follow { label: Some(storage.name), ..Follow::default() };
    let followed = ending::to_end(&context.client, &mut context.console, &uuid, &how).await?;
    let Some(followed) = followed else {
        context.console.note("the same command again watches it too, and writes the report at its end");
        return Ok(Exit::Interrupted);
    };
    let report = fetch(context, &uuid).await?;
    if let Some(file) = &args.report {
        write(context, file, &report)?;
    }
    let exit = ending::conclude(&mut context.console, &followed)?;
    if followed.end == End::Final && context.console.format == Format::Table {
        summary(context, &report)?;
    }
    Ok(if exit == Exit::Ok && report["complete"] != true { Exit::Failed } else { exit })
}

/// Tells what an evacuation did, or has done so far.
pub async fn report(context: &mut Context, args: ReportArgs) -> Result<Exit, ClientError> {
    let job = lookup::job(&context.client, &args.job).await?;
    let report = fetch(context, &job).await?;
    let names = names_of(context, &report).await;
    if let Some(file) = &args.report {
        write(context, file, &report)?;
    }
    let rows = volumes(&report).map(|row| {
        let seconds = row["seconds"].as_u64().map(human::duration).unwrap_or_default();
        let target = names.short(&text(row, "dstPrimaryStorageUuid"));
        vec![
            text(row, "name"),
            text(row, "result"),
            size(row),
            target,
            seconds,
            text(row, "blake3"),
            text(row, "detail"),
        ]
    });
    let rows = rows.collect();
    let header = ["volume", "result", "size", "to", "took", "BLAKE3", "detail"];
    context.console.rows(&report, &header, rows)?;
    if context.console.format == Format::Table {
        summary(context, &report)?;
    }
    Ok(Exit::Ok)
}

/// Names of the storages that volumes go to, where they are shown.
async fn names_of(context: &Context, answer: &Value) -> Names {
    match context.console.format {
        Format::Json => Names::default(),
        Format::Table => {
            let targets: Vec<_> = volumes(answer).map(|row| text(row, "dstPrimaryStorageUuid")).collect();
            Names::of(context, "primary-storage", targets).await
        }
    }
}

async fn start(
    context: &mut Context,
    name: &str,
    storage: &str,
    targets: &[String],
    parallel: Option<u32>,
) -> Result<Value, ClientError> {
    let mut data = json!({"primaryStorageUuid": storage, "dstPrimaryStorageUuids": targets});
    if let Some(parallel) = parallel {
        data["parallel"] = Value::from(parallel);
    }
    let params = json!({"name": submit::job_name(name), "jobName": JOB_NAME, "jobData": data.to_string()});
    inventory(submit::send(context, params, &[], &[]).await?)
}

/// The evacuation that is under way goes where it was told to go, and not elsewhere because somebody asks again.
fn refuse_another(
    job: &Job,
    storage: &str,
    targets: &[String],
    parallel: Option<u32>,
) -> Result<(), ClientError> {
    let theirs: Value = serde_json::from_str(&job.job_data).unwrap_or_default();
    let differs = if theirs["dstPrimaryStorageUuids"] != json!(targets) {
        "to other storages"
    } else if parallel.is_some_and(|n| theirs["parallel"].as_u64() != Some(n.into())) {
        "with another --parallel"
    } else {
        return Ok(());
    };
    Err(ClientError::usage(format!(
        "the job {0} ({1}) empties {storage} already, {differs}; `longhaul job watch {0}` follows it, `longhaul job cancel \
         {0}` ends it",
        job.uuid, job.name
    )))
}

/// The evacuation of the storage that is not over, if there is one.
async fn under_way(context: &Context, storage: &str) -> Result<Option<Value>, ClientError> {
    let of_type = format!("jobName={JOB_NAME}");
    let of_storage = format!("targetResourceUuid={storage}");
    let query = [("q", of_type.as_str()), ("q", &of_storage), ("q", NOT_OVER), ("sort", "+createDate")];
    Ok(context.client.list(&["longjobs"], &query).await?.into_iter().next())
}

async fn plan(
    context: &mut Context,
    storage: &str,
    targets: &[String],
    parallel: Option<u32>,
) -> Result<Exit, ClientError> {
    let parallel = parallel.map(|n| n.to_string());
    let mut query: Vec<(&str, &str)> =
        targets.iter().map(|t| ("dstPrimaryStorageUuids", t.as_str())).collect();
    query.extend(parallel.as_deref().map(|n| ("parallel", n)));
    let plan = context.client.get(&["primary-storage", storage, "evacuation-plan"], &query).await?;
    let names = names_of(context, &plan).await;
    let rows = volumes(&plan).map(|row| {
        let to = names.short(&text(row, "dstPrimaryStorageUuid"));
        let blockers: Vec<_> =
            row["blockers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let time = row["estimateSeconds"].as_u64().map(human::duration).unwrap_or_default();
        vec![text(row, "name"), size(row), to, time, blockers.join("; ")]
    });
    let rows = rows.collect();
    context.console.rows(&plan, &["volume", "size", "to", "time", "blockers"], rows)?;
    let number = |key: &str| plan[key].as_u64().unwrap_or(0);
    let (blocked, not_taken) = (number("blocked"), number("notTaken"));
    if context.console.format == Format::Table {
        let rate = format!("{}/s", human::bytes(number("rateBytesPerSecond")));
        context.console.note(&format!(
            "{} to move, {}, about {} at {rate} each ({}); {blocked} blocked{}",
            number("movable"),
            human::bytes(number("bytes")),
            plan["estimateSeconds"].as_u64().map_or("more than 60 days".to_owned(), human::duration),
            text(&plan, "rateFrom"),
            if not_taken > 0 {
                format!(", {not_taken} beyond what one evacuation takes")
            } else {
                String::new()
            },
        ));
        if let Some(begins) = human::begins(&plan) {
            context.console.note(&format!("begins {begins}"));
        }
    }
    Ok(if blocked == 0 { Exit::Ok } else { Exit::Failed })
}

async fn fetch(context: &Context, job: &str) -> Result<Value, ClientError> {
    context.client.get(&["longjobs", job, "evacuation"], &[]).await
}

fn write(context: &mut Context, file: &Path, report: &Value) -> Result<(), ClientError> {
    std::fs::write(file, text(report, "markdown"))
        .map_err(|e| ClientError::local(format!("{} cannot be written: {e}", file.display())))?;
    context.console.note(&format!("the report is in {}", file.display()));
    Ok(())
}

fn summary(context: &mut Context, report: &Value) -> Result<(), ClientError> {
    let number = |key: &str| report[key].as_u64().unwrap_or(0);
    let bytes = human::bytes(number("bytesMoved"));
    let earlier = report["earlier"].as_array().map_or(0, Vec::len);
    let earlier = if earlier > 0 { format!(", {earlier} moved by earlier runs") } else { String::new() };
    let canceled = number("canceled");
    let canceled = if canceled > 0 { format!(", {canceled} canceled") } else { String::new() };
    context.console.line(&format!(
        "{} moved ({bytes}){earlier}, {} blocked, {} failed{canceled}",
        number("moved"),
        number("blocked"),
        number("failed")
    ))?;
    let is_told = |row: &&Value| !["moved", "left"].contains(&row["result"].as_str().unwrap_or_default());
    for row in volumes(report).filter(is_told).filter(|row| !text(row, "detail").is_empty()) {
        context.console.note(&format!(
            "{} {}: {}",
            text(row, "result"),
            text(row, "name"),
            text(row, "detail")
        ));
    }
    if number("notTaken") > 0 {
        context.console.note(&format!(
            "{} volumes are left beyond what one evacuation takes; rerun it",
            number("notTaken")
        ));
    }
    Ok(())
}

fn volumes(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["volumes"].as_array().into_iter().flatten()
}

fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap_or_default().to_owned()
}

fn size(row: &Value) -> String {
    row["bytes"].as_u64().map(human::bytes).unwrap_or_default()
}
