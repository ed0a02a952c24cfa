//! Paths with values in them.

use std::fmt::Write;

/// A value as one segment of a path or one value of a query.
pub(crate) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Dots too: a segment of dots alone has a meaning of its own. Writing to a text
            // does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

pub(super) fn item(sku: &str) -> String {
    format!("/v1/items/{}", segment(sku))
}

pub(super) fn movements(sku: &str) -> String {
    format!("/v1/items/{}/stock-movements", segment(sku))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stock_codes_survive_a_path() {
        for (sku, path) in [
            ("85123A", "/v1/items/85123A"),
            ("BANK CHARGES", "/v1/items/BANK%20CHARGES"),
            ("gift_0001_40", "/v1/items/gift_0001_40"),
            ("a/b?c#d%", "/v1/items/a%2Fb%3Fc%23d%25"),
            ("..", "/v1/items/%2E%2E"),
            ("£", "/v1/items/%C2%A3"),
        ] {
            assert_eq!(item(sku), path);
        }
    }
}
