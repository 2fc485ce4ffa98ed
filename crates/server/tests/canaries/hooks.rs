//! Web hooks: what their URLs keep secret, told at once, tried again and again, or refused.

use base64ct::{Base64, Encoding};

use crate::jobs::secrets;
use crate::support::receiver::{Answers, Receiver};
use crate::support::{Kind, until, uuid};
use crate::whole::Cast;

impl Cast {
    /// A URL with a secret in each of its parts; none belongs anywhere but with the receiver.
    fn hook(&mut self, what: &str, host: &str) -> (String, [String; 4]) {
        let parts = ["user", "password", "path", "query"]
            .map(|part| self.canaries.word(&format!("a web hook's {part}: {what}"), &[]));
        let [user, password, path, query] = &parts;
        (format!("http://{user}:{password}@{host}/{path}?token={query}"), parts)
    }

    fn hooked(&mut self, who: &str, url: &str) {
        let name = format!("a job with a web hook {}", self.jobs.len());
        let data = secrets(&mut self.canaries, &name);
        let (id, caller) = (uuid(), self.caller(who).as_kind(Kind::Java));
        let call = uuid();
        let shown = [
            "stderr",
            "cli",
            "*: GET /task-progresses/{} #*/taskUuid",
            "?table web_hook.id",
            "?dump web_hook",
            "what the receiver was told",
            "table api_record.id",
            "dump api_record",
            "file data/longhaul.db*",
            "*: POST /longjobs #/location",
            "table job.api_id",
            "dump job",
            "*apiId",
            "* #/result",
        ];
        self.canaries.known("the id of a call with a web hook, no secret", &call, &shown);
        let body = serde_json::json!({"params": {"jobName": "APISimulateJobMsg", "resourceUuid": id, "jobData": data.to_string()}});
        let headers = [("X-Web-Hook", url), ("X-Job-UUID", call.as_str())];
        self.ground.ask_with(who, &caller, "POST", "/longjobs", &headers, &body.to_string()).ok();
        self.jobs.push(id);
    }

    /// One that is told, one that is tried until after the end of this test, and what is refused.
    pub fn web_hooks(&mut self) {
        let receiver = Receiver::start(|told, _| {
            Answers::Status(if told.target.contains("token=") && told.header("X-Job-Success").is_some() {
                200
            } else {
                400
            })
        });
        let (url, [user, password, path, query]) = self.hook("told", &receiver.address.to_string());
        self.hooked("ann", &url);
        let told = until("the hook is told", || receiver.journal().first().cloned());
        assert_eq!(told.target, format!("/{path}?token={query}"));
        let credentials = Base64::encode_string(format!("{user}:{password}").as_bytes());
        assert_eq!(told.header("Authorization"), Some(format!("Basic {credentials}").as_str()));
        self.ground.keep("what the receiver was told", told.body.as_bytes());

        let refusing = Receiver::start(|_, _| Answers::Status(500));
        let (url, _) = self.hook("tried again", &refusing.address.to_string());
        self.hooked("ann", &url);
        until("the hook was tried", || (!refusing.journal().is_empty()).then_some(()));
        for (what, host) in [
            ("an address that is refused", "169.254.169.254"),
            ("no such host", "nowhere.invalid"),
            ("no port", "127.0.0.1:99999"),
        ] {
            let (url, _) = self.hook(what, host);
            for url in [url.clone(), url.replace("http:", "https:")] {
                let ann = self.ann.as_kind(Kind::Java);
                self.ground.ask_with(
                    "ann",
                    &ann,
                    "POST",
                    "/longjobs",
                    &[("X-Web-Hook", &url)],
                    "{\"params\":{\"jobName\":\"APISimulateJobMsg\",\"jobData\":\"{}\"}}",
                );
            }
        }
    }
}
