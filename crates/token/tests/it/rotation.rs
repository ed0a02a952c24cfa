//! Keys come and go while tokens are in use.

use serde_json::json;
use tradepost_token::{Algorithm, KeySet, KeySetError, Signer, SigningKey, TokenError, Verifier};

use super::support::{Claims, Shop, TYP, good, now, policy, with};

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa).unwrap()
}

#[test]
fn a_removed_key_dies_even_when_its_signature_was_seen() {
    for shop in Shop::each() {
        let token = shop.token();
        assert!(shop.verify(&token).is_ok());

        shop.verifier
            .replace_keys(KeySet::new([key().public_jwk()]));
        shop.assert_refused(&token, TokenError::KeyUnknown);
    }
}

#[test]
fn a_key_that_comes_back_is_trusted_again() {
    let shop = Shop::open(Algorithm::EdDsa);
    let token = shop.token();
    assert!(shop.verify(&token).is_ok());

    shop.verifier.replace_keys(KeySet::default());
    shop.assert_refused(&token, TokenError::KeyUnknown);
    shop.verifier.replace_keys(shop.keys.clone());
    assert!(shop.verify(&token).is_ok());
}

#[test]
fn keys_rotate_without_a_refused_token() {
    let (old, new) = (Shop::open(Algorithm::EdDsa), key());
    let next = new.public_jwk();
    let both = KeySet::new([old.keys.find(&old.kid).unwrap().clone(), next.clone()]);
    let signer = Signer::new(new, TYP);
    let seen = old.token();
    assert!(old.verify(&seen).is_ok());

    old.verifier.replace_keys(both);
    let fresh = signer.sign(&good()).unwrap();
    for token in [&seen, &old.sign(&with("sub", "user_2")), &fresh] {
        assert!(old.verify(token).is_ok());
    }
    old.verifier.replace_keys(KeySet::new([next]));
    assert!(old.verify(&fresh).is_ok());
    old.assert_refused(&seen, TokenError::KeyUnknown);
}

#[test]
fn another_key_under_a_known_name_takes_nothing_of_the_first() {
    let shop = Shop::open(Algorithm::EdDsa);
    let token = shop.token();
    assert!(shop.verify(&token).is_ok());
    let mut other = serde_json::to_value(key().public_jwk()).unwrap();
    other["kid"] = json!(shop.kid);

    let other = serde_json::from_value(other).unwrap();
    shop.verifier.replace_keys(KeySet::new([other]));
    shop.assert_refused(&token, TokenError::SignatureWrong);
}

#[test]
fn a_key_speaks_only_for_its_own_issuer() {
    let (one, other) = (key(), key());
    let keys = KeySet::of_issuers([
        ("one".to_owned(), one.public_jwk()),
        ("other".to_owned(), other.public_jwk()),
    ]);
    let verifier = Verifier::<Claims>::new(policy(), keys.unwrap(), 10);
    let (one, other) = (Signer::new(one, TYP), Signer::new(other, TYP));
    let verify = |signer: &Signer, issuer: &str| {
        let token = signer.sign(&with("iss", issuer)).unwrap();
        verifier.verify(&token, now()).map(|_claims| ())
    };

    assert_eq!(verify(&one, "one"), Ok(()));
    assert_eq!(verify(&other, "other"), Ok(()));
    assert_eq!(verify(&one, "other"), Err(TokenError::IssuerWrong));
    assert_eq!(verify(&other, "one"), Err(TokenError::IssuerWrong));
    assert_eq!(
        verify(&one, super::support::ISSUER),
        Err(TokenError::IssuerWrong)
    );
}

#[test]
fn two_issuers_with_one_name_for_a_key_are_a_fault() {
    let key = key();
    let keys = ["one", "other"].map(|issuer| (issuer.to_owned(), key.public_jwk()));

    assert_eq!(KeySet::of_issuers(keys), Err(KeySetError::KidTwice));
}
