//! Version, clock and machine of the management node.

use std::sync::Arc;

use jiff::Timestamp;
use longhaul_wire::inventory::{
    self, GetCurrentTimeAnswer, GetManagementNodeArchAnswer, GetManagementNodeOSAnswer,
    GetPlatformTimeZoneAnswer, GetSupportAPIsAnswer, GetVersionAnswer,
};

use crate::answer::Answer;
use crate::app::App;

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
