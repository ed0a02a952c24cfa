//! The part of Stripe's search language that finds intents by metadata and status.

use super::Bank;
use crate::error::ApiError;
use crate::model::Intent;

/// `field:'value'` clauses joined by `AND`; all must hold.
#[derive(Debug)]
pub(crate) struct Query(Vec<Clause>);

#[derive(Debug)]
struct Clause {
    field: Field,
    value: String,
}

#[derive(Debug)]
enum Field {
    Metadata(String),
    Status,
}

impl Query {
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let invalid = || {
            let message = "We were unable to parse your search query. Try using the format \
                           `metadata[\"key\"]:\"value\"` to query for metadata or key:\"value\" \
                           to query for other fields.";
            ApiError::invalid(message).param("query")
        };
        let mut clauses = Vec::new();
        let mut rest = text.trim();
        loop {
            let (clause, after) = clause(rest).ok_or_else(invalid)?;
            clauses.push(clause);
            rest = after.trim_start();
            if rest.is_empty() {
                return Ok(Self(clauses));
            }
            rest = rest.strip_prefix("AND ").ok_or_else(invalid)?.trim_start();
        }
    }

    /// The payment id asked for, when there is one: it is indexed.
    pub(crate) fn payment_id(&self) -> Option<&str> {
        self.0.iter().find_map(|clause| match &clause.field {
            Field::Metadata(key) if key == "payment_id" => Some(clause.value.as_str()),
            Field::Metadata(_) | Field::Status => None,
        })
    }

    fn matches(&self, intent: &Intent) -> bool {
        self.0.iter().all(|clause| match &clause.field {
            Field::Metadata(key) => intent.metadata.get(key) == Some(clause.value.as_str()),
            Field::Status => intent.status.name() == clause.value,
        })
    }
}

impl Bank {
    /// Newest first. A query without a payment id walks through all intents.
    pub(crate) fn search(&self, query: &Query) -> Vec<&Intent> {
        match query.payment_id() {
            Some(payment) => {
                let ids = self
                    .by_payment
                    .get(payment)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                let found = ids.iter().rev().filter_map(|id| self.intents.get(id));
                found.filter(|intent| query.matches(intent)).collect()
            }
            None => {
                let all = self
                    .order
                    .iter()
                    .rev()
                    .filter_map(|(_, id)| self.intents.get(id));
                all.filter(|intent| query.matches(intent)).collect()
            }
        }
    }
}

fn clause(text: &str) -> Option<(Clause, &str)> {
    let (field, rest) = match text.strip_prefix("metadata[") {
        Some(key) => {
            let (key, rest) = quoted(key)?;
            (Field::Metadata(key), rest.strip_prefix(']')?)
        }
        None => (Field::Status, text.strip_prefix("status")?),
    };
    let (value, rest) = quoted(rest.strip_prefix(':')?)?;
    Some((Clause { field, value }, rest))
}

/// A text in single or double quotes, `\` escapes the next character.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut characters = text.char_indices();
    let (_, quote) = characters.next().filter(|(_, c)| matches!(c, '\'' | '"'))?;
    let mut value = String::new();
    while let Some((_, character)) = characters.next() {
        if character == quote {
            return Some((value, characters.as_str()));
        }
        if character == '\\' {
            value.push(characters.next()?.1);
        } else {
            value.push(character);
        }
    }
    None
}
