//! Measured times. All of them are kept: a run has some ten thousand, and exact quantiles need
//! no histogram.

use std::time::Duration;

use serde::Serialize;

/// Times in the order of their measuring.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<Duration>);

/// Two quantiles in milliseconds; `None` if nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half of the times are no longer.
    pub p50: Option<f64>,
    /// 99 of 100 times are no longer.
    pub p99: Option<f64>,
}

impl Samples {
    /// Adds one.
    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Adds those of another.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// All of them.
    #[must_use]
    pub fn into_times(self) -> Vec<Duration> {
        self.0
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest measured time that so many percent of all do not exceed.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        self.permille(percent * 10)
    }

    /// The smallest measured time that so many of a thousand do not exceed.
    #[must_use]
    pub fn permille(&self, permille: usize) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * permille).div_ceil(1_000).max(1);
        sorted.get(rank - 1).copied()
    }

    /// The two that are reported.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        Quantiles {
            p50: self.percentile(50).map(millis),
            p99: self.percentile(99).map(millis),
        }
    }
}

impl FromIterator<Duration> for Samples {
    fn from_iter<T: IntoIterator<Item = Duration>>(times: T) -> Self {
        Self(times.into_iter().collect())
    }
}

/// In milliseconds, to the microsecond.
#[must_use]
pub fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(millis: impl Iterator<Item = u64>) -> Samples {
        Samples(millis.map(Duration::from_millis).collect())
    }

    #[test]
    fn a_quantile_is_a_time_that_was_measured() {
        let hundred = samples((1..=100).rev());

        assert_eq!(hundred.quantiles().p50, Some(50.0));
        assert_eq!(hundred.quantiles().p99, Some(99.0));
        assert_eq!(hundred.percentile(100), Some(Duration::from_millis(100)));
        assert_eq!(samples(1..=3).quantiles().p50, Some(2.0));
        assert_eq!(samples(7..=7).quantiles().p99, Some(7.0));
    }

    #[test]
    fn nothing_measured_has_no_quantile() {
        let none = serde_json::to_string(&Samples::default().quantiles()).unwrap();

        assert_eq!(none, r#"{"p50":null,"p99":null}"#);
    }
}
