//! Version and clock of the management node.

use std::sync::Arc;

use longhaul_wire::inventory::{self, GetCurrentTimeAnswer, GetVersionAnswer};

use crate::answer::Answer;
use crate::app::App;

pub fn version(app: &Arc<App>) -> Answer {
    Answer::Json(inventory::custom(&GetVersionAnswer::of(&app.settings.compat_version)))
}

pub fn current_time(app: &Arc<App>) -> Answer {
    Answer::Json(inventory::custom(&GetCurrentTimeAnswer::of(app.runtime.now_ms())))
}
