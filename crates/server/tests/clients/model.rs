//! What the models have in common: what a user sees of a call, a job as the SDKs' types have it, and the nine
//! LongJob calls as a trait.

use std::time::Duration;

use serde_json::{Map, Value, json};

/// What a user sees of a call.
pub type Seen<T> = Result<T, Failure>;

/// How a call fails for the user of an SDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// An error that the program can look at; the code is empty where the SDK has none.
    Error {
        /// The code.
        code: String,
        /// What the SDK says of it.
        description: String,
        /// The details.
        details: String,
    },
    /// An exception, a panic, an array index out of bounds: the program breaks off.
    Crash(String),
    /// Nothing: a callback that is never called.
    Never,
}

impl Failure {
    /// An error of the server, read from `error`.
    pub fn of(error: &Value) -> Self {
        let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
        Self::Error { code: text("code"), description: text("description"), details: text("details") }
    }

    /// The `sdk.1000` of Java and Python: the status as text, the body unread.
    pub fn status(status: u16, body: &str) -> Self {
        Self::Error {
            code: "sdk.1000".to_owned(),
            description: format!("the http status code[{status}] indicates a failure happened"),
            details: body.to_owned(),
        }
    }

    /// The code; empty for a crash.
    pub fn code(&self) -> &str {
        match self {
            Self::Error { code, .. } => code,
            Self::Crash(_) | Self::Never => "",
        }
    }

    /// The details of an error; the test fails for anything else.
    #[track_caller]
    pub fn details(&self) -> &str {
        match self {
            Self::Error { details, .. } => details,
            other => panic!("no error but {other:?}"),
        }
    }
}

/// The details of a call that must fail with `code`.
#[track_caller]
pub fn failed<T: std::fmt::Debug>(seen: Seen<T>, code: &str) -> String {
    let failure = seen.expect_err("the call fails");
    assert_eq!(failure.code(), code, "{failure:?}");
    failure.details().to_owned()
}

/// Why a program broke off.
#[track_caller]
pub fn crashed<T: std::fmt::Debug>(seen: Seen<T>) -> String {
    match seen {
        Err(Failure::Crash(why)) => why,
        other => panic!("no crash but {other:?}"),
    }
}

/// How a client has a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// Read, in seconds since 1970.
    At(i64),
    /// Left as text.
    Text(String),
    /// Absent, or not readable where that is no failure.
    Zero,
}

/// A job as a client's type has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// All texts by key; an absent one is not in it.
    pub texts: Map<String, Value>,
    /// `createDate`.
    pub created: Moment,
    /// `lastOpDate`.
    pub changed: Moment,
    /// `executeTime`, in seconds.
    pub seconds: Option<i64>,
}

/// The keys of a job that are text, for every client alike.
pub const TEXTS: [&str; 10] = [
    "uuid",
    "name",
    "description",
    "apiId",
    "jobName",
    "jobData",
    "jobResult",
    "state",
    "targetResourceUuid",
    "managementNodeUuid",
];

impl Job {
    /// The text of that key; empty where it is absent.
    pub fn text(&self, key: &str) -> &str {
        self.texts.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

/// A query as a program writes it.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// `q=`, unescaped.
    pub conditions: Vec<String>,
    /// Further parameters, unescaped: `limit`, `start`, `count`, `replyWithCount`, `sort`, `fields`.
    pub more: Vec<(&'static str, String)>,
}

impl Query {
    /// Of one condition.
    pub fn of(condition: &str) -> Self {
        Self { conditions: vec![condition.to_owned()], more: Vec::new() }
    }

    /// With a further parameter.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.more.push((name, value.to_owned()));
        self
    }
}

/// What a query answers.
#[derive(Debug, Clone)]
pub struct Page {
    /// The rows.
    pub jobs: Vec<Job>,
    /// `total`, if it was asked for.
    pub total: Option<i64>,
}

/// The parameters of a submission, as fields of an action.
pub fn submission(id: &str, data: &Value) -> Value {
    json!({
        "name": "a job of ümläut", "description": "it's \"q\" & <b>", "jobName": "APISimulateJobMsg",
        "jobData": data.to_string(), "resourceUuid": id,
        "targetResourceUuid": "45a53d3d93384433add8ead7616586cf",
    })
}

/// The nine LongJob calls through a client.
pub trait Client {
    /// Its name, for messages.
    fn name(&self) -> &'static str;
    /// SubmitLongJob; `systemTags` and `userTags` are among the fields.
    fn submit(&self, fields: &Value) -> Seen<Job>;
    /// QueryLongJob.
    fn query(&self, query: &Query) -> Seen<Page>;
    /// DeleteLongJob.
    fn delete(&self, uuid: &str) -> Seen<()>;
    /// UpdateLongJob.
    fn update(&self, uuid: &str, fields: &Value) -> Seen<Job>;
    /// CancelLongJob.
    fn cancel(&self, uuid: &str) -> Seen<()>;
    /// RerunLongJob.
    fn rerun(&self, uuid: &str) -> Seen<Job>;
    /// ResumeLongJob.
    fn resume(&self, uuid: &str) -> Seen<Job>;
    /// CleanLongJob.
    fn clean(&self, uuid: &str) -> Seen<()>;
    /// GetTaskProgress: the contents of its rows.
    fn progress(&self, api_id: &str) -> Seen<Vec<String>>;
    /// Whether `failure` is what this client shows of the server's error `code` with `details`, which an
    /// asynchronous call ends with at its poll (`polled`) and a synchronous one at once.
    fn shows(&self, failure: &Failure, code: &str, details: &str, polled: bool) -> bool;

    /// The job of that uuid, by a query.
    fn find(&self, uuid: &str) -> Option<Job> {
        let page = self.query(&Query::of(&format!("uuid={uuid}"))).expect("a query");
        page.jobs.into_iter().next()
    }

    /// Waits until the job is in `state`.
    fn wait_for(&self, uuid: &str, state: &str) -> Job {
        crate::support::until(&format!("{} sees {uuid} {state}", self.name()), || {
            self.find(uuid).filter(|job| job.text("state") == state)
        })
    }
}

/// Asks `ask` until it is no longer 202, as a poll loop does; the SDKs' pauses of 1 and 2 s are shortened,
/// their patience in seconds is kept as far as a test waits.
#[allow(clippy::disallowed_methods, reason = "the loop of a client, whose clock is the real one")]
pub fn poll<T>(patience_s: u64, mut ask: impl FnMut() -> Option<Seen<T>>) -> Seen<T> {
    let start = std::time::Instant::now();
    while start.elapsed().as_secs() < patience_s.min(30) {
        if let Some(seen) = ask() {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(Failure::Error {
        code: "sdk.1001".to_owned(),
        description: "timeout of polling".to_owned(),
        details: String::new(),
    })
}
