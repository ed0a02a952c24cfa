//! A card as its provider names it, and never its number.

use std::fmt;
use std::str::FromStr;

/// A number of this many digits may be a card's: the shortest in use have 12.
const CARD_DIGITS_MIN: usize = 12;

/// The text is not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CardTokenError {
    /// Empty, too long, or with characters that no token has.
    #[error("must have 1 to {max} printable ASCII characters", max = CardToken::MAX_BYTES)]
    Malformed,
    /// It holds what may be a card number.
    #[error("must be the card provider's token, never a card number")]
    CardNumber,
}

/// The provider's token of a card: `pm_1MqLiJLkdIwHu7ixUOGbGKnV`.
///
/// A text is refused as a card number when 12 digits or more stand in it with nothing but
/// separators between them, whatever stands around: `4242.4242.4242.4242`, `pm_4242424242424242`.
/// Whether the number is a good one does not matter: a mistyped one is as secret. Stripe's ids are
/// a kind, `_` and a random text of letters and digits, in which 12 digits do not follow each other.
#[derive(Clone, PartialEq, Eq)]
pub struct CardToken(String);

impl CardToken {
    /// The longest token.
    pub const MAX_BYTES: usize = 255;

    /// The token, for the provider.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for CardToken {
    type Err = CardTokenError;

    fn from_str(text: &str) -> Result<Self, CardTokenError> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > Self::MAX_BYTES || !printable {
            return Err(CardTokenError::Malformed);
        }
        if holds_a_card_number(text) {
            return Err(CardTokenError::CardNumber);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Letters end a number, separators do not.
fn holds_a_card_number(text: &str) -> bool {
    let mut numbers = text.split(|char: char| char.is_ascii_alphabetic());
    numbers.any(|number| {
        let digits = number.bytes().filter(u8::is_ascii_digit);
        digits.count() >= CARD_DIGITS_MIN
    })
}

impl fmt::Debug for CardToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardToken([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_providers_tokens_are_taken_and_not_shown() {
        for token in [
            "pm_card_visa",
            "pm_card_chargeDeclinedInsufficientFunds",
            "pm_1MqLiJLkdIwHu7ixUOGbGKnV",
            "tok_1N3T00LkdIwHu7ixt44h1F8k",
            "card_1Nv0FGQ9RKHgCVdK8vLcbPQ3",
            "src_12345678901",
            &"p".repeat(255),
        ] {
            let parsed: CardToken = token.parse().unwrap();

            assert!(!format!("{parsed:?}").contains(token));
            assert_eq!(parsed.into_string(), token);
        }
    }

    #[test]
    fn a_card_number_is_refused_whatever_stands_in_and_around_it() {
        for text in [
            "424242424242",
            "4242424242424242",
            "4242424242424242424",
            "42424242424242424242424242",
            "4242-4242-4242-4242",
            "4242.4242.4242.4242",
            "4242/4242_4242:4242",
            "tok_123456789012",
            "pm_4242424242424242",
            "pm_4242_4242_4242_4242",
            "pm_card_4242-42424242-4242_visa",
            "visa4242424242424242exp1230",
        ] {
            assert_eq!(
                text.parse::<CardToken>(),
                Err(CardTokenError::CardNumber),
                "{text}"
            );
        }
    }

    #[test]
    fn what_no_token_looks_like_is_refused() {
        for text in ["", "pm card", "pm_card\n", "pm_käse", &"p".repeat(256)] {
            assert_eq!(
                text.parse::<CardToken>(),
                Err(CardTokenError::Malformed),
                "{text}"
            );
        }
    }
}
