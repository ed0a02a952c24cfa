//! What an event was.

use std::fmt;

/// What events count as when their tenant has too many event types. No caller can say it.
pub const OVERFLOW_TYPE: &str = "__other__";

/// What an event was: 1 to 64 of `a-z 0-9 . _ -`, starting with a letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType(Box<str>);

/// The text is no event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 of a-z 0-9 . _ - and start with a letter")]
pub struct EventTypeError;

impl EventType {
    /// The longest, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for EventType {
    type Error = EventTypeError;

    fn try_from(text: &str) -> Result<Self, EventTypeError> {
        let letter = |byte: u8| byte.is_ascii_lowercase();
        let inner = |byte: u8| letter(byte) || byte.is_ascii_digit() || b"._-".contains(&byte);
        let starts = text.bytes().next().is_some_and(letter);
        if starts && text.len() <= Self::BYTES_MAX && text.bytes().all(inner) {
            return Ok(Self(text.into()));
        }
        Err(EventTypeError)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_start_with_a_letter_and_are_short() {
        for good in ["a", "order.placed", "page-view_2", &"x".repeat(64)] {
            assert!(EventType::try_from(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".a",
            "1a",
            "Order",
            "a b",
            "é",
            OVERFLOW_TYPE,
            &"x".repeat(65),
        ] {
            assert_eq!(EventType::try_from(bad), Err(EventTypeError), "{bad}");
        }
    }
}
