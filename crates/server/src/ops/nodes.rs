//! Version, clock and machine of the management node; draining of any.

use std::sync::Arc;

use jiff::Timestamp;
use longhaul_engine::inventory::not_found;
use longhaul_model::{Fault, NodeId};
use longhaul_wire::inventory::{
    self, GetCurrentTimeAnswer, GetManagementNodeArchAnswer, GetManagementNodeOSAnswer,
    GetPlatformTimeZoneAnswer, GetSupportAPIsAnswer, GetVersionAnswer, ManagementNodeInventory,
};

use super::required;
use crate::answer::Answer;
use crate::app::{App, Called};

/// Drains the node's host, or ends that; answers the node as it is then.
pub async fn drain(app: &Arc<App>, called: &Called, drained: bool) -> Result<Answer, Fault> {
    let uuid = required(called, "uuid")?;
    let missing = || not_found("uuid", uuid, "ManagementNodeVO");
    let id: NodeId = uuid.parse().map_err(|_| missing())?;
    app.engine.drain_node(id, drained).await?;
    let nodes = app.engine.inventory().nodes().await?;
    let node = nodes.iter().find(|node| node.id == id).ok_or_else(missing)?;
    let inventory = ManagementNodeInventory::of(node, &app.format);
    Ok(Answer::Json(inventory::one(&inventory, called.call.wants_schema)))
}

pub fn version(app: &Arc<App>) -> Answer {
    Answer::Json(inventory::custom(&GetVersionAnswer::of(&app.settings.compat_version)))
}

pub fn current_time(app: &Arc<App>) -> Answer {
    Answer::Json(inventory::custom(&GetCurrentTimeAnswer::of(app.runtime.now_ms())))
}

/// The zone in which this server writes moments, which may be another than the machine's.
pub fn time_zone(app: &Arc<App>) -> Answer {
    let now = Timestamp::from_millisecond(app.runtime.now_ms()).unwrap_or_default();
    let zone = app.format.zone();
    let offset = now.to_zoned(zone.clone()).strftime("%:z").to_string();
    let timezone = zone.iana_name().map_or_else(|| offset.clone(), str::to_owned);
    Answer::Json(inventory::custom(&GetPlatformTimeZoneAnswer { timezone, offset, success: true }))
}

pub fn support_apis() -> Answer {
    Answer::Json(inventory::custom(&GetSupportAPIsAnswer::all()))
}

pub fn architecture() -> Answer {
    let architecture = rustix::system::uname().machine().to_string_lossy().into_owned();
    Answer::Json(inventory::custom(&GetManagementNodeArchAnswer { architecture, success: true }))
}

pub fn operating_system() -> Answer {
    let system = rustix::system::uname();
    Answer::Json(inventory::custom(&GetManagementNodeOSAnswer {
        name: system.sysname().to_string_lossy().into_owned(),
        version: system.release().to_string_lossy().into_owned(),
        success: true,
    }))
}
