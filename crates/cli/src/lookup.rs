//! From what a user types to one resource: a uuid, the first digits of one, or a name, that fit only one.

use serde_json::Value;

use crate::client::Client;
use crate::error::{ClientError, REFUSED};

/// Fewest digits that are taken for the beginning of a uuid.
pub const PREFIX_MIN: usize = 8;
/// Most candidates that are told where several fit.
const CANDIDATES_MAX: usize = 10;
/// Up to how many that fit are counted.
const COUNTED_MAX: usize = 100;
/// Rows that are asked for: one more than are counted, so that "more than" is known and not guessed.
const ASKED: &str = "101";

/// Which volumes and images a name may mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Any; those that are not deleted come first.
    Any,
    /// Deleted ones only.
    Deleted,
}

/// What it was found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Uuid,
    Name,
    /// A name of one, the beginning of another's uuid.
    Both,
}

/// Whether the text has the form of a uuid.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The storage of that uuid or name.
pub async fn storage(client: &Client, text: &str) -> Result<Value, ClientError> {
    one("primary storage", find(client, "primary-storage", text).await?.0, text)
}

/// The account of that uuid or name.
pub async fn account(client: &Client, text: &str) -> Result<Value, ClientError> {
    one("account", find(client, "accounts", text).await?.0, text)
}

/// The volume of that uuid or name.
pub async fn volume(client: &Client, text: &str, want: Want) -> Result<Value, ClientError> {
    one_of("volume", find(client, "volumes", text).await?, want, text)
}

/// The image storage of that uuid or name.
pub async fn image_storage(client: &Client, text: &str) -> Result<Value, ClientError> {
    one("image storage", find(client, "backup-storage", text).await?.0, text)
}

/// The image of that uuid or name.
pub async fn image(client: &Client, text: &str, want: Want) -> Result<Value, ClientError> {
    one_of("image", find(client, "images", text).await?, want, text)
}

/// The uuid of the job of that uuid or name. A whole uuid is not looked up: the call that follows does.
pub async fn job(client: &Client, text: &str) -> Result<String, ClientError> {
    let digits = digits(text);
    if is_uuid(&digits) {
        return Ok(digits);
    }
    uuid(&one("job", find(client, "longjobs", text).await?.0, text)?)
}

/// The uuid of the management node of that uuid, its first digits, its host name or its address.
pub async fn node(client: &Client, text: &str) -> Result<String, ClientError> {
    let digits = digits(text);
    if is_uuid(&digits) {
        return Ok(digits);
    }
    let mut found = client.list_all(&["management-nodes"], &[]).await?;
    let is_prefix = digits.len() >= PREFIX_MIN && digits.bytes().all(|b| b.is_ascii_hexdigit());
    found.retain(|row| {
        let of = |key: &str| row[key].as_str().unwrap_or_default();
        of("hostName").eq_ignore_ascii_case(text)
            || of("address") == text
            || (is_prefix && of("uuid").starts_with(&digits))
    });
    uuid(&one("management node", found, text)?)
}

/// The uuid in an object.
pub fn uuid(object: &Value) -> Result<String, ClientError> {
    let uuid = object["uuid"].as_str().filter(|u| !u.is_empty());
    uuid.map(str::to_owned).ok_or_else(|| ClientError::bad_answer("an object has no uuid"))
}

/// As uuids are written on the wire: tools print dashes and capitals.
fn digits(text: &str) -> String {
    text.replace('-', "").to_ascii_lowercase()
}

async fn find(client: &Client, path: &str, text: &str) -> Result<(Vec<Value>, By), ClientError> {
    let digits = digits(text);
    if is_uuid(&digits) {
        let found = client.list(&[path], &[("q", &format!("uuid={digits}"))]).await?;
        return Ok((found, By::Uuid));
    }
    let mut found = if fits_a_condition(text) {
        client.list(&[path], &[("q", &format!("name={text}")), ("limit", ASKED)]).await?
    } else {
        client.list_all(&[path], &[]).await?
    };
    // The API compares names in any case; a user who typed one means that one.
    found.retain(|row| row["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(text)));
    if found.iter().any(|row| row["name"] == text) {
        found.retain(|row| row["name"] == text);
    }
    let is_prefix = (PREFIX_MIN..32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_prefix {
        return Ok((found, By::Name));
    }
    // Asked even where a name fits: what is called as another's uuid begins must not be taken for that one.
    let begins = format!("uuid~={digits}%");
    let mut begun = client.list(&[path], &[("q", &begins), ("limit", ASKED)]).await?;
    begun.retain(|row| row["uuid"].as_str().is_some_and(|uuid| uuid.starts_with(&digits)));
    begun.retain(|row| !found.iter().any(|named| named["uuid"] == row["uuid"]));
    let by = match (found.is_empty(), begun.is_empty()) {
        (true, _) => By::Uuid,
        (false, true) => By::Name,
        (false, false) => By::Both,
    };
    found.append(&mut begun);
    Ok((found, by))
}

/// Those of a name that are meant; a uuid says which one it means. What is both a name and a uuid's beginning is
/// not decided by a state: all it fits are candidates.
fn wanted((mut found, by): (Vec<Value>, By), want: Want) -> Vec<Value> {
    if by == By::Name {
        let is_deleted = |row: &Value| row["status"] == "Deleted";
        let live = found.iter().any(|row| !is_deleted(row));
        found.retain(|row| is_deleted(row) == (want == Want::Deleted || !live));
    }
    found
}

/// The one of these that is meant. One of that name that is not Deleted, where a deleted one is wanted, is there.
fn one_of(kind: &str, found: (Vec<Value>, By), want: Want, text: &str) -> Result<Value, ClientError> {
    let there = found.0.first().cloned();
    let wanted = wanted(found, want);
    match there {
        Some(row) if wanted.is_empty() => {
            let uuid = uuid(&row)?;
            let status = row["status"].as_str().unwrap_or("there");
            Err(ClientError::new(
                REFUSED,
                "An operation failed",
                format!(
                    "the {kind} `{text}` is {status}: there is nothing to recover, and before it is expunged it is deleted, \
                     by `longhaul {kind} delete {uuid}`"
                ),
            ))
        }
        _ => one(kind, wanted, text),
    }
}

/// Whether `name=TEXT` is read as such: the API splits a condition at the first operator of its list that is
/// anywhere in the text.
pub fn fits_a_condition(text: &str) -> bool {
    !text.starts_with('=') && !["!=", ">=", "<=", "~=", "?="].iter().any(|op| text.contains(op))
}

/// Whether it may be meant as the beginning of a uuid, and is too short for that.
fn is_short_prefix(text: &str) -> bool {
    let digits = digits(text);
    let of_a_uuid =
        digits.bytes().all(|b| b.is_ascii_hexdigit()) && digits.bytes().any(|b| b.is_ascii_digit());
    of_a_uuid && digits.len() < PREFIX_MIN
}

fn one(kind: &str, mut found: Vec<Value>, text: &str) -> Result<Value, ClientError> {
    match found.len() {
        0 if is_short_prefix(text) => Err(ClientError::not_found(format!(
            "no {kind} is `{text}`; of a uuid, the first {PREFIX_MIN} digits or more are taken"
        ))),
        0 => Err(ClientError::not_found(format!("no {kind} is `{text}`"))),
        1 => Ok(found.remove(0)),
        count => {
            let counted = match count {
                0..=COUNTED_MAX => count.to_string(),
                _ => format!("more than {COUNTED_MAX}"),
            };
            let mut told = format!("`{text}` fits {counted} of the kind {kind}; say which by its uuid:");
            for row in found.iter().take(CANDIDATES_MAX) {
                let of = |key: &str| row[key].as_str().unwrap_or_default();
                let state = if row["status"].is_string() { of("status") } else { of("state") };
                let known = match row["hostName"].as_str() {
                    Some(host) => format!("{host}  {}", of("address")),
                    None => format!("{}  {state}  {}", of("name"), of("createDate")),
                };
                told.push_str(&format!("\n{}  {known}", of("uuid")));
            }
            if count > COUNTED_MAX {
                told.push_str("\nand many more");
            } else if count > CANDIDATES_MAX {
                told.push_str(&format!("\nand {} more", count - CANDIDATES_MAX));
            }
            Err(ClientError::usage(told))
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
