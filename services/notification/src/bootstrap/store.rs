//! What stands on the database: the calls, and its upkeep.

use std::sync::Arc;
use std::time::Duration;

use tradepost_service::{Clock, Runtime};

use crate::adapters::grpc::{NotificationApi, SendStreams};
use crate::adapters::postgres::PgNotifications;
use crate::application::{KeepGroups, ReadHistory, Tell, Upkeep, UpkeepLimits};
use crate::config::HistoryConfig;
use crate::ports::Announcer;

/// The calls, which announce what they have committed.
#[must_use]
pub fn api(store: &Arc<PgNotifications>, announcer: &Announcer) -> NotificationApi {
    let announcer = || Arc::clone(announcer);
    NotificationApi {
        tell: Tell::new(Arc::clone(store) as _, Arc::clone(store) as _, announcer()),
        history: ReadHistory::new(Arc::clone(store) as _, announcer()),
        groups: KeepGroups::new(Arc::clone(store) as _, announcer()),
        streams: SendStreams::default(),
    }
}

/// Keeps the tables in order beside the calls.
pub fn keep(store: &Arc<PgNotifications>, config: &HistoryConfig, runtime: &Runtime) {
    let limits = UpkeepLimits {
        keep_months: config.keep_months,
        poll: Duration::from_secs(config.upkeep_seconds),
    };
    let upkeep = Upkeep::new(Arc::clone(store) as _, limits, Clock::system());
    let shutdown = runtime.shutdown.clone();
    runtime.tasks.spawn("history-upkeep", upkeep.run(shutdown));
}
