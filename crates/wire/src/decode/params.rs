//! The values of a call's parameters, each of its declared type: where they are read from, and which
//! spellings of a type are taken. Bounds are checked in `validate`.
//!
//! Source: rest-api.md 1.2 "Parameter-name handling", 1.4 "General rules", 4.3.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::misuse::Misuse;
use crate::api::{Location, Operation, Param, Type};

/// A value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Trimmed text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// A list; `None` for an element that was null, which `validate` refuses.
    List(Vec<Option<String>>),
    /// What should be a list of objects, each of which is looked at by itself.
    Objects(Vec<Json>),
}

/// The values of a call's parameters by name. What was absent or null is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Params {
    values: Vec<(&'static str, Value)>,
}

impl Params {
    /// The value as it is.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// The text of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The text of that name, owned.
    pub fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// The id in the text of that name; `None` where it is absent or not 32 lower-case hex digits, which
    /// `validate` has refused before for parameters that name a resource.
    pub fn id<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// The number of that name.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether the flag of that name is true; `None` where it is not there.
    pub fn maybe_flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(|_| self.flag(name))
    }

    /// Whether it is true; absent is not.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    /// The list of that name without its nulls; empty where it is absent.
    pub fn list(&self, name: &str) -> Vec<&str> {
        match self.get(name) {
            Some(Value::List(list)) => list.iter().flatten().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The objects of that name; none where it is absent.
    pub fn objects(&self, name: &str) -> &[Json] {
        match self.get(name) {
            Some(Value::Objects(list)) => list,
            _ => &[],
        }
    }

    /// Only the variables of the path.
    pub(super) fn of_vars(operation: &'static Operation, vars: &[(&'static str, String)]) -> Self {
        let mut params = Self::default();
        params.put_vars(operation, vars);
        params
    }

    /// Variables of the path override parameters of the same name.
    pub(super) fn put_vars(&mut self, operation: &'static Operation, vars: &[(&'static str, String)]) {
        for param in operation.params.iter().filter(|p| p.location == Location::Url) {
            if let Some((_, value)) = vars.iter().find(|(name, _)| *name == param.name) {
                self.values.push((param.name, Value::Text(value.clone())));
            }
        }
    }

    /// From a wrapper object; anything else than an object or null is a parser failure.
    pub(super) fn from_body(operation: &'static Operation, wrapper: Option<&Json>) -> Result<Self, Misuse> {
        let object = match wrapper {
            None | Some(Json::Null) => return Ok(Self::default()),
            Some(Json::Object(object)) => object,
            Some(other) => {
                let key = operation.wrapper.key().unwrap_or("params");
                return Err(Misuse::WrongType(key.to_owned(), "an object", kind_of(other)));
            }
        };
        Self::from_object(declared(operation), object)
    }

    /// From a message of the legacy entry, which has all parameters side by side.
    pub(crate) fn from_message(
        operation: &'static Operation,
        message: &Map<String, Json>,
    ) -> Result<Self, Misuse> {
        Self::from_object(operation.params.iter(), message)
    }

    pub(super) fn from_object(
        declared: impl Iterator<Item = &'static Param>,
        object: &Map<String, Json>,
    ) -> Result<Self, Misuse> {
        let mut params = Self::default();
        for param in declared {
            let value = match object.get(param.name) {
                None | Some(Json::Null) => continue,
                Some(json) => of_json(param, json)?,
            };
            params.add(param, value);
        }
        Ok(params)
    }

    /// From the query string.
    pub(super) fn from_query(
        operation: &'static Operation,
        pairs: &[(String, String)],
    ) -> Result<Self, Misuse> {
        reject_repeated_keys(pairs)?;
        let mut params = Self::default();
        for param in declared(operation) {
            if param.ty == Type::List {
                let list: Vec<_> = list_in(pairs, param.name).into_iter().map(Some).collect();
                if !list.is_empty() {
                    params.add(param, Value::List(list));
                }
                continue;
            }
            let mut found = pairs.iter().filter(|(name, _)| name == param.name);
            let Some((_, text)) = found.next() else { continue };
            if found.next().is_some() {
                return Err(Misuse::Repeated(param.name.to_owned()));
            }
            if param.ty != Type::Text && text.trim().is_empty() {
                continue;
            }
            let value = of_text(param, text)?;
            params.add(param, value);
        }
        Ok(params)
    }

    /// Keeps the value, unless it is an empty text where only a uuid or one of a list makes sense: clients
    /// send `deleteMode=` and `"targetResourceUuid":""` for nothing.
    fn add(&mut self, param: &'static Param, value: Value) {
        let choosy = !param.allowed.is_empty() || param.resource.is_some();
        let blank = matches!(&value, Value::Text(text) if text.is_empty());
        if !(blank && choosy && !param.required) {
            self.values.push((param.name, value));
        }
    }
}

/// The parameters that are not in the path.
pub(super) fn declared(operation: &'static Operation) -> impl Iterator<Item = &'static Param> {
    operation.params.iter().filter(|p| p.location != Location::Url)
}

fn of_json(param: &Param, json: &Json) -> Result<Value, Misuse> {
    match param.ty {
        Type::List => texts(param.name, json).map(Value::List),
        Type::Objects => match json {
            Json::Array(list) => Ok(Value::Objects(list.clone())),
            other => Err(Misuse::WrongType(param.name.to_owned(), "a list", kind_of(other))),
        },
        Type::Text | Type::Int | Type::Bool => of_text(param, &scalar(param.name, json, "a string")?),
    }
}

fn of_text(param: &Param, text: &str) -> Result<Value, Misuse> {
    let text = text.trim();
    let own = || (param.name.to_owned(), text.to_owned());
    match param.ty {
        Type::Text => Ok(Value::Text(text.to_owned())),
        Type::Int => whole(text).map(Value::Int).ok_or_else(|| Misuse::NotInteger(own().0, own().1)),
        Type::Bool if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true)),
        Type::Bool if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false)),
        Type::Bool => Err(Misuse::NotBoolean(own().0, own().1)),
        Type::List => Ok(Value::List(vec![Some(text.to_owned())])),
        Type::Objects => Err(Misuse::WrongType(own().0, "a list", "a string")),
    }
}

/// A whole number: `3`, and what reads as a whole double: `3.0`, `3e2`.
pub(crate) fn whole(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let number: f64 = text.parse().ok()?;
    // Above 2^53 a double is no longer exact, so such numbers must be written as integers.
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
}

/// The text of a JSON scalar.
fn scalar(field: &str, json: &Json, expected: &'static str) -> Result<String, Misuse> {
    match json {
        Json::String(text) => Ok(text.clone()),
        Json::Number(number) => Ok(number.to_string()),
        Json::Bool(flag) => Ok(flag.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => {
            Err(Misuse::WrongType(field.to_owned(), expected, kind_of(json)))
        }
    }
}

/// The texts of a JSON list, `None` for its nulls.
pub(crate) fn texts(field: &str, json: &Json) -> Result<Vec<Option<String>>, Misuse> {
    let Json::Array(list) = json else {
        return Err(Misuse::WrongType(field.to_owned(), "a list", kind_of(json)));
    };
    let element = |e: &Json| match e {
        Json::Null => Ok(None),
        other => scalar(field, other, "a list of strings").map(|t| Some(t.trim().to_owned())),
    };
    list.iter().map(element).collect()
}

/// `name=a&name=b`, or `name.0=a&name.1=b` in the order of the numbers; empty values are left out.
pub(super) fn list_in(pairs: &[(String, String)], name: &str) -> Vec<String> {
    let plain = pairs.iter().filter(|(n, _)| n == name).map(|(_, v)| (0, v));
    let numbered = pairs.iter().filter_map(|(n, v)| {
        let index: u32 = n.strip_prefix(name)?.strip_prefix('.')?.parse().ok()?;
        Some((index, v))
    });
    let mut all: Vec<(u32, &String)> = plain.chain(numbered).collect();
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, v)| v.trim().to_owned()).filter(|v| !v.is_empty()).collect()
}

/// `map.key=1&map.key=2`.
fn reject_repeated_keys(pairs: &[(String, String)]) -> Result<(), Misuse> {
    let mut seen = HashSet::new();
    for (name, _) in pairs.iter().filter(|(name, _)| name.contains('.')) {
        if !seen.insert(name) {
            return Err(Misuse::RepeatedKey(name.clone()));
        }
    }
    Ok(())
}

pub(super) fn kind_of(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}
