//! Attacks and mistakes in the claims.

use serde_json::{Value, json};
use tradepost_token::{Algorithm, TokenError};

use super::support::{LIFETIME, SKEW, Shop, good, later, now, with, without};

#[test]
fn a_good_token_is_taken() {
    for shop in Shop::each() {
        assert_eq!(shop.verify(&shop.token()).unwrap().sub, "user_1");
        assert!(shop.verify(&shop.sign(&without("nbf"))).is_ok());
        assert!(shop.verify(&shop.sign(&with("aud", "tradepost"))).is_ok());
    }
}

#[test]
fn an_expired_token_is_refused_as_new_and_as_seen() {
    for shop in Shop::each() {
        let (seen, unseen) = (shop.token(), shop.sign(&with("sub", "user_2")));
        let last = later(LIFETIME + SKEW - 1);
        assert!(shop.verifier.verify(&seen, last).is_ok());

        for token in [&seen, &unseen] {
            let refused = shop.verifier.verify(token, later(LIFETIME + SKEW));
            assert_eq!(refused.unwrap_err(), TokenError::Expired);
        }
    }
}

#[test]
fn a_token_that_is_not_valid_yet_is_refused_until_it_is() {
    let shop = Shop::open(Algorithm::EdDsa);
    let start = now().unix_timestamp() + 100;
    let token = shop.sign(&with("nbf", start));

    shop.assert_refused(&token, TokenError::NotYetValid);
    assert!(shop.verifier.verify(&token, later(100 - SKEW)).is_ok());
    let back = shop.verifier.verify(&token, now());
    assert_eq!(back.unwrap_err(), TokenError::NotYetValid);
}

#[test]
fn a_token_from_the_future_is_refused() {
    let shop = Shop::open(Algorithm::EdDsa);
    let mut claims = without("nbf");
    claims["iat"] = json!(now().unix_timestamp() + SKEW + 1);

    shop.assert_refused(&shop.sign(&claims), TokenError::IssuedInFuture);
    claims["iat"] = json!(now().unix_timestamp() + SKEW);
    assert!(shop.verify(&shop.sign(&claims)).is_ok());
}

#[test]
fn a_token_lives_no_longer_than_it_may_and_not_backwards() {
    let shop = Shop::open(Algorithm::EdDsa);
    let issued = now().unix_timestamp();
    let refused = [issued + 3_601, i64::MAX, issued, issued - 1];
    for exp in refused {
        let token = shop.sign(&with("exp", exp));
        shop.assert_refused(&token, TokenError::LifetimeRefused);
    }
    assert!(
        shop.verify(&shop.sign(&with("exp", issued + 3_600)))
            .is_ok()
    );
}

#[test]
fn times_are_whole_numbers_and_must_be_there() {
    let shop = Shop::open(Algorithm::EdDsa);
    for name in ["iat", "exp"] {
        shop.assert_refused(&shop.sign(&without(name)), TokenError::ClaimMissing(name));
    }
    let odd: [Value; 8] = [
        json!(null),
        json!("1800000000"),
        json!(1_800_000_000.5),
        json!(1.8e9),
        json!(-1),
        json!(u64::MAX),
        json!([1_800_000_000]),
        json!(true),
    ];
    for (name, value) in ["iat", "exp", "nbf"]
        .iter()
        .flat_map(|name| odd.iter().map(move |value| (name, value)))
    {
        let token = shop.sign(&with(name, value.clone()));
        shop.assert_refused(&token, TokenError::ClaimsMalformed);
    }
}

#[test]
fn another_issuer_is_refused() {
    let shop = Shop::open(Algorithm::EdDsa);
    for issuer in [
        "https://evil.example",
        "https://shop.example/",
        "HTTPS://shop.example",
        "",
    ] {
        shop.assert_refused(&shop.sign(&with("iss", issuer)), TokenError::IssuerWrong);
    }
    shop.assert_refused(&shop.sign(&without("iss")), TokenError::ClaimMissing("iss"));
    let many = shop.sign(&with("iss", json!(["https://shop.example"])));
    shop.assert_refused(&many, TokenError::ClaimsMalformed);
}

#[test]
fn another_audience_or_none_is_refused() {
    let shop = Shop::open(Algorithm::EdDsa);
    for audience in [
        json!("other"),
        json!(""),
        json!([]),
        json!(["a", "b"]),
        json!("tradepost "),
    ] {
        shop.assert_refused(
            &shop.sign(&with("aud", audience)),
            TokenError::AudienceWrong,
        );
    }
    shop.assert_refused(&shop.sign(&without("aud")), TokenError::ClaimMissing("aud"));
    for audience in [
        json!(null),
        json!(1),
        json!({"tradepost": 1}),
        json!(["tradepost", 1]),
    ] {
        shop.assert_refused(
            &shop.sign(&with("aud", audience)),
            TokenError::ClaimsMalformed,
        );
    }
}

#[test]
fn duplicate_claims_are_refused() {
    let shop = Shop::open(Algorithm::EdDsa);
    let good = good().to_string();
    let body = good.trim_end_matches('}');
    for more in [
        r#","sub":"admin"}"#,
        r#","exp":9999999999}"#,
        r#","\u0073ub":"admin"}"#,
        r#","act":{"sub":"a","sub":"b"}}"#,
    ] {
        let token = shop.sign_texts(&shop.header().to_string(), &format!("{body}{more}"));
        shop.assert_refused(&token, TokenError::DuplicateMember);
    }
}

#[test]
fn claims_are_one_object_with_what_the_reader_needs() {
    let shop = Shop::open(Algorithm::EdDsa);
    let header = shop.header().to_string();
    for claims in ["[]", "null", "\"admin\"", "{", "{}{}"] {
        let token = shop.sign_texts(&header, claims);
        shop.assert_refused(&token, TokenError::ClaimsMalformed);
    }
    shop.assert_refused(&shop.sign(&without("sub")), TokenError::ClaimsMalformed);
    shop.assert_refused(&shop.sign(&with("sub", 1)), TokenError::ClaimsMalformed);
}
