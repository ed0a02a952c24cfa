//! Streams, and where a reader stands in one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most characters of a user's id.
pub const USER_CHARS_MAX: usize = 128;
/// The most characters of a group's id.
pub const GROUP_CHARS_MAX: usize = 64;

/// Why a text is no name of a user, a group or a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A user id is empty, too long or has a control character.
    #[error("a user id has 1 to {USER_CHARS_MAX} characters, none of them a control character")]
    User,
    /// A group id is empty, too long or has another character than it may.
    #[error("a group id has 1 to {GROUP_CHARS_MAX} of a-z, 0-9, '.', '_' and '-'")]
    Group,
    /// A stream is neither a user's nor a group's.
    #[error("a stream is \"user\" or \"group:\" and the group's id")]
    Stream,
}

/// A person within their tenant, as the token's subject names them: for a customer the shop's
/// reference of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserName(Box<str>);

impl UserName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let chars = text.chars().count();
        if !(1..=USER_CHARS_MAX).contains(&chars) || text.chars().any(char::is_control) {
            return Err(NameError::User);
        }
        Ok(Self(text.into()))
    }
}

/// A group within its tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(Box<str>);

impl GroupName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if !(1..=GROUP_CHARS_MAX).contains(&text.len()) || !text.bytes().all(is_name_byte) {
            return Err(NameError::Group);
        }
        Ok(Self(text.into()))
    }
}

/// Whether a byte may stand in a group's id or a notification's type.
pub(crate) const fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')
}

/// A stream as its reader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Stream {
    /// What the reader was told by themselves.
    User,
    /// What a group was told.
    Group(GroupName),
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("user"),
            Self::Group(group) => write!(f, "group:{}", group.as_str()),
        }
    }
}

impl FromStr for Stream {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "user" {
            return Ok(Self::User);
        }
        let group = text.strip_prefix("group:").ok_or(NameError::Stream)?;
        group.parse().map(Self::Group)
    }
}

macro_rules! as_text {
    ($name:ident, $text:expr) => {
        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                let text: fn($name) -> Self = $text;
                text(name)
            }
        }
    };
}
as_text!(UserName, |name| name.0.into());
as_text!(GroupName, |name| name.0.into());
as_text!(Stream, |stream| stream.to_string());

/// Which history sequences are of. It changes when a database is restored from a backup: what was
/// told since then never happened, and its numbers are given again. Opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub Box<str>);

/// Up to where a reader has a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Of which history.
    pub epoch: Epoch,
    /// The last sequence that they have; 0: none.
    pub seq: u64,
}

#[cfg(test)]
mod tests;
