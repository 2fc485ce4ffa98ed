//! Jobs of the simulator in the state that a test needs, and the calls on them.

use serde_json::{Value, json};

use super::caller::{Answer, Caller};
use super::{until, uuid};

/// Long enough that no test sees its end.
pub const FOREVER_MS: u64 = 3_600_000;

/// The flags of a server on which jobs stay Waiting.
pub const NOTHING_STARTS: [&str; 2] = ["--set", "engine.maxRunningSimulator=0"];

/// The body of a submission of the simulator.
pub fn submission(id: &str, data: &Value) -> Value {
    json!({"params": {
        "name": "a job", "description": "of a test", "jobName": "APISimulateJobMsg",
        "jobData": data.to_string(), "resourceUuid": id,
        "targetResourceUuid": "45a53d3d93384433add8ead7616586cf",
    }})
}

/// `jobData` of a job that comes to `state`.
pub fn data(state: &str) -> Value {
    match state {
        "Waiting" | "Running" | "Canceled" => json!({"durationMs": FOREVER_MS}),
        "Canceling" => json!({"durationMs": FOREVER_MS, "onCancel": "slow", "cancelDelayMs": FOREVER_MS}),
        "Suspended" => json!({"durationMs": 0, "outcome": "interrupt"}),
        "Failed" => json!({"durationMs": 0, "outcome": "fail"}),
        "Succeeded" => json!({"durationMs": 0}),
        other => panic!("no such state: {other}"),
    }
}

impl Caller {
    /// Submits a simulated job; answers its uuid.
    pub fn submit(&self, data: &Value) -> String {
        let id = uuid();
        self.post("/longjobs", &submission(&id, data)).ok();
        id
    }

    /// The job, if it is there.
    pub fn job(&self, id: &str) -> Option<Value> {
        self.get(&format!("/longjobs/{id}")).ok()["inventories"].get(0).cloned()
    }

    /// Its state.
    pub fn state(&self, id: &str) -> String {
        let job = self.job(id).unwrap_or_else(|| panic!("no job {id}"));
        job["state"].as_str().expect("a state").to_owned()
    }

    /// Waits until it is in `state`.
    pub fn wait_for(&self, id: &str, state: &str) {
        until(&format!("{id} is {state}"), || (self.state(id) == state).then_some(()));
    }

    /// A fresh job in `state`; the server must be one on which it can come there.
    pub fn job_in(&self, state: &str) -> String {
        let id = self.submit(&data(state));
        if matches!(state, "Canceled" | "Canceling") {
            self.wait_for(&id, "Running");
            self.act(&id, "cancelLongJob", &json!({})).ok();
        }
        self.wait_for(&id, state);
        id
    }

    /// A PUT action on a job.
    pub fn act(&self, id: &str, action: &str, params: &Value) -> Answer {
        let mut body = serde_json::Map::new();
        body.insert(action.to_owned(), params.clone());
        self.put(&format!("/longjobs/{id}/actions"), &Value::Object(body))
    }
}
