//! What holds of every refusal, whatever was refused: its code is one of the few that the place may answer, its
//! text says something, is no longer than the contract allows, and tells no secret that was sent.

use longhaul_model::{Code, Fault};
use longhaul_wire::error::{self, DETAILS_MAX, ErrorAnswer};
use longhaul_wire::{Caller, Misuse, Profile, Reply};
use serde_json::Value;

/// Stands in the corpus wherever a secret is sent.
pub const CANARY: &str = "c4n4ry5ecret9";
/// The session that requests carry in their header, where the input has no place for one.
const SESSION: &str = "5e55105e55105e55105e55105e55105e";
/// The header with it.
pub const AUTHORIZATION: &str = "OAuth 5e55105e55105e55105e55105e55105e";
/// Members and parameters whose values are secrets.
const SECRETS: [&str; 8] =
    ["password", "oldPassword", "secret", "token", "key", "AccessKeySecret", "sessionId", "session"];

/// What a property saw of an input that keeps all promises.
pub struct Seen {
    /// Whether it could be read.
    pub decoded: bool,
    /// How it ended: what was called, or what it was refused for.
    pub end: String,
}

impl Seen {
    /// It could be read, as this.
    pub fn decoded(what: &str) -> Self {
        Self { decoded: true, end: what.to_owned() }
    }

    /// It was refused with this text.
    pub fn refused(text: &str) -> Self {
        let fixed =
            text.trim_start_matches('\'').split(['[', '\'', '"', '$', ':', '/']).next().unwrap_or_default();
        let kind: Vec<&str> = fixed.split_whitespace().take(4).collect();
        let kind = kind.join(" ");
        Self { decoded: false, end: kind }
    }
}

/// The secrets of one input that no text may tell.
pub struct Secrets<'i> {
    input: &'i str,
    planted: bool,
}

impl<'i> Secrets<'i> {
    /// Of a body: those under a secret's name. Where edits have put one elsewhere, it is none any more.
    pub fn of_body(body: &'i str) -> Self {
        let all = body.matches(CANARY).count();
        Self { input: body, planted: all > 0 && under_names(body) == all }
    }

    /// Of a query string; what edits have moved into the path is none any more.
    pub fn of_target(path: &str, query: &'i str) -> Self {
        let named = query.split('&').filter_map(|pair| pair.split_once('='));
        let named = named.filter(|(name, _)| is_secret(name)).map(|(_, v)| v.matches(CANARY).count());
        let all = query.matches(CANARY).count();
        let planted = all > 0 && named.sum::<usize>() == all && !path.contains(CANARY);
        Self { input: query, planted }
    }

    /// # Errors
    /// Which secret `text` tells.
    pub fn not_in(&self, text: &str) -> Result<(), String> {
        if self.planted && text.contains(CANARY) {
            return Err(format!("a secret of the input is told: {text}"));
        }
        if text.contains(SESSION) && !self.input.contains(SESSION) {
            return Err(format!("the session is told: {text}"));
        }
        Ok(())
    }
}

fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

/// How many canaries stand under the name of a secret. A text in a text is looked into: `jobData`, and bodies
/// that were encoded twice.
fn under_names(text: &str) -> usize {
    match serde_json::from_str(text) {
        Ok(Value::String(inner)) => under_names(&inner),
        Ok(value) => under(&value, false),
        Err(_) => after_names(text),
    }
}

fn under(value: &Value, secret: bool) -> usize {
    match value {
        Value::String(text) if secret => text.matches(CANARY).count(),
        Value::Array(list) => list.iter().map(|item| under(item, secret)).sum(),
        Value::Object(object) => object
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) if key == "jobData" => under_names(text),
                _ => under(value, secret || is_secret(key)),
            })
            .sum(),
        _ => 0,
    }
}

/// The same in a text that is no JSON: what follows `"name": `.
fn after_names(text: &str) -> usize {
    let places = text.match_indices(CANARY).filter(|(at, _)| {
        let before = text[..*at].trim_end_matches(['"', ' ', '\t', '\n', ':', '[', '{']);
        let name = before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        is_secret(name) && before[..before.len() - name.len()].ends_with('"')
    });
    places.count()
}

/// # Errors
/// What a fault breaks.
pub fn fault(fault: &Fault, allowed: &[Code], secrets: &Secrets<'_>) -> Result<(), String> {
    if !allowed.contains(&fault.code) {
        return Err(format!("the code is none of {allowed:?}: {fault:?}"));
    }
    text(&fault.details, secrets)?;
    for profile in Profile::ALL {
        let answer: ErrorAnswer = serde_json::from_str(&Reply::fault(profile, Caller::Sdk, fault).body)
            .map_err(|e| format!("the answer is no error body: {e}"))?;
        if error::from_wire(&answer.error.code) != Some(fault.code) {
            return Err(format!("the answer has another code: {answer:?}"));
        }
        sized(&answer.error.details)?;
    }
    Ok(())
}

/// # Errors
/// What a misuse breaks, in either profile, for either kind of caller.
pub fn misuse(misuse: &Misuse, secrets: &Secrets<'_>) -> Result<(), String> {
    fault(&misuse.to_fault(), &[Code::InvalidArgument, Code::InvalidSession], secrets)?;
    let plain = Reply::misuse(Profile::Zstack, Caller::Plain, misuse);
    sized(&plain.body)?;
    secrets.not_in(&plain.body)?;
    for (profile, caller) in
        [(Profile::Zstack, Caller::Sdk), (Profile::Fast, Caller::Sdk), (Profile::Fast, Caller::Plain)]
    {
        let status = Reply::misuse(profile, caller, misuse).status;
        let highest = if profile == Profile::Fast { 499 } else { 500 };
        if !(400..=highest).contains(&status) {
            return Err(format!("{status} in {profile:?} for {misuse:?}"));
        }
    }
    Ok(())
}

/// # Errors
/// What a refusal's text breaks.
pub fn text(text: &str, secrets: &Secrets<'_>) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("a refusal without a word".to_owned());
    }
    secrets.not_in(text)
}

/// # Errors
/// That it is longer than the contract allows.
pub fn sized(text: &str) -> Result<(), String> {
    let units = text.encode_utf16().count();
    if units > DETAILS_MAX { Err(format!("{units} characters are told")) } else { Ok(()) }
}
