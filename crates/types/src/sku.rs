//! The stock-keeping unit: the shop's own name of an item.

use std::fmt;
use std::str::FromStr;

/// The text is not a stock-keeping unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkuError {
    /// No character at all.
    #[error("a SKU must not be empty")]
    Empty,
    /// More than [`Sku::MAX_BYTES`] bytes of UTF-8.
    #[error("a SKU has at most {max} bytes", max = Sku::MAX_BYTES)]
    TooLong,
    /// A control character, which no label, URL or log line could carry faithfully.
    #[error("a SKU must not hold control characters")]
    ControlCharacter,
}

/// A stock-keeping unit, kept exactly as the shop writes it: case and spaces matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sku(Box<str>);

impl Sku {
    /// The longest SKU, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 64;

    /// The text as the shop writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sku {
    type Err = SkuError;

    fn from_str(text: &str) -> Result<Self, SkuError> {
        if text.is_empty() {
            return Err(SkuError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(SkuError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(SkuError::ControlCharacter);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_spaces_are_kept() {
        for text in ["85123A", "85123a", " 22 ", "gift_0001_40", "ÄÖ"] {
            assert_eq!(text.parse::<Sku>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn empty_long_and_unprintable_texts_are_refused() {
        assert_eq!("".parse::<Sku>(), Err(SkuError::Empty));
        assert_eq!("x".repeat(65).parse::<Sku>(), Err(SkuError::TooLong));
        assert_eq!("a\nb".parse::<Sku>(), Err(SkuError::ControlCharacter));
    }
}
