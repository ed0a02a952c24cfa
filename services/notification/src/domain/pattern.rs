//! Which types of notifications somebody means: an endpoint that wants them, or a person who does not.

use std::fmt;
use std::str::FromStr;

use tradepost_notifications::content::TYPE_CHARS_MAX;

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a type like \"order.confirmed\", all of a family like \"order.*\", or \"*\"")]
pub struct PatternError;

/// A type, a family of types, or all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means this type. A family is everything below its name, not the name itself.
    #[must_use]
    pub fn matches(&self, kind: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(family) => kind.len() > family.len() && kind.starts_with(family),
            None => kind == &*self.0,
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let name = match text {
            "*" => return Ok(Self(text.into())),
            _ => text.strip_suffix(".*").unwrap_or(text),
        };
        let letters = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        let fits = !name.is_empty() && text.len() <= TYPE_CHARS_MAX;
        if !fits || !name.bytes().all(letters) {
            return Err(PatternError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_its_type_its_family_or_all() {
        for (pattern, kind, wanted) in [
            ("order.confirmed", "order.confirmed", true),
            ("order.confirmed", "order.confirmed.late", false),
            ("order.*", "order.confirmed", true),
            ("order.*", "order.confirmed.late", true),
            ("order.*", "order.", false),
            ("order.*", "order", false),
            ("order.*", "orders.confirmed", false),
            ("*", "anything", true),
        ] {
            let parsed: Pattern = pattern.parse().unwrap();

            assert_eq!(parsed.matches(kind), wanted, "{pattern} {kind}");
        }
    }

    #[test]
    fn what_could_never_match_is_no_pattern() {
        let long = "a".repeat(65);
        for text in [
            "",
            ".*",
            "**",
            "order*",
            "*.order",
            "Order",
            "a b",
            "order.*.x",
            &long,
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(PatternError), "{text}");
        }
    }
}
