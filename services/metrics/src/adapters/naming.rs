//! What a batch is called that its sender has not named, by where it came from.

use tradepost_service::request_id::fingerprint;

use crate::domain::BatchName;

/// The name of what a source calls `id`, with that content.
///
/// No sender's `batch_key` is the same: those are printable, and here a zero stands between source
/// and id.
#[must_use]
pub fn of_source(source: &str, id: &[u8], content: &[u8]) -> BatchName {
    let mut key = Vec::with_capacity(source.len() + 1 + id.len());
    key.extend_from_slice(source.as_bytes());
    key.push(0);
    key.extend_from_slice(id);
    BatchName::Keyed {
        key: fingerprint(&key),
        content: fingerprint(content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_and_id_do_not_run_into_each_other() {
        let name = |source, id: &[u8]| of_source(source, id, b"");

        assert_eq!(name("a", b"b"), name("a", b"b"));
        assert_ne!(name("a", b"b"), name("ab", b""));
        assert_ne!(name("a", b"b"), name("a", b"c"));
        assert_ne!(of_source("a", b"b", b"x"), of_source("a", b"b", b"y"));
    }
}
