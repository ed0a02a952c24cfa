//! Attacks on the outer form.

use tradepost_token::{Algorithm, Signer, SigningKey, TOKEN_BYTES_MAX, TokenError};

use super::support::{Shop, encode, good, with};

#[test]
fn a_truncated_token_is_refused_wherever_it_is_cut() {
    for shop in Shop::each() {
        let token = shop.token();
        assert!(shop.verify(&token).is_ok());
        for length in 0..token.len() {
            assert!(shop.verify(&token[..length]).is_err(), "cut at {length}");
        }
    }
}

#[test]
fn a_token_has_exactly_three_segments() {
    let shop = Shop::open(Algorithm::EdDsa);
    let token = shop.token();
    let (message, signature) = token.rsplit_once('.').unwrap();
    for odd in [
        String::new(),
        "..".to_owned(),
        "...".to_owned(),
        message.to_owned(),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{message}..{signature}"),
        format!("{token}.a.b"),
        format!("{token} "),
        format!(" {token}"),
        format!("{token}\n"),
    ] {
        shop.assert_refused(&odd, TokenError::Malformed);
    }
}

#[test]
fn a_segment_has_one_spelling() {
    let shop = Shop::open(Algorithm::EdDsa);
    let token = shop.token();
    let parts: Vec<&str> = token.split('.').collect();

    shop.assert_refused(&format!("{token}=="), TokenError::Malformed);
    let padded = format!("{}==.{}.{}", parts[0], parts[1], parts[2]);
    shop.assert_refused(&padded, TokenError::Malformed);
    let standard = format!("{}.{}.+/{}", parts[0], parts[1], &parts[2][2..]);
    shop.assert_refused(&standard, TokenError::Malformed);
    // The last letter of 64 bytes has four bits that say nothing: only zeros may stand there.
    let last = token.chars().last().unwrap();
    assert!("AQgw".contains(last));
    let loose = format!(
        "{}{}",
        &token[..token.len() - 1],
        char::from(last as u8 + 1)
    );
    shop.assert_refused(&loose, TokenError::Malformed);
}

#[test]
fn an_oversized_token_is_neither_read_nor_made() {
    let shop = Shop::open(Algorithm::EdDsa);
    let mut claims = with("padding", "x".repeat(TOKEN_BYTES_MAX));
    let token = shop.sign_texts(&shop.header().to_string(), &claims.to_string());
    assert!(token.len() > TOKEN_BYTES_MAX);

    shop.assert_refused(&token, TokenError::TooLarge);
    assert!(shop.signer.sign(&claims).is_err());
    claims["padding"] = "x".repeat(4_096).into();
    assert!(shop.verify(&shop.sign(&claims)).is_ok());
}

#[test]
fn a_signature_of_another_key_is_refused() {
    for shop in Shop::each() {
        let stranger = Shop::open(shop.algorithm);

        shop.assert_refused(&stranger.token(), TokenError::KeyUnknown);
        let forged = stranger.sign_with_header(&shop.header());
        shop.assert_refused(&forged, TokenError::SignatureWrong);
    }
}

#[test]
fn a_signature_covers_header_and_claims() {
    for shop in Shop::each() {
        let token = shop.token();
        let parts: Vec<&str> = token.split('.').collect();
        let elevated = encode(with("sub", "admin").to_string());
        let respelled = encode(serde_json::to_string_pretty(&shop.header()).unwrap());

        let changed = format!("{}.{elevated}.{}", parts[0], parts[2]);
        shop.assert_refused(&changed, TokenError::SignatureWrong);
        let changed = format!("{respelled}.{}.{}", parts[1], parts[2]);
        shop.assert_refused(&changed, TokenError::SignatureWrong);
        for signature in [
            encode(""),
            encode([0; 63]),
            encode([0; 64]),
            encode([0; 65]),
        ] {
            let changed = format!("{}.{}.{signature}", parts[0], parts[1]);
            assert!(shop.verify(&changed).is_err(), "{signature:?}");
        }
    }
}

#[test]
fn a_token_of_another_type_of_the_same_key_is_refused() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let pem = key.to_pkcs8_pem();
    let shop = Shop::open(Algorithm::EdDsa);
    shop.verifier
        .replace_keys(tradepost_token::KeySet::new([key.public_jwk()]));
    let internal = Signer::new(SigningKey::from_pkcs8_pem(&pem).unwrap(), "internal+jwt");

    let token = internal.sign(&good()).unwrap();
    shop.assert_refused(&token, TokenError::TypeWrong);
}
