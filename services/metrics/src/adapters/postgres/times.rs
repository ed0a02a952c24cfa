//! Between milliseconds since 1970 and what the database keeps.

use time::{Date, OffsetDateTime};
use tradepost_postgres::DbError;

use crate::domain::Grain;

/// A broken row or moment, as a failed decoding.
pub(super) fn broken(what: &str) -> DbError {
    DbError::from(sqlx::Error::Decode(
        format!("the row has an invalid {what}").into(),
    ))
}

/// The moment; a batch has none that a calendar does not have.
pub(super) fn moment(at_ms: i64) -> Result<OffsetDateTime, DbError> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000)
        .map_err(|_out_of_range| broken("time"))
}

/// The milliseconds; what is below them is cut off.
pub(super) fn millis(at: OffsetDateTime) -> i64 {
    let millis = at.unix_timestamp_nanos().div_euclid(1_000_000);
    // A calendar of nine digits of years has no more milliseconds than that.
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// The day of UTC that holds a moment.
pub(super) fn day(at_ms: i64) -> Result<Date, DbError> {
    Ok(moment(Grain::Day.start_ms(at_ms))?.date())
}
