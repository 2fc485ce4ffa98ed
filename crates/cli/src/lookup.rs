//! From what a user types to one resource: a uuid, or a name that fits only one.

use serde_json::Value;

use crate::client::Client;
use crate::error::ClientError;

/// Which volumes a name may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Any; those that are not deleted come first.
    Any,
    /// Deleted ones only.
    Deleted,
}

/// Whether the text has the form of a uuid.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The storage of that uuid or name.
pub async fn storage(client: &Client, text: &str) -> Result<Value, ClientError> {
    one("primary storage", find(client, "primary-storage", text).await?, text)
}

/// The account of that uuid or name.
pub async fn account(client: &Client, text: &str) -> Result<Value, ClientError> {
    one("account", find(client, "accounts", text).await?, text)
}

/// The volume of that uuid or name.
pub async fn volume(client: &Client, text: &str, want: Want) -> Result<Value, ClientError> {
    let mut found = find(client, "volumes", text).await?;
    if !is_uuid(text) {
        let is_deleted = |volume: &Value| volume["status"] == "Deleted";
        let live = found.iter().any(|v| !is_deleted(v));
        found.retain(|v| is_deleted(v) == (want == Want::Deleted || !live));
    }
    one("volume", found, text)
}

/// The image storage of that uuid or name.
pub async fn image_storage(client: &Client, text: &str) -> Result<Value, ClientError> {
    one("image storage", find(client, "backup-storage", text).await?, text)
}

/// The image of that uuid or name; `deleted`: of those that are.
pub async fn image(client: &Client, text: &str, deleted: bool) -> Result<Value, ClientError> {
    let mut found = find(client, "images", text).await?;
    if !is_uuid(text) {
        found.retain(|image| (image["status"] == "Deleted") == deleted);
    }
    one("image", found, text)
}

/// The uuid in an object.
pub fn uuid(object: &Value) -> Result<String, ClientError> {
    let uuid = object["uuid"].as_str().filter(|u| !u.is_empty());
    uuid.map(str::to_owned).ok_or_else(|| ClientError::bad_answer("an object has no uuid"))
}

async fn find(client: &Client, path: &str, text: &str) -> Result<Vec<Value>, ClientError> {
    if is_uuid(text) {
        return client.list(&[path], &[("q", &format!("uuid={text}"))]).await;
    }
    let mut found = if fits_a_condition(text) {
        client.list(&[path], &[("q", &format!("name={text}")), ("limit", "100")]).await?
    } else {
        client.list_all(&[path], &[]).await?
    };
    // The API compares names in any case; a user who typed one means that one.
    found.retain(|row| row["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(text)));
    if found.iter().any(|row| row["name"] == text) {
        found.retain(|row| row["name"] == text);
    }
    Ok(found)
}

/// Whether `name=TEXT` is read as such: the API splits a condition at the first operator of its list that is
/// anywhere in the text.
fn fits_a_condition(text: &str) -> bool {
    !text.starts_with('=') && !["!=", ">=", "<=", "~=", "?="].iter().any(|op| text.contains(op))
}

fn one(kind: &str, mut found: Vec<Value>, text: &str) -> Result<Value, ClientError> {
    match found.len() {
        0 => Err(ClientError::not_found(format!("no {kind} is `{text}`"))),
        1 => Ok(found.remove(0)),
        _ => {
            let uuids: Vec<&str> = found.iter().filter_map(|row| row["uuid"].as_str()).take(10).collect();
            Err(ClientError::usage(format!(
                "`{text}` is the name of several: {}; say which by its uuid",
                uuids.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_hold_an_operator_are_not_put_into_a_condition() {
        assert!(fits_a_condition("web 01") && fits_a_condition("a=b") && fits_a_condition("x>y"));
        assert!(!fits_a_condition("a>=b") && !fits_a_condition("=a") && !fits_a_condition("what?=x"));
    }
}
