//! Between protobuf messages and the value types. Parsing fails with a text for the caller;
//! rendering never fails.

use time::OffsetDateTime;
use tradepost_types::{Currency, Money};

use crate::common::v1 as pb;

/// Why a protobuf value is not one of ours; the text is meant for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The message is absent.
    #[error("is required")]
    Missing,
    /// The currency code is not of ISO 4217, or not one we trade in.
    #[error("has an unknown currency_code; use an ISO 4217 code such as GBP, in upper case")]
    Currency,
    /// The timestamp is outside the years 1 to 9999.
    #[error("is not a timestamp between the years 1 and 9999")]
    Timestamp,
}

/// Renders an amount.
#[must_use]
pub fn money_to_proto(money: Money) -> pb::Money {
    pb::Money {
        currency_code: money.currency().code().to_owned(),
        minor_units: money.minor_units(),
    }
}

/// Parses an amount of any sign.
///
/// # Errors
/// [`ConvertError::Missing`], [`ConvertError::Currency`].
pub fn money_from_proto(money: Option<&pb::Money>) -> Result<Money, ConvertError> {
    let money = money.ok_or(ConvertError::Missing)?;
    let currency: Currency = money
        .currency_code
        .parse()
        .map_err(|_unknown| ConvertError::Currency)?;
    Ok(Money::new(money.minor_units, currency))
}

/// Renders an instant.
#[must_use]
pub fn timestamp_to_proto(instant: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: instant.unix_timestamp(),
        nanos: i32::try_from(instant.nanosecond()).unwrap_or(0),
    }
}

/// Parses an instant.
///
/// # Errors
/// [`ConvertError::Timestamp`] for one outside the years 1 to 9999 or with wrong nanoseconds.
pub fn timestamp_from_proto(
    timestamp: prost_types::Timestamp,
) -> Result<OffsetDateTime, ConvertError> {
    let nanos = u32::try_from(timestamp.nanos).map_err(|_negative| ConvertError::Timestamp)?;
    OffsetDateTime::from_unix_timestamp(timestamp.seconds)
        .and_then(|instant| instant.replace_nanosecond(nanos))
        .map_err(|_outside| ConvertError::Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_survives_the_way_out_and_back() {
        let money = Money::new(-5, Currency::KWD);

        assert_eq!(money_from_proto(Some(&money_to_proto(money))), Ok(money));
    }

    #[test]
    fn a_missing_amount_and_an_unknown_currency_are_told_apart() {
        let unknown = pb::Money {
            currency_code: "gbp".into(),
            minor_units: 1,
        };

        assert_eq!(money_from_proto(None), Err(ConvertError::Missing));
        assert_eq!(
            money_from_proto(Some(&unknown)),
            Err(ConvertError::Currency)
        );
    }

    #[test]
    fn an_impossible_timestamp_is_refused() {
        for (seconds, nanos) in [(i64::MAX, 0), (0, -1), (0, 1_000_000_000)] {
            let timestamp = prost_types::Timestamp { seconds, nanos };
            assert_eq!(
                timestamp_from_proto(timestamp),
                Err(ConvertError::Timestamp)
            );
        }
    }

    #[test]
    fn an_instant_survives_the_way_out_and_back() {
        let instant = OffsetDateTime::UNIX_EPOCH + time::Duration::new(5, 7);

        assert_eq!(
            timestamp_from_proto(timestamp_to_proto(instant)),
            Ok(instant)
        );
    }
}
