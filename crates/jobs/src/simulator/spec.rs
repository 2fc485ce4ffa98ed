//! `jobData` of the simulator types: all fields optional, each with its default and bound.

use longhaul_model::{Code, Fault};
use serde_json::{Value, json};

/// Longest simulated body, ms: 30 days.
pub const DURATION_MAX_MS: u64 = 30 * 24 * 3600 * 1000;
/// Default of the work between two checkpoints, ms.
pub const CHECKPOINT_MS: u64 = 500;
/// Most progress steps.
pub const STEPS_MAX: u64 = 10_000;

/// How the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Succeed,
    /// With `errorCode`.
    Fail,
    /// At half of its time with `LONG_JOB.1002`, so Suspended; resumed, it succeeds.
    Interrupt,
}

/// What a cancel does to the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnCancel {
    /// It stops within 100 ms.
    Stop,
    /// The cancel fails; the body runs on.
    Refuse,
    /// It stops after `cancelDelayMs`.
    Slow,
    /// The cancel is accepted; the body runs on to success.
    Ignore,
}

/// What a body is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// How long it takes, ms; default 1000.
    pub duration_ms: u64,
    /// In how many steps it tells its progress; default 10.
    pub progress_steps: u64,
    /// Checkpoints are saved behind a step, and are no closer than this, ms; default 500.
    pub checkpoint_ms: u64,
    /// The same for the first one of an attempt, ms; default as `checkpoint_ms`.
    pub first_checkpoint_ms: u64,
    /// How it ends; default succeed.
    pub outcome: Outcome,
    /// With `fail`: the code; default `SYS.1006`.
    pub error_code: Code,
    /// With `fail`: the details.
    pub error_details: String,
    /// What a cancel does; default stop.
    pub on_cancel: OnCancel,
    /// With `slow`: after how long it stops, ms; default 1000.
    pub cancel_delay_ms: u64,
    /// Shown under `result` in `jobResult`.
    pub result: Option<Value>,
    /// How long undoing takes, ms; default 0.
    pub clean_ms: u64,
}

impl Spec {
    /// Reads `jobData`.
    ///
    /// # Errors
    /// `InvalidArgument`, naming the field.
    pub fn read(data: &Value, rigid: bool, code_from_text: fn(&str) -> Option<Code>) -> Result<Self, Fault> {
        if !data.is_object() {
            return Err(Fault::invalid("field[jobData] must be a JSON object"));
        }
        let outcome = match text(data, "outcome")?.unwrap_or("succeed") {
            "succeed" => Outcome::Succeed,
            "fail" => Outcome::Fail,
            "interrupt" if !rigid => Outcome::Interrupt,
            "interrupt" => {
                return Err(Fault::invalid(
                    "field[outcome] of jobData: a rigid job cannot be interrupted, for it cannot be resumed; \
                     use APISimulateJobMsg",
                ));
            }
            other => return Err(one_of("outcome", "succeed, fail, interrupt", other)),
        };
        let on_cancel = match text(data, "onCancel")?.unwrap_or("stop") {
            "stop" => OnCancel::Stop,
            "refuse" => OnCancel::Refuse,
            "slow" => OnCancel::Slow,
            "ignore" => OnCancel::Ignore,
            other => return Err(one_of("onCancel", "stop, refuse, slow, ignore", other)),
        };
        let code_text = text(data, "errorCode")?.unwrap_or("SYS.1006");
        let error_code = code_from_text(code_text).ok_or_else(|| {
            Fault::invalid(format!("field[errorCode] of jobData: [{code_text}] is no code of this server"))
        })?;
        let checkpoint_ms = number(data, "checkpointMs", CHECKPOINT_MS, DURATION_MAX_MS)?;
        Ok(Self {
            checkpoint_ms,
            first_checkpoint_ms: number(data, "firstCheckpointMs", checkpoint_ms, DURATION_MAX_MS)?,
            duration_ms: number(data, "durationMs", 1000, DURATION_MAX_MS)?,
            progress_steps: number(data, "progressSteps", 10, STEPS_MAX)?.max(1),
            outcome,
            error_code,
            error_details: text(data, "errorDetails")?.unwrap_or("the simulated job failed").to_owned(),
            on_cancel,
            cancel_delay_ms: number(data, "cancelDelayMs", 1000, DURATION_MAX_MS)?,
            result: data.get("result").filter(|r| !r.is_null()).cloned(),
            clean_ms: number(data, "cleanMs", 0, DURATION_MAX_MS)?,
        })
    }
}

fn number(data: &Value, field: &str, default: u64, max: u64) -> Result<u64, Fault> {
    let value = match data.get(field) {
        None | Some(Value::Null) => return Ok(default),
        Some(Value::String(text)) => text.trim().parse::<i64>().ok(),
        Some(Value::Number(number)) => number.as_i64(),
        Some(_) => None,
    };
    let wrong =
        || Fault::invalid(format!("field[{field}] of jobData must be a whole number in range of [0, {max}]"));
    let value = value.and_then(|v| u64::try_from(v).ok()).ok_or_else(wrong)?;
    if value > max { Err(wrong()) } else { Ok(value) }
}

fn text<'a>(data: &'a Value, field: &str) -> Result<Option<&'a str>, Fault> {
    match data.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Fault::invalid(format!("field[{field}] of jobData must be a string"))),
    }
}

fn one_of(field: &str, legal: &str, sent: &str) -> Fault {
    Fault::invalid(format!("valid value for field[{field}] of jobData are [{legal}], but {sent} found"))
}

/// JSON Schema of the above.
pub fn schema() -> Value {
    let ms = |default: u64, text: &str| json!({"type": "integer", "minimum": 0, "maximum": DURATION_MAX_MS, "default": default, "description": text});
    json!({
        "type": "object",
        "properties": {
            "durationMs": ms(1000, "How long the body takes, in ms."),
            "progressSteps": {"type": "integer", "minimum": 1, "maximum": STEPS_MAX, "default": 10,
                "description": "In how many steps it tells its progress."},
            "checkpointMs": ms(CHECKPOINT_MS, "Work between two checkpoints at least, in ms; each is saved behind a step."),
            "firstCheckpointMs": ms(CHECKPOINT_MS, "The same for the first checkpoint of an attempt; as checkpointMs where it is not given."),
            "outcome": {"type": "string", "enum": ["succeed", "fail", "interrupt"], "default": "succeed",
                "description": "How it ends; interrupt suspends it at half of its time (not for the rigid type)."},
            "errorCode": {"type": "string", "default": "SYS.1006", "description": "With fail: the code."},
            "errorDetails": {"type": "string", "description": "With fail: the details."},
            "onCancel": {"type": "string", "enum": ["stop", "refuse", "slow", "ignore"], "default": "stop",
                "description": "What a cancel does to the body."},
            "cancelDelayMs": ms(1000, "With slow: after how long it stops, in ms."),
            "result": {"description": "Any JSON, shown under result in jobResult."},
            "cleanMs": ms(0, "How long undoing takes, in ms."),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, rigid: bool) -> Result<Spec, Fault> {
        Spec::read(&serde_json::from_str(text).unwrap(), rigid, |t| {
            (t == "SYS.1006").then_some(Code::OperationFailed)
        })
    }

    #[test]
    fn everything_is_optional() {
        let spec = read("{}", false).unwrap();
        assert_eq!((spec.duration_ms, spec.progress_steps, spec.clean_ms), (1000, 10, 0));
        assert_eq!((spec.checkpoint_ms, spec.first_checkpoint_ms), (500, 500));
        let spec = read(r#"{"checkpointMs":1000}"#, false).unwrap();
        assert_eq!((spec.checkpoint_ms, spec.first_checkpoint_ms), (1000, 1000));
    }

    #[test]
    fn a_number_may_be_a_text_as_zstacks_parser_takes_it() {
        assert_eq!(read(r#"{"durationMs":" 90000 "}"#, false).unwrap().duration_ms, 90_000);
    }

    #[test]
    fn a_wrong_value_is_refused_by_the_name_of_its_field() {
        for (text, field) in [
            (r#"{"durationMs":-1}"#, "durationMs"),
            (r#"{"durationMs":"x"}"#, "durationMs"),
            (r#"{"outcome":"maybe"}"#, "outcome"),
            (r#"{"onCancel":7}"#, "onCancel"),
            (r#"{"errorCode":"NO.1"}"#, "errorCode"),
        ] {
            let fault = read(text, false).unwrap_err();
            assert!(fault.details.contains(&format!("field[{field}]")), "{text}: {fault}");
        }
    }

    #[test]
    fn a_rigid_job_cannot_be_interrupted() {
        assert!(read(r#"{"outcome":"interrupt"}"#, true).is_err());
        assert!(read(r#"{"outcome":"interrupt"}"#, false).is_ok());
    }
}
