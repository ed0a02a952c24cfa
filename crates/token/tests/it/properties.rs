//! What holds for every token.

use proptest::prelude::*;
use tradepost_token::Algorithm;

use super::support::Shop;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_token_with_one_other_letter_is_refused(position in any::<prop::sample::Index>(), letter in "[ -~]") {
        let shop = Shop::open(Algorithm::EdDsa);
        let token = shop.token();
        let at = position.index(token.len());
        prop_assume!(token[at..=at] != letter);

        let changed = format!("{}{letter}{}", &token[..at], &token[at + 1..]);
        prop_assert!(shop.verify(&changed).is_err());
        prop_assert!(shop.verify(&token).is_ok());
    }

    #[test]
    fn no_text_makes_the_verifier_panic(text in "\\PC*", header in "\\PC*") {
        let shop = Shop::open(Algorithm::EdDsa);

        prop_assert!(shop.verify(&text).is_err());
        prop_assert!(shop.verify(&shop.sign_texts(&header, &text)).is_err());
    }
}
