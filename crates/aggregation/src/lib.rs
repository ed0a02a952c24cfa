//! Live aggregates in memory: counts, sums, extremes and percentiles by tenant, event type and
//! time. Pure and synchronous: no I/O, no tasks, no wire format but its own, and no clock but the
//! one it is given. What must outlive the process for ever belongs elsewhere.
//!
//! ```
//! use tradepost_aggregation::{BatchId, Config, Event, Grouping, MetricsProcessor, Query};
//! use tradepost_types::TenantId;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let processor = MetricsProcessor::new(Config::default())?;
//! let shop = TenantId::new();
//! let now_ms = 1_700_000_000_000;
//!
//! // One by one …
//! let viewed = Event { time_ms: now_ms, user_id: "", event_type: "page.viewed", value: 12.0 };
//! processor.process_event_at(shop, &viewed, now_ms)?;
//!
//! // … or many at once, which count once however often they are sent.
//! let id = BatchId { tenant: shop, producer: "web-1", sequence: 1 };
//! let events = [viewed, Event { value: 30.0, ..viewed }];
//! assert_eq!(processor.process_batch(id, events.into_iter(), now_ms)?.accepted, 2);
//! assert!(processor.process_batch(id, events.into_iter(), now_ms)?.duplicate);
//!
//! let query = Query { minutes: 5, event_types: &[], grouping: Grouping::None };
//! let answer = processor.aggregates(shop, query, now_ms)?;
//! let line = answer.lines.first().ok_or("nothing was counted")?;
//! assert_eq!((line.count, line.sum, line.max), (3, 54.0, 30.0));
//! assert!(line.quantile(0.5).is_some_and(|p50| (p50 - 12.0).abs() < 0.12));
//! # Ok(())
//! # }
//! ```

mod aggregates;
mod batch;
mod codec;
mod config;
mod distinct;
mod event;
mod front;
mod ledger;
mod name;
mod processor;
mod series;
mod sketch;
mod stripe;
mod sync;
mod tally;
mod tenant;

pub use aggregates::{Aggregate, Aggregates, Grouping, Query, QueryError};
pub use batch::{BatchError, BatchId, PackedEvents, Receipt};
pub use config::{Config, ConfigError};
pub use distinct::{Distinct, DistinctError};
pub use event::{Counted, Event, Reason};
pub use processor::{MetricsProcessor, SnapshotError, SnapshotKind, Usage};
pub use sketch::{NotFinite, Sketch, SketchError};
pub use tenant::Irregularities;
