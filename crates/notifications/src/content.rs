//! What is told.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::stream::is_name_byte;

/// The most characters of a type.
pub const TYPE_CHARS_MAX: usize = 64;
/// The most characters of a title.
pub const TITLE_CHARS_MAX: usize = 200;
/// The most characters of a message.
pub const MESSAGE_CHARS_MAX: usize = 4_000;
/// The most bytes of the data, as JSON.
pub const DATA_BYTES_MAX: usize = 16 * 1024;

/// What is wrong with a content, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The type.
    #[error("type has 1 to {TYPE_CHARS_MAX} of a-z, 0-9, '.', '_' and '-'")]
    Type,
    /// The title.
    #[error("title has 1 to {TITLE_CHARS_MAX} characters, none of them a control character")]
    Title,
    /// The message.
    #[error("message has up to {MESSAGE_CHARS_MAX} characters")]
    Message,
    /// The data.
    #[error("data is a JSON object of up to {DATA_BYTES_MAX} bytes")]
    Data,
}

impl ContentError {
    /// The field that is at fault.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Title => "title",
            Self::Message => "message",
            Self::Data => "data",
        }
    }
}

/// What is told. Valid once made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Content {
    /// Of what kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// A line.
    pub title: String,
    /// The text.
    pub message: String,
    /// What a program wants to know: a JSON object, as it was given.
    pub data: Box<RawValue>,
}

impl Content {
    /// A content of these parts; empty data is `{}`.
    ///
    /// # Errors
    /// [`ContentError`] for the first part that is out of its bounds.
    pub fn new(
        kind: String,
        title: String,
        message: String,
        data: &str,
    ) -> Result<Self, ContentError> {
        if !(1..=TYPE_CHARS_MAX).contains(&kind.len()) || !kind.bytes().all(is_name_byte) {
            return Err(ContentError::Type);
        }
        let chars = title.chars().count();
        if !(1..=TITLE_CHARS_MAX).contains(&chars) || title.chars().any(char::is_control) {
            return Err(ContentError::Title);
        }
        // A zero byte is no text for PostgreSQL.
        if message.chars().count() > MESSAGE_CHARS_MAX || message.contains('\0') {
            return Err(ContentError::Message);
        }
        Ok(Self {
            kind,
            title,
            message,
            data: object(data)?,
        })
    }
}

fn object(data: &str) -> Result<Box<RawValue>, ContentError> {
    let data = if data.is_empty() { "{}" } else { data };
    // jsonb cannot hold a zero character, nor half of a surrogate pair.
    if data.len() > DATA_BYTES_MAX || data.contains("\\u0000") {
        return Err(ContentError::Data);
    }
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(data).map_err(|_malformed| ContentError::Data)?;
    drop(object);
    RawValue::from_string(data.trim().to_owned()).map_err(|_malformed| ContentError::Data)
}

#[cfg(test)]
mod tests;
