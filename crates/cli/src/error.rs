//! A failure as the user sees it: the API's error object, or one of our own codes where the API has none.
//! Which exit code it ends with and what to do about it are told here.

use std::fmt;

use serde_json::{Value, json};

use crate::console::printable;
use crate::exit::Exit;

/// The answer can not be read.
pub const BAD_ANSWER: &str = "CLI.1000";
/// No connection can be made.
pub const UNREACHABLE: &str = "CLI.1001";
/// The connection broke, or no answer came in time: the call may have been carried out.
pub const LOST: &str = "CLI.1002";
/// An asynchronous call did not end within its time.
pub const POLL_TIMEOUT: &str = "CLI.1003";
/// The command line is wrong.
pub const USAGE: &str = "CLI.1004";
/// Something on this machine failed.
pub const LOCAL: &str = "CLI.1005";
/// Nobody is logged in.
pub const NO_SESSION: &str = "CLI.1006";
/// The time given to a wait is over.
pub const WAIT_OVER: &str = "CLI.1007";
/// A job stays Suspended, or held, until somebody acts.
pub const STAYS_SUSPENDED: &str = "CLI.1008";
/// What came is not what the server said it would be.
pub const OTHER_BYTES: &str = "CLI.1009";
/// What the API says of things that are not there.
pub const NOT_FOUND: &str = "SYS.1003";
/// What the API says of what a resource does not take as it is now.
pub const REFUSED: &str = "SYS.1006";

/// Words of the server in a SYS.1010 that is not its own fault: its store, a database mostly, is away.
const STORE_AWAY: [&str; 2] = ["the store is not available", "the node waits for its database"];

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    /// `SYS.1007`; `HTTP.400` for an answer that is only text; `CLI.1001` for what never reached a server.
    pub code: String,
    /// What that code means, the same for each error of the code.
    pub description: String,
    /// What is wrong here.
    pub details: String,
    /// The error that caused this one.
    pub cause: Option<Box<ClientError>>,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
}

impl ClientError {
    /// An error of our own.
    pub fn new(code: &str, description: &str, details: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            description: description.to_owned(),
            details: details.into(),
            cause: None,
            status: None,
        }
    }

    /// The command line is wrong.
    pub fn usage(details: impl Into<String>) -> Self {
        Self::new(USAGE, "The command line is wrong", details)
    }

    /// Something on this machine failed.
    pub fn local(details: impl Into<String>) -> Self {
        Self::new(LOCAL, "This machine failed the command", details)
    }

    /// Something that was named is not there.
    pub fn not_found(details: impl Into<String>) -> Self {
        Self::new(NOT_FOUND, "A resource can not be found", details)
    }

    /// An answer that is not what the API promises.
    pub fn bad_answer(details: impl Into<String>) -> Self {
        Self::new(BAD_ANSWER, "The server's answer can not be read", details)
    }

    /// The error of an answer: the API's error object, or only text as ZStack answers misuse.
    pub fn of_answer(status: u16, body: &str) -> Self {
        let parsed: Option<Value> = serde_json::from_str(body).ok();
        let mut error = match parsed.as_ref().and_then(|v| v.get("error")) {
            Some(object) => Self::of_object(object),
            None => {
                let text: String = body.trim().chars().take(4096).collect();
                let details = if text.is_empty() { "the answer is empty".to_owned() } else { text };
                Self::new(
                    &format!("HTTP.{status}"),
                    &format!("The server answered status {status} without an error object"),
                    details,
                )
            }
        };
        error.status = Some(status);
        error
    }

    /// The API's error object.
    pub fn of_object(object: &Value) -> Self {
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let cause = object.get("cause").filter(|c| c.is_object());
        Self {
            code: text("code"),
            description: text("description"),
            details: text("details"),
            cause: cause.map(|c| Box::new(Self::of_object(c))),
            status: None,
        }
    }

    /// Whether the server may come back: a GET, or a call that is the same when sent twice, can be repeated.
    pub fn is_transient(&self) -> bool {
        matches!(self.code.as_str(), UNREACHABLE | LOST | "SYS.1010" | "SYS.1012")
    }

    /// How a command ends with it.
    pub fn exit(&self) -> Exit {
        match self.code.as_str() {
            UNREACHABLE | LOST | POLL_TIMEOUT => Exit::Unreachable,
            USAGE => Exit::Usage,
            NOT_FOUND => Exit::NotFound,
            NO_SESSION | "ID.1000" | "ID.1001" | "ID.1002" => Exit::Denied,
            code if code.starts_with("HTTP.") => match self.status {
                Some(404) => Exit::NotFound,
                Some(401 | 403) => Exit::Denied,
                _ => Exit::Failed,
            },
            _ => Exit::Failed,
        }
    }

    /// What to do about it, where the details do not say so already.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self.code.as_str() {
            _ if self.status == Some(507) => {
                "make room on the storage, as with `longhaul image storage trash clean`, or take another one"
            }
            UNREACHABLE => {
                "start a server with `longhaul serve`, or name another one with --url or LONGHAUL_URL"
            }
            LOST => "look whether the call was carried out before sending it again",
            POLL_TIMEOUT => "look with `longhaul job list` or try again later; the server still works on it",
            NO_SESSION => "log in with `longhaul login`, or set LONGHAUL_TOKEN to a session",
            "ID.1000" => "check the account's name and password",
            "ID.1001" => {
                "log in again with `longhaul login`; if LONGHAUL_TOKEN is set, it wins over the login"
            }
            "ID.1002" => "log in as the owner or as admin",
            "ID.1006" => "log out of sessions that are no longer used, or wait until they expire",
            "SYS.1010" if self.says("the database refuses") => return None, // the details say what to mend
            "SYS.1010" if STORE_AWAY.iter().any(|words| self.says(words)) => {
                "the server runs, but its store takes nothing at present; the details say why, its log since when. Try \
                 again when that is mended"
            }
            "SYS.1010" | "SYS.1012" => {
                "the server is starting, stopping or overloaded; try again in a moment"
            }
            "LONG_JOB.1001" => "try again in a moment, or wait for the job to end",
            "LONG_JOB.1003" => "see what the job's type can do with `longhaul job types`",
            "LONG_JOB.1100" => "choose another --uuid, or look at the job that has it",
            NOT_FOUND => "see what exists with the `list` command of its group",
            _ => return None,
        })
    }

    /// Whether its details, or those of what caused it, have these words.
    fn says(&self, words: &str) -> bool {
        self.details.contains(words) || self.cause.as_ref().is_some_and(|cause| cause.says(words))
    }

    /// The error as it is printed on stderr.
    pub fn told(&self) -> String {
        self.told_with(self.advice())
    }

    /// The same with what is advised.
    pub fn told_with(&self, advice: Option<&str>) -> String {
        let mut text = format!("error: {}{}", printable(&self.description), in_brackets(&self.code));
        for line in self.details.lines() {
            text.push_str(&format!("\n  {}", printable(line)));
        }
        let mut cause = self.cause.as_deref();
        while let Some(error) = cause {
            text.push_str(&format!(
                "\n  caused by: {}{}{}",
                printable(&error.description),
                in_brackets(&error.code),
                if error.details.is_empty() {
                    String::new()
                } else {
                    format!(": {}", printable(&error.details))
                }
            ));
            cause = error.cause.as_deref();
        }
        if let Some(advice) = advice {
            text.push_str(&format!("\n  what to do: {advice}"));
        }
        text
    }
}

impl ClientError {
    /// The error for programs: the API's error object, with what is advised and how the command ends.
    pub fn json(&self, advice: Option<&str>, exit: Exit) -> Value {
        let mut told = json!({"error": self.object(), "exit": exit.code()});
        if let Some(advice) = advice {
            told["whatToDo"] = Value::from(advice);
        }
        told
    }

    fn object(&self) -> Value {
        let mut object = json!({"code": self.code, "description": self.description, "details": self.details});
        if let Some(cause) = &self.cause {
            object["cause"] = cause.object();
        }
        object
    }
}

fn in_brackets(code: &str) -> String {
    if code.is_empty() { String::new() } else { format!(" ({})", printable(code)) }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", self.description, in_brackets(&self.code), self.details)
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|c| c as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_object_is_told_with_its_causes_and_what_to_do() {
        let body = r#"{"error":{"code":"ID.1002","description":"No permission","details":"not yours",
            "cause":{"code":"SYS.1016","description":"IO","details":"EROFS","cause":{"code":"X.1","description":"root","details":""}}}}"#;
        let error = ClientError::of_answer(503, body);
        assert_eq!(error.exit(), Exit::Denied);
        assert_eq!(
            error.told(),
            "error: No permission (ID.1002)\n  not yours\n  caused by: IO (SYS.1016): EROFS\n  caused by: root (X.1)\n  \
             what to do: log in as the owner or as admin"
        );
    }

    #[test]
    fn where_the_store_is_away_the_server_is_not_called_busy() {
        let advice = |details: &str| {
            let error = json!({"code": "SYS.1010", "description": "d", "details": details});
            ClientError::of_answer(
                503,
                &json!({"error": {"code": "SYS.1010", "description": "d", "details": "x",
                "cause": error}})
                .to_string(),
            )
            .advice()
        };
        for away in [
            "the store is not available, send it again: the database can't be reached: connection refused",
            "the node waits for its database; send it again a little later",
        ] {
            let told = advice(away).expect("advice");
            assert!(told.contains("its store") && !told.contains("overloaded"), "{told}");
        }
        assert_eq!(
            advice("the database refuses the store's statements: no; see that …, then send it again"),
            None
        );
        assert!(advice("so many answers are on their way").is_some_and(|told| told.contains("overloaded")));
    }

    #[test]
    fn an_answer_of_only_text_is_told_with_its_status() {
        let error = ClientError::of_answer(400, "missing header 'Authorization'\n");
        assert_eq!((error.code.as_str(), error.status), ("HTTP.400", Some(400)));
        assert!(error.told().ends_with("\n  missing header 'Authorization'"), "{}", error.told());
        assert_eq!(ClientError::of_answer(404, "the job has been expired").exit(), Exit::NotFound);
        assert_eq!(ClientError::of_answer(500, "").details, "the answer is empty");
    }

    #[test]
    fn an_error_can_not_write_to_the_terminal_behind_our_back() {
        let error = ClientError::of_answer(500, "\u{1b}[2Jgone");
        assert!(!error.told().contains('\u{1b}'));
    }
}
