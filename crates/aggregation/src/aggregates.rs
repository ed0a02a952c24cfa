//! What comes out: aggregates of a window, in a form that merges over nodes.

use std::collections::BTreeMap;

use crate::event::DAY_MINUTES;
use crate::sketch::Sketch;
use crate::tally::Tally;
use crate::tenant::Irregularities;

/// The most lines of an answer.
pub(crate) const LINES_MAX: usize = 10_000;
/// Seconds are kept as far back as the late window reaches.
const SECONDS_MINUTES_MAX: i64 = 2;

/// How an answer is cut into times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Grouping {
    /// One line an event type.
    #[default]
    None,
    /// One line an event type and minute.
    Minute,
    /// One line an event type and second, without percentiles; 2 minutes at most.
    Second,
}

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// How far back, 1 to 1,440 minutes; the running one counts as one.
    pub minutes: u32,
    /// Only these event types; none: all.
    pub event_types: &'a [&'a str],
    /// How to cut the window.
    pub grouping: Grouping,
}

/// Why a question is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The minutes are not 1 to 1,440, or more than 2 by second.
    #[error("the window is not 1 to 1440 minutes, or 1 or 2 by second")]
    WindowInvalid,
    /// The answer would have more than 10,000 lines.
    #[error("the answer would have more than 10000 lines")]
    TooManyLines,
}

/// What is known of one event type over one piece of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// The event type; `__other__` is the overflow series.
    pub event_type: String,
    /// Where the piece starts, in milliseconds since 1970.
    pub start_ms: i64,
    /// Events, at least 1.
    pub count: u64,
    /// The sum of their values.
    pub sum: f64,
    /// The least of them.
    pub min: f64,
    /// The greatest of them.
    pub max: f64,
    /// The sketch of all of them; none by second, and none where memory did not suffice for it.
    pub sketch: Option<Sketch>,
}

/// An answer: of one node, or of several once merged.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregates {
    /// By event type, then time.
    pub lines: Vec<Aggregate>,
    /// How long the piece of a line is, in milliseconds.
    pub piece_ms: i64,
    /// When it was asked, in milliseconds since 1970.
    pub now_ms: i64,
    /// Every event before this that came within the late window is in the answer.
    pub watermark_ms: i64,
    /// Since when nothing was missed, in milliseconds since 1970.
    pub counted_since_ms: i64,
    /// What did not count as it came.
    pub irregularities: Irregularities,
}

impl Aggregate {
    /// The mean of the values.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean is a measurement")]
    pub fn mean(&self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            self.sum / self.count as f64
        }
    }

    /// The value that `q` of all values are at most, within [`Sketch::relative_error`]; none where
    /// there is no sketch.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        // The ends are known exactly, and no percentile lies outside them.
        let found = self.sketch.as_ref()?.quantile(q)?;
        Some(found.max(self.min).min(self.max))
    }

    fn merge(&mut self, other: &Self) {
        let mut tally = self.tally();
        tally.merge(&other.tally());
        (self.count, self.sum, self.min, self.max) = (tally.count, tally.sum, tally.min, tally.max);
        match (&mut self.sketch, &other.sketch) {
            (Some(sketch), Some(other)) => sketch.merge(other),
            (sketch, _) => *sketch = None,
        }
    }

    fn tally(&self) -> Tally {
        Tally {
            count: self.count,
            sum: self.sum,
            min: self.min,
            max: self.max,
        }
    }
}

impl Query<'_> {
    /// Whether it can be asked, before anybody works on it.
    ///
    /// # Errors
    /// [`QueryError::WindowInvalid`].
    pub fn check(&self) -> Result<(), QueryError> {
        let most = match self.grouping {
            Grouping::Second => SECONDS_MINUTES_MAX,
            Grouping::None | Grouping::Minute => DAY_MINUTES,
        };
        if (1..=most).contains(&i64::from(self.minutes)) {
            Ok(())
        } else {
            Err(QueryError::WindowInvalid)
        }
    }
}

impl Aggregates {
    /// Whether the answer is no longer than one may be; that of several nodes is looked at after
    /// each one that is merged.
    ///
    /// # Errors
    /// [`QueryError::TooManyLines`].
    pub fn check(&self) -> Result<(), QueryError> {
        if self.lines.len() > LINES_MAX {
            return Err(QueryError::TooManyLines);
        }
        Ok(())
    }

    /// Adds what another node answered to the same question, exactly: counts, extremes and
    /// sketches are as if one node had counted everything.
    pub fn merge(&mut self, other: &Self) {
        let key = |line: &Aggregate| (line.event_type.clone(), line.start_ms);
        let mut lines: BTreeMap<_, _> = std::mem::take(&mut self.lines)
            .into_iter()
            .map(|line| (key(&line), line))
            .collect();
        for line in &other.lines {
            match lines.entry(key(line)) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut().merge(line),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(line.clone());
                }
            }
        }
        self.lines = lines.into_values().collect();
        self.watermark_ms = self.watermark_ms.min(other.watermark_ms);
        self.counted_since_ms = self.counted_since_ms.max(other.counted_since_ms);
        self.irregularities.merge(&other.irregularities);
    }

    /// Events a second of a line, over what has passed of its piece.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate is a measurement")]
    pub fn rate_per_second(&self, line: &Aggregate) -> f64 {
        let passed_ms = (self.now_ms - line.start_ms).clamp(1_000, self.piece_ms.max(1_000));
        line.count as f64 * 1_000.0 / passed_ms as f64
    }
}
