//! A query as text: the parameters of the query string and the split of its conditions.
//!
//! Source: rest-api.md 5.1, 5.2, 5.6.

use longhaul_model::query::Op;

use super::OPERATORS;
use crate::decode::Misuse;

/// A condition, split but not understood yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawCondition {
    /// The field's name, trimmed.
    pub name: String,
    /// The operator.
    pub op: Op,
    /// The value as sent; meaningless for the null tests.
    pub value: String,
}

/// Conditions combined, as ZQL writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawTerm {
    /// This must hold.
    One(RawCondition),
    /// All must hold.
    All(Vec<RawTerm>),
    /// At least one must hold.
    Any(Vec<RawTerm>),
}

/// The parameters of a query. `groupBy` and unknown ones are ignored, as ZStack does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawQuery {
    /// All must hold.
    pub conditions: Vec<RawCondition>,
    /// All must hold besides. Only ZQL has them.
    pub terms: Vec<RawTerm>,
    /// At most so many rows.
    pub limit: Option<i32>,
    /// Skip so many rows.
    pub start: Option<i32>,
    /// Only the number of rows is wanted.
    pub count: bool,
    /// The number of rows is wanted too.
    pub reply_with_count: bool,
    /// `+field`, `-field`, `field`.
    pub sort: Option<String>,
    /// Comma list of the keys to answer.
    pub fields: Option<String>,
    /// `type:condition`.
    pub filter_name: Option<String>,
    /// How long to wait for the end of the one job that is asked for; see `parse_wait`.
    pub wait: Option<String>,
}

impl RawQuery {
    /// The query of a path with one uuid: nothing else of the query string counts, but for a job's `wait`.
    pub fn one(uuid: &str) -> Self {
        let condition = RawCondition { name: "uuid".to_owned(), op: Op::Eq, value: uuid.to_owned() };
        Self { conditions: vec![condition], ..Self::default() }
    }

    /// Reads the decoded pairs of a query string. Of a repeated parameter other than `q` the first counts.
    ///
    /// # Errors
    /// `BadLimit`, `BadStart`, `NoOperator`, `NotAPair`.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self, Misuse> {
        let first = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let number = |name: &str, bad: Misuse| match first(name) {
            None => Ok(None),
            Some(text) => text.trim().parse::<i32>().map(Some).map_err(|_| bad),
        };
        let flag = |name: &str| first(name).is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
        let conditions = pairs.iter().filter(|(name, _)| name == "q").map(|(_, text)| split(text));
        Ok(Self {
            conditions: conditions.collect::<Result<_, _>>()?,
            terms: Vec::new(),
            limit: number("limit", Misuse::BadLimit)?,
            start: number("start", Misuse::BadStart)?,
            count: flag("count"),
            reply_with_count: flag("replyWithCount"),
            sort: first("sort").map(str::to_owned),
            fields: first("fields").map(str::to_owned),
            filter_name: first("filterName").map(str::to_owned),
            wait: None,
        })
    }
}

fn split(text: &str) -> Result<RawCondition, Misuse> {
    let found = OPERATORS.iter().find(|(operator, _, _)| text.contains(operator));
    let Some(&(operator, op, internal)) = found else { return Err(Misuse::NoOperator(text.to_owned())) };
    match in_two(text, operator) {
        Some((name, value)) => Ok(RawCondition { name: name.trim().to_owned(), op, value: value.to_owned() }),
        None => Err(Misuse::NotAPair(text.to_owned(), internal)),
    }
}

/// Splits as the Java library does: separators at the start and doubled ones are skipped, an empty tail is
/// kept, so `=x` is one part and `name==x` is `name` and `x`.
fn in_two<'t>(text: &'t str, separator: &str) -> Option<(&'t str, &'t str)> {
    let mut rest = text;
    while let Some(after) = rest.strip_prefix(separator) {
        rest = after;
    }
    let (name, mut value) = rest.split_once(separator)?;
    while let Some(after) = value.strip_prefix(separator) {
        value = after;
    }
    Some((name, value))
}
