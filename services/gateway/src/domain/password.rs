//! Which passwords are taken. How they are kept is another matter.

use unicode_normalization::UnicodeNormalization;

use super::email::Email;

/// The fewest characters (NIST SP 800-63B).
pub const CHARS_MIN: usize = 8;
/// The most characters: beyond that a password is only work for us.
pub const CHARS_MAX: usize = 128;

/// The commonest of those that are long enough, lower case, one a line.
const COMMON: &str = include_str!("password/common.txt");

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// Too few characters.
    #[error("must have at least {CHARS_MIN} characters")]
    TooShort,
    /// Too many characters.
    #[error("must not have more than {CHARS_MAX} characters")]
    TooLong,
    /// Everybody tries it first.
    #[error("is one of those that are tried first; choose another")]
    Common,
    /// It is the address, or the part before its `@`.
    #[error("must not be the e-mail address or a part of it")]
    Address,
}

/// The one form in which a password is hashed and compared: it must not matter on which keyboard
/// it is typed.
#[must_use]
pub fn normal(password: &str) -> String {
    password.nfc().collect()
}

/// Checks a new password of the user with that address.
///
/// # Errors
/// [`PasswordFault`].
pub fn check(password: &str, email: &Email) -> Result<(), PasswordFault> {
    let password = normal(password);
    let chars = password.chars().count();
    if chars < CHARS_MIN {
        return Err(PasswordFault::TooShort);
    }
    if chars > CHARS_MAX {
        return Err(PasswordFault::TooLong);
    }
    let lower = password.to_lowercase();
    let (local, _domain) = email.as_str().split_once('@').unwrap_or_default();
    if lower == email.as_str() || lower == local {
        return Err(PasswordFault::Address);
    }
    if is_monotonous(&lower) || COMMON.lines().any(|common| common == lower) {
        return Err(PasswordFault::Common);
    }
    Ok(())
}

/// One character, or two, again and again.
fn is_monotonous(password: &str) -> bool {
    let mut seen: Vec<char> = password.chars().collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(password: &str) -> Result<(), PasswordFault> {
        check(password, &"alexandra@example.com".parse().unwrap())
    }

    #[test]
    fn the_list_holds_only_what_the_other_rules_let_through() {
        for common in COMMON.lines() {
            assert_eq!(checked(common), Err(PasswordFault::Common), "{common}");
            assert_eq!(common, common.to_lowercase());
        }
        assert!(COMMON.lines().count() >= 100);
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(checked("äöüÄÖÜß"), Err(PasswordFault::TooShort));
        assert_eq!(checked("äöüÄÖÜßé"), Ok(()));
        assert_eq!(checked(&"aé3".repeat(42)), Ok(()));
        assert_eq!(checked(&"aé3".repeat(43)), Err(PasswordFault::TooLong));
    }

    #[test]
    fn what_is_tried_first_is_refused_in_any_case() {
        assert_eq!(checked("Password123"), Err(PasswordFault::Common));
        assert_eq!(checked("aaaaaaaaaaaa"), Err(PasswordFault::Common));
        assert_eq!(checked("Alexandra"), Err(PasswordFault::Address));
        assert_eq!(
            checked("alexandra@example.com"),
            Err(PasswordFault::Address)
        );
    }

    #[test]
    fn two_ways_to_type_a_password_are_one() {
        assert_eq!(normal("Zoe\u{308}"), normal("Zo\u{eb}"));
    }
}
