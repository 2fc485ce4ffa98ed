//! Statements: which query they are of, and their clauses in ZStack's order.
//!
//! Source: rest-api.md 5.7.

use super::condition;
use super::lex::{self, Placed, Token};
use super::{Refusal, STATEMENTS_MAX, Statement};
use crate::api::{Answer, Kind, Operation, not_here, operations};
use crate::query::{RawQuery, RawTerm};

/// Reads a text: one statement, or several with `;` between them.
///
/// # Errors
/// The first thing in it that is refused.
pub fn parse(text: &str) -> Result<Vec<Statement>, Refusal> {
    let mut parser = Parser { text, tokens: lex::tokens(text)?, next: 0 };
    let mut statements = vec![parser.statement()?];
    while parser.takes_sign(";") {
        if statements.len() == STATEMENTS_MAX {
            return Err(Refusal::Invalid(format!("a ZQL text has at most {STATEMENTS_MAX} statements")));
        }
        statements.push(parser.statement()?);
    }
    if parser.peek().is_some() {
        return Err(parser.wrong("unexpected input"));
    }
    Ok(statements)
}

/// The tokens and where in them it is.
pub(super) struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Placed>,
    next: usize,
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|placed| &placed.token)
    }

    pub(super) fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next += 1;
        token
    }

    /// That something is wrong at the next token.
    pub(super) fn wrong(&self, message: &str) -> Refusal {
        let at = self.tokens.get(self.next).map_or(self.text.len(), |placed| placed.at);
        lex::wrong(self.text, at, message)
    }

    pub(super) fn takes_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(next)) if *next == sign);
        self.next += usize::from(found);
        found
    }

    pub(super) fn sign(&mut self, sign: &'static str) -> Result<(), Refusal> {
        if self.takes_sign(sign) { Ok(()) } else { Err(self.wrong(&format!("expected '{sign}'"))) }
    }

    /// Whether the next tokens are these words; takes them if so.
    pub(super) fn takes_words(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(n, word)| {
            let token = self.tokens.get(self.next + n).map(|placed| &placed.token);
            matches!(token, Some(Token::Word(next)) if next == word)
        });
        if found {
            self.next += words.len();
        }
        found
    }

    pub(super) fn word(&mut self, what: &str) -> Result<String, Refusal> {
        match self.peek() {
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.next += 1;
                Ok(word)
            }
            _ => Err(self.wrong(&format!("expected {what}"))),
        }
    }

    /// Words with dots between them.
    pub(super) fn dotted(&mut self, what: &str) -> Result<String, Refusal> {
        let mut name = self.word(what)?;
        while self.takes_sign(".") {
            name.push('.');
            name.push_str(&self.word(what)?);
        }
        Ok(name)
    }

    fn number(&mut self, what: &str) -> Result<i32, Refusal> {
        match self.peek() {
            Some(Token::Number(text)) if !text.contains('.') => {
                let number = text.parse();
                let number =
                    number.map_err(|_| Refusal::Invalid(format!("the {what}[{text}] is too large")))?;
                self.next += 1;
                Ok(number)
            }
            _ => Err(self.wrong(&format!("expected a whole number as {what}"))),
        }
    }

    fn statement(&mut self) -> Result<Statement, Refusal> {
        let count = match self.word("'query' or 'count'")?.as_str() {
            "query" => false,
            "count" => true,
            other @ ("sum" | "search") => return Err(not_offered(other)),
            _ => {
                self.next -= 1;
                return Err(self.wrong("expected 'query' or 'count'"));
            }
        };
        let (operation, fields) = self.target()?;
        let mut query = RawQuery { count, fields, ..RawQuery::default() };
        for join in ["inner", "left", "right"] {
            if self.takes_words(&[join, "join"]) {
                return Err(not_offered("join"));
            }
        }
        if self.takes_words(&["where"]) {
            place(&mut query, condition::read(self)?);
        }
        if self.takes_words(&["restrict", "by"]) {
            return Err(not_offered("restrict by"));
        }
        if !count && self.takes_words(&["return", "with"]) {
            query.reply_with_count = self.total()?;
        }
        if self.takes_words(&["group", "by"]) {
            return Err(not_offered("group by"));
        }
        if self.takes_words(&["order", "by"]) {
            query.sort = Some(self.order()?);
        }
        if self.takes_words(&["limit"]) {
            query.limit = Some(self.number("limit")?);
        }
        if self.takes_words(&["offset"]) {
            query.start = Some(self.number("offset")?);
        }
        if self.takes_words(&["filter", "by"]) {
            return Err(not_offered("filter by"));
        }
        let name = if self.takes_words(&["named", "as"]) { Some(self.name()?) } else { None };
        Ok(Statement { operation, query, name })
    }

    /// The query that is meant, and the keys that are wanted of its rows.
    fn target(&mut self) -> Result<(&'static Operation, Option<String>), Refusal> {
        let entity = self.word("what to query")?;
        if self.takes_sign("(") {
            return Err(not_offered(&format!("the function {entity}()")));
        }
        let operation = queried(&entity)?;
        if !self.takes_sign(".") {
            return Ok((operation, None));
        }
        let mut fields = vec![self.dotted("a field")?];
        while self.takes_sign(",") {
            fields.push(self.dotted("a field")?);
        }
        Ok((operation, Some(fields.join(","))))
    }

    /// `(total)`: whether the number of all rows is wanted.
    fn total(&mut self) -> Result<bool, Refusal> {
        self.sign("(")?;
        loop {
            let what = self.dotted("what to return")?;
            if what != "total" || matches!(self.peek(), Some(Token::Sign("{"))) {
                return Err(not_offered(&format!("return with ({what})")));
            }
            if !self.takes_sign(",") {
                break;
            }
        }
        self.sign(")")?;
        Ok(true)
    }

    fn order(&mut self) -> Result<String, Refusal> {
        if matches!(self.peek(), Some(Token::Sign("("))) {
            return Err(not_offered("order by an expression"));
        }
        let field = self.dotted("a field to order by")?;
        if let Some(Token::Sign("(" | "*" | "/" | "%" | "+" | "-")) = self.peek() {
            return Err(not_offered("order by an expression"));
        }
        let sign = match (self.takes_words(&["asc"]), self.takes_words(&["desc"])) {
            (true, _) => '+',
            (false, true) => '-',
            (false, false) => return Err(self.wrong("expected 'asc' or 'desc'")),
        };
        if self.takes_sign(",") {
            return Err(not_offered("order by several fields"));
        }
        Ok(format!("{sign}{field}"))
    }

    fn name(&mut self) -> Result<String, Refusal> {
        match self.take() {
            Some(Token::Text(name)) => Ok(name),
            _ => {
                self.next -= 1;
                Err(self.wrong("expected a name in quotes"))
            }
        }
    }
}

/// What all of a condition must hold goes beside the other conditions, which indexes answer; the rest is a
/// term.
fn place(query: &mut RawQuery, term: RawTerm) {
    match term {
        RawTerm::One(condition) => query.conditions.push(condition),
        RawTerm::All(terms) => terms.into_iter().for_each(|term| place(query, term)),
        RawTerm::Any(terms) => query.terms.push(RawTerm::Any(terms)),
    }
}

/// The refusal of a part of the language.
pub(super) fn not_offered(what: &str) -> Refusal {
    Refusal::NotHere(format!(
        "ZQL with `{what}` is not offered by this server; write `query` or `count` with where, return with (total), order by one field, limit, offset and named as"
    ))
}

/// The query behind an entity's name, which is its inventory's in small letters.
fn queried(entity: &str) -> Result<&'static Operation, Refusal> {
    let name_of = |operation: &Operation| match (operation.kind, operation.answer) {
        (Kind::Query(_), Answer::Inventories(inventory)) => {
            Some(inventory.trim_end_matches("Inventory").to_lowercase())
        }
        _ => None,
    };
    if let Some(found) = operations().find(|o| name_of(o).as_deref() == Some(entity)) {
        return Ok(found);
    }
    let known: Vec<String> = operations().filter_map(name_of).collect();
    let known = known.join(", ");
    Err(if not_here::is_queried(entity) {
        Refusal::NotHere(format!("there is no {entity} on this server to query; there are {known}"))
    } else {
        Refusal::Invalid(format!("unknown queryable entity[{entity}]; there are {known}"))
    })
}
