//! Turns the tree into the struct, and finds as many faults as it can in one go.
//!
//! serde stops at the first error. So each error is noted, the value it names is taken out or, if
//! it is missing, filled with a placeholder, and the tree is read again: the operator learns of
//! everything at once.

use std::collections::BTreeSet;
use std::fmt;

use figment::error::Kind;
use figment::value::{Dict, Value};
use garde::Validate;
use serde::de::DeserializeOwned;

use super::sources::{Sources, Tree, insert, remove};

/// A configuration with more faults is only read so many times.
const ROUNDS_MAX: usize = 256;

/// One fault of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, dotted; empty when a whole source is at fault.
    pub key: String,
    /// What is wrong with it; never its value.
    pub message: String,
    /// Where the value came from.
    pub origin: Option<String>,
}

impl Problem {
    pub(super) fn new(key: &str, message: impl Into<String>, origin: Option<String>) -> Self {
        Self {
            key: key.to_owned(),
            message: message.into(),
            origin,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.key.is_empty() { "" } else { ": " };
        write!(f, "{}{separator}{}", self.key, self.message)?;
        match &self.origin {
            Some(origin) => write!(f, " ({origin})"),
            None => Ok(()),
        }
    }
}

/// Every fault that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem(s):", self.0.len())?;
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Reads the configuration of `service`.
///
/// # Errors
/// Lists every fault: unreadable sources, unknown keys, missing keys, wrong types, values out of
/// bounds.
pub fn load<C>(service: &str, sources: &Sources) -> Result<C, ConfigErrors>
where
    C: DeserializeOwned + Validate<Context = ()>,
{
    let Tree {
        values,
        origins,
        problems,
    } = sources.layer(service);
    let mut reader = Reader {
        values,
        problems,
        touched: BTreeSet::new(),
        parsed: BTreeSet::new(),
    };
    let config = reader.read::<C>();
    if let Some(config) = &config {
        reader.validate(config);
    }
    let mut problems = reader.problems;
    for problem in &mut problems {
        if problem.origin.is_none() {
            problem.origin = origins.get(&problem.key).cloned();
        }
    }
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(ConfigErrors(problems)),
    }
}

struct Reader {
    values: Dict,
    problems: Vec<Problem>,
    /// Keys that were reported, so that what we did about them is not reported too.
    touched: BTreeSet<String>,
    /// Texts of the environment that were read as numbers, booleans or lists.
    parsed: BTreeSet<String>,
}

impl Reader {
    fn read<C: DeserializeOwned>(&mut self) -> Option<C> {
        for _ in 0..ROUNDS_MAX {
            match Value::from(self.values.clone()).deserialize::<C>() {
                Ok(config) => return Some(config),
                Err(error) => {
                    if !self.step_over::<C>(&error) {
                        return None;
                    }
                }
            }
        }
        None
    }

    /// Notes an error and changes the tree so that it does not come again.
    fn step_over<C: DeserializeOwned>(&mut self, error: &figment::Error) -> bool {
        let mut path = error.path.clone();
        if let Kind::UnknownField(name, _) = &error.kind
            && path.last() != Some(name)
        {
            path.push(name.clone());
        }
        if let Kind::MissingField(name) = &error.kind {
            path.push(name.to_string());
            return self.fill_missing::<C>(&path);
        }
        let key = path.join(".");
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        if self.read_as_typed(&key, &path, &error.kind) {
            return true;
        }
        if self.touched.insert(key.clone()) {
            self.problems
                .push(Problem::new(&key, describe(&error.kind), None));
        }
        remove(&mut self.values, &path).is_some()
    }

    /// The environment knows only texts: one that should be a number is read as one.
    fn read_as_typed(&mut self, key: &str, path: &[&str], kind: &Kind) -> bool {
        if !matches!(kind, Kind::InvalidType(..)) || !self.parsed.insert(key.to_owned()) {
            return false;
        }
        let Some(Value::String(_, text)) = Value::from(self.values.clone()).find(key) else {
            return false;
        };
        match text.parse::<Value>() {
            Ok(Value::String(..)) | Err(_) => false,
            Ok(typed) => {
                insert(&mut self.values, path, typed);
                true
            }
        }
    }

    /// Notes a missing key and puts in its place whatever serde takes there.
    fn fill_missing<C: DeserializeOwned>(&mut self, path: &[String]) -> bool {
        let key = path.join(".");
        if self.touched.insert(key.clone()) {
            self.problems.push(Problem::new(&key, "is required", None));
        }
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let placeholders = [
            Value::from(Dict::new()),
            Value::from("http://placeholder"),
            Value::from("127.0.0.1:1"),
            Value::from(1_u8),
            Value::from(true),
            Value::from(Vec::<Value>::new()),
        ];
        placeholders.into_iter().any(|placeholder| {
            insert(&mut self.values, &path, placeholder);
            match Value::from(self.values.clone()).deserialize::<C>() {
                Ok(_) => true,
                // It fits if the next error is about something else, or inside it.
                Err(error) => {
                    error.path.join(".") != key || matches!(error.kind, Kind::MissingField(_))
                }
            }
        })
    }

    fn validate<C: Validate<Context = ()>>(&mut self, config: &C) {
        let Err(report) = config.validate() else {
            return;
        };
        for (path, error) in report.iter() {
            let key = path.to_string();
            let reported = self
                .touched
                .iter()
                .any(|done| key == *done || key.starts_with(&format!("{done}.")));
            if !reported {
                self.problems
                    .push(Problem::new(&key, error.message().to_string(), None));
            }
        }
    }
}

/// Says what is wrong without saying the value, which may be a secret in the wrong place.
fn describe(kind: &Kind) -> String {
    match kind {
        Kind::UnknownField(_, []) => "is no known key".to_owned(),
        Kind::UnknownField(_, known) => format!("is no known key; known are {}", known.join(", ")),
        Kind::UnknownVariant(_, known) => format!("must be one of {}", known.join(", ")),
        Kind::InvalidType(_, wanted) => format!("must be {wanted}"),
        Kind::InvalidValue(_, wanted) => format!("is not valid: {wanted}"),
        Kind::InvalidLength(_, wanted) => format!("must have the length {wanted}"),
        Kind::Message(message) => message.clone(),
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => "is too large".to_owned(),
        Kind::MissingField(_) => "is required".to_owned(),
        Kind::DuplicateField(_) => "is given twice".to_owned(),
        Kind::Unsupported(_) | Kind::UnsupportedKey(..) => "has an unsupported type".to_owned(),
    }
}
