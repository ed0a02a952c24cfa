//! Single events and files of them.

use std::sync::Arc;

use tradepost_service::Runtime;

use crate::adapters::sheets::FileSheets;
use crate::application::{Exports, Listing};
use crate::config::AnalyticsConfig;
use crate::metrics::ExportMetrics;
use crate::ports::RawEvents;

/// Pages and exports of single events out of the database.
pub(super) fn raw(
    config: &AnalyticsConfig,
    runtime: &Runtime,
    store: RawEvents,
) -> (Listing, Exports) {
    let listing = Listing::new(Arc::clone(&store), None);
    let running = (runtime.tasks.clone(), runtime.shutdown.clone());
    let sheets = Arc::new(FileSheets);
    let metrics = ExportMetrics::register(&runtime.registry);
    let exports = Exports::new((store, None), sheets, config.exports(), metrics, running);
    (listing, exports)
}
