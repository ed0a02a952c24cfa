//! A minute of the day, as people write it.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

const HOURS: u16 = 24;
const MINUTES: u16 = 60;

/// A time of the day, from `00:00` to `23:59`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, example = "22:00")]
pub(super) struct TimeOfDay(u16);

impl TimeOfDay {
    /// This minute of the day, if it has so many.
    pub(super) fn of(minute: i32) -> Option<Self> {
        let minute = u16::try_from(minute).ok()?;
        (minute < HOURS * MINUTES).then_some(Self(minute))
    }

    fn parse(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
        let is_one = hours < HOURS && minutes < MINUTES;
        is_one.then_some(Self(hours * MINUTES + minutes))
    }
}

impl From<TimeOfDay> for i32 {
    fn from(TimeOfDay(minute): TimeOfDay) -> Self {
        Self::from(minute)
    }
}

fn two_digits(text: &str) -> Option<u16> {
    let is_two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_two.then(|| text.parse().ok()).flatten()
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (hours, minutes) = (self.0 / MINUTES, self.0 % MINUTES);
        serializer.collect_str(&format_args!("{hours:02}:{minutes:02}"))
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let wanted = "must be a time of the day from 00:00 to 23:59, e.g. 22:00";
        Self::parse(&text).ok_or_else(|| de::Error::custom(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_minute_of_the_day_is_read_as_it_is_written() {
        for minute in 0..1_440 {
            let time = TimeOfDay::of(minute).unwrap();
            let text = serde_json::to_string(&time).unwrap();
            assert_eq!(text.len(), "\"22:00\"".len(), "{text}");
            assert_eq!(serde_json::from_str::<TimeOfDay>(&text).unwrap(), time);
            assert_eq!(i32::from(time), minute);
        }
        assert_eq!(TimeOfDay::of(-1).or(TimeOfDay::of(1_440)), None);
    }

    #[test]
    fn what_is_no_time_of_the_day_is_refused() {
        for text in [
            "", ":", "24:00", "12:60", "7:00", "07:0", "07:000", "+7:00", "07:+1", "07-00",
            "07:00:00", " 7:00", "７7:00",
        ] {
            assert_eq!(TimeOfDay::parse(text), None, "{text}");
        }
    }
}
