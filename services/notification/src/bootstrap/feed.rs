//! What happens to orders, told.

use std::sync::Arc;

use tradepost_messaging::Subscription;
use tradepost_postgres::Database;
use tradepost_service::Runtime;

use crate::adapters::amqp;
use crate::adapters::postgres::PgFeed;
use crate::application::TellOfOrders;
use crate::config::FeedConfig;
use crate::metrics::FeedMetrics;
use crate::ports::Announcer;

/// The queue of facts, whose news are stored in `database` and announced.
///
/// # Errors
/// Never: the name of the staff's group is one.
pub(super) fn orders(
    config: &FeedConfig,
    runtime: &Runtime,
    (database, announcer): (Database, Announcer),
) -> anyhow::Result<Subscription> {
    let metrics = FeedMetrics::register(&runtime.registry);
    let feed = Arc::new(PgFeed::new(database)?);
    let tell = TellOfOrders::new(feed, announcer, config.locale.into(), metrics);
    Ok(amqp::subscription(tell))
}
