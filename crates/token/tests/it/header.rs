//! Attacks through the header.

use jsonwebtoken::{EncodingKey, crypto};
use serde_json::{Value, json};
use tradepost_token::{Algorithm, TokenError};

use super::support::{Shop, encode, good};

#[test]
fn alg_none_is_refused_in_every_spelling() {
    for shop in Shop::each() {
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            let header = shop.header_with("alg", alg);
            let message = format!(
                "{}.{}",
                encode(header.to_string()),
                encode(good().to_string())
            );
            let unsigned = format!("{message}.");
            let signed = shop.sign_with_header(&header);

            shop.assert_refused(&unsigned, TokenError::Malformed);
            shop.assert_refused(&format!("{message}.AA"), TokenError::AlgorithmRefused);
            shop.assert_refused(&signed, TokenError::AlgorithmRefused);
        }
    }
}

#[test]
fn the_public_key_is_no_secret_of_an_hs_signature() {
    for shop in Shop::each() {
        let jwk = serde_json::to_value(shop.keys.find(&shop.kid)).unwrap();
        let text = jwk["x"].as_str().unwrap();
        let secrets = [
            text.as_bytes().to_vec(),
            base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text)
                .unwrap(),
            jwk.to_string().into_bytes(),
        ];
        let algorithms = [
            ("HS256", jsonwebtoken::Algorithm::HS256),
            ("HS384", jsonwebtoken::Algorithm::HS384),
            ("HS512", jsonwebtoken::Algorithm::HS512),
        ];
        for (secret, (name, algorithm)) in secrets
            .iter()
            .flat_map(|secret| algorithms.map(|algorithm| (secret, algorithm)))
        {
            let sign = |alg: &str| {
                let header = shop.header_with("alg", alg).to_string();
                let message = format!("{}.{}", encode(header), encode(good().to_string()));
                let key = EncodingKey::from_secret(secret);
                let mac = crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
                format!("{message}.{mac}")
            };

            shop.assert_refused(&sign(name), TokenError::AlgorithmRefused);
            shop.assert_refused(&sign(shop.algorithm.as_str()), TokenError::SignatureWrong);
        }
    }
}

#[test]
fn the_algorithm_follows_from_the_key_and_not_from_the_token() {
    for shop in Shop::each() {
        let other = match shop.algorithm {
            Algorithm::EdDsa => "ES256",
            Algorithm::Es256 => "EdDSA",
        };
        for alg in [
            other, "RS256", "PS512", "ES384", "ES512", "Ed25519", "eddsa", "es256",
        ] {
            let token = shop.sign_with_header(&shop.header_with("alg", alg));
            shop.assert_refused(&token, TokenError::AlgorithmRefused);
        }
    }
}

#[test]
fn a_kid_is_a_name_and_nothing_else() {
    let shop = Shop::open(Algorithm::EdDsa);
    for kid in [
        "unknown",
        "../../../../dev/null",
        "/etc/passwd",
        "file:///dev/null",
        "https://evil.example/key",
        "x' union select 'secret' --",
        "'; drop table signing_keys; --",
        "$(id)",
        "\u{0}",
        "{{7*7}}",
    ] {
        let token = shop.sign_with_header(&shop.header_with("kid", kid));
        shop.assert_refused(&token, TokenError::KeyUnknown);
    }
    let spaced = format!(" {}", shop.kid);
    let token = shop.sign_with_header(&shop.header_with("kid", spaced));
    shop.assert_refused(&token, TokenError::KeyUnknown);
    let token = shop.sign_with_header(&shop.header_with("kid", "k".repeat(4_000)));
    shop.assert_refused(&token, TokenError::KeyUnknown);
}

#[test]
fn a_kid_must_be_there_and_be_text() {
    let shop = Shop::open(Algorithm::EdDsa);
    let mut missing = shop.header();
    missing.as_object_mut().unwrap().remove("kid");

    shop.assert_refused(&shop.sign_with_header(&missing), TokenError::KeyMissing);
    let empty = shop.sign_with_header(&shop.header_with("kid", ""));
    shop.assert_refused(&empty, TokenError::KeyMissing);
    for kid in [json!(1), json!(null), json!([shop.kid]), json!({"a": 1})] {
        let token = shop.sign_with_header(&shop.header_with("kid", kid));
        shop.assert_refused(&token, TokenError::HeaderMalformed);
    }
}

#[test]
fn a_token_brings_neither_its_own_key_nor_its_own_rules() {
    for shop in Shop::each() {
        let attacker = Shop::open(shop.algorithm);
        let key = serde_json::to_value(attacker.keys.find(&attacker.kid)).unwrap();
        let members: [(&str, Value); 11] = [
            ("jwk", key),
            ("jku", json!("https://evil.example/jwks.json")),
            ("x5u", json!("https://evil.example/cert.pem")),
            ("x5c", json!(["MIIB"])),
            ("x5t", json!("AAAA")),
            ("crit", json!(["exp"])),
            ("crit", json!([])),
            ("b64", json!(false)),
            ("zip", json!("DEF")),
            ("cty", json!("JWT")),
            ("admin", json!(true)),
        ];
        for (name, value) in members {
            let header = shop.header_with(name, value);
            shop.assert_refused(&shop.sign_with_header(&header), TokenError::HeaderRefused);
            let forged = attacker.sign_with_header(&header);
            shop.assert_refused(&forged, TokenError::HeaderRefused);
        }
    }
}

#[test]
fn an_id_token_is_no_access_token() {
    let shop = Shop::open(Algorithm::EdDsa);
    for typ in [
        "JWT",
        "jwt",
        "id+jwt",
        "logout+jwt",
        "AT+JWT",
        "application/at+jwt",
        "at+jwt ",
    ] {
        let token = shop.sign_with_header(&shop.header_with("typ", typ));
        shop.assert_refused(&token, TokenError::TypeWrong);
    }
    let mut missing = shop.header();
    missing.as_object_mut().unwrap().remove("typ");
    shop.assert_refused(&shop.sign_with_header(&missing), TokenError::TypeWrong);
}

#[test]
fn a_header_says_each_thing_once() {
    let shop = Shop::open(Algorithm::EdDsa);
    let (kid, claims) = (&shop.kid, good().to_string());
    for header in [
        format!(r#"{{"alg":"none","alg":"EdDSA","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"JWT","\u0074yp":"at+jwt"}}"#),
    ] {
        let token = shop.sign_texts(&header, &claims);
        shop.assert_refused(&token, TokenError::DuplicateMember);
    }
}

#[test]
fn a_header_is_one_json_object() {
    let shop = Shop::open(Algorithm::EdDsa);
    let claims = good().to_string();
    for header in ["[]", "null", "\"EdDSA\"", "{", "{}x", "{'alg':'EdDSA'}"] {
        let token = shop.sign_texts(header, &claims);
        shop.assert_refused(&token, TokenError::HeaderMalformed);
    }
    shop.assert_refused(&shop.sign_texts("{}", &claims), TokenError::KeyMissing);
    let token = shop.sign_with_header(&shop.header_with("alg", 1));
    shop.assert_refused(&token, TokenError::HeaderMalformed);
}
