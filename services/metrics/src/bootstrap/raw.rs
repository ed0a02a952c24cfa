//! Single events and files of them.

use std::sync::Arc;

use tradepost_service::Runtime;

use crate::adapters::sheets::FileSheets;
use crate::application::{Exports, Listing};
use crate::config::AnalyticsConfig;
use crate::ports::{Archived, RawEvents};

/// Pages and exports of single events out of the database and, if there is one, the archive.
pub(super) fn raw(
    config: &AnalyticsConfig,
    runtime: &Runtime,
    (store, archive): (RawEvents, Option<Archived>),
) -> (Listing, Exports) {
    let listing = Listing::new(Arc::clone(&store), archive.clone());
    let running = (runtime.tasks.clone(), runtime.shutdown.clone());
    let sheets = Arc::new(FileSheets);
    let exports = Exports::new((store, archive), sheets, config.exports(), running);
    (listing, exports)
}
