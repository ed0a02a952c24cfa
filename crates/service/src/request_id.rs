//! The `request_id` of mutating calls, and the fingerprint that tells two bodies apart.

use sha2::{Digest, Sha256};

/// The longest request id that is taken.
pub const REQUEST_ID_LEN_MAX: usize = 255;

/// What is wrong with a request id, as the description of a field violation; `None` when nothing.
///
/// Any 1 to 255 printable ASCII characters will do. A UUID is what clients should send.
#[must_use]
pub fn fault(request_id: &str) -> Option<&'static str> {
    let printable = request_id
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if request_id.is_empty() {
        Some("is required: send a new UUID with each new intent, and the same one when retrying")
    } else if request_id.len() > REQUEST_ID_LEN_MAX {
        Some("must not be longer than 255 characters")
    } else if !printable {
        Some("must consist of printable ASCII characters")
    } else {
        None
    }
}

/// SHA-256 of what must be the same when a request id is used again: the encoded request without
/// its request id.
#[must_use]
pub fn fingerprint(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}
