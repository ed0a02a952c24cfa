//! Texts that may stand in the trail.

use std::fmt::Display;

/// The longest text of an entry, in characters.
const LEN_MAX: usize = 200;
/// What stands for a text that must not be there.
const WITHHELD: &str = "[withheld]";
/// How the secrets of this platform begin: API keys, and tokens in base64.
const SECRETS: &[&str] = &["tp_live_", "tp_test_", "eyJ"];

/// The text, cut and without control characters. What looks like an e-mail address or a secret is
/// withheld: the last net under callers that should not have given it.
pub(super) fn safe(text: impl Display) -> String {
    let text = text.to_string();
    if is_address(&text) || SECRETS.iter().any(|secret| text.contains(secret)) {
        return WITHHELD.to_owned();
    }
    let harmless = |letter: char| {
        if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        }
    };
    text.chars().take(LEN_MAX).map(harmless).collect()
}

/// Whether there is something like `name@host.tld` in it.
fn is_address(text: &str) -> bool {
    text.match_indices('@').any(|(at, _)| {
        let name = text.get(..at).and_then(|name| name.chars().next_back());
        let host = text.get(at + 1..).unwrap_or_default();
        name.is_some_and(char::is_alphanumeric)
            && host.starts_with(char::is_alphanumeric)
            && host.contains('.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_secrets_are_withheld_and_other_texts_are_not() {
        for text in [
            "ada@example.com",
            "user ada@x.org!",
            "tp_live_abc",
            "eyJhbGciOi",
        ] {
            assert_eq!(safe(text), WITHHELD, "{text}");
        }
        for text in [
            "user_01h455vb4pex5vsknk084sn02q",
            "A@B",
            "2 @ 1.50",
            "@x.org",
            "",
        ] {
            assert_eq!(safe(text), text);
        }
    }

    #[test]
    fn a_text_is_cut_and_cannot_break_a_line_or_a_row() {
        assert_eq!(safe("a\nb\0c"), "a\u{fffd}b\u{fffd}c");
        assert_eq!(safe("é".repeat(300)).chars().count(), LEN_MAX);
    }
}
