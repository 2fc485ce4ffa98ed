//! Edits of the JSON in a member that leave it JSON: what stands in which place changes, not how it is written.

use serde_json::{Map, Value, json};

use super::edit::Script;

/// How often a list's items are repeated; the last two go beyond limits of conditions, tags and lists.
const TIMES: [usize; 6] = [1, 1, 2, 7, 70, 1100];
/// Most nodes of a list after that.
const NODES_MAX: usize = 5_000;
/// How deep a value is buried; the last one is below the deepest.
const DEPTHS: [usize; 4] = [1, 2, 50, 65];
/// Lengths of texts about the bounds of names, tags, descriptions and uuids, in characters.
const LENGTHS: [usize; 7] = [1, 31, 33, 255, 256, 2048, 2049];

/// The member with edits of its JSON, which begins at the first brace; `None` where it has none. Keys come from the
/// words of `dictionary` that are in quotes.
pub fn edited(member: &[u8], dictionary: &[&str], edits: usize, script: &mut Script<'_>) -> Option<Vec<u8>> {
    let brace = member.iter().position(|byte| *byte == b'{')?;
    let mut value: Value = serde_json::from_slice(&member[brace..]).ok()?;
    for _ in 0..edits {
        let mut at = script.below(nodes(&value));
        if let Some(node) = nth(&mut value, &mut at) {
            edit(node, dictionary, script);
        }
    }
    Some([&member[..brace], value.to_string().as_bytes()].concat())
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(nodes).sum(),
        Value::Object(object) => object.values().map(nodes).sum(),
        _ => 0,
    }
}

/// The node that comes after `at` others.
fn nth<'v>(value: &'v mut Value, at: &mut usize) -> Option<&'v mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(list) => list.iter_mut().find_map(|item| nth(item, at)),
        Value::Object(object) => object.values_mut().find_map(|item| nth(item, at)),
        _ => None,
    }
}

fn edit(node: &mut Value, dictionary: &[&str], script: &mut Script<'_>) {
    match (script.byte() % 6, &mut *node) {
        (0, Value::Object(object)) if !object.is_empty() => {
            let key = object.keys().nth(script.below(object.len())).cloned().unwrap_or_default();
            object.shift_remove(&key);
        }
        (1, Value::Object(object)) => {
            let keys: Vec<&str> = dictionary.iter().filter_map(|word| quoted(word)).collect();
            object.insert((*script.of(&keys)).to_owned(), leaf(dictionary, script));
        }
        (2, Value::Array(list)) => {
            let room = NODES_MAX / list.iter().map(nodes).sum::<usize>().max(1);
            let times = (*script.of(&TIMES)).min(room);
            *list = std::iter::repeat_n(&list[..], times).flatten().cloned().collect();
        }
        (3, _) => {
            for _ in 0..*script.of(&DEPTHS) {
                let inner = node.take();
                *node =
                    if script.byte().is_multiple_of(2) { json!([inner]) } else { json!({ "uuid": inner }) };
            }
        }
        (4, Value::String(text)) => {
            text.push(*script.of(&['\0', ' ', ',', 'ü', '😀', '%', '\'', '\u{202e}']))
        }
        _ => *node = leaf(dictionary, script),
    }
}

fn leaf(dictionary: &[&str], script: &mut Script<'_>) -> Value {
    match script.byte() % 12 {
        0 => Value::Null,
        1 => json!(script.byte().is_multiple_of(2)),
        2 => json!(script.below(20_000)),
        3 => json!(*script.of(&[i64::MIN, -1, i64::from(i32::MAX) + 1, i64::MAX])),
        4 => json!(*script.of(&[u64::MAX as f64, 1.5, 3.0, -0.0])),
        5 => json!(""),
        6 => json!("x".repeat(*script.of(&LENGTHS))),
        7 => json!([]),
        8 => Value::Object(Map::new()),
        9 => json!([null, "a"]),
        _ => {
            let words: Vec<&str> = dictionary.iter().filter_map(|word| quoted(word)).collect();
            json!(*script.of(&words))
        }
    }
}

fn quoted<'w>(word: &&'w str) -> Option<&'w str> {
    word.strip_prefix('"')?.strip_suffix('"')
}
