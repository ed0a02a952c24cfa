//! What is stored counts live too, on the node that stored it.

use std::sync::Arc;

use tokio_util::task::task_tracker::TaskTrackerToken;
use tradepost_aggregation::Event;

use super::Live;
use crate::metrics::LiveMetrics;
use crate::ports::{Batch, Observer};

/// Counts what was committed. It waits for nothing and keeps nothing: some 100 ns an event, by the
/// writer that stored it. Counting is not closed while one of these lives: when the process ends,
/// writers finish what they have and drop theirs.
#[derive(Debug, Clone)]
pub struct CountStored {
    live: Arc<Live>,
    metrics: LiveMetrics,
    _storing: TaskTrackerToken,
}

impl CountStored {
    /// Counts in `live`.
    #[must_use]
    pub fn new(live: Arc<Live>, metrics: LiveMetrics) -> Self {
        let storing = live.storing.token();
        Self {
            live,
            metrics,
            _storing: storing,
        }
    }
}

impl Observer for CountStored {
    fn stored(&self, batch: &Batch) {
        let events = batch.events.iter().filter_map(|event| {
            Some(Event {
                time_ms: event.at_ms,
                user_id: batch.users.get(usize::from(event.user))?,
                event_type: batch.types.get(usize::from(event.event_type))?.as_str(),
                value: event.value,
            })
        });
        match self.live.stored(batch.tenant, events) {
            Some(receipt) => self.metrics.batch(&receipt, batch.events.len()),
            None => self.metrics.missed(batch.events.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tradepost_aggregation::{Config, Grouping, Query};
    use tradepost_service::Clock;
    use tradepost_types::TenantId;

    use super::*;
    use crate::application::LiveLimits;
    use crate::domain::{BatchName, EventType};
    use crate::ports;

    #[test]
    fn what_is_stored_counts_at_any_pace_until_the_last_snapshot_and_not_after_it() {
        let limits = LiveLimits {
            tenant_events_per_second: 1,
            tenants_max: 10,
            snapshot_every: Duration::from_secs(10),
        };
        let live = Live::open(Config::default(), limits, None, Clock::system()).unwrap();
        let live = Arc::new(live);
        let counting = CountStored::new(Arc::clone(&live), LiveMetrics::default());
        let event = ports::Event {
            at_ms: live.now_ms(),
            value: 1.0,
            place: 0,
            event_type: 0,
            user: 0,
        };
        let batch = Batch {
            tenant: TenantId::new(),
            name: BatchName::Keyed {
                key: [1; 32],
                content: [1; 32],
            },
            types: vec![EventType::try_from("a").unwrap()],
            users: vec![Box::default()],
            events: vec![event; 100],
        };

        counting.stored(&batch);
        counting.stored(&batch);
        live.close();
        counting.stored(&batch);

        let query = Query {
            minutes: 5,
            event_types: &[],
            grouping: Grouping::None,
        };
        let answer = live.aggregates(batch.tenant, query, live.now_ms()).unwrap();
        assert_eq!(answer.lines.first().map(|line| line.count), Some(200));
    }
}
