//! What a job says, without the secrets of its `jobData`: results, errors, timeline, stages of progress, plans.
//! Which fields of `jobData` are secrets is in `secrets`; what stands in its other fields is shown as it was sent.

use longhaul_model::Fault;
use serde_json::{Map, Value};

use crate::secrets::{self, MASK};

/// A shorter secret is no secret, and would be found in any text.
const SHORTEST: usize = 4;

/// The secrets of one `jobData`. There is no way to print it.
#[derive(Clone, Default)]
pub(crate) struct Redaction {
    /// The longest first: one may be a part of another.
    secrets: Vec<String>,
    /// Whether there is any, a short one too.
    any: bool,
}

impl Redaction {
    /// Of `jobData` with its secrets in clear.
    pub(crate) fn of(data: &Value) -> Self {
        let mut texts = Vec::new();
        let any = secrets::mask_and_tell(&mut data.clone(), &mut |secret| leaves(secret, &mut texts));
        texts.retain(|text| text.len() >= SHORTEST);
        // As it looks inside of a JSON text that an error quotes.
        let escaped: Vec<String> = texts.iter().map(|text| escaped(text)).collect();
        texts.extend(escaped);
        texts.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        texts.dedup();
        Self { secrets: texts, any }
    }

    /// The text without the secrets.
    pub(crate) fn text(&self, text: String) -> String {
        self.secrets.iter().fold(text, |text, secret| match text.contains(secret.as_str()) {
            true => text.replace(secret.as_str(), MASK),
            false => text,
        })
    }

    /// The value without the secrets, and without what its own names say is one.
    pub(crate) fn value(&self, mut value: Value) -> Value {
        if self.any {
            secrets::mask(&mut value);
            self.texts_of(&mut value);
        }
        value
    }

    /// The same of an object's values.
    pub(crate) fn object(&self, object: Map<String, Value>) -> Map<String, Value> {
        match self.value(Value::Object(object)) {
            Value::Object(object) => object,
            _ => Map::new(), // an object stays one
        }
    }

    /// The failure, and those that caused it, without the secrets.
    pub(crate) fn fault(&self, fault: Fault) -> Fault {
        let cause = fault.cause.map(|cause| Box::new(self.fault(*cause)));
        Fault { code: fault.code, details: self.text(fault.details), cause }
    }

    fn texts_of(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(std::mem::take(text)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.texts_of(item)),
            Value::Object(object) => object.values_mut().for_each(|inner| self.texts_of(inner)),
            Value::Number(number) => {
                if self.secrets.contains(&number.to_string()) {
                    *value = Value::String(MASK.to_owned());
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

/// Every text and number in a secret, also in one that is JSON.
fn leaves(secret: &Value, out: &mut Vec<String>) {
    match secret {
        Value::String(text) => {
            if let Some(inner) = secrets::json_in(text) {
                leaves(&inner, out);
            }
            out.push(text.clone());
        }
        Value::Number(number) => out.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, out)),
        Value::Object(object) => object.values().for_each(|inner| leaves(inner, out)),
        Value::Null | Value::Bool(_) => {}
    }
}

fn escaped(text: &str) -> String {
    let quoted = Value::String(text.to_owned()).to_string();
    quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use longhaul_model::Code;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_secret_holds_is_masked_wherever_a_job_says_it() {
        let redaction = Redaction::of(&json!({
            "password": "hunter2", "nested": {"keys": [{"a": "first-key"}, 123_456]}, "plain": "shown",
            "config": r#"{"token":"deep-token"}"#, "secret": "say \"hi\"", "apiKey": "abc",
        }));
        let said = "hunter2 for shown: first-key, 123456, deep-token, abc".to_owned();
        assert_eq!(redaction.text(said), "****** for shown: ******, ******, ******, abc");
        assert_eq!(redaction.text(r#"{"secret":"say \"hi\""}"#.to_owned()), r#"{"secret":"******"}"#);
        let result =
            json!({"note": ["with hunter2"], "n": 123_456, "m": 1, "token": "fresh", "plain": "shown"});
        assert_eq!(
            redaction.value(result),
            json!({"note": ["with ******"], "n": MASK, "m": 1, "token": MASK, "plain": "shown"})
        );
        let fault = Fault::failed("no hunter2").because(Fault::new(Code::Io, "as hunter2 said"));
        assert_eq!(
            redaction.fault(fault),
            Fault::failed("no ******").because(Fault::new(Code::Io, "as ****** said"))
        );
    }

    #[test]
    fn a_secret_that_is_a_part_of_another_leaves_nothing_of_it() {
        let redaction = Redaction::of(&json!({"a_key": "open", "b_key": "open-sesame"}));
        assert_eq!(redaction.text("say open-sesame".to_owned()), "say ******");
    }

    #[test]
    fn without_secrets_everything_stays_as_it_is() {
        let redaction = Redaction::of(&json!({"plain": "hunter2"}));
        let said = json!({"token": "of a fence", "note": "hunter2"});
        assert_eq!(redaction.value(said.clone()), said);
        assert_eq!(redaction.text("hunter2".to_owned()), "hunter2");
    }
}
