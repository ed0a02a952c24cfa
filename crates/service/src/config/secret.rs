//! Secrets in printed configurations: `#[serde(serialize_with = "secret::mask")]`.

use serde::Serializer;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// Serialises any value as `***`.
///
/// # Errors
/// Only those of the serializer.
pub fn mask<T, S: Serializer>(_secret: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(MASK)
}

/// As [`mask`], but shows whether an optional secret is there.
///
/// # Errors
/// Only those of the serializer.
pub fn mask_option<T, S: Serializer>(secret: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(_) => serializer.serialize_some(MASK),
        None => serializer.serialize_none(),
    }
}
