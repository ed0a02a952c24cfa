//! The one computation of the upgrade.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// RFC 6455, 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// What a key is the base64 of.
const KEY_BYTES: usize = 16;

/// The `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`; `None` if that is no key.
#[must_use]
pub fn accept_key(key: &[u8]) -> Option<String> {
    let decoded = STANDARD.decode(key).ok()?;
    (decoded.len() == KEY_BYTES)
        .then(|| STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize()))
}

#[cfg(test)]
mod tests {
    use super::accept_key;

    #[test]
    fn the_key_of_the_rfc_is_accepted_as_the_rfc_says() {
        assert_eq!(
            accept_key(b"dGhlIHNhbXBsZSBub25jZQ==").as_deref(),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
    }

    #[test]
    fn what_is_not_sixteen_bytes_in_base64_is_no_key() {
        for key in [
            "",
            "dGhlIHNhbXBsZQ==",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZSE=",
            "dGhlIHNhbXBsZSBub25jZQ== ",
            "dGhl*HNhbXBsZSBub25jZQ==",
        ] {
            assert_eq!(accept_key(key.as_bytes()), None, "{key:?}");
        }
    }
}
