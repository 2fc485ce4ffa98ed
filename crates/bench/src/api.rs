//! The calls that the bench makes beside the measured ones: login, accounts, storages, jobs.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use sha2::Digest;

use crate::http::{Connection, request};
use crate::server::PASSWORD;

/// Somebody with a session, and a connection.
pub struct Api {
    /// The session.
    pub session: String,
    connection: Connection,
}

/// A password as clients send it.
pub fn wire_password(clear: &str) -> String {
    sha2::Sha512::digest(clear.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

impl Api {
    /// Logs in as the account admin.
    pub async fn admin(address: SocketAddr) -> Result<Self> {
        Self::log_in(address, "admin", PASSWORD).await
    }

    /// Logs in with a password in clear.
    pub async fn log_in(address: SocketAddr, name: &str, password: &str) -> Result<Self> {
        let connection = Connection::open(address).await?;
        let mut api = Self { session: String::new(), connection };
        let body =
            json!({"logInByAccount": {"accountName": name, "password": wire_password(password)}}).to_string();
        let session = api.call("PUT", "/v1/accounts/login", &body).await?;
        api.session = uuid(&session)?;
        Ok(api)
    }

    /// A new connection for the same session.
    pub async fn connect_again(&mut self, address: SocketAddr) -> Result<()> {
        self.connection = Connection::open(address).await?;
        Ok(())
    }

    /// A call, followed to its end.
    pub async fn call(&mut self, method: &str, target: &str, body: &str) -> Result<Value> {
        let (mut method, mut target, mut body) = (method.to_owned(), target.to_owned(), body.to_owned());
        loop {
            let bytes = request(&method, &target, &self.session, &body);
            let reply = self.connection.send(&bytes).await?;
            let answer: Value = serde_json::from_slice(reply.body).context("an answer that is no JSON")?;
            match reply.status {
                200 => return Ok(answer),
                202 => {
                    if let Some(location) = answer["location"].as_str() {
                        let path = location.splitn(4, '/').nth(3).unwrap_or_default();
                        (method, target, body) = ("GET".to_owned(), format!("/{path}"), String::new());
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                status => bail!("{method} {target}: {status} {answer}"),
            }
        }
    }

    /// How many rows a query of jobs finds.
    pub async fn count(&mut self, conditions: &str) -> Result<u64> {
        let answer = self.call("GET", &format!("/v1/longjobs?count=true&{conditions}"), "").await?;
        answer["total"].as_u64().ok_or_else(|| anyhow!("no total in {answer}"))
    }
}

/// The uuid of an answer's inventory.
pub fn uuid(answer: &Value) -> Result<String> {
    answer["inventory"]["uuid"].as_str().map(str::to_owned).ok_or_else(|| anyhow!("no uuid in {answer}"))
}

/// The body of a submission of a simulator job that takes no time.
pub fn no_op(name: &str, target: u64, id: Option<&str>) -> String {
    let id = id.map(|id| format!(r#","resourceUuid":"{id}""#)).unwrap_or_default();
    format!(
        r#"{{"params":{{"name":"{name}","jobName":"APISimulateJobMsg","jobData":"{{\"durationMs\":0}}","targetResourceUuid":"{target:032x}"{id}}}}}"#
    )
}
