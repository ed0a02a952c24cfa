//! The address by which a user logs in.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

/// RFC 5321: no path is longer.
const LEN_MAX: usize = 254;

/// An e-mail address in the one form that is stored and compared: NFC, lower case, no spaces
/// around it. Whether it takes mail is not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

/// The text is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address of at most {LEN_MAX} characters")]
pub struct NoEmail;

impl Email {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = NoEmail;

    fn from_str(text: &str) -> Result<Self, NoEmail> {
        // No normal form of a text is so much shorter than it.
        if text.len() > 4 * LEN_MAX {
            return Err(NoEmail);
        }
        let lower: String = text.trim().nfc().flat_map(char::to_lowercase).collect();
        let email: String = lower.nfc().collect();
        let (local, domain) = email.rsplit_once('@').ok_or(NoEmail)?;
        let plain = |letter: char| !letter.is_whitespace() && !letter.is_control();
        let sound = !local.is_empty()
            && !local.contains('@')
            && !domain.is_empty()
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && email.chars().all(plain)
            && email.chars().count() <= LEN_MAX;
        sound.then_some(Self(email)).ok_or(NoEmail)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ways_to_write_an_address_are_one() {
        let composed: Email = "Zo\u{eb}@Example.com".parse().unwrap();
        let decomposed: Email = " zoe\u{308}@EXAMPLE.COM ".parse().unwrap();

        assert_eq!(composed, decomposed);
        assert_eq!(composed.as_str(), "zo\u{eb}@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        let texts = [
            "", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@.b", "a@b.", "a\n@b", &long,
        ];
        for text in texts {
            assert_eq!(text.parse::<Email>(), Err(NoEmail), "{text}");
        }
    }
}
