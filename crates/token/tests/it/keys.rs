//! Keys and key sets as text.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tradepost_token::{Algorithm, Jwk, KeyError, KeySet, KeySetError, SigningKey};

/// The key of RFC 8037, appendix A, as `openssl genpkey -algorithm ed25519` writes keys.
const OPENSSL_ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";

const RFC_8037_THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn jwk(algorithm: Algorithm) -> Value {
    let key = SigningKey::generate(algorithm).unwrap();
    serde_json::to_value(key.public_jwk()).unwrap()
}

fn read(jwk: &Value) -> Result<Jwk, serde_json::Error> {
    serde_json::from_value(jwk.clone())
}

#[test]
fn a_private_key_survives_its_text() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let key = SigningKey::generate(algorithm).unwrap();
        let again = SigningKey::from_pkcs8_pem(&key.to_pkcs8_pem()).unwrap();

        assert_eq!(again.public_jwk(), key.public_jwk());
        assert_eq!(again.algorithm(), algorithm);
    }
}

#[test]
fn keys_of_openssl_are_read() {
    let key = SigningKey::from_pkcs8_pem(&SecretString::from(OPENSSL_ED25519)).unwrap();

    assert_eq!(key.algorithm(), Algorithm::EdDsa);
    assert_eq!(key.to_pkcs8_pem().expose_secret(), OPENSSL_ED25519);
    assert_eq!(key.kid(), RFC_8037_THUMBPRINT);
}

#[test]
fn a_thumbprint_is_the_one_of_rfc_8037() {
    let jwk = json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });

    assert_eq!(read(&jwk).unwrap().kid(), RFC_8037_THUMBPRINT);
}

#[test]
fn what_is_no_private_key_is_refused_without_repeating_it() {
    for text in [
        "",
        "secret",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        let error = SigningKey::from_pkcs8_pem(&SecretString::from(text)).unwrap_err();
        assert!(matches!(
            error,
            KeyError::PemMalformed | KeyError::KindUnknown
        ));
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn a_private_key_shows_nothing_of_itself() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let pem = key.to_pkcs8_pem();
    let body = pem.expose_secret().lines().nth(1).unwrap();

    assert!(!format!("{key:?}").contains(&body[20..40]));
}

#[test]
fn only_public_keys_of_the_two_kinds_are_keys() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let good = jwk(algorithm);
        assert!(read(&good).is_ok());
        for (name, value) in [
            ("kty", json!("RSA")),
            ("kty", json!("oct")),
            ("crv", json!("P-384")),
            ("crv", json!("Ed448")),
            ("x", json!("AAAA")),
            ("x", json!("")),
            ("alg", json!("HS256")),
            ("alg", json!("none")),
            ("use", json!("enc")),
            ("kid", json!("")),
            ("kid", json!("a b")),
            ("kid", json!("k".repeat(129))),
            ("d", json!("AAAA")),
            ("k", json!("AAAA")),
            ("x5c", json!([])),
        ] {
            let mut odd = good.clone();
            odd[name] = value;
            assert!(read(&odd).is_err(), "{name} of {algorithm:?}");
        }
    }
    let mut off_curve = jwk(Algorithm::Es256);
    off_curve["y"] = off_curve["x"].clone();
    assert!(read(&off_curve).is_err());
}

#[test]
fn a_key_set_survives_its_text() {
    let keys = [Algorithm::EdDsa, Algorithm::Es256]
        .map(|algorithm| SigningKey::generate(algorithm).unwrap().public_jwk());
    let set = KeySet::new(keys.clone());

    let again = KeySet::from_jwks(set.to_jwks().to_string().as_bytes()).unwrap();
    assert_eq!(again, set);
    assert_eq!(again.len(), 2);
    assert_eq!(again.find(keys[1].kid()), Some(&keys[1]));
    assert_eq!(again.find("other"), None);
}

#[test]
fn a_key_set_has_its_limits() {
    let from = |value: Value| KeySet::from_jwks(value.to_string().as_bytes());
    let key = jwk(Algorithm::EdDsa);
    let many: Vec<Value> = (0..51)
        .map(|number| {
            let mut key = key.clone();
            key["kid"] = json!(format!("k{number}"));
            key
        })
        .collect();

    assert_eq!(from(json!({"keys": many})), Err(KeySetError::TooMany));
    assert!(from(json!({"keys": many[..50]})).is_ok());
    assert_eq!(
        from(json!({"keys": [key, key]})),
        Err(KeySetError::KidTwice)
    );
    assert_eq!(from(json!({"keys": []})), Err(KeySetError::Empty));
    assert_eq!(from(json!({"keys": [1]})), Err(KeySetError::Malformed));
    assert_eq!(from(json!([key])), Err(KeySetError::Malformed));
    assert_eq!(KeySet::from_jwks(b"{"), Err(KeySetError::Malformed));
    let long = vec![b' '; 256 * 1024 + 1];
    assert_eq!(KeySet::from_jwks(&long), Err(KeySetError::TooLarge));
}
