//! The header `Retry-After`: seconds, or a date of HTTP.

use std::time::Duration;

use time::format_description::FormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// The one form of dates that is still sent.
const DATE: &[FormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// How long from `now`; none if it cannot be read. What is past is no time.
pub(super) fn parse(text: &str, now: OffsetDateTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = PrimitiveDateTime::parse(text, DATE).ok()?.assume_utc();
    Some(Duration::try_from(at - now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_nothing_else() {
        let now = datetime!(2026-11-22 04:30:00 UTC);

        assert_eq!(parse(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(
            parse("Sun, 22 Nov 2026 05:00:00 GMT", now),
            Some(Duration::from_secs(1_800))
        );
        assert_eq!(
            parse("Sun, 22 Nov 2026 04:00:00 GMT", now),
            Some(Duration::ZERO)
        );
        for text in ["", "-1", "soon", "1.5", "2026-11-22T05:00:00Z"] {
            assert_eq!(parse(text, now), None, "{text}");
        }
    }
}
