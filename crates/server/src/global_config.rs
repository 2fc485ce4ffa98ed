//! Global configurations: what an admin changes while the server runs. One table: category, name, what it
//! means, which values it takes, what it decides. A stored value wins over the settings (file, environment,
//! flags), which are the defaults: it was chosen later, and on purpose. How a value comes into force is in
//! `live`; the calls are in `ops::global_config`.
//!
//! Source: rest-api.md 1.6, 2.3, 3.4, 6.3 for the names that are ZStack's.

mod live;

#[cfg(test)]
mod tests;

use longhaul_jobs::carry::CopyLimits;
use longhaul_jobs::manage::images::DeletionPolicy;
use longhaul_jobs::upload::intake::IDLE_S;
use longhaul_model::Fault;

use crate::settings::Settings;
pub use live::{GlobalConfigs, numbered};

/// How long an asynchronous answer is kept, s. ZStack's default.
const RECORD_KEPT_S: u64 = 3 * 3600;

/// Everything that global configurations decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Sliding session timeout, s.
    pub session_timeout_s: u64,
    /// Sessions per account.
    pub sessions_max: u32,
    /// How long an asynchronous answer is kept from its call on, s.
    pub record_kept_s: u64,
    /// Whether progress is told.
    pub progress_on: bool,
    /// The bounds of copies.
    pub copy: CopyLimits,
    /// Built-in jobs at a time.
    pub max_running: u32,
    /// Simulator jobs at a time; `None` is unlimited.
    pub max_running_simulator: Option<u32>,
    /// Until a cancel is enforced, s.
    pub cancel_deadline_s: u64,
    /// Patience of a drain, s.
    pub drain_s: u64,
    /// Until a deleted volume is expunged, s; 0 = never.
    pub volume_expunge_s: u64,
    /// What a deletion of an image does.
    pub image_deletion: DeletionPolicy,
    /// Until a deleted image is expunged, s; 0 = never.
    pub image_expunge_s: u64,
    /// Seconds without a byte after which an upload's job is suspended.
    pub upload_idle_s: u64,
}

impl InForce {
    /// What the settings say.
    pub fn of(settings: &Settings) -> Self {
        Self {
            session_timeout_s: settings.session_timeout_s,
            sessions_max: settings.sessions_max,
            record_kept_s: RECORD_KEPT_S,
            progress_on: true,
            copy: CopyLimits {
                bytes_per_s: settings.copy_bytes_per_s,
                streams: settings.copy_streams,
                checkpoint_ms: settings.copy_checkpoint_ms,
            },
            max_running: settings.max_running,
            max_running_simulator: settings.max_running_simulator,
            cancel_deadline_s: settings.cancel_deadline_s,
            drain_s: settings.drain_s,
            volume_expunge_s: settings.volume_expunge_s,
            image_deletion: DeletionPolicy::Delay,
            image_expunge_s: settings.image_expunge_s,
            upload_idle_s: IDLE_S,
        }
    }
}

/// Which values a configuration takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounds {
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// The same, or nothing, which is no limit.
    NumberOrEmpty(u64, u64),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// A global configuration.
pub struct Row {
    /// Its category.
    pub category: &'static str,
    /// Its name in the category.
    pub name: &'static str,
    /// The setting that is its default; `None` where there is none.
    pub setting: Option<&'static str>,
    /// What it means, with its unit.
    pub meaning: &'static str,
    /// Which values it takes.
    pub bounds: Bounds,
    read: fn(&InForce) -> Option<u64>,
    write: fn(&mut InForce, Option<u64>),
}

/// All of them; the number of each is its place, so new ones go to the end.
pub const ROWS: &[Row] = &[
    Row {
        category: "identity",
        name: "session.timeout",
        setting: Some("session.timeoutSeconds"),
        meaning: "A session ends so many seconds after its last use; sessions that would last longer are shortened at once.",
        bounds: Bounds::Number(1, 31_536_000),
        read: |now| Some(now.session_timeout_s),
        write: |now, value| now.session_timeout_s = value.unwrap_or_default(),
    },
    Row {
        category: "identity",
        name: "session.maxConcurrent",
        setting: Some("session.maxPerAccount"),
        meaning: "Sessions of one account at a time; those beyond a smaller number live on.",
        bounds: Bounds::Number(1, 100_000),
        read: |now| Some(now.sessions_max.into()),
        write: |now, value| now.sessions_max = small(value),
    },
    Row {
        category: "rest",
        name: "completedApi.expiredPeriod",
        setting: None,
        meaning: "The answer of an asynchronous call is kept so many seconds from the call on; counts for calls from then on.",
        bounds: Bounds::Number(1, 31_536_000),
        read: |now| Some(now.record_kept_s),
        write: |now, value| now.record_kept_s = value.unwrap_or_default(),
    },
    Row {
        category: "progress",
        name: "progress.on",
        setting: None,
        meaning: "Whether getTaskProgress tells the progress of jobs; it answers an empty list otherwise.",
        bounds: Bounds::Flag,
        read: |now| Some(now.progress_on.into()),
        write: |now, value| now.progress_on = value == Some(1),
    },
    Row {
        category: "longhaul",
        name: "copy.bytesPerSecond",
        setting: Some("copy.bytesPerSecond"),
        meaning: "Most bytes per second one copy writes, running ones too; 0 is unlimited. A job's own longhaul::throttle:: wins.",
        bounds: Bounds::Number(0, u64::MAX),
        read: |now| Some(now.copy.bytes_per_s),
        write: |now, value| now.copy.bytes_per_s = value.unwrap_or_default(),
    },
    Row {
        category: "longhaul",
        name: "copy.streams",
        setting: Some("copy.streams"),
        meaning: "Parallel streams of one copy; counts for the next copies.",
        bounds: Bounds::Number(1, 16),
        read: |now| Some(now.copy.streams.into()),
        write: |now, value| now.copy.streams = small(value),
    },
    Row {
        category: "longhaul",
        name: "copy.checkpointMillis",
        setting: Some("copy.checkpointMillis"),
        meaning: "Milliseconds between checkpoints of a copy; counts for the next copies.",
        bounds: Bounds::Number(100, 60_000),
        read: |now| Some(now.copy.checkpoint_ms),
        write: |now, value| now.copy.checkpoint_ms = value.unwrap_or_default(),
    },
    Row {
        category: "longhaul",
        name: "engine.maxRunning",
        setting: Some("engine.maxRunning"),
        meaning: "Jobs of built-in types that run at a time; 0 starts none. Running ones run on.",
        bounds: Bounds::Number(0, 100_000),
        read: |now| Some(now.max_running.into()),
        write: |now, value| now.max_running = small(value),
    },
    Row {
        category: "longhaul",
        name: "engine.maxRunningSimulator",
        setting: Some("engine.maxRunningSimulator"),
        meaning: "Simulator jobs that run at a time; empty is unlimited, 0 starts none. Running ones run on.",
        bounds: Bounds::NumberOrEmpty(0, u32::MAX as u64),
        read: |now| now.max_running_simulator.map(u64::from),
        write: |now, value| now.max_running_simulator = value.map(|_| small(value)),
    },
    Row {
        category: "longhaul",
        name: "engine.cancelDeadlineSeconds",
        setting: Some("engine.cancelDeadlineSeconds"),
        meaning: "After so many seconds a cancel is enforced; counts for cancels from then on.",
        bounds: Bounds::Number(1, 86_400),
        read: |now| Some(now.cancel_deadline_s),
        write: |now, value| now.cancel_deadline_s = value.unwrap_or_default(),
    },
    Row {
        category: "longhaul",
        name: "drainSeconds",
        setting: Some("drainSeconds"),
        meaning: "How long a stopping server waits: for attempts to save a checkpoint, and for the end of jobs that could not go on from one.",
        bounds: Bounds::Number(0, 3600),
        read: |now| Some(now.drain_s),
        write: |now, value| now.drain_s = value.unwrap_or_default(),
    },
    Row {
        category: "longhaul",
        name: "volume.expungeSeconds",
        setting: Some("volume.expungeSeconds"),
        meaning: "A deleted volume is expunged after so many seconds; 0 never.",
        bounds: Bounds::Number(0, u32::MAX as u64),
        read: |now| Some(now.volume_expunge_s),
        write: |now, value| now.volume_expunge_s = value.unwrap_or_default(),
    },
    Row {
        category: "image",
        name: "deletionPolicy",
        setting: None,
        meaning: "What the deletion of an image does: Delay keeps its bytes until they are expunged, Direct removes them at once, Never keeps them until somebody expunges them.",
        bounds: Bounds::OneOf(&DeletionPolicy::NAMES),
        read: |now| Some(now.image_deletion.number() as u64),
        write: |now, value| {
            now.image_deletion =
                DeletionPolicy::numbered(value.map_or(0, |n| usize::try_from(n).unwrap_or(0)));
        },
    },
    Row {
        category: "image",
        name: "expungePeriod",
        setting: Some("image.expungeSeconds"),
        meaning: "A deleted image is expunged after so many seconds; 0 never.",
        bounds: Bounds::Number(0, u32::MAX as u64),
        read: |now| Some(now.image_expunge_s),
        write: |now, value| now.image_expunge_s = value.unwrap_or_default(),
    },
    Row {
        category: "image",
        name: "upload.max.idle.duration.in.seconds",
        setting: None,
        meaning: "The job of an upload of which nothing came for so many seconds is suspended; running ones too.",
        bounds: Bounds::Number(1, 86_400),
        read: |now| Some(now.upload_idle_s),
        write: |now, value| now.upload_idle_s = value.unwrap_or_default(),
    },
];

/// A number whose bounds are within 32 bits.
fn small(value: Option<u64>) -> u32 {
    value.and_then(|number| u32::try_from(number).ok()).unwrap_or(u32::MAX)
}

impl Row {
    /// The configuration of that name.
    ///
    /// # Errors
    /// SYS.1007 with ZStack's text.
    pub fn find(category: &str, name: &str) -> Result<&'static Self, Fault> {
        let found = ROWS.iter().find(|row| row.category == category && row.name == name);
        found.ok_or_else(|| {
            Fault::invalid(format!("Unable to find GlobalConfig[category: {category}, name: {name}]"))
        })
    }

    /// Its value in `now`, as text.
    pub fn text(&self, now: &InForce) -> String {
        match (self.bounds, (self.read)(now)) {
            (_, None) => String::new(),
            (Bounds::Flag, Some(flag)) => (flag == 1).to_string(),
            (Bounds::OneOf(words), Some(at)) => usize::try_from(at)
                .ok()
                .and_then(|at| words.get(at))
                .map_or(String::new(), ToString::to_string),
            (Bounds::Number(..) | Bounds::NumberOrEmpty(..), Some(number)) => number.to_string(),
        }
    }

    /// Writes the value of `text` into `now`.
    ///
    /// # Errors
    /// SYS.1007 with the bounds.
    pub fn put(&self, now: &mut InForce, text: &str) -> Result<(), Fault> {
        let within = |low, high| text.parse::<u64>().ok().filter(|number| (low..=high).contains(number));
        let value = match self.bounds {
            Bounds::NumberOrEmpty(..) if text.is_empty() => Some(None),
            Bounds::Number(low, high) | Bounds::NumberOrEmpty(low, high) => within(low, high).map(Some),
            Bounds::Flag => match text.to_ascii_lowercase().as_str() {
                "true" => Some(Some(1)),
                "false" => Some(Some(0)),
                _ => None,
            },
            Bounds::OneOf(words) => words.iter().position(|word| *word == text).map(|at| Some(at as u64)),
        };
        let value = value.ok_or_else(|| {
            let must = match self.bounds {
                Bounds::Number(low, high) => format!("a whole number in range of [{low}, {high}]"),
                Bounds::NumberOrEmpty(low, high) => {
                    format!("a whole number in range of [{low}, {high}], or empty for no limit")
                }
                Bounds::Flag => "one of [true, false]".to_owned(),
                Bounds::OneOf(words) => format!("one of [{}]", words.join(", ")),
            };
            let (category, name) = (self.category, self.name);
            Fault::invalid(format!(
                "the value[{text}] of GlobalConfig[category: {category}, name: {name}] must be {must}"
            ))
        })?;
        (self.write)(now, value);
        Ok(())
    }
}
