//! The objects around inventories, and the schema map: which Java class is at which path. Queries always
//! carry it, other answers when the caller sent `X-JSON-Schema`.
//!
//! Source: rest-api.md 5.4, 3.3 (`X-JSON-Schema`).

use serde::Serialize;
use serde_json::{Map, Value};

/// An inventory and what the schema map says about it.
pub trait Inventory: Serialize {
    /// Its Java class; `None` for inventories that ZStack does not know.
    const CLASS: Option<&'static str>;

    /// The class of this one, where that is more special than that of all.
    fn class(&self) -> Option<&'static str> {
        Self::CLASS
    }

    /// Adds the entries of ZStack objects inside of this one, which is at `path`.
    fn nested(&self, path: &str, schema: &mut Map<String, Value>) {
        let _ = (path, schema);
    }
}

/// `value` as JSON text.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> String {
    // Fails only for maps with keys that are no text, and there are none.
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}

/// `{}`.
pub fn empty() -> String {
    "{}".to_owned()
}

/// A custom answer.
pub fn custom<T: Serialize>(answer: &T) -> String {
    to_json(answer)
}

/// `{"inventory":{…}}`.
pub fn one<T: Inventory>(inventory: &T, wants_schema: bool) -> String {
    let mut body = String::from("{\"inventory\":");
    body.push_str(&to_json(inventory));
    if wants_schema {
        let mut schema = Map::new();
        enter(inventory, "inventory", &mut schema);
        push_schema(&mut body, &schema);
    }
    body.push('}');
    body
}

/// `{"inventory":{…}}` of an inventory that is JSON text already, of the Java class `class`.
pub fn one_of_class(inventory: &str, class: &str, wants_schema: bool) -> String {
    let mut body = format!("{{\"inventory\":{inventory}");
    if wants_schema {
        push_schema(&mut body, &Map::from_iter([("inventory".to_owned(), Value::from(class))]));
    }
    body.push('}');
    body
}

/// `{"inventories":[…]}` of an API that is no query.
pub fn many<T: Inventory>(inventories: &[T], wants_schema: bool) -> String {
    let mut body = String::from("{\"inventories\":");
    body.push_str(&to_json(inventories));
    if wants_schema {
        push_schema(&mut body, &schema_of(inventories));
    }
    body.push('}');
    body
}

/// The body of a query: `rows` is `None` if only the number was wanted, `fields` the keys to answer.
pub fn query<T: Inventory>(rows: Option<&[T]>, total: Option<u64>, fields: Option<&[String]>) -> String {
    let mut body = String::from("{");
    if let Some(rows) = rows {
        body.push_str("\"inventories\":");
        match fields {
            None => body.push_str(&to_json(rows)),
            Some(keys) => {
                body.push_str(&to_json(&rows.iter().map(|r| selected(r, keys)).collect::<Vec<_>>()))
            }
        }
        body.push(',');
    }
    if let Some(total) = total {
        body.push_str(&format!("\"total\":{total},"));
    }
    let schema = schema_of(rows.unwrap_or_default());
    body.push_str("\"schema\":");
    body.push_str(&to_json(&schema));
    body.push('}');
    body
}

/// Only these keys of the inventory, in its own order.
fn selected<T: Inventory>(inventory: &T, keys: &[String]) -> Value {
    match serde_json::to_value(inventory) {
        Ok(Value::Object(mut object)) => {
            object.retain(|key, _| keys.iter().any(|k| k == key));
            Value::Object(object)
        }
        Ok(other) => other,
        Err(_) => Value::Object(Map::new()),
    }
}

fn schema_of<T: Inventory>(inventories: &[T]) -> Map<String, Value> {
    let mut schema = Map::new();
    for (at, inventory) in inventories.iter().enumerate() {
        enter(inventory, &format!("inventories[{at}]"), &mut schema);
    }
    schema
}

/// Adds `inventory` at `path` and what is inside.
pub(super) fn enter<T: Inventory>(inventory: &T, path: &str, schema: &mut Map<String, Value>) {
    if let Some(class) = inventory.class() {
        schema.insert(path.to_owned(), Value::from(class));
    }
    inventory.nested(path, schema);
}

fn push_schema(body: &mut String, schema: &Map<String, Value>) {
    body.push_str(",\"schema\":");
    body.push_str(&to_json(schema));
}
