//! Random bytes as letters and digits, and a checksum of such a text.
//!
//! Base62 needs no quoting anywhere and is selected by a double click. A text with a checksum at its
//! end is refused when mistyped before anyone is asked, and is found by scanners for lost secrets.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE: u32 = 62;

/// How many characters 256 bits take.
pub const SECRET_LEN: usize = 43;
/// How many characters a checksum takes.
pub const CHECKSUM_LEN: usize = 6;

/// 256 bits, always [`SECRET_LEN`] characters.
#[must_use]
pub fn encode(bytes: &[u8; 32]) -> String {
    let mut number = *bytes;
    digits(SECRET_LEN, || {
        let mut rest = 0;
        for byte in &mut number {
            let dividend = (rest << 8) | u32::from(*byte);
            *byte = (dividend / BASE).to_le_bytes()[0];
            rest = dividend % BASE;
        }
        rest
    })
}

/// The CRC-32 of a text, always [`CHECKSUM_LEN`] characters.
#[must_use]
pub fn checksum(text: &str) -> String {
    let mut number = crc32fast::hash(text.as_bytes());
    digits(CHECKSUM_LEN, || {
        let digit = number % BASE;
        number /= BASE;
        digit
    })
}

/// Whether all of it are letters and digits.
#[must_use]
pub fn is_base62(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// So many digits, which come with the last one first.
fn digits(count: usize, mut next: impl FnMut() -> u32) -> String {
    let mut text: Vec<char> = (0..count).map(|_| letter(next())).collect();
    text.reverse();
    text.into_iter().collect()
}

fn letter(digit: u32) -> char {
    let index = usize::try_from(digit).unwrap_or_default();
    char::from(*ALPHABET.get(index).unwrap_or(&b'0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_least_and_the_most_have_the_same_length() {
        assert_eq!(encode(&[0; 32]), "0".repeat(SECRET_LEN));
        let mut one = [0; 32];
        one[31] = 61;
        assert!(encode(&one).ends_with("0z"));
        one[31] = 62;
        assert!(encode(&one).ends_with("10"));
        // 2^256 - 1 by another program.
        assert_eq!(
            encode(&[0xff; 32]),
            "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1"
        );
    }

    #[test]
    fn the_checksum_is_the_common_crc_32() {
        // CRC-32 of "123456789" is 0xCBF43926, the check value of its catalogue: 3,421,780,262.
        assert_eq!(checksum("123456789"), "3jZRME");
        assert_eq!(checksum(""), "000000");
    }

    proptest! {
        #[test]
        fn two_secrets_never_look_alike(one: [u8; 32], other: [u8; 32]) {
            prop_assert_eq!(encode(&one) == encode(&other), one == other);
            prop_assert_eq!(encode(&one).len(), SECRET_LEN);
        }
    }
}
