//! The `grpc-timeout` header, by the gRPC wire format: at most eight digits and a unit.

use std::time::Duration;

use http::HeaderMap;

/// What the caller allows; `None` when it does not say, or says it malformed.
pub(super) fn requested(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let well_formed = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let amount: u64 = well_formed.then(|| digits.parse().ok())??;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(text: &'static str) -> Option<Duration> {
        requested(&HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-timeout"),
            HeaderValue::from_static(text),
        )]))
    }

    #[test]
    fn every_unit_of_the_wire_format_is_understood() {
        assert_eq!(of("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(of("2M"), Some(Duration::from_secs(120)));
        assert_eq!(of("2S"), Some(Duration::from_secs(2)));
        assert_eq!(of("2m"), Some(Duration::from_millis(2)));
        assert_eq!(of("2u"), Some(Duration::from_micros(2)));
        assert_eq!(of("99999999n"), Some(Duration::from_nanos(99_999_999)));
    }

    #[test]
    fn what_is_malformed_counts_as_absent() {
        for text in ["", "S", "12", "+1S", "123456789S", "1 S", "1s"] {
            assert_eq!(of(text), None, "{text:?}");
        }
    }
}
