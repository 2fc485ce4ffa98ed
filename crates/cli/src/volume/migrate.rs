//! `volume migrate`: the job this product is for. Its plan, its bar, and what it proves at the end.

use clap::Args;
use serde_json::{Value, json};

use crate::client::inventory;
use crate::console::Format;
use crate::error::ClientError;
use crate::exit::Exit;
use crate::human::{self, parse_bytes};
use crate::job::{ending, join, submit};
use crate::lookup::{self, Want};
use crate::run::Context;
use crate::view::{Job, Storage, Volume, read};
use crate::watch::Follow;

/// The job type.
const JOB_NAME: &str = "APIPrimaryStorageMigrateVolumeMsg";

/// Flags of `volume migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// The volume's uuid or name
    volume: String,
    /// The storage to move to, by uuid or name
    #[arg(long, value_name = "STORAGE")]
    to: String,
    /// What it shall become, raw or qcow2 [default: as it is; on a Ceph pool raw]
    #[arg(long, value_name = "FORMAT", value_parser = ["raw", "qcow2"])]
    format: Option<String>,
    /// Only check: what would be copied, how long, and what stands in the way (then exit 1)
    #[arg(long)]
    plan: bool,
    /// Copy at most so many bytes per second, as 100M
    #[arg(long, value_name = "RATE", value_parser = parse_bytes)]
    rate: Option<u64>,
    /// Leave the snapshots of a disk on a Ceph pool behind: a directory cannot keep them
    #[arg(long)]
    drop_snapshots: bool,
    /// Only submit the job
    #[arg(long, conflicts_with = "plan")]
    no_wait: bool,
}

/// Moves a volume.
pub async fn migrate(context: &mut Context, args: MigrateArgs) -> Result<Exit, ClientError> {
    let volume: Volume = read(&lookup::volume(&context.client, &args.volume, Want::Any).await?)?;
    let target: Storage = read(&lookup::storage(&context.client, &args.to).await?)?;
    let mut data = json!({"volumeUuid": volume.uuid, "dstPrimaryStorageUuid": target.uuid});
    if let Some(format) = args.format {
        data["format"] = Value::from(format);
    }
    if args.drop_snapshots {
        data["snapshots"] = json!("drop");
    }
    let params = json!({
        "name": submit::job_name(&format!("migrate {} to {}", volume.name, target.name)),
        "jobName": JOB_NAME,
        "jobData": data.to_string(),
        "targetResourceUuid": volume.uuid,
    });
    let mut tags = Vec::new();
    tags.extend(args.rate.map(|rate| format!("longhaul::throttle::{rate}")));
    if args.plan {
        tags.push(submit::DRY_RUN.to_owned());
        let answer = submit::send(context, params, &tags, &[]).await?;
        return plan(context, &answer, &volume.format);
    }
    let job = match under_way(context, &volume, &target, &data).await? {
        Found::Same(job) => again(context, job, args.rate).await?,
        Found::Other(other) => {
            let job = inventory(submit::send(context, params, &tags, &[]).await?)?;
            // Only now: a job that is refused waits for nothing.
            context.console.note(&format!(
                "the job {} ({}) has this volume; this one waits for its end, and moves the volume on then",
                other.uuid, other.name
            ));
            job
        }
        Found::None => inventory(submit::send(context, params, &tags, &[]).await?)?,
    };
    if args.no_wait {
        return join::not_waited(context, &job);
    }
    let uuid = join::followed(context, &job)?;
    let how = Follow { label: Some(volume.name), ..Follow::default() };
    let followed = ending::to_end(&context.client, &mut context.console, &uuid, &how).await?;
    let Some(followed) = followed else { return Ok(Exit::Interrupted) };
    let exit = ending::conclude(&mut context.console, &followed)?;
    if exit == Exit::Ok && context.console.format == Format::Table {
        moved(context, &followed.job, &target.name)?;
    }
    Ok(exit)
}

/// A move of the volume that is not over.
enum Found {
    /// To there: a second one would wait for it, only to fail.
    Same(Value),
    /// To elsewhere.
    Other(Box<Job>),
    None,
}

/// The move of this volume that is not over, one to there first.
async fn under_way(
    context: &Context,
    volume: &Volume,
    target: &Storage,
    data: &Value,
) -> Result<Found, ClientError> {
    let of_volume = [format!("targetResourceUuid={}", volume.uuid)];
    let to_there = |theirs: &Value| theirs["dstPrimaryStorageUuid"] == target.uuid.as_str();
    let Some(job) = join::under_way(context, JOB_NAME, &of_volume, to_there).await? else {
        let other = join::under_way(context, JOB_NAME, &of_volume, |_| true).await?;
        return other.map_or(Ok(Found::None), |other| Ok(Found::Other(Box::new(read(&other)?))));
    };
    let view: Job = read(&job)?;
    let theirs: Value = serde_json::from_str(&view.job_data).unwrap_or_default();
    let wanted = |data: &Value, key: &str, default: &str| data[key].as_str().unwrap_or(default).to_owned();
    for (key, default) in [("format", volume.format.as_str()), ("snapshots", "keep")] {
        if wanted(data, key, default) != wanted(&theirs, key, default) {
            return Err(ClientError::usage(format!(
                "the job {0} moves {1} to {2} already, with another {key}; `longhaul job watch {0}` follows it, \
                 `longhaul job cancel {0}` undoes it",
                view.uuid, volume.name, target.name
            )));
        }
    }
    Ok(Found::Same(job))
}

/// Goes on with a job of an earlier run, at the rate that was said now.
async fn again(context: &mut Context, job: Value, rate: Option<u64>) -> Result<Value, ClientError> {
    let job = join::go_on(context, job).await?;
    let Some(rate) = rate else { return Ok(job) };
    let path = ["longjobs", job["uuid"].as_str().unwrap_or_default(), "actions"];
    inventory(context.client.action(&path, "throttleLongJob", &json!({"bytesPerSecond": rate})).await?)
}

fn plan(context: &mut Context, answer: &Value, format_now: &str) -> Result<Exit, ClientError> {
    let plan = &answer["plan"];
    let blockers: Vec<&str> =
        plan["blockers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let size = |key: &str| plan[key].as_u64().map(human::bytes).unwrap_or_default();
    let made_of = match plan["layers"].as_u64() {
        Some(files) if files > 1 => format!("{files} files, which become one"),
        _ => "one file".to_owned(),
    };
    let format = match plan["format"].as_str() {
        Some(format) if format != format_now => format!("{format}, is {format_now} now"),
        format => format.unwrap_or_default().to_owned(),
    };
    let estimate = plan["estimateSeconds"].as_u64().map(human::duration).unwrap_or_default();
    if context.console.format == Format::Table && !plan.is_object() {
        // Profile `zstack` answers {} as ZStack does.
        context.console.line("the server would take the job; it tells no plan")?;
        return Ok(Exit::Ok);
    }
    let mut facts = vec![
        ("guest sees", size("guestBytes")),
        ("made of", made_of),
        ("format", format),
        ("to copy", size("bytes")),
        ("needed", size("neededBytes")),
        ("free", size("freeBytes")),
        ("estimate", estimate),
    ];
    facts.extend(human::begins(plan).map(|told| ("begins", told)));
    facts.extend(snapshots(plan).map(|told| ("snapshots", told)));
    facts
        .push(("blockers", if blockers.is_empty() { "none".to_owned() } else { blockers.len().to_string() }));
    context.console.facts(answer, &facts)?;
    if context.console.format == Format::Table {
        for blocker in &blockers {
            context.console.note(&format!("blocked: {}", crate::console::printable(blocker)));
        }
    }
    Ok(if blockers.is_empty() { Exit::Ok } else { Exit::Failed })
}

/// How many snapshots there are and what becomes of them; `None` where there are none.
fn snapshots(plan: &Value) -> Option<String> {
    let all = plan["snapshots"].as_u64().filter(|n| *n > 0)?;
    Some(match plan["droppedSnapshots"].as_u64().unwrap_or(0) {
        0 => all.to_string(),
        dropped => format!("{all}, of which {dropped} are left behind"),
    })
}

fn moved(context: &mut Context, job: &Job, target: &str) -> Result<(), ClientError> {
    let result = job.result().unwrap_or_default();
    let migration = &result["migration"];
    let text = |key: &str| migration[key].as_str().unwrap_or_default().to_owned();
    let mut facts = vec![
        ("moved to", target.to_owned()),
        ("from path", text("oldInstallPath")),
        ("to path", text("newInstallPath")),
        ("BLAKE3", text("blake3")),
        ("bytes", migration["bytes"].as_u64().map(human::bytes).unwrap_or_default()),
    ];
    facts.extend(migration["snapshots"].as_array().map(|kept| ("snapshots", kept.len().to_string())));
    context.console.facts(&Value::Null, &facts)
}
