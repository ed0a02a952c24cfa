//! Outgoing webhooks: following the history, sending what is due, forgetting what is old.

mod deliver;
mod follow;
mod upkeep;

use tradepost_notifications::content::{Content, ContentError};

pub use deliver::{Deliver, DeliverLimits};
pub use follow::FollowHistory;
pub use upkeep::PruneDeliveries;

/// What a test message says.
///
/// # Errors
/// None: its parts are in bounds.
pub fn test_content() -> Result<Content, ContentError> {
    Content::new(
        "webhook.test".to_owned(),
        "A test".to_owned(),
        "Somebody wanted to see whether this endpoint is told.".to_owned(),
        "",
    )
}
