//! Questions. What is needed is copied from one series after the other, each under its lock, and
//! put together when no lock is held: events do not wait for percentiles.

use std::collections::BTreeMap;

use tradepost_types::TenantId;

use crate::aggregates::{Aggregate, Aggregates, Grouping, LINES_MAX, Query, QueryError};
use crate::event::minute_of;
use crate::name::Name;
use crate::processor::MetricsProcessor;
use crate::series::Series;
use crate::sketch::Sketch;
use crate::stripe::Address;
use crate::tally::Tally;

const MINUTE_MS: i64 = 60_000;

impl MetricsProcessor {
    /// What was counted of a tenant in the last minutes before `now_ms`, in milliseconds since
    /// 1970. Every batch that was acknowledged before the call is in the answer as a whole. The
    /// answers of several nodes to the same question merge: [`Aggregates::merge`].
    ///
    /// # Errors
    /// [`QueryError`]: the window is none that is kept, or the answer too long.
    pub fn aggregates(
        &self,
        tenant: TenantId,
        query: Query<'_>,
        now_ms: i64,
    ) -> Result<Aggregates, QueryError> {
        let window = Window::of(query, now_ms)?;
        self.count_waiting(Some(tenant));
        let mut lines = Vec::new();
        for (name, address) in self.wanted(tenant, query.event_types) {
            self.read(&window, name, address, &mut lines);
            if lines.len() > LINES_MAX {
                return Err(QueryError::TooManyLines);
            }
        }
        lines.sort_by(|a, b| (&a.event_type, a.start_ms).cmp(&(&b.event_type, b.start_ms)));
        Ok(Aggregates {
            lines,
            piece_ms: window.piece_ms,
            now_ms,
            watermark_ms: self.watermark_ms(now_ms),
            counted_since_ms: self.counted_since_ms(tenant),
            irregularities: self.irregularities(tenant),
        })
    }

    fn wanted(&self, tenant: TenantId, event_types: &[&str]) -> Vec<(Name, Address)> {
        let Some(tenant) = self.known(tenant) else {
            return Vec::new();
        };
        let book = tenant.book();
        book.all()
            .filter(|(name, _)| event_types.is_empty() || event_types.contains(&name.as_str()))
            .collect()
    }

    /// Reads one series. It may have been forgotten since it was found, and another be in its place.
    fn read(&self, window: &Window, name: Name, address: Address, lines: &mut Vec<Aggregate>) {
        let stripe = self.stripe(address.hash);
        let Some(series) = stripe
            .get(address)
            .filter(|series| series.event_type == name)
        else {
            return;
        };
        match window.grouping {
            Grouping::Second => {
                let seconds: Vec<_> = window.seconds(series).collect();
                drop(stripe);
                let start = |second| second * 1_000;
                lines.extend(
                    seconds
                        .into_iter()
                        .map(|(second, tally)| line(name, start(second), tally, None)),
                );
            }
            Grouping::Minute | Grouping::None => {
                let minutes = series
                    .minutes
                    .between(window.first_minute, window.last_minute);
                drop(stripe);
                let mut pieces = BTreeMap::<i64, (Tally, Sketch)>::new();
                for found in minutes {
                    let start = window.start_ms(found.minute);
                    let (tally, sketch) = pieces
                        .entry(start)
                        .or_insert_with(|| (Tally::EMPTY, Sketch::new()));
                    tally.merge(&found.tally);
                    found.sketch.merge_into(sketch);
                }
                lines.extend(pieces.into_iter().map(|(start_ms, (tally, sketch))| {
                    // A sketch that misses values, as memory was short, is none.
                    let sketch = (sketch.count() == tally.count).then_some(sketch);
                    line(name, start_ms, tally, sketch)
                }));
            }
        }
    }
}

fn line(name: Name, start_ms: i64, tally: Tally, sketch: Option<Sketch>) -> Aggregate {
    let Tally {
        count,
        sum,
        min,
        max,
    } = tally;
    Aggregate {
        event_type: name.as_str().to_owned(),
        start_ms,
        count,
        sum,
        min,
        max,
        sketch,
    }
}

/// The time that is asked for.
struct Window {
    grouping: Grouping,
    first_minute: i64,
    last_minute: i64,
    last_second: i64,
    piece_ms: i64,
}

impl Window {
    fn of(query: Query<'_>, now_ms: i64) -> Result<Self, QueryError> {
        query.check()?;
        let minutes = i64::from(query.minutes);
        let piece_ms = match query.grouping {
            Grouping::None => minutes * MINUTE_MS,
            Grouping::Minute => MINUTE_MS,
            Grouping::Second => 1_000,
        };
        let last_minute = minute_of(now_ms);
        Ok(Self {
            grouping: query.grouping,
            first_minute: last_minute - minutes + 1,
            last_minute,
            last_second: now_ms.div_euclid(1_000),
            piece_ms,
        })
    }

    fn seconds<'a>(&self, series: &'a Series) -> impl Iterator<Item = (i64, Tally)> + use<'a> {
        series
            .seconds
            .between(self.first_minute * 60, self.last_second)
    }

    /// Where the piece starts that a minute is in.
    fn start_ms(&self, minute: i64) -> i64 {
        let first = match self.grouping {
            Grouping::None => self.first_minute,
            Grouping::Minute | Grouping::Second => minute,
        };
        first * MINUTE_MS
    }
}
