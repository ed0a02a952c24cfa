//! The values that several resources share, and how they are read from the services' answers.

use std::borrow::Cow;

use axum::http::StatusCode;
use prost_types::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};
use tradepost_proto::common::v1 as pb;
use tradepost_proto::convert::{timestamp_from_proto, timestamp_to_proto};
use utoipa::ToSchema;

use super::problem::Problem;

/// An amount of money in the minor units of its currency: pence, cents, yen. Never a fraction.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Money {
    /// ISO 4217, e.g. `GBP`.
    #[schema(min_length = 3, max_length = 3, example = "GBP")]
    currency_code: String,
    /// The amount in minor units.
    #[schema(example = 1234)]
    minor_units: i64,
}

impl From<pb::Money> for Money {
    fn from(money: pb::Money) -> Self {
        Self {
            currency_code: money.currency_code,
            minor_units: money.minor_units,
        }
    }
}

impl From<Money> for pb::Money {
    fn from(money: Money) -> Self {
        Self {
            currency_code: money.currency_code,
            minor_units: money.minor_units,
        }
    }
}

/// Where a parcel goes. No text of it holds control characters.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Address {
    /// Who receives it.
    #[schema(min_length = 1, max_length = 200, example = "Ada Lovelace")]
    recipient: String,
    /// Street, house number, flat: 1 to 200 characters each.
    #[schema(min_items = 1, max_items = 4, example = json!(["12 St James's Square"]))]
    lines: Vec<String>,
    /// Town.
    #[schema(min_length = 1, max_length = 100, example = "London")]
    city: String,
    /// State, county or province.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 100)]
    region: Option<String>,
    /// Postal code.
    #[schema(max_length = 20, example = "SW1Y 4LB")]
    postal_code: String,
    /// ISO 3166-1 alpha-2, in upper case.
    #[schema(min_length = 2, max_length = 2, example = "GB")]
    country_code: String,
}

impl From<pb::PostalAddress> for Address {
    fn from(address: pb::PostalAddress) -> Self {
        Self {
            recipient: address.recipient,
            lines: address.lines,
            city: address.city,
            region: text(address.region),
            postal_code: address.postal_code,
            country_code: address.country_code,
        }
    }
}

impl From<Address> for pb::PostalAddress {
    fn from(address: Address) -> Self {
        Self {
            recipient: address.recipient,
            lines: address.lines,
            city: address.city,
            region: address.region.unwrap_or_default(),
            postal_code: address.postal_code,
            country_code: address.country_code,
        }
    }
}

/// A point in time (RFC 3339).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-07-01T12:00:00Z")]
pub(super) struct Time(OffsetDateTime);

impl From<Time> for Timestamp {
    fn from(Time(time): Time) -> Self {
        timestamp_to_proto(time)
    }
}

impl From<OffsetDateTime> for Time {
    fn from(time: OffsetDateTime) -> Self {
        Self(time)
    }
}

impl From<Time> for OffsetDateTime {
    fn from(Time(time): Time) -> Self {
        time
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.format(&Rfc3339).map_err(ser::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let wanted = "must be a time of RFC 3339, e.g. 2026-07-01T12:00:00Z";
        OffsetDateTime::parse(&text, &Rfc3339)
            .map(Self)
            .map_err(|_malformed| de::Error::custom(wanted))
    }
}

/// A day of UTC, e.g. `2026-07-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = Date, example = "2026-07-01")]
pub(super) struct Day(Date);

const DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

impl From<Day> for Timestamp {
    /// Its start.
    fn from(Day(day): Day) -> Self {
        timestamp_to_proto(day.midnight().assume_utc())
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.format(&DAY).map_err(ser::Error::custom)?;
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let wanted = "must be a day, e.g. 2026-07-01";
        let day = Date::parse(&text, &DAY);
        day.map(Self)
            .map_err(|_malformed| de::Error::custom(wanted))
    }
}

/// As [`instant`], for the day that it starts.
pub(super) fn day(timestamp: Option<Timestamp>) -> Result<Day, Problem> {
    let Time(time) = instant(timestamp)?;
    Ok(Day(time.date()))
}

/// A number that is left out where a double has none for it: JSON has neither infinity nor NaN.
pub(super) fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// A part of an answer that its service always sets.
///
/// # Errors
/// A fault of ours, should it be absent.
pub(super) fn present<T>(part: Option<T>) -> Result<T, Problem> {
    part.ok_or_else(malformed)
}

/// As [`present`], for an instant.
pub(super) fn instant(timestamp: Option<Timestamp>) -> Result<Time, Problem> {
    timestamp_from_proto(present(timestamp)?)
        .map(Time)
        .map_err(|_impossible| malformed())
}

/// As [`instant`], for one that there need not be.
pub(super) fn maybe_instant(timestamp: Option<Timestamp>) -> Result<Option<Time>, Problem> {
    timestamp.map(|given| instant(Some(given))).transpose()
}

/// A text that is empty when there is nothing to say.
pub(super) fn text(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn malformed() -> Problem {
    tracing::error!(
        event = "gateway.answer_malformed",
        "a service's answer lacks a part that it must have"
    );
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "INTERNAL",
        "internal error",
    )
}

/// Declares the JSON form of a protobuf enum: the value's name without its prefix. A value that is
/// added to the protobuf must be added here before it compiles. What is newer than this gateway
/// reads as `UNSPECIFIED`.
macro_rules! mirrored {
    (
        $(#[$meta:meta])*
        $name:ident of $module:ident::$proto:ident {
            $($(#[$doc:meta])* $variant:ident,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[derive(utoipa::ToSchema)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub(super) enum $name {
            $($(#[$doc])* $variant,)+
            /// One that is newer than this gateway.
            #[serde(skip_deserializing)]
            Unspecified,
        }

        impl $name {
            pub(super) fn of(value: i32) -> Self {
                match $module::$proto::try_from(value) {
                    $(Ok($module::$proto::$variant) => Self::$variant,)+
                    Ok($module::$proto::Unspecified) | Err(_) => Self::Unspecified,
                }
            }
        }

        impl From<$name> for $module::$proto {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$variant => Self::$variant,)+
                    $name::Unspecified => Self::Unspecified,
                }
            }
        }
    };
}

pub(super) use mirrored;
