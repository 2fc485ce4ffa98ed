//! What a simulated body will do, as its `jobData` says it. Drawn by clients, read by `handlers`.

use longhaul_model::Fault;
use serde_json::{Value, json};

use crate::rng::Rng;

/// How the work ends if nothing comes between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// It is done.
    Succeed,
    /// It cannot be done.
    Fail,
    /// It is interrupted at half, and done when it is resumed.
    Interrupt,
    /// It fails of something that passes, in every other attempt.
    Flaky,
    /// The body breaks off.
    Panic,
}

/// What the body does about a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCancel {
    /// Stops at once.
    Stop,
    /// Says it goes on, and does.
    Refuse,
    /// Goes on.
    Ignore,
}

/// The whole plan of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyPlan {
    /// How it ends.
    pub work: Work,
    /// How many steps, each with a checkpoint.
    pub steps: u64,
    /// How long a step takes, ms.
    pub step_ms: u64,
    /// What a cancel does.
    pub on_cancel: OnCancel,
    /// How long undoing takes, ms.
    pub undo_ms: u64,
    /// How often undoing fails before it works, in one process.
    pub undo_fails: u32,
    /// Tells two plans apart that are equal otherwise.
    pub salt: u64,
}

const WORKS: [(Work, &str); 5] = [
    (Work::Succeed, "succeed"),
    (Work::Fail, "fail"),
    (Work::Interrupt, "interrupt"),
    (Work::Flaky, "flaky"),
    (Work::Panic, "panic"),
];
const CANCELS: [(OnCancel, &str); 3] =
    [(OnCancel::Stop, "stop"), (OnCancel::Refuse, "refuse"), (OnCancel::Ignore, "ignore")];

fn name_of<T: PartialEq>(names: &[(T, &'static str)], of: &T) -> &'static str {
    names.iter().find(|(value, _)| value == of).map_or("", |(_, name)| name)
}

fn named<T: Copy>(names: &[(T, &str)], name: &Value) -> Result<T, Fault> {
    let found = names.iter().find(|(_, known)| name.as_str() == Some(known));
    found.map(|(value, _)| *value).ok_or_else(|| Fault::invalid(format!("unknown: {name}")))
}

impl BodyPlan {
    /// A plan; `rigid` bodies cannot be interrupted, since nothing could resume them.
    pub fn draw(rng: &mut Rng, rigid: bool) -> Self {
        let work = match rng.below(10) {
            0 => Work::Fail,
            1 | 2 if !rigid => Work::Interrupt,
            3 if rng.chance(30) => Work::Panic,
            4 => Work::Flaky,
            _ => Work::Succeed,
        };
        let on_cancel = match rng.below(8) {
            0 => OnCancel::Refuse,
            1 => OnCancel::Ignore,
            _ => OnCancel::Stop,
        };
        Self {
            work,
            steps: rng.between(0, 6),
            step_ms: if rng.chance(20) { rng.between(0, 3) } else { rng.between(20, 900) },
            on_cancel,
            undo_ms: if rng.chance(20) { rng.between(1000, 7000) } else { rng.between(0, 200) },
            undo_fails: if rng.chance(10) { 4 } else { 0 },
            salt: rng.bits() >> 32,
        }
    }

    /// As `jobData`.
    pub fn data(&self) -> Value {
        json!({
            "work": name_of(&WORKS, &self.work),
            "steps": self.steps,
            "stepMs": self.step_ms,
            "onCancel": name_of(&CANCELS, &self.on_cancel),
            "undoMs": self.undo_ms,
            "undoFails": self.undo_fails,
            "salt": self.salt,
        })
    }

    /// From `jobData`.
    ///
    /// # Errors
    /// It is not one.
    pub fn read(data: &Value) -> Result<Self, Fault> {
        let number =
            |key: &str| data[key].as_u64().ok_or_else(|| Fault::invalid(format!("{key} is not a number")));
        Ok(Self {
            work: named(&WORKS, &data["work"])?,
            steps: number("steps")?,
            step_ms: number("stepMs")?,
            on_cancel: named(&CANCELS, &data["onCancel"])?,
            undo_ms: number("undoMs")?,
            undo_fails: u32::try_from(number("undoFails")?).unwrap_or(0),
            salt: number("salt")?,
        })
    }
}
