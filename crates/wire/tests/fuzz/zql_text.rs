//! A statement as ZQL that means the same. Only tests need one: the server never writes ZQL.

use longhaul_model::query::Op;
use longhaul_wire::api::Answer;
use longhaul_wire::query::{RawCondition, RawTerm};
use longhaul_wire::zql::Statement;

/// The text of one statement.
pub fn printed(statement: &Statement) -> String {
    let query = &statement.query;
    let entity = match statement.operation.answer {
        Answer::Inventories(inventory) => inventory.trim_end_matches("Inventory").to_lowercase(),
        _ => String::new(),
    };
    let mut text = format!("{} {entity}", if query.count { "count" } else { "query" });
    if let Some(fields) = &query.fields {
        text += &format!(".{fields}");
    }
    let mut parts: Vec<String> = query.conditions.iter().map(condition).collect();
    parts.extend(query.terms.iter().map(side));
    if !parts.is_empty() {
        text += &format!(" where {}", parts.join(" and "));
    }
    if query.reply_with_count {
        text += " return with (total)";
    }
    if let Some(sort) = &query.sort {
        let (field, order) = match sort.strip_prefix('-') {
            Some(field) => (field, "desc"),
            None => (sort.trim_start_matches('+'), "asc"),
        };
        text += &format!(" order by {field} {order}");
    }
    let numbers = [("limit", query.limit), ("offset", query.start)];
    numbers.iter().for_each(|(word, number)| {
        text += &number.map_or_else(String::new, |number| format!(" {word} {number}"));
    });
    match &statement.name {
        Some(name) => format!("{text} named as {}", quoted(name)),
        None => text,
    }
}

/// A side of `and` or `or`: in parentheses where it is combined itself.
fn side(term: &RawTerm) -> String {
    match term {
        RawTerm::One(one) => condition(one),
        RawTerm::All(terms) | RawTerm::Any(terms) if terms.len() == 1 => only(term, &terms[0]),
        RawTerm::All(_) | RawTerm::Any(_) => format!("({})", combined(term)),
    }
}

fn combined(term: &RawTerm) -> String {
    let joined = |terms: &[RawTerm], word: &str| terms.iter().map(side).collect::<Vec<_>>().join(word);
    match term {
        RawTerm::One(one) => condition(one),
        RawTerm::All(terms) => joined(terms, " and "),
        RawTerm::Any(terms) => joined(terms, " or "),
    }
}

/// A list of one, which is what `in`, `not in` and `has` make of some lists.
fn only(list: &RawTerm, term: &RawTerm) -> String {
    let RawTerm::One(RawCondition { name, op, value }) = term else { return format!("({})", combined(list)) };
    let word = match (list, op) {
        (RawTerm::Any(_), _) => "in",
        (_, Op::Ne) => "not in",
        _ => "has",
    };
    format!("{name} {word} ({})", quoted(value))
}

fn condition(RawCondition { name, op, value }: &RawCondition) -> String {
    let word = match op {
        Op::Eq => "=",
        Op::Ne => "!=",
        Op::Gt => ">",
        Op::Ge => ">=",
        Op::Lt => "<",
        Op::Le => "<=",
        Op::Like => "like",
        Op::NotLike => "not like",
        Op::IsNull => return format!("{name} is null"),
        Op::NotNull => return format!("{name} is not null"),
        Op::In | Op::NotIn => {
            let values: Vec<String> = value.split(',').map(quoted).collect();
            let word = if *op == Op::In { "in" } else { "not in" };
            return format!("{name} {word} ({})", values.join(", "));
        }
    };
    format!("{name} {word} {}", quoted(value))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
