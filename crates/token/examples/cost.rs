//! What a token costs: to sign, to verify when it is new, to verify when it was seen.
#![expect(clippy::print_stdout, reason = "this is a tool that prints")]
#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tradepost_token::{Algorithm, KeySet, Policy, Signer, SigningKey, Verifier};

const TOKENS: usize = 5_000;

/// As large as an access token is.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: [String; 1],
    sub: String,
    jti: String,
    sid: String,
    org: String,
    scope: String,
    iat: i64,
    exp: i64,
}

fn claims(number: usize) -> Claims {
    let text = |prefix: &str| format!("{prefix}_01jd{number:022}");
    Claims {
        iss: "https://shop.example".to_owned(),
        aud: ["tradepost".to_owned()],
        sub: text("user"),
        jti: text("token"),
        sid: text("session"),
        org: text("tenant"),
        scope: "orders:place orders:read orders:cancel items:read notifications:read".to_owned(),
        iat: 0,
        exp: 600,
    }
}

fn measure(what: &str, mut each: impl FnMut(usize)) {
    let started = Instant::now();
    for number in 0..TOKENS {
        each(number);
    }
    let micros = started.elapsed().as_secs_f64() * 1e6;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let each = micros / TOKENS as f64;
    println!("{what:30} {each:8.2} us");
}

fn main() {
    let now = OffsetDateTime::UNIX_EPOCH;
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let key = SigningKey::generate(algorithm).unwrap();
        let keys = KeySet::new([key.public_jwk()]);
        let signer = Signer::new(key, "at+jwt");
        let policy = Policy {
            issuer: "https://shop.example".to_owned(),
            audience: "tradepost".to_owned(),
            typ: "at+jwt",
            lifetime_max: Duration::from_secs(600),
            skew: Duration::from_secs(30),
        };
        let verifier = Verifier::<Claims>::new(policy, keys, 100_000);
        let name = algorithm.as_str();
        let mut tokens = Vec::with_capacity(TOKENS);
        measure(&format!("{name} sign"), |number| {
            tokens.push(signer.sign(&claims(number)).unwrap());
        });
        for what in ["new", "seen"] {
            measure(&format!("{name} verify, {what}"), |number| {
                let token = tokens.get(number).unwrap();
                verifier.verify(token, now).unwrap();
            });
        }
    }
}
