//! Conditions as SQL. Null meets `IsNull` alone, as in SQL.

use longhaul_model::JobState;
use longhaul_model::query::{Condition, Field, Filter, Kind, LIMIT_MAX, Op, Page, Resource, Term, Value};

use super::{Dialect, columns};
use crate::like::like;

/// In SQLite, lists longer than this are bound as one JSON array: a statement has room for 32,766 values.
const LIST_BOUND_MAX: usize = 32;

/// A piece of SQL with the values it binds.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    pub dialect: Dialect,
    pub text: String,
    pub values: Vec<Bound>,
    /// Whether it names a column of the side table of jobs.
    pub needs_body: bool,
}

/// A bound value.
#[derive(Debug, Clone)]
pub(crate) enum Bound {
    Text(String),
    Int(i64),
    /// In PostgreSQL, a list.
    Texts(Vec<String>),
    /// The same of numbers.
    Ints(Vec<i64>),
}

impl From<&Value> for Bound {
    fn from(value: &Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text.clone()),
            Value::Int(number) => Self::Int(*number),
        }
    }
}

impl Sql {
    /// Nothing yet.
    pub(crate) const fn new(dialect: Dialect) -> Self {
        Self { dialect, text: String::new(), values: Vec::new(), needs_body: false }
    }

    /// Binds a value; answers its placeholder.
    pub(crate) fn bind(&mut self, value: Bound) -> String {
        self.values.push(value);
        self.dialect.place(self.values.len())
    }

    /// Binds a page; answers its clause.
    pub(crate) fn bind_page(&mut self, page: Page) -> String {
        let limit = self.bind(Bound::Int(i64::from(page.limit.min(LIMIT_MAX))));
        let start = self.bind(Bound::Int(i64::try_from(page.start).unwrap_or(i64::MAX)));
        format!("LIMIT {limit} OFFSET {start}")
    }

    fn and(&mut self, term: &str) {
        if !self.text.is_empty() {
            self.text.push_str(" AND ");
        }
        self.text.push_str(term);
    }
}

/// The filter as SQL. Conditions on a job's state are rewritten as lists of states, in `filter` too.
pub(crate) fn of(dialect: Dialect, resource: Resource, filter: &mut Filter) -> Sql {
    if resource == Resource::Job {
        filter.conditions.iter_mut().for_each(states_listed);
        filter.terms.iter_mut().for_each(states_listed_in);
    }
    let mut sql = Sql::new(dialect);
    if let Some(always) = columns::always(resource) {
        sql.and(always);
    }
    if let (Some(account), Some(owner)) = (filter.visible_to, columns::owner(resource)) {
        let account = sql.bind(Bound::Text(account.to_string()));
        sql.and(&format!("{owner} = {account}"));
    }
    for condition in &filter.conditions {
        let term = one(&mut sql, resource, condition);
        sql.and(&term);
    }
    for term in &filter.terms {
        let term = combined(&mut sql, resource, term);
        sql.and(&term);
    }
    if sql.text.is_empty() {
        sql.text.push_str(dialect.truth(true));
    }
    sql
}

fn one(sql: &mut Sql, resource: Resource, condition: &Condition) -> String {
    if condition.field.kind() == Kind::Tag {
        return tag(sql, resource, condition);
    }
    if condition.field.kind() == Kind::Copy {
        return copy(sql, condition);
    }
    sql.needs_body |= columns::is_in_body(resource, condition.field);
    let column = columns::column(sql.dialect, resource, condition.field);
    compare(sql, &column, condition)
}

/// A term in parentheses. Comparisons with null give null, which neither AND nor OR turns into true.
fn combined(sql: &mut Sql, resource: Resource, term: &Term) -> String {
    let (terms, word, empty) = match term {
        Term::One(condition) => return one(sql, resource, condition),
        Term::All(terms) => (terms, " AND ", true),
        Term::Any(terms) => (terms, " OR ", false),
    };
    let parts: Vec<String> = terms.iter().map(|t| combined(sql, resource, t)).collect();
    if parts.is_empty() { sql.dialect.truth(empty).to_owned() } else { format!("({})", parts.join(word)) }
}

fn states_listed_in(term: &mut Term) {
    match term {
        Term::One(condition) => states_listed(condition),
        Term::All(terms) | Term::Any(terms) => terms.iter_mut().for_each(states_listed_in),
    }
}

fn states_listed(condition: &mut Condition) {
    if condition.field == Field::State {
        *condition = as_states(condition);
    }
}

/// There are seven states: whatever is asked of them is a list, which an index answers.
fn as_states(condition: &Condition) -> Condition {
    let listed = |name: &str| condition.values.iter().any(|v| matches!(v, Value::Text(t) if t == name));
    let first = match condition.values.first() {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let meets = |name: &str| match condition.op {
        Op::Eq => first == Some(name),
        Op::Ne => first.is_some_and(|v| v != name),
        Op::Gt => first.is_some_and(|v| name > v),
        Op::Ge => first.is_some_and(|v| name >= v),
        Op::Lt => first.is_some_and(|v| name < v),
        Op::Le => first.is_some_and(|v| name <= v),
        Op::In => listed(name),
        Op::NotIn => !listed(name),
        Op::Like => first.is_some_and(|v| like(v, name, false)),
        Op::NotLike => first.is_some_and(|v| !like(v, name, false)),
        Op::IsNull => false,
        Op::NotNull => true,
    };
    let met = JobState::ALL.into_iter().map(JobState::name).filter(|name| meets(name));
    let values: Vec<Value> = met.map(|name| Value::Text(name.to_owned())).collect();
    let op = match values.len() {
        7 => return Condition { field: Field::State, op: Op::NotNull, values: Vec::new() },
        1 => Op::Eq,
        _ => Op::In,
    };
    Condition { field: Field::State, op, values }
}

fn compare(sql: &mut Sql, column: &str, condition: &Condition) -> String {
    let folded = condition.field.kind() == Kind::Folded;
    let never = sql.dialect.truth(false);
    let compared = if folded { sql.dialect.folded(column) } else { column.to_owned() };
    let sign = match condition.op {
        Op::Eq => "=",
        Op::Ne => "<>",
        Op::Gt => ">",
        Op::Ge => ">=",
        Op::Lt => "<",
        Op::Le => "<=",
        Op::IsNull => return format!("{column} IS NULL"),
        Op::NotNull => return format!("{column} IS NOT NULL"),
        Op::In => return list(sql, &compared, folded, &condition.values, true, never),
        Op::NotIn => {
            let none = format!("{column} IS NOT NULL");
            return list(sql, &compared, folded, &condition.values, false, &none);
        }
        Op::Like | Op::NotLike => {
            let Some(Value::Text(pattern)) = condition.values.first() else { return never.to_owned() };
            let pattern = sql.bind(Bound::Text(pattern.clone()));
            let like = sql.dialect.like(column, &pattern, folded);
            return if condition.op == Op::NotLike { format!("NOT ({like})") } else { like };
        }
    };
    match condition.values.first() {
        Some(value) => {
            let value = sql.bind(value.into());
            let value = if folded { sql.dialect.folded(&value) } else { value };
            format!("{compared} {sign} {value}")
        }
        None => never.to_owned(),
    }
}

/// Whether `column` is in the list, or (not `within`) in no place of it. `column` is folded already.
fn list(sql: &mut Sql, column: &str, folded: bool, values: &[Value], within: bool, empty: &str) -> String {
    if values.is_empty() {
        return empty.to_owned();
    }
    let word = if within { "IN" } else { "NOT IN" };
    match sql.dialect {
        Dialect::Postgres => {
            let word = if within { "= ANY" } else { "<> ALL" };
            let array = sql.bind(array(values, folded));
            format!("{column} {word} ({array})")
        }
        Dialect::Sqlite if values.len() > LIST_BOUND_MAX => {
            let items: Vec<serde_json::Value> = values
                .iter()
                .map(|value| match value {
                    Value::Text(text) => serde_json::Value::from(text.as_str()),
                    Value::Int(number) => serde_json::Value::from(*number),
                })
                .collect();
            let array = sql.bind(Bound::Text(serde_json::Value::from(items).to_string()));
            format!("{column} {word} (SELECT value FROM json_each({array}))")
        }
        Dialect::Sqlite => {
            let places: Vec<String> = values.iter().map(|value| sql.bind(value.into())).collect();
            format!("{column} {word} ({})", places.join(", "))
        }
    }
}

/// A list as one value. All of a field's values are of one kind.
fn array(values: &[Value], folded: bool) -> Bound {
    let numbers: Vec<i64> = values
        .iter()
        .filter_map(|value| match value {
            Value::Int(number) => Some(*number),
            Value::Text(_) => None,
        })
        .collect();
    if numbers.len() == values.len() {
        return Bound::Ints(numbers);
    }
    let text = |value: &Value| match value {
        Value::Text(text) if folded => text.to_ascii_lowercase(),
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
    };
    Bound::Texts(values.iter().map(text).collect())
}

/// A condition on copies asks whether one of them meets it.
fn copy(sql: &mut Sql, condition: &Condition) -> String {
    let column = match condition.field {
        Field::CopyPlace => "r.backup_storage",
        Field::CopyPath => "r.install_path",
        Field::CopyStatus => "r.status",
        _ => "NULL",
    };
    let met = compare(sql, column, condition);
    format!("EXISTS (SELECT 1 FROM image_ref AS r WHERE r.image = j.uuid AND {met})")
}

/// A condition on tags asks whether there is a tag that meets it; a negative one, whether there is none that
/// meets the positive form.
fn tag(sql: &mut Sql, resource: Resource, condition: &Condition) -> String {
    let (op, word) = match condition.op {
        Op::Ne => (Op::Eq, "NOT IN"),
        Op::NotIn => (Op::In, "NOT IN"),
        Op::NotLike => (Op::Like, "NOT IN"),
        Op::IsNull => (Op::NotNull, "NOT IN"),
        op @ (Op::Eq | Op::Gt | Op::Ge | Op::Lt | Op::Le | Op::In | Op::Like | Op::NotNull) => (op, "IN"),
    };
    let system = match condition.field {
        Field::SystemTag => "1",
        Field::UserTag => "0",
        _ => "NULL", // nothing has a tag of that kind
    };
    let positive = compare(sql, "t.text", &Condition { op, ..condition.clone() });
    let on = resource.tag_type();
    format!(
        "j.uuid {word} (SELECT t.resource_uuid FROM tag AS t
             WHERE t.system = {system} AND {positive} AND t.resource_type = '{on}')"
    )
}
