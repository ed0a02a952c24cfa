//! Who sends batches.

use std::fmt;

/// Who sends batches: 1 to 64 of `a-z A-Z 0-9 . _ -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProducerId(Box<str>);

/// The text is no producer's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 of a-z A-Z 0-9 . _ -")]
pub struct ProducerIdError;

impl ProducerId {
    /// The longest, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ProducerId {
    type Error = ProducerIdError;

    fn try_from(text: &str) -> Result<Self, ProducerIdError> {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=Self::BYTES_MAX).contains(&text.len()) && text.bytes().all(inner) {
            return Ok(Self(text.into()));
        }
        Err(ProducerIdError)
    }
}

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_plain() {
        for good in ["web-1", "A.b_2", &"x".repeat(64)] {
            assert!(ProducerId::try_from(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "é", "a/b", &"x".repeat(65)] {
            assert_eq!(ProducerId::try_from(bad), Err(ProducerIdError), "{bad}");
        }
    }
}
