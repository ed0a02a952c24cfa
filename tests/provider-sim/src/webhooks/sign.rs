//! Stripe's webhook signature, scheme `v1`.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock;

/// The `Stripe-Signature` header: `t=…,v1=hex(hmac-sha256(secret, "t.payload"))`.
pub fn signature(secret: &str, timestamp: i64, payload: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        // HMAC takes keys of every length.
        return String::new();
    };
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(payload.as_bytes());
    format!(
        "t={timestamp},v1={}",
        hex::encode(mac.finalize().into_bytes())
    )
}

/// Unix time.
pub(crate) fn now_seconds() -> i64 {
    clock::now().unix_timestamp()
}
