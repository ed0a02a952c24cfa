//! Form-encoded parameters with Stripe's nested brackets (`metadata[order_id]`, `expand[]`).

use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::model::Metadata;

const METADATA_KEYS_MAX: usize = 50;
const METADATA_KEY_CHARS_MAX: usize = 40;
const METADATA_VALUE_CHARS_MAX: usize = 500;

/// What makes two requests "the same" for an idempotency key.
pub(crate) type Fingerprint = [u8; 16];

/// The parameters of one request, decoded, in the order sent.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, ApiError> {
        let pairs: Vec<_> = url::form_urlencoded::parse(encoded).into_owned().collect();
        match pairs.iter().find(|(name, _)| !well_formed(name)) {
            Some((name, _)) => Err(ApiError::invalid(format!("Invalid parameter name: {name}"))),
            None => Ok(Self(pairs)),
        }
    }

    /// The last value given for a name, as Stripe takes it.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name).ok_or_else(|| {
            ApiError::invalid(format!("Missing required param: {name}."))
                .code("parameter_missing")
                .param(name)
        })
    }

    /// An amount or a count: a whole number of at least one.
    pub(crate) fn positive(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let problem = match text.parse::<i64>() {
            Ok(value) if value >= 1 => return Ok(Some(value)),
            Ok(_) => "This value must be greater than or equal to 1.".to_owned(),
            Err(_) => format!("Invalid integer: {text}"),
        };
        Err(ApiError::invalid(problem)
            .code("parameter_invalid_integer")
            .param(name))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(ApiError::invalid(format!("Invalid boolean: {other}")).param(name)),
        }
    }

    /// Whether `expand[]` (or `expand[0]` …) names the field.
    pub(crate) fn expands(&self, field: &str) -> bool {
        self.0
            .iter()
            .any(|(name, value)| root(name) == "expand" && value == field)
    }

    pub(crate) fn metadata(&self) -> Result<Metadata, ApiError> {
        let mut metadata = Metadata::default();
        for (name, value) in self.0.iter().filter(|(name, _)| root(name) == "metadata") {
            let key = name
                .strip_prefix("metadata[")
                .and_then(|rest| rest.strip_suffix(']'));
            let key = key.filter(|key| !key.is_empty() && !key.contains(['[', ']']));
            let invalid = |message: &str| Err(ApiError::invalid(message).param(name));
            match key {
                None => return invalid("Invalid hash"),
                Some(key) if key.chars().count() > METADATA_KEY_CHARS_MAX => {
                    return invalid("Metadata keys can have up to 40 characters.");
                }
                Some(_) if value.chars().count() > METADATA_VALUE_CHARS_MAX => {
                    return invalid("Metadata values can have up to 500 characters.");
                }
                Some(key) => metadata.set(key, value),
            }
            if metadata.len() > METADATA_KEYS_MAX {
                return invalid("Metadata can have up to 50 keys.");
            }
        }
        Ok(metadata)
    }

    /// Stripe refuses what it does not know, which finds spelling mistakes early.
    pub(crate) fn refuse_unknown(&self, known: &[&str]) -> Result<(), ApiError> {
        match self
            .0
            .iter()
            .map(|(name, _)| root(name))
            .find(|root| !known.contains(root))
        {
            None => Ok(()),
            Some(unknown) => Err(ApiError::invalid(format!(
                "Received unknown parameter: {unknown}"
            ))
            .code("parameter_unknown")
            .param(unknown)),
        }
    }

    /// Independent of the order of the parameters, dependent on method and path.
    pub(crate) fn fingerprint(&self, method: &str, path: &str) -> Fingerprint {
        let mut pairs: Vec<_> = self.0.iter().collect();
        pairs.sort();
        let mut hash = Sha256::new();
        for part in [method, path] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        for (name, value) in pairs {
            hash.update(name.as_bytes());
            hash.update([0]);
            hash.update(value.as_bytes());
            hash.update([0]);
        }
        let mut short = Fingerprint::default();
        for (to, from) in short.iter_mut().zip(hash.finalize()) {
            *to = from;
        }
        short
    }
}

fn root(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

/// `name`, `name[key]`, `name[]`, `name[key][inner]` …
fn well_formed(name: &str) -> bool {
    let root = root(name);
    let mut rest = name.strip_prefix(root).unwrap_or_default();
    while let Some(open) = rest.strip_prefix('[') {
        let Some((inner, after)) = open.split_once(']') else {
            return false;
        };
        if inner.contains('[') {
            return false;
        }
        rest = after;
    }
    !root.is_empty() && !root.contains(']') && rest.is_empty()
}
