//! What makes two submissions the same request: SHA-256 over canonical JSON. The API id is no part of it.
//! Where there are secrets in it, the installation's key is hashed first: who has the store alone could else
//! find a short password by trying.

use longhaul_model::AccountId;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The parts of a request that make it what it is.
pub struct Request<'a> {
    /// Who submits.
    pub account: AccountId,
    /// The job type.
    pub job_name: &'a str,
    /// `jobData`, parsed.
    pub data: &'a Value,
    /// As sent.
    pub name: Option<&'a str>,
    /// As sent.
    pub description: Option<&'a str>,
    /// As sent.
    pub target: Option<&'a str>,
    /// System tags, then user tags, as sent.
    pub system_tags: &'a [String],
    /// User tags as sent.
    pub user_tags: &'a [String],
}

/// What the key is used for here; elsewhere it encrypts.
const PURPOSE: &[u8] = b"longhaul request hash\0";

/// The hash of a request. Keys are sorted at every level and tags are a set, so order does not matter.
/// With `key` for a request with secrets.
pub fn request_hash(request: &Request<'_>, key: Option<&[u8; 32]>) -> [u8; 32] {
    let sorted = |tags: &[String]| {
        let mut tags = tags.to_vec();
        tags.sort();
        tags.dedup();
        tags
    };
    let whole = json!({
        "account": request.account.to_string(),
        "jobName": request.job_name,
        "jobData": request.data,
        "name": request.name,
        "description": request.description,
        "targetResourceUuid": request.target,
        "systemTags": sorted(request.system_tags),
        "userTags": sorted(request.user_tags),
    });
    let mut text = String::new();
    write_canonical(&whole, &mut text);
    match key {
        None => Sha256::digest(text.as_bytes()).into(),
        Some(key) => {
            // Of a fixed length, so the key can be told from what follows.
            Sha256::new()
                .chain_update(PURPOSE)
                .chain_update(key)
                .chain_update(text.as_bytes())
                .finalize()
                .into()
        }
    }
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<_> = object.keys().collect();
            keys.sort();
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write_canonical(&object[key], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_model::ADMIN;

    fn hash(data: &str, tags: &[&str]) -> [u8; 32] {
        let tags: Vec<String> = tags.iter().map(|t| (*t).to_owned()).collect();
        request_hash(
            &Request {
                account: ADMIN,
                job_name: "A",
                data: &serde_json::from_str(data).unwrap(),
                name: None,
                description: None,
                target: None,
                system_tags: &tags,
                user_tags: &[],
            },
            None,
        )
    }

    #[test]
    fn the_order_of_keys_and_tags_does_not_make_another_request() {
        assert_eq!(
            hash(r#"{"a":1,"b":{"c":[1,2],"d":3}}"#, &["x", "y"]),
            hash(r#"{"b":{"d":3,"c":[1,2]},"a":1}"#, &["y", "x"])
        );
    }

    #[test]
    fn another_value_makes_another_request() {
        assert_ne!(hash(r#"{"a":1}"#, &[]), hash(r#"{"a":2}"#, &[]));
        assert_ne!(hash(r#"{"a":[1,2]}"#, &[]), hash(r#"{"a":[2,1]}"#, &[]));
        assert_ne!(hash("{}", &[]), hash("{}", &["x"]));
    }

    #[test]
    fn with_a_key_the_hash_cannot_be_found_by_trying_and_is_still_the_same_for_the_same_request() {
        let data = serde_json::json!({"password": "hunter2"});
        let of = |key: Option<&[u8; 32]>| {
            let request = Request {
                account: ADMIN,
                job_name: "A",
                data: &data,
                name: None,
                description: None,
                target: None,
                system_tags: &[],
                user_tags: &[],
            };
            request_hash(&request, key)
        };
        assert_eq!(of(Some(&[7; 32])), of(Some(&[7; 32])));
        assert_ne!(of(Some(&[7; 32])), of(Some(&[8; 32])));
        assert_ne!(of(Some(&[7; 32])), of(None));
    }
}
