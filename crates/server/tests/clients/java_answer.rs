//! What the Java SDK makes of a body: Gson reads it as maps, the schema map says which of them become objects
//! of its classes, and a program casts. Each step that throws there is a crash here.
//!
//! Source: rest-api.md 5.4 "Schema rules", 6.1, 7.1.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::dates;
use crate::model::{Failure, Job, Moment, Seen, TEXTS};

const LONG_JOB: &str = "org.zstack.header.longjob.LongJobInventory";
const TASK_PROGRESS: &str = "org.zstack.header.core.progress.TaskProgressInventory";
/// The classes that the SDK knows, of those that can be answered here.
const KNOWN: [&str; 12] = [
    LONG_JOB,
    TASK_PROGRESS,
    "org.zstack.header.identity.SessionInventory",
    "org.zstack.header.identity.AccountInventory",
    "org.zstack.header.managementnode.ManagementNodeInventory",
    "org.zstack.core.config.GlobalConfigInventory",
    "org.zstack.header.tag.SystemTagInventory",
    "org.zstack.header.tag.UserTagInventory",
    "org.zstack.header.zone.ZoneInventory",
    "org.zstack.header.storage.primary.PrimaryStorageInventory",
    "org.zstack.header.volume.VolumeInventory",
    "org.zstack.header.core.trash.InstallPathRecycleInventory",
];
/// The names of the enum; another one becomes null.
const STATES: [&str; 7] = ["Waiting", "Suspended", "Running", "Succeeded", "Canceling", "Canceled", "Failed"];

/// A body with the classes of its objects.
#[derive(Debug, Clone)]
pub struct JavaAnswer {
    body: Map<String, Value>,
    classes: BTreeMap<String, String>,
}

impl JavaAnswer {
    /// Reads a body and makes objects of what the schema names.
    ///
    /// # Errors
    /// A crash where the SDK throws: no JSON object, an entry for nothing, a class that it does not know.
    pub fn read(text: &str) -> Seen<Self> {
        let crash = |why: String| Failure::Crash(why);
        let body: Value =
            serde_json::from_str(text).map_err(|e| crash(format!("JsonSyntaxException: {e}")))?;
        let Value::Object(body) = body else { return Err(crash(format!("not a map: {text}"))) };
        let mut classes = BTreeMap::new();
        for (path, class) in body.get("schema").and_then(Value::as_object).into_iter().flatten() {
            let class = class.as_str().ok_or_else(|| crash(format!("schema[{path}] is no text")))?;
            match at(&body, path) {
                Some(Value::Object(_)) => {}
                other => return Err(crash(format!("schema[{path}] points at {other:?}"))),
            }
            if !KNOWN.contains(&class) {
                return Err(crash(format!("the SDK has no class for {class}")));
            }
            classes.insert(path.clone(), class.to_owned());
        }
        Ok(Self { body, classes })
    }

    /// The answer of a 503 at a poll.
    ///
    /// # Errors
    /// Always: the error, or a crash where there is none.
    pub fn error<T>(self) -> Seen<T> {
        match self.body.get("error") {
            Some(error) => Err(Failure::of(error)),
            None => Err(Failure::Crash("503 without an error".to_owned())),
        }
    }

    /// The body.
    pub fn body(&self) -> &Map<String, Value> {
        &self.body
    }

    /// The class at `path`.
    pub fn class(&self, path: &str) -> Option<&str> {
        self.classes.get(path).map(String::as_str)
    }

    /// `inventory` as it is.
    pub fn single(&self) -> Value {
        self.body.get("inventory").cloned().unwrap_or_default()
    }

    /// `total`.
    pub fn total(&self) -> Option<i64> {
        self.body.get("total").and_then(Value::as_i64)
    }

    /// `inventory`, whose type the result class declares, so it needs no schema.
    ///
    /// # Errors
    /// A crash where Gson throws.
    pub fn job(&self, zone: &TimeZone) -> Seen<Job> {
        job(&self.single(), zone)
    }

    /// `inventories`, each cast by the program.
    ///
    /// # Errors
    /// A crash where a cast fails: an element that the schema gives no class, or another one.
    pub fn jobs(&self, zone: &TimeZone) -> Seen<Vec<Job>> {
        self.rows(LONG_JOB)?.iter().map(|row| job(row, zone)).collect()
    }

    /// The contents of progress rows.
    ///
    /// # Errors
    /// As `jobs`.
    pub fn progress(&self) -> Seen<Vec<String>> {
        let rows = self.rows(TASK_PROGRESS)?;
        Ok(rows.iter().map(|row| row["content"].as_str().unwrap_or_default().to_owned()).collect())
    }

    fn rows(&self, class: &str) -> Seen<&Vec<Value>> {
        let rows = self.body.get("inventories").and_then(Value::as_array);
        let rows = rows.ok_or_else(|| Failure::Crash("NullPointerException: inventories".to_owned()))?;
        for n in 0..rows.len() {
            let found = self.class(&format!("inventories[{n}]"));
            if found != Some(class) {
                return Err(Failure::Crash(format!("ClassCastException: {found:?} is no {class}")));
            }
        }
        Ok(rows)
    }
}

/// The value at a path of the schema: `inventories[0].subTasks[1]`.
fn at<'a>(body: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut found: Option<&Value> = None;
    for part in path.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, index)) => (name, Some(index.strip_suffix(']')?.parse::<usize>().ok()?)),
            None => (part, None),
        };
        let value = match found {
            None => body.get(name)?,
            Some(outer) => outer.get(name)?,
        };
        found = Some(match index {
            Some(index) => value.get(index)?,
            None => value,
        });
    }
    found
}

/// A job as Gson reads it into the SDK's class.
fn job(value: &Value, zone: &TimeZone) -> Seen<Job> {
    let thrown = |key: &str| Failure::Crash(format!("JsonSyntaxException: {key} of {value}"));
    let object = value.as_object().ok_or_else(|| thrown("inventory"))?;
    let mut texts = Map::new();
    for key in TEXTS {
        match object.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if key == "state" && !STATES.contains(&text.as_str()) => {}
            Some(Value::String(text)) => {
                texts.insert(key.to_owned(), Value::from(text.clone()));
            }
            Some(_) => return Err(thrown(key)),
        }
    }
    let moment = |key: &str| match object.get(key) {
        None | Some(Value::Null) => Ok(Moment::Zero),
        Some(value) => {
            let read = value.as_str().and_then(|text| dates::gson(text, zone));
            read.map(Moment::At).ok_or_else(|| thrown(key))
        }
    };
    let seconds = match object.get("executeTime") {
        None => None,
        Some(value) => Some(value.as_i64().ok_or_else(|| thrown("executeTime"))?),
    };
    Ok(Job { texts, created: moment("createDate")?, changed: moment("lastOpDate")?, seconds })
}

#[test]
fn a_list_without_its_schema_an_entry_for_nothing_and_an_unknown_class_break_a_java_program_off() {
    let utc = TimeZone::UTC;
    let row = r#"{"uuid":"u","createDate":"Nov 14, 2017 10:20:57 PM"}"#;
    let fine = format!(r#"{{"inventories":[{row}],"schema":{{"inventories[0]":"{LONG_JOB}"}}}}"#);
    assert_eq!(JavaAnswer::read(&fine).and_then(|a| a.jobs(&utc)).map(|jobs| jobs.len()), Ok(1));
    let without = JavaAnswer::read(&format!(r#"{{"inventories":[{row}],"schema":{{}}}}"#));
    assert!(matches!(without.and_then(|a| a.jobs(&utc)), Err(Failure::Crash(why)) if why.contains("Cast")));
    for broken in [
        format!(r#"{{"schema":{{"inventory":"{LONG_JOB}"}}}}"#),
        format!(r#"{{"inventory":null,"schema":{{"inventory":"{LONG_JOB}"}}}}"#),
        format!(r#"{{"inventory":{row},"schema":{{"inventory":"no.such.Class"}}}}"#),
        "[]".to_owned(),
        String::new(),
    ] {
        assert!(matches!(JavaAnswer::read(&broken), Err(Failure::Crash(_))), "{broken}");
    }
    for wrong in [r#"{"createDate":1510669257000}"#, r#"{"createDate":"2017-11-14 22:20:57"}"#] {
        let answer = JavaAnswer::read(&format!(r#"{{"inventory":{wrong}}}"#)).and_then(|a| a.job(&utc));
        assert!(matches!(answer, Err(Failure::Crash(_))), "{wrong}");
    }
}
